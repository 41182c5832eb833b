//! Sorting what a search finds (RFC 2891). While it gathers, a sort holds one key of octets per entry, made so that
//! keys are ordered as the entries are; afterwards the numbers of the entries alone. Both are counted against what
//! all sorts together may hold.

use super::derived;
use super::request::{SortKey, SortProblem, SortReport};
use crate::access::AttributeSet;
use crate::base::EntryId;
use crate::domain::Catalog;
use crate::model::{AttributeId, Entry, Facts};
use crate::schema::{Comparison, LiveSchema, MatchingRule, Schema};
use crate::store::Revision;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Octets that all sorts under way and all kept lists hold together.
const ROOM: usize = 256 << 20;
/// Octets that one sort holds.
const ROOM_OF_ONE: usize = 64 << 20;
/// Room is taken in pieces of so many octets.
const PIECE: usize = 64 << 10;
/// Octets of an [`Item`].
const ITEM: usize = size_of::<Item>();

/// What sorts hold together.
#[derive(Debug, Default)]
pub(crate) struct Room(AtomicUsize);

/// A part of the room, given back when it is dropped.
#[derive(Debug)]
struct Lease {
    room: Arc<Room>,
    octets: usize,
}

impl Lease {
    const fn new(room: Arc<Room>) -> Self {
        Self { room, octets: 0 }
    }

    /// Makes it at least so large.
    fn grow(&mut self, octets: usize) -> Result<(), SortProblem> {
        if octets <= self.octets {
            return Ok(());
        }
        if octets > ROOM_OF_ONE {
            return Err(SortProblem::TooLarge);
        }
        let more = (octets - self.octets).next_multiple_of(PIECE);
        if self.room.0.fetch_add(more, Ordering::Relaxed) + more > ROOM {
            self.room.0.fetch_sub(more, Ordering::Relaxed);
            return Err(SortProblem::Busy);
        }
        self.octets += more;
        Ok(())
    }

    fn shrink(&mut self, octets: usize) {
        let less = self.octets.saturating_sub(octets);
        self.room.0.fetch_sub(less, Ordering::Relaxed);
        self.octets -= less;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.room.0.fetch_sub(self.octets, Ordering::Relaxed);
    }
}

/// The state of the directory that a list was made from: what was committed, and the generation of authority.
pub(super) type Stamp = (Revision, u64);

/// The entries that a search found, in order. A door may keep one for the next page or the next view.
#[derive(Debug)]
pub struct SortedList {
    ids: Box<[EntryId]>,
    /// How the sort went.
    pub(super) report: SortReport,
    /// What it was made from.
    pub(super) stamp: Stamp,
    _lease: Lease,
}

impl SortedList {
    /// The entry at a rank, from 0.
    pub(super) fn get(&self, rank: usize) -> Option<EntryId> {
        self.ids.get(rank).copied()
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.ids.len()
    }

    /// The rank of the first entry that is not before an assertion about the first key. `None` where the rule of the key
    /// cannot take the assertion; in a list of nothing the key does not matter, as in the sort itself (HC1).
    pub(super) fn rank_of(&self, order: &Order, assertion: &[u8], key_of: impl Fn(EntryId, &mut Vec<u8>)) -> Option<usize> {
        if self.ids.is_empty() {
            return Some(0);
        }
        let wanted = order.assertion(assertion)?;
        let mut key = Vec::new();
        Some(self.ids.partition_point(|id| {
            key.clear();
            key_of(*id, &mut key);
            key < wanted
        }))
    }
}

/// One key, looked up.
#[derive(Debug)]
struct Key {
    /// As sent, for the response.
    name: String,
    /// The type and its subtypes; none where it is not defined.
    attributes: Vec<AttributeId>,
    options: Vec<String>,
    derived: bool,
    rule: Option<MatchingRule>,
    reverse: bool,
}

/// The order that was asked for.
#[derive(Debug)]
pub(super) struct Order {
    schema: Arc<LiveSchema>,
    catalog: Arc<Catalog>,
    keys: Vec<Key>,
}

impl Order {
    pub(super) fn new(schema: &Arc<LiveSchema>, catalog: &Arc<Catalog>, keys: &[SortKey<'_>]) -> Self {
        Self { schema: Arc::clone(schema), catalog: Arc::clone(catalog), keys: keys.iter().map(|key| Key::new(schema, key)).collect() }
    }

    /// Whether it is by anything that an entry may share.
    pub(super) fn asks_shared(&self, schema: &Schema) -> bool {
        self.keys.iter().flat_map(|key| &key.attributes).any(|attribute| schema.is_shared(*attribute))
    }

    /// Appends the key of an entry.
    fn put(&self, facts: &dyn Facts, entry: &Entry, searchable: &AttributeSet, out: &mut Vec<u8>) {
        self.keys.iter().for_each(|key| key.put(&self.schema, &self.catalog, facts, entry, searchable, out));
    }

    /// Appends that part of an entry's key which the first sort key makes.
    pub(super) fn put_first(&self, facts: &dyn Facts, entry: &Entry, searchable: &AttributeSet, out: &mut Vec<u8>) {
        self.keys.first().into_iter().for_each(|key| key.put(&self.schema, &self.catalog, facts, entry, searchable, out));
    }

    /// The same for an assertion in the place of a value.
    fn assertion(&self, assertion: &[u8]) -> Option<Vec<u8>> {
        let key = self.keys.first()?;
        let (mut normal, mut out) = (Vec::new(), Vec::new());
        key.rule?.normalize_assertion(&self.schema, assertion, &mut normal).ok()?;
        key.put_value(Some(&normal), &mut out);
        Some(out)
    }
}

impl Key {
    fn new(schema: &Schema, sent: &SortKey<'_>) -> Self {
        let named = schema.description(sent.attribute);
        let definition = named.as_ref().map(|description| schema.attribute_type(description.attribute));
        let own = definition.and_then(|definition| definition.ordering.or(definition.equality)).filter(|rule| rule.orders());
        let rule = match sent.rule {
            None => own,
            // Another rule must read what the attribute's own rule reads, or its keys are no order of the values.
            Some(name) => schema.rule(name).filter(|rule| {
                let compares = matches!(rule.comparison(), Comparison::Equality | Comparison::Ordering);
                compares && rule.orders() && own.is_some_and(|own| own.same_form(*rule) || (own.is_text() && rule.is_text()))
            }),
        };
        let options = named.as_ref().map(|description| description.options.as_str()).unwrap_or_default();
        Self {
            name: sent.attribute.to_owned(),
            attributes: named.as_ref().map(|description| schema.with_subtypes(description.attribute).to_vec()).unwrap_or_default(),
            options: options.split(';').filter(|option| !option.is_empty()).map(str::to_owned).collect(),
            derived: definition.is_some_and(|definition| definition.derived),
            rule,
            reverse: sent.reverse,
        }
    }

    fn is_searchable(&self, searchable: &AttributeSet) -> bool {
        self.attributes.iter().any(|attribute| searchable.contains(*attribute))
    }

    /// The least value counts (RFC 2891 §2.2).
    fn put(&self, schema: &Schema, catalog: &Catalog, facts: &dyn Facts, entry: &Entry, searchable: &AttributeSet, out: &mut Vec<u8>) {
        let mut least: Option<Vec<u8>> = None;
        let mut offer = |value: &[u8]| {
            let mut normal = Vec::with_capacity(value.len() + 8);
            let normalized = self.rule.is_some_and(|rule| rule.normalize(schema, value, &mut normal).is_ok());
            if normalized && least.as_ref().is_none_or(|least| normal < *least) {
                least = Some(normal);
            }
        };
        for &attribute in self.attributes.iter().filter(|attribute| searchable.contains(**attribute)) {
            if self.derived {
                derived::values(schema, catalog, facts, entry, attribute).iter().for_each(|value| offer(value));
                continue;
            }
            let has = |held: &crate::model::Attribute<'_>| self.options.iter().all(|wanted| held.has_option(wanted));
            entry.get(attribute).filter(has).for_each(|held| held.values().for_each(&mut offer));
        }
        self.put_value(least.as_deref(), out);
    }

    /// Octets that are ordered as values are, and end before those of the next key begin. No value is larger than any.
    fn put_value(&self, normal: Option<&[u8]>, out: &mut Vec<u8>) {
        let start = out.len();
        match normal {
            None => out.push(1),
            Some(normal) => {
                out.push(0);
                for &octet in normal {
                    out.push(octet);
                    if octet == 0 {
                        out.push(u8::MAX);
                    }
                }
                out.extend_from_slice(&[0, 0]);
            }
        }
        if self.reverse {
            out.iter_mut().skip(start).for_each(|octet| *octet = !*octet);
        }
    }
}

/// One entry found: where its key is, and its number.
#[derive(Clone, Copy)]
struct Item {
    start: u32,
    end: u32,
    id: EntryId,
}

/// A sort that is gathering.
pub(super) struct Gathering {
    order: Arc<Order>,
    items: Vec<Item>,
    keys: Vec<u8>,
    /// Per key, whether an entry was found on which the caller may assert about it.
    searchable: Vec<bool>,
    lease: Lease,
    problem: Option<SortProblem>,
    /// Whether there are no more to take in.
    pub(super) is_complete: bool,
}

impl Gathering {
    pub(super) fn new(order: Arc<Order>, room: &Arc<Room>) -> Self {
        let searchable = vec![false; order.keys.len()];
        Self {
            order,
            items: Vec::new(),
            keys: Vec::new(),
            searchable,
            lease: Lease::new(Arc::clone(room)),
            problem: None,
            is_complete: false,
        }
    }

    /// How many were taken in.
    pub(super) const fn len(&self) -> usize {
        self.items.len()
    }

    /// Takes in an entry. After the first problem numbers are kept alone, for an answer that is not sorted; an error where
    /// there is no room even for those.
    pub(super) fn take(&mut self, facts: &dyn Facts, entry: &Entry, searchable: &AttributeSet) -> Result<(), SortProblem> {
        let start = self.keys.len();
        if self.problem.is_none() {
            for (key, seen) in self.order.keys.iter().zip(&mut self.searchable) {
                *seen = *seen || key.is_searchable(searchable);
            }
            self.order.put(facts, entry, searchable, &mut self.keys);
            if let Err(problem) = self.lease.grow((self.items.len() + 1) * ITEM + self.keys.len()) {
                self.problem = Some(problem);
                self.keys = Vec::new();
            }
        }
        self.lease.grow((self.items.len() + 1) * ITEM + self.keys.len())?;
        let at = |octets: usize| u32::try_from(octets).unwrap_or(u32::MAX);
        self.items.push(Item { start: at(start), end: at(self.keys.len()), id: entry.id });
        Ok(())
    }

    /// The list, in order where there is no problem. An attribute that may not be searched on any of the entries is as one
    /// that does not exist (HC1), whatever its rule is.
    pub(super) fn finish(mut self, stamp: Stamp) -> SortedList {
        let keys = self.order.keys.iter().zip(&self.searchable);
        let problem = |(key, seen): (&Key, &bool)| match (seen, key.rule) {
            (false, _) => Some((SortProblem::NoSuchAttribute, Some(key.name.clone()))),
            (true, None) => Some((SortProblem::InappropriateMatching, Some(key.name.clone()))),
            (true, Some(_)) => None,
        };
        // Where nothing was found nothing is told about the keys, or what may not be searched could be told from the unknown.
        let keys = keys.filter(|_| !self.items.is_empty());
        let found = self.problem.map(|problem| (problem, None)).or_else(|| keys.filter_map(problem).next());
        if found.is_none() {
            let keys = &self.keys;
            let key = |item: &Item| keys.get(item.start as usize..item.end as usize).unwrap_or_default();
            self.items.sort_unstable_by(|one, other| key(one).cmp(key(other)).then(one.id.cmp(&other.id)));
        }
        let ids: Box<[EntryId]> = self.items.iter().map(|item| item.id).collect();
        self.lease.shrink(size_of_val(&*ids));
        SortedList { ids, report: SortReport::of(found), stamp, _lease: self.lease }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ha7_sorts_share_a_bounded_room() {
        let room = Arc::new(Room::default());
        let mut leases: Vec<Lease> = (0..4).map(|_| Lease::new(Arc::clone(&room))).collect();
        assert_eq!(leases[0].grow(ROOM_OF_ONE + 1), Err(SortProblem::TooLarge));
        for lease in &mut leases {
            assert_eq!(lease.grow(ROOM_OF_ONE), Ok(()));
        }
        let mut late = Lease::new(Arc::clone(&room));
        assert_eq!(late.grow(1), Err(SortProblem::Busy));
        leases.pop();
        assert_eq!(late.grow(1), Ok(()));
        leases[0].shrink(0);
        drop((late, leases));
        assert_eq!(room.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn keys_are_ordered_as_values_are() {
        let key = |reverse| Key { name: String::new(), attributes: Vec::new(), options: Vec::new(), derived: false, rule: None, reverse };
        let values: [Option<&[u8]>; 6] = [Some(b""), Some(b"\0"), Some(b"\0\xff"), Some(b"a"), Some(b"ab"), None];
        for reverse in [false, true] {
            let encoded = |value: Option<&[u8]>| {
                let mut out = Vec::new();
                key(reverse).put_value(value, &mut out);
                // What the next key says must not matter.
                out.push(0x80);
                out
            };
            for pair in values.windows(2) {
                assert_eq!(encoded(pair[0]) < encoded(pair[1]), !reverse, "{pair:?}");
            }
        }
    }
}
