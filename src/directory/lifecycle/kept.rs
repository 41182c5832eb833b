//! Users that a client deleted and that are kept for a while: gone from the tree, so nobody finds, binds as or refers to them
//! and their names are free, and remembered with their id, attributes and links, so that they can come back as they were.
//! Records outside the tree: `kept/<id>` holds the user, `kept-by/<client>/<attribute>/<value>` leads to it. What opened one
//! application only does not come back (HE10).

use super::super::client::Client;
use super::super::error::Error;
use super::super::identity::{Caller, Origin};
use super::super::request::WriteOptions;
use super::super::session::system_caller;
use super::super::write::Work;
use super::super::{Directory, WriteOutcome, tree};
use super::external_id_option;
use crate::base::{EntryId, Timestamp};
use crate::domain::organisation_of;
use crate::model::{AttributeId, Description, Draft, Entry, Facts, Level, Link};
use crate::schema::Schema;
use crate::store::Transaction;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const KEPT: &str = "kept/";

/// A reference between the user and another entry.
#[derive(Debug, Serialize, Deserialize)]
struct Edge {
    attribute: String,
    /// The id of the other entry.
    other: String,
    level: Level,
    /// Whether the user is the one that refers.
    outward: bool,
}

/// What is kept of a user.
#[derive(Debug, Serialize, Deserialize)]
pub(in super::super) struct Kept {
    organisation: EntryId,
    parent: Option<EntryId>,
    rdn: String,
    deleted: Timestamp,
    /// Who deleted it.
    by: String,
    /// The client whose deed that was.
    client: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
    edges: Vec<Edge>,
}

/// A kept user, as its keepers see it.
#[derive(Clone, Debug)]
pub struct KeptUser {
    /// Its id, before and after.
    pub id: String,
    /// Where it stood, and comes back to.
    pub dn: String,
    /// When it was deleted.
    pub deleted: Timestamp,
    /// By whom.
    pub by: String,
    /// Until when it is kept.
    pub until: Timestamp,
}

fn key(id: &str) -> String {
    format!("{KEPT}{id}")
}

fn read(facts: &dyn Facts, id: &str) -> Option<Kept> {
    postcard::from_bytes(&facts.meta(&key(id))?).ok()
}

fn all(facts: &dyn Facts) -> impl Iterator<Item = (String, Kept)> + use<> {
    let kept = facts.meta_range(KEPT).into_iter();
    kept.filter_map(|(key, octets)| Some((key.strip_prefix(KEPT)?.to_owned(), postcard::from_bytes(&octets).ok()?)))
}

/// Attribute types whose edges they keep themselves.
fn edges(schema: &Schema) -> impl Iterator<Item = AttributeId> + '_ {
    let keeps = |definition: &&crate::schema::AttributeType| definition.link.as_ref().is_some_and(|view| view.edge == definition.id);
    schema.attribute_types().iter().filter(keeps).map(|definition| definition.id).filter(|id| *id != schema.known().hc_session_user)
}

impl Kept {
    fn values(&self, schema: &Schema, wanted: &Description) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|(name, _)| schema.description(name).as_ref() == Some(wanted));
        found.map_or(&[], |(_, values)| values)
    }

    /// The content about the user, and about nobody who is there.
    fn items(&self, schema: &Schema, facts: &dyn Facts) -> Vec<EntryId> {
        let known = schema.known();
        let about = self.edges.iter().filter(|edge| !edge.outward && schema.attribute(&edge.attribute) == Some(known.hc_subject));
        let found = about.flat_map(|edge| {
            let mut normal = Vec::new();
            let good = schema.normalize(known.entry_uuid, edge.other.as_bytes(), &mut normal).is_ok();
            if good { facts.equal(known.entry_uuid, &normal) } else { Vec::new() }
        });
        found.filter(|item| facts.target_count(*item, known.hc_subject) == 0).collect()
    }

    /// The keys by which its client finds it.
    fn finders(&self, schema: &Schema) -> Vec<String> {
        let names = names_of(schema, &self.client).into_iter();
        names
            .flat_map(|name| self.values(schema, &name).iter().filter_map(move |value| finder(schema, &self.client, &name, value)))
            .collect()
    }

    fn dn(&self, facts: &dyn Facts) -> String {
        match self.parent.filter(|parent| facts.entry(*parent).is_some()) {
            Some(parent) => format!("{},{}", self.rdn, tree::dn_of(facts, parent)),
            None => format!("{},ou=users,{}", self.rdn, tree::dn_of(facts, self.organisation)),
        }
    }

    /// Puts what was kept under what is given: values that are given take the place of those that were kept, object classes
    /// come together.
    pub(in super::super) fn lay_under(&self, schema: &Schema, draft: &mut Draft, given: &[AttributeId]) -> Draft {
        let known = schema.known();
        let mut before = Draft::default();
        for (name, values) in &self.attributes {
            // Of a type that was taken out since, nothing can come back.
            let Some(description) = schema.description(name) else { continue };
            before.set(description.clone(), values.clone());
            let mut merged = draft.get(&description).map(<[Vec<u8>]>::to_vec).unwrap_or_default();
            if description.attribute == known.object_class {
                let is_there = |value: &Vec<u8>| merged.iter().any(|held| held.eq_ignore_ascii_case(value));
                let more: Vec<Vec<u8>> = values.iter().filter(|value| !is_there(value)).cloned().collect();
                merged.extend(more);
            } else if merged.is_empty() && !given.contains(&description.attribute) {
                merged.clone_from(values);
            }
            draft.set(description, merged);
        }
        before
    }
}

/// What a client finds a user by: the externalId that it gave, and the user name.
pub(super) fn names_of(schema: &Schema, client: &str) -> [Description; 2] {
    let known = schema.known();
    [Description { attribute: known.hc_external_id, options: external_id_option(client) }, Description::plain(known.uid)]
}

fn finder(schema: &Schema, client: &str, name: &Description, value: &[u8]) -> Option<String> {
    let mut normal = Vec::new();
    schema.normalize(name.attribute, value, &mut normal).ok()?;
    let value: String = normal.iter().map(|octet| format!("{octet:02x}")).collect();
    Some(format!("kept-by/{client}/{}/{value}", schema.attribute_type(name.attribute).name()))
}

/// The user that a client deleted and that had this name.
pub(super) fn found(schema: &Schema, facts: &dyn Facts, client: &str, name: &Description, value: &[u8]) -> Option<(String, Kept)> {
    let id = facts.meta(&finder(schema, client, name, value)?)?;
    let id = std::str::from_utf8(&id).ok()?.to_owned();
    read(facts, &id).map(|kept| (id, kept))
}

fn forget(schema: &Schema, txn: &mut Transaction<'_>, id: &str, kept: &Kept) {
    for finder in kept.finders(schema) {
        if txn.meta(&finder).is_some_and(|held| &*held == id.as_bytes()) {
            txn.put_meta(&finder, None);
        }
    }
    txn.put_meta(&key(id), None);
}

impl Work<'_, '_> {
    /// Whether the entry is kept from now on.
    pub(in super::super) fn is_kept(&self, entry: &Entry) -> bool {
        let id = entry.text(self.core.schema.known().entry_uuid).unwrap_or_default();
        self.txn.meta(&key(id)).is_some()
    }

    /// Keeps a user that goes.
    pub(in super::super) fn keep(&mut self, entry: &Entry, client: &Client) -> Result<(), Error> {
        let schema = Arc::clone(&self.core.schema);
        let known = schema.known();
        let Some(organisation) = organisation_of(&*self.txn, entry.id) else { return Ok(()) };
        let ends = [known.hc_application_password, known.hc_deleted_by, known.modify_timestamp, known.modifiers_name];
        let attributes = schema.unseal(entry).attributes;
        let kept = Kept {
            organisation,
            parent: entry.parent,
            rdn: entry.rdn.to_string(),
            deleted: self.now,
            by: self.caller.identity.name.clone(),
            client: client.id.clone(),
            attributes: attributes
                .into_iter()
                .filter(|held| !ends.contains(&held.description.attribute))
                .map(|held| (schema.describe(&held.description), held.values))
                .collect(),
            edges: self.edges_of(entry)?,
        };
        let id = entry.text(known.entry_uuid).unwrap_or_default().to_owned();
        for finder in kept.finders(&schema) {
            self.txn.put_meta(&finder, Some(id.clone().into_bytes()));
        }
        let octets = postcard::to_stdvec(&kept).map_err(|_| Error::Internal)?;
        self.txn.put_meta(&key(&id), Some(octets));
        Ok(())
    }

    fn edges_of(&self, entry: &Entry) -> Result<Vec<Edge>, Error> {
        let schema = &self.core.schema;
        let mut kept = Vec::new();
        for attribute in edges(schema) {
            let outward = self.txn.targets(entry.id, attribute, None, usize::MAX).into_iter().map(|found| (found, true));
            let inward = self.txn.sources(entry.id, attribute).into_iter().map(|found| (found, false));
            for ((other, level), outward) in outward.chain(inward) {
                self.look_at(1, 0)?;
                let other = self.txn.entry(other).and_then(|other| other.text(schema.known().entry_uuid).map(str::to_owned));
                let attribute = schema.attribute_type(attribute).name().to_owned();
                kept.extend(other.map(|other| Edge { attribute, other, level, outward }));
            }
        }
        Ok(kept)
    }

    /// Sets the links a kept user had, as far as the others are there, under its new number; those of `given` attributes are as
    /// they are given now.
    pub(in super::super) fn link_again(&mut self, kept: &Kept, user: EntryId, given: &[AttributeId]) -> Result<(), Error> {
        let schema = Arc::clone(&self.core.schema);
        let uuid = schema.known().entry_uuid;
        for edge in &kept.edges {
            let mut normal = Vec::new();
            let (Some(attribute), Ok(())) = (schema.attribute(&edge.attribute), schema.normalize(uuid, edge.other.as_bytes(), &mut normal))
            else {
                continue;
            };
            self.look_at(1, 0)?;
            let other =
                self.txn.equal(uuid, &normal).into_iter().find(|other| organisation_of(&*self.txn, *other) == Some(kept.organisation));
            let Some(other) = other.filter(|_| !(edge.outward && given.contains(&attribute))) else { continue };
            // Somebody else has taken the place meanwhile.
            if !edge.outward && schema.attribute_type(attribute).single_value && self.txn.target_count(other, attribute) > 0 {
                continue;
            }
            let (source, target) = if edge.outward { (user, other) } else { (other, user) };
            self.set_link(Link { source, attribute, target, level: edge.level });
        }
        Ok(())
    }

    /// Brings a kept user back under this name, with what is given anew.
    pub(super) fn bring_back(
        &mut self,
        (id, kept): (String, Kept),
        dn: &str,
        attributes: Vec<(String, Vec<Vec<u8>>)>,
    ) -> Result<WriteOutcome, Error> {
        self.brings_back = true;
        let outcome = self.add_entry(dn, attributes, Some(&kept))?;
        let schema = Arc::clone(&self.core.schema);
        forget(&schema, self.txn, &id, &kept);
        Ok(outcome)
    }
}

impl Directory {
    /// The users that are kept in the organisations of the caller.
    pub fn kept_users(&self, caller: &Caller) -> Vec<KeptUser> {
        let memory = self.memory();
        let kept_for = self.settings().keep_deleted;
        let mut found: Vec<KeptUser> = all(memory)
            .filter(|(_, kept)| self.keeps(caller, kept.organisation))
            .map(|(id, kept)| KeptUser { id, dn: kept.dn(memory), deleted: kept.deleted, until: kept.deleted.plus(kept_for), by: kept.by })
            .collect();
        found.sort_by_key(|user| user.deleted);
        found
    }

    /// Brings a kept user back as it was, with the same id; answers its DN. Refused where its name is in use by now.
    pub async fn restore_user(&self, caller: &Caller, id: &str) -> Result<String, Error> {
        let id = id.trim().to_ascii_lowercase();
        let unknown = || Error::Constraint(format!("no deleted user is kept under the id {}", tree::shorten(&id)));
        let kept = read(self.memory(), &id).filter(|kept| self.keeps(caller, kept.organisation));
        kept.ok_or_else(unknown)?;
        let core = Arc::clone(self.core());
        let (caller, id) = (caller.clone(), id.clone());
        self.store()
            .write(move |txn| {
                let Some(kept) = read(&*txn, &id) else { return Err(Error::Constraint("the user is not kept any more".to_owned())) };
                let dn = kept.dn(&*txn);
                let options = WriteOptions::default();
                Work::begin(&core, txn, &caller, &options)?.bring_back((id, kept), &dn, Vec::new())?;
                Ok(dn)
            })
            .await
    }

    /// Forgets users that were kept for as long as the settings say. To be called now and then.
    pub async fn forget_kept_users(&self) -> Result<(), Error> {
        let (now, kept_for) = (self.clock().now(), self.settings().keep_deleted);
        let over = move |kept: &Kept| now >= kept.deleted.plus(kept_for);
        let old: Vec<String> = all(self.memory()).filter(|(_, kept)| over(kept)).map(|(id, _)| id).collect();
        if old.is_empty() {
            return Ok(());
        }
        let core = Arc::clone(self.core());
        self.store()
            .write(move |txn| {
                for id in old {
                    if let Some(kept) = read(&*txn, &id).filter(over) {
                        forget(&core.schema, txn, &id, &kept);
                        let items = kept.items(&core.schema, &*txn);
                        Work::begin(&core, txn, &system_caller(&Origin::system()), &WriteOptions::default())?.delete_content(&items)?;
                    }
                }
                Ok::<_, Error>(())
            })
            .await
    }
}
