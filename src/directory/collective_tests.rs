//! Collective attributes from the inside: whose they are, and what they cost those who have none.

use super::collective::Reach;
use super::filter::Matcher;
use super::plan;
use super::tests::{Bench, ORGANISATION, user};
use super::tree::{self, Resolved};
use super::*;
use crate::access::Grants;
use crate::model::{Facts, Filter, Modification, ModificationKind};
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

async fn share_many(bench: &Bench, name: &str, point: &str, values: usize) -> Result<WriteOutcome, Error> {
    let values: Vec<String> = (0..values).map(|number| format!("{name} {number}")).collect();
    let mut attributes =
        vec![("objectClass", "subentry"), ("objectClass", "collectiveAttributeSubentry"), ("cn", name), ("subtreeSpecification", "{ }")];
    attributes.extend(values.iter().map(|value| ("c-l", value.as_str())));
    bench.add(&format!("cn={name},{point}"), &attributes).await
}

fn grants(bench: &Bench) -> Arc<Grants> {
    bench.directory.grants(&bench.operator)
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

#[tokio::test]
async fn ha5_what_is_shared_is_brought_together_once_and_copied_from_then_on() {
    let bench = Bench::with_organisation("3").await;
    share_many(&bench, "one", ORGANISATION, 200).await.unwrap();
    share_many(&bench, "two", ORGANISATION, 200).await.unwrap();
    let (grants, directory) = (grants(&bench), &bench.directory);
    let mut sharing = directory.sharing(&grants).unwrap();
    let mut put_on = |name: &str| {
        let (before, entry) = (sharing.work(), directory.memory().entry(id(&bench, &user(name))).unwrap());
        let shared = sharing.put_on(directory.schema(), directory.memory(), entry);
        assert_eq!(shared.values(directory.schema().attribute("c-l").unwrap()).count(), 400);
        sharing.work() - before
    };
    // Two subtrees of one part, 400 values; brought together, and put on.
    assert_eq!(put_on("ada"), 2 + 400 + 400);
    assert_eq!(put_on("bob"), 2 + 400);
    assert_eq!(put_on("cleo"), 2 + 400);
}

#[tokio::test]
async fn ha5_who_asks_for_nothing_shared_has_nothing_put_on() {
    let bench = Bench::with_organisation("3").await;
    share_many(&bench, "one", ORGANISATION, 2).await.unwrap();
    let grants = grants(&bench);
    let asks = |filter: &str, attributes: &[&str], sort: Option<&str>| {
        let mut request = SearchRequest::new(SUFFIX, Scope::Subtree, Filter::parse(filter).unwrap(), attributes.to_vec());
        request.sort = sort.map(|attribute| SortKey { attribute, rule: None, reverse: false }).into_iter().collect();
        bench.directory.search(&bench.operator, &request).unwrap().sharing(&grants).map(|sharing| sharing.is_matched)
    };
    assert_eq!(asks("(!(cn=x))", &["1.1"], None), None);
    assert_eq!(asks("(uid=*)", &["uid", "sn", "l;lang-en"], Some("cn")), Some(false));
    assert_eq!(asks("(uid=*)", &["uid", "sn"], Some("cn")), None);
    assert_eq!(asks("(uid=*)", &["uid"], Some("l")), Some(false));
    for attribute in ["*", "+", "c-l", "l", "name", "c-l;lang-en", "collectiveAttributeSubentries", "2.5.4.7.1"] {
        assert_eq!(asks("(uid=*)", &[attribute], None), Some(false), "{attribute}");
    }
    for filter in ["(c-l=x)", "(!(l=x))", "(&(uid=ada)(name=x))", "(collectiveAttributeSubentries=*)", "(:caseIgnoreMatch:=x)"] {
        assert_eq!(asks(filter, &["1.1"], None), Some(true), "{filter}");
    }
}

#[tokio::test]
async fn ha5_a_step_of_a_search_ends_where_much_is_put_on() {
    struct Count(usize);
    impl EntrySink for Count {
        fn entry(&mut self, _: &Visible<'_>) {
            self.0 += 1;
        }
        fn reference(&mut self, _: &[String]) {}
    }
    let bench = Bench::with_organisation("3").await;
    for number in 0..32 {
        share_many(&bench, &format!("s{number}"), ORGANISATION, 256).await.unwrap();
    }
    for sort in [None, Some("c-l")] {
        let mut request = SearchRequest::new(ORGANISATION, Scope::Subtree, Filter::parse("(c-l=s3 7)").unwrap(), vec!["1.1"]);
        request.sort = sort.map(|attribute| SortKey { attribute, rule: None, reverse: false }).into_iter().collect();
        let mut search = bench.directory.search(&bench.operator, &request).unwrap();
        let (mut count, mut steps) = (Count(0), 1);
        while search.step(&mut count).unwrap() == Progress::More {
            steps += 1;
        }
        assert!(count.0 >= 7 && steps >= count.0 / 2, "{} in {steps} steps", count.0);
    }
}

#[tokio::test]
async fn ha5_no_subentry_and_no_organisation_shares_without_bound() {
    let bench = Bench::with_organisation("3").await;
    let refused = |outcome: Result<WriteOutcome, Error>| assert!(matches!(outcome, Err(Error::AdminLimit(_))), "{outcome:?}");
    refused(share_many(&bench, "many", ORGANISATION, 257).await);
    share_many(&bench, "many", ORGANISATION, 256).await.unwrap();
    let dn = format!("cn=many,{ORGANISATION}");
    refused(bench.modify(&dn, ModificationKind::Add, "c-st", &["one more"]).await);
    bench.modify(&dn, ModificationKind::Delete, "c-l", &["many 7"]).await.unwrap();
    refused(bench.modify(&dn, ModificationKind::Replace, "c-st", &["x".repeat(64 << 10).as_str()]).await);
    bench.modify(&dn, ModificationKind::Replace, "c-st", &["x".repeat(60 << 10).as_str()]).await.unwrap();
    for number in 1..32 {
        share_many(&bench, &format!("s{number}"), ORGANISATION, 256).await.unwrap();
    }
    refused(share_many(&bench, "over", &format!("ou=users,{ORGANISATION}"), 1).await);
    bench.write(Write::Delete { dn: format!("cn=s9,{ORGANISATION}") }).await.unwrap();
    share_many(&bench, "over", &format!("ou=users,{ORGANISATION}"), 1).await.unwrap();
    share_many(&bench, "above", SUFFIX, 256).await.unwrap();
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
