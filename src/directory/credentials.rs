//! Stored credentials: what is made of a clear password, how one is checked, and how what another server made, or we made
//! with a lower cost, is made anew once its password was right (hardening §2.3).

use super::authenticate::scram;
use super::hash_pool::Busy;
use super::password_hash::Match;
use super::session::system_caller;
use super::tree;
use super::write::Work;
use super::{Directory, Error, Origin, WriteOptions};
use crate::base::{EntryId, Secret};
use crate::model::{Description, Facts};
use std::net::IpAddr;
use std::sync::Arc;

/// Renewals that wait; what is more waits for the next time its user signs in.
const RENEWALS: usize = 64;

/// What is stored for a password.
pub(crate) struct StoredCredentials {
    /// The value of `userPassword`.
    pub(crate) password: Vec<u8>,
    /// A value of `authPassword`, where the config lets organisations turn SCRAM on.
    pub(crate) scram: Option<Vec<u8>>,
}

/// A password that a change sets in the clear, and what is stored for it.
pub(crate) struct ClearPassword {
    /// The value of `userPassword`.
    pub(crate) stored: Vec<u8>,
    pub(crate) password: Secret,
}

/// A stored value to be made anew.
pub(crate) struct Renewal {
    entry: EntryId,
    /// The value the password was right for; it must still be there.
    verified: Vec<u8>,
    password: Secret,
    source: Option<IpAddr>,
}

impl Directory {
    /// Makes what is stored for a clear password: the one place where that happens, for passwords that are set and for
    /// renewals alike.
    pub(crate) async fn make_credentials(&self, source: Option<IpAddr>, password: Secret) -> Result<StoredCredentials, Error> {
        if password.expose().is_empty() || password.expose().len() > self.settings().limits.password {
            return Err(Error::Constraint("a password has between 1 and 1024 octets".to_owned()));
        }
        let hasher = self.hasher();
        let scram = self.settings().sasl.scram;
        let make = move || {
            let hashed = hasher.hash(&password)?.into_bytes();
            let scram = scram.then(|| scram::value_for(&password, &hashed));
            Ok::<_, Busy>(StoredCredentials { password: hashed, scram })
        };
        Ok(self.pool().run(source, make).await??)
    }

    /// The same for a change of a password; what is needed to make keys of it is kept where there may be any.
    pub(super) async fn hash_password(
        &self,
        source: Option<IpAddr>,
        password: Secret,
        clear: &mut Vec<ClearPassword>,
    ) -> Result<Vec<u8>, Error> {
        let kept = self.settings().sasl.scram.then(|| password.clone());
        let stored = self.make_credentials(source, password).await?.password;
        clear.extend(kept.map(|password| ClearPassword { stored: stored.clone(), password }));
        Ok(stored)
    }

    /// Which of the stored values the password matches. Costly hashes run in the pool, and what fails costs one of them.
    pub(super) async fn match_password(&self, origin: &Origin, stored: &[Vec<u8>], password: &Secret) -> Result<Option<Match>, Error> {
        let hasher = self.hasher();
        if let Some(found) = hasher.verify_cheap(stored, password) {
            return Ok(Some(found));
        }
        let (stored, password) = (stored.to_vec(), password.clone());
        let work = move || hasher.verify_all(&stored, &password);
        Ok(self.pool().run(origin.address, work).await??)
    }

    /// Lets a stored value be made anew, after the answer.
    pub(super) fn renew_later(&self, origin: &Origin, entry: EntryId, verified: &[u8], password: &Secret) {
        let mut renewals = self.core().renewals.lock();
        if renewals.len() < RENEWALS {
            renewals.push(Renewal { entry, verified: verified.to_vec(), password: password.clone(), source: origin.address });
            self.core().wake.notify_one();
        }
    }

    /// Makes anew what waits for it. Nobody changed anything by that: the entry keeps its stamps and its revision.
    pub(super) async fn renew_credentials(&self) {
        let due = std::mem::take(&mut *self.core().renewals.lock());
        for Renewal { entry, verified, password, source } in due {
            // Where there is too much going on, the next time will do.
            let Ok(made) = self.make_credentials(source, password).await else { continue };
            let core = Arc::clone(self.core());
            let renewed = self.store().write(move |txn| {
                let (caller, options) = (system_caller(&Origin::system()), WriteOptions::default());
                Work::begin(&core, txn, &caller, &options)?.renew(entry, &verified, made)
            });
            if let Err(error) = renewed.await {
                tracing::warn!(%error, user = tree::dn_of(self.memory(), entry), "a stored password could not be made anew yet");
            }
        }
    }
}

impl Work<'_, '_> {
    /// Puts the new credentials in the place of the value they were made for, if it is still there.
    fn renew(&mut self, entry: EntryId, verified: &[u8], made: StoredCredentials) -> Result<(), Error> {
        let Some(entry) = self.txn.entry(entry) else { return Ok(()) };
        let user_password = self.core.schema.known().user_password;
        let mut draft = self.core.schema.unseal(&entry);
        let mut values = draft.values(user_password).to_vec();
        let Some(held) = values.iter_mut().find(|held| *held == verified) else { return Ok(()) };
        *held = made.password;
        draft.set(Description::plain(user_password), values);
        if let Some(made) = made.scram.filter(|_| scram::is_on(&self.core.schema, &*self.txn, entry.id)) {
            let auth_password = self.core.schema.known().auth_password;
            let mut values = draft.values(auth_password).to_vec();
            values.retain(|value| !scram::is_value(value));
            values.push(made);
            draft.set(Description::plain(auth_password), values);
        }
        self.put_unstamped(&entry, &draft)?;
        self.txn.entry(entry.id).map_or(Ok(()), |renewed| self.keep_link(&entry, &renewed))
    }
}
