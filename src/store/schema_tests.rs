//! Changes of the schema at run time as the store keeps them: whatever is cut off or copied while they are made.

use super::recovery::{Ground, open_on};
use super::shared::Tuning;
use super::simulated::SimulatedDisk;
use super::*;
use crate::base::{EntryId, ManualClock, SystemClock, Timestamp};
use crate::model::entry::Place;
use crate::model::{Dn, Entry, EntryBuilder, Facts, Kind};
use crate::schema::additions::RECORD;
use crate::schema::{DefinitionKind, Schema, SchemaStep};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

const INDEXED: &str = "1.3.6.1.4.1.55555.1.1";

fn schema() -> Arc<LiveSchema> {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    Arc::new(LiveSchema::from(SCHEMA.get_or_init(|| Schema::load(&[]).unwrap()).clone()))
}

fn options(folder: PathBuf) -> StoreOptions {
    StoreOptions {
        folder,
        indexes: ["cn", "seeAlso", INDEXED].map(str::to_owned).to_vec(),
        reserve: 0,
        audit_key: None,
        security: SecurityLog::default(),
    }
}

fn open(disk: &SimulatedDisk) -> Result<Store, StoreError> {
    let tuning = Tuning { segment_size: 4_096, snapshot_every: 2, step_every: None, step_records: usize::MAX, queue: 64 };
    let ground = Ground { disk: Arc::new(disk.clone()), engine: Arc::new(disk.clone()), tuning };
    open_on(ground, options("/store".into()), schema(), Arc::new(ManualClock::at(Timestamp::from_millis(0))))
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn definition(number: usize) -> String {
    format!("( 1.3.6.1.4.1.55555.1.{number} NAME 'type{number}' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )")
}

/// Defines a type, or takes it out.
fn change(store: &Store, number: usize, removes: bool) -> Result<(), StoreError> {
    let schema = store.memory().schema().clone();
    wait(store.write_alone(move |transaction| {
        let text = definition(number);
        let step = SchemaStep { kind: DefinitionKind::AttributeType, removes, value: text.as_bytes() };
        let next = schema.changed(&[step], true, Timestamp::from_millis(1)).unwrap();
        transaction.put_meta(RECORD, Some(next.additions().to_octets()));
        Ok(())
    }))
}

/// Puts the entry of a number, with a value of a type and some weight.
fn put(store: &Store, id: u32, name: &str, value: &str) -> Result<(), StoreError> {
    let (name, value) = (name.to_owned(), value.to_owned());
    let schema = store.memory().schema().clone();
    store.write_blocking(move |transaction| {
        while transaction.entry(EntryId(id)).is_none() && transaction.new_id().0 < id {}
        let known = schema.known();
        let mut builder = EntryBuilder::default();
        builder.push(known.object_class, "objectClass", &["top", "person"]);
        builder.push(known.cn, "cn", &[format!("e{id}")]);
        builder.push(schema.attribute("description").unwrap(), "description", &["x".repeat(700)]);
        if !name.is_empty() {
            let attribute = schema.attribute(&name).unwrap();
            builder.push(attribute, schema.attribute_type(attribute).name(), &[value]);
        }
        let rdn = format!("cn=e{id}");
        let place =
            Place { id: EntryId(id), parent: None, rdn_key: rdn.as_bytes().into(), rdn: rdn.into(), revision: transaction.new_revision() };
        let entry: Entry = builder.build(place, Kind::Generic);
        transaction.put(entry);
        Ok(())
    })
}

/// Everything the store says: definitions in force, and entries.
fn state(store: &Store) -> Vec<String> {
    let memory = store.memory();
    let definitions = memory.schema().additions().in_force().map(|(_, text)| text.to_owned());
    let entries = memory.ids_after(None, usize::MAX).into_iter().filter_map(|id| memory.entry(id));
    definitions.chain(entries.map(|entry| format!("{} {}", entry.rdn, entry.octets().escape_ascii()))).collect()
}

fn assert_clean(store: &Store) {
    let findings = wait(store.verify()).unwrap();
    assert_eq!(findings.count, 0, "{findings:?}");
}

/// Types that come, are used, are left and go, across checkpoints and snapshots. `note` is told after each step, and answers
/// whether to go on.
fn run(store: &Store, note: &mut dyn FnMut(&Store, Result<(), StoreError>) -> bool) {
    for round in 1..=3_usize {
        let (id, name) = (round as u32, format!("type{round}"));
        let steps: [&dyn Fn() -> Result<(), StoreError>; 5] = [
            &|| change(store, round, false),
            &|| put(store, id, &name, "some value"),
            &|| put(store, 9, &name, "another"),
            &|| put(store, id, "", "").and_then(|()| put(store, 9, "", "")),
            &|| change(store, round, true),
        ];
        for (at, step) in steps.iter().enumerate() {
            if !note(store, step()) {
                return;
            }
            if (at + round) % 2 == 0 {
                drop(wait(store.checkpoint()));
            }
        }
        if !note(store, change(store, 1, false)) {
            return;
        }
    }
}

#[test]
fn ha_a_power_cut_while_the_schema_changes_loses_nothing_acknowledged() {
    let whole = SimulatedDisk::default();
    let store = open(&whole).unwrap();
    let mut states = vec![state(&store)];
    run(&store, &mut |store, done| {
        done.unwrap();
        states.push(state(store));
        true
    });
    assert!(store.counts().snapshots.load(Ordering::Relaxed) >= 1, "the workload takes no snapshot");
    store.close();
    for at in (1..=whole.operations()).step_by(29) {
        let disk = SimulatedDisk::default();
        disk.freeze_in(at);
        let mut acknowledged = 0;
        if let Ok(store) = open(&disk) {
            run(&store, &mut |_, done| {
                acknowledged += usize::from(done.is_ok());
                done.is_ok()
            });
            store.close();
        }
        let disk = disk.after_power_cut(at);
        let store = open(&disk).unwrap_or_else(|error| panic!("cut at {at}: {error}"));
        assert!(store.report().rebuilt.is_none(), "cut at {at}: {:?}", store.report());
        let (found, next) = (state(&store), states.get(acknowledged + 1));
        // The step with two changes may be there by half.
        let half = found.len() == states[acknowledged].len() && acknowledged % 6 == 3;
        assert!(found == states[acknowledged] || Some(&found) == next || half, "cut at {at} after {acknowledged}: {found:?}");
        change(&store, 7, false).unwrap();
        put(&store, 12, "type7", "more").unwrap();
        wait(store.checkpoint()).unwrap();
        assert_clean(&store);
        let now = state(&store);
        store.close();
        let store = open(&disk).unwrap();
        assert_eq!(state(&store), now, "cut at {at}");
        store.close();
    }
}

#[test]
fn backups_that_are_made_while_the_schema_changes_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let store = Store::open(options(folder.path().join("one")), schema(), clock.clone()).unwrap();
    for id in 1..=100 {
        put(&store, id, "", "").unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=12 {
                change(&store, number, false).unwrap();
                for id in [1, 50, 100] {
                    put(&store, id, &format!("type{number}"), "value").unwrap();
                }
                for id in [1, 50, 100] {
                    put(&store, id, "", "").unwrap();
                }
                if number % 2 == 0 {
                    change(&store, number, true).unwrap();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut count = 0;
        while count < 3 || !done.load(Ordering::Relaxed) {
            let file = folder.path().join(format!("backup-{count}"));
            wait(store.snapshot(file.clone())).unwrap();
            let to = folder.path().join(format!("copy-{count}"));
            Store::restore(&file, &to, None).unwrap();
            let copy = Store::open(options(to), schema(), clock.clone()).unwrap();
            assert_clean(&copy);
            copy.close();
            count += 1;
        }
    });
    assert_clean(&store);
    store.close();
}

#[test]
fn an_index_comes_with_the_type_and_names_in_it_mean_what_they_say() {
    let disk = SimulatedDisk::default();
    let store = open(&disk).unwrap();
    let memory = store.memory().clone();
    let keys = |name: &str| memory.schema().attribute(name).and_then(|attribute| memory.key_count(attribute));
    let found = |dn: &str| {
        let see_also = memory.schema().attribute("seeAlso").unwrap();
        memory.equal(see_also, &memory.schema().name_key(&Dn::parse(dn).unwrap())).len()
    };
    // Before it is defined, the name of a type is only itself.
    put(&store, 1, "seeAlso", "1.3.6.1.4.1.55555.1.1=X,cn=y").unwrap();
    put(&store, 2, "seeAlso", "TYPE1=x,cn=y").unwrap();
    assert_eq!((found("type1=x,cn=y"), found("1.3.6.1.4.1.55555.1.1=x,cn=y")), (1, 1));
    change(&store, 1, false).unwrap();
    change(&store, 2, false).unwrap();
    assert_eq!((keys("type1"), keys("type2")), (Some(0), None), "as the list says");
    assert_eq!((found("type1=x,cn=y"), found("1.3.6.1.4.1.55555.1.1=x,cn=y")), (2, 2));
    assert_clean(&store);
    put(&store, 3, "type1", "Value").unwrap();
    let with_value = |memory: &Memory| {
        let (type1, mut key) = (memory.schema().attribute("type1").unwrap(), Vec::new());
        memory.schema().normalize(type1, b"VALUE", &mut key).unwrap();
        memory.equal(type1, &key)
    };
    assert_eq!(with_value(&memory), [EntryId(3)]);
    let below = "( 1.3.6.1.4.1.55555.1.3 NAME 'below' SUP type1 )";
    let next = memory.schema().changed(
        &[SchemaStep { kind: DefinitionKind::AttributeType, removes: false, value: below.as_bytes() }],
        false,
        Timestamp::default(),
    );
    let record = next.unwrap().additions().to_octets();
    wait(store.write_alone(move |transaction| -> Result<(), StoreError> {
        transaction.put_meta(RECORD, Some(record));
        Ok(())
    }))
    .unwrap();
    assert_eq!(keys("below"), Some(0), "a subtype has an index as its supertype has");
    store.close();
    let store = open(&disk).unwrap();
    assert_eq!(with_value(store.memory()), [EntryId(3)]);
    assert_clean(&store);
    store.close();
}

#[test]
fn no_reader_misses_what_rests_on_a_name_while_it_comes_and_goes() {
    let store = open(&SimulatedDisk::default()).unwrap();
    for id in 1..=60 {
        put(&store, id, "seeAlso", "1.3.6.1.4.1.55555.1.1=X,cn=y").unwrap();
    }
    let dn = Dn::parse("1.3.6.1.4.1.55555.1.1=x,cn=y").unwrap();
    let (done, told) = (AtomicBool::new(false), std::sync::atomic::AtomicUsize::new(0));
    let memory = store.memory();
    let see_also = memory.schema().attribute("seeAlso").unwrap();
    let found = |schema: &Schema| memory.equal(see_also, &schema.name_key(&dn)).len();
    let in_lane = || {
        while !done.load(Ordering::Relaxed) {
            let _isolation = memory.isolated();
            assert_eq!(found(memory.schema()), 60);
        }
    };
    let outside = || {
        while !done.load(Ordering::Relaxed) {
            let watch = memory.watch();
            let before: &Schema = memory.schema();
            match found(before) {
                60 => {}
                _ if memory.changed_since(watch).is_none_or(|changed| changed.len() >= 60) => drop(told.fetch_add(1, Ordering::Relaxed)),
                missed => panic!("{missed} are found, and nobody says why"),
            }
        }
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(in_lane), scope.spawn(outside)];
        for _ in 0..6 {
            change(&store, 1, false).unwrap();
            change(&store, 1, true).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert_clean(&store);
    assert!(memory.is_as_at(memory.watch()), "nothing is left begun");
}
