//! Dynamic groups from the inside: what they ask of entries.

use super::dynamic::{DynamicGroups, Reading};
use super::tests::{Bench, ORGANISATION};
use super::tree::{self, Resolved};
use super::*;

const SUFFIX: &str = "dc=example,dc=com";
const OTHER: &str = "o=other,dc=example,dc=com";

async fn group(bench: &Bench, below: &str, name: &str, url: &str) {
    bench.add(&format!("cn={name},{below}"), &[("objectClass", "groupOfURLs"), ("cn", name), ("memberURL", url)]).await.unwrap();
}

/// Devices below the entry, in one change.
async fn devices(bench: &Bench, below: &str, count: usize) {
    let add = |number: usize| {
        let attributes = vec![("objectClass".to_owned(), vec![b"device".to_vec()])];
        (Write::Add { dn: format!("cn=d{number},{below}"), attributes }, WriteOptions::default())
    };
    bench.directory.write_together(&bench.operator, (0..count).map(add).collect()).await.unwrap();
}

/// The questions asked to find the members of a group, and how many it has.
fn asked(bench: &Bench, group: &str) -> (usize, u64) {
    let (directory, current) = (&bench.directory, bench.directory.current());
    let (schema, memory) = (directory.schema(), directory.memory());
    let grants = directory.grants(&bench.operator);
    let reading = Reading { context: current.context(schema, memory), memory: Some(memory), grants: &grants };
    let Resolved::Found(id) = tree::resolve(schema, &current.suffixes, memory, &tree::parse_dn(group).unwrap()) else { panic!("{group}") };
    let mut groups = DynamicGroups::prepare(&reading, 20_000).unwrap();
    let members = groups.members(&reading, id).unwrap();
    (groups.asked(), members.len())
}

#[tokio::test]
async fn hc5_what_a_dynamic_group_asks_tells_nothing_of_other_organisations() {
    let bench = Bench::with_organisation("3").await;
    devices(&bench, ORGANISATION, 20).await;
    for (scope, members) in [("sub", 20), ("one", 20), ("children", 20)] {
        group(&bench, ORGANISATION, scope, &format!("ldap:///{ORGANISATION}??{scope}?(&(objectClass=device)(description=*x*))")).await;
        group(&bench, ORGANISATION, &format!("all {scope}"), &format!("ldap:///{ORGANISATION}??{scope}?(objectClass=device)")).await;
        assert_eq!(asked(&bench, &format!("cn={scope},{ORGANISATION}")), (20, 0));
        assert_eq!(asked(&bench, &format!("cn=all {scope},{ORGANISATION}")), (20, members));
    }
    bench.add(OTHER, &[("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("o", "other")]).await.unwrap();
    devices(&bench, OTHER, 1_100).await;
    for scope in ["sub", "one", "children"] {
        assert_eq!(asked(&bench, &format!("cn={scope},{ORGANISATION}")), (20, 0), "{scope}");
        assert_eq!(asked(&bench, &format!("cn=all {scope},{ORGANISATION}")), (20, 20), "{scope}");
    }
}

#[tokio::test]
async fn hc5_a_walk_of_the_suffix_does_not_count_organisations() {
    let bench = Bench::with_organisation("3").await;
    devices(&bench, SUFFIX, 5).await;
    group(&bench, SUFFIX, "all", &format!("ldap:///{SUFFIX}??sub?(!(objectClass=groupOfURLs))")).await;
    let before = asked(&bench, &format!("cn=all,{SUFFIX}"));
    assert_eq!(before.1, 6, "the devices and the suffix");
    for number in 0..5 {
        let name = format!("other {number}");
        bench
            .add(&format!("o={name},{SUFFIX}"), &[("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("o", &name)])
            .await
            .unwrap();
    }
    assert_eq!(asked(&bench, &format!("cn=all,{SUFFIX}")), before);
}
