//! Queries from the outside: pages by index and by cursor, order, and what an answer costs.

use super::list::{Query, at_hand};
use super::tests::Bench;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The value of a parameter as it stands in a URL.
fn encoded(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

fn url(endpoint: &str, parameters: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    format!("{endpoint}?{}", pairs.join("&"))
}

fn texts(page: &Value, name: &str) -> Vec<String> {
    page["Resources"].as_array().unwrap().iter().map(|resource| resource[name].as_str().unwrap_or_default().to_owned()).collect()
}

/// A page by cursor; `cursor` is the one of the page before.
async fn page(bench: &Bench, parameters: &[(&str, &str)], cursor: &str) -> (Value, Option<String>) {
    let parameters: Vec<(&str, &str)> = parameters.iter().copied().chain([("cursor", cursor)]).collect();
    let page = bench.get(&url("/Users", &parameters)).await.ok();
    let next = page["nextCursor"].as_str().map(str::to_owned);
    (page, next)
}

/// How many entries and members were read until now.
fn looked_at(bench: &Bench) -> u64 {
    bench.scim.listings.looked_at.get()
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9865_pages_by_cursor_cover_everything_once_in_order() {
    let bench = Bench::new().await;
    for number in 0..7 {
        bench.user(&format!("user{number}")).await;
    }
    for sort in [&[][..], &[("sortBy", "userName"), ("sortOrder", "descending")]] {
        let parameters: Vec<(&str, &str)> = [("count", "3")].into_iter().chain(sort.iter().copied()).collect();
        let (mut names, mut cursor, mut sizes) = (Vec::new(), Some(String::new()), Vec::new());
        while let Some(at) = cursor {
            let (found, next) = page(&bench, &parameters, &at).await;
            assert_eq!((&found["totalResults"], found.get("startIndex")), (&json!(7), None), "{found}");
            names.extend(texts(&found, "userName"));
            sizes.push(found["itemsPerPage"].as_u64().unwrap());
            cursor = next;
        }
        let mut expected: Vec<String> = (0..7).map(|number| format!("user{number}")).collect();
        if !sort.is_empty() {
            expected.reverse();
        }
        assert_eq!((names, sizes), (expected, vec![3, 3, 1]));
    }
    // In the body of a search too, and without its parameter the answer is by index (RFC 9865 §3, §2.4).
    let body = |cursor: &str| json!({"cursor": cursor, "count": 5, "filter": "userName sw \"user\""});
    let first = bench.call("POST", "/Users/.search", body("")).await.ok();
    let second = bench.call("POST", "/Users/.search", body(first["nextCursor"].as_str().unwrap())).await.ok();
    assert_eq!((texts(&second, "userName"), second.get("nextCursor")), (vec!["user5".to_owned(), "user6".to_owned()], None));
    let by_index = bench.get("/Users?count=5").await.ok();
    assert_eq!((&by_index["startIndex"], by_index.get("nextCursor")), (&json!(1), None));
    // Totals alone.
    let (totals, next) = page(&bench, &[("count", "0")], "").await;
    assert_eq!((&totals["totalResults"], &totals["Resources"], next), (&json!(7), &json!([]), None));
    let pagination = bench.get("/ServiceProviderConfig").await.ok()["pagination"].clone();
    assert_eq!(
        (&pagination["cursor"], &pagination["index"], &pagination["defaultPaginationMethod"]),
        (&json!(true), &json!(true), &json!("index"))
    );
    assert_eq!(pagination["cursorTimeout"], json!(3_600));
}

#[tokio::test(flavor = "multi_thread")]
async fn rfc9865_a_cursor_is_for_its_actor_and_query_until_it_expires() {
    let bench = Bench::new().await;
    for number in 0..4 {
        bench.user(&format!("user{number}")).await;
    }
    let first = bench.get("/Users?cursor&count=2&filter=userName%20pr").await.ok();
    let cursor = first["nextCursor"].as_str().unwrap().to_owned();
    let good = format!("/Users?cursor={cursor}&count=2&filter=userName%20pr");
    assert_eq!(texts(&bench.get(&good).await.ok(), "userName"), ["user2", "user3"]);
    // It is good as often as it is sent.
    assert_eq!(texts(&bench.get(&good).await.ok(), "userName"), ["user2", "user3"]);
    for other in [
        format!("/Users?cursor={cursor}&count=2"),
        format!("/Users?cursor={cursor}&count=2&filter=userName%20pr&sortBy=userName"),
        format!("/Users?cursor={cursor}&count=2&filter=userName%20pr&attributes=userName"),
        format!("/Groups?cursor={cursor}&count=2"),
        format!("/?cursor={cursor}&count=2&filter=userName%20pr"),
        format!("/Users?cursor={}x&count=2&filter=userName%20pr", &cursor[..cursor.len() - 1]),
        format!("/Users?cursor=x{cursor}&count=2&filter=userName%20pr"),
    ] {
        bench.get(&other).await.refused(400, Some("invalidCursor"));
    }
    bench.get(&good.replace("count=2", "count=3")).await.refused(400, Some("invalidCount"));
    bench.get(&good.replace("count=2", "count=many")).await.refused(400, Some("invalidCount"));
    let with = async |token: String| {
        let headers = [("authorization", format!("Bearer {token}"))];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        bench.send("GET", &format!("/scim/v2{good}"), &headers, axum::body::Body::empty()).await
    };
    // A client may change its token on the way; another one, and that of another organisation, begins by itself.
    assert_eq!(with(bench.token_of("acme").await).await.0, 200);
    with(bench.token_of("other").await).await.refused(400, Some("invalidCursor"));
    let another = bench.directory.mint_token(&bench.operator, "o=acme,dc=example,dc=com", "another", None).await.unwrap();
    with(String::from_utf8(another.secret.expose().to_vec()).unwrap()).await.refused(400, Some("invalidCursor"));
    bench.clock.advance(std::time::Duration::from_secs(3_601));
    bench.get(&good).await.refused(400, Some("expiredCursor"));
}

/// What becomes of the users between two pages.
#[derive(Clone, Debug)]
enum Change {
    Add(u8),
    Delete(u8),
}

fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let change = prop_oneof![any::<u8>().prop_map(Change::Add), any::<u8>().prop_map(Change::Delete)];
    prop::collection::vec(prop::collection::vec(change, 0..4), 1..6)
}

#[test]
fn rfc9865_on_a_walk_while_users_come_and_go_none_is_lost_and_none_comes_twice() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::new());
    let case = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: 24, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let walks = (prop::collection::btree_set(any::<u8>(), 0..24), changes(), 1..5_usize, any::<bool>(), any::<bool>());
    let walk = |(begin, changes, count, sorted, descending): (BTreeSet<u8>, Vec<Vec<Change>>, usize, bool, bool)| {
        case.set(case.get() + 1);
        let prefix = format!("c{}-", case.get());
        runtime.block_on(async {
            let mut ids: BTreeMap<u8, String> = BTreeMap::new();
            for name in begin {
                ids.insert(name, bench.user(&format!("{prefix}{name:03}")).await);
            }
            let mut stayed: BTreeSet<u8> = ids.keys().copied().collect();
            let (filter, size) = (format!("userName sw \"{prefix}\""), count.to_string());
            let mut parameters = vec![("filter", filter.as_str()), ("count", &size)];
            if sorted {
                parameters.extend([("sortBy", "userName"), ("sortOrder", if descending { "descending" } else { "ascending" })]);
            }
            let (mut met, mut cursor, mut changes) = (Vec::new(), Some(String::new()), changes.into_iter());
            while let Some(at) = cursor {
                let (found, next) = page(&bench, &parameters, &at).await;
                assert_eq!(found["totalResults"], json!(ids.len()), "{prefix}");
                met.extend(texts(&found, "userName"));
                cursor = next;
                for change in changes.next().unwrap_or_default() {
                    match change {
                        Change::Add(name) if !ids.contains_key(&name) => {
                            drop(ids.insert(name, bench.user(&format!("{prefix}{name:03}")).await))
                        }
                        Change::Delete(name) => {
                            if let Some(id) = ids.remove(&name) {
                                stayed.remove(&name);
                                bench.call("DELETE", &format!("/Users/{id}"), Value::Null).await.ok();
                            }
                        }
                        Change::Add(_) => {}
                    }
                }
            }
            let once: BTreeSet<&String> = met.iter().collect();
            // A name that went and came again is another user; in order of creation it may be met as both.
            assert!(once.len() == met.len() || !sorted, "{met:?}");
            for name in stayed {
                let name = format!("{prefix}{name:03}");
                assert_eq!(met.iter().filter(|met| **met == name).count(), 1, "{name} of {met:?}");
            }
        });
        Ok(())
    };
    runner.run(&walks, walk).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_by_index_cost_what_is_on_them() {
    let bench = Bench::new().await;
    for number in 0..40 {
        bench.user(&format!("user{number:02}")).await;
    }
    let cost = async |path: &str| {
        let before = looked_at(&bench);
        let found = bench.get(path).await.ok();
        (looked_at(&bench) - before, found["totalResults"].as_u64().unwrap(), texts(&found, "userName"))
    };
    assert_eq!(cost("/Users?startIndex=1&count=2").await, (42, 40, vec!["user00".to_owned(), "user01".to_owned()]), "the first time all");
    assert_eq!(cost("/Users?startIndex=39&count=2").await, (2, 40, vec!["user38".to_owned(), "user39".to_owned()]), "deep in the list");
    assert_eq!(cost("/Users?count=0").await, (0, 40, vec![]), "totals alone");
    let late = bench.user("user40").await;
    assert_eq!(cost("/Users?startIndex=41&count=2").await, (2, 41, vec!["user40".to_owned()]), "what is new");
    bench.call("DELETE", &format!("/Users/{late}"), Value::Null).await.ok();
    assert_eq!(cost("/Users?startIndex=40&count=2").await.1, 40);
    // In another order, and for a filter that no index answers, it is the same.
    for query in ["sortBy=userName&sortOrder=descending", "filter=userName%20co%20%22user%22"] {
        assert_eq!(cost(&format!("/Users?{query}&count=1")).await.0, 41, "{query}");
        assert_eq!(cost(&format!("/Users?{query}&startIndex=20&count=1")).await.0, 1, "{query}");
    }
    // What indexes answer is looked at alone.
    let id = bench.user("indexed").await;
    let body = json!([{"op": "add", "value": {"externalId": "x-1", "displayName": "The Indexed", "active": false}}]);
    bench.patch(&format!("/Users/{id}"), body).await.ok();
    let group = bench.group("of one", &[&id]).await;
    for filter in [
        format!("id eq \"{id}\""),
        r#"userName eq "Indexed""#.to_owned(),
        r#"externalId eq "x-1""#.to_owned(),
        r#"emails.value eq "indexed@acme.example""#.to_owned(),
        r#"emails[type eq "work" and value eq "indexed@acme.example"]"#.to_owned(),
        r#"emails[type eq "work"].value eq "indexed@acme.example""#.to_owned(),
        r#"displayName eq "the indexed""#.to_owned(),
        "active eq false".to_owned(),
        r#"active eq false and meta.lastModified ge "0001-01-03T00:00:00.0000000Z""#.to_owned(),
        r#"userName eq "indexed" and title pr or externalId eq "x-1""#.to_owned(),
    ] {
        let (looked_at, total, names) = cost(&url("/Users", &[("filter", &filter)])).await;
        assert!(looked_at <= 8, "{filter}: {looked_at}");
        assert_eq!((total, names), (1, vec!["indexed".to_owned()]), "{filter}");
    }
    for filter in [format!("members[value eq \"{id}\"]"), format!("id eq \"{group}\" and members eq \"{id}\"")] {
        let (looked_at, total, _) = cost(&url("/Groups", &[("filter", &filter)])).await;
        assert!(looked_at <= 8 && total == 1, "{filter}: {looked_at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_answer_as_filters_on_resources_do() {
    let bench = Bench::new().await;
    for (number, name) in ["ann", "Bob", "bobby", "Émile", "a b", "zoë"].into_iter().enumerate() {
        bench.clock.advance(std::time::Duration::from_millis(700));
        let active = number % 2 == 0;
        let body = json!({"userName": name, "externalId": format!("X{number}"), "active": active, "displayName": name.to_uppercase(),
            "emails": [{"value": format!("{number}@acme.example"), "type": if active { "work" } else { "home" }}]});
        bench.call("POST", "/Users", body).await.id();
    }
    let all = bench.get("/Users").await.ok();
    let resources: Vec<_> = all["Resources"].as_array().unwrap().iter().map(|resource| resource.as_object().unwrap().clone()).collect();
    let modified: Vec<String> = resources.iter().map(|resource| resource["meta"]["lastModified"].as_str().unwrap().to_owned()).collect();
    let mut filters: Vec<String> = [
        r#"userName eq "ANN""#,
        r#"userName eq "émile""#,
        r#"userName sw "BOB""#,
        r#"userName sw "a ""#,
        r#"userName co "o""#,
        r#"userName ew "y""#,
        r#"userName ne "ann""#,
        r#"userName gt "b""#,
        "userName pr",
        "not (userName pr)",
        r#"externalId eq "x1""#,
        r#"externalId eq "X1""#,
        r#"displayName eq "zoë""#,
        r#"displayName eq "ZOË""#,
        "active eq true",
        "active eq false",
        "active ne true",
        r#"emails eq "3@ACME.example""#,
        r#"emails[type eq "work" and value eq "2@acme.example"]"#,
        r#"emails[type eq "home" and value eq "2@acme.example"]"#,
        "title pr",
        r#"meta.resourceType eq "User""#,
        r#"meta.resourceType ne "User""#,
        r#"not (meta.resourceType eq "Group")"#,
        r#"userName eq "ann" or externalId eq "X1""#,
        r#"userName eq "ann" or title pr"#,
        r#"meta.created pr and active eq true"#,
        r#"meta.lastModified ge "0001-01-03T00:00:00.0000000Z""#,
        r#"meta.lastModified lt "0001-01-03T00:00:00Z""#,
    ]
    .map(str::to_owned)
    .into();
    for operator in ["eq", "ne", "gt", "ge", "lt", "le"] {
        filters.push(format!("meta.lastModified {operator} \"{}\"", modified[2]));
    }
    for filter in filters {
        let query = Query { filter: Some(filter.clone()), count: 100, start_index: 1, ..Query::default() };
        let naive: Value = serde_json::from_str(&at_hand(resources.clone(), &bench.scim.catalogue.user, &query, None).unwrap()).unwrap();
        for attempt in 0..2 {
            let found = bench.get(&url("/Users", &[("filter", &filter)])).await.ok();
            let names = |list: &Value| texts(list, "userName").into_iter().collect::<BTreeSet<_>>();
            assert_eq!((names(&found), &found["totalResults"]), (names(&naive), &naive["totalResults"]), "{filter}, attempt {attempt}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_at_the_root_is_over_all_types() {
    let bench = Bench::new().await;
    let user = bench.user("zed").await;
    bench.group("alpha", &[&user]).await;
    bench.user("ann").await;
    let types = |page: &Value| -> Vec<String> {
        let of = |resource: &Value| resource["meta"]["resourceType"].as_str().unwrap().to_owned();
        page["Resources"].as_array().unwrap().iter().map(of).collect()
    };
    let all = bench.get("/").await.ok();
    assert_eq!((types(&all), &all["totalResults"]), (["User", "User", "Group"].map(str::to_owned).to_vec(), &json!(3)));
    let sorted = bench.get("/?sortBy=displayName").await.ok();
    assert_eq!(types(&sorted)[0], "Group", "{sorted}");
    for (filter, expected) in [
        (r#"meta.resourceType eq "Group""#, vec!["Group"]),
        (r#"meta.resourceType eq "User" and userName eq "ann""#, vec!["User"]),
        (r#"(meta.resourceType eq "User") or (meta.resourceType eq "Group")"#, vec!["User", "User", "Group"]),
        (r#"displayName eq "alpha""#, vec!["Group"]),
        // What one type does not have, it does not match.
        (r#"userName pr"#, vec!["User", "User"]),
        (r#"userName eq "ann" or displayName eq "alpha""#, vec!["User", "Group"]),
        ("nothing pr", Vec::new()),
    ] {
        assert_eq!(types(&bench.get(&url("/", &[("filter", filter)])).await.ok()), expected, "{filter}");
    }
    let body = |cursor: Value| json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "cursor": cursor, "count": 2});
    let first = bench.call("POST", "/.search", body(json!(""))).await.ok();
    let second = bench.call("POST", "/.search", body(first["nextCursor"].clone())).await.ok();
    assert_eq!((types(&first).len(), types(&second), second.get("nextCursor")), (2, vec!["Group".to_owned()], None));
    bench.get("/?filter=password%20pr").await.refused(400, Some("invalidFilter"));
    bench.get("/Users?filter=nothing%20pr").await.refused(400, Some("invalidFilter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hc5_a_listing_that_is_kept_follows_what_its_reader_may_see() {
    let bench = Bench::new().await;
    for number in 0..10 {
        bench.user(&format!("user{number}")).await;
    }
    let total = async || bench.get("/Users?count=0").await.ok()["totalResults"].as_u64().unwrap();
    assert_eq!(total().await, 10);
    // Others come and go in another organisation, more than are remembered and fewer.
    let attributes = [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "x"), ("sn", "x")];
    for number in 0..12 {
        bench.add(&format!("uid=other{number},ou=users,o=other,dc=example,dc=com"), &attributes).await;
        assert_eq!(total().await, 10);
    }
    // One made by another door, and one that ceases to match.
    bench.add("uid=ldap,ou=users,o=acme,dc=example,dc=com", &attributes).await;
    assert_eq!(total().await, 11);
    let filtered = async || bench.get("/Users?filter=userName%20co%20%22user%22&count=0").await.ok()["totalResults"].as_u64().unwrap();
    assert_eq!(filtered().await, 10);
    let id = bench.found("/Users", r#"userName eq "user3""#).await.remove(0);
    bench.patch(&format!("/Users/{id}"), json!([{"op": "replace", "path": "userName", "value": "renamed"}])).await.ok();
    assert_eq!((filtered().await, total().await), (9, 11));
}

/// A group with so many members, made at once; and a user who is none of them.
async fn large_group(bench: &Bench, name: &str, count: usize) -> (String, Vec<String>) {
    let mut members = Vec::new();
    for number in 0..count {
        members.push(bench.user(&format!("{name}{number:04}")).await);
    }
    let all: Vec<&str> = members.iter().map(String::as_str).collect();
    (bench.group(name, &all).await, members)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_added_and_removed_at_the_same_cost_whatever_the_size_of_the_group() {
    let bench = Bench::new().await;
    let other = bench.user("other").await;
    let written = || bench.directory.octets_looked_at();
    let mut costs = Vec::new();
    for (name, count) in [("small", 60), ("large", 600)] {
        let (group, members) = large_group(&bench, name, count).await;
        let path = format!("/Groups/{group}");
        let mut cost = Vec::new();
        for operation in [
            json!({"op": "add", "path": "members", "value": [{"value": other}]}),
            json!({"op": "add", "path": "members", "value": [{"value": other}]}),
            json!({"op": "remove", "path": format!("members[value eq \"{other}\"]")}),
            json!({"op": "remove", "path": "members", "value": [{"value": other}]}),
            json!({"op": "replace", "path": "displayName", "value": format!("{name} of {count}")}),
        ] {
            let before = (looked_at(&bench), written());
            assert_eq!(bench.patch(&path, json!([operation])).await.0, 204);
            cost.push((looked_at(&bench) - before.0, written() - before.1));
        }
        // Quirk 11: who does not ask for members does not pay for them.
        for query in [format!("{path}?excludedAttributes=members"), format!("{path}?attributes=displayName")] {
            let before = looked_at(&bench);
            assert!(bench.get(&query).await.ok().get("members").is_none());
            cost.push((looked_at(&bench) - before, 0));
        }
        assert_eq!(bench.members(&group).await.len(), count);
        // PUT looks up those alone that differ.
        let kept: Vec<Value> = members.iter().skip(1).chain([&other]).map(|id| json!({"value": id})).collect();
        let body = json!({"displayName": name, "members": kept});
        let before = (looked_at(&bench), written());
        let answer = bench.send("PUT", &format!("/scim/v2{path}"), &[("prefer", "return=minimal")], body.to_string()).await;
        assert!(answer.0.is_success(), "{}", answer.2);
        cost.push((looked_at(&bench) - before.0 - count as u64, written() - before.1));
        let held = bench.members(&group).await;
        assert!(held.len() == count && held.contains(&other) && !held.contains(&members[0]));
        costs.push(cost);
    }
    for (small, large) in costs[0].iter().zip(&costs[1]) {
        assert_eq!(small.0, large.0, "read: {costs:?}");
        assert!(large.1 <= small.1 + small.1 / 5 + 16, "looked at by the writer: {costs:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hd1_a_large_group_is_answered_in_pieces_that_make_a_whole() {
    let bench = Bench::new().await;
    let (group, mut members) = large_group(&bench, "crowd", 1_100).await;
    members.sort();
    let path = format!("/Groups/{group}");
    assert_eq!(bench.members(&group).await, members);
    let whole = bench.get(&path).await;
    assert_eq!(
        (&whole.1["content-type"], &whole.1["etag"]),
        (&"application/scim+json".parse().unwrap(), &whole.2["meta"]["version"].as_str().unwrap().parse().unwrap())
    );
    assert_eq!((&whole.2["displayName"], whole.2["members"][0]["type"].as_str()), (&json!("crowd"), Some("User")));
    let values = bench.get(&format!("{path}?attributes=members.value")).await.ok();
    assert_eq!(
        (values["members"].as_array().unwrap().len(), &values["members"][7]),
        (1_100, &json!({"value": values["members"][7]["value"]}))
    );
    assert!(bench.get(&format!("{path}?attributes=displayName")).await.ok().get("members").is_none());
    let tag = whole.1["etag"].to_str().unwrap();
    let unchanged = bench.send("GET", &format!("/scim/v2{path}"), &[("if-none-match", tag)], axum::body::Body::empty()).await;
    assert_eq!(unchanged.0, 304);
    // In a list it is whole too.
    let listed = bench.get("/Groups").await.ok();
    assert_eq!(listed["Resources"][0]["members"].as_array().unwrap().len(), 1_100);
}
