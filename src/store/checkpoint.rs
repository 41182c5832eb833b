//! Which records sled does not have yet, and up to which change it is good.

use crate::base::EntryId;
use crate::model::AttributeId;
use std::collections::HashSet;

/// Targets of one chunk of links: so many that a chunk stays below 4 KiB.
pub(super) const CHUNK_BITS: u32 = 10;

/// The records that changed since the last background step.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub entries: HashSet<EntryId>,
    /// Source, attribute, and the upper bits of the target.
    pub links: HashSet<(EntryId, AttributeId, u32)>,
    pub meta: HashSet<String>,
}

impl Dirty {
    pub(super) fn entry(&mut self, id: EntryId) {
        self.entries.insert(id);
    }

    pub(super) fn link(&mut self, source: EntryId, attribute: AttributeId, target: EntryId) {
        self.links.insert((source, attribute, target.0 >> CHUNK_BITS));
    }

    pub(super) fn meta(&mut self, key: &str) {
        if !self.meta.contains(key) {
            self.meta.insert(key.to_owned());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() + self.links.len() + self.meta.len()
    }
}
