//! The catalog file: permissions, roles and packages (R1–R4).

use super::check::Checker;
use super::problem::{Problem, SourceFile};
use crate::directory::settings::{Area, Catalog, CatalogRole, Package, Permission};
use crate::domain::lens::ORGANISATION_ADMIN;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// The catalog that comes with Headcount.
pub(super) const BUILT_IN: &str = include_str!("../../../config/catalog.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogFile {
    #[serde(default, rename = "permission")]
    permissions: Vec<PermissionTable>,
    #[serde(default, rename = "area")]
    areas: Vec<AreaTable>,
    #[serde(default, rename = "role")]
    roles: Vec<RoleTable>,
    #[serde(default, rename = "package")]
    packages: Vec<PackageTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PermissionTable {
    name: Spanned<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    requires: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AreaTable {
    name: Spanned<String>,
    levels: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleTable {
    name: Spanned<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    system: bool,
    #[serde(default)]
    grants: Vec<Spanned<String>>,
    #[serde(default)]
    restricts: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackageTable {
    name: Spanned<String>,
    roles: Vec<Spanned<String>>,
    fee: Spanned<String>,
}

/// Reads and checks a catalog; what is wrong goes to the checker.
pub(super) fn load(checker: &mut Checker, source: &SourceFile) -> Catalog {
    let file: CatalogFile = match toml::from_str(&source.text) {
        Ok(file) => file,
        Err(error) => {
            checker.problem(Problem::of_toml(source, &error));
            return Catalog::default();
        }
    };
    unique(checker, source, "permission", file.permissions.iter().map(|table| &table.name));
    unique(checker, source, "area", file.areas.iter().map(|table| &table.name));
    unique(checker, source, "role", file.roles.iter().map(|table| &table.name));
    unique(checker, source, "package", file.packages.iter().map(|table| &table.name));
    let permissions: BTreeSet<&str> = file.permissions.iter().map(|table| table.name.get_ref().as_str()).collect();
    for name in file.permissions.iter().flat_map(|table| &table.requires) {
        known(checker, source, "permission", name, &permissions);
    }
    for name in file.roles.iter().flat_map(|table| table.grants.iter().chain(&table.restricts)) {
        known(checker, source, "permission", name, &permissions);
    }
    levels(checker, source, &file.areas, &permissions);
    circles(checker, source, &file);
    check_roles(checker, source, &file);
    let packages = file.packages.iter().map(|table| package(checker, source, table)).collect();
    let area = |table: &AreaTable| Area { name: table.name.get_ref().clone(), levels: names(&table.levels) };
    Catalog {
        permissions: file.permissions.iter().map(permission).collect(),
        areas: file.areas.iter().map(area).collect(),
        roles: file.roles.iter().map(role).collect(),
        packages,
    }
}

fn unique<'a>(checker: &mut Checker, source: &SourceFile, what: &str, names: impl Iterator<Item = &'a Spanned<String>>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.get_ref().trim().is_empty() {
            checker.problem(Problem::at(source, &name.span(), format!("a {what} needs a name")));
        } else if !seen.insert(name.get_ref().to_lowercase()) {
            checker.problem(Problem::at(source, &name.span(), format!("the {what} `{}` is defined twice", name.get_ref())));
        }
    }
}

fn known(checker: &mut Checker, source: &SourceFile, what: &str, name: &Spanned<String>, names: &BTreeSet<&str>) {
    if !names.contains(name.get_ref().as_str()) {
        let problem = Problem::at(source, &name.span(), format!("the {what} `{}` is not defined", name.get_ref()));
        checker.problem(problem.suggest(name.get_ref(), names.iter().copied()));
    }
}

/// R2: a permission has one place in one order.
fn levels(checker: &mut Checker, source: &SourceFile, areas: &[AreaTable], permissions: &BTreeSet<&str>) {
    let mut placed: BTreeMap<&str, &str> = BTreeMap::new();
    for area in areas {
        if area.levels.len() < 2 {
            let message = format!("the area `{}` orders nothing: it needs two levels at least, the lowest first", area.name.get_ref());
            checker.problem(Problem::at(source, &area.name.span(), message));
        }
        for level in &area.levels {
            known(checker, source, "permission", level, permissions);
            if let Some(other) = placed.insert(level.get_ref(), area.name.get_ref()) {
                let message = format!("the permission `{}` is a level of `{other}` already", level.get_ref());
                checker.problem(Problem::at(source, &level.span(), message));
            }
        }
    }
}

/// A permission that requires itself, over however many others, could never be held. A level requires those below it.
fn circles(checker: &mut Checker, source: &SourceFile, file: &CatalogFile) {
    fn name(spanned: &Spanned<String>) -> &str {
        spanned.get_ref()
    }
    let mut requires: BTreeMap<&str, Vec<&str>> =
        file.permissions.iter().map(|table| (name(&table.name), table.requires.iter().map(name).collect())).collect();
    for (lower, higher) in file.areas.iter().flat_map(|area| area.levels.iter().zip(area.levels.iter().skip(1))) {
        requires.entry(name(higher)).or_default().push(name(lower));
    }
    for table in &file.permissions {
        let start = name(&table.name);
        let mut seen = BTreeSet::new();
        let mut open = requires.get(start).cloned().unwrap_or_default();
        while let Some(name) = open.pop() {
            if seen.insert(name) {
                open.extend(requires.get(name).into_iter().flatten());
            }
        }
        if seen.contains(start) {
            checker.problem(Problem::at(source, &table.name.span(), format!("the permission `{start}` requires itself")));
        }
    }
}

fn check_roles(checker: &mut Checker, source: &SourceFile, file: &CatalogFile) {
    if !file.roles.iter().any(|role| role.system && role.name.get_ref() == ORGANISATION_ADMIN) {
        let message = format!("has no system role `{ORGANISATION_ADMIN}`: nobody could manage users");
        checker.problem(Problem::of_file(&source.path, message));
    }
    let licensee: BTreeSet<&str> = file.roles.iter().filter(|role| !role.system).map(|role| role.name.get_ref().as_str()).collect();
    for name in file.packages.iter().flat_map(|package| &package.roles) {
        if file.roles.iter().any(|role| role.system && role.name.get_ref() == name.get_ref()) {
            let message = format!("`{}` is a system role and comes with no package", name.get_ref());
            checker.problem(Problem::at(source, &name.span(), message));
        } else {
            known(checker, source, "role", name, &licensee);
        }
    }
}

fn permission(table: &PermissionTable) -> Permission {
    Permission { name: table.name.get_ref().clone(), description: table.description.clone(), requires: names(&table.requires) }
}

fn role(table: &RoleTable) -> CatalogRole {
    CatalogRole {
        name: table.name.get_ref().clone(),
        description: table.description.clone(),
        system: table.system,
        grants: names(&table.grants),
        restricts: names(&table.restricts),
    }
}

fn package(checker: &mut Checker, source: &SourceFile, table: &PackageTable) -> Package {
    let fee_cents = cents(table.fee.get_ref());
    if fee_cents.is_none() {
        let message = format!("`{}` is not an amount of money as \"30.00\"", table.fee.get_ref());
        checker.problem(Problem::at(source, &table.fee.span(), message));
    }
    Package { name: table.name.get_ref().clone(), roles: names(&table.roles), fee_cents: fee_cents.unwrap_or_default() }
}

fn names(spanned: &[Spanned<String>]) -> Vec<String> {
    spanned.iter().map(|name| name.get_ref().clone()).collect()
}

/// `30`, `30.5` or `30.00` as cents.
fn cents(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 2 {
        return None;
    }
    let scale = if part.len() == 1 { 10 } else { 1 };
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(part.parse::<u64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::cents;

    #[test]
    fn r4_fees_are_whole_cents() {
        assert_eq!(cents("30.00"), Some(3_000));
        assert_eq!(cents("30"), Some(3_000));
        assert_eq!(cents("0.5"), Some(50));
        for refused in ["", ".5", "1.", "1.005", "-1", "1,50", "184467440737095517.00"] {
            assert_eq!(cents(refused), None, "{refused}");
        }
    }
}
