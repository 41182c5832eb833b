//! How much work one step of the writer makes, and how large an entry gets: everybody else waits meanwhile (HA5).

use super::Work;
use crate::directory::Error;
use crate::model::Entry;

/// What a value, a link or an attribute costs beside its octets.
const EACH: usize = 16;
/// Octets that one step may look at, for each that an entry may have: held, sent, checked, and some more.
const TIMES_AN_ENTRY: usize = 8;

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
    pub(super) fn look_at(&self, count: usize, octets: usize) -> Result<(), Error> {
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

    /// Every change writes the whole entry. What is too large already may shrink.
    pub(super) fn refuse_too_large(&self, before: Option<&Entry>, after: &Entry) -> Result<(), Error> {
        let most = self.current.settings.limits.entry;
        if after.octets().len() <= most || self.caller.identity.is_operator() {
            return Ok(());
        }
        let (was, is) = (before.map_or(0, |before| self.written_octets(before)), self.written_octets(after));
        match is > most && is > was {
            true => Err(Error::AdminLimit(format!("the entry would have {is} octets; the limit `entry` allows {most}"))),
            false => Ok(()),
        }
    }

    /// Octets of the attributes that others than the server write. Passwords have bounds of their own, and can be set.
    fn written_octets(&self, entry: &Entry) -> usize {
        let definition = |attribute| self.core.schema.attribute_type(attribute);
        let written = entry.attributes().filter(|held| {
            let definition = definition(held.attribute);
            !definition.no_user_modification && !definition.secret
        });
        written.map(|held| held.encoded().len()).sum()
    }
}
