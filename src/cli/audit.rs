//! The audit log, read where it lies: the daemon need not run, and may.

use super::arguments::{AuditAction, AuditQuery};
use super::output::{Output, answer, complain};
use super::{Outcome, data_folder, load};
use crate::base::{Secret, Timestamp};
use crate::daemon::control::Reply;
use crate::directory::{AuditCheck, Directory, Error};
use crate::model::Dn;
use serde_json::{Map, Value};
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A record.
type Record = Map<String, Value>;

/// Does it, and says how it went.
pub(super) fn run(config: &Path, action: AuditAction, json: bool) -> Outcome {
    let config = match load(config, json) {
        Ok(config) => config,
        Err(outcome) => return outcome,
    };
    let folder = &config.settings.folder;
    if let Err(reason) = data_folder(folder) {
        complain(json, reason);
        return Outcome::Unreachable;
    }
    let done = match action {
        AuditAction::Show(query) => show(folder, &query, json),
        AuditAction::Renew => return renew(folder, json, config.settings.audit_key.as_ref()),
        AuditAction::Verify { older, from_the_middle } => {
            return verify(folder, json, (&older, from_the_middle), config.settings.audit_key.as_ref());
        }
    };
    done.unwrap_or_else(|error| {
        complain(json, format_args!("{}: {error}", folder.display()));
        Outcome::Failed
    })
}

fn renew(folder: &Path, json: bool, key: Option<&Secret>) -> Outcome {
    match Directory::renew_audit(folder, key) {
        Ok(former) => {
            let line = format!("both logs begin anew; the former files are {}", folder.join(former + "*").display());
            answer(json, "message", line)
        }
        Err(error) => {
            complain(json, error);
            Outcome::Failed
        }
    }
}

fn verify(folder: &Path, json: bool, (older, from_the_middle): (&[PathBuf], bool), key: Option<&Secret>) -> Outcome {
    let changes = good_chain(Directory::check_audit(folder, older, key), from_the_middle);
    // Its older files go by themselves when their time is over, and the chain says with what it begins since.
    let security = good_chain(Directory::check_security(folder, key), false);
    match (changes, security) {
        (Ok(changes), Ok(security)) => answer(json, "message", format_args!("{changes}\nlogins and refusals: {security}")),
        (changes, security) => {
            for problem in [changes, security].into_iter().filter_map(Result::err) {
                complain(json, problem);
            }
            Outcome::Failed
        }
    }
}

/// What there is to say of a chain that is good, or what is wrong with one that is not.
fn good_chain(found: Result<AuditCheck, Error>, from_the_middle: bool) -> Result<String, String> {
    let found = found.map_err(|error| error.to_string())?;
    if let Some(problem) = found.problem {
        return Err(problem);
    }
    let begins = found.from_the_beginning || found.lines == 0;
    if !begins && !from_the_middle {
        return Err("the first record is missing: name the files that older records were moved to, or say --from-the-middle".to_owned());
    }
    let beginning = if begins { "" } else { "; the records before them were not looked at" };
    let end = if found.signed { "signed" } else { "not signed: [audit] names no key" };
    let interrupted =
        if found.interrupted { "; the last writing was interrupted, and the next start of the server settles it" } else { "" };
    Ok(format!("{} records follow each other{beginning}; their end is {end}{interrupted}", found.lines))
}

fn show(folder: &Path, query: &AuditQuery, json: bool) -> io::Result<Outcome> {
    let mut files = query.older.clone();
    match query.security {
        true => files.extend(Directory::security_files(folder)?),
        false => files.push(folder.join("audit.jsonl")),
    }
    let wanted = Wanted::of(query, &files)?;
    let mut output = Output::new(json, None, false)?.of_list();
    let mut latest = VecDeque::new();
    each(&files, |record| {
        if !wanted.has(&record) {
            return Ok(());
        }
        let row = if json { record } else { short(&record) };
        // Only those asked for are held at one time, and none where all are.
        match query.last {
            None => output.take(Reply::Row(row)).map(drop),
            Some(last) => {
                latest.push_back(row);
                if latest.len() > last {
                    latest.pop_front();
                }
                Ok(())
            }
        }
    })?;
    for row in latest {
        output.take(Reply::Row(row))?;
    }
    output.take(Reply::Done(String::new()))?;
    Ok(output.outcome())
}

/// Reads the records of the files one after another. A file that is not there has none.
fn each(files: &[PathBuf], mut take: impl FnMut(Record) -> io::Result<()>) -> io::Result<()> {
    for path in files {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        // A line without its end is being written.
        while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            take(serde_json::from_slice(&line)?)?;
            line.clear();
        }
    }
    Ok(())
}

/// What is asked for.
struct Wanted<'a> {
    query: &'a AuditQuery,
    /// The entry, which is the same one after it was renamed.
    ids: Option<BTreeSet<String>>,
    since: u64,
    until: u64,
}

impl<'a> Wanted<'a> {
    fn of(query: &'a AuditQuery, files: &[PathBuf]) -> io::Result<Self> {
        let ids = match &query.entry {
            None => None,
            Some(dn) => {
                let mut ids = BTreeSet::new();
                each(files, |record| {
                    if same_name(text(&record, "target"), dn) {
                        ids.insert(text(&record, "target_id").to_owned());
                    }
                    Ok(())
                })?;
                Some(ids)
            }
        };
        let millis = |time: Option<Timestamp>, absent| time.map_or(absent, Timestamp::millis);
        Ok(Self { query, ids, since: millis(query.since, 0), until: millis(query.until, u64::MAX) })
    }

    fn has(&self, record: &Record) -> bool {
        let is = |key: &str, wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| same_name(text(record, key), wanted));
        let time = record.get("time").and_then(Value::as_u64).unwrap_or_default();
        (is("actor", &self.query.actor) || (self.query.actor.is_some() && is("through", &self.query.actor)))
            && is("operation", &self.query.operation)
            && self.ids.as_ref().is_none_or(|ids| ids.contains(text(record, "target_id")))
            && self.query.below.as_ref().is_none_or(|above| is_within(text(record, "target"), above))
            && (self.since..=self.until).contains(&time)
    }
}

/// Whether two names are the same but for case and the space between their parts.
fn same_name(one: &str, other: &str) -> bool {
    let plain = |text: &str| Dn::parse(text).map_or_else(|_| text.to_lowercase(), |dn| dn.to_string().to_lowercase());
    one.eq_ignore_ascii_case(other) || plain(one) == plain(other)
}

fn is_within(name: &str, above: &str) -> bool {
    let (Ok(name), Ok(above)) = (Dn::parse(name), Dn::parse(above)) else { return false };
    let depth = name.0.len().checked_sub(above.0.len());
    depth.is_some_and(|depth| Dn(name.0.into_iter().skip(depth).collect()).to_string().to_lowercase() == above.to_string().to_lowercase())
}

/// What fits on a line.
fn short(record: &Record) -> Record {
    let mut row = Record::new();
    for name in ["at", "actor", "operation", "target"] {
        row.extend(record.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    row.insert("changes".to_owned(), Value::Array(changes(record)));
    for name in ["result", "count", "detail", "method", "origin", "request"] {
        row.insert(name.to_owned(), record.get(name).cloned().unwrap_or_default());
    }
    row
}

/// Each change in words: `mail: a -> b`; names alone where there are no values.
fn changes(record: &Record) -> Vec<Value> {
    let list = |key: &str| record.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let with_values: Vec<Value> = list("changes").iter().filter_map(Value::as_object).map(|change| in_words(change).into()).collect();
    if with_values.is_empty() { list("attributes").to_vec() } else { with_values }
}

fn in_words(change: &Record) -> String {
    let name = text(change, "attribute");
    if change.get("secret").is_some() {
        return format!("{name}: changed");
    }
    let side = |values: &str, left_out: &str| {
        let values = change.get(values).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut words: Vec<String> = values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        words.extend(change.get(left_out).map(|count| format!("{count} more")));
        words.join(" | ")
    };
    match (side("old", "old_left_out"), side("new", "new_left_out")) {
        (old, new) if old.is_empty() => format!("{name}: +{new}"),
        (old, new) if new.is_empty() => format!("{name}: -{old}"),
        (old, new) => format!("{name}: {old} -> {new}"),
    }
}

fn text<'r>(record: &'r Record, key: &str) -> &'r str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_their_parts() {
        assert!(same_name("UID=Ada, o=Acme", "uid=ada,o=acme"));
        assert!(is_within("uid=ada,ou=users,o=Acme", "OU=users, o=acme"));
        assert!(is_within("o=Acme", "o=Acme"));
        assert!(!is_within("o=xAcme", "o=Acme"), "a part of a name is no name");
        assert!(!is_within("o=Acme", "ou=users,o=Acme"));
        assert!(same_name("Command Line", "command line"));
    }

    #[test]
    fn changes_are_told_in_words() {
        let record = serde_json::json!({"changes": [
            {"attribute": "mail", "old": ["a"], "new": ["b", "c"], "new_left_out": 3},
            {"attribute": "userPassword", "secret": true},
            {"attribute": "sn", "old": ["x"]},
        ]});
        let words = changes(record.as_object().unwrap());
        assert_eq!(words, ["mail: a -> b | c | 3 more", "userPassword: changed", "sn: -x"]);
    }
}
