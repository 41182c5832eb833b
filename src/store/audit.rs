//! The audit file `audit.jsonl`: who changed what, a line each, projected from the journal. A line carries the number
//! of its change and its place in it, so that after a crash no line is written twice and none is left out. It also carries
//! the digest of the line before it, and a checkpoint beside the file says where it ends, signed where there is a key: so
//! what was changed, cut off or added by others later shows (`audit_chain.rs`). The chain goes on from what the checkpoint
//! says and never from what the file says, so nothing that others wrote is ever vouched for.

use super::AuditRecord;
use super::audit_chain::{self, Checkpoint, End, ORIGIN, UNKNOWN, Writing};
use super::disk::{self, Disk, DiskFile};
use crate::base::Secret;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// The file of changes.
pub(super) const FILE: &str = "audit.jsonl";
/// What the head of a line is in at most.
const HEAD: usize = 64;
/// How much of the end of the file is looked at first for its last line, and at most.
const TAIL: u64 = 64 << 10;
const LONGEST: u64 = 64 << 20;

const NO_CHECKPOINT: &str = "it has no checkpoint: that was deleted, or the store was put here without one";
const CUT: &str = "the record of its checkpoint is missing or was changed: the end was cut off or written anew";
const GONE: &str = "it is gone, and no file laid aside has the record of its checkpoint";
const MORE: &str = "it goes on behind its checkpoint with what the server did not write";
const EARLIER: &str = "the store knows of later records: an earlier state of it was put back";
const AHEAD: &str = "it has records of changes that are not in the store any more: an earlier state of the store was put back";

/// The number of a change, and of a record in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) sequence: u64,
    pub(super) part: u64,
}

impl Position {
    /// Behind all records of a change.
    pub(super) const fn after(sequence: u64) -> Self {
        Self { sequence, part: u64::MAX }
    }
}

/// What is known of a log before it is opened.
#[derive(Default)]
pub(super) struct Known {
    /// There was no store: nothing is to be in the log.
    pub(super) fresh: bool,
    /// What is in the log at least.
    pub(super) logged: Position,
    /// Where to go on from if the log cannot tell; whatever comes behind it is written.
    pub(super) resume: Position,
    /// The last change that there is; of a log that is not one of changes, none.
    pub(super) changes: Option<u64>,
    /// Who may take its file away: anybody, or only we, who lay it aside under another name.
    pub(super) away: Away,
    /// The record that it begins with where its checkpoint says nothing.
    pub(super) first: Option<u64>,
}

/// Where the lines may be if not in the file.
#[derive(Default)]
pub(super) enum Away {
    /// Wherever the operator's tools (logrotate) put them.
    #[default]
    Anywhere,
    /// In the file that was laid aside last, if one was.
    LaidAside(Option<PathBuf>),
}

/// The audit file of a store. It is opened for each writing, so that it may be moved away (logrotate) at any time.
pub(super) struct AuditFile {
    path: PathBuf,
    end: End,
    /// Whether the checkpoint says so, and nothing of a writing.
    settled: bool,
    key: Option<Secret>,
    /// The record that the chain begins with since older ones were removed.
    first: Option<u64>,
    /// The last record before the file began anew, because the one there was is not there any more; taken out by who tells.
    pub(super) moved_after: Option<u64>,
    /// What was wrong with it when it was opened.
    pub(super) problem: Option<&'static str>,
}

impl AuditFile {
    /// Finds out what the file has, and cuts off what a power cut left of a writing.
    pub(super) fn open(disk: &dyn Disk, path: &Path, known: &Known, key: Option<Secret>) -> Result<Self, String> {
        let failed = |error: io::Error| format!("{} cannot be read: {error}", path.display());
        let read = Checkpoint::read(disk, path, key.as_ref()).map_err(failed)?;
        let mut file = Self {
            path: path.to_owned(),
            end: End::origin(known.resume),
            settled: true,
            key,
            first: known.first,
            moved_after: None,
            problem: None,
        };
        match read {
            Ok(Some(checkpoint)) => file.settle(disk, &checkpoint, known).map_err(failed)?,
            Ok(None) if known.fresh && file.length(disk) == 0 => file.write_checkpoint(disk).map_err(failed)?,
            Ok(None) => file.doubt(NO_CHECKPOINT, known.resume),
            Err(problem) => file.doubt(problem, known.resume),
        }
        Ok(file)
    }

    /// Begins the chain behind a position; what there was is somewhere else.
    pub(super) fn begin(disk: &dyn Disk, path: &Path, known: &Known, key: Option<&Secret>) -> io::Result<()> {
        Checkpoint::new(path, End::origin(known.resume), None, known.first, key).write(disk, path)
    }

    /// Goes on behind a position with a line that says that it is not known what was before.
    const fn doubt(&mut self, problem: &'static str, position: Position) {
        (self.problem, self.end) = (Some(problem), End::unknown(position));
    }

    /// Takes the end that the checkpoint says, and holds the file against it.
    fn settle(&mut self, disk: &dyn Disk, checkpoint: &Checkpoint, known: &Known) -> io::Result<()> {
        (self.end, self.first) = (checkpoint.end, checkpoint.first);
        if let Some(Writing { start, end }) = checkpoint.writing {
            self.settled = false;
            if holds(disk, &self.path, &end)? {
                self.end = end;
            } else if self.length(disk) > start {
                let file = disk.open(&self.path, false)?;
                file.set_length(start)?;
                file.sync()?;
            }
        }
        self.problem = self.wrong(disk, known)?;
        if self.end.position < known.logged {
            self.doubt(EARLIER, known.logged);
        }
        if let Some(changes) = known.changes.filter(|changes| self.end.position.sequence > *changes) {
            self.doubt(AHEAD, Position::after(changes));
        }
        Ok(())
    }

    /// What is wrong with the end of the file.
    fn wrong(&self, disk: &dyn Disk, known: &Known) -> io::Result<Option<&'static str>> {
        let (length, end) = (self.length(disk), &self.end);
        let is_empty = end.digest == ORIGIN || self.first.is_some_and(|first| first > end.position.sequence);
        Ok(match (length, &known.away) {
            (0, _) if is_empty => None,
            (0, Away::Anywhere) => None,
            (0, Away::LaidAside(aside)) => {
                let is_there = match aside {
                    Some(path) => holds(disk, path, end)? && length_of(disk, path) == end.offset,
                    None => false,
                };
                (!is_there).then_some(GONE)
            }
            _ if end.digest == ORIGIN => Some(MORE),
            _ if !holds(disk, &self.path, end)? => Some(CUT),
            _ => (length > end.offset).then_some(MORE),
        })
    }

    /// The number of the last record.
    pub(super) const fn sequence(&self) -> u64 {
        self.end.position.sequence
    }

    /// Of the last record.
    pub(super) const fn position(&self) -> Position {
        self.end.position
    }

    /// Appends what is not in the file yet, and syncs it: between a checkpoint that says what comes and one that it is there.
    pub(super) fn append(&mut self, disk: &dyn Disk, changes: &[(u64, impl AsRef<[AuditRecord]>)]) -> Result<(), String> {
        let (mut lines, mut position, mut digest) = (Vec::new(), self.end.position, self.end.digest);
        for (sequence, records) in changes {
            for (part, record) in (0..).zip(records.as_ref()) {
                let its = Position { sequence: *sequence, part };
                if its <= position {
                    continue;
                }
                let line = record.line(*sequence, part, &audit_chain::hexadecimal(&digest))?;
                (digest, position) = (audit_chain::digest(line.as_bytes()), its);
                lines.extend(line.into_bytes());
                lines.push(b'\n');
            }
        }
        if lines.is_empty() && self.settled {
            return Ok(());
        }
        if !lines.is_empty() {
            let written = self.write(disk, lines, End { position, digest, offset: 0 });
            self.end = written.map_err(|error| format!("{} cannot be written: {error}", self.path.display()))?;
        }
        self.write_checkpoint(disk).map_err(|error| format!("the checkpoint of {} cannot be written: {error}", self.path.display()))?;
        self.settled = true;
        Ok(())
    }

    /// Says where the chain ends, and with what it begins.
    pub(super) fn write_checkpoint(&self, disk: &dyn Disk) -> io::Result<()> {
        Checkpoint::new(&self.path, self.end, None, self.first, self.key.as_ref()).write(disk, &self.path)
    }

    /// The chain begins with this record, because older ones were removed; said with the next checkpoint.
    pub(super) const fn begin_with(&mut self, first: Option<u64>) {
        self.first = first;
    }

    /// How many octets the file has; none where there is no file.
    pub(super) fn length(&self, disk: &dyn Disk) -> u64 {
        length_of(disk, &self.path)
    }

    /// The number of the first record in the file; `None` where there is none.
    pub(super) fn first_here(&self, disk: &dyn Disk) -> io::Result<Option<u64>> {
        let Some(file) = open(disk, &self.path)? else { return Ok(None) };
        let mut head = [0; HEAD];
        let count = file.read_at(0, &mut head)?;
        let text = String::from_utf8_lossy(head.get(..count).unwrap_or_default());
        let number = text.strip_prefix("{\"sequence\":").and_then(|rest| rest.split(',').next()?.parse().ok());
        Ok(number)
    }

    /// Writes the lines behind what there is, and answers the `end` with its place.
    fn write(&mut self, disk: &dyn Disk, mut lines: Vec<u8>, end: End) -> io::Result<End> {
        // One file for all of it, whatever is moved away meanwhile.
        let file = disk.open(&self.path, true)?;
        let start = file.length()?;
        let mut last = [b'\n'];
        file.read_at(start.saturating_sub(1), &mut last)?;
        if last != [b'\n'] {
            // What somebody left there is not to become a part of our line.
            lines.insert(0, b'\n');
        }
        let end = End { offset: start + lines.len() as u64, ..end };
        self.settled = false;
        Checkpoint::new(&self.path, self.end, Some(Writing { start, end }), self.first, self.key.as_ref()).write(disk, &self.path)?;
        let named = || if start == 0 { disk.sync_folder(&disk::folder_of(&self.path)) } else { Ok(()) };
        let written = file.write_at(start, &lines).and_then(|()| file.sync()).and_then(|()| named());
        if written.is_err() {
            // So that the next try does not write behind half a line. Where this fails too, the next start cuts it.
            drop(file.set_length(start));
        }
        written?;
        if start == 0 {
            self.moved_after = (![ORIGIN, UNKNOWN].contains(&self.end.digest)).then_some(self.end.position.sequence);
        }
        Ok(end)
    }
}

fn open(disk: &dyn Disk, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
    match disk.open(path, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

fn length_of(disk: &dyn Disk, path: &Path) -> u64 {
    disk.open(path, false).and_then(|file| file.length()).unwrap_or_default()
}

/// Whether the line that ends there in the file is the one of this end.
fn holds(disk: &dyn Disk, path: &Path, end: &End) -> io::Result<bool> {
    let Some(file) = open(disk, path)?.filter(|_| end.offset > 0) else { return Ok(false) };
    if file.length()? < end.offset {
        return Ok(false);
    }
    let mut size = TAIL;
    while size <= LONGEST {
        let start = end.offset.saturating_sub(size);
        let mut octets = vec![0; usize::try_from(end.offset - start).unwrap_or_default()];
        let count = file.read_at(start, &mut octets)?;
        octets.truncate(count);
        let Some(lines) = octets.strip_suffix(b"\n") else { return Ok(false) };
        match memchr::memrchr(b'\n', lines) {
            None if start > 0 => size *= 8,
            before => {
                let line = lines.get(before.map_or(0, |at| at + 1)..).unwrap_or_default();
                return Ok(audit_chain::digest(line) == end.digest);
            }
        }
    }
    Ok(false)
}
