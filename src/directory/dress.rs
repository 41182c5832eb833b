//! What a search shows of an entry besides its attributes, or less than them: matching values only (RFC 3876), entries
//! that its attributes name (draft-masarati-ldap-deref), somebody's rights (get effective rights, as 389 shows them).
//! All of it passes the same access decision as the entry itself (HC1).

use super::filter::Matcher;
use super::request::{EntrySink, LinkWish, Linked, RightsWish, SearchRequest, Visible, VisibleAttribute};
use super::tree::{self, Resolved};
use super::view::{Renderer, Selection};
use super::{Caller, Directory, Error, Identity};
use crate::access::{EntryAccess, Grants};
use crate::model::entry::put_attribute;
use crate::model::{AttributeId, Dn, Entry, Facts};
use crate::schema::{COLLECTIVE_SUBENTRY, Schema};
use std::collections::HashSet;
use std::sync::Arc;

/// What is asked for beyond the attributes.
pub(super) struct Dress {
    values: Option<Vec<Matcher>>,
    links: Vec<LinkSelection>,
    rights: Option<Rights>,
    usability: bool,
    renderer: Renderer,
    /// Entries that may still be looked at for the sake of others.
    look_through: usize,
}

struct LinkSelection {
    /// As sent.
    attribute: String,
    id: AttributeId,
    /// The attribute alone, to get at its names.
    names: Selection,
    /// What to show of the entries named.
    shown: Selection,
}

struct Rights {
    grants: Arc<Grants>,
    /// Asked for by name; those the entry has where there is none.
    attributes: Vec<String>,
}

impl Dress {
    /// What the request wants; `None` for most.
    pub(super) fn of(
        directory: &Directory,
        caller: &Caller,
        request: &SearchRequest<'_>,
        look_through: usize,
    ) -> Result<Option<Box<Self>>, Error> {
        if request.matched_values.is_none() && request.links.is_empty() && request.rights.is_none() && !request.usability {
            return Ok(None);
        }
        let current = directory.current();
        let schema = directory.schema();
        let context = current.context(schema, directory.memory());
        let prepare = |filters: &Vec<_>| filters.iter().map(|filter| Matcher::prepare(&context, filter)).collect();
        let links = request.links.iter().filter_map(|wish| LinkSelection::of(schema, wish).transpose());
        Ok(Some(Box::new(Self {
            values: request.matched_values.as_ref().map(prepare),
            links: links.collect::<Result<_, _>>()?,
            rights: request.rights.as_ref().map(|wish| directory.rights_wish(caller, wish)).transpose()?,
            usability: request.usability,
            renderer: Renderer::with_cache(Arc::clone(&current.catalog), Arc::clone(&directory.core().links)),
            look_through,
        })))
    }

    /// Whether it tells of all attributes of an entry, whatever is selected.
    pub(super) const fn tells_of_all(&self) -> bool {
        self.rights.is_some()
    }

    /// Dresses an entry and hands it to the sink.
    pub(super) fn send(
        &mut self,
        directory: &Directory,
        grants: &Grants,
        (entry, access): (&Entry, &EntryAccess<'_>),
        visible: &Visible<'_>,
        sink: &mut dyn EntrySink,
    ) -> Result<(), Error> {
        let (schema, memory) = (directory.schema(), directory.memory());
        let linked = self.linked(directory, grants, entry, access)?;
        let mut made: Vec<Vec<u8>> = match &self.values {
            Some(matchers) => visible.attributes().iter().filter_map(|held| matched(schema, matchers, access, held)).collect(),
            None => Vec::new(),
        };
        let kept = if self.values.is_some() { &[][..] } else { visible.attributes() };
        if let Some(rights) = &self.rights {
            made.extend(rights.of_entry(schema, memory, entry, access));
        }
        let mut attributes = kept.to_vec();
        attributes.extend(made.iter().map(|encoded| VisibleAttribute { encoded }));
        // Whoever may set the password may know; of one's own account, whoever may do more with it than that.
        let more = grants.subject().entry != Some(entry.id) || access.write.contains(schema.known().hc_active);
        let administers = self.usability && more && access.write.contains(schema.known().user_password);
        let usability = if administers { directory.usability(entry) } else { None };
        sink.entry(&Visible { attributes: &attributes, linked: &linked, usability, ..*visible });
        Ok(())
    }

    /// The entries that the attributes name, as far as the caller may read the attribute and them.
    fn linked(&mut self, directory: &Directory, grants: &Grants, entry: &Entry, access: &EntryAccess<'_>) -> Result<Vec<Linked>, Error> {
        let mut found = Vec::new();
        if self.links.is_empty() {
            return Ok(found);
        }
        let (schema, memory) = (directory.schema(), directory.memory());
        let current = directory.current();
        let mut sharing = directory.sharing(grants);
        for link in self.links.iter().filter(|link| access.read.contains(link.id)) {
            let names = |visible: &Visible<'_>| -> Vec<String> {
                let texts = visible.attributes().iter().flat_map(VisibleAttribute::values);
                texts.filter_map(|value| std::str::from_utf8(value).ok().map(str::to_owned)).collect()
            };
            self.renderer.bonds = memory.bonds();
            let names = self.renderer.render(schema, memory, entry, &link.names, access.read, names);
            self.look_through = self
                .look_through
                .checked_sub(names.len())
                .ok_or_else(|| Error::AdminLimit("the search would look at more entries than the look-through limit allows".to_owned()))?;
            for dn in names {
                let resolved = Dn::parse(&dn).map(|dn| tree::resolve(schema, &current.suffixes, memory, &dn));
                let target = match resolved {
                    Ok(Resolved::Found(id)) => memory.entry(id),
                    Ok(_) | Err(_) => None,
                };
                let mut attributes = Vec::new();
                if let Some(target) = target {
                    let access = grants.on(memory, &target);
                    if access.disclosed {
                        let sharing = sharing.as_mut().filter(|_| link.shown.takes_shared(schema));
                        let shared = sharing.and_then(|sharing| sharing.of(schema, memory, &target));
                        let target = shared.as_ref().unwrap_or(&target);
                        let take = |visible: &Visible<'_>| visible.attributes().iter().map(|held| held.encoded.to_vec()).collect();
                        attributes = self.renderer.render(schema, memory, target, &link.shown, access.read, take);
                    }
                }
                found.push(Linked { attribute: link.attribute.clone(), dn, attributes });
            }
        }
        Ok(found)
    }
}

impl LinkSelection {
    /// A type that is not defined is refused, as slapd does; one whose values are no names too where the control is critical,
    /// else it is passed over.
    fn of(schema: &Schema, wish: &LinkWish<'_>) -> Result<Option<Self>, Error> {
        let undefined = || Error::Protocol(format!("dereference: attribute type \"{}\" is not defined", tree::shorten(wish.attribute)));
        let id = schema.attribute(wish.attribute).ok_or_else(undefined)?;
        match (schema.attribute_type(id).syntax == DN_SYNTAX, wish.critical) {
            (true, _) => {}
            (false, true) => {
                return Err(Error::Protocol(format!("dereference: the values of \"{}\" are no names", tree::shorten(wish.attribute))));
            }
            (false, false) => return Ok(None),
        }
        Ok(Some(Self {
            attribute: wish.attribute.to_owned(),
            id,
            names: Selection::parse(schema, &[wish.attribute], false),
            shown: Selection::parse(schema, &wish.attributes, false),
        }))
    }
}

const DN_SYNTAX: &str = "1.3.6.1.4.1.1466.115.121.1.12";

/// The values of an attribute that match; `None` where none does (RFC 3876 §2). Types alone stay as they are.
fn matched(schema: &Schema, matchers: &[Matcher], access: &EntryAccess<'_>, held: &VisibleAttribute<'_>) -> Option<Vec<u8>> {
    let name = held.description();
    if held.values().next().is_none() {
        return Some(held.encoded.to_vec());
    }
    let description = schema.description(name).filter(|description| access.search.contains(description.attribute))?;
    let takes = |value: &&[u8]| matchers.iter().any(|matcher| matcher.takes_value(schema, &description, value));
    let values: Vec<&[u8]> = held.values().filter(takes).collect();
    (!values.is_empty()).then(|| {
        let mut encoded = Vec::new();
        put_attribute(&mut encoded, name, &values);
        encoded
    })
}

impl Directory {
    /// Whose rights the caller may see: the operator anybody's, an Organisation Admin those of its organisation.
    fn rights_wish(&self, caller: &Caller, wish: &RightsWish<'_>) -> Result<Rights, Error> {
        let refused = || Error::InsufficientAccess("no right to see the rights of others".to_owned());
        let own = &caller.identity;
        if !own.is_operator() && !own.organisation_admin {
            return Err(refused());
        }
        // What is not of the organisation is refused as what does not exist.
        let identity = match self.identity_named(wish.subject) {
            Ok(identity) => identity,
            Err(_) if !own.is_operator() => return Err(refused()),
            Err(error) => return Err(error),
        };
        if !own.is_operator() && (identity.organisation.is_none() || identity.organisation != own.organisation) {
            return Err(refused());
        }
        Ok(Rights { grants: self.rights_of(caller, identity), attributes: wish.attributes.iter().map(|&name| name.to_owned()).collect() })
    }

    /// What an identity may do from where the caller is.
    fn rights_of(&self, caller: &Caller, identity: Identity) -> Arc<Grants> {
        self.grants(&Caller { identity: identity.into(), origin: Arc::clone(&caller.origin) })
    }
}

impl Rights {
    /// `entryLevelRights` and `attributeLevelRights`. Of attributes that the caller may neither read nor write it does not
    /// learn that the entry has them; nobody writes what the server keeps.
    fn of_entry(&self, schema: &Schema, facts: &dyn Facts, entry: &Entry, access: &EntryAccess<'_>) -> Vec<Vec<u8>> {
        let theirs = self.grants.on(facts, entry);
        let letters = |given: &[(bool, char)]| -> String {
            let text: String = given.iter().filter(|(given, _)| *given).map(|(_, letter)| *letter).collect();
            if text.is_empty() { "none".to_owned() } else { text }
        };
        let of_entry =
            letters(&[(theirs.disclosed, 'v'), (theirs.may_add_children, 'a'), (theirs.may_delete, 'd'), (theirs.may_rename, 'n')]);
        let writes = |access: &EntryAccess<'_>, attribute: AttributeId| {
            let definition = schema.attribute_type(attribute);
            let elsewhere = definition.collective && !schema.entry_is(entry, COLLECTIVE_SUBENTRY);
            access.write.contains(attribute) && !definition.derived && !definition.no_user_modification && !elsewhere
        };
        let of = |name: &str| {
            let found = schema.description(name).map(|description| description.attribute);
            let rights = found.map_or_else(Vec::new, |attribute| {
                let write = writes(&theirs, attribute);
                vec![
                    (theirs.read.contains(attribute), 'r'),
                    (theirs.search.contains(attribute), 's'),
                    (theirs.compare.contains(attribute), 'c'),
                    (write, 'w'),
                    (write, 'o'),
                ]
            });
            format!("{name}:{}", letters(&rights))
        };
        let known = |attribute: AttributeId| access.read.contains(attribute) || writes(access, attribute);
        let mut names: Vec<String> = Vec::new();
        for name in &self.attributes {
            match name.as_str() {
                "*" | "+" => names.extend(held(schema, facts, entry, name == "+").filter(|id| known(*id)).map(|id| shown(schema, id))),
                name => names.push(name.to_owned()),
            }
        }
        if self.attributes.is_empty() {
            names.extend(held(schema, facts, entry, false).filter(|id| known(*id)).map(|id| shown(schema, id)));
        }
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(name.to_ascii_lowercase()));
        let of_attributes = names.iter().map(|name| of(name)).collect::<Vec<_>>().join(", ");
        let encode = |name: &str, value: &str| {
            let mut encoded = Vec::new();
            put_attribute(&mut encoded, name, &[value]);
            encoded
        };
        vec![encode("entryLevelRights", &of_entry), encode("attributeLevelRights", &of_attributes)]
    }
}

/// The user attributes that an entry has, or its operational ones.
fn held<'e>(schema: &'e Schema, facts: &dyn Facts, entry: &'e Entry, operational: bool) -> impl Iterator<Item = AttributeId> + use<'e> {
    let links = facts.link_attributes(entry.id);
    let stored = entry.attributes().map(|held| held.attribute);
    let wanted = move |id: &AttributeId| (schema.attribute_type(*id).usage == crate::schema::Usage::Operational) == operational;
    stored.chain(links).filter(wanted)
}

fn shown(schema: &Schema, attribute: AttributeId) -> String {
    schema.attribute_type(attribute).name().to_owned()
}
