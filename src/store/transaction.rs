//! What work on the writer thread sees and changes.

use super::AuditRecord;
use super::change_set::{Operation, Removed};
use super::index;
use super::memory::Memory;
use super::overlay::Overlay;
use crate::base::{EntryId, Timestamp};
use crate::model::{AttributeId, Entry, Facts, Level, Link};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// Something to be done when it is known how work ended.
pub(super) type Effect = Box<dyn FnOnce(bool) + Send>;

/// The last numbers given out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    pub id: u32,
    pub revision: u64,
}

/// What work on the writer thread sees and changes. Reads show the committed state and everything this
/// group has changed so far.
pub struct Transaction<'a> {
    memory: &'a Memory,
    overlay: &'a mut Overlay,
    counters: &'a mut Counters,
    outcome: &'a mut Staged,
}

/// What one piece of work staged.
#[derive(Default)]
pub(super) struct Staged {
    pub operations: Vec<Operation>,
    pub audit: Vec<AuditRecord>,
    pub effects: Vec<Effect>,
    pub may_use_reserve: bool,
}

impl Staged {
    /// Whether there is nothing to be journalled.
    pub(super) fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.audit.is_empty()
    }
}

impl<'a> Transaction<'a> {
    pub(super) fn new(memory: &'a Memory, overlay: &'a mut Overlay, counters: &'a mut Counters, outcome: &'a mut Staged) -> Self {
        Self { memory, overlay, counters, outcome }
    }

    /// A number no entry ever had.
    pub fn new_id(&mut self) -> EntryId {
        // 2^32 entries would not fit into memory, and numbers of work that failed are few.
        self.counters.id = self.counters.id.saturating_add(1);
        EntryId(self.counters.id)
    }

    /// A revision for an entry that is about to be put: greater than any before.
    pub fn new_revision(&mut self) -> u64 {
        self.counters.revision = self.counters.revision.saturating_add(1);
        self.counters.revision
    }

    /// Whether the entry was added by work that is not published yet.
    pub fn is_new(&self, id: EntryId) -> bool {
        self.memory.entry(id).is_none()
    }

    /// Puts an entry in the place of what has its number, or as a new one. Where its parent or RDN differ from
    /// before, it and all below it have moved. The name must be free; nothing else is checked here.
    pub fn put(&mut self, entry: Entry) -> Arc<Entry> {
        let entry = Arc::new(entry);
        let before = self.entry(entry.id);
        // The name as it is spelled: followers show names.
        let has_moved = before.as_ref().is_some_and(|before| (before.parent, &before.rdn) != (entry.parent, &entry.rdn));
        self.stage_keys(entry.id, before.as_deref(), Some(&entry));
        if let Some(before) = before.filter(|before| (before.parent, &before.rdn_key) != (entry.parent, &entry.rdn_key)) {
            self.stage_leave(&before);
        }
        self.overlay.set_name(entry.parent, &entry.rdn_key, Some(entry.id));
        if let Some(parent) = entry.parent {
            self.overlay.set_child(parent, entry.id, true);
        }
        self.overlay.set_entry(entry.id, Some(entry.clone()));
        let operation = if has_moved { Operation::MoveEntry } else { Operation::PutEntry };
        self.outcome.operations.push(operation(entry.clone()));
        entry
    }

    /// Removes an entry and every link from it and to it. It must have no children.
    pub fn remove(&mut self, id: EntryId) {
        let Some(before) = self.entry(id) else { return };
        let mut referred_by = Vec::new();
        for link in self.links_of(id) {
            if link.source != id {
                referred_by.push(link.source);
            }
            self.overlay.set_link(link.source, link.attribute, link.target, None);
        }
        self.stage_keys(id, Some(&before), None);
        self.stage_leave(&before);
        self.overlay.set_entry(id, None);
        referred_by.sort_unstable();
        referred_by.dedup();
        let uuid = before.text(self.memory.schema().known().entry_uuid).unwrap_or_default().into();
        self.outcome.operations.push(Operation::DeleteEntry(Removed { id, uuid, referred_by }));
    }

    /// Whether any entry may hold a value in an indexed attribute. For links those are references kept as text.
    pub fn may_hold(&self, attribute: AttributeId) -> bool {
        self.memory.key_count(attribute).is_none_or(|count| count > 0) || self.overlay.keys.contains_key(&attribute)
    }

    /// The entries that hold a value in an indexed attribute, and perhaps some that did before this transaction.
    pub fn holders(&self, attribute: AttributeId) -> BTreeSet<EntryId> {
        let committed = self.memory.present(attribute).into_iter().flat_map(|found| found.ids).map(EntryId);
        let pending = self.overlay.keys.get(&attribute).into_iter().flat_map(BTreeMap::values).flat_map(|held| held.keys().copied());
        committed.chain(pending).collect()
    }

    /// Sets a link, or changes its level.
    pub fn set_link(&mut self, link: Link) {
        if self.link(link.source, link.attribute, link.target) != Some(link.level) {
            self.overlay.set_link(link.source, link.attribute, link.target, Some(link.level));
            self.outcome.operations.push(Operation::PutLink(link));
        }
    }

    /// Removes a link.
    pub fn unlink(&mut self, source: EntryId, attribute: AttributeId, target: EntryId) {
        if self.link(source, attribute, target).is_some() {
            self.overlay.set_link(source, attribute, target, None);
            self.outcome.operations.push(Operation::DeleteLink(source, attribute, target));
        }
    }

    /// Sets a record outside the tree; `None` removes it.
    pub fn put_meta(&mut self, key: &str, value: Option<Vec<u8>>) {
        if value.is_none() && self.meta(key).is_none() {
            return;
        }
        let value: Option<Arc<[u8]>> = value.map(Arc::from);
        self.overlay.set_meta(key, value.clone());
        self.outcome.operations.push(Operation::PutMeta(key.to_owned(), value));
    }

    /// Adds a who-changed-what record to the commit.
    pub fn audit(&mut self, record: AuditRecord) {
        self.outcome.audit.push(record);
    }

    /// The records that were added to the commit until now.
    pub fn audited(&self) -> &[AuditRecord] {
        &self.outcome.audit
    }

    /// Runs `effect` on the writer thread when it is known how this work ended: `true` after its commit is durable and
    /// published and before it is answered, `false` where nothing of it is kept. So that what lives beside the store
    /// (the seat book, open connections) follows even when nobody waits for the answer any more.
    pub fn when_settled(&mut self, effect: impl FnOnce(bool) + Send + 'static) {
        self.outcome.effects.push(Box::new(effect));
    }

    /// Lets this work commit although the disk is below its reserve: taking and ending seats only.
    pub fn may_use_reserve(&mut self) {
        self.outcome.may_use_reserve = true;
    }

    /// Makes the indexes of the overlay follow.
    fn stage_keys(&mut self, id: EntryId, before: Option<&Entry>, after: Option<&Entry>) {
        for change in self.memory.index_changes(before, after) {
            for key in &change.removed {
                self.overlay.set_key(change.attribute, key, id, false);
            }
            for key in &change.added {
                self.overlay.set_key(change.attribute, key, id, true);
            }
        }
    }

    /// Takes an entry away from where it stood, unless another has its name already.
    fn stage_leave(&mut self, before: &Entry) {
        if self.child(before.parent, &before.rdn_key) == Some(before.id) {
            self.overlay.set_name(before.parent, &before.rdn_key, None);
        }
        if let Some(parent) = before.parent {
            self.overlay.set_child(parent, before.id, false);
        }
    }

    /// All links from and to an entry.
    fn links_of(&self, id: EntryId) -> Vec<Link> {
        let links = self.memory.links();
        let committed = links.from(id).into_iter().chain(links.to(id));
        let mut found: Vec<Link> =
            committed.filter(|link| !self.overlay.targets.contains_key(&(link.source, link.attribute, link.target))).collect();
        for (attribute, target, level) in Overlay::all_ends(&self.overlay.targets, id) {
            found.extend(level.map(|level| Link { source: id, attribute, target, level }));
        }
        for (attribute, source, level) in Overlay::all_ends(&self.overlay.sources, id) {
            found.extend(level.map(|level| Link { source, attribute, target: id, level }));
        }
        found
    }
}

impl Facts for Transaction<'_> {
    fn now(&self) -> Timestamp {
        self.memory.now()
    }

    fn entry(&self, id: EntryId) -> Option<Arc<Entry>> {
        match self.overlay.entries.get(&id) {
            Some(pending) => pending.clone(),
            None => self.memory.entry(id),
        }
    }

    fn child(&self, parent: Option<EntryId>, key: &[u8]) -> Option<EntryId> {
        self.overlay.name(parent, key).unwrap_or_else(|| self.memory.child(parent, key))
    }

    fn children(&self, parent: EntryId, after: Option<EntryId>, limit: usize) -> Vec<EntryId> {
        let pending: BTreeMap<EntryId, bool> = self.overlay.children_of(parent).filter(|(child, _)| Some(*child) > after).collect();
        let gone = pending.values().filter(|is_there| !**is_there).count();
        let committed = self.memory.children(parent, after, limit.saturating_add(gone));
        if pending.is_empty() {
            return committed;
        }
        let mut all: BTreeSet<EntryId> = committed.into_iter().filter(|child| !pending.contains_key(child)).collect();
        all.extend(pending.iter().filter(|(_, is_there)| **is_there).map(|(child, _)| *child));
        all.into_iter().take(limit).collect()
    }

    fn child_count(&self, parent: EntryId) -> usize {
        let count = self.memory.child_count(parent);
        self.overlay.children_of(parent).fold(count, |count, (child, is_there)| match (is_there, self.memory.has_child(parent, child)) {
            (true, false) => count + 1,
            (false, true) => count.saturating_sub(1),
            (true, true) | (false, false) => count,
        })
    }

    fn equal(&self, attribute: AttributeId, key: &[u8]) -> Vec<EntryId> {
        let committed = self.memory.equal(attribute, key);
        let Some(pending) = self.overlay.key(attribute, &index::key(key)) else { return committed };
        let mut all: BTreeSet<EntryId> = committed.into_iter().filter(|id| !pending.contains_key(id)).collect();
        all.extend(pending.iter().filter(|(_, is_there)| **is_there).map(|(id, _)| *id));
        all.into_iter().collect()
    }

    fn targets(&self, source: EntryId, attribute: AttributeId, after: Option<EntryId>, limit: usize) -> Vec<(EntryId, Level)> {
        let pending: BTreeMap<EntryId, Option<Level>> =
            Overlay::ends(&self.overlay.targets, source, attribute).filter(|(target, _)| Some(*target) > after).collect();
        let gone = pending.values().filter(|level| level.is_none()).count();
        let mut found = merged(self.memory.targets(source, attribute, after, limit.saturating_add(gone)), &pending);
        found.truncate(limit);
        found
    }

    fn sources(&self, target: EntryId, attribute: AttributeId) -> Vec<(EntryId, Level)> {
        let pending = Overlay::ends(&self.overlay.sources, target, attribute).collect();
        merged(self.memory.sources(target, attribute), &pending)
    }

    fn link(&self, source: EntryId, attribute: AttributeId, target: EntryId) -> Option<Level> {
        match self.overlay.targets.get(&(source, attribute, target)) {
            Some(pending) => *pending,
            None => self.memory.link(source, attribute, target),
        }
    }

    fn target_count(&self, source: EntryId, attribute: AttributeId) -> usize {
        let count = self.memory.target_count(source, attribute);
        Overlay::ends(&self.overlay.targets, source, attribute).fold(count, |count, (target, level)| {
            match (level.is_some(), self.memory.link(source, attribute, target).is_some()) {
                (true, false) => count + 1,
                (false, true) => count.saturating_sub(1),
                (true, true) | (false, false) => count,
            }
        })
    }

    fn link_attributes(&self, source: EntryId) -> Vec<AttributeId> {
        let committed = self.memory.link_attributes(source);
        let pending: BTreeSet<AttributeId> = Overlay::all_ends(&self.overlay.targets, source).map(|(attribute, ..)| attribute).collect();
        if pending.is_empty() {
            return committed;
        }
        let all: BTreeSet<AttributeId> = committed.into_iter().chain(pending).collect();
        all.into_iter().filter(|attribute| self.target_count(source, *attribute) > 0).collect()
    }

    fn meta(&self, key: &str) -> Option<Arc<[u8]>> {
        match self.overlay.meta.get(key) {
            Some(pending) => pending.clone(),
            None => self.memory.meta(key),
        }
    }

    fn meta_range(&self, prefix: &str) -> Vec<(String, Arc<[u8]>)> {
        let pending = self.overlay.meta.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let mut pending = pending.take_while(|(key, _)| key.starts_with(prefix)).peekable();
        let committed = self.memory.meta_range(prefix);
        if pending.peek().is_none() {
            return committed;
        }
        let mut all: BTreeMap<String, Arc<[u8]>> = committed.into_iter().collect();
        for (key, value) in pending {
            match value {
                Some(value) => all.insert(key.clone(), value.clone()),
                None => all.remove(key),
            };
        }
        all.into_iter().collect()
    }
}

/// Ends of links with what is pending put over them, in order.
fn merged(committed: Vec<(EntryId, Level)>, pending: &BTreeMap<EntryId, Option<Level>>) -> Vec<(EntryId, Level)> {
    if pending.is_empty() {
        return committed;
    }
    let mut all: BTreeMap<EntryId, Level> = committed.into_iter().filter(|(end, _)| !pending.contains_key(end)).collect();
    all.extend(pending.iter().filter_map(|(end, level)| level.map(|level| (*end, level))));
    all.into_iter().collect()
}
