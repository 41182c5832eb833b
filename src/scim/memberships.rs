//! Memberships: what binds somebody to a group, one resource each. A group of any size is paged through by them, and a level
//! is changed without a word about anybody else. They are kept as edges of the group, so their id is made of both ends.

use super::cursor::Position;
use super::error::{ScimError, ScimType};
use super::evaluate::{Operand, Predicate};
use super::filter::Operator;
use super::gateway::{Gateway, equals};
use super::json::Object;
use super::list::{self, Query};
use super::listing::Window;
use super::mapping::{Lookup, Reference};
use super::members::{self, List, Step, Whom};
use super::project::Projection;
use super::resource::{check_required, normalize, set_schemas};
use super::resources::ATTEMPTS;
use super::schema::ResourceType;
use crate::base::EntryId;
use crate::directory::{Error, Membership, OwnedEntry, Scope, WriteOptions};
use crate::model::{Filter, Kind, Level};
use serde_json::{Value, json};

/// A group, and one of its members.
pub(super) struct Edge {
    group: OwnedEntry,
    member: Membership,
}

impl Edge {
    /// The edge of that id, or 404.
    pub(super) fn find(gateway: &Gateway, id: &str) -> Result<Self, ScimError> {
        let (group, member) = id.split_once('.').ok_or_else(ScimError::not_found)?;
        Self::between(gateway, group, member)?.ok_or_else(ScimError::not_found)
    }

    fn between(gateway: &Gateway, group: &str, member: &str) -> Result<Option<Self>, ScimError> {
        let Some(group) = gateway.find(&gateway.catalogue.group, group, &[])? else { return Ok(None) };
        let Some(member) = gateway.entry_of(member)? else { return Ok(None) };
        let member = gateway.directory.membership(&gateway.caller, group.id, member.id)?;
        Ok(member.map(|member| Self { group, member }))
    }

    fn id(&self) -> String {
        format!("{}.{}", self.group.text("entryUUID").unwrap_or_default(), self.member.uuid)
    }

    /// What tells one state of it from another: its level is all that can change.
    pub(super) const fn version(&self) -> u64 {
        match self.member.level {
            Level::Past => 1,
            Level::ViewOnly => 2,
            Level::Full => 3,
            Level::Administrator => 4,
        }
    }

    /// As a resource.
    pub(super) fn resource(&self, gateway: &Gateway, held: &ResourceType) -> Object {
        let group = Reference {
            id: self.group.text("entryUUID").unwrap_or_default().to_owned(),
            kind: Kind::Group,
            display: self.group.text("cn").unwrap_or_default().to_owned(),
        };
        let mut resource = Object::new();
        resource.insert("id".to_owned(), self.id().into());
        resource.insert("group".to_owned(), Value::Object(group.to_value(&gateway.base_url, "display")));
        resource.insert("member".to_owned(), gateway.member_value(&self.member));
        resource.insert("level".to_owned(), members::level_name(self.member.level).into());
        let version = super::mapping::version(self.version());
        let location = self.location(gateway, held);
        resource.insert("meta".to_owned(), json!({"resourceType": held.name, "location": location, "version": version}));
        set_schemas(&mut resource, held);
        resource
    }

    /// What a change is compared with: the ids of its ends, and its level.
    pub(super) fn ends(&self) -> Object {
        let mut resource = Object::new();
        resource.insert("group".to_owned(), json!({"value": self.group.text("entryUUID").unwrap_or_default()}));
        resource.insert("member".to_owned(), json!({"value": self.member.uuid}));
        resource.insert("level".to_owned(), members::level_name(self.member.level).into());
        resource
    }

    /// Its URI.
    pub(super) fn location(&self, gateway: &Gateway, held: &ResourceType) -> String {
        format!("{}{}/{}", gateway.base_url, held.endpoint, self.id())
    }

    /// Writes a step about the members of its group. `conditional`: only as long as nothing of the group has changed.
    pub(super) async fn write(&self, gateway: &Gateway, step: Step, conditional: bool) -> Result<(), ScimError> {
        write(gateway, &self.group, step, conditional).await
    }

    /// The step that ends it.
    pub(super) fn end(&self) -> Step {
        Step::Remove(List::Memberships, Whom::Ids(vec![self.member.uuid.clone()]))
    }

    /// The step that gives it the level of `after`; what it is between is for good.
    pub(super) fn change(&self, before: &Object, after: &Object) -> Result<Step, ScimError> {
        for name in ["group", "member"] {
            let id = |resource: &Object| end_of(resource, name).map(str::to_ascii_lowercase);
            if id(before) != id(after) {
                return Err(ScimError::mutability(format!("{name} is set once")));
            }
        }
        Ok(Step::Add(vec![(self.member.uuid.clone(), Some(level(after)?))]))
    }
}

/// Leaves of a body what is kept: of the ends, who they are; what binds two resources that have an externalId has none.
pub(super) fn reduce(gateway: &Gateway, resource: &mut Object) {
    if resource.shift_remove("externalId").is_some() {
        gateway.exchange.ignored("externalId");
    }
    for name in ["group", "member"] {
        if let Some(Value::Object(end)) = resource.get_mut(name) {
            end.retain(|name, _| name == "value");
        }
    }
}

async fn write(gateway: &Gateway, group: &OwnedEntry, step: Step, conditional: bool) -> Result<(), ScimError> {
    let (held, id) = (&gateway.catalogue.group, group.text("entryUUID").unwrap_or_default());
    let (mut group, steps) = (group.clone(), [step]);
    for _ in 0..ATTEMPTS {
        // Both ends are there, so nothing waits.
        let (modifications, _) = members::modifications(gateway, &group, &steps)?;
        if modifications.is_empty() {
            return Ok(());
        }
        let options = WriteOptions { expected_version: conditional.then_some(group.version), ..WriteOptions::default() };
        match gateway.change(held, &group, Vec::new(), modifications, options, Vec::new()).await {
            Ok(_) => return Ok(()),
            Err(Error::AssertionFailed(_)) if conditional => return Err(ScimError::version()),
            // The group or the member has another name meanwhile, or somebody else was faster.
            Err(Error::AssertionFailed(_) | Error::NoSuchObject { .. } | Error::AttributeOrValueExists(_) | Error::NoSuchAttribute(_)) => {
                group = gateway.get(held, id, &[])?
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(ScimError::busy())
}

fn end_of<'r>(resource: &'r Object, name: &str) -> Option<&'r str> {
    resource.get(name)?.get("value")?.as_str()
}

fn level(resource: &Object) -> Result<Level, ScimError> {
    members::level_of(resource.get("level").and_then(Value::as_str).unwrap_or_default())
}

/// Makes the membership of a POST: 409 where there is one already, of whatever level.
pub(super) async fn create(gateway: &Gateway, held: &ResourceType, body: &Object) -> Result<Edge, ScimError> {
    let mut resource = normalize(body, held)?;
    reduce(gateway, &mut resource);
    check_required(&resource, held)?;
    let end = |name: &str| end_of(&resource, name).ok_or_else(|| ScimError::value(format!("{name}.value is required")));
    let (group, member, level) = (end("group")?, end("member")?, level(&resource)?);
    let found = gateway.find(&gateway.catalogue.group, group, &[])?;
    let entry = found.ok_or_else(|| ScimError::value(format!("group: there is no {group}")))?;
    if let Some(edge) = Edge::between(gateway, group, member)? {
        return Err(ScimError::of(ScimType::Uniqueness, format!("there is the membership {}; change its level", edge.id())));
    }
    let Some(OwnedEntry { id: number, dn, .. }) = gateway.entry_of(member)? else {
        return Err(ScimError::value(format!("member: there is no {member}")));
    };
    write(gateway, &entry, Step::Add(vec![(member.to_owned(), Some(level))]), false).await?;
    // What was made on trial is not there.
    if gateway.settings.dry_run {
        let Reference { id: uuid, kind, display } = gateway.reference(&dn).ok_or_else(ScimError::not_found)?;
        return Ok(Edge { group: entry, member: Membership { id: number, uuid, kind, display, level } });
    }
    Edge::between(gateway, group, member)?.ok_or_else(ScimError::not_found)
}

/// What a filter asks for of the ends, so that only those are looked at.
#[derive(Default)]
struct Sought {
    group: Option<String>,
    member: Option<String>,
    /// Whether it asks for anything else.
    more: bool,
}

impl Sought {
    fn take_in(&mut self, predicate: &Predicate) {
        match predicate {
            Predicate::And(parts) => parts.iter().for_each(|part| self.take_in(part)),
            Predicate::Compare(location, Operator::Equal, Operand::Text(value, _)) if location.sub.as_deref() == Some("value") => {
                let end = match location.attribute.as_deref() {
                    Some("group") => &mut self.group,
                    Some("member") => &mut self.member,
                    _ => return self.more = true,
                };
                // Two of them are both asked of each.
                self.more |= end.as_ref().is_some_and(|held| held != value);
                *end = Some(value.clone());
            }
            _ => self.more = true,
        }
    }
}

/// Answers a query. What asks for the ends alone costs what is on the page; the rest looks at each membership it may be.
pub(super) fn list(gateway: &Gateway, held: &ResourceType, query: &Query) -> Result<String, ScimError> {
    let predicate = list::predicate(query, held)?;
    let mut sought = Sought::default();
    predicate.iter().for_each(|predicate| sought.take_in(predicate));
    let groups = groups(gateway, &sought)?;
    if !sought.more && sought.member.is_none() && query.sort_by.is_none() {
        return page(gateway, held, query, &groups);
    }
    let member = sought.member.as_deref().map(|id| gateway.entry_of(id)).transpose()?;
    let (mut resources, mut looked_at, most) = (Vec::new(), 0_usize, gateway.directory.look_through(&gateway.caller));
    let mut take = |edge: Edge| {
        looked_at += 1;
        if looked_at > most {
            return Err(ScimError::of(ScimType::TooMany, "the query selects too many memberships to look at: narrow it"));
        }
        let resource = edge.resource(gateway, held);
        if predicate.as_ref().is_none_or(|predicate| predicate.matches(&resource)) {
            resources.push(resource);
        }
        Ok(())
    };
    for group in &groups {
        match &member {
            Some(None) => {}
            Some(Some(member)) => {
                let member = gateway.directory.membership(&gateway.caller, group.id, member.id)?;
                member.into_iter().try_for_each(|member| take(Edge { group: group.clone(), member }))?;
            }
            None => {
                let members = gateway.memberships(group.id)?;
                members.into_iter().try_for_each(|member| take(Edge { group: group.clone(), member }))?;
            }
        }
    }
    list::at_hand(resources, held, query, list::cursors(gateway, &[held], query)?.as_ref())
}

/// The groups that may hold what is asked for, in order of number.
fn groups(gateway: &Gateway, sought: &Sought) -> Result<Vec<OwnedEntry>, ScimError> {
    if let Some(group) = &sought.group {
        return Ok(gateway.find(&gateway.catalogue.group, group, &[])?.into_iter().collect());
    }
    let class = equals("objectClass", "hcGroup");
    let filter = match &sought.member {
        None => class,
        Some(member) => {
            let Some(dn) = gateway.dn_of(member)? else { return Ok(Vec::new()) };
            let levels = ["member", "hcViewOnlyMember", "hcPastMember"].map(|name| equals(name, &dn));
            Filter::And(vec![class, Filter::Or(levels.into())])
        }
    };
    let mut groups = Vec::new();
    gateway.for_each(&gateway.organisation, Scope::Subtree, &filter, &["entryUUID", "cn"], &mut |entry| groups.push(entry.to_owned()))?;
    Ok(groups)
}

/// A page of all members of these groups, group after group.
fn page(gateway: &Gateway, held: &ResourceType, query: &Query, groups: &[OwnedEntry]) -> Result<String, ScimError> {
    let cursors = list::cursors(gateway, &[held], query)?;
    let counts: Vec<usize> = groups.iter().map(|group| gateway.directory.member_count(group.id)).collect();
    let (mut skip, begun) = match list::window(query, cursors.as_ref())? {
        Window::From(rank) => (rank, None),
        Window::After(None) => (0, None),
        Window::After(Some(position)) => (0, Some(ends_of(&position)?)),
    };
    let from = begun.is_none().then_some(skip);
    let mut edges: Vec<Edge> = Vec::new();
    // One more than is shown tells whether there is more.
    let wanted = query.count.saturating_add(1);
    for (group, count) in groups.iter().zip(&counts) {
        let mut after = match begun {
            Some((before, _)) if group.id < before => continue,
            Some((at, member)) if group.id == at => Some(member),
            _ if skip >= *count => {
                skip -= count;
                continue;
            }
            _ if skip > 0 => gateway.directory.member_at(&gateway.caller, group.id, skip)?,
            _ => None,
        };
        skip = 0;
        while edges.len() < wanted {
            let some = gateway.memberships_after(group.id, after, wanted - edges.len())?;
            edges.extend(some.members.into_iter().map(|member| Edge { group: group.clone(), member }));
            // Some of them may be hidden, and then there are more.
            match some.last {
                None => break,
                last => after = last,
            }
        }
    }
    let more = edges.len() > query.count;
    edges.truncate(query.count);
    let last = edges
        .last()
        .filter(|_| more)
        .map(|edge| Position { key: Vec::new(), tie: [edge.group.id.0.to_be_bytes(), edge.member.id.0.to_be_bytes()].concat() });
    let projection = Projection::new(&query.attributes, &query.excluded, held)?;
    let shown = edges.iter().map(|edge| Value::Object(projection.apply(edge.resource(gateway, held), held)).to_string());
    let (all, shown): (usize, Vec<String>) = (counts.iter().sum(), shown.collect());
    // Who pages by totals is not to wait for what is hidden.
    let total = from.filter(|_| !more).map_or(all, |from| all.min(from + shown.len()));
    let page = list::Page { total, resources: shown, last };
    Ok(page.written(query, cursors.as_ref()))
}

/// The numbers of both ends that a cursor keeps.
fn ends_of(position: &Position) -> Result<(EntryId, EntryId), ScimError> {
    let both = position.tie.split_first_chunk::<4>().and_then(|(group, member)| Some((*group, <[u8; 4]>::try_from(member).ok()?)));
    let (group, member) = both.ok_or_else(|| ScimError::of(ScimType::InvalidCursor, "the cursor is not one of this query"))?;
    Ok((EntryId(u32::from_be_bytes(group)), EntryId(u32::from_be_bytes(member))))
}
