//! What a change of the schema means to the entries that are there. No entry may become one that the schema refuses, and
//! no value may come to mean something else.

use super::{AttributeType, ClassId, DefinitionKind, MatchingRule, ObjectClass, Schema, SealOptions};
use crate::model::entry::Place;
use crate::model::{AttributeId, Entry};
use std::collections::BTreeSet;

/// Begins what stands in for a normal form; no OID begins with it.
const UNKNOWN: u8 = 0;

/// What is other in a schema than in the one before it, as far as entries can have it. Definitions that are new concern none.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// Types that are gone or mean something else: no entry may hold them.
    taken: Vec<AttributeId>,
    /// Types whose values have to be looked at again.
    narrowed: Vec<AttributeId>,
    /// Classes of the schema before that are gone or other.
    classes: Vec<ClassId>,
    /// Names of classes that were left out and are gone now, in lower case.
    lost: Vec<String>,
    /// Structural classes of the schema before whose content another rule governs.
    governed: Vec<ClassId>,
    /// Structural classes of the schema before that have name forms, where any name form or structure rule is other.
    placed: Vec<ClassId>,
}

impl Schema {
    /// What is other in `next`, which was made from this one by a change.
    pub fn difference(&self, next: &Self) -> Difference {
        let mut difference = Difference::default();
        for before in self.attribute_types().iter().filter(|held| !held.retired) {
            let after = next.attribute_type(before.id);
            if !same_meaning(before, after) {
                difference.taken.push(before.id);
            } else if before.single_value != after.single_value {
                difference.narrowed.push(before.id);
            }
        }
        let same_class = |before: &ObjectClass| {
            let after = next.class(&before.oid).map(|class| next.object_class(class));
            after.is_some_and(|after| self.same_class(before, next, after))
        };
        difference.classes = self.object_classes().iter().filter(|class| !same_class(class)).map(|class| class.id).collect();
        let rule = |schema: &Self, oid: &str| {
            let class = schema.class(oid)?;
            schema.content_rule(class).map(|rule| rule.text.clone())
        };
        let same_rule = |class: &ObjectClass| rule(self, &class.oid) == rule(next, &class.oid);
        difference.governed = self.object_classes().iter().filter(|class| !same_rule(class)).map(|class| class.id).collect();
        if self.published_naming() != next.published_naming() {
            let has_form = |class: &&ObjectClass| next.class(&class.oid).is_some_and(|class| next.has_name_form(class));
            difference.placed = self.object_classes().iter().filter(has_form).map(|class| class.id).collect();
        }
        for gone in self.additions.left_out().filter(|held| !next.additions.leaves_out(held.kind, &held.oid)) {
            match gone.kind {
                DefinitionKind::AttributeType => difference.taken.extend(self.written_attribute(&gone.oid)),
                DefinitionKind::ObjectClass => {
                    difference.lost.extend(gone.names().iter().chain([&gone.oid]).map(|name| name.to_ascii_lowercase()));
                }
                DefinitionKind::ContentRule | DefinitionKind::NameForm | DefinitionKind::StructureRule => {}
            }
        }
        difference
    }

    fn same_class(&self, before: &ObjectClass, next: &Self, after: &ObjectClass) -> bool {
        let above = |schema: &Self, class: ClassId| -> BTreeSet<String> {
            let all = schema.ancestors.get(usize::from(class.0)).into_iter().flatten();
            all.map(|above| schema.object_class(*above).oid.clone()).collect()
        };
        (&before.names, &before.must, &before.may, &before.may_lack, before.kind, before.entry_kind, before.stands_alone)
            == (&after.names, &after.must, &after.may, &after.may_lack, after.kind, after.entry_kind, after.stands_alone)
            && above(self, before.id) == above(next, after.id)
    }
}

impl Schema {
    /// Whether normal forms of the type's values may be others under a later schema.
    pub fn rests_on_names(&self, attribute: AttributeId) -> bool {
        self.attribute_type(attribute).equality.is_some_and(MatchingRule::rests_on_names)
    }

    /// Stands in for the normal form of a name that is to stand for an OID and does not, by which [`Schema::has_name`] finds
    /// it; it equals no normal form. Answers whether the type has such values.
    pub fn put_unknown_name(&self, attribute: AttributeId, value: &[u8], out: &mut Vec<u8>) -> bool {
        let is_oid = self.is_of_oids(attribute);
        if is_oid {
            out.clear();
            out.push(UNKNOWN);
            out.extend(value.iter().map(u8::to_ascii_lowercase));
        }
        is_oid
    }

    /// Whether a normal form of the type may have one of the names in it, these in lower case.
    pub fn has_name(&self, attribute: AttributeId, normal: &[u8], names: &[Vec<u8>]) -> bool {
        if self.is_of_oids(attribute) {
            let normal = normal.strip_prefix(&[UNKNOWN]).unwrap_or(normal);
            return names.iter().any(|name| name == normal);
        }
        names.iter().any(|name| memchr::memmem::find(normal, name).is_some())
    }

    fn is_of_oids(&self, attribute: AttributeId) -> bool {
        self.attribute_type(attribute).equality.is_some_and(MatchingRule::is_of_oids)
    }

    /// The names and OIDs, in lower case, that mean something else in `next`, or nothing.
    pub fn changed_names(&self, next: &Self) -> Vec<Vec<u8>> {
        let count = self.attribute_types().len().max(next.attribute_types().len());
        let types = (0..count).filter_map(|at| u16::try_from(at).ok()).map(AttributeId);
        let types = types.map(|id| (self.attribute_type(id), next.attribute_type(id)));
        let differ = |before: &AttributeType, after: &AttributeType| {
            (&before.names, before.retired, before.equality) != (&after.names, after.retired, after.equality)
        };
        let mut names: Vec<&String> = Vec::new();
        for (before, after) in types.filter(|(before, after)| differ(before, after)) {
            names.extend(before.names.iter().chain(&after.names).chain([&before.oid, &after.oid]));
        }
        let elsewhere = |schema: &Self, class: &ObjectClass| {
            let held = schema.class(&class.oid).map(|held| schema.object_class(held));
            held.is_none_or(|held| held.names != class.names)
        };
        let gone = self.object_classes().iter().filter(|class| elsewhere(next, class));
        let new = next.object_classes().iter().filter(|class| elsewhere(self, class));
        if self.published_naming() != next.published_naming() {
            names.extend(self.name_form_names().chain(next.name_form_names()));
        }
        names.extend(gone.chain(new).flat_map(|class| class.names.iter().chain([&class.oid])));
        names.into_iter().filter(|name| !name.is_empty()).map(|name| name.to_ascii_lowercase().into_bytes()).collect()
    }
}

/// Whether values that are there mean what they meant, under every name they may be written with.
fn same_meaning(before: &AttributeType, after: &AttributeType) -> bool {
    let rules = |of: &AttributeType| (of.equality, of.ordering, of.substring, of.superior);
    let nature = |of: &AttributeType| (of.collective, of.no_user_modification, of.usage, of.link, of.secret, of.derived, of.retired);
    rules(before) == rules(after)
        && nature(before) == nature(after)
        && before.syntax == after.syntax
        && before.name() == after.name()
        && before.names.iter().all(|name| after.names.iter().any(|held| held.eq_ignore_ascii_case(name)))
}

impl Difference {
    /// Whether entries need not be looked at.
    pub fn is_empty(&self) -> bool {
        let classes = [&self.classes, &self.governed, &self.placed];
        self.taken.is_empty() && self.narrowed.is_empty() && self.lost.is_empty() && classes.iter().all(|classes| classes.is_empty())
    }

    /// Whether the entry has anything to do with it. `before` is the schema that the difference is from.
    pub fn concerns(&self, before: &Schema, entry: &Entry) -> bool {
        let class = |name: &[u8]| std::str::from_utf8(name).ok().and_then(|name| before.class(name));
        let known = before.known();
        let listed = |classes: &[ClassId], attribute| {
            !classes.is_empty() && entry.values(attribute).filter_map(class).any(|held| classes.contains(&held))
        };
        self.taken.iter().chain(&self.narrowed).any(|attribute| entry.has(*attribute))
            || self.lost_class(before, entry).is_some()
            || listed(&self.classes, known.object_class)
            || listed(&self.governed, known.structural_object_class)
            || listed(&self.placed, known.structural_object_class)
    }

    fn lost_class<'n>(&'n self, before: &Schema, entry: &Entry) -> Option<&'n String> {
        let is_of = |name: &&String| entry.values(before.known().object_class).any(|held| held.eq_ignore_ascii_case(name.as_bytes()));
        self.lost.iter().find(is_of)
    }

    /// Whether names and places of entries have to be asked about as well.
    pub const fn is_about_places(&self) -> bool {
        !self.placed.is_empty()
    }

    /// Why the entry cannot stand under the schema `next`; `None` where it can, or could not before. `links` answers how
    /// many edges it has in a link attribute.
    pub fn objection(&self, before: &Schema, next: &Schema, entry: &Entry, links: &dyn Fn(AttributeId) -> usize) -> Option<String> {
        if let Some(held) = self.taken.iter().find(|attribute| entry.has(**attribute)) {
            return Some(format!("it has values of {}", before.attribute_type(*held).name()));
        }
        if let Some(lost) = self.lost_class(before, entry) {
            return Some(format!("it is of the class {lost}"));
        }
        let place = || Place {
            id: entry.id,
            parent: entry.parent,
            rdn: entry.rdn.clone(),
            rdn_key: entry.rdn_key.clone(),
            revision: entry.revision,
        };
        let (draft, options) = (before.unseal(entry), SealOptions { relax: true });
        let is_fine = before.seal(&draft, place(), links, options).is_ok();
        let structural = before.known().structural_object_class;
        match next.seal(&draft, place(), links, options) {
            Err(violation) => is_fine.then(|| violation.to_string()),
            Ok(after) if after.kind != entry.kind => Some("it would be another kind of entry".to_owned()),
            Ok(after) if after.text(structural) != entry.text(structural) && is_fine => {
                Some("its structural class would be another".to_owned())
            }
            Ok(_) => None,
        }
    }
}
