//! Deleting (RFC 4511 §4.8), one entry or a whole tree (draft-armijo-ldap-treedelete). Links to an entry go with it;
//! there are no references left to clean up.

use super::Work;
use crate::base::EntryId;
use crate::directory::lifecycle::Deleted;
use crate::directory::session::ENDED_BY_REQUEST;
use crate::directory::{Error, WriteOutcome, tree};
use crate::model::{Entry, Facts, Kind};

impl Work<'_, '_> {
    pub(super) fn delete(&mut self, text: &str) -> Result<WriteOutcome, Error> {
        let entry = self.find(text)?;
        let pre_read = self.precondition(&entry)?;
        if !self.access(&entry).may_delete {
            return Err(self.insufficient("delete", &entry));
        }
        if self.txn.child_count(entry.id) > 0 {
            if !self.options.tree {
                return Err(Error::NotAllowedOnNonLeaf("the entry has entries below it".to_owned()));
            }
            self.delete_below(&entry)?;
        }
        if entry.kind == Kind::Session {
            // A seat can be freed on a full disk too.
            self.txn.may_use_reserve();
        }
        match self.delete_by_client(&entry)? {
            Deleted::Goes => self.delete_leaf(&entry, entry.id)?,
            Deleted::Stays => {}
        }
        Ok(WriteOutcome { id: entry.id, pre_read, post_read: None, generated_password: None })
    }

    /// Deletes all below, the deepest first, where the caller may delete each of them.
    fn delete_below(&mut self, top: &Entry) -> Result<(), Error> {
        let at_most = self.grants.limits().look_through;
        let mut below = self.txn.children(top.id, None, usize::MAX);
        let mut at = 0;
        while let Some(id) = below.get(at).copied() {
            if below.len() > at_most {
                return Err(Error::AdminLimit("more entries to delete than the look-through limit allows".to_owned()));
            }
            below.extend(self.txn.children(id, None, usize::MAX));
            at += 1;
        }
        below.into_iter().rev().try_for_each(|id| self.delete_one_below(top, id))
    }

    /// Which of the entries may not be deleted is not said: the caller may not know of it.
    fn delete_one_below(&mut self, top: &Entry, id: EntryId) -> Result<(), Error> {
        // The session of a user that was deleted before it is gone by now.
        let Some(entry) = self.txn.entry(id) else { return Ok(()) };
        if !self.access(&entry).may_delete {
            return Err(self.insufficient("delete all below", top));
        }
        self.refuse_declared(&tree::parse_dn(&tree::dn_of(&*self.txn, id))?)?;
        self.delete_leaf(&entry, top.id)
    }

    /// Deletes an entry without others below it, together with all below `top`.
    fn delete_leaf(&mut self, entry: &Entry, top: EntryId) -> Result<(), Error> {
        self.refuse_policy_in_use(entry, top)?;
        self.before_delete(entry)?;
        self.check(Some(entry), None)?;
        match entry.kind {
            Kind::Session => self.audit_session_end(entry, ENDED_BY_REQUEST),
            _ => self.audit_change("delete", (Some(entry), None), Vec::new()),
        }
        self.note_shared(Some(entry), None)?;
        self.note_authority_of_deleted(entry);
        self.forget_pending(entry.id, None);
        let bereft = self.bereft(entry);
        self.txn.remove(entry.id);
        self.settle_content(&bereft)
    }
}
