//! What becomes of users that provisioning clients disable, delete and bring back (scim.md section 4): kept users, users that
//! come back by a POST, the ceiling that pauses a client, clients on trial, references to who is not there
//! yet, and clients that are removed.

mod ceiling;
mod giving;
mod kept;
mod parting;
mod pending;
mod returning;
mod trial;

pub(super) use kept::Kept;
pub use kept::KeptUser;
pub use parting::{Parting, Provisioned};
pub use pending::{Named, PendingReference};
pub(super) use trial::Trial;
pub use trial::{Witness, WouldChange};

use super::Standing;
use super::client::{Client, Deletion};
use super::error::Error;
use super::write::Work;
use crate::domain::{AccountState, User, UserType};
use crate::model::{AttributeId, Description, Entry};
use crate::schema::Schema;
use std::sync::Arc;

/// The option of `hcExternalId` under which a client's own value is kept (HE1).
pub fn external_id_option(client: &str) -> String {
    format!("x-client-{client}")
}

/// What a client's DELETE came to.
pub(super) enum Deleted {
    /// The entry is to go.
    Goes,
    /// It stays, and is disabled.
    Stays,
}

impl Work<'_, '_> {
    /// The provisioning client that makes the change.
    pub(super) fn client(&self) -> Option<Arc<Client>> {
        let identity = &self.caller.identity;
        identity.client.clone().filter(|_| identity.standing == Standing::Client)
    }

    /// Deletes a user for a client, as its settings have it.
    pub(super) fn delete_by_client(&mut self, entry: &Arc<Entry>) -> Result<Deleted, Error> {
        let Some(client) = self.client() else { return Ok(Deleted::Goes) };
        let schema = Arc::clone(&self.core.schema);
        if User::of(&schema, entry).is_none_or(|user| user.user_type() != UserType::App) {
            return Ok(Deleted::Goes);
        }
        match client.settings.deletion {
            Deletion::Delete => {
                self.count_deactivation()?;
                Ok(Deleted::Goes)
            }
            Deletion::Keep => {
                if !is_disabled(&schema, entry) {
                    self.count_deactivation()?;
                }
                self.keep(entry, &client)?;
                Ok(Deleted::Goes)
            }
            Deletion::Deactivate => {
                self.put_out_of_sight(entry, &client)?;
                Ok(Deleted::Stays)
            }
        }
    }

    /// Disables a user; the client sees it no more.
    fn put_out_of_sight(&mut self, entry: &Entry, client: &Client) -> Result<(), Error> {
        let known = *self.core.schema.known();
        let mut draft = self.core.schema.unseal(entry);
        draft.set_one(known.hc_active, "FALSE");
        draft.append(Description::plain(known.hc_deleted_by), vec![client.id.clone().into_bytes()]);
        self.stamp_changed(&mut draft);
        let place = self.place_of(entry);
        let after = self.put(Some(entry), &draft, place)?;
        self.after_modify(entry, &after)?;
        self.forget_pending(entry.id, None);
        self.audit_change_with("deactivate", (Some(entry), Some(&after)), Vec::new(), "deleted by the client".to_owned());
        Ok(())
    }
}

/// Whether a user is kept out (U6).
fn is_disabled(schema: &Schema, entry: &Entry) -> bool {
    User::of(schema, entry).is_some_and(|user| user.state() == AccountState::Disabled)
}

/// Whether the change disables a user.
pub(super) fn disables(schema: &Schema, before: &Entry, after: &Entry) -> bool {
    is_disabled(schema, after) && !is_disabled(schema, before)
}

/// Whether the client is among the ids that the attribute holds.
fn names(entry: &Entry, attribute: AttributeId, client: &str) -> bool {
    entry.values(attribute).any(|id| id.eq_ignore_ascii_case(client.as_bytes()))
}
