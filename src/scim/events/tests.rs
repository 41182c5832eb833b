//! Events from the outside.

use super::run;
use crate::base::Secret;
use crate::directory::events::{EventReceiver, EventUri};
use crate::directory::{Origin, SessionRequest, Settings, Write, WriteOptions};
use crate::model::{Modification, ModificationKind};
use crate::scim::routes::Scim;
use crate::scim::tests::{Answer, Bench};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

const TOKEN: &str = "the token of a receiver";

fn receiver(name: &str, organisation: &str) -> EventReceiver {
    EventReceiver {
        name: name.to_owned(),
        organisation: format!("o={organisation},dc=example,dc=com"),
        events: EventUri::ALL.into(),
        sessions: false,
        client: Some("test".to_owned()),
        audience: format!("https://{name}.example"),
        push: None,
        authorities: None,
        token: Secret::new(format!("{TOKEN} {name}")),
        most: 100,
    }
}

async fn configure(bench: &Bench, events: Vec<EventReceiver>) {
    let settings = Settings { events, ..(*bench.directory.settings()).clone() };
    bench.directory.reload(settings).await.unwrap();
}

async fn bench(receivers: Vec<EventReceiver>) -> Bench {
    let bench = Bench::new().await;
    configure(&bench, receivers).await;
    bench
}

async fn ask(bench: &Bench, name: &str, body: Value) -> Answer {
    let token = format!("Bearer {TOKEN} {name}");
    let headers = [("authorization", token.as_str())];
    bench.send("POST", &format!("/scim/v2/SecurityEvents/{name}"), &headers, body.to_string()).await
}

/// The claims of what waits, in order, each with its signature verified.
async fn waiting(bench: &Bench, name: &str) -> Vec<Value> {
    let answer = ask(bench, name, json!({"returnImmediately": true})).await.ok();
    let keys = bench.send("GET", "/scim/v2/SecurityEvents/keys", &[("authorization", "")], Body::empty()).await.ok();
    let key = &keys["keys"][0];
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let point = [vec![4], decode(key["x"].as_str().unwrap()), decode(key["y"].as_str().unwrap())].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    let sets = answer["sets"].as_object().unwrap();
    let claims = sets.iter().map(|(id, set)| {
        let parts: Vec<&str> = set.as_str().unwrap().split('.').collect();
        key.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &decode(parts[2])).unwrap();
        let claims: Value = serde_json::from_slice(&decode(parts[1])).unwrap();
        assert_eq!(claims["jti"], json!(id));
        claims
    });
    claims.collect()
}

/// What each says: the end of its URI, whom it is about, and its payload.
fn told(claims: &[Value]) -> Vec<(String, String, Value)> {
    let one = |claims: &Value| {
        let (uri, payload) = claims["events"].as_object().unwrap().iter().next().unwrap();
        let uri = uri.strip_prefix("urn:ietf:params:scim:event:prov:").unwrap();
        (uri.to_owned(), claims["sub_id"]["uri"].as_str().unwrap().to_owned(), payload.clone())
    };
    claims.iter().map(one).collect()
}

async fn acknowledge(bench: &Bench, name: &str) {
    let ids: Vec<Value> = waiting(bench, name).await.iter().map(|claims| claims["jti"].clone()).collect();
    ask(bench, name, json!({"ack": ids, "maxEvents": 0})).await.ok();
}

#[tokio::test]
async fn changes_through_any_door_are_told_in_order_until_they_are_acknowledged() {
    let bench = bench(vec![receiver("hr", "acme"), receiver("there", "other")]).await;
    let made = bench
        .call(
            "POST",
            "/Users",
            json!({"userName": "ada", "externalId": "x1", "name": {"familyName": "L"}, "password": "correct horse battery"}),
        )
        .await;
    let id = made.id();
    let path = format!("/Users/{id}");
    bench.patch(&path, json!([{"op": "replace", "path": "active", "value": false}])).await.ok();
    let modification = |attribute: &str, value: &str| Modification {
        kind: ModificationKind::Replace,
        attribute: attribute.to_owned(),
        values: vec![value.as_bytes().to_vec()],
    };
    let dn = "uid=ada,ou=users,o=acme,dc=example,dc=com".to_owned();
    for modifications in
        [vec![modification("title", "Countess"), modification("hcActive", "TRUE")], vec![modification("carLicense", "not of SCIM")]]
    {
        bench.directory.write(&bench.operator, Write::Modify { dn: dn.clone(), modifications }, WriteOptions::default()).await.unwrap();
    }
    bench.call("PUT", &path, json!({"userName": "ada", "externalId": "x1", "title": "Lady"})).await.ok();
    let team = bench.group("team", &[&id]).await;
    bench.patch(&format!("/Groups/{team}"), json!([{"op": "remove", "path": "members"}])).await.ok();
    bench.call("DELETE", &format!("/Groups/{team}"), Value::Null).await.ok();

    let claims = waiting(&bench, "hr").await;
    let found = told(&claims);
    let group = format!("/Groups/{team}");
    let expected = [
        ("create:full", &path),
        ("create:notice", &path),
        ("patch:notice", &path),
        ("deactivate", &path),
        ("patch:notice", &path),
        ("activate", &path),
        ("put:notice", &path),
        ("create:notice", &group),
        ("patch:notice", &group),
        ("delete", &group),
    ];
    let names: Vec<(&str, &String)> = found.iter().map(|(uri, subject, _)| (uri.as_str(), subject)).collect();
    assert_eq!(names, expected, "{found:?}");
    assert_eq!((&found[0].2["data"]["userName"], found[0].2["data"].get("password")), (&json!("ada"), None));
    assert!(found[1].2["attributes"].as_array().unwrap().contains(&json!("name.familyName")), "{:?}", found[1]);
    assert_eq!((&found[2].2, &found[4].2), (&json!({"attributes": ["active"]}), &json!({"attributes": ["active", "title"]})));
    assert_eq!((&found[8].2, &found[9].2), (&json!({"attributes": ["members"]}), &json!({})));
    let first = &claims[0];
    assert_eq!(
        (&first["iss"], &first["aud"], &first["sub_id"]["format"], &first["sub_id"]["externalId"]),
        (&json!("https://h/scim/v2"), &json!("https://hr.example"), &json!("scim"), &json!("x1"))
    );
    assert_eq!((&first["txn"], &claims[2]["txn"]), (&claims[1]["txn"], &claims[3]["txn"]));
    assert!(first["txn"] != claims[2]["txn"] && first["sub"].is_null());

    // Until it is acknowledged it comes again, the same.
    assert_eq!(waiting(&bench, "hr").await, claims);
    let some: Vec<&Value> = claims[..2].iter().map(|claims| &claims["jti"]).collect();
    let error = json!({"err": "invalid_request", "description": "x"});
    let rest = ask(&bench, "hr", json!({"ack": some, "setErrs": {claims[2]["jti"].as_str().unwrap(): error}, "maxEvents": 1})).await.ok();
    assert_eq!(rest["sets"].as_object().unwrap().keys().collect::<Vec<_>>(), [claims[3]["jti"].as_str().unwrap()]);
    assert_eq!(rest["moreAvailable"], json!(true));
    assert_eq!(waiting(&bench, "hr").await, claims[3..]);
    acknowledge(&bench, "hr").await;
    assert!(waiting(&bench, "hr").await.is_empty());
}

#[tokio::test]
async fn hc5_a_receiver_is_told_of_its_own_organisation_only() {
    let bench = bench(vec![receiver("hr", "acme"), receiver("there", "other")]).await;
    bench.user("ada").await;
    assert_eq!((waiting(&bench, "hr").await.len(), waiting(&bench, "there").await.len()), (2, 0));
    for (name, token) in [("hr", "there"), ("there", "hr"), ("nobody", "nobody")] {
        let token = format!("Bearer {TOKEN} {token}");
        bench.send("POST", &format!("/scim/v2/SecurityEvents/{name}"), &[("authorization", &token)], "{}").await.refused(401, None);
    }
    // The config gives the receiver to another organisation: what waits is not for that one.
    configure(&bench, vec![receiver("hr", "other")]).await;
    assert!(waiting(&bench, "hr").await.is_empty());
    bench.directory.forget_old_events().await.unwrap();
    configure(&bench, vec![receiver("hr", "acme")]).await;
    assert!(waiting(&bench, "hr").await.is_empty(), "it was forgotten");
}

#[tokio::test]
async fn events_are_off_unless_there_is_a_receiver_and_only_then_told_of() {
    let bench = bench(Vec::new()).await;
    assert!(bench.get("/ServiceProviderConfig").await.ok().get("securityEvents").is_none());
    bench.send("GET", "/scim/v2/SecurityEvents/keys", &[], Body::empty()).await.refused(404, None);
    bench.user("ada").await;
    let one = EventReceiver { events: [EventUri::Delete].into(), most: 2, ..receiver("hr", "acme") };
    configure(&bench, vec![one.clone()]).await;
    let told_of = bench.get("/ServiceProviderConfig").await.ok()["securityEvents"].clone();
    assert_eq!((&told_of["asyncRequest"], told_of["eventUris"].as_array().unwrap().len()), (&json!("none"), EventUri::ALL.len()));
    assert!(waiting(&bench, "hr").await.is_empty());
    // What is not asked for is not kept, and of what is too much the newest stays.
    for name in ["b", "c", "d"] {
        let id = bench.user(name).await;
        bench.call("DELETE", &format!("/Users/{id}"), Value::Null).await.ok();
    }
    let all = waiting(&bench, "hr").await;
    assert_eq!(all.len(), 3);
    bench.directory.forget_old_events().await.unwrap();
    assert_eq!(waiting(&bench, "hr").await, all[1..]);
    configure(&bench, Vec::new()).await;
    bench.directory.forget_old_events().await.unwrap();
    configure(&bench, vec![one]).await;
    assert!(waiting(&bench, "hr").await.is_empty());
    for wrong in
        [json!({"maxEvents": -1}), json!({"ack": "x"}), json!({"ack": [1]}), json!({"setErrs": []}), json!({"returnImmediately": 1})]
    {
        ask(&bench, "hr", wrong).await.refused(400, Some("invalidSyntax"));
    }
}

#[tokio::test]
async fn whoever_asks_can_wait_for_an_event() {
    let bench = Arc::new(bench(vec![receiver("hr", "acme")]).await);
    let asking = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { ask(&bench, "hr", json!({"maxEvents": 5})).await.ok() })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!asking.is_finished());
    bench.user("ada").await;
    let answer = tokio::time::timeout(Duration::from_secs(15), asking).await.unwrap().unwrap();
    assert!(!answer["sets"].as_object().unwrap().is_empty());
}

#[tokio::test]
async fn s6_sessions_that_begin_and_end_are_told_where_that_is_wanted() {
    let bench = bench(vec![EventReceiver { sessions: true, ..receiver("hr", "acme") }, receiver("crm", "acme")]).await;
    let dn = "uid=ada,ou=users,o=acme,dc=example,dc=com";
    let licence = [("objectClass", "hcLicence"), ("hcSessionLimit", "10"), ("hcLicenceDefault", "TRUE")];
    bench.add("cn=main,ou=licences,o=acme,dc=example,dc=com", &licence).await;
    let password = "correct horse battery staple";
    let user = [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "Ada"), ("sn", "L"), ("userPassword", password)];
    bench.add(dn, &user).await;
    acknowledge(&bench, "hr").await;
    acknowledge(&bench, "crm").await;
    let bound = bench.directory.bind(&Origin::system(), dn, &Secret::new(password), SessionRequest::default()).await.unwrap();
    let session = format!("/Sessions/{}", bound.seat.unwrap().session_id);
    bench.patch_user(dn, "hcActive", "FALSE").await;
    let found = told(&waiting(&bench, "hr").await);
    let found: Vec<(&str, bool)> = found.iter().map(|(uri, subject, _)| (uri.as_str(), *subject == session)).collect();
    let (of_session, of_user): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, of_session)| *of_session);
    assert_eq!(of_session, [("create:notice", true), ("delete", true)]);
    assert_eq!(of_user, [("patch:notice", false), ("deactivate", false)]);
    assert!(told(&waiting(&bench, "crm").await).iter().all(|(_, subject, _)| subject.starts_with("/Users/")));
}

impl Bench {
    async fn patch_user(&self, dn: &str, attribute: &str, value: &str) {
        let values = vec![value.as_bytes().to_vec()];
        let modifications = vec![Modification { kind: ModificationKind::Replace, attribute: attribute.to_owned(), values }];
        let write = Write::Modify { dn: dn.to_owned(), modifications };
        self.directory.write(&self.operator, write, WriteOptions::default()).await.unwrap();
    }
}

/// What a receiver was sent: the headers and the token; it answers what is next in the list, then 202.
#[derive(Default)]
struct Receiver {
    sent: Mutex<Vec<(HeaderMap, String)>>,
    answers: Mutex<VecDeque<(u16, &'static str)>>,
}

/// A receiver that listens on the port; any where it is 0.
async fn listen(port: u16, answers: &[(u16, &'static str)]) -> (Arc<Receiver>, u16) {
    let held = Arc::new(Receiver { answers: Mutex::new(answers.iter().copied().collect()), ..Receiver::default() });
    let shared = Arc::clone(&held);
    let take = async move |headers: HeaderMap, body: Bytes| {
        shared.sent.lock().push((headers, String::from_utf8(body.to_vec()).unwrap()));
        let (status, body) = shared.answers.lock().pop_front().unwrap_or((202, ""));
        (StatusCode::from_u16(status).unwrap(), body)
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = axum::Router::new().route("/events", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (held, port)
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..1_500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

fn uri_of(set: &str) -> String {
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(set.split('.').nth(1).unwrap()).unwrap()).unwrap();
    claims["events"].as_object().unwrap().keys().next().unwrap().rsplit("prov:").next().unwrap().to_owned()
}

#[tokio::test]
async fn pushes_are_repeated_until_they_arrive_and_a_receiver_that_is_down_holds_nobody_up() {
    // The port is free again, and nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let push = Some(format!("http://127.0.0.1:{port}/events"));
    let one =
        EventReceiver { push, events: [EventUri::CreateNotice, EventUri::Delete, EventUri::PatchNotice].into(), ..receiver("hr", "acme") };
    let bench = bench(vec![one]).await;
    let scim = Scim::new(Arc::clone(&bench.directory), "https://h/scim/v2").unwrap();
    let telling = tokio::spawn(run(scim));
    let id = bench.user("ada").await;
    bench.patch(&format!("/Users/{id}"), json!([{"op": "add", "path": "title", "value": "x"}])).await.ok();
    let (receiver, _) =
        listen(port, &[(500, ""), (400, "{\"err\": \"invalid_audience\"}"), (202, ""), (400, "{\"err\": \"invalid_request\"}")]).await;
    bench.call("DELETE", &format!("/Users/{id}"), Value::Null).await.ok();
    let hr = bench.directory.event_receiver("hr").unwrap();
    eventually("everything is told", || bench.directory.events_waiting(&hr, 1).0.is_empty()).await;
    telling.abort();
    let sent = receiver.sent.lock();
    // Twice refused for now, taken; refused for good; taken.
    let uris: Vec<String> = sent.iter().map(|(_, set)| uri_of(set)).collect();
    assert_eq!(uris, ["create:notice", "create:notice", "create:notice", "patch:notice", "delete"]);
    let (headers, _) = &sent[0];
    assert_eq!(
        (headers["content-type"].to_str().unwrap(), headers["accept"].to_str().unwrap()),
        ("application/secevent+jwt", "application/json")
    );
    assert_eq!(headers["authorization"].to_str().unwrap(), format!("Bearer {TOKEN} hr"));
}

/// A receiver of HTTP/1.0 closes the connection with its answer: what it has taken over is not sent again.
#[tokio::test]
async fn a_receiver_that_closes_the_connection_with_its_answer_is_told_once() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let push = Some(format!("http://{}/events", listener.local_addr().unwrap()));
    let bench = bench(vec![EventReceiver { push, events: [EventUri::CreateNotice].into(), ..receiver("hr", "acme") }]).await;
    let telling = tokio::spawn(run(Scim::new(Arc::clone(&bench.directory), "https://h/scim/v2").unwrap()));
    for number in 0..20 {
        bench.user(&format!("user{number}")).await;
    }
    let mut taken = std::collections::BTreeMap::<String, usize>::new();
    while taken.len() < 20 {
        let (mut stream, _) = tokio::time::timeout(Duration::from_secs(10), listener.accept()).await.unwrap().unwrap();
        let mut read = Vec::new();
        let length = |read: &[u8]| {
            let text = std::str::from_utf8(read).unwrap();
            let (head, body) = text.split_once("\r\n\r\n")?;
            let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().unwrap();
            (body.len() >= length).then(|| body.to_owned())
        };
        let body = loop {
            if let Some(body) = length(&read) {
                break body;
            }
            assert!(stream.read_buf(&mut read).await.unwrap() > 0);
        };
        *taken.entry(body).or_default() += 1;
        stream.write_all(b"HTTP/1.0 202 Accepted\r\n\r\n").await.unwrap();
    }
    telling.abort();
    assert!(taken.values().all(|times| *times == 1), "{:?}", taken.values());
}
