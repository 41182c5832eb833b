//! Collective attributes from the inside: whose they are, and what they cost those who have none.

use super::collective::Reach;
use super::filter::Matcher;
use super::plan;
use super::tests::{Bench, ORGANISATION, user};
use super::tree::{self, Resolved};
use super::*;
use crate::model::{Filter, Modification, ModificationKind};
use std::sync::atomic::{AtomicBool, Ordering};

const SUFFIX: &str = "dc=example,dc=com";

async fn share(bench: &Bench, name: &str, point: &str, attribute: &str, value: &str) {
    let attributes = [
        ("objectClass", "subentry"),
        ("objectClass", "collectiveAttributeSubentry"),
        ("cn", name),
        ("subtreeSpecification", "{ }"),
        (attribute, value),
    ];
    bench.add(&format!("cn={name},{point}"), &attributes).await.unwrap();
}

fn id(bench: &Bench, dn: &str) -> EntryId {
    let (directory, current) = (&bench.directory, bench.directory.current());
    match tree::resolve(directory.schema(), &current.suffixes, directory.memory(), &tree::parse_dn(dn).unwrap()) {
        Resolved::Found(id) => id,
        other => panic!("{dn}: {other:?}"),
    }
}

/// How many candidates the indexes leave of a search, and whether they need not be asked again; `None`: the whole scope.
fn candidates(bench: &Bench, organisation: Option<&str>, base: &str, filter: &str) -> Option<(u64, bool)> {
    let (directory, current) = (&bench.directory, bench.directory.current());
    let context = current.context(directory.schema(), directory.memory());
    let matcher = Matcher::prepare(&context, &Filter::parse(filter).unwrap());
    let areas = directory.areas();
    let organisation = organisation.map(|dn| id(bench, dn));
    let reach = Reach { areas: areas.as_deref(), organisation, base: Some(id(bench, base)) };
    plan::plan(directory.schema(), directory.memory(), &matcher, &reach).map(|plan| (plan.ids.len(), plan.exact))
}

#[tokio::test]
async fn o1_nobody_sees_what_another_organisation_shares() {
    let bench = Bench::with_organisation("3").await;
    let other = "o=other,dc=example,dc=com";
    bench.add(other, &[("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("o", "other")]).await.unwrap();
    for (point, place) in [(ORGANISATION, "Oslo"), (other, "Rome"), (SUFFIX, "Earth")] {
        share(&bench, "shared", point, "c-l", place).await;
    }
    let ada = Caller { identity: bench.bind("ada").await.unwrap().identity, origin: Arc::new(Origin::system()) };
    let find = |caller: &Caller, filter: &str| {
        let mut found: Vec<String> = Vec::new();
        for entry in bench.search(caller, SUFFIX, Scope::Subtree, filter, &["c-l"]).unwrap() {
            found.extend(entry.attributes.iter().map(|encoded| String::from_utf8_lossy(encoded).into_owned()));
        }
        found
    };
    assert!(find(&ada, "(c-l=oslo)").iter().any(|shown| shown.contains("Oslo") && shown.contains("Earth")));
    assert!(find(&ada, "(objectClass=*)").iter().all(|shown| !shown.contains("Rome")));
    assert!(find(&ada, "(c-l=rome)").is_empty());
    assert!(find(&bench.operator, "(c-l=rome)").iter().all(|shown| !shown.contains("Oslo")));
    // Not even by what has to be looked at.
    assert_eq!(candidates(&bench, Some(ORGANISATION), SUFFIX, "(c-l=rome)"), Some((0, true)));
    assert_eq!(candidates(&bench, None, SUFFIX, "(c-l=rome)"), Some((2, false)));
}

#[tokio::test]
async fn an_index_serves_whoever_shares_nothing_that_matches() {
    let bench = Bench::with_organisation("3").await;
    assert!(bench.directory.areas().is_none());
    assert_eq!(candidates(&bench, None, SUFFIX, "(ou=users)"), Some((1, true)));
    share(&bench, "shared", &format!("ou=users,{ORGANISATION}"), "c-ou", "Sales").await;
    assert_eq!(candidates(&bench, None, SUFFIX, "(ou=users)"), Some((1, true)));
    assert_eq!(candidates(&bench, None, SUFFIX, "(ou=licences)"), Some((1, true)));
    // The container, three users, the subentry.
    assert_eq!(candidates(&bench, None, SUFFIX, "(ou=sales)"), Some((5, false)));
    // Where all of the scope matches anyhow, there is nothing to narrow.
    assert_eq!(candidates(&bench, None, &user("ada"), "(ou=sales)"), None);
}

#[tokio::test]
async fn areas_are_read_again_when_a_subentry_changes_and_not_before() {
    let bench = Bench::with_organisation("3").await;
    share(&bench, "shared", ORGANISATION, "c-l", "Oslo").await;
    let before = bench.directory.areas().unwrap();
    bench.modify(&user("ada"), ModificationKind::Replace, "description", &["x"]).await.unwrap();
    assert!(Arc::ptr_eq(&before, &bench.directory.areas().unwrap()));
    bench.modify(&format!("cn=shared,{ORGANISATION}"), ModificationKind::Replace, "c-l", &["Rome"]).await.unwrap();
    assert!(!Arc::ptr_eq(&before, &bench.directory.areas().unwrap()));
    bench.write(Write::Delete { dn: format!("cn=shared,{ORGANISATION}") }).await.unwrap();
    assert!(bench.directory.areas().is_none());
}

#[test]
fn rfc5805_s1_a_subentry_and_an_entry_that_change_together_are_seen_so() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bench = runtime.block_on(async {
        let bench = Bench::with_organisation("3").await;
        share(&bench, "shared", ORGANISATION, "c-l", "place 0").await;
        bench.modify(&user("ada"), ModificationKind::Replace, "description", &["place 0"]).await.unwrap();
        bench
    });
    let replace = |dn: String, attribute: &str, round: usize| {
        let values = vec![format!("place {round}").into_bytes()];
        let modifications = vec![Modification { kind: ModificationKind::Replace, attribute: attribute.to_owned(), values }];
        (Write::Modify { dn, modifications }, WriteOptions::default())
    };
    let done = AtomicBool::new(false);
    let look = || {
        let found = bench.search(&bench.operator, &user("ada"), Scope::Base, "(objectClass=*)", &["c-l", "description"]).unwrap();
        let texts: Vec<String> = found[0].attributes.iter().map(|encoded| String::from_utf8_lossy(encoded).into_owned()).collect();
        let rounds: Vec<&str> = texts.iter().filter_map(|text| text.split_once("place ")).map(|(_, round)| round).collect();
        assert!(rounds.len() == 2 && rounds[0] == rounds[1], "{rounds:?}");
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    look();
                }
            });
        }
        for round in 1..200 {
            let together = vec![replace(format!("cn=shared,{ORGANISATION}"), "c-l", round), replace(user("ada"), "description", round)];
            runtime.block_on(bench.directory.write_together(&bench.operator, together)).unwrap();
            look();
        }
        done.store(true, Ordering::Relaxed);
    });
}
