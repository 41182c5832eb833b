//! HC8: every route that the router has, with every method, by everybody who can call over HTTP. The file beside the
//! access matrix holds what is expected; a route without a line in it fails.

use super::config::Metrics as MetricsSettings;
use super::http::router;
use super::metrics::Metrics;
use crate::base::counts::Counter;
use crate::base::{Clock, ManualClock, Secret, Timestamp};
use crate::directory::{Caller, Directory, Identity, Origin, SessionRequest, Settings, Write, WriteOptions};
use crate::scim::request::Peer;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/golden/route-matrix.txt");
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const SUFFIX: &str = "dc=example,dc=com";
const PASSWORD: &str = "correct horse battery staple";

/// The paths that a router holds, as its debug output lists them; axum has no other way to ask.
fn paths(router: &Router) -> BTreeSet<String> {
    let shown = format!("{router:?}");
    let quoted = shown.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with('/') && !text.contains("{*")).map(str::to_owned).collect()
}

struct House {
    directory: Arc<Directory>,
    operator: Caller,
    router: Router,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(folder.path().to_owned(), &[SUFFIX]);
        settings.hashing.memory = 64;
        settings.hashing.passes = 1;
        settings.reserve = 0;
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let held: Arc<dyn Clock> = clock.clone();
        let directory = std::thread::spawn(move || Directory::open(settings, held).unwrap()).join().unwrap();
        let operator = Caller { identity: Arc::new(Identity::operator("cn=operator")), origin: Arc::new(Origin::system()) };
        let measured = MetricsSettings { token: Some(Secret::new("the token of metrics")), networks: Vec::new(), licences: 10 };
        let metrics = Metrics::new(Arc::clone(&directory), Some(measured), Arc::new(Counter::default()));
        let router = router(&directory, "https://h/scim/v2", CancellationToken::new(), &metrics).unwrap();
        let house = Self { directory, operator, router, clock, _folder: folder };
        house.add(SUFFIX, &[("objectClass", "domain")]).await;
        for name in ["acme", "other"] {
            let organisation = format!("o={name},{SUFFIX}");
            house.add(&organisation, &[("objectClass", "organization"), ("objectClass", "hcOrganisation")]).await;
            let licence = [("objectClass", "hcLicence"), ("hcSessionLimit", "1000"), ("hcLicenceDefault", "TRUE")];
            house.add(&format!("cn=main,ou=licences,{organisation}"), &licence).await;
        }
        house
    }

    async fn add(&self, dn: &str, attributes: &[(&str, &str)]) {
        let mut grouped: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
        for (name, value) in attributes {
            grouped.entry(name).or_default().push(value.as_bytes().to_vec());
        }
        let attributes = grouped.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
        self.directory.write(&self.operator, Write::Add { dn: dn.to_owned(), attributes }, WriteOptions::default()).await.unwrap();
    }

    async fn token(&self, organisation: &str, lifetime: Option<Duration>) -> (String, String) {
        let token = self.directory.mint_token(&self.operator, &format!("o={organisation},{SUFFIX}"), "test", lifetime).await.unwrap();
        (token.id, String::from_utf8(token.secret.expose().to_vec()).unwrap())
    }

    async fn personal_token(&self, organisation: &str) -> String {
        let dn = format!("uid=person,ou=users,o={organisation},{SUFFIX}");
        let user = [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "p"), ("sn", "p"), ("userPassword", PASSWORD)];
        self.add(&dn, &user).await;
        let token = self.directory.mint_personal_token(&self.operator, &dn, "test", None).await.unwrap();
        String::from_utf8(token.secret.expose().to_vec()).unwrap()
    }

    async fn send(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        // Nobody is over its rate.
        self.clock.advance(Duration::from_millis(100));
        let peer = Peer { address: "192.0.2.7".parse().ok(), encrypted: true, listener: "https".into(), request: "1".into() };
        let (form, text) = match path.contains("/scim") || path.contains("/sessions") {
            true => ("application/scim+json", body.to_string()),
            false => ("application/x-www-form-urlencoded", "email=a%40example.com&password=short".to_owned()),
        };
        let mut request = Request::builder().method(method).uri(path).extension(peer).header(header::CONTENT_TYPE, form);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = self.router.clone().oneshot(request.body(Body::from(text)).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// The path with the id of something of acme's that was made just now.
    async fn filled(&self, path: &str, token: &str, number: usize) -> String {
        let name = format!("made{number}");
        let id = match path.split('/').find(|part| matches!(*part, "Users" | "Groups" | "Sessions" | "sessions")) {
            Some("Users") => self.created("Users", token, json!({"userName": name, "name": {"familyName": "m"}})).await,
            Some("Groups") => self.created("Groups", token, json!({"displayName": name})).await,
            Some(_) => {
                let dn = format!("uid={name},ou=users,o=acme,{SUFFIX}");
                let user =
                    [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "m"), ("sn", "m"), ("userPassword", PASSWORD)];
                self.add(&dn, &user).await;
                let password = Secret::new(PASSWORD);
                self.directory.bind(&Origin::system(), &dn, &password, SessionRequest::default()).await.unwrap().seat.unwrap().session_id
            }
            None if path.contains("Schemas") => "urn:ietf:params:scim:schemas:core:2.0:User".to_owned(),
            None => "User".to_owned(),
        };
        path.replace("{id}", &id).replace("{token}", "no-such-link")
    }

    async fn created(&self, family: &str, token: &str, body: Value) -> String {
        let (status, made) = self.send("POST", &format!("/scim/v2/{family}"), Some(token), &body).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_str().unwrap().to_owned()
    }
}

/// Something that the route takes, where it takes it.
fn body(method: &str, path: &str, number: usize) -> Value {
    let name = format!("sent{number}");
    match (method, path.contains("/Users") || path.contains("/Me"), path.contains(".search")) {
        (_, _, true) => json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "count": 1}),
        ("PATCH", ..) => json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "displayName", "value": name}],
        }),
        _ if path.contains("/Bulk") => json!({"Operations": []}),
        (_, true, _) => json!({"userName": name, "name": {"familyName": "s"}}),
        _ => json!({"displayName": name}),
    }
}

#[tokio::test]
async fn hc8_every_route_answers_everybody_as_the_golden_matrix_says() {
    let house = House::new().await;
    let (_, own) = house.token("acme", None).await;
    let person = house.personal_token("acme").await;
    let (_, foreign) = house.token("other", None).await;
    let (revoked_id, revoked) = house.token("acme", None).await;
    house.directory.revoke_token(&house.operator, &revoked_id).await.unwrap();
    let (_, expired) = house.token("acme", Some(Duration::from_secs(1))).await;
    house.clock.advance(Duration::from_secs(2));
    let callers = [
        ("nobody", None),
        ("wrong", Some("not a token")),
        ("revoked", Some(&*revoked)),
        ("expired", Some(&*expired)),
        ("metrics", Some("the token of metrics")),
        ("other", Some(&*foreign)),
        ("own", Some(&*own)),
        ("person", Some(&*person)),
    ];
    let mut table = String::from(
        "What every route answers to everybody, about what is of one organisation. other: the token of another organisation,\n\
         person: a personal token.\n\
         What is not here answers 405 or 404. \
         Made by HEADCOUNT_GOLDEN=write cargo test hc8_every.\n\n",
    );
    write!(table, "{:42} {:7}", "", "").unwrap();
    callers.iter().for_each(|(who, _)| write!(table, "{who:>8}").unwrap());
    let paths = paths(&house.router);
    assert!(paths.contains("/scim/v2/Users/{id}") && paths.contains("/metrics"), "{paths:?}");
    let mut number = 0;
    for path in &paths {
        for method in METHODS {
            let (status, _) = house.send(method, path, None, &Value::Null).await;
            // Where nothing is served, and where only longer paths are.
            if status == 405 || (status == 404 && !path.contains('{')) {
                continue;
            }
            write!(table, "\n{path:42} {method:7}").unwrap();
            for (_, token) in callers {
                number += 1;
                let filled = house.filled(path, &own, number).await;
                let (status, _) = house.send(method, &filled, token, &body(method, path, number)).await;
                write!(table, "{status:>8}").unwrap();
            }
        }
    }
    table.push('\n');
    assert_golden(&table);
}

#[expect(clippy::disallowed_methods, reason = "the golden file is written on request, and read by tests only")]
fn assert_golden(table: &str) {
    if std::env::var("HEADCOUNT_GOLDEN").is_ok_and(|mode| mode == "write") {
        std::fs::write(GOLDEN, table).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    let differs = table.lines().zip(golden.lines()).find(|(now, then)| now != then);
    assert_eq!(differs, None, "{GOLDEN} says otherwise");
    assert_eq!(table.lines().count(), golden.lines().count(), "a route is not in {GOLDEN}, or one in it is gone");
}
