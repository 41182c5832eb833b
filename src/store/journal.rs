//! The journal: segments of frames, one frame and one sync for each group commit. It alone makes a write durable.
//! After a failed write or sync it takes nothing more (a sync is never tried again as if it had worked); a full disk
//! is the exception, because what was begun can be wiped out and that wiping synced, and so is a lack of descriptors, which
//! shows before anything is begun (HD3).

use super::disk::{self, Disk, DiskFile};
use super::segment::{self, FRAME, HEADER, Header};
use crate::base::random;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PREFIX: &str = "journal-";
const SPARE: &str = "journal.spare";
/// The segment that is about to begin.
const NEXT: &str = "journal.next";

/// Why a group was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AppendError {
    /// No descriptor for a new segment; nothing of the group is left, and the next one may be taken.
    Busy(String),
    /// No room on the disk; nothing of the group is left, and a later group may be taken.
    Full(String),
    /// The journal takes nothing more until it is opened again.
    Poisoned(String),
}

/// The open journal. The writer owns it.
pub(super) struct Journal {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    segment_size: u64,
    file: Box<dyn DiskFile>,
    header: Header,
    /// Octets of the current segment.
    size: u64,
    /// Where the next frame goes.
    end: u64,
    /// The sequence number of the next change set.
    next: u64,
    poison: Option<String>,
}

/// A group of change sets in the making; its buffer begins with room for the frame's header.
pub(super) struct Group {
    octets: Vec<u8>,
    count: u32,
}

impl Default for Group {
    fn default() -> Self {
        Self { octets: vec![0; FRAME], count: 0 }
    }
}

impl Group {
    /// Appends one change set, written by `encode` to the end of the buffer it is given.
    pub(super) fn push<E>(&mut self, encode: impl FnOnce(Vec<u8>) -> (Vec<u8>, Result<(), E>)) -> Result<(), E> {
        let start = self.octets.len();
        let mut buffer = std::mem::take(&mut self.octets);
        buffer.extend_from_slice(&[0; 4]);
        let (mut buffer, result) = encode(buffer);
        match result {
            Ok(()) => {
                let length = (buffer.len() - start - 4) as u32;
                for (to, from) in buffer.iter_mut().skip(start).zip(length.to_le_bytes()) {
                    *to = from;
                }
                self.count += 1;
            }
            Err(_) => buffer.truncate(start),
        }
        self.octets = buffer;
        result
    }

    /// Octets so far.
    pub(super) fn size(&self) -> usize {
        self.octets.len()
    }

    /// How many change sets it has.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Makes it empty, and keeps the buffer unless it grew large.
    pub(super) fn clear(&mut self) {
        const KEPT: usize = 1 << 20;
        self.octets.truncate(FRAME);
        self.octets.shrink_to(KEPT);
        self.count = 0;
    }
}

/// Where the journal of a folder ends.
pub(super) struct Extent {
    /// The sequence number of the oldest change set it still has.
    pub first: u64,
    /// The sequence number of the next change set.
    pub next: u64,
    /// Whether changes are damaged that `after` covers, so that a snapshot before them is worth nothing any more.
    pub damaged: bool,
    last: PathBuf,
    header: Header,
    end: u64,
    torn: bool,
}

fn segment_path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{first:020}"))
}

/// The segments of a folder, by the sequence number of their first change set, in order.
pub(super) fn segments(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<u64>> {
    let mut found: Vec<u64> =
        disk.list(folder)?.iter().filter_map(|name| name.strip_prefix(PREFIX).filter(|rest| rest.len() == 20)?.parse().ok()).collect();
    found.sort_unstable();
    Ok(found)
}

/// Reads every change set after `after` in order. Answers where the journal ends; `None` where there is none.
/// An unfinished frame at the very end is passed over; damage anywhere else is an error, unless only changes up to
/// `after` are lost.
pub(super) fn scan(
    disk: &dyn Disk,
    folder: &Path,
    after: u64,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), String>,
) -> Result<Option<Extent>, String> {
    let found = segments(disk, folder).map_err(|error| format!("the journal cannot be listed: {error}"))?;
    let Some(&first) = found.first() else { return Ok(None) };
    let mut extent = None;
    let mut damaged = false;
    for (at, &begins) in found.iter().enumerate() {
        let following = found.get(at + 1).copied();
        let path = segment_path(folder, begins);
        if following.is_some_and(|following| following <= after.saturating_add(1)) {
            continue;
        }
        let octets = disk::read_whole(disk, &path)
            .and_then(|octets| octets.ok_or_else(|| io::ErrorKind::NotFound.into()))
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let contents = segment::parse(&octets)
            .filter(|contents| contents.header.first == begins)
            .ok_or_else(|| format!("{}: the header of the segment is damaged", path.display()))?;
        for (sequence, body) in contents.frames.iter().flat_map(segment::Frame::change_sets) {
            if sequence > after {
                each(sequence, body).map_err(|text| format!("{}: change {sequence}: {text}", path.display()))?;
            }
        }
        // In a segment that another follows, what is missing at its end is a gap too.
        let last_gap = following.filter(|following| contents.next != *following).map(|following| (contents.next, following));
        for (lost, whole) in contents.gaps.iter().copied().chain(last_gap) {
            if whole <= lost || whole > after.saturating_add(1) {
                return Err(format!("{}: damaged from change {lost} on", path.display()));
            }
            tracing::warn!(path = %path.display(), lost, "the journal is damaged where the kept state makes up for it");
            damaged = true;
        }
        let (header, end, torn, next) = (contents.header, contents.end, contents.torn, contents.next);
        extent = Some(Extent { first, next, damaged, last: path, header, end, torn });
    }
    Ok(extent)
}

impl Journal {
    /// Opens the journal where `extent` says it ends, and wipes out what was never finished there; or begins
    /// one whose first change set has the number `next`.
    pub(super) fn open(disk: Arc<dyn Disk>, folder: &Path, segment_size: u64, extent: Option<Extent>, next: u64) -> Result<Self, String> {
        let text = |error: io::Error| format!("the journal cannot be opened: {error}");
        let Some(extent) = extent else {
            let (file, header) = begin(&*disk, folder, segment_size, next).map_err(text)?;
            name(&*disk, folder, next).map_err(text)?;
            let folder = folder.to_path_buf();
            return Ok(Self { disk, folder, segment_size, file, header, size: segment_size, end: HEADER, next, poison: None });
        };
        let file = disk.open(&extent.last, false).map_err(text)?;
        let size = file.length().map_err(text)?;
        if extent.torn {
            wipe(&*file, extent.end, size).map_err(text)?;
        }
        // What was read may have been in the machine's cache only, if a sync failed before.
        file.sync().map_err(text)?;
        let Extent { next, header, end, .. } = extent;
        Ok(Self { disk, folder: folder.to_path_buf(), segment_size, file, header, size, end, next, poison: None })
    }

    /// Why it takes nothing more, where that is so.
    pub(super) fn poison(&self) -> Option<&str> {
        self.poison.as_deref()
    }

    /// Writes a group and syncs it; answers the sequence number of its first change set. When this returns the
    /// group lasts; when it fails nothing of it is ever seen again.
    pub(super) fn append(&mut self, group: &mut Group) -> Result<u64, AppendError> {
        if let Some(text) = &self.poison {
            return Err(AppendError::Poisoned(text.clone()));
        }
        let length = group.octets.len() as u64;
        if self.end + length > self.size {
            self.roll(length)?;
        }
        let first = self.next;
        seal(&self.header.salt, first, group);
        if let Err(error) = self.file.write_at(self.end, &group.octets) {
            return Err(self.undo(&error, length));
        }
        if let Err(error) = self.file.sync() {
            return Err(self.fail("sync", &error));
        }
        self.end += length;
        self.next += u64::from(group.count);
        Ok(first)
    }

    /// Goes on in a new segment that has room for a frame of `length` octets.
    fn roll(&mut self, length: u64) -> Result<(), AppendError> {
        let size = self.segment_size.max(HEADER + length);
        let begun = begin(&*self.disk, &self.folder, size, self.next);
        let (file, header) = begun.map_err(|error| self.not_begun(&error))?;
        if let Err(error) = name(&*self.disk, &self.folder, self.next) {
            // Whether the new segment is there after a power cut is not known, so nothing more goes into the former one.
            self.size = self.end;
            return Err(self.not_begun(&error));
        }
        (self.file, self.header, self.size, self.end) = (file, header, size, HEADER);
        Ok(())
    }

    /// Why there is no new segment; for good, unless that passes.
    fn not_begun(&mut self, error: &io::Error) -> AppendError {
        if disk::is_full(error) {
            AppendError::Full(error.to_string())
        } else if disk::is_without_descriptor(error) {
            AppendError::Busy(error.to_string())
        } else {
            self.fail("new segment", error)
        }
    }

    /// After a failed write: wipes out what was begun where the disk was full, and fails for good otherwise.
    fn undo(&mut self, error: &io::Error, length: u64) -> AppendError {
        if !disk::is_full(error) {
            return self.fail("write", error);
        }
        match wipe(&*self.file, self.end, (self.end + length).min(self.size)) {
            Ok(()) => AppendError::Full(error.to_string()),
            Err(error) => self.fail("write on a full disk", &error),
        }
    }

    fn fail(&mut self, what: &str, error: &io::Error) -> AppendError {
        let text = format!("{what} of the journal failed: {error}");
        self.poison = Some(text.clone());
        AppendError::Poisoned(text)
    }
}

/// Writes the header of the frame into the room that the group's buffer has for it.
fn seal(salt: &[u8; 16], first: u64, group: &mut Group) {
    let header = segment::frame_header(salt, first, group.count, group.octets.get(FRAME..).unwrap_or_default());
    for (to, from) in group.octets.iter_mut().zip(header) {
        *to = from;
    }
}

/// Zeros from `from` to `to`, synced.
fn wipe(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let length = usize::try_from(to.saturating_sub(from)).unwrap_or_default();
    file.write_at(from, &vec![0; length])?;
    file.sync()
}

/// Begins a segment: from the spare where it has the size, or from a new file. It may get its [name] when its header lasts.
/// The spare is taken by one rename, and what is filled here has a name of its own, because another thread lays spares
/// at any time.
fn begin(disk: &dyn Disk, folder: &Path, size: u64, first: u64) -> io::Result<(Box<dyn DiskFile>, Header)> {
    let (spare, next) = (folder.join(SPARE), folder.join(NEXT));
    let begun = || {
        if disk.rename(&spare, &next).is_err() || !has_length(disk, &next, size) {
            lay(disk, &next, size)?;
        }
        let file = disk.open(&next, false)?;
        let header = Header { first, salt: random::bytes() };
        file.write_at(0, &header.encode())?;
        file.sync()?;
        Ok((file, header))
    };
    begun().inspect_err(|_| {
        // The room it takes stays reserved; where even this fails, the next attempt lays a new one.
        let _ = disk.rename(&next, &spare);
    })
}

/// Names the segment that was begun, lastingly.
fn name(disk: &dyn Disk, folder: &Path, first: u64) -> io::Result<()> {
    disk.rename(&folder.join(NEXT), &segment_path(folder, first))?;
    disk.sync_folder(folder)
}

fn has_length(disk: &dyn Disk, path: &Path, size: u64) -> bool {
    disk.open(path, false).and_then(|file| file.length()).is_ok_and(|length| length == size)
}

/// Whether a spare segment of that size lies ready.
pub(super) fn has_spare(disk: &dyn Disk, folder: &Path, size: u64) -> bool {
    has_length(disk, &folder.join(SPARE), size)
}

/// Lays a spare segment ready, so that the journal can go on in it when the disk is full.
pub(super) fn make_spare(disk: &dyn Disk, folder: &Path, size: u64) -> io::Result<()> {
    let beside = folder.join("journal.filling");
    lay(disk, &beside, size)?;
    disk.rename(&beside, &folder.join(SPARE))
}

/// A file of that size, written and synced.
fn lay(disk: &dyn Disk, path: &Path, size: u64) -> io::Result<()> {
    let file = disk.open(path, true)?;
    let made = file.set_length(0).and_then(|()| segment::fill(&*file, size));
    if made.is_err() {
        // Half a file only takes room from others.
        disk.remove(path)?;
    }
    made
}

/// Removes the segments whose change sets are all of number `upto` or below. The last segment stays.
pub(super) fn remove_through(disk: &dyn Disk, folder: &Path, upto: u64) -> io::Result<usize> {
    let found = segments(disk, folder)?;
    let mut removed = 0;
    for pair in found.windows(2) {
        let [first, following] = pair else { continue };
        if *following > upto.saturating_add(1) {
            break;
        }
        disk.remove(&segment_path(folder, *first))?;
        removed += 1;
    }
    Ok(removed)
}

/// Puts all segments aside, because what they end with is damaged and the kept state is past it.
pub(super) fn set_aside(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    for first in segments(disk, folder)? {
        let path = segment_path(folder, first);
        disk.rename(&path, &path.with_extension("damaged"))?;
    }
    disk.sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::MachineDisk;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_segment_begins_while_another_thread_lays_spares() {
        const SIZE: u64 = 64 << 10;
        let folder = tempfile::tempdir().unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    make_spare(&MachineDisk, folder.path(), SIZE).unwrap();
                }
            });
            let begun: io::Result<Vec<()>> = (1..200)
                .map(|first| {
                    begin(&MachineDisk, folder.path(), SIZE, first)?;
                    name(&MachineDisk, folder.path(), first)
                })
                .collect();
            done.store(true, Ordering::Relaxed);
            begun.unwrap();
        });
        for first in 1..200 {
            assert!(has_length(&MachineDisk, &segment_path(folder.path(), first), SIZE), "segment {first}");
        }
    }
}
