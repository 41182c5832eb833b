//! How much work one step of the writer makes, and how large an entry gets: everybody else waits meanwhile (HA5).

use super::Work;
use crate::base::EntryId;
use crate::base::ber::element_size;
use crate::directory::request::Write;
use crate::directory::{Caller, Directory, Error};
use crate::model::{Draft, Entry};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// What a value, a link or an attribute costs beside its octets.
const EACH: usize = 16;
/// Octets that one step may look at, for each that an entry may have: held, sent, checked, and some more.
const TIMES_AN_ENTRY: usize = 8;
/// What an octet of text beyond ASCII costs: it goes through the tables of Unicode.
const BEYOND_ASCII: usize = 8;
/// Octets of an entry from which on changes of it take turns.
const LARGE: usize = 64 << 10;

/// What reading a value costs, in octets.
pub(super) fn cost(value: &[u8]) -> usize {
    match value.is_ascii() || std::str::from_utf8(value).is_err() {
        true => value.len(),
        false => value.len().saturating_mul(BEYOND_ASCII),
    }
}

/// Who changes large entries, one after another in each organisation: so that everybody else waits for one of these changes
/// and not for all that are there.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<Option<EntryId>, Arc<tokio::sync::Mutex<()>>>>);

impl Directory {
    /// Waits where one of the entries that are to be changed is large. What is given goes with the change to the writer.
    pub(super) async fn turn(&self, caller: &Caller, mut targets: impl Iterator<Item = &Write>) -> Option<OwnedMutexGuard<()>> {
        // Of what the caller may not know nothing is told, not even by waiting (HC2).
        let is_large = |entry: &Arc<Entry>| entry.octets().len() >= LARGE && self.is_in_reach(caller, entry);
        targets.find(|write| self.password_entry(write.target()).filter(is_large).is_some())?;
        let turns = Arc::clone(self.core().turns.0.lock().entry(caller.identity.organisation).or_default());
        Some(turns.lock_owned().await)
    }
}

impl Work<'_, '_> {
    /// Goes on counting where the change before this one in the same step ended.
    pub(super) fn go_on_from(&mut self, looked_at: usize) -> Result<(), Error> {
        self.looked_at.set(looked_at);
        self.look_at(0, 0)
    }

    /// What this step has looked at, in octets.
    pub(super) const fn looked_at(&self) -> usize {
        self.looked_at.get()
    }

    /// So many things of so many octets together are about to be looked at; refuses where that is too much for one step. The
    /// operator's changes are as large as they are.
    pub(in crate::directory) fn look_at(&self, count: usize, octets: usize) -> Result<(), Error> {
        self.note_look(count, octets);
        let most = self.current.settings.limits.entry.saturating_mul(TIMES_AN_ENTRY);
        match self.looked_at() > most && !self.caller.identity.is_operator() {
            true => Err(Error::AdminLimit(format!(
                "the changes look at more than {most} octets of values in one step ({TIMES_AN_ENTRY} times the limit `entry`): send fewer together, and the values of an attribute in one change"
            ))),
            false => Ok(()),
        }
    }

    /// The same for what has to be done: only what comes after it in the same step is refused.
    pub(super) fn note_look(&self, count: usize, octets: usize) {
        let cost = count.saturating_mul(EACH).saturating_add(octets);
        self.looked_at.set(self.looked_at().saturating_add(cost));
        self.core.looked_at.add(cost as u64);
    }

    /// Every change writes the whole entry. What is too large already may shrink. Passwords, and what the server alone writes,
    /// have bounds of their own, and do not count.
    pub(super) fn refuse_too_large(&self, before: Option<&Entry>, after: &Draft) -> Result<(), Error> {
        let most = self.current.settings.limits.entry;
        let counts = |attribute| {
            let definition = self.core.schema.attribute_type(attribute);
            !definition.no_user_modification && !definition.secret
        };
        let written = after.attributes.iter().filter(|held| counts(held.description.attribute)).flat_map(|held| &held.values);
        let is: usize = written.map(|value| element_size(value.len())).sum();
        if is <= most || self.caller.identity.is_operator() {
            return Ok(());
        }
        let held = before.into_iter().flat_map(Entry::attributes).filter(|held| counts(held.attribute));
        let was: usize = held.flat_map(|held| held.values()).map(|value| element_size(value.len())).sum();
        match is > was {
            true => Err(Error::AdminLimit(format!("the entry would have {is} octets; the limit `entry` allows {most}"))),
            false => Ok(()),
        }
    }
}
