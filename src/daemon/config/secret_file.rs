//! Files that hold secrets may be read by their owner only, and the owner is the daemon or root (HG3).

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why a file with a secret is refused, in words with the remedy; `Ok` where it is as it should be.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("holds a secret and its mode is {mode:04o}: others can read it; `chmod 600 {}`", path.display()));
    }
    let owner = metadata.uid();
    let us = rustix::process::geteuid().as_raw();
    if owner != us && owner != 0 {
        return Err(format!("holds a secret and belongs to user {owner}, who is neither root nor us (user {us})"));
    }
    Ok(())
}
