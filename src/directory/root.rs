//! The entries that are no entries: the root DSE (RFC 4512 §5.1) and the subschema (RFC 4512 §4.2). They say
//! what works and nothing else.

use super::derived::SUBSCHEMA;
use super::filter::{Matcher, Truth};
use super::request::{EntrySink, OwnedEntry, Visible, VisibleAttribute, version_of};
use super::view::Selection;
use super::{Caller, Directory, Offered, Standing, monitor};
use crate::access::AttributeSet;
use crate::base::{EntryId, Timestamp};
use crate::model::entry::{EntryBuilder, Place, put_attribute};
use crate::model::{Dn, Entry, Facts, Kind};
use crate::schema::Schema;

/// An entry made for the moment.
pub(crate) struct VirtualEntry {
    dn: Box<str>,
    entry: Entry,
}

/// Whether the name is that of the subschema entry.
pub(super) fn is_subschema(schema: &Schema, dn: &Dn) -> bool {
    Dn::parse(SUBSCHEMA).is_ok_and(|subschema| schema.name_key(dn) == schema.name_key(&subschema))
}

/// The root DSE or the subschema entry, where the name is theirs.
pub(super) fn virtual_entry(directory: &Directory, caller: &Caller, offered: &Offered, dn: &Dn) -> Option<VirtualEntry> {
    match dn {
        dn if dn.is_root() => Some(root_dse(directory, caller, offered)),
        dn if is_subschema(directory.schema(), dn) => Some(subschema(directory.schema(), directory.core().started.wall)),
        _ => None,
    }
}

/// The root DSE as the caller may see it: the naming contexts are shown to those who have signed in, and to others
/// only where the policy opens them (HC4).
pub(super) fn root_dse(directory: &Directory, caller: &Caller, offered: &Offered) -> VirtualEntry {
    let current = directory.current();
    let mut values: Vec<(String, Vec<String>)> = vec![
        ("objectClass".to_owned(), vec!["top".to_owned(), "extensibleObject".to_owned()]),
        ("subschemaSubentry".to_owned(), vec![SUBSCHEMA.to_owned()]),
        ("vendorName".to_owned(), vec!["Headcount".to_owned()]),
        ("vendorVersion".to_owned(), vec![env!("CARGO_PKG_VERSION").to_owned()]),
    ];
    let grants = directory.grants(caller);
    let contexts: Vec<String> = current
        .suffixes
        .iter()
        .filter(|suffix| {
            let signed_in = caller.identity.standing != Standing::Anonymous;
            signed_in || directory.suffix_entry(suffix).is_some_and(|entry| directory.discloses(&grants, &entry))
        })
        .map(|suffix| suffix.text.clone())
        .collect();
    values.push(("namingContexts".to_owned(), contexts));
    if grants.may_monitor() {
        values.push(("monitorContext".to_owned(), vec![monitor::MONITOR.to_owned()]));
    }
    values.extend(current.settings.protocol_features.iter().cloned());
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    values.push(("supportedSASLMechanisms".to_owned(), owned(&offered.mechanisms)));
    if let Some((_, extensions)) = values.iter_mut().find(|(name, _)| name == "supportedExtension") {
        extensions.extend(owned(&offered.extensions));
    }
    VirtualEntry::new(directory.schema(), "", &values)
}

/// The subschema entry. Its times say when the schema was changed last, so that clients may keep what they read (RFC 4512
/// §4.2): at run time, or with a start of the server.
pub(super) fn subschema(schema: &Schema, started: Timestamp) -> VirtualEntry {
    let changed = schema.additions().changed.max(started).generalized();
    let mut values = vec![
        ("objectClass".to_owned(), vec!["top".to_owned(), "subentry".to_owned(), "subschema".to_owned(), "extensibleObject".to_owned()]),
        ("cn".to_owned(), vec!["Subschema".to_owned()]),
        ("createTimestamp".to_owned(), vec![started.generalized()]),
        ("modifyTimestamp".to_owned(), vec![changed]),
    ];
    values.extend(schema.subschema().into_iter().map(|(name, values)| (name.to_owned(), values)));
    VirtualEntry::new(schema, SUBSCHEMA, &values)
}

impl VirtualEntry {
    pub(super) fn new(schema: &Schema, dn: &str, values: &[(String, Vec<String>)]) -> Self {
        let mut builder = EntryBuilder::default();
        for (name, values) in values.iter().filter(|(_, values)| !values.is_empty()) {
            if let Some(attribute) = schema.attribute(name) {
                builder.push(attribute, schema.attribute_type(attribute).name(), values);
            }
        }
        let place = Place { id: EntryId(u32::MAX), parent: None, rdn: dn.into(), rdn_key: Box::default(), revision: 0 };
        Self { dn: dn.into(), entry: builder.build(place, Kind::Generic) }
    }

    /// Whether it matches. Everybody may see all of it.
    pub(super) fn matches(&self, schema: &Schema, facts: &dyn Facts, matcher: &Matcher) -> Truth {
        let mut all = AttributeSet::none(schema.attribute_types().len());
        schema.attribute_types().iter().for_each(|definition| all.insert(definition.id));
        matcher.matches(schema, facts, &self.entry, &all)
    }

    /// Its number, which no entry of the tree has.
    pub(super) const fn id(&self) -> EntryId {
        self.entry.id
    }

    /// What a change answers of it (RFC 4527).
    pub(super) fn read(&self, schema: &Schema, attributes: &[String]) -> OwnedEntry {
        let names: Vec<&str> = attributes.iter().map(String::as_str).collect();
        let selection = Selection::parse(schema, &names, false);
        let taken = self.entry.attributes().filter(|held| selection.takes(schema, held));
        OwnedEntry {
            id: self.entry.id,
            kind: Kind::Generic,
            version: version_of(""),
            dn: self.dn.to_string(),
            attributes: taken.map(|held| held.encoded().to_vec()).collect(),
        }
    }

    /// Sends it if it matches.
    pub(super) fn send(&self, schema: &Schema, facts: &dyn Facts, matcher: &Matcher, selection: &Selection, sink: &mut dyn EntrySink) {
        if self.matches(schema, facts, matcher) != Truth::True {
            return;
        }
        let stored = self.entry.attributes().filter(|held| selection.takes(schema, held)).collect::<Vec<_>>().into_iter();
        let names: Vec<Vec<u8>> = match selection.types_only() {
            true => stored.clone().map(|held| types_only(held.description())).collect(),
            false => Vec::new(),
        };
        let shown: Vec<VisibleAttribute<'_>> = match selection.types_only() {
            true => names.iter().map(|encoded| VisibleAttribute { encoded }).collect(),
            false => stored.map(|held| VisibleAttribute { encoded: held.encoded() }).collect(),
        };
        sink.entry(&Visible {
            id: self.entry.id,
            kind: Kind::Generic,
            csn: "",
            dn: &self.dn,
            attributes: &shown,
            linked: &[],
            usability: None,
        });
    }
}

fn types_only(description: &str) -> Vec<u8> {
    let mut encoded = Vec::new();
    put_attribute::<&[u8]>(&mut encoded, description, &[]);
    encoded
}
