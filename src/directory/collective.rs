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
use super::sharing::Sharing;
use super::tree;
use crate::access::Grants;
use crate::base::EntryId;
use crate::domain::organisation_of;
use crate::model::{AttributeId, Entry, Facts, upwards};
use crate::schema::area::Subtree;
use crate::schema::subtree::SubtreeSpecification;
use crate::schema::{COLLECTIVE_SUBENTRY, Schema};
use crate::store::Memory;
use arc_swap::ArcSwapOption;
use roaring::RoaringBitmap;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

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
pub(super) struct Area {
    pub(super) subentry: Arc<Entry>,
    ready: OnceLock<Ready>,
}

/// The same, read once an entry is asked about.
#[derive(Debug)]
struct Ready {
    /// `None` where its specification cannot be read: it holds nothing.
    subtree: Option<Subtree>,
    held: Vec<Held>,
}

/// One attribute of a subentry that is shared.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) attribute: AttributeId,
    pub(super) description: Box<str>,
    /// The values, each behind its normal form.
    pub(super) values: Vec<(Octets, Octets)>,
}

type Octets = Box<[u8]>;

impl Area {
    fn ready(&self, schema: &Schema) -> &Ready {
        self.ready.get_or_init(|| {
            let specification = self.subentry.values(schema.known().subtree_specification).next();
            let specification = specification.and_then(|value| SubtreeSpecification::parse(value).ok());
            let collective = self.subentry.attributes().filter(|held| schema.attribute_type(held.attribute).collective);
            let normal = |attribute: AttributeId, value: &[u8]| {
                let mut form = Vec::with_capacity(value.len());
                schema.normalize(attribute, value, &mut form).ok().map(|()| (form.into(), value.into()))
            };
            let held = collective.map(|held| Held {
                attribute: held.attribute,
                description: held.description().into(),
                values: held.values().filter_map(|value| normal(held.attribute, value)).collect(),
            });
            Ready { held: held.collect(), subtree: specification.map(|specification| Subtree::of(schema, &specification)) }
        })
    }

    /// What it shares.
    pub(super) fn held(&self, schema: &Schema) -> &[Held] {
        &self.ready(schema).held
    }
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
    pub(super) fn sharing<'a>(&self, grants: &'a Grants) -> Option<Sharing<'a>> {
        self.areas().map(|areas| Sharing::new(areas, grants))
    }
}

/// The areas that hold an entry.
pub(super) struct Holding<'a> {
    pub(super) areas: Vec<&'a Area>,
    /// Whether the entry, or one above it, is an administrative point, or the entry ends what is shared.
    pub(super) is_below_any: bool,
    /// What it was to ask, in subtrees and their parts.
    pub(super) work: usize,
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
            let of_point = areas.points.entry(point).or_default();
            if of_point.len() < MOST_OF_POINT && subentry.has(schema.known().subtree_specification) {
                of_point.push(Area { subentry, ready: OnceLock::new() });
            }
        }
        for &point in areas.points.keys() {
            areas.organisations.entry(organisation_of(facts, point)).or_default().push(point);
        }
        areas
    }

    /// Whether entries below this one may share what it does not.
    pub(super) fn is_point(&self, id: EntryId) -> bool {
        self.points.contains_key(&id)
    }

    /// The areas that hold the entry.
    pub(super) fn holding(&self, schema: &Schema, facts: &dyn Facts, entry: &Entry) -> Holding<'_> {
        let mut above: Vec<Arc<Entry>> = Vec::new();
        let ends = loop {
            let point = above.last().map_or(entry, Arc::as_ref);
            if schema.has_role(point, &ENDING_ROLES) {
                break true;
            }
            let Some(next) = point.parent.and_then(|parent| facts.entry(parent)) else { break false };
            above.push(next);
        };
        // Beside an entry that ends it, others may share what it does not.
        let mut holding = Holding { areas: Vec::new(), is_below_any: ends && above.is_empty(), work: 0 };
        let lineage = || std::iter::once(entry).chain(above.iter().map(Arc::as_ref));
        let names: Vec<&[u8]> = lineage().map(|entry| &*entry.rdn_key).collect();
        for (depth, point) in lineage().enumerate() {
            let Some(areas) = self.points.get(&point.id) else { continue };
            let path = names.get(..depth).unwrap_or_default();
            holding.is_below_any = true;
            for area in areas {
                let Some(subtree) = &area.ready(schema).subtree else { continue };
                holding.work += subtree.parts();
                if subtree.holds(schema, entry, path) {
                    holding.areas.push(area);
                }
            }
        }
        // A subtree is made of entries that are no subentries (RFC 3672 §2.1).
        if !holding.areas.is_empty() && schema.is_subentry(entry) {
            holding.areas.clear();
        }
        holding
    }
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
            let mut bases = HashSet::new();
            for area in matching {
                plan.ids.insert(area.subentry.id.0);
                let Some(subtree) = &area.ready(schema).subtree else { continue };
                let mut below = subtree.base().iter().rev();
                bases.extend(below.try_fold(point, |at, key| memory.child(Some(at), key)));
            }
            for base in bases {
                plan.ids |= walk(memory, base, super::request::Scope::Subtree);
            }
        }
        Some(plan)
    }
}
