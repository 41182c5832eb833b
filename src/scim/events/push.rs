//! Receivers that are told (RFC 8935): one event after another, each until it was taken over, with growing pauses.

use super::tokens;
use crate::base::outgoing::Way;
use crate::directory::events::EventReceiver;
use crate::scim::routes::Scim;
use axum::http::StatusCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait for events before looking again.
const IDLE: Duration = Duration::from_secs(60);
/// The pause after the first failure; each further one doubles it.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Events that are taken from the queue at one time.
const BATCH: usize = 32;

/// Why an event did not arrive.
enum Failed {
    /// It may arrive later.
    Later(String),
    /// It never will: the receiver refuses this very event.
    Never(String),
}

/// Tells one receiver until the task is dropped.
pub(super) async fn run(scim: Arc<Scim>, receiver: EventReceiver) {
    let way = Way::new(receiver.push.as_deref().unwrap_or_default(), &receiver.token, receiver.authorities.as_deref());
    let Some(way) = way.inspect_err(|reason| tracing::error!(receiver = receiver.name, reason, "no events are sent")).ok() else {
        return;
    };
    let mut pause = PAUSE;
    loop {
        let waiting = || Some(scim.directory.events_waiting(&receiver, BATCH).0).filter(|events| !events.is_empty());
        let Some(events) = scim.directory.await_events(IDLE, waiting).await else { continue };
        let tokens = match tokens(&scim, &receiver, &events) {
            Ok(tokens) => tokens,
            Err(error) => {
                tracing::warn!(receiver = receiver.name, %error, "events cannot be told yet");
                tokio::time::sleep(LONGEST_PAUSE).await;
                continue;
            }
        };
        let (mut settled, mut works) = (tokens.nothing, true);
        for (id, set) in tokens.sets {
            match send(&way, set).await {
                Ok(()) => {}
                Err(Failed::Never(reason)) => {
                    tracing::warn!(receiver = receiver.name, event = id, reason, "an event was refused and is given up")
                }
                Err(Failed::Later(reason)) => {
                    tracing::warn!(receiver = receiver.name, event = id, reason, "an event did not arrive; it is tried again");
                    works = false;
                    break;
                }
            }
            settled.insert(id);
        }
        works &= settle(&scim, &receiver, settled).await;
        if works {
            pause = PAUSE;
        } else {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

async fn settle(scim: &Scim, receiver: &EventReceiver, settled: BTreeSet<String>) -> bool {
    let done = scim.directory.events_settled(&receiver.name, settled).await;
    done.inspect_err(|error| tracing::error!(receiver = receiver.name, %error, "the queue cannot be written; events may be told again"))
        .is_ok()
}

/// Posts one event.
async fn send(way: &Way, set: String) -> Result<(), Failed> {
    let answer = way.post("application/secevent+jwt", set).await.map_err(Failed::Later)?;
    judged(answer.status, &answer.body)
}

/// What an answer means (RFC 8935 §2.2–§2.4). Only that the token cannot be read speaks of this very event; the other errors speak of
/// keys, names and rights, which may be put right.
fn judged(status: StatusCode, body: &[u8]) -> Result<(), Failed> {
    if status.is_success() {
        return Ok(());
    }
    let error: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let error = error.get("err").and_then(serde_json::Value::as_str).unwrap_or_default();
    let reason = format!("{} {error}", status.as_u16());
    let refused = status == StatusCode::BAD_REQUEST && error == "invalid_request";
    Err(if refused { Failed::Never(reason) } else { Failed::Later(reason) })
}
