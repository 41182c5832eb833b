//! What the work of one group has changed and readers do not see yet. Each step can be taken back, so that work that
//! fails leaves what work before it in the group did.

use super::index::Key;
use crate::base::EntryId;
use crate::model::{AttributeId, Entry, Level};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A link with one end first: that end, attribute, other end.
type End = (EntryId, AttributeId, EntryId);
/// The names under one parent.
type Names = HashMap<Box<[u8]>, Option<EntryId>>;
type KeyMap = BTreeMap<Key, BTreeMap<EntryId, bool>>;

/// The state of a key before a step; `None` where the overlay did not have it.
enum Undo {
    Entry(EntryId, Option<Option<Arc<Entry>>>),
    Name(Option<EntryId>, Box<[u8]>, Option<Option<EntryId>>),
    Child(EntryId, EntryId, Option<bool>),
    Key(AttributeId, Key, EntryId, Option<bool>),
    Link(EntryId, AttributeId, EntryId, Option<Option<Level>>),
    Meta(String, Option<Option<Arc<[u8]>>>),
}

/// The pending state over the committed one. `None` and `false` stand for what is gone.
#[derive(Default)]
pub(super) struct Overlay {
    pub entries: HashMap<EntryId, Option<Arc<Entry>>>,
    pub names: HashMap<Option<EntryId>, Names>,
    /// By parent and child.
    pub children: BTreeMap<(EntryId, EntryId), bool>,
    pub keys: HashMap<AttributeId, KeyMap>,
    /// By source, attribute, target.
    pub targets: BTreeMap<End, Option<Level>>,
    /// By target, attribute, source.
    pub sources: BTreeMap<End, Option<Level>>,
    pub meta: BTreeMap<String, Option<Arc<[u8]>>>,
    undo: Vec<Undo>,
}

impl Overlay {
    pub(super) fn set_entry(&mut self, id: EntryId, entry: Option<Arc<Entry>>) {
        let before = self.entries.insert(id, entry);
        self.undo.push(Undo::Entry(id, before));
    }

    pub(super) fn set_name(&mut self, parent: Option<EntryId>, key: &[u8], id: Option<EntryId>) {
        let before = self.names.entry(parent).or_default().insert(key.into(), id);
        self.undo.push(Undo::Name(parent, key.into(), before));
    }

    pub(super) fn set_child(&mut self, parent: EntryId, child: EntryId, is_there: bool) {
        let before = self.children.insert((parent, child), is_there);
        self.undo.push(Undo::Child(parent, child, before));
    }

    pub(super) fn set_key(&mut self, attribute: AttributeId, key: &Key, id: EntryId, is_there: bool) {
        let before = self.keys.entry(attribute).or_default().entry(key.clone()).or_default().insert(id, is_there);
        self.undo.push(Undo::Key(attribute, key.clone(), id, before));
    }

    pub(super) fn set_link(&mut self, source: EntryId, attribute: AttributeId, target: EntryId, level: Option<Level>) {
        let before = self.targets.insert((source, attribute, target), level);
        self.sources.insert((target, attribute, source), level);
        self.undo.push(Undo::Link(source, attribute, target, before));
    }

    pub(super) fn set_meta(&mut self, key: &str, value: Option<Arc<[u8]>>) {
        let before = self.meta.insert(key.to_owned(), value);
        self.undo.push(Undo::Meta(key.to_owned(), before));
    }

    /// What is pending for the entries that hold a key.
    pub(super) fn key(&self, attribute: AttributeId, key: &[u8]) -> Option<&BTreeMap<EntryId, bool>> {
        self.keys.get(&attribute)?.get(key)
    }

    /// What is pending for the name.
    pub(super) fn name(&self, parent: Option<EntryId>, key: &[u8]) -> Option<Option<EntryId>> {
        self.names.get(&parent)?.get(key).copied()
    }

    /// What is pending under a parent.
    pub(super) fn children_of(&self, parent: EntryId) -> impl Iterator<Item = (EntryId, bool)> {
        let all = self.children.range((parent, EntryId(0))..=(parent, EntryId(u32::MAX)));
        all.map(|((_, child), is_there)| (*child, *is_there))
    }

    /// What is pending at one end of links of one attribute.
    pub(super) fn ends(
        map: &BTreeMap<End, Option<Level>>,
        end: EntryId,
        attribute: AttributeId,
    ) -> impl Iterator<Item = (EntryId, Option<Level>)> {
        let all = map.range((end, attribute, EntryId(0))..=(end, attribute, EntryId(u32::MAX)));
        all.map(|((_, _, other), level)| (*other, *level))
    }

    /// What is pending at one end of links of any attribute.
    pub(super) fn all_ends(
        map: &BTreeMap<End, Option<Level>>,
        end: EntryId,
    ) -> impl Iterator<Item = (AttributeId, EntryId, Option<Level>)> {
        let all = map.range((end, AttributeId(0), EntryId(0))..=(end, AttributeId(u16::MAX), EntryId(u32::MAX)));
        all.map(|((_, attribute, other), level)| (*attribute, *other, *level))
    }

    /// Keeps what was done since the last call of this or of [`Overlay::roll_back`].
    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Takes back what was done since then.
    pub(super) fn roll_back(&mut self) {
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Entry(id, before) => restore_hashed(&mut self.entries, id, before),
                Undo::Name(parent, key, before) => {
                    if let Some(names) = self.names.get_mut(&parent) {
                        restore_hashed(names, key, before);
                    }
                }
                Undo::Child(parent, child, before) => restore(&mut self.children, (parent, child), before),
                Undo::Key(attribute, key, id, before) => {
                    if let Some(ids) = self.keys.get_mut(&attribute).and_then(|keys| keys.get_mut(&key)) {
                        restore(ids, id, before);
                    }
                }
                Undo::Link(source, attribute, target, before) => {
                    restore(&mut self.targets, (source, attribute, target), before);
                    restore(&mut self.sources, (target, attribute, source), before);
                }
                Undo::Meta(key, before) => restore(&mut self.meta, key, before),
            }
        }
    }

    /// Forgets everything: the group is published, or failed.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.names.clear();
        self.children.clear();
        self.keys.clear();
        self.targets.clear();
        self.sources.clear();
        self.meta.clear();
        self.undo.clear();
    }
}

fn restore<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, before: Option<V>) {
    match before {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

fn restore_hashed<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>, key: K, before: Option<V>) {
    match before {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}
