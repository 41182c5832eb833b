//! Keeping entries: the journal acknowledges, memory serves, sled keeps, the snapshot rebuilds (ARCHITECTURE.md).
//! One writer thread owns all mutation. Work is handed to it as a closure over a [`Transaction`]; what the
//! closure changed is journalled in a group with others, synced, published to [`Memory`], and only then
//! answered. A closure that fails changes nothing.

mod change_set;
mod checkpoint;
mod disk;
mod index;
mod journal;
mod link;
mod memory;
mod overlay;
mod posting;
mod recovery;
mod segment;
mod shared;
mod transaction;
mod writer;

use crate::base::Clock;
use crate::model::AttributeId;
use crate::schema::Schema;
use parking_lot::Mutex;
use shared::Shared;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};
use writer::{Message, Request};

pub use index::Candidates;
pub use memory::Memory;
pub use shared::Counts;
pub use transaction::Transaction;

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
    /// The writer is gone because the daemon is stopping, or this work panicked.
    #[error("the store has stopped")]
    Stopped,
    /// The store cannot be opened, or what is asked for cannot be done with its files; the text is for the operator.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
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

/// An open store.
pub struct Store {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Message>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the store of a folder: sled, then the journal from the checkpoint; rebuilt from the newest good
    /// snapshot and the journal where sled is damaged.
    pub fn open(options: StoreOptions, schema: Arc<Schema>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        recovery::open(options, schema, clock)
    }

    /// The committed state.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.shared.memory
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
        let (request, answer) = Request::new(work);
        self.queue.send(Message::Work(request)).await.map_err(|_| StoreError::Stopped)?;
        settled(answer.await)
    }

    /// The same for a caller outside the runtime.
    pub fn write_blocking<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        W: FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        let (request, answer) = Request::new(work);
        self.queue.blocking_send(Message::Work(request)).map_err(|_| StoreError::Stopped)?;
        settled(answer.blocking_recv())
    }

    /// Whether writes are refused now, and why.
    pub fn read_only(&self) -> Option<String> {
        let status = self.shared.status.lock();
        status.poison.clone().or_else(|| status.low.clone())
    }

    /// Counts for metrics.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Ends the writer after what is queued. Waits for it, so it must not be called on a thread of the runtime.
    pub fn close(&self) {
        let Some(writer) = self.writer.lock().take() else { return };
        // The writer is gone already where this fails.
        drop(self.queue.blocking_send(Message::Close));
        drop(writer.join());
    }
}

fn settled<T, E: From<StoreError>>(answer: Result<Result<T, E>, oneshot::error::RecvError>) -> Result<T, E> {
    answer.unwrap_or_else(|_| Err(StoreError::Stopped.into()))
}
