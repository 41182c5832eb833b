//! What lets readers see a change set whole or not at all (RFC 5805 §1).
//!
//! A reader that looks at more than one thing stands in a lane while it looks, and the writer closes all lanes while it
//! publishes what is more than one entry put in its place. There are many lanes, one for each thread as far as they go
//! round, so that readers share nothing that is written to. An entry put alone closes none: it is one swap, and what is
//! not one with it, its keys in the indexes, is told to those who asked the indexes meanwhile.

use crate::base::EntryId;
use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// More than a machine of usual size has threads that read; with more of them some share a lane.
const LANES: usize = 16;
/// Entries put of late that are remembered; who asks the indexes for longer than that asks again.
const REMEMBERED: usize = if cfg!(test) { 8 } else { 4_096 };

/// A lane has a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Lane(RwLock<()>);

/// As long as it is held no change set of more than one step begins to be seen. It must be held for short, nobody may
/// take a second one, nor wait for the writer: the writer waits for it.
pub struct Isolation<'a> {
    lane: RwLockReadGuard<'a, ()>,
}

impl Isolation<'_> {
    /// Does what takes long outside of the lane, where it does: what was read before is of another state then.
    pub fn outside_if<T>(&mut self, long: bool, act: impl FnOnce() -> T) -> T {
        if long { RwLockReadGuard::unlocked(&mut self.lane, act) } else { act() }
    }
}

/// As long as it is held nobody is in a lane.
pub(super) struct Closed<'a> {
    _lanes: [RwLockWriteGuard<'a, ()>; LANES],
}

/// As long as it is held nothing is published at all.
pub struct Still<'a> {
    _publishing: MutexGuard<'a, ()>,
}

/// A moment between two steps of publication, or within one: how many entries were done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch(u64);

/// Keeps readers and the publication of changes apart.
pub(super) struct Gate {
    lanes: [Lane; LANES],
    publishing: Mutex<()>,
    /// How many entries began to be changed, and with how many of them that is done.
    begun: AtomicU64,
    done: AtomicU64,
    /// The number of the n-th of them, at n modulo the length.
    late: Box<[AtomicU32]>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            lanes: Default::default(),
            publishing: Mutex::default(),
            begun: AtomicU64::new(0),
            done: AtomicU64::new(0),
            late: std::iter::repeat_with(AtomicU32::default).take(REMEMBERED).collect(),
        }
    }
}

impl Gate {
    /// Keeps change sets of more than one step out.
    pub(super) fn enter(&self) -> Isolation<'_> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static LANE: usize = NEXT.fetch_add(1, Ordering::Relaxed) % LANES;
        }
        let [first, ..] = &self.lanes;
        let lane = LANE.with(|lane| self.lanes.get(*lane)).unwrap_or(first);
        Isolation { lane: lane.0.read() }
    }

    /// Waits until nobody is in a lane, and keeps it so.
    pub(super) fn close(&self) -> Closed<'_> {
        Closed { _lanes: self.lanes.each_ref().map(|lane| lane.0.write()) }
    }

    /// Waits for what is being published, and keeps more from it. The writer holds it while it publishes.
    pub(super) fn still(&self) -> Still<'_> {
        Still { _publishing: self.publishing.lock() }
    }

    /// Takes note that an entry is about to change; that is done with at the next call of [`Gate::done`]. For the writer.
    pub(super) fn begin(&self, id: EntryId) {
        let begun = self.begun.load(Ordering::Relaxed);
        if let Some(late) = self.late.get(begun as usize % REMEMBERED) {
            late.store(id.0, Ordering::Release);
        }
        // The locks that entries and indexes are changed under carry this to whoever sees something of the change.
        self.begun.store(begun + 1, Ordering::Release);
    }

    /// Takes note that all entries that began to change have changed.
    pub(super) fn done(&self) {
        self.done.store(self.begun.load(Ordering::Relaxed), Ordering::Release);
    }

    /// The moment from which on [`Gate::changed_since`] tells.
    pub(super) fn watch(&self) -> Watch {
        Watch(self.done.load(Ordering::Acquire))
    }

    /// Whether no entry was about to change, at `watch` or from then on: what was read meanwhile is of one state.
    pub(super) fn is_as_at(&self, watch: Watch) -> bool {
        self.begun.load(Ordering::Acquire) == watch.0
    }

    /// The entries that were about to change, at `watch` or from then on; `None` where they are too many to be
    /// remembered.
    pub(super) fn changed_since(&self, watch: Watch) -> Option<Vec<u32>> {
        let begun = self.begun.load(Ordering::Acquire);
        let changed = (watch.0..begun).take(REMEMBERED).filter_map(|at| self.late.get(at as usize % REMEMBERED));
        let changed = changed.map(|late| late.load(Ordering::Acquire)).collect();
        // Where a place was written to again meanwhile, this count says so.
        (self.begun.load(Ordering::Acquire) - watch.0 < REMEMBERED as u64).then_some(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulated::SimulatedDisk;
    use super::super::tests::{Model, Step, entry, open, schema, step};
    use super::super::{Memory, Store, StoreError};
    use super::*;
    use crate::model::{Facts, Level};
    use proptest::prelude::*;
    use std::sync::atomic::AtomicBool;

    /// Runs `change` beside two threads that go on to `look`.
    fn beside(change: impl FnOnce(), look: impl Fn() + Sync) {
        let done = AtomicBool::new(false);
        let reader = || {
            while !done.load(Ordering::Relaxed) {
                look();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(reader);
            scope.spawn(reader);
            change();
            done.store(true, Ordering::Relaxed);
        });
    }

    /// The entries that the index has under a value of `mail`.
    fn found(memory: &Memory, value: &str) -> Vec<EntryId> {
        let mut key = Vec::new();
        schema().normalize(schema().known().mail, value.as_bytes(), &mut key).unwrap();
        memory.equal(schema().known().mail, &key)
    }

    fn put(store: &Store, name: &'static str, id: Option<EntryId>, mail: &'static str) -> EntryId {
        let work = move |transaction: &mut super::super::Transaction<'_>| {
            let id = id.unwrap_or_else(|| transaction.new_id());
            let made = entry(transaction, id, None, name, mail);
            transaction.put(made);
            Ok::<_, StoreError>(id)
        };
        store.write_blocking(work).unwrap()
    }

    #[test]
    fn what_a_change_set_moves_between_two_entries_is_always_with_one_of_them() {
        let store = open(&SimulatedDisk::default()).unwrap();
        let (one, other) = (put(&store, "one", None, "token"), put(&store, "other", None, "nothing"));
        let mail = schema().known().mail;
        let change = || {
            for round in 0..400 {
                let values = if round % 2 == 0 { ["nothing", "token"] } else { ["token", "nothing"] };
                let work = move |transaction: &mut super::super::Transaction<'_>| {
                    for (id, name, value) in [(one, "one", values[0]), (other, "other", values[1])] {
                        let made = entry(transaction, id, None, name, value);
                        transaction.put(made);
                    }
                    Ok::<_, StoreError>(())
                };
                store.write_blocking(work).unwrap();
            }
        };
        beside(change, || {
            let memory = store.memory();
            let _isolation = memory.isolated();
            let holds = |id: &EntryId| memory.entry(*id).unwrap().text(mail) == Some("token");
            let holders: Vec<EntryId> = [one, other].into_iter().filter(holds).collect();
            assert_eq!(holders.len(), 1, "by the entries");
            assert_eq!(found(memory, "token"), holders, "by the index");
        });
    }

    #[test]
    fn an_entry_changed_alone_is_in_the_indexes_or_told() {
        let store = open(&SimulatedDisk::default()).unwrap();
        let id = put(&store, "one", None, "a");
        let (quiet, told, overtaken) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        // Until both have happened, which on a busy machine takes longer.
        let happened = |count: &AtomicU64| count.load(Ordering::Relaxed) > 0;
        let seen = || happened(&quiet) && (happened(&told) || happened(&overtaken));
        let change = || {
            for round in (0..200_000).take_while(|round| *round < 1_500 || !seen()) {
                put(&store, "one", Some(id), if round % 2 == 0 { "b" } else { "a" });
            }
        };
        beside(change, || {
            let memory = store.memory();
            let watch = memory.watch();
            let held = [found(memory, "a"), found(memory, "b")].concat();
            // Others go on for longer than is remembered.
            if quiet.load(Ordering::Relaxed) % 3 == 0 {
                std::thread::yield_now();
            }
            match memory.changed_since(watch) {
                Some(changed) if changed.is_empty() => {
                    assert_eq!(held, [id], "nothing changed");
                    quiet.fetch_add(1, Ordering::Relaxed);
                }
                Some(changed) => {
                    assert!(changed.iter().all(|changed| *changed == id.0));
                    told.fetch_add(1, Ordering::Relaxed);
                }
                None => {
                    let _still = memory.still();
                    assert_eq!([found(memory, "a"), found(memory, "b")].concat(), [id]);
                    overtaken.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        assert!(seen(), "the readers were not beside the writer");
    }

    #[test]
    fn who_was_overtaken_by_too_many_is_told_so() {
        let gate = Gate::default();
        let watch = gate.watch();
        assert!(gate.is_as_at(watch));
        for number in 0..REMEMBERED as u32 - 1 {
            gate.begin(EntryId(number));
        }
        assert_eq!(gate.changed_since(watch), Some((0..REMEMBERED as u32 - 1).collect()));
        gate.begin(EntryId(99));
        assert_eq!(gate.changed_since(watch), None);
        assert_eq!(gate.watch(), watch, "none of them is done with");
        gate.done();
        assert!(!gate.is_as_at(watch) && gate.is_as_at(gate.watch()));
    }

    /// What is seen of entries, links and names, if it is of one state.
    fn seen(memory: &Memory) -> Option<Model> {
        let _isolation = memory.isolated();
        let watch = memory.watch();
        let model = Model::of_memory(memory);
        for (id, held) in &model.entries {
            if memory.child(held.0.map(EntryId), held.1.as_bytes()) != Some(EntryId(*id)) && memory.is_as_at(watch) {
                panic!("{} is not under its name", held.1);
            }
        }
        memory.is_as_at(watch).then_some(model)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
        #[test]
        fn readers_see_a_state_that_was_committed_whole(transactions in prop::collection::vec(prop::collection::vec(step(), 1..12), 20..60)) {
            let store = open(&SimulatedDisk::default()).unwrap();
            let (mut model, _) = Model::default().run_noting(&store, &[Step::Add(0, 0, 1), Step::Add(0, 1, 1), Step::Link(0, 1, Level::Full)], |_| {});
            let committed = std::sync::Arc::new(Mutex::new(vec![model.clone()]));
            let change = || {
                for steps in &transactions {
                    // What may be seen from now on; that it fails is seen by nobody.
                    let noted = std::sync::Arc::clone(&committed);
                    let (after, result) = model.run_noting(&store, steps, move |after| noted.lock().push(after.clone()));
                    if result.is_ok() {
                        model = after;
                    }
                }
            };
            beside(change, || {
                let Some(seen) = seen(store.memory()) else { return };
                let of_one = |state: &Model| (&state.entries, &state.links) == (&seen.entries, &seen.links);
                assert!(committed.lock().iter().any(of_one), "a state that nobody made: {seen:?}");
            });
            prop_assert_eq!(Model::of_memory(store.memory()), model);
        }
    }
}
