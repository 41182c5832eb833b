//! Links in memory, readable from both ends. A set of targets grows from one number to a bitmap; only levels other
//! than `Full` take room of their own.

use super::posting::Posting;
use crate::base::EntryId;
use crate::model::{AttributeId, Level, Link};
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};

const SHARDS: usize = 64;

/// The other ends of the links of one entry in one attribute.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    ids: Posting,
    /// The levels that are not `Full`.
    levels: BTreeMap<u32, Level>,
}

impl Ends {
    fn set(&mut self, id: EntryId, level: Level) {
        self.ids.insert(id.0);
        match level {
            Level::Full => self.levels.remove(&id.0),
            Level::Past | Level::ViewOnly | Level::Administrator => self.levels.insert(id.0, level),
        };
    }

    fn remove(&mut self, id: EntryId) -> bool {
        self.levels.remove(&id.0);
        self.ids.remove(id.0)
    }

    fn level(&self, id: u32) -> Level {
        self.levels.get(&id).copied().unwrap_or_default()
    }

    fn get(&self, id: EntryId) -> Option<Level> {
        self.ids.contains(id.0).then(|| self.level(id.0))
    }

    fn iter_from(&self, from: u32) -> impl Iterator<Item = (EntryId, Level)> {
        self.ids.iter_from(from).map(|id| (EntryId(id), self.level(id)))
    }
}

/// What an entry has in each link attribute; few attributes, so a list.
type OfEntry = Vec<(AttributeId, Ends)>;

/// One direction of all links.
struct Direction([RwLock<HashMap<EntryId, OfEntry>>; SHARDS]);

impl Direction {
    fn shard(&self, id: EntryId) -> &RwLock<HashMap<EntryId, OfEntry>> {
        let [first, ..] = &self.0;
        self.0.get(id.0 as usize % SHARDS).unwrap_or(first)
    }

    fn set(&self, from: EntryId, attribute: AttributeId, to: EntryId, level: Level) {
        let mut shard = self.shard(from).write();
        let held = shard.entry(from).or_default();
        match held.iter_mut().find(|(name, _)| *name == attribute) {
            Some((_, ends)) => ends.set(to, level),
            None => {
                let mut ends = Ends::default();
                ends.set(to, level);
                held.push((attribute, ends));
            }
        }
    }

    fn remove(&self, from: EntryId, attribute: AttributeId, to: EntryId) -> bool {
        let mut shard = self.shard(from).write();
        let Some(held) = shard.get_mut(&from) else { return false };
        let Some((_, ends)) = held.iter_mut().find(|(name, _)| *name == attribute) else { return false };
        let was_there = ends.remove(to);
        held.retain(|(_, ends)| !ends.ids.is_empty());
        if held.is_empty() {
            shard.remove(&from);
        }
        was_there
    }

    fn read<T: Default>(&self, from: EntryId, attribute: AttributeId, read: impl FnOnce(&Ends) -> T) -> T {
        let shard = self.shard(from).read();
        let ends = shard.get(&from).and_then(|held| held.iter().find(|(name, _)| *name == attribute));
        ends.map(|(_, ends)| read(ends)).unwrap_or_default()
    }

    /// How many ends an entry has in all.
    fn count(&self, from: EntryId) -> usize {
        self.shard(from).read().get(&from).map_or(0, |held| held.iter().map(|(_, ends)| ends.ids.len()).sum())
    }

    /// All ends of an entry with their attributes.
    fn all(&self, from: EntryId) -> Vec<(AttributeId, EntryId, Level)> {
        let shard = self.shard(from).read();
        let each =
            |(attribute, ends): &(AttributeId, Ends)| -> Vec<_> { ends.iter_from(0).map(|(to, level)| (*attribute, to, level)).collect() };
        shard.get(&from).map(|held| held.iter().flat_map(each).collect()).unwrap_or_default()
    }
}

impl Default for Direction {
    fn default() -> Self {
        Self(std::array::from_fn(|_| RwLock::default()))
    }
}

/// All links, both ways.
#[derive(Default)]
pub(super) struct Links {
    forward: Direction,
    backward: Direction,
}

impl Links {
    pub(super) fn set(&self, link: Link) {
        self.forward.set(link.source, link.attribute, link.target, link.level);
        self.backward.set(link.target, link.attribute, link.source, link.level);
    }

    pub(super) fn remove(&self, source: EntryId, attribute: AttributeId, target: EntryId) {
        self.forward.remove(source, attribute, target);
        self.backward.remove(target, attribute, source);
    }

    pub(super) fn get(&self, source: EntryId, attribute: AttributeId, target: EntryId) -> Option<Level> {
        self.forward.read(source, attribute, |ends| ends.get(target))
    }

    pub(super) fn targets(&self, source: EntryId, attribute: AttributeId, after: Option<EntryId>, limit: usize) -> Vec<(EntryId, Level)> {
        let Some(from) = from(after) else { return Vec::new() };
        self.forward.read(source, attribute, |ends| ends.iter_from(from).take(limit).collect())
    }

    pub(super) fn sources(&self, target: EntryId, attribute: AttributeId) -> Vec<(EntryId, Level)> {
        self.backward.read(target, attribute, |ends| ends.iter_from(0).collect())
    }

    /// How many links `source` has in all attributes.
    pub(super) fn count(&self, source: EntryId) -> usize {
        self.forward.count(source)
    }

    pub(super) fn target_count(&self, source: EntryId, attribute: AttributeId) -> usize {
        self.forward.read(source, attribute, |ends| ends.ids.len())
    }

    pub(super) fn attributes(&self, source: EntryId) -> Vec<AttributeId> {
        let shard = self.forward.shard(source).read();
        shard.get(&source).map(|held| held.iter().map(|(attribute, _)| *attribute).collect()).unwrap_or_default()
    }

    /// All links from an entry.
    pub(super) fn from(&self, source: EntryId) -> Vec<Link> {
        let all = self.forward.all(source).into_iter();
        all.map(|(attribute, target, level)| Link { source, attribute, target, level }).collect()
    }

    /// All links to an entry.
    pub(super) fn to(&self, target: EntryId) -> Vec<Link> {
        let all = self.backward.all(target).into_iter();
        all.map(|(attribute, source, level)| Link { source, attribute, target, level }).collect()
    }

    /// Whether the link is found from its target with the same level.
    pub(super) fn to_has(&self, link: Link) -> bool {
        self.backward.read(link.target, link.attribute, |ends| ends.get(link.source)) == Some(link.level)
    }

    /// Every entry that has links, in no order.
    pub(super) fn all_sources(&self) -> Vec<EntryId> {
        self.forward.0.iter().flat_map(|shard| shard.read().keys().copied().collect::<Vec<_>>()).collect()
    }

    /// Every entry that is linked to, in no order.
    pub(super) fn all_targets(&self) -> Vec<EntryId> {
        self.backward.0.iter().flat_map(|shard| shard.read().keys().copied().collect::<Vec<_>>()).collect()
    }
}

/// The first number after `after`; `None` where there can be none.
pub(super) fn from(after: Option<EntryId>) -> Option<u32> {
    after.map_or(Some(0), |after| after.0.checked_add(1))
}
