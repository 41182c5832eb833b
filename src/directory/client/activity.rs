//! What clients do, kept in memory: when a token was last used, and how much a client has asked lately. Uses are written
//! down in batches, as the activity of sessions is; so after a crash a last use may be missing that was half a minute ago.

use super::super::token;
use super::super::{Directory, Error};
use crate::base::Timestamp;
use crate::model::Facts;
use crate::store::Transaction;
use parking_lot::Mutex;
use std::collections::HashMap;

const PREFIX: &str = "token-use/";

/// What is known of it since the start.
#[derive(Default)]
pub(crate) struct Activity {
    used: Mutex<HashMap<Box<str>, Use>>,
}

#[derive(Clone, Copy)]
struct Use {
    at: Timestamp,
    saved: bool,
}

impl Activity {
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

    /// Uses that are not written down yet; they count as written from now on.
    fn take_unsaved(&self) -> Vec<(Box<str>, Timestamp)> {
        let mut used = self.used.lock();
        let unsaved = used.iter_mut().filter(|(_, held)| !held.saved);
        let take = |(token, held): (&Box<str>, &mut Use)| {
            held.saved = true;
            (token.clone(), held.at)
        };
        unsaved.map(take).collect()
    }
}

/// Where the last use of a token is written down.
pub(in super::super) fn use_key(token: &str) -> String {
    format!("{PREFIX}{token}")
}

/// Writes uses down, of tokens that there still are.
fn keep(txn: &mut Transaction<'_>, uses: Vec<(Box<str>, Timestamp)>) -> Result<(), Error> {
    txn.may_use_reserve();
    for (id, at) in uses {
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

    /// Writes down when tokens were last used.
    pub(in super::super) async fn save_token_uses(&self) -> Result<(), Error> {
        let uses = self.core().clients.take_unsaved();
        if uses.is_empty() {
            return Ok(());
        }
        self.store().write(move |txn| keep(txn, uses)).await
    }

    /// The same before the store is closed. Not to be called within the runtime.
    pub(in super::super) fn save_token_uses_at_end(&self) {
        let uses = self.core().clients.take_unsaved();
        let saved: Result<(), Error> = if uses.is_empty() { Ok(()) } else { self.store().write_blocking(move |txn| keep(txn, uses)) };
        if let Err(error) = saved {
            tracing::warn!(%error, "the last uses of tokens could not be saved");
        }
    }
}
