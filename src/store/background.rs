//! The background step, on a thread of its own: audit lines, sled and its checkpoint, snapshots, old segments, the
//! spare segment. Nothing here is on the way of an acknowledgement, and whatever fails is tried again with the next
//! step, except sled, which is not asked again after it failed once: it is written anew a while later.

use super::audit::AuditFile;
use super::checkpoint::{self, Checkpoint, Dirty};
use super::kv::{Kv, KvEngine};
use super::record::Parts;
use super::security::SecurityFile;
use super::shared::{Pending, Shared};
use super::verify::{self, Findings};
use super::{AuditRecord, StoreError};
use super::{journal, snapshot};
use crate::base::counts::COUNTS;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use tokio::sync::oneshot;

/// What the thread is asked for.
pub(super) enum Order {
    /// There is much to write: do not wait for the next step.
    Wake,
    /// Makes a step now.
    Step(oneshot::Sender<Result<(), StoreError>>),
    /// Writes a snapshot to a file of the caller's.
    Snapshot(PathBuf, oneshot::Sender<Result<u64, StoreError>>),
    /// Holds everything against everything.
    Verify(oneshot::Sender<Findings>),
    /// Writes sled anew.
    Compact(oneshot::Sender<Result<Compacted, StoreError>>),
    /// Makes a last step and ends.
    Close,
}

/// Steps from a failure of sled to the first try to write it anew, and the most between two tries.
const REVIVED_AFTER: u32 = 60;
const REVIVED_AT_LEAST_EVERY: u32 = 3_600;

/// When a sled that failed is written anew: each try waits twice as long as the one before.
pub(super) struct Revival {
    wait: u32,
    left: u32,
}

impl Default for Revival {
    fn default() -> Self {
        Self { wait: REVIVED_AFTER, left: REVIVED_AFTER }
    }
}

pub(super) struct Background {
    pub shared: Arc<Shared>,
    pub engine: Arc<dyn KvEngine>,
    /// `None` after it failed.
    pub kv: Option<Box<dyn Kv>>,
    pub revival: Revival,
    pub parts: Parts,
    pub audit: AuditFile,
    pub security: SecurityFile,
    /// The change of the last checkpoint.
    pub checkpoint: u64,
    /// A snapshot is due whatever the journal's length: the ones there are cannot be used any more.
    pub snapshot_due: bool,
    /// Whether the checkpoint that is on disk may be believed.
    pub checkpoint_stands: bool,
}

impl Background {
    /// Runs until the store closes.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let order = match self.shared.tuning.step_every {
                Some(pause) => orders.recv_timeout(pause),
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok(Order::Wake) | Err(RecvTimeoutError::Timeout) => drop(self.step()),
                // A caller who does not wait any more is not told; the same below.
                Ok(Order::Step(reply)) => drop(reply.send(self.step())),
                Ok(Order::Snapshot(path, reply)) => drop(reply.send(self.backup(&path))),
                Ok(Order::Verify(reply)) => drop(reply.send(self.verify())),
                Ok(Order::Compact(reply)) => drop(reply.send(self.compact())),
                Ok(Order::Close) => {
                    drop(self.step());
                    drop(self.write_notes(true));
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// One step; a failure is counted and told, and what was to be written is kept for the next.
    fn step(&mut self) -> Result<(), StoreError> {
        let done = self.try_step();
        match &done {
            Ok(()) => {
                COUNTS.flushed_at.set(self.shared.clock.now().millis());
                self.shared.counts.steps.fetch_add(1, Ordering::Relaxed)
            }
            Err(error) => {
                tracing::error!(%error, "a background step of the store failed");
                self.shared.counts.failures.fetch_add(1, Ordering::Relaxed)
            }
        };
        done.map_err(StoreError::Unusable)
    }

    fn try_step(&mut self) -> Result<(), String> {
        self.find_room();
        if self.shared.status.lock().low.is_some() {
            // A full disk makes sled unusable, so it is left alone; the journal keeps everything.
            return Ok(());
        }
        self.revive();
        self.write_kept()?;
        self.write_notes(false)?;
        self.take_snapshot()?;
        self.remove_segments()
    }

    /// Writes sled anew where it failed a while ago: a new one owes nothing to what the old one did not write.
    fn revive(&mut self) {
        if self.kv.is_some() {
            self.revival = Revival::default();
            return;
        }
        self.revival.left = self.revival.left.saturating_sub(1);
        if self.revival.left > 0 {
            return;
        }
        let wait = (self.revival.wait * 2).min(REVIVED_AT_LEAST_EVERY);
        self.revival = Revival { wait, left: wait };
        match self.compact() {
            Ok(_) => tracing::info!("sled had failed and was written anew"),
            Err(error) => tracing::error!(%error, "sled had failed and cannot be written anew"),
        }
    }

    /// Lays the spare segment ready, and lets writes in again where there is room.
    fn find_room(&mut self) {
        let shared = &self.shared;
        shared.look_at_space();
        let size = shared.tuning.segment_size;
        let is_low = shared.status.lock().low.is_some();
        let enough = shared.disk.free_space(&shared.folder).is_ok_and(|free| free >= shared.reserve);
        let ready = journal::has_spare(&*shared.disk, &shared.folder, size)
            || (enough && journal::make_spare(&*shared.disk, &shared.folder, size).is_ok());
        if is_low && ready && enough {
            tracing::info!("the disk has room again; the store takes changes");
            shared.status.lock().low = None;
        }
    }

    /// Writes audit lines, then what changed to sled, then the checkpoint that vouches for both.
    fn write_kept(&mut self) -> Result<(), String> {
        let shared = self.shared.clone();
        let Pending { dirty, upto, audit } = shared.pending.lock().take();
        if let Err(error) = self.audit.append(&*shared.disk, &audit) {
            shared.pending.lock().put_back(dirty, audit);
            return Err(error);
        }
        COUNTS.audited.set(self.audit.sequence());
        if let Some(last) = self.audit.moved_after.take() {
            // Who deletes it does the same as who moves it away, so it is written down.
            let detail = format!("the records up to {last} were moved away or deleted");
            shared.notes.note(AuditRecord { detail, ..AuditRecord::own("audit-moved", shared.clock.now()) });
        }
        let Some(kv) = self.kv.as_deref().filter(|_| !dirty.is_empty() || upto != self.checkpoint || !self.checkpoint_stands) else {
            shared.pending.lock().put_back(dirty, Vec::new());
            return Ok(());
        };
        // The highest numbers are read after `upto`, so they are at least those of its changes.
        let logged = [self.audit.position(), self.security.position()];
        let checkpoint = Checkpoint { upto, highest: shared.memory.highest(), logged };
        if let Err(error) = checkpoint::write(kv, &mut self.parts, &dirty.names(), &shared.memory, upto) {
            shared.pending.lock().put_back(dirty, Vec::new());
            shared.status.lock().kept = Some(error.clone());
            self.kv = None;
            return Err(error);
        }
        if let Err(error) = checkpoint.save(&*shared.disk, &shared.folder) {
            shared.pending.lock().put_back(dirty, Vec::new());
            return Err(error);
        }
        (self.checkpoint, self.checkpoint_stands) = (upto, true);
        // Only a number for the metrics: what sled thinks of its size is no reason to give it up.
        shared.counts.kept_size.store(kv.size().unwrap_or_default(), Ordering::Relaxed);
        Ok(())
    }

    /// Writes what was noted; at the `end` with all counts.
    fn write_notes(&mut self, end: bool) -> Result<(), String> {
        let shared = &self.shared;
        let now = shared.clock.now();
        let notes = shared.notes.take(now.millis(), end);
        let written = self.security.append(&*shared.disk, &notes, now);
        if written.is_err() {
            shared.notes.put_back(notes);
        }
        written
    }

    fn take_snapshot(&mut self) -> Result<(), String> {
        let shared = &self.shared;
        let segments = journal::segments(&*shared.disk, &shared.folder).map_err(|error| error.to_string())?;
        let newest = snapshot::list(&*shared.disk, &shared.folder).map_err(|error| error.to_string())?.first().copied().unwrap_or_default();
        // A segment whose end is not known yet is the current one, which does not count.
        let since = segments.iter().skip(1).filter(|first| **first > newest.saturating_add(1)).count();
        if since < shared.tuning.snapshot_every && !self.snapshot_due {
            return Ok(());
        }
        snapshot::take(&*shared.disk, &shared.folder, &shared.memory)?;
        self.snapshot_due = false;
        shared.counts.snapshots.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Removes segments that the checkpoint and two snapshots are past.
    fn remove_segments(&self) -> Result<(), String> {
        let shared = &self.shared;
        let snapshots = snapshot::list(&*shared.disk, &shared.folder).map_err(|error| error.to_string())?;
        let Some(second) = snapshots.get(1).filter(|_| self.checkpoint_stands) else { return Ok(()) };
        let removed = journal::remove_through(&*shared.disk, &shared.folder, self.checkpoint.min(*second));
        removed.map(drop).map_err(|error| format!("old segments cannot be removed: {error}"))
    }

    fn backup(&self, path: &std::path::Path) -> Result<u64, StoreError> {
        let shared = &self.shared;
        snapshot::write(&*shared.disk, &shared.folder, &shared.memory, path).map_err(StoreError::Unusable)
    }

    /// Makes sled hold everything first, as far as it can, and then compares; publishing waits meanwhile.
    fn verify(&mut self) -> Findings {
        let stepped = self.step();
        let pending = self.shared.pending.lock();
        let mut findings = verify::memory(&self.shared.memory);
        match (&self.kv, stepped) {
            (Some(kv), Ok(())) => verify::kept(&**kv, &self.shared.memory, &pending.dirty, &mut findings),
            (_, Err(error)) => findings.push(format!("sled could not be compared: {error}")),
            (None, Ok(())) => findings.push("sled could not be compared".to_owned()),
        }
        findings
    }

    /// Writes sled anew beside the one in use, in as little room as it takes, and puts it in the place of that. The checkpoint
    /// is true of both, since the new one is good up to a later change; it goes on with the next step, as the audit file does.
    fn compact(&mut self) -> Result<Compacted, StoreError> {
        // What can be written to the old one is: it is what a failure falls back to.
        drop(self.step());
        let shared = Arc::clone(&self.shared);
        let before = self.kv.as_ref().and_then(|kv| kv.size().ok());
        self.room_for(before)?;
        let parts = match self.write_beside() {
            Ok(written) => written,
            Err(error) => {
                if let Err(left) = self.engine.tidy(&shared.folder) {
                    tracing::warn!(%left, "what was written of a new sled is left in the folder");
                }
                return Err(StoreError::Unusable(error));
            }
        };
        self.kv = None;
        // Where this fails it is the one or the other, and what it holds of a record is not known.
        let opened = self.engine.exchange(&shared.folder).and_then(|()| self.engine.open(&shared.folder));
        shared.status.lock().kept = opened.as_ref().err().cloned();
        let kv = opened.map_err(StoreError::Unusable)?;
        let size = kv.size().unwrap_or_default();
        (self.kv, self.parts) = (Some(kv), parts);
        self.engine.tidy(&shared.folder).map_err(StoreError::Unusable)?;
        shared.counts.kept_size.store(size, Ordering::Relaxed);
        self.step()?;
        Ok(Compacted { before: before.unwrap_or_default(), after: size })
    }

    /// Refuses where the disk has no room for a second sled beside the reserve.
    fn room_for(&self, held: Option<u64>) -> Result<(), StoreError> {
        let shared = &self.shared;
        if let Some(low) = &shared.status.lock().low {
            return Err(StoreError::ReadOnly(low.clone()));
        }
        // Sled takes up to twice what is put into it once.
        let needed = held.unwrap_or(u64::MAX).min(2 * shared.memory.size() as u64);
        match shared.disk.free_space(&shared.folder) {
            Ok(free) if free.saturating_sub(shared.reserve) < needed => Err(StoreError::Unusable(format!(
                "{needed} octets may be needed, and {free} are free, of which {} are kept",
                shared.reserve
            ))),
            // Where nothing is known the writing will tell.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// A new sled beside the one in use, read back after it was closed.
    fn write_beside(&self) -> Result<Parts, String> {
        let (shared, folder) = (&self.shared, &self.shared.folder);
        let mut parts = Parts::default();
        let upto = shared.memory.applied();
        let kv = self.engine.open_beside(folder, true)?;
        checkpoint::write(&*kv, &mut parts, &Dirty::all(&shared.memory).names(), &shared.memory, upto)?;
        drop(kv);
        let kv = self.engine.open_beside(folder, false)?;
        let differing = verify::differing(&*kv, &shared.memory)?;
        // What changed since is still to be written, and is noted under the same lock as it is seen.
        let pending = shared.pending.lock();
        match verify::standing(differing, &shared.memory, &pending.dirty).next() {
            Some(text) => Err(format!("sled was written anew, and is not right: {text}")),
            None => Ok(parts),
        }
    }
}

/// What it brought to write sled anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Octets on disk before; 0 where sled could not be used.
    pub before: u64,
    /// Octets on disk now.
    pub after: u64,
}
