//! The catalog (domain rule R1): permissions, roles and packages, as a config file defines them.

/// The restriction that leaves of people what a directory shows (§8).
pub const DIRECTORY_ONLY: &str = "people.directory-only";

/// The catalog (R1).
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Permissions: name, description, what each requires.
    pub permissions: Vec<Permission>,
    /// Areas whose permissions are ordered as levels (R2).
    pub areas: Vec<Area>,
    /// Roles.
    pub roles: Vec<CatalogRole>,
    /// Packages.
    pub packages: Vec<Package>,
}

/// A permission.
#[derive(Clone, Debug)]
pub struct Permission {
    /// `sales.invoice.edit`.
    pub name: String,
    /// For people.
    pub description: String,
    /// Other permissions it is useless without.
    pub requires: Vec<String>,
}

/// Permissions of one area, ordered as levels: a higher one includes those below it.
#[derive(Clone, Debug)]
pub struct Area {
    /// `sales`.
    pub name: String,
    /// Names of permissions, the lowest first; each is in one area only.
    pub levels: Vec<String>,
}

/// A role of the catalog.
#[derive(Clone, Debug)]
pub struct CatalogRole {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// A role that governs the directory itself (R3).
    pub system: bool,
    /// What it grants.
    pub grants: Vec<String>,
    /// What it takes away (R2).
    pub restricts: Vec<String>,
}

/// A package (R4).
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its licensee roles, in order.
    pub roles: Vec<String>,
    /// Fee per seat and month, in cents.
    pub fee_cents: u64,
}
