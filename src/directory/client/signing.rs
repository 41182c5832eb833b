//! What a client's settings say of signed tokens, and where it is found for one: `signed-for/<digest of issuer and audience>/<client>`.

use super::super::{Error, token};
use super::{Client, ClientSettings, SettingsChange};
use crate::base::Timestamp;
use crate::model::Facts;
use crate::store::Transaction;
use sha2::{Digest, Sha256};

const PREFIX: &str = "signed-for/";
/// The settings that are about signed tokens.
const SETTINGS: [&str; 4] = ["keys", "issuer", "audience", "application"];
/// Octets that one of the names may have.
const LONGEST: usize = 512;

impl ClientSettings {
    /// Whether these can become `changed` as far as they are about signed tokens.
    pub(super) fn check_signing(&self, changed: &Self, change: &SettingsChange) -> Result<(), Error> {
        let refused = |reason: &str| Err(Error::Constraint(reason.to_owned()));
        let names = [&changed.issuer, &changed.audience, &changed.application];
        let is_name = |name: &str| (1..=LONGEST).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_graphic());
        if names.into_iter().flatten().any(|name| !is_name(name)) {
            return refused("an issuer, an audience and an application have 1 to 512 visible ASCII characters");
        }
        match (&changed.issuer, &changed.audience, &changed.application, &changed.keys) {
            (Some(_), Some(_), _, Some(_)) | (None, None, None, _) => {}
            (Some(_), Some(_), _, None) => return refused("the keys of the issuer are needed too"),
            _ => return refused("an issuer and an audience go together, and an application with both"),
        }
        // Keys never change whose they are.
        if self.issuer != changed.issuer && self.keys.is_some() && !change.contains_key("keys") {
            return refused("who signs changes: say by which keys");
        }
        match &changed.keys {
            Some(keys) if change.contains_key("keys") => keys.check().map_err(Error::Constraint),
            _ => Ok(()),
        }
    }
}

fn place(issuer: &str, audience: &str) -> String {
    let digest = Sha256::digest(format!("{issuer}\n{audience}"));
    format!("{PREFIX}{}/", digest.iter().map(|octet| format!("{octet:02x}")).collect::<String>())
}

/// Where a client is found that is let in by tokens of an issuer.
pub(super) fn signed_key(client: &Client) -> Option<String> {
    Some(place(client.settings.issuer.as_deref()?, client.settings.audience.as_deref()?) + &client.id)
}

/// The clients that tokens of an issuer for an audience may be of.
pub(in super::super) fn signed_for(records: &dyn Facts, issuer: &str, audience: &str) -> Vec<Client> {
    let place = place(issuer, audience);
    let found = records.meta_range(&place).into_iter().filter_map(|(key, _)| {
        let id = key.strip_prefix(&place)?;
        Client::read(id, &records.meta(&Client::key(id))?)
    });
    let is_for =
        |client: &Client| (client.settings.issuer.as_deref(), client.settings.audience.as_deref()) == (Some(issuer), Some(audience));
    // A client whose organisation is gone is nobody's, and cannot be removed.
    found.filter(|client| is_for(client) && records.entry(client.organisation).is_some()).collect()
}

/// Makes ready what signed tokens of a client need, where the change is about them. No token may be of two clients. What was
/// given for keys that it no longer has ends.
pub(in super::super) fn sign_for(
    txn: &mut Transaction<'_>,
    before: Option<&Client>,
    client: Client,
    change: &SettingsChange,
    now: Timestamp,
) -> Result<Client, Error> {
    if !SETTINGS.iter().any(|name| change.contains_key(*name)) {
        return Ok(client);
    }
    let settings = &client.settings;
    if let (Some(issuer), Some(audience)) = (&settings.issuer, &settings.audience) {
        let one =
            |application: &Option<String>| application.is_none() || settings.application.is_none() || *application == settings.application;
        let others = signed_for(txn, issuer, audience).into_iter().filter(|other| other.id != client.id);
        if others.into_iter().any(|other| one(&other.settings.application)) {
            return Err(Error::Constraint(
                "another client is let in by tokens of this issuer and audience: each needs an application of its own".to_owned(),
            ));
        }
    }
    before.and_then(signed_key).into_iter().for_each(|key| txn.put_meta(&key, None));
    signed_key(&client).into_iter().for_each(|key| txn.put_meta(&key, Some(Vec::new())));
    let kept = before.filter(|before| settings.holds_keys_of(&before.settings)).and_then(|before| before.signed_by.clone());
    let kept = kept.filter(|id| txn.meta(&token::key(id)).is_some());
    let signed_by = match (kept, &settings.keys) {
        (Some(kept), _) => Some(kept),
        (None, keys) => {
            before.and_then(|before| before.signed_by.as_deref()).into_iter().for_each(|id| token::drop_token(txn, id));
            keys.is_some().then(|| token::begin_signed(txn, &client, now)).transpose()?
        }
    };
    Ok(Client { signed_by, ..client })
}

impl ClientSettings {
    /// Whether whatever is signed by the keys of `other` is by these.
    fn holds_keys_of(&self, other: &Self) -> bool {
        let whose = |settings: &Self| (settings.issuer.clone(), settings.audience.clone(), settings.application.clone());
        whose(self) == whose(other) && self.keys.as_ref().zip(other.keys.as_ref()).is_some_and(|(keys, other)| keys.holds(other))
    }
}
