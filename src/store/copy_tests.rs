//! Copies of a whole store: backups, opening from what is kept, compaction.

use super::recovery::{Ground, open_on};
use super::simulated::SimulatedDisk;
use super::tests::{Model, Step, assert_clean, entry, open, options, run_workload, schema, tuning, wait};
use super::*;
use crate::base::{EntryId, ManualClock, Timestamp};
use crate::model::{Level, Link};
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn hg6_a_backup_of_a_running_store_is_a_whole_store() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(crate::base::SystemClock::default());
    let options = |name: &str| StoreOptions { folder: folder.path().join(name), ..options(0) };
    let store = Store::open(options("one"), schema(), clock.clone()).unwrap();
    assert!(store.report().fresh);
    assert!(matches!(Store::open(options("one"), schema(), clock.clone()).err(), Some(StoreError::Unusable(_))), "it is locked");
    let (model, ..) = run_workload(&store);
    let backup = folder.path().join("backup");
    wait(store.snapshot(backup.clone())).unwrap();
    assert_clean(&store);
    store.close();
    drop(store);
    Store::restore(&backup, &folder.path().join("two"), None).unwrap();
    assert!(Store::restore(&backup, &folder.path().join("two"), None).is_err(), "a store is never overwritten");
    for name in ["one", "two"] {
        let store = Store::open(options(name), schema(), clock.clone()).unwrap();
        assert_eq!(Model::of_memory(store.memory()), model, "{name}");
        assert_clean(&store);
        store.close();
    }
    // sled destroyed for good, with the real one.
    for file in ["db", "conf"] {
        std::fs::write(folder.path().join("one/sled").join(file), b"rubbish rubbish rubbish rubbish").unwrap();
    }
    let store = Store::open(options("one"), schema(), clock.clone()).unwrap();
    assert!(store.report().rebuilt.is_some());
    assert!(folder.path().join("one/sled.damaged-1").exists());
    assert_eq!(Model::of_memory(store.memory()), model);
    store.close();
    drop(store);
    // Gone for good, which leaves nothing to find damage in.
    for name in ["one", "two"] {
        std::fs::remove_dir_all(folder.path().join(name).join("sled")).unwrap();
        let store = Store::open(options(name), schema(), clock.clone()).unwrap();
        assert!(store.report().rebuilt.is_some(), "{name}");
        assert_eq!(Model::of_memory(store.memory()), model, "{name}");
        assert_clean(&store);
        store.close();
    }
}

/// Goal of the design: 100 000 entries are open within two seconds. Run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn a_hundred_thousand_entries_open_within_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(crate::base::SystemClock::default());
    let options = || StoreOptions { folder: folder.path().join("store"), ..options(0) };
    let store = Store::open(options(), schema(), clock.clone()).unwrap();
    let begun = clock.monotonic();
    for group in 0..100 {
        let written: Result<(), StoreError> = store.write_blocking(move |transaction| {
            for at in 0..1_000 {
                let id = transaction.new_id();
                let name = format!("user-{}", group * 1_000 + at);
                let text = format!("{name}@example.com");
                let added = entry(transaction, id, Some(EntryId(1)).filter(|_| id.0 > 1), &name, &text);
                transaction.put(added);
                transaction.set_link(Link { source: EntryId(1), attribute: schema().known().member, target: id, level: Level::Full });
            }
            Ok(())
        });
        written.unwrap();
    }
    println!("loaded in {:?}", clock.monotonic() - begun);
    let begun = clock.monotonic();
    store.close();
    println!("closed in {:?}, sled has {} octets", clock.monotonic() - begun, store.counts().kept_size.load(Ordering::Relaxed));
    drop(store);
    let store = Store::open(options(), schema(), clock.clone()).unwrap();
    println!("opened: {:?}; memory {} octets", store.report(), store.memory().size());
    let took = store.report().took;
    let begun = clock.monotonic();
    for at in 0..1_000_u32 {
        let written: Result<(), StoreError> = store.write_blocking(move |transaction| {
            let changed = entry(transaction, EntryId(at + 2), Some(EntryId(1)), &format!("user-{}", at + 1), "changed@example.com");
            transaction.put(changed);
            Ok(())
        });
        written.unwrap();
    }
    println!("1 000 changes one by one in {:?}", clock.monotonic() - begun);
    let begun = clock.monotonic();
    println!("verified: {:?} in {:?}", wait(store.verify()).unwrap(), clock.monotonic() - begun);
    let begun = clock.monotonic();
    wait(store.snapshot(folder.path().join("backup"))).unwrap();
    println!("snapshot in {:?}", clock.monotonic() - begun);
    store.close();
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn hg6_compaction_gives_back_what_rewriting_took_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let options = StoreOptions { folder: folder.path().to_owned(), ..options(0) };
        let ground = Ground { tuning: tuning(), ..Ground::default() };
        open_on(ground, options, schema(), Arc::new(ManualClock::at(Timestamp::from_millis(0)))).unwrap()
    };
    let store = open();
    let mut model = Model::default();
    let mut run = |store: &Store, steps: &[Step]| {
        let (after, result) = model.run(store, steps);
        result.unwrap();
        model = after;
        model.clone()
    };
    for at in 0..40 {
        run(&store, &[Step::Add(0, at, 3_000), Step::Link(usize::from(at), 0, Level::Full)]);
    }
    for length in [20_000, 20_100, 20_200, 20_300, 100] {
        for at in 0..40 {
            run(&store, &[Step::Change(at, length)]);
        }
        wait(store.checkpoint()).unwrap();
    }
    let compacted = wait(store.compact()).unwrap();
    assert!(compacted.after > 0 && compacted.after * 2 < compacted.before, "{compacted:?}");
    assert_eq!(store.counts().kept_size.load(Ordering::Relaxed), compacted.after);
    assert_clean(&store);
    run(&store, &[Step::Change(3, 10), Step::Remove(7)]);
    wait(store.checkpoint()).unwrap();
    let left = run(&store, &[Step::Change(4, 10)]);
    // Not closed: the last change is in the journal only.
    drop(store);
    let store = open();
    assert_eq!((Model::of_memory(store.memory()), store.report().rebuilt.clone()), (left, None));
    assert_clean(&store);
    store.close();
    let names: Vec<String> =
        std::fs::read_dir(folder.path()).unwrap().map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("sled")).count(), 1, "{names:?}");
}

#[test]
fn hg6_changes_go_on_while_the_store_is_compacted() {
    let store = open(&SimulatedDisk::default()).unwrap();
    let (mut model, result) = Model::default().run(&store, &[Step::Add(0, 0, 10), Step::Add(0, 1, 5_000), Step::Link(0, 1, Level::Full)]);
    result.unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                wait(store.compact()).unwrap();
            }
        });
        for at in 0..200_usize {
            let steps = [Step::Add(0, (at % 50) as u8 + 2, 300), Step::Change(at, at as u16), Step::Remove(at / 2), Step::Unlink(at, 1)];
            let (after, result) = model.run(&store, &steps);
            result.unwrap();
            model = after;
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_clean(&store);
    assert_eq!(Model::of_memory(store.memory()), model);
}
