//! Snapshots: one compressed file with every record and, behind them, the changes that were made while they were
//! copied, so that the file alone gives the state at its end. It counts only after it was read back. The same file
//! is the backup. It is a stream of items, each with kind and length, in an lz4 frame; the last item has the count of
//! records and a checksum of everything before it.

use super::checkpoint::{CHUNK_BITS, Dirty};
use super::disk::{Disk, DiskFile, folder_of};
use super::loader;
use super::memory::Memory;
use super::record::{self, Name};
use super::{change_set, journal};
use crate::base::EntryId;
use crate::model::Facts;
use crate::schema::additions;
use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

const PREFIX: &str = "snapshot-";
const FORMAT: u32 = 1;
const MAGIC: &[u8; 8] = b"hcsnap\x00\x01";
/// No item is longer: a change set is the longest there is.
const LONGEST: usize = change_set::LARGEST + 4_096;

const HEAD: u8 = 1;
const RECORD: u8 = 2;
const CHANGE: u8 = 3;
const END: u8 = 4;

/// What a snapshot begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    format: u32,
    /// The records hold every change up to this one, and maybe some after it.
    pub begun: u64,
    /// The highest entry number and entry revision ever given.
    pub highest: (u32, u64),
}

/// What a snapshot ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct End {
    records: u64,
    /// With its changes the snapshot is the state after this one.
    pub sequence: u64,
    sum: u32,
}

/// A file that is written from its start on.
struct Appender {
    file: Box<dyn DiskFile>,
    at: u64,
}

impl Write for Appender {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.at, octets)?;
        self.at += octets.len() as u64;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is read from its start on.
struct Extractor {
    file: Box<dyn DiskFile>,
    at: u64,
}

impl Read for Extractor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(self.at, buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Writes items, and sums up what it writes.
struct Items<W> {
    to: W,
    sum: crc32fast::Hasher,
    records: u64,
    /// The version of the schema whose record was written.
    version: usize,
}

impl<W: Write> Items<W> {
    fn put(&mut self, kind: u8, parts: &[&[u8]]) -> io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).map_err(io::Error::other)?.to_le_bytes();
        for octets in [&[kind][..], &length].iter().chain(parts) {
            self.sum.update(octets);
            self.to.write_all(octets)?;
        }
        Ok(())
    }

    fn record(&mut self, name: &Name, memory: &Memory) -> io::Result<()> {
        let key = name.key(memory.schema());
        let Some(value) = name.read(memory, &key) else { return Ok(()) };
        // What an entry is written by comes before it.
        let version = memory.schema().version();
        if version != self.version {
            self.version = version;
            self.record(&Name::Meta(additions::RECORD.to_owned()), memory)?;
        }
        self.records += 1;
        self.put(RECORD, &[&(key.len() as u32).to_le_bytes(), &key, &value])
    }
}

fn path(folder: &Path, sequence: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{sequence:020}"))
}

/// The snapshots of a folder by the change they end with, the newest first.
pub(super) fn list(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<u64>> {
    let mut found: Vec<u64> =
        disk.list(folder)?.iter().filter_map(|name| name.strip_prefix(PREFIX).filter(|rest| rest.len() == 20)?.parse().ok()).collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    Ok(found)
}

/// Takes a snapshot into the folder of the store; answers the change it ends with. The two newest are kept.
pub(super) fn take(disk: &dyn Disk, folder: &Path, memory: &Memory) -> Result<u64, String> {
    let beside = folder.join("snapshot.new");
    let sequence = write(disk, folder, memory, &beside)?;
    let kept = || -> io::Result<()> {
        disk.rename(&beside, &path(folder, sequence))?;
        disk.sync_folder(folder)?;
        for old in list(disk, folder)?.into_iter().skip(2) {
            disk.remove(&path(folder, old))?;
        }
        Ok(())
    };
    kept().map_err(|error| format!("a snapshot cannot be kept: {error}"))?;
    Ok(sequence)
}

/// Writes a snapshot to `to` and reads it back; answers the change it ends with. `folder` is where the journal is.
pub(super) fn write(disk: &dyn Disk, folder: &Path, memory: &Memory, to: &Path) -> Result<u64, String> {
    let written = write_file(disk, folder, memory, to).and_then(|end| {
        let read = read(disk, to, |key, value| record::check(&key, &value), |_, _| Ok(()))?;
        if read.1 == end { Ok(end.sequence) } else { Err(format!("{} reads otherwise than it was written", to.display())) }
    });
    if written.is_err() {
        // Half a snapshot only takes room; the error to tell is the first.
        drop(disk.remove(to));
    }
    written
}

fn write_file(disk: &dyn Disk, folder: &Path, memory: &Memory, to: &Path) -> Result<End, String> {
    let text = |error: io::Error| format!("{} cannot be written: {error}", to.display());
    let file = disk.open(to, true).map_err(text)?;
    file.set_length(0).map_err(text)?;
    let info = FrameInfo::new().content_checksum(true);
    let encoder = FrameEncoder::with_frame_info(info, BufWriter::with_capacity(1 << 20, Appender { file, at: 0 }));
    let mut items = Items { to: encoder, sum: crc32fast::Hasher::new(), records: 0, version: 0 };
    let begun = memory.applied();
    let head = Head { format: FORMAT, begun, highest: memory.highest() };
    let head = postcard::to_allocvec(&head).map_err(|error| error.to_string())?;
    items.put(HEAD, &[MAGIC, &head]).map_err(text)?;
    write_records(&mut items, memory).map_err(text)?;
    let sequence = memory.applied();
    journal::scan(disk, folder, begun, |at, body| match at <= sequence {
        true => items.put(CHANGE, &[&at.to_le_bytes(), body]).map_err(text),
        false => Ok(()),
    })?;
    let end = End { records: items.records, sequence, sum: items.sum.clone().finalize() };
    let octets = postcard::to_allocvec(&end).map_err(|error| error.to_string())?;
    items.put(END, &[&octets]).map_err(text)?;
    let buffer = items.to.finish().map_err(|error| format!("{} cannot be compressed: {error}", to.display()))?;
    let appender = buffer.into_inner().map_err(|error| text(error.into_error()))?;
    appender.file.sync().and_then(|()| disk.sync_folder(&folder_of(to))).map_err(text)?;
    Ok(end)
}

fn write_records<W: Write>(items: &mut Items<W>, memory: &Memory) -> io::Result<()> {
    let mut after = None;
    loop {
        let ids = memory.ids_after(after, 1_024);
        let Some(last) = ids.last() else { break };
        after = Some(*last);
        for id in ids {
            items.record(&Name::Entry(id), memory)?;
            for name in link_names(memory, id) {
                items.record(&name, memory)?;
            }
        }
    }
    for (key, _) in memory.meta_range("") {
        items.record(&Name::Meta(key), memory)?;
    }
    Ok(())
}

/// The names of the link records of an entry.
pub(super) fn link_names(memory: &Memory, id: EntryId) -> BTreeSet<Name> {
    let links = memory.links().from(id).into_iter();
    links.map(|link| Name::Links(id, link.target.0 >> CHUNK_BITS, link.attribute)).collect()
}

/// Reads a snapshot: each record with key and value, then each change with its number. Everything is checked before
/// the end is answered, so what was read before counts only then.
fn read(
    disk: &dyn Disk,
    from: &Path,
    mut record: impl FnMut(Vec<u8>, Vec<u8>) -> Result<(), String>,
    mut change: impl FnMut(u64, &[u8]) -> Result<(), String>,
) -> Result<(Head, End), String> {
    let damaged = |what: &str| format!("{}: {what}", from.display());
    let file = disk.open(from, false).map_err(|error| damaged(&error.to_string()))?;
    let mut source = FrameDecoder::new(BufReader::with_capacity(1 << 20, Extractor { file, at: 0 }));
    let (mut sum, mut records, mut head) = (crc32fast::Hasher::new(), 0, None);
    loop {
        let before = sum.clone();
        let (kind, item) = next_item(&mut source, &mut sum).map_err(|error| damaged(&error.to_string()))?;
        match (kind, &head) {
            (HEAD, None) => {
                let read = item.strip_prefix(MAGIC).and_then(|rest| postcard::from_bytes::<Head>(rest).ok());
                head = Some(read.filter(|head| head.format == FORMAT).ok_or_else(|| damaged("not a snapshot this version can read"))?);
            }
            (RECORD, Some(_)) => {
                records += 1;
                let (key, value) = split_record(&item).ok_or_else(|| damaged("a record is damaged"))?;
                record(key, value)?;
            }
            (CHANGE, Some(_)) => {
                let (at, body) = item.split_first_chunk::<8>().ok_or_else(|| damaged("a change is damaged"))?;
                change(u64::from_le_bytes(*at), body)?;
            }
            (END, Some(head)) => {
                let end: End = postcard::from_bytes(&item).map_err(|_| damaged("its end is damaged"))?;
                let trailing = source.read(&mut [0]).map_err(|error| damaged(&error.to_string()))?;
                let whole = end.records == records && end.sum == before.finalize() && trailing == 0;
                return whole.then_some((*head, end)).ok_or_else(|| damaged("its checksum does not fit"));
            }
            _ => return Err(damaged("an item of no known kind")),
        }
    }
}

fn next_item(source: &mut impl Read, sum: &mut crc32fast::Hasher) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    source.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // The length may be damaged: room is taken as octets come.
    let mut item = Vec::new();
    source.take(length as u64).read_to_end(&mut item)?;
    if item.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    sum.update(&head);
    sum.update(&item);
    Ok((kind, item))
}

fn split_record(item: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (length, rest) = item.split_first_chunk::<4>()?;
    let (key, value) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((key.to_vec(), value.to_vec()))
}

/// Loads the snapshot that ends with change `sequence` into an empty memory.
pub(super) fn load(disk: &dyn Disk, folder: &Path, sequence: u64, memory: &Memory) -> Result<(), String> {
    load_file(disk, &path(folder, sequence), memory).map(drop)
}

/// The same for a file of any name; answers the change it ends with.
pub(super) fn load_file(disk: &dyn Disk, from: &Path, memory: &Memory) -> Result<u64, String> {
    let mut changes = Vec::new();
    let (head, end) = loader::load(memory, |feed| {
        read(
            disk,
            from,
            |key, value| feed.put(key, value),
            |_, body| {
                let change = change_set::decode(body, memory.schema())?;
                loader::learn(memory, &change)?;
                changes.push(change);
                Ok(())
            },
        )
    })?;
    let mut dirty = Dirty::default();
    changes.iter().for_each(|change| loader::replay(memory, change, &mut dirty));
    let (id, revision) = head.highest;
    memory.raise(id, revision);
    memory.set_applied(end.sequence);
    Ok(end.sequence)
}

/// Checks a snapshot file whole and puts it into an empty folder of a store, which then opens from it.
pub(super) fn install(disk: &dyn Disk, from: &Path, folder: &Path) -> Result<u64, String> {
    let (_, end) = read(disk, from, |key, value| record::check(&key, &value), |_, _| Ok(()))?;
    let octets = super::disk::read_whole(disk, from).map_err(|error| error.to_string())?.unwrap_or_default();
    let text = |error: io::Error| format!("{}: {error}", folder.display());
    disk.create_folder(folder).map_err(text)?;
    if !disk.list(folder).map_err(text)?.is_empty() {
        return Err(format!("{} is not empty", folder.display()));
    }
    super::disk::replace(disk, &path(folder, end.sequence), &octets).map_err(text)?;
    Ok(end.sequence)
}
