//! The audit file `audit.jsonl`: who changed what, a line each, projected from the journal. A line carries the number
//! of its change and its place in it, so that after a crash no line is written twice and none is left out.

use super::AuditRecord;
use super::disk::{self, Disk};
use crate::base::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "audit.jsonl";
/// How much of the end of the file is looked at for its last whole line.
const TAIL: u64 = 4 << 20;

/// The number of a change, and of a record in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    sequence: u64,
    part: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    sequence: u64,
    part: u64,
    at: String,
    #[serde(flatten)]
    record: &'a AuditRecord,
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
}

impl AuditFile {
    /// Finds out what the file has, and cuts off a line that was never finished. `known` is the last change that the
    /// checkpoint knows to be in the file, even if it was moved away since.
    pub(super) fn open(disk: &dyn Disk, folder: &Path, known: u64) -> Result<Self, String> {
        let path = folder.join(FILE);
        let known = Position { sequence: known, part: u64::MAX };
        let last = last_line(disk, &path, known).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        Ok(Self { path, last: last.unwrap_or_default().max(known) })
    }

    /// Appends what is not in the file yet, and syncs it.
    pub(super) fn append(&mut self, disk: &dyn Disk, changes: &[(u64, Vec<AuditRecord>)]) -> Result<(), String> {
        let (mut lines, mut last) = (Vec::new(), self.last);
        for (sequence, records) in changes {
            for (part, record) in (0..).zip(records) {
                let position = Position { sequence: *sequence, part };
                if position <= last {
                    continue;
                }
                let at = Timestamp::from_millis(record.time).rfc3339();
                let line = Line { sequence: *sequence, part, at, record };
                serde_json::to_writer(&mut lines, &line).map_err(|error| error.to_string())?;
                lines.push(b'\n');
                last = position;
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.write(disk, &lines).map_err(|error| format!("{} cannot be written: {error}", self.path.display()))?;
        self.last = last;
        Ok(())
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

/// The position of the last line that is good; what stands behind it is cut off. Lines up to `known` were synced; of
/// those after it any may be torn by a power cut. `None` where there is no good line.
fn last_line(disk: &dyn Disk, path: &Path, known: Position) -> io::Result<Option<Position>> {
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
            Some(position) if position <= known || !torn => (good, last, torn) = (at, Some(position), false),
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
