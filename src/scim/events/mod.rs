//! Security events by SCIM (RFC 9967): the directory keeps what each receiver is to be told, this tells it, by a push
//! (RFC 8935) or when asked (RFC 8936), as signed tokens. Off unless the config names receivers.

mod key;
mod poll;
mod push;
mod set;
#[cfg(test)]
mod tests;

use super::error::ScimError;
use super::gateway::Gateway;
use super::routes::Scim;
use crate::directory::client::ClientSettings;
use crate::directory::events::{Event, EventReceiver};
use crate::directory::{Caller, Directory, Identity, Origin};
use axum::http::StatusCode;
use key::Signer;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(super) use poll::{keys, poll};

/// How often events that nobody will be told are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// The key, once it was needed.
#[derive(Default)]
pub struct Signing(Mutex<Option<Arc<Signer>>>);

impl Signing {
    fn signer(&self, directory: &Directory) -> Result<Arc<Signer>, ScimError> {
        let mut held = self.0.lock();
        if let Some(signer) = &*held {
            return Ok(Arc::clone(signer));
        }
        let signer = Signer::of(&directory.settings().folder).map_err(|error| {
            tracing::error!(%error, "events cannot be signed");
            ScimError::new(StatusCode::SERVICE_UNAVAILABLE, "events cannot be signed")
        })?;
        Ok(Arc::clone(held.insert(Arc::new(signer))))
    }
}

/// Events as tokens, by their ids, in order; and the ids of those that there is nothing to tell of.
#[derive(Default)]
struct Tokens {
    sets: Vec<(String, String)>,
    nothing: BTreeSet<String>,
}

fn tokens(scim: &Scim, receiver: &EventReceiver, events: &[Event]) -> Result<Tokens, ScimError> {
    let signer = scim.signing.signer(&scim.directory)?;
    // What a receiver is told was decided by the operator; it is read as the server.
    let gateway = Gateway {
        exchange: Arc::default(),
        directory: Arc::clone(&scim.directory),
        catalogue: Arc::clone(&scim.catalogue),
        caller: Caller { identity: Arc::new(Identity::server("security events")), origin: Arc::new(Origin::system()) },
        settings: ClientSettings::default(),
        organisation: receiver.organisation.clone(),
        base_url: Arc::clone(&scim.base_url),
        listings: Arc::clone(&scim.listings),
    };
    let mut tokens = Tokens::default();
    for event in events {
        match set::claims(&gateway, receiver, event)?.and_then(|claims| signer.sign(&claims)) {
            Some(set) => tokens.sets.push((event.id.clone(), set)),
            None => drop(tokens.nothing.insert(event.id.clone())),
        }
    }
    Ok(tokens)
}

/// Tells the receivers that take pushes, until the task is dropped. Nothing is lost by dropping it.
pub async fn run(scim: Arc<Scim>) {
    let mut pushes = tokio::task::JoinSet::new();
    for receiver in scim.directory.settings().events.iter().filter(|receiver| receiver.push.is_some()) {
        pushes.spawn(push::run(Arc::clone(&scim), receiver.clone()));
    }
    loop {
        if let Err(error) = scim.directory.forget_old_events().await {
            tracing::warn!(%error, "events that nobody will be told could not be forgotten yet");
        }
        tokio::time::sleep(SWEEP).await;
    }
}
