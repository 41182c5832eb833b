//! What the scopes of a client leave of a request (HE3). The rules of access decide; this says in time, and in words, which
//! scope is missing.

use super::error::ScimError;
use super::gateway::Gateway;
use super::mapping::Changes;
use super::schema::ResourceType;
use crate::access::{Scope, Scopes};
use crate::directory::Identity;
use crate::directory::client::Profile;
use crate::model::Kind;

/// What a request does with resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Reads them.
    Read,
    /// Makes, changes or deletes one.
    Write,
}

/// 403 where who asks is a client that has none of these scopes.
pub fn demand(identity: &Identity, scopes: &[Scope]) -> Result<(), ScimError> {
    let Some(client) = &identity.client else { return Ok(()) };
    match client.settings.scopes.iter().collect::<Scopes>().any(scopes) {
        true => Ok(()),
        false => {
            let named = scopes.iter().map(|scope| scope.word()).collect::<Vec<_>>().join(" or ");
            Err(ScimError::forbidden(format!("the client {} does not have the scope {named}", client.name)))
        }
    }
}

/// The scopes that let a client do that with resources of a type; any of them will do.
fn of(resource_type: &ResourceType, deed: Deed) -> &'static [Scope] {
    match (resource_type.kind, deed) {
        (Kind::User, Deed::Read) => &[Scope::Read, Scope::Users, Scope::Groups, Scope::Roles, Scope::Passwords],
        (Kind::User, Deed::Write) => &[Scope::Users, Scope::Roles, Scope::Passwords],
        (Kind::Staff | Kind::Person, Deed::Read) => &[Scope::Read, Scope::Users],
        (Kind::Staff | Kind::Person, Deed::Write) => &[Scope::Users],
        (Kind::Group, Deed::Read) => &[Scope::Read, Scope::Groups],
        (Kind::Group, Deed::Write) => &[Scope::Groups],
        (Kind::Role, Deed::Read) => &[Scope::Read, Scope::Roles],
        (Kind::Role, Deed::Write) => &[Scope::Roles],
        (Kind::Session, Deed::Read | Deed::Write) => &[Scope::Sessions],
        (Kind::Content, Deed::Read | Deed::Write) => &[Scope::Content],
        (Kind::Generic | Kind::Licence | Kind::Organisation, Deed::Read | Deed::Write) => &[Scope::Read],
    }
}

/// 403 where the scopes do not let the client do that with resources of the type at all.
pub fn permit(gateway: &Gateway, resource_type: &ResourceType, deed: Deed) -> Result<(), ScimError> {
    // Content that is not for one is not there: who looks for some finds none.
    match (resource_type.kind, deed) {
        (Kind::Content, Deed::Read) => Ok(()),
        _ => demand(&gateway.caller.identity, of(resource_type, deed)),
    }
}

/// What the scopes leave of the changes of a resource: 403 where they do not open one. A password that the client may not set
/// is ignored, because providers send one whatever they are told; a strict client is told.
pub fn within(gateway: &Gateway, resource_type: &ResourceType, mut changes: Changes) -> Result<Changes, ScimError> {
    let identity = &gateway.caller.identity;
    if resource_type.kind != Kind::User {
        return Ok(changes);
    }
    if gateway.settings.profile != Profile::Strict && demand(identity, &[Scope::Passwords]).is_err() {
        let before = changes.len();
        changes.retain(|(name, _)| *name != "userPassword");
        if changes.len() < before {
            gateway.exchange.ignored("password");
        }
    }
    for (name, _) in &changes {
        let scope = match *name {
            "userPassword" => Scope::Passwords,
            "hcRole" => Scope::Roles,
            _ => Scope::Users,
        };
        demand(identity, &[scope])?;
    }
    Ok(changes)
}
