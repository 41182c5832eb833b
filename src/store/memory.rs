//! The committed state in memory: what readers see. Every map is cut into shards, so a reader waits for one small
//! write at most, and who looks at more than one thing is kept apart from changes of more than one step
//! ([`Memory::isolated`]). An operation makes what is new findable first, then swaps the entry, then forgets what is old: so
//! an entry never goes out of sight while it is changed or renamed, and names are checked against the entry itself.

use super::change_set::{Operation, Removed};
use super::checkpoint::Dirty;
use super::index::{self, Candidates, Index, IndexChange, Key};
use super::isolation::{Gate, Isolation, Still, Watch};
use super::link::{self, Links};
use super::posting::Posting;
use crate::base::{Clock, EntryId, Timestamp};
use crate::model::{AttributeId, Entry, Facts, Level};
use crate::schema::{LiveSchema, Schema, additions};
use parking_lot::RwLock;
use roaring::RoaringBitmap;
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::ops::Bound;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

const SHARDS: usize = 64;
/// Types defined at run time that can have an index; those after them are searched without.
const LATER_INDEXES: usize = 4_096;

/// Operations of a publication whose part in the indexes is worked out before readers are kept out. Of a larger one the rest
/// is worked out while they wait, so that it does not take memory without bound.
const PREPARED: usize = 16_384;

/// A schema to be taken over, with what is other by it in the indexes.
struct Adoption {
    next: Schema,
    changes: Vec<(EntryId, IndexChange)>,
}

/// What an operation means, worked out before it is applied.
#[derive(Default)]
struct Prepared {
    indexes: Vec<IndexChange>,
    adoption: Option<Box<Adoption>>,
}

/// Entries as operations leave them that are not applied yet; `None` for those that are gone.
type Images = HashMap<EntryId, Option<Arc<Entry>>>;
type Slots = RwLock<Vec<Option<Arc<Entry>>>>;

/// The committed state: every entry, every index, every link. Readers use it directly.
pub struct Memory {
    schema: Arc<LiveSchema>,
    clock: Arc<dyn Clock>,
    slots: [Slots; SHARDS],
    /// From the hash of parent and normalised RDN to the entries that may have it.
    names: [RwLock<HashMap<u64, Posting>>; SHARDS],
    hasher: RandomState,
    children: [RwLock<HashMap<EntryId, Posting>>; SHARDS],
    /// By the number of the attribute type.
    indexes: Box<[OnceLock<Box<Index>>]>,
    /// Those that have an index, link attributes included (their values are references not joined yet).
    indexed: RwLock<Vec<AttributeId>>,
    /// Those that are to have one, by name or OID.
    wanted: Vec<String>,
    links: Links,
    meta: RwLock<BTreeMap<String, Arc<[u8]>>>,
    gate: Gate,
    count: AtomicUsize,
    highest_id: AtomicU32,
    highest_revision: AtomicU64,
    /// The sequence number of the last change set applied.
    applied: AtomicU64,
    /// Grows after every change of a name or a link.
    bonds: AtomicU64,
}

/// Takes the shard that a number falls into.
fn shard<T>(shards: &[T; SHARDS], number: u64) -> &T {
    let [first, ..] = shards;
    shards.get(number as usize % SHARDS).unwrap_or(first)
}

impl Memory {
    /// An empty state with an index for each of `indexes` and its subtypes, and for the unjoined references of every link
    /// attribute. Secret and derived attributes get none.
    pub(super) fn new(schema: Arc<LiveSchema>, indexes: &[String], clock: Arc<dyn Clock>) -> Self {
        let slots = schema.attribute_types().len() + LATER_INDEXES;
        let memory = Self {
            schema,
            clock,
            slots: std::array::from_fn(|_| RwLock::default()),
            names: std::array::from_fn(|_| RwLock::default()),
            hasher: RandomState::new(),
            children: std::array::from_fn(|_| RwLock::default()),
            indexes: (0..slots).map(|_| OnceLock::new()).collect(),
            indexed: RwLock::default(),
            wanted: indexes.to_vec(),
            links: Links::default(),
            meta: RwLock::default(),
            gate: Gate::default(),
            count: AtomicUsize::new(0),
            highest_id: AtomicU32::new(0),
            highest_revision: AtomicU64::new(0),
            applied: AtomicU64::new(0),
            bonds: AtomicU64::new(0),
        };
        memory.find_indexed();
        memory
    }

    /// Makes the indexes of what is to have one by the schema as it is now.
    fn find_indexed(&self) {
        let named = self.wanted.iter().filter_map(|name| self.schema.attribute(name));
        let mut indexed: Vec<AttributeId> = named.flat_map(|attribute| self.schema.with_subtypes(attribute)).copied().collect();
        let is_kept = |attribute: &AttributeId| {
            let found = self.schema.attribute_type(*attribute);
            !found.secret && !found.derived
        };
        indexed.retain(is_kept);
        indexed.extend(self.schema.link_types().map(|found| found.id));
        indexed.sort_unstable();
        indexed.dedup();
        indexed.retain(|attribute| match self.indexes.get(usize::from(attribute.0)) {
            Some(slot) => {
                slot.get_or_init(Box::default);
                true
            }
            None => false,
        });
        *self.indexed.write() = indexed;
    }

    /// Takes the schema over that a record of changes asks for, where it is newer; answers what is wrong with it. For where
    /// nobody reads yet.
    pub(super) fn adopt(&self, record: &[u8]) -> Result<(), String> {
        if let Some(adoption) = self.adoption(record)? {
            self.take_over(*adoption);
            self.gate.done();
        }
        Ok(())
    }

    /// What it means to take over the schema that a record asks for; `None` where it is not newer.
    fn adoption(&self, record: &[u8]) -> Result<Option<Box<Adoption>>, String> {
        let Some(next) = self.schema.with_record(record)? else { return Ok(None) };
        let changes = self.keyed_by_names(&next).into_iter().filter_map(|(attribute, entry, before)| {
            let mut added = index::keys(&next, attribute, &entry);
            let removed: Vec<Key> = before.iter().filter(|key| added.binary_search(key).is_err()).cloned().collect();
            added.retain(|key| before.binary_search(key).is_err());
            let differs = !added.is_empty() || !removed.is_empty();
            differs.then_some((entry.id, IndexChange { attribute, removed, added, present: true }))
        });
        let changes = changes.collect();
        Ok(Some(Box::new(Adoption { next, changes })))
    }

    /// Puts the schema in force, and values right in the indexes whose normal form rests on names that are new or gone. Who
    /// reads neither stands in a lane nor misses the entries without being told.
    fn take_over(&self, adoption: Adoption) {
        adoption.changes.iter().for_each(|(id, _)| self.gate.begin(*id));
        self.schema.adopt(adoption.next);
        self.find_indexed();
        for (id, change) in adoption.changes {
            if let Some(index) = self.index(change.attribute) {
                index.add(&change, id.0);
                index.remove(&change, id.0);
            }
        }
    }

    /// The entries with values whose key may be another under `next`, with their keys as they are: names of types in DNs, and
    /// names that stand for OIDs.
    fn keyed_by_names(&self, next: &Schema) -> Vec<(AttributeId, Arc<Entry>, Vec<Key>)> {
        let names = self.schema.changed_names(next);
        let mut found = Vec::new();
        for attribute in self.indexed() {
            let rests = self.schema.rests_on_names(attribute);
            let ids = match self.index(attribute) {
                Some(index) if rests && !names.is_empty() => index.scan(|key| self.schema.has_name(attribute, key, &names), usize::MAX),
                Some(_) | None => None,
            };
            let entries = ids.into_iter().flat_map(|found| found.ids).filter_map(|id| self.entry(EntryId(id)));
            found.extend(entries.map(|entry| (attribute, Arc::clone(&entry), index::keys(&self.schema, attribute, &entry))));
        }
        found
    }

    /// Grows whenever a name or a link has changed, after the change can be seen: what was put together from names and
    /// links since the number was last read is good as long as it stays.
    pub fn bonds(&self) -> u64 {
        self.bonds.load(Ordering::Acquire)
    }

    /// As long as the answer is held no change set of more than one step begins to be seen, so what is read is of one state
    /// but for single entries put in the place of others. It must not be held twice by one thread, nor for long: the
    /// writer waits for it.
    pub fn isolated(&self) -> Isolation<'_> {
        self.gate.enter()
    }

    /// Taken before indexes are asked; see [`Memory::is_as_at`] and [`Memory::changed_since`].
    pub fn watch(&self) -> Watch {
        self.gate.watch()
    }

    /// Whether what was read since is of one state.
    pub fn is_as_at(&self, watch: Watch) -> bool {
        self.gate.is_as_at(watch)
    }

    /// The entries that changed, or were about to, while indexes were asked: what the indexes say may be of before or of
    /// after for each of them. `None` where they are more than are remembered.
    pub fn changed_since(&self, watch: Watch) -> Option<Vec<u32>> {
        self.gate.changed_since(watch)
    }

    /// As long as the answer is held readers see no change: for those who were overtaken by too many.
    pub fn still(&self) -> Still<'_> {
        self.gate.still()
    }

    fn bonds_changed(&self) {
        self.bonds.fetch_add(1, Ordering::AcqRel);
    }

    /// The schema the entries are sealed by.
    pub fn schema(&self) -> &Arc<LiveSchema> {
        &self.schema
    }

    /// Reads an entry in its place, without counting a reference. `read` must be short and must not come back to
    /// the store: writers of the same shard wait for it.
    pub fn with_entry<T>(&self, id: EntryId, read: impl FnOnce(&Entry) -> T) -> Option<T> {
        let slots = shard(&self.slots, u64::from(id.0)).read();
        slots.get(id.0 as usize / SHARDS).and_then(Option::as_deref).map(read)
    }

    /// How many entries there are.
    pub fn entry_count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The entries above `after` in order of number, at most `limit`.
    pub fn ids_after(&self, after: Option<EntryId>, limit: usize) -> Vec<EntryId> {
        let mut found = Vec::new();
        let highest = self.highest_id.load(Ordering::Acquire);
        let mut next = link::from(after);
        while let Some(id) = next.filter(|id| *id <= highest && found.len() < limit) {
            if self.with_entry(EntryId(id), |_| ()).is_some() {
                found.push(EntryId(id));
            }
            next = id.checked_add(1);
        }
        found
    }

    /// The sequence number of the last change that readers see.
    pub fn revision(&self) -> super::Revision {
        super::Revision(u128::from(self.applied()))
    }

    /// Whether there is an index for the attribute.
    pub fn has_index(&self, attribute: AttributeId) -> bool {
        self.index(attribute).is_some()
    }

    /// The entries with a value equal to the normal form `key`; `None` without an index.
    pub fn equal_bitmap(&self, attribute: AttributeId, key: &[u8]) -> Option<Candidates> {
        Some(self.index(attribute)?.equal_bitmap(key))
    }

    /// How many entries have a value equal to the normal form `key`; `None` without an index.
    pub fn equal_count(&self, attribute: AttributeId, key: &[u8]) -> Option<usize> {
        Some(self.index(attribute)?.equal_count(key))
    }

    /// The entries that hold the attribute; `None` without an index.
    pub fn present(&self, attribute: AttributeId) -> Option<Candidates> {
        Some(self.index(attribute)?.present())
    }

    /// The entries with a value whose normal form begins with `prefix`; `None` without an index or above `limit`.
    pub fn prefix(&self, attribute: AttributeId, prefix: &[u8], limit: usize) -> Option<Candidates> {
        self.index(attribute)?.prefix(prefix, limit)
    }

    /// The entries with a value whose normal form is within the bounds; `None` without an index or above `limit`.
    pub fn range(&self, attribute: AttributeId, lower: Bound<&[u8]>, upper: Bound<&[u8]>, limit: usize) -> Option<Candidates> {
        self.index(attribute)?.range(lower, upper, limit)
    }

    /// The entries with a value whose normal form `matches`, by going through all keys of the index (a substring
    /// assertion does so); `None` without an index or above `limit`.
    pub fn scan(&self, attribute: AttributeId, matches: impl Fn(&[u8]) -> bool, limit: usize) -> Option<Candidates> {
        self.index(attribute)?.scan(matches, limit)
    }

    /// How many different keys the index has; `None` without an index.
    pub fn key_count(&self, attribute: AttributeId) -> Option<usize> {
        Some(self.index(attribute)?.key_count())
    }

    /// How many links to others the entry has.
    pub fn link_count(&self, source: EntryId) -> usize {
        self.links.count(source)
    }

    /// The entries that have a link to `target`, each once.
    pub fn referring_to(&self, target: EntryId) -> Vec<EntryId> {
        let mut found: Vec<EntryId> = self.links.to(target).into_iter().map(|link| link.source).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// About how many octets entries and indexes take. It goes through all of them.
    pub fn size(&self) -> usize {
        let of_slots = |slots: &Slots| slots.read().iter().flatten().map(|entry| entry.size()).sum::<usize>();
        let entries: usize = self.slots.iter().map(of_slots).sum();
        entries + self.indexed().into_iter().filter_map(|attribute| self.index(attribute)).map(Index::size).sum::<usize>()
    }

    /// Whether `child` stands directly under `parent`.
    pub(super) fn has_child(&self, parent: EntryId, child: EntryId) -> bool {
        shard(&self.children, u64::from(parent.0)).read().get(&parent).is_some_and(|held| held.contains(child.0))
    }

    /// Every entry that others stand under, in no order.
    pub(super) fn parents(&self) -> Vec<EntryId> {
        self.children.iter().flat_map(|shard| shard.read().keys().copied().collect::<Vec<_>>()).collect()
    }

    pub(super) fn links(&self) -> &Links {
        &self.links
    }

    pub(super) fn index(&self, attribute: AttributeId) -> Option<&Index> {
        self.indexes.get(usize::from(attribute.0))?.get().map(|index| &**index)
    }

    /// The attributes that have an index, link attributes included.
    pub(super) fn indexed(&self) -> Vec<AttributeId> {
        self.indexed.read().clone()
    }

    /// The highest entry number and the highest entry revision ever seen.
    pub(super) fn highest(&self) -> (u32, u64) {
        (self.highest_id.load(Ordering::Acquire), self.highest_revision.load(Ordering::Acquire))
    }

    /// The highest revision of an entry that readers see, or are about to.
    pub fn highest_revision(&self) -> u64 {
        self.highest_revision.load(Ordering::Acquire)
    }

    /// Takes note that these numbers were given once.
    pub(super) fn raise(&self, id: u32, revision: u64) {
        self.highest_id.fetch_max(id, Ordering::AcqRel);
        self.highest_revision.fetch_max(revision, Ordering::AcqRel);
    }

    /// The sequence number of the last change set that readers see.
    pub(super) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Says that readers see everything up to this change set.
    pub(super) fn set_applied(&self, sequence: u64) {
        self.applied.store(sequence, Ordering::Release);
    }

    /// Everything an entry's change means to the indexes.
    pub(super) fn index_changes(&self, before: Option<&Entry>, after: Option<&Entry>) -> Vec<IndexChange> {
        let schema: &Schema = &self.schema;
        self.indexed.read().iter().filter_map(|attribute| index::change(schema, *attribute, before, after)).collect()
    }

    /// Shows change sets to readers, each whole; `dirty` learns which records of sled they change. What can be worked out
    /// before is, so that readers are kept out for short.
    pub(super) fn publish(&self, sets: &[&[Operation]], dirty: &mut Dirty) {
        let operations = || sets.iter().copied().flatten();
        let mut before = Images::default();
        let mut prepared = Vec::new();
        prepared.extend(operations().take(PREPARED).map(|operation| self.prepare(operation, &mut before)));
        let alone = |operations: &&[Operation]| {
            let mut steps = operations.iter().filter(|operation| !matches!(operation, Operation::PutMeta(..)));
            matches!((steps.next(), steps.next()), (None, _) | (Some(Operation::PutEntry(_)), None))
        };
        let adopts = prepared.iter().any(|prepared| prepared.adoption.is_some());
        // In this order: one who stands in a lane may ask for stillness.
        let _closed = (adopts || !sets.iter().all(alone)).then(|| self.gate.close());
        let _still = self.gate.still();
        let mut prepared = prepared.into_iter();
        for operation in operations() {
            let prepared = prepared.next().unwrap_or_else(|| self.prepare(operation, &mut Images::default()));
            if let Some(id) = operation.entry() {
                self.gate.begin(id);
            }
            self.apply_prepared(operation, prepared, dirty);
        }
        self.gate.done();
    }

    /// What an operation means, where `images` are the entries that operations before it leave. One that changes the schema is
    /// published by itself.
    fn prepare(&self, operation: &Operation, images: &mut Images) -> Prepared {
        let (id, after) = match operation {
            Operation::PutEntry(entry) | Operation::MoveEntry(entry) => (entry.id, Some(entry)),
            Operation::DeleteEntry(removed) => (removed.id, None),
            Operation::PutMeta(key, Some(record)) if key == additions::RECORD => {
                // It was checked before it was written: another version of the server wrote it, or it is damaged.
                let wrong = |error: &String| tracing::error!(%error, "the schema changes made at run time cannot be taken over");
                let adoption = self.adoption(record).inspect_err(wrong).ok().flatten();
                return Prepared { adoption, ..Prepared::default() };
            }
            Operation::PutLink(_) | Operation::DeleteLink(..) | Operation::PutMeta(..) => return Prepared::default(),
        };
        let before = images.insert(id, after.cloned()).unwrap_or_else(|| self.entry(id));
        Prepared { indexes: self.index_changes(before.as_deref(), after.map(Arc::as_ref)), adoption: None }
    }

    /// Applies one operation where nobody reads yet.
    pub(super) fn apply(&self, operation: &Operation, dirty: &mut Dirty) {
        let prepared = self.prepare(operation, &mut Images::default());
        self.apply_prepared(operation, prepared, dirty);
        self.gate.done();
    }

    fn apply_prepared(&self, operation: &Operation, Prepared { indexes, adoption }: Prepared, dirty: &mut Dirty) {
        match operation {
            Operation::PutEntry(entry) | Operation::MoveEntry(entry) => {
                self.put_entry(entry, &indexes);
                dirty.entry(entry.id);
            }
            Operation::DeleteEntry(Removed { id, .. }) => {
                for link in self.links.from(*id).into_iter().chain(self.links.to(*id)) {
                    self.links.remove(link.source, link.attribute, link.target);
                    dirty.link(link.source, link.attribute, link.target);
                }
                self.delete_entry(*id, &indexes);
                self.bonds_changed();
                dirty.entry(*id);
            }
            Operation::PutLink(link) => {
                self.links.set(*link);
                self.bonds_changed();
                dirty.link(link.source, link.attribute, link.target);
            }
            Operation::DeleteLink(source, attribute, target) => {
                self.links.remove(*source, *attribute, *target);
                self.bonds_changed();
                dirty.link(*source, *attribute, *target);
            }
            Operation::PutMeta(key, value) => {
                self.put_meta(key, value.clone());
                // Only now: who sees a version of the schema finds its record.
                if let Some(adoption) = adoption {
                    self.take_over(*adoption);
                }
                dirty.meta(key);
            }
        }
    }

    fn put_entry(&self, entry: &Arc<Entry>, changes: &[IndexChange]) {
        self.raise(entry.id.0, entry.revision);
        self.add_name(entry);
        for change in changes {
            if let Some(index) = self.index(change.attribute) {
                index.add(change, entry.id.0);
            }
        }
        let before = self.swap(entry.id, Some(entry.clone()));
        self.forget(entry.id, changes);
        if let Some(before) = before {
            self.drop_name(&before, Some(entry));
            if (before.parent, &before.rdn) != (entry.parent, &entry.rdn) {
                self.bonds_changed();
            }
        }
    }

    fn delete_entry(&self, id: EntryId, changes: &[IndexChange]) {
        self.raise(id.0, 0);
        let Some(before) = self.swap(id, None) else { return };
        self.forget(id, changes);
        self.drop_name(&before, None);
    }

    /// Takes the keys that an entry has no more out of the indexes.
    fn forget(&self, id: EntryId, changes: &[IndexChange]) {
        for change in changes {
            if let Some(index) = self.index(change.attribute) {
                index.remove(change, id.0);
            }
        }
    }

    pub(super) fn put_meta(&self, key: &str, value: Option<Arc<[u8]>>) {
        let mut meta = self.meta.write();
        match value {
            Some(value) => meta.insert(key.to_owned(), value),
            None => meta.remove(key),
        };
    }

    /// Puts an entry in its slot and makes its name known, without its index keys: for the loading of many, after
    /// which [`Memory::build_indexes`] is called.
    pub(super) fn load(&self, entry: Arc<Entry>) {
        self.raise(entry.id.0, entry.revision);
        self.add_name(&entry);
        self.swap(entry.id, Some(entry));
    }

    /// Makes the indexes of all entries anew, on all processors.
    pub(super) fn build_indexes(&self) {
        let next = AtomicUsize::new(0);
        let indexed = self.indexed();
        let work = || {
            while let Some(attribute) = indexed.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (pairs, present) = self.pairs_from_entries(*attribute);
                if let Some(index) = self.index(*attribute) {
                    index.fill(pairs, present);
                }
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(indexed.len());
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    }

    /// What the index of `attribute` has to hold, from the entries themselves.
    pub(super) fn pairs_from_entries(&self, attribute: AttributeId) -> (Vec<(Key, u32)>, RoaringBitmap) {
        let (mut pairs, mut present) = (Vec::new(), RoaringBitmap::new());
        for slots in &self.slots {
            for entry in slots.read().iter().flatten().filter(|entry| entry.has(attribute)) {
                present.insert(entry.id.0);
                pairs.extend(index::keys(&self.schema, attribute, entry).into_iter().map(|key| (key, entry.id.0)));
            }
        }
        pairs.sort_unstable();
        (pairs, present)
    }

    /// Puts an entry in its slot, or empties it; answers what was there.
    fn swap(&self, id: EntryId, entry: Option<Arc<Entry>>) -> Option<Arc<Entry>> {
        let mut slots = shard(&self.slots, u64::from(id.0)).write();
        let at = id.0 as usize / SHARDS;
        let exists = entry.is_some();
        if slots.len() <= at {
            slots.resize(at + 1, None);
        }
        let before = slots.get_mut(at).and_then(|slot| std::mem::replace(slot, entry));
        match (before.is_some(), exists) {
            (false, true) => self.count.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.count.fetch_sub(1, Ordering::Relaxed),
            (true, true) | (false, false) => 0,
        };
        before
    }

    fn name_hash(&self, parent: Option<EntryId>, key: &[u8]) -> u64 {
        self.hasher.hash_one((parent, key))
    }

    fn add_name(&self, entry: &Entry) {
        let hash = self.name_hash(entry.parent, &entry.rdn_key);
        shard(&self.names, hash).write().entry(hash).or_default().insert(entry.id.0);
        if let Some(parent) = entry.parent {
            shard(&self.children, u64::from(parent.0)).write().entry(parent).or_default().insert(entry.id.0);
        }
    }

    /// Forgets the name of `before` and its place under its parent, as far as `after` has another.
    fn drop_name(&self, before: &Entry, after: Option<&Entry>) {
        if after.is_none_or(|after| (after.parent, &after.rdn_key) != (before.parent, &before.rdn_key)) {
            let hash = self.name_hash(before.parent, &before.rdn_key);
            remove_from(&mut shard(&self.names, hash).write(), &hash, before.id);
        }
        if let Some(parent) = before.parent.filter(|parent| after.is_none_or(|after| after.parent != Some(*parent))) {
            remove_from(&mut shard(&self.children, u64::from(parent.0)).write(), &parent, before.id);
        }
    }
}

fn remove_from<K: Eq + std::hash::Hash>(map: &mut HashMap<K, Posting>, key: &K, id: EntryId) {
    if let Some(posting) = map.get_mut(key) {
        posting.remove(id.0);
        if posting.is_empty() {
            map.remove(key);
        }
    }
}

impl Facts for Memory {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn entry(&self, id: EntryId) -> Option<Arc<Entry>> {
        let slots = shard(&self.slots, u64::from(id.0)).read();
        slots.get(id.0 as usize / SHARDS).cloned().flatten()
    }

    fn child(&self, parent: Option<EntryId>, key: &[u8]) -> Option<EntryId> {
        let hash = self.name_hash(parent, key);
        let names = shard(&self.names, hash).read();
        let has_name = |id: &u32| self.with_entry(EntryId(*id), |entry| entry.parent == parent && *entry.rdn_key == *key) == Some(true);
        names.get(&hash)?.iter().find(has_name).map(EntryId)
    }

    fn children(&self, parent: EntryId, after: Option<EntryId>, limit: usize) -> Vec<EntryId> {
        let Some(from) = link::from(after) else { return Vec::new() };
        let held = shard(&self.children, u64::from(parent.0)).read();
        held.get(&parent).map(|ids| ids.iter_from(from).take(limit).map(EntryId).collect()).unwrap_or_default()
    }

    fn child_count(&self, parent: EntryId) -> usize {
        shard(&self.children, u64::from(parent.0)).read().get(&parent).map_or(0, Posting::len)
    }

    fn equal(&self, attribute: AttributeId, key: &[u8]) -> Vec<EntryId> {
        self.index(attribute).map(|index| index.equal(key).into_iter().map(EntryId).collect()).unwrap_or_default()
    }

    fn targets(&self, source: EntryId, attribute: AttributeId, after: Option<EntryId>, limit: usize) -> Vec<(EntryId, Level)> {
        self.links.targets(source, attribute, after, limit)
    }

    fn sources(&self, target: EntryId, attribute: AttributeId) -> Vec<(EntryId, Level)> {
        self.links.sources(target, attribute)
    }

    fn link(&self, source: EntryId, attribute: AttributeId, target: EntryId) -> Option<Level> {
        self.links.get(source, attribute, target)
    }

    fn target_count(&self, source: EntryId, attribute: AttributeId) -> usize {
        self.links.target_count(source, attribute)
    }

    fn link_attributes(&self, source: EntryId) -> Vec<AttributeId> {
        self.links.attributes(source)
    }

    fn meta(&self, key: &str) -> Option<Arc<[u8]>> {
        self.meta.read().get(key).cloned()
    }

    fn meta_range(&self, prefix: &str) -> Vec<(String, Arc<[u8]>)> {
        let meta = self.meta.read();
        let from = meta.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.take_while(|(key, _)| key.starts_with(prefix)).map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}
