//! Collective attributes (RFC 3671): what a subentry holds for a subtree shows on the entries of it as if it were their own.
//! An entry that shares something is put together anew with what it shares, and from then on it is read, matched and sorted
//! as any other; rights are those on the entry as it is kept. A directory without such subentries pays one look-up for each
//! of its states, an entry with none above it one comparison.
//!
//! The entry above a subentry is its administrative point, whatever `administrativeRole` says of it; where that says
//! `collectiveAttributeSpecificArea` or `autonomousArea`, what is shared from further above ends there (X.501).

use super::Directory;
use super::filter::Item;
use super::plan::Part;
use super::referral::of_class;
use super::search::walk;
use super::tree;
use crate::base::EntryId;
use crate::domain::organisation_of;
use crate::model::entry::Place;
use crate::model::{AttributeId, Entry, EntryBuilder, Facts, upwards};
use crate::schema::area::Subtree;
use crate::schema::subtree::SubtreeSpecification;
use crate::schema::{COLLECTIVE_SUBENTRY, EXCLUDE_ALL, Schema};
use crate::store::Memory;
use arc_swap::ArcSwapOption;
use roaring::RoaringBitmap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Collective attribute subentries that one administrative point may have: each is looked at for every entry below.
pub(crate) const MOST_OF_POINT: usize = 32;
/// The roles that end what is shared from above: autonomousArea, collectiveAttributeSpecificArea.
const ENDING_ROLES: [&str; 2] = ["2.5.23.1", "2.5.23.5"];

/// The collective attribute subentries, by their administrative points.
#[derive(Debug, Default)]
pub(crate) struct Areas {
    points: HashMap<EntryId, Vec<Area>>,
    /// The points by the organisation they belong to.
    organisations: HashMap<Option<EntryId>, Vec<EntryId>>,
}

/// What one subentry shares, and with whom.
#[derive(Debug)]
struct Area {
    subentry: Arc<Entry>,
    subtree: Subtree,
}

/// The areas of the committed state, until one of the subentries changes, the schema, or what belongs to which
/// organisation.
#[derive(Default)]
pub(crate) struct AreasCache {
    generation: AtomicU64,
    /// Changes that readers may or may not see yet: nothing is kept for them.
    coming: AtomicUsize,
    held: ArcSwapOption<(u64, Arc<Areas>)>,
}

impl AreasCache {
    /// Something that areas are made from has changed, and readers can see it.
    pub(crate) fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Something that they are made from is about to change; [`AreasCache::settled`] follows.
    pub(crate) fn begin(&self) {
        self.coming.fetch_add(1, Ordering::AcqRel);
    }

    /// It has changed, or will not.
    pub(crate) fn settled(&self) {
        self.changed();
        self.coming.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Directory {
    /// The areas of the committed state; `None` where there are none.
    pub(super) fn areas(&self) -> Option<Arc<Areas>> {
        if !self.specials().collective() {
            return None;
        }
        let cache = &self.core().areas;
        // In this order, and before the subentries are read: one that changes meanwhile makes what is kept old.
        if cache.coming.load(Ordering::Acquire) > 0 {
            return Some(Arc::new(Areas::of(self.schema(), self.memory())));
        }
        let generation = cache.generation.load(Ordering::Acquire);
        if let Some(held) = cache.held.load().as_ref().filter(|held| held.0 == generation) {
            return Some(Arc::clone(&held.1));
        }
        let areas = Arc::new(Areas::of(self.schema(), self.memory()));
        cache.held.store(Some(Arc::new((generation, Arc::clone(&areas)))));
        Some(areas)
    }

    /// What puts on entries of the committed state what they share; `None` where nothing is shared at all.
    pub(super) fn sharing(&self) -> Option<Sharing> {
        self.areas().map(|areas| Sharing { areas, bare: None })
    }
}

/// Puts on entries, one after another, what they share.
pub(super) struct Sharing {
    areas: Arc<Areas>,
    /// The parent of the last entry, where nothing is shared at or above it.
    bare: Option<EntryId>,
}

impl Sharing {
    /// The entry with what it shares.
    pub(super) fn put_on(&mut self, schema: &Schema, facts: &dyn Facts, entry: Arc<Entry>) -> Arc<Entry> {
        if self.bare.is_some() && self.bare == entry.parent && !self.areas.points.contains_key(&entry.id) {
            return entry;
        }
        let mut any = false;
        let shared = self.areas.put_on(schema, facts, &entry, &mut any);
        self.bare = entry.parent.filter(|_| !any);
        shared.map_or(entry, Arc::new)
    }
}

impl Areas {
    /// Reads all subentries.
    fn of(schema: &Schema, facts: &dyn Facts) -> Self {
        Self::read(schema, facts, |_| true)
    }

    /// Reads those that an entry may share from.
    pub(crate) fn above(schema: &Schema, facts: &dyn Facts, entry: &Entry) -> Self {
        let above: Vec<EntryId> = entry.parent.into_iter().flat_map(|parent| upwards(facts, parent)).map(|entry| entry.id).collect();
        Self::read(schema, facts, |point| point == entry.id || above.contains(&point))
    }

    fn read(schema: &Schema, facts: &dyn Facts, wanted: impl Fn(EntryId) -> bool) -> Self {
        let mut areas = Self::default();
        for subentry in of_class(schema, facts, COLLECTIVE_SUBENTRY).into_iter().filter_map(|id| facts.entry(id)) {
            let Some(point) = subentry.parent.filter(|point| wanted(*point)) else { continue };
            let specification = subentry.values(schema.known().subtree_specification).next();
            let Some(Ok(specification)) = specification.map(SubtreeSpecification::parse) else { continue };
            let of_point = areas.points.entry(point).or_default();
            if of_point.len() < MOST_OF_POINT {
                of_point.push(Area { subtree: Subtree::of(schema, &specification), subentry });
            }
        }
        for &point in areas.points.keys() {
            areas.organisations.entry(organisation_of(facts, point)).or_default().push(point);
        }
        areas
    }

    /// The entry with what it shares; `None` where it shares nothing.
    pub(crate) fn with_shared(&self, schema: &Schema, facts: &dyn Facts, entry: &Entry) -> Option<Entry> {
        self.put_on(schema, facts, entry, &mut false)
    }

    /// `any` is set where the entry, or one above it, is an administrative point or ends what is shared.
    fn put_on(&self, schema: &Schema, facts: &dyn Facts, entry: &Entry, any: &mut bool) -> Option<Entry> {
        let mut found: Vec<&Area> = Vec::new();
        let mut above: Vec<Arc<Entry>> = Vec::new();
        loop {
            let point = above.last().map_or(entry, Arc::as_ref);
            if let Some(areas) = self.points.get(&point.id) {
                *any = true;
                let path = std::iter::once(entry).chain(above.iter().map(Arc::as_ref));
                let path: Vec<&[u8]> = path.take(above.len()).map(|entry| &*entry.rdn_key).collect();
                found.extend(areas.iter().filter(|area| area.subtree.holds(schema, entry, &path)));
            }
            if schema.has_role(point, &ENDING_ROLES) {
                // Beside it, entries may share what it does not.
                *any |= above.is_empty();
                break;
            }
            let Some(next) = point.parent.and_then(|parent| facts.entry(parent)) else { break };
            above.push(next);
        }
        // A subtree is made of entries that are no subentries (RFC 3672 §2.1).
        if found.is_empty() || schema.is_subentry(entry) { None } else { shared(schema, facts, entry, &found) }
    }
}

/// One attribute that is shared: the values of all subentries together, so that nothing tells whence each came (RFC 3671 §1.2).
struct Shared<'a> {
    attribute: AttributeId,
    description: &'a str,
    forms: Vec<Vec<u8>>,
    values: Vec<&'a [u8]>,
}

/// The entry with the attributes of these subentries that it does not exclude (RFC 3671 §2.3).
fn shared(schema: &Schema, facts: &dyn Facts, entry: &Entry, areas: &[&Area]) -> Option<Entry> {
    let known = schema.known();
    let excluded: Vec<&str> = entry
        .values(known.collective_exclusions)
        .filter_map(|name| std::str::from_utf8(name).ok())
        .map(|name| schema.oid(name).unwrap_or(name))
        .collect();
    if excluded.contains(&EXCLUDE_ALL) {
        return None;
    }
    let mut all: Vec<Shared<'_>> = Vec::new();
    for held in areas.iter().flat_map(|area| area.subentry.attributes()) {
        let definition = schema.attribute_type(held.attribute);
        if !definition.collective || excluded.contains(&definition.oid.as_str()) {
            continue;
        }
        let at = all.iter().position(|other| other.description == held.description()).unwrap_or(all.len());
        if at == all.len() {
            all.push(Shared { attribute: held.attribute, description: held.description(), forms: Vec::new(), values: Vec::new() });
        }
        let Some(shared) = all.get_mut(at) else { continue };
        for value in held.values() {
            let mut form = Vec::with_capacity(value.len());
            if schema.normalize(held.attribute, value, &mut form).is_ok() && !shared.forms.contains(&form) {
                shared.forms.push(form);
                shared.values.push(value);
            }
        }
    }
    let mut builder = EntryBuilder::over(entry);
    for shared in &all {
        builder.push(shared.attribute, shared.description, &shared.values);
    }
    let names: Vec<String> = areas.iter().map(|area| tree::dn_of(facts, area.subentry.id)).collect();
    builder.push(known.collective_attribute_subentries, schema.attribute_type(known.collective_attribute_subentries).name(), &names);
    let (parent, rdn, rdn_key) = (entry.parent, entry.rdn.clone(), entry.rdn_key.clone());
    Some(builder.build(Place { id: entry.id, parent, rdn, rdn_key, revision: entry.revision }, entry.kind))
}

/// What the planning of one search has to know of what is shared.
pub(super) struct Reach<'a> {
    pub(super) areas: Option<&'a Areas>,
    /// The organisation of the reader, who sees nothing of another's (O1).
    pub(super) organisation: Option<EntryId>,
    /// Where the search begins, if in one place.
    pub(super) base: Option<EntryId>,
}

impl Reach<'_> {
    /// Nothing is shared.
    pub(super) const NONE: Reach<'static> = Reach { areas: None, organisation: None, base: None };

    /// Where an entry may match by a collective attribute: in the areas that share a matching value. `None` where the search
    /// is within such an area, so that its own scope is narrower.
    pub(super) fn plan(&self, schema: &Schema, memory: &Memory, item: &Item, attribute: AttributeId) -> Option<Part> {
        let mut plan = Part { ids: RoaringBitmap::new(), exact: true };
        let Some(areas) = self.areas else { return Some(plan) };
        let visible = |of: &Option<EntryId>| of.is_none() || self.organisation.is_none() || *of == self.organisation;
        let points = areas.organisations.iter().filter(|(of, _)| visible(of)).flat_map(|(_, points)| points);
        for &point in points {
            let areas = areas.points.get(&point).map(Vec::as_slice).unwrap_or_default();
            let mut matching = areas.iter().filter(|area| item.holds_stored(schema, &area.subentry, attribute)).peekable();
            if matching.peek().is_none() {
                continue;
            }
            if self.base.is_some_and(|base| base != point && tree::is_within(memory, base, point)) {
                return None;
            }
            plan.exact = false;
            for area in matching {
                plan.ids.insert(area.subentry.id.0);
                let mut below = area.subtree.base().iter().rev();
                if let Some(base) = below.try_fold(point, |at, key| memory.child(Some(at), key)) {
                    plan.ids |= walk(memory, base, super::request::Scope::Subtree);
                }
            }
        }
        Some(plan)
    }
}
