//! A disk for tests that keeps what is live and what would be there after a power cut apart, and freezes at the n-th
//! write or sync; and the twin of sled on top of it.

use super::disk::{Disk, DiskFile};
use super::kv::{Batch, Each, Kv, KvEngine};
use parking_lot::Mutex;
use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Clone, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum NameChange {
    Set(PathBuf, usize),
    Remove(PathBuf),
}

/// A kept state: as it is read, and what of it lasts.
#[derive(Clone, Default)]
struct Twin {
    live: BTreeMap<Vec<u8>, Vec<u8>>,
    durable: BTreeMap<Vec<u8>, Vec<u8>>,
    pending: Vec<Batch>,
}

#[derive(Clone, Default)]
struct World {
    inodes: Vec<Inode>,
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    names_pending: Vec<NameChange>,
    /// The kept state, and one that is made beside it.
    kept: [Twin; 2],
    operations: u64,
    freeze_at: Option<u64>,
    fail_sync: bool,
    fail_kept: bool,
    /// Opens that still succeed, and how many after them find no descriptor.
    no_descriptor: Option<(u64, u64)>,
    opens: u64,
    capacity: Option<u64>,
    syncs: u64,
}

/// The disk; clones share it.
#[derive(Clone, Default)]
pub(super) struct SimulatedDisk(Arc<Mutex<World>>);

struct SimulatedFile(SimulatedDisk, usize);

/// Numbers for torn and lost writes: the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn cut() -> io::Error {
    io::Error::other("the power is cut")
}

fn change(octets: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => octets.resize(*length as usize, 0),
        Change::Write(offset, written) => {
            let end = *offset as usize + written.len();
            if octets.len() < end {
                octets.resize(end, 0);
            }
            octets[*offset as usize..end].copy_from_slice(written);
        }
    }
}

fn rename(names: &mut BTreeMap<PathBuf, usize>, change: &NameChange) {
    match change {
        NameChange::Set(path, inode) => {
            names.retain(|_, held| held != inode);
            names.insert(path.clone(), *inode);
        }
        NameChange::Remove(path) => {
            names.remove(path);
        }
    }
}

fn apply(map: &mut BTreeMap<Vec<u8>, Vec<u8>>, batch: Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => map.insert(key, value),
            None => map.remove(&key),
        };
    }
}

impl World {
    /// Counts an operation; the n-th still happens, but nobody learns of it.
    fn tick(&mut self) -> io::Result<bool> {
        if self.freeze_at.is_some_and(|at| self.operations >= at) {
            return Err(cut());
        }
        self.operations += 1;
        Ok(self.freeze_at == Some(self.operations))
    }

    /// Counts an open, which may find no descriptor.
    fn descriptor(&mut self) -> io::Result<()> {
        self.opens += 1;
        match &mut self.no_descriptor {
            Some((0, 0)) | None => Ok(()),
            Some((0, refused)) => {
                *refused -= 1;
                Err(io::Error::from_raw_os_error(24))
            }
            Some((taken, _)) => {
                *taken -= 1;
                Ok(())
            }
        }
    }

    fn used(&self) -> u64 {
        self.live.values().map(|inode| self.inodes[*inode].live.len() as u64).sum()
    }

    fn name(&mut self, change: NameChange) -> io::Result<()> {
        let last = self.tick()?;
        rename(&mut self.live, &change);
        self.names_pending.push(change);
        if last { Err(cut()) } else { Ok(()) }
    }
}

impl SimulatedDisk {
    /// Freezes at the n-th change from now on.
    pub(super) fn freeze_in(&self, count: u64) {
        let mut world = self.0.lock();
        world.freeze_at = Some(world.operations + count);
    }

    /// Changes so far.
    pub(super) fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Syncs of files so far.
    pub(super) fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// Lets every sync of a file fail from now on, or not.
    pub(super) fn fail_syncs(&self, fail: bool) {
        self.0.lock().fail_sync = fail;
    }

    /// Lets `count` opens find no descriptor (EMFILE) after the next `after` ones.
    pub(super) fn refuse_opens(&self, after: u64, count: u64) {
        self.0.lock().no_descriptor = Some((after, count));
    }

    /// Opens so far.
    pub(super) fn opens(&self) -> u64 {
        self.0.lock().opens
    }

    /// Lets every write to the kept state fail from now on, or not.
    pub(super) fn fail_kept(&self, fail: bool) {
        self.0.lock().fail_kept = fail;
    }

    /// How many octets fit on it.
    pub(super) fn set_capacity(&self, capacity: Option<u64>) {
        self.0.lock().capacity = capacity;
    }

    pub(super) fn used(&self) -> u64 {
        self.0.lock().used()
    }

    /// The disk after a power cut: what was not synced is there, torn, or lost, as the dice fall.
    pub(super) fn after_power_cut(&self, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let mut world = self.0.lock().clone();
        let names = dice.roll(world.names_pending.len() as u64 + 1) as usize;
        for name in world.names_pending.drain(..).take(names) {
            rename(&mut world.durable, &name);
        }
        for inode in &mut world.inodes {
            let mut octets = std::mem::take(&mut inode.durable);
            for pending in inode.pending.drain(..) {
                match (dice.roll(3), &pending) {
                    (0, _) => {}
                    (1, Change::Write(offset, written)) => {
                        for (at, sector) in written.chunks(64).enumerate() {
                            if dice.roll(2) == 0 {
                                change(&mut octets, &Change::Write(offset + at as u64 * 64, sector.to_vec()));
                            }
                        }
                    }
                    _ => change(&mut octets, &pending),
                }
            }
            (inode.live, inode.durable) = (octets.clone(), octets);
        }
        for twin in &mut world.kept {
            let batches = dice.roll(twin.pending.len() as u64 + 1) as usize;
            for batch in twin.pending.drain(..).take(batches) {
                apply(&mut twin.durable, batch);
            }
            twin.live = twin.durable.clone();
        }
        world.live = world.durable.clone();
        (world.freeze_at, world.fail_sync, world.no_descriptor) = (None, false, None);
        Self(Arc::new(Mutex::new(world)))
    }

    /// Damages one octet of a file.
    pub(super) fn damage(&self, name: &str, at: usize) {
        let mut world = self.0.lock();
        let inode = *world.live.iter().find(|(path, _)| path.ends_with(name)).expect("no such file").1;
        world.inodes[inode].live[at] ^= 0x10;
    }

    /// Damages a value of the kept state.
    pub(super) fn damage_kept(&self) {
        let mut world = self.0.lock();
        let value = world.kept[0].live.values_mut().next().expect("nothing is kept");
        let last = value.len() - 1;
        value[last] ^= 1;
    }

    /// The names in the folder, and the octets of a file.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.lock().live.keys().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        let world = self.0.lock();
        world.live.iter().find(|(path, _)| path.ends_with(name)).map(|(_, inode)| world.inodes[*inode].live.clone()).unwrap_or_default()
    }

    /// Removes files without any order, as an accident does.
    pub(super) fn lose(&self, begins: &str) {
        let mut world = self.0.lock();
        world.live.retain(|path, _| !path.file_name().unwrap().to_str().unwrap().starts_with(begins));
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut world = self.0.lock();
        world.descriptor()?;
        if let Some(inode) = world.live.get(path) {
            return Ok(Box::new(SimulatedFile(self.clone(), *inode)));
        }
        if !create {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inode = world.inodes.len();
        world.inodes.push(Inode::default());
        world.name(NameChange::Set(path.to_path_buf(), inode))?;
        Ok(Box::new(SimulatedFile(self.clone(), inode)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.0.lock();
        let inode = *world.live.get(from).ok_or(io::ErrorKind::NotFound)?;
        world.name(NameChange::Set(to.to_path_buf(), inode))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.0.lock();
        world.live.get(path).ok_or(io::ErrorKind::NotFound)?;
        world.name(NameChange::Remove(path.to_path_buf()))
    }

    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        self.0.lock().descriptor()?;
        Ok(self.names())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        let mut world = self.0.lock();
        world.descriptor()?;
        let last = world.tick()?;
        let pending = std::mem::take(&mut world.names_pending);
        pending.iter().for_each(|name| rename(&mut world.durable, name));
        if last { Err(cut()) } else { Ok(()) }
    }

    fn create_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_space(&self, _: &Path) -> io::Result<u64> {
        let world = self.0.lock();
        Ok(world.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(world.used())))
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        Ok(Box::new(()))
    }
}

impl SimulatedFile {
    fn change(&self, made: Change) -> io::Result<()> {
        let mut world = self.0.0.lock();
        let last = world.tick()?;
        let mut next = world.inodes[self.1].live.clone();
        change(&mut next, &made);
        let grown = next.len().saturating_sub(world.inodes[self.1].live.len()) as u64;
        if grown > 0 && world.capacity.is_some_and(|capacity| world.used() + grown > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = &mut world.inodes[self.1];
        inode.live = next;
        inode.pending.push(made);
        if last { Err(cut()) } else { Ok(()) }
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let world = self.0.0.lock();
        let rest = world.inodes[self.1].live.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset, octets.to_vec()))
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.0.0.lock();
        let last = world.tick()?;
        if world.fail_sync {
            return Err(io::Error::other("the sync failed"));
        }
        world.syncs += 1;
        let inode = &mut world.inodes[self.1];
        inode.durable = inode.live.clone();
        inode.pending.clear();
        if last { Err(cut()) } else { Ok(()) }
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().inodes[self.1].live.len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(length))
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let held = self.length()?;
        self.change(Change::Length(length.max(held)))
    }
}

/// The twin of sled: what is applied and not flushed is there up to some batch after a power cut.
struct SimulatedKv {
    disk: SimulatedDisk,
    beside: bool,
}

impl KvEngine for SimulatedDisk {
    fn open(&self, _: &Path) -> Result<Box<dyn Kv>, String> {
        self.0.lock().descriptor().map_err(|error| error.to_string())?;
        Ok(Box::new(SimulatedKv { disk: self.clone(), beside: false }))
    }

    fn move_aside(&self, folder: &Path) -> Result<Option<String>, String> {
        let held = !self.0.lock().kept[0].live.is_empty();
        self.discard(folder)?;
        Ok(held.then(|| "sled.damaged-1".to_owned()))
    }

    fn discard(&self, _: &Path) -> Result<(), String> {
        self.0.lock().kept[0] = Twin::default();
        Ok(())
    }

    fn open_beside(&self, _: &Path, new: bool) -> Result<Box<dyn Kv>, String> {
        self.0.lock().descriptor().map_err(|error| error.to_string())?;
        if new {
            self.0.lock().kept[1] = Twin::default();
        }
        Ok(Box::new(SimulatedKv { disk: self.clone(), beside: true }))
    }

    fn exchange(&self, _: &Path) -> Result<(), String> {
        let mut world = self.0.lock();
        world.descriptor().map_err(|error| error.to_string())?;
        let last = world.tick().map_err(|error| error.to_string())?;
        world.kept.swap(0, 1);
        if last { Err(cut().to_string()) } else { Ok(()) }
    }

    fn tidy(&self, _: &Path) -> Result<(), String> {
        self.0.lock().kept[1] = Twin::default();
        Ok(())
    }
}

impl Kv for SimulatedKv {
    fn range(&self, each: Each<'_>) -> Result<(), String> {
        let all = self.disk.0.lock().kept[usize::from(self.beside)].live.clone();
        all.iter().try_for_each(|(key, value)| each(key, value))
    }

    fn apply(&self, batch: Batch) -> Result<(), String> {
        let mut world = self.disk.0.lock();
        let last = world.tick().map_err(|error| error.to_string())?;
        if world.fail_kept {
            return Err("a write to the kept state failed".to_owned());
        }
        let twin = &mut world.kept[usize::from(self.beside)];
        apply(&mut twin.live, batch.clone());
        twin.pending.push(batch);
        if last { Err(cut().to_string()) } else { Ok(()) }
    }

    fn flush(&self) -> Result<(), String> {
        let mut world = self.disk.0.lock();
        let last = world.tick().map_err(|error| error.to_string())?;
        let twin = &mut world.kept[usize::from(self.beside)];
        twin.durable = twin.live.clone();
        twin.pending.clear();
        if last { Err(cut().to_string()) } else { Ok(()) }
    }

    fn size(&self) -> Result<u64, String> {
        Ok(self.disk.0.lock().kept[usize::from(self.beside)].live.values().map(|value| value.len() as u64).sum())
    }
}
