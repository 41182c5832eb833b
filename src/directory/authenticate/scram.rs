//! SCRAM-SHA-256 (RFC 5802, RFC 7677): what is kept beside the hash of a password, and what is proven against it.
//!
//! An organisation turns it on (`hcScram`), where the config lets it. The keys are made when a password passes in the clear:
//! when it is set, and when it was right at a bind. They are kept in `authPassword` as RFC 5803 writes them. Their salt is a
//! digest of the stored password they belong to, so keys of a former password are known as such, and never count.

use crate::base::{EntryId, Secret, random};
use crate::directory::bind::Proof;
use crate::directory::credentials::ClearPassword;
use crate::directory::lockout::Account;
use crate::directory::logins::Claimed;
use crate::directory::{Bound, Directory, Error, Method, Origin, SessionRequest};
use crate::domain::organisation_of;
use crate::model::{Dn, Entry, Facts};
use crate::schema::Schema;
use crate::store::Transaction;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Rounds of PBKDF2 of keys made here, and of those made up for who has none.
const ITERATIONS: u32 = 10_000;
/// Rounds that stored keys may ask a client for (RFC 7677 §4, HB5).
const ITERATIONS_TAKEN: std::ops::RangeInclusive<u32> = 4_096..=1_000_000;
/// What stored keys begin with.
const SCHEME: &str = "SCRAM-SHA-256$";
/// The record with the secret that salts are made up from.
const SALT_SECRET: &str = "scram/secret";

type Key = [u8; 32];

/// The keys of a password, or of none.
#[derive(Clone)]
pub struct ScramKeys {
    /// The salt.
    pub salt: Vec<u8>,
    /// Rounds.
    pub iterations: u32,
    stored: Key,
    server: Key,
}

/// Who is to prove a password, and what against.
pub struct ScramClaim {
    /// The keys, which may be made up.
    pub keys: ScramKeys,
    /// Whose they are; `None` for made-up ones.
    owner: Option<EntryId>,
    /// What the attempt counts for: the same as a password given with that name.
    account: Account,
}

pub(super) fn mac(key: &[u8], message: &[u8]) -> Key {
    // HMAC takes keys of any length, so this cannot fail; the digest of nothing proves nothing.
    Hmac::<Sha256>::new_from_slice(key).map_or([0; 32], |mut mac| {
        mac.update(message);
        mac.finalize().into_bytes().into()
    })
}

impl ScramKeys {
    /// Makes the keys for a password (RFC 5802 §3).
    fn make(password: &Secret, salt: Vec<u8>) -> Self {
        let normal = prepared(password);
        let salted = Zeroizing::new(pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(normal.expose(), &salt, ITERATIONS));
        let client = Zeroizing::new(mac(salted.as_slice(), b"Client Key"));
        let stored = Sha256::digest(client.as_slice()).into();
        Self { salt, iterations: ITERATIONS, stored, server: mac(salted.as_slice(), b"Server Key") }
    }

    /// As RFC 5803 §2 writes them.
    fn write(&self) -> String {
        let [salt, stored, server] = [&self.salt[..], &self.stored, &self.server].map(|octets| STANDARD.encode(octets));
        format!("{SCHEME}{}:{salt}${stored}:{server}", self.iterations)
    }

    fn read(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?.strip_prefix(SCHEME)?;
        let (info, keys) = text.split_once('$')?;
        let (iterations, salt) = info.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let key = |text: &str| Key::try_from(STANDARD.decode(text).ok()?).ok();
        Some(Self {
            salt: STANDARD.decode(salt).ok()?,
            iterations: iterations.parse().ok().filter(|iterations| ITERATIONS_TAKEN.contains(iterations))?,
            stored: key(stored)?,
            server: key(server)?,
        })
    }

    /// Checks the client's proof over `message`, and answers the server's own (RFC 5802 §3).
    pub fn prove(&self, message: &str, proof: &[u8]) -> Option<[u8; 32]> {
        let signature = mac(&self.stored, message.as_bytes());
        let proof = Key::try_from(proof).ok()?;
        let mut client = Zeroizing::new([0; 32]);
        client.iter_mut().zip(signature.iter().zip(&proof)).for_each(|(out, (left, right))| *out = left ^ right);
        let stored: Key = Sha256::digest(client.as_slice()).into();
        bool::from(stored.ct_eq(&self.stored)).then(|| mac(&self.server, message.as_bytes()))
    }
}

/// SASLprep (RFC 4013) where the password is text that it takes, else the octets as they are.
fn prepared(password: &Secret) -> Secret {
    let text = std::str::from_utf8(password.expose()).ok();
    let prepared = text.and_then(|text| stringprep::saslprep(text).ok());
    prepared.map_or_else(|| password.clone(), |prepared| Secret::new(prepared.into_owned()))
}

/// Whether the organisation of the entry has SCRAM turned on.
pub(crate) fn is_on(schema: &Schema, facts: &dyn Facts, id: EntryId) -> bool {
    let organisation = organisation_of(facts, id).and_then(|id| facts.entry(id));
    organisation.is_some_and(|entry| entry.text(schema.known().hc_scram).is_some_and(|text| text.eq_ignore_ascii_case("TRUE")))
}

/// The value of `authPassword` for a password that is stored as `stored`.
pub(crate) fn value_for(password: &Secret, stored: &[u8]) -> Vec<u8> {
    ScramKeys::make(password, salt_for(stored)).write().into_bytes()
}

/// Whether a value of `authPassword` is one of ours.
pub(crate) fn is_value(value: &[u8]) -> bool {
    value.starts_with(SCHEME.as_bytes())
}

/// The salt of the keys that belong to a stored password.
fn salt_for(stored: &[u8]) -> Vec<u8> {
    let digest: Key = Sha256::new().chain_update(b"SCRAM salt\0").chain_update(stored).finalize().into();
    digest.iter().take(16).copied().collect()
}

impl Directory {
    /// The keys to prove a password of `name` against, and what that counts for. Who has none gets made-up ones, always the same for the same name, in
    /// any of the forms that would mean one user if there were such a user, so that nobody learns who exists (HB1).
    pub fn scram_claim(&self, name: &str) -> Result<ScramClaim, Error> {
        let none = || Error::Unavailable("SCRAM is not ready".to_owned());
        let secret = self.salt_secret().ok_or_else(none)?;
        let name = stringprep::saslprep(name).map_or_else(|_| name.to_owned(), |name| name.into_owned());
        let dn = self.dn_of_identity(&name, &self.settings().sasl.names);
        let own = |dn: &Dn| {
            let candidate = self.candidate(dn);
            let entry = candidate.entry.as_deref()?;
            self.own_keys(entry).map(|keys| ScramClaim { keys, owner: Some(entry.id), account: self.account(dn, Some(entry)) })
        };
        if let Some(own) = dn.as_ref().and_then(own) {
            return Ok(own);
        }
        let shown = dn.map_or_else(|| self.taken_for_name(&name), |dn| self.taken_for(&dn));
        let key = self.schema().name_key(&shown);
        let made_up = |what: &str| mac(&secret, &[what.as_bytes(), b"\0", &key].concat());
        let salt = own(&shown).map_or_else(|| made_up("salt").iter().take(16).copied().collect(), |alike| alike.keys.salt);
        let keys = ScramKeys { salt, iterations: ITERATIONS, stored: made_up("stored"), server: made_up("server") };
        Ok(ScramClaim { keys, owner: None, account: self.account(&shown, self.candidate(&shown).entry.as_deref()) })
    }

    /// Signs in whom the keys belong to, where the proof was right. From here on it is a bind like any other.
    pub async fn bind_scram(
        &self,
        origin: &Origin,
        claim: &ScramClaim,
        proven: bool,
        authorization: &str,
        request: SessionRequest,
    ) -> Result<Bound, Error> {
        let owner = claim.owner.filter(|_| proven).and_then(|id| self.memory().entry(id));
        // Not if the password has changed since the first message.
        let current = owner.filter(|owner| self.own_keys(owner).is_some_and(|now| now.stored == claim.keys.stored));
        let candidate = current.map(|entry| self.seen_from(origin, self.candidate_of(entry)));
        let locked = candidate.as_ref().is_some_and(|candidate| self.is_locked_out(candidate));
        let found = candidate.filter(|candidate| candidate.usable || locked).and_then(|candidate| candidate.entry);
        let claimed = claim.owner.map_or(Claimed::Stranger, Claimed::Entry);
        self.sign_in(origin, Method::Scram, claimed, async {
            let proof = |held: bool| std::future::ready(Ok(found.filter(|_| !held)));
            let found = self.count_unless(locked, origin, claim.account, proof).await?.ok_or(Error::InvalidCredentials)?;
            self.admit_by_password(&found, self.bind_known(origin, found.id, authorization, request, Proof::Password)).await
        })
        .await
    }

    /// The keys of the password that the entry has now, where its organisation has SCRAM turned on.
    fn own_keys(&self, entry: &Entry) -> Option<ScramKeys> {
        let known = self.schema().known();
        if !self.has_scram(entry) {
            return None;
        }
        let salts: Vec<Vec<u8>> = entry.values(known.user_password).map(salt_for).collect();
        entry.values(known.auth_password).filter_map(ScramKeys::read).find(|keys| salts.contains(&keys.salt))
    }

    /// Its proofs are of a password alone, so it is nothing for those of whom a one-time code is asked.
    fn has_scram(&self, entry: &Entry) -> bool {
        self.settings().sasl.scram && !self.has_codes(entry) && is_on(self.schema(), self.memory(), entry.id)
    }

    /// Whether keys are to be made when the password of the entry passes in the clear.
    pub(crate) fn lacks_scram_keys(&self, entry: &Entry) -> bool {
        self.has_scram(entry) && self.own_keys(entry).is_none()
    }

    /// Passwords were set in the clear: the keys of the one that an entry has now are made after the answer.
    pub(crate) fn make_scram_keys_later(&self, origin: &Origin, id: EntryId, clear: &[ClearPassword]) {
        let Some(entry) = self.memory().entry(id).filter(|_| !clear.is_empty()) else { return };
        // Of several passwords nobody knows which one will be given.
        let mut stored = entry.values(self.schema().known().user_password);
        if let (Some(only), None) = (stored.next(), stored.next())
            && let Some(set) = clear.iter().find(|set| set.stored == only)
            && self.lacks_scram_keys(&entry)
        {
            self.renew_later(origin, entry.id, only, &set.password);
        }
    }

    /// The secret that salts are made up from, where there is one yet.
    pub(super) fn salt_secret(&self) -> Option<Arc<[u8]>> {
        self.memory().meta(SALT_SECRET)
    }
}

/// Makes that secret, where there is none yet.
pub(crate) fn keep_salt_secret(txn: &mut Transaction<'_>) {
    if txn.meta(SALT_SECRET).is_none() {
        txn.put_meta(SALT_SECRET, Some(random::bytes::<32>().to_vec()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 §3.
    #[test]
    fn the_example_of_rfc_7677_is_proven() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(b"pencil", &salt, 4096);
        let stored = Sha256::digest(mac(&salted, b"Client Key")).into();
        let keys = ScramKeys { salt, iterations: 4096, stored, server: mac(&salted, b"Server Key") };
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let message = format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}");
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let signature = keys.prove(&message, &proof).unwrap();
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(keys.prove(&message, &[0; 32]), None);
        assert_eq!(keys.prove("other", &proof), None);
        assert_eq!(keys.prove(&message, b"short"), None);
        let read = ScramKeys::read(keys.write().as_bytes()).unwrap();
        assert_eq!((read.salt, read.iterations, read.stored, read.server), (keys.salt, 4096, keys.stored, keys.server));
    }

    #[test]
    fn hb5_keys_with_rounds_out_of_bounds_never_count() {
        let keys = ScramKeys::make(&Secret::new("x"), b"salt".to_vec()).write();
        assert!(ScramKeys::read(keys.as_bytes()).is_some());
        for refused in ["SCRAM-SHA-256$1:", "SCRAM-SHA-256$4095:", "SCRAM-SHA-256$4000000000:", "SCRAM-SHA-1$10000:"] {
            assert!(ScramKeys::read(keys.replace("SCRAM-SHA-256$10000:", refused).as_bytes()).is_none(), "{refused}");
        }
    }

    #[test]
    fn passwords_are_prepared() {
        let made = |password: &str| ScramKeys::make(&Secret::new(password), b"salt".to_vec()).stored;
        assert_eq!(made("I\u{ad}X"), made("IX"));
        assert_eq!(made("\u{2168}"), made("IX"));
        assert_ne!(made("ix"), made("IX"));
    }
}
