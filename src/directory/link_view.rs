//! Links as the attributes of an entry show them: by name or by uid, of one level or of the full members, and from the
//! other end for a role, whose members are those who hold it (R8).

use super::derived::{NameList, Names};
use crate::base::EntryId;
use crate::domain::Catalog;
use crate::domain::packages::Offer;
use crate::model::{AttributeId, Entry, Facts, Kind, Level};
use crate::schema::{LinkForm, LinkView, Schema};
use std::ops::RangeInclusive;

/// How many links are read at a time.
const CHUNK: usize = 1024;

/// The links of one entry in one attribute. Whether a class of the entry allows the attribute is the caller's to ask.
#[derive(Clone, Copy)]
pub(crate) struct ShownLinks<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) facts: &'a dyn Facts,
    pub(crate) catalog: &'a Catalog,
    pub(crate) entry: &'a Entry,
    pub(crate) view: LinkView,
}

/// The login name by which `memberUid` shows an entry: its first uid, where IA5 can write it.
pub(crate) fn shown_uid<'e>(schema: &Schema, entry: &'e Entry) -> Option<&'e str> {
    entry.text(schema.known().uid).filter(|uid| uid.is_ascii())
}

/// Whether the attribute shows who holds a role, on an entry that is one.
pub(crate) fn shows_holders(schema: &Schema, view: LinkView) -> bool {
    view.edge == schema.known().member && view.level.is_none() && view.form == LinkForm::Name
}

impl ShownLinks<'_> {
    /// Whether the members are those who hold the role.
    pub(crate) fn of_role(&self) -> bool {
        self.entry.kind == Kind::Role && shows_holders(self.schema, self.view)
    }

    /// Whether the role is: of another package it has no members (R5).
    fn is_effective(&self) -> bool {
        Offer::of(self.schema, self.facts, self.catalog, self.entry) == Offer::Current
    }

    const fn levels(&self) -> RangeInclusive<Level> {
        match self.view.level {
            Some(level) => level..=level,
            None => Level::Full..=Level::Administrator,
        }
    }

    /// Whether there is a link to `target`, and it shows.
    pub(crate) fn shows(&self, target: EntryId) -> bool {
        if self.of_role() {
            return self.facts.link(target, self.schema.known().hc_role, self.entry.id).is_some() && self.is_effective();
        }
        self.facts.link(self.entry.id, self.view.edge, target).is_some_and(|level| self.levels().contains(&level))
    }

    /// Whether any link shows.
    pub(crate) fn any(&self) -> bool {
        let mut found = false;
        self.each(|_| {
            found = true;
            false
        });
        found
    }

    /// Puts the values in: DNs or uids.
    pub(crate) fn values(&self, names: &mut Names, out: &mut NameList) {
        self.each(|target| {
            match self.view.form {
                LinkForm::Name => out.push(self.facts, target, names),
                LinkForm::Uid => out.push_text(shown_uid(self.schema, target).unwrap_or_default()),
            }
            true
        });
    }

    /// Hands the entries pointed to over, in order of number, as long as `take` says so.
    fn each(&self, mut take: impl FnMut(&Entry) -> bool) {
        if self.of_role() {
            if !self.is_effective() {
                return;
            }
            let holders = self.facts.sources(self.entry.id, self.schema.known().hc_role);
            let _ = holders.iter().filter_map(|(holder, _)| self.facts.entry(*holder)).all(|holder| take(&holder));
            return;
        }
        let levels = self.levels();
        let shown = |target: &Entry| self.view.form == LinkForm::Name || shown_uid(self.schema, target).is_some();
        let mut after = None;
        loop {
            let chunk = self.facts.targets(self.entry.id, self.view.edge, after, CHUNK);
            let mut targets = chunk.iter().filter(|(_, level)| levels.contains(level)).filter_map(|(target, _)| self.facts.entry(*target));
            if !targets.all(|target| !shown(&target) || take(&target)) {
                return;
            }
            match chunk.last() {
                Some((last, _)) if chunk.len() == CHUNK => after = Some(*last),
                _ => return,
            }
        }
    }
}

/// The entries whose links in `edge` of a fitting level point to `target`: those that can show it, and the roles it
/// holds where the attribute shows them.
pub(crate) fn sources(schema: &Schema, facts: &dyn Facts, view: LinkView, target: EntryId) -> impl Iterator<Item = EntryId> {
    let roles = match shows_holders(schema, view) {
        true => facts.targets(target, schema.known().hc_role, None, usize::MAX),
        false => Vec::new(),
    };
    facts.sources(target, view.edge).into_iter().chain(roles).map(|(source, _)| source)
}

/// The entries that an attribute of the form `uid` shows as this value: `key` is its normal form in that attribute.
pub(crate) fn named_by_uid(schema: &Schema, facts: &dyn Facts, attribute: AttributeId, value: &[u8], key: &[u8]) -> Vec<EntryId> {
    let mut uid = Vec::new();
    if schema.normalize(schema.known().uid, value, &mut uid).is_err() {
        return Vec::new();
    }
    let mut found = facts.equal(schema.known().uid, &uid);
    found.retain(|id| facts.entry(*id).is_some_and(|entry| shows_as(schema, attribute, &entry, key)));
    found
}

/// Whether the attribute shows the entry as the value of this normal form.
pub(crate) fn shows_as(schema: &Schema, attribute: AttributeId, entry: &Entry, key: &[u8]) -> bool {
    let mut shown = Vec::new();
    shown_uid(schema, entry).is_some_and(|uid| schema.normalize(attribute, uid.as_bytes(), &mut shown).is_ok() && shown == key)
}
