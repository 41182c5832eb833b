//! Client secrets, and the short-lived access tokens that a client is given for one, or for what it signs (RFC 6749 §4.4):
//! `hca_<secret>_<end>_<scopes>_<mac>`. A secret is kept as tokens are, and opens nothing itself. Of an access token nothing is kept:
//! it is good as long as its MAC is right, its time has not come, and its secret still is.

use super::super::client::Client;
use super::super::identity::Caller;
use super::super::{Directory, Error, NewToken};
use super::{Record, TokenRefused, digest, key, octets, random_id, records, shown};
use crate::access::{Scope, Scopes};
use crate::base::{Secret, Timestamp, random};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeSet;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How long an access token is good.
const LIFETIME: Duration = Duration::from_secs(3_600);
/// Secrets that a client may have at one time: one, and the one that follows it.
const SECRETS: usize = 2;

/// An access token that was just made.
pub struct AccessGrant {
    /// The token.
    pub token: Secret,
    /// How long it is good.
    pub lifetime: Duration,
    /// What may be done with it.
    pub scopes: BTreeSet<Scope>,
}

/// Why no access token is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessRefused {
    /// There is no such client, or it does not show that it is that one.
    Client(TokenRefused),
    /// The client has asked too often.
    Rate,
    /// The client does not have all of the scopes it asks for.
    Scope,
}

/// What an access token says, as far as its MAC goes.
struct Claims<'t> {
    secret: &'t str,
    expires: u64,
    scopes: Scopes,
}

impl Claims<'_> {
    fn signed(&self) -> String {
        format!("{}_{}_{}", self.secret, self.expires, self.scopes.bits())
    }

    fn mac(&self, key: &[u8; 32]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(self.signed().as_bytes());
        Some(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}

/// The record and the scopes of an access token, without its first letters. `live` finds a record that is good.
pub(super) fn opened(token: &str, now: Timestamp, live: impl Fn(&str) -> Option<Record>) -> Option<(String, Record, Scopes)> {
    let mut parts = token.splitn(4, '_');
    let (secret, expires, scopes, mac) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let claims = Claims { secret, expires: expires.parse().ok()?, scopes: Scopes::of_bits(scopes.parse().ok()?) };
    let record = live(secret)?;
    let right = claims.mac(&record.access_key?)?;
    let good = bool::from(right.as_bytes().ct_eq(mac.as_bytes())) && now < Timestamp::from_millis(claims.expires);
    good.then(|| (secret.to_owned(), record, claims.scopes))
}

/// The client with no more scopes than these, where there are any to be held to.
pub(super) fn narrowed(mut client: Client, scopes: Option<Scopes>) -> Client {
    client.settings.scopes.retain(|scope| scopes.is_none_or(|scopes| scopes.has(*scope)));
    client
}

impl Directory {
    /// Makes a secret by which a client is given access tokens: shown once, kept as a hash. Two of a client may be good at one time.
    pub async fn mint_client_secret(
        &self,
        caller: &Caller,
        organisation: Option<&str>,
        name: &str,
        lifetime: Option<Duration>,
    ) -> Result<NewToken, Error> {
        let client = self.kept_client(caller, organisation, name)?;
        let (id, secret, now) = (random_id(), random::token(), self.clock().now());
        let record = Record {
            hash: digest(secret.as_bytes()),
            organisation: client.organisation(),
            name: client.name.clone(),
            created: now,
            expires: lifetime.map(|lifetime| now.plus(lifetime)),
            client: Some(client.id.clone()),
            user: None,
            access_key: Some(random::bytes()),
            signed: false,
        };
        let told = self.token_record(caller, "secret-mint", &id, record.organisation, &client.name);
        let made = id.clone();
        self.store()
            .write(move |txn| {
                let is_secret = |record: &Record| record.is_secret() && record.client.as_ref() == Some(&client.id);
                if records(txn).filter(|(_, held)| is_secret(held) && held.is_live(now)).count() >= SECRETS {
                    return Err(Error::Constraint(format!("the client {} has two secrets: revoke one of them first", client.name)));
                }
                txn.put_meta(&key(&id), Some(octets(&record)?));
                txn.audit(told);
                Ok(())
            })
            .await?;
        Ok(shown(made, &secret))
    }

    /// Gives an access token to a client that has its secret, with these scopes or with all it has.
    pub fn grant_access(&self, client: &str, secret: &Secret, wanted: Option<BTreeSet<Scope>>) -> Result<AccessGrant, AccessRefused> {
        let unknown = || AccessRefused::Client(TokenRefused::unknown());
        let given = std::str::from_utf8(secret.expose()).ok().and_then(|text| text.strip_prefix("hc_")?.split_once('_'));
        let (id, text) = given.ok_or_else(unknown)?;
        let record = self.live_record(id).filter(|record| record.client.as_deref() == Some(client) && !record.signed);
        let record = record.filter(|record| bool::from(record.hash.ct_eq(&digest(text.as_bytes())))).ok_or_else(unknown)?;
        let client = self.client_of(id, &record).ok_or_else(unknown)?;
        if !self.is_client_within_rate(&client) {
            return Err(AccessRefused::Rate);
        }
        self.give_access(id, &record, &client, wanted)
    }

    /// An access token of a client that has shown who it is, by the record of a secret or of its keys.
    pub(super) fn give_access(
        &self,
        id: &str,
        record: &Record,
        client: &Client,
        wanted: Option<BTreeSet<Scope>>,
    ) -> Result<AccessGrant, AccessRefused> {
        let scopes = wanted.unwrap_or_else(|| client.settings.scopes.clone());
        if !scopes.is_subset(&client.settings.scopes) {
            return Err(AccessRefused::Scope);
        }
        let now = self.clock().now();
        let claims = Claims { secret: id, expires: now.plus(LIFETIME).millis(), scopes: scopes.iter().collect() };
        let mac = record.access_key.and_then(|key| claims.mac(&key));
        let mac = mac.ok_or_else(|| AccessRefused::Client(TokenRefused::unknown()))?;
        self.core().clients.touch(id, now);
        let token = Secret::new(["hca_", &claims.signed(), "_", &mac].concat());
        Ok(AccessGrant { token, lifetime: LIFETIME, scopes })
    }
}
