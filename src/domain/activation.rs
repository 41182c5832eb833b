//! Links in mails: welcome and forgotten password (U4, U5; HF1). Pure rules; the directory keeps the records.
//!
//! A token is 256 random bits and is never kept: a record holds its SHA-256. There is one record per user, so a new
//! link makes the one before it worthless. The record also holds what the account was when the link was made, so that
//! it is dead once another password was set, the address changed, or the user was disabled, whoever did it and however.

use super::lens::{AccountState, User, UserType};
use crate::base::{EntryId, Secret, Timestamp, random};
use crate::model::Facts;
use crate::schema::Schema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq;

/// A link lasts at most this long, whatever the config says (HF1).
pub const LONGEST_LIFETIME: Duration = Duration::from_secs(72 * 3600);

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Purpose {
    /// A user that has no password yet.
    Welcome,
    /// A user that forgot its password.
    Forgotten,
    /// A user whose address changed, and whose password went with the old one.
    NewAddress,
    /// No link: the address of an account is another now, told to the one before (HE2).
    AddressLeft,
    /// No link: the same, told to the new one.
    AddressTaken,
    /// No link: a provisioning client was paused, told to the administrators of its organisation.
    ClientPaused,
    /// No link: a large share of a licence is in use, told likewise (S12).
    SeatsScarce,
    /// No link: somebody was refused for want of a seat, told likewise (S12).
    SeatRefused,
}

impl Purpose {
    /// Whether the letter tells something and has no link.
    pub const fn is_notice(self) -> bool {
        match self {
            Self::Welcome | Self::Forgotten | Self::NewAddress => false,
            Self::AddressLeft | Self::AddressTaken | Self::ClientPaused | Self::SeatsScarce | Self::SeatRefused => true,
        }
    }
}

/// The record of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRecord {
    /// SHA-256 of the token.
    token: [u8; 32],
    /// Whose account.
    pub user: EntryId,
    /// Where it was sent.
    pub address: String,
    /// Good until then.
    pub expires: Timestamp,
    /// What for.
    pub purpose: Purpose,
    /// SHA-256 of the password hashes the account had.
    credential: [u8; 32],
}

/// Why a link does not work. The page tells nobody which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// Not the token of the record.
    Unknown,
    /// Too old.
    Expired,
    /// The address changed, the password was set, or the user is disabled or gone.
    Overtaken,
}

impl LinkRecord {
    /// A new link for a user, as long as it has an address, is not disabled, and is one that signs in by password
    /// pages (type `app`). Answers the token, for the mail only, and the record.
    pub fn issue(user: &User<'_>, purpose: Purpose, now: Timestamp, lifetime: Duration) -> Option<(Secret, Self)> {
        if user.user_type() != UserType::App || user.state() == AccountState::Disabled || !user.takes_mail() {
            return None;
        }
        let token = random::token();
        let record = Self {
            token: digest(token.as_bytes()),
            user: user.entry.id,
            address: user.mail()?.to_owned(),
            expires: now.plus(lifetime.min(LONGEST_LIFETIME)),
            purpose,
            credential: user.credential_digest(),
        };
        Some((Secret::new(token.as_bytes()), record))
    }

    /// The record for when the same password was stored anew; `None` where it was overtaken before.
    pub fn renewed(self, before: &User<'_>, after: &User<'_>) -> Option<Self> {
        let same = bool::from(before.credential_digest().ct_eq(&self.credential));
        same.then(|| Self { credential: after.credential_digest(), ..self })
    }

    /// The key under which the record of a token is found.
    pub fn key_of(token: &[u8]) -> String {
        digest(token).iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// The key under which this record is found.
    pub fn key(&self) -> String {
        self.token.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// Whether the token opens the account now.
    pub fn check(&self, schema: &Schema, facts: &dyn Facts, token: &[u8], now: Timestamp) -> Result<(), Dead> {
        if !bool::from(digest(token).ct_eq(&self.token)) {
            return Err(Dead::Unknown);
        }
        // A clock that was set back must not lengthen a link beyond what any link lasts.
        if now >= self.expires || now.plus(LONGEST_LIFETIME) < self.expires {
            return Err(Dead::Expired);
        }
        let entry = facts.entry(self.user).ok_or(Dead::Overtaken)?;
        let user = User::of(schema, &entry).ok_or(Dead::Overtaken)?;
        let same = user.mail() == Some(self.address.as_str())
            && user.state() != AccountState::Disabled
            && user.user_type() == UserType::App
            && bool::from(user.credential_digest().ct_eq(&self.credential));
        if same { Ok(()) } else { Err(Dead::Overtaken) }
    }
}

impl User<'_> {
    /// Changes with every password that is set.
    fn credential_digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for value in self.password_hashes() {
            hash.update(value.len().to_be_bytes());
            hash.update(value);
        }
        hash.finalize().into()
    }

    /// Whether a write calls for a welcome mail (U4, U5): the user has no password, and is new or has a new address.
    pub fn wants_welcome(&self, before: Option<&User<'_>>) -> bool {
        let new_address = before.is_none_or(|before| before.mail() != self.mail());
        let waits = self.user_type() == UserType::App && self.state() == AccountState::NotActivated;
        waits && self.mail().is_some() && self.takes_mail() && new_address
    }
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}
