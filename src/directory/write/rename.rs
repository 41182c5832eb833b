//! Renaming and moving (RFC 4511 §4.9), with all that is below: entries keep only their own RDN, so a subtree of any
//! size moves at once.

use super::{Work, quoted};
use crate::base::EntryId;
use crate::directory::tree::{self, Resolved};
use crate::directory::{Error, WriteOutcome};
use crate::domain::{organisation_of, structured};
use crate::model::entry::Place;
use crate::model::{AttributeId, Description, Dn, Draft, Entry, Facts, Rdn, upwards};
use crate::schema::LinkForm;
use std::sync::Arc;

impl Work<'_, '_> {
    pub(super) fn rename(&mut self, text: &str, new_rdn: &str, delete_old: bool, superior: Option<&str>) -> Result<WriteOutcome, Error> {
        let entry = self.find(text)?;
        let pre_read = self.precondition(&entry)?;
        let rdn = tree::parse_rdn(new_rdn)?;
        let Some(old_parent) = entry.parent else {
            return Err(Error::Unwilling("the entry of a suffix cannot be renamed".to_owned()));
        };
        let parent = match superior {
            Some(superior) => self.new_parent(&tree::parse_dn(superior)?)?,
            None => old_parent,
        };
        self.check_may_move(&entry, old_parent, parent)?;
        let rdn_key = self.core.schema.rdn_key(&rdn);
        if self.txn.child(Some(parent), &rdn_key).is_some_and(|taken| taken != entry.id) {
            return Err(Error::AlreadyExists(format!("{} exists already there", quoted(new_rdn))));
        }
        let before = self.core.schema.unseal(&entry);
        let mut draft = before.clone();
        self.exchange_rdn(&entry, &mut draft, &rdn, delete_old)?;
        let options = self.options;
        self.check_modifications(&entry, &options.modifications)?;
        let mut draft = self.changed(&entry, draft, &options.modifications)?;
        self.settle_pending(entry.id, entry.parent, Some(&entry))?;
        self.stamp_modified(&mut draft, &options.modifications);
        structured::reconcile(&self.core.schema, Some(&before), &mut draft)?;
        self.complete_content(&entry, &mut draft);
        self.check_author_change(&entry)?;
        self.note_password(Some(&entry), &mut draft, (None, &[]))?;
        let draft = self.without_credentials(&entry, &before, &draft).unwrap_or(draft);
        let revision = self.txn.new_revision();
        let place = Place { id: entry.id, parent: Some(parent), rdn: rdn.to_string().into(), rdn_key, revision };
        let after = self.put(Some(&entry), &draft, place)?;
        self.join_subtree(after.id)?;
        self.join_uid(Some(&entry), &after)?;
        self.join_pending(Some(&entry), &after)?;
        let after = self.txn.entry(after.id).unwrap_or(after);
        self.after_modify(&entry, &after)?;
        self.audit_change_with("rename", (Some(&entry), Some(&after)), Vec::new(), format!("from {}", tree::shorten(text)));
        self.outcome(&after, pre_read)
    }

    fn new_parent(&self, dn: &Dn) -> Result<EntryId, Error> {
        if self.refuse_referred(dn).is_err() {
            return Err(Error::AffectsMultipleDsas("the new superior is held elsewhere".to_owned()));
        }
        Ok(self.find_parsed(dn)?.id)
    }

    /// Rights on the entry, its old parent's place and the new parent; never into itself, never to another organisation (HC3).
    fn check_may_move(&self, entry: &Arc<Entry>, old_parent: EntryId, parent: EntryId) -> Result<(), Error> {
        if !self.access(entry).may_rename {
            return Err(self.insufficient("rename", entry));
        }
        if parent == old_parent {
            return Ok(());
        }
        let Some(new_parent) = self.txn.entry(parent) else { return Err(self.no_such_object(&Resolved::Found(parent))) };
        if !self.access(entry).may_delete {
            return Err(self.insufficient("move", entry));
        }
        if !self.access(&new_parent).may_add_children {
            return Err(self.insufficient("add under", &new_parent));
        }
        self.refuse_alias(&new_parent)?;
        let suffix = |id: EntryId| upwards(&*self.txn, id).last().map(|top| top.id);
        if suffix(parent) != suffix(old_parent) {
            return Err(Error::AffectsMultipleDsas("an entry cannot be moved to another naming context".to_owned()));
        }
        if tree::is_within(&*self.txn, parent, entry.id) {
            return Err(Error::Unwilling("an entry cannot be moved below itself".to_owned()));
        }
        if organisation_of(&*self.txn, old_parent) != organisation_of(&*self.txn, parent) {
            return Err(Error::Unwilling("an entry cannot be moved to another organisation (rule O1)".to_owned()));
        }
        Ok(())
    }

    /// The values of the new RDN come in, those of the old one go if asked.
    fn exchange_rdn(&self, entry: &Entry, draft: &mut Draft, new: &Rdn, delete_old: bool) -> Result<(), Error> {
        let schema = &self.core.schema;
        let old = Rdn::parse(&entry.rdn).map_err(|_| Error::Internal)?;
        if delete_old {
            for ava in &old.0 {
                let Some(attribute) = schema.attribute(&ava.attribute) else { continue };
                let kept = self.without(attribute, draft.values(attribute), &ava.value)?;
                draft.set(Description::plain(attribute), kept);
            }
        }
        for ava in &new.0 {
            let attribute = schema
                .attribute(&ava.attribute)
                .ok_or_else(|| Error::UndefinedType(format!("attribute type {} is not defined", quoted(&ava.attribute))))?;
            let definition = schema.attribute_type(attribute);
            if definition.secret || definition.derived || definition.link.is_some() || definition.no_user_modification {
                return Err(Error::Naming(format!("{} cannot name an entry", definition.name())));
            }
            // The right to rename covers what names the entry; another attribute would be written by the way.
            let named = old.0.iter().any(|ava| schema.attribute(&ava.attribute) == Some(attribute));
            if !named && !self.access(entry).write.contains(attribute) {
                return Err(self.insufficient(&format!("write {} of", quoted(definition.name())), entry));
            }
            let mut values = self.without(attribute, draft.values(attribute), &ava.value)?;
            if definition.single_value {
                values.clear();
            }
            values.push(ava.value.clone());
            draft.set(Description::plain(attribute), values);
        }
        Ok(())
    }

    fn without(&self, attribute: AttributeId, held: &[Vec<u8>], value: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let gone = self.form_of(attribute, value)?;
        let mut kept = Vec::with_capacity(held.len());
        for other in held {
            if self.form_of(attribute, other)? != gone {
                kept.push(other.clone());
            }
        }
        Ok(kept)
    }

    /// The names of everything that moved are new: references of the organisation that waited for one of them become links. Goes
    /// through what waits, and not through what moved: that may be much, and what waits elsewhere is nobody's here (O1, HC5).
    fn join_subtree(&mut self, top: EntryId) -> Result<(), Error> {
        let core = Arc::clone(self.core);
        let home = organisation_of(&*self.txn, top);
        for definition in core.schema.link_types() {
            let Some(view) = definition.link.filter(|view| view.form == LinkForm::Name) else { continue };
            for source in self.txn.holders(definition.id) {
                let parent = self.txn.entry(source).and_then(|entry| entry.parent);
                if organisation_of(&*self.txn, source) == home || parent.and_then(|parent| organisation_of(&*self.txn, parent)) == home {
                    self.join_waiting(source, definition.id, view, top)?;
                }
            }
        }
        Ok(())
    }
}
