//! Members of a group in a PATCH or PUT: what is written is what changes, so that the cost does not depend on how
//! many members the group has, and two writers who add different members never get in each other's way.

use super::error::ScimError;
use super::evaluate::Predicate;
use super::filter::{Filter, Operator};
use super::gateway::Gateway;
use super::json::{self, Object};
use super::mapping;
use super::patch::{Action, Operation};
use super::schema::{ResourceType, Target};
use crate::directory::{Named, OwnedEntry, PendingChange};
use crate::model::{Kind, Level, Modification, ModificationKind};
use axum::http::StatusCode;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Members that the steps of one request may look at, before the last of them (HA5).
const MOST_LOOKED_AT: usize = 1_000_000;

/// Which of the two lists of a group: its members, or its members of every level, past ones too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// `members`: those of every level but past.
    Members,
    /// `memberships` of the extension.
    Memberships,
}

/// Who is meant.
#[derive(Clone, Debug, PartialEq)]
pub enum Whom {
    /// Everybody on the list.
    All,
    /// Those of these ids.
    Ids(Vec<String>),
    /// Those on the list that match.
    Matching(Box<Predicate>),
}

/// Somebody who is to be a member; where no level is given it is full, or what it is.
pub type Wanted = (String, Option<Level>);

/// One step, in the order of the request.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// These are members.
    Add(Vec<Wanted>),
    /// These are not.
    Remove(List, Whom),
    /// These are the members, and nobody else.
    Replace(List, Vec<Wanted>),
    /// These members, of whom there is one at least, get this level.
    Level(Whom, Level),
}

impl Step {
    /// Whether who is on the list has to be known.
    const fn looks_at_all(&self) -> bool {
        match self {
            Self::Add(_) | Self::Remove(_, Whom::Ids(_)) => false,
            Self::Remove(..) | Self::Replace(..) | Self::Level(..) => true,
        }
    }

    /// Whether it speaks of levels.
    pub fn is_of_levels(&self) -> bool {
        match self {
            Self::Add(wanted) => wanted.iter().any(|(_, level)| level.is_some()),
            Self::Remove(list, _) | Self::Replace(list, _) => *list == List::Memberships,
            Self::Level(..) => true,
        }
    }

    /// Whether it rests on who is a member.
    const fn rests_on_members(&self) -> bool {
        !matches!(self, Self::Add(_) | Self::Remove(_, Whom::Ids(_)))
    }

    /// The ids that it names.
    fn ids_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Add(wanted) | Self::Replace(_, wanted) => wanted.iter_mut().map(|(id, _)| id).collect(),
            Self::Remove(_, Whom::Ids(ids)) | Self::Level(Whom::Ids(ids), _) => ids.iter_mut().collect(),
            Self::Remove(..) | Self::Level(..) => Vec::new(),
        }
    }
}

/// An id as ids are compared: ours in any case, what else names somebody as it is.
fn folded(id: &str) -> String {
    if uuid::Uuid::try_parse(id).is_ok() { id.to_ascii_lowercase() } else { id.to_owned() }
}

/// What is to become of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// On this list no more.
    Gone(List),
    /// A member of whatever level.
    Member,
    /// A member of this level.
    Of(Level),
}

/// All levels.
const LEVELS: [Level; 4] = [Level::Administrator, Level::Full, Level::ViewOnly, Level::Past];

/// A level as SCIM names it.
pub const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Administrator => "administrator",
        Level::Full => "full",
        Level::ViewOnly => "viewOnly",
        Level::Past => "past",
    }
}

/// The level of that name, or 400 invalidValue.
pub fn level_of(name: &str) -> Result<Level, ScimError> {
    let found = LEVELS.into_iter().find(|level| level_name(*level).eq_ignore_ascii_case(name));
    found.ok_or_else(|| ScimError::value(format!("level: {name} is none; there are administrator, full, viewOnly and past")))
}

/// The LDAP attribute that shows members of a level.
const fn attribute_of(level: Level) -> &'static str {
    match level {
        Level::Administrator => "hcAdministrator",
        Level::Full => "member",
        Level::ViewOnly => "hcViewOnlyMember",
        Level::Past => "hcPastMember",
    }
}

fn level_in(element: &Value) -> Result<Option<Level>, ScimError> {
    match element.as_object().and_then(|members| json::get(members, "level")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => level_of(name).map(Some),
        Some(_) => Err(ScimError::value("level is not a string")),
    }
}

/// Those whom the value of a list names; a level counts in `memberships` only.
fn wanted(list: List, value: &Value) -> Result<Vec<Wanted>, ScimError> {
    let ids = ids(value)?;
    if list == List::Members {
        return Ok(ids.into_iter().map(|id| (id, None)).collect());
    }
    let elements = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    ids.into_iter().zip(elements).map(|(id, element)| Ok((id, level_in(element)?))).collect()
}

/// The ids in the value of `members`: objects with `value`, bare ids, one or several (quirks 8, 23, 47).
pub fn ids(value: &Value) -> Result<Vec<String>, ScimError> {
    let elements = match value {
        Value::Null => &[],
        Value::Array(elements) => elements.as_slice(),
        single => std::slice::from_ref(single),
    };
    let text = |members: &Object, name| json::get(members, name).and_then(Value::as_str).map(str::to_owned);
    // The end of its URI, where a client gives that alone.
    let of_uri = |uri: String| uri.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
    let id = |element: &Value| match element {
        Value::String(id) => Some(id.clone()),
        Value::Object(members) => text(members, "value").or_else(|| of_uri(text(members, "$ref")?)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    };
    elements.iter().map(|element| id(element).ok_or_else(|| ScimError::value("members: an id is missing"))).collect()
}

/// Takes what concerns members out of an operation. Answers the steps, and the operation that is left.
pub fn split(operation: Operation, group: &ResourceType) -> Result<(Vec<Step>, Option<Operation>), ScimError> {
    let Operation { action, path, value } = operation;
    let Some(path) = path else {
        let Value::Object(mut members) = value else { return Ok((Vec::new(), Some(Operation { action, path: None, value }))) };
        let steps = taken(&mut members, group, action)?;
        return Ok((steps, Some(Operation { action, path: None, value: Value::Object(members) })));
    };
    let target = group.resolve(&path.attribute);
    if let (Some(Target::Extension(extension)), Action::Add | Action::Replace) = (target, action)
        && let Value::Object(members) = &value
    {
        let mut holder = Object::from_iter([(extension.id.clone(), Value::Object(members.clone()))]);
        let steps = taken(&mut holder, group, action)?;
        let value = holder.shift_remove(&extension.id).unwrap_or_default();
        let rest = (!json::is_unassigned(&value)).then_some(Operation { action, path: Some(path), value });
        return Ok((steps, rest));
    }
    let (list, attribute, sub) = match target {
        Some(Target::Attribute(None, attribute, sub)) if attribute.name == "members" => (List::Members, attribute, sub),
        Some(Target::Attribute(Some(_), attribute, sub)) if attribute.name == "memberships" => (List::Memberships, attribute, sub),
        _ => return Ok((Vec::new(), Some(Operation { action, path: Some(path), value }))),
    };
    let matching = |filter: &Filter| Ok::<_, ScimError>(Whom::Matching(Box::new(Predicate::compile_element(filter, attribute)?)));
    let whom = match &path.filter {
        None => Whom::All,
        Some(Filter::Compare(name, Operator::Equal, Value::String(id))) if name.name.eq_ignore_ascii_case("value") => {
            Whom::Ids(vec![id.clone()])
        }
        Some(filter) => matching(filter)?,
    };
    let step = match (action, sub.map(|sub| sub.name.as_str()), whom) {
        (Action::Remove, None, Whom::All) if json::is_unassigned(&value) => Step::Remove(list, Whom::All),
        (Action::Remove, None, Whom::All) => Step::Remove(list, Whom::Ids(ids(&value)?)),
        (Action::Remove, None, whom) => Step::Remove(list, whom),
        (Action::Add, None, Whom::All) => Step::Add(wanted(list, &value)?),
        (Action::Replace, None, Whom::All) => Step::Replace(list, wanted(list, &value)?),
        (Action::Add | Action::Replace, Some("level"), whom) => {
            let name = value.as_str().ok_or_else(|| ScimError::value("level is not a string"))?;
            Step::Level(whom, level_of(name)?)
        }
        (Action::Add | Action::Replace, None, whom) if list == List::Memberships => match level_in(&value)? {
            Some(level) => Step::Level(whom, level),
            None => return Err(ScimError::value("memberships: a level is missing")),
        },
        _ => return Err(ScimError::mutability("a member is added or removed, and its level changed; who it is is not")),
    };
    Ok((vec![step], None))
}

/// Takes the lists out of the body of a POST or PUT, or of the value of an operation without a path.
fn taken(body: &mut Object, group: &ResourceType, action: Action) -> Result<Vec<Step>, ScimError> {
    let mut steps = Vec::new();
    let mut step = |list: List, value: &Value| -> Result<(), ScimError> {
        let wanted = wanted(list, value)?;
        steps.push(if action == Action::Replace { Step::Replace(list, wanted) } else { Step::Add(wanted) });
        Ok(())
    };
    if let Some(value) = remove(body, |name| is_members(name, group)) {
        step(List::Members, &value)?;
    }
    for extension in &group.extensions {
        let whole = format!("{}:memberships", extension.id);
        if let Some(value) = remove(body, |name| name.eq_ignore_ascii_case(&whole)) {
            step(List::Memberships, &value)?;
        }
        let name = body.keys().find(|name| name.eq_ignore_ascii_case(&extension.id)).cloned();
        let Some(Value::Object(members)) = name.and_then(|name| body.get_mut(&name)) else { continue };
        if let Some(value) = remove(members, |name| name.eq_ignore_ascii_case("memberships")) {
            step(List::Memberships, &value)?;
        }
    }
    Ok(steps)
}

fn remove(body: &mut Object, is_it: impl Fn(&str) -> bool) -> Option<Value> {
    let name = body.keys().find(|name| is_it(name)).cloned()?;
    body.shift_remove(&name)
}

fn is_members(name: &str, group: &ResourceType) -> bool {
    let urn = name.rsplit_once(':');
    let (urn, name) = urn.map_or((None, name), |(urn, name)| (Some(urn), name));
    name.eq_ignore_ascii_case("members") && urn.is_none_or(|urn| urn.eq_ignore_ascii_case(&group.schema.id))
}

/// Takes the lists of members out of a body, for a POST or PUT; what is absent is no step.
pub fn take(body: &mut Object, group: &ResourceType) -> Result<Vec<Step>, ScimError> {
    taken(body, group, Action::Replace)
}

/// What becomes of whom, after all steps; nobody else is touched. `current` is asked for the memberships there are only
/// where a step needs to know.
fn outcome(steps: &[Step], current: &mut dyn FnMut() -> Result<Vec<Value>, ScimError>) -> Result<BTreeMap<String, Outcome>, ScimError> {
    let mut state: BTreeMap<String, Outcome> = BTreeMap::new();
    let (mut listed, mut looked_at) = (None, 0_usize);
    for step in steps {
        if step.looks_at_all() {
            if looked_at > MOST_LOOKED_AT {
                let detail = "the operations look at more members than those of one request may: send them in several";
                return Err(ScimError::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
            }
            if listed.is_none() {
                listed = Some(current()?);
            }
            looked_at = looked_at.saturating_add(listed.as_ref().map_or(0, Vec::len)).saturating_add(state.len());
        }
        let current = listed.as_deref().unwrap_or_default();
        match step {
            Step::Add(wanted) => add(&mut state, wanted),
            Step::Remove(list, Whom::Ids(ids)) => state.extend(ids.iter().map(|id| (folded(id), Outcome::Gone(*list)))),
            Step::Remove(list, whom) => {
                let gone = selected(&state, *list, whom, current);
                state.extend(gone.into_iter().map(|id| (id, Outcome::Gone(*list))));
            }
            Step::Replace(list, wanted) => {
                let listed = selected(&state, *list, &Whom::All, current);
                let stay: HashSet<String> = wanted.iter().map(|(id, _)| folded(id)).collect();
                state.extend(listed.into_iter().filter(|id| !stay.contains(id)).map(|id| (id, Outcome::Gone(*list))));
                add(&mut state, wanted);
            }
            Step::Level(whom, level) => {
                let found = selected(&state, List::Memberships, whom, current);
                if found.is_empty() {
                    return Err(ScimError::no_target("memberships: there is no such member"));
                }
                state.extend(found.into_iter().map(|id| (id, Outcome::Of(*level))));
            }
        }
    }
    Ok(state)
}

fn add(state: &mut BTreeMap<String, Outcome>, wanted: &[Wanted]) {
    for (id, level) in wanted {
        let outcome = state.entry(folded(id)).or_insert(Outcome::Member);
        *outcome = match (level, *outcome) {
            (Some(level), _) => Outcome::Of(*level),
            (None, kept @ Outcome::Of(Level::Administrator | Level::Full | Level::ViewOnly)) => kept,
            (None, _) => Outcome::Member,
        };
    }
}

/// Those on a list, as it is after the steps until now.
fn selected(state: &BTreeMap<String, Outcome>, list: List, whom: &Whom, current: &[Value]) -> Vec<String> {
    let id = |element: &Value| element.get("value").and_then(Value::as_str).map(folded);
    let there: HashSet<String> = current.iter().filter_map(id).collect();
    let added = state.keys().filter(|id| !there.contains(*id)).map(|id| serde_json::json!({"value": id}));
    let mut found = Vec::new();
    for mut element in current.iter().cloned().chain(added) {
        let Some(id) = id(&element) else { continue };
        let level = element.get("level").and_then(Value::as_str).and_then(|name| level_of(name).ok());
        let level = match state.get(&id) {
            Some(Outcome::Gone(List::Memberships)) => None,
            Some(Outcome::Gone(List::Members)) => level.filter(|level| *level == Level::Past),
            Some(Outcome::Member) => level.filter(|level| *level > Level::Past).or(Some(Level::Full)),
            Some(Outcome::Of(level)) => Some(*level),
            None => level,
        };
        let Some(level) = level.filter(|level| list == List::Memberships || *level > Level::Past) else { continue };
        if let Some(members) = element.as_object_mut() {
            members.insert("level".to_owned(), level_name(level).into());
        }
        let matches = match whom {
            Whom::All => true,
            Whom::Ids(ids) => ids.iter().any(|wanted| folded(wanted) == id),
            Whom::Matching(predicate) => predicate.matches_element(&element),
        };
        if matches {
            found.push(id);
        }
    }
    found
}

/// Whom the ids of a request mean, each looked up once.
struct People<'g> {
    gateway: &'g Gateway,
    found: HashMap<String, Option<Named>>,
}

impl<'g> People<'g> {
    fn of(gateway: &'g Gateway) -> Self {
        Self { gateway, found: HashMap::new() }
    }

    fn find(&mut self, id: &str) -> Result<Option<Named>, ScimError> {
        if let Some(found) = self.found.get(id) {
            return Ok(found.clone());
        }
        let found = self.gateway.named(MEMBER, id)?;
        self.found.insert(folded(found.as_ref().map_or(id, |named| &named.id)), found.clone());
        Ok(found)
    }

    /// The steps with our ids for those whom a client names otherwise; those in `members` go by theirs.
    fn called_by_id<'s>(&mut self, steps: &'s [Step], members: Option<&HashMap<String, Level>>) -> Result<Cow<'s, [Step]>, ScimError> {
        if !self.gateway.lets_wait() {
            return Ok(Cow::Borrowed(steps));
        }
        let mut steps = steps.to_vec();
        for id in steps.iter_mut().flat_map(Step::ids_mut) {
            if members.is_none_or(|members| !members.contains_key(&folded(id)))
                && let Some(named) = self.find(id)?
            {
                *id = named.id;
            }
        }
        Ok(Cow::Owned(steps))
    }
}

const MEMBER: &str = "member";

/// 400 invalidValue where somebody is not there and the request cannot wait.
fn wait_for(gateway: &Gateway, id: &str, level: Level) -> Result<PendingChange, ScimError> {
    match gateway.lets_wait() {
        true => Ok(PendingChange { attribute: attribute_of(level).to_owned(), value: id.to_owned(), is_wanted: true }),
        false => Err(ScimError::value(format!("members: there is no {id}"))),
    }
}

/// The members of a new group, as attributes, and references that wait; where they cannot, one that is not there is 400
/// invalidValue.
pub fn of_new(gateway: &Gateway, steps: &[Step]) -> Result<(mapping::Changes, Vec<PendingChange>), ScimError> {
    let mut names: BTreeMap<&'static str, Vec<Vec<u8>>> = BTreeMap::new();
    let (mut people, mut pending) = (People::of(gateway), Vec::new());
    let steps = people.called_by_id(steps, None)?;
    for (id, outcome) in outcome(&steps, &mut || Ok(Vec::new()))? {
        let level = match outcome {
            Outcome::Gone(_) => continue,
            Outcome::Member => Level::Full,
            Outcome::Of(level) => level,
        };
        match people.find(&id)? {
            Some(named) if !is_member(named.kind) => return Err(no_member(&id)),
            Some(named) => names.entry(attribute_of(level)).or_default().push(named.dn.into_bytes()),
            None => pending.push(wait_for(gateway, &id, level)?),
        }
    }
    Ok((names.into_iter().collect(), pending))
}

/// The members of a group there are and those that wait, as elements of `memberships`.
fn all_of(gateway: &Gateway, group: &OwnedEntry) -> Result<(HashMap<String, Level>, Vec<Value>), ScimError> {
    let members = gateway.memberships(group.id)?;
    let mut elements: Vec<Value> = members.iter().map(|member| gateway.membership_value(member)).collect();
    for (attribute, id) in gateway.directory.pending_of(&gateway.caller, group.id, MEMBER) {
        let level = LEVELS.into_iter().find(|level| attribute_of(*level).eq_ignore_ascii_case(&attribute)).unwrap_or_default();
        elements.push(serde_json::json!({"value": id, "level": level_name(level)}));
    }
    Ok((members.iter().map(|member| (member.uuid.to_ascii_lowercase(), member.level)).collect(), elements))
}

/// What becomes of a reference to somebody who is not there; `None` where it is so already. Who is not there is no member.
fn waits(gateway: &Gateway, group: &OwnedEntry, id: &str, outcome: Outcome) -> Result<Option<PendingChange>, ScimError> {
    let held = gateway.directory.pending(&gateway.caller, group.id, MEMBER, id);
    let level = match (outcome, &held) {
        (Outcome::Gone(_), _) => {
            return Ok(held.map(|attribute| PendingChange { attribute, value: id.to_owned(), is_wanted: false }));
        }
        (Outcome::Member, Some(_)) => return Ok(None),
        (Outcome::Member, None) => Level::Full,
        (Outcome::Of(level), _) => level,
    };
    Ok(Some(wait_for(gateway, id, level)?).filter(|change| held.as_ref() != Some(&change.attribute)))
}

/// What to write for the steps: an addition for who is not yet a member, a removal for who is one, both for a lower level; and
/// what becomes of references that wait. What is so already is left alone, so repeating a request changes nothing (quirks 34,
/// 39), and a list of thousands costs look-ups for those alone that differ.
pub fn modifications(gateway: &Gateway, group: &OwnedEntry, steps: &[Step]) -> Result<(Vec<Modification>, Vec<PendingChange>), ScimError> {
    let all = if steps.iter().any(Step::rests_on_members) { Some(all_of(gateway, group)?) } else { None };
    let (mut people, mut pending) = (People::of(gateway), Vec::new());
    let steps = people.called_by_id(steps, all.as_ref().map(|(levels, _)| levels))?;
    let elements = || all.as_ref().map(|(_, elements)| elements.clone()).unwrap_or_default();
    let mut changes: BTreeMap<(bool, &str), Vec<Vec<u8>>> = BTreeMap::new();
    for (id, outcome) in outcome(&steps, &mut || Ok(elements()))? {
        let known = all.as_ref().map(|(levels, _)| levels.get(&id).copied());
        if known.flatten().is_some_and(|held| written(outcome, Some(held)).is_empty()) {
            continue;
        }
        let Some(named) = people.find(&id)? else {
            pending.extend(waits(gateway, group, &id, outcome)?);
            continue;
        };
        let held = gateway.directory.member_level(&gateway.caller, group.id, named.entry)?;
        if held.is_none() && !matches!(outcome, Outcome::Gone(_)) && !is_member(named.kind) {
            return Err(no_member(&id));
        }
        for (is_added, attribute) in written(outcome, held) {
            changes.entry((is_added, attribute)).or_default().push(named.dn.clone().into_bytes());
        }
    }
    let modification = |((add, attribute), values): ((bool, &str), Vec<Vec<u8>>)| Modification {
        kind: if add { ModificationKind::Add } else { ModificationKind::Delete },
        attribute: attribute.to_owned(),
        values,
    };
    Ok((changes.into_iter().map(modification).collect(), pending))
}

/// Whether it can be made a member (RFC 7643 §4.2, G1): somebody, or another group. LDAP lets anything be one.
const fn is_member(kind: Kind) -> bool {
    matches!(kind, Kind::User | Kind::Staff | Kind::Person | Kind::Group)
}

fn no_member(id: &str) -> ScimError {
    ScimError::value(format!("members: {id} is neither a person nor a group"))
}

/// The attributes that a name is added to and taken from, by the level it has. `member` shows administrators too, so one who
/// is to be that no more is taken out first.
fn written(outcome: Outcome, held: Option<Level>) -> Vec<(bool, &'static str)> {
    use Level::{Administrator, Full, Past, ViewOnly};
    match (outcome, held) {
        (Outcome::Member, None | Some(Past)) => vec![(true, attribute_of(Full))],
        (Outcome::Member, Some(ViewOnly | Full | Administrator)) => Vec::new(),
        (Outcome::Of(Full), Some(Administrator)) => vec![(false, attribute_of(Administrator)), (true, attribute_of(Full))],
        (Outcome::Of(level), held) if held == Some(level) => Vec::new(),
        (Outcome::Of(level), _) => vec![(true, attribute_of(level))],
        (Outcome::Gone(List::Members), Some(Past)) | (Outcome::Gone(_), None) => Vec::new(),
        (Outcome::Gone(_), Some(Administrator)) => vec![(false, attribute_of(Full))],
        (Outcome::Gone(_), Some(level)) => vec![(false, attribute_of(level))],
    }
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
mod tests {
    use super::*;
    use crate::directory::client::Profile;
    use crate::scim::patch;
    use crate::scim::schema::Catalogue;
    use serde_json::json;

    fn steps(operations: Value) -> Result<(Vec<Step>, usize), ScimError> {
        let catalogue = Catalogue::load().unwrap();
        let (mut steps, mut left) = (Vec::new(), 0);
        for operation in patch::parse(json!({"operations": operations}).as_object().unwrap(), Profile::Rfc)? {
            let (found, rest) = split(operation, &catalogue.group)?;
            steps.extend(found);
            left += usize::from(rest.is_some());
        }
        Ok((steps, left))
    }

    fn members_after(operations: Value) -> Vec<String> {
        let current = ["a", "b"].map(|id| json!({"value": id, "display": format!("Name {id}"), "type": "User", "level": "full"}));
        let (steps, _) = steps(operations).unwrap();
        let state = outcome(&steps, &mut || Ok(current.to_vec())).unwrap();
        selected(&state, List::Members, &Whom::All, &current)
    }

    #[test]
    fn what_identity_providers_send_for_members_is_understood() {
        let cases = [
            // Quirks 8 and 39: removal by value takes only that one.
            (json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": "a"}]}]), vec!["b"]),
            (json!([{"op": "remove", "path": "members", "value": "a"}]), vec!["b"]),
            // Quirk 9.
            (json!([{"op": "remove", "path": "members[value eq \"a\"]"}]), vec!["b"]),
            (json!([{"op": "remove", "path": "members[display eq \"name A\" or value eq \"z\"]"}]), vec!["b"]),
            // Quirks 10, 22, 47.
            (json!([{"op": "Add", "path": "members", "name": "addMember", "value": [{"$ref": null, "value": "c"}]}]), vec!["a", "b", "c"]),
            (json!([{"op": "add", "path": "members", "value": {"displayName": "C", "value": "c"}}]), vec!["a", "b", "c"]),
            (json!([{"op": "add", "value": {"members": [{"value": "c"}], "displayName": "x"}}]), vec!["a", "b", "c"]),
            // Quirk 33: the whole list, nobody, and both in one request.
            (json!([{"op": "replace", "path": "members", "value": [{"value": "c"}]}]), vec!["c"]),
            (json!([{"op": "replace", "path": "members", "value": []}]), vec![]),
            (json!([{"op": "remove", "path": "members"}]), vec![]),
            (json!([{"op": "remove", "path": "members"}, {"op": "add", "path": "members", "value": [{"value": "b"}]}]), vec!["b"]),
            (
                json!([{"op": "add", "path": "members", "value": ["c"]}, {"op": "remove", "path": "members[value eq \"c\"]"}]),
                vec!["a", "b"],
            ),
            // Quirk 34.
            (json!([{"op": "remove", "path": "members[value eq \"zz\"]"}]), vec!["a", "b"]),
        ];
        for (operations, expected) in cases {
            assert_eq!(members_after(operations.clone()), expected, "{operations}");
        }
    }

    /// What there is after operations on the extension, where `a` is an administrator and `b` was a member once.
    fn levels_after(operations: Value) -> Result<Vec<String>, ScimError> {
        let current = [("a", "administrator"), ("b", "past"), ("c", "full")].map(|(id, level)| json!({"value": id, "level": level}));
        let (steps, left) = steps(operations)?;
        assert_eq!(left, 0);
        let state = outcome(&steps, &mut || Ok(current.to_vec()))?;
        let levels = [Level::Administrator, Level::Full, Level::ViewOnly, Level::Past];
        let of = |level: Level| {
            let catalogue = Catalogue::load().unwrap();
            let filter = Filter::parse(&format!("level eq \"{}\"", level_name(level))).unwrap();
            let predicate = Predicate::compile_element(&filter, catalogue.group.extensions[0].attribute("memberships").unwrap()).unwrap();
            let found = selected(&state, List::Memberships, &Whom::Matching(Box::new(predicate)), &current);
            found.into_iter().map(move |id| format!("{id} {}", level_name(level)))
        };
        Ok(levels.into_iter().flat_map(of).collect())
    }

    #[test]
    fn g1_levels_are_given_changed_and_taken_by_every_kind_of_path() {
        const GROUP: &str = "urn:headcount:scim:schemas:extension:1.0:Group";
        let path = |rest: &str| format!("{GROUP}:memberships{rest}");
        let cases = [
            (json!([{"op": "replace", "path": path("[value eq \"a\"].level"), "value": "full"}]), "a full,c full,b past"),
            (
                json!([{"op": "replace", "path": path("[level eq \"past\"].level"), "value": "viewOnly"}]),
                "a administrator,c full,b viewOnly",
            ),
            (json!([{"op": "add", "path": path("[level eq \"full\"]"), "value": {"level": "PAST"}}]), "a administrator,b past,c past"),
            (
                json!([{"op": "add", "path": path(""), "value": [{"value": "d", "level": "viewOnly"}, {"value": "a"}]}]),
                "a administrator,c full,d viewOnly,b past",
            ),
            (json!([{"op": "remove", "path": path("[level eq \"administrator\"]")}]), "c full,b past"),
            (json!([{"op": "remove", "path": path(""), "value": [{"value": "b"}]}]), "a administrator,c full"),
            (json!([{"op": "remove", "path": path("")}]), ""),
            (json!([{"op": "replace", "path": path(""), "value": [{"value": "b", "level": "administrator"}]}]), "b administrator"),
            (json!([{"op": "replace", "path": GROUP, "value": {"memberships": [{"value": "c"}]}}]), "c full"),
            // The plain list says nothing of levels, and nothing of past members.
            (json!([{"op": "replace", "path": "members", "value": [{"value": "a"}, {"value": "c"}]}]), "a administrator,c full,b past"),
            (json!([{"op": "replace", "path": "members", "value": []}]), "b past"),
            (json!([{"op": "add", "path": "members", "value": [{"value": "b"}]}]), "a administrator,b full,c full"),
            (json!([{"op": "remove", "path": "members[value eq \"b\"]"}]), "a administrator,c full,b past"),
            (
                json!([{"op": "add", "path": path(""), "value": {"value": "d", "level": "administrator"}}, {"op": "add", "path": "members", "value": [{"value": "d"}]}]),
                "a administrator,d administrator,c full,b past",
            ),
        ];
        for (operations, expected) in cases {
            assert_eq!(levels_after(operations.clone()).unwrap().join(","), expected, "{operations}");
        }
        for refused in [
            json!([{"op": "replace", "path": path("[value eq \"z\"].level"), "value": "full"}]),
            json!([{"op": "replace", "path": path("[value eq \"a\"].level"), "value": "owner"}]),
            json!([{"op": "replace", "path": path("[value eq \"a\"].value"), "value": "c"}]),
            json!([{"op": "add", "path": path(""), "value": [{"value": "d", "level": 3}]}]),
        ] {
            assert!(levels_after(refused.clone()).is_err(), "{refused}");
        }
    }

    #[test]
    fn members_are_not_changed_in_place_and_other_attributes_go_their_way() {
        assert!(steps(json!([{"op": "replace", "path": "members[value eq \"a\"].display", "value": "x"}])).is_err());
        assert!(steps(json!([{"op": "add", "path": "members", "value": [{"display": "x"}]}])).is_err());
        assert_eq!(steps(json!([{"op": "replace", "path": "displayName", "value": "x"}])).unwrap(), (vec![], 1));
        assert_eq!(steps(json!([{"op": "replace", "value": {"displayName": "x"}}])).unwrap(), (vec![], 1));
    }
}
