//! The audit file `audit.jsonl`: who changed what, a line each, projected from the journal. A line carries the number
//! of its change and its place in it, so that after a crash no line is written twice and none is left out. It also carries
//! the digest of the line before it, and a checkpoint beside the file says where it ends, signed where there is a key: so
//! what was changed or cut off later shows (`audit_chain.rs`).

use super::AuditRecord;
use super::audit_chain::{self, Checkpoint, Digest, ORIGIN};
use super::disk::{self, Disk};
use crate::base::Secret;
use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};

/// The file of changes.
pub(super) const FILE: &str = "audit.jsonl";
/// What the head of a line is in at most.
const HEAD: usize = 64;
/// How much of the end of the file is looked at for its last whole line.
const TAIL: u64 = 4 << 20;

/// The number of a change, and of a record in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) sequence: u64,
    pub(super) part: u64,
}

#[derive(Deserialize)]
struct LineHead {
    sequence: u64,
    part: u64,
}

/// The audit file of a store. It is opened for each writing, so that it may be moved away (logrotate) at any time.
pub(super) struct AuditFile {
    path: PathBuf,
    last: Position,
    /// The digest of the last line.
    digest: Digest,
    key: Option<Secret>,
    /// The record that the chain begins with since older ones were removed.
    first: Option<u64>,
    /// What was wrong with its end when it was opened.
    pub(super) problem: Option<&'static str>,
}

impl AuditFile {
    /// Finds out what the file has, and cuts off a line that was never finished. `known` is the last change that the
    /// checkpoint of the store knows to be in the file, even if it was moved away since.
    pub(super) fn open(disk: &dyn Disk, path: &Path, known: u64, key: Option<Secret>) -> Result<Self, String> {
        let path = path.to_owned();
        let known = Position { sequence: known, part: u64::MAX };
        let failed = |error: io::Error| format!("{} cannot be read: {error}", path.display());
        let last = last_line(disk, &path, known).map_err(failed)?;
        let checkpoint = Checkpoint::read(disk, &path).map_err(failed)?;
        let unsigned = |found: &Checkpoint| key.as_ref().is_some_and(|key| !found.is_signed_by(key));
        let mut problem = checkpoint.as_ref().filter(|found| unsigned(found)).map(|_| "its checkpoint is not signed by the key");
        let first = checkpoint.as_ref().and_then(|found| found.first);
        // Where the file was moved away, or ends before its checkpoint, the chain goes on from there.
        let (position, digest) = match (last, checkpoint) {
            (Some((position, _)), Some(checkpoint)) if checkpoint.position() > position => {
                problem = problem.or(Some("it ends before its checkpoint: lines were moved away or cut off"));
                (position, checkpoint.digest)
            }
            (Some(last), _) => last,
            (None, Some(checkpoint)) => (checkpoint.position(), checkpoint.digest),
            (None, None) => (Position::default(), ORIGIN),
        };
        Ok(Self { path, last: position.max(known), digest, key, first, problem })
    }

    /// The number of the last record.
    pub(super) const fn sequence(&self) -> u64 {
        self.last.sequence
    }

    /// Appends what is not in the file yet, and syncs it; then the checkpoint.
    pub(super) fn append(&mut self, disk: &dyn Disk, changes: &[(u64, impl AsRef<[AuditRecord]>)]) -> Result<(), String> {
        let (mut lines, mut last, mut digest) = (Vec::new(), self.last, self.digest);
        for (sequence, records) in changes {
            for (part, record) in (0..).zip(records.as_ref()) {
                let position = Position { sequence: *sequence, part };
                if position <= last {
                    continue;
                }
                let line = record.line(*sequence, part, &audit_chain::hexadecimal(&digest))?;
                (digest, last) = (audit_chain::digest(line.as_bytes()), position);
                lines.extend(line.into_bytes());
                lines.push(b'\n');
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.write(disk, &lines).map_err(|error| format!("{} cannot be written: {error}", self.path.display()))?;
        (self.last, self.digest) = (last, digest);
        self.write_checkpoint(disk).map_err(|error| format!("the checkpoint of {} cannot be written: {error}", self.path.display()))
    }

    /// Says where the chain ends, and with what it begins.
    pub(super) fn write_checkpoint(&self, disk: &dyn Disk) -> io::Result<()> {
        Checkpoint::new(self.last, self.first, self.digest, self.key.as_ref()).write(disk, &self.path)
    }

    /// The chain begins with this record, because older ones were removed; said with the next checkpoint.
    pub(super) const fn begin_with(&mut self, first: Option<u64>) {
        self.first = first;
    }

    /// How many octets the file has; none where there is no file.
    pub(super) fn length(&self, disk: &dyn Disk) -> u64 {
        disk.open(&self.path, false).and_then(|file| file.length()).unwrap_or_default()
    }

    /// The number of the first record in the file; `None` where there is none.
    pub(super) fn first_here(&self, disk: &dyn Disk) -> io::Result<Option<u64>> {
        let file = match disk.open(&self.path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut head = [0; HEAD];
        let count = file.read_at(0, &mut head)?;
        let text = String::from_utf8_lossy(head.get(..count).unwrap_or_default());
        let number = text.strip_prefix("{\"sequence\":").and_then(|rest| rest.split(',').next()?.parse().ok());
        Ok(number)
    }

    fn write(&self, disk: &dyn Disk, lines: &[u8]) -> io::Result<()> {
        let file = disk.open(&self.path, true)?;
        let end = file.length()?;
        let written = file.write_at(end, lines).and_then(|()| file.sync());
        if written.is_err() {
            // So that the next try does not write behind half a line. Where this fails too, the next start cuts it.
            drop(file.set_length(end));
        }
        written?;
        if end == 0 {
            disk.sync_folder(&disk::folder_of(&self.path))?;
        }
        Ok(())
    }
}

/// Position and digest of the last line that is good; what stands behind it is cut off. Lines up to `known` were synced; of
/// those after it any may be torn by a power cut. `None` where there is no good line.
fn last_line(disk: &dyn Disk, path: &Path, known: Position) -> io::Result<Option<(Position, Digest)>> {
    let file = match disk.open(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.length()?;
    let start = length.saturating_sub(TAIL);
    let mut octets = vec![0; usize::try_from(length - start).unwrap_or_default()];
    let count = file.read_at(start, &mut octets)?;
    octets.truncate(count);
    // Where not all is read, the first line is a part of one.
    let partial = if start == 0 { 0 } else { memchr::memchr(b'\n', &octets).map_or(octets.len(), |at| at + 1) };
    let (mut at, mut good, mut last, mut torn) = (partial, partial, None, false);
    for line in octets.get(partial..).unwrap_or_default().split_inclusive(|&octet| octet == b'\n') {
        at += line.len();
        let head = line.strip_suffix(b"\n").and_then(|line| serde_json::from_slice::<LineHead>(line).ok());
        let position = head.map(|head| Position { sequence: head.sequence, part: head.part });
        match position {
            Some(position) if position <= known || !torn => {
                let digest = audit_chain::digest(line.strip_suffix(b"\n").unwrap_or(line));
                (good, last, torn) = (at, Some((position, digest)), false);
            }
            Some(_) | None => torn = true,
        }
    }
    if start > 0 && last.is_none() {
        return Err(io::Error::other("its end has no line of ours"));
    }
    if good < octets.len() {
        file.set_length(start + good as u64)?;
        file.sync()?;
    }
    Ok(last)
}
