//! The file layer under the journal, the checkpoint, the snapshots and the audit file. It is a trait so that a test
//! can cut the power at any write or sync; [`MachineDisk`] is the real one.

use rustix::io::Errno;
use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An open file. Writes are only sure to last after [`DiskFile::sync`].
pub(super) trait DiskFile: Send + Sync {
    /// Reads up to `buffer.len()` octets at `offset`; answers how many there were.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `octets` at `offset`.
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()>;
    /// Makes everything written so far last (`fdatasync`). After an error nothing may be taken as kept.
    fn sync(&self) -> io::Result<()>;
    /// The length in octets.
    fn length(&self) -> io::Result<u64>;
    /// Cuts or extends the file; what is new reads as zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Makes the file `length` octets long and takes the space for it now; what is new reads as zeros.
    fn allocate(&self, length: u64) -> io::Result<()>;
}

/// A place for files.
pub(super) trait Disk: Send + Sync {
    /// Opens a file for reading and writing, and makes it (mode 0600) where it is absent and `create` says so.
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>>;
    /// Puts the file `from` in the place of `to` in one step; lasting after [`Disk::sync_folder`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; lasting after [`Disk::sync_folder`].
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder, in no order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Makes names given and taken in the folder last.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes a folder with mode 0700 where it is absent.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// The octets that may still be written where `folder` is.
    fn free_space(&self, folder: &Path) -> io::Result<u64>;
    /// Takes the lock file for this process alone, as long as what is answered lives. `WouldBlock`: another has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>>;
}

/// The disk of the machine.
pub(super) struct MachineDisk;

impl Disk for MachineDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(create).truncate(false).mode(0o600).open(path)?;
        Ok(Box::new(MachineFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
    }

    fn free_space(&self, folder: &Path) -> io::Result<u64> {
        let space = rustix::fs::statvfs(folder)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.try_lock()?;
        Ok(Box::new(file))
    }
}

struct MachineFile(File);

impl DiskFile for MachineFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.0.write_all_at(octets, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, length) {
            // Where the file system cannot, the zeros that the caller writes take the space.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.0.set_len(length),
            done => Ok(done?),
        }
    }
}

/// Whether an error says that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether an error says that no descriptor is left (EMFILE, ENFILE). Only opening answers so, and then nothing was begun.
pub(super) fn is_without_descriptor(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// The folder a path is in.
pub(super) fn folder_of(path: &Path) -> PathBuf {
    path.parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Puts `octets` as the whole of a file: written beside it, synced, renamed over it, and the folder synced, so that
/// after a power cut there is the old or the new, and never a part.
pub(super) fn replace(disk: &dyn Disk, path: &Path, octets: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let file = disk.open(&beside, true)?;
    file.set_length(0)?;
    file.write_at(0, octets)?;
    file.sync()?;
    disk.rename(&beside, path)?;
    disk.sync_folder(&folder_of(path))
}

/// The whole of a file; `None` where it is absent.
pub(super) fn read_whole(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut octets = vec![0; usize::try_from(file.length()?).unwrap_or(usize::MAX)];
    let count = file.read_at(0, &mut octets)?;
    octets.truncate(count);
    Ok(Some(octets))
}
