//! The store as a whole: against a model, and against the accidents of disks.

use super::recovery::{Ground, open_on};
use super::shared::Tuning;
use super::simulated::SimulatedDisk;
use super::*;
use crate::base::{EntryId, ManualClock, Timestamp};
use crate::model::entry::Place;
use crate::model::{Entry, EntryBuilder, Facts, Kind, Level, Link};
use crate::schema::Schema;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(super) fn schema() -> Arc<LiveSchema> {
    static SCHEMA: OnceLock<Arc<LiveSchema>> = OnceLock::new();
    SCHEMA.get_or_init(|| Arc::new(LiveSchema::from(Schema::load(&[]).unwrap()))).clone()
}

pub(super) fn tuning() -> Tuning {
    Tuning { segment_size: 4_096, snapshot_every: 3, step_every: None, step_records: usize::MAX, queue: 64 }
}

pub(super) fn options(reserve: u64) -> StoreOptions {
    let indexes = ["cn", "mail", "objectClass"].map(str::to_owned).to_vec();
    StoreOptions { folder: PathBuf::from("/store"), indexes, reserve, audit_key: None, security: SecurityLog::default() }
}

pub(super) fn open(disk: &SimulatedDisk) -> Result<Store, StoreError> {
    open_with(disk, 0, Arc::new(ManualClock::at(Timestamp::from_millis(0))))
}

fn open_with(disk: &SimulatedDisk, reserve: u64, clock: Arc<dyn Clock>) -> Result<Store, StoreError> {
    let ground = Ground { disk: Arc::new(disk.clone()), engine: Arc::new(disk.clone()), tuning: tuning() };
    open_on(ground, options(reserve), schema(), clock)
}

pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(super) fn entry(transaction: &mut Transaction<'_>, id: EntryId, parent: Option<EntryId>, name: &str, text: &str) -> Entry {
    let known = *schema().known();
    let mut builder = EntryBuilder::default();
    builder.push(known.object_class, "objectClass", &["top", "person"]);
    builder.push(known.cn, "cn", &[name]);
    if !text.is_empty() {
        builder.push(known.mail, "mail", &[text]);
    }
    let (rdn, rdn_key) = (format!("cn={name}").into(), format!("cn={name}").into_bytes().into());
    builder.build(Place { id, parent, rdn, rdn_key, revision: transaction.new_revision() }, Kind::Generic)
}

fn record() -> AuditRecord {
    AuditRecord {
        actor: "test".to_owned(),
        origin: "test".to_owned(),
        operation: "modify".to_owned(),
        target: "cn=x".to_owned(),
        ..AuditRecord::default()
    }
}

/// One step of a random transaction; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Add(usize, u8, u16),
    Change(usize, u16),
    Move(usize, usize, u8),
    Remove(usize),
    Link(usize, usize, Level),
    Unlink(usize, usize),
    Meta(u8, Option<u16>),
    Fail,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let level = prop::sample::select(vec![Level::Past, Level::ViewOnly, Level::Full, Level::Administrator]);
    prop_oneof![
        4 => (any::<usize>(), any::<u8>(), 0..6_000_u16).prop_map(|(parent, name, length)| Step::Add(parent, name, length)),
        2 => (any::<usize>(), 0..300_u16).prop_map(|(at, length)| Step::Change(at, length)),
        2 => (any::<usize>(), any::<usize>(), any::<u8>()).prop_map(|(at, to, name)| Step::Move(at, to, name)),
        1 => any::<usize>().prop_map(Step::Remove),
        3 => (any::<usize>(), any::<usize>(), level).prop_map(|(from, to, level)| Step::Link(from, to, level)),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Step::Unlink(from, to)),
        1 => (0..4_u8, prop::option::of(0..5_000_u16)).prop_map(|(key, length)| Step::Meta(key, length)),
        1 => Just(Step::Fail),
    ]
}

pub(super) type Held = (Option<u32>, String, Vec<u8>, u64);

/// What the store must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    pub(super) entries: BTreeMap<u32, Held>,
    pub(super) links: BTreeMap<(u32, u32), Level>,
    meta: BTreeMap<String, Vec<u8>>,
}

impl Model {
    fn of(facts: &dyn Facts, ids: impl Iterator<Item = EntryId>) -> Self {
        let mut model = Self::default();
        for id in ids {
            let Some(entry) = facts.entry(id) else { continue };
            let held = (entry.parent.map(|parent| parent.0), entry.rdn.to_string(), entry.octets().to_vec(), entry.revision);
            model.entries.insert(id.0, held);
            for (target, level) in facts.targets(id, schema().known().member, None, usize::MAX) {
                assert!(facts.sources(target, schema().known().member).contains(&(id, level)));
                model.links.insert((id.0, target.0), level);
            }
        }
        model.meta = facts.meta_range("").into_iter().map(|(key, value)| (key, value.to_vec())).collect();
        model
    }

    pub(super) fn of_memory(memory: &Memory) -> Self {
        Self::of(memory, memory.ids_after(None, usize::MAX).into_iter())
    }

    fn pick(&self, at: usize) -> Option<EntryId> {
        self.entries.keys().nth(at % self.entries.len().max(1)).map(|id| EntryId(*id))
    }

    fn name_is_free(&self, parent: Option<EntryId>, name: &str) -> bool {
        !self.entries.values().any(|held| held.0 == parent.map(|parent| parent.0) && held.1 == format!("cn={name}"))
    }

    fn is_below(&self, mut at: EntryId, above: EntryId) -> bool {
        loop {
            if at == above {
                return true;
            }
            match self.entries.get(&at.0).and_then(|held| held.0) {
                Some(parent) => at = EntryId(parent),
                None => return false,
            }
        }
    }

    /// Does the step in the transaction and in the model; `false` where the whole transaction is to fail.
    fn apply(&mut self, step: &Step, transaction: &mut Transaction<'_>) -> bool {
        let member = schema().known().member;
        match step {
            Step::Fail => return false,
            Step::Add(parent, name, length) => {
                let (parent, name) = (self.pick(*parent), name.to_string());
                if self.name_is_free(parent, &name) {
                    let id = transaction.new_id();
                    let added = entry(transaction, id, parent, &name, &"x".repeat(usize::from(*length)));
                    self.put(transaction, added);
                }
            }
            Step::Change(at, length) => {
                if let Some(held) = self.pick(*at).and_then(|id| transaction.entry(id)) {
                    let name = held.rdn.trim_start_matches("cn=").to_owned();
                    let changed = entry(transaction, held.id, held.parent, &name, &"y".repeat(usize::from(*length)));
                    self.put(transaction, changed);
                }
            }
            Step::Move(at, to, name) => {
                let (Some(id), Some(to)) = (self.pick(*at), self.pick(*to)) else { return true };
                if !self.is_below(to, id) && self.name_is_free(Some(to), &name.to_string()) {
                    let moved = entry(transaction, id, Some(to), &name.to_string(), "moved");
                    self.put(transaction, moved);
                }
            }
            Step::Remove(at) => {
                let Some(id) = self.pick(*at).filter(|id| !self.entries.values().any(|held| held.0 == Some(id.0))) else { return true };
                assert_eq!(transaction.child_count(id), 0);
                transaction.remove(id);
                self.entries.remove(&id.0);
                self.links.retain(|(source, target), _| *source != id.0 && *target != id.0);
            }
            Step::Link(from, to, level) => {
                let (Some(source), Some(target)) = (self.pick(*from), self.pick(*to)) else { return true };
                transaction.set_link(Link { source, attribute: member, target, level: *level });
                self.links.insert((source.0, target.0), *level);
            }
            Step::Unlink(from, to) => {
                let (Some(source), Some(target)) = (self.pick(*from), self.pick(*to)) else { return true };
                transaction.unlink(source, member, target);
                self.links.remove(&(source.0, target.0));
            }
            Step::Meta(key, length) => {
                let (key, value) = (format!("key/{key}"), length.map(|length| vec![7; usize::from(length)]));
                transaction.put_meta(&key, value.clone());
                match value {
                    Some(value) => self.meta.insert(key, value),
                    None => self.meta.remove(&key),
                };
            }
        }
        true
    }

    fn put(&mut self, transaction: &mut Transaction<'_>, entry: Entry) {
        let held = (entry.parent.map(|parent| parent.0), entry.rdn.to_string(), entry.octets().to_vec(), entry.revision);
        self.entries.insert(entry.id.0, held);
        transaction.put(entry);
    }

    /// Runs a transaction of these steps. Answers the model after it, and whether it was acknowledged.
    pub(super) fn run(&self, store: &Store, steps: &[Step]) -> (Self, Result<(), StoreError>) {
        self.run_noting(store, steps, |_| {})
    }

    /// The same, where `note` is told of the model before anybody can see it.
    pub(super) fn run_noting(
        &self,
        store: &Store,
        steps: &[Step],
        note: impl FnOnce(&Self) + Send + 'static,
    ) -> (Self, Result<(), StoreError>) {
        let (model, steps) = (self.clone(), steps.to_vec());
        let seen = Arc::new(Mutex::new(model.clone()));
        let shared = seen.clone();
        let result = store.write_blocking(move |transaction| {
            let mut model = model;
            let kept = steps.iter().all(|step| model.apply(step, transaction));
            // What the transaction shows is what the model says, before anything is committed.
            let ids = model.entries.keys().map(|id| EntryId(*id)).collect::<Vec<_>>();
            if kept {
                assert_eq!(Self::of(&*transaction, ids.into_iter()), model);
                transaction.audit(record());
                note(&model);
                *shared.lock() = model;
            }
            if kept { Ok(()) } else { Err(StoreError::TooLarge(0)) }
        });
        let after = seen.lock().clone();
        (after, result)
    }
}

fn sequences(disk: &SimulatedDisk) -> Vec<u64> {
    let text = String::from_utf8(disk.read("audit.jsonl")).unwrap();
    let sequence = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["sequence"].as_u64().unwrap();
    text.lines().map(sequence).collect()
}

pub(super) fn assert_clean(store: &Store) {
    let findings = wait(store.verify()).unwrap();
    assert_eq!(findings.count, 0, "{findings:?}");
}

/// A workload that uses everything: several segments, checkpoints, snapshots and their removal.
fn workload() -> Vec<Vec<Step>> {
    let mut transactions = vec![vec![Step::Add(0, 0, 10)]];
    for at in 0..30_usize {
        let number = at as u8;
        transactions.push(vec![
            Step::Add(at / 3, number, 200 + 37 * at as u16),
            Step::Link(at, at / 2, if at % 3 == 0 { Level::Administrator } else { Level::Full }),
            Step::Meta(number % 4, Some(at as u16)),
        ]);
        match at % 5 {
            1 => transactions.push(vec![Step::Move(at, 1, 100 + number), Step::Change(at / 2, 60)]),
            2 => transactions.push(vec![Step::Unlink(at, at / 2), Step::Fail]),
            3 => transactions.push(vec![Step::Remove(at), Step::Meta(1, None)]),
            _ => {}
        }
    }
    transactions
}

/// Runs the workload until the disk freezes or all is done. Answers the model of what was acknowledged, the one with
/// the transaction that was under way, and how many were acknowledged.
pub(super) fn run_workload(store: &Store) -> (Model, Model, u64) {
    let (mut acknowledged, mut count) = (Model::default(), 0);
    for (at, steps) in workload().iter().enumerate() {
        let (after, result) = acknowledged.run(store, steps);
        match result {
            Ok(()) => (acknowledged, count) = (after, count + 1),
            Err(StoreError::TooLarge(_)) => {}
            Err(_) => return (acknowledged, after, count),
        }
        store.note(AuditRecord { target: format!("cn={at}"), ..record() });
        if at % 4 == 3 {
            // Where the disk is frozen the next write tells.
            drop(wait(store.checkpoint()));
        }
        if at == 21 {
            drop(wait(store.compact()));
        }
    }
    (acknowledged.clone(), acknowledged, count)
}

#[test]
fn ha_power_cut_at_every_write_and_sync_loses_nothing_acknowledged() {
    let whole = SimulatedDisk::default();
    let store = open(&whole).unwrap();
    let (model, _, count) = run_workload(&store);
    store.close();
    assert_eq!(Model::of_memory(store.memory()), model);
    assert!(store.counts().snapshots.load(Ordering::Relaxed) >= 2, "the workload takes no snapshots");
    assert!(!whole.names().contains(&format!("journal-{:020}", 1)), "the workload removes no segments");
    assert_eq!(sequences(&whole), (1..=count).collect::<Vec<_>>());
    for at in 1..=whole.operations() {
        let disk = SimulatedDisk::default();
        disk.freeze_in(at);
        let (acknowledged, under_way, count) = match open(&disk) {
            Ok(store) => {
                let outcome = run_workload(&store);
                store.close();
                outcome
            }
            Err(_) => Default::default(),
        };
        for seed in 0..2 {
            let disk = disk.after_power_cut(at * 2 + seed);
            let store = open(&disk).unwrap_or_else(|error| panic!("cut at {at}, seed {seed}: {error}"));
            let found = Model::of_memory(store.memory());
            assert!(found == acknowledged || found == under_way, "cut at {at}, seed {seed}: not what was acknowledged");
            assert_eq!(store.report().audit, [""; 0], "cut at {at}, seed {seed}: a power cut is no tampering");
            let (after, result) = found.run(&store, &[Step::Add(0, 250, 10)]);
            result.unwrap();
            wait(store.checkpoint()).unwrap();
            assert_clean(&store);
            store.close();
            let last = sequences(&disk).len() as u64;
            assert!(last == count + 1 || (found == under_way && last == count + 2), "cut at {at}: {last} audit lines for {count} changes");
            assert_eq!(sequences(&disk), (1..=last).collect::<Vec<_>>(), "cut at {at}");
            let store = open(&disk).unwrap();
            assert_eq!(Model::of_memory(store.memory()), after, "cut at {at}");
            assert_eq!(store.report().audit, [""; 0], "cut at {at}, seed {seed}, started again");
            store.close();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_store_is_what_the_model_is(
        transactions in prop::collection::vec((prop::collection::vec(step(), 1..8), 0..6_u8), 1..40),
    ) {
        let disk = SimulatedDisk::default();
        let mut store = open(&disk).unwrap();
        let mut model = Model::default();
        for (steps, then) in &transactions {
            let (after, result) = model.run(&store, steps);
            prop_assert_eq!(result.is_ok(), !steps.iter().any(|step| matches!(step, Step::Fail)));
            if result.is_ok() {
                model = after;
            }
            match then {
                0 => wait(store.checkpoint()).unwrap(),
                1 => {
                    store.close();
                    store = open(&disk).unwrap();
                    prop_assert!(store.report().rebuilt.is_none());
                }
                // A kill: nothing is brought up to date.
                2 => {
                    drop(store);
                    store = open(&disk).unwrap();
                }
                _ => {}
            }
            prop_assert_eq!(&Model::of_memory(store.memory()), &model);
        }
        assert_clean(&store);
        store.close();
    }
}

#[test]
fn a_destroyed_kept_state_is_made_anew_from_snapshot_and_journal() {
    let disk = SimulatedDisk::default();
    let store = open(&disk).unwrap();
    let (model, ..) = run_workload(&store);
    store.close();
    disk.damage_kept();
    let store = open(&disk).unwrap();
    assert!(store.report().rebuilt.is_some());
    assert_eq!(Model::of_memory(store.memory()), model);
    wait(store.checkpoint()).unwrap();
    assert_clean(&store);
    wait(store.compact()).unwrap();
    assert_clean(&store);
    store.close();
    disk.damage("checkpoint", 12);
    let store = open(&disk).unwrap();
    assert!(store.report().rebuilt.is_some());
    assert_eq!(Model::of_memory(store.memory()), model);
    store.close();
}

#[test]
fn damage_that_cannot_be_made_good_is_refused_and_leaves_everything_as_it_was() {
    let disk = SimulatedDisk::default();
    let store = open(&disk).unwrap();
    let (mut model, ..) = run_workload(&store);
    store.close();
    let store = open(&disk).unwrap();
    for name in 0..3 {
        model = model.run(&store, &[Step::Add(0, 240 + name, 10)]).0;
    }
    // As after a kill: the checkpoint is before these changes.
    drop(store);
    let journal = disk.names().into_iter().rfind(|name| name.starts_with("journal-")).unwrap();
    let octets = disk.read(&journal);
    let frames: Vec<usize> = memchr::memmem::find_iter(&octets, b"\xf2hcF").collect();
    let last_but_one = frames[frames.len() - 2];
    let names = disk.names();
    disk.damage(&journal, last_but_one + 30);
    assert!(matches!(open(&disk).err(), Some(StoreError::Unusable(_))));
    assert_eq!(disk.names(), names);
    disk.damage(&journal, last_but_one + 30);
    let store = open(&disk).unwrap();
    assert_eq!(Model::of_memory(store.memory()), model);
    store.close();
    disk.lose("journal-");
    assert!(matches!(open(&disk).err(), Some(StoreError::Unusable(_))));
}

#[test]
fn a_damaged_end_of_the_journal_that_the_checkpoint_covers_costs_nothing() {
    let disk = SimulatedDisk::default();
    let store = open(&disk).unwrap();
    let (model, ..) = run_workload(&store);
    store.close();
    let journal = disk.names().into_iter().rfind(|name| name.starts_with("journal-")).unwrap();
    let octets = disk.read(&journal);
    let last = memchr::memmem::rfind(&octets, b"\xf2hcF").unwrap();
    disk.damage(&journal, last + 30);
    let store = open(&disk).unwrap();
    assert_eq!(Model::of_memory(store.memory()), model);
    wait(store.checkpoint()).unwrap();
    store.close();
    // The snapshot taken after the damage is good for a rebuild.
    disk.damage_kept();
    let store = open(&disk).unwrap();
    assert_eq!(Model::of_memory(store.memory()), model);
    store.close();
}

#[test]
fn a_failed_sync_makes_the_store_read_only_until_it_is_opened_again() {
    let disk = SimulatedDisk::default();
    let store = open(&disk).unwrap();
    let (model, result) = Model::default().run(&store, &[Step::Add(0, 1, 1)]);
    result.unwrap();
    disk.fail_syncs(true);
    let settled = Arc::new(Mutex::new(None));
    let told = settled.clone();
    let result: Result<(), StoreError> = store.write_blocking(move |transaction| {
        transaction.when_settled(move |committed| *told.lock() = Some(committed));
        transaction.put_meta("a", Some(vec![1]));
        Ok(())
    });
    assert!(matches!(result, Err(StoreError::ReadOnly(_))));
    assert_eq!(*settled.lock(), Some(false));
    disk.fail_syncs(false);
    let (_, result) = model.run(&store, &[Step::Add(0, 2, 1)]);
    assert!(matches!(result, Err(StoreError::ReadOnly(_))), "a sync is never tried again as if it had worked");
    assert!(store.read_only().is_some());
    assert_eq!(Model::of_memory(store.memory()), model);
    // Work that changes nothing still runs.
    let result: Result<usize, StoreError> = store.write_blocking(|transaction| Ok(transaction.meta_range("").len()));
    assert_eq!(result, Ok(0));
}

#[test]
fn hd10_below_the_reserve_only_seats_change_and_it_recovers_alone() {
    let disk = SimulatedDisk::default();
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let store = open_with(&disk, 2_000, clock.clone()).unwrap();
    let (model, result) = Model::default().run(&store, &[Step::Add(0, 1, 1)]);
    result.unwrap();
    wait(store.checkpoint()).unwrap();
    disk.set_capacity(Some(disk.used() + 500));
    clock.advance(Duration::from_secs(1));
    let (_, result) = model.run(&store, &[Step::Add(0, 2, 1)]);
    assert!(matches!(result, Err(StoreError::ReadOnly(_))));
    let mut seats = 0;
    // The rest of the segment and the spare one: then it is over, and still nothing is damaged.
    loop {
        let taken: Result<(), StoreError> = store.write_blocking(move |transaction| {
            transaction.may_use_reserve();
            transaction.put_meta("seat", Some(vec![seats as u8; 500]));
            Ok(())
        });
        match taken {
            Ok(()) => seats += 1,
            Err(StoreError::ReadOnly(_)) => break,
            Err(other) => panic!("{other}"),
        }
        wait(store.checkpoint()).unwrap();
    }
    assert!((8..16).contains(&seats), "{seats} seats fit");
    assert_eq!(store.memory().meta("seat").unwrap()[0], seats as u8 - 1);
    disk.set_capacity(None);
    wait(store.checkpoint()).unwrap();
    assert_eq!(store.read_only(), None);
    let model = Model::of_memory(store.memory());
    let (model, result) = model.run(&store, &[Step::Add(0, 3, 1)]);
    result.unwrap();
    assert_clean(&store);
    store.close();
    assert_eq!(Model::of_memory(open(&disk).unwrap().memory()), model);
}

/// HD3: whichever open finds no descriptor, what was under way fails and nothing else, and the store goes on alone.
#[test]
fn hd3_no_descriptor_at_any_open_is_an_error_of_that_moment_only() {
    let whole = SimulatedDisk::default();
    let store = open(&whole).unwrap();
    let before = whole.opens();
    run_workload(&store);
    store.close();
    let (mut refused, mut cut) = (0, 0);
    for at in 0..whole.opens() - before {
        let count = 1 + at % 2 * 2;
        let disk = SimulatedDisk::default();
        let store = open(&disk).unwrap();
        disk.refuse_opens(at, count);
        let mut model = Model::default();
        for (number, steps) in workload().iter().enumerate() {
            let (after, result) = model.run(&store, steps);
            match result {
                Ok(()) => model = after,
                Err(StoreError::Busy(_)) => refused += 1,
                Err(StoreError::TooLarge(_)) => {}
                Err(error) => panic!("no descriptor at {at}: {error}"),
            }
            store.note(AuditRecord { target: format!("cn={number}"), ..record() });
            if number % 4 == 3 {
                drop(wait(store.checkpoint()));
            }
            if number == 21 {
                drop(wait(store.compact()));
            }
        }
        assert_eq!(store.read_only(), None, "no descriptor at {at}");
        assert_eq!(Model::of_memory(store.memory()), model, "no descriptor at {at}");
        // The power goes as it stands, and later in order.
        cut += 1;
        let found = open(&disk.after_power_cut(cut)).unwrap_or_else(|error| panic!("no descriptor at {at}, power cut: {error}"));
        assert_eq!(Model::of_memory(found.memory()), model, "no descriptor at {at}, power cut");
        assert_eq!(found.report().audit, [""; 0], "no descriptor at {at}, power cut");
        found.close();
        disk.refuse_opens(0, 0);
        let (after, result) = model.run(&store, &[Step::Add(0, 250, 10)]);
        result.unwrap();
        wait(store.checkpoint()).unwrap();
        if store.warning().is_some() {
            // At compacting only, and it is written anew by itself a while later.
            (0..60).for_each(|_| wait(store.checkpoint()).unwrap());
        }
        assert_clean(&store);
        store.close();
        let told = sequences(&disk);
        assert_eq!(told, (1..=told.len() as u64).collect::<Vec<_>>(), "no descriptor at {at}: each change is told once");
        assert_eq!(Model::of_memory(open(&disk).unwrap().memory()), after, "no descriptor at {at}");
    }
    assert!(refused > 0, "no change met it");
}

/// HD3: what is kept is kept again, and nobody has to start the store again for it.
#[test]
fn hd3_a_kept_state_that_failed_is_written_anew_a_while_later() {
    let disk = SimulatedDisk::default();
    let store = open(&disk).unwrap();
    let (model, result) = Model::default().run(&store, &[Step::Add(0, 1, 1)]);
    result.unwrap();
    disk.fail_kept(true);
    assert!(wait(store.checkpoint()).is_err());
    let (model, result) = model.run(&store, &[Step::Add(0, 2, 9_000), Step::Change(0, 20)]);
    result.unwrap();
    for _ in 0..100 {
        wait(store.checkpoint()).unwrap();
    }
    assert!(store.warning().is_some(), "it fails still");
    disk.fail_kept(false);
    let tries = (0..200).position(|_| {
        wait(store.checkpoint()).unwrap();
        store.warning().is_none()
    });
    assert!(tries.is_some_and(|tries| tries > 10), "not with every step: {tries:?}");
    assert_clean(&store);
    let (model, result) = model.run(&store, &[Step::Add(1, 3, 10)]);
    result.unwrap();
    store.close();
    let store = open(&disk.after_power_cut(1)).unwrap();
    assert_eq!(Model::of_memory(store.memory()), model);
    assert_clean(&store);
}

/// HD3: the change that needs the segment is refused, and the next one is taken.
#[test]
fn hd3_no_descriptor_for_a_segment_is_no_poison() {
    let disk = SimulatedDisk::default();
    let store = open(&disk).unwrap();
    let (mut model, result) = Model::default().run(&store, &[Step::Add(0, 1, 1)]);
    result.unwrap();
    disk.refuse_opens(0, u64::MAX);
    let refused = (0..100).find_map(|_| {
        let (after, result) = model.run(&store, &[Step::Change(0, 900)]);
        match result {
            Ok(()) => model = after,
            Err(error) => return Some(error),
        }
        None
    });
    assert!(matches!(refused, Some(StoreError::Busy(_))), "{refused:?}");
    assert_eq!(store.read_only(), None);
    disk.refuse_opens(0, 0);
    let (model, result) = model.run(&store, &[Step::Change(0, 900)]);
    result.unwrap();
    store.close();
    assert_eq!(Model::of_memory(open(&disk.after_power_cut(1)).unwrap().memory()), model);
}

#[test]
fn work_that_panics_or_fails_leaves_nothing_and_the_writer_lives() {
    let store = open(&SimulatedDisk::default()).unwrap();
    let result: Result<(), StoreError> = store.write_blocking(|transaction| {
        transaction.put_meta("a", Some(vec![1]));
        panic!("work that panics");
    });
    assert_eq!(result, Err(StoreError::Stopped));
    assert_eq!(store.counts().panics.load(Ordering::Relaxed), 1);
    let seen: Result<bool, StoreError> = store.write_blocking(|transaction| Ok(transaction.meta("a").is_some()));
    assert_eq!(seen, Ok(false));
    let (model, result) = Model::default().run(&store, &[Step::Add(0, 1, 1)]);
    result.unwrap();
    assert_eq!(Model::of_memory(store.memory()), model);
    store.close();
    let result: Result<(), StoreError> = store.write_blocking(|_| Ok(()));
    assert_eq!(result, Err(StoreError::Stopped));
}

#[test]
fn writers_at_one_time_share_syncs() {
    let disk = SimulatedDisk::default();
    let store = open(&disk).unwrap();
    let before = disk.syncs();
    let (writers, each) = (32, 40);
    let gate = std::sync::Barrier::new(writers);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (store, gate) = (&store, &gate);
            scope.spawn(move || {
                gate.wait();
                for at in 0..each {
                    let written: Result<(), StoreError> = store.write_blocking(move |transaction| {
                        transaction.put_meta(&format!("{writer}/{at}"), Some(vec![1]));
                        Ok(())
                    });
                    written.unwrap();
                    assert!(store.memory().meta(&format!("{writer}/{at}")).is_some(), "a write is visible when it is answered");
                }
            });
        }
    });
    let (syncs, changes) = (disk.syncs() - before, store.counts().changes.load(Ordering::Relaxed));
    assert_eq!(changes, (writers * each) as u64);
    assert!(syncs < changes, "{syncs} syncs for {changes} changes");
    assert!(store.counts().groups.load(Ordering::Relaxed) < changes);
    store.close();
}

#[test]
fn the_feed_tells_every_change_or_that_it_is_compacted() {
    let disk = SimulatedDisk::default();
    let store = open(&disk).unwrap();
    let (_, result) = Model::default().run(&store, &[Step::Add(0, 1, 1), Step::Meta(1, Some(1))]);
    result.unwrap();
    let Changes::Events(events) = store.changes_after(Revision(0), 10).unwrap() else { panic!("compacted") };
    assert_eq!(events.len(), 1);
    let [Change::Put { entry, moved: false, .. }, Change::Meta(key)] = events[0].changes.as_slice() else { panic!("{events:?}") };
    assert_eq!((entry.id, key.as_str()), (EntryId(1), "key/1"));
    assert!(matches!(store.changes_after(store.memory().revision(), 10), Ok(Changes::Events(events)) if events.is_empty()));
    store.close();
    let store = open(&SimulatedDisk::default()).unwrap();
    run_workload(&store);
    assert!(matches!(store.changes_after(Revision(0), 10), Ok(Changes::Compacted)));
    let newest = Revision(store.memory().revision().0 - 2);
    let Changes::Events(events) = store.changes_after(newest, 1).unwrap() else { panic!("compacted") };
    assert_eq!(events[0].revision.0, newest.0 + 1);
    store.close();
}

#[test]
fn ha12_a_follower_gets_every_change_once_or_is_told_that_it_fell_behind() {
    let store = open(&SimulatedDisk::default()).unwrap();
    let put = || {
        let change = |transaction: &mut Transaction<'_>| {
            transaction.put_meta("key", Some(vec![1]));
            Ok::<_, StoreError>(())
        };
        store.write_blocking(change).unwrap();
        store.memory().revision()
    };
    put();
    let mut follower = store.subscribe();
    assert!(matches!(follower.take(), Next::Nothing), "what was there before is not told");
    let written = [put(), put()];
    let mut told = || if let Next::Event(event) = follower.take() { Some(event.revision) } else { None };
    assert_eq!([told(), told(), told()], [Some(written[0]), Some(written[1]), None]);
    let mut slow = store.subscribe();
    for _ in 0..100 {
        put();
    }
    assert!(matches!(slow.take(), Next::Lost));
    drop((follower, slow));
    put();
    let mut late = store.subscribe();
    let written = put();
    assert!(matches!(late.take(), Next::Event(event) if event.revision == written));
    store.close();
}
