//! Who comes back by a POST (quirk 31): a client makes a user that it had before. It is found by the externalId that this
//! client gave, else by the user name where this client had it, and never by anything else (HE1, HE2).

use super::super::error::Error;
use super::super::write::Work;
use super::super::{Write, WriteOutcome, tree};

use super::kept::{self, Kept};
use super::{is_disabled, names};
use crate::base::EntryId;
use crate::domain::organisation_of;
use crate::model::{Description, Dn, Entry, Facts, Modification, ModificationKind};
use std::sync::Arc;

type Given = [(String, Vec<Vec<u8>>)];

/// A user that comes back.
pub(in super::super) enum Returning {
    /// It was disabled.
    Disabled(Arc<Entry>),
    /// It was deleted.
    Kept(Box<(String, Kept)>),
}

impl Work<'_, '_> {
    /// The user that an entry to be added is, where the client had it before and may bring it back.
    pub(in super::super) fn returning(&self, dn: &Dn, attributes: &Given) -> Option<Returning> {
        let client = self.client()?;
        let schema = &self.core.schema;
        let known = schema.known();
        let organisation = self.caller.identity.organisation?;
        let given = |wanted: &Description| {
            let found = attributes.iter().find(|(name, _)| schema.description(name).as_ref() == Some(wanted));
            found.and_then(|(_, values)| values.first()).map(Vec::as_slice)
        };
        let user = schema.class("hcUser");
        let named = |class: &Vec<u8>| std::str::from_utf8(class).ok().and_then(|name| schema.class(name));
        let classes = attributes.iter().find(|(name, _)| schema.attribute(name) == Some(known.object_class));
        if !classes.is_some_and(|(_, classes)| classes.iter().any(|class| named(class) == user)) {
            return None;
        }
        let restores = client.settings.restore_on_create;
        for name in kept::names_of(schema, &client.id) {
            let of_rdn = || dn.rdn()?.0.iter().find(|ava| schema.attribute(&ava.attribute) == Some(name.attribute)).map(|ava| &*ava.value);
            let Some(value) = given(&name).or_else(of_rdn) else { continue };
            let disabled = self.disabled(organisation, &client.id, &name, value);
            if let Some(entry) = disabled.filter(|entry| restores || self.is_out_of_sight(entry, &client.id)) {
                return Some(Returning::Disabled(entry));
            }
            if let Some(kept) = restores.then(|| kept::found(schema, &*self.txn, &client.id, &name, value)).flatten() {
                return Some(Returning::Kept(Box::new(kept)));
            }
        }
        None
    }

    /// A disabled user of the client's with this value.
    fn disabled(&self, organisation: EntryId, client: &str, name: &Description, value: &[u8]) -> Option<Arc<Entry>> {
        let schema = &self.core.schema;
        let known = schema.known();
        let normal = |value: &[u8]| {
            let mut key = Vec::new();
            schema.normalize(name.attribute, value, &mut key).ok().map(|()| key)
        };
        let wanted = normal(value)?;
        let found = self.txn.equal(name.attribute, &wanted).into_iter().filter_map(|id| self.txn.entry(id));
        let mut found = found.filter(|entry| {
            let mut exactly = entry.get(name.attribute).filter(|held| held.options() == name.options).flat_map(|held| held.values());
            let own = !name.options.is_empty() || names(entry, known.hc_provisioned_by, client);
            is_disabled(schema, entry)
                && own
                && exactly.any(|held| normal(held).as_ref() == Some(&wanted))
                && organisation_of(&*self.txn, entry.id) == Some(organisation)
        });
        found.next()
    }

    fn is_out_of_sight(&self, entry: &Entry, client: &str) -> bool {
        names(entry, self.core.schema.known().hc_deleted_by, client)
    }

    /// Brings a user back with what is given.
    pub(in super::super) fn come_back(
        &mut self,
        returning: Returning,
        text: &str,
        attributes: Vec<(String, Vec<Vec<u8>>)>,
    ) -> Result<WriteOutcome, Error> {
        match returning {
            Returning::Kept(kept) => self.bring_back(*kept, text, attributes),
            Returning::Disabled(entry) => self.enable_again(&entry, text, attributes),
        }
    }

    fn enable_again(&mut self, entry: &Arc<Entry>, text: &str, attributes: Vec<(String, Vec<Vec<u8>>)>) -> Result<WriteOutcome, Error> {
        let schema = Arc::clone(&self.core.schema);
        let known = *schema.known();
        if entry.has(known.hc_deleted_by) {
            let client = self.client().map(|client| client.id.clone()).unwrap_or_default();
            let mut draft = schema.unseal(entry);
            let mut others = draft.values(known.hc_deleted_by).to_vec();
            others.retain(|id| !id.eq_ignore_ascii_case(client.as_bytes()));
            draft.set(Description::plain(known.hc_deleted_by), others);
            self.put_unstamped(entry, &draft)?;
        }
        let mut dn = tree::dn_of(&*self.txn, entry.id);
        let (old, wanted) = (tree::parse_dn(&dn)?, tree::parse_dn(text)?);
        let types = |dn: &Dn| dn.rdn().map(|rdn| rdn.0.iter().map(|ava| schema.attribute(&ava.attribute)).collect::<Vec<_>>());
        let same_naming = types(&old) == types(&wanted);
        if let Some(rdn) = wanted.rdn().filter(|rdn| same_naming && old.rdn() != Some(rdn)) {
            self.run(Write::Rename { dn, new_rdn: rdn.to_string(), delete_old_rdn: true, new_superior: None })?;
            dn = tree::dn_of(&*self.txn, entry.id);
        }
        let naming = if same_naming { types(&wanted).unwrap_or_default() } else { Vec::new() };
        let left_out = |name: &str| {
            schema.attribute(name).is_some_and(|attribute| attribute == known.object_class || naming.contains(&Some(attribute)))
        };
        let replace = |(attribute, values): (String, Vec<Vec<u8>>)| Modification { kind: ModificationKind::Replace, attribute, values };
        let modifications: Vec<Modification> = attributes.into_iter().filter(|(name, _)| !left_out(name)).map(replace).collect();
        let outcome = self.run(Write::Modify { dn, modifications })?;
        if let Some(after) = self.txn.entry(entry.id) {
            self.join_pending(None, &after)?;
            self.audit("restore", &after, Vec::new(), "made again by its client".to_owned());
        }
        Ok(outcome)
    }
}
