//! The audit log, read where it lies: the daemon need not run, and may.

use super::arguments::AuditAction;
use super::output::{Output, answer, tell};
use super::{Outcome, load};
use crate::daemon::control::Reply;
use crate::directory::Directory;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A record.
type Record = Map<String, Value>;

/// Does it, and says how it went.
pub(super) fn run(config: &Path, action: AuditAction, json: bool) -> Outcome {
    let config = match load(config) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    let folder = &config.settings.folder;
    let done = match action {
        AuditAction::Show { entry, actor, last } => show(folder, entry.as_deref(), actor.as_deref(), last, json),
        AuditAction::Verify { older, from_the_middle } => {
            return verify(folder, &older, from_the_middle, config.settings.audit_key.as_ref());
        }
    };
    done.unwrap_or_else(|error| {
        tell(format_args!("headcount: {}: {error}", folder.display()));
        Outcome::Failed
    })
}

fn verify(folder: &Path, older: &[PathBuf], from_the_middle: bool, key: Option<&crate::base::Secret>) -> Outcome {
    let found = match Directory::check_audit(folder, older, key) {
        Ok(found) => found,
        Err(error) => {
            tell(format_args!("headcount: {error}"));
            return Outcome::Failed;
        }
    };
    if let Some(problem) = found.problem {
        tell(format_args!("headcount: {problem}"));
        return Outcome::Failed;
    }
    let begins = found.from_the_beginning || found.lines == 0;
    if !begins && !from_the_middle {
        tell(format_args!(
            "headcount: the first record is missing: name the files that older records were moved to, or say --from-the-middle"
        ));
        return Outcome::Failed;
    }
    let beginning = if begins { "" } else { "; the records before them were not looked at" };
    let end = if found.signed { "signed" } else { "not signed: [audit] names no key" };
    answer(format_args!("{} records follow each other{beginning}; their end is {end}", found.lines))
}

fn show(folder: &Path, entry: Option<&str>, actor: Option<&str>, last: Option<usize>, json: bool) -> io::Result<Outcome> {
    let file = match File::open(folder.join("audit.jsonl")) {
        Ok(file) => file,
        // Nothing was ever changed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Outcome::Done),
        Err(error) => return Err(error),
    };
    let records = BufReader::new(file).lines();
    let records: Vec<Record> = records.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<io::Result<_>>()?;
    let is = |record: &Record, key: &str, wanted: &str| text(record, key).eq_ignore_ascii_case(wanted);
    // An entry that was renamed is the same one.
    let ids: Option<BTreeSet<&str>> =
        entry.map(|dn| records.iter().filter(|record| is(record, "target", dn)).map(|record| text(record, "target_id")).collect());
    let wanted = |record: &&Record| {
        actor.is_none_or(|actor| is(record, "actor", actor)) && ids.as_ref().is_none_or(|ids| ids.contains(text(record, "target_id")))
    };
    let found: Vec<&Record> = records.iter().filter(wanted).collect();
    let from = last.map_or(0, |last| found.len().saturating_sub(last));
    let mut output = Output::new(json, None, false)?;
    for record in found.into_iter().skip(from) {
        let columns = ["at", "actor", "operation", "target", "attributes", "detail", "origin"];
        let short = columns.into_iter().filter_map(|name| Some((name.to_owned(), record.get(name)?.clone())));
        output.take(Reply::Row(if json { record.clone() } else { short.collect() }))?;
    }
    output.take(Reply::Done(String::new()))?;
    Ok(output.outcome())
}

fn text<'r>(record: &'r Record, key: &str) -> &'r str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}
