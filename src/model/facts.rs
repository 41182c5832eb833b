//! The look-ups a rule may make. The committed memory implements it, and so does a transaction on the
//! writer (memory plus what is pending), so that a rule reads the same way in both places.

use super::{AttributeId, Entry, Level};
use crate::base::{EntryId, Timestamp};
use std::sync::Arc;

/// Read access to entries, names, indexes and links.
pub trait Facts {
    /// The entry of that number.
    fn entry(&self, id: EntryId) -> Option<Arc<Entry>>;

    /// The entry under `parent` (`None`: at the top) whose normalised RDN is `key`. A suffix stands at the
    /// top under the normal form of its whole DN.
    fn child(&self, parent: Option<EntryId>, key: &[u8]) -> Option<EntryId>;

    /// The entries directly under `parent`, in order of number, those above `after` only, at most `limit`.
    fn children(&self, parent: EntryId, after: Option<EntryId>, limit: usize) -> Vec<EntryId>;

    /// How many entries stand directly under `parent`.
    fn child_count(&self, parent: EntryId) -> usize;

    /// The entries that hold `key` (normalised by the equality rule) in an indexed `attribute`, in order of number.
    /// Empty where the attribute has no index.
    fn equal(&self, attribute: AttributeId, key: &[u8]) -> Vec<EntryId>;

    /// The targets of the links of `source`, in order of number, those above `after` only, at most `limit`.
    fn targets(&self, source: EntryId, attribute: AttributeId, after: Option<EntryId>, limit: usize) -> Vec<(EntryId, Level)>;

    /// The entries whose `attribute` points to `target`, in order of number.
    fn sources(&self, target: EntryId, attribute: AttributeId) -> Vec<(EntryId, Level)>;

    /// The level of the link, where there is one.
    fn link(&self, source: EntryId, attribute: AttributeId, target: EntryId) -> Option<Level>;

    /// How many links `source` has in `attribute`.
    fn target_count(&self, source: EntryId, attribute: AttributeId) -> usize;

    /// The link attributes in which `source` has links; the usual answer is none, and costs no allocation.
    fn link_attributes(&self, source: EntryId) -> Vec<AttributeId>;

    /// A record outside the tree (tokens, outbox, counters), by its key.
    fn meta(&self, key: &str) -> Option<Arc<[u8]>>;

    /// What time it is.
    fn now(&self) -> Timestamp;

    /// All records outside the tree whose key begins with `prefix`, in order of key.
    fn meta_range(&self, prefix: &str) -> Vec<(String, Arc<[u8]>)>;
}

/// The entry of that number and those above it, the nearest first, up to its suffix.
pub fn upwards(facts: &dyn Facts, id: EntryId) -> impl Iterator<Item = Arc<Entry>> {
    std::iter::successors(facts.entry(id), |entry| facts.entry(entry.parent?))
}
