//! The index of one attribute: an ordered map from the normal form of a value to the entries that hold it. The one
//! map serves equality, presence, prefix, order and, by going through its keys, substrings.

use super::posting::Posting;
use crate::model::{AttributeId, Entry};
use crate::schema::Schema;
use parking_lot::RwLock;
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Bound;

/// The longest normal form that is a key as it is, in octets.
const LONGEST: usize = 256;
/// Of a longer one the key keeps this much, and a digest, so that it is longer than any key kept as it is.
const KEPT: usize = 241;
/// How many keys are looked at while the lock is held once.
const AT_ONCE: usize = 1_024;

/// The key of a value in an index.
pub(super) type Key = Box<[u8]>;

/// Entries that may match, and whether all of them do: where `exact` is false each must be checked again.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidates {
    /// Their numbers. An entry may be gone by the time it is read.
    pub ids: RoaringBitmap,
    /// Whether all of them match.
    pub exact: bool,
}

/// What an index has to learn when an entry changes.
#[derive(Clone, Debug)]
pub(super) struct IndexChange {
    pub attribute: AttributeId,
    pub removed: Vec<Key>,
    pub added: Vec<Key>,
    /// Whether the entry holds the attribute from now on.
    pub present: bool,
}

/// The key of a normal form.
pub(super) fn key(normal: &[u8]) -> Key {
    if normal.len() <= LONGEST {
        return normal.into();
    }
    let digest = Sha256::digest(normal);
    [normal.get(..KEPT).unwrap_or_default(), digest.get(..16).unwrap_or_default()].concat().into()
}

fn is_long(key: &[u8]) -> bool {
    key.len() > LONGEST
}

/// The keys of an entry in the index of `attribute`, sorted, each once. A value that does not normalise has none, since no
/// assertion can equal it; or, where a later schema may know the name in it, one by which it is found then.
pub(super) fn keys(schema: &Schema, attribute: AttributeId, entry: &Entry) -> Vec<Key> {
    let mut normal = Vec::new();
    let mut keys: Vec<Key> = entry
        .values(attribute)
        .filter_map(|value| {
            normal.clear();
            let is_normal =
                schema.normalize(attribute, value, &mut normal).is_ok() || schema.put_unknown_name(attribute, value, &mut normal);
            is_normal.then(|| key(&normal))
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// What changes in the index of `attribute` when an entry goes from `before` to `after`.
pub(super) fn change(schema: &Schema, attribute: AttributeId, before: Option<&Entry>, after: Option<&Entry>) -> Option<IndexChange> {
    let encoded = |entry: Option<&'_ Entry>, other: Option<&'_ Entry>| {
        let held = |entry: Option<&'_ Entry>| entry.is_some_and(|entry| entry.has(attribute));
        match (entry, other) {
            (Some(entry), Some(other)) => {
                entry.get(attribute).map(|held| held.encoded()).eq(other.get(attribute).map(|held| held.encoded()))
            }
            (entry, other) => !held(entry) && !held(other),
        }
    };
    if encoded(before, after) {
        return None;
    }
    let old = before.map(|entry| keys(schema, attribute, entry)).unwrap_or_default();
    let new = after.map(|entry| keys(schema, attribute, entry)).unwrap_or_default();
    let removed = old.iter().filter(|key| new.binary_search(key).is_err()).cloned().collect();
    let added = new.into_iter().filter(|key| old.binary_search(key).is_err()).collect();
    Some(IndexChange { attribute, removed, added, present: after.is_some_and(|entry| entry.has(attribute)) })
}

#[derive(Default)]
struct Keys {
    map: BTreeMap<Key, Posting>,
    present: RoaringBitmap,
    /// How many keys stand for values too long to be one.
    long: usize,
}

/// The index of one attribute.
#[derive(Default)]
pub(super) struct Index(RwLock<Keys>);

impl Index {
    /// Takes in what is new; the entry becomes visible after that.
    pub(super) fn add(&self, change: &IndexChange, id: u32) {
        let mut held = self.0.write();
        if change.present {
            held.present.insert(id);
        }
        for key in &change.added {
            match held.map.get_mut(key) {
                Some(posting) => {
                    posting.insert(id);
                }
                None => {
                    held.long += usize::from(is_long(key));
                    held.map.insert(key.clone(), Posting::One(id));
                }
            }
        }
    }

    /// Takes out what is gone; the entry does not hold it any more.
    pub(super) fn remove(&self, change: &IndexChange, id: u32) {
        let mut held = self.0.write();
        if !change.present {
            held.present.remove(id);
        }
        for key in &change.removed {
            let Some(posting) = held.map.get_mut(key) else { continue };
            posting.remove(id);
            if posting.is_empty() {
                held.map.remove(key);
                held.long -= usize::from(is_long(key));
            }
        }
    }

    /// Fills an empty index at once.
    pub(super) fn fill(&self, mut pairs: Vec<(Key, u32)>, present: RoaringBitmap) {
        pairs.sort_unstable();
        pairs.dedup();
        let mut grouped: Vec<(Key, Posting)> = Vec::new();
        for (key, id) in pairs {
            match grouped.last_mut() {
                Some((last, posting)) if *last == key => {
                    posting.insert(id);
                }
                _ => grouped.push((key, Posting::One(id))),
            }
        }
        let long = grouped.iter().filter(|(key, _)| is_long(key)).count();
        *self.0.write() = Keys { map: grouped.into_iter().collect(), present, long };
    }

    /// The entries with the key of `normal`, in order.
    pub(super) fn equal(&self, normal: &[u8]) -> Vec<u32> {
        let held = self.0.read();
        let found = if normal.len() <= LONGEST { held.map.get(normal) } else { held.map.get(&key(normal)) };
        found.map(|posting| posting.iter().collect()).unwrap_or_default()
    }

    /// The same as a bitmap.
    pub(super) fn equal_bitmap(&self, normal: &[u8]) -> Candidates {
        let mut ids = RoaringBitmap::new();
        if let Some(posting) = self.0.read().map.get(&key(normal)) {
            posting.add_to(&mut ids);
        }
        Candidates { ids, exact: normal.len() <= LONGEST }
    }

    /// How many entries have the key of `normal`.
    pub(super) fn equal_count(&self, normal: &[u8]) -> usize {
        self.0.read().map.get(&key(normal)).map_or(0, Posting::len)
    }

    /// The entries that hold the attribute.
    pub(super) fn present(&self) -> Candidates {
        Candidates { ids: self.0.read().present.clone(), exact: true }
    }

    /// The entries with a normal form that begins with `prefix`.
    pub(super) fn prefix(&self, prefix: &[u8], limit: usize) -> Option<Candidates> {
        let whole = prefix.len() <= KEPT;
        let prefix = prefix.get(..KEPT).unwrap_or(prefix);
        self.collect(Bound::Included(prefix.into()), limit, |key| match key.starts_with(prefix) {
            true => Verdict::Take(whole),
            false => Verdict::Stop,
        })
    }

    /// The entries with a normal form in the bounds.
    pub(super) fn range(&self, lower: Bound<&[u8]>, upper: Bound<&[u8]>, limit: usize) -> Option<Candidates> {
        let cut = |bound: &[u8]| bound.len() > KEPT;
        let from = match lower {
            // What is cut of the bound makes it reach lower, so the ends of the range are checked again.
            Bound::Included(key) | Bound::Excluded(key) if cut(key) => Bound::Included(Key::from(key.get(..KEPT).unwrap_or(key))),
            Bound::Included(key) => Bound::Included(key.into()),
            Bound::Excluded(key) => Bound::Excluded(key.into()),
            Bound::Unbounded => Bound::Unbounded,
        };
        let exact = ![lower, upper].iter().any(|bound| matches!(bound, Bound::Included(key) | Bound::Excluded(key) if cut(key)));
        let within = |key: &[u8]| match upper {
            Bound::Included(end) | Bound::Excluded(end) if cut(end) => key.get(..KEPT).unwrap_or(key) <= end.get(..KEPT).unwrap_or(end),
            Bound::Included(end) => key <= end,
            Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        };
        self.collect(from, limit, |key| if within(key) { Verdict::Take(exact) } else { Verdict::Stop })
    }

    /// The entries with a normal form that `matches`, by going through all keys; a value too long to be a key is
    /// taken unseen, and makes the answer inexact.
    pub(super) fn scan(&self, matches: impl Fn(&[u8]) -> bool, limit: usize) -> Option<Candidates> {
        self.collect(Bound::Unbounded, limit, |key| match is_long(key) {
            true => Verdict::Take(false),
            false if matches(key) => Verdict::Take(true),
            false => Verdict::Pass,
        })
    }

    /// Goes through the keys in order from `from` on, some at a time so that nobody waits long for the lock.
    /// `None` where more than `limit` entries were found.
    fn collect(&self, from: Bound<Key>, limit: usize, verdict: impl Fn(&[u8]) -> Verdict) -> Option<Candidates> {
        let mut found = Candidates { ids: RoaringBitmap::new(), exact: true };
        let mut next = Some(from);
        while let Some(from) = next.take() {
            let held = self.0.read();
            for (seen, (key, posting)) in held.map.range::<[u8], _>((as_slice(&from), Bound::Unbounded)).enumerate() {
                match verdict(key) {
                    Verdict::Take(exact) => {
                        posting.add_to(&mut found.ids);
                        found.exact &= exact;
                    }
                    Verdict::Pass => {}
                    Verdict::Stop => return within(found, limit),
                }
                if seen + 1 == AT_ONCE {
                    next = Some(Bound::Excluded(key.clone()));
                    break;
                }
            }
            drop(held);
            if found.ids.len() > limit as u64 {
                return None;
            }
        }
        within(found, limit)
    }

    /// How many keys it has.
    pub(super) fn key_count(&self) -> usize {
        self.0.read().map.len()
    }

    /// About how much memory it takes, in octets.
    pub(super) fn size(&self) -> usize {
        let held = self.0.read();
        let each = size_of::<(Key, Posting)>();
        held.map.iter().map(|(key, posting)| each + key.len() + posting.heap_size()).sum::<usize>() + held.present.serialized_size()
    }

    /// All pairs of key and entry, and the entries that hold the attribute, for the check of indexes.
    pub(super) fn pairs(&self) -> (Vec<(Key, u32)>, RoaringBitmap) {
        let held = self.0.read();
        let pairs = held.map.iter().flat_map(|(key, posting)| posting.iter().map(|id| (key.clone(), id))).collect();
        (pairs, held.present.clone())
    }
}

enum Verdict {
    /// The entries of the key are candidates; whether they all match.
    Take(bool),
    Pass,
    Stop,
}

fn within(found: Candidates, limit: usize) -> Option<Candidates> {
    (found.ids.len() <= limit as u64).then_some(found)
}

fn as_slice(bound: &Bound<Key>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}
