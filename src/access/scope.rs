//! What a provisioning client may do, each by an explicit grant (HE3).

use serde::{Deserialize, Serialize};

/// One grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read what is there, but for sessions and content. Whoever may change things of a kind may read those without it.
    Read,
    /// Make and change users and staff.
    Users,
    /// Make and change groups and memberships.
    Groups,
    /// Assign licensee roles, and keep the organisation's own.
    Roles,
    /// Set passwords.
    Passwords,
    /// List and end sessions.
    Sessions,
    /// Read and write content.
    Content,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 7] = [Self::Read, Self::Users, Self::Groups, Self::Roles, Self::Passwords, Self::Sessions, Self::Content];

    /// Those that open changes of people, groups and roles. References are made to users by all of them.
    pub const CHANGES: [Self; 4] = [Self::Users, Self::Groups, Self::Roles, Self::Passwords];

    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Users => "users",
            Self::Groups => "groups",
            Self::Roles => "roles",
            Self::Passwords => "passwords",
            Self::Sessions => "sessions",
            Self::Content => "content",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether it is in it.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// As a number.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Of that number.
    pub const fn of_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether any of these is in it.
    pub fn any(self, scopes: &[Scope]) -> bool {
        scopes.iter().any(|scope| self.has(*scope))
    }
}

impl<'a> FromIterator<&'a Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = &'a Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}
