//! References to somebody who is not there yet (quirk 48): providers send managers and members out of order. But for the
//! profile `strict`, such a reference of a client waits for whom it names; it shows in no resource, and is what a later
//! request replaces or removes.

use super::error::ScimError;
use super::gateway::Gateway;
use super::json::Object;
use super::mapping::{self, Link, Lookup};
use super::schema::ResourceType;
use crate::directory::client::Profile;
use crate::directory::{Named, OwnedEntry, PendingChange, Standing};
use serde_json::json;

/// The LDAP attributes of references that may wait, beside those of members.
const WAIT: &[&str] = &["manager"];

fn links(resource_type: &ResourceType) -> impl Iterator<Item = &'static Link> {
    resource_type.mapping.links.iter().filter(|link| WAIT.contains(&link.ldap))
}

impl Gateway {
    /// Whether references of this caller wait for whom they name.
    pub(super) fn lets_wait(&self) -> bool {
        let identity = &self.caller.identity;
        identity.standing == Standing::Client && identity.client.is_some() && self.settings.profile != Profile::Strict
    }

    /// Whether a reference in this LDAP attribute waits for whom it names.
    pub(super) fn lets_link_wait(&self, ldap: &str) -> bool {
        WAIT.contains(&ldap) && self.lets_wait()
    }

    /// Whom a name in an LDAP attribute means: the entry of that id, and where references wait, of that externalId of the
    /// client or, for a manager, of that user name.
    pub(super) fn named(&self, ldap: &str, name: &str) -> Result<Option<Named>, ScimError> {
        if self.lets_wait() {
            return Ok(self.directory.named_by_client(&self.caller, ldap, name));
        }
        Ok(self.entry_of(name)?.map(|entry| Named { entry: entry.id, id: name.to_owned(), kind: entry.kind, dn: entry.dn }))
    }

    /// Puts the references that wait into a resource, for a change to rest on. No client is shown them.
    pub(super) fn with_pending(&self, resource_type: &ResourceType, entry: &OwnedEntry, mut resource: Object) -> Object {
        for link in links(resource_type).filter(|_| self.lets_wait()) {
            let held = self.directory.pending_of(&self.caller, entry.id, link.ldap);
            if let (Some((_, value)), true) = (held.into_iter().next(), mapping::linked(&resource, link).is_empty()) {
                mapping::place(&mut resource, link.holder, link.name, json!({"value": value}));
            }
        }
        resource
    }

    /// The references that are to wait where a resource changes from `before` to `after`.
    pub(super) fn pending_links(
        &self,
        resource_type: &ResourceType,
        before: &Object,
        after: &Object,
    ) -> Result<Vec<PendingChange>, ScimError> {
        let mut found = Vec::new();
        for link in links(resource_type).filter(|_| self.lets_wait()) {
            let wanted = mapping::linked(after, link);
            if wanted == mapping::linked(before, link) {
                continue;
            }
            for value in wanted {
                if self.linked_dn(link.ldap, value)?.is_none() {
                    found.push(PendingChange { attribute: link.ldap.to_owned(), value: value.to_owned(), is_wanted: true });
                }
            }
        }
        Ok(found)
    }
}
