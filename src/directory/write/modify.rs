//! Modifying (RFC 4511 §4.6, increment by RFC 4525).

use super::amount::cost;
use super::held::{Changing, Form};
use super::links::LinkValues;
use super::schema::names_subschema;
use super::{Work, quoted};
use crate::directory::{Error, WriteOutcome, tree};
use crate::domain::structured;
use crate::model::{AttributeId, Description, Draft, Entry, Facts, Modification, ModificationKind};
use crate::schema::Syntax;
use std::collections::HashSet;
use std::sync::Arc;

impl Work<'_, '_> {
    pub(super) fn modify(&mut self, text: &str, modifications: &[Modification]) -> Result<WriteOutcome, Error> {
        if names_subschema(&self.core.schema, text) {
            return Err(Error::Unwilling("the schema is changed by a modify of its own, not together with other changes".to_owned()));
        }
        let entry = self.find(text)?;
        let pre_read = self.precondition(&entry)?;
        let (unlocking, rest): (Vec<_>, Vec<_>) = modifications.iter().cloned().partition(|change| self.unlocks(change));
        if !unlocking.is_empty() {
            self.unlock_by_request(&entry, &unlocking)?;
            if rest.is_empty() {
                return self.outcome(&entry, pre_read);
            }
        }
        let modifications = rest.as_slice();
        self.check_modifications(&entry, modifications)?;
        let before = self.core.schema.unseal(&entry);
        let mut draft = self.changed(&entry, before.clone(), modifications)?;
        self.settle_pending(entry.id, entry.parent, Some(&entry))?;
        self.keep_rdn(&entry, &before, &draft)?;
        self.stamp_modified(&mut draft, modifications);
        self.state_of_new_person(Some(entry.kind), &mut draft);
        structured::reconcile(&self.core.schema, Some(&before), &mut draft)?;
        self.complete_content(&entry, &mut draft);
        self.check_author_change(&entry)?;
        self.note_password(Some(&entry), &mut draft, (None, &[]))?;
        let after = self.put_modified(&entry, &before, &draft)?;
        if after.kind != entry.kind {
            // Who keeps staff makes no user of them, and no administrator (U2): what it becomes has to be the caller's to write, too.
            let named = |change: &Modification| self.core.schema.attribute(&change.attribute);
            self.check_may_write(&after, &modifications.iter().filter_map(named).collect::<Vec<_>>())?;
        }
        if modifications.iter().any(|change| self.core.schema.attribute(&change.attribute) == Some(self.core.schema.known().user_password))
        {
            self.keep_one_own_password(&entry, &after)?;
        }
        self.keep_structure(&entry, &after)?;
        self.join_uid(Some(&entry), &after)?;
        self.join_pending(Some(&entry), &after)?;
        let after = self.txn.entry(after.id).unwrap_or(after);
        self.after_modify(&entry, &after)?;
        let names = modifications.iter().map(|modification| modification.attribute.clone()).collect();
        self.audit_change("modify", (Some(&entry), Some(&after)), names);
        self.outcome(&after, pre_read)
    }

    /// Whether it takes `pwdAccountLockedTime` away, the one change there is to what the server notes of attempts to sign in.
    fn unlocks(&self, change: &Modification) -> bool {
        let locked = self.core.schema.known().pwd_account_locked_time;
        let named = self.core.schema.description(&change.attribute).is_some_and(|named| named.attribute == locked);
        let removes = match change.kind {
            ModificationKind::Delete => true,
            ModificationKind::Replace => change.values.is_empty(),
            ModificationKind::Add | ModificationKind::Increment => false,
        };
        named && removes
    }

    /// Lets an account be tried again at once. Nobody changed the entry by that, so it keeps its stamps.
    fn unlock_by_request(&mut self, entry: &Entry, changes: &[Modification]) -> Result<(), Error> {
        let locked = self.core.schema.known().pwd_account_locked_time;
        if !self.access(entry).write.contains(locked) {
            return Err(self.insufficient("unlock", entry));
        }
        let waited = self.unlock(entry.id);
        if !waited && changes.iter().any(|change| change.kind == ModificationKind::Delete) {
            return Err(Error::NoSuchAttribute("pwdAccountLockedTime: the account is not locked".to_owned()));
        }
        self.audit("unlock", entry, vec!["pwdAccountLockedTime".to_owned()], String::new());
        Ok(())
    }

    /// Puts the draft, without the credentials where they go with the old address; the last administrator keeps them (U5).
    fn put_modified(&mut self, entry: &Entry, before: &Draft, draft: &Draft) -> Result<Arc<Entry>, Error> {
        if let Some(without) = self.without_credentials(entry, before, draft) {
            let place = self.place_of(entry);
            if let Ok(after) = self.put(Some(entry), &without, place) {
                return Ok(after);
            }
        }
        let place = self.place_of(entry);
        self.put(Some(entry), draft, place)
    }

    /// The caller must be allowed to write each attribute it names.
    pub(super) fn check_modifications(&self, entry: &Entry, modifications: &[Modification]) -> Result<(), Error> {
        let access = self.access(entry);
        for modification in modifications {
            let description = self.writable(&modification.attribute)?;
            if !access.write.contains(description.attribute) {
                return Err(self.insufficient(&format!("write {} of", quoted(&modification.attribute)), entry));
            }
        }
        Ok(())
    }

    /// The attribute, if a client may write it at all.
    pub(super) fn writable(&self, name: &str) -> Result<Description, Error> {
        let schema = &self.core.schema;
        let description =
            schema.description(name).ok_or_else(|| Error::UndefinedType(format!("attribute type {} is not defined", quoted(name))))?;
        let definition = schema.attribute_type(description.attribute);
        if description.options.split(';').any(|option| option.ends_with('-')) {
            return Err(Error::UndefinedType(format!("{}: a range of languages is for reading only", quoted(name))));
        }
        if definition.link.is_some() && !description.options.is_empty() {
            return Err(Error::UndefinedType(format!("{} takes no options: its values are links", definition.name())));
        }
        if definition.secret && !description.options.is_empty() {
            return Err(Error::UndefinedType(format!("{} takes no options", definition.name())));
        }
        if definition.derived {
            return Err(Error::Constraint(format!("{} is made by the server and cannot be written", definition.name())));
        }
        if definition.no_user_modification && !self.options.relax {
            return Err(Error::Constraint(format!("{} may only be written by the server (NO-USER-MODIFICATION)", definition.name())));
        }
        Ok(description)
    }

    /// The draft with the changes made, one after another.
    pub(super) fn changed(&mut self, entry: &Entry, draft: Draft, modifications: &[Modification]) -> Result<Draft, Error> {
        let mut changing = Changing::of(draft);
        for modification in modifications {
            self.look_at(1, changing.attributes())?;
            self.apply(entry, &mut changing, modification)?;
        }
        Ok(changing.into_draft())
    }

    fn apply(&mut self, entry: &Entry, changing: &mut Changing, modification: &Modification) -> Result<(), Error> {
        let description = self.writable(&modification.attribute)?;
        let values = modification.values.clone();
        if modification.kind == ModificationKind::Add && values.is_empty() {
            return Err(Error::Protocol(format!("{}: no value to add", quoted(&modification.attribute))));
        }
        if let Some(view) = self.core.schema.attribute_type(description.attribute).link {
            if modification.kind == ModificationKind::Replace || (modification.kind == ModificationKind::Delete && values.is_empty()) {
                self.forget_pending(entry.id, Some(view.edge));
            }
            let links = LinkValues { attribute: description.attribute, view, values };
            return match modification.kind {
                ModificationKind::Add => self.add_links(entry, changing, links),
                ModificationKind::Delete => self.delete_links(entry, changing, links, !self.options.permissive),
                ModificationKind::Replace => self.replace_links(entry, changing, links),
                ModificationKind::Increment => Err(not_a_number(&modification.attribute)),
            };
        }
        match modification.kind {
            ModificationKind::Add => self.add_values(changing, &description, values),
            ModificationKind::Delete => self.delete_values(changing, description, values, &modification.attribute),
            ModificationKind::Replace => {
                self.refuse_twice(description.attribute, &values)?;
                changing.replace(description, values);
                Ok(())
            }
            ModificationKind::Increment if self.core.schema.syntax_of(description.attribute) != Syntax::Integer => {
                Err(not_a_number(&modification.attribute))
            }
            ModificationKind::Increment => self.increment(changing, description, &values, &modification.attribute),
        }
    }

    /// The values that a client sends are a set (RFC 4511 §4.1.7), also where a later change takes them away again.
    fn refuse_twice(&self, attribute: AttributeId, values: &[Vec<u8>]) -> Result<(), Error> {
        if let [only] = values {
            return self.look_at(1, cost(only));
        }
        let mut forms = HashSet::with_capacity(values.len());
        // A value that is none of its type is refused when the entry is sealed.
        for value in values {
            let form = self.form_of(attribute, value)?;
            if matches!(form, Form::Normal(_)) && !forms.insert(form) {
                let name = self.core.schema.attribute_type(attribute).name();
                return Err(Error::AttributeOrValueExists(format!("{name}: a value is there twice")));
            }
        }
        Ok(())
    }

    fn add_values(&self, changing: &mut Changing, description: &Description, values: Vec<Vec<u8>>) -> Result<(), Error> {
        if !changing.is_absent(description) {
            self.require_equality(description)?;
        }
        let held = self.held(changing, description)?;
        for value in values {
            let form = self.form_of(description.attribute, &value)?;
            let is_of_type = matches!(form, Form::Normal(_));
            if held.contains(&form) {
                if !self.options.permissive {
                    let name = self.core.schema.describe(description);
                    return Err(Error::AttributeOrValueExists(format!("{name}: the value is there already")));
                }
            } else if is_of_type {
                held.insert(form, value);
            } else {
                self.normal_form(description.attribute, &value)?;
            }
        }
        Ok(())
    }

    fn delete_values(&self, changing: &mut Changing, description: Description, values: Vec<Vec<u8>>, name: &str) -> Result<(), Error> {
        // The old password that is to be deleted is what shows who sends it, so it is right or the change fails.
        let proves = description.attribute == self.core.schema.known().user_password && !values.is_empty();
        let permissive = self.options.permissive && !proves;
        if changing.is_absent(&description) {
            return match permissive {
                true => Ok(()),
                false => Err(Error::NoSuchAttribute(format!("{}: the entry has no value of it", quoted(name)))),
            };
        }
        if values.is_empty() {
            changing.replace(description, Vec::new());
            return Ok(());
        }
        self.require_equality(&description)?;
        let held = self.held(changing, &description)?;
        for value in values {
            let form = self.form_of(description.attribute, &value)?;
            match (held.remove(&form), form) {
                (true, _) => {}
                (false, Form::Octets(_)) => drop(self.normal_form(description.attribute, &value)?),
                (false, Form::Normal(_)) if permissive => {}
                (false, Form::Normal(_)) => return Err(not_there(name)),
            }
        }
        Ok(())
    }

    fn increment(&self, changing: &mut Changing, description: Description, values: &[Vec<u8>], name: &str) -> Result<(), Error> {
        let [by] = values else { return Err(Error::Protocol(format!("{}: an increment takes one value", quoted(name)))) };
        let by = number(by).ok_or_else(|| Error::InvalidSyntax(format!("{}: an increment is a whole number", quoted(name))))?;
        if changing.is_absent(&description) {
            return Err(Error::NoSuchAttribute(format!("{}: the entry has no value of it", quoted(name))));
        }
        let held = changing.take(&description);
        self.look_at(held.len(), held.iter().map(Vec::len).sum())?;
        let sums = held
            .iter()
            .map(|value| number(value).and_then(|value| value.checked_add(by)).map(|sum| sum.to_string().into_bytes()))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| not_a_number(name))?;
        changing.replace(description, sums);
        Ok(())
    }

    /// Values of a type without equality rule come and go together (RFC 4512 §2.5.1). Certificates and the like have one
    /// (RFC 4523 §2), and are told apart by their octets.
    fn require_equality(&self, description: &Description) -> Result<(), Error> {
        let schema = &self.core.schema;
        let definition = schema.attribute_type(description.attribute);
        match definition.equality.is_some() || schema.syntax_of(description.attribute).is_binary_transfer() {
            true => Ok(()),
            false => {
                Err(Error::InappropriateMatching(format!("{} has no equality rule: its values can be replaced only", definition.name())))
            }
        }
    }

    /// Whether a value equal to `value` is among those held.
    pub(super) fn is_among(&self, attribute: AttributeId, held: &[Vec<u8>], value: &[u8]) -> Result<bool, Error> {
        if held.iter().any(|other| other == value) {
            return Ok(true);
        }
        let form = self.normal_form(attribute, value)?;
        for other in held {
            if self.form_of(attribute, other)? == form {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The values of the RDN cannot go but by a rename.
    fn keep_rdn(&self, entry: &Entry, before: &Draft, after: &Draft) -> Result<(), Error> {
        let Some(rdn) = tree::own_rdn(entry) else { return Ok(()) };
        for ava in &rdn.0 {
            let Some(attribute) = self.core.schema.attribute(&ava.attribute) else { continue };
            let was_there = self.is_among(attribute, before.values(attribute), &ava.value)?;
            if was_there && !self.is_among(attribute, after.values(attribute), &ava.value)? {
                return Err(Error::NotAllowedOnRdn(format!("the value of {} names the entry; rename it instead", quoted(&ava.attribute))));
            }
        }
        Ok(())
    }

    /// The structural class of an entry never changes (RFC 4512 §2.4.2).
    fn keep_structure(&self, before: &Entry, after: &Entry) -> Result<(), Error> {
        let structural = self.core.schema.known().structural_object_class;
        let (was, is) = (before.text(structural).unwrap_or_default(), after.text(structural).unwrap_or_default());
        match was == is || was.is_empty() || self.options.relax {
            true => Ok(()),
            false => Err(Error::ObjectClassModification(format!("the structural class cannot change from {was} to {is}"))),
        }
    }
}

pub(super) fn not_there(name: &str) -> Error {
    Error::NoSuchAttribute(format!("{}: the value to delete is not there", quoted(name)))
}

fn not_a_number(name: &str) -> Error {
    Error::Constraint(format!("{}: only whole numbers can be incremented", quoted(name)))
}

fn number(value: &[u8]) -> Option<i128> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
