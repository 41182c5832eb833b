//! References of clients to somebody who is not there yet (quirk 48): identity providers send managers and members out of order.
//! Such a reference waits, and is a link from the commit on in which whom it names arrives: by id, by the externalId that
//! this client gave, and for a manager by user name. What the client may not see never arrives for it (HC5). Records
//! outside the tree: `pending/<organisation>/<name>/<client>/<holder>/<link>/…` is one, `pending-of/<holder>/…` leads to it, and
//! `pending-count/<client>` says how many a client has. They show in no answer but in what is told to administrators.

use super::super::client::Client;
use super::super::error::Error;
use super::super::identity::{Caller, Identity, Origin, Standing};
use super::super::write::Work;
use super::super::{Directory, tree};
use super::external_id_option;
use crate::access::Grants;
use crate::base::{EntryId, Timestamp};
use crate::domain::organisation_of;
use crate::model::{AttributeId, Entry, Facts, Kind, Level, Link};
use crate::schema::{LinkView, Schema};
use crate::store::Transaction;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

const PENDING: &str = "pending/";
/// How long a reference waits.
const WAITS: Duration = Duration::from_secs(30 * 86_400);
/// References of one client that may wait.
const MOST: usize = 10_000;
/// References that may wait for one name: they all become links in one step.
const MOST_FOR_ONE: usize = 1_000;
/// Octets of a name.
const LENGTH: usize = 512;
/// References that are forgotten in one step of the writer.
const STEP: usize = 500;

/// A reference that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pending {
    client: String,
    organisation: EntryId,
    /// Who refers.
    holder: EntryId,
    /// The attribute that it is to show in.
    attribute: String,
    /// As the client named it.
    value: String,
    since: Timestamp,
}

/// A reference that waits, as the keepers of its client see it.
#[derive(Clone, Debug)]
pub struct PendingReference {
    /// The DN of who refers.
    pub holder: String,
    /// The LDAP attribute that it is to show in.
    pub attribute: String,
    /// Whom the client named, as it did.
    pub value: String,
    /// Since when it waits.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// Somebody whom a client names.
#[derive(Clone, Debug)]
pub struct Named {
    /// The number of the entry.
    pub entry: EntryId,
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// Its DN.
    pub dn: String,
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A name as it stands in keys: names that any of the attributes may take for equal are the same.
fn folded(schema: &Schema, name: &str) -> Option<String> {
    let mut normal = Vec::new();
    schema.normalize(schema.known().uid, name.as_bytes(), &mut normal).ok()?;
    Some(hexadecimal(&normal))
}

fn view_of(schema: &Schema, attribute: &str) -> Option<(AttributeId, LinkView)> {
    let attribute = schema.attribute(attribute)?;
    Some((attribute, schema.attribute_type(attribute).link?))
}

fn count_key(client: &str) -> String {
    format!("pending-count/{client}")
}

fn count(facts: &dyn Facts, client: &str) -> usize {
    let count = facts.meta(&count_key(client));
    count.and_then(|octets| std::str::from_utf8(&octets).ok()?.parse().ok()).unwrap_or_default()
}

impl Pending {
    /// Where it is kept, and what leads to it from its holder. A holder refers to a name once by the same links.
    fn keys(&self, schema: &Schema) -> Option<(String, String)> {
        let Self { client, organisation, holder, .. } = self;
        let (_, view) = view_of(schema, &self.attribute)?;
        let (name, link) = (folded(schema, &self.value)?, schema.attribute_type(view.edge).name());
        let exactly = hexadecimal(self.value.as_bytes());
        let key = format!("{PENDING}{}/{name}/{client}/{}/{link}/{exactly}", organisation.0, holder.0);
        Some((key, format!("pending-of/{}/{link}/{client}/{exactly}", holder.0)))
    }

    fn read(facts: &dyn Facts, key: &str) -> Option<Self> {
        serde_json::from_slice(&facts.meta(key)?).ok()
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now >= self.since.plus(WAITS)
    }
}

fn all(facts: &dyn Facts, prefix: &str) -> Vec<Pending> {
    facts.meta_range(prefix).into_iter().filter_map(|(_, octets)| serde_json::from_slice(&octets).ok()).collect()
}

/// Those that wait for a name in an organisation.
fn waiting_for(schema: &Schema, facts: &dyn Facts, organisation: EntryId, name: &str) -> Vec<Pending> {
    folded(schema, name).map(|name| all(facts, &format!("{PENDING}{}/{name}/", organisation.0))).unwrap_or_default()
}

/// Those of a holder, of one kind of link or of all.
fn of_holder(schema: &Schema, facts: &dyn Facts, holder: EntryId, link: Option<AttributeId>) -> Vec<Pending> {
    let link = link.map(|link| format!("{}/", schema.attribute_type(link).name())).unwrap_or_default();
    let leads = facts.meta_range(&format!("pending-of/{}/{link}", holder.0)).into_iter();
    leads.filter_map(|(_, key)| Pending::read(facts, std::str::from_utf8(&key).ok()?)).collect()
}

fn forget(schema: &Schema, txn: &mut Transaction<'_>, pending: &Pending) {
    let Some((key, lead)) = pending.keys(schema).filter(|(key, _)| txn.meta(key).is_some()) else { return };
    txn.put_meta(&key, None);
    txn.put_meta(&lead, None);
    let left = count(&*txn, &pending.client).saturating_sub(1);
    txn.put_meta(&count_key(&pending.client), (left > 0).then(|| left.to_string().into_bytes()));
}

/// Whom a client means by a name, among those of its organisation whom it may see; nobody where several are meant.
fn referred(schema: &Schema, facts: &dyn Facts, grants: &Grants, client: &Client, link: AttributeId, name: &str) -> Option<EntryId> {
    let known = schema.known();
    let option = external_id_option(&client.id);
    let own = |entry: &Entry| {
        let mut given = entry.get(known.hc_external_id).filter(|held| held.options() == option).flat_map(|held| held.values());
        given.any(|value| value == name.as_bytes())
    };
    let only = |attribute: AttributeId, is_meant: &dyn Fn(&Entry) -> bool| {
        let mut normal = Vec::new();
        schema.normalize(attribute, name.as_bytes(), &mut normal).ok()?;
        let is_there = |entry: &Arc<Entry>| {
            organisation_of(facts, entry.id) == Some(client.organisation()) && is_meant(entry) && grants.on(facts, entry).disclosed
        };
        let mut found = facts.equal(attribute, &normal).into_iter().filter_map(|id| facts.entry(id)).filter(is_there);
        let first = found.next()?;
        found.next().is_none().then_some(first.id)
    };
    let by_user_name = || only(known.uid, &|entry| entry.kind == Kind::User).filter(|_| link == known.manager);
    only(known.entry_uuid, &|_| true).or_else(|| only(known.hc_external_id, &own)).or_else(by_user_name)
}

/// Whether an entry has another name, or is seen by others, than before.
fn is_another(schema: &Schema, before: &Entry, after: &Entry) -> bool {
    let known = schema.known();
    let same =
        |attribute: AttributeId| before.get(attribute).map(|held| held.encoded()).eq(after.get(attribute).map(|held| held.encoded()));
    before.kind != after.kind || ![known.hc_external_id, known.uid, known.hc_deleted_by].into_iter().all(same)
}

impl Work<'_, '_> {
    /// The attributes of the references that the change wants to wait.
    pub(in super::super) fn pending_attributes(&self) -> Vec<AttributeId> {
        self.options.pending.iter().filter_map(|change| self.core.schema.attribute(&change.attribute)).collect()
    }

    /// Does what the client wants of references that wait. Whom one names may have arrived since the client asked: then it is
    /// a link at once. `before` is who refers, where it is there already; else it is to stand under `parent`.
    pub(in super::super) fn settle_pending(
        &mut self,
        holder: EntryId,
        parent: Option<EntryId>,
        before: Option<&Entry>,
    ) -> Result<(), Error> {
        if self.options.pending.is_empty() {
            return Ok(());
        }
        let organisation = before.map(|entry| entry.id).or(parent).and_then(|at| organisation_of(&*self.txn, at));
        let schema = Arc::clone(&self.core.schema);
        let options = self.options;
        for change in &options.pending {
            let nobody = || Error::Constraint(format!("there is no {}", tree::shorten(&change.value)));
            // What a client that is gone has left waits for nobody.
            let is_there =
                |client: &Arc<Client>| Some(client.organisation()) == organisation && Client::of(&*self.txn, &client.id).is_some();
            let client = self.client().filter(is_there).ok_or_else(nobody)?;
            let (attribute, view) = view_of(&schema, &change.attribute).ok_or(Error::Internal)?;
            if let Some(entry) = before.filter(|entry| !self.access(entry).write.contains(attribute)) {
                let name = tree::dn_of(&*self.txn, entry.id);
                return Err(Error::InsufficientAccess(format!("no right to write {} of \"{name}\"", change.attribute)));
            }
            let pending = Pending {
                client: client.id.clone(),
                organisation: client.organisation(),
                holder,
                attribute: change.attribute.clone(),
                value: change.value.clone(),
                since: self.now,
            };
            let found = referred(&schema, &*self.txn, &self.grants, &client, view.edge, &change.value);
            match found.filter(|_| change.is_wanted) {
                Some(target) => drop(self.link_to(holder, view, target)),
                None if change.is_wanted => self.let_wait(&pending)?,
                None => forget(&schema, self.txn, &pending),
            }
        }
        Ok(())
    }

    fn let_wait(&mut self, pending: &Pending) -> Result<(), Error> {
        let schema = Arc::clone(&self.core.schema);
        let is_name = !pending.value.is_empty() && pending.value.len() <= LENGTH && !pending.value.chars().any(char::is_control);
        let Some((key, lead)) = pending.keys(&schema).filter(|_| is_name) else {
            return Err(Error::Constraint(format!("{} is nobody's name", tree::shorten(&pending.value))));
        };
        if self.txn.meta(&key).is_none() {
            let held = count(&*self.txn, &pending.client);
            if held >= MOST {
                return Err(Error::Constraint(format!(
                    "there is no {}, and {held} references of the client wait for others already: no more can",
                    tree::shorten(&pending.value)
                )));
            }
            if waiting_for(&schema, &*self.txn, pending.organisation, &pending.value).len() >= MOST_FOR_ONE {
                return Err(Error::Constraint(format!(
                    "there is no {}, and {MOST_FOR_ONE} references wait for it already: no more can",
                    tree::shorten(&pending.value)
                )));
            }
            self.txn.put_meta(&count_key(&pending.client), Some((held + 1).to_string().into_bytes()));
        }
        self.txn.put_meta(&lead, Some(key.clone().into_bytes()));
        self.txn.put_meta(&key, Some(serde_json::to_vec(pending).map_err(|_| Error::Internal)?));
        Ok(())
    }

    /// Sets a link unless there is one that says as much; answers whether it did.
    fn link_to(&mut self, source: EntryId, view: LinkView, target: EntryId) -> bool {
        let held = self.txn.link(source, view.edge, target);
        let is_there = match view.level {
            None => held.is_some_and(|held| held > Level::Past),
            Some(level) => held == Some(level),
        };
        if !is_there {
            self.set_link(Link { source, attribute: view.edge, target, level: view.level.unwrap_or_default() });
        }
        !is_there
    }

    /// What waits of a holder waits no more: of one kind of link, or of all.
    pub(in super::super) fn forget_pending(&mut self, holder: EntryId, link: Option<AttributeId>) {
        let schema = Arc::clone(&self.core.schema);
        of_holder(&schema, &*self.txn, holder, link).iter().for_each(|pending| forget(&schema, self.txn, pending));
    }

    /// Somebody is there now, or goes by another name than before: what waits for that becomes links.
    pub(in super::super) fn join_pending(&mut self, before: Option<&Entry>, after: &Entry) -> Result<(), Error> {
        let schema = Arc::clone(&self.core.schema);
        let known = schema.known();
        if before.is_some_and(|before| !is_another(&schema, before, after)) {
            return Ok(());
        }
        let Some(organisation) = organisation_of(&*self.txn, after.id) else { return Ok(()) };
        let names = [known.entry_uuid, known.hc_external_id, known.uid].into_iter().flat_map(|attribute| after.get(attribute));
        let names = names.flat_map(|held| held.values()).filter_map(|value| std::str::from_utf8(value).ok());
        let mut clients: HashMap<String, Option<(Client, Arc<Grants>)>> = HashMap::new();
        for name in names.collect::<BTreeSet<_>>() {
            for pending in waiting_for(&schema, &*self.txn, organisation, name) {
                let client = clients.entry(pending.client.clone()).or_insert_with(|| self.with_grants(&pending.client));
                if let Some((client, grants)) = client {
                    self.join_one(&pending, client, grants, after)?;
                }
            }
        }
        Ok(())
    }

    /// A client, and what it may do.
    fn with_grants(&self, id: &str) -> Option<(Client, Arc<Grants>)> {
        let client = Client::of(&*self.txn, id)?;
        let identity = Identity {
            standing: Standing::Client,
            organisation: Some(client.organisation()),
            client: Some(Arc::new(client.clone())),
            ..Identity::anonymous()
        };
        let caller = Caller { identity: Arc::new(identity), origin: Arc::new(Origin::system()) };
        let grants = self.core.grants(&self.current, &*self.txn, &caller);
        Some((client, grants))
    }

    /// Makes a link of one, where its client means who has arrived and may still refer to anybody there. Where the rules of the
    /// domain refuse what it comes to, it goes on waiting: nobody else's change fails by it.
    fn join_one(&mut self, pending: &Pending, client: &Client, grants: &Grants, arrived: &Entry) -> Result<(), Error> {
        let schema = Arc::clone(&self.core.schema);
        let (Some(holder), Some((attribute, view))) = (self.txn.entry(pending.holder), view_of(&schema, &pending.attribute)) else {
            return Ok(());
        };
        let meant = referred(&schema, &*self.txn, grants, client, view.edge, &pending.value) == Some(arrived.id);
        let may_refer = organisation_of(&*self.txn, holder.id) == Some(client.organisation())
            && grants.on(&*self.txn, &holder).write.contains(attribute);
        if !meant || !may_refer {
            return Ok(());
        }
        let taken = view.edge == schema.known().manager && self.txn.target_count(holder.id, view.edge) > 0;
        if !taken && self.link_to(holder.id, view, arrived.id) {
            let mut draft = schema.unseal(&holder);
            self.stamp_changed(&mut draft);
            let place = self.place_of(&holder);
            match self.put(Some(&holder), &draft, place) {
                Ok(after) => {
                    let told = format!("pending reference of client:{}", client.id);
                    self.audit_change_with("modify", (Some(&holder), Some(&after)), vec![pending.attribute.clone()], told);
                }
                Err(error) => {
                    tracing::info!(client = client.id, %error, "a pending reference cannot become a link");
                    self.unset_link(holder.id, view.edge, arrived.id);
                    return Ok(());
                }
            }
        }
        forget(&schema, self.txn, pending);
        Ok(())
    }
}

/// The client that asks.
fn own_client(caller: &Caller) -> Option<&Client> {
    caller.identity.client.as_deref().filter(|_| caller.identity.standing == Standing::Client)
}

impl Directory {
    /// Whom a client means by a name in a link attribute: an id, an externalId that it gave, or for a manager a user name.
    pub fn named_by_client(&self, caller: &Caller, attribute: &str, name: &str) -> Option<Named> {
        let (schema, memory) = (self.schema(), self.memory());
        let (_, view) = view_of(schema, attribute)?;
        let found = referred(schema, memory, &self.grants(caller), own_client(caller)?, view.edge, name)?;
        let entry = memory.entry(found)?;
        let id = entry.text(schema.known().entry_uuid)?.to_owned();
        Some(Named { entry: found, id, kind: entry.kind, dn: tree::dn_of(memory, found) })
    }

    /// The attribute that a reference of the client waits to show in, where it waits.
    pub fn pending(&self, caller: &Caller, holder: EntryId, attribute: &str, value: &str) -> Option<String> {
        let client = own_client(caller)?;
        let sought = Pending {
            client: client.id.clone(),
            organisation: client.organisation(),
            holder,
            attribute: attribute.to_owned(),
            value: value.to_owned(),
            since: Timestamp::from_millis(0),
        };
        Pending::read(self.memory(), &sought.keys(self.schema())?.0).map(|pending| pending.attribute)
    }

    /// What waits of a holder for the client, of the links that an attribute shows: attributes and values.
    pub fn pending_of(&self, caller: &Caller, holder: EntryId, attribute: &str) -> Vec<(String, String)> {
        let (Some(client), Some((_, view))) = (own_client(caller), view_of(self.schema(), attribute)) else { return Vec::new() };
        let found = of_holder(self.schema(), self.memory(), holder, Some(view.edge)).into_iter();
        found.filter(|pending| pending.client == client.id).map(|pending| (pending.attribute, pending.value)).collect()
    }

    /// How many references of a client wait.
    pub(in super::super) fn pending_count(&self, client: &str) -> usize {
        count(self.memory(), client)
    }

    /// The references of a client that wait, the oldest first.
    pub fn pending_references(&self, caller: &Caller, organisation: Option<&str>, name: &str) -> Result<Vec<PendingReference>, Error> {
        let client = self.kept_client(caller, organisation, name)?;
        let memory = self.memory();
        let mut found = all(memory, &format!("{PENDING}{}/", client.organisation().0));
        found.retain(|pending| pending.client == client.id);
        found.sort_by(|left, right| (left.since, &left.value).cmp(&(right.since, &right.value)));
        let told = |pending: Pending| PendingReference {
            holder: tree::dn_of(memory, pending.holder),
            attribute: pending.attribute,
            value: pending.value,
            since: pending.since,
            until: pending.since.plus(WAITS),
        };
        Ok(found.into_iter().map(told).collect())
    }

    /// Forgets references that have waited for long enough, and those of clients that there are no more. To be called now and
    /// then.
    pub async fn forget_pending_references(&self) -> Result<(), Error> {
        let now = self.clock().now();
        let memory = self.memory();
        let is_over = |pending: &Pending| pending.is_over(now) || Client::of(memory, &pending.client).is_none();
        let over: Vec<Pending> = all(memory, PENDING).into_iter().filter(is_over).collect();
        for some in over.chunks(STEP).map(<[Pending]>::to_vec) {
            let core = Arc::clone(self.core());
            let step = move |txn: &mut Transaction<'_>| {
                for pending in some {
                    // It may have been made anew meanwhile.
                    let held = pending.keys(&core.schema).and_then(|(key, _)| Pending::read(&*txn, &key));
                    if held.is_some_and(|held| held.since == pending.since) {
                        forget(&core.schema, txn, &pending);
                    }
                }
                Ok::<_, Error>(())
            };
            self.store().write(step).await?;
        }
        Ok(())
    }
}
