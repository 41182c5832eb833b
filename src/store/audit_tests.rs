//! What others can do to a log without the key, what a power cut can, and that the two are told apart.

use super::*;
use crate::store::AuditRecord;
use crate::store::audit::{AuditFile, FILE, Known};
use crate::store::audit_chain::Writing;
use std::fs;
use tempfile::TempDir;

fn key() -> Secret {
    Secret::new("a key of at least thirty-two characters")
}

fn open(folder: &Path, known: &Known) -> AuditFile {
    AuditFile::open(&MachineDisk, &folder.join(FILE), known, Some(key())).unwrap()
}

fn write(file: &mut AuditFile, numbers: std::ops::Range<u64>) {
    let record = |number: u64| AuditRecord {
        time: number,
        actor: "cn=admin".to_owned(),
        origin: "test".to_owned(),
        operation: "modify".to_owned(),
        target: format!("cn={number}"),
        ..AuditRecord::default()
    };
    let changes: Vec<(u64, Vec<AuditRecord>)> = numbers.map(|number| (number, vec![record(number)])).collect();
    file.append(&MachineDisk, &changes).unwrap();
}

fn fresh() -> Known {
    Known { fresh: true, ..Known::default() }
}

/// A store that knows of records up to this one, and has changes up to it.
fn knowing(sequence: u64) -> Known {
    Known { logged: Position { sequence, part: 0 }, resume: Position::after(sequence), changes: Some(sequence), ..Known::default() }
}

/// A log of five records.
fn five() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&mut open(folder.path(), &fresh()), 1..6);
    folder
}

fn look(files: &[PathBuf], sequence: u64) -> AuditCheck {
    check(files, Some(&key()), &Expected { is_there: true, logged: Position { sequence, part: 0 } }).unwrap()
}

fn problem(folder: &Path) -> Option<String> {
    look(&[folder.join(FILE)], 5).problem
}

fn lines(folder: &Path) -> Vec<String> {
    fs::read_to_string(folder.join(FILE)).unwrap().lines().map(str::to_owned).collect()
}

fn put(folder: &Path, lines: &[String]) {
    fs::write(folder.join(FILE), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

/// A line of somebody else behind the last one.
fn forged(lines: &[String]) -> String {
    let last = lines.last().unwrap();
    last.replace("\"sequence\":5", "\"sequence\":6")
        .replace(&last.split("\"previous\":\"").nth(1).unwrap()[..64], &hexadecimal(&digest(last.as_bytes())))
}

/// A chain of its own, in which one value is another.
fn rewritten(lines: &[String]) -> Vec<String> {
    let mut before = ORIGIN;
    let mut new = |line: &String| {
        let former = &line.split("\"previous\":\"").nth(1).unwrap()[..64];
        let line = line.replace(former, &hexadecimal(&before)).replace("cn=2", "cn=9");
        before = digest(line.as_bytes());
        line
    };
    lines.iter().map(&mut new).collect()
}

#[test]
fn a_whole_chain_is_good_over_restarts_and_when_the_file_was_moved_away() {
    let folder = tempfile::tempdir().unwrap();
    let (current, old) = (folder.path().join(FILE), folder.path().join("audit.jsonl.1"));
    write(&mut open(folder.path(), &fresh()), 1..4);
    write(&mut open(folder.path(), &knowing(3)), 1..6);
    let good = AuditCheck { lines: 5, problem: None, signed: true, from_the_beginning: true, interrupted: false };
    assert_eq!(look(std::slice::from_ref(&current), 5), good, "what is there already is not written twice");
    fs::rename(&current, &old).unwrap();
    let mut file = open(folder.path(), &knowing(5));
    assert_eq!(file.problem, None, "logrotate does so");
    write(&mut file, 6..8);
    assert_eq!(file.moved_after, Some(5), "but is told, for so does who deletes it");
    assert_eq!(look(&[old, current.clone()], 7), AuditCheck { lines: 7, ..good.clone() });
    assert_eq!(look(&[current], 7), AuditCheck { lines: 2, from_the_beginning: false, ..good });
    assert_eq!(open(folder.path(), &knowing(7)).problem, None);
}

#[test]
fn whatever_is_changed_taken_out_or_cut_off_is_named() {
    let tampered = |change: &dyn Fn(&mut Vec<String>)| {
        let folder = five();
        let mut lines = lines(folder.path());
        change(&mut lines);
        put(folder.path(), &lines);
        problem(folder.path()).expect("it shows")
    };
    let other = |line: &mut String| *line = line.replace("cn=admin", "cn=other");
    assert!(tampered(&|lines| other(&mut lines[1])).contains("line 3: it does not follow"));
    assert!(tampered(&|lines| other(&mut lines[4])).contains("after line 5: the record of the checkpoint"));
    assert!(tampered(&|lines| drop(lines.remove(2))).contains("line 3: it does not follow"));
    assert!(tampered(&|lines| drop(lines.remove(4))).contains("after line 4: the record of the checkpoint"));
    assert!(tampered(&|lines| lines.swap(1, 2)).contains("line 2: it does not follow"));
    assert!(tampered(&Vec::clear).contains("after line 0: the record of the checkpoint"));
    assert!(tampered(&|lines| *lines = rewritten(lines)).contains("after line 5: the record of the checkpoint"));
    assert!(tampered(&|lines| lines.push(forged(lines))).contains("after line 6: what stands behind the record of the checkpoint"));
}

/// What somebody does to a folder, and whether the server can tell when it starts next.
#[test]
fn what_was_done_while_the_server_was_down_is_told_when_it_starts_and_never_vouched_for() {
    type Deed<'a> = (&'a str, Box<dyn Fn(&Path)>, Option<&'a str>);
    let remove = |name: &'static str| move |folder: &Path| fs::remove_file(folder.join(name)).unwrap();
    let on_lines = |change: fn(&mut Vec<String>)| {
        move |folder: &Path| {
            let mut lines = lines(folder);
            change(&mut lines);
            put(folder, &lines);
        }
    };
    let junk = |folder: &Path| fs::write(folder.join(FILE), fs::read_to_string(folder.join(FILE)).unwrap() + "{\"sequence\":9").unwrap();
    let both = |folder: &Path| {
        fs::remove_file(folder.join(FILE)).unwrap();
        fs::remove_file(folder.join("audit.checkpoint")).unwrap();
    };
    let emptied = |folder: &Path| {
        fs::write(folder.join(FILE), "").unwrap();
        fs::remove_file(folder.join("audit.checkpoint")).unwrap();
    };
    let made = |folder: &Path| {
        // With a key of somebody else.
        let lines = rewritten(&lines(folder));
        put(folder, &lines);
        let position = Position { sequence: 5, part: 0 };
        let end = End { position, digest: digest(lines[4].as_bytes()), offset: fs::metadata(folder.join(FILE)).unwrap().len() };
        Checkpoint::new(&folder.join(FILE), end, None, None, Some(&Secret::new("another key, of somebody who came in")))
            .write(&MachineDisk, &folder.join(FILE))
            .unwrap();
    };
    let deeds: Vec<Deed<'_>> = vec![
        ("nothing", Box::new(|_| ()), None),
        ("cut off", Box::new(on_lines(|lines| drop(lines.pop()))), Some("cut off")),
        ("last changed", Box::new(on_lines(|lines| lines[4] = lines[4].replace("cn=admin", "cn=other"))), Some("cut off or written anew")),
        ("all written anew", Box::new(on_lines(|lines| *lines = rewritten(lines))), Some("written anew")),
        ("a line behind", Box::new(on_lines(|lines| lines.push(forged(lines)))), Some("the server did not write")),
        ("half a line behind", Box::new(junk), Some("the server did not write")),
        ("no checkpoint", Box::new(remove("audit.checkpoint")), Some("no checkpoint")),
        ("neither", Box::new(both), Some("no checkpoint")),
        ("emptied, no checkpoint", Box::new(emptied), Some("no checkpoint")),
        ("another's checkpoint", Box::new(made), Some("not signed by the key")),
        ("a damaged checkpoint", Box::new(|folder| fs::write(folder.join("audit.checkpoint"), "{}").unwrap()), Some("damaged")),
    ];
    for (name, deed, wanted) in deeds {
        let folder = five();
        deed(folder.path());
        assert_eq!(problem(folder.path()).is_some(), wanted.is_some(), "{name}: {:?}", problem(folder.path()));
        let mut file = open(folder.path(), &knowing(5));
        let told = file.problem;
        assert!(told.is_some() == wanted.is_some() && wanted.is_none_or(|wanted| told.unwrap().contains(wanted)), "{name}: {told:?}");
        write(&mut file, 6..8);
        assert_eq!(problem(folder.path()).is_some(), wanted.is_some(), "{name}, when it went on: {:?}", problem(folder.path()));
    }
}

#[test]
fn an_earlier_state_put_back_is_told_by_what_the_store_knows() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = open(folder.path(), &fresh());
    write(&mut file, 1..4);
    let saved = ["audit.jsonl", "audit.checkpoint"].map(|name| fs::read(folder.path().join(name)).unwrap());
    write(&mut file, 4..6);
    let all = ["audit.jsonl", "audit.checkpoint"].map(|name| fs::read(folder.path().join(name)).unwrap());
    let put_back = |state: &[Vec<u8>; 2]| {
        fs::write(folder.path().join(FILE), &state[0]).unwrap();
        fs::write(folder.path().join("audit.checkpoint"), &state[1]).unwrap();
    };
    put_back(&saved);
    assert!(problem(folder.path()).unwrap().contains("an earlier state of the log was put back"));
    let mut file = open(folder.path(), &knowing(5));
    assert!(file.problem.unwrap().contains("an earlier state of it was put back"));
    write(&mut file, 6..7);
    assert!(problem(folder.path()).unwrap().contains("line 4: here the server could not tell what was before"));
    // The store itself.
    put_back(&all);
    let mut file = open(folder.path(), &knowing(3));
    assert!(file.problem.unwrap().contains("an earlier state of the store was put back"));
    write(&mut file, 4..5);
    assert!(lines(folder.path())[5].contains("\"sequence\":4"), "what changes now is written, whatever the number");
}

#[test]
fn a_power_cut_at_any_octet_of_a_writing_is_no_finding_and_what_it_left_is_settled() {
    let folder = five();
    let before = fs::read(folder.path().join(FILE)).unwrap();
    let end = Checkpoint::read(&MachineDisk, &folder.path().join(FILE), Some(&key())).unwrap().unwrap().unwrap().end;
    write(&mut open(folder.path(), &knowing(5)), 6..8);
    let after = fs::read(folder.path().join(FILE)).unwrap();
    let next = Checkpoint::read(&MachineDisk, &folder.path().join(FILE), Some(&key())).unwrap().unwrap().unwrap().end;
    let writing = Checkpoint::new(&folder.path().join(FILE), end, Some(Writing { start: end.offset, end: next }), None, Some(&key()));
    for length in before.len()..=after.len() {
        for torn in [false, true] {
            let mut left = after[..length].to_vec();
            if torn {
                // The size was kept, and not all of what was written.
                let keep = before.len() + (length - before.len()) / 2;
                left[keep..].fill(0);
            }
            fs::write(folder.path().join(FILE), &left).unwrap();
            writing.write(&MachineDisk, &folder.path().join(FILE)).unwrap();
            if length == before.len() + 100 && !torn {
                let found = look(&[folder.path().join(FILE)], 5);
                assert_eq!((found.problem, found.interrupted), (None, true), "{length}");
            }
            // The changes are in the journal, and the store knows of no records that were not settled.
            let mut file = open(folder.path(), &Known { changes: Some(7), ..knowing(5) });
            assert_eq!(file.problem, None, "{length}, torn: {torn}");
            write(&mut file, 6..8);
            assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), after, "{length}, torn: {torn}");
            assert_eq!(open(folder.path(), &knowing(7)).problem, None);
        }
    }
    assert_eq!(look(&[folder.path().join(FILE)], 7).problem, None);
}

#[test]
fn the_checkpoint_of_one_log_is_none_for_the_other() {
    let folder = five();
    fs::rename(folder.path().join("audit.checkpoint"), folder.path().join("security.checkpoint")).unwrap();
    fs::rename(folder.path().join(FILE), folder.path().join("security.jsonl")).unwrap();
    let found = look(&[folder.path().join("security.jsonl")], 0);
    assert!(found.problem.unwrap().contains("not signed by the key"));
}

#[test]
fn a_log_without_a_key_is_held_against_its_checkpoint_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    write(&mut AuditFile::open(&MachineDisk, &path, &fresh(), None).unwrap(), 1..6);
    put(folder.path(), &lines(folder.path())[..4]);
    assert!(AuditFile::open(&MachineDisk, &path, &knowing(5), None).unwrap().problem.unwrap().contains("cut off"));
    fs::remove_file(folder.path().join("audit.checkpoint")).unwrap();
    let found = check(&[path], None, &Expected { is_there: false, logged: Position::default() }).unwrap();
    assert!(found.problem.unwrap().contains("there is no checkpoint"));
}
