//! A small world for the tests of the rules: entries and links in plain maps, looked up naively.

use crate::base::{EntryId, Timestamp};
use crate::model::entry::Place;
use crate::model::{AttributeId, Description, Dn, Draft, Entry, Facts, Level, Link, Rdn};
use crate::schema::{LiveSchema, Schema, SealOptions};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The schema that comes with the server.
pub(crate) fn schema() -> &'static Arc<LiveSchema> {
    static SCHEMA: OnceLock<Arc<LiveSchema>> = OnceLock::new();
    SCHEMA.get_or_init(|| Arc::new(LiveSchema::from(Schema::load(&[]).unwrap())))
}

#[derive(Default)]
pub(crate) struct World {
    entries: BTreeMap<EntryId, Arc<Entry>>,
    links: BTreeMap<(EntryId, AttributeId, EntryId), Level>,
    last: u32,
}

/// The attribute of that name.
pub(crate) fn id(name: &str) -> AttributeId {
    schema().attribute(name).unwrap_or_else(|| panic!("{name}"))
}

/// A draft out of names and values.
pub(crate) fn draft(attributes: &[(&str, &str)]) -> Draft {
    let mut draft = Draft::default();
    for (name, value) in attributes {
        let description = Description::plain(id(name));
        let mut values = draft.get(&description).unwrap_or_default().to_vec();
        values.push(value.as_bytes().to_vec());
        draft.set(description, values);
    }
    draft
}

impl World {
    /// Seals an entry as it would stand under `parent`, without putting it there.
    pub(crate) fn seal(&self, number: u32, parent: Option<EntryId>, rdn: &str, draft: &Draft) -> Entry {
        let rdn_key = match parent {
            Some(_) => schema().rdn_key(&Rdn::parse(rdn).unwrap()),
            None => schema().name_key(&Dn::parse(rdn).unwrap()).into(),
        };
        let place = Place { id: EntryId(number), parent, rdn: rdn.into(), rdn_key, revision: 1 };
        let mut draft = draft.clone();
        for ava in &Dn::parse(rdn).unwrap().0[0].0 {
            let description = Description::plain(id(&ava.attribute));
            if draft.get(&description).is_none() {
                draft.set(description, vec![ava.value.clone()]);
            }
        }
        schema().seal(&draft, place, &|_| 0, SealOptions { relax: true }).unwrap_or_else(|error| panic!("{rdn}: {error}"))
    }

    /// Adds an entry.
    pub(crate) fn add(&mut self, parent: Option<EntryId>, rdn: &str, attributes: &[(&str, &str)]) -> EntryId {
        self.last += 1;
        let entry = self.seal(self.last, parent, rdn, &draft(attributes));
        self.entries.insert(entry.id, Arc::new(entry));
        EntryId(self.last)
    }

    /// The entry with other attributes in the place of those named; an empty value removes one.
    pub(crate) fn changed(&self, entry: EntryId, attributes: &[(&str, &str)]) -> Entry {
        let held = &self.entries[&entry];
        let mut draft = schema().unseal(held);
        for (name, value) in attributes {
            let values = if value.is_empty() { Vec::new() } else { vec![value.as_bytes().to_vec()] };
            draft.set(Description::plain(id(name)), values);
        }
        self.seal(entry.0, held.parent, &held.rdn, &draft)
    }

    /// Puts a changed entry in its place.
    pub(crate) fn put(&mut self, entry: Entry) {
        self.entries.insert(entry.id, Arc::new(entry));
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, entry: EntryId) {
        self.entries.remove(&entry);
        self.links.retain(|(source, _, target), _| *source != entry && *target != entry);
    }

    /// Sets a link.
    pub(crate) fn join(&mut self, source: EntryId, attribute: &str, target: EntryId, level: Level) {
        self.links.insert((source, id(attribute), target), level);
    }

    pub(crate) fn unlink(&mut self, source: EntryId, attribute: &str, target: EntryId) {
        self.links.remove(&(source, id(attribute), target));
    }

    /// The child of that RDN.
    pub(crate) fn get_child(&self, parent: EntryId, rdn: &str) -> Option<EntryId> {
        self.child(Some(parent), &schema().rdn_key(&Rdn::parse(rdn).unwrap()))
    }

    pub(crate) fn get(&self, entry: EntryId) -> Arc<Entry> {
        Arc::clone(&self.entries[&entry])
    }

    /// An organisation with its containers under the suffix: itself, users, roles, groups, licences, sessions, staff.
    pub(crate) fn organisation(&mut self, suffix: EntryId, name: &str) -> [EntryId; 7] {
        let top = self.add(Some(suffix), &format!("o={name}"), &[("objectClass", "organization"), ("objectClass", "hcOrganisation")]);
        let mut ids = [top; 7];
        for (at, unit) in ["users", "roles", "groups", "licences", "sessions", "staff"].iter().enumerate() {
            ids[at + 1] = self.add(Some(top), &format!("ou={unit}"), &[("objectClass", "organizationalUnit")]);
        }
        ids
    }

    /// A user that is active.
    pub(crate) fn user(&mut self, under: EntryId, name: &str, more: &[(&str, &str)]) -> EntryId {
        let mail = format!("{name}@example.com");
        let mut attributes = vec![
            ("objectClass", "inetOrgPerson"),
            ("objectClass", "hcUser"),
            ("cn", name),
            ("sn", name),
            ("mail", &mail),
            ("userPassword", "{SSHA}hash"),
        ];
        attributes.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        attributes.extend(more);
        attributes.retain(|(_, value)| !value.is_empty());
        self.add(Some(under), &format!("uid={name}"), &attributes)
    }
}

/// A link as a proposal lists it.
pub(crate) fn edge(source: EntryId, attribute: &str, target: EntryId) -> Link {
    Link { source, attribute: id(attribute), target, level: Level::Full }
}

impl Facts for World {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn entry(&self, id: EntryId) -> Option<Arc<Entry>> {
        self.entries.get(&id).cloned()
    }

    fn child(&self, parent: Option<EntryId>, key: &[u8]) -> Option<EntryId> {
        self.entries.values().find(|entry| entry.parent == parent && *entry.rdn_key == *key).map(|entry| entry.id)
    }

    fn children(&self, parent: EntryId, after: Option<EntryId>, limit: usize) -> Vec<EntryId> {
        let under = self.entries.values().filter(|entry| entry.parent == Some(parent) && Some(entry.id) > after);
        under.map(|entry| entry.id).take(limit).collect()
    }

    fn child_count(&self, parent: EntryId) -> usize {
        self.children(parent, None, usize::MAX).len()
    }

    fn equal(&self, attribute: AttributeId, key: &[u8]) -> Vec<EntryId> {
        let normal = |value: &[u8]| {
            let mut out = Vec::new();
            schema().normalize(attribute, value, &mut out).unwrap();
            out
        };
        self.entries.values().filter(|entry| entry.values(attribute).any(|value| normal(value) == key)).map(|entry| entry.id).collect()
    }

    fn targets(&self, source: EntryId, attribute: AttributeId, after: Option<EntryId>, limit: usize) -> Vec<(EntryId, Level)> {
        let of = self.links.iter().filter(|((from, by, to), _)| *from == source && *by == attribute && Some(*to) > after);
        of.map(|((_, _, to), level)| (*to, *level)).take(limit).collect()
    }

    fn sources(&self, target: EntryId, attribute: AttributeId) -> Vec<(EntryId, Level)> {
        let of = self.links.iter().filter(|((_, by, to), _)| *to == target && *by == attribute);
        of.map(|((from, _, _), level)| (*from, *level)).collect()
    }

    fn link(&self, source: EntryId, attribute: AttributeId, target: EntryId) -> Option<Level> {
        self.links.get(&(source, attribute, target)).copied()
    }

    fn target_count(&self, source: EntryId, attribute: AttributeId) -> usize {
        self.targets(source, attribute, None, usize::MAX).len()
    }

    fn link_attributes(&self, source: EntryId) -> Vec<AttributeId> {
        let mut found: Vec<AttributeId> = self.links.keys().filter(|(from, ..)| *from == source).map(|(_, by, _)| *by).collect();
        found.dedup();
        found
    }

    fn meta(&self, _: &str) -> Option<Arc<[u8]>> {
        None
    }

    fn meta_range(&self, _: &str) -> Vec<(String, Arc<[u8]>)> {
        Vec::new()
    }
}
