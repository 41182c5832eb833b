//! The chain of the audit file: each line names the SHA-256 of the line before it, and the checkpoint names the last line,
//! with an HMAC where there is a key. Whoever changes, removes or inserts a line breaks the chain; whoever cuts the end off
//! breaks it against the checkpoint, which cannot be made anew without the key.

use super::audit::Position;
use super::disk::{self, Disk};
use crate::base::Secret;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A SHA-256.
pub(super) type Digest = [u8; 32];
/// What the first line of all names as the one before.
pub(super) const ORIGIN: Digest = [0; 32];

/// The digest of a line without its end.
pub(super) fn digest(line: &[u8]) -> Digest {
    Sha256::digest(line).into()
}

/// In lower case.
pub(super) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets_of(text: &str) -> Option<Vec<u8>> {
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    pairs.collect()
}

/// Where a file ends.
pub(super) struct Checkpoint {
    position: Position,
    /// The record that the chain begins with, where older ones were removed by us.
    pub(super) first: Option<u64>,
    pub(super) digest: Digest,
    signature: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    sequence: u64,
    part: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hmac: Option<String>,
}

/// `audit.jsonl` has `audit.checkpoint`.
fn path_of(file: &Path) -> PathBuf {
    file.with_extension("checkpoint")
}

fn signature(key: &Secret, position: Position, first: Option<u64>, digest: &Digest) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
    mac.update(b"headcount audit checkpoint 2");
    mac.update(&first.unwrap_or_default().to_be_bytes());
    mac.update(&position.sequence.to_be_bytes());
    mac.update(&position.part.to_be_bytes());
    mac.update(digest);
    Some(mac)
}

impl Checkpoint {
    pub(super) fn new(position: Position, first: Option<u64>, digest: Digest, key: Option<&Secret>) -> Self {
        let signed = key.and_then(|key| signature(key, position, first, &digest));
        Self { position, first, digest, signature: signed.map(|mac| hexadecimal(&mac.finalize().into_bytes())) }
    }

    pub(super) const fn position(&self) -> Position {
        self.position
    }

    /// Puts it in the place of the former one: a crash leaves one of the two.
    pub(super) fn write(&self, disk: &dyn Disk, file: &Path) -> io::Result<()> {
        let stored = Stored {
            sequence: self.position.sequence,
            part: self.position.part,
            first: self.first,
            digest: hexadecimal(&self.digest),
            hmac: self.signature.clone(),
        };
        let (path, beside) = (path_of(file), file.with_extension("checkpoint.new"));
        let written = disk.open(&beside, true)?;
        let octets = serde_json::to_vec(&stored)?;
        written.set_length(0)?;
        written.write_at(0, &octets)?;
        written.sync()?;
        disk.rename(&beside, &path)?;
        disk.sync_folder(&disk::folder_of(&path))
    }

    /// The checkpoint of a file; `None` where there is none, or it cannot be read.
    pub(super) fn read(disk: &dyn Disk, file: &Path) -> io::Result<Option<Self>> {
        Ok(disk::read_whole(disk, &path_of(file))?.and_then(|octets| Self::of(&octets)))
    }

    fn of(octets: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(octets).ok()?;
        let digest = octets_of(&stored.digest)?.try_into().ok()?;
        let position = Position { sequence: stored.sequence, part: stored.part };
        Some(Self { position, first: stored.first, digest, signature: stored.hmac })
    }

    pub(super) fn is_signed_by(&self, key: &Secret) -> bool {
        let given = self.signature.as_deref().and_then(octets_of);
        signature(key, self.position, self.first, &self.digest).zip(given).is_some_and(|(mac, given)| mac.verify_slice(&given).is_ok())
    }
}

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
}

/// Checks the chain through `files`, the oldest first; the last is the one that is written now.
pub(super) fn check(files: &[PathBuf], key: Option<&Secret>) -> io::Result<AuditCheck> {
    let current = files.last().ok_or(io::ErrorKind::NotFound)?;
    // Read before the file, which may grow meanwhile.
    let checkpoint = match std::fs::read(path_of(current)) {
        Ok(octets) => Some(Checkpoint::of(&octets)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut found = AuditCheck { lines: 0, problem: None, signed: false, from_the_beginning: false };
    let (mut last, mut reached): (Option<(Position, Digest)>, bool) = (None, false);
    for path in files {
        let mut reader = match std::fs::File::open(path) {
            // The last one may just have been laid aside.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path == current && checkpoint.is_some() => break,
            file => BufReader::new(file?),
        };
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            // A line without its end is being written.
            let Some(whole) = line.strip_suffix(b"\n") else { break };
            let wrong = |what: &str| Some(format!("{}: line {number}: {what}", path.display()));
            let Some((position, previous)) = head(whole) else {
                found.problem = wrong("it is no record");
                return Ok(found);
            };
            match &last {
                None => {
                    let first = checkpoint.as_ref().and_then(|checkpoint| checkpoint.as_ref()?.first);
                    found.from_the_beginning = previous == hexadecimal(&ORIGIN) || first.is_some_and(|first| position.sequence <= first);
                    if first.is_some_and(|first| position.sequence > first) {
                        found.problem = wrong("the records before it are missing");
                    }
                }
                Some((before, _)) if position <= *before => found.problem = wrong("it is out of order"),
                Some((_, before)) if previous != hexadecimal(before) => {
                    found.problem =
                        wrong("it does not follow the record before it: one of the two was changed, or some were taken out between them");
                }
                Some(_) => {}
            }
            if found.problem.is_some() {
                return Ok(found);
            }
            let own = digest(whole);
            found.lines += 1;
            reached |= matches!(&checkpoint, Some(Some(checkpoint)) if checkpoint.position == position && checkpoint.digest == own);
            last = Some((position, own));
        }
    }
    let end = |what: &str| Some(format!("{}: after line {}: {what}", current.display(), found.lines));
    found.problem = match (&checkpoint, key) {
        (Some(None), _) => end("the checkpoint is damaged"),
        (None, _) if found.lines > 0 => end("there is no checkpoint"),
        (Some(Some(checkpoint)), Some(key)) if !checkpoint.is_signed_by(key) => end("the checkpoint is not signed by the key"),
        (Some(Some(_)), _) if !reached => end("the record of the checkpoint is missing or was changed: the end was cut off"),
        _ => None,
    };
    found.signed = found.problem.is_none() && key.is_some() && checkpoint.is_some();
    Ok(found)
}

/// Where a line stands, and the digest it names.
fn head(line: &[u8]) -> Option<(Position, String)> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let position = Position { sequence: value.get("sequence")?.as_u64()?, part: value.get("part")?.as_u64()? };
    Some((position, value.get("previous")?.as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::AuditRecord;
    use crate::store::audit::{AuditFile, FILE};
    use crate::store::disk::MachineDisk;

    fn write(folder: &Path, numbers: std::ops::Range<u64>, key: Option<&Secret>) {
        let record = |number: u64| AuditRecord {
            time: number,
            actor: "cn=admin".to_owned(),
            origin: "test".to_owned(),
            operation: "modify".to_owned(),
            target: format!("cn={number}"),
            ..AuditRecord::default()
        };
        let mut file = AuditFile::open(&MachineDisk, &folder.join(FILE), 0, key.cloned()).unwrap();
        let changes: Vec<(u64, Vec<AuditRecord>)> = numbers.map(|number| (number, vec![record(number)])).collect();
        file.append(&MachineDisk, &changes).unwrap();
    }

    #[test]
    fn a_whole_chain_is_good_over_restarts_and_when_the_file_was_moved_away() {
        let folder = tempfile::tempdir().unwrap();
        let key = Secret::new("a key of at least thirty-two characters");
        let (current, old) = (folder.path().join(FILE), folder.path().join("audit.jsonl.1"));
        write(folder.path(), 1..4, Some(&key));
        write(folder.path(), 1..6, Some(&key));
        let good = AuditCheck { lines: 5, problem: None, signed: true, from_the_beginning: true };
        assert_eq!(check(std::slice::from_ref(&current), Some(&key)).unwrap(), good, "what is there already is not written twice");
        std::fs::rename(&current, &old).unwrap();
        write(folder.path(), 6..8, Some(&key));
        assert_eq!(check(&[old, current.clone()], Some(&key)).unwrap(), AuditCheck { lines: 7, ..good.clone() });
        assert_eq!(check(&[current], Some(&key)).unwrap(), AuditCheck { lines: 2, from_the_beginning: false, ..good });
    }

    #[test]
    fn whatever_is_changed_taken_out_or_cut_off_is_named() {
        let key = Secret::new("a key of at least thirty-two characters");
        let tampered = |change: &dyn Fn(Vec<String>) -> Vec<String>| {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), 1..6, Some(&key));
            let path = folder.path().join(FILE);
            let lines = change(std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect());
            std::fs::write(&path, lines.join("\n") + "\n").unwrap();
            check(&[path], Some(&key)).unwrap().problem.expect("it shows")
        };
        let without = |at: usize| {
            move |mut lines: Vec<String>| {
                lines.remove(at);
                lines
            }
        };
        let other = |at: usize| {
            move |mut lines: Vec<String>| {
                lines[at] = lines[at].replace("cn=admin", "cn=other");
                lines
            }
        };
        assert!(tampered(&other(1)).contains("line 3: it does not follow"));
        assert!(tampered(&other(4)).contains("after line 5: the record of the checkpoint"));
        assert!(tampered(&without(2)).contains("line 3: it does not follow"));
        assert!(tampered(&without(4)).contains("after line 4: the record of the checkpoint"));
        assert!(
            tampered(&|mut lines: Vec<String>| {
                lines.swap(1, 2);
                lines
            })
            .contains("line 2: it does not follow")
        );
    }

    #[test]
    fn who_has_no_key_cannot_make_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) = (Secret::new("a key of at least thirty-two characters"), Secret::new("another key, of somebody who came in"));
        write(folder.path(), 1..6, Some(&other));
        let problem = check(&[folder.path().join(FILE)], Some(&key)).unwrap().problem.unwrap();
        assert!(problem.contains("not signed by the key"), "{problem}");
        std::fs::remove_file(folder.path().join("audit.checkpoint")).unwrap();
        assert!(check(&[folder.path().join(FILE)], None).unwrap().problem.unwrap().contains("there is no checkpoint"));
    }
}
