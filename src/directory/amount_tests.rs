//! How much work a change makes for the writer, and how large an entry gets. Work is counted, not timed.

use super::core::Current;
use super::tests::{Bench, ORGANISATION, user};
use super::{Caller, Error, Origin, Scope, Write, WriteOptions, WriteOutcome};
use crate::model::{Filter, Modification, ModificationKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ModificationKind::{Add, Delete, Increment, Replace};

const ENTRY: usize = 64 << 10;

fn change(kind: ModificationKind, attribute: &str, values: &[&str]) -> Modification {
    Modification { kind, attribute: attribute.to_owned(), values: values.iter().map(|value| value.as_bytes().to_vec()).collect() }
}

fn refused(outcome: &Result<WriteOutcome, Error>) {
    assert!(matches!(outcome, Err(Error::AdminLimit(_))), "{outcome:?}");
}

/// An organisation of which ada is an administrator.
struct Scene {
    bench: Bench,
    ada: Caller,
}

impl Scene {
    async fn new() -> Self {
        let bench = Bench::with_organisation("3").await;
        let role = format!("cn=keepers,ou=roles,{ORGANISATION}");
        let attributes = [("objectClass", "hcRoleDefinition"), ("cn", "keepers"), ("hcRoleSystem", "organisation-admin")];
        bench.add(&role, &attributes).await.unwrap();
        bench.modify(&user("ada"), Add, "hcRole", &[&role]).await.unwrap();
        let ada = Caller { identity: bench.bind("ada").await.unwrap().identity, origin: Arc::new(Origin::system()) };
        let core = bench.directory.core();
        let mut settings = (*core.current().settings).clone();
        settings.limits.entry = ENTRY;
        core.replace(Arc::new(Current::compile(&core.schema, settings).unwrap()));
        Self { bench, ada }
    }

    /// A change by the administrator, and how many octets the writer looked at.
    async fn counted(&self, dn: &str, modifications: Vec<Modification>) -> (Result<WriteOutcome, Error>, usize) {
        let looked_at = || usize::try_from(self.bench.directory.core().looked_at.get()).unwrap();
        let before = looked_at();
        let done = self.modify(dn, modifications).await;
        (done, looked_at() - before)
    }

    async fn modify(&self, dn: &str, modifications: Vec<Modification>) -> Result<WriteOutcome, Error> {
        let write = Write::Modify { dn: dn.to_owned(), modifications };
        self.bench.directory.write(&self.ada, write, WriteOptions::default()).await
    }

    /// Any change, and how many octets the writer looked at.
    async fn counted_write(&self, caller: &Caller, write: Write, options: WriteOptions) -> (Result<WriteOutcome, Error>, usize) {
        let looked_at = || usize::try_from(self.bench.directory.core().looked_at.get()).unwrap();
        let before = looked_at();
        let done = self.bench.directory.write(caller, write, options).await;
        (done, looked_at() - before)
    }

    async fn group(&self, members: &[&str]) -> String {
        let dn = format!("cn=team,ou=groups,{ORGANISATION}");
        let mut attributes = vec![("objectClass", "hcGroup"), ("cn", "team")];
        attributes.extend(members.iter().map(|member| ("uniqueMember", *member)));
        self.bench.add(&dn, &attributes).await.unwrap();
        dn
    }
}

#[tokio::test]
async fn ha5_the_values_of_an_attribute_are_read_once_however_many_changes_follow() {
    let scene = Scene::new().await;
    let large: Vec<String> = (0..10).map(|number| format!("{number} {}", "Äx ".repeat(500))).collect();
    let held: usize = large.iter().map(String::len).sum();
    let large: Vec<&str> = large.iter().map(String::as_str).collect();
    scene.modify(&user("bob"), vec![change(Replace, "description", &large)]).await.unwrap();
    let turns = (0..400).map(|number| change(if number % 2 == 0 { Add } else { Delete }, "description", &[&format!("w{}", number / 2)]));
    let (done, looked_at) = scene.counted(&user("bob"), turns.collect()).await;
    done.unwrap();
    // Text beyond ASCII counts eight times.
    assert!(looked_at < 10 * held + 400 * 100, "{looked_at} octets for {held} held and 400 small changes");
    let again = scene.modify(&user("bob"), vec![change(Add, "description", &["w0", "w0"])]).await.unwrap_err();
    assert!(matches!(again, Error::AttributeOrValueExists(_)), "{again:?}");
}

#[tokio::test]
async fn ha5_names_kept_as_text_are_read_once_however_many_links_change() {
    let scene = Scene::new().await;
    let names: Vec<String> = (0..500).map(|number| format!("uid=ghost{number},ou=users,{ORGANISATION}")).collect();
    let held: usize = names.iter().map(String::len).sum();
    let group = scene.group(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let turns = (0..200).map(|number| change(if number % 2 == 0 { Add } else { Delete }, "member", &[&user("bob")]));
    let (done, looked_at) = scene.counted(&group, turns.collect()).await;
    done.unwrap();
    assert!(looked_at < 3 * held + 200 * 300, "{looked_at} octets for {held} held and 200 changes of a link");
    let ghosts = (0..100).map(|number| change(Delete, "uniqueMember", &[&names[number]]));
    let (done, looked_at) = scene.counted(&group, ghosts.chain([change(Add, "uniqueMember", &[&names[7]])]).collect()).await;
    done.unwrap();
    assert!(looked_at < 3 * held + 101 * 300, "{looked_at} octets for {held} held and 101 names");
}

#[tokio::test]
async fn ha5_what_reads_an_attribute_again_and_again_is_refused() {
    let scene = Scene::new().await;
    let dn = format!("cn=numbers,{ORGANISATION}");
    scene.bench.add(&dn, &[("objectClass", "device"), ("objectClass", "extensibleObject")]).await.unwrap();
    let numbers: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    scene.modify(&dn, vec![change(Replace, "mailPreferenceOption", &numbers)]).await.unwrap();
    let turns = |count: usize| vec![change(Increment, "mailPreferenceOption", &["1"]); count];
    scene.modify(&dn, turns(10)).await.unwrap();
    let (done, looked_at) = scene.counted(&dn, turns(1_000)).await;
    refused(&done);
    assert!(looked_at < 9 * ENTRY, "{looked_at}");
}

#[tokio::test]
async fn ha5_a_transaction_has_one_budget() {
    let scene = Scene::new().await;
    scene.modify(&user("bob"), vec![change(Replace, "description", &[&"x".repeat(ENTRY / 2)])]).await.unwrap();
    let update = |number: usize| {
        let modifications = vec![change(Replace, "title", &[&number.to_string()])];
        (Write::Modify { dn: user("bob"), modifications }, WriteOptions::default())
    };
    let directory = &scene.bench.directory;
    directory.write_together(&scene.ada, (0..10).map(update).collect()).await.unwrap();
    let failed = directory.write_together(&scene.ada, (0..40).map(update).collect()).await.unwrap_err();
    assert!(matches!(failed.error, Error::AdminLimit(_)) && failed.at.is_some_and(|at| at >= 10), "{failed:?}");
    directory.write_together(&scene.bench.operator, (0..40).map(update).collect()).await.unwrap();
}

#[tokio::test]
async fn hd6_an_entry_is_bounded_and_one_that_is_larger_may_shrink() {
    let scene = Scene::new().await;
    let (half, bob) = ("x".repeat(ENTRY / 2), user("bob"));
    scene.modify(&bob, vec![change(Add, "description", &[&half])]).await.unwrap();
    refused(&scene.modify(&bob, vec![change(Add, "description", &[&half.replace('x', "y")])]).await);
    let person = [("objectClass", "device"), ("description", &"z".repeat(ENTRY))];
    let attributes = person.map(|(name, value)| (name.to_owned(), vec![value.as_bytes().to_vec()])).to_vec();
    let add = Write::Add { dn: format!("cn=large,{ORGANISATION}"), attributes };
    refused(&scene.bench.directory.write(&scene.ada, add, WriteOptions::default()).await);
    for letter in ["y", "z"] {
        scene.bench.modify(&bob, Add, "description", &[&half.replace('x', letter)]).await.unwrap();
    }
    refused(&scene.modify(&bob, vec![change(Add, "title", &["one more"])]).await);
    scene.modify(&bob, vec![change(Replace, "userPassword", &["another password of some length"])]).await.unwrap();
    scene.modify(&bob, vec![change(Delete, "description", &[&half])]).await.unwrap();
    scene.modify(&bob, vec![change(Replace, "description", &["small"]), change(Add, "title", &["one more"])]).await.unwrap();
}

#[tokio::test]
async fn hd6_links_are_not_counted_with_an_entry() {
    let scene = Scene::new().await;
    let group = scene.group(&[]).await;
    let mut members = Vec::new();
    for number in 0..1_000 {
        let name = format!("cn=a device with a rather long name, so that many names would be too much, {number}");
        let dn = format!("{},{ORGANISATION}", name.replace(',', "\\,"));
        scene.bench.add(&dn, &[("objectClass", "device")]).await.unwrap();
        members.push(dn);
    }
    assert!(members.iter().map(String::len).sum::<usize>() > ENTRY);
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    scene.modify(&group, vec![change(Add, "member", &members)]).await.unwrap();
    scene.modify(&group, vec![change(Add, "description", &["large"])]).await.unwrap();
    let replaced = scene.modify(&group, vec![change(Replace, "member", &members)]).await;
    replaced.unwrap();
}

#[tokio::test]
async fn hd7_changes_of_a_large_entry_take_turns_and_nobody_waits_for_all_of_them() {
    let scene = Scene::new().await;
    scene.bench.modify(&user("bob"), Replace, "title", &["0"]).await.unwrap();
    scene.bench.modify(&user("bob"), Replace, "description", &[&"x".repeat(2 * ENTRY)]).await.unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let changes = (0..40).map(|number: usize| {
        let (directory, ada, done) = (Arc::clone(&scene.bench.directory), scene.ada.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let modifications = vec![change(Replace, "title", &[&(number % 10).to_string()])];
            directory.write(&ada, Write::Modify { dn: user("bob"), modifications }, WriteOptions::default()).await.unwrap();
            done.fetch_add(1, Ordering::Relaxed)
        })
    });
    let changes: Vec<_> = changes.collect();
    tokio::task::yield_now().await;
    scene.modify(&user("cleo"), vec![change(Replace, "title", &["waits for one"])]).await.unwrap();
    let before = done.load(Ordering::Relaxed);
    let mut order = Vec::new();
    for change in changes {
        order.push(change.await.unwrap());
    }
    assert!(before < 10, "{before} changes of a large entry went before one of another");
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test]
async fn ha5_an_entry_to_be_added_is_read_once_and_not_at_all_where_it_is_too_much() {
    let scene = Scene::new().await;
    let add = |value: String, more: Vec<(String, Vec<Vec<u8>>)>| {
        let mut attributes =
            vec![("objectClass".to_owned(), vec![b"device".to_vec()]), ("description".to_owned(), vec![value.into_bytes()])];
        attributes.extend(more);
        Write::Add { dn: format!("cn=new,{ORGANISATION}"), attributes }
    };
    let many: Vec<(String, Vec<Vec<u8>>)> = (0..2_000).map(|number| (format!("description;x-{number}"), vec![b"x".to_vec()])).collect();
    let directory = &scene.bench.directory;
    refused(&directory.write(&scene.ada, add("one".to_owned(), many), WriteOptions::default()).await);
    refused(&directory.write(&scene.ada, add("\u{fdfa}".repeat(ENTRY / 3), Vec::new()), WriteOptions::default()).await);
    directory.write(&scene.ada, add("\u{fdfa}".repeat(ENTRY / 4), Vec::new()), WriteOptions::default()).await.unwrap();
}

#[tokio::test]
async fn o1_a_rename_looks_at_the_names_that_wait_in_its_organisation_and_not_at_what_moves() {
    let scene = Scene::new().await;
    scene.bench.add(&format!("ou=stuff,{ORGANISATION}"), &[("objectClass", "organizationalUnit")]).await.unwrap();
    for number in 0..50 {
        scene.bench.add(&format!("cn=d{number},ou=stuff,{ORGANISATION}"), &[("objectClass", "device")]).await.unwrap();
    }
    let other = "o=other,dc=example,dc=com";
    scene.bench.add(other, &[("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("o", "other")]).await.unwrap();
    let waiting: Vec<String> = (0..50).map(|number| format!("cn=d{number},ou=moved,{other}")).collect();
    let mut theirs = vec![("objectClass", "hcGroup"), ("cn", "theirs")];
    theirs.extend(waiting.iter().map(|name| ("member", name.as_str())));
    scene.bench.add(&format!("cn=theirs,ou=groups,{other}"), &theirs).await.unwrap();
    let rename = |from: &str, to: &str| Write::Rename {
        dn: format!("ou={from},{ORGANISATION}"),
        new_rdn: format!("ou={to}"),
        delete_old_rdn: true,
        new_superior: None,
    };
    let (done, alone) = scene.counted_write(&scene.bench.operator, rename("stuff", "former"), WriteOptions::default()).await;
    done.unwrap();
    let moved = format!("cn=d7,ou=moved,{ORGANISATION}");
    let group = scene.group(&[&moved, &format!("uid=ghost,ou=users,{ORGANISATION}")]).await;
    let (done, looked_at) = scene.counted_write(&scene.bench.operator, rename("former", "moved"), WriteOptions::default()).await;
    done.unwrap();
    assert!(looked_at - alone < 1_000, "{looked_at} octets, where two names wait; {alone} where none does");
    let member_of = |dn: &str| scene.bench.search(&scene.bench.operator, dn, Scope::Base, "(objectClass=*)", &["memberOf"]);
    assert_eq!(member_of(&moved).unwrap()[0].attributes.len(), 1, "the name is a link now: {group}");
}

#[tokio::test]
async fn ha5_assertions_are_counted_by_what_they_look_at() {
    let scene = Scene::new().await;
    scene.modify(&user("bob"), vec![change(Replace, "description", &[&"ab".repeat(ENTRY / 4)])]).await.unwrap();
    let terms = |count: usize| (0..count).map(|number| format!("(description=*a*c*q{number}*)")).collect::<String>();
    let write = || Write::Modify { dn: user("bob"), modifications: vec![change(Replace, "title", &["x"])] };
    let asserting = |text: &str| WriteOptions { assertion: Some(Filter::parse(text).unwrap().into_owned()), ..WriteOptions::default() };
    let (done, _) = scene.counted_write(&scene.ada, write(), asserting(&format!("(!(|{}))", terms(3)))).await;
    done.unwrap();
    let (done, _) = scene.counted_write(&scene.ada, write(), asserting(&format!("(!(|{}))", terms(100)))).await;
    refused(&done);
}

#[tokio::test]
async fn hd1_what_a_transaction_reads_is_counted() {
    let scene = Scene::new().await;
    let names: Vec<String> = (0..300).map(|number| format!("uid=ghost{number},ou=users,{ORGANISATION}")).collect();
    scene.group(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let bob = user("bob");
    scene.modify(&bob, vec![change(Replace, "description", &[&"x".repeat(ENTRY / 4)])]).await.unwrap();
    let reading = |attributes: &[&str]| WriteOptions {
        pre_read: Some(attributes.iter().map(|name| (*name).to_owned()).collect()),
        post_read: Some(attributes.iter().map(|name| (*name).to_owned()).collect()),
        ..WriteOptions::default()
    };
    let updates = |attributes: &[&str]| -> Vec<(Write, WriteOptions)> {
        let update = |number: usize| vec![change(Replace, "title", &[&number.to_string()])];
        (0..15).map(|number| (Write::Modify { dn: bob.clone(), modifications: update(number) }, reading(attributes))).collect()
    };
    let directory = &scene.bench.directory;
    directory.write_together(&scene.ada, updates(&["title"])).await.unwrap();
    let failed = directory.write_together(&scene.ada, updates(&["description"])).await.unwrap_err();
    assert!(matches!(failed.error, Error::AdminLimit(_)), "{failed:?}");
}
