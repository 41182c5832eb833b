//! What somebody's roles come to (R2): everything any role grants, and the levels below that, minus everything any role
//! restricts and everything that requires or includes what is restricted.

use super::catalog::{Catalog, DIRECTORY_ONLY};
use super::lens::{ORGANISATION_ADMIN, Role, organisation_of};
use super::packages::Offer;
use crate::base::EntryId;
use crate::model::{Entry, Facts};
use crate::schema::Schema;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What somebody may do by their roles.
#[derive(Clone, Debug)]
pub struct Rights {
    /// The roles held that are effective (R5).
    pub roles: Vec<HeldRole>,
    /// The permissions in effect, sorted.
    pub permissions: Arc<[Box<str>]>,
    /// Whether one of them is the Organisation Admin role.
    pub organisation_admin: bool,
}

/// A role that somebody holds.
#[derive(Clone, Debug)]
pub struct HeldRole {
    /// Its entry.
    pub entry: EntryId,
    /// What its organisation calls it. A name that the catalog has for a system role is no other role's, and `None` here.
    pub name: Option<Box<str>>,
    /// The system role it is (R3): only the operator makes one.
    pub system: Option<Box<str>>,
}

/// What one role that somebody holds says by itself.
struct Said {
    role: EntryId,
    name: Option<Box<str>>,
    system: Option<Box<str>>,
    organisation_admin: bool,
    grants: BTreeSet<Box<str>>,
    restricts: BTreeSet<Box<str>>,
    /// Whether it counts, or is of another package (R5).
    offer: Offer,
}

/// Why a permission is in effect or is not (R9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionGround {
    /// The permission.
    pub permission: Box<str>,
    /// Whether it is in effect.
    pub in_effect: bool,
    /// The roles that grant it, each with what it grants: the permission itself, or a level above it.
    pub granted_by: Vec<(Box<str>, Box<str>)>,
    /// The roles that would grant it and are not of the package that governs them, each with the packages that have it (R5).
    pub of_other_packages: Vec<(Box<str>, Vec<Box<str>>)>,
    /// The roles that restrict it, each with what it restricts: the permission itself, or one that it requires or includes.
    pub restricted_by: Vec<(Box<str>, Box<str>)>,
}

/// The roles of `user` with what each says.
fn said_by_roles(schema: &Schema, facts: &dyn Facts, catalog: &Catalog, user: EntryId) -> Vec<Said> {
    let held = facts.targets(user, schema.known().hc_role, None, usize::MAX);
    let read = |entry: &Entry| {
        let role = Role::of(schema, entry)?;
        let mut said = Said {
            role: entry.id,
            name: role.name().map(Into::into),
            system: role.system().map(Into::into),
            organisation_admin: role.is_organisation_admin(),
            grants: role.grants().map(Into::into).collect(),
            restricts: role.restricts().map(Into::into).collect(),
            offer: Offer::of(schema, facts, catalog, entry),
        };
        if let Some(known) = role.system().and_then(|name| catalog.roles.iter().find(|role| role.system && role.name == name)) {
            said.grants.extend(known.grants.iter().map(|name| name.as_str().into()));
            said.restricts.extend(known.restricts.iter().map(|name| name.as_str().into()));
        }
        Some(said)
    };
    held.into_iter().filter_map(|(id, _)| read(&*facts.entry(id)?)).collect()
}

/// Whether `user` holds a role that makes it an Organisation Admin.
pub fn is_organisation_admin(schema: &Schema, facts: &dyn Facts, user: EntryId) -> bool {
    let held = facts.targets(user, schema.known().hc_role, None, usize::MAX);
    let admin = |entry: &Entry| Role::of(schema, entry).is_some_and(|role| role.is_organisation_admin());
    held.into_iter().filter_map(|(id, _)| facts.entry(id)).any(|entry| admin(&entry))
}

/// The administrator roles of an organisation.
pub(super) fn organisation_admin_roles(schema: &Schema, facts: &dyn Facts, organisation: EntryId) -> Vec<EntryId> {
    let (Some(system), mut key) = (schema.attribute("hcRoleSystem"), Vec::new()) else { return Vec::new() };
    if schema.normalize(system, ORGANISATION_ADMIN.as_bytes(), &mut key).is_err() {
        return Vec::new();
    }
    let of_organisation = |role: &EntryId| organisation_of(facts, *role) == Some(organisation);
    facts.equal(system, &key).into_iter().filter(of_organisation).collect()
}

/// Who holds one of them, each once.
pub fn organisation_admins(schema: &Schema, facts: &dyn Facts, organisation: EntryId) -> BTreeSet<EntryId> {
    let roles = organisation_admin_roles(schema, facts, organisation).into_iter();
    roles.flat_map(|role| facts.sources(role, schema.known().hc_role)).map(|(user, _)| user).collect()
}

impl Rights {
    /// The rights of `user` by its links `hcRole`.
    pub fn of(schema: &Schema, facts: &dyn Facts, catalog: &Catalog, user: EntryId) -> Self {
        let mut rights = Self { roles: Vec::new(), permissions: Arc::from([]), organisation_admin: false };
        let (mut granted, mut restricted) = (BTreeSet::new(), BTreeSet::new());
        for said in said_by_roles(schema, facts, catalog, user).into_iter().filter(|said| said.offer == Offer::Current) {
            let of_system = |name: &str| catalog.roles.iter().any(|role| role.system && role.name.eq_ignore_ascii_case(name));
            let name = said.name.filter(|name| !of_system(name));
            rights.roles.push(HeldRole { entry: said.role, name, system: said.system });
            rights.organisation_admin |= said.organisation_admin;
            granted.extend(said.grants);
            restricted.extend(said.restricts);
        }
        rights.permissions = catalog.effective(granted, restricted).into();
        rights
    }

    /// Every permission that a role of `user` speaks of, and which role decides (R9), in order of name.
    pub fn explain(schema: &Schema, facts: &dyn Facts, catalog: &Catalog, user: EntryId) -> Vec<PermissionGround> {
        let (said, idle): (Vec<_>, Vec<_>) =
            said_by_roles(schema, facts, catalog, user).into_iter().partition(|role| role.offer == Offer::Current);
        let in_effect = Self::of(schema, facts, catalog, user).permissions;
        let all = || said.iter().chain(&idle);
        let mut spoken_of: BTreeSet<&str> = all().flat_map(|role| role.grants.iter().chain(&role.restricts)).map(|name| &**name).collect();
        spoken_of.extend(all().flat_map(|role| &role.grants).flat_map(|name| catalog.below(name)).map(String::as_str));
        let name = |role: &Said| role.name.clone().unwrap_or_default();
        let of_other = |role: &Said| match &role.offer {
            Offer::Current => None,
            Offer::Other { had_by, .. } | Offer::Waiting { had_by } => Some((name(role), had_by.clone())),
        };
        let ground = |permission: &str| {
            let needed = catalog.requirements(permission);
            let grant = |role: &Said| {
                let above = |granted: &str| catalog.below(granted).iter().any(|lower| *lower == *permission);
                let what = role.grants.get(permission).or_else(|| role.grants.iter().find(|granted| above(granted)))?;
                Some((name(role), what.clone()))
            };
            let restrict = |role: &Said| {
                let what = role.restricts.iter().find(|restricted| needed.contains(*restricted))?;
                Some((name(role), what.clone()))
            };
            PermissionGround {
                permission: permission.into(),
                in_effect: in_effect.iter().any(|held| **held == *permission),
                granted_by: said.iter().filter_map(grant).collect(),
                of_other_packages: idle.iter().filter(|role| grant(role).is_some()).filter_map(of_other).collect(),
                restricted_by: said.iter().filter_map(restrict).collect(),
            }
        };
        spoken_of.into_iter().map(ground).collect()
    }
}

impl Catalog {
    /// The levels below a permission in its area, the lowest first (R2); none where it is in no area.
    pub(super) fn below(&self, permission: &str) -> &[String] {
        let place = |levels: &[String]| levels.iter().position(|level| level == permission);
        self.areas.iter().find_map(|area| area.levels.get(..place(&area.levels)?)).unwrap_or_default()
    }

    /// What a permission cannot be without: what it requires, and what it includes.
    fn rests_on<'a>(&'a self, permission: &'a str) -> impl Iterator<Item = &'a String> {
        let requires = self.permissions.iter().filter(move |known| known.name == permission).flat_map(|known| &known.requires);
        requires.chain(self.below(permission))
    }

    /// A permission and everything it requires or includes, directly or not.
    fn requirements(&self, permission: &str) -> BTreeSet<Box<str>> {
        let (mut found, mut waiting) = (BTreeSet::new(), vec![permission]);
        while let Some(name) = waiting.pop() {
            if found.insert(name.into()) {
                waiting.extend(self.rests_on(name).map(String::as_str));
            }
        }
        found
    }

    /// What is left of `granted`, with the levels below it, after `restricted` and everything that rests on it are taken away, sorted.
    pub fn effective(&self, mut granted: BTreeSet<Box<str>>, mut restricted: BTreeSet<Box<str>>) -> Vec<Box<str>> {
        let included: Vec<Box<str>> = granted.iter().flat_map(|name| self.below(name)).map(|name| name.as_str().into()).collect();
        granted.extend(included);
        // Each round takes in what rests on something restricted so far; there are at most as many as permissions.
        while let Some(more) = self.permissions.iter().find(|permission| {
            !restricted.contains(permission.name.as_str()) && self.rests_on(&permission.name).any(|name| restricted.contains(name.as_str()))
        }) {
            restricted.insert(more.name.as_str().into());
        }
        granted.retain(|name| !restricted.contains(name));
        // This one says what is left where it holds, so it counts where any role has it.
        if restricted.contains(DIRECTORY_ONLY) {
            granted.insert(DIRECTORY_ONLY.into());
        }
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
        let levels: Vec<&str> = self.areas.iter().flat_map(|area| &area.levels).map(String::as_str).collect();
        if let Some(missing) = levels.iter().find(|name| !defined.contains(**name)) {
            return Err(format!("an area holds {missing}, which is not defined"));
        }
        if levels.iter().collect::<BTreeSet<_>>().len() != levels.len() {
            return Err("a permission is a level twice".to_owned());
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
    use super::super::catalog::{Area, Permission};
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

    fn levelled() -> Catalog {
        let levels = ["sales.view", "sales.edit", "sales.admin"].map(str::to_owned).to_vec();
        let mut catalog = catalog();
        for (name, requires) in [("sales.edit", &["people.search"][..]), ("sales.admin", &[]), ("sales.export", &["sales.edit"])] {
            catalog.permissions.push(Permission {
                name: name.to_owned(),
                description: String::new(),
                requires: requires.iter().map(|name| (*name).to_owned()).collect(),
            });
        }
        catalog.areas.push(Area { name: "sales".to_owned(), levels });
        assert_eq!(catalog.check(), Ok(()));
        catalog
    }

    #[test]
    fn r2_a_higher_level_includes_the_lower_and_no_other() {
        assert_eq!(levelled().effective(set(&["sales.admin"]), set(&[])), ["sales.admin", "sales.edit", "sales.view"].map(Box::from));
        assert_eq!(levelled().effective(set(&["sales.edit"]), set(&[])), ["sales.edit", "sales.view"].map(Box::from));
        assert_eq!(levelled().effective(set(&["sales.view"]), set(&[])), ["sales.view"].map(Box::from));
    }

    #[test]
    fn r2_a_restricted_level_takes_the_levels_above_and_what_requires_them_along() {
        let all = || set(&["sales.admin", "sales.export"]);
        assert_eq!(levelled().effective(all(), set(&["sales.edit"])), ["sales.view"].map(Box::from));
        assert_eq!(levelled().effective(all(), set(&["sales.view"])), Vec::<Box<str>>::new());
        assert_eq!(levelled().effective(all(), set(&["sales.admin"])), ["sales.edit", "sales.export", "sales.view"].map(Box::from));
        // What a lower level requires, the higher one cannot be without either.
        assert_eq!(levelled().effective(all(), set(&["people.search"])), ["sales.view"].map(Box::from));
    }

    #[test]
    fn r1_a_missing_requirement_is_an_error() {
        assert_eq!(catalog().check(), Ok(()));
        let mut broken = catalog();
        broken.permissions.retain(|permission| permission.name != "people.search");
        assert!(broken.check().unwrap_err().contains("people.edit requires people.search"));
    }
}
