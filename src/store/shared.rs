//! What the writer, the background step and the door to the store share.

use super::AuditRecord;
use super::checkpoint::Dirty;
use super::disk::Disk;
use super::live::Live;
use super::memory::Memory;
use super::notes::Notes;
use crate::base::Clock;
use parking_lot::Mutex;
use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Sizes and distances that a test makes small.
#[derive(Clone, Debug)]
pub(super) struct Tuning {
    /// Octets of a journal segment.
    pub segment_size: u64,
    /// Full segments after which a snapshot is taken.
    pub snapshot_every: usize,
    /// How long between two background steps; `None`: only when asked for.
    pub step_every: Option<Duration>,
    /// Changed records after which a step begins at once.
    pub step_records: usize,
    /// Work that waits for the writer.
    pub queue: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { segment_size: 16 << 20, snapshot_every: 4, step_every: Some(Duration::from_secs(1)), step_records: 50_000, queue: 4_096 }
    }
}

/// What is committed and not yet in sled or in the audit file.
#[derive(Default)]
pub(super) struct Pending {
    pub dirty: Dirty,
    /// The sequence number of the last change set whose records are among `dirty`.
    pub upto: u64,
    pub audit: Vec<(u64, Vec<AuditRecord>)>,
}

impl Pending {
    /// Takes everything out.
    pub(super) fn take(&mut self) -> Self {
        Self { dirty: std::mem::take(&mut self.dirty), upto: self.upto, audit: std::mem::take(&mut self.audit) }
    }

    /// Takes back what could not be written.
    pub(super) fn put_back(&mut self, dirty: Dirty, audit: Vec<(u64, Vec<AuditRecord>)>) {
        self.dirty.merge(dirty);
        let later = std::mem::replace(&mut self.audit, audit);
        self.audit.extend(later);
    }
}

/// What is wrong.
#[derive(Default)]
pub(super) struct Status {
    /// A write or sync failed: until the next start.
    pub poison: Option<String>,
    /// The disk is below its reserve or full: until there is room.
    pub low: Option<String>,
    /// Sled failed; the journal and memory go on without it until it is written anew.
    pub kept: Option<String>,
}

/// Counts for metrics and tests.
#[derive(Debug, Default)]
pub struct Counts {
    /// Groups written and synced.
    pub groups: AtomicU64,
    /// Change sets in them.
    pub changes: AtomicU64,
    /// Work that panicked.
    pub panics: AtomicU64,
    /// Background steps finished.
    pub steps: AtomicU64,
    /// Snapshots taken.
    pub snapshots: AtomicU64,
    /// Background steps that failed.
    pub failures: AtomicU64,
    /// Octets of sled on disk, as of the last step.
    pub kept_size: AtomicU64,
}

pub(super) struct Shared {
    pub disk: Arc<dyn Disk>,
    /// Held against a second daemon in the same folder.
    #[expect(dead_code, reason = "it is only held")]
    pub lock: Box<dyn Any + Send + Sync>,
    pub folder: PathBuf,
    pub reserve: u64,
    pub tuning: Tuning,
    pub clock: Arc<dyn Clock>,
    pub memory: Arc<Memory>,
    pub pending: Mutex<Pending>,
    pub status: Mutex<Status>,
    pub counts: Counts,
    pub live: Live,
    pub notes: Notes,
}

impl Shared {
    /// Looks whether the disk has room; what is below the reserve stays refused until the background step finds
    /// room again and a spare segment lies ready.
    pub(super) fn look_at_space(&self) {
        // Where nothing is known nothing changes: a write will tell.
        let Ok(free) = self.disk.free_space(&self.folder) else { return };
        if free < self.reserve {
            self.refuse(format!("{free} octets are free on the disk, and {} are kept in reserve", self.reserve));
        }
    }

    /// Refuses writes until there is room.
    pub(super) fn refuse(&self, why: String) {
        let mut status = self.status.lock();
        if status.low.is_none() {
            tracing::error!(%why, "the store takes no changes until there is room");
        }
        status.low = Some(why);
    }
}
