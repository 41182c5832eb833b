//! Putting on entries what they share (RFC 3671): of each set of areas the values are brought together once, and copied from
//! then on. What a reader is shown names no subentry that the reader may not know of; the values show as the entry's own do.

use super::collective::{Area, Areas};
use super::filter::Matcher;
use super::tree;
use super::view::Selection;
use crate::access::Grants;
use crate::base::EntryId;
use crate::model::entry::{Place, put_attribute};
use crate::model::{AttributeId, Entry, EntryBuilder, Facts};
use crate::schema::{EXCLUDE_ALL, Schema};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What may be done in one step of a search before it ends: others wait for that (HA5).
const STEP_WORK: usize = 16_384;

/// Puts on entries, one after another, what they share.
pub(crate) struct Sharing<'a> {
    areas: Arc<Areas>,
    grants: &'a Grants,
    /// The parent of the last entry, where nothing is shared at or above it.
    bare: Option<EntryId>,
    /// What the areas of the last entry share.
    last: Option<Merged>,
    /// Whether a filter asks for what is shared, so that it is put on before the filter is asked.
    pub(super) is_matched: bool,
    work: usize,
}

/// What a set of areas shares: the values of all subentries together, so that nothing tells whence each came (RFC 3671 §1.2).
struct Merged {
    subentries: Vec<EntryId>,
    attributes: Vec<Shared>,
    /// `collectiveAttributeSubentries`, as far as the reader may know of them.
    names: Vec<String>,
}

/// One attribute that is shared.
struct Shared {
    attribute: AttributeId,
    has_options: bool,
    /// As it travels.
    encoded: Vec<u8>,
    values: usize,
}

impl<'a> Sharing<'a> {
    /// For one reader.
    pub(crate) const fn new(areas: Arc<Areas>, grants: &'a Grants) -> Self {
        Self { areas, grants, bare: None, last: None, is_matched: false, work: 0 }
    }

    /// The entry with what it shares.
    pub(super) fn put_on(&mut self, schema: &Schema, facts: &dyn Facts, entry: Arc<Entry>) -> Arc<Entry> {
        if self.bare.is_some() && self.bare == entry.parent && !self.areas.is_point(entry.id) {
            return entry;
        }
        self.of(schema, facts, &entry).map_or(entry, Arc::new)
    }

    /// The entry with what it shares; `None` where it shares nothing.
    pub(crate) fn of(&mut self, schema: &Schema, facts: &dyn Facts, entry: &Entry) -> Option<Entry> {
        let areas = Arc::clone(&self.areas);
        let holding = areas.holding(schema, facts, entry);
        self.work += holding.work;
        self.bare = entry.parent.filter(|_| !holding.is_below_any);
        if holding.areas.is_empty() {
            return None;
        }
        let known = schema.known();
        let excluded = entry.values(known.collective_exclusions).filter_map(|name| std::str::from_utf8(name).ok());
        let excluded: Vec<&str> = excluded.map(|name| schema.oid(name).unwrap_or(name)).collect();
        if excluded.contains(&EXCLUDE_ALL) {
            return None;
        }
        let merged = match self.last.take().filter(|last| last.is_of(&holding.areas)) {
            Some(last) => last,
            None => self.merge(schema, facts, &holding.areas),
        };
        let mut builder = EntryBuilder::over(entry);
        let is_excluded = |attribute: AttributeId| excluded.contains(&schema.attribute_type(attribute).oid.as_str());
        for shared in merged.attributes.iter().filter(|shared| !is_excluded(shared.attribute)) {
            builder.push_encoded(shared.attribute, shared.has_options, &shared.encoded);
            self.work += shared.values;
        }
        if !merged.names.is_empty() {
            let subentries = schema.attribute_type(known.collective_attribute_subentries);
            builder.push(subentries.id, subentries.name(), &merged.names);
        }
        self.last = Some(merged);
        let (parent, rdn, rdn_key) = (entry.parent, entry.rdn.clone(), entry.rdn_key.clone());
        Some(builder.build(Place { id: entry.id, parent, rdn, rdn_key, revision: entry.revision }, entry.kind))
    }

    /// Whether a step has done enough.
    pub(super) const fn is_enough(&self) -> bool {
        self.work > STEP_WORK
    }

    /// Parts of subtrees asked, and values brought together and put on, until now.
    #[cfg(test)]
    pub(super) const fn work(&self) -> usize {
        self.work
    }

    fn merge(&mut self, schema: &Schema, facts: &dyn Facts, areas: &[&Area]) -> Merged {
        struct Together<'v> {
            attribute: AttributeId,
            forms: HashSet<&'v [u8]>,
            values: Vec<&'v [u8]>,
        }
        let mut all: Vec<(&str, Together<'_>)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for held in areas.iter().flat_map(|area| area.held(schema)) {
            let description = &*held.description;
            let place = *places.entry(description).or_insert_with(|| {
                all.push((description, Together { attribute: held.attribute, forms: HashSet::new(), values: Vec::new() }));
                all.len() - 1
            });
            let Some((_, together)) = all.get_mut(place) else { continue };
            self.work += held.values.len();
            let new = held.values.iter().filter(|(form, _)| together.forms.insert(form));
            together.values.extend(new.map(|(_, value)| &**value));
        }
        let attributes = all.into_iter().map(|(description, Together { attribute, values, .. })| {
            let mut encoded = Vec::new();
            put_attribute(&mut encoded, description, &values);
            Shared { attribute, has_options: description.contains(';'), encoded, values: values.len() }
        });
        let known_to_reader = areas.iter().filter(|area| self.grants.on(facts, &area.subentry).disclosed);
        Merged {
            subentries: areas.iter().map(|area| area.subentry.id).collect(),
            attributes: attributes.collect(),
            names: known_to_reader.map(|area| tree::dn_of(facts, area.subentry.id)).collect(),
        }
    }
}

impl Merged {
    fn is_of(&self, areas: &[&Area]) -> bool {
        self.subentries.iter().copied().eq(areas.iter().map(|area| area.subentry.id))
    }
}

impl Matcher {
    /// Whether it asserts about anything that an entry may share.
    pub(super) fn asks_shared(&self, schema: &Schema) -> bool {
        self.any(&|item| item.attributes.iter().any(|attribute| schema.is_shared(*attribute)))
    }
}

impl Selection {
    /// Whether it takes anything that an entry may share.
    pub(super) fn takes_shared(&self, schema: &Schema) -> bool {
        let mut types = schema.attribute_types().iter().map(|definition| definition.id);
        types.any(|attribute| schema.is_shared(attribute) && self.may_take(schema, attribute))
    }
}
