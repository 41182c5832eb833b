//! What clients do, kept in memory: when a token was last used, how much a client has asked lately, and what. It is written
//! down in batches, as the activity of sessions is; so after a crash the last half minute may be missing.

use super::super::token;
use super::super::{Directory, Error, Identity};
use super::log::{self, Logs};
use super::{Client, ClientSettings};
use crate::base::Timestamp;
use crate::base::counts::COUNTS;
use crate::model::Facts;
use crate::store::Transaction;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

const PREFIX: &str = "token-use/";
/// Assertions of one client that are remembered: 15 a second for as long as one may be good.
const ASSERTIONS: usize = 10_000;

/// What is known of it since the start.
#[derive(Default)]
pub(crate) struct Activity {
    used: Mutex<HashMap<Box<str>, Use>>,
    /// When each bucket of requests is empty again, by the monotonic clock.
    buckets: Mutex<HashMap<Box<str>, Duration>>,
    /// The assertions of each client that were used and are good still.
    pub(super) assertions: Mutex<HashMap<Box<str>, Used>>,
    pub(super) logs: Mutex<Logs>,
}

/// Assertions by their digests, with their ends.
pub(super) type Used = HashMap<[u8; 32], Timestamp>;

#[derive(Clone, Copy)]
struct Use {
    at: Timestamp,
    saved: bool,
}

/// Whether something is used for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Once {
    /// It is.
    First,
    /// It was used before.
    Again,
    /// Nobody can tell: there is no room to remember it.
    Full,
}

impl Activity {
    /// An assertion of a client is used, and remembered until its end.
    pub(in super::super) fn use_once(&self, client: &str, assertion: [u8; 32], end: Timestamp, now: Timestamp) -> Once {
        let mut assertions = self.assertions.lock();
        let used = assertions.entry(client.into()).or_default();
        if used.len() >= ASSERTIONS {
            used.retain(|_, end| *end > now);
        }
        match (used.contains_key(&assertion), used.len() < ASSERTIONS) {
            (true, _) => Once::Again,
            (false, false) => Once::Full,
            (false, true) => {
                used.insert(assertion, end);
                Once::First
            }
        }
    }

    /// A token was used.
    pub(in super::super) fn touch(&self, token: &str, now: Timestamp) {
        let mut used = self.used.lock();
        match used.get_mut(token) {
            Some(held) => *held = Use { at: now, saved: false },
            None => {
                used.insert(token.into(), Use { at: now, saved: false });
            }
        }
    }

    /// Whether there is room for a request in the bucket of who asks: `rate` of them a second, and as many at once. Each has a
    /// bucket of its own, so nobody waits for others.
    fn admit(&self, who: &str, rate: u32, now: Duration) -> bool {
        let each = Duration::from_secs(1) / rate.max(1);
        let mut buckets = self.buckets.lock();
        let empty_at = buckets.get(who).copied().unwrap_or_default().max(now);
        if empty_at + each > now + each * rate {
            return false;
        }
        match buckets.get_mut(who) {
            Some(held) => *held = empty_at + each,
            None => {
                buckets.insert(who.into(), empty_at + each);
            }
        }
        true
    }

    /// Forgets buckets that are empty, and assertions that are over.
    fn sweep(&self, now: Duration, time: Timestamp) {
        self.buckets.lock().retain(|_, empty_at| *empty_at > now);
        self.assertions.lock().retain(|_, used| {
            used.retain(|_, end| *end > time);
            !used.is_empty()
        });
    }

    /// Uses that are not written down yet; they count as written from now on.
    fn take_unsaved(&self) -> Vec<(Box<str>, Timestamp)> {
        let mut used = self.used.lock();
        let unsaved = used.iter_mut().filter(|(_, held)| !held.saved);
        unsaved
            .map(|(token, held)| {
                held.saved = true;
                (token.clone(), held.at)
            })
            .collect()
    }
}

/// What is not written down yet.
struct Unsaved {
    uses: Vec<(Box<str>, Timestamp)>,
    logs: Vec<(Box<str>, Vec<u8>)>,
}

/// Where the last use of a token is written down.
pub(in super::super) fn use_key(token: &str) -> String {
    format!("{PREFIX}{token}")
}

/// Writes uses down, of tokens that there still are.
fn keep(txn: &mut Transaction<'_>, unsaved: Unsaved) -> Result<(), Error> {
    txn.may_use_reserve();
    log::keep(txn, unsaved.logs);
    for (id, at) in unsaved.uses {
        if txn.meta(&token::key(&id)).is_some() {
            txn.put_meta(&use_key(&id), Some(at.millis().to_string().into_bytes()));
        }
    }
    Ok(())
}

impl Directory {
    /// When a token was last used.
    pub(in super::super) fn last_use(&self, token: &str) -> Option<Timestamp> {
        let since_start = self.core().clients.used.lock().get(token).map(|held| held.at);
        let written = || std::str::from_utf8(&self.memory().meta(&use_key(token))?).ok()?.parse().ok().map(Timestamp::from_millis);
        since_start.or_else(written)
    }

    /// Whether a request of who has signed in by a token is within its rate; it is counted where it is.
    pub fn is_within_rate(&self, identity: &Identity) -> bool {
        let now = self.clock().monotonic();
        let admitted = match (&identity.client, &identity.token) {
            (Some(client), _) => return self.is_client_within_rate(client),
            (None, Some(token)) => self.core().clients.admit(token, ClientSettings::default().rate, now),
            (None, None) => true,
        };
        if !admitted {
            COUNTS.over_rate.one();
        }
        admitted
    }

    /// The same of a client.
    pub(in super::super) fn is_client_within_rate(&self, client: &Client) -> bool {
        let admitted = self.core().clients.admit(&client.id, client.settings.rate, self.clock().monotonic());
        if !admitted {
            COUNTS.over_rate.one();
        }
        admitted
    }

    fn unsaved(&self) -> Option<Unsaved> {
        let clients = &self.core().clients;
        clients.sweep(self.clock().monotonic(), self.clock().now());
        let unsaved = Unsaved { uses: clients.take_unsaved(), logs: clients.take_unsaved_logs() };
        (!unsaved.uses.is_empty() || !unsaved.logs.is_empty()).then_some(unsaved)
    }

    /// Writes down when tokens were last used, and what clients asked lately.
    pub(in super::super) async fn save_client_activity(&self) -> Result<(), Error> {
        let Some(unsaved) = self.unsaved() else { return Ok(()) };
        self.store().write(move |txn| keep(txn, unsaved)).await
    }

    /// The same before the store is closed. Not to be called within the runtime.
    pub(in super::super) fn save_client_activity_at_end(&self) {
        let Some(unsaved) = self.unsaved() else { return };
        let saved: Result<(), Error> = self.store().write_blocking(move |txn| keep(txn, unsaved));
        if let Err(error) = saved {
            tracing::warn!(%error, "the last activity of clients could not be saved");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn he9_a_client_has_its_rate_and_a_burst_of_as_many_and_takes_nothing_from_another() {
        let activity = Activity::default();
        let admitted = |who, requests: usize, now| (0..requests).filter(|_| activity.admit(who, 25, now)).count();
        let now = Duration::from_secs(1_000);
        assert_eq!(admitted("one", 1_000, now), 25);
        assert_eq!(admitted("other", 10, now), 10, "nobody else waits");
        assert_eq!(admitted("one", 1_000, now + Duration::from_millis(40)), 1, "one more every 40 ms");
        let seconds = (1..=100).map(|second| admitted("one", 1_000, now + Duration::from_millis(40) + Duration::from_secs(second)));
        assert_eq!(seconds.sum::<usize>(), 2_500, "25 a second in the long run");
        activity.sweep(now + Duration::from_secs(3_600), Timestamp::default());
        assert!(activity.buckets.lock().is_empty());
    }

    #[test]
    fn he9_an_assertion_is_used_once_and_what_is_remembered_is_bounded_for_each_client() {
        let activity = Activity::default();
        let digest = |number: usize| -> [u8; 32] { Sha256::digest(number.to_be_bytes()).into() };
        let (now, end) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
        assert!((0..ASSERTIONS).all(|number| activity.use_once("one", digest(number), end, now) == Once::First));
        assert_eq!(activity.use_once("one", digest(7), end, now), Once::Again);
        assert_eq!(activity.use_once("one", digest(ASSERTIONS), end, now), Once::Full, "it is not forgotten what was used");
        assert_eq!(activity.use_once("other", digest(7), end, now), Once::First, "no other client is held up");
        assert_eq!(activity.use_once("one", digest(7), Timestamp::from_millis(3_000), end), Once::First, "over is over");
        activity.sweep(Duration::ZERO, end);
        assert_eq!(activity.assertions.lock().len(), 1);
    }
}
