//! Notices when a file of the config changes. The folders are watched, because editors and certificate tools put a new
//! file in the place of the old one; what happens in them is taken together for a moment, and counts only where the
//! contents of a file differ.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long it must be quiet after a change.
const QUIET: Duration = Duration::from_millis(250);

/// How long to wait before a file that could not be read is tried again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The digest of a file that cannot be read.
const UNREADABLE: [u8; 32] = [0; 32];

/// Watches the files of the config.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    events: mpsc::UnboundedReceiver<()>,
    folders: BTreeSet<PathBuf>,
    files: Vec<PathBuf>,
    seen: Vec<[u8; 32]>,
}

impl Watch {
    /// Watches these files. Where the machine cannot, only SIGHUP reloads, and the log says so.
    pub fn new(files: Vec<PathBuf>) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
                // The receiver lives as long as the watcher.
                let _ = sender.send(());
            }
        });
        let watcher = watcher.inspect_err(|error| tracing::warn!(%error, "config files cannot be watched; SIGHUP reloads")).ok();
        let mut watch = Self { watcher, events, folders: BTreeSet::new(), files: Vec::new(), seen: Vec::new() };
        watch.follow(files);
        watch
    }

    /// Watches these files from now on: new ones as they are now, others as they were at the last answer, so that a change
    /// during a reload is not lost.
    pub fn follow(&mut self, files: Vec<PathBuf>) {
        let folders: BTreeSet<PathBuf> = files.iter().filter_map(|file| file.parent()).map(Path::to_path_buf).collect();
        if let Some(watcher) = &mut self.watcher {
            for folder in self.folders.difference(&folders) {
                // A folder that is gone cannot be given up.
                drop(watcher.unwatch(folder));
            }
            for folder in folders.difference(&self.folders) {
                if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                    tracing::warn!(folder = %folder.display(), %error, "the folder cannot be watched; SIGHUP reloads");
                }
            }
        }
        let known = |file: &PathBuf| self.files.iter().position(|known| known == file).and_then(|at| self.seen.get(at)).copied();
        self.seen = files.iter().map(|file| known(file).unwrap_or_else(|| digest(file))).collect();
        (self.folders, self.files) = (folders, files);
    }

    /// Waits until a file differs from what it was at the last answer.
    pub async fn changed(&mut self) {
        loop {
            let event = self.events.recv();
            // What keeps a file from being read (no descriptor) may pass without an event.
            let event = if self.seen.contains(&UNREADABLE) { tokio::time::timeout(LOOK_AGAIN, event).await } else { Ok(event.await) };
            if let Ok(None) = event {
                // No watcher: nothing will ever come.
                return std::future::pending().await;
            }
            while let Ok(Some(())) = tokio::time::timeout(QUIET, self.events.recv()).await {}
            let now: Vec<[u8; 32]> = self.files.iter().map(|file| digest(file)).collect();
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

/// What is in the file, as a digest.
fn digest(file: &Path) -> [u8; 32] {
    std::fs::read(file).map_or(UNREADABLE, |octets| Sha256::digest(octets).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replaced_file_is_noticed_and_a_touched_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headcount.toml");
        std::fs::write(&file, "one").unwrap();
        let mut watch = Watch::new(vec![file.clone()]);
        std::fs::write(&file, "one").unwrap();
        std::fs::write(folder.path().join("other"), "x").unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(700), watch.changed()).await.is_err());
        let new = folder.path().join("new");
        std::fs::write(&new, "two").unwrap();
        std::fs::rename(&new, &file).unwrap();
        tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.unwrap();
    }

    #[tokio::test]
    async fn hd3_a_file_that_could_not_be_read_is_read_when_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let (file, hidden) = (folder.path().join("headcount.toml"), folder.path().join("other"));
        std::fs::write(&file, "one").unwrap();
        let mut watch = Watch::new(vec![file.clone()]);
        std::fs::rename(&file, &hidden).unwrap();
        tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.unwrap();
        watch.follow(vec![file.clone()]);
        // Nothing of what follows is told.
        watch.watcher = None;
        std::fs::rename(&hidden, &file).unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        watch.events = events;
        tokio::time::timeout(Duration::from_secs(15), watch.changed()).await.unwrap();
        drop(sender);
    }

    #[tokio::test]
    async fn a_change_during_a_reload_is_noticed_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headcount.toml");
        std::fs::write(&file, "one").unwrap();
        let mut watch = Watch::new(vec![file.clone()]);
        std::fs::write(&file, "two").unwrap();
        watch.changed().await;
        std::fs::write(&file, "three").unwrap();
        watch.follow(vec![file]);
        tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.unwrap();
    }
}
