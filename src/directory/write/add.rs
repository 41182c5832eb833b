//! Adding (RFC 4511 §4.7).

use super::amount::cost;
use super::links::LinkValues;
use super::{Work, quoted};
use crate::base::EntryId;
use crate::directory::alias::ALIAS;
use crate::directory::lifecycle::Kept;
use crate::directory::referral::is_of_class;
use crate::directory::session::licences_of;
use crate::directory::tree::{self, Resolved, Suffix};
use crate::directory::{Error, Write, WriteOptions, WriteOutcome};
use crate::domain::{User, UserType, licence, organisation_of, structured};
use crate::model::entry::Place;
use crate::model::{AttributeId, Description, Dn, Draft, Entry, Facts, Kind, Modification, ModificationKind};
use std::sync::Arc;

/// The containers of an organisation; made with the first entry that goes into them.
const CONTAINERS: [&str; 7] = ["users", "staff", "roles", "groups", "licences", "sessions", "content"];

impl Work<'_, '_> {
    pub(super) fn add(&mut self, text: &str, attributes: Vec<(String, Vec<Vec<u8>>)>) -> Result<WriteOutcome, Error> {
        match self.returning(&tree::parse_dn(text)?, &attributes) {
            Some(returning) => self.come_back(returning, text, attributes),
            None => self.add_entry(text, attributes, None),
        }
    }

    /// Adds an entry, over what was kept of it where it comes back.
    pub(in crate::directory) fn add_entry(
        &mut self,
        text: &str,
        attributes: Vec<(String, Vec<Vec<u8>>)>,
        kept: Option<&Kept>,
    ) -> Result<WriteOutcome, Error> {
        let dn = tree::parse_dn(text)?;
        self.refuse_declared(&dn)?;
        self.refuse_referred(&dn)?;
        let parent = self.parent_for(&dn)?;
        let (rdn, rdn_key) = self.own_name(&dn, parent.is_none())?;
        if self.txn.child(parent, &rdn_key).is_some() {
            return Err(Error::AlreadyExists(format!("{} exists already", quoted(text))));
        }
        let id = self.txn.new_id();
        let (mut draft, mut links) = self.draft_of(attributes)?;
        let one_more_seat = self.take_increase(&mut draft)?;
        self.complete_with_rdn(&mut draft, &dn, &links)?;
        let mut given = given_attributes(&draft, &links);
        given.extend(self.pending_attributes());
        self.complete_new_content(&mut draft, &mut links)?;
        let before = kept.map(|kept| kept.lay_under(&self.core.schema, &mut draft, &given));
        self.stamp_new(&mut draft);
        if before.is_some() {
            self.stamp_changed(&mut draft);
        }
        structured::reconcile(&self.core.schema, before.as_ref(), &mut draft)?;
        self.state_of_new_person(None, &mut draft);
        // A password that comes back is none that was set.
        if before.is_none() || given.contains(&self.core.schema.known().user_password) {
            self.note_password(None, &mut draft, (parent, &links))?;
        }
        if let Some(kept) = kept {
            self.link_again(kept, id, &given)?;
        }
        let revision = self.txn.new_revision();
        let place = Place { id, parent, rdn, rdn_key, revision };
        self.settle_pending(id, parent, None)?;
        let entry = self.put_with_links(draft, place, links)?;
        self.check_may_write(&entry, &given)?;
        // An assertion is about the entry to be added (RFC 4528 §3).
        self.precondition(&entry)?;
        self.join_references(&dn, id)?;
        self.join_uid(None, &entry)?;
        self.join_pending(None, &entry)?;
        // It may have waited for itself.
        let entry = self.txn.entry(id).unwrap_or(entry);
        if one_more_seat {
            self.increase_session_limit(&entry)?;
        }
        self.after_add(&entry)?;
        let names = entry.attributes().map(|held| held.description().to_owned()).collect();
        self.audit_change(if kept.is_some() { "restore" } else { "add" }, (None, Some(&entry)), names);
        self.outcome(&entry, None)
    }

    /// The entry to add under, where the caller may add. Nothing about the name is said to one who may not.
    fn parent_for(&mut self, dn: &Dn) -> Result<Option<EntryId>, Error> {
        let Some(suffix) = tree::suffix_of(&self.core.schema, &self.current.suffixes, dn) else {
            return Err(Error::NoSuchObject { matched: String::new() });
        };
        if suffix.is(dn) {
            return match self.caller.identity.is_operator() {
                true => Ok(None),
                false => Err(Error::InsufficientAccess("only the operator adds the entry of a suffix".to_owned())),
            };
        }
        let parent_dn = dn.parent().unwrap_or_default();
        let parent = match self.find_parsed(&parent_dn) {
            Ok(parent) => parent,
            Err(error) => self.add_container(&parent_dn)?.ok_or(error)?,
        };
        if !self.access(&parent).may_add_children {
            return Err(self.insufficient("add under", &parent));
        }
        self.refuse_alias(&parent)?;
        Ok(Some(parent.id))
    }

    /// Nothing stands below an alias (RFC 4512 §2.6).
    pub(super) fn refuse_alias(&self, parent: &Entry) -> Result<(), Error> {
        match is_of_class(&self.core.schema, parent, ALIAS) {
            true => Err(Error::AliasProblem { text: "nothing can stand below an alias".to_owned(), matched: String::new() }),
            false => Ok(()),
        }
    }

    /// Makes `ou=users` and the like under an organisation when the first entry goes there (design §7).
    pub(crate) fn add_container(&mut self, dn: &Dn) -> Result<Option<Arc<Entry>>, Error> {
        let Some([ava]) = dn.rdn().map(|rdn| rdn.0.as_slice()) else { return Ok(None) };
        let named = ava.attribute.eq_ignore_ascii_case("ou")
            && CONTAINERS.iter().any(|container| ava.value.eq_ignore_ascii_case(container.as_bytes()));
        let Resolved::Missing { nearest: Some(organisation), missing: 1 } = self.resolve(dn) else { return Ok(None) };
        let Some(organisation) = self.txn.entry(organisation).filter(|entry| entry.kind == Kind::Organisation && named) else {
            return Ok(None);
        };
        let begins = CONTAINERS
            .iter()
            .any(|container| ava.value.eq_ignore_ascii_case(container.as_bytes()) && self.grants.may_begin(&organisation, container));
        if !self.access(&organisation).may_add_children && !begins {
            return Ok(None);
        }
        let known = *self.core.schema.known();
        let mut draft = Draft::default();
        draft.set_one(known.object_class, "organizationalUnit");
        draft.set_one(known.ou, ava.value.clone());
        self.stamp_new(&mut draft);
        let (rdn, rdn_key) = self.own_name(dn, false)?;
        let place = Place { id: self.txn.new_id(), parent: Some(organisation.id), rdn, rdn_key, revision: self.txn.new_revision() };
        let entry = self.put(None, &draft, place)?;
        self.audit("add", &entry, vec!["objectClass".to_owned(), "ou".to_owned()], "container of the organisation".to_owned());
        Ok(Some(entry))
    }

    /// The RDN and its key; the whole name for a suffix.
    pub(crate) fn own_name(&self, dn: &Dn, is_suffix: bool) -> Result<(Box<str>, Box<[u8]>), Error> {
        if is_suffix {
            let suffix: Option<&Suffix> = tree::suffix_of(&self.core.schema, &self.current.suffixes, dn);
            let key = suffix.map(|suffix| suffix.key.clone()).unwrap_or_default();
            return Ok((dn.to_string().into(), key.into()));
        }
        let rdn = dn.rdn().ok_or_else(|| Error::InvalidName("the empty name cannot be added".to_owned()))?;
        Ok((rdn.to_string().into(), self.core.schema.rdn_key(rdn)))
    }

    /// What a client sends and what the RDN says make up the entry together (RFC 4511 §4.7).
    fn complete_with_rdn(&self, draft: &mut Draft, dn: &Dn, links: &[LinkValues]) -> Result<(), Error> {
        let schema = &self.core.schema;
        let mut seen = Vec::new();
        for ava in dn.rdn().map(|rdn| rdn.0.as_slice()).unwrap_or_default() {
            let attribute = schema
                .attribute(&ava.attribute)
                .ok_or_else(|| Error::UndefinedType(format!("attribute type {} of the name is not defined", quoted(&ava.attribute))))?;
            // A type that is there twice, or a value that is none of its type, is refused when the entry is sealed.
            if seen.contains(&attribute) || links.iter().any(|link| link.attribute == attribute) {
                continue;
            }
            seen.push(attribute);
            if !matches!(self.is_among(attribute, draft.values(attribute), &ava.value), Ok(true)) {
                draft.append(Description::plain(attribute), vec![ava.value.clone()]);
            }
        }
        Ok(())
    }

    /// Splits what a client sent into a draft and links, and refuses what only the server writes.
    pub(super) fn draft_of(&self, attributes: Vec<(String, Vec<Vec<u8>>)>) -> Result<(Draft, Vec<LinkValues>), Error> {
        let mut draft = Draft::default();
        let mut links = Vec::new();
        for (name, values) in attributes {
            self.look_at(values.len(), draft.attributes.len() + values.iter().map(|value| cost(value)).sum::<usize>())?;
            let description = self.writable(&name)?;
            if values.is_empty() {
                return Err(Error::InvalidSyntax(format!("attribute {} has no value", quoted(&name))));
            }
            match self.core.schema.attribute_type(description.attribute).link {
                Some(view) => links.push(LinkValues { attribute: description.attribute, view, values }),
                None => draft.append(description, values),
            }
        }
        Ok((draft, links))
    }

    /// Whether the licence is to get one more seat with this user (U3). That is asked with the attributes, and is none of them.
    fn take_increase(&self, draft: &mut Draft) -> Result<bool, Error> {
        let Some(attribute) = self.core.schema.attribute("hcIncreaseSessionLimit") else { return Ok(false) };
        let given = draft.text(attribute).map(str::to_ascii_uppercase);
        draft.remove(attribute);
        match given.as_deref() {
            None | Some("FALSE") => Ok(false),
            Some("TRUE") => Ok(true),
            Some(_) => Err(Error::InvalidSyntax("hcIncreaseSessionLimit is TRUE or FALSE".to_owned())),
        }
    }

    /// One more seat for the licence that a new user draws on, by the rights and rules of any change to it (O3, O4, U3).
    fn increase_session_limit(&mut self, user: &Entry) -> Result<(), Error> {
        let takes_seat = User::of(&self.core.schema, user).is_some_and(|user| user.user_type() == UserType::App);
        let organisation = organisation_of(&*self.txn, user.id).filter(|_| takes_seat);
        let Some(organisation) = organisation else {
            return Err(Error::Unwilling(
                "hcIncreaseSessionLimit goes with a user of an organisation who takes a seat (rule U3)".to_owned(),
            ));
        };
        let licences = licences_of(self.core, &*self.txn, organisation);
        let licence = licence::default_of(&self.core.schema, &licences);
        let licence = licence.ok_or_else(|| Error::Unwilling("the organisation has no licence (rule U3)".to_owned()))?;
        let one = Modification { kind: ModificationKind::Increment, attribute: "hcSessionLimit".to_owned(), values: vec![b"1".to_vec()] };
        let (dn, options) = (tree::dn_of(&*self.txn, licence.id), WriteOptions::default());
        let mut work = Work::begin(self.core, &mut *self.txn, self.caller, &options)?;
        work.from_file = self.from_file;
        match work.run(Write::Modify { dn, modifications: vec![one] }) {
            Ok(_) => Ok(()),
            Err(Error::NoSuchObject { .. }) => {
                Err(Error::InsufficientAccess("no right to increase the session limit of the licence (rule U3)".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    /// Every attribute that an entry is made with, or becomes another kind with, must be one the caller may write there.
    pub(super) fn check_may_write(&self, entry: &Entry, given: &[AttributeId]) -> Result<(), Error> {
        let access = self.access(entry);
        match given.iter().find(|attribute| !access.write.contains(**attribute)) {
            Some(attribute) => {
                let name = self.core.schema.attribute_type(*attribute).name();
                Err(Error::InsufficientAccess(format!("no right to write {name} there")))
            }
            None => Ok(()),
        }
    }
}

fn given_attributes(draft: &Draft, links: &[LinkValues]) -> Vec<AttributeId> {
    draft.attributes.iter().map(|held| held.description.attribute).chain(links.iter().map(|link| link.attribute)).collect()
}
