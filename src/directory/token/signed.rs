//! Tokens that others sign: the assertions by which a client shows who it is (RFC 7523 §2.2), and the bearer tokens of an identity
//! provider (quirk 20). For each client that has keys a record stands for what they sign, so that it is listed and revoked as any token.

use super::super::client::{Client, Once, signed_for};
use super::super::{Directory, Error};
use super::{AccessGrant, AccessRefused, Record, TokenRefused, digest, key, octets, random_id};
use crate::access::Scope;
use crate::base::jwt::{Claims, LEEWAY, Refused, Unverified};
use crate::base::{Secret, Timestamp, random};
use crate::store::Transaction;
use std::collections::BTreeSet;
use std::time::Duration;

/// How far ahead the end of an assertion may be.
const ASSERTION: Duration = Duration::from_secs(600);
/// Octets of the id of an assertion.
const LONGEST_ID: usize = 256;

/// By what a client shows who it is, beside a secret.
pub struct Assertion<'a> {
    /// The signed token.
    pub token: Secret,
    /// Whom it may be for: the names that the server goes by.
    pub audiences: [&'a str; 2],
    /// The client that the request names, where it does.
    pub client: Option<&'a str>,
}

/// Makes the record that stands for what the keys of a client sign; its id.
pub(in super::super) fn begin_signed(txn: &mut Transaction<'_>, client: &Client, now: Timestamp) -> Result<String, Error> {
    let id = random_id();
    let record = Record {
        // Of nothing that anybody has.
        hash: random::bytes(),
        organisation: client.organisation(),
        name: client.name.clone(),
        created: now,
        expires: None,
        client: Some(client.id.clone()),
        user: None,
        access_key: Some(random::bytes()),
        signed: true,
    };
    txn.put_meta(&key(&id), Some(octets(&record)?));
    Ok(id)
}

impl Directory {
    /// Gives an access token to a client for what it signed, with these scopes or with all it has. Each assertion is used once.
    pub fn grant_signed_access(&self, assertion: &Assertion<'_>, wanted: Option<BTreeSet<Scope>>) -> Result<AccessGrant, AccessRefused> {
        let text = std::str::from_utf8(assertion.token.expose()).map_err(|_| AccessRefused::Client(refused(None, &Refused::Malformed)))?;
        let unverified = Unverified::read(text).map_err(|reason| AccessRefused::Client(refused(None, &reason)))?;
        let claimed = unverified.claimed();
        let subject = claimed.text("sub").ok().filter(|subject| claimed.text("iss") == Ok(subject));
        let client = subject.filter(|subject| assertion.client.is_none_or(|named| named == *subject)).and_then(|id| self.client(id));
        let client = client.filter(|client| client.settings.issuer.is_none());
        let unknown = || AccessRefused::Client(told(None, "its iss, its sub and client_id are no client with keys"));
        let client = client.ok_or_else(unknown)?;
        let (id, record) = self.signed_record(&client).ok_or_else(unknown)?;
        let because = |reason: &Refused| AccessRefused::Client(refused(Some(&client), reason));
        let claims = self.verified(unverified, &client, "client-authentication+jwt").map_err(|reason| because(&reason))?;
        let (once, end) = self.asserted(&claims, assertion).map_err(|reason| because(&reason))?;
        if !self.is_client_within_rate(&client) {
            return Err(AccessRefused::Rate);
        }
        match self.core().clients.use_once(&client.id, once, end.plus(LEEWAY), self.clock().now()) {
            Once::First => self.give_access(&id, &record, &client, wanted),
            Once::Again => Err(AccessRefused::Client(told(Some(&client), "it was used before"))),
            Once::Full => Err(AccessRefused::Rate),
        }
    }

    /// The digest of its id, and its end, where the claims are of an assertion for us that is good now.
    fn asserted(&self, claims: &Claims, assertion: &Assertion<'_>) -> Result<([u8; 32], Timestamp), Refused> {
        let now = self.clock().now();
        let end = claims.in_time(now)?;
        if !assertion.audiences.contains(&claims.audience()?) {
            return Err(Refused::Audience);
        }
        if end > now.plus(ASSERTION).plus(LEEWAY) {
            return Err(Refused::Lasting);
        }
        let id = claims.text("jti")?;
        match (1..=LONGEST_ID).contains(&id.len()) {
            true => Ok((digest(id.as_bytes()), end)),
            false => Err(Refused::Claim("jti")),
        }
    }

    /// The record of the client that a bearer token of an issuer is of.
    pub(super) fn signed_token(&self, text: &str) -> Result<(String, Record), TokenRefused> {
        let unverified = Unverified::read(text).map_err(|reason| refused(None, &reason))?;
        let client = self.addressed(unverified.claimed()).map_err(|reason| refused(None, &reason))?;
        let client = client.ok_or_else(|| told(None, "it is of no issuer, audience and application of a client"))?;
        let claims = self.verified(unverified, &client, "at+jwt").map_err(|reason| refused(Some(&client), &reason))?;
        claims.in_time(self.clock().now()).map_err(|reason| refused(Some(&client), &reason))?;
        self.signed_record(&client).ok_or_else(|| told(Some(&client), "what the client's keys sign was revoked"))
    }

    /// The one client that claims lead to.
    fn addressed(&self, claims: &Claims) -> Result<Option<Client>, Refused> {
        let (issuer, audience, application) = (claims.text("iss")?, claims.audience()?, claims.application()?);
        let is_of = |client: &Client| client.settings.application.as_deref().is_none_or(|wanted| Some(wanted) == application);
        let mut found: Vec<Client> = signed_for(self.memory(), issuer, audience).into_iter().filter(is_of).collect();
        // Settings see to it that there is one at most.
        Ok(found.pop().filter(|_| found.is_empty()))
    }

    fn signed_record(&self, client: &Client) -> Option<(String, Record)> {
        let id = client.signed_by.clone()?;
        let record = self.live_record(&id).filter(|record| record.signed && record.client.as_ref() == Some(&client.id))?;
        Some((id, record))
    }

    /// The claims of a token that a key of the client signed.
    fn verified(&self, token: Unverified<'_>, client: &Client, kind: &str) -> Result<Claims, Refused> {
        let keys = client.settings.keys.as_ref().ok_or(Refused::Signature)?;
        let verified = token.verify(keys, kind);
        if let Err(Refused::Key(id)) = &verified {
            tracing::warn!(
                client = client.told(),
                key = ?id.chars().take(64).collect::<String>(),
                "a signed token names a key that is not registered: where its issuer has new keys, `client change --keys` takes them over"
            );
        }
        verified
    }
}

fn told(client: Option<&Client>, reason: &str) -> TokenRefused {
    TokenRefused { reason: format!("signed token: {reason}"), client: client.map(Client::told) }
}

fn refused(client: Option<&Client>, reason: &Refused) -> TokenRefused {
    told(client, &reason.to_string())
}
