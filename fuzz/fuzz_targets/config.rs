//! Any text as a server file: refused with lines and carets, or taken.

#![no_main]

use headcount::daemon::config::Config;
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

fuzz_target!(|text: &str| {
    let path = FOLDER.path().join("headcount.toml");
    fs::write(&path, text).expect("writing");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
    if let Err(problems) = Config::load(&path) {
        assert!(!problems.to_string().is_empty());
    }
});
