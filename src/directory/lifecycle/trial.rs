//! Clients on trial: everything is checked and answered as if it were done, and nothing is.

use super::super::Directory;
use super::super::client::Client;
use super::super::error::Error;
use super::super::identity::{Caller, Identity, Origin, Protocol, Standing};
use crate::store::{AuditRecord, Transaction};
use parking_lot::Mutex;
use std::sync::Arc;

/// Takes what a change came to out of the step that is taken back.
pub(in super::super) struct Trial<T> {
    done: Option<Arc<Mutex<Option<T>>>>,
    witness: Option<Witness>,
}

impl<T> Trial<T> {
    /// Where the caller is a client on trial.
    pub(in super::super) fn of(caller: &Caller) -> Self {
        let client = caller.identity.client.as_deref().filter(|_| caller.identity.standing == Standing::Client);
        Self { done: client.is_some_and(Client::is_on_trial).then(Arc::default), witness: caller.identity.witness.clone() }
    }

    /// The same for the step of the writer.
    pub(in super::super) fn within(&self) -> Self {
        Self { done: self.done.clone(), witness: self.witness.clone() }
    }

    /// The last of the step: on trial an error takes everything back.
    pub(in super::super) fn keep(&self, txn: &Transaction<'_>, done: T) -> Result<T, Error> {
        let Some(kept) = &self.done else { return Ok(done) };
        if let Some(witness) = &self.witness {
            witness.0.lock().extend(txn.audited().iter().flat_map(would_change));
        }
        *kept.lock() = Some(done);
        Err(Error::NoOperation)
    }

    /// What the step came to, as the caller is told it.
    pub(in super::super) fn told(&self) -> Option<T> {
        self.done.as_ref().and_then(|kept| kept.lock().take())
    }
}

/// Sees what a client on trial would change.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<Mutex<Vec<WouldChange>>>);

impl Witness {
    /// What would have changed until now.
    pub fn told(&self) -> Vec<WouldChange> {
        self.0.lock().clone()
    }
}

/// What would become of one attribute, as the audit log would have it.
#[derive(Clone, Debug, Default)]
pub struct WouldChange {
    /// The DN of the entry.
    pub entry: String,
    /// What would be done to it: add, modify, delete, …
    pub operation: String,
    /// The description of the LDAP attribute; empty where the operation is all there is to say.
    pub attribute: String,
    /// Whether its values are told to nobody.
    pub secret: bool,
    /// Values that would go.
    pub before: Vec<String>,
    /// Values that would come.
    pub after: Vec<String>,
    /// How many values there are more of.
    pub left_out: u64,
    /// In words.
    pub detail: String,
}

fn would_change(record: &AuditRecord) -> Vec<WouldChange> {
    let whole = WouldChange {
        entry: record.target.clone(),
        operation: record.operation.clone(),
        detail: record.detail.clone(),
        ..WouldChange::default()
    };
    if record.changes.is_empty() {
        return vec![whole];
    }
    let each = record.changes.iter().map(|change| WouldChange {
        attribute: change.attribute.clone(),
        secret: change.secret,
        before: change.old.clone(),
        after: change.new.clone(),
        left_out: change.old_left_out + change.new_left_out,
        ..whole.clone()
    });
    each.collect()
}

impl Directory {
    /// A client on trial, for who keeps it, and what sees what it would change.
    pub fn on_trial(&self, caller: &Caller, organisation: Option<&str>, name: &str) -> Result<(Caller, Witness), Error> {
        let mut client = self.kept_client(caller, organisation, name)?;
        client.settings.dry_run = true;
        let witness = Witness::default();
        let identity = Identity {
            standing: Standing::Client,
            name: caller.identity.name.clone(),
            organisation: Some(client.organisation()),
            method: caller.identity.method,
            through: Some(format!("client:{}", client.id).into()),
            client: Some(Arc::new(client)),
            witness: Some(witness.clone()),
            ..Identity::anonymous()
        };
        let origin = Origin { protocol: Protocol::Scim, ..(*caller.origin).clone() };
        Ok((Caller { identity: Arc::new(identity), origin: Arc::new(origin) }, witness))
    }
}
