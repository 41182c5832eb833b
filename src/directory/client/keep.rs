//! Clients as their keepers see them: the operator all, an Organisation Admin those of the organisation. A change counts
//! from the next request of the client on.

use super::super::token;
use super::super::tree::{self, Resolved};
use super::super::{Caller, Directory, Error};
use super::log::log_key;
use super::signing::{sign_for, signed_key};
use super::{Client, ClientSettings, named, read};
use crate::base::jwk::KeySet;
use crate::base::{EntryId, Timestamp};
use crate::model::{Facts, Kind};
use crate::store::{AuditRecord, Transaction};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Settings by their names, as they are to be: what is not named stays. `null` for a ceiling that there is not to be.
pub type SettingsChange = Map<String, Value>;

/// Characters of a client's name.
const NAME: usize = 128;
/// Requests a second that any client may make at least, and at most.
const RATES: std::ops::RangeInclusive<u32> = 25..=10_000;
/// Seconds that the window of a ceiling may have: a minute to 31 days.
const WINDOWS: std::ops::RangeInclusive<u64> = 60..=31 * 86_400;

/// A client as its keepers see it.
#[derive(Clone, Debug)]
pub struct ClientInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The DN of its organisation.
    pub organisation: String,
    /// When it was made.
    pub created: Timestamp,
    /// How it is dealt with.
    pub settings: ClientSettings,
    /// How many tokens of it are good.
    pub tokens: usize,
    /// Since when it is paused at its ceiling of deactivations.
    pub paused: Option<Timestamp>,
    /// How many of its references wait for whom they name.
    pub pending: usize,
}

impl Client {
    /// What records of the audit log call it.
    pub(in super::super) fn told(&self) -> String {
        format!("client:{} {}", self.id, tree::shorten(&self.name))
    }
}

impl ClientSettings {
    /// These with a change. The error names what cannot be.
    fn changed(&self, change: &SettingsChange) -> Result<Self, Error> {
        let Ok(Value::Object(mut settings)) = serde_json::to_value(self) else { return Err(Error::Internal) };
        settings.extend(change.iter().map(|(name, value)| (name.clone(), value.clone())));
        let changed: Self = serde_json::from_value(Value::Object(settings)).map_err(|error| Error::Constraint(error.to_string()))?;
        self.check_signing(&changed, change)?;
        if !RATES.contains(&changed.rate) {
            return Err(Error::Constraint(format!("the rate is to be from {} to {} requests a second", RATES.start(), RATES.end())));
        }
        if !WINDOWS.contains(&changed.window) {
            return Err(Error::Constraint("the window is to be from a minute to 31 days".to_owned()));
        }
        Ok(changed)
    }
}

/// What a record of the audit log tells of a client: what it is, and the settings that were named.
fn told(client: &Client, change: &SettingsChange) -> String {
    let named = |value: &Value| KeySet::read(value).map_or_else(|_| "null".to_owned(), |keys| json!(keys.names()).to_string());
    let value = |name: &str, value: &Value| if name == "keys" { named(value) } else { value.to_string() };
    let settings = change.iter().map(|(name, held)| format!(" {name}={}", value(name, held))).collect::<String>();
    format!("{}{settings}", client.told())
}

/// Keeps a client as it is.
pub(in super::super) fn put(txn: &mut Transaction<'_>, client: &Client) -> Result<(), Error> {
    txn.put_meta(&Client::key(&client.id), Some(token::octets(client)?));
    Ok(())
}

/// A new client, whose name is free in its organisation as the transaction sees it.
pub(in super::super) fn begin(organisation: EntryId, name: &str, created: Timestamp, change: &SettingsChange) -> Result<Client, Error> {
    let length = name.chars().count();
    if name.trim() != name || length == 0 || length > NAME || name.chars().any(char::is_control) {
        return Err(Error::Constraint(format!(
            "the name of a client has 1 to {NAME} characters, no blank at its ends and no control characters"
        )));
    }
    let client = Client::new(token::random_id(), organisation, name.to_owned(), created);
    Ok(Client { settings: client.settings.changed(change)?, ..client })
}

impl Directory {
    /// Makes a client of an organisation, with a new id or the one it had in another data folder. The name must be free there, and
    /// the id everywhere.
    pub async fn add_client(
        &self,
        caller: &Caller,
        organisation: &str,
        name: &str,
        id: Option<&str>,
        change: &SettingsChange,
    ) -> Result<ClientInfo, Error> {
        let organisation = self.organisation_for(caller, organisation)?;
        let now = self.clock().now();
        let mut client = begin(organisation, name, now, change)?;
        if let Some(id) = id {
            id.clone_into(&mut client.id);
            if !token::is_id(id) {
                return Err(Error::Constraint("the id of a client has 16 hexadecimal digits in lower case".to_owned()));
            }
        }
        let record = self.keeping(caller, "client-add", organisation, told(&client, change));
        let change = change.clone();
        let made = self
            .store()
            .write(move |txn| {
                if named(txn, organisation, &client.name).is_some() {
                    return Err(Error::AlreadyExists(format!("the organisation has a client {}", client.name)));
                }
                if txn.meta(&Client::key(&client.id)).is_some() {
                    return Err(Error::AlreadyExists(format!("there is a client with the id {}", client.id)));
                }
                let client = sign_for(txn, None, client, &change, now)?;
                put(txn, &client)?;
                txn.audit(record);
                Ok(client)
            })
            .await?;
        Ok(self.client_info(made))
    }

    /// The clients that the caller keeps, of all its organisations or of one.
    pub fn clients(&self, caller: &Caller, organisation: Option<&str>) -> Result<Vec<ClientInfo>, Error> {
        let only = organisation.map(|organisation| self.organisation_for(caller, organisation)).transpose()?;
        let mut found: Vec<Client> = read(self.memory()).filter(|client| self.keeps(caller, client.organisation)).collect();
        found.retain(|client| only.is_none_or(|only| only == client.organisation));
        let mut found: Vec<ClientInfo> = found.into_iter().map(|client| self.client_info(client)).collect();
        found.sort_by(|left, right| (&left.organisation, &left.name).cmp(&(&right.organisation, &right.name)));
        Ok(found)
    }

    /// The client of that name or id among those the caller keeps. Where organisations have one of that name each, it has to
    /// be said of which.
    pub fn client_named(&self, caller: &Caller, organisation: Option<&str>, name: &str) -> Result<ClientInfo, Error> {
        Ok(self.client_info(self.kept_client(caller, organisation, name)?))
    }

    /// Changes how a client is dealt with.
    pub async fn change_client(
        &self,
        caller: &Caller,
        organisation: Option<&str>,
        name: &str,
        change: SettingsChange,
    ) -> Result<ClientInfo, Error> {
        let client = self.kept_client(caller, organisation, name)?;
        let record = self.keeping(caller, "client-change", client.organisation, told(&client, &change));
        let now = self.clock().now();
        let core = Arc::clone(self.core());
        let changed = self
            .store()
            .write(move |txn| {
                let held = txn.meta(&Client::key(&client.id)).and_then(|octets| Client::read(&client.id, &octets));
                let held = held.ok_or_else(|| unknown(&client.name))?;
                let changed = Client { settings: held.settings.changed(&change)?, ..held.clone() };
                let changed = sign_for(txn, Some(&held), changed, &change, now)?;
                put(txn, &changed)?;
                txn.audit(record);
                txn.when_settled(move |_| core.authority_changed());
                Ok::<_, Error>(changed)
            })
            .await?;
        Ok(self.client_info(changed))
    }

    /// Removes a client: its tokens are refused from then on.
    pub async fn remove_client(&self, caller: &Caller, organisation: Option<&str>, name: &str) -> Result<(), Error> {
        let client = self.kept_client(caller, organisation, name)?;
        let record = self.keeping(caller, "client-remove", client.organisation, told(&client, &SettingsChange::new()));
        let core = Arc::clone(self.core());
        self.store()
            .write(move |txn| {
                let held = txn.meta(&Client::key(&client.id)).and_then(|octets| Client::read(&client.id, &octets));
                held.into_iter().filter_map(|held| signed_key(&held)).for_each(|key| txn.put_meta(&key, None));
                txn.put_meta(&Client::key(&client.id), None);
                txn.put_meta(&log_key(&client.id), None);
                token::revoke_all(txn, &client.id);
                txn.audit(record);
                txn.when_settled(move |_| {
                    core.clients.forget(&client.id);
                    core.authority_changed();
                });
                Ok::<_, Error>(())
            })
            .await
    }

    pub(in super::super) fn kept_client(&self, caller: &Caller, organisation: Option<&str>, name: &str) -> Result<Client, Error> {
        let only = organisation.map(|organisation| self.organisation_for(caller, organisation)).transpose()?;
        let of = |client: &Client| self.keeps(caller, client.organisation) && only.is_none_or(|only| only == client.organisation);
        let mut found: Vec<Client> =
            read(self.memory()).filter(|client| (client.id == name || client.is_named(name)) && of(client)).collect();
        match (found.pop(), found.is_empty()) {
            (Some(client), true) => Ok(client),
            (Some(_), false) => Err(Error::Constraint(format!("more than one organisation has a client {name}: say which organisation"))),
            (None, _) => Err(unknown(name)),
        }
    }

    fn client_info(&self, client: Client) -> ClientInfo {
        let (tokens, paused) = (self.live_tokens(&client.id), self.paused_since(&client.id));
        let pending = self.pending_count(&client.id);
        let Client { id, organisation, name, created, settings, signed_by: _ } = client;
        ClientInfo { id, name, organisation: tree::dn_of(self.memory(), organisation), created, settings, tokens, paused, pending }
    }

    /// Whether the caller keeps the clients and tokens of an organisation: the operator, or an administrator of it.
    pub(in super::super) fn keeps(&self, caller: &Caller, organisation: EntryId) -> bool {
        let identity = &caller.identity;
        let may = identity.is_operator() || (identity.organisation_admin && identity.organisation == Some(organisation));
        may && self.memory().entry(organisation).is_some()
    }

    /// The organisation of that DN, where the caller keeps its clients.
    pub(in super::super) fn organisation_for(&self, caller: &Caller, dn: &str) -> Result<EntryId, Error> {
        let memory = self.memory();
        let parsed = tree::parse_dn(dn)?;
        let found = match tree::resolve(self.schema(), &self.current().suffixes, memory, &parsed) {
            Resolved::Found(id) => memory.entry(id).filter(|entry| entry.kind == Kind::Organisation),
            Resolved::Missing { .. } | Resolved::Outside => None,
        };
        let kept = found.map(|entry| entry.id).filter(|id| self.keeps(caller, *id));
        kept.ok_or_else(|| Error::NoSuchObject { matched: String::new() })
    }

    /// What the audit log keeps of a change to what an organisation's clients are let in by: ids and names, never a secret.
    pub(in super::super) fn keeping(&self, caller: &Caller, operation: &str, organisation: EntryId, detail: String) -> AuditRecord {
        let entry = self.memory().entry(organisation);
        let uuid = entry.and_then(|entry| entry.text(self.schema().known().entry_uuid).map(str::to_owned));
        AuditRecord {
            time: self.clock().now().millis(),
            organisation: uuid.clone(),
            operation: operation.to_owned(),
            target: tree::dn_of(self.memory(), organisation),
            target_id: uuid.unwrap_or_default(),
            detail,
            ..caller.record()
        }
    }
}

fn unknown(name: &str) -> Error {
    Error::Constraint(format!("there is no client {name}"))
}
