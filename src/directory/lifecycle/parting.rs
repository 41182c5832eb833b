//! What becomes of users and groups when the client that kept them is removed: they stay as they are, become the
//! organisation's own, or go as they would have gone by a DELETE of the client. In steps, so that nobody waits for all of it,
//! and so that it can be asked for again where it broke off.

use super::super::client::{self, Client, ClientSettings, Scope};
use super::super::error::Error;
use super::super::identity::{Caller, Identity, Standing};
use super::super::request::WriteOptions;
use super::super::token;
use super::super::write::Work;
use super::super::{Directory, Write, tree};
use super::{ceiling, external_id_option, names};
use crate::base::EntryId;
use crate::model::{Description, Entry, Facts, Kind};
use crate::schema::Schema;
use crate::store::Transaction;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Entries that are changed in one step of the writer.
const STEP: usize = 50;

/// What becomes of what a client made or was given, when it is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provisioned {
    /// It stays, and says whose it was.
    #[default]
    Keep,
    /// It stays, without the mark of the client and without its externalId.
    Convert,
    /// It goes as the client's setting for its DELETE has it; what the client could not delete is converted.
    Remove,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Parting {
    /// How many entries are the organisation's own now.
    pub converted: usize,
    /// How many are deleted or disabled.
    pub removed: usize,
    /// The DNs of those that could not go, and why.
    pub left: Vec<(String, String)>,
}

/// What became of one entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parted {
    Converted,
    Removed,
    Untouched,
}

/// Whether it is what providers provision, and not what came with it.
const fn is_provisioned(kind: Kind) -> bool {
    matches!(kind, Kind::Group | Kind::Person | Kind::Staff | Kind::User)
}

/// Whether an entry bears a mark of the client.
fn is_marked(schema: &Schema, entry: &Entry, client: &str) -> bool {
    let (known, option) = (schema.known(), external_id_option(client));
    names(entry, known.hc_provisioned_by, client)
        || names(entry, known.hc_deleted_by, client)
        || entry.get(known.hc_external_id).any(|held| held.options() == option)
}

impl Directory {
    /// Removes a client, and does with what it made or was given as is said. To remove that too the number of users, staff
    /// records and groups must be `expected`; where it is not, or is given otherwise, nothing is done.
    pub async fn part_with_client(
        &self,
        caller: &Caller,
        organisation: Option<&str>,
        name: &str,
        provisioned: Provisioned,
        expected: Option<usize>,
    ) -> Result<Parting, Error> {
        let client = self.kept_client(caller, organisation, name)?;
        let mut parting = Parting::default();
        let (marked, count) = self.marked_by(&client);
        if expected.map_or(provisioned == Provisioned::Remove, |expected| expected != count) {
            return Err(Error::Constraint(format!(
                "the client {} made or was given {count} users, staff records and groups: nothing is done unless that number is expected",
                client.name
            )));
        }
        if provisioned != Provisioned::Keep {
            self.shut_out(caller, &client).await?;
            for some in marked.chunks(STEP) {
                self.part_with_some(caller, &client, provisioned, some, &mut parting).await?;
            }
        }
        self.remove_client(caller, organisation, &client.id).await?;
        self.forget_pending_references().await?;
        Ok(parting)
    }

    /// The entries of the organisation that bear a mark of the client, and how many of them are users, staff records and groups
    /// that it made or was given.
    fn marked_by(&self, client: &Client) -> (Vec<EntryId>, usize) {
        let (schema, memory) = (self.schema(), self.memory());
        let known = schema.known();
        let (mut marked, mut count, mut waiting) = (Vec::new(), 0, vec![client.organisation()]);
        while let Some(at) = waiting.pop() {
            for entry in memory.children(at, None, usize::MAX).into_iter().filter_map(|id| memory.entry(id)) {
                if entry.kind == Kind::Organisation {
                    continue;
                }
                if is_marked(schema, &entry, &client.id) {
                    marked.push(entry.id);
                    count += usize::from(is_provisioned(entry.kind) && names(&entry, known.hc_provisioned_by, &client.id));
                }
                waiting.push(entry.id);
            }
        }
        // In the order in which they were made.
        marked.sort_unstable();
        (marked, count)
    }

    /// Lets the client do nothing from now on, so that nothing comes to what it has made.
    async fn shut_out(&self, caller: &Caller, client: &Client) -> Result<(), Error> {
        let record = self.keeping(caller, "client-change", client.organisation(), format!("{} scopes=[]", client.told()));
        let (core, client) = (Arc::clone(self.core()), client.clone());
        let step = move |txn: &mut Transaction<'_>| {
            let Some(mut held) = Client::of(&*txn, &client.id) else { return Ok(()) };
            held.settings.scopes = BTreeSet::new();
            client::put(txn, &held)?;
            token::revoke_all(txn, &client.id);
            ceiling::forget(txn, &client.id);
            txn.audit(record);
            txn.when_settled(move |_| core.authority_changed());
            Ok::<_, Error>(())
        };
        self.store().write(step).await
    }

    /// Does it with some, all in one step; where that fails, with each alone.
    async fn part_with_some(
        &self,
        caller: &Caller,
        client: &Client,
        provisioned: Provisioned,
        some: &[EntryId],
        parting: &mut Parting,
    ) -> Result<(), Error> {
        if let Ok(done) = self.part_step(caller, client, provisioned, some.to_vec()).await {
            done.into_iter().for_each(|done| parting.count(done));
            return Ok(());
        }
        for id in some {
            let error = match self.part_step(caller, client, provisioned, vec![*id]).await {
                Ok(done) => {
                    done.into_iter().for_each(|done| parting.count(done));
                    continue;
                }
                Err(error @ Error::Unavailable(_)) => return Err(error),
                Err(error) => error,
            };
            parting.left.push((tree::dn_of(self.memory(), *id), error.to_string()));
            if provisioned == Provisioned::Remove {
                let converted = self.part_step(caller, client, Provisioned::Convert, vec![*id]).await;
                converted.into_iter().flatten().for_each(|done| parting.count(done));
            }
        }
        Ok(())
    }

    async fn part_step(
        &self,
        caller: &Caller,
        client: &Client,
        provisioned: Provisioned,
        some: Vec<EntryId>,
    ) -> Result<Vec<Parted>, Error> {
        let (core, caller, deleting) = (Arc::clone(self.core()), caller.clone(), as_client(caller, client));
        let client = client.id.clone();
        let step = move |txn: &mut Transaction<'_>| {
            let options = WriteOptions::default();
            let mut done = Vec::with_capacity(some.len());
            for id in some {
                let removed = provisioned == Provisioned::Remove && Work::begin(&core, txn, &deleting, &options)?.remove_of(id, &client)?;
                let converted = Work::begin(&core, txn, &caller, &options)?.convert(id, &client)?;
                done.push(match (removed, converted) {
                    (true, _) => Parted::Removed,
                    (false, true) => Parted::Converted,
                    (false, false) => Parted::Untouched,
                });
            }
            Ok(done)
        };
        self.store().write(step).await
    }
}

impl Parting {
    fn count(&mut self, done: Parted) {
        match done {
            Parted::Converted => self.converted += 1,
            Parted::Removed => self.removed += 1,
            Parted::Untouched => {}
        }
    }
}

/// The client itself as far as it may delete what is its own, for whoever removes it.
fn as_client(caller: &Caller, client: &Client) -> Caller {
    let settings = ClientSettings {
        scopes: BTreeSet::from([Scope::Read, Scope::Users, Scope::Groups, Scope::Passwords]),
        deletion: client.settings.deletion,
        ..ClientSettings::default()
    };
    let identity = Identity {
        standing: Standing::Client,
        name: caller.identity.name.clone(),
        organisation: Some(client.organisation()),
        client: Some(Arc::new(Client { settings, ..client.clone() })),
        method: caller.identity.method,
        through: Some(format!("client:{}", client.id).into()),
        ..Identity::anonymous()
    };
    Caller { identity: Arc::new(identity), origin: Arc::clone(&caller.origin) }
}

impl Work<'_, '_> {
    /// Deletes an entry for the client, unless it is another client's too. Answers whether it did.
    fn remove_of(&mut self, id: EntryId, client: &str) -> Result<bool, Error> {
        let attribute = self.core.schema.known().hc_provisioned_by;
        let Some(entry) = self.txn.entry(id) else { return Ok(false) };
        let is_its_alone = names(&entry, attribute, client) && entry.values(attribute).count() == 1;
        if !is_provisioned(entry.kind) || !is_its_alone {
            return Ok(false);
        }
        self.run(Write::Delete { dn: tree::dn_of(&*self.txn, id) })?;
        Ok(true)
    }

    /// Takes the marks of the client off an entry. Answers whether it had any.
    fn convert(&mut self, id: EntryId, client: &str) -> Result<bool, Error> {
        let schema = Arc::clone(&self.core.schema);
        let known = schema.known();
        let Some(entry) = self.txn.entry(id).filter(|entry| is_marked(&schema, entry, client)) else { return Ok(false) };
        let mut draft = schema.unseal(&entry);
        for attribute in [known.hc_provisioned_by, known.hc_deleted_by] {
            let mut others = draft.values(attribute).to_vec();
            others.retain(|held| !held.eq_ignore_ascii_case(client.as_bytes()));
            draft.set(Description::plain(attribute), others);
        }
        draft.set(Description { attribute: known.hc_external_id, options: external_id_option(client) }, Vec::new());
        self.stamp_changed(&mut draft);
        let place = self.place_of(&entry);
        let after = self.put(Some(&entry), &draft, place)?;
        self.audit_change_with("client-convert", (Some(&entry), Some(&after)), Vec::new(), format!("client:{client}"));
        Ok(true)
    }
}
