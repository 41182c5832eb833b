//! The kept state in sled 0.34.7. What is known of it and why it is used so: only `iter`, `apply_batch` and
//! `flush` on one tree, small values, nothing that acknowledges a write. `flush` does not sync its file on Linux, so
//! we do. It panics on some errors, so each call is guarded; after a failure it is not asked again.

use super::kv::{Batch, Each, Kv, KvEngine};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FOLDER: &str = "sled";
/// One that is being made, and one whose place it has taken. Where there is a former one and no other, the exchange was cut
/// short, and the former one is as good as ever.
const BESIDE: &str = "sled.new";
const FORMER: &str = "sled.former";
/// Entries are served from our own memory, so its cache only has to hold what a step touches.
const CACHE: u64 = 32 << 20;

/// How often a lock is looked at that is about to be let go of, and the pause between.
const LOCKED_MOST: usize = 200;
const LOCKED_PAUSE: Duration = Duration::from_millis(50);

/// Opens sled in a folder of the store.
pub(super) struct SledEngine;

struct SledKv {
    tree: sled::Db,
    folder: PathBuf,
}

/// Runs a call of sled; a panic in it is an error like any other.
fn guarded<T>(call: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| format!("sled: {error}")),
        Err(_) => Err("sled panicked".to_owned()),
    }
}

fn open(folder: PathBuf) -> Result<Box<dyn Kv>, String> {
    let tree = guarded(|| sled::Config::new().path(&folder).cache_capacity(CACHE).flush_every_ms(None).open())?;
    for (name, mode) in [("", 0o700), ("db", 0o600), ("conf", 0o600)] {
        // Where one of them has another name there is nothing to protect.
        drop(fs::set_permissions(folder.join(name), Permissions::from_mode(mode)));
    }
    Ok(Box::new(SledKv { tree, folder }))
}

/// The same for one that this process has just closed: threads of sled let go of its lock a while after that.
fn open_again(folder: &Path) -> Result<Box<dyn Kv>, String> {
    for _ in 0..LOCKED_MOST {
        match open(folder.to_owned()) {
            Err(error) if error.contains("could not acquire lock") => std::thread::sleep(LOCKED_PAUSE),
            opened => return opened,
        }
    }
    open(folder.to_owned())
}

fn remove(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(format!("{} cannot be removed: {error}", folder.display())),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Gives a folder in `folder` another name, lastingly.
fn rename(folder: &Path, from: &str, to: &str) -> Result<(), String> {
    let renamed = fs::rename(folder.join(from), folder.join(to)).and_then(|()| File::open(folder)?.sync_all());
    renamed.map_err(|error| format!("{from} cannot become {to}: {error}"))
}

impl KvEngine for SledEngine {
    fn open(&self, folder: &Path) -> Result<Box<dyn Kv>, String> {
        if !folder.join(FOLDER).exists() && folder.join(FORMER).exists() {
            rename(folder, FORMER, FOLDER)?;
        }
        open(folder.join(FOLDER))
    }

    fn move_aside(&self, folder: &Path) -> Result<Option<String>, String> {
        if !folder.join(FOLDER).exists() {
            return Ok(None);
        }
        let name = (1..).map(|number: u32| format!("{FOLDER}.damaged-{number}")).find(|name| !folder.join(name).exists());
        let name = name.ok_or("no name is left for a damaged sled")?;
        fs::rename(folder.join(FOLDER), folder.join(&name)).map_err(|error| format!("sled cannot be moved aside: {error}"))?;
        Ok(Some(name))
    }

    fn discard(&self, folder: &Path) -> Result<(), String> {
        remove(&folder.join(FOLDER))
    }

    fn open_beside(&self, folder: &Path, new: bool) -> Result<Box<dyn Kv>, String> {
        if !new {
            return open_again(&folder.join(BESIDE));
        }
        self.tidy(folder)?;
        open(folder.join(BESIDE))
    }

    fn exchange(&self, folder: &Path) -> Result<(), String> {
        // What is in the new folder lasts before the folder has its name.
        let synced = File::open(folder.join(BESIDE)).and_then(|beside| beside.sync_all());
        synced.map_err(|error| format!("{BESIDE} cannot be synced: {error}"))?;
        if folder.join(FOLDER).exists() {
            rename(folder, FOLDER, FORMER)?;
        }
        rename(folder, BESIDE, FOLDER)
    }

    fn tidy(&self, folder: &Path) -> Result<(), String> {
        remove(&folder.join(BESIDE))?;
        // Not where it has to be put back.
        if folder.join(FOLDER).exists() { remove(&folder.join(FORMER)) } else { Ok(()) }
    }
}

impl Kv for SledKv {
    fn range(&self, each: Each<'_>) -> Result<(), String> {
        let mut all = self.tree.iter();
        while let Some((key, value)) = guarded(|| all.next().transpose())? {
            each(&key, &value)?;
        }
        Ok(())
    }

    fn apply(&self, batch: Batch) -> Result<(), String> {
        let mut all = sled::Batch::default();
        for (key, value) in batch {
            match value {
                Some(value) => all.insert(key, value),
                None => all.remove(key),
            }
        }
        guarded(|| self.tree.apply_batch(all))
    }

    fn flush(&self) -> Result<(), String> {
        guarded(|| self.tree.flush())?;
        let synced = File::open(self.folder.join("db")).and_then(|file| file.sync_data());
        synced.map_err(|error| format!("the file of sled cannot be synced: {error}"))
    }

    fn size(&self) -> Result<u64, String> {
        guarded(|| self.tree.size_on_disk())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hg6_what_was_just_closed_is_opened_again_when_its_lock_is_let_go_of() {
        let folder = tempfile::tempdir().unwrap();
        drop(SledEngine.open_beside(folder.path(), true).unwrap());
        let held = File::open(folder.path().join(BESIDE).join("db")).unwrap();
        // sled lets go of it first.
        held.lock().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                held.unlock().unwrap();
            });
            SledEngine.open_beside(folder.path(), false).unwrap();
        });
    }

    #[test]
    fn what_was_applied_and_flushed_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let put = |key: &str, value: &str| (key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
        {
            let kv = SledEngine.open(folder.path()).unwrap();
            kv.apply(vec![put("b", "2"), put("a", "1"), put("c", "3")]).unwrap();
            kv.apply(vec![(b"c".to_vec(), None)]).unwrap();
            kv.flush().unwrap();
        }
        let kv = SledEngine.open(folder.path()).unwrap();
        let mut seen = Vec::new();
        kv.range(&mut |key, value| {
            seen.push((key.to_vec(), value.to_vec()));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), b"2".to_vec())]);
        drop(kv);
        assert_eq!(SledEngine.move_aside(folder.path()).unwrap().as_deref(), Some("sled.damaged-1"));
        assert_eq!(SledEngine.move_aside(folder.path()).unwrap(), None);
    }

    #[test]
    fn hg6_wherever_an_exchange_is_cut_short_the_one_or_the_other_is_there_whole() {
        let put = |key: &str| vec![(key.as_bytes().to_vec(), Some(vec![1]))];
        let written = |kv: Box<dyn Kv>, key: &str| kv.apply(put(key)).and_then(|()| kv.flush()).unwrap();
        let held = |folder: &Path| {
            let kv = SledEngine.open(folder).unwrap();
            let mut seen = String::new();
            kv.range(&mut |key, _| {
                seen.push_str(std::str::from_utf8(key).unwrap());
                Ok(())
            })
            .unwrap();
            drop(kv);
            SledEngine.tidy(folder).unwrap();
            assert!(!folder.join(BESIDE).exists() && !folder.join(FORMER).exists(), "nothing is left of it");
            seen
        };
        type Cut = fn(&Path);
        let cuts: [(Cut, &str); 4] = [
            (|_| {}, "old"),
            // The new one was not written to its end.
            (|folder| fs::write(folder.join(BESIDE).join("db"), b"torn").unwrap(), "old"),
            (|folder| fs::rename(folder.join(FOLDER), folder.join(FORMER)).unwrap(), "old"),
            (|folder| SledEngine.exchange(folder).unwrap(), "new"),
        ];
        for (cut, expected) in cuts {
            let folder = tempfile::tempdir().unwrap();
            written(SledEngine.open(folder.path()).unwrap(), "old");
            written(SledEngine.open_beside(folder.path(), true).unwrap(), "new");
            cut(folder.path());
            assert_eq!(held(folder.path()), expected);
            // And the next one works.
            written(SledEngine.open_beside(folder.path(), true).unwrap(), "next");
            SledEngine.exchange(folder.path()).unwrap();
            assert_eq!(held(folder.path()), "next");
        }
    }
}
