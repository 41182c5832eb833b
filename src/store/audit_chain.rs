//! The chain of an audit file: each line names the SHA-256 of the line before it, and the checkpoint beside the file names
//! the last line, with an HMAC where there is a key. Whoever changes, removes or inserts a line breaks the chain; whoever
//! cuts off the end or writes on breaks it against the checkpoint, which cannot be made anew without the key. The checkpoint
//! says where a writing will end before it is begun, so what a power cut leaves is told from what others wrote.

use super::audit::Position;
use super::disk::{self, Disk};
use crate::base::Secret;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Path, PathBuf};

/// A SHA-256.
pub(super) type Digest = [u8; 32];
/// What the first line of all names as the one before.
pub(super) const ORIGIN: Digest = [0; 32];
/// What a line names as the one before where the server could not tell what that was.
pub(super) const UNKNOWN: Digest = [0xff; 32];

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

/// A place where the chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) position: Position,
    /// Of the last line.
    pub(super) digest: Digest,
    /// Octets of the file up to here.
    pub(super) offset: u64,
}

impl End {
    /// Before the first line; `position` is that of the last record that will not come.
    pub(super) const fn origin(position: Position) -> Self {
        Self { position, digest: ORIGIN, offset: 0 }
    }

    /// Where it is not known what stands before.
    pub(super) const fn unknown(position: Position) -> Self {
        Self { position, digest: UNKNOWN, offset: 0 }
    }
}

/// Lines that are being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writing {
    /// The octet of the file that they begin at.
    pub(super) start: u64,
    pub(super) end: End,
}

/// Where a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) end: End,
    /// Where it ends when what is being written is written.
    pub(super) writing: Option<Writing>,
    /// The record that the chain begins with, by the first of its parts, where that is known.
    pub(super) first: Option<u64>,
    signature: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredEnd {
    sequence: u64,
    part: u64,
    digest: String,
    offset: u64,
}

impl From<End> for StoredEnd {
    fn from(end: End) -> Self {
        let Position { sequence, part } = end.position;
        Self { sequence, part, digest: hexadecimal(&end.digest), offset: end.offset }
    }
}

impl StoredEnd {
    fn read(&self) -> Option<End> {
        let digest = octets_of(&self.digest)?.try_into().ok()?;
        Some(End { position: Position { sequence: self.sequence, part: self.part }, digest, offset: self.offset })
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    end: StoredEnd,
    #[serde(skip_serializing_if = "Option::is_none")]
    writing: Option<(u64, StoredEnd)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hmac: Option<String>,
}

/// `audit.jsonl` has `audit.checkpoint`.
fn path_of(file: &Path) -> PathBuf {
    file.with_extension("checkpoint")
}

impl Checkpoint {
    /// Of `file`, signed where there is a key.
    pub(super) fn new(file: &Path, end: End, writing: Option<Writing>, first: Option<u64>, key: Option<&Secret>) -> Self {
        let mut checkpoint = Self { end, writing, first, signature: None };
        let signed = key.and_then(|key| checkpoint.mac(file, key));
        checkpoint.signature = signed.map(|mac| hexadecimal(&mac.finalize().into_bytes()));
        checkpoint
    }

    /// Over all that it says, and of which log.
    fn mac(&self, file: &Path, key: &Secret) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
        mac.update(b"headcount audit checkpoint 3\0");
        mac.update(file.file_name()?.as_encoded_bytes());
        mac.update(&[0, u8::from(self.first.is_some()), u8::from(self.writing.is_some())]);
        let writing = self.writing.map(|writing| [End { offset: writing.start, ..End::origin(Position::default()) }, writing.end]);
        for end in [self.end].into_iter().chain(writing.into_iter().flatten()) {
            [end.position.sequence, end.position.part, end.offset].iter().for_each(|number| mac.update(&number.to_be_bytes()));
            mac.update(&end.digest);
        }
        mac.update(&self.first.unwrap_or_default().to_be_bytes());
        Some(mac)
    }

    /// Puts it in the place of the former one: a crash leaves one of the two.
    pub(super) fn write(&self, disk: &dyn Disk, file: &Path) -> io::Result<()> {
        let stored = Stored {
            end: self.end.into(),
            writing: self.writing.map(|writing| (writing.start, writing.end.into())),
            first: self.first,
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

    /// The checkpoint of a file that may be believed; `None` where there is none. What is wrong with one that may not, in words.
    pub(super) fn read(disk: &dyn Disk, file: &Path, key: Option<&Secret>) -> io::Result<Result<Option<Self>, &'static str>> {
        let Some(octets) = disk::read_whole(disk, &path_of(file))? else { return Ok(Ok(None)) };
        let Some(found) = Self::of(&octets) else { return Ok(Err("its checkpoint is damaged")) };
        let is_good = key.is_none_or(|key| found.is_signed_by(file, key));
        Ok(if is_good {
            Ok(Some(found))
        } else {
            Err("its checkpoint is not signed by the key (`headcount audit renew` where one was set or changed)")
        })
    }

    fn of(octets: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(octets).ok()?;
        let writing = match stored.writing {
            Some((start, end)) => Some(Writing { start, end: end.read()? }),
            None => None,
        };
        Some(Self { end: stored.end.read()?, writing, first: stored.first, signature: stored.hmac })
    }

    fn is_signed_by(&self, file: &Path, key: &Secret) -> bool {
        let given = self.signature.as_deref().and_then(octets_of);
        self.mac(file, key).zip(given).is_some_and(|(mac, given)| mac.verify_slice(&given).is_ok())
    }
}
