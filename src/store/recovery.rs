//! Opening a store: sled up to its checkpoint, then the journal; or, where sled is damaged, the newest good snapshot,
//! then the journal. What cannot be made whole again is refused with the reason, never opened with a loss.

use super::audit::{self, AuditFile, Known, Position};
use super::background::{Background, Revival};
use super::checkpoint::{self, Checkpoint, Dirty};
use super::disk::{Disk, MachineDisk};
use super::journal::{self, Extent, Journal};
use super::kv::{Kv, KvEngine};
use super::kv_sled::SledEngine;
use super::live::Live;
use super::memory::Memory;
use super::notes::Notes;
use super::record::{Assembler, Parts};
use super::security::{self, SecurityFile};
use super::shared::{Counts, Pending, Shared, Status, Tuning};
use super::writer::Writer;
use super::{AuditRecord, Store, StoreError, StoreOptions, change_set, loader, snapshot};
use crate::base::counts::COUNTS;
use crate::base::{Clock, Timestamp};
use crate::schema::LiveSchema;
use parking_lot::Mutex;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// What a store stands on; a test takes others than the machine's.
pub(super) struct Ground {
    pub disk: Arc<dyn Disk>,
    pub engine: Arc<dyn KvEngine>,
    pub tuning: Tuning,
}

impl Default for Ground {
    fn default() -> Self {
        Self { disk: Arc::new(MachineDisk), engine: Arc::new(SledEngine), tuning: Tuning::default() }
    }
}

/// How a store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// There was no store, and now there is an empty one.
    pub fresh: bool,
    /// Why the kept state could not be used, where it was made anew from snapshot and journal.
    pub rebuilt: Option<String>,
    /// Whether it was made from a snapshot, or is empty: its changes may not be those that others have followed.
    pub from_snapshot: bool,
    /// What else the operator should know.
    pub notes: Vec<String>,
    /// What is wrong with the audit logs.
    pub audit: Vec<String>,
    /// Entries in memory.
    pub entries: usize,
    /// Changes replayed from the journal.
    pub replayed: u64,
    /// How long it took.
    pub took: Duration,
}

/// The kept state with what is known about it.
struct Kept {
    kv: Box<dyn Kv>,
    parts: Parts,
    /// Whether its checkpoint may be believed; it holds nothing otherwise.
    stands: bool,
}

/// What there is before the journal is replayed.
struct State {
    memory: Arc<Memory>,
    /// `None` where memory came from a snapshot, or from nothing.
    kept: Option<Kept>,
    /// Memory holds every change up to this one.
    base: u64,
    /// The audit file holds every change up to this one.
    audited: u64,
    /// The last records that are in the two logs for sure.
    logged: [Position; 2],
}

/// A store on its way to being open.
struct Opening<'a> {
    ground: &'a Ground,
    folder: &'a Path,
    schema: Arc<LiveSchema>,
    indexes: &'a [String],
    clock: &'a Arc<dyn Clock>,
    report: OpenReport,
}

pub(super) fn open_on(ground: Ground, options: StoreOptions, schema: Arc<LiveSchema>, clock: Arc<dyn Clock>) -> Result<Store, StoreError> {
    let begun = clock.monotonic();
    let StoreOptions { folder, indexes, reserve, audit_key, security } = options;
    let lock = lock(&*ground.disk, &folder).map_err(StoreError::Unusable)?;
    let mut opening = Opening { ground: &ground, folder: &folder, schema, indexes: &indexes, clock: &clock, report: OpenReport::default() };
    let state = opening.state().map_err(StoreError::Unusable)?;
    let base = state.base;
    let (pending, extent) = opening.replay(&state).map_err(|error| StoreError::Unusable(opening.both(error)))?;
    let snapshot_due = extent.as_ref().is_some_and(|extent| extent.damaged) || lost_tail(extent.as_ref(), base);
    let State { memory, kept, audited, logged: [changes_logged, notes_logged], .. } = state;
    let fresh = opening.report.fresh;
    let (resume, changes) = (Position::after(audited), Some(pending.upto));
    let known = Known { fresh, logged: changes_logged, resume, changes, ..Known::default() };
    let audit = AuditFile::open(&*ground.disk, &folder.join(audit::FILE), &known, audit_key.clone()).map_err(StoreError::Unusable)?;
    let notes = Notes::new(security.lines);
    let security = SecurityFile::open(&*ground.disk, &folder, audit_key, security, (fresh, notes_logged)).map_err(StoreError::Unusable)?;
    for (file, problem) in [(audit::FILE, audit.problem), (security::FILE, security.problem())] {
        if let Some(problem) = problem {
            note_problem(&notes, clock.now(), file, problem);
            opening.report.audit.push(format!("{file}: {problem}"));
        }
    }
    let kept = opening.kept_or_new(kept, extent.as_ref()).map_err(StoreError::Unusable)?;
    let journal = opening.journal(extent, base).map_err(StoreError::Unusable)?;
    let mut report = opening.report;
    (report.entries, report.took) = (memory.entry_count(), clock.monotonic().saturating_sub(begun));
    let Ground { disk, engine, tuning } = ground;
    let (pending, status, counts) = (Mutex::new(pending), Mutex::new(Status::default()), Counts::default());
    let live = Live::default();
    let shared = Arc::new(Shared { disk, lock, folder, reserve, tuning, clock, memory, pending, status, counts, live, notes });
    let Kept { kv, parts, stands } = kept;
    let checkpoint = if stands { base } else { 0 };
    let background = Background {
        shared,
        engine,
        kv: Some(kv),
        revival: Revival::default(),
        parts,
        audit,
        security,
        checkpoint,
        snapshot_due,
        checkpoint_stands: stands,
    };
    start(background, journal, report)
}

/// What is wrong with a chain is written down before it goes on: else the next checkpoint would make good of it.
fn note_problem(notes: &Notes, now: Timestamp, file: &str, problem: &str) {
    tracing::error!(file, problem, "the audit log is not as it was left");
    COUNTS.audit_broken.set(1);
    notes.note(AuditRecord { detail: format!("{file}: {problem}"), ..AuditRecord::own("audit-broken", now) });
}

/// Starts the threads.
fn start(background: Background, journal: Journal, report: OpenReport) -> Result<Store, StoreError> {
    let shared = background.shared.clone();
    let (orders, receiver) = sync_channel(16);
    let (queue, work) = mpsc::channel(shared.tuning.queue);
    let writer = Writer::new(shared.clone(), journal, work, orders.clone());
    let background = spawn("store-keeper", move || background.run(&receiver))?;
    let writer = spawn("store-writer", move || writer.run())?;
    Ok(Store { shared, queue: Some(queue), orders: Some(orders), threads: Mutex::new(Some((writer, background))), report })
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| StoreError::Unusable(format!("no thread for {name}: {error}")))
}

/// Makes the folder and takes its lock.
pub(super) fn lock(disk: &dyn Disk, folder: &Path) -> Result<Box<dyn std::any::Any + Send + Sync>, String> {
    disk.create_folder(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    disk.lock(&folder.join("lock")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => format!("another process has the store {} open", folder.display()),
        _ => format!("the store {} cannot be locked: {error}", folder.display()),
    })
}

/// Whether the journal ends before what memory is good for: its end is damaged, and everything in it is kept.
fn lost_tail(extent: Option<&Extent>, base: u64) -> bool {
    extent.is_some_and(|extent| extent.next <= base)
}

impl Opening<'_> {
    /// Memory as sled or a snapshot has it. Nothing on disk is changed yet: what cannot be made whole must stay as
    /// it was found.
    fn state(&mut self) -> Result<State, String> {
        let (why, audited, logged) = match Checkpoint::read(&*self.ground.disk, self.folder) {
            Ok(Some(checkpoint)) => match self.kept(checkpoint) {
                Ok(state) => return Ok(state),
                Err(why) => (Some(why), checkpoint.upto, checkpoint.logged),
            },
            // A first start, one after a power cut before the first checkpoint, or a snapshot was put here.
            Ok(None) => (None, 0, Default::default()),
            Err(why) => (Some(why), 0, Default::default()),
        };
        if let Some(why) = &why {
            tracing::error!(%why, "the kept state is damaged; it is made anew from snapshot and journal");
        }
        self.report.rebuilt = why;
        self.report.from_snapshot = true;
        let (memory, base) = self.newest_snapshot()?;
        Ok(State { memory, kept: None, base, audited, logged })
    }

    fn empty(&self) -> Arc<Memory> {
        Arc::new(Memory::new(self.schema.clone(), self.indexes, Arc::clone(self.clock)))
    }

    /// Loads sled.
    fn kept(&self, checkpoint: Checkpoint) -> Result<State, String> {
        let kv = self.ground.engine.open(self.folder)?;
        let memory = self.empty();
        let mut assembler = Assembler::default();
        let upto = loader::load(&memory, |feed| {
            checkpoint::read(&*kv, &mut |key, part| match assembler.take(key, part)? {
                Some((key, value)) => feed.put(key, value),
                None => Ok(()),
            })
        })?;
        // An empty sled, or an older one that was put back, opens without complaint.
        if upto.is_none_or(|upto| upto < checkpoint.upto) {
            let good = upto.map_or_else(|| "nothing".to_owned(), |upto| format!("the changes up to {upto}"));
            return Err(format!("sled has {good}, and the checkpoint vouches for {}", checkpoint.upto));
        }
        let (id, revision) = checkpoint.highest;
        memory.raise(id, revision);
        memory.set_applied(checkpoint.upto);
        let kept = Some(Kept { kv, parts: assembler.finish()?, stands: true });
        Ok(State { memory, kept, base: checkpoint.upto, audited: checkpoint.upto, logged: checkpoint.logged })
    }

    /// The kept state that was loaded, or an empty one in its place, now that memory is known to be whole. What was
    /// there is moved aside, unless the journal has everything from the first change on.
    fn kept_or_new(&mut self, kept: Option<Kept>, extent: Option<&Extent>) -> Result<Kept, String> {
        let engine = &self.ground.engine;
        if let Some(kept) = kept {
            if let Err(left) = engine.tidy(self.folder) {
                self.report.notes.push(format!("what a compaction left cannot be removed: {left}"));
            }
            return Ok(kept);
        }
        Checkpoint::remove(&*self.ground.disk, self.folder)?;
        if self.report.rebuilt.is_none() && extent.is_none_or(|extent| extent.first == 1) {
            engine.discard(self.folder)?;
        } else if let Some(name) = engine.move_aside(self.folder)? {
            self.report.notes.push(format!("the kept state that could not be used was moved to {name}"));
        }
        Ok(Kept { kv: engine.open(self.folder)?, parts: Parts::default(), stands: false })
    }

    /// Why the store cannot be opened, after why sled could not be used.
    fn both(&self, error: String) -> String {
        self.report.rebuilt.iter().chain(&self.report.notes).fold(error, |error, before| format!("{before}; and {error}"))
    }

    /// Memory from the newest snapshot that is good; an empty one where there is none at all.
    fn newest_snapshot(&mut self) -> Result<(Arc<Memory>, u64), String> {
        let disk = &*self.ground.disk;
        for sequence in snapshot::list(disk, self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))? {
            let memory = self.empty();
            match snapshot::load(disk, self.folder, sequence, &memory) {
                Ok(()) => return Ok((memory, sequence)),
                Err(why) => self.report.notes.push(format!("a snapshot cannot be used: {why}")),
            }
        }
        Ok((self.empty(), 0))
    }

    /// Replays the journal behind what memory has.
    fn replay(&mut self, state: &State) -> Result<(Pending, Option<Extent>), String> {
        let State { memory, kept, base, .. } = state;
        let dirty = if kept.is_some() { Dirty::default() } else { Dirty::all(memory) };
        let mut pending = Pending { dirty, upto: *base, audit: Vec::new() };
        let extent = journal::scan(&*self.ground.disk, self.folder, *base, |sequence, body| {
            if sequence != pending.upto + 1 {
                return Err(format!("the changes from {} on are missing", pending.upto + 1));
            }
            let changes = change_set::decode(body, &self.schema)?;
            loader::replay(memory, &changes, &mut pending.dirty);
            if !changes.audit.is_empty() {
                pending.audit.push((sequence, changes.audit));
            }
            pending.upto = sequence;
            Ok(())
        })?;
        memory.set_applied(pending.upto);
        self.report.replayed = pending.upto - base;
        let begins_late = extent.as_ref().is_some_and(|extent| extent.first > base + 1);
        if begins_late || (extent.is_none() && kept.is_some()) {
            return Err(format!("the changes after {base} are not in the journal any more, and no snapshot has them"));
        }
        self.report.fresh = extent.is_none() && *base == 0;
        Ok((pending, extent))
    }

    fn journal(&mut self, extent: Option<Extent>, base: u64) -> Result<Journal, String> {
        let extent = match lost_tail(extent.as_ref(), base) {
            true => {
                self.report.notes.push("the end of the journal was damaged; the kept state has all of it".to_owned());
                journal::set_aside(&*self.ground.disk, self.folder).map_err(|error| format!("the journal: {error}"))?;
                None
            }
            false => extent,
        };
        Journal::open(self.ground.disk.clone(), self.folder, self.ground.tuning.segment_size, extent, base + 1)
    }
}
