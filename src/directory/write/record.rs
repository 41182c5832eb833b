//! What a change tells the audit log: who made it and how, and what became of which attribute. Values are cut and counted
//! as the settings say, and those of secrets are never among them.

use super::Work;
use crate::base::EntryId;
use crate::directory::settings::AuditValues;
use crate::directory::tree;
use crate::domain::{organisation_of, structured};
use crate::model::entry::{Attribute, Values};
use crate::model::{AttributeId, Entry, Facts, Level, Link};
use crate::store::{AuditChange, AuditRecord};
use std::collections::{BTreeMap, HashSet};

/// Octets of values in one record, about.
const MOST_OCTETS: usize = 64 << 10;
/// Characters of a definition, and how many of one kind, that a record of a changed schema has whatever the settings say of values.
const LONGEST_DEFINITION: usize = 4 << 10;
const MOST_DEFINITIONS: usize = 64;

/// Some of the values, and how many more there are.
pub(super) type Shown = (Vec<String>, u64);

/// What one record has room for.
pub(super) struct Room<'a> {
    settings: &'a AuditValues,
    octets: usize,
}

impl<'a> Room<'a> {
    pub(super) const fn new(settings: &'a AuditValues) -> Self {
        Self { settings, octets: MOST_OCTETS }
    }

    /// Definitions of the schema, which are longer than other values and say nothing when they are cut short.
    pub(super) fn show_definitions<'v>(&mut self, values: impl Iterator<Item = &'v [u8]>) -> Shown {
        self.take(values, MOST_DEFINITIONS, |value| text_of(value, LONGEST_DEFINITION))
    }

    /// As many as there is room for, each cut where it is too long.
    fn show<'v>(&mut self, values: impl Iterator<Item = &'v [u8]>) -> Shown {
        let length = self.settings.length;
        self.take(values, self.settings.most, |value| text_of(value, length))
    }

    /// As many as there is room for.
    fn take<T>(&mut self, items: impl Iterator<Item = T>, most: usize, text: impl Fn(T) -> String) -> Shown {
        let (mut shown, mut left_out) = (Vec::new(), 0);
        for item in items {
            if shown.len() >= most || self.octets == 0 {
                left_out += 1;
                continue;
            }
            let text = text(item);
            self.octets = self.octets.saturating_sub(text.len());
            shown.push(text);
        }
        (shown, left_out)
    }
}

/// The value as text; what is none is told by its size.
fn text_of(value: &[u8], length: usize) -> String {
    let Ok(text) = std::str::from_utf8(value) else { return format!("({} octets that are no text)", value.len()) };
    match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}… ({} octets)", text.get(..end).unwrap_or_default(), text.len()),
        None => text.to_owned(),
    }
}

/// The attribute of the same description.
fn held<'e>(entry: Option<&'e Entry>, like: &Attribute<'_>) -> Option<Attribute<'e>> {
    entry?.get(like.attribute).find(|held| held.description() == like.description())
}

impl Work<'_, '_> {
    /// One record in the same commit, about no change of values.
    pub(crate) fn audit(&mut self, operation: &str, entry: &Entry, attributes: Vec<String>, detail: String) {
        self.keep_record(operation, entry, attributes, Vec::new(), detail);
    }

    /// The record of a change: `before` where the entry was there already, `after` where it still is.
    pub(super) fn audit_change(&mut self, operation: &str, (before, after): (Option<&Entry>, Option<&Entry>), named: Vec<String>) {
        let detail = match after {
            Some(_) => String::new(),
            None => self.options.message.clone().unwrap_or_default(),
        };
        self.audit_change_with(operation, (before, after), named, detail);
    }

    /// The same with words of its own.
    pub(in crate::directory) fn audit_change_with(
        &mut self,
        operation: &str,
        (before, after): (Option<&Entry>, Option<&Entry>),
        named: Vec<String>,
        detail: String,
    ) {
        let Some(entry) = after.or(before) else { return };
        self.tell(before, after);
        let changes = self.changes(before, after);
        let mut attributes = named;
        for change in &changes {
            if !attributes.iter().any(|name| name.eq_ignore_ascii_case(&change.attribute)) {
                attributes.push(change.attribute.clone());
            }
        }
        self.keep_record(operation, entry, attributes, changes, detail);
    }

    fn keep_record(&mut self, operation: &str, entry: &Entry, attributes: Vec<String>, changes: Vec<AuditChange>, detail: String) {
        let known = self.core.schema.known();
        let organisation = organisation_of(&*self.txn, entry.id)
            .and_then(|id| self.txn.entry(id))
            .and_then(|entry| entry.text(known.entry_uuid).map(str::to_owned));
        let record = AuditRecord {
            time: self.now.millis(),
            organisation,
            operation: operation.to_owned(),
            target: tree::dn_of(&*self.txn, entry.id),
            target_id: entry.text(known.entry_uuid).unwrap_or_default().to_owned(),
            attributes,
            changes,
            detail,
            ..self.caller.record()
        };
        self.txn.audit(record);
    }

    /// What became of the attributes and links. Nothing where the settings want no values.
    fn changes(&self, before: Option<&Entry>, after: Option<&Entry>) -> Vec<AuditChange> {
        let settings = &self.current.settings.audit_values;
        if !settings.kept || self.bulk {
            return Vec::new();
        }
        let mut room = Room::new(settings);
        let mut changes = Vec::new();
        for now in after.into_iter().flat_map(Entry::attributes) {
            let was = held(before, &now);
            if was.is_none_or(|was| was.encoded() != now.encoded()) {
                changes.extend(self.change(&mut room, now, was.map(|was| was.values()), Some(now.values())));
            }
        }
        for was in before.into_iter().flat_map(Entry::attributes) {
            if held(after, &was).is_none() {
                changes.extend(self.change(&mut room, was, Some(was.values()), None));
            }
        }
        changes.extend(self.changed_links(&mut room, before, after));
        changes
    }

    /// `None` for the stamps that every change leaves.
    fn change(&self, room: &mut Room<'_>, of: Attribute<'_>, was: Option<Values<'_>>, is: Option<Values<'_>>) -> Option<AuditChange> {
        if self.is_stamp(of.attribute) {
            return None;
        }
        let attribute = of.description().to_owned();
        let definition = self.core.schema.attribute_type(of.attribute);
        if definition.secret || self.is_hidden(room.settings, of.attribute) {
            return Some(AuditChange { attribute, secret: true, ..AuditChange::default() });
        }
        let (before, after): (HashSet<&[u8]>, HashSet<&[u8]>) = match (&was, &is) {
            (Some(was), Some(is)) => (was.clone().collect(), is.clone().collect()),
            _ => Default::default(),
        };
        let (old, old_left_out) = room.show(was.into_iter().flatten().filter(|value| !after.contains(value)));
        let (new, new_left_out) = room.show(is.into_iter().flatten().filter(|value| !before.contains(value)));
        // Values in another order are the same values.
        let none = old.is_empty() && new.is_empty() && old_left_out == 0 && new_left_out == 0;
        (!none).then_some(AuditChange { attribute, secret: false, old, old_left_out, new, new_left_out })
    }

    /// Whether the settings want no values of it, or of what holds the same in another form.
    fn is_hidden(&self, settings: &AuditValues, attribute: AttributeId) -> bool {
        let schema = &self.core.schema;
        let named = |attribute: AttributeId| settings.hidden.iter().any(|name| schema.attribute(name) == Some(attribute));
        !settings.hidden.is_empty() && (named(attribute) || structured::other_forms(schema, attribute).into_iter().any(named))
    }

    pub(in crate::directory) fn is_stamp(&self, attribute: AttributeId) -> bool {
        let known = self.core.schema.known();
        [known.modify_timestamp, known.modifiers_name, known.entry_csn, known.create_timestamp, known.creators_name, known.entry_uuid]
            .contains(&attribute)
    }

    /// The kinds of links of an entry that this change sets and removes.
    pub(in crate::directory) fn touched_links(&self, of: Option<EntryId>) -> impl Iterator<Item = AttributeId> {
        self.linked.iter().chain(&self.unlinked).filter(move |link| Some(link.source) == of).map(|link| link.attribute)
    }

    /// The links that came and went; of an entry that is deleted, those it had.
    fn changed_links(&self, room: &mut Room<'_>, before: Option<&Entry>, after: Option<&Entry>) -> Vec<AuditChange> {
        let mut changed: BTreeMap<AttributeId, [Vec<(EntryId, Level)>; 2]> = BTreeMap::new();
        let mut left_out: BTreeMap<AttributeId, u64> = BTreeMap::new();
        match (before, after) {
            (Some(gone), None) => {
                for attribute in self.txn.link_attributes(gone.id) {
                    let some = self.txn.targets(gone.id, attribute, None, room.settings.most);
                    left_out.insert(attribute, self.txn.target_count(gone.id, attribute).saturating_sub(some.len()) as u64);
                    changed.insert(attribute, [some, Vec::new()]);
                }
            }
            (_, Some(entry)) => {
                let own = |link: &&Link| link.source == entry.id;
                for link in self.unlinked.iter().filter(own) {
                    changed.entry(link.attribute).or_default()[0].push((link.target, link.level));
                }
                for link in self.linked.iter().filter(own) {
                    changed.entry(link.attribute).or_default()[1].push((link.target, link.level));
                }
            }
            (None, None) => {}
        }
        let mut out = Vec::new();
        for (attribute, [old, new]) in changed {
            let (old, old_left_out) = self.show_links(room, &old);
            let (new, new_left_out) = self.show_links(room, &new);
            let old_left_out = old_left_out + left_out.get(&attribute).copied().unwrap_or_default();
            let attribute = self.core.schema.attribute_type(attribute).name().to_owned();
            out.push(AuditChange { attribute, secret: false, old, old_left_out, new, new_left_out });
        }
        out
    }

    fn show_links(&self, room: &mut Room<'_>, links: &[(EntryId, Level)]) -> Shown {
        room.take(links.iter(), room.settings.most, |(target, level)| self.link_text(*target, *level))
    }

    /// The DN of the target, and the level of a membership that is none of the usual one.
    fn link_text(&self, target: EntryId, level: Level) -> String {
        let dn = tree::dn_of(&*self.txn, target);
        match level {
            Level::Full => dn,
            Level::Administrator => format!("{dn} (administrator)"),
            Level::ViewOnly => format!("{dn} (view only)"),
            Level::Past => format!("{dn} (past member)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_and_long_lists_are_cut_with_a_count() {
        let settings = AuditValues { length: 4, most: 2, ..AuditValues::default() };
        let mut room = Room { settings: &settings, octets: 30 };
        let values: [&[u8]; 3] = ["äöü€x".as_bytes(), b"\xff\xfe", b"third"];
        assert_eq!(room.show(values.into_iter()), (vec!["äöü€… (10 octets)".to_owned(), "(2 octets that are no text)".to_owned()], 1));
        assert_eq!(room.show([&b"x"[..]].into_iter()), (Vec::new(), 1), "the record is full");
    }
}
