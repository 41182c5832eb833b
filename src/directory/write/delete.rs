//! Deleting (RFC 4511 §4.8). Links to the entry go with it; there are no references left to clean up.

use super::Work;
use crate::directory::{Error, WriteOutcome};
use crate::model::{Facts, Kind};

impl Work<'_, '_> {
    pub(super) fn delete(&mut self, text: &str) -> Result<WriteOutcome, Error> {
        let entry = self.find(text)?;
        let pre_read = self.precondition(&entry)?;
        if !self.access(&entry).may_delete {
            return Err(self.insufficient("delete", &entry));
        }
        if self.txn.child_count(entry.id) > 0 {
            return Err(Error::NotAllowedOnNonLeaf("the entry has entries below it".to_owned()));
        }
        if entry.kind == Kind::Session {
            // A seat can be freed on a full disk too.
            self.txn.may_use_reserve();
        }
        self.before_delete(&entry)?;
        self.check(Some(&entry), None)?;
        self.audit("delete", &entry, Vec::new(), self.options.message.clone().unwrap_or_default());
        self.note_authority(entry.kind);
        self.txn.remove(entry.id);
        Ok(WriteOutcome { id: entry.id, revision: entry.revision, pre_read, post_read: None, generated_password: None })
    }
}
