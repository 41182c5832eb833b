//! From an entry to what a caller gets of it: the selection of attributes, the access decision, links and derived
//! attributes put in. The stored part is a copy of slices.

use super::derived::{self, NameList, Names};
use super::dynamic::{self, DynamicGroups, GROUP_OF_URLS, Reading, most_shown};
use super::error::Error;
use super::link_cache::{LinkCache, WORTH_KEEPING};
use super::link_view::ShownLinks;
use super::referral::is_of_class;
use super::request::{Visible, VisibleAttribute};
use super::tree;
use crate::access::AttributeSet;
use crate::base::EntryId;
use crate::domain::Catalog;
use crate::model::entry::put_attribute;
use crate::model::{Attribute, AttributeId, Entry, Facts, Kind};
use crate::schema::{LinkForm, Schema, Usage};
use roaring::RoaringBitmap;
use std::ops::Range;
use std::sync::Arc;

/// Which attributes a search returns (RFC 4511 §4.5.1.8).
#[derive(Debug)]
pub(crate) struct Selection {
    /// The types asked for, with their subtypes.
    types: AttributeSet,
    /// Asked for by name, in the caller's order: these show although they are operational or derived.
    derived: Vec<AttributeId>,
    /// Asked for with options: only with these.
    with_options: Vec<(AttributeId, Vec<String>)>,
    /// The link attributes among `types`, and the same as a set, which every attribute of every entry is looked up in.
    links: Vec<AttributeId>,
    linked: AttributeSet,
    types_only: bool,
}

impl Selection {
    /// Reads the list of a search request: descriptions, `*`, `+`, `1.1`, `@class` (RFC 4529); what is unknown is passed over.
    pub(crate) fn parse(schema: &Schema, requested: &[&str], types_only: bool) -> Self {
        let count = schema.attribute_types().len();
        let mut selection = Self {
            types: AttributeSet::none(count),
            derived: Vec::new(),
            with_options: Vec::new(),
            links: Vec::new(),
            linked: AttributeSet::none(count),
            types_only,
        };
        if requested.is_empty() {
            selection.all_of(schema, Usage::User);
        }
        for &name in requested {
            match name {
                "*" => selection.all_of(schema, Usage::User),
                "+" => selection.all_of(schema, Usage::Operational),
                "1.1" => {}
                _ => selection.name(schema, name),
            }
        }
        selection
    }

    /// As [`Selection::parse`], but `+` brings only what is kept: what is made from other entries changes without the entry,
    /// so who follows has to ask for it by name.
    pub(crate) fn kept(schema: &Schema, requested: &[&str], types_only: bool) -> Self {
        let mut selection = Self::parse(schema, requested, types_only);
        let named = |attribute: &AttributeId| {
            let is_named = |name: &&&str| {
                schema.description(name).is_some_and(|description| schema.with_subtypes(description.attribute).contains(attribute))
            };
            requested.iter().any(|name| is_named(&name))
        };
        selection.derived.retain(named);
        selection
    }

    /// Whether it takes anything that is made from other entries.
    pub(super) const fn shows_derived(&self) -> bool {
        !self.derived.is_empty()
    }

    /// All that is kept, secrets too: for the operator's exports.
    pub(crate) fn stored(schema: &Schema, operational: bool) -> Self {
        let mut selection = Self::parse(schema, &["1.1"], false);
        let kept = |definition: &&crate::schema::AttributeType| !definition.derived && (operational || !definition.no_user_modification);
        for definition in schema.attribute_types().iter().filter(kept) {
            selection.types.insert(definition.id);
            if definition.link.is_some() {
                selection.add_link(definition.id);
            }
        }
        selection
    }

    fn all_of(&mut self, schema: &Schema, usage: Usage) {
        for definition in schema.attribute_types().iter().filter(|definition| definition.usage == usage) {
            self.insert(schema, definition.id);
        }
    }

    fn name(&mut self, schema: &Schema, name: &str) {
        if let Some(class) = name.strip_prefix('@').and_then(|class| schema.class(class)) {
            let class = schema.object_class(class);
            for &attribute in class.must.iter().chain(&class.may) {
                self.insert(schema, attribute);
            }
            return;
        }
        let Some(description) = schema.description(name) else { return };
        if description.options.is_empty() {
            for &attribute in schema.with_subtypes(description.attribute) {
                self.insert(schema, attribute);
            }
        } else {
            let options = description.options.split(';').map(str::to_owned).collect();
            self.with_options.push((description.attribute, options));
        }
    }

    fn insert(&mut self, schema: &Schema, attribute: AttributeId) {
        let definition = schema.attribute_type(attribute);
        if definition.secret || self.types.contains(attribute) {
            return;
        }
        self.types.insert(attribute);
        if definition.link.is_some() {
            self.add_link(attribute);
        }
        if definition.derived {
            self.derived.push(attribute);
        }
    }

    fn add_link(&mut self, attribute: AttributeId) {
        self.links.push(attribute);
        self.linked.insert(attribute);
    }

    /// Whether only descriptions are asked for.
    pub(super) const fn types_only(&self) -> bool {
        self.types_only
    }

    /// Whether an attribute of this type may be among those asked for.
    pub(super) fn may_take(&self, schema: &Schema, attribute: AttributeId) -> bool {
        self.types.contains(attribute) || self.with_options.iter().any(|(asked, _)| schema.with_subtypes(*asked).contains(&attribute))
    }

    /// Whether links are among what is asked for.
    pub(super) const fn has_links(&self) -> bool {
        !self.links.is_empty()
    }

    /// Whether a stored attribute is among those asked for.
    pub(super) fn takes(&self, schema: &Schema, held: &Attribute<'_>) -> bool {
        if self.types.contains(held.attribute) {
            return true;
        }
        self.with_options.iter().any(|(attribute, options)| {
            schema.with_subtypes(*attribute).contains(&held.attribute) && options.iter().all(|wanted| held.has_option(wanted))
        })
    }
}

/// Whether the entry is a dynamic group.
pub(super) fn is_dynamic(schema: &Schema, entry: &Entry) -> bool {
    is_of_class(schema, entry, GROUP_OF_URLS)
}

/// Buffers that one search uses for all of its entries.
pub(crate) struct Renderer {
    catalog: Arc<Catalog>,
    names: Names,
    linked: NameList,
    dn: String,
    made: Vec<u8>,
    made_parts: Vec<Range<usize>>,
    cache: Option<Arc<LinkCache>>,
    /// The dynamic groups, where the selection shows what follows from them.
    dynamic: Option<DynamicGroups>,
    /// The members that the entry has by a dynamic group.
    members: RoaringBitmap,
    /// Those, and the members of dynamic groups in it.
    under: RoaringBitmap,
    /// The groups that it is in by dynamic groups.
    above: Vec<EntryId>,
    /// The generation of names and links, read before the entry is rendered; only with a cache.
    pub(crate) bonds: u64,
}

impl Renderer {
    /// One that puts everything together anew.
    pub(crate) fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            names: Names::default(),
            linked: NameList::default(),
            dn: String::new(),
            made: Vec::new(),
            made_parts: Vec::new(),
            cache: None,
            bonds: 0,
            dynamic: None,
            members: RoaringBitmap::new(),
            under: RoaringBitmap::new(),
            above: Vec::new(),
        }
    }

    /// Whether that is to seek for members, and not only to ask about the entry.
    pub(super) fn seeks_members(&self, schema: &Schema, selection: &Selection, entry: &Entry) -> bool {
        (!selection.links.is_empty() && is_dynamic(schema, entry)) || selection.derived.contains(&schema.known().hc_effective_member)
    }

    /// Seeks the members of dynamic groups that the entry about to be rendered shows, in link attributes or what follows
    /// from them. Not called where there are no dynamic groups.
    pub(super) fn find_members(&mut self, reading: &Reading<'_>, selection: &Selection, entry: &Entry) -> Result<(), Error> {
        let schema = reading.context.schema;
        let asked = |attribute: AttributeId| selection.derived.contains(&attribute);
        let (below, above) = (asked(schema.known().hc_effective_member), asked(schema.known().member_of));
        let is_dynamic = !selection.links.is_empty() && is_dynamic(schema, entry);
        (self.members, self.under, self.above) = Default::default();
        if self.dynamic.is_none() && (is_dynamic || below || above) {
            self.dynamic = DynamicGroups::prepare(reading, most_shown(reading.grants));
        }
        let Some(groups) = &mut self.dynamic else { return Ok(()) };
        if is_dynamic {
            self.members = groups.members(reading, entry.id)?;
        }
        if below {
            self.under = groups.members_under(reading, entry.id)?;
        }
        if above {
            self.above = groups.containing(reading, entry)?;
        }
        Ok(())
    }

    /// Questions that dynamic groups have asked until now.
    pub(super) fn asked(&self) -> usize {
        self.dynamic.as_ref().map_or(0, DynamicGroups::asked)
    }

    /// One that keeps the names of large groups, for readers of the committed state.
    pub(crate) fn with_cache(catalog: Arc<Catalog>, cache: Arc<LinkCache>) -> Self {
        Self { cache: Some(cache), ..Self::new(catalog) }
    }

    /// Reduces the entry and hands it to `take`.
    pub(crate) fn render<T>(
        &mut self,
        schema: &Schema,
        facts: &dyn Facts,
        entry: &Entry,
        selection: &Selection,
        readable: &AttributeSet,
        take: impl FnOnce(&Visible<'_>) -> T,
    ) -> T {
        self.dn.clear();
        self.names.write(facts, entry, &mut self.dn);
        self.made.clear();
        self.made_parts.clear();
        self.make_links(schema, facts, entry, selection, readable);
        for &attribute in selection.derived.iter().filter(|attribute| readable.contains(**attribute)) {
            let mut values = derived::values(schema, &self.catalog, facts, entry, attribute);
            self.add_dynamic(schema, facts, attribute, &mut values);
            self.push(schema.attribute_type(attribute).name(), &values, selection.types_only);
        }
        let mut attributes = Vec::with_capacity(24);
        // What is derived, and a link attribute with unresolved names, was put together already.
        let made = |held: &Attribute<'_>| selection.linked.contains(held.attribute) || selection.derived.contains(&held.attribute);
        let taken = |held: &Attribute<'_>| readable.contains(held.attribute) && selection.takes(schema, held);
        let stored = entry.attributes().filter(|held| taken(held) && !made(held));
        if selection.types_only {
            for held in stored.collect::<Vec<_>>() {
                self.push(held.description(), &[b""], true);
            }
        } else {
            attributes.extend(stored.map(|held| VisibleAttribute { encoded: held.encoded() }));
        }
        let made = self.made_parts.iter().map(|part| VisibleAttribute { encoded: self.made.get(part.clone()).unwrap_or_default() });
        attributes.extend(made);
        take(&Visible {
            id: entry.id,
            kind: entry.kind,
            csn: entry.text(schema.known().entry_csn).unwrap_or_default(),
            dn: &self.dn,
            attributes: &attributes,
            linked: &[],
            usability: None,
        })
    }

    fn add_dynamic(&self, schema: &Schema, facts: &dyn Facts, attribute: AttributeId, values: &mut Vec<Vec<u8>>) {
        let known = schema.known();
        let more: Vec<EntryId> = if attribute == known.member_of {
            self.above.clone()
        } else if attribute == known.hc_effective_member {
            self.under.iter().map(EntryId).collect()
        } else {
            return;
        };
        for name in more.into_iter().map(|id| tree::dn_of(facts, id).into_bytes()) {
            if !values.contains(&name) {
                values.push(name);
            }
        }
    }

    fn make_links(&mut self, schema: &Schema, facts: &dyn Facts, entry: &Entry, selection: &Selection, readable: &AttributeSet) {
        let catalog = Arc::clone(&self.catalog);
        let edges = facts.link_attributes(entry.id);
        let text = entry.attributes().any(|held| selection.linked.contains(held.attribute));
        if edges.is_empty() && !text && entry.kind != Kind::Role && self.members.is_empty() {
            return;
        }
        for definition in selection.links.iter().map(|attribute| schema.attribute_type(*attribute)) {
            let Some(view) = definition.link else { continue };
            let held = ShownLinks { schema, facts, catalog: &catalog, entry, view };
            let there = edges.contains(&view.edge) || entry.has(definition.id) || held.of_role();
            let dynamic = !self.members.is_empty() && dynamic::shows_members(schema, view);
            let there = there || dynamic;
            if !there || !readable.contains(definition.id) || !schema.shows_link(entry, definition.id) {
                continue;
            }
            // A name of an entry changes with its generation; its uid does not.
            let large = !selection.types_only
                && view.form == LinkForm::Name
                && !dynamic
                && facts.target_count(entry.id, view.edge) >= WORTH_KEEPING;
            let cache = self.cache.clone().filter(|_| large);
            let key = (entry.id, definition.id);
            if let Some(encoded) = cache.as_ref().and_then(|cache| cache.get(self.bonds, key, entry.revision)) {
                self.made_parts.push(self.made.len()..self.made.len() + encoded.len());
                self.made.extend_from_slice(&encoded);
                continue;
            }
            let mut linked = std::mem::take(&mut self.linked);
            linked.clear();
            if edges.contains(&view.edge) || held.of_role() {
                // Names remembered from an earlier entry may be older than the generation, so they are not for keeping.
                let mut fresh = Names::default();
                let names = if cache.is_some() { &mut fresh } else { &mut self.names };
                held.values(names, &mut linked);
            }
            if dynamic {
                dynamic::show_members((schema, facts, view), entry, &self.members, &mut self.names, &mut linked);
            }
            let begun = self.made.len();
            let values: Vec<&[u8]> = linked.iter().chain(entry.values(definition.id)).collect();
            self.push(definition.name(), &values, selection.types_only);
            self.linked = linked;
            if let (Some(cache), Some(encoded)) = (cache, self.made.get(begun..).filter(|encoded| !encoded.is_empty())) {
                cache.put(self.bonds, key, entry.revision, encoded);
            }
        }
    }

    fn push<V: AsRef<[u8]>>(&mut self, description: &str, values: &[V], types_only: bool) {
        if values.is_empty() {
            return;
        }
        let start = self.made.len();
        let values = if types_only { &[] } else { values };
        put_attribute(&mut self.made, description, values);
        self.made_parts.push(start..self.made.len());
    }
}
