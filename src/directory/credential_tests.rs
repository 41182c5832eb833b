//! Passwords in changes: none stays in the clear, whichever way it comes, and who may not write one learns nothing by trying.

use super::bind::Proof;
use super::tests::{Bench, ORGANISATION, user};
use super::tree::{self, Resolved};
use super::{Caller, Error, Identity, Origin, SessionRequest, Write, WriteOptions, lockout};
use crate::base::Secret;
use crate::model::{Facts, Modification, ModificationKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn anonymous() -> Caller {
    Caller { identity: Arc::new(Identity::anonymous()), origin: Arc::new(Origin::system()) }
}

fn password(value: &str) -> Modification {
    Modification { kind: ModificationKind::Replace, attribute: "userPassword".to_owned(), values: vec![value.as_bytes().to_vec()] }
}

fn found(bench: &Bench, dn: &str) -> Resolved {
    let directory = &bench.directory;
    tree::resolve(directory.schema(), &directory.current().suffixes, directory.memory(), &tree::parse_dn(dn).unwrap())
}

#[tokio::test]
async fn hc6_a_password_that_comes_with_a_rename_is_hashed() {
    let bench = Bench::with_organisation("3").await;
    let rename = Write::Rename { dn: user("ada"), new_rdn: "uid=ada2".to_owned(), delete_old_rdn: true, new_superior: None };
    let options = WriteOptions { modifications: vec![password("a password of some length")], ..WriteOptions::default() };
    bench.directory.write(&bench.operator, rename, options).await.unwrap();
    let memory = bench.directory.memory();
    let Resolved::Found(id) = found(&bench, &user("ada2")) else { panic!("not renamed") };
    let stored = memory.entry(id).unwrap();
    let values: Vec<_> = stored.values(bench.directory.schema().known().user_password).collect();
    assert_eq!(values.len(), 1);
    assert!(values[0].starts_with(b"{ARGON2}"), "{}", String::from_utf8_lossy(values[0]));
}

#[tokio::test]
async fn hc2_who_may_not_write_a_password_gets_one_answer_whatever_it_is() {
    let bench = Bench::with_organisation("3").await;
    let mut answers = Vec::new();
    for name in ["ada", "nobody"] {
        for value in ["ada", "short", "a password of some length"] {
            let change = Write::Modify { dn: user(name), modifications: vec![password(value)] };
            answers.push(bench.directory.write(&anonymous(), change, WriteOptions::default()).await.unwrap_err());
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[tokio::test]
async fn hb6_a_secret_names_no_entry_and_takes_no_options() {
    let bench = Bench::with_organisation("3").await;
    let dn = format!("uid=new+userPassword=short,ou=users,{ORGANISATION}");
    let refused = bench.add(&dn, &[("objectClass", "inetOrgPerson"), ("cn", "New"), ("sn", "New")]).await.unwrap_err();
    assert!(matches!(refused, Error::Naming(_)), "{refused:?}");
    let refused = bench.modify(&user("ada"), ModificationKind::Add, "userPassword;x-a", &["a password of some length"]).await.unwrap_err();
    assert!(matches!(refused, Error::UndefinedType(_)), "{refused:?}");
}

#[tokio::test]
async fn hd4_a_change_brings_so_many_passwords_and_no_more() {
    let bench = Bench::with_organisation("3").await;
    let values: Vec<String> = (0..17).map(|number| format!("a password of some length, number {number}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let refused = bench.modify(&user("ada"), ModificationKind::Add, "userPassword", &values).await.unwrap_err();
    assert!(matches!(refused, Error::Constraint(_)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hb3_a_flood_of_names_leaves_no_queue_behind() {
    let bench = Bench::with_organisation("3").await;
    let attempts = (0..160).map(|at| {
        let directory = Arc::clone(&bench.directory);
        tokio::spawn(async move {
            let (wrong, request) = (Secret::new(b"wrong".to_vec()), SessionRequest::default());
            directory.bind(&Origin::system(), &user(&format!("nobody{}", at / 8)), &wrong, request).await.unwrap_err()
        })
    });
    for attempt in attempts.collect::<Vec<_>>() {
        assert!(matches!(attempt.await.unwrap(), Error::InvalidCredentials | Error::Busy(_)));
    }
    assert_eq!(bench.directory.core().lockouts.queues(), 0);
}

#[tokio::test]
async fn hb4_attempts_that_wait_for_others_come_in_turn() {
    let bench = Bench::with_organisation("3").await;
    bench.modify(&user("bob"), ModificationKind::Replace, "hcUserType", &["service"]).await.unwrap();
    let ended = Arc::new(AtomicUsize::new(0));
    let clients = (0..16).map(|_| {
        let (directory, ended) = (Arc::clone(&bench.directory), Arc::clone(&ended));
        tokio::spawn(async move {
            let (mut overtaken, password) = (Vec::new(), Secret::new(b"correct horse battery staple".to_vec()));
            for _ in 0..40 {
                let before = ended.load(Ordering::Relaxed);
                directory.bind(&Origin::system(), &user("bob"), &password, SessionRequest::default()).await.unwrap();
                overtaken.push(ended.fetch_add(1, Ordering::Relaxed) - before);
            }
            overtaken
        })
    });
    let mut overtaken = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        overtaken.extend(client.await.unwrap());
    }
    // While the machine lets the thread wait that hashes for one, any number go past it on the other.
    overtaken.sort_unstable();
    let most = overtaken[overtaken.len() * 98 / 100];
    assert!(most <= 32, "{most} others went before one, and there are 15");
    assert_eq!(bench.directory.core().lockouts.queues(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hd10_failures_are_written_down_together_and_before_they_are_answered() {
    let bench = Bench::with_organisation("3").await;
    let writes = || bench.directory.store().counts().changes.load(Ordering::Relaxed);
    let before = writes();
    for round in 0..10 {
        let attempts = (0..16).map(|at| {
            let (directory, name) = (Arc::clone(&bench.directory), if at == 0 { "ada".to_owned() } else { format!("nobody{round}-{at}") });
            tokio::spawn(async move {
                let (wrong, request) = (Secret::new(b"wrong".to_vec()), SessionRequest::default());
                directory.bind(&Origin::system(), &user(&name), &wrong, request).await.unwrap_err()
            })
        });
        for attempt in attempts.collect::<Vec<_>>() {
            assert_eq!(attempt.await.unwrap(), Error::InvalidCredentials);
        }
        let Resolved::Found(ada) = found(&bench, &user("ada")) else { panic!("there is no ada") };
        let saved = lockout::saved(bench.directory.memory(), ada).map_or(0, |attempts| attempts.failures().len());
        assert_eq!(saved.min(5), 5.min(round + 1), "what is answered is written down");
    }
    assert!((1..=40).contains(&(writes() - before)), "{} writes of 160 failures", writes() - before);
}

#[tokio::test]
async fn hc7_who_takes_no_seat_is_let_in_by_what_the_account_has_now() {
    let bench = Bench::with_organisation("3").await;
    let tool = "cn=tool,dc=example,dc=com";
    let classes = [("objectClass", "applicationProcess"), ("objectClass", "simpleSecurityObject")];
    bench.add(tool, &[classes[0], classes[1], ("cn", "tool"), ("userPassword", "a password of some length")]).await.unwrap();
    let Resolved::Found(id) = found(&bench, tool) else { panic!("not added") };
    let proven = bench.directory.memory().entry(id).unwrap();
    let hashes: Vec<Vec<u8>> = proven.values(bench.directory.schema().known().user_password).map(<[u8]>::to_vec).collect();
    let origin = Origin::system();
    let admit = || bench.directory.admit(&origin, &proven, &hashes, SessionRequest::default(), Proof::Password);
    let identity = admit().await.unwrap().identity;
    assert!(bench.directory.refresh(&identity).is_some());
    bench.modify(tool, ModificationKind::Replace, "userPassword", &["another password of some length"]).await.unwrap();
    assert!(bench.directory.refresh(&identity).is_none(), "who was in is out");
    // Who has proven the old one in the moment of the change comes too late.
    assert!(matches!(admit().await.unwrap_err(), Error::InvalidCredentials));
}
