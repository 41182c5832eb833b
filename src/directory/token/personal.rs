//! Personal tokens: they act as their user, with its permissions and without a seat, and end with what lets it in: when it
//! is disabled or deleted, and when its address changes (HE10). Each is found by its user under `token-of/<user>/<id>`.

use super::super::identity::{Caller, Identity};
use super::super::tree;
use super::super::write::Work;
use super::super::{Directory, Error, NewToken};
use super::{Record, digest, drop_token, key, octets, random_id, shown};
use crate::base::{EntryId, random};
use crate::domain::{AccountState, User, UserType, organisation_of};
use crate::model::{Entry, Facts};
use std::sync::Arc;
use std::time::Duration;

fn of_user(user: EntryId) -> String {
    format!("token-of/{}/", user.0)
}

/// Where it is noted whose a token is.
pub(super) fn holder_key(user: EntryId, id: &str) -> String {
    of_user(user) + id
}

impl Directory {
    /// Makes a token that acts as the user: shown once, kept as a hash. For the operator, and for administrators of its
    /// organisation; `name` says what it is for.
    pub async fn mint_personal_token(
        &self,
        caller: &Caller,
        user: &str,
        name: &str,
        lifetime: Option<Duration>,
    ) -> Result<NewToken, Error> {
        let none = || Error::NoSuchObject { matched: String::new() };
        let entry = self.password_entry(user).ok_or_else(none)?;
        let organisation = organisation_of(self.memory(), entry.id).filter(|id| self.keeps(caller, *id)).ok_or_else(none)?;
        if !self.may_act_by_token(&entry) {
            return Err(Error::Constraint("a personal token is for an active user of type app".to_owned()));
        }
        let (id, secret, now) = (random_id(), random::token(), self.clock().now());
        let record = Record {
            hash: digest(secret.as_bytes()),
            organisation,
            name: name.to_owned(),
            created: now,
            expires: lifetime.map(|lifetime| now.plus(lifetime)),
            client: None,
            user: Some(entry.id),
            access_key: None,
            signed: false,
        };
        let detail = format!("token:{id} of {} {}", tree::dn_of(self.memory(), entry.id), tree::shorten(name));
        let told = self.keeping(caller, "token-mint", organisation, detail);
        let made = id.clone();
        let core = Arc::clone(self.core());
        self.store()
            .write(move |txn| {
                let may = txn.entry(entry.id).is_some_and(|now| is_open(&core.schema, &now));
                if !may {
                    return Err(Error::NoSuchObject { matched: String::new() });
                }
                txn.put_meta(&key(&id), Some(octets(&record)?));
                txn.put_meta(&holder_key(entry.id, &id), Some(id.clone().into_bytes()));
                txn.audit(told);
                Ok(())
            })
            .await?;
        Ok(shown(made, &secret))
    }

    /// Whom a personal token acts as, where it still may.
    pub(super) fn person_of(&self, id: &str, user: EntryId) -> Option<Identity> {
        self.memory().entry(user).filter(|entry| self.may_act_by_token(entry))?;
        let identity = self.core().identity(self.memory(), user)?;
        Some(Identity { through: Some(format!("token:{id}").into()), ..identity })
    }

    fn may_act_by_token(&self, entry: &Entry) -> bool {
        is_open(self.schema(), entry)
    }
}

/// Whether it is the active account of a person.
fn is_open(schema: &crate::schema::Schema, entry: &Entry) -> bool {
    User::of(schema, entry).is_some_and(|user| user.user_type() == UserType::App && user.state() == AccountState::Active)
}

impl Work<'_, '_> {
    /// Revokes all personal tokens of a user.
    pub(crate) fn end_tokens_of(&mut self, user: EntryId) {
        for (holder, id) in self.txn.meta_range(&of_user(user)) {
            self.txn.put_meta(&holder, None);
            if let Ok(id) = std::str::from_utf8(&id) {
                drop_token(self.txn, id);
            }
        }
    }
}
