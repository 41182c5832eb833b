//! What a request says besides its body: who, in which form, and under which condition.

use super::error::{MEDIA_TYPE, ScimError, ScimType};
use super::exchange::Exchange;
use super::explain::OnBehalf;
use super::gateway::Gateway;
use super::json::{self, Object};
use super::routes::Scim;
use crate::base::Secret;
use crate::directory::{Caller, Directory, Origin, Protocol, RequestId};
use axum::RequestPartsExt;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Octets a body may have (HD8).
pub const MAX_BODY: usize = 4 << 20;

/// Who is at the other end of the connection. The server puts it into every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address; that which a trusted proxy names, where one stands between. `None` for local sockets.
    pub address: Option<IpAddr>,
    /// Whether nobody on the way can read along.
    pub encrypted: bool,
    /// The name of the listener in the config.
    pub listener: Arc<str>,
    /// The id of the request, as in the log and in `x-request-id`.
    pub request: Arc<str>,
}

impl Peer {
    /// Nobody has said who.
    pub(super) fn unknown() -> Self {
        Self { address: None, encrypted: false, listener: "http".into(), request: "".into() }
    }
}

/// Where a request comes from.
pub(super) fn origin_of(peer: Peer) -> Origin {
    Origin {
        protocol: Protocol::Scim,
        address: peer.address,
        encrypted: peer.encrypted,
        certificate: false,
        service: None,
        subject: None,
        tracking: None,
        listener: peer.listener.to_string(),
        request: RequestId::Http(peer.request),
    }
}

/// Marks a request that is part of another one, which was counted.
#[derive(Clone, Copy, Debug)]
pub struct Part;

/// A request whose token was good.
pub struct Authenticated(pub Caller);

impl FromRequestParts<Arc<Scim>> for Authenticated {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<Scim>) -> Result<Self, ScimError> {
        if let Some(OnBehalf(caller)) = parts.extensions.get() {
            return Ok(Self(caller.clone()));
        }
        let peer = parts.extensions.get::<Peer>().cloned().unwrap_or_else(Peer::unknown);
        require_privacy(&parts.extensions, &state.directory)?;
        let token = bearer(&parts.headers).ok_or_else(ScimError::unauthorized)?;
        let request = Arc::clone(&peer.request);
        let origin = origin_of(peer);
        let identity = state.directory.authenticate_token(&origin, &token);
        state.directory.note_token(&origin, identity.as_deref());
        let identity = identity.map_err(|_| ScimError::unauthorized())?;
        if let Some(exchange) = parts.extensions.get::<Arc<Exchange>>() {
            exchange.of(&identity, &request);
        }
        if parts.extensions.get::<Part>().is_none() && !state.directory.is_within_rate(&identity) {
            return Err(ScimError::new(StatusCode::TOO_MANY_REQUESTS, "more requests than the client may make in a second"));
        }
        Ok(Self(Caller { identity, origin: Arc::new(origin) }))
    }
}

/// Refuses a request whose token somebody on the way may have read.
pub(super) fn require_privacy(extensions: &Extensions, directory: &Directory) -> Result<(), ScimError> {
    let peer = extensions.get::<Peer>();
    let near = peer.and_then(|peer| peer.address).is_none_or(|address| address.is_loopback());
    match peer.is_some_and(|peer| peer.encrypted) || near || directory.settings().allow_cleartext_passwords {
        true => Ok(()),
        false => Err(ScimError::forbidden("a token must not travel without TLS")),
    }
}

/// The token of `Authorization: Bearer TOKEN`, or of `Authorization: TOKEN` (quirk 36). None where there are two: who stands in
/// front of us may have looked at the other.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let text = given.next().filter(|_| given.next().is_none())?.to_str().ok()?.trim();
    let token = match text.split_once(' ') {
        None => text,
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) => return None,
    };
    (!token.is_empty()).then(|| Secret::new(token.as_bytes()))
}

impl FromRequestParts<Arc<Scim>> for Gateway {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<Scim>) -> Result<Self, ScimError> {
        let Authenticated(caller) = parts.extract_with_state(state).await?;
        let organisation = state.directory.organisation_dn(&caller.identity);
        let organisation = organisation.ok_or_else(|| ScimError::forbidden("the token belongs to no organisation"))?;
        Ok(Self {
            directory: state.directory.clone(),
            catalogue: Arc::clone(state.catalogue_of(caller.identity.client.as_deref())),
            settings: caller.identity.client.as_ref().map(|client| client.settings.clone()).unwrap_or_default(),
            exchange: parts.extensions.get().cloned().unwrap_or_default(),
            caller,
            organisation,
            base_url: state.base_url.clone(),
            listings: state.listings.clone(),
        })
    }
}

/// The body of a request: an object, empty where there is no body.
pub struct Json(pub Object);

impl FromRequest<Arc<Scim>> for Json {
    type Rejection = ScimError;

    async fn from_request(request: Request, _: &Arc<Scim>) -> Result<Self, ScimError> {
        let body = body_of(request, MAX_BODY).await?;
        // Calls that need no body may come without one; the others miss their attributes in an empty object.
        if body.is_empty() {
            return Ok(Self(Object::new()));
        }
        json::parse(&body).map(Self).map_err(ScimError::syntax)
    }
}

/// The body of a request, of `limit` octets at most: 415 where it is not JSON, 413 where it is longer.
pub(super) async fn body_of(request: Request, limit: usize) -> Result<bytes::Bytes, ScimError> {
    if let Some(media_type) = request.headers().get(header::CONTENT_TYPE) {
        let mut parts = media_type.to_str().unwrap_or_default().split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        if ![MEDIA_TYPE, "application/json"].iter().any(|known| known.eq_ignore_ascii_case(media_type)) {
            return Err(ScimError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("the body must be {MEDIA_TYPE}")));
        }
        if parts.any(is_other_charset) {
            return Err(ScimError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be UTF-8"));
        }
    }
    match axum::body::to_bytes(request.into_body(), limit).await {
        Ok(body) => Ok(body),
        Err(error) => {
            // Too long and broken off look alike from outside; the source tells them apart.
            let too_long = std::error::Error::source(&error).is_some_and(|source| source.to_string().contains("limit"));
            Err(match too_long {
                true => ScimError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {limit} octets")),
                false => ScimError::of(ScimType::InvalidSyntax, "the body broke off"),
            })
        }
    }
}

/// Whether a parameter of a media type says that the text is not UTF-8 (RFC 8259 §8.1); ASCII is.
fn is_other_charset(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let value = value.trim().trim_matches('"');
    let is_ours = ["utf-8", "utf8", "us-ascii"].iter().any(|known| known.eq_ignore_ascii_case(value));
    name.trim().eq_ignore_ascii_case("charset") && !is_ours
}

/// The id that the path ends with; 404 where it is no text.
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ScimError> {
        let Path(id) = parts.extract().await.map_err(|_| ScimError::not_found())?;
        Ok(Self(id))
    }
}

/// The parameters of the query, decoded, in their order.
pub struct Parameters(pub Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = ScimError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ScimError> {
        let Query(pairs) = parts.extract().await.map_err(|_| ScimError::value("the query of the URL cannot be read"))?;
        Ok(Self(pairs))
    }
}

/// `If-Match` (RFC 9110 §13.1.1) against a version: whether it asks for that one, and 412 where it does not hold. Versions are
/// compared weakly, because ours are weak (RFC 7644 §3.14).
///
/// What `If-None-Match` names must not be changed either (RFC 9110 §13.1.2).
pub fn if_match(headers: &HeaderMap, version: u64) -> Result<bool, ScimError> {
    if if_none_match(headers, version) {
        return Err(ScimError::new(StatusCode::PRECONDITION_FAILED, "the resource has the version of If-None-Match"));
    }
    match listed(headers, &header::IF_MATCH, version) {
        // There is the resource, and any version of it will do.
        Some(true) if headers.get_all(header::IF_MATCH).iter().any(|value| value == "*") => Ok(false),
        None => Ok(false),
        Some(true) => Ok(true),
        Some(false) => Err(ScimError::version()),
    }
}

/// Whether `If-None-Match` names the version.
pub fn if_none_match(headers: &HeaderMap, version: u64) -> bool {
    listed(headers, &header::IF_NONE_MATCH, version) == Some(true)
}

fn listed(headers: &HeaderMap, name: &HeaderName, version: u64) -> Option<bool> {
    let wanted = super::mapping::version(version);
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    Some(values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || bare(tag) == bare(&wanted)
    }))
}

/// A version without its marks.
fn bare(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
}

/// What the answer to a change is to hold (RFC 7240 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// `return=minimal`: no body.
    Minimal,
    /// `return=representation`: the resource.
    Representation,
}

impl Preference {
    /// What the client prefers; the first counts where it says both.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        values.filter_map(|preference| preference.split(';').next()?.split_once('=')).find_map(|(name, value)| {
            let known = name.trim().eq_ignore_ascii_case("return").then(|| value.trim().trim_matches('"'));
            [Self::Minimal, Self::Representation].into_iter().find(|held| known == Some(held.text()))
        })
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Representation => "representation",
        }
    }

    /// Says in an answer that it was followed.
    pub fn applied(self, mut response: Response) -> Response {
        if let Ok(value) = HeaderValue::try_from(format!("return={}", self.text())) {
            response.headers_mut().insert("preference-applied", value);
        }
        response
    }
}

/// Refuses what no SCIM answer can satisfy: 406 for other media types, 415 for compressed bodies (HD8).
pub async fn negotiate(request: Request, next: Next) -> Response {
    match refusal(request.headers()) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

fn refusal(headers: &HeaderMap) -> Option<ScimError> {
    let known = |media_type: &str| {
        let name = media_type.split(';').next().unwrap_or_default().trim();
        [MEDIA_TYPE, "application/json", "application/*", "*/*", "*"].iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    let accepts = headers.get_all(header::ACCEPT);
    let accepted = accepts.iter().filter_map(|value| value.to_str().ok()).any(|value| value.split(',').any(known));
    if accepts.iter().next().is_some() && !accepted {
        return Some(ScimError::new(StatusCode::NOT_ACCEPTABLE, format!("answers are {MEDIA_TYPE}")));
    }
    let encoded = headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    encoded.then(|| ScimError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "compressed bodies are not accepted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn he7_versions_are_compared_weakly_and_by_list() {
        for (value, expected) in [
            ("W/\"0000000000000007\"", Some(true)),
            ("\"0000000000000007\"", Some(true)),
            ("\"0000000000000006\", W/\"0000000000000007\"", Some(true)),
            ("*", Some(true)),
            ("W/\"0000000000000077\"", Some(false)),
        ] {
            assert_eq!(listed(&headers("if-match", value), &header::IF_MATCH, 7), expected, "{value}");
        }
        assert_eq!(if_match(&HeaderMap::new(), 7), Ok(false));
        assert_eq!(if_match(&headers("if-match", "\"8\""), 7), Err(ScimError::version()));
        assert_eq!(if_match(&headers("if-none-match", "*"), 7).map_err(|error| error.status), Err(StatusCode::PRECONDITION_FAILED));
        assert_eq!(if_match(&headers("if-none-match", "\"8\""), 7), Ok(false));
    }

    #[test]
    fn preferences_are_read_among_others() {
        for (value, expected) in [
            ("return=minimal", Some(Preference::Minimal)),
            ("respond-async, Return=\"representation\"; x=y", Some(Preference::Representation)),
            ("return=minimal, return=representation", Some(Preference::Minimal)),
            ("return=something, handling=lenient", None),
            ("no-return=minimal", None),
        ] {
            assert_eq!(Preference::of(&headers("prefer", value)), expected, "{value}");
        }
    }

    #[test]
    fn tokens_come_with_and_without_their_scheme() {
        let token = |value| bearer(&headers("authorization", value)).map(|token| token.expose().to_vec());
        assert_eq!(token("Bearer abc"), Some(b"abc".to_vec()));
        assert_eq!(token("bearer  abc"), Some(b"abc".to_vec()));
        assert_eq!(token("abc"), Some(b"abc".to_vec()));
        assert_eq!(token("Basic abc"), None);
        assert_eq!(token(""), None);
        // A proxy may have looked at the other one.
        let mut both = headers("authorization", "Bearer abc");
        both.append("authorization", HeaderValue::from_static("Bearer xyz"));
        assert!(bearer(&both).is_none());
    }
}
