//! Bearer tokens of provisioning clients: `hc_<id>_<secret>`, shown once, kept as a hash, good for one organisation
//! (HE9). They are records outside the tree, `token/<id>`.

use super::client::{self, Client};
use super::identity::{Caller, Identity, Method, Standing};
use super::tree::{self, Resolved};
use super::{Directory, Error, NewToken};
use crate::base::{EntryId, Secret, Timestamp, random};
use crate::model::{Facts, Kind};
use crate::store::AuditRecord;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

const PREFIX: &str = "token/";

/// What is kept of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    /// SHA-256 of the secret: it has 256 random bits, so nothing slower is needed.
    hash: [u8; 32],
    organisation: EntryId,
    name: String,
    created: Timestamp,
    expires: Option<Timestamp>,
    /// The client whose token it is; a token from before there were clients is one of its own.
    #[serde(default)]
    client: Option<String>,
}

/// A token as its keepers see it.
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// Its public id.
    pub id: String,
    /// The name it was given.
    pub name: String,
    /// The DN of its organisation.
    pub organisation: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it stops to work.
    pub expires: Option<Timestamp>,
}

fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

fn random_id() -> String {
    random::bytes::<8>().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn octets(record: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|_| Error::Internal)
}

impl Directory {
    /// Makes a token of the provisioning client `name` of an organisation (shown once, stored as a hash), and the client
    /// where there is none of that name yet.
    pub async fn mint_token(&self, caller: &Caller, organisation: &str, name: &str, lifetime: Option<Duration>) -> Result<NewToken, Error> {
        let entry = self.organisation_for(caller, organisation)?;
        let (id, secret) = (random_id(), random::token());
        let now = self.clock().now();
        let client = Client::new(random_id(), entry, name.to_owned(), now);
        let record = Record {
            hash: digest(secret.as_bytes()),
            organisation: entry,
            name: name.to_owned(),
            created: now,
            expires: lifetime.map(|lifetime| now.plus(lifetime)),
            client: None,
        };
        let key = format!("{PREFIX}{id}");
        let told = self.token_record(caller, "token-mint", &id, entry, name);
        self.store()
            .write(move |txn| {
                let client = match client::named(txn, entry, &client.name) {
                    Some(known) => known.id,
                    None => {
                        txn.put_meta(&Client::key(&client.id), Some(octets(&client)?));
                        client.id
                    }
                };
                txn.put_meta(&key, Some(octets(&Record { client: Some(client), ..record })?));
                txn.audit(told);
                Ok::<_, Error>(())
            })
            .await?;
        let secret = Secret::new(["hc_", &id, "_", &secret].concat());
        Ok(NewToken { id, secret })
    }

    /// What the audit log keeps of a token that is made or revoked: its id and name, never the token.
    fn token_record(&self, caller: &Caller, operation: &str, id: &str, organisation: EntryId, name: &str) -> AuditRecord {
        let entry = self.memory().entry(organisation);
        let uuid = entry.and_then(|entry| entry.text(self.schema().known().entry_uuid).map(str::to_owned));
        AuditRecord {
            time: self.clock().now().millis(),
            organisation: uuid.clone(),
            operation: operation.to_owned(),
            target: tree::dn_of(self.memory(), organisation),
            target_id: uuid.unwrap_or_default(),
            detail: format!("token:{id} {}", tree::shorten(name)),
            ..caller.record()
        }
    }

    /// The operator, or an administrator of that organisation, may keep its tokens.
    fn organisation_for(&self, caller: &Caller, dn: &str) -> Result<EntryId, Error> {
        let memory = self.memory();
        let parsed = tree::parse_dn(dn)?;
        let found = match tree::resolve(self.schema(), &self.current().suffixes, memory, &parsed) {
            Resolved::Found(id) => memory.entry(id).filter(|entry| entry.kind == Kind::Organisation),
            Resolved::Missing { .. } | Resolved::Outside => None,
        };
        let identity = &caller.identity;
        match found {
            Some(entry) if identity.is_operator() || (identity.organisation_admin && identity.organisation == Some(entry.id)) => {
                Ok(entry.id)
            }
            _ => Err(Error::NoSuchObject { matched: String::new() }),
        }
    }

    /// The tokens of the organisations the caller keeps.
    pub fn tokens(&self, caller: &Caller) -> Result<Vec<TokenInfo>, Error> {
        Ok(self.token_list(caller))
    }

    fn token_list(&self, caller: &Caller) -> Vec<TokenInfo> {
        let memory = self.memory();
        let identity = &caller.identity;
        let keeps = |organisation| identity.is_operator() || (identity.organisation_admin && identity.organisation == Some(organisation));
        memory
            .meta_range(PREFIX)
            .into_iter()
            .filter_map(|(key, octets)| {
                let record: Record = serde_json::from_slice(&octets).ok()?;
                keeps(record.organisation).then(|| TokenInfo {
                    id: key.trim_start_matches(PREFIX).to_owned(),
                    name: record.name,
                    organisation: tree::dn_of(memory, record.organisation),
                    created: record.created,
                    expires: record.expires,
                })
            })
            .collect()
    }

    /// Revokes a token; the next request with it is refused.
    pub async fn revoke_token(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        if !self.token_list(caller).iter().any(|token| token.id == id) {
            return Err(Error::NoSuchObject { matched: String::new() });
        }
        let record = self.memory().meta(&format!("{PREFIX}{id}")).and_then(|octets| serde_json::from_slice::<Record>(&octets).ok());
        let told = record.map(|record| self.token_record(caller, "token-revoke", id, record.organisation, &record.name));
        let key = format!("{PREFIX}{id}");
        let core = Arc::clone(self.core());
        self.store()
            .write(move |txn| {
                txn.put_meta(&key, None);
                told.into_iter().for_each(|told| txn.audit(told));
                txn.when_settled(move |_| core.authority_changed());
                Ok::<_, Error>(())
            })
            .await
    }

    /// The identity of a bearer token, or `None` where it is unknown, expired or revoked.
    pub fn authenticate_token(&self, token: &Secret) -> Option<Arc<Identity>> {
        let generation = self.core().authority();
        let text = std::str::from_utf8(token.expose()).ok()?;
        let (id, secret) = text.strip_prefix("hc_")?.split_once('_')?;
        let record = self.live_record(id)?;
        if !bool::from(record.hash.ct_eq(&digest(secret.as_bytes()))) {
            return None;
        }
        Some(Arc::new(Identity {
            standing: Standing::Client,
            name: format!("token:{id}"),
            method: Method::Token,
            organisation: Some(record.organisation),
            client: Some(Arc::new(self.client_of(id, record))),
            generation,
            ..Identity::anonymous()
        }))
    }

    fn client_of(&self, token: &str, record: Record) -> Client {
        let known = record.client.as_deref().and_then(|id| self.client(id));
        known.unwrap_or_else(|| Client::new(token.to_owned(), record.organisation, record.name, record.created))
    }

    fn live_record(&self, id: &str) -> Option<Record> {
        let octets = self.memory().meta(&format!("{PREFIX}{id}"))?;
        let record: Record = serde_json::from_slice(&octets).ok()?;
        let live = record.expires.is_none_or(|expires| self.clock().now() < expires);
        (live && self.memory().entry(record.organisation).is_some()).then_some(record)
    }

    /// Whether the token behind an identity of that name still works.
    pub(super) fn token_is_live(&self, name: &str) -> bool {
        name.strip_prefix("token:").is_some_and(|id| self.live_record(id).is_some())
    }
}
