//! The file of notes, `security.jsonl`, a chain like that of the changes. It is laid aside each day and when it is large, and
//! what is laid aside goes when it is old or takes too much room; the checkpoint says, signed, with which record the chain
//! begins since then, so that nobody else takes the beginning away unseen.

use super::AuditRecord;
use super::audit::{AuditFile, Away, Known, Position};
use super::disk::{self, Disk};
use crate::base::{Clock, Secret, SystemClock, Timestamp};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that is written now.
pub(super) const FILE: &str = "security.jsonl";
/// What the names of those laid aside begin and end with; between them stand the first record and when they were laid aside.
const PREFIX: &str = "security-";
const SUFFIX: &str = ".jsonl";
/// Octets after which a file is laid aside.
const LARGE: u64 = 16 << 20;

/// How the log of logins and refusals is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityLog {
    /// Lines a minute before the rest is only counted.
    pub lines: usize,
    /// How long records are kept.
    pub keep: Duration,
    /// Octets that are kept at most, about.
    pub size: u64,
}

impl Default for SecurityLog {
    fn default() -> Self {
        Self { lines: 1_000, keep: Duration::from_secs(365 * 86_400), size: 1 << 30 }
    }
}

/// A file that was laid aside.
struct Aside {
    name: String,
    first: u64,
    at: Timestamp,
}

impl Aside {
    fn of(name: &str) -> Option<Self> {
        let (first, at) = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.split_once('-')?;
        Some(Self { name: name.to_owned(), first: first.parse().ok()?, at: Timestamp::parse_generalized(at)? })
    }
}

/// Those laid aside in the folder, the oldest first.
fn aside(names: &[String]) -> Vec<Aside> {
    let mut found: Vec<Aside> = names.iter().filter_map(|name| Aside::of(name)).collect();
    found.sort_by_key(|aside| aside.first);
    found
}

/// All files of the log in a folder, the oldest first.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let names = match disk::MachineDisk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names?,
    };
    let files = aside(&names).into_iter().map(|aside| folder.join(aside.name));
    Ok(files.chain([folder.join(FILE)]).collect())
}

/// Begins the log of a folder, behind a record of an earlier one, with what was done.
pub(super) fn begin(folder: &Path, key: Option<&Secret>, after: Position, operation: &str, detail: String) -> Result<(), String> {
    let now = SystemClock::default().now();
    let record = AuditRecord {
        time: now.millis(),
        actor: "command line".to_owned(),
        method: "local".to_owned(),
        operation: operation.to_owned(),
        detail,
        result: "success".to_owned(),
        ..AuditRecord::default()
    };
    let known = Known { resume: after, first: Some(after.sequence + 1), ..Known::default() };
    AuditFile::begin(&disk::MachineDisk, &folder.join(FILE), &known, key).map_err(|error| format!("{FILE} cannot be begun: {error}"))?;
    let mut file = SecurityFile::open(&disk::MachineDisk, folder, key.cloned(), SecurityLog::default(), (false, after))?;
    file.append(&disk::MachineDisk, &[record], now)
}

/// The log on disk.
pub(super) struct SecurityFile {
    folder: PathBuf,
    options: SecurityLog,
    file: AuditFile,
    /// The day of the last record written by this process.
    day: Option<String>,
}

impl SecurityFile {
    /// Opens the log of a store that is `fresh`, or knows some record to be in it.
    pub(super) fn open(
        disk: &dyn Disk,
        folder: &Path,
        key: Option<Secret>,
        options: SecurityLog,
        (fresh, logged): (bool, Position),
    ) -> Result<Self, String> {
        let names = disk.list(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let away = Away::LaidAside(aside(&names).pop().map(|aside| folder.join(aside.name)));
        let known = Known { fresh, logged, resume: logged, changes: None, away, first: Some(1) };
        let file = AuditFile::open(disk, &folder.join(FILE), &known, key)?;
        Ok(Self { folder: folder.to_owned(), options, file, day: None })
    }

    /// Of the last record.
    pub(super) const fn position(&self) -> Position {
        self.file.position()
    }

    /// What was wrong with it when it was opened.
    pub(super) const fn problem(&self) -> Option<&'static str> {
        self.file.problem
    }

    /// Appends the records and syncs them; then lays the file aside where it is time, and removes what is too old.
    pub(super) fn append(&mut self, disk: &dyn Disk, records: &[AuditRecord], now: Timestamp) -> Result<(), String> {
        if records.is_empty() {
            return Ok(());
        }
        let day = now.generalized().get(..8).map(str::to_owned);
        if self.day.as_ref().is_some_and(|last| Some(last) != day.as_ref()) || self.file.length(disk) >= LARGE {
            self.lay_aside(disk, now).map_err(|error| format!("{FILE} cannot be laid aside: {error}"))?;
        }
        self.day = day;
        let next = self.file.sequence().saturating_add(1);
        self.file.append(disk, &[(next, records)])
    }

    fn lay_aside(&mut self, disk: &dyn Disk, now: Timestamp) -> io::Result<()> {
        let Some(first) = self.file.first_here(disk)? else { return Ok(()) };
        let name = format!("{PREFIX}{first:020}-{}{SUFFIX}", now.generalized());
        disk.rename(&self.folder.join(FILE), &self.folder.join(name))?;
        let mut kept = aside(&disk.list(&self.folder)?);
        let mut sizes: Vec<u64> =
            kept.iter().map(|aside| disk.open(&self.folder.join(&aside.name), false)?.length()).collect::<io::Result<_>>()?;
        let oldest = now.minus(self.options.keep);
        while let Some(aside) = kept.first()
            && (aside.at < oldest || sizes.iter().sum::<u64>() > self.options.size)
        {
            let begins = kept.get(1).map_or_else(|| self.file.sequence() + 1, |next| next.first);
            // Said before it is done: a chain that begins earlier than it has to is a good one.
            self.file.begin_with(Some(begins));
            self.file.write_checkpoint(disk)?;
            disk.remove(&self.folder.join(&aside.name))?;
            kept.remove(0);
            sizes.remove(0);
        }
        disk.sync_folder(&self.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::super::audit_check::{AuditCheck, Expected, check};
    use super::super::disk::MachineDisk;
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn check_of(names: &[PathBuf], key: Option<&Secret>) -> AuditCheck {
        check(names, key, &Expected { is_there: true, logged: Position::default() }).unwrap()
    }

    fn note() -> Vec<AuditRecord> {
        vec![AuditRecord { operation: "login".to_owned(), ..AuditRecord::default() }; 3]
    }

    #[test]
    fn old_files_go_and_the_chain_says_with_what_it_begins() {
        let folder = tempfile::tempdir().unwrap();
        let key = Secret::new("a key of at least thirty-two characters");
        let options = SecurityLog { keep: 3 * DAY, ..SecurityLog::default() };
        let open = || {
            SecurityFile::open(
                &MachineDisk,
                folder.path(),
                Some(key.clone()),
                options.clone(),
                (files(folder.path()).unwrap().len() == 1, Position::default()),
            )
            .unwrap()
        };
        let mut log = open();
        let mut now = Timestamp::from_millis(1_750_000_000_000);
        for day in 0..8 {
            log.append(&MachineDisk, &note(), now).unwrap();
            now = now.plus(DAY);
            if day == 5 {
                log = open();
                log.day = Some("before".to_owned());
            }
        }
        let names = files(folder.path()).unwrap();
        assert_eq!(names.len(), 4 + 1, "{names:?}");
        let found = check_of(&names, Some(&key));
        assert_eq!((found.problem, found.from_the_beginning, found.lines), (None, true, 15));
        let text = std::fs::read_to_string(&names[0]).unwrap();
        std::fs::write(&names[0], text.split_once('\n').unwrap().1).unwrap();
        assert!(check_of(&names, Some(&key)).problem.unwrap().contains("the records before it are missing"), "a part of the first");
        let without_first = check_of(&names[1..], Some(&key));
        assert!(without_first.problem.unwrap().contains("the records before it are missing"));
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = SecurityFile::open(
            &MachineDisk,
            folder.path(),
            None,
            SecurityLog { size: 1, ..SecurityLog::default() },
            (true, Position::default()),
        )
        .unwrap();
        let mut now = Timestamp::from_millis(1_750_000_000_000);
        for _ in 0..4 {
            log.append(&MachineDisk, &note(), now).unwrap();
            now = now.plus(DAY);
        }
        assert_eq!(files(folder.path()).unwrap().len(), 1, "only the one in use");
        assert_eq!(check_of(&files(folder.path()).unwrap(), None).problem, None);
    }
}
