//! Receivers that ask (RFC 8936): `POST /SecurityEvents/{receiver}` acknowledges what has arrived and answers what waits, at once
//! or when there is something. What is not acknowledged is answered again.

use super::{Tokens, tokens};
use crate::directory::events::EventReceiver;
use crate::scim::error::ScimError;
use crate::scim::json::{self, Object};
use crate::scim::request::{Id, bearer, body_of, require_privacy};
use crate::scim::routes::Scim;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How long an answer waits for an event; less than a request may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Events in one answer, where the receiver does not say, and at most.
const EVENTS: usize = 100;
const MOST_EVENTS: usize = 1_000;
/// Octets of a request.
const MAX_REQUEST: usize = 1 << 20;

/// `GET /SecurityEvents/keys`: what signatures are verified with.
pub(in crate::scim) async fn keys(State(scim): State<Arc<Scim>>) -> Result<Response, ScimError> {
    if scim.directory.settings().events.is_empty() {
        return Err(ScimError::not_found());
    }
    Ok(plain(&scim.signing.signer(&scim.directory)?.keys()))
}

/// `POST /SecurityEvents/{receiver}`.
pub(in crate::scim) async fn poll(State(scim): State<Arc<Scim>>, Id(name): Id, request: Request) -> Result<Response, ScimError> {
    require_privacy(request.extensions(), &scim.directory)?;
    let receiver = receiver(&scim, &name, request.headers()).ok_or_else(ScimError::unauthorized)?;
    let body = body_of(request, MAX_REQUEST).await?;
    let body = if body.is_empty() { Object::new() } else { json::parse(&body).map_err(ScimError::syntax)? };
    let asked = Asked::read(&body)?;
    scim.directory.events_settled(&receiver.name, asked.settled).await?;
    let (mut found, mut more) = (Tokens::default(), false);
    // What has nothing to tell any more is settled, and more waited for.
    while found.sets.is_empty() && asked.most > 0 {
        let waiting = || Some(scim.directory.events_waiting(&receiver, asked.most)).filter(|(events, _)| !events.is_empty());
        let Some((events, beyond)) = scim.directory.await_events(asked.patience, waiting).await else { break };
        (found, more) = (tokens(&scim, &receiver, &events)?, beyond);
        scim.directory.events_settled(&receiver.name, std::mem::take(&mut found.nothing)).await?;
    }
    let sets: Object = found.sets.into_iter().map(|(id, set)| (id, set.into())).collect();
    Ok(plain(&json!({"sets": sets, "moreAvailable": more})))
}

/// The receiver that asks. One that does not exist, one that is pushed to and a wrong token look alike.
fn receiver(scim: &Scim, name: &str, headers: &HeaderMap) -> Option<EventReceiver> {
    let receiver = scim.directory.event_receiver(name).filter(|receiver| receiver.push.is_none())?;
    let token = bearer(headers)?;
    bool::from(token.expose().ct_eq(receiver.token.expose())).then_some(receiver)
}

fn plain(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body.to_string()).into_response()
}

/// What a receiver asks for.
struct Asked {
    most: usize,
    patience: Duration,
    /// What has arrived, or never will.
    settled: BTreeSet<String>,
}

impl Asked {
    fn read(body: &Object) -> Result<Self, ScimError> {
        let wrong = |name: &str| ScimError::syntax(format!("{name} does not have the form of RFC 8936"));
        let most = match body.get("maxEvents") {
            None => EVENTS,
            Some(value) => value.as_u64().ok_or_else(|| wrong("maxEvents"))?.min(MOST_EVENTS as u64) as usize,
        };
        let immediately = match body.get("returnImmediately") {
            None => false,
            Some(value) => value.as_bool().ok_or_else(|| wrong("returnImmediately"))?,
        };
        let mut settled = BTreeSet::new();
        if let Some(value) = body.get("ack") {
            for id in value.as_array().ok_or_else(|| wrong("ack"))? {
                settled.insert(id.as_str().ok_or_else(|| wrong("ack"))?.to_owned());
            }
        }
        if let Some(value) = body.get("setErrs") {
            for (id, error) in value.as_object().ok_or_else(|| wrong("setErrs"))? {
                tracing::warn!(event = id, error = %error, "a receiver cannot use an event: it is given up");
                settled.insert(id.clone());
            }
        }
        Ok(Self { most, patience: if immediately { Duration::ZERO } else { PATIENCE }, settled })
    }
}
