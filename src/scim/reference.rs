//! References between resources: what they show, and how what they name is found.

use super::error::ScimError;
use super::json::Object;
use super::mapping::ROLE;
use super::types;
use crate::model::Kind;

/// Another entry, as a reference shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// Its name for people.
    pub display: String,
}

impl Reference {
    /// The name of its resource type, where SCIM serves it.
    pub fn type_name(&self) -> Option<&'static str> {
        types::of_kind(self.kind).map(|served| served.name)
    }

    /// Its URI; its id where SCIM does not serve it.
    pub(super) fn uri(&self, base_url: &str) -> String {
        types::of_kind(self.kind).map_or_else(|| self.id.clone(), |served| format!("{base_url}{}/{}", served.endpoint, self.id))
    }

    /// As an element of `members`, `groups`, or as `manager` and `user`.
    pub fn to_value(&self, base_url: &str, display: &str) -> Object {
        let mut members = Object::new();
        members.insert("value".to_owned(), self.id.clone().into());
        if types::of_kind(self.kind).is_some() {
            members.insert("$ref".to_owned(), self.uri(base_url).into());
        }
        members.insert(display.to_owned(), self.display.clone().into());
        members
    }
}

/// Finds what references point to, as far as the caller may see it.
pub trait Lookup {
    /// The entry of a DN.
    fn reference(&self, dn: &str) -> Option<Reference>;
    /// The DN of the person of an id.
    fn person_dn(&self, id: &str) -> Result<Option<String>, ScimError>;
    /// The DN of the role of an id, or of a name.
    fn role_dn(&self, role: &str) -> Result<Option<String>, ScimError> {
        self.person_dn(role)
    }
    /// The DN that a reference in an LDAP attribute names.
    fn linked_dn(&self, ldap: &str, id: &str) -> Result<Option<String>, ScimError> {
        if ldap == ROLE { self.role_dn(id) } else { self.person_dn(id) }
    }
    /// Whether a reference in an LDAP attribute waits for whom it names.
    fn waits(&self, _ldap: &str) -> bool {
        false
    }
}
