//! The names of the members of large groups as they travel, kept while no name and no link changes. A group of a
//! thousand is then a copy of octets.

use crate::base::EntryId;
use crate::model::AttributeId;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// Fewer links are put together about as fast as they are found here.
pub(crate) const WORTH_KEEPING: usize = 16;
/// Octets kept at most; then all is dropped.
const MOST: usize = 32 << 20;

/// The entry and the attribute that shows its links.
type Key = (EntryId, AttributeId);

/// Kept by entry and attribute. All of it is of one generation of names and links, and of the revision of its entry.
#[derive(Default)]
pub(crate) struct LinkCache {
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    generation: u64,
    octets: usize,
    attributes: HashMap<Key, (u64, Arc<[u8]>)>,
}

impl LinkCache {
    /// The attribute, if it was put together in this generation from this revision of the entry.
    pub(crate) fn get(&self, generation: u64, key: Key, revision: u64) -> Option<Arc<[u8]>> {
        let kept = self.kept.read();
        let (of, encoded) = kept.attributes.get(&key).filter(|_| kept.generation == generation)?;
        (*of == revision).then(|| Arc::clone(encoded))
    }

    /// Keeps an attribute that was put together after `generation` was read.
    pub(crate) fn put(&self, generation: u64, key: Key, revision: u64, encoded: &[u8]) {
        let mut kept = self.kept.write();
        if kept.generation > generation {
            return;
        }
        if kept.generation < generation || kept.octets + encoded.len() > MOST {
            *kept = Kept { generation, ..Kept::default() };
        }
        kept.octets += encoded.len();
        kept.attributes.insert(key, (revision, encoded.into()));
    }
}
