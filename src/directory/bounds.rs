//! What bounds the work of a search without telling of what the reader may not search (HC1). Before anything is planned a
//! filter is confined to where its attributes may be searched at all: nowhere is as unknown. And what is counted against the
//! look-through limit follows from the filter, from what is indexed, and from what the reader may search, never from what the
//! indexes hold: a candidate counts that is one for values that may be searched.

use super::filter::{Item, Matcher, Test, Truth};
use crate::access::{AttributeSet, Grants};
use crate::model::{AttributeId, Entry, Facts};
use crate::schema::{MatchingRule, Schema};
use crate::store::Memory;
use roaring::RoaringBitmap;
use std::sync::Arc;

/// Those of an item's attributes that the reader may search on a few entries only, and which entries these are.
#[derive(Debug)]
pub(super) struct Near {
    attributes: Vec<AttributeId>,
    entries: Arc<RoaringBitmap>,
}

impl Near {
    /// The entries, where the attribute is one of those.
    pub(super) fn entries(&self, attribute: AttributeId) -> Option<&RoaringBitmap> {
        self.attributes.contains(&attribute).then_some(&*self.entries)
    }
}

impl Matcher {
    /// Takes out what the reader may search nowhere, and keeps what it may search on a few entries to these.
    pub(super) fn confine(&mut self, grants: &Grants, facts: &dyn Facts) {
        self.confine_to(grants, facts, &mut None);
    }

    fn confine_to(&mut self, grants: &Grants, facts: &dyn Facts, entries: &mut Option<Arc<RoaringBitmap>>) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter_mut().for_each(|part| part.confine_to(grants, facts, entries)),
            Self::Not(part) => part.confine_to(grants, facts, entries),
            Self::Constant(_) => {}
            Self::Item(item) => {
                let extent = grants.extent();
                item.attributes.retain(|attribute| extent.is_far(*attribute) || extent.is_near(*attribute));
                if item.attributes.is_empty() {
                    *self = Self::Constant(Truth::Undefined);
                } else if item.attributes.iter().any(|attribute| !extent.is_far(*attribute)) {
                    let attributes = item.attributes.iter().copied().filter(|attribute| !extent.is_far(*attribute)).collect();
                    let make = || Arc::new(grants.near(facts).into_iter().map(|id| id.0).collect());
                    let entries = Arc::clone(entries.get_or_insert_with(make));
                    item.near = Some(Box::new(Near { attributes, entries }));
                }
            }
        }
    }

    /// Whether the indexes answer all of it: then no more is looked at than is found, but for what cannot be helped.
    pub(super) fn is_indexed(&self, schema: &Schema, memory: &Memory) -> bool {
        match self {
            Self::Constant(truth) => *truth != Truth::True,
            Self::Not(_) => false,
            Self::And(parts) | Self::Or(parts) => parts.iter().all(|part| part.is_indexed(schema, memory)),
            Self::Item(item) => item.options.is_empty() && item.is_narrow(schema, memory),
        }
    }

    /// Whether the entry is a candidate for what it shows to the reader, whatever else makes it one.
    pub(super) fn is_candidate(
        &self,
        (schema, memory): (&Schema, &Memory),
        facts: &dyn Facts,
        entry: &Entry,
        searchable: &AttributeSet,
    ) -> bool {
        let ask = |part: &Self| part.is_candidate((schema, memory), facts, entry, searchable);
        match self {
            Self::Constant(truth) => *truth == Truth::True,
            Self::Not(_) => true,
            Self::And(parts) => parts.iter().all(ask),
            Self::Or(parts) => parts.iter().any(ask),
            Self::Item(item) if !item.is_narrow(schema, memory) => true,
            // The indexes do not know options.
            Self::Item(item) if !item.options.is_empty() => {
                let holds = |attribute: &AttributeId| {
                    searchable.contains(*attribute) && entry.values(*attribute).any(|value| item.test.accepts(schema, *attribute, value))
                };
                item.attributes.iter().any(holds)
            }
            Self::Item(item) => item.matches(schema, facts, entry, searchable) == Truth::True,
        }
    }
}

impl Item {
    /// The only entries on which the reader may search this one of its attributes; `None` where there may be others.
    pub(super) fn near(&self, attribute: AttributeId) -> Option<&RoaringBitmap> {
        self.near.as_ref()?.entries(attribute)
    }

    /// Whether that is so of all of its attributes.
    pub(super) fn is_near(&self) -> bool {
        self.near.as_ref().is_some_and(|near| near.attributes.len() == self.attributes.len())
    }

    /// Whether the entries that it can hold for are found without looking at all of them.
    pub(super) fn is_narrow(&self, schema: &Schema, memory: &Memory) -> bool {
        self.attributes.iter().all(|attribute| self.near(*attribute).is_some() || self.is_indexed(schema, memory, *attribute))
    }

    /// Whether there is an index that serves it.
    pub(super) fn is_indexed(&self, schema: &Schema, memory: &Memory, attribute: AttributeId) -> bool {
        let definition = schema.attribute_type(attribute);
        // The index of a link attribute holds what is kept as text only.
        let link = definition.link.is_some();
        // The index is by the equality rule; where order or substrings go by another, it cannot help.
        let same_form = |rule: MatchingRule| definition.equality.is_some_and(|equality| equality.same_form(rule));
        !self.dn_attributes
            && match &self.test {
                _ if definition.collective => true,
                Test::Equal(_) | Test::OneOf(_) => memory.has_index(attribute),
                Test::Present => !link && memory.has_index(attribute),
                Test::AtLeast(rule, _) | Test::AtMost(rule, _) | Test::Parts { rule, .. } => {
                    !link && same_form(*rule) && memory.has_index(attribute)
                }
                // Who the members are is known of each entry only when it is asked.
                Test::Link { .. } => !self.dynamic.each,
                Test::Chain(_) => true,
                Test::Derived(..) | Test::Rule(..) => false,
            }
    }
}
