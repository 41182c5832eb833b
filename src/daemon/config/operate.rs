//! What the operator watches and keeps: `[metrics]`, `[audit]` and `[backup]`.

use super::check::Checker;
use super::file::ServerFile;
use super::units::{Octets, Period};
use crate::base::{Network, Secret};
use crate::directory::settings::{AuditValues, LARGE_READ, SecurityLog};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// The shortest key of the audit log's checkpoints, in octets.
const SHORTEST_KEY: usize = 32;

/// `[metrics]`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsTable {
    /// A file with the bearer token that `/metrics` asks for.
    pub token_file: Option<Spanned<PathBuf>>,
    /// Networks that need no token.
    pub networks: Vec<Spanned<String>>,
    /// Licences that are shown with their seats, those in most use first.
    pub licences: usize,
}

impl Default for MetricsTable {
    fn default() -> Self {
        Self { token_file: None, networks: Vec::new(), licences: 100 }
    }
}

/// `[audit]`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditTable {
    /// A file outside the data folder with the key of the checkpoints.
    pub key_file: Option<Spanned<PathBuf>>,
    /// Whether old and new values are kept.
    pub values: bool,
    /// Characters of a value.
    pub value_length: usize,
    /// Values of one attribute.
    pub values_per_attribute: usize,
    /// How often the log is looked through.
    pub verify_every: Spanned<Period>,
    /// How long logins and refusals are kept.
    pub keep: Spanned<Period>,
    /// Octets of them that are kept.
    pub keep_size: Octets,
    /// Lines of them a minute.
    pub lines_per_minute: Spanned<usize>,
    /// Entries of a search from which on it is noted; 0 for none.
    pub large_read: usize,
    /// Attributes whose values are never kept.
    pub hidden_attributes: Vec<Spanned<String>>,
}

impl Default for AuditTable {
    fn default() -> Self {
        let AuditValues { kept, length, most, .. } = AuditValues::default();
        let SecurityLog { lines, keep, size } = SecurityLog::default();
        Self {
            key_file: None,
            values: kept,
            value_length: length,
            values_per_attribute: most,
            verify_every: every_day(),
            keep: Spanned::new(0..0, Period(keep)),
            keep_size: Octets(size),
            lines_per_minute: Spanned::new(0..0, lines),
            large_read: LARGE_READ,
            hidden_attributes: Vec::new(),
        }
    }
}

impl AuditTable {
    /// How logins and refusals are kept.
    pub fn security(&self) -> SecurityLog {
        SecurityLog { lines: *self.lines_per_minute.get_ref(), keep: self.keep.get_ref().0, size: self.keep_size.0 }
    }

    /// What the directory needs to know of it.
    pub fn settings(&self) -> AuditValues {
        AuditValues {
            kept: self.values,
            length: self.value_length,
            most: self.values_per_attribute,
            hidden: self.hidden_attributes.iter().map(|name| name.get_ref().clone()).collect(),
        }
    }
}

/// `[backup]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupTable {
    /// Where backups go.
    pub folder: Spanned<PathBuf>,
    /// How often.
    #[serde(default = "every_day")]
    pub every: Spanned<Period>,
    /// How many are kept.
    #[serde(default = "seven")]
    pub keep: Spanned<usize>,
}

fn every_day() -> Spanned<Period> {
    Spanned::new(0..0, Period(Duration::from_secs(24 * 3_600)))
}

fn seven() -> Spanned<usize> {
    Spanned::new(0..0, 7)
}

/// Who may read `/metrics`.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// The bearer token, where there is one.
    pub token: Option<Secret>,
    /// Networks that need none.
    pub networks: Vec<Network>,
    /// Licences that are shown.
    pub licences: usize,
}

/// Backups on a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Where they go.
    pub folder: PathBuf,
    /// How often.
    pub every: Duration,
    /// How many are kept.
    pub keep: usize,
}

/// What the operator watches and keeps.
#[derive(Clone, Debug, Default)]
pub struct Operate {
    /// `None`: there is no `/metrics`.
    pub metrics: Option<Metrics>,
    /// The key of the audit log's checkpoints.
    pub audit_key: Option<Secret>,
    /// How often the audit log is looked through.
    pub verify_every: Duration,
    /// `None`: no backups by itself.
    pub backup: Option<Backup>,
}

/// Checks the three tables.
pub(super) fn check(checker: &mut Checker, file: &ServerFile) -> Operate {
    let metrics = file.metrics.as_ref().map(|table| Metrics {
        token: table.token_file.as_ref().and_then(|named| secret(checker, named, 16)),
        networks: checker.networks(&table.networks),
        licences: table.licences,
    });
    let audit_key = file.audit.key_file.as_ref().and_then(|named| {
        let folder = file.folder.as_deref().map(|folder| checker.path(folder));
        if folder.is_some_and(|folder| checker.path(named.get_ref()).starts_with(folder)) {
            checker.at(named, "the key must not lie in the data folder: whoever can change the log could change its proof too");
        }
        secret(checker, named, SHORTEST_KEY)
    });
    if *file.audit.lines_per_minute.get_ref() == 0 {
        checker.at(&file.audit.lines_per_minute, "at least one line");
    }
    if file.audit.verify_every.get_ref().0 < Duration::from_secs(1) {
        checker.at(&file.audit.verify_every, "the audit log is looked through at most every second");
    }
    if file.audit.keep.get_ref().0 < Duration::from_secs(86_400) {
        checker.at(&file.audit.keep, "logins and refusals are kept for a day at least");
    }
    let backup = file.backup.as_ref().map(|table| {
        if table.every.get_ref().0 < Duration::from_secs(60) {
            checker.at(&table.every, "a backup at most every minute");
        }
        if *table.keep.get_ref() == 0 {
            checker.at(&table.keep, "at least one backup is kept");
        }
        Backup { folder: checker.path(table.folder.get_ref()), every: table.every.get_ref().0, keep: *table.keep.get_ref() }
    });
    Operate { metrics, audit_key, verify_every: file.audit.verify_every.get_ref().0, backup }
}

/// The first line of a file that only its owner may read.
pub(super) fn secret(checker: &mut Checker, named: &Spanned<PathBuf>, shortest: usize) -> Option<Secret> {
    let source = checker.read(named)?;
    let path = checker.path(named.get_ref());
    checker.secret_file(&path, Some(named));
    let line = source.text.lines().next().unwrap_or_default().trim();
    if line.len() < shortest {
        checker.at(named, format!("its first line has {} characters; at least {shortest} are needed", line.len()));
    }
    Some(Secret::new(line))
}
