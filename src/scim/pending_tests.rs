//! References to somebody who is not there yet (quirk 48).

use super::tests::Bench;
use crate::base::random;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const ACME: &str = "o=acme,dc=example,dc=com";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn managed(name: &str, external_id: &str, manager: &Value) -> Value {
    json!({"userName": name, "name": {"familyName": "x"}, "externalId": external_id, ENTERPRISE: {"manager": manager}})
}

fn named(name: &str, external_id: &str) -> Value {
    json!({"userName": name, "name": {"familyName": "x"}, "externalId": external_id})
}

impl Bench {
    async fn make(&self, body: Value) -> String {
        self.call("POST", "/Users", body).await.id()
    }

    async fn manager(&self, id: &str) -> Option<String> {
        let user = self.get(&format!("/Users/{id}")).await.ok();
        user[ENTERPRISE]["manager"]["value"].as_str().map(str::to_owned)
    }

    /// What waits, as an administrator is told: who refers and whom it names.
    fn waiting(&self) -> Vec<(String, String)> {
        let found = self.directory.pending_references(&self.operator, Some(ACME), "test").unwrap();
        let count = self.directory.client_named(&self.operator, Some(ACME), "test").unwrap().pending;
        assert_eq!(found.len(), count, "the count is what there is");
        let rdn = |dn: &str| dn.split(',').next().unwrap_or_default().to_owned();
        found.iter().map(|pending| (rdn(&pending.holder), pending.value.clone())).collect()
    }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(holder, value)| ((*holder).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn quirk_48_a_manager_arrives_after_its_people_by_external_id_and_by_user_name() {
    let bench = Bench::new().await;
    let ann = bench.make(managed("ann", "1", &json!({"value": "b-7"}))).await;
    let bea = bench.make(managed("bea", "2", &json!("boss"))).await;
    assert_eq!((bench.manager(&ann).await, bench.manager(&bea).await), (None, None), "who is not there does not show");
    assert_eq!(bench.waiting(), pairs(&[("uid=ann", "b-7"), ("uid=bea", "boss")]));
    let version = bench.get(&format!("/Users/{ann}")).await.ok()["meta"]["version"].clone();
    // The externalId of a client is told from others by case, and a user name is not.
    bench.make(named("other", "B-7")).await;
    assert_eq!(bench.waiting().len(), 2);
    let boss = bench.make(named("BOSS", "b-7")).await;
    assert_eq!((bench.manager(&ann).await, bench.manager(&bea).await), (Some(boss.clone()), Some(boss.clone())));
    assert_ne!(bench.get(&format!("/Users/{ann}")).await.ok()["meta"]["version"], version);
    assert_eq!(bench.waiting(), []);
    // Whom it names from now on is there at once.
    let cleo = bench.make(managed("cleo", "3", &json!({"value": "b-7"}))).await;
    assert_eq!(bench.manager(&cleo).await, Some(boss));
}

#[tokio::test]
async fn quirk_48_what_waits_is_replaced_and_removed_by_what_a_client_sends_next() {
    let bench = Bench::new().await;
    let ann = bench.make(managed("ann", "1", &json!({"value": "x"}))).await;
    let path = format!("/Users/{ann}");
    let manager = format!("{ENTERPRISE}:manager");
    let boss = bench.make(named("boss", "b")).await;
    bench.patch(&path, json!([{"op": "replace", "path": manager, "value": "y"}])).await.ok();
    assert_eq!(bench.waiting(), pairs(&[("uid=ann", "y")]));
    bench.patch(&path, json!([{"op": "replace", "path": manager, "value": boss}])).await.ok();
    assert_eq!((bench.waiting(), bench.manager(&ann).await), (pairs(&[]), Some(boss)));
    bench.patch(&path, json!([{"op": "replace", "path": manager, "value": {"value": "z"}}])).await.ok();
    assert_eq!((bench.waiting(), bench.manager(&ann).await), (pairs(&[("uid=ann", "z")]), None));
    // The same again changes nothing, and nothing else touches it.
    let version = bench.get(&path).await.ok()["meta"]["version"].clone();
    bench.patch(&path, json!([{"op": "add", "path": manager, "value": "z"}])).await.ok();
    assert_eq!(bench.get(&path).await.ok()["meta"]["version"], version);
    bench.patch(&path, json!([{"op": "replace", "path": "title", "value": "VP"}])).await.ok();
    assert_eq!(bench.waiting(), pairs(&[("uid=ann", "z")]));
    bench.patch(&path, json!([{"op": "replace", "path": manager, "value": ""}])).await.ok();
    assert_eq!(bench.waiting(), []);
    for body in [managed("ann", "1", &json!("w")), named("ann", "1")] {
        bench.call("PUT", &path, body).await.ok();
    }
    assert_eq!(bench.waiting(), [], "a PUT without it removes it");
    bench.call("PUT", &path, managed("ann", "1", &json!("w"))).await.ok();
    // An administrator says who it is.
    bench.replace(&format!("uid=ann,ou=users,{ACME}"), "manager", &format!("uid=boss,ou=users,{ACME}")).await.unwrap();
    assert_eq!(bench.waiting(), []);
}

#[tokio::test]
async fn quirk_48_members_wait_are_listed_by_no_answer_and_can_be_taken_back() {
    let bench = Bench::new().await;
    let bob = bench.user("bob").await;
    let team = bench.group("team", &[&bob, "fake-member-id"]).await;
    let path = format!("/Groups/{team}");
    assert_eq!((bench.members(&team).await, bench.waiting()), (vec![bob.clone()], pairs(&[("cn=team", "fake-member-id")])));
    let op = |op: &str, value: Value| json!([{"op": op, "path": "members", "value": value}]);
    bench.patch(&path, op("add", json!([{"value": "m1"}, {"value": "M1"}, {"value": "fake-member-id"}]))).await.ok();
    assert_eq!(bench.waiting().len(), 3);
    for _ in 0..2 {
        bench.patch(&path, op("remove", json!([{"value": "fake-member-id"}]))).await.ok();
        bench.patch(&path, json!([{"op": "remove", "path": "members[value eq \"m1\"]"}])).await.ok();
        assert_eq!(bench.waiting(), pairs(&[("cn=team", "M1")]));
    }
    bench.patch(&path, op("replace", json!([{"value": bob}, {"value": "m2"}]))).await.ok();
    assert_eq!((bench.members(&team).await, bench.waiting()), (vec![bob.clone()], pairs(&[("cn=team", "m2")])));
    let ann = bench.make(named("ann", "m2")).await;
    let mut both = [ann.clone(), bob.clone()];
    both.sort();
    assert_eq!((bench.members(&team).await, bench.waiting()), (both.to_vec(), pairs(&[])));
    // By the name that it waited for it is a member still, and goes by that.
    bench.call("PUT", &path, json!({"displayName": "team", "members": [{"value": "m2"}]})).await.ok();
    assert_eq!(bench.members(&team).await, [ann]);
    bench.patch(&path, op("remove", json!([{"value": "m2"}]))).await.ok();
    assert!(bench.members(&team).await.is_empty());
    // Levels wait too, and a list of nobody is one.
    let levels = "urn:headcount:scim:schemas:extension:1.0:Group:memberships";
    bench.patch(&path, json!([{"op": "add", "path": levels, "value": [{"value": "m3", "level": "viewOnly"}]}])).await.ok();
    bench.patch(&path, op("add", json!([{"value": "m4"}]))).await.ok();
    bench.patch(&path, json!([{"op": "remove", "path": "members[value eq \"m4\"]"}])).await.ok();
    bench.make(named("cleo", "m3")).await;
    let shown = bench.get(&format!("{path}?attributes={levels}")).await.ok();
    assert_eq!(shown["urn:headcount:scim:schemas:extension:1.0:Group"]["memberships"][0]["level"], json!("viewOnly"));
    bench.patch(&path, op("replace", json!([{"value": "m5"}]))).await.ok();
    bench.patch(&path, op("replace", json!([]))).await.ok();
    assert_eq!(bench.waiting(), []);
}

#[tokio::test]
async fn quirk_48_what_waits_goes_with_its_holder_after_30_days_and_with_its_client() {
    let bench = Bench::new().await;
    let ann = bench.make(managed("ann", "1", &json!("x"))).await;
    bench.group("team", &["y"]).await;
    bench.call("DELETE", &format!("/Users/{ann}"), Value::Null).await;
    assert_eq!(bench.waiting(), pairs(&[("cn=team", "y")]));
    bench.clock.advance(Duration::from_secs(30 * 86_400 - 1));
    bench.directory.forget_pending_references().await.unwrap();
    assert_eq!(bench.waiting().len(), 1);
    bench.clock.advance(Duration::from_secs(1));
    bench.directory.forget_pending_references().await.unwrap();
    assert_eq!(bench.waiting(), []);
    bench.set(json!({"deletion": "deactivate"})).await;
    let bea = bench.make(managed("bea", "2", &json!("z"))).await;
    bench.call("DELETE", &format!("/Users/{bea}"), Value::Null).await;
    assert_eq!(bench.waiting(), [], "the client sees it as deleted");
    let team = bench.group("crew", &["w"]).await;
    bench.directory.remove_client(&bench.operator, Some(ACME), "test").await.unwrap();
    let mut bench = bench;
    bench.token = bench.token_of("acme").await;
    bench.set(json!({"reach": "organisation"})).await;
    bench.make(named("w", "w")).await;
    assert!(bench.members(&team).await.is_empty());
    bench.directory.forget_pending_references().await.unwrap();
    assert_eq!(bench.waiting(), []);
}

#[tokio::test]
async fn hc5_a_reference_to_what_the_client_may_not_see_waits_as_one_to_nobody_does() {
    let mut bench = Bench::new().await;
    let own = bench.token.clone();
    bench.token = bench.token_of("other").await;
    let theirs = bench.make(named("theirs", "shared")).await;
    bench.token = own;
    let nobody = "0192f0c0-0000-7000-8000-000000000001";
    let answers = [
        bench.call("POST", "/Users", managed("ann", "1", &json!(theirs))).await.ok(),
        bench.call("POST", "/Users", managed("ann2", "2", &json!(nobody))).await.ok(),
    ];
    for answer in &answers {
        assert!(answer.get(ENTERPRISE).is_none(), "{answer}");
    }
    bench.make(managed("bea", "3", &json!("shared"))).await;
    assert_eq!(bench.waiting().len(), 3);
    // The externalId of another client of the organisation is not its own either.
    let token = std::mem::take(&mut bench.token);
    bench.token = bench.other_client().await;
    bench.make(named("second", "shared")).await;
    bench.token = token;
    assert_eq!(bench.waiting().len(), 3);
    let third = bench.make(named("third", "shared")).await;
    assert_eq!((bench.waiting().len(), bench.found("/Users", &format!("{ENTERPRISE}:manager.value eq \"{third}\"")).await.len()), (2, 1));
}

#[tokio::test]
async fn quirk_48_a_user_that_comes_back_is_who_was_meant_by_its_id() {
    let bench = Bench::new().await;
    let boss = bench.make(named("boss", "b")).await;
    bench.call("DELETE", &format!("/Users/{boss}"), Value::Null).await;
    let ann = bench.make(managed("ann", "1", &json!({"value": boss.to_uppercase()}))).await;
    assert_eq!(bench.manager(&ann).await, None);
    bench.directory.restore_user(&bench.operator, &boss).await.unwrap();
    assert_eq!(bench.manager(&ann).await, Some(boss));
    // Somebody may wait for oneself.
    let own = bench.call("POST", "/Users", managed("own", "own-id", &json!("own-id"))).await.ok();
    assert_eq!(own[ENTERPRISE]["manager"]["value"], own["id"]);
}

#[tokio::test]
async fn quirk_48_a_strict_client_and_a_reference_to_no_name_are_refused() {
    let bench = Bench::new().await;
    for value in [String::new(), "a\nb".to_owned(), "x".repeat(513)] {
        let group = json!({"displayName": "t", "members": [{"value": value}]});
        bench.call("POST", "/Groups", group).await.refused(400, Some("invalidValue"));
    }
    let ann = bench.make(managed("ann", "1", &json!("later"))).await;
    bench.set(json!({"profile": "strict"})).await;
    let strict = |manager: &str| json!([{"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": {"value": manager}}]);
    bench.patch(&format!("/Users/{ann}"), strict("x")).await.refused(400, Some("invalidValue"));
    let boss = bench.make(json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "boss", "externalId": "b"})).await;
    bench.patch(&format!("/Users/{ann}"), strict("b")).await.refused(400, Some("invalidValue"));
    bench.patch(&format!("/Users/{ann}"), strict(&boss)).await.ok();
    assert_eq!(bench.waiting(), []);
}

#[tokio::test]
async fn quirk_48_only_so_many_wait_for_one_name() {
    let bench = Bench::new().await;
    for at in 0..1_000 {
        bench.group(&format!("g{at}"), &["late"]).await;
    }
    let refused = bench.call("POST", "/Groups", json!({"displayName": "last", "members": [{"value": "late"}]})).await;
    refused.refused(400, Some("invalidValue"));
    assert!(refused.2["detail"].as_str().unwrap().contains("1000"), "{}", refused.2);
    let late = bench.make(named("late", "late")).await;
    assert_eq!(bench.waiting(), []);
    assert_eq!(bench.get(&format!("/Users/{late}")).await.ok()["groups"].as_array().unwrap().len(), 1_000);
}

/// What is made, in any order: users with managers, groups with members, and memberships that come by themselves.
#[derive(Clone, Copy)]
enum Made {
    User(&'static str, Option<&'static str>),
    Group(&'static str, &'static [&'static str]),
}

/// Who manages whom and who is where, by the names of all.
async fn state(bench: &Bench) -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::new();
    let (users, groups) = (bench.get("/Users?count=100").await.ok(), bench.get("/Groups?count=100").await.ok());
    let all: Vec<Value> = [users, groups].iter().flat_map(|list| list["Resources"].as_array().unwrap().clone()).collect();
    for resource in &all {
        names.insert(resource["id"].as_str().unwrap().to_owned(), resource["externalId"].as_str().unwrap().to_owned());
    }
    let name = |id: &Value| names[id.as_str().unwrap()].clone();
    let of = |resource: &Value| {
        let mut found: Vec<String> = resource["members"].as_array().into_iter().flatten().map(|member| name(&member["value"])).collect();
        found.extend(resource[ENTERPRISE]["manager"].get("value").map(name));
        found.sort();
        (resource["externalId"].as_str().unwrap().to_owned(), found)
    };
    all.iter().map(of).collect()
}

#[tokio::test]
async fn quirk_48_any_order_of_users_groups_and_references_ends_in_the_same_state() {
    let made = [
        Made::User("a", Some("b")),
        Made::User("b", Some("c")),
        Made::User("c", Some("a")),
        Made::User("d", Some("nobody")),
        Made::Group("g", &["a", "h", "d", "nobody"]),
        Made::Group("h", &["b", "c"]),
        Made::Group("i", &["g", "nobody2"]),
    ];
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, members) in [("a", "b"), ("b", "c"), ("c", "a"), ("d", ""), ("g", "a d h"), ("h", "b c"), ("i", "g")] {
        expected.insert(name.to_owned(), members.split_whitespace().map(str::to_owned).collect());
    }
    for _ in 0..40 {
        let bench = Bench::new().await;
        let mut order = made.to_vec();
        for at in (1..order.len()).rev() {
            order.swap(at, usize::from(random::bytes::<1>()[0]) % (at + 1));
        }
        let mut late = Vec::new();
        for step in order {
            // Half of the references come with what refers, and half after it.
            let apart = random::bytes::<1>()[0].is_multiple_of(2);
            match step {
                Made::User(name, manager) => {
                    let manager = json!(manager.unwrap_or_default());
                    let body = if apart { named(name, name) } else { managed(name, name, &manager) };
                    let id = bench.make(body).await;
                    let add = json!([{"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": manager}]);
                    late.extend(apart.then_some((format!("/Users/{id}"), add)));
                }
                Made::Group(name, members) => {
                    let members: Vec<Value> = members.iter().map(|member| json!({"value": member})).collect();
                    let given = if apart { Vec::new() } else { members.clone() };
                    let body = json!({"displayName": name, "externalId": name, "members": given});
                    let id = bench.call("POST", "/Groups", body).await.id();
                    let add = json!([{"op": "add", "path": "members", "value": members}]);
                    late.extend(apart.then_some((format!("/Groups/{id}"), add)));
                }
            }
            if random::bytes::<1>()[0].is_multiple_of(2) {
                for (path, add) in late.drain(..) {
                    bench.patch(&path, add).await.ok();
                }
            }
        }
        for (path, add) in late {
            bench.patch(&path, add).await.ok();
        }
        assert_eq!(state(&bench).await, expected);
        let waiting: Vec<String> = bench.waiting().into_iter().map(|(_, name)| name).collect();
        assert_eq!((waiting.len(), waiting.iter().filter(|name| name.starts_with("nobody")).count()), (3, 3), "{waiting:?}");
    }
}

#[tokio::test]
async fn quirk_48_nobody_is_meant_where_a_user_and_a_group_have_the_external_id() {
    let bench = Bench::new().await;
    let team = bench.group("team", &["twice"]).await;
    let group = bench.call("POST", "/Groups", json!({"displayName": "twice", "externalId": "twice"})).await.id();
    assert_eq!((bench.members(&team).await, bench.waiting()), (vec![group], pairs(&[])));
    bench.make(named("twice", "twice")).await;
    let path = format!("/Groups/{}", bench.group("crew", &["twice"]).await);
    assert_eq!(bench.waiting(), pairs(&[("cn=crew", "twice")]));
    // What waits is as good as a member to a condition that takes it away.
    bench.patch(&path, json!([{"op": "remove", "path": "members[value sw \"tw\"]"}])).await.ok();
    assert_eq!(bench.waiting(), []);
}
