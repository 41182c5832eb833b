//! The two logs of a data folder, for the command line: checked, and begun.

use super::audit::{self, AuditFile, Known, Position};
use super::audit_check::{self, AuditCheck, Expected};
use super::checkpoint::Checkpoint;
use super::disk::{Disk, MachineDisk};
use super::{StoreError, journal, recovery, security, snapshot};
use crate::base::{Clock, Secret, SystemClock};
use std::io;
use std::path::{Path, PathBuf};

/// What there must be in the log of changes, and in that of logins and refusals. Where the checkpoint of the store is damaged
/// the next start tells.
fn expected(folder: &Path) -> [Expected; 2] {
    let is_there = holds_changes(folder).unwrap_or_default();
    let checkpoint = Checkpoint::read(&MachineDisk, folder).ok().flatten();
    checkpoint.map_or_else(Default::default, |found| found.logged).map(|logged| Expected { is_there, logged })
}

/// Whether there is a journal or a snapshot.
pub(super) fn holds_changes(folder: &Path) -> io::Result<bool> {
    Ok(!journal::segments(&MachineDisk, folder)?.is_empty() || !snapshot::list(&MachineDisk, folder)?.is_empty())
}

/// Checks the log of changes, with the older files given, the oldest first.
pub(super) fn check_changes(folder: &Path, older: &[PathBuf], key: Option<&Secret>) -> Result<AuditCheck, StoreError> {
    let files: Vec<PathBuf> = older.iter().cloned().chain([folder.join(audit::FILE)]).collect();
    // Asked before the log is read: it only grows.
    let [expected, _] = expected(folder);
    audit_check::check(&files, key, &expected).map_err(|error| StoreError::Unusable(format!("the audit file: {error}")))
}

/// Checks the log of logins and refusals, with all that was laid aside of it.
pub(super) fn check_security(folder: &Path, key: Option<&Secret>) -> Result<AuditCheck, StoreError> {
    let [_, expected] = expected(folder);
    let check = || security::files(folder).and_then(|files| audit_check::check(&files, key, &expected));
    let checked = match check() {
        // A file may have been laid aside while it was read.
        Ok(found) if found.problem.is_some() => check(),
        checked => checked,
    };
    checked.map_err(|error| StoreError::Unusable(format!("the log of logins: {error}")))
}

/// Begins both behind these records, the second with a record of what was done.
pub(super) fn begin(
    folder: &Path,
    key: Option<&Secret>,
    [changes, notes]: [Position; 2],
    operation: &str,
    detail: String,
) -> Result<(), StoreError> {
    let known = Known { resume: changes, ..Known::default() };
    AuditFile::begin(&MachineDisk, &folder.join(audit::FILE), &known, key)
        .map_err(|error| StoreError::Unusable(format!("{} cannot be begun: {error}", audit::FILE)))?;
    security::begin(folder, key, notes, operation, detail).map_err(StoreError::Unusable)
}

/// Puts what there is of both under other names, and begins them anew. Answers what the names begin with.
pub(super) fn renew(folder: &Path, key: Option<&Secret>) -> Result<String, StoreError> {
    let _lock = recovery::lock(&MachineDisk, folder).map_err(StoreError::Unusable)?;
    let known = Checkpoint::read(&MachineDisk, folder).map_err(StoreError::Unusable)?;
    let (upto, logged) = known.map_or_else(Default::default, |found| (found.upto, found.logged));
    let prefix = format!("former-{}-", SystemClock::default().now().generalized());
    move_away(folder, &prefix).map_err(|error| StoreError::Unusable(format!("{}: {error}", folder.display())))?;
    // What the journal has behind its checkpoint is written again.
    begin(folder, key, [Position::after(upto), logged[1]], "audit-renew", format!("{prefix}*"))?;
    Ok(prefix)
}

fn move_away(folder: &Path, prefix: &str) -> io::Result<()> {
    let current = [audit::FILE, security::FILE].map(|name| folder.join(name));
    let checkpoints = current.each_ref().map(|path| path.with_extension("checkpoint"));
    for path in security::files(folder)?.into_iter().chain(current).chain(checkpoints) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.exists()) else { continue };
        MachineDisk.rename(&path, &folder.join(format!("{prefix}{name}")))?;
    }
    MachineDisk.sync_folder(folder)
}
