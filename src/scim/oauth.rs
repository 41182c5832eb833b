//! OAuth 2.0 beside static tokens: a client that has a secret, or signs with a key that is registered for it (RFC 7523), is given
//! short-lived access tokens (RFC 6749 §4.4), and the metadata that says so (RFC 8414).

use super::request::{Peer, origin_of, require_privacy};
use super::routes::Scim;
use crate::access::Scope;
use crate::base::Secret;
use crate::base::jwk::Algorithm;
use crate::directory::client::{AccessGrant, AccessRefused, Assertion, TokenRefused};
use axum::extract::{Form, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, RequestExt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where access tokens are given, beside the base of SCIM.
pub(super) const TOKEN: &str = "/oauth/token";
/// Where the metadata is.
pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server";
/// The scope of all that a client may do.
const ALL: &str = "scim";

/// An error of RFC 6749 §5.2.
struct Refusal {
    status: StatusCode,
    error: &'static str,
    description: &'static str,
    /// Of a client that is not let in: why, for the log alone.
    reason: Option<TokenRefused>,
}

impl Refusal {
    const fn new(status: StatusCode, error: &'static str, description: &'static str) -> Self {
        Self { status, error, description, reason: None }
    }
}

const MALFORMED: Refusal = Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", "the request is not one for an access token");
/// The one type of assertion (RFC 7523 §2.2).
const SIGNED: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The answer to every client that is not let in, whatever the reason.
fn stranger() -> Refusal {
    const DESCRIPTION: &str = "the client is unknown, or does not show that it is that one";
    Refusal { reason: Some(TokenRefused::unknown()), ..Refusal::new(StatusCode::UNAUTHORIZED, "invalid_client", DESCRIPTION) }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, error, description, reason: _ } = self;
        let mut response = (status, Json(json!({"error": error, "error_description": description}))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Basic realm=\"headcount\""));
        }
        if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

/// What the server calls itself.
fn issuer(state: &Scim) -> &str {
    state.base_url.trim_end_matches("/scim/v2")
}

/// What the server says of itself (RFC 8414 §3.2).
pub(super) async fn metadata(State(state): State<Arc<Scim>>) -> Json<Value> {
    let issuer = issuer(&state);
    let algorithms = Algorithm::ALL.map(Algorithm::text);
    let scopes: Vec<&str> = Scope::ALL.into_iter().map(Scope::word).chain([ALL]).collect();
    Json(json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}{TOKEN}"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "scopes_supported": scopes,
    }))
}

/// `POST /oauth/token`.
pub(super) async fn token(State(state): State<Arc<Scim>>, request: Request) -> Response {
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or_else(Peer::unknown);
    if let Err(refusal) = require_privacy(request.extensions(), &state.directory) {
        return refusal.into_response();
    }
    let headers = request.headers().clone();
    let Ok(Form(form)) = request.extract::<Form<Vec<(String, String)>>, _>().await else { return MALFORMED.into_response() };
    match granted(&state, &headers, &form) {
        Ok(grant) => given(&grant),
        Err(refusal) => {
            if let Some(reason) = &refusal.reason {
                state.directory.note_token(&origin_of(peer), Err(reason));
            }
            refusal.into_response()
        }
    }
}

fn granted(state: &Scim, headers: &HeaderMap, form: &[(String, String)]) -> Result<AccessGrant, Refusal> {
    let value = |name: &str| {
        let mut held = form.iter().filter(|(held, value)| held == name && !value.is_empty()).map(|(_, value)| value.as_str());
        match (held.next(), held.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => Err(MALFORMED),
        }
    };
    match value("grant_type")? {
        Some("client_credentials") => {}
        Some(_) => return Err(Refusal::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", "the one grant type is client_credentials")),
        None => return Err(MALFORMED),
    }
    let wanted = || value("scope")?.map(scopes).transpose().map(Option::flatten);
    let named = value("client_id")?;
    let asserted = (value("client_assertion_type")?, value("client_assertion")?);
    let mut basic = headers.get_all(header::AUTHORIZATION).iter();
    let (basic, another) = (basic.next(), basic.next());
    let granted = match (basic, asserted, value("client_secret")?) {
        _ if another.is_some() => return Err(MALFORMED),
        (None, (Some(SIGNED), Some(token)), None) => {
            let issuer = issuer(state);
            let endpoint = format!("{issuer}{TOKEN}");
            let assertion = Assertion { token: Secret::new(token), audiences: [&endpoint, issuer], client: named };
            state.directory.grant_signed_access(&assertion, wanted()?)
        }
        (Some(basic), (None, None), None) => {
            let (client, secret) = basic.to_str().ok().and_then(credentials).ok_or_else(stranger)?;
            if named.is_some_and(|named| named != client) {
                return Err(MALFORMED);
            }
            state.directory.grant_access(&client, &secret, wanted()?)
        }
        (None, (None, None), Some(secret)) => state.directory.grant_access(named.ok_or_else(stranger)?, &Secret::new(secret), wanted()?),
        (None, (None, None), None) | (None, (Some(_), Some(_)), None) => return Err(stranger()),
        // One way to authenticate only (RFC 6749 §2.3), and all of it.
        _ => return Err(MALFORMED),
    };
    granted.map_err(|refused| match refused {
        AccessRefused::Client(reason) => Refusal { reason: Some(reason), ..stranger() },
        AccessRefused::Rate => {
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "slow_down", "more requests than the client may make in a second")
        }
        AccessRefused::Scope => Refusal::new(StatusCode::BAD_REQUEST, "invalid_scope", "the client does not have all of these scopes"),
    })
}

/// Client and secret of `Authorization: Basic`. Both are form-encoded first (RFC 6749 §2.3.1); ours have nothing to encode.
fn credentials(header: &str) -> Option<(String, Secret)> {
    let (scheme, text) = header.trim().split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(text.trim()).ok())??;
    let (client, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((client.to_owned(), Secret::new(secret)))
}

/// The scopes of a request; `None` for all that the client has.
fn scopes(text: &str) -> Result<Option<BTreeSet<Scope>>, Refusal> {
    let unknown = Refusal::new(StatusCode::BAD_REQUEST, "invalid_scope", "a scope is not known");
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    if words.contains(&ALL) {
        return Ok(None);
    }
    let named: Option<BTreeSet<Scope>> = words.iter().map(|word| Scope::ALL.into_iter().find(|scope| scope.word() == *word)).collect();
    named.filter(|named| !named.is_empty()).map(Some).ok_or(unknown)
}

/// RFC 6749 §5.1.
fn given(grant: &AccessGrant) -> Response {
    let scope = grant.scopes.iter().map(|scope| scope.word()).collect::<Vec<_>>().join(" ");
    let body = json!({
        "access_token": String::from_utf8_lossy(grant.token.expose()),
        "token_type": "Bearer",
        "expires_in": grant.lifetime.as_secs(),
        "scope": scope,
    });
    ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(body)).into_response()
}
