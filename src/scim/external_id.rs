//! The externalId of a resource: each client keeps its own, under an option of `hcExternalId`, and neither sees nor meets that of
//! another (HE1). What an LDAP client wrote without an option is shown to a client that has given none itself.

use super::error::ScimError;
use super::gateway::{Gateway, equals};
use super::json::Object;
use super::schema::ResourceType;
use crate::directory::{OwnedEntry, Scope, Standing, external_id_option};
use crate::model::Filter;
use std::borrow::Cow;

/// The LDAP attribute.
pub(super) const LDAP: &str = "hcExternalId";

impl Gateway {
    /// The description under which the externalId of the client is kept.
    fn own_external_id(&self) -> Option<String> {
        let identity = &self.caller.identity;
        let client = identity.client.as_ref().filter(|_| identity.standing == Standing::Client)?;
        Some(format!("{LDAP};{}", external_id_option(&client.id)))
    }

    /// An LDAP attribute of the mapping, as this client writes it.
    pub(super) fn ldap_name(&self, name: &str) -> String {
        let own = (name == LDAP).then(|| self.own_external_id()).flatten();
        own.unwrap_or_else(|| name.to_owned())
    }

    /// Puts the client's own externalId in the place of the one that is nobody's.
    pub(super) fn show_external_id(&self, entry: &OwnedEntry, resource: &mut Object) {
        if let Some(own) = self.own_external_id().as_deref().and_then(|name| entry.text(name)) {
            resource.insert("externalId".to_owned(), own.into());
        }
    }

    /// The id of another entry of the type that has this externalId of the client.
    pub(super) fn holder_of_external_id(&self, resource_type: &ResourceType, value: &str) -> Result<Option<String>, ScimError> {
        let Some(name) = self.own_external_id() else { return Ok(None) };
        let own = Filter::Equality(Cow::Owned(name), Cow::Owned(value.as_bytes().to_vec()));
        let filter = Filter::And(vec![own, equals("objectClass", resource_type.mapping.object_class)]);
        let found = self.first(&self.organisation, Scope::Subtree, &filter, &["entryUUID"])?;
        Ok(found.and_then(|entry| entry.text("entryUUID").map(str::to_owned)))
    }
}
