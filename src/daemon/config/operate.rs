//! What the operator watches and keeps: `[metrics]` and `[backup]`.

use super::check::Checker;
use super::file::ServerFile;
use super::units::Period;
use crate::base::{Network, Secret};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

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
    /// `None`: no backups by itself.
    pub backup: Option<Backup>,
}

/// Checks the tables.
pub(super) fn check(checker: &mut Checker, file: &ServerFile) -> Operate {
    let metrics = file.metrics.as_ref().map(|table| Metrics {
        token: table.token_file.as_ref().and_then(|named| secret(checker, named, 16)),
        networks: checker.networks(&table.networks),
        licences: table.licences,
    });
    let backup = file.backup.as_ref().map(|table| {
        if table.every.get_ref().0 < Duration::from_secs(60) {
            checker.at(&table.every, "a backup at most every minute");
        }
        if *table.keep.get_ref() == 0 {
            checker.at(&table.keep, "at least one backup is kept");
        }
        Backup { folder: checker.path(table.folder.get_ref()), every: table.every.get_ref().0, keep: *table.keep.get_ref() }
    });
    Operate { metrics, backup }
}

/// The first line of a file that only its owner may read.
fn secret(checker: &mut Checker, named: &Spanned<PathBuf>, shortest: usize) -> Option<Secret> {
    let source = checker.read(named)?;
    let path = checker.path(named.get_ref());
    checker.secret_file(&path, Some(named));
    let line = source.text.lines().next().unwrap_or_default().trim();
    if line.len() < shortest {
        checker.at(named, format!("its first line has {} characters; at least {shortest} are needed", line.len()));
    }
    Some(Secret::new(line))
}
