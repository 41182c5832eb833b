//! Backups on a schedule: one is due when the newest in the folder is older than the config says, and the oldest beyond
//! those to keep are removed after a new one is whole.

use super::config::Backup;
use crate::base::counts::COUNTS;
use crate::directory::{Caller, Directory, Identity, Origin};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const PREFIX: &str = "headcount-";
const SUFFIX: &str = ".snapshot";
/// How often it is looked whether one is due.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// Makes backups until it is aborted.
pub(super) async fn run(directory: Arc<Directory>, settings: Backup) {
    loop {
        match due(&directory, &settings) {
            Ok(true) => make(&directory, &settings).await,
            Ok(false) => {}
            Err(error) => failed(&settings, &error.to_string()),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The backups in the folder, the oldest first. Names hold their time, so they sort by it.
fn existing(settings: &Backup) -> io::Result<Vec<String>> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&settings.folder)?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&settings.folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn due(directory: &Directory, settings: &Backup) -> io::Result<bool> {
    let latest = directory.clock().now().minus(settings.every);
    let newest = existing(settings)?.pop();
    Ok(newest.is_none_or(|newest| newest <= name_at(&latest.generalized())))
}

fn name_at(time: &str) -> String {
    format!("{PREFIX}{time}{SUFFIX}")
}

async fn make(directory: &Arc<Directory>, settings: &Backup) {
    let path: PathBuf = settings.folder.join(name_at(&directory.clock().now().generalized()));
    let caller = Caller { identity: Identity::server("scheduled backup").into(), origin: Origin::system().into() };
    if let Err(error) = directory.backup(&caller, &path).await {
        return failed(settings, &error.to_string());
    }
    COUNTS.backup_at.set(directory.clock().now().millis());
    tracing::info!(file = %path.display(), "backed up");
    let removed = existing(settings).and_then(|names| {
        let surplus = names.len().saturating_sub(settings.keep);
        names.iter().take(surplus).try_for_each(|name| std::fs::remove_file(settings.folder.join(name)))
    });
    if let Err(error) = removed {
        tracing::warn!(folder = %settings.folder.display(), %error, "old backups could not be removed");
    }
}

fn failed(settings: &Backup, error: &str) {
    COUNTS.backup_failed.one();
    tracing::error!(folder = %settings.folder.display(), error, "the scheduled backup failed; it is tried again");
}
