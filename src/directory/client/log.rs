//! What a client asked lately and what it was answered, for the administrators of its organisation: in memory, and the latest of
//! it written down in batches. Requests with unknown tokens are in the security log.

use super::super::{Caller, Directory, Error, Identity, tree};
use super::Activity;
use crate::base::Timestamp;
use crate::model::Facts;
use crate::store::Transaction;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};

const PREFIX: &str = "client-log/";
/// Requests of one client that are kept in memory.
const KEPT: usize = 500;
/// Those that are written down.
const SAVED: usize = 100;
/// Requests of all clients together that are kept in memory.
const KEPT_OF_ALL: usize = 50_000;

/// Names of what was ignored of one request that are kept.
const IGNORED: usize = 32;

/// A request of a client with its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exchanged {
    /// When it came.
    pub time: Timestamp,
    /// Its id, as in `x-request-id`.
    pub request: String,
    /// The token it came by.
    pub token: String,
    /// The method.
    pub method: String,
    /// Path and query, without what a filter compares with.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
    /// The scimType of an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scim_type: Option<String>,
    /// What the client was told of an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Octets of the body that it sent.
    pub received: u64,
    /// Octets of the body of the answer.
    pub sent: u64,
    /// Microseconds from its head to the head of the answer.
    pub micros: u64,
    /// Whether the client was on trial, so that nothing was done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Names of what was ignored of it, the first of many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
}

/// The log of one client, each request with its number.
#[derive(Default)]
pub(super) struct Log {
    lines: VecDeque<(u64, Exchanged)>,
    unsaved: bool,
}

impl Log {
    /// As it was written down.
    fn read(octets: &[u8]) -> Self {
        Self { lines: serde_json::from_slice(octets).unwrap_or_default(), unsaved: false }
    }

    fn push(&mut self, exchanged: Exchanged) {
        let number = self.lines.back().map_or(1, |(number, _)| number + 1);
        self.lines.push_back((number, exchanged));
        self.unsaved = true;
    }

    fn latest(&mut self) -> Option<Vec<u8>> {
        let skipped = self.lines.len().saturating_sub(SAVED);
        let latest: Vec<_> = self.lines.iter().skip(skipped).collect();
        std::mem::take(&mut self.unsaved).then(|| serde_json::to_vec(&latest).ok())?
    }
}

pub(super) type Logs = HashMap<Box<str>, Log>;

/// Where the latest requests of a client are written down.
pub(super) fn log_key(client: &str) -> String {
    format!("{PREFIX}{client}")
}

/// Writes the latest requests down, of clients that there still are.
pub(super) fn keep(txn: &mut Transaction<'_>, logs: Vec<(Box<str>, Vec<u8>)>) {
    for (client, log) in logs {
        if txn.meta(&super::Client::key(&client)).is_some() {
            txn.put_meta(&log_key(&client), Some(log));
        }
    }
}

impl Activity {
    /// Logs that are not written down yet; they count as written from now on.
    pub(super) fn take_unsaved_logs(&self) -> Vec<(Box<str>, Vec<u8>)> {
        self.logs.lock().iter_mut().filter_map(|(client, log)| Some((client.clone(), log.latest()?))).collect()
    }

    /// Forgets what a client did.
    pub(super) fn forget(&self, client: &str) {
        self.logs.lock().remove(client);
        self.assertions.lock().remove(client);
    }
}

/// Keeps the logs within bounds: of one, and of all by what the longest has too much.
fn bound(logs: &mut Logs, client: &str) {
    if let Some(log) = logs.get_mut(client).filter(|log| log.lines.len() > KEPT) {
        log.lines.pop_front();
    }
    if logs.values().map(|log| log.lines.len()).sum::<usize>() > KEPT_OF_ALL
        && let Some(longest) = logs.values_mut().max_by_key(|log| log.lines.len())
    {
        longest.lines.pop_front();
    }
}

impl Directory {
    /// Notes a request of a client.
    pub fn log_exchange(&self, identity: &Identity, mut exchanged: Exchanged) {
        let Some(client) = &identity.client else { return };
        for text in exchanged.detail.iter_mut().chain([&mut exchanged.path]) {
            *text = tree::shorten(text).to_owned();
        }
        if exchanged.ignored.len() > IGNORED {
            exchanged.ignored.truncate(IGNORED);
            exchanged.ignored.push("…".to_owned());
        }
        exchanged.ignored.iter_mut().for_each(|name| *name = tree::shorten(name).to_owned());
        let mut logs = self.core().clients.logs.lock();
        let written = || self.memory().meta(&log_key(&client.id)).map(|octets| Log::read(&octets)).unwrap_or_default();
        logs.entry(client.id.as_str().into()).or_insert_with(written).push(exchanged);
        bound(&mut logs, &client.id);
    }

    /// The requests of a client behind number `after`, for those who keep the client.
    pub fn client_log(&self, caller: &Caller, organisation: Option<&str>, name: &str, after: u64) -> Result<Vec<(u64, Exchanged)>, Error> {
        let client = self.client_named(caller, organisation, name)?;
        let behind = |log: &Log| log.lines.iter().filter(|(number, _)| *number > after).cloned().collect();
        let held = self.core().clients.logs.lock().get(&*client.id).map(behind);
        let written = || self.memory().meta(&log_key(&client.id)).map(|octets| behind(&Log::read(&octets))).unwrap_or_default();
        Ok(held.unwrap_or_else(written))
    }
}
