//! `headcount audit verify`: the chain of a log read line by line, and held against its checkpoint and against what the
//! store knows. Nothing is changed, and the log may be written to meanwhile.

use super::audit::Position;
use super::audit_chain::{Checkpoint, Digest, End, ORIGIN, UNKNOWN, digest, hexadecimal};
use super::disk::MachineDisk;
use crate::base::Secret;
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the end is looked at again while something is being written, and how long to wait in between.
const LOOKS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// What a check of the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditCheck {
    /// Lines that were looked at.
    pub lines: u64,
    /// The first line that is wrong, in words with file and line.
    pub problem: Option<String>,
    /// Whether the end is vouched for by a checkpoint that the key has signed.
    pub signed: bool,
    /// Whether the chain begins with the first line ever written.
    pub from_the_beginning: bool,
    /// Whether a power cut left a writing unfinished, which the next start settles: its lines are not vouched for.
    pub interrupted: bool,
}

/// What there must be.
pub(super) struct Expected {
    /// There is a store, so there is a checkpoint.
    pub(super) is_there: bool,
    /// What the store knows to be in the log.
    pub(super) logged: Position,
}

/// Checks the chain through `files`, the oldest first; the last is the one that is written now.
pub(super) fn check(files: &[PathBuf], key: Option<&Secret>, expected: &Expected) -> io::Result<AuditCheck> {
    let current = files.last().ok_or(io::ErrorKind::NotFound)?;
    let mut checkpoint = Checkpoint::read(&MachineDisk, current, key)?;
    let first = checkpoint.as_ref().ok().and_then(|found| found.as_ref()?.first);
    let mut chain = Chain { lines: 0, first, last: None, marked: marks(&checkpoint), reached: false, from_the_beginning: false };
    let mut problem = None;
    let mut reader = None;
    for path in files {
        // The last one may just have been laid aside, or there was nothing to write yet.
        reader = Reader::open(path, path == current)?;
        if let Some(reader) = &mut reader {
            problem = reader.read(&mut chain)?;
        }
        if problem.is_some() {
            break;
        }
    }
    let mut end = Ends::Interrupted;
    for look in 0..LOOKS {
        if problem.is_some() {
            break;
        }
        // Read after the lines: whatever is written is said in it before.
        let now = Checkpoint::read(&MachineDisk, current, key)?;
        end = chain.end(&now, expected);
        let is_writing = now != checkpoint || matches!(end, Ends::Interrupted);
        if matches!(end, Ends::Well) || !is_writing || look + 1 == LOOKS {
            break;
        }
        chain.marked = marks(&now);
        checkpoint = now;
        std::thread::sleep(PAUSE);
        if let Some(reader) = &mut reader {
            problem = reader.read(&mut chain)?;
        }
    }
    if matches!(end, Ends::Well) && reader.is_some_and(|reader| !reader.line.is_empty()) {
        // Whatever of a line is being written belongs to a writing, and the end would not be where it was.
        end = Ends::Badly("an unfinished line stands behind the record of the checkpoint, which the server did not write");
    }
    if let (None, Ends::Badly(what)) = (&problem, &end) {
        problem = Some(format!("{}: after line {}: {what}", current.display(), chain.lines));
    }
    Ok(AuditCheck {
        lines: chain.lines,
        signed: problem.is_none() && key.is_some() && matches!(checkpoint, Ok(Some(_))),
        from_the_beginning: chain.from_the_beginning,
        interrupted: problem.is_none() && matches!(end, Ends::Interrupted),
        problem,
    })
}

/// What stands in place of a checkpoint: the checkpoint, none, or what is wrong with it.
type Found = Result<Option<Checkpoint>, &'static str>;

/// The places that a checkpoint names.
fn marks(found: &Found) -> Vec<(Position, Digest)> {
    let ends = found.iter().flatten().flat_map(|found| [Some(found.end), found.writing.map(|writing| writing.end)]);
    ends.flatten().map(|end| (end.position, end.digest)).collect()
}

/// How a chain ends.
enum Ends {
    Well,
    /// Between two places that the checkpoint names.
    Interrupted,
    Badly(&'static str),
}

/// What was read of a chain.
struct Chain {
    lines: u64,
    /// The record that it begins with.
    first: Option<u64>,
    last: Option<(Position, Digest)>,
    /// The places of the checkpoint, and whether one of them was seen.
    marked: Vec<(Position, Digest)>,
    reached: bool,
    from_the_beginning: bool,
}

impl Chain {
    /// Takes a line; answers what is wrong with it.
    fn take(&mut self, line: &[u8]) -> Option<&'static str> {
        let Some((position, previous)) = head(line) else { return Some("it is no record") };
        if previous == hexadecimal(&UNKNOWN) {
            return Some("here the server could not tell what was before: the log was changed, or put here from elsewhere");
        }
        match &self.last {
            None => {
                let first = self.first.map(|sequence| Position { sequence, part: 0 });
                self.from_the_beginning = previous == hexadecimal(&ORIGIN) || first.is_some_and(|first| position <= first);
                if first.is_some_and(|first| position > first) {
                    return Some("the records before it are missing");
                }
            }
            Some((before, _)) if position <= *before => return Some("it is out of order"),
            Some((_, before)) if previous != hexadecimal(before) => {
                return Some("it does not follow the record before it: one of the two was changed, or some were taken out between them");
            }
            Some(_) => {}
        }
        self.lines += 1;
        self.last = Some((position, digest(line)));
        self.reached |= self.last.is_some_and(|last| self.marked.contains(&last));
        None
    }

    /// How it ends by the checkpoint.
    fn end(&self, found: &Found, expected: &Expected) -> Ends {
        let checkpoint = match found {
            Err(problem) => return Ends::Badly(problem),
            Ok(None) if self.last.is_none() && !expected.is_there => return Ends::Well,
            Ok(None) => return Ends::Badly("there is no checkpoint"),
            Ok(Some(checkpoint)) => checkpoint,
        };
        let ends_at = |end: &End| match &self.last {
            None => end.digest == ORIGIN || checkpoint.first.is_some_and(|first| first > end.position.sequence),
            Some((position, digest)) => (position, digest) == (&end.position, &end.digest),
        };
        let writing = checkpoint.writing.map(|writing| writing.end);
        if writing.map_or(checkpoint.end, |end| end).position < expected.logged {
            return Ends::Badly("the store knows of later records: an earlier state of the log was put back");
        }
        if writing.as_ref().is_some_and(ends_at) || (writing.is_none() && ends_at(&checkpoint.end)) {
            return Ends::Well;
        }
        let behind = self.last.is_some_and(|(position, _)| position > checkpoint.end.position);
        let was_reached = self.reached || checkpoint.end.digest == ORIGIN;
        match writing {
            Some(end) if was_reached && self.last.is_none_or(|(position, _)| position < end.position) => Ends::Interrupted,
            _ if was_reached && behind => Ends::Badly("what stands behind the record of the checkpoint was not written by the server"),
            _ => Ends::Badly("the record of the checkpoint is missing or was changed: the end was cut off"),
        }
    }
}

/// A file, read as far as it is written.
struct Reader {
    lines: BufReader<File>,
    name: String,
    number: u64,
    /// What there is of a line that has no end yet.
    line: Vec<u8>,
}

impl Reader {
    /// From the beginning; `None` where there is no file, which only `may_be_absent` where it does no harm.
    fn open(path: &Path, may_be_absent: bool) -> io::Result<Option<Self>> {
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_be_absent => Ok(None),
            file => Ok(Some(Self { lines: BufReader::new(file?), name: path.display().to_string(), number: 0, line: Vec::new() })),
        }
    }

    /// Reads what there is; answers the first line that is wrong, in words.
    fn read(&mut self, chain: &mut Chain) -> io::Result<Option<String>> {
        while self.lines.read_until(b'\n', &mut self.line)? > 0 {
            let Some(whole) = self.line.strip_suffix(b"\n") else { break };
            self.number += 1;
            if let Some(what) = chain.take(whole) {
                return Ok(Some(format!("{}: line {}: {what}", self.name, self.number)));
            }
            self.line.clear();
        }
        Ok(None)
    }
}

/// Where a line stands, and the digest it names.
fn head(line: &[u8]) -> Option<(Position, String)> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let position = Position { sequence: value.get("sequence")?.as_u64()?, part: value.get("part")?.as_u64()? };
    Some((position, value.get("previous")?.as_str()?.to_owned()))
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
