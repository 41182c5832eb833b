//! SCIM from the outside: requests to the router over a directory of its own, with a token of one organisation.

use super::request::MAX_BODY;
use super::routes::{Scim, router};
use crate::base::{Clock, ManualClock, Timestamp};
use crate::directory::{Caller, Directory, Identity, Origin, Settings, Write, WriteOptions};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

pub(super) struct Bench {
    pub(super) directory: Arc<Directory>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) scim: Arc<Scim>,
    pub(super) operator: Caller,
    pub(super) router: Router,
    pub(super) token: String,
    _folder: tempfile::TempDir,
}

/// An answer: status, headers, body.
pub(super) struct Answer(pub(super) StatusCode, pub(super) HeaderMap, pub(super) Value);

impl Answer {
    pub(super) fn id(&self) -> String {
        assert!(self.0.is_success(), "{} {}", self.0, self.2);
        self.2["id"].as_str().unwrap().to_owned()
    }

    pub(super) fn ok(self) -> Value {
        assert!(self.0.is_success(), "{} {}", self.0, self.2);
        self.2
    }

    pub(super) fn refused(&self, status: u16, kind: Option<&str>) {
        assert_eq!((self.0.as_u16(), self.2["scimType"].as_str()), (status, kind), "{}", self.2);
        assert_eq!(self.2["status"], json!(status.to_string()));
    }
}

impl Bench {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(folder.path().to_owned(), &["dc=example,dc=com"]);
        settings.hashing.memory = 64;
        settings.hashing.passes = 1;
        settings.reserve = 0;
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let held: Arc<dyn Clock> = clock.clone();
        let directory = std::thread::spawn(move || Directory::open(settings, held).unwrap()).join().unwrap();
        let operator = Caller { identity: Arc::new(Identity::operator("cn=operator")), origin: Arc::new(Origin::system()) };
        let scim = Scim::new(directory.clone(), "https://h/scim/v2").unwrap();
        let router = router(scim.clone());
        let mut bench = Self { directory, clock, scim, operator, router, token: String::new(), _folder: folder };
        bench.add("dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]).await;
        for name in ["acme", "other"] {
            let attributes = [("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("o", name)];
            bench.add(&format!("o={name},dc=example,dc=com"), &attributes).await;
        }
        bench.token = bench.token_of("acme").await;
        bench
    }

    pub(super) async fn token_of(&self, organisation: &str) -> String {
        let dn = format!("o={organisation},dc=example,dc=com");
        let token = self.directory.mint_token(&self.operator, &dn, "test", None).await.unwrap();
        // The clock stands still.
        let rate = [("rate".to_owned(), json!(10_000))].into_iter().collect();
        self.directory.change_client(&self.operator, Some(&dn), "test", rate).await.unwrap();
        String::from_utf8(token.secret.expose().to_vec()).unwrap()
    }

    pub(super) async fn add(&self, dn: &str, attributes: &[(&str, &str)]) {
        let mut grouped: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
        for (name, value) in attributes {
            match grouped.iter_mut().find(|(held, _)| held == name) {
                Some((_, values)) => values.push(value.as_bytes().to_vec()),
                None => grouped.push(((*name).to_owned(), vec![value.as_bytes().to_vec()])),
            }
        }
        let write = Write::Add { dn: dn.to_owned(), attributes: grouped };
        self.directory.write(&self.operator, write, WriteOptions::default()).await.unwrap();
    }

    pub(super) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("content-type", "application/scim+json");
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Answer(parts.status, parts.headers, body)
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send("GET", &format!("/scim/v2{path}"), &[], Body::empty()).await
    }

    pub(super) async fn call(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send(method, &format!("/scim/v2{path}"), &[], body.to_string()).await
    }

    pub(super) async fn patch(&self, path: &str, operations: Value) -> Answer {
        self.call("PATCH", path, json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})).await
    }

    pub(super) async fn user(&self, name: &str) -> String {
        self.call(
            "POST",
            "/Users",
            json!({"schemas": [USER], "userName": name, "emails": [{"value": format!("{name}@acme.example"), "type": "work"}]}),
        )
        .await
        .id()
    }

    pub(super) async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        self.call("POST", "/Groups", json!({"displayName": name, "members": members})).await.id()
    }

    pub(super) async fn found(&self, path: &str, filter: &str) -> Vec<String> {
        let filter: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let list = self.get(&format!("{path}?filter={filter}")).await.ok();
        assert_eq!(list["totalResults"].as_u64().unwrap(), list["Resources"].as_array().unwrap().len() as u64);
        list["Resources"].as_array().unwrap().iter().map(|found| found["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(super) async fn members(&self, group: &str) -> Vec<String> {
        let group = self.get(&format!("/Groups/{group}")).await.ok();
        let members = group["members"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<String> = members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }
}

fn full_user() -> Value {
    json!({
        "schemas": [USER, ENTERPRISE],
        "externalId": "701984", "userName": "bjensen@example.com",
        "name": {"formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen", "givenName": "Barbara", "middleName": "Jane", "honorificPrefix": "Ms.", "honorificSuffix": "III"},
        "displayName": "Babs Jensen", "nickName": "Babs", "profileUrl": "https://login.example.com/bjensen",
        "title": "Tour Guide", "userType": "Employee", "preferredLanguage": "en-US", "locale": "en-US", "timezone": "America/Los_Angeles",
        "active": true,
        "emails": [{"value": "bjensen@example.com", "type": "work", "primary": true}, {"value": "babs@jensen.org", "type": "home"}],
        "phoneNumbers": [{"value": "555-555-5555", "type": "work"}, {"value": "555-555-4444", "type": "mobile"}],
        "ims": [{"value": "someaimhandle", "type": "aim"}],
        "photos": [{"value": "https://photos.example.com/profilephoto/72930000000Ccne/F", "type": "photo"}],
        "addresses": [{"type": "work", "streetAddress": "100 Universal City Plaza", "locality": "Hollywood", "region": "CA", "postalCode": "91608", "country": "US", "primary": true}],
        ENTERPRISE: {"employeeNumber": "701984", "costCenter": "4130", "organization": "Universal Studios", "division": "Theme Park", "department": "Tour Operations"}
    })
}

#[tokio::test]
async fn a_user_is_made_read_replaced_and_deleted() {
    let bench = Bench::new().await;
    let made = bench.call("POST", "/Users", full_user()).await;
    let id = made.id();
    assert_eq!(made.0, StatusCode::CREATED);
    assert_eq!(made.1["location"].to_str().unwrap(), format!("https://h/scim/v2/Users/{id}"));
    assert_eq!(made.1["etag"].to_str().unwrap(), made.2["meta"]["version"].as_str().unwrap());
    let read = bench.get(&format!("/Users/{id}")).await.ok();
    assert_eq!(read, made.2);
    for (name, value) in full_user().as_object().unwrap() {
        assert_eq!(&read[name], value, "{name}");
    }
    let replaced = bench
        .call(
            "PUT",
            &format!("/Users/{id}"),
            json!({"userName": "bj@example.com", "id": "x", "title": "Boss", "emails": [{"value": "b@x.example"}]}),
        )
        .await;
    let replaced = replaced.ok();
    assert_eq!((&replaced["id"], &replaced["userName"], &replaced["title"]), (&json!(id), &json!("bj@example.com"), &json!("Boss")));
    assert!(replaced.get("name").is_none() && replaced.get(ENTERPRISE).is_none() && replaced["active"] == json!(true));
    assert_eq!(bench.call("DELETE", &format!("/Users/{id}"), Value::Null).await.0, StatusCode::NO_CONTENT);
    for method in ["GET", "PUT", "DELETE"] {
        bench.call(method, &format!("/Users/{id}"), json!({"userName": "x"})).await.refused(404, None);
    }
    bench.patch(&format!("/Users/{id}"), json!([{"op": "add", "path": "title", "value": "x"}])).await.refused(404, None);
    // The name is free again.
    bench.user("bj@example.com").await;
}

#[tokio::test]
async fn names_are_unique_and_the_answer_says_who_has_it() {
    let bench = Bench::new().await;
    let id = bench.user("ada").await;
    let refused = bench.call("POST", "/Users", json!({"userName": "ADA"})).await;
    refused.refused(409, Some("uniqueness"));
    assert!(refused.2["detail"].as_str().unwrap().contains(&id));
    let bob = bench.user("bob").await;
    bench
        .patch(&format!("/Users/{bob}"), json!([{"op": "replace", "path": "userName", "value": "Ada"}]))
        .await
        .refused(409, Some("uniqueness"));
    bench.patch(&format!("/Users/{id}"), json!([{"op": "replace", "path": "userName", "value": "Ada"}])).await.ok();
    bench.group("team", &[]).await;
    bench.call("POST", "/Groups", json!({"displayName": "Team"})).await.refused(409, Some("uniqueness"));
    bench.call("POST", "/Users", json!({"displayName": "x"})).await.refused(400, Some("invalidValue"));
}

#[tokio::test]
async fn u9_a_patch_renames_and_changes_in_one_step() {
    let bench = Bench::new().await;
    let id = bench.user("ada").await;
    let team = bench.group("team", &[&id]).await;
    let patched = bench
        .patch(
            &format!("/Users/{id}"),
            json!([
                {"op": "replace", "value": {"userName": "ada, l+ve", "name.familyName": "Lovelace", "active": "False"}},
                {"op": "add", "path": "emails[type eq \"home\"].value", "value": "ada@home.example"}
            ]),
        )
        .await
        .ok();
    assert_eq!(
        (&patched["userName"], &patched["active"], &patched["name"]["familyName"]),
        (&json!("ada, l+ve"), &json!(false), &json!("Lovelace"))
    );
    assert_eq!(patched["emails"][1], json!({"type": "home", "value": "ada@home.example"}));
    assert_eq!(patched["groups"][0]["value"], json!(team));
    assert_eq!(bench.members(&team).await, std::slice::from_ref(&id));
    // All or nothing: the second operation is bad, so the first did not happen.
    bench
        .patch(&format!("/Users/{id}"), json!([{"op": "replace", "path": "title", "value": "x"}, {"op": "remove"}]))
        .await
        .refused(400, Some("noTarget"));
    assert!(bench.get(&format!("/Users/{id}")).await.ok().get("title").is_none());
}

#[tokio::test]
async fn members_come_and_go_as_providers_send_it() {
    let bench = Bench::new().await;
    let (ada, bob, cleo) = (bench.user("ada").await, bench.user("bob").await, bench.user("cleo").await);
    let team = bench.group("team", &[&ada]).await;
    let path = format!("/Groups/{team}");
    let expect = async |operations: Value, ids: &[&String]| {
        bench.patch(&path, operations.clone()).await.ok();
        let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        ids.sort();
        assert_eq!(bench.members(&team).await, ids, "{operations}");
    };
    expect(json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": bob}, {"value": ada}]}]), &[&ada, &bob]).await;
    expect(json!([{"op": "Add", "path": "members", "value": [{"value": bob}]}]), &[&ada, &bob]).await;
    expect(json!([{"op": "Remove", "path": "members", "value": [{"value": ada}]}]), &[&bob]).await;
    expect(json!([{"op": "remove", "path": format!("members[value eq \"{ada}\"]")}]), &[&bob]).await;
    expect(
        json!([{"op": "replace", "value": {"id": team, "displayName": "crew", "members": [{"value": cleo, "display": "C"}]}}]),
        &[&cleo],
    )
    .await;
    assert_eq!(bench.get(&path).await.ok()["displayName"], json!("crew"));
    expect(json!([{"op": "remove", "path": "members[display eq \"CLEO\"]"}, {"op": "add", "value": {"members": {"value": ada}}}]), &[&ada])
        .await;
    expect(json!([{"op": "replace", "path": "members", "value": []}]), &[]).await;
    let unknown = json!([{"op": "add", "path": "members", "value": [{"value": "0192f0c0-0000-7000-8000-000000000001"}]}]);
    expect(unknown, &[]).await;
    let inner = bench.group("inner", &[&ada]).await;
    expect(json!([{"op": "add", "path": "members", "value": [{"value": inner}]}]), &[&inner]).await;
    let user = bench.get(&format!("/Users/{ada}")).await.ok();
    assert_eq!((&user["groups"][0]["display"], &user["groups"][0]["type"]), (&json!("inner"), &json!("direct")));
    bench.call("DELETE", &format!("/Users/{ada}"), Value::Null).await;
    assert!(bench.members(&inner).await.is_empty());
}

#[tokio::test]
async fn he7_of_many_writers_at_one_time_none_is_lost() {
    let bench = Arc::new(Bench::new().await);
    let team = bench.group("team", &[]).await;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(bench.user(&format!("user{number}")).await);
    }
    let tasks = ids.iter().enumerate().map(|(number, id)| {
        let (bench, path, id) = (bench.clone(), format!("/Groups/{team}"), id.clone());
        tokio::spawn(async move {
            bench.patch(&path, json!([{"op": "add", "path": "members", "value": [{"value": id}]}])).await.ok();
            let title = json!([{"op": "replace", "path": "title", "value": number.to_string()}]);
            bench.patch(&format!("/Users/{id}"), title).await.ok();
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    ids.sort();
    assert_eq!(bench.members(&team).await, ids);
}

#[tokio::test]
async fn he7_versions_guard_changes() {
    let bench = Bench::new().await;
    let id = bench.user("ada").await;
    let path = format!("/scim/v2/Users/{id}");
    let version = bench.get(&format!("/Users/{id}")).await.2["meta"]["version"].as_str().unwrap().to_owned();
    assert_eq!(bench.send("GET", &path, &[("if-none-match", &version)], Body::empty()).await.0, StatusCode::NOT_MODIFIED);
    let body = json!({"userName": "ada", "title": "x"}).to_string();
    assert_eq!(bench.send("PUT", &path, &[("if-match", &version)], body.clone()).await.0, StatusCode::OK);
    bench.send("PUT", &path, &[("if-match", &version)], body.clone()).await.refused(412, None);
    bench.send("DELETE", &path, &[("if-match", &version)], Body::empty()).await.refused(412, None);
    assert_eq!(bench.send("PUT", &path, &[("if-match", "*")], body).await.0, StatusCode::OK);
    assert_eq!(bench.send("GET", &path, &[("if-none-match", &version)], Body::empty()).await.0, StatusCode::OK);
}

/// Each change gives another version, though the clock stands still here.
#[tokio::test]
async fn hc5_versions_tell_nothing_of_others() {
    let mut told = Vec::new();
    for foreign in [0, 100] {
        let bench = Bench::new().await;
        let (ada, crew) = (bench.user("ada").await, bench.group("crew", &[]).await);
        let mut versions = Vec::new();
        for step in 0..3 {
            for n in 0..foreign {
                let dn = format!("cn={step}-{n},o=other,dc=example,dc=com");
                bench.add(&dn, &[("objectClass", "device"), ("cn", &format!("{step}-{n}"))]).await;
            }
            for (path, operation) in [
                (format!("/Users/{ada}"), json!({"op": "replace", "path": "title", "value": step.to_string()})),
                (format!("/Groups/{crew}"), json!({"op": "add", "path": "members", "value": [{"value": ada}]})),
                (format!("/Groups/{crew}"), json!({"op": "remove", "path": "members"})),
            ] {
                let answer = bench.patch(&path, json!([operation])).await;
                let tag = answer.1["etag"].to_str().unwrap().to_owned();
                assert_eq!(answer.ok()["meta"]["version"], json!(tag));
                assert_eq!(bench.get(&path).await.ok()["meta"]["version"], json!(tag), "the same state");
                versions.push((path.starts_with("/U"), tag));
            }
        }
        let different: std::collections::HashSet<_> = versions.iter().collect();
        assert_eq!(different.len(), versions.len(), "{versions:?}");
        told.push(versions);
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn hc5_lists_and_totals_tell_nothing_of_others() {
    let bench = Bench::new().await;
    let ada = bench.user("ada").await;
    for name in ["bob", "cid"] {
        bench.user(name).await;
    }
    bench.group("crew", &[&ada]).await;
    let queries = [
        "/Users",
        "/Users?count=0",
        "/Users?startIndex=2&count=1",
        "/Users?sortBy=userName&sortOrder=descending&startIndex=1&count=2",
        "/Users?filter=userName%20sw%20%22o%22",
        "/Users?filter=not%20(userName%20eq%20%22ada%22)&count=1",
        "/Groups",
        "/Groups?count=1&sortBy=displayName",
        "/?filter=meta.created%20pr&count=2",
        "/Sessions",
    ];
    let mut told = Vec::new();
    for round in 0..2 {
        let mut answers = Vec::new();
        for query in queries {
            let answer = bench.get(query).await;
            answers.push((answer.0, answer.2));
        }
        assert!(answers.iter().filter(|(status, _)| status.is_success()).count() > 7, "{answers:?}");
        told.push(answers);
        for number in 0..60 * (1 - round) {
            let (uid, mail) = (format!("o{number}"), format!("o{number}@acme.example"));
            let person =
                [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("uid", &*uid), ("cn", &*uid), ("sn", "x"), ("mail", &*mail)];
            bench.add(&format!("uid={uid},ou=users,o=other,dc=example,dc=com"), &person).await;
            bench
                .add(
                    &format!("cn=g{number},ou=groups,o=other,dc=example,dc=com"),
                    &[("objectClass", "hcGroup"), ("cn", &format!("g{number}"))],
                )
                .await;
        }
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn queries_filter_sort_and_page() {
    let bench = Bench::new().await;
    let id = bench.call("POST", "/Users", full_user()).await.id();
    let (ada, bob) = (bench.user("ada").await, bench.user("bob").await);
    let team = bench.group("team", &[&ada]).await;
    for filter in [
        r#"userName eq "BJENSEN@example.com""#,
        r#"emails[type eq "home"].value eq "babs@jensen.org""#,
        r#"emails.value eq "bjensen@example.com" and active eq true"#,
        r#"externalId eq "701984""#,
        r#"displayName sw "babs""#,
        r#"title pr and not (userName sw "a")"#,
        r#"addresses[country eq "US" and region eq "CA"]"#,
        &format!(r#"id eq "{id}""#),
        &format!(r#"{ENTERPRISE}:department eq "tour operations""#),
        r#"phoneNumbers.value co "4444""#,
    ] {
        assert_eq!(bench.found("/Users", filter).await, std::slice::from_ref(&id), "{filter}");
    }
    assert_eq!(bench.found("/Users", r#"userName eq "nobody""#).await, Vec::<String>::new());
    assert_eq!(bench.found("/Users", &format!(r#"groups.value eq "{team}""#)).await, std::slice::from_ref(&ada));
    assert_eq!(bench.found("/Groups", &format!(r#"id eq "{team}" and members eq "{ada}""#)).await, std::slice::from_ref(&team));
    assert_eq!(bench.found("/Groups", &format!(r#"id eq "{team}" and members eq "{bob}""#)).await, Vec::<String>::new());
    assert_eq!(bench.found("/", r#"meta.resourceType eq "Group""#).await, std::slice::from_ref(&team));
    bench.get("/Users?filter=password%20pr").await.refused(400, Some("invalidFilter"));
    bench.get("/Users?filter=userName%20eq%20ada").await.refused(400, Some("invalidFilter"));
    let page = bench.get("/Users?startIndex=2&count=1&sortBy=userName&attributes=userName").await.ok();
    assert_eq!((&page["totalResults"], &page["startIndex"], &page["itemsPerPage"]), (&json!(3), &json!(2), &json!(1)));
    assert_eq!(page["Resources"][0]["userName"], json!("bjensen@example.com"));
    assert_eq!(page["Resources"][0].get("emails"), None);
    let search = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "userName eq \"ada\"", "count": 5});
    assert_eq!(bench.call("POST", "/Users/.search", search.clone()).await.ok()["Resources"][0]["id"], json!(ada));
    assert_eq!(bench.call("POST", "/.search", search).await.ok()["totalResults"], json!(1));
    assert!(bench.get(&format!("/Groups/{team}?excludedAttributes=members")).await.ok().get("members").is_none());
}

#[tokio::test]
async fn o1_another_organisation_is_not_there() {
    let mut bench = Bench::new().await;
    let id = bench.user("ada").await;
    let team = bench.group("team", &[&id]).await;
    bench.token = bench.token_of("other").await;
    bench.get(&format!("/Users/{id}")).await.refused(404, None);
    bench.call("DELETE", &format!("/Groups/{team}"), Value::Null).await.refused(404, None);
    assert_eq!(bench.get("/Users").await.ok()["totalResults"], json!(0));
    // Neither its names nor its ids say anything.
    bench.user("ada").await;
    let x = bench.group("x", &[&id]).await;
    assert!(bench.members(&x).await.is_empty());
}

#[tokio::test]
async fn he9_without_a_good_token_nothing_is_answered() {
    let bench = Bench::new().await;
    for token in ["Bearer x", "non-token", "Basic YTpi", &format!("Bearer {}x", bench.token)] {
        let answer = bench.send("GET", "/scim/v2/Users", &[("authorization", token)], Body::empty()).await;
        answer.refused(401, None);
        assert!(answer.1.contains_key("www-authenticate"));
    }
    // Header mode: the token without its scheme.
    assert_eq!(bench.send("GET", "/scim/v2/Users", &[("authorization", &bench.token)], Body::empty()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn hd8_bodies_are_limited_and_errors_have_the_form_of_scim() {
    let bench = Bench::new().await;
    let send = async |body: String| bench.send("POST", "/scim/v2/Users", &[], body).await;
    send(format!("{{\"userName\":\"{}\"}}", "x".repeat(MAX_BODY))).await.refused(413, None);
    send("{\"userName\":\"a\",\"userName\":\"b\"}".to_owned()).await.refused(400, Some("invalidSyntax"));
    send(format!("{{\"x\":{}{}}}", "[".repeat(40), "]".repeat(40))).await.refused(400, Some("invalidSyntax"));
    send("{".to_owned()).await.refused(400, Some("invalidSyntax"));
    let headers = |name: &'static str, value: &'static str| [(name, value)];
    bench.send("POST", "/scim/v2/Users", &headers("content-encoding", "gzip"), "{}").await.refused(415, None);
    bench.send("GET", "/scim/v2/Users", &headers("accept", "text/html"), Body::empty()).await.refused(406, None);
    bench.get("/Nothing").await.refused(404, None);
    let refused = bench.call("DELETE", "/Users", Value::Null).await;
    refused.refused(405, None);
    assert!(refused.1["allow"].to_str().unwrap().contains("POST"));
    // A type has the methods that its rules leave it.
    let refused = bench.call("POST", "/Sessions", json!({})).await;
    refused.refused(405, None);
    assert_eq!(refused.1["allow"].to_str().unwrap(), "GET,HEAD");
    let refused = bench.call("PATCH", "/Sessions/x", json!({})).await;
    refused.refused(405, None);
    assert_eq!(refused.1["allow"].to_str().unwrap(), "GET,HEAD,DELETE");
    assert_eq!(bench.send("GET", "/scim/v2/Users/", &[], Body::empty()).await.0, StatusCode::OK);
    assert_eq!(bench.send("GET", "/scim/Users", &[], Body::empty()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn discovery_is_truthful_and_takes_no_filter() {
    let bench = Bench::new().await;
    let config = bench.get("/ServiceProviderConfig").await.ok();
    assert_eq!((&config["patch"]["supported"], &config["bulk"]["supported"]), (&json!(true), &json!(true)));
    let types = bench.get("/ResourceTypes").await.ok();
    for held in types["Resources"].as_array().unwrap() {
        assert_eq!(held["id"], held["name"]);
        assert_eq!(bench.get(&format!("/ResourceTypes/{}", held["id"].as_str().unwrap())).await.ok(), *held);
        assert_eq!(bench.get(held["endpoint"].as_str().unwrap()).await.0, StatusCode::OK);
        bench.get(&format!("/Schemas/{}", held["schema"].as_str().unwrap())).await.ok();
    }
    let named = |held: &Value| 1 + held["schemaExtensions"].as_array().map_or(0, Vec::len);
    let schemas: usize = types["Resources"].as_array().unwrap().iter().map(named).sum();
    assert_eq!(bench.get("/Schemas").await.ok()["totalResults"], json!(schemas));
    bench.get("/Schemas?filter=id%20pr").await.refused(403, None);
    bench.call("POST", "/Schemas", json!({})).await.refused(405, None);
}

#[tokio::test]
async fn u6_a_user_that_another_door_made_is_active_here_too() {
    let bench = Bench::new().await;
    let attributes =
        [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "Bob"), ("sn", "Bob"), ("mail", "bob@acme.example")];
    bench.add("uid=bob,ou=users,o=acme,dc=example,dc=com", &attributes).await;
    for filter in ["active%20eq%20true", "active%20pr", "not%20(active%20eq%20false)", "active%20ne%20false"] {
        let found = bench.get(&format!("/Users?filter={filter}")).await.ok();
        assert_eq!((&found["totalResults"], &found["Resources"][0]["active"]), (&json!(1), &json!(true)), "{filter}");
    }
    assert_eq!(bench.get("/Users?filter=active%20eq%20false").await.ok()["totalResults"], json!(0));
}
