//! Bulk requests from the outside.

use super::{MAX_OPERATIONS, MAX_PAYLOAD};
use crate::scim::tests::{Answer, Bench};
use axum::body::Body;
use axum::http::StatusCode;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

async fn bulk(bench: &Bench, operations: Value) -> Answer {
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations});
    bench.call("POST", "/Bulk", body).await
}

/// The answers to the operations, and their status.
async fn done(bench: &Bench, operations: Value) -> (Vec<Value>, Vec<String>) {
    let body = bulk(bench, operations).await.ok();
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]));
    let answers = body["Operations"].as_array().unwrap().clone();
    let statuses = answers.iter().map(|answer| answer["status"].as_str().unwrap().to_owned()).collect();
    (answers, statuses)
}

fn user(name: &str, manager: Option<&str>) -> Value {
    let mut data = json!({"userName": name});
    if let Some(manager) = manager {
        data[ENTERPRISE] = json!({"employeeNumber": "1", "manager": {"value": format!("bulkId:{manager}")}});
    }
    json!({"method": "POST", "path": "/Users", "bulkId": name, "data": data})
}

fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|member| json!({"value": format!("bulkId:{member}")})).collect();
    json!({"method": "POST", "path": "/Groups", "bulkId": name, "data": {"displayName": name, "members": members}})
}

fn id_of(answer: &Value) -> String {
    answer["location"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn s3_7_every_kind_of_operation_is_answered_as_it_would_be_alone() {
    let bench = Bench::new().await;
    let (bob, cleo, dan) = (bench.user("bob").await, bench.user("cleo").await, bench.user("dan").await);
    let version = bench.get(&format!("/Users/{cleo}")).await.1["etag"].to_str().unwrap().to_owned();
    let patch = json!({"Operations": [{"op": "replace", "path": "title", "value": "Boss"}]});
    let (answers, statuses) = done(
        &bench,
        json!([
            user("ann", None),
            {"method": "PUT", "path": format!("/Users/{bob}"), "data": {"userName": "robert"}},
            {"method": "PATCH", "path": format!("/Users/{cleo}"), "version": version, "data": patch},
            {"method": "PATCH", "path": format!("/Users/{cleo}"), "version": version, "data": patch},
            {"method": "DELETE", "path": format!("/Users/{dan}")},
            {"method": "PATCH", "path": format!("/Users/{dan}"), "data": patch},
            user("ann", None),
            {"method": "POST", "path": "/Users", "bulkId": "x", "data": {"displayName": "no name"}},
            {"method": "POST", "path": "/Sessions", "bulkId": "y", "data": {}},
        ]),
    )
    .await;
    assert_eq!(statuses, ["409", "200", "200", "412", "204", "404", "409", "400", "405"]);
    let (answers_again, statuses) = done(&bench, json!([user("ann", None)])).await;
    assert_eq!(statuses, ["201"]);
    let ann = bench.get(&format!("/Users/{}", id_of(&answers_again[0]))).await;
    assert_eq!(
        answers_again[0],
        json!({
            "location": ann.1["location"].to_str().unwrap(), "method": "POST", "bulkId": "ann",
            "version": ann.2["meta"]["version"], "status": "201"
        })
    );
    assert_eq!(answers[1]["location"], json!(format!("https://h/scim/v2/Users/{bob}")));
    assert_eq!(bench.get(&format!("/Users/{bob}")).await.ok()["userName"], json!("robert"));
    assert_eq!(answers[3]["location"], json!(format!("https://h/scim/v2/Users/{cleo}")));
    assert_eq!((&answers[7]["response"]["scimType"], answers[7].get("location")), (&json!("invalidValue"), None));
    assert_eq!(answers[7]["response"]["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
}

#[tokio::test]
async fn s3_7_2_references_forward_and_in_paths_are_resolved() {
    let bench = Bench::new().await;
    let team = bench.group("team", &[]).await;
    let add = json!({"Operations": [{"op": "add", "path": "members", "value": [{"type": "User", "value": "bulkId:ann"}]}]});
    let remove = json!({"Operations": [{"op": "remove", "path": "members[value eq \"bulkId:bob\"]"}]});
    let (answers, statuses) = done(
        &bench,
        json!([
            {"method": "PATCH", "path": format!("/Groups/{team}"), "data": add},
            group("tour", &["ann", "bob"]),
            {"method": "PATCH", "path": "/Groups/bulkId:tour", "data": remove},
            user("ann", Some("bob")),
            user("bob", None),
            {"method": "PUT", "path": "/Users/bulkId:bob", "data": {"userName": "robert"}},
        ]),
    )
    .await;
    assert_eq!(statuses, ["200", "201", "200", "201", "201", "200"]);
    let (tour, ann, bob) = (id_of(&answers[1]), id_of(&answers[3]), id_of(&answers[4]));
    assert_eq!(bench.members(&team).await, std::slice::from_ref(&ann));
    assert_eq!(bench.members(&tour).await, std::slice::from_ref(&ann));
    assert_eq!(id_of(&answers[5]), bob);
    assert_eq!(bench.get(&format!("/Users/{ann}")).await.ok()[ENTERPRISE]["manager"]["value"], json!(bob));
}

/// RFC 7644 §3.7.1: two groups that are each other's members; and two users who manage each other.
#[tokio::test]
async fn s3_7_1_circular_references_are_resolved() {
    let bench = Bench::new().await;
    let operations = json!([group("a", &["b"]), group("b", &["a"]), user("u", Some("v")), user("v", Some("u")), user("w", Some("w"))]);
    let (answers, statuses) = done(&bench, operations).await;
    assert_eq!(statuses, ["201"; 5], "{answers:?}");
    let ids: Vec<String> = answers.iter().map(id_of).collect();
    assert_eq!(bench.members(&ids[0]).await, [ids[1].clone()]);
    assert_eq!(bench.members(&ids[1]).await, [ids[0].clone()]);
    for (at, manager) in [(2, 3), (3, 2), (4, 4)] {
        let read = bench.get(&format!("/Users/{}", ids[at])).await.ok();
        assert_eq!(read[ENTERPRISE]["manager"]["value"], json!(ids[manager]));
        assert_eq!(read["meta"]["version"], answers[at]["version"], "the version is that of the complete resource");
    }
}

#[tokio::test]
async fn he6_what_refers_to_what_cannot_be_made_is_not_made_either() {
    let bench = Bench::new().await;
    bench.user("taken").await;
    let operations = json!([
        group("g", &["h"]), group("h", &["g", "taken"]), user("taken", None), user("free", None),
        group("nobody", &["not-there"]), group("twice", &[]), group("twice", &[]), group("of-twice", &["twice"]),
        {"method": "DELETE", "path": "/Users/bulkId:not-there"},
    ]);
    let (answers, statuses) = done(&bench, operations).await;
    assert_eq!(statuses, ["409", "409", "409", "201", "409", "409", "409", "409", "409"], "{answers:?}");
    assert_eq!(answers[0].get("location"), None);
    for name in ["g", "h", "nobody", "twice", "of-twice"] {
        assert!(bench.found("/Groups", &format!("displayName eq \"{name}\"")).await.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn he6_fail_on_errors_ends_it_and_the_answer_is_of_what_ran() {
    let bench = Bench::new().await;
    bench.user("taken").await;
    let run = async |fail_on_errors: Value, prefix: &str| {
        let renamed = |at: usize| user(&format!("{prefix}{at}"), None);
        let taken = |id: &str| json!({"method": "POST", "path": "/Users", "bulkId": id, "data": {"userName": "taken"}});
        let operations = json!([renamed(1), taken("x"), renamed(2), taken("y"), renamed(3)]);
        bench.call("POST", "/Bulk", json!({"failOnErrors": fail_on_errors, "Operations": operations})).await
    };
    for (limit, prefix, expected) in [(json!(1), "a", 2), (json!(2), "b", 4), (json!(3), "c", 5), (Value::Null, "d", 5)] {
        assert_eq!(run(limit, prefix).await.ok()["Operations"].as_array().unwrap().len(), expected);
    }
    assert!(bench.found("/Users", "userName eq \"a2\"").await.is_empty());
    for wrong in [json!(0), json!(-1), json!("1"), json!(1.5)] {
        run(wrong, "e").await.refused(400, Some("invalidValue"));
    }
    // A circle that is not closed when the end comes is not left open.
    let operations = json!([
        group("p", &["q"]),
        group("q", &["p", "z"]),
        json!({"method": "POST", "path": "/Users", "bulkId": "z", "data": {"userName": "taken"}})
    ]);
    let answer = bench.call("POST", "/Bulk", json!({"failOnErrors": 1, "Operations": operations})).await.ok();
    assert_eq!(answer["Operations"].as_array().unwrap().len(), 1, "{answer}");
    assert!(bench.found("/Groups", "displayName sw \"\"").await.is_empty());
}

#[tokio::test]
async fn he6_limits_are_those_that_are_advertised() {
    let bench = Bench::new().await;
    let advertised = bench.get("/ServiceProviderConfig").await.ok()["bulk"].clone();
    assert_eq!(advertised, json!({"supported": true, "maxOperations": MAX_OPERATIONS, "maxPayloadSize": MAX_PAYLOAD}));
    let delete = json!({"method": "DELETE", "path": "/Users/x"});
    assert_eq!(done(&bench, vec![delete.clone(); MAX_OPERATIONS].into()).await.1, vec!["404"; MAX_OPERATIONS]);
    bulk(&bench, vec![delete; MAX_OPERATIONS + 1].into()).await.refused(413, None);
    let padded = |octets: usize| {
        let body = json!({"Operations": []}).to_string();
        format!("{body}{}", " ".repeat(octets - body.len()))
    };
    bench.send("POST", "/scim/v2/Bulk", &[], padded(MAX_PAYLOAD)).await.ok();
    bench.send("POST", "/scim/v2/Bulk", &[], padded(MAX_PAYLOAD + 1)).await.refused(413, None);
    bench
        .send("POST", "/scim/Bulk/", &[], json!({"schemas": ["urn:x"], "Operations": []}).to_string())
        .await
        .refused(400, Some("invalidSyntax"));
    for body in ["", "{}", "{\"Operations\": {}}"] {
        bench.send("POST", "/scim/v2/Bulk", &[], body).await.refused(400, Some("invalidSyntax"));
    }
    assert_eq!(bench.get("/Bulk").await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn hc5_operations_reach_no_further_than_single_requests() {
    let bench = Bench::new().await;
    let ann = bench.user("ann").await;
    let foreign = format!("Bearer {}", bench.token_of("other").await);
    let operations = json!([
        {"method": "DELETE", "path": format!("/Users/{ann}")},
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"displayName": "g", "members": [{"value": ann}]}},
    ]);
    let body = json!({"Operations": operations}).to_string();
    let answer = bench.send("POST", "/scim/v2/Bulk", &[("authorization", &foreign)], body.clone()).await.ok();
    assert_eq!((&answer["Operations"][0]["status"], &answer["Operations"][1]["status"]), (&json!("404"), &json!("201")));
    let group = answer["Operations"][1]["location"].as_str().unwrap().rsplit('/').next().unwrap();
    let group = bench.send("GET", &format!("/scim/v2/Groups/{group}"), &[("authorization", &foreign)], Body::empty()).await.ok();
    assert!(group.get("members").is_none(), "{group}");
    bench.get(&format!("/Users/{ann}")).await.ok();
    bench.send("POST", "/scim/v2/Bulk", &[("authorization", "Bearer x")], body).await.refused(401, None);
}

/// Any references among new users and groups, in any order, with some that cannot be made: everything that can be made
/// ends as if it had been sent singly in an order that works, and nothing else is left.
#[tokio::test]
async fn any_graph_of_references_ends_as_single_requests_would() {
    let bench = Bench::new().await;
    bench.user("taken").await;
    let mut runner = TestRunner::deterministic();
    let node = (prop::bool::ANY, prop::collection::btree_set(0usize..9, 0..4), prop::bool::weighted(0.08));
    let graphs = prop::collection::vec(node, 1..9);
    for case in 0..60 {
        let graph = graphs.new_tree(&mut runner).unwrap().current();
        let name = |at: usize| format!("c{case}n{at}");
        // A user has one manager at most, and it is a user.
        let targets: Vec<BTreeSet<usize>> = graph
            .iter()
            .map(|(is_user, references, _)| {
                let there = references.iter().copied().filter(|at| graph.get(*at).is_some_and(|(to_user, ..)| !is_user || *to_user));
                there.take(if *is_user { 1 } else { 9 }).collect()
            })
            .collect();
        let operations: Vec<Value> = graph
            .iter()
            .zip(&targets)
            .enumerate()
            .map(|(at, ((is_user, _, fails), targets))| {
                let names: Vec<String> = targets.iter().map(|at| name(*at)).collect();
                let mut operation = match is_user {
                    true => user(&name(at), names.first().map(String::as_str)),
                    false => group(&name(at), &names.iter().map(String::as_str).collect::<Vec<_>>()),
                };
                if *fails {
                    operation["data"]["externalId"] = json!(7);
                }
                operation
            })
            .collect();
        // Who refers to what cannot be made cannot be made.
        let mut bad: BTreeSet<usize> = (0..graph.len()).filter(|at| graph[*at].2).collect();
        while let Some(more) = (0..graph.len()).find(|at| !bad.contains(at) && !targets[*at].is_disjoint(&bad)) {
            bad.insert(more);
        }
        let (answers, statuses) = done(&bench, operations.clone().into()).await;
        for at in 0..graph.len() {
            assert_eq!(statuses[at] == "201", !bad.contains(&at), "{at} of {operations:?}: {answers:?}");
            let (endpoint, attribute) = if graph[at].0 { ("/Users", "userName") } else { ("/Groups", "displayName") };
            let found = bench.found(endpoint, &format!("{attribute} eq \"{}\"", name(at))).await;
            if bad.contains(&at) {
                assert!(found.is_empty(), "{at} of {operations:?}");
                continue;
            }
            assert_eq!(found, [id_of(&answers[at])]);
            let expected: BTreeSet<String> = targets[at].iter().map(|at| id_of(&answers[*at])).collect();
            let held: BTreeSet<String> = match graph[at].0 {
                true => {
                    let read = bench.get(&format!("/Users/{}", found[0])).await.ok();
                    read[ENTERPRISE]["manager"]["value"].as_str().map(str::to_owned).into_iter().collect()
                }
                false => bench.members(&found[0]).await.into_iter().collect(),
            };
            assert_eq!(held, expected, "{at} of {operations:?}");
        }
    }
}
