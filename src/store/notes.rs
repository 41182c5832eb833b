//! What happened and changed nothing: logins, refusals, exports. It is noted in memory at the price of a look-up, and written
//! by the background step within a second, so that nobody waits for it. What repeats is written once and then counted: a line
//! a minute says how often. So is everything once a minute has had its lines: a flood fills neither memory nor disk.

use super::AuditRecord;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Milliseconds for which repeats are only counted.
const WINDOW: u64 = 60_000;
/// Lines that wait to be written, in minutes of what one may have; what is beyond is only counted.
const BACKLOG: usize = 10;

/// What makes one note the same as another.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Kind {
    operation: String,
    result: String,
    actor: String,
    method: String,
    address: String,
    target: String,
}

impl Kind {
    fn of(record: &AuditRecord) -> Self {
        Self {
            operation: record.operation.clone(),
            result: record.result.clone(),
            actor: record.actor.clone(),
            method: record.method.clone(),
            address: record.address.clone(),
            target: record.target.clone(),
        }
    }
}

#[derive(Default)]
struct State {
    /// When the window began, milliseconds since the epoch.
    begun: u64,
    /// The last of each kind in this window that was not written for itself, with how many there were.
    repeated: HashMap<Kind, Option<AuditRecord>>,
    /// The same by operation and result, for those that found no place of their own.
    crowd: HashMap<(String, String), AuditRecord>,
    ready: Vec<AuditRecord>,
}

/// Notes on their way to the file.
pub(super) struct Notes {
    /// Lines that a window may have before the rest is only counted.
    most: usize,
    state: Mutex<State>,
}

impl Notes {
    pub(super) fn new(most: usize) -> Self {
        Self { most, state: Mutex::default() }
    }

    /// Takes a note.
    pub(super) fn note(&self, record: AuditRecord) {
        let state = &mut *self.state.lock();
        let kind = Kind::of(&record);
        if let Some(last) = state.repeated.get_mut(&kind) {
            let count = last.as_ref().map_or(0, |last| last.count);
            *last = Some(AuditRecord { count: count + 1, ..record });
        } else if state.repeated.len() < self.most && state.ready.len() < self.most.saturating_mul(BACKLOG) {
            state.repeated.insert(kind, None);
            state.ready.push(record);
        } else {
            let key = (kind.operation, kind.result);
            let nobody =
                || AuditRecord { actor: "various".to_owned(), operation: key.0.clone(), result: key.1.clone(), ..AuditRecord::default() };
            let counted = state.crowd.entry(key.clone()).or_insert_with(nobody);
            (counted.time, counted.count) = (record.time, counted.count + 1);
        }
    }

    /// Takes out what is to be written by now, `now` in milliseconds since the epoch. At the `end` the counts come too, though
    /// their minute is not over.
    pub(super) fn take(&self, now: u64, end: bool) -> Vec<AuditRecord> {
        let state = &mut *self.state.lock();
        // A clock that was set back ends the window too.
        if end || now.abs_diff(state.begun) >= WINDOW {
            state.begun = now;
            let repeated = state.repeated.drain().filter_map(|(_, last)| last);
            let mut counted: Vec<AuditRecord> = repeated.chain(state.crowd.drain().map(|(_, record)| record)).collect();
            counted.sort_by_key(|record| record.time);
            state.ready.extend(counted);
        }
        std::mem::take(&mut state.ready)
    }

    /// Takes back what could not be written.
    pub(super) fn put_back(&self, records: Vec<AuditRecord>) {
        let state = &mut *self.state.lock();
        let later = std::mem::replace(&mut state.ready, records);
        state.ready.extend(later);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(actor: &str, time: u64) -> AuditRecord {
        AuditRecord { operation: "login".to_owned(), actor: actor.to_owned(), time, ..AuditRecord::default() }
    }

    fn told(records: &[AuditRecord]) -> Vec<(&str, u64, u64)> {
        records.iter().map(|record| (record.actor.as_str(), record.time, record.count)).collect()
    }

    #[test]
    fn repeats_are_written_once_and_then_counted() {
        let notes = Notes::new(10);
        drop(notes.take(1_000_000, false));
        (1..=5).for_each(|time| notes.note(login("ada", 1_000_000 + time)));
        notes.note(login("bob", 1_000_006));
        assert_eq!(told(&notes.take(1_001_000, false)), [("ada", 1_000_001, 0), ("bob", 1_000_006, 0)]);
        notes.note(login("ada", 1_002_000));
        assert_eq!(told(&notes.take(1_059_999, false)), []);
        assert_eq!(told(&notes.take(1_060_000, false)), [("ada", 1_002_000, 5)]);
        notes.note(login("ada", 1_060_001));
        assert_eq!(told(&notes.take(1_060_002, false)), [("ada", 1_060_001, 0)], "a new minute");
        notes.note(login("ada", 1_060_003));
        assert_eq!(told(&notes.take(1_060_004, true)), [("ada", 1_060_003, 1)], "nothing is lost at the end");
    }

    #[test]
    fn a_flood_of_names_has_so_many_lines_and_the_rest_is_counted() {
        let notes = Notes::new(3);
        drop(notes.take(1_000_000, false));
        (0..100_000).for_each(|number| notes.note(login(&number.to_string(), 1_000_000 + number)));
        let lines = notes.take(1_060_000, false);
        assert_eq!(told(&lines), [("0", 1_000_000, 0), ("1", 1_000_001, 0), ("2", 1_000_002, 0), ("various", 1_099_999, 99_997)]);
        let whole: u64 = lines.iter().map(|record| record.count.max(1)).sum();
        assert_eq!(whole, 100_000, "each is counted");
    }
}
