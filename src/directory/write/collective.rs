//! Collective attributes (RFC 3671) as a change sees them: what an entry shares is read like its own, and who changes a
//! collective attribute subentry changes what others share.

use super::Work;
use crate::base::EntryId;
use crate::directory::Error;
use crate::directory::collective::{Areas, MOST_OF_POINT};
use crate::directory::referral::of_class;
use crate::directory::sharing::Sharing;
use crate::domain::organisation_of;
use crate::model::{Entry, Facts, Kind, upwards};
use crate::schema::{COLLECTIVE_SUBENTRY, Schema};
use std::sync::Arc;

/// Values that one subentry may share: every entry below shows them.
const MOST_VALUES: usize = 256;
/// Octets of these.
const MOST_OCTETS: usize = 64 << 10;
/// Values that the subentries of one organisation may share together, since one entry may share them all.
const MOST_OF_ORGANISATION: usize = 8_192;
/// How deep a subentry may stand: every entry above one that shares is an administrative point at most.
const MOST_DEPTH: usize = 64;

impl Work<'_, '_> {
    /// The entry with what it shares, by the subentries as this change has left them; `None` where it shares nothing.
    pub(super) fn with_shared(&self, entry: &Entry) -> Option<Entry> {
        let schema = &self.core.schema;
        let areas = Arc::new(Areas::above(schema, &*self.txn, entry));
        Sharing::new(areas, &self.grants).of(schema, &*self.txn, entry)
    }

    /// Before an entry becomes another: readers look at the subentries anew once it has, and no subentry shares more than
    /// can be put on each of many entries.
    pub(super) fn note_shared(&mut self, before: Option<&Entry>, after: Option<&Entry>) -> Result<(), Error> {
        let schema = &self.core.schema;
        let shares = |entry: &&Entry| entry.has(schema.known().subtree_specification) && schema.entry_is(entry, COLLECTIVE_SUBENTRY);
        let is_organisation = |entry: Option<&Entry>| entry.is_some_and(|entry| entry.kind == Kind::Organisation);
        let (was, is) = (before.filter(shares), after.filter(shares));
        if let Some(is) = is {
            self.refuse_too_much(was, is)?;
        }
        if was.is_some() || is.is_some() || is_organisation(before) != is_organisation(after) {
            let core = Arc::clone(self.core);
            core.areas.begin();
            self.txn.when_settled(move |_| core.areas.settled());
        }
        Ok(())
    }

    /// What is too much already may become less.
    fn refuse_too_much(&self, was: Option<&Entry>, is: &Entry) -> Result<(), Error> {
        let schema = &self.core.schema;
        let refuse = |text: String| Err(Error::AdminLimit(text));
        let (before, after) = (was.map(|was| Amount::of(schema, was)).unwrap_or_default(), Amount::of(schema, is));
        let more = after.values > before.values;
        if more && after.values > MOST_VALUES {
            return refuse(format!("a collective attribute subentry shares at most {MOST_VALUES} values"));
        }
        if after.octets > before.octets && after.octets > MOST_OCTETS {
            return refuse(format!("a collective attribute subentry shares at most {MOST_OCTETS} octets"));
        }
        let Some(parent) = is.parent else { return Ok(()) };
        let is_new = was.is_none_or(|was| was.parent != Some(parent));
        if !is_new && !more {
            return Ok(());
        }
        if upwards(&*self.txn, parent).count() > MOST_DEPTH {
            return refuse(format!("a collective attribute subentry stands at most {MOST_DEPTH} entries deep"));
        }
        let ids = of_class(schema, &*self.txn, COLLECTIVE_SUBENTRY).into_iter().filter(|id| *id != is.id);
        let others: Vec<Arc<Entry>> = ids.filter_map(|id| self.txn.entry(id)).collect();
        if is_new && others.iter().filter(|other| other.parent == Some(parent)).count() >= MOST_OF_POINT {
            return refuse(format!("an entry has at most {MOST_OF_POINT} collective attribute subentries below it"));
        }
        let organisation_of = |parent: EntryId| organisation_of(&*self.txn, parent);
        let Some(organisation) = organisation_of(parent) else { return Ok(()) };
        let own = others.iter().filter(|other| other.parent.and_then(organisation_of) == Some(organisation));
        match own.map(|other| Amount::of(schema, other).values).sum::<usize>() + after.values > MOST_OF_ORGANISATION {
            true => refuse(format!("the collective attribute subentries of an organisation share at most {MOST_OF_ORGANISATION} values")),
            false => Ok(()),
        }
    }
}

/// How much a subentry shares.
#[derive(Default)]
struct Amount {
    values: usize,
    octets: usize,
}

impl Amount {
    fn of(schema: &Schema, subentry: &Entry) -> Self {
        let shared = subentry.attributes().filter(|held| schema.attribute_type(held.attribute).collective);
        let values = shared.flat_map(|held| held.values());
        values.fold(Self::default(), |sum, value| Self { values: sum.values + 1, octets: sum.octets + value.len() })
    }
}
