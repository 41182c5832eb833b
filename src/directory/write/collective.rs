//! Collective attributes (RFC 3671) as a change sees them: what an entry shares is read like its own, and who changes a
//! collective attribute subentry changes what others share.

use super::Work;
use crate::directory::Error;
use crate::directory::collective::{Areas, MOST_OF_POINT};
use crate::directory::referral::of_class;
use crate::model::{Entry, Facts, Kind};
use crate::schema::COLLECTIVE_SUBENTRY;

impl Work<'_, '_> {
    /// The entry with what it shares, by the subentries as this change has left them; `None` where it shares nothing.
    pub(super) fn with_shared(&self, entry: &Entry) -> Option<Entry> {
        let schema = &self.core.schema;
        Areas::above(schema, &*self.txn, entry).with_shared(schema, &*self.txn, entry)
    }

    /// Before an entry becomes another: readers look at the subentries anew once it has, and no administrative point gets
    /// more of them than are looked at.
    pub(super) fn note_shared(&mut self, before: Option<&Entry>, after: Option<&Entry>) -> Result<(), Error> {
        let schema = &self.core.schema;
        let shares = |entry: &&Entry| entry.has(schema.known().subtree_specification) && schema.entry_is(entry, COLLECTIVE_SUBENTRY);
        let is_organisation = |entry: Option<&Entry>| entry.is_some_and(|entry| entry.kind == Kind::Organisation);
        let (was, is) = (before.filter(shares), after.filter(shares));
        if let Some(parent) = is.and_then(|entry| entry.parent)
            && was.is_none_or(|was| was.parent != Some(parent))
        {
            let others = of_class(schema, &*self.txn, COLLECTIVE_SUBENTRY).into_iter().filter_map(|id| self.txn.entry(id));
            if others.filter(|other| other.parent == Some(parent)).count() >= MOST_OF_POINT {
                return Err(Error::AdminLimit(format!("an entry has at most {MOST_OF_POINT} collective attribute subentries below it")));
            }
        }
        if was.is_some() || is.is_some() || is_organisation(before) != is_organisation(after) {
            let core = std::sync::Arc::clone(self.core);
            core.areas.begin();
            self.txn.when_settled(move |_| core.areas.settled());
        }
        Ok(())
    }
}
