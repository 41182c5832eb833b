//! Bearer tokens of provisioning clients and of users: `hc_<id>_<secret>`, shown once, kept as a hash, good for one
//! organisation (HE9). They are records outside the tree, `token/<id>`.

mod access;
mod personal;
mod signed;

pub use access::{AccessGrant, AccessRefused};
pub use signed::Assertion;
pub(super) use signed::begin_signed;

use super::client::{self, Client, Profile};
use super::identity::{Caller, Identity, Method, Origin, Standing};
use super::tree;
use super::{Directory, Error, NewToken};
use crate::access::Scopes;
use crate::base::{EntryId, Secret, Timestamp, random};
use crate::model::Facts;
use crate::store::{AuditRecord, Transaction};
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
    /// The user that it acts as, where it is a personal one.
    #[serde(default)]
    user: Option<EntryId>,
    /// What signs the access tokens that a client is given for it, where it is a client secret. It opens nothing itself then.
    #[serde(default)]
    access_key: Option<[u8; 32]>,
    /// Whether it stands for what is signed by the keys of its client. Nothing opens it itself then.
    #[serde(default)]
    signed: bool,
}

/// A token near its end is one that has less than this left, and less than a quarter of its time.
const NEAR: Duration = Duration::from_secs(14 * 86_400);

/// Why a token is refused: for the log of logins and refusals, never for who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRefused {
    /// One of few reasons: the log counts what is refused for the same one.
    pub reason: String,
    /// The client, or the user, that it claims to be of, where there is that one.
    pub client: Option<String>,
}

impl TokenRefused {
    /// It is none that anybody was given.
    pub fn unknown() -> Self {
        Self { reason: "unknown token".to_owned(), client: None }
    }
}

impl Record {
    /// Whether it is a client secret.
    const fn is_secret(&self) -> bool {
        self.access_key.is_some() && !self.signed
    }

    fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    fn state(&self, now: Timestamp) -> TokenState {
        match self.expires {
            Some(expires) if expires <= now => TokenState::Over,
            Some(expires) if expires.since(now) < NEAR.min(expires.since(self.created) / 4) => TokenState::EndsSoon,
            Some(_) | None => TokenState::Good,
        }
    }
}

/// How long a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// For some time.
    Good,
    /// Not for long: another one is to be made now.
    EndsSoon,
    /// No longer.
    Over,
}

impl TokenState {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::EndsSoon => "ends soon",
            Self::Over => "over",
        }
    }
}

/// A token as its keepers see it.
#[derive(Clone, Debug)]
pub struct TokenInfo {
    /// Its public id.
    pub id: String,
    /// The name it was given.
    pub name: String,
    /// The name of the client whose token it is.
    pub client: Option<String>,
    /// The DN of the user that it acts as, where it is a personal one.
    pub user: Option<String>,
    /// The DN of its organisation.
    pub organisation: String,
    /// Whether it is a client secret, for which access tokens are given.
    pub is_secret: bool,
    /// Whether it stands for what is signed by the keys of its client.
    pub is_signed: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it stops to work.
    pub expires: Option<Timestamp>,
    /// How long it is good.
    pub state: TokenState,
    /// When it was last used.
    pub last_used: Option<Timestamp>,
}

/// Where a token is kept.
pub(super) fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// An id that nothing else has, of 64 random bits.
pub(super) fn random_id() -> String {
    random::bytes::<8>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether it has the form of an id.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A record as it is kept.
pub(super) fn octets(record: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(record).map_err(|_| Error::Internal)
}

/// All tokens with their ids, among `records`, which are those of the store or of a step of the writer.
fn records(records: &dyn Facts) -> impl Iterator<Item = (String, Record)> + use<> {
    let id = |key: String| key.strip_prefix(PREFIX).map(str::to_owned);
    records.meta_range(PREFIX).into_iter().filter_map(move |(key, octets)| Some((id(key)?, serde_json::from_slice(&octets).ok()?)))
}

/// Revokes all tokens of a client.
pub(super) fn revoke_all(txn: &mut Transaction<'_>, client: &str) {
    let of_client = records(txn).filter(|(_, record)| record.client.as_deref() == Some(client));
    of_client.for_each(|(id, _)| drop_token(txn, &id));
}

/// Takes out a token with what is noted of it.
pub(super) fn drop_token(txn: &mut Transaction<'_>, id: &str) {
    let user = txn.meta(&key(id)).and_then(|octets| serde_json::from_slice::<Record>(&octets).ok()?.user);
    user.into_iter().for_each(|user| txn.put_meta(&personal::holder_key(user, id), None));
    txn.put_meta(&key(id), None);
    txn.put_meta(&client::use_key(id), None);
}

/// A token as it is shown this once.
fn shown(id: String, secret: &str) -> NewToken {
    let secret = Secret::new(["hc_", &id, "_", secret].concat());
    NewToken { id, secret }
}

impl Directory {
    /// Makes a token of the provisioning client `name` of an organisation (shown once, stored as a hash), and the client
    /// where there is none of that name yet.
    pub async fn mint_token(&self, caller: &Caller, organisation: &str, name: &str, lifetime: Option<Duration>) -> Result<NewToken, Error> {
        self.mint_client_token(caller, organisation, name, lifetime, None).await
    }

    /// The same with the profile of the client. One that is there already must have it.
    pub async fn mint_client_token(
        &self,
        caller: &Caller,
        organisation: &str,
        name: &str,
        lifetime: Option<Duration>,
        profile: Option<Profile>,
    ) -> Result<NewToken, Error> {
        let entry = self.organisation_for(caller, organisation)?;
        let (id, secret) = (random_id(), random::token());
        let now = self.clock().now();
        let wanted = profile.map(|profile| ("profile".to_owned(), serde_json::json!(profile)));
        let client = client::begin(entry, name, now, &wanted.into_iter().collect())?;
        let record = Record {
            hash: digest(secret.as_bytes()),
            organisation: entry,
            name: name.to_owned(),
            created: now,
            expires: lifetime.map(|lifetime| now.plus(lifetime)),
            client: None,
            user: None,
            access_key: None,
            signed: false,
        };
        let kept_at = key(&id);
        let told = self.token_record(caller, "token-mint", &id, entry, name);
        self.store()
            .write(move |txn| {
                let client = match client::named(txn, entry, &client.name) {
                    Some(known) if profile.is_some_and(|profile| profile != known.settings.profile) => {
                        return Err(Error::Constraint(format!("the client {} has another profile", known.name)));
                    }
                    Some(known) => known,
                    None => {
                        client::put(txn, &client)?;
                        client
                    }
                };
                txn.put_meta(&kept_at, Some(octets(&Record { client: Some(client.id), ..record })?));
                txn.audit(told);
                Ok::<_, Error>(())
            })
            .await?;
        Ok(shown(id, &secret))
    }

    /// What the audit log keeps of a token that is made or revoked: its id and name, never the token.
    fn token_record(&self, caller: &Caller, operation: &str, id: &str, organisation: EntryId, name: &str) -> AuditRecord {
        self.keeping(caller, operation, organisation, format!("token:{id} {}", tree::shorten(name)))
    }

    /// How many tokens of a client are good.
    pub(super) fn live_tokens(&self, client: &str) -> usize {
        let now = self.clock().now();
        let records = records(self.memory()).filter(|(_, record)| record.client.as_deref() == Some(client) && record.is_live(now));
        records.count()
    }

    /// The tokens of the organisations the caller keeps.
    pub fn tokens(&self, caller: &Caller) -> Result<Vec<TokenInfo>, Error> {
        Ok(self.token_list(caller))
    }

    fn token_list(&self, caller: &Caller) -> Vec<TokenInfo> {
        let (memory, now) = (self.memory(), self.clock().now());
        records(memory)
            .filter(|(_, record)| self.keeps(caller, record.organisation))
            .map(|(id, record)| TokenInfo {
                client: self.client_of(&id, &record).filter(|_| record.user.is_none()).map(|client| client.name),
                user: record.user.map(|user| tree::dn_of(memory, user)),
                is_secret: record.is_secret(),
                is_signed: record.signed,
                state: record.state(now),
                last_used: self.last_use(&id),
                id,
                name: record.name,
                organisation: tree::dn_of(memory, record.organisation),
                created: record.created,
                expires: record.expires,
            })
            .collect()
    }

    /// Revokes a token; the next request with it is refused.
    pub async fn revoke_token(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        if !self.token_list(caller).iter().any(|token| token.id == id) {
            return Err(Error::NoSuchObject { matched: String::new() });
        }
        let record = self.memory().meta(&key(id)).and_then(|octets| serde_json::from_slice::<Record>(&octets).ok());
        let told = record.map(|record| self.token_record(caller, "token-revoke", id, record.organisation, &record.name));
        let id = id.to_owned();
        let core = Arc::clone(self.core());
        self.store()
            .write(move |txn| {
                drop_token(txn, &id);
                told.into_iter().for_each(|told| txn.audit(told));
                txn.when_settled(move |_| core.authority_changed());
                Ok::<_, Error>(())
            })
            .await
    }

    /// The identity of a bearer token that came from there. The reason of a refusal is for the log.
    pub fn authenticate_token(&self, origin: &Origin, token: &Secret) -> Result<Arc<Identity>, TokenRefused> {
        let generation = self.core().authority();
        let text = std::str::from_utf8(token.expose()).map_err(|_| TokenRefused::unknown())?;
        let (id, record, scopes) = match text.bytes().filter(|octet| *octet == b'.').count() {
            2 => self.signed_token(text).map(|(id, record)| (id, record, None))?,
            _ => self.own_token(text).ok_or_else(TokenRefused::unknown)?,
        };
        let found = self.bearer_of(&id, &record, scopes, generation).ok_or_else(TokenRefused::unknown)?;
        let person = found.entry.and_then(|id| self.memory().entry(id));
        if person.is_some_and(|person| !self.lets_in_from(origin, &person)) {
            return Err(TokenRefused { reason: "address not allowed".to_owned(), client: Some(found.name) });
        }
        self.core().clients.touch(&id, self.clock().now());
        Ok(Arc::new(Identity { method: Method::Token, token: Some(id.into()), ..found }))
    }

    /// The record of a token that was made here, and the scopes that it is narrowed to.
    fn own_token(&self, text: &str) -> Option<(String, Record, Option<Scopes>)> {
        if let Some(token) = text.strip_prefix("hca_") {
            let opened = access::opened(token, self.clock().now(), |id| self.live_record(id));
            return opened.map(|(id, record, scopes)| (id, record, Some(scopes)));
        }
        let (id, secret) = text.strip_prefix("hc_")?.split_once('_')?;
        let record = self.live_record(id).filter(|record| record.access_key.is_none())?;
        let good = bool::from(record.hash.ct_eq(&digest(secret.as_bytes())));
        good.then(|| (id.to_owned(), record, None))
    }

    /// Who comes by a token that is good.
    fn bearer_of(&self, id: &str, record: &Record, scopes: Option<Scopes>, generation: u64) -> Option<Identity> {
        match record.user {
            Some(user) => self.person_of(id, user),
            None => Some(Identity {
                standing: Standing::Client,
                name: format!("token:{id}"),
                organisation: Some(record.organisation),
                client: Some(Arc::new(self.client_of(id, record).map(|client| access::narrowed(client, scopes))?)),
                generation,
                ..Identity::anonymous()
            }),
        }
    }

    /// The client whose token it is, `None` where that is gone. A token from before there were clients is of the one that has
    /// its name since, or of one of its own.
    fn client_of(&self, token: &str, record: &Record) -> Option<Client> {
        let own = || Client::new(token.to_owned(), record.organisation, record.name.clone(), record.created);
        match &record.client {
            Some(id) => self.client(id),
            None => Some(client::named(self.memory(), record.organisation, &record.name).unwrap_or_else(own)),
        }
    }

    fn live_record(&self, id: &str) -> Option<Record> {
        let octets = self.memory().meta(&key(id))?;
        let record: Record = serde_json::from_slice(&octets).ok()?;
        (record.is_live(self.clock().now()) && self.memory().entry(record.organisation).is_some()).then_some(record)
    }

    /// How many tokens are near their end.
    pub(super) fn tokens_ending(&self) -> usize {
        let now = self.clock().now();
        records(self.memory()).filter(|(_, record)| record.state(now) == TokenState::EndsSoon).count()
    }

    /// Says in the log which tokens are near their end.
    pub(super) fn warn_of_tokens_ending(&self) {
        let now = self.clock().now();
        for (id, record) in records(self.memory()).filter(|(_, record)| record.state(now) == TokenState::EndsSoon) {
            let (organisation, expires) = (tree::dn_of(self.memory(), record.organisation), record.expires.map(Timestamp::rfc3339));
            let expires = expires.unwrap_or_default();
            tracing::warn!(
                token = id,
                name = record.name,
                organisation,
                expires,
                "a token ends soon: another one is to be made and put in use"
            );
        }
    }

    /// Whether the token that an identity came in by still works, where it came in by one.
    pub(super) fn token_is_live(&self, identity: &Identity) -> bool {
        identity.token.as_ref().is_none_or(|id| self.live_record(id).is_some())
    }
}
