//! Where a role stands with the package that governs it (R3 to R6). Roles of the system come with no package. A licensee role
//! of the catalog is of the packages that list it; any other is the organisation's own, and of the packages that include all
//! that it grants.

use super::catalog::{Catalog, CatalogRole, Package};
use super::lens::{Licence, Role, organisation_of};
use super::licence;
use crate::base::EntryId;
use crate::model::{Entry, Facts, Kind};
use crate::schema::Schema;

/// Where a role stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Of the current package, or governed by none: it can be given, and is effective.
    Current,
    /// Not of it: it can not be given, and whoever still has it has nothing by it (R4, R5).
    Other {
        /// The package that governs it.
        package: Box<str>,
        /// Those that have it, in order of the catalog.
        had_by: Vec<Box<str>>,
    },
    /// Of the current package, whose licence has ended or has not begun: it can be given, and is not effective (O3).
    Waiting {
        /// The packages that have it, in order of the catalog.
        had_by: Vec<Box<str>>,
    },
}

/// The package that governs the roles of an organisation, or one of them.
pub struct Governing<'c> {
    /// Its name.
    pub name: Box<str>,
    /// What the catalog says of it, if it still does.
    pub package: Option<&'c Package>,
    /// Whether its licence is: one that is not lends no package.
    pub in_force: bool,
}

impl<'c> Governing<'c> {
    /// Of a role: the package of the licence that it is for, else of the organisation's default one (O7). `None` where the
    /// licence has none, or the catalog has no packages at all.
    pub fn of(schema: &Schema, facts: &dyn Facts, catalog: &'c Catalog, role: &Entry) -> Option<Self> {
        if catalog.packages.is_empty() {
            return None;
        }
        let known = schema.known();
        let organisation = organisation_of(facts, role.parent?)?;
        let own = facts.targets(role.id, known.hc_licence, None, 1).first().and_then(|(licence, _)| facts.entry(*licence));
        let entry = own
            .filter(|entry| entry.kind == Kind::Licence && organisation_of(facts, entry.id) == Some(organisation))
            .or_else(|| licence::default_of(schema, &licence::licences_of(schema, facts, organisation)))?;
        let licence = Licence::of(schema, &entry)?;
        let name = licence.package()?;
        let package = catalog.package(name);
        let name = package.map_or(name, |package| package.name.as_str()).into();
        Some(Self { name, package, in_force: licence.is_in_force(facts.now()) })
    }
}

impl Offer {
    /// Of the entry of a role; whatever is none is governed by none.
    pub fn of(schema: &Schema, facts: &dyn Facts, catalog: &Catalog, entry: &Entry) -> Self {
        let role = Role::of(schema, entry).filter(|role| role.system().is_none());
        let Some((role, governing)) = role.and_then(|role| Some((role, Governing::of(schema, facts, catalog, entry)?))) else {
            return Self::Current;
        };
        let had_by = || catalog.having(role).map(|package| package.name.as_str().into()).collect();
        match governing.package.is_some_and(|package| catalog.has(package, role)) {
            true if governing.in_force => Self::Current,
            true => Self::Waiting { had_by: had_by() },
            false => Self::Other { package: governing.name, had_by: had_by() },
        }
    }
}

/// Whether a role is effective for those who hold it (R5).
pub fn is_effective(schema: &Schema, facts: &dyn Facts, catalog: &Catalog, role: EntryId) -> bool {
    facts.entry(role).is_some_and(|entry| Offer::of(schema, facts, catalog, &entry) == Offer::Current)
}

/// The roles that somebody holds and that are effective (R5, R8).
pub fn effective_roles(schema: &Schema, facts: &dyn Facts, catalog: &Catalog, user: EntryId) -> impl Iterator<Item = EntryId> {
    let held = facts.targets(user, schema.known().hc_role, None, usize::MAX).into_iter().map(|(role, _)| role);
    held.filter(move |role| is_effective(schema, facts, catalog, *role))
}

/// Which packages have something, in words.
pub fn had_by_in_words(packages: &[Box<str>]) -> String {
    match packages {
        [] => "no package has it".to_owned(),
        [one] => format!("the package {one} has it"),
        some => format!("the packages {} have it", some.join(", ")),
    }
}

impl Package {
    /// Whether the licensee role of that name is one of its own.
    pub fn lists(&self, role: &str) -> bool {
        self.roles.iter().any(|name| name.eq_ignore_ascii_case(role))
    }
}

impl Catalog {
    /// The package of that name, in any case.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name.eq_ignore_ascii_case(name))
    }

    /// The licensee role of that name, in any case.
    pub fn licensee_role(&self, name: &str) -> Option<&CatalogRole> {
        self.roles.iter().find(|role| !role.system && role.name.eq_ignore_ascii_case(name))
    }

    /// Whether roles may grant the permission where the package governs them: any role of the package or of the system does (R6).
    pub fn includes(&self, package: Option<&Package>, permission: &str) -> bool {
        let comes = |role: &&CatalogRole| role.system || package.is_some_and(|package| package.lists(&role.name));
        let mut granted = self.roles.iter().filter(comes).flat_map(|role| &role.grants);
        granted.any(|name| name == permission || self.below(name).iter().any(|level| level == permission))
    }

    /// The packages that have the role, in order.
    pub fn having<'c>(&'c self, role: Role<'c>) -> impl Iterator<Item = &'c Package> {
        self.packages.iter().filter(move |package| role.system().is_none() && self.has(package, role))
    }

    /// The packages that include the permission, in order.
    pub fn including(&self, permission: &str) -> Vec<Box<str>> {
        self.packages
            .iter()
            .filter(|package| self.includes(Some(package), permission))
            .map(|package| package.name.as_str().into())
            .collect()
    }

    fn has(&self, package: &Package, role: Role<'_>) -> bool {
        let known = role.name().and_then(|name| self.licensee_role(name));
        known.is_none_or(|known| package.lists(&known.name)) && role.grants().all(|permission| self.includes(Some(package), permission))
    }
}
