//! Users as a provisioning client keeps them, by its scopes.

use super::{Access, AttributeSet, Scope, Scopes};

/// What a provisioning client may change of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Provision {
    /// What is in no other scope; and it may be deleted and renamed.
    users: bool,
    roles: bool,
    passwords: bool,
}

impl Provision {
    pub(super) const fn of(scopes: Scopes) -> Self {
        Self { users: scopes.has(Scope::Users), roles: scopes.has(Scope::Roles), passwords: scopes.has(Scope::Passwords) }
    }

    /// Its place among [`all`](Self::all).
    pub(super) const fn number(self) -> usize {
        self.users as usize + 2 * self.roles as usize + 4 * self.passwords as usize
    }

    /// All there are, by their numbers.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..8).map(|number| Self { users: number & 1 != 0, roles: number & 2 != 0, passwords: number & 4 != 0 })
    }

    /// What it opens, of what reads as `view` and is kept as `keep`: of credentials the password alone, and neither whether
    /// the user takes a seat nor which licence it is on.
    pub(super) fn access(self, view: &Access, keep: &Access, named: &impl Fn(&[&str]) -> AttributeSet) -> Access {
        let mut access = if self.users { keep.clone() } else { view.clone() };
        let (role, password) = (named(&["hcRole", "hcPrimaryRole"]), named(&["userPassword"]));
        let never = named(&["authPassword", "hcApplicationPassword", "hcOneTimeSecret", "hcUserType", "hcLicence"]);
        [&role, &password, &never].into_iter().for_each(|set| access.write.subtract(set));
        if self.roles {
            access.write.unite(&role);
        }
        if self.passwords {
            access.write.unite(&password);
        }
        access
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_at_its_number() {
        assert!(Provision::all().enumerate().all(|(at, provision)| provision.number() == at));
        assert_eq!(Provision::all().count(), 8);
    }
}
