//! What SCIM asks of the directory, on behalf of one caller and within one organisation.

use super::error::{ScimError, ScimType};
use super::exchange::Exchange;
use super::json::{self, Object};
use super::licensing::{permission_value, refuse_without_entry};
use super::listing::Listings;
use super::mapping::{self, Changes, Computed, Lookup, Part, Reference};
use super::resources::ATTEMPTS;
use super::schema::{Catalogue, ResourceType};
use crate::base::{EntryId, random};
use crate::directory::client::{ClientSettings, Profile};
use crate::directory::{
    Caller, Directory, EntrySink, Error, Membership, OwnedEntry, Page, PendingChange, Progress, Scope, SearchRequest, Visible, Write,
    WriteOptions, WriteOutcome,
};
use crate::model::{Ava, Dn, Filter, Kind, Level, Modification, ModificationKind, Rdn};
use axum::http::StatusCode;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// What is read of an entry to refer to it.
const REFERENCE: &[&str] = &["entryUUID", "displayName", "cn", "uid"];

/// How many entries of a type may have one name, where they may have the same at all.
const MOST_OF_ONE_NAME: usize = 1_000;

/// Entries asked for in one step of a search.
const PAGE: usize = 500;

/// Octets of entries that are kept at one time (HD1).
const BATCH: usize = 1 << 20;

/// The directory as one caller sees it.
#[derive(Clone)]
pub struct Gateway {
    /// The directory.
    pub directory: Arc<Directory>,
    /// The types of resources.
    pub catalogue: Arc<Catalogue>,
    /// Who asks.
    pub caller: Caller,
    /// How requests of the client behind the token are dealt with.
    pub settings: ClientSettings,
    /// What is noted of the request for the log of the client.
    pub exchange: Arc<Exchange>,
    /// The DN of the organisation of the token.
    pub organisation: String,
    /// What locations begin with.
    pub base_url: Arc<str>,
    /// What queries have found of late.
    pub listings: Arc<Listings>,
}

/// Some of the members of a group.
pub(super) struct SomeMembers {
    pub(super) members: Vec<Membership>,
    /// After which there may be more.
    pub(super) last: Option<EntryId>,
}

/// `(attribute=value)`.
pub(super) fn equals(attribute: &'static str, value: &str) -> Filter<'static> {
    Filter::Equality(Cow::Borrowed(attribute), Cow::Owned(value.as_bytes().to_vec()))
}

/// Takes the entries of a search one after another.
struct Each<'f>(&'f mut dyn FnMut(&Visible<'_>));

impl EntrySink for Each<'_> {
    fn entry(&mut self, entry: &Visible<'_>) {
        (self.0)(entry);
    }

    fn reference(&mut self, _urls: &[String]) {}
}

/// Keeps the entries of a search until there are [`BATCH`] octets of them.
#[derive(Default)]
struct Batch {
    entries: Vec<OwnedEntry>,
    octets: usize,
}

impl EntrySink for Batch {
    fn entry(&mut self, entry: &Visible<'_>) {
        let entry = entry.to_owned();
        self.octets += entry.size();
        self.entries.push(entry);
    }

    fn reference(&mut self, _urls: &[String]) {}

    fn is_full(&self) -> bool {
        self.octets >= BATCH
    }
}

impl Gateway {
    /// A type as the caller has it.
    pub(super) fn served<'t>(&'t self, resource_type: &'t ResourceType) -> &'t ResourceType {
        self.catalogue.types.iter().find(|held| held.name == resource_type.name).map_or(resource_type, AsRef::as_ref)
    }

    /// Hands every entry under `base` that matches to `each`, in order of number.
    pub(super) fn for_each(
        &self,
        base: &str,
        scope: Scope,
        filter: &Filter<'_>,
        attributes: &[&str],
        each: &mut dyn FnMut(&Visible<'_>),
    ) -> Result<(), ScimError> {
        let mut request = SearchRequest::new(base, scope, filter.clone(), attributes.to_vec());
        request.page = Some(Page { size: PAGE, after: None });
        let mut counted = |entry: &Visible<'_>| {
            self.listings.looked_at.one();
            each(entry);
        };
        while self.page(&mut request, &mut Each(&mut counted), &mut |_| Ok(()))? {}
        Ok(())
    }

    /// Hands the entries of a page to `sink`, which `between` empties, and makes the request one for the next page. Whether there
    /// is one.
    fn page<S: EntrySink>(
        &self,
        request: &mut SearchRequest<'_>,
        sink: &mut S,
        between: &mut dyn FnMut(&mut S) -> Result<(), ScimError>,
    ) -> Result<bool, ScimError> {
        let (mut search, mut progress) = self.directory.search_first(&self.caller, request, sink)?;
        let progress = loop {
            let reached = progress?;
            between(sink)?;
            match reached {
                Progress::More => progress = search.step(sink),
                ended => break ended,
            }
        };
        let Some(page) = &mut request.page else { return Ok(false) };
        match progress {
            Progress::Paged { after, .. } if page.after.as_ref() != Some(&after) => {
                page.after = Some(after);
                Ok(true)
            }
            Progress::Paged { .. } | Progress::More | Progress::Done => Ok(false),
        }
    }

    /// Hands the entries of the organisation that match to `take`, some at a time and in order of number: of those in `among`,
    /// or of all. Nothing is held while it takes them, so it may ask the directory.
    pub(super) fn take_each(
        &self,
        filter: &Filter<'_>,
        attributes: &[&str],
        among: Option<&[EntryId]>,
        take: &mut dyn FnMut(Vec<OwnedEntry>) -> Result<(), ScimError>,
    ) -> Result<(), ScimError> {
        let mut request = SearchRequest::new(&self.organisation, Scope::Subtree, filter.clone(), attributes.to_vec());
        request.page = Some(Page { size: PAGE, after: None });
        request.among = among.map(<[EntryId]>::to_vec);
        let mut hand_over = |batch: &mut Batch| {
            self.listings.looked_at.add(batch.entries.len() as u64);
            take(std::mem::take(batch).entries)
        };
        while self.page(&mut request, &mut Batch::default(), &mut hand_over)? {}
        Ok(())
    }

    pub(super) fn first(
        &self,
        base: &str,
        scope: Scope,
        filter: &Filter<'_>,
        attributes: &[&str],
    ) -> Result<Option<OwnedEntry>, ScimError> {
        let mut found = None;
        self.for_each(base, scope, filter, attributes, &mut |entry| {
            found.get_or_insert_with(|| entry.to_owned());
        })?;
        Ok(found)
    }

    /// The entry of a resource, with the attributes of its type and `also`.
    pub(super) fn find(&self, resource_type: &ResourceType, id: &str, also: &[&'static str]) -> Result<Option<OwnedEntry>, ScimError> {
        // Ids are UUIDs in the form we give them; anything else is nobody's.
        if uuid::Uuid::try_parse(id).is_err() {
            return Ok(None);
        }
        let filter = Filter::And(std::iter::once(equals("entryUUID", id)).chain(resource_type.mapping.all()).collect());
        let mut attributes = resource_type.mapping.attributes_to_read();
        attributes.extend(also);
        self.first(&self.organisation, Scope::Subtree, &filter, &attributes)
    }

    /// As [`find`](Self::find), or 404.
    pub(super) fn get(&self, resource_type: &ResourceType, id: &str, also: &[&'static str]) -> Result<OwnedEntry, ScimError> {
        self.find(resource_type, id, also)?.ok_or_else(ScimError::not_found)
    }

    /// The id of another entry of the type that holds the value, for a 409 that says which (quirk 31).
    pub(super) fn holder(&self, resource_type: &ResourceType, value: &str) -> Result<Option<String>, ScimError> {
        let named = equals(resource_type.mapping.naming.ldap, value);
        let filter = Filter::And(std::iter::once(named).chain(resource_type.mapping.all()).collect());
        let found = self.first(&self.organisation, Scope::Subtree, &filter, &["entryUUID"])?;
        Ok(found.and_then(|entry| entry.text("entryUUID").map(str::to_owned)))
    }

    /// The user of a staff record (U7).
    fn login(&self, staff: &str) -> Result<Option<OwnedEntry>, ScimError> {
        let filter = Filter::And(vec![equals("objectClass", "hcUser"), equals(mapping::LOGIN, staff)]);
        self.first(&self.organisation, Scope::Subtree, &filter, REFERENCE)
    }

    /// What sets and cuts the link between a staff record and its user, which the user holds (U7).
    pub(super) fn relink(&self, staff: &str, before: &Object, after: &Object, login: &Computed) -> Result<Vec<Write>, ScimError> {
        let id = |resource: &Object| resource.get(login.name)?.get("value")?.as_str().map(str::to_ascii_lowercase);
        let (old, new) = (id(before), id(after));
        if old == new {
            return Ok(Vec::new());
        }
        let write = |dn: String, kind| {
            let values = vec![staff.as_bytes().to_vec()];
            Write::Modify { dn, modifications: vec![Modification { kind, attribute: mapping::LOGIN.to_owned(), values }] }
        };
        let mut writes = Vec::new();
        if let Some(dn) = old.map(|id| self.dn_of(&id)).transpose()?.flatten() {
            writes.push(write(dn, ModificationKind::Delete));
        }
        if let Some(id) = new {
            let user = self.find(&self.catalogue.user, &id, &[])?;
            let user = user.ok_or_else(|| ScimError::value(format!("{}: there is no user {id}", login.name)))?;
            if let Some(other) = user.text(mapping::LOGIN) {
                let of = self.reference(other).map(|staff| staff.id).unwrap_or_default();
                return Err(ScimError::of(ScimType::Uniqueness, format!("the user is linked to the staff record {of} (rule U7)")));
            }
            writes.push(write(user.dn, ModificationKind::Add));
        }
        Ok(writes)
    }

    /// Puts a number behind the name of an entry where another has it, for types whose resources may have the same name.
    pub(super) fn with_free_name(
        &self,
        resource_type: &ResourceType,
        mut changes: Changes,
        parent: &Dn,
        own: Option<EntryId>,
    ) -> Result<Changes, ScimError> {
        let naming = &resource_type.mapping.naming;
        let name =
            changes.iter_mut().filter(|(name, _)| !naming.is_unique && *name == naming.ldap).find_map(|(_, values)| values.first_mut());
        let Some(name) = name else { return Ok(changes) };
        let anything = Filter::Present(Cow::Borrowed("objectClass"));
        for number in 1..=MOST_OF_ONE_NAME {
            let wanted = if number == 1 { name.clone() } else { [name, format!(" {number}").as_bytes()].concat() };
            let rdn = Rdn(vec![Ava { attribute: naming.ldap.to_owned(), value: wanted.clone() }]);
            let taken = self.first(&format!("{rdn},{parent}"), Scope::Base, &anything, &["1.1"]);
            let taken = match taken {
                Err(error) if error.status == StatusCode::NOT_FOUND => None,
                taken => taken?,
            };
            if taken.is_none_or(|holder| Some(holder.id) == own) {
                *name = wanted;
                return Ok(changes);
            }
        }
        Err(ScimError::of(ScimType::Uniqueness, "too many have the same name"))
    }

    /// The DN of a member, by its id.
    pub(super) fn dn_of(&self, id: &str) -> Result<Option<String>, ScimError> {
        Ok(self.entry_of(id)?.map(|entry| entry.dn))
    }

    /// What it is, without attributes.
    pub(super) fn entry_of(&self, id: &str) -> Result<Option<OwnedEntry>, ScimError> {
        if uuid::Uuid::try_parse(id).is_err() {
            return Ok(None);
        }
        self.first(&self.organisation, Scope::Subtree, &equals("entryUUID", id), &["1.1"])
    }

    /// The direct members of a group, past ones left out.
    pub(super) fn members(&self, group: EntryId) -> Result<Vec<Membership>, ScimError> {
        Ok(self.members_after(group, None, usize::MAX)?.members)
    }

    /// Some of them, in order of number.
    pub(super) fn members_after(&self, group: EntryId, after: Option<EntryId>, limit: usize) -> Result<SomeMembers, ScimError> {
        let mut some = self.memberships_after(group, after, limit)?;
        some.members.retain(|member| member.level > Level::Past);
        Ok(some)
    }

    /// Some of the direct members of every level, in order of number.
    pub(super) fn memberships_after(&self, group: EntryId, after: Option<EntryId>, limit: usize) -> Result<SomeMembers, ScimError> {
        let (members, last) = match self.directory.members(&self.caller, group, after, limit) {
            // A group that was made on trial is not there.
            Err(Error::NoSuchObject { .. }) if self.settings.dry_run => (Vec::new(), None),
            found => found?,
        };
        self.listings.looked_at.add(members.len() as u64);
        Ok(SomeMembers { members, last })
    }

    /// All of them.
    pub(super) fn memberships(&self, group: EntryId) -> Result<Vec<Membership>, ScimError> {
        Ok(self.memberships_after(group, None, usize::MAX)?.members)
    }

    /// The groups of a user: those it is a member of itself, and those `memberOf` names beyond.
    pub(super) fn groups(&self, user: &OwnedEntry) -> Vec<(Reference, bool)> {
        let direct = self.directory.groups_of(&self.caller, user.id);
        self.listings.looked_at.add(direct.len() as u64);
        let others = user.values("memberOf").filter_map(|dn| std::str::from_utf8(dn).ok());
        let others = others.filter(|dn| direct.iter().all(|(_, held)| held != dn)).filter_map(|dn| self.reference(dn));
        let others: Vec<Reference> = others.filter(|found| found.kind == Kind::Group).collect();
        let own =
            |(group, _): &(Membership, String)| Reference { id: group.uuid.clone(), kind: group.kind, display: group.display.clone() };
        let mut groups: Vec<(Reference, bool)> = direct.iter().map(|group| (own(group), true)).collect();
        for group in others {
            if groups.iter().all(|(held, _)| held.id != group.id) {
                groups.push((group, false));
            }
        }
        groups
    }

    /// Makes an entry of the type out of attributes and references that wait, and what `beside` says of its DN. Answers it as it is afterwards.
    pub(super) async fn add(
        &self,
        resource_type: &ResourceType,
        changes: Changes,
        pending: Vec<PendingChange>,
        beside: impl Fn(&str) -> Result<Vec<Write>, ScimError>,
    ) -> Result<OwnedEntry, ScimError> {
        let mapping::Naming { container, is_unique, .. } = resource_type.mapping.naming;
        let parent = Dn::parse(&format!("{container},{}", self.organisation)).unwrap_or_default();
        for _ in 0..ATTEMPTS {
            let changes = self.with_free_name(resource_type, changes.clone(), &parent, None)?;
            match self.write(self.addition(resource_type, (changes, pending.clone()), &parent, &beside)?).await {
                // Somebody else took the name that was free.
                Err(Error::AlreadyExists(_)) if !is_unique => {}
                done => return done?.into_iter().find_map(|done| done.post_read).ok_or_else(ScimError::not_found),
            }
        }
        Err(ScimError::busy())
    }

    /// What makes an entry, and what comes with it.
    fn addition(
        &self,
        resource_type: &ResourceType,
        (changes, pending): (Changes, Vec<PendingChange>),
        parent: &Dn,
        beside: &dyn Fn(&str) -> Result<Vec<Write>, ScimError>,
    ) -> Result<Vec<(Write, WriteOptions)>, ScimError> {
        let naming = resource_type.mapping.naming.ldap;
        let name = changes.iter().find(|(held, _)| *held == naming).and_then(|(_, values)| values.first().cloned());
        let name = name.unwrap_or_else(|| uuid::Builder::from_random_bytes(random::bytes::<16>()).into_uuid().to_string().into_bytes());
        let rdn = Rdn(vec![Ava { attribute: naming.to_owned(), value: name }]);
        let dn = format!("{rdn},{parent}");
        let classes = resource_type.mapping.object_classes.iter().map(|class| class.as_bytes().to_vec()).collect();
        let mut attributes = vec![("objectClass".to_owned(), classes)];
        attributes.extend(resource_type.mapping.fixed.iter().map(|(name, value)| ((*name).to_owned(), vec![value.as_bytes().to_vec()])));
        attributes.extend(changes.into_iter().map(|(name, values)| (self.ldap_name(name), values)));
        let options = WriteOptions { post_read: Some(self.read_back(resource_type)), pending, ..WriteOptions::default() };
        let after = beside(&dn)?.into_iter().map(|write| (write, WriteOptions::default()));
        Ok(std::iter::once((Write::Add { dn, attributes }, options)).chain(after).collect())
    }

    /// Several changes in one step, all or nothing.
    async fn write(&self, mut writes: Vec<(Write, WriteOptions)>) -> Result<Vec<WriteOutcome>, Error> {
        match (writes.pop(), writes.is_empty()) {
            (None, _) => Ok(Vec::new()),
            (Some((write, options)), true) => Ok(vec![self.directory.write(&self.caller, write, options).await?]),
            (Some(last), false) => {
                writes.push(last);
                self.directory.write_together(&self.caller, writes).await.map_err(|failed| failed.error)
            }
        }
    }

    /// Changes an entry, in one step; where its RDN changes, by a rename that carries the other changes. `modifications`
    /// come after those of `changes`, and what changes `beside` it before. Answers the entry as it is afterwards.
    pub(super) async fn change(
        &self,
        resource_type: &ResourceType,
        entry: &OwnedEntry,
        changes: Changes,
        mut modifications: Vec<Modification>,
        options: WriteOptions,
        beside: Vec<Write>,
    ) -> Result<OwnedEntry, Error> {
        let (new_rdn, changes) = renamed(entry, &resource_type.mapping.naming, mapping::beside_others(entry, resource_type, changes));
        let replace = |(name, values): (&'static str, Vec<Vec<u8>>)| Modification {
            kind: ModificationKind::Replace,
            attribute: self.ldap_name(name),
            values,
        };
        modifications.splice(0..0, changes.into_iter().map(replace));
        let mut options = WriteOptions { post_read: Some(self.read_back(resource_type)), expected_entry: Some(entry.id), ..options };
        let dn = entry.dn.clone();
        let write = match new_rdn {
            Some(new_rdn) => {
                options.modifications = modifications;
                Write::Rename { dn, new_rdn, delete_old_rdn: true, new_superior: None }
            }
            None => Write::Modify { dn, modifications },
        };
        let before = beside.into_iter().map(|write| (write, WriteOptions::default()));
        let done = self.write(before.chain([(write, options)]).collect()).await?;
        Ok(done.into_iter().find_map(|done| done.post_read).unwrap_or_else(|| entry.clone()))
    }

    fn read_back(&self, resource_type: &ResourceType) -> Vec<String> {
        resource_type.mapping.attributes_to_read().into_iter().chain(resource_type.mapping.also(&|_| true)).map(str::to_owned).collect()
    }

    /// An entry as a resource, as far as `wants` asks for what is costly.
    pub(super) fn resource(
        &self,
        resource_type: &ResourceType,
        entry: &OwnedEntry,
        wants: &dyn Fn(&Computed) -> bool,
    ) -> Result<Object, ScimError> {
        let mut resource = mapping::to_resource(entry, resource_type, &self.base_url, self);
        let meta = resource.shift_remove("meta").unwrap_or_default();
        self.show_external_id(entry, &mut resource);
        for computed in resource_type.mapping.computed.iter().filter(|computed| wants(computed)) {
            let value: Value = match computed.part {
                Part::Groups => self.groups_value(entry).into(),
                Part::Licences => self.entitlements(entry, resource.get(computed.name)).into(),
                Part::Members => self.members(entry.id)?.iter().map(|member| self.member_value(member)).collect(),
                Part::Memberships => self.memberships(entry.id)?.iter().map(|member| self.membership_value(member)).collect(),
                Part::Permissions => self.directory.permission_grounds(&self.caller, entry.id).iter().map(permission_value).collect(),
                Part::HasLogin => self.login(&entry.dn)?.is_some().into(),
                Part::Login => {
                    let user = self.login(&entry.dn)?.and_then(|user| reference_of(&user));
                    user.map(|user| user.to_value(&self.base_url, "display").into()).unwrap_or_default()
                }
            };
            if !json::is_unassigned(&value) {
                mapping::place(&mut resource, computed.extension.as_slice(), computed.name, value);
            }
        }
        resource.insert("meta".to_owned(), meta);
        super::resource::set_schemas(&mut resource, resource_type);
        Ok(resource)
    }

    fn groups_value(&self, user: &OwnedEntry) -> Vec<Value> {
        let groups = self.groups(user).into_iter().map(|(group, direct)| {
            let mut members = group.to_value(&self.base_url, "display");
            members.insert("type".to_owned(), if direct { "direct" } else { "indirect" }.into());
            Value::Object(members)
        });
        groups.collect()
    }

    /// The entitlements that a user was given, and its licences.
    fn entitlements(&self, user: &OwnedEntry, given: Option<&Value>) -> Vec<Value> {
        let mut found = given.and_then(Value::as_array).cloned().unwrap_or_default();
        let licences = user.values("hcLicence").filter_map(|dn| self.reference(std::str::from_utf8(dn).ok()?));
        found
            .extend(licences.map(|licence| serde_json::json!({"value": licence.id, "display": licence.display, "type": mapping::LICENCE})));
        found
    }

    /// A member as an element of `memberships`.
    pub(super) fn membership_value(&self, member: &Membership) -> Value {
        let mut members = self.member_object(member);
        members.insert("level".to_owned(), super::members::level_name(member.level).into());
        Value::Object(members)
    }

    /// A member as an element of `members`.
    pub(super) fn member_value(&self, member: &Membership) -> Value {
        Value::Object(self.member_object(member))
    }

    fn member_object(&self, member: &Membership) -> Object {
        let reference = Reference { id: member.uuid.clone(), kind: member.kind, display: member.display.clone() };
        let mut members = reference.to_value(&self.base_url, "display");
        if let Some(name) = reference.type_name() {
            members.insert("type".to_owned(), name.into());
        }
        members
    }
}

/// Says that the client is on trial: what the answer tells of was not done.
pub(super) const DRY_RUN: HeaderName = HeaderName::from_static("headcount-dry-run");

impl Gateway {
    /// What a client is answered to a change.
    pub(super) fn told(&self, answer: Result<Response, ScimError>) -> Result<Response, ScimError> {
        let mut answer = answer?;
        if self.settings.dry_run {
            answer.headers_mut().insert(DRY_RUN, HeaderValue::from_static("true"));
        }
        Ok(answer)
    }
}

impl Lookup for Gateway {
    fn role_dn(&self, role: &str) -> Result<Option<String>, ScimError> {
        let named = match uuid::Uuid::try_parse(role) {
            Ok(_) => equals("entryUUID", role),
            // Entra ID sends what an administrator wrote there: the name of the role (quirk 15).
            Err(_) if self.settings.profile != Profile::Strict => equals("cn", role),
            Err(_) => return Ok(None),
        };
        let filter = Filter::And(vec![equals("objectClass", "hcRoleDefinition"), named]);
        Ok(self.first(&self.organisation, Scope::Subtree, &filter, &["1.1"])?.map(|found| found.dn))
    }

    fn reference(&self, dn: &str) -> Option<Reference> {
        let anything = Filter::Present(Cow::Borrowed("objectClass"));
        let found = self.first(dn, Scope::Base, &anything, REFERENCE).ok()??;
        reference_of(&found)
    }

    fn person_dn(&self, id: &str) -> Result<Option<String>, ScimError> {
        self.dn_of(id)
    }

    fn linked_dn(&self, ldap: &str, id: &str) -> Result<Option<String>, ScimError> {
        match ldap {
            mapping::ROLE => match self.role_dn(id)? {
                None => refuse_without_entry(self, id).map(|()| None),
                found => Ok(found),
            },
            _ if self.lets_link_wait(ldap) => Ok(self.named(ldap, id)?.map(|named| named.dn)),
            _ => self.person_dn(id),
        }
    }

    fn waits(&self, ldap: &str) -> bool {
        self.lets_link_wait(ldap)
    }
}

fn reference_of(entry: &OwnedEntry) -> Option<Reference> {
    let display = ["displayName", "cn", "uid"].into_iter().find_map(|name| entry.text(name)).unwrap_or_default();
    Some(Reference { id: entry.text("entryUUID")?.to_owned(), kind: entry.kind, display: display.to_owned() })
}

/// The RDN that changes make necessary, and the changes that are left. What an entry is named by and loses gives way to
/// what its type is named by.
fn renamed(entry: &OwnedEntry, naming: &mapping::Naming, changes: Changes) -> (Option<String>, Changes) {
    let Some(mut rdn) = Dn::parse(&entry.dn).ok().and_then(|dn| dn.rdn().cloned()) else { return (None, changes) };
    let before = rdn.clone();
    let mut left = Changes::new();
    let mut is_lost = false;
    for (name, values) in changes {
        let ava = rdn.0.iter_mut().find(|ava| ava.attribute.eq_ignore_ascii_case(name));
        match (ava, values.as_slice()) {
            (Some(ava), [value, others @ ..]) => {
                ava.value.clone_from(value);
                // The first is the one that is shown.
                if !others.is_empty() {
                    left.push((name, values));
                }
            }
            (Some(_), []) if name != naming.ldap => is_lost = true,
            _ => left.push((name, values)),
        }
    }
    if is_lost {
        let at = left.iter().position(|(name, values)| *name == naming.ldap && !values.is_empty());
        let given = at.and_then(|at| left.remove(at).1.into_iter().next());
        let value = given.or_else(|| entry.text(naming.ldap).map(|text| text.as_bytes().to_vec())).unwrap_or_default();
        rdn = Rdn(vec![Ava { attribute: naming.ldap.to_owned(), value }]);
    }
    ((rdn != before).then(|| rdn.to_string()), left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u9_a_new_user_name_is_a_rename_and_the_rest_a_modify() {
        let entry = |dn: &str| OwnedEntry { id: EntryId(1), kind: Kind::User, version: 1, dn: dn.to_owned(), attributes: Vec::new() };
        let naming = mapping::USERS.naming;
        let changes = vec![("uid", vec![b"b, c".to_vec()]), ("title", vec![b"VP".to_vec()])];
        let (rdn, left) = renamed(&entry("uid=a,ou=users,o=x"), &naming, changes.clone());
        assert_eq!(rdn.as_deref(), Some("uid=b\\, c"));
        assert_eq!(left, [("title", vec![b"VP".to_vec()])]);
        let (rdn, left) = renamed(&entry("cn=a,ou=users,o=x"), &naming, changes.clone());
        assert_eq!((rdn, left), (None, changes));
        // What it was named by goes.
        let changes = vec![("employeeNumber", Vec::new()), ("uid", vec![b"b".to_vec()])];
        let (rdn, left) = renamed(&entry("employeeNumber=1,ou=staff,o=x"), &naming, changes);
        assert_eq!((rdn.as_deref(), left), (Some("uid=b"), Changes::new()));
    }
}
