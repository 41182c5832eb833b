//! What clients and identity providers sign: assertions at the token endpoint (RFC 7523), and bearer tokens (quirk 20).

use super::tests::{Answer, Bench};
use crate::base::jwk::Algorithm;
use crate::base::jwt_tests::{KEYS, Keys};
use crate::directory::client::{ClientInfo, SettingsChange};
use crate::directory::{Error, Write, WriteOptions};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::Duration;
use tower::ServiceExt;

/// Keys that nobody registered.
static STRANGE: LazyLock<Keys> = LazyLock::new(Keys::new);
/// The clock of the bench, in seconds.
const NOW: u64 = 1_800_000_000;
const SIGNED: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ISSUER: &str = "https://sts.windows.net/11111111-2222-4333-8444-555555555555/";
/// What Entra ID calls applications that are in no gallery.
const AUDIENCE: &str = "8adf8e6e-67b2-4cf2-a259-e3dc5476c621";

fn settings(settings: &Value) -> SettingsChange {
    settings.as_object().unwrap().clone()
}

impl Bench {
    async fn client(&self, organisation: &str, name: &str, change: &Value) -> Result<ClientInfo, Error> {
        let dn = format!("o={organisation},dc=example,dc=com");
        self.directory.add_client(&self.operator, &dn, name, None, &settings(change)).await
    }

    async fn change(&self, name: &str, change: &Value) -> Result<ClientInfo, Error> {
        self.directory.change_client(&self.operator, None, name, settings(change)).await
    }

    async fn form(&self, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Answer {
        let encoded = |text: &str| text.bytes().map(|octet| format!("%{octet:02X}")).collect::<String>();
        let body = form.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect::<Vec<_>>().join("&");
        let mut request = Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer(parts.status, parts.headers, serde_json::from_slice(&body).unwrap())
    }

    async fn assert(&self, assertion: &str) -> Answer {
        let form = [("grant_type", "client_credentials"), ("client_assertion_type", SIGNED), ("client_assertion", assertion)];
        self.form(&[], &form).await
    }

    async fn users(&self, token: &str) -> Answer {
        self.send("GET", "/scim/v2/Users", &[("authorization", &format!("Bearer {token}"))], Body::empty()).await
    }
}

fn signed(claims: &Value) -> String {
    KEYS.token(Algorithm::Es256, &json!({"alg": "ES256", "kid": "point"}), claims)
}

fn with(claims: &Value, more: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// The same answer whatever was wrong.
fn not_let_in(answer: &Answer, what: &str) {
    let expected = json!({"error": "invalid_client", "error_description": "the client is unknown, or does not show that it is that one"});
    assert_eq!((answer.0, &answer.2), (StatusCode::UNAUTHORIZED, &expected), "{what}");
    assert!(answer.1.contains_key("www-authenticate") && answer.1["cache-control"] == "no-store");
}

fn assertion(client: &str, id: &str) -> Value {
    json!({"iss": client, "sub": client, "aud": "https://h/oauth/token", "exp": NOW + 300, "jti": id})
}

#[tokio::test]
async fn rfc7523_a_client_is_given_access_for_what_its_key_signs_by_each_algorithm() {
    let bench = Bench::new().await;
    let client = bench.client("acme", "ours", &json!({"keys": KEYS.public(), "scopes": ["read"]})).await.unwrap();
    for (number, algorithm) in Algorithm::ALL.into_iter().enumerate() {
        let claims = assertion(&client.id, &number.to_string());
        let given = bench.assert(&KEYS.token(algorithm, &json!({"alg": algorithm.text()}), &claims)).await.ok();
        assert_eq!((&given["scope"], &given["token_type"]), (&json!("read"), &json!("Bearer")));
        let token = given["access_token"].as_str().unwrap();
        assert_eq!(bench.users(token).await.0, StatusCode::OK);
        let bearer = format!("Bearer {token}");
        let made = bench.send("POST", "/scim/v2/Users", &[("authorization", &bearer)], json!({"userName": "x"}).to_string()).await;
        assert_eq!(made.0, StatusCode::FORBIDDEN, "no more than the client may do");
    }
    let listed = bench.directory.tokens(&bench.operator).unwrap();
    let token = listed.iter().find(|token| token.is_signed).unwrap();
    assert!(token.last_used.is_some() && token.client.as_deref() == Some("ours") && !token.is_secret);
    let metadata = bench.send("GET", "/.well-known/oauth-authorization-server", &[], Body::empty()).await.ok();
    assert!(metadata["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!("private_key_jwt")));
    assert_eq!(metadata["token_endpoint_auth_signing_alg_values_supported"], json!(["ES256", "PS256", "RS256"]));
    // The issuer is an audience too, and the type may be named.
    let claims = with(&assertion(&client.id, "more"), &json!({"aud": [metadata["issuer"]], "iat": NOW, "nbf": NOW}));
    let header = json!({"alg": "RS256", "typ": "client-authentication+jwt", "kid": "rsa"});
    bench.assert(&KEYS.token(Algorithm::Rs256, &header, &claims)).await.ok();
}

#[tokio::test]
async fn rfc7523_every_other_assertion_is_refused_alike() {
    let bench = Bench::new().await;
    let client = bench.client("acme", "ours", &json!({"keys": KEYS.public()})).await.unwrap();
    let other = bench.client("other", "theirs", &json!({"keys": STRANGE.public()})).await.unwrap();
    let none = bench.client("acme", "without", &json!({})).await.unwrap();
    let provider = json!({"keys": KEYS.public(), "issuer": ISSUER, "audience": AUDIENCE});
    let provider = bench.client("acme", "provider", &provider).await.unwrap();
    let good = assertion(&client.id, "never used");
    for more in [
        json!({"iss": "another"}),
        json!({"sub": other.id}),
        json!({"iss": other.id, "sub": other.id}),
        json!({"iss": none.id, "sub": none.id}),
        json!({"iss": provider.id, "sub": provider.id}),
        json!({"iss": "nobody", "sub": "nobody"}),
        json!({"iss": "", "sub": ""}),
        json!({"iss": null, "sub": null}),
        json!({"iss": [client.id], "sub": [client.id]}),
        json!({"aud": null}),
        json!({"aud": "https://h/scim/v2"}),
        json!({"aud": "https://elsewhere/oauth/token"}),
        json!({"aud": ["https://h", "https://elsewhere"]}),
        json!({"exp": null}),
        json!({"exp": NOW - 60}),
        json!({"exp": NOW + 661}),
        json!({"exp": (NOW + 300).to_string()}),
        json!({"nbf": NOW + 61}),
        json!({"iat": NOW + 61}),
        json!({"jti": null}),
        json!({"jti": ""}),
        json!({"jti": 7}),
        json!({"jti": "x".repeat(257)}),
        json!({"x": "x".repeat(9_000)}),
    ] {
        not_let_in(&bench.assert(&signed(&with(&good, &more))).await, &more.to_string());
    }
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "HS256"}),
        json!({"alg": "ES256", "crit": ["exp"]}),
        json!({"alg": "ES256", "kid": "unknown"}),
        json!({"alg": "ES256", "typ": "at+jwt"}),
    ] {
        not_let_in(&bench.assert(&KEYS.token(Algorithm::Es256, &header, &good)).await, &header.to_string());
    }
    let strange = STRANGE.token(Algorithm::Es256, &json!({"alg": "ES256", "kid": "point"}), &good);
    let bare = signed(&good);
    let bare = bare.rsplit_once('.').unwrap().0;
    for bad in [strange.as_str(), &format!("{bare}."), bare, "x", "a.b.c", "…"] {
        not_let_in(&bench.assert(bad).await, bad);
    }
    let good = signed(&good);
    let grant = ("grant_type", "client_credentials");
    let (kind, asserted) = (("client_assertion_type", SIGNED), ("client_assertion", good.as_str()));
    not_let_in(&bench.form(&[], &[grant, kind, asserted, ("client_id", &other.id)]).await, "of another client_id");
    not_let_in(&bench.form(&[], &[grant, ("client_assertion_type", "urn:x"), asserted]).await, "of another type");
    for form in [
        vec![grant, kind],
        vec![grant, asserted],
        vec![grant, kind, asserted, asserted],
        vec![grant, kind, asserted, ("client_secret", "x")],
    ] {
        let answer = bench.form(&[], &form).await;
        assert_eq!((answer.0, &answer.2["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")), "{form:?}");
    }
    for basic in [&[("authorization", "Basic eDp5")][..], &[("authorization", "Basic eDp5"), ("authorization", "Basic eDp6")]] {
        let twice = bench.form(basic, &[grant, kind, asserted]).await;
        assert_eq!((twice.0, &twice.2["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")));
        let twice = bench.form(&[basic, basic].concat(), &[grant]).await;
        assert_eq!((twice.0, &twice.2["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_request")), "more than one way");
    }
    bench.form(&[], &[grant, kind, asserted, ("client_id", &client.id)]).await.ok();
}

#[tokio::test]
async fn rfc7523_an_assertion_is_used_once_and_by_its_client_alone() {
    let bench = Bench::new().await;
    let client = bench.client("acme", "ours", &json!({"keys": KEYS.public()})).await.unwrap();
    let other = bench.client("other", "theirs", &json!({"keys": KEYS.public()})).await.unwrap();
    bench.assert(&signed(&assertion(&client.id, "one"))).await.ok();
    not_let_in(&bench.assert(&signed(&assertion(&client.id, "one"))).await, "again");
    not_let_in(&bench.assert(&signed(&with(&assertion(&client.id, "one"), &json!({"exp": NOW + 400})))).await, "the id again");
    bench.assert(&signed(&assertion(&other.id, "one"))).await.ok();
    bench.clock.jump_to(crate::base::Timestamp::from_millis((NOW + 359) * 1_000));
    not_let_in(&bench.assert(&signed(&assertion(&client.id, "one"))).await, "within the leeway");
    bench.clock.jump_to(crate::base::Timestamp::from_millis((NOW + 360) * 1_000));
    not_let_in(&bench.assert(&signed(&assertion(&client.id, "two"))).await, "over");
}

#[tokio::test]
async fn rfc7523_access_ends_with_the_keys_the_token_and_the_client_but_not_with_one_key_more() {
    let bench = Bench::new().await;
    let client = bench.client("acme", "ours", &json!({"keys": {"keys": [KEYS.public()["keys"][0]]}})).await.unwrap();
    let mut number = 0;
    let mut claims = || {
        number += 1;
        signed(&assertion(&client.id, &number.to_string()))
    };
    let given = async |assertion: String| {
        let given = bench.assert(&assertion).await.ok();
        given["access_token"].as_str().unwrap().to_owned()
    };
    let first = given(claims()).await;
    bench.change("ours", &json!({"keys": KEYS.public()})).await.unwrap();
    bench.change("ours", &json!({"rate": 100})).await.unwrap();
    assert_eq!(bench.users(&first).await.0, StatusCode::OK, "the key is registered still");
    bench.change("ours", &json!({"keys": {"keys": [KEYS.public()["keys"][1]]}})).await.unwrap();
    bench.users(&first).await.refused(401, None);
    not_let_in(&bench.assert(&claims()).await, "of a key that is gone");
    bench.change("ours", &json!({"keys": KEYS.public()})).await.unwrap();
    let second = given(claims()).await;
    bench.users(&first).await.refused(401, None);
    let id = bench.directory.tokens(&bench.operator).unwrap().into_iter().find(|token| token.is_signed).unwrap().id;
    bench.directory.revoke_token(&bench.operator, &id).await.unwrap();
    bench.users(&second).await.refused(401, None);
    not_let_in(&bench.assert(&claims()).await, "revoked");
    bench.change("ours", &json!({"rate": 200})).await.unwrap();
    not_let_in(&bench.assert(&claims()).await, "revoked still");
    bench.change("ours", &json!({"keys": KEYS.public()})).await.unwrap();
    let third = given(claims()).await;
    bench.change("ours", &json!({"keys": null})).await.unwrap();
    bench.users(&third).await.refused(401, None);
    not_let_in(&bench.assert(&claims()).await, "no keys");
    bench.change("ours", &json!({"keys": KEYS.public()})).await.unwrap();
    let fourth = given(claims()).await;
    bench.directory.remove_client(&bench.operator, None, "ours").await.unwrap();
    bench.users(&fourth).await.refused(401, None);
    not_let_in(&bench.assert(&claims()).await, "removed");
    assert!(!bench.directory.tokens(&bench.operator).unwrap().iter().any(|token| token.is_signed));
}

#[tokio::test]
async fn rfc7523_asking_for_access_is_within_the_rate_and_what_is_refused_for_it_can_come_again() {
    let bench = Bench::new().await;
    let client = bench.client("acme", "ours", &json!({"keys": KEYS.public(), "rate": 25})).await.unwrap();
    for number in 0..25 {
        bench.assert(&signed(&assertion(&client.id, &number.to_string()))).await.ok();
    }
    let last = signed(&assertion(&client.id, "last"));
    assert_eq!(bench.assert(&last).await.0, StatusCode::TOO_MANY_REQUESTS);
    bench.clock.advance(Duration::from_secs(1));
    bench.assert(&last).await.ok();
}

fn of_entra() -> Value {
    let times = json!({"iat": NOW - 300, "nbf": NOW - 300, "exp": NOW + 3_600});
    let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "appid": "app", "tid": "11111111-2222-4333-8444-555555555555", "ver": "1.0"});
    with(&claims, &times)
}

fn by_entra(claims: &Value) -> String {
    KEYS.token(Algorithm::Rs256, &json!({"typ": "JWT", "alg": "RS256", "x5t": "rsa", "kid": "rsa"}), claims)
}

fn lets_in() -> Value {
    json!({"profile": "entra", "issuer": ISSUER, "audience": AUDIENCE, "keys": KEYS.public(), "scopes": ["read", "users"]})
}

#[tokio::test]
async fn q20_a_token_of_the_issuer_is_the_clients_with_its_scopes_rate_last_use_and_log() {
    let bench = Bench::new().await;
    bench.client("acme", "entra", &with(&lets_in(), &json!({"application": "app", "rate": 25}))).await.unwrap();
    let token = by_entra(&of_entra());
    let bearer = format!("Bearer {token}");
    let post = async |path: &str, body: Value| bench.send("POST", path, &[("authorization", &bearer)], body.to_string()).await;
    let made = post("/scim/v2/Users", json!({"userName": "ada"})).await;
    assert_eq!(made.0, StatusCode::CREATED, "{}", made.2);
    assert_eq!(post("/scim/v2/Groups", json!({"displayName": "x"})).await.0, StatusCode::FORBIDDEN);
    // Tokens of version 2.0 say it in other words.
    let second = by_entra(&with(&of_entra(), &json!({"appid": null, "azp": "app", "aud": [AUDIENCE]})));
    assert_eq!(bench.users(&second).await.0, StatusCode::OK);
    let listed = bench.directory.tokens(&bench.operator).unwrap().into_iter().find(|token| token.is_signed).unwrap();
    assert_eq!((listed.client.as_deref(), listed.last_used.is_some()), (Some("entra"), true));
    let log = bench.directory.client_log(&bench.operator, None, "entra", 0).unwrap();
    let statuses: Vec<u16> = log.iter().map(|(_, line)| line.status).collect();
    assert_eq!(statuses, [201, 403, 200]);
    assert!(log.iter().all(|(_, line)| line.token == format!("token:{}", listed.id)));
    for _ in 0..22 {
        bench.users(&token).await.ok();
    }
    assert_eq!(bench.users(&token).await.0, StatusCode::TOO_MANY_REQUESTS);
    bench.directory.revoke_token(&bench.operator, &listed.id).await.unwrap();
    bench.users(&token).await.refused(401, None);
}

#[tokio::test]
async fn q20_every_other_token_is_refused_alike() {
    let bench = Bench::new().await;
    bench.client("acme", "entra", &with(&lets_in(), &json!({"application": "app"}))).await.unwrap();
    let refused = async |token: &str, what: &str| {
        let answer = bench.users(token).await;
        answer.refused(401, None);
        assert_eq!(answer.1["www-authenticate"], "Bearer realm=\"headcount\"", "{what}");
        assert_eq!(answer.2["detail"], "a valid bearer token is needed", "{what}");
    };
    for more in [
        json!({"iss": "https://sts.windows.net/99999999-2222-4333-8444-555555555555/"}),
        json!({"iss": ISSUER.trim_end_matches('/')}),
        json!({"iss": ISSUER.to_uppercase()}),
        json!({"iss": [ISSUER]}),
        json!({"iss": null}),
        json!({"aud": "another"}),
        json!({"aud": [AUDIENCE, "another"]}),
        json!({"aud": null}),
        json!({"appid": "another"}),
        json!({"appid": null}),
        json!({"appid": ["app"]}),
        json!({"azp": "another"}),
        json!({"exp": NOW - 60}),
        json!({"exp": null}),
        json!({"nbf": NOW + 61}),
        json!({"x": "x".repeat(9_000)}),
    ] {
        refused(&by_entra(&with(&of_entra(), &more)), &more.to_string()).await;
    }
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "HS256", "kid": "rsa"}),
        json!({"alg": "PS256", "kid": "rsa"}),
        json!({"alg": "RS384", "kid": "rsa"}),
        json!({"alg": "RS256", "kid": "point"}),
        json!({"alg": "RS256", "kid": "new"}),
        json!({"alg": "RS256", "crit": ["x"], "x": 1}),
        json!({"alg": "RS256", "typ": "client-authentication+jwt"}),
    ] {
        refused(&KEYS.token(Algorithm::Rs256, &header, &of_entra()), &header.to_string()).await;
    }
    refused(&STRANGE.token(Algorithm::Rs256, &json!({"alg": "RS256", "kid": "rsa"}), &of_entra()), "keys of others").await;
    let good = by_entra(&of_entra());
    refused(good.rsplit_once('.').unwrap().0, "no signature").await;
    assert_eq!(bench.users(&good).await.0, StatusCode::OK);
    bench.clock.jump_to(crate::base::Timestamp::from_millis((NOW + 3_660) * 1_000));
    refused(&good, "over").await;
    bench.clock.jump_to(crate::base::Timestamp::from_millis(NOW * 1_000));
    bench.directory.remove_client(&bench.operator, None, "entra").await.unwrap();
    refused(&good, "removed").await;
}

#[tokio::test]
async fn q20_no_token_is_of_two_clients() {
    let bench = Bench::new().await;
    let app = |application: Value| with(&lets_in(), &json!({"application": application}));
    bench.client("acme", "one", &app(json!("app"))).await.unwrap();
    for taken in [json!("app"), Value::Null] {
        assert!(matches!(bench.client("other", "two", &app(taken)).await, Err(Error::Constraint(_))));
    }
    bench.client("other", "two", &app(json!("second"))).await.unwrap();
    for taken in [json!("app"), Value::Null] {
        assert!(matches!(bench.change("two", &json!({"application": taken})).await, Err(Error::Constraint(_))));
    }
    let organisation = async |application: &str| {
        let token = by_entra(&with(&of_entra(), &json!({"appid": application})));
        bench
            .directory
            .authenticate_token(&crate::directory::Origin::system(), &crate::base::Secret::new(token))
            .map(|found| bench.directory.organisation_dn(&found).unwrap())
    };
    assert_eq!(organisation("app").await.unwrap(), "o=acme,dc=example,dc=com");
    assert_eq!(organisation("second").await.unwrap(), "o=other,dc=example,dc=com");
    let reason = organisation("third").await.unwrap_err();
    assert_eq!(reason.reason, "signed token: it is of no issuer, audience and application of a client");
    // What leaves the pair is free for others.
    bench.change("two", &json!({"audience": "elsewhere"})).await.unwrap();
    bench.client("other", "three", &app(json!("second"))).await.unwrap();
    bench.directory.remove_client(&bench.operator, None, "one").await.unwrap();
    assert!(organisation("app").await.is_err());
    bench.change("three", &json!({"application": null})).await.unwrap();
    assert_eq!(organisation("app").await.unwrap(), "o=other,dc=example,dc=com");
}

#[tokio::test]
async fn q20_a_client_whose_organisation_is_gone_stands_in_nobodys_way() {
    let bench = Bench::new().await;
    bench.client("other", "theirs", &lets_in()).await.unwrap();
    let gone = Write::Delete { dn: "o=other,dc=example,dc=com".to_owned() };
    bench.directory.write(&bench.operator, gone, WriteOptions::default()).await.unwrap();
    bench.users(&by_entra(&of_entra())).await.refused(401, None);
    bench.client("acme", "entra", &lets_in()).await.unwrap();
    assert_eq!(bench.users(&by_entra(&of_entra())).await.0, StatusCode::OK);
}

#[tokio::test]
async fn q20_settings_that_do_not_go_together_are_refused() {
    let bench = Bench::new().await;
    for (number, change) in [
        json!({"issuer": null}),
        json!({"audience": null}),
        json!({"keys": null}),
        json!({"issuer": null, "audience": null, "application": "x"}),
        json!({"issuer": ""}),
        json!({"audience": "a b"}),
        json!({"application": "x".repeat(513)}),
        json!({"keys": {"keys": []}}),
        json!({"keys": {"keys": [{"kty": "oct", "k": "AA"}]}}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut settings = lets_in();
        settings.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert!(matches!(bench.client("acme", &number.to_string(), &settings).await, Err(Error::Constraint(_))), "{change}");
    }
    bench.client("acme", "entra", &lets_in()).await.unwrap();
    let own = json!({"issuer": null, "audience": null});
    assert!(matches!(bench.change("entra", &own).await, Err(Error::Constraint(_))), "the issuer's keys do not become the client's own");
    bench.change("entra", &json!({"issuer": null, "audience": null, "keys": null})).await.unwrap();
    bench.users(&by_entra(&of_entra())).await.refused(401, None);
}
