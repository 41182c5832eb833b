//! What requests may come to at most, and what those that run at one time do to each other.

use super::tests::Bench;
use crate::base::EntryId;
use crate::directory::{Error, Write, WriteOptions};
use crate::model::{Modification, ModificationKind};
use futures_util::future::join_all;
use serde_json::{Value, json};

const ACME: &str = "o=acme,dc=example,dc=com";
const SERVICE: &str = "uid=svc,ou=users,o=acme,dc=example,dc=com";

async fn total(bench: &Bench) -> Value {
    bench.get("/Users?count=0").await.ok()["totalResults"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn he3_what_was_found_with_other_scopes_is_looked_for_again() {
    let bench = Bench::new().await;
    for number in 0..6 {
        bench.user(&format!("user{number}")).await;
    }
    let attributes = [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "svc"), ("sn", "svc"), ("hcUserType", "service")];
    bench.add(SERVICE, &attributes).await;
    let scopes = async |scopes: Value| {
        let change = [("scopes".to_owned(), scopes)].into_iter().collect();
        bench.directory.change_client(&bench.operator, Some(ACME), "test", change).await.unwrap();
    };
    assert_eq!(total(&bench).await, json!(7));
    // Service accounts are for who may read all.
    scopes(json!(["users"])).await;
    assert_eq!(total(&bench).await, json!(6));
    let title = Modification { kind: ModificationKind::Replace, attribute: "title".to_owned(), values: vec![b"Daemon".to_vec()] };
    let write = Write::Modify { dn: SERVICE.to_owned(), modifications: vec![title] };
    bench.directory.write(&bench.operator, write, WriteOptions::default()).await.unwrap();
    assert_eq!(total(&bench).await, json!(6));
    scopes(json!(["read", "users"])).await;
    assert_eq!(total(&bench).await, json!(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_what_gets_another_name_meanwhile_finds_it() {
    let bench = Bench::new().await;
    let mut users = Vec::new();
    for number in 0..8 {
        users.push(bench.user(&format!("user{number}")).await);
    }
    let group = bench.group("first", &users.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let change = async |number: usize| {
        let operations = json!([
            {"op": "replace", "path": "displayName", "value": format!("name {number}")},
            {"op": "remove", "path": format!("members[value eq \"{}\"]", users[number])},
        ]);
        bench.patch(&format!("/Groups/{group}"), operations).await.ok();
    };
    join_all((0..7).map(change)).await;
    assert_eq!(bench.members(&group).await, users[7..]);
    // Memberships too, and a deletion beside a change.
    let level = async |number: usize| match number % 2 {
        0 => drop(
            bench
                .patch(&format!("/Groups/{group}"), json!([{"op": "replace", "path": "displayName", "value": format!("n {number}")}]))
                .await
                .ok(),
        ),
        _ => {
            let body = json!({"group": {"value": group}, "member": {"value": users[number / 2]}, "level": "viewOnly"});
            bench.call("POST", "/Memberships", body).await.ok();
        }
    };
    join_all((0..8).map(level)).await;
    assert_eq!(bench.members(&group).await.len(), 5);
    let rename = json!([{"op": "replace", "path": "displayName", "value": "last"}]);
    let path = format!("/Groups/{group}");
    let (_, deleted) = tokio::join!(bench.patch(&path, rename), bench.call("DELETE", &path, Value::Null));
    assert_eq!(deleted.0, 204, "{}", deleted.2);
    bench.get(&path).await.refused(404, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_to_go_is_not_what_has_its_name_now() {
    let bench = Bench::new().await;
    bench.user("ann").await;
    let write = Write::Delete { dn: "uid=ann,ou=users,o=acme,dc=example,dc=com".to_owned() };
    let options = WriteOptions { expected_entry: Some(EntryId(u32::MAX)), ..WriteOptions::default() };
    assert!(matches!(bench.directory.write(&bench.operator, write, options).await, Err(Error::AssertionFailed(_))));
    assert_eq!(bench.found("/Users", "userName eq \"ann\"").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_of_one_name_can_be_made_at_one_time() {
    let bench = Bench::new().await;
    let made = join_all((0..8).map(|_| bench.call("POST", "/Staff", json!({"displayName": "Kim"})))).await;
    assert!(made.iter().all(|answer| answer.0 == 201), "{:?}", made.iter().map(|answer| answer.0).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn ha5_operations_of_one_request_look_at_so_many_values_and_no_more() {
    let bench = Bench::new().await;
    let user = bench.user("ann").await;
    let path = format!("/Users/{user}");
    let emails: Vec<Value> = (0..2_000).map(|number| json!({"value": format!("a{number}@acme.example"), "type": "work"})).collect();
    bench.patch(&path, json!([{"op": "replace", "path": "emails", "value": emails}])).await.ok();
    // The same values again are looked up, not looked for.
    bench.patch(&path, json!([{"op": "add", "path": "emails", "value": emails}])).await.ok();
    let select = json!({"op": "replace", "path": "emails[value eq \"a7@acme.example\"].display", "value": "seven"});
    bench.patch(&path, json!([select, select])).await.ok();
    bench.patch(&path, Value::Array(vec![select; 1_000])).await.refused(413, None);
    let without: Vec<Value> = emails[1_000..].to_vec();
    bench.patch(&path, json!([{"op": "remove", "path": "emails", "value": without}])).await.refused(413, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn hd1_of_names_that_are_ignored_a_few_are_kept() {
    let bench = Bench::new().await;
    let mut body = json!({"userName": "ann"});
    for number in 0..500 {
        body[format!("{number:03}{}", "x".repeat(1_000))] = json!(1);
    }
    bench.call("POST", "/Users", body).await.ok();
    let log = bench.directory.client_log(&bench.operator, Some(ACME), "test", 0).unwrap();
    let ignored = &log.last().unwrap().1.ignored;
    assert!(ignored.len() <= 33 && ignored.iter().all(|name| name.len() <= 200), "{}", ignored.len());
    assert_eq!(ignored.last().map(String::as_str), Some("…"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_no_text_is_nobodys() {
    let bench = Bench::new().await;
    for path in ["/Users/%FF", "/Schemas/%FF", "/ResourceTypes/%C3"] {
        bench.get(path).await.refused(404, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_may_be_given_by_its_uri_alone() {
    let bench = Bench::new().await;
    let user = bench.user("ann").await;
    let group = bench.group("team", &[]).await;
    let value = json!([{"$ref": format!("https://h/scim/v2/Users/{user}")}]);
    bench.patch(&format!("/Groups/{group}"), json!([{"op": "add", "path": "members", "value": value}])).await.ok();
    assert_eq!(bench.members(&group).await, [user]);
}

/// What LDAP writes into ann.
async fn written(bench: &Bench, kind: ModificationKind, attribute: &str, value: &str) {
    let modification = Modification { kind, attribute: attribute.to_owned(), values: vec![value.as_bytes().to_vec()] };
    let write = Write::Modify { dn: "uid=ann,ou=users,o=acme,dc=example,dc=com".to_owned(), modifications: vec![modification] };
    bench.directory.write(&bench.operator, write, WriteOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_is_shown_beside_others_that_ldap_has() {
    let bench = Bench::new().await;
    let path = format!("/Users/{}", bench.user("ann").await);
    written(&bench, ModificationKind::Add, "uid", "second").await;
    let renamed = bench.patch(&path, json!([{"op": "replace", "path": "userName", "value": "anna"}])).await.ok();
    assert_eq!(renamed["userName"], json!("anna"));
    // The other stays.
    bench.call("POST", "/Users", json!({"userName": "second"})).await.refused(409, Some("uniqueness"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_values_that_ldap_wrote_what_the_schema_knows_is_shown_and_may_be_written_back() {
    let bench = Bench::new().await;
    let path = format!("/Users/{}", bench.user("ann").await);
    let odd = r#"{"value":"z@acme.example","primary":"maybe","VALUE":"y","colour":1}"#;
    written(&bench, ModificationKind::Replace, "hcEmail", odd).await;
    written(&bench, ModificationKind::Replace, "hcPostalAddress", r#"{"locality":5,"country":"NZ"}"#).await;
    written(&bench, ModificationKind::Replace, "hcEntitlement", r#"{"type":"License","value":"x"}"#).await;
    let read = bench.get(&path).await.ok();
    assert_eq!(read["emails"], json!([{"value": "z@acme.example"}]));
    assert_eq!((&read["addresses"], read.get("entitlements")), (&json!([{"country": "NZ"}]), None));
    bench.patch(&path, json!([{"op": "replace", "path": "title", "value": "VP"}])).await.ok();
    bench.call("PUT", &path, read).await.ok();
}
