//! What somebody's roles come to (R2): everything any role grants, minus everything any role restricts and
//! everything that requires what is restricted.

use super::catalog::Catalog;
use super::lens::Role;
use crate::base::EntryId;
use crate::model::Facts;
use crate::schema::Schema;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What somebody may do by their roles.
#[derive(Clone, Debug)]
pub struct Rights {
    /// The roles held.
    pub roles: Vec<EntryId>,
    /// Their names.
    pub role_names: Vec<Box<str>>,
    /// The permissions in effect, sorted.
    pub permissions: Arc<[Box<str>]>,
    /// Whether one of them is the Organisation Admin role.
    pub organisation_admin: bool,
}

impl Rights {
    /// The rights of `user` by its links `hcRole`.
    pub fn of(schema: &Schema, facts: &dyn Facts, catalog: &Catalog, user: EntryId) -> Self {
        let held = facts.targets(user, schema.known().hc_role, None, usize::MAX);
        let mut rights = Self { roles: Vec::new(), role_names: Vec::new(), permissions: Arc::from([]), organisation_admin: false };
        let (mut granted, mut restricted) = (BTreeSet::new(), BTreeSet::new());
        for entry in held.into_iter().filter_map(|(id, _)| facts.entry(id)) {
            let Some(role) = Role::of(schema, &entry) else { continue };
            rights.roles.push(entry.id);
            rights.role_names.extend(role.name().map(Into::into));
            rights.organisation_admin |= role.is_organisation_admin();
            granted.extend(role.grants().map(Box::<str>::from));
            restricted.extend(role.restricts().map(Box::<str>::from));
            if let Some(known) = role.system().and_then(|name| catalog.roles.iter().find(|role| role.system && role.name == name)) {
                granted.extend(known.grants.iter().map(|name| name.as_str().into()));
                restricted.extend(known.restricts.iter().map(|name| name.as_str().into()));
            }
        }
        rights.permissions = catalog.effective(granted, restricted).into();
        rights
    }
}

impl Catalog {
    /// What is left of `granted` after `restricted` and everything that requires it are taken away, sorted.
    pub fn effective(&self, mut granted: BTreeSet<Box<str>>, mut restricted: BTreeSet<Box<str>>) -> Vec<Box<str>> {
        // Each round takes in what requires something restricted so far; there are at most as many as permissions.
        while let Some(more) = self.permissions.iter().find(|permission| {
            !restricted.contains(permission.name.as_str()) && permission.requires.iter().any(|name| restricted.contains(name.as_str()))
        }) {
            restricted.insert(more.name.as_str().into());
        }
        granted.retain(|name| !restricted.contains(name));
        granted.into_iter().collect()
    }

    /// Checks that everything the catalog speaks of is defined in it (R1); the text names what is not.
    pub fn check(&self) -> Result<(), String> {
        let defined: BTreeSet<&str> = self.permissions.iter().map(|permission| permission.name.as_str()).collect();
        if defined.len() != self.permissions.len() {
            return Err("a permission is defined twice".to_owned());
        }
        for permission in &self.permissions {
            if let Some(missing) = permission.requires.iter().find(|name| !defined.contains(name.as_str())) {
                return Err(format!("permission {} requires {missing}, which is not defined", permission.name));
            }
        }
        for role in &self.roles {
            if let Some(missing) = role.grants.iter().chain(&role.restricts).find(|name| !defined.contains(name.as_str())) {
                return Err(format!("role {} speaks of {missing}, which is not defined", role.name));
            }
        }
        for package in &self.packages {
            if let Some(missing) = package.roles.iter().find(|name| !self.roles.iter().any(|role| role.name == **name)) {
                return Err(format!("package {} holds role {missing}, which is not defined", package.name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Permission;
    use super::*;

    fn catalog() -> Catalog {
        let permission = |name: &str, requires: &[&str]| Permission {
            name: name.to_owned(),
            description: String::new(),
            requires: requires.iter().map(|name| (*name).to_owned()).collect(),
        };
        Catalog {
            permissions: vec![
                permission("people.delete", &["people.edit"]),
                permission("people.search", &[]),
                permission("people.edit", &["people.search"]),
                permission("sales.view", &[]),
            ],
            ..Catalog::default()
        }
    }

    fn set(names: &[&str]) -> BTreeSet<Box<str>> {
        names.iter().map(|name| (*name).into()).collect()
    }

    #[test]
    fn r2_a_restriction_takes_what_requires_it_along() {
        let all = set(&["people.search", "people.edit", "people.delete", "sales.view"]);
        assert_eq!(catalog().effective(all.clone(), set(&["people.search"])), [Box::from("sales.view")]);
        assert_eq!(catalog().effective(all.clone(), set(&["people.delete"])).len(), 3);
        assert_eq!(catalog().effective(all, set(&[])).len(), 4);
    }

    #[test]
    fn r1_a_missing_requirement_is_an_error() {
        assert_eq!(catalog().check(), Ok(()));
        let mut broken = catalog();
        broken.permissions.retain(|permission| permission.name != "people.search");
        assert!(broken.check().unwrap_err().contains("people.edit requires people.search"));
    }
}
