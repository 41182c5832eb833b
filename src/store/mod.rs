//! Keeping entries: the journal acknowledges, memory serves, sled keeps, the snapshot rebuilds (ARCHITECTURE.md).
//! One writer thread owns all mutation. Work is handed to it as a closure over a [`Transaction`]; what the
//! closure changed is journalled in a group with others, synced, published to [`Memory`], and only then
//! answered. A closure that fails changes nothing.

use crate::base::{Clock, EntryId};
use crate::model::{AttributeId, Entry, Facts, Level, Link};
use crate::schema::Schema;
use std::path::PathBuf;
use std::sync::Arc;

/// The committed state: every entry, every index, every link. Readers use it directly.
pub struct Memory {}

/// How a store is opened.
pub struct StoreOptions {
    /// The folder of the store; made with mode 0700 where it is absent.
    pub folder: PathBuf,
    /// The attributes that have an index (equality, presence, prefix, substring and order).
    pub indexes: Vec<AttributeId>,
    /// Free space below which writes are refused, in octets (HD10).
    pub reserve: u64,
}

/// The state of a commit: opaque, ordered, 128 bits, so that a cluster can put its own in the place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u128);

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A write or sync failed, or the disk is below its reserve; the text is for the log.
    #[error("the store is read-only: {0}")]
    ReadOnly(String),
    /// One change is larger than the store takes at once.
    #[error("the change is larger than {0} octets")]
    TooLarge(usize),
    /// The writer is gone: the daemon is stopping, or it panicked.
    #[error("the store has stopped")]
    Stopped,
}

/// One who-changed-what record, kept in the same commit as the change.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct AuditRecord {
    /// Wall clock, milliseconds since the epoch.
    pub time: u64,
    /// The organisation's entryUUID, where there is one.
    pub organisation: Option<String>,
    /// Who did it: a DN, a token's id, `system`.
    pub actor: String,
    /// By which door and from where.
    pub origin: String,
    /// add, modify, delete, rename, password, session-start, session-end, …
    pub operation: String,
    /// The entry's DN at the time.
    pub target: String,
    /// The entry's entryUUID.
    pub target_id: String,
    /// What changed: attribute names; never a secret value.
    pub attributes: Vec<String>,
    /// In the words of the operation, where there is something to say.
    pub detail: String,
}

/// What work on the writer thread sees and changes. Reads show the committed state and everything this
/// group has changed so far.
pub struct Transaction<'a> {
    _memory: &'a Memory,
}

impl Transaction<'_> {
    /// A number no entry ever had.
    pub fn new_id(&mut self) -> EntryId {
        todo!()
    }

    /// A revision for an entry that is about to be put: greater than any before.
    pub fn new_revision(&mut self) -> u64 {
        todo!()
    }

    /// Puts an entry in the place of what has its number, or as a new one. Where its parent or RDN differ from
    /// before, it and all below it have moved.
    pub fn put(&mut self, entry: Entry) -> Arc<Entry> {
        todo!()
    }

    /// Removes an entry and every link from it and to it. It must have no children.
    pub fn remove(&mut self, id: EntryId) {
        todo!()
    }

    /// Sets a link, or changes its level.
    pub fn link(&mut self, link: Link) {
        todo!()
    }

    /// Removes a link.
    pub fn unlink(&mut self, source: EntryId, attribute: AttributeId, target: EntryId) {
        todo!()
    }

    /// Sets a record outside the tree; `None` removes it.
    pub fn put_meta(&mut self, key: &str, value: Option<Vec<u8>>) {
        todo!()
    }

    /// Adds a who-changed-what record to the commit.
    pub fn audit(&mut self, record: AuditRecord) {
        todo!()
    }

    /// Runs `effect` on the writer thread when it is known how this work ended: `true` after its commit is durable and
    /// published and before it is answered, `false` where nothing of it is kept. So that what lives beside the store
    /// (the seat book, open connections) follows even when nobody waits for the answer any more.
    pub fn when_settled(&mut self, effect: impl FnOnce(bool) + Send + 'static) {
        let _ = effect;
        todo!()
    }

    /// Lets this work commit although the disk is below its reserve: taking and ending seats only.
    pub fn may_use_reserve(&mut self) {
        todo!()
    }
}

/// An open store.
pub struct Store {}

impl Store {
    /// Opens the store of a folder: sled, then the journal from the checkpoint; rebuilt from the newest good
    /// snapshot and the journal where sled is damaged.
    pub fn open(options: StoreOptions, schema: Arc<Schema>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        todo!()
    }

    /// The committed state.
    pub fn memory(&self) -> &Arc<Memory> {
        todo!()
    }

    /// Runs `work` on the writer thread and answers when what it changed is durable and visible. Where it answers
    /// an error nothing of it is kept. Work that changes nothing is not journalled, and is answered after the
    /// group it ran in.
    pub async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        W: FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        todo!()
    }

    /// The same for a caller outside the runtime.
    pub fn write_blocking<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        W: FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        todo!()
    }

    /// Whether writes are refused now, and why.
    pub fn read_only(&self) -> Option<String> {
        todo!()
    }
}
