//! Roles, packages and licences as resources to be read (O6, R3 to R6). What the catalog has and the organisation has no entry
//! for is among them, under an id that follows from its name. They are few, so each query makes them anew.

use super::error::ScimError;
use super::gateway::{Gateway, equals};
use super::json::Object;
use super::list::Query;
use super::resource::set_schemas;
use super::schema::{ResourceType, Source};
use super::scopes::demand;
use super::sessions::leaf;
use crate::access::Scope as ClientScope;
use crate::base::Timestamp;
use crate::directory::charges::ChargeQuestion;
use crate::directory::settings::{CatalogRole, Package, Settings};
use crate::directory::{OwnedEntry, Scope};
use crate::domain::charges::money;
use crate::domain::packages::had_by_in_words;
use crate::domain::roles::PermissionGround;
use crate::model::Filter;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

const ROLE_EXTENSION: &str = "urn:headcount:scim:schemas:extension:1.0:Role";
const OKTA: &str = "urn:okta:";
/// A licence that ends so soon is shown with a warning.
const WARNED: Duration = Duration::from_secs(30 * 24 * 3600);
const OF_ROLE: &[&str] =
    &["entryUUID", "createTimestamp", "modifyTimestamp", "cn", "description", "hcRoleSystem", "hcRolePermission", "hcRoleRestriction"];
const OF_LICENCE: &[&str] = &[
    "entryUUID",
    "createTimestamp",
    "modifyTimestamp",
    "cn",
    "displayName",
    "hcPackage",
    "hcLicenceDefault",
    "hcStartDate",
    "hcEndDate",
    "hcCountingMode",
    "hcSessionLimit",
    "hcSessionsInUse",
    "hcOverdraft",
];

/// A resource, and what tells one state of it from another; what rests on the config has no version.
pub(super) struct Made {
    pub(super) resource: Object,
    pub(super) version: Option<u64>,
}

/// All of the type that the caller may see.
pub(super) fn all(gateway: &Gateway, held: &ResourceType, query: &Query) -> Result<Vec<Made>, ScimError> {
    let known = Known::read(gateway, held)?;
    match held.source {
        Source::Licences => known.licences.iter().map(|entry| known.licence(entry, query)).collect(),
        Source::Packages => Ok(known.packages().map(|package| known.package(package)).collect()),
        Source::Roles => {
            let without_entry = known.offered().filter(|role| known.entry_of(&role.name).is_none());
            Ok(known.roles.iter().map(|entry| known.role(entry)).chain(without_entry.map(|role| known.role_of_catalog(role))).collect())
        }
        Source::Entries | Source::Memberships | Source::Sessions => Ok(Vec::new()),
    }
}

/// One of them, or 404.
pub(super) fn one(gateway: &Gateway, held: &ResourceType, id: &str, query: &Query) -> Result<Made, ScimError> {
    let is_it = |made: &Made| made.resource.get("id").and_then(Value::as_str).is_some_and(|held| held.eq_ignore_ascii_case(id));
    all(gateway, held, query)?.into_iter().find(is_it).ok_or_else(ScimError::not_found)
}

/// Where a licence stands, as Microsoft Graph calls it.
#[derive(Clone, Copy)]
enum Status {
    Enabled,
    Warning,
    Suspended,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Warning => "Warning",
            Self::Suspended => "Suspended",
        }
    }

    fn of(entry: &OwnedEntry, now: Timestamp) -> Self {
        let time = |name: &str| entry.text(name).and_then(Timestamp::parse_generalized);
        match (time("hcStartDate"), time("hcEndDate")) {
            (Some(start), _) if now < start => Self::Suspended,
            (_, Some(end)) if end <= now => Self::Suspended,
            (_, Some(end)) if end <= now.plus(WARNED) => Self::Warning,
            _ => Self::Enabled,
        }
    }
}

/// The id of what has no entry.
fn id_of(what: &str, name: &str) -> String {
    let mut octets = [0; 16];
    let digest = Sha256::digest(format!("{what}:{}", name.to_lowercase()));
    octets.iter_mut().zip(digest).for_each(|(octet, held)| *octet = held);
    uuid::Builder::from_custom_bytes(octets).into_uuid().to_string()
}

fn name_of(entry: &OwnedEntry) -> &str {
    entry.text("cn").unwrap_or_default()
}

/// What there is: entries as far as the caller sees them, and the catalog for who sees a licence.
struct Known<'g> {
    gateway: &'g Gateway,
    held: &'g ResourceType,
    settings: Arc<Settings>,
    licences: Vec<OwnedEntry>,
    roles: Vec<OwnedEntry>,
}

impl<'g> Known<'g> {
    fn read(gateway: &'g Gateway, held: &'g ResourceType) -> Result<Self, ScimError> {
        let find = |class: &str, attributes: &[&str]| {
            let mut found = Vec::new();
            let filter = equals("objectClass", class);
            gateway.for_each(&gateway.organisation, Scope::Subtree, &filter, attributes, &mut |entry| found.push(entry.to_owned()))?;
            Ok::<_, ScimError>(found)
        };
        let (licences, roles) = (find("hcLicence", OF_LICENCE)?, find("hcRoleDefinition", OF_ROLE)?);
        Ok(Self { gateway, held, settings: gateway.directory.settings(), licences, roles })
    }

    fn packages(&self) -> impl Iterator<Item = &Package> {
        self.settings.catalog.packages.iter().filter(|_| !self.licences.is_empty())
    }

    /// The licensee roles of the catalog that any package has.
    fn offered(&self) -> impl Iterator<Item = &CatalogRole> {
        let is_offered = |role: &&CatalogRole| !role.system && self.packages().any(|package| package.lists(&role.name));
        self.settings.catalog.roles.iter().filter(is_offered)
    }

    fn entry_of(&self, role: &str) -> Option<&OwnedEntry> {
        self.roles.iter().find(|entry| name_of(entry).eq_ignore_ascii_case(role))
    }

    /// The package of the default licence (O2).
    fn default_package(&self) -> Option<&str> {
        let is_default = |entry: &&OwnedEntry| entry.text("hcLicenceDefault").is_some_and(|text| text.eq_ignore_ascii_case("TRUE"));
        self.licences.iter().find(is_default).or_else(|| self.licences.first())?.text("hcPackage")
    }

    fn reference(&self, endpoint: &str, id: &str, display: &str) -> Value {
        json!({"value": id, "$ref": format!("{}{endpoint}/{id}", self.gateway.base_url), "display": display})
    }

    fn package_reference(&self, name: &str) -> Value {
        self.reference("/Packages", &id_of("package", name), name)
    }

    /// The resource, with what its schema has of these attributes, and what every resource has.
    fn made(&self, id: &str, attributes: Value, entry: Option<&OwnedEntry>, state: u64) -> Made {
        let version = entry.map(|entry| entry.version ^ (state << 62));
        let mut resource = Object::from_iter([("id".to_owned(), id.into())]);
        if let Value::Object(attributes) = attributes {
            let is_known = |name: &str| self.held.core_attribute(name).is_some() || self.held.extension(name).is_some();
            resource.extend(attributes.into_iter().filter(|(name, value)| !super::json::is_unassigned(value) && is_known(name)));
        }
        let mut meta = Object::from_iter([("resourceType".to_owned(), self.held.name.into())]);
        for (name, ldap) in [("created", "createTimestamp"), ("lastModified", "modifyTimestamp")] {
            let time = entry.and_then(|entry| entry.text(ldap)).and_then(Timestamp::parse_generalized);
            time.into_iter().for_each(|time| drop(meta.insert(name.to_owned(), time.rfc3339().into())));
        }
        meta.insert("location".to_owned(), format!("{}{}/{id}", self.gateway.base_url, self.held.endpoint).into());
        if let Some(version) = version {
            meta.insert("version".to_owned(), super::mapping::version(version).into());
        }
        resource.insert("meta".to_owned(), Value::Object(meta));
        set_schemas(&mut resource, self.held);
        Made { resource, version }
    }

    fn role(&self, entry: &OwnedEntry) -> Made {
        let (name, id, system) = (name_of(entry), entry.text("entryUUID").unwrap_or_default(), entry.text("hcRoleSystem"));
        let catalog = &self.settings.catalog;
        let offer = self.gateway.directory.role_offer(entry.id);
        let is_current = offer.as_ref().is_some_and(|offer| offer.is_current);
        let of_system = system.and_then(|system| catalog.roles.iter().find(|role| role.system && role.name == system));
        let kind = match (system, catalog.licensee_role(name)) {
            (Some(_), _) => "system",
            (None, Some(_)) => "package",
            (None, None) => "own",
        };
        let texts = |name: &str, of_system: Option<&Vec<String>>| {
            let own = entry.values(name).map(|value| String::from_utf8_lossy(value).into_owned());
            own.chain(of_system.into_iter().flatten().cloned()).collect::<Vec<_>>()
        };
        let packages = offer.iter().flat_map(|offer| &offer.packages).map(|name| self.package_reference(name)).collect::<Vec<_>>();
        let attributes = json!({
            "description": entry.text("description"), "packages": packages, "assignable": is_current && self.may_give(system.is_some()),
            "permissions": texts("hcRolePermission", of_system.map(|role| &role.grants)),
            "restrictions": texts("hcRoleRestriction", of_system.map(|role| &role.restricts)),
        });
        self.made(id, self.role_attributes(id, name, kind, is_current, attributes), Some(entry), is_current.into())
    }

    /// A role of the catalog for which the organisation has no entry, so that nobody can be given it yet.
    fn role_of_catalog(&self, role: &CatalogRole) -> Made {
        let id = id_of("role", &role.name);
        let had_by: Vec<&Package> = self.packages().filter(|package| package.lists(&role.name)).collect();
        let is_current = self.default_package().is_none_or(|name| had_by.iter().any(|package| package.name.eq_ignore_ascii_case(name)));
        let packages: Vec<Value> = had_by.iter().map(|package| self.package_reference(&package.name)).collect();
        let attributes = json!({
            "description": role.description, "packages": packages, "assignable": false,
            "permissions": role.grants, "restrictions": role.restricts,
        });
        self.made(&id, self.role_attributes(&id, &role.name, "package", is_current, attributes), None, 0)
    }

    fn role_attributes(&self, id: &str, name: &str, kind: &str, is_current: bool, extension: Value) -> Value {
        let kind = if self.held.schema.id.starts_with(OKTA) { "Role" } else { kind };
        let mut extension = extension;
        if let Some(members) = extension.as_object_mut() {
            members.retain(|_, value| !super::json::is_unassigned(value));
        }
        json!({
            "value": id, "display": name, "displayName": name, "type": kind, "supported": is_current,
            "limitedAssignmentsPermitted": false, ROLE_EXTENSION: extension,
        })
    }

    /// Whether the caller may give roles at all: a provisioning client by its scope, and none of the system (HE3).
    fn may_give(&self, of_system: bool) -> bool {
        let identity = &self.gateway.caller.identity;
        match identity.client.is_some() {
            true => !of_system && demand(identity, &[ClientScope::Roles]).is_ok(),
            false => identity.organisation_admin || identity.is_operator(),
        }
    }

    fn package(&self, package: &Package) -> Made {
        let role = |name: &String| {
            let entry = self.entry_of(name).and_then(|entry| entry.text("entryUUID"));
            self.reference("/Roles", &entry.map_or_else(|| id_of("role", name), str::to_owned), name)
        };
        let is_current =
            self.licences.iter().any(|entry| entry.text("hcPackage").is_some_and(|held| held.eq_ignore_ascii_case(&package.name)));
        let attributes = json!({
            "name": package.name, "roles": package.roles.iter().map(role).collect::<Vec<_>>(),
            "fee": money(package.fee_cents.into()), "current": is_current,
        });
        self.made(&id_of("package", &package.name), attributes, None, 0)
    }

    /// What is costly of a licence is worked out where the query speaks of it.
    fn licence(&self, entry: &OwnedEntry, query: &Query) -> Result<Made, ScimError> {
        let text = |name: &str| entry.text(name);
        let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
        let time = |name: &str| text(name).and_then(Timestamp::parse_generalized).map(Timestamp::rfc3339);
        let status = Status::of(entry, self.gateway.directory.clock().now());
        let is_okta = self.held.schema.id.starts_with(OKTA);
        let attributes = json!({
            "name": name_of(entry), "displayName": text("displayName").unwrap_or_else(|| name_of(entry)),
            "type": is_okta.then_some("License"), "licensee": leaf(&self.gateway.organisation),
            "package": text("hcPackage").map(|name| self.package_reference(name)),
            "default": text("hcLicenceDefault").is_some_and(|text| text.eq_ignore_ascii_case("TRUE")),
            "validFrom": time("hcStartDate"), "validTo": time("hcEndDate"), "status": status.name(),
            "countingMode": text("hcCountingMode").unwrap_or("users").to_ascii_lowercase(),
            "sessionLimit": number("hcSessionLimit"), "sessionsInUse": number("hcSessionsInUse"), "overdraft": number("hcOverdraft"),
            "limitedAssignmentsPermitted": false,
            "totalAssignmentsUsed": speaks_of(query, "totalAssignmentsUsed").then(|| self.assignments(entry)).transpose()?,
            "charges": speaks_of(query, "charges").then(|| self.charges(entry)).flatten(),
        });
        Ok(self.made(text("entryUUID").unwrap_or_default(), attributes, Some(entry), status as u64))
    }

    /// How many users the licence was assigned to.
    fn assignments(&self, licence: &OwnedEntry) -> Result<u64, ScimError> {
        let filter = Filter::And(vec![equals("objectClass", "hcUser"), equals("hcLicence", &licence.dn)]);
        let mut count = 0;
        self.gateway.for_each(&self.gateway.organisation, Scope::Subtree, &filter, &["1.1"], &mut |_| count += 1)?;
        Ok(count)
    }

    /// What it costs in this month, for those who may know (O6).
    fn charges(&self, licence: &OwnedEntry) -> Option<Value> {
        let question = ChargeQuestion { licence: Some(licence.dn.clone()), ..ChargeQuestion::default() };
        let charge = self.gateway.directory.charges(&self.gateway.caller, &question).ok()?.into_iter().next()?;
        Some(json!({"from": charge.from, "to": charge.to, "total": money(charge.cents)}))
    }
}

/// Whether a query asks for an attribute, in what it wants to see, or by what it finds and sorts.
fn speaks_of(query: &Query, attribute: &str) -> bool {
    let name = attribute.to_ascii_lowercase();
    query.attributes.iter().chain(&query.filter).chain(&query.sort_by).any(|text| text.to_ascii_lowercase().contains(&name))
}

/// A permission that roles of a user speak of, and which of them decides (R9).
pub(super) fn permission_value(ground: &PermissionGround) -> Value {
    let names = |roles: &[(Box<str>, Box<str>)]| roles.iter().map(|(role, _)| Value::from(&**role)).collect::<Vec<Value>>();
    let mut packages: Vec<&str> = ground.of_other_packages.iter().flat_map(|(_, packages)| packages).map(|package| &**package).collect();
    packages.sort_unstable();
    packages.dedup();
    let mut members = Object::new();
    members.insert("value".to_owned(), (&*ground.permission).into());
    members.insert("effective".to_owned(), ground.in_effect.into());
    let lists = [("grantedBy", names(&ground.granted_by)), ("restrictedBy", names(&ground.restricted_by))];
    let packages = ("otherPackages", packages.into_iter().map(Value::from).collect());
    for (name, values) in lists.into_iter().chain([packages]).filter(|(_, values)| !values.is_empty()) {
        members.insert(name.to_owned(), values.into());
    }
    members.into()
}

/// Refuses a role of the catalog that the organisation has no entry of, by the id that it is shown with, and says who has it (R4).
pub(super) fn refuse_without_entry(gateway: &Gateway, id: &str) -> Result<(), ScimError> {
    let settings = gateway.directory.settings();
    let shown = |role: &&CatalogRole| !role.system && id_of("role", &role.name).eq_ignore_ascii_case(id);
    let Some(role) = settings.catalog.roles.iter().find(shown) else { return Ok(()) };
    let packages: Vec<Box<str>> =
        settings.catalog.packages.iter().filter(|package| package.lists(&role.name)).map(|package| package.name.as_str().into()).collect();
    Err(ScimError::value(format!("roles: the organisation has no role {} yet; {} (rule R4)", role.name, had_by_in_words(&packages))))
}
