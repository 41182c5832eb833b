//! Keeping entries: the journal acknowledges, memory serves, sled keeps, the snapshot rebuilds (ARCHITECTURE.md).
//! One writer thread owns all mutation. Work is handed to it as a closure over a [`Transaction`]; what the
//! closure changed is journalled in a group with others, synced, published to [`Memory`], and only then
//! answered. A closure that fails changes nothing.

mod audit;
mod audit_chain;
mod audit_check;
mod audit_folder;
mod audit_record;
mod background;
mod change_set;
mod checkpoint;
#[cfg(test)]
mod copy_tests;
mod disk;
mod feed;
mod index;
mod isolation;
mod journal;
mod kv;
mod kv_sled;
mod link;
mod live;
mod loader;
mod memory;
mod notes;
mod overlay;
mod posting;
mod record;
mod recovery;
#[cfg(test)]
mod schema_tests;
mod security;
mod segment;
mod shared;
#[cfg(test)]
mod simulated;
mod snapshot;
#[cfg(test)]
mod tests;
mod transaction;
mod verify;
mod writer;

use crate::base::{Clock, Secret};
use crate::schema::LiveSchema;
use background::Order;
use parking_lot::Mutex;
use shared::Shared;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};
use writer::{Message, Request};

pub use audit_check::AuditCheck;
pub use audit_record::{AuditChange, AuditRecord};
pub use background::Compacted;
pub use change_set::Removed;
pub use feed::{Change, ChangeEvent, Changes};
pub use index::Candidates;
pub use isolation::{Isolation, Still, Watch};
pub use live::{Next, Subscription};
pub use memory::Memory;
pub use recovery::OpenReport;
pub use security::SecurityLog;
pub use shared::Counts;
pub use transaction::Transaction;
pub use verify::Findings;

/// How a store is opened.
pub struct StoreOptions {
    /// The folder of the store; made with mode 0700 where it is absent.
    pub folder: PathBuf,
    /// The attributes that have an index (equality, presence, prefix, substring and order), by name or OID, and with each
    /// its subtypes. One that is defined at run time only has its own from then on.
    pub indexes: Vec<String>,
    /// Free space below which writes are refused, in octets (HD10).
    pub reserve: u64,
    /// The key that signs where the audit file ends.
    pub audit_key: Option<Secret>,
    /// How the log of logins and refusals is kept.
    pub security: SecurityLog,
}

/// The state of a commit: opaque, ordered, 128 bits, so that a cluster can put its own in the place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u128);

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The process or the machine has no descriptor left for what is needed; nothing was begun, and the next attempt may
    /// succeed. The text is for the log.
    #[error("the store has no descriptor: {0}")]
    Busy(String),
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

/// An open store.
pub struct Store {
    shared: Arc<Shared>,
    /// `None` only while it is dropped.
    queue: Option<mpsc::Sender<Message>>,
    orders: Option<SyncSender<Order>>,
    /// The writer and the background step.
    threads: Mutex<Option<(JoinHandle<()>, JoinHandle<()>)>>,
    report: OpenReport,
}

impl Store {
    /// Opens the store of a folder: sled, then the journal from the checkpoint; rebuilt from the newest good
    /// snapshot and the journal where sled is damaged. An empty folder becomes an empty store.
    pub fn open(options: StoreOptions, schema: Arc<LiveSchema>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        recovery::open_on(recovery::Ground::default(), options, schema, clock)
    }

    /// Whether a folder holds a store, good or damaged. Where it holds none [`Store::open`] begins one.
    pub fn is_there(folder: &Path) -> std::io::Result<bool> {
        Ok(audit_folder::holds_changes(folder)? || !matches!(checkpoint::Checkpoint::read(&disk::MachineDisk, folder), Ok(None)))
    }

    /// Puts a snapshot into an empty or absent folder, from which [`Store::open`] then opens. The whole file is
    /// checked first. Answers the change it ends with. Both logs begin with that.
    pub fn restore(snapshot: &Path, folder: &Path, key: Option<&Secret>) -> Result<Revision, StoreError> {
        let end = snapshot::install(&disk::MachineDisk, snapshot, folder).map_err(StoreError::Unusable)?;
        let begin = [audit::Position::after(end), audit::Position::default()];
        audit_folder::begin(folder, key, begin, "restore", snapshot.display().to_string())?;
        Ok(Revision(u128::from(end)))
    }

    /// Checks the chain of the audit file of a folder, and of the older ones given, the oldest first. Nothing is changed, and
    /// the folder may be open.
    pub fn check_audit(folder: &Path, older: &[PathBuf], key: Option<&Secret>) -> Result<AuditCheck, StoreError> {
        audit_folder::check_changes(folder, older, key)
    }

    /// The same for the log of logins and refusals, with all that was laid aside of it.
    pub fn check_security(folder: &Path, key: Option<&Secret>) -> Result<AuditCheck, StoreError> {
        audit_folder::check_security(folder, key)
    }

    /// Begins both logs of a folder that nobody has open anew, signed by the key. What there is of them keeps lying there under
    /// other names; answers what these begin with.
    pub fn renew_audit(folder: &Path, key: Option<&Secret>) -> Result<String, StoreError> {
        audit_folder::renew(folder, key)
    }

    /// The files of the log of logins and refusals, the oldest first.
    pub fn security_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
        security::files(folder)
    }

    /// Notes what changed nothing: a login, a refusal, an export. It is written within a second or so; repeats are counted.
    pub fn note(&self, record: AuditRecord) {
        self.shared.notes.note(record);
    }

    /// How it was opened.
    pub const fn report(&self) -> &OpenReport {
        &self.report
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
        self.queue()?.send(Message::Work(request)).await.map_err(|_| StoreError::Stopped)?;
        settled(answer.await)
    }

    /// The same for a change of the schema: it is a group by itself, so that all other work is done wholly under the schema
    /// before it or wholly under the one after it.
    pub async fn write_alone<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        W: FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        let (request, answer) = Request::new(work);
        self.queue()?.send(Message::Alone(request)).await.map_err(|_| StoreError::Stopped)?;
        settled(answer.await)
    }

    /// The same for a caller that does not wait.
    pub fn submit<W>(&self, work: W) -> Result<(), StoreError>
    where
        W: FnOnce(&mut Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let (request, _) = Request::new(work);
        self.queue()?.try_send(Message::Work(request)).map_err(|_| StoreError::Stopped)
    }

    /// The same for a caller outside the runtime.
    pub fn write_blocking<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        W: FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        let (request, answer) = Request::new(work);
        self.queue()?.blocking_send(Message::Work(request)).map_err(|_| StoreError::Stopped)?;
        settled(answer.blocking_recv())
    }

    /// Whether writes are refused now, and why.
    pub fn read_only(&self) -> Option<String> {
        let status = self.shared.status.lock();
        status.poison.clone().or_else(|| status.low.clone())
    }

    /// Work that waits for the writer.
    pub fn waiting(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    /// Counts for metrics.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// What goes on without harm to what was acknowledged, and needs a look: sled failed.
    pub fn warning(&self) -> Option<String> {
        self.shared.status.lock().kept.clone()
    }

    /// Writes a snapshot of the running store to a file (mode 0600) and reads it back: a backup that needs nothing
    /// else. Answers the change it ends with.
    pub async fn snapshot(&self, path: PathBuf) -> Result<Revision, StoreError> {
        let end = self.order(|reply| Order::Snapshot(path, reply)).await??;
        Ok(Revision(u128::from(end)))
    }

    /// Holds indexes against entries, links against each other, names against places and sled against memory.
    /// Writes wait for the time it takes, reads do not.
    pub async fn verify(&self) -> Result<Findings, StoreError> {
        self.order(Order::Verify).await
    }

    /// Writes sled anew from memory beside the one in use, reads it back and puts it in the place of that: it takes no more
    /// room than it needs afterwards, and is there again where it had failed. The store stays open, and a power cut at any
    /// moment leaves the one or the other.
    pub async fn compact(&self) -> Result<Compacted, StoreError> {
        self.order(Order::Compact).await?
    }

    /// Makes a background step now: audit file, sled, checkpoint, and what else is due.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        self.order(Order::Step).await?
    }

    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.orders.as_ref().ok_or(StoreError::Stopped)?.try_send(order(reply)).map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)
    }

    /// The changes after `revision`, in order, at most `limit` change sets: for those who follow the store.
    pub fn changes_after(&self, revision: Revision, limit: usize) -> Result<Changes, StoreError> {
        feed::changes_after(&self.shared, revision, limit)
    }

    /// Follows the store from now on: every change that [`Memory::revision`] does not count yet will be told.
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(&self.shared)
    }

    /// Ends the writer after what is queued, brings sled and its checkpoint up to date and frees the folder. It
    /// waits for that, so it must not be called on a thread of the runtime.
    pub fn close(&self) {
        let Some((writer, background)) = self.threads.lock().take() else { return };
        // Where one of these fails the thread is gone already, and everything acknowledged is durable anyway.
        drop(self.queue().map(|queue| queue.blocking_send(Message::Close)));
        drop(writer.join());
        drop(self.orders.as_ref().map(|orders| orders.send(Order::Close)));
        drop(background.join());
    }

    fn queue(&self) -> Result<&mpsc::Sender<Message>, StoreError> {
        self.queue.as_ref().ok_or(StoreError::Stopped)
    }
}

impl Drop for Store {
    /// Ends the threads, so that the folder is free afterwards. Sled is not brought up to date: the journal has everything.
    fn drop(&mut self) {
        (self.queue, self.orders) = (None, None);
        let Some((writer, background)) = self.threads.lock().take() else { return };
        // An effect of the last work may hold the last reference to us, and no thread may wait for itself.
        let here = std::thread::current().id();
        if [&writer, &background].iter().all(|thread| thread.thread().id() != here) {
            drop(writer.join());
            drop(background.join());
        }
    }
}

fn settled<T, E: From<StoreError>>(answer: Result<Result<T, E>, oneshot::error::RecvError>) -> Result<T, E> {
    answer.unwrap_or_else(|_| Err(StoreError::Stopped.into()))
}
