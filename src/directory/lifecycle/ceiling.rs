//! The ceiling on users that a client disables or deletes within a window: the change that would go beyond it is refused, and
//! the client is paused until an administrator lets it go on. Record `client-guard/<client>`, outside the tree, so that a
//! restart forgets nothing.

use super::super::Directory;
use super::super::client::Client;
use super::super::error::Error;
use super::super::identity::Caller;
use super::super::request::WriteOptions;
use super::super::session::system_caller;
use super::super::write::Work;
use crate::base::Timestamp;
use crate::base::counts::COUNTS;
use crate::domain::activation::Purpose;
use crate::model::Facts;
use crate::store::Transaction;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// A window is counted in so many parts.
const PARTS: u32 = 60;

/// What is noted of a client.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Guard {
    /// Since when it is paused.
    paused: Option<Timestamp>,
    /// When a part of the window began, and how many users it has disabled or deleted in it.
    counts: Vec<(Timestamp, u32)>,
}

impl Guard {
    fn key(client: &str) -> String {
        format!("client-guard/{client}")
    }

    fn read(facts: &dyn Facts, client: &str) -> Self {
        facts.meta(&Self::key(client)).and_then(|octets| serde_json::from_slice(&octets).ok()).unwrap_or_default()
    }

    fn octets(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(|_| Error::Internal)
    }

    /// One more; `false` where that is more than there may be. A part counts until all of it is out of the window.
    fn count(&mut self, now: Timestamp, window: Duration, ceiling: u32) -> bool {
        let part = window / PARTS;
        self.counts.retain(|(began, _)| now.since(*began) < window + part);
        if self.counts.iter().map(|(_, count)| *count).fold(0, u32::saturating_add) >= ceiling {
            return false;
        }
        match self.counts.last_mut().filter(|(began, _)| now.since(*began) < part) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.counts.push((now, 1)),
        }
        true
    }
}

/// Forgets what was noted of a client.
pub(super) fn forget(txn: &mut Transaction<'_>, client: &str) {
    txn.put_meta(&Guard::key(client), None);
}

fn window(client: &Client) -> Duration {
    Duration::from_secs(client.settings.window)
}

impl Work<'_, '_> {
    /// Counts a user that the client disables or deletes.
    pub(in super::super) fn count_deactivation(&mut self) -> Result<(), Error> {
        let Some(client) = self.client() else { return Ok(()) };
        let Some(ceiling) = client.settings.deactivation_ceiling else { return Ok(()) };
        let mut guard = Guard::read(&*self.txn, &client.id);
        if !guard.count(self.now, window(&client), ceiling) {
            return Err(Error::Ceiling(format!(
                "the client may disable or delete {ceiling} users within {} s, and has: it is paused until an administrator lets it go on",
                client.settings.window
            )));
        }
        let octets = guard.octets()?;
        self.txn.put_meta(&Guard::key(&client.id), Some(octets));
        Ok(())
    }

    /// A client that is paused changes nothing.
    pub(in super::super) fn refuse_paused(&self) -> Result<(), Error> {
        let Some(client) = self.client() else { return Ok(()) };
        match Guard::read(&*self.txn, &client.id).paused {
            Some(since) => Err(Error::InsufficientAccess(format!(
                "the client is paused since {}, because it wanted to disable or delete more users than it may: an administrator lets it go on",
                since.rfc3339()
            ))),
            None => Ok(()),
        }
    }
}

impl Directory {
    /// Since when a client is paused.
    pub(in super::super) fn paused_since(&self, client: &str) -> Option<Timestamp> {
        Guard::read(self.memory(), client).paused
    }

    /// Pauses the client that has come to its ceiling.
    pub(in super::super) async fn pause(&self, caller: &Caller) {
        let Some(client) = caller.identity.client.clone().filter(|client| !client.is_on_trial()) else { return };
        let record = self.keeping(caller, "client-pause", client.organisation, client.told());
        let (core, now, paused) = (Arc::clone(self.core()), self.clock().now(), Arc::clone(&client));
        let server = system_caller(&caller.origin);
        let written = self.store().write(move |txn| {
            let guard = Guard::read(&*txn, &paused.id);
            if guard.paused.is_some() {
                return Ok(());
            }
            txn.put_meta(&Guard::key(&paused.id), Some(Guard { paused: Some(now), ..guard }.octets()?));
            txn.audit(record);
            let options = WriteOptions::default();
            Work::begin(&core, txn, &server, &options)?.post_to_administrators(paused.organisation, Purpose::ClientPaused, &paused.name)
        });
        COUNTS.clients_paused.one();
        let (request, name) = (&caller.origin.request, &client.name);
        tracing::warn!(%request, client = client.id, name, "a provisioning client has come to its ceiling of deactivations and is paused");
        if let Err(error) = written.await {
            tracing::error!(%request, client = client.id, %error, "the pause of a provisioning client could not be kept");
        }
    }

    /// Lets a client that was paused go on, with a window that begins anew.
    pub async fn resume_client(&self, caller: &Caller, organisation: Option<&str>, name: &str) -> Result<(), Error> {
        let client = self.kept_client(caller, organisation, name)?;
        let record = self.keeping(caller, "client-resume", client.organisation, client.told());
        let key = Guard::key(&client.id);
        self.store()
            .write(move |txn| {
                txn.put_meta(&key, None);
                txn.audit(record);
                Ok::<_, Error>(())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_slides_admits_no_more_than_the_ceiling() {
        let (mut guard, window) = (Guard::default(), Duration::from_secs(3_600));
        let at = |seconds: u64| Timestamp::from_millis(1_800_000_000_000).plus(Duration::from_secs(seconds));
        for second in [0, 10, 1_800] {
            assert!(guard.count(at(second), window, 3));
        }
        assert!(!guard.count(at(1_801), window, 3) && !guard.count(at(3_601), window, 3));
        assert_eq!(guard.counts.len(), 2, "what is of one minute is one count");
        assert!(guard.count(at(3_661), window, 3) && guard.count(at(3_662), window, 3), "the first two are out of the window");
        assert!(!guard.count(at(3_663), window, 3));
        assert!(!Guard::default().count(at(0), window, 0));
    }
}
