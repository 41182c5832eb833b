//! Resources and LDAP attributes: one table says where each attribute of a schema is kept. The difference of two
//! resources becomes the difference of their attributes, so that what SCIM does not know of an entry stays as it is.
//!
//! Three things are not one to one. `cn` and `sn`, which inetOrgPerson requires, follow from other attributes
//! where a client gives none. References are ids in SCIM and names in LDAP. Values with parts are JSON objects, one
//! per value, names in order, so that equal values are equal octets.

use super::error::ScimError;
use super::evaluate::folded;
use super::gateway::equals;
use super::json::{Object, canonical, is_unassigned};
pub use super::reference::{Lookup, Reference};
use super::resource::{in_form, is_primary};
use super::schema::{Attribute, Mutability, ResourceType};
use crate::base::Timestamp;
use crate::directory::OwnedEntry;
use crate::model::{Filter, Kind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How a value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// TRUE or FALSE.
    Boolean,
    /// TRUE, or nothing: what is asked for, and false is not asking.
    Asked,
    /// One JSON object per value.
    Structured,
    /// As it is.
    Text,
    /// xsd:dateTime; a generalizedTime, to the second.
    Time,
    /// One of some words, as LDAP and as SCIM has it.
    Words(&'static [(&'static str, &'static str)]),
}

/// One row of the table.
pub struct Row {
    /// Extension and attribute.
    holder: &'static [&'static str],
    /// The attribute, or the sub-attribute of the last holder.
    name: &'static str,
    /// The LDAP attribute.
    ldap: &'static str,
    codec: Codec,
}

/// A row, in short.
pub const fn row(holder: &'static [&'static str], name: &'static str, ldap: &'static str, codec: Codec) -> Row {
    Row { holder, name, ldap, codec }
}

/// Which of the roles of a user is primary, by name.
const PRIMARY_ROLE: &str = "hcPrimaryRole";
/// The roles of a user, and those of them that are effective.
pub(super) const ROLE: &str = "hcRole";
const EFFECTIVE_ROLE: &str = "hcEffectiveRole";

/// The type of entitlements that are licences.
pub const LICENCE: &str = "License";

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What Headcount knows of a user beside the core schema.
const HEADCOUNT: &str = "urn:headcount:scim:schemas:extension:1.0:User";

const USER: &[Row] = &[
    row(&[], "externalId", "hcExternalId", Codec::Text),
    row(&[], "userName", "uid", Codec::Text),
    row(&["name"], "formatted", "hcFormattedName", Codec::Text),
    row(&["name"], "familyName", "sn", Codec::Text),
    row(&["name"], "givenName", "givenName", Codec::Text),
    row(&["name"], "middleName", "hcMiddleName", Codec::Text),
    row(&["name"], "honorificPrefix", "hcHonorificPrefix", Codec::Text),
    row(&["name"], "honorificSuffix", "hcHonorificSuffix", Codec::Text),
    row(&[], "displayName", "displayName", Codec::Text),
    row(&[], "nickName", "hcNickname", Codec::Text),
    row(&[], "profileUrl", "hcProfileUrl", Codec::Text),
    row(&[], "title", "title", Codec::Text),
    row(&[], "userType", "employeeType", Codec::Text),
    row(&[], "preferredLanguage", "preferredLanguage", Codec::Text),
    row(&[], "locale", "hcLocale", Codec::Text),
    row(&[], "timezone", "hcPreferredTimeZone", Codec::Text),
    row(&[], "active", "hcActive", Codec::Boolean),
    row(&[], "password", "userPassword", Codec::Text),
    row(&[], "emails", "hcEmail", Codec::Structured),
    row(&[], "phoneNumbers", "hcPhoneNumber", Codec::Structured),
    row(&[], "ims", "hcInstantMessaging", Codec::Structured),
    row(&[], "photos", "hcPhoto", Codec::Structured),
    row(&[], "addresses", "hcPostalAddress", Codec::Structured),
    row(&[], "entitlements", "hcEntitlement", Codec::Structured),
    row(&[], "x509Certificates", "hcCertificate", Codec::Structured),
    row(&[HEADCOUNT], "increaseSessionLimit", "hcIncreaseSessionLimit", Codec::Asked),
    row(&[ENTERPRISE], "employeeNumber", "employeeNumber", Codec::Text),
    row(&[ENTERPRISE], "costCenter", "hcCostCenter", Codec::Text),
    row(&[ENTERPRISE], "organization", "o", Codec::Text),
    row(&[ENTERPRISE], "division", "hcDivision", Codec::Text),
    row(&[ENTERPRISE], "department", "departmentNumber", Codec::Text),
];

/// What Headcount knows of a group beside the core schema.
const HEADCOUNT_GROUP: &str = "urn:headcount:scim:schemas:extension:1.0:Group";

const GROUP: &[Row] = &[
    row(&[], "externalId", "hcExternalId", Codec::Text),
    row(&[], "displayName", "cn", Codec::Text),
    row(&[HEADCOUNT_GROUP], "adminOnly", "hcAdminOnly", Codec::Boolean),
];

/// A reference to another entry, or several: an id in SCIM, a name in LDAP. It is written where the schema lets clients.
pub struct Link {
    /// The extension.
    pub holder: &'static [&'static str],
    /// The attribute.
    pub name: &'static str,
    /// The LDAP attribute.
    pub ldap: &'static str,
    /// The sub-attribute with the name for people; empty where the reference is nothing but a URI.
    pub display: &'static str,
}

/// How a condition on an attribute finds entries by an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finds {
    /// By the text, where it is ASCII.
    Ascii,
    /// By false: what is not said to be false is true.
    False,
    /// By the time, to the second.
    Instant,
    /// By the name of the entry of that id; exactly those.
    Link,
    /// By the text as it is.
    Text,
}

/// An attribute that entries are found by.
pub struct Searchable {
    /// The URN of its extension.
    pub extension: Option<&'static str>,
    /// The attribute.
    pub name: &'static str,
    /// The sub-attribute.
    pub sub: Option<&'static str>,
    /// The LDAP attributes, any of which may hold it.
    pub ldap: &'static [&'static str],
    /// How.
    pub finds: Finds,
    /// Whether the beginning of a value finds them too.
    pub by_prefix: bool,
}

/// What makes a part of a resource that other entries hold.
pub const LOGIN: &str = "hcStaff";

/// What is put together of more than the attributes of the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The groups of a user.
    Groups,
    /// The licences of a user, beside the entitlements that it was given.
    Licences,
    /// Whether a staff record has a user.
    HasLogin,
    /// The user of a staff record, whose `hcStaff` says so.
    Login,
    /// The members of a group.
    Members,
    /// The members of a group with their levels, past ones too.
    Memberships,
    /// What the roles of a user permit, and which of them decides (R9).
    Permissions,
}

/// A part of a resource that is costly, and so is made only where it is asked for.
pub struct Computed {
    /// The URN of its extension.
    pub extension: Option<&'static str>,
    /// The attribute.
    pub name: &'static str,
    /// What it is.
    pub part: Part,
    /// What is read of the entry for it.
    pub reads: &'static [&'static str],
}

/// How entries of a type are named.
#[derive(Clone, Copy)]
pub struct Naming {
    /// The attribute of the resource.
    pub name: &'static str,
    /// The LDAP attribute.
    pub ldap: &'static str,
    /// Where new entries go, under the organisation.
    pub container: &'static str,
    /// Whether it is one of a kind within the organisation; else the name of the entry gets a number.
    pub is_unique: bool,
}

/// An LDAP attribute, and the text of the resource that it follows.
pub type Follows = (&'static str, fn(&Object) -> Option<&str>);

/// How resources of a type are kept as entries.
pub struct Mapping {
    /// Attributes that are kept as LDAP attributes.
    pub rows: &'static [Row],
    /// References.
    pub links: &'static [Link],
    /// What required LDAP attributes follow from.
    pub follows: &'static [Follows],
    /// Attributes that are read besides those of the rows.
    pub also_read: &'static [&'static str],
    /// Attributes that show another LDAP attribute where they have no value of their own.
    pub stands_in: &'static [(&'static str, &'static str)],
    /// The object class by which entries are found.
    pub object_class: &'static str,
    /// The object classes of a new entry.
    pub object_classes: &'static [&'static str],
    /// What every entry of the type has besides, and those of other types have not.
    pub fixed: &'static [(&'static str, &'static str)],
    /// How it is named.
    pub naming: Naming,
    /// Attributes that are true where a new resource does not say, so that clients that look for them find them (U6).
    pub true_by_default: &'static [&'static str],
    /// What is made only where it is asked for.
    pub computed: &'static [Computed],
    /// What entries are found by beside their id.
    pub searchable: &'static [Searchable],
}

impl std::fmt::Debug for Mapping {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.object_class)
    }
}

/// Attributes that are read of every entry.
const READ_OF_ALL: &[&str] = &["entryUUID", "createTimestamp", "modifyTimestamp"];

pub(super) const EXTERNAL_ID: Searchable =
    Searchable { extension: None, name: "externalId", sub: None, ldap: &["hcExternalId"], finds: Finds::Text, by_prefix: false };

const LAST_MODIFIED: Searchable = Searchable {
    extension: None,
    name: "meta",
    sub: Some("lastModified"),
    ldap: &["modifyTimestamp"],
    finds: Finds::Instant,
    by_prefix: false,
};

/// Users.
pub static USERS: Mapping = Mapping {
    rows: USER,
    links: &[
        Link { holder: &[ENTERPRISE], name: "manager", ldap: "manager", display: "displayName" },
        Link { holder: &[], name: "roles", ldap: ROLE, display: "display" },
        Link { holder: &[HEADCOUNT], name: "staff", ldap: "hcStaff", display: "display" },
    ],
    follows: &[("cn", common_name), ("sn", surname)],
    also_read: &["cn", "mail", "userCertificate;binary", PRIMARY_ROLE, EFFECTIVE_ROLE],
    stands_in: &[],
    object_class: "hcUser",
    object_classes: &["inetOrgPerson", "hcUser"],
    fixed: &[],
    naming: Naming { name: "userName", ldap: "uid", container: "ou=users", is_unique: true },
    true_by_default: &["active"],
    computed: &[
        Computed { extension: None, name: "groups", part: Part::Groups, reads: &["memberOf"] },
        Computed { extension: None, name: "entitlements", part: Part::Licences, reads: &["hcLicence"] },
        Computed { extension: Some(HEADCOUNT), name: "permissions", part: Part::Permissions, reads: &[] },
    ],
    searchable: &[
        EXTERNAL_ID,
        LAST_MODIFIED,
        Searchable { extension: None, name: "active", sub: None, ldap: &["hcActive"], finds: Finds::False, by_prefix: false },
        Searchable { extension: None, name: "userName", sub: None, ldap: &["uid"], finds: Finds::Text, by_prefix: true },
        Searchable { extension: None, name: "emails", sub: Some("value"), ldap: &["mail"], finds: Finds::Ascii, by_prefix: false },
        Searchable { extension: None, name: "displayName", sub: None, ldap: &["displayName", "cn"], finds: Finds::Text, by_prefix: false },
    ],
};

/// Groups.
pub static GROUPS: Mapping = Mapping {
    rows: GROUP,
    links: &[Link { holder: &[HEADCOUNT_GROUP], name: "parent", ldap: "hcParentGroup", display: "display" }],
    follows: &[],
    also_read: &[],
    stands_in: &[],
    object_class: "hcGroup",
    object_classes: &["groupOfNames", "groupOfUniqueNames", "hcGroup"],
    fixed: &[],
    naming: Naming { name: "displayName", ldap: "cn", container: "ou=groups", is_unique: true },
    true_by_default: &[],
    computed: &[
        Computed { extension: None, name: "members", part: Part::Members, reads: &[] },
        Computed { extension: Some(HEADCOUNT_GROUP), name: "memberships", part: Part::Memberships, reads: &[] },
    ],
    searchable: &[
        EXTERNAL_ID,
        LAST_MODIFIED,
        Searchable { extension: None, name: "displayName", sub: None, ldap: &["cn"], finds: Finds::Text, by_prefix: true },
        Searchable {
            extension: None,
            name: "members",
            sub: Some("value"),
            ldap: &["member", "hcViewOnlyMember"],
            finds: Finds::Link,
            by_prefix: false,
        },
        Searchable {
            extension: Some(HEADCOUNT_GROUP),
            name: "memberships",
            sub: Some("value"),
            ldap: &["member", "hcViewOnlyMember", "hcPastMember"],
            finds: Finds::Link,
            by_prefix: false,
        },
        Searchable {
            extension: Some(HEADCOUNT_GROUP),
            name: "parent",
            sub: Some("value"),
            ldap: &["hcParentGroup"],
            finds: Finds::Link,
            by_prefix: false,
        },
    ],
};

impl Mapping {
    /// The attributes to ask the directory for. What is computed is read apart, because it can be large.
    pub fn attributes_to_read(&self) -> Vec<&'static str> {
        let stored = self.rows.iter().map(|row| row.ldap).filter(|ldap| *ldap != "userPassword");
        let links = self.links.iter().map(|link| link.ldap);
        stored.chain(READ_OF_ALL.iter().copied()).chain(links).chain(self.also_read.iter().copied()).collect()
    }

    /// What of an entry one attribute of its resource is made of; `None` where it rests on other entries too.
    pub fn made_of(&self, extension: Option<&str>, attribute: &str) -> Option<Vec<&'static str>> {
        if extension.is_none() && matches!(attribute, "id" | "meta") {
            return Some(READ_OF_ALL.to_vec());
        }
        let is_linked = self.links.iter().any(|link| link.name == attribute && link.holder.first().copied() == extension);
        if is_linked || self.computed.iter().any(|computed| computed.name == attribute && computed.extension == extension) {
            return None;
        }
        let holds = |row: &&Row| match (extension, row.holder.first()) {
            (None, None) => row.name == attribute,
            (Some(urn), Some(holder)) => *holder == urn && row.name == attribute,
            (None, Some(holder)) => *holder == attribute,
            (Some(_), None) => false,
        };
        let made: Vec<&'static str> =
            self.rows.iter().filter(holds).flat_map(|row| std::iter::once(row.ldap).chain(stand_ins(row).iter().copied())).collect();
        (!made.is_empty()).then_some(made)
    }

    /// What is read beyond that for what is computed and wanted.
    pub fn also(&self, wants: &dyn Fn(&Computed) -> bool) -> Vec<&'static str> {
        self.computed.iter().filter(|computed| wants(computed)).flat_map(|computed| computed.reads.iter().copied()).collect()
    }

    /// The part that is held by another entry, and is written there.
    pub fn login(&self) -> Option<&'static Computed> {
        self.computed.iter().find(|computed| computed.part == Part::Login)
    }

    /// By what its entries are found, whatever else is asked for.
    pub fn all(&self) -> Vec<Filter<'static>> {
        let fixed = self.fixed.iter().map(|(name, value)| equals(name, value));
        std::iter::once(equals("objectClass", self.object_class)).chain(fixed).collect()
    }

    /// The attributes of the resource that an LDAP attribute shows in, as paths name them.
    pub fn shown_as(&self, ldap: &str) -> Vec<String> {
        let path = |holder: &[&str], name: &str| match holder {
            [] => name.to_owned(),
            [urn, ..] if urn.contains(':') => format!("{urn}:{}", [holder.get(1..).unwrap_or_default(), &[name]].concat().join(".")),
            _ => [holder, &[name]].concat().join("."),
        };
        let rows = self.rows.iter().filter(|row| row.ldap.eq_ignore_ascii_case(ldap)).map(|row| path(row.holder, row.name));
        let links = self.links.iter().filter(|link| link.ldap.eq_ignore_ascii_case(ldap)).map(|link| path(link.holder, link.name));
        let is_member =
            ["member", "hcAdministrator", "hcViewOnlyMember", "hcPastMember"].iter().any(|name| name.eq_ignore_ascii_case(ldap));
        rows.chain(links).chain((is_member && self.has_members()).then(|| "members".to_owned())).collect()
    }

    /// Whether its resources have members, which are written one by one.
    pub fn has_members(&self) -> bool {
        self.computed.iter().any(|computed| computed.part == Part::Members)
    }
}

/// The version of an entry as its ETag (RFC 7644 §3.14).
pub fn version(version: u64) -> String {
    format!("W/\"{version:016x}\"")
}

/// What tells one state of a resource from another: the version of its entry, and for a user which of its roles rest, since that
/// follows from packages too (R5).
pub fn state(entry: &OwnedEntry) -> u64 {
    let rests = |role: &&[u8]| !entry.values(EFFECTIVE_ROLE).any(|held| held == *role);
    entry.values(ROLE).filter(rests).fold(entry.version, |state, role| {
        let digest = Sha256::digest(role);
        let first = digest.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets));
        state ^ first
    })
}

/// An entry as a resource, without `schemas` and what is computed.
pub fn to_resource(entry: &OwnedEntry, resource_type: &ResourceType, base_url: &str, lookup: &dyn Lookup) -> Object {
    let mut resource = Object::new();
    let id = entry.text("entryUUID").unwrap_or_default();
    resource.insert("id".to_owned(), id.into());
    for row in resource_type.mapping.rows {
        if let Some(value) = shown(entry, row, resource_type.mapped(row.holder, row.name)) {
            place(&mut resource, row.holder, row.name, value);
        }
    }
    for link in resource_type.mapping.links {
        let found = entry.values(link.ldap).filter_map(|dn| Some((dn, lookup.reference(std::str::from_utf8(dn).ok()?)?)));
        let mut found = found.map(|(dn, reference)| match link.display {
            "" => reference.uri(base_url).into(),
            _ if link.ldap == ROLE => Value::Object(role_value(&reference, entry.values(EFFECTIVE_ROLE).any(|held| held == dn))),
            display => Value::Object(reference.to_value(base_url, display)),
        });
        let many = resource_type.mapped(link.holder, link.name).is_some_and(|attribute| attribute.multi_valued);
        let value = if many { Some(Value::Array(found.collect())).filter(|found| !is_unassigned(found)) } else { found.next() };
        if let Some(value) = value {
            place(&mut resource, link.holder, link.name, value);
        }
    }
    if let Some(primary) = entry.text(PRIMARY_ROLE).and_then(|dn| lookup.reference(dn)) {
        let roles = resource.get_mut("roles").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut);
        for role in roles.filter(|role| role.get("value").and_then(Value::as_str) == Some(&primary.id)) {
            role.insert("primary".to_owned(), true.into());
        }
    }
    for (name, ldap) in resource_type.mapping.stands_in {
        if let (false, Some(text)) = (resource.contains_key(*name), entry.text(ldap)) {
            resource.insert((*name).to_owned(), text.into());
        }
    }
    let time = |name: &str| entry.text(name).and_then(Timestamp::parse_generalized).map(Timestamp::rfc3339);
    let mut meta = Object::new();
    meta.insert("resourceType".to_owned(), resource_type.name.into());
    for (name, ldap) in [("created", "createTimestamp"), ("lastModified", "modifyTimestamp")] {
        if let Some(time) = time(ldap) {
            meta.insert(name.to_owned(), time.into());
        }
    }
    meta.insert("location".to_owned(), format!("{base_url}{}/{id}", resource_type.endpoint).into());
    meta.insert("version".to_owned(), version(state(entry)).into());
    resource.insert("meta".to_owned(), Value::Object(meta));
    resource
}

/// A role of a user: of the current package, or of another one and not effective (R4, R5).
fn role_value(role: &Reference, is_effective: bool) -> Object {
    let kind = if is_effective { "current" } else { "otherPackage" };
    let members = [("value", &*role.id), ("display", &*role.display), ("type", kind)];
    members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// What else [`shown`] looks at.
fn stand_ins(row: &Row) -> &'static [&'static str] {
    match row.ldap {
        "sn" => &["uid", "displayName"],
        "displayName" => &["cn", "uid", "hcFormattedName", "sn"],
        "hcEmail" => &["mail"],
        "hcCertificate" => &["userCertificate;binary"],
        _ => &[],
    }
}

/// The value of a row, or `None` where the entry has none to show.
fn shown(entry: &OwnedEntry, row: &Row, attribute: Option<&Attribute>) -> Option<Value> {
    let text = entry.text(row.ldap);
    match (row.ldap, row.codec) {
        ("userPassword", _) => None,
        // The name of the user, or of the person, stands in for a family name that nobody gave.
        ("sn", _) => text.filter(|text| Some(*text) != entry.text("uid").or_else(|| entry.text("displayName"))).map(Value::from),
        // An entry made by an LDAP client often has cn alone.
        ("displayName", _) => text.or_else(|| own_common_name(entry)).map(Value::from),
        (_, Codec::Structured) => {
            // LDAP takes more for a value than the schema of SCIM does.
            let read = |value: &[u8]| in_form(attribute?, &serde_json::from_slice(value).ok()?);
            let own = |value: &Value| row.ldap != "hcEntitlement" || !is_licence(value);
            let mut values: Vec<Value> = entry.values(row.ldap).filter_map(read).filter(own).collect();
            if values.is_empty() {
                values = projected(entry, row.ldap);
            }
            Some(Value::Array(values)).filter(|values| !is_unassigned(values))
        }
        (_, Codec::Boolean | Codec::Asked) => text.map(|text| Value::Bool(text.eq_ignore_ascii_case("TRUE"))),
        (_, Codec::Text) => text.map(Value::from),
        (_, Codec::Time) => text.and_then(date_time).map(Value::from),
        (_, Codec::Words(words)) => {
            let text = text?;
            let known = words.iter().find(|(ldap, _)| ldap.eq_ignore_ascii_case(text));
            Some(known.map_or(text, |(_, scim)| scim).into())
        }
    }
}

/// The plain values of an entry that was written before its structured values were kept.
fn projected(entry: &OwnedEntry, structured: &str) -> Vec<Value> {
    match structured {
        "hcEmail" => entry.values("mail").filter_map(|mail| std::str::from_utf8(mail).ok()).map(|mail| json!({"value": mail})).collect(),
        "hcCertificate" => entry.values("userCertificate;binary").map(|der| json!({"value": STANDARD.encode(der)})).collect(),
        _ => Vec::new(),
    }
}

/// A generalizedTime as xsd:dateTime; those before 1970 in the form in which they are written here.
fn date_time(text: &str) -> Option<String> {
    let early = || Some(format!("{}.000Z", jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?));
    Timestamp::parse_generalized(text).map(Timestamp::rfc3339).or_else(early)
}

/// The common name of a user, where it says more than the name that stands in for it.
fn own_common_name(entry: &OwnedEntry) -> Option<&str> {
    let given = [entry.text("uid"), entry.text("hcFormattedName"), entry.text("sn")];
    entry.text("cn").filter(|name| !given.contains(&Some(*name)))
}

/// Puts a value where it belongs.
pub(super) fn place(resource: &mut Object, holder: &[&str], name: &str, value: Value) {
    match holder.split_first() {
        None => drop(resource.insert(name.to_owned(), value)),
        Some((outer, inner)) => {
            let slot = resource.entry(*outer).or_insert_with(|| Value::Object(Object::new()));
            if let Value::Object(members) = slot {
                place(members, inner, name, value);
            }
        }
    }
}

/// LDAP attributes by name, with the values they are to have; none for those that are to go.
pub type Changes = Vec<(&'static str, Vec<Vec<u8>>)>;

/// What changes in the entry where its resource changes from `before` to `after`; a reference to what is not there
/// is 400 invalidValue.
pub fn changes(before: &Object, after: &Object, resource_type: &ResourceType, lookup: &dyn Lookup) -> Result<Changes, ScimError> {
    let mut changes = Changes::new();
    let mapping = resource_type.mapping;
    let is_read_only = |holder: &[&str], name: &str| {
        resource_type.mapped(holder, name).is_none_or(|attribute| attribute.mutability == Mutability::ReadOnly)
    };
    let is_written = |row: &&Row| mapping.follows.iter().all(|(ldap, _)| *ldap != row.ldap) && !is_read_only(row.holder, row.name);
    for row in mapping.rows.iter().filter(is_written) {
        let (old, new) = (stored(before, row), stored(after, row));
        if old != new {
            changes.push((row.ldap, new));
        }
    }
    for (ldap, name) in mapping.follows {
        let (old, new) = (name(before), name(after));
        if old != new {
            changes.push((ldap, new.iter().map(|text| text.as_bytes().to_vec()).collect()));
        }
    }
    for link in mapping.links {
        if is_read_only(link.holder, link.name) {
            continue;
        }
        let dn = |id: &str| found(lookup.linked_dn(link.ldap, id)?, link.name, id);
        let (old, new) = (linked(before, link), linked(after, link));
        if old != new {
            let mut names = Vec::new();
            for id in new {
                match lookup.linked_dn(link.ldap, id)? {
                    None if lookup.waits(link.ldap) => {}
                    dn => {
                        let dn = found(dn, link.name, id)?;
                        refuse_no_person(link, id, &dn, lookup)?;
                        names.push(dn);
                    }
                }
            }
            let mut seen = std::collections::HashSet::new();
            names.retain(|name| seen.insert(name.clone()));
            if !(names.is_empty() && old.is_empty()) {
                changes.push((link.ldap, names));
            }
        }
        if link.ldap == ROLE && primary_role(before) != primary_role(after) {
            changes.push((PRIMARY_ROLE, primary_role(after).map(dn).transpose()?.into_iter().collect()));
        }
    }
    Ok(changes)
}

/// What the primary role of a user is called by.
fn primary_role(resource: &Object) -> Option<&str> {
    let roles = resource.get("roles")?.as_array()?;
    roles.iter().find(|role| is_primary(role))?.get("value")?.as_str()
}

fn found(dn: Option<String>, attribute: &str, id: &str) -> Result<Vec<u8>, ScimError> {
    dn.map(String::into_bytes).ok_or_else(|| ScimError::value(format!("{attribute}: there is no {id}")))
}

/// What a resource has in that place.
fn held<'r>(resource: &'r Object, holder: &[&str], name: &str) -> Option<&'r Value> {
    holder.iter().try_fold(resource, |held, name| held.get(*name)?.as_object())?.get(name)
}

/// A manager is somebody (RFC 7643 §4.3, T3). LDAP lets anything be one.
fn refuse_no_person(link: &Link, id: &str, dn: &[u8], lookup: &dyn Lookup) -> Result<(), ScimError> {
    let kind = std::str::from_utf8(dn).ok().and_then(|dn| lookup.reference(dn)).map(|reference| reference.kind);
    match link.ldap == "manager" && kind.is_some_and(|kind| !matches!(kind, Kind::User | Kind::Staff | Kind::Person)) {
        true => Err(ScimError::value(format!("{}: {id} is no person", link.name))),
        false => Ok(()),
    }
}

fn stored(resource: &Object, row: &Row) -> Vec<Vec<u8>> {
    match (row.codec, held(resource, row.holder, row.name)) {
        (_, None) => Vec::new(),
        (Codec::Boolean, Some(value)) => vec![if value == &Value::Bool(true) { b"TRUE".to_vec() } else { b"FALSE".to_vec() }],
        (Codec::Asked, Some(value)) => (value == &Value::Bool(true)).then(|| b"TRUE".to_vec()).into_iter().collect(),
        (Codec::Time, Some(value)) => {
            let time = value.as_str().and_then(|text| text.trim().parse::<jiff::Timestamp>().ok());
            time.map(|time| time.strftime("%Y%m%d%H%M%SZ").to_string().into_bytes()).into_iter().collect()
        }
        (Codec::Words(words), Some(value)) => {
            let known = |text: &str| {
                words
                    .iter()
                    .find(|(_, scim)| scim.eq_ignore_ascii_case(text))
                    .map_or_else(|| text.to_owned(), |(ldap, _)| (*ldap).to_owned())
            };
            value.as_str().map(|text| known(text).into_bytes()).into_iter().collect()
        }
        (Codec::Text, Some(value)) => value.as_str().map(|text| text.as_bytes().to_vec()).into_iter().collect(),
        (Codec::Structured, Some(value)) => {
            let elements = value.as_array().into_iter().flatten().filter(|element| row.ldap != "hcEntitlement" || !is_licence(element));
            elements.map(|value| canonical(value).into_bytes()).collect()
        }
    }
}

/// Whether an entitlement is a licence: those follow from other attributes and are not kept here.
fn is_licence(entitlement: &Value) -> bool {
    entitlement.get("type").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case(LICENCE))
}

/// 400 mutability where a PATCH gave a licence as an entitlement; a PUT only says again what it read.
pub fn refuse_licences(resource: &Object) -> Result<(), ScimError> {
    match resource.get("entitlements").and_then(Value::as_array).into_iter().flatten().any(is_licence) {
        true => Err(ScimError::mutability("entitlements of type License follow from the licences of the user")),
        false => Ok(()),
    }
}

/// What a change leaves of the values of an attribute that LDAP has several of and SCIM one: the first is the one that
/// SCIM shows, and the others stay.
pub fn beside_others(entry: &OwnedEntry, resource_type: &ResourceType, changes: Changes) -> Changes {
    let mapping = resource_type.mapping;
    let is_single = |ldap: &str| {
        let row = mapping.rows.iter().any(|row| row.ldap == ldap && row.codec == Codec::Text && row.ldap != "userPassword");
        row || mapping.follows.iter().any(|(follows, _)| *follows == ldap)
    };
    let kept = |(ldap, mut values): (&'static str, Vec<Vec<u8>>)| {
        if let [value] = values.as_slice()
            && is_single(ldap)
        {
            let folded = |text: &[u8]| folded(&String::from_utf8_lossy(text), false).into_owned();
            let new = folded(value);
            values.extend(entry.values(ldap).skip(1).filter(|held| folded(held) != new).map(<[u8]>::to_vec));
        }
        (ldap, values)
    };
    changes.into_iter().map(kept).collect()
}

fn text<'r>(resource: &'r Object, holder: Option<&str>, name: &str) -> Option<&'r str> {
    let held = match holder {
        None => resource,
        Some(holder) => resource.get(holder)?.as_object()?,
    };
    held.get(name)?.as_str()
}

pub(super) fn common_name(resource: &Object) -> Option<&str> {
    text(resource, None, "displayName").or_else(|| text(resource, Some("name"), "formatted")).or_else(|| text(resource, None, "userName"))
}

pub(super) fn surname(resource: &Object) -> Option<&str> {
    text(resource, Some("name"), "familyName").or_else(|| text(resource, None, "userName")).or_else(|| text(resource, None, "displayName"))
}

/// The ids of a reference; the end of its URI where a client gives that alone.
pub(super) fn linked<'r>(resource: &'r Object, link: &Link) -> Vec<&'r str> {
    let id = |element: &'r Value| -> Option<&'r str> {
        let text = |name: &str| element.get(name).and_then(Value::as_str);
        let of_uri = |uri: &'r str| uri.trim_end_matches('/').rsplit('/').next();
        text("value").or_else(|| text("$ref").or(element.as_str()).and_then(of_uri))
    };
    match held(resource, link.holder, link.name) {
        None => Vec::new(),
        Some(Value::Array(elements)) => elements.iter().filter_map(id).collect(),
        Some(single) => id(single).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::EntryId;
    use crate::model::Kind;
    use crate::model::entry::put_attribute;
    use crate::scim::resource::normalize;
    use crate::scim::schema::Catalogue;

    struct Nobody;

    impl Lookup for Nobody {
        fn reference(&self, dn: &str) -> Option<Reference> {
            let id = dn.strip_prefix("uid=")?;
            Some(Reference { id: id.to_owned(), kind: Kind::User, display: format!("Name of {id}") })
        }
        fn person_dn(&self, id: &str) -> Result<Option<String>, ScimError> {
            Ok((id != "nobody").then(|| format!("uid={id}")))
        }
    }

    fn entry(attributes: &[(&str, Vec<Vec<u8>>)]) -> OwnedEntry {
        let encoded = attributes.iter().map(|(name, values)| {
            let mut out = Vec::new();
            put_attribute(&mut out, name, values);
            out
        });
        OwnedEntry { id: EntryId(1), kind: Kind::User, version: 7, dn: "uid=b".to_owned(), attributes: encoded.collect() }
    }

    fn full() -> Value {
        json!({
            "externalId": "x1", "userName": "bjensen",
            "name": {"formatted": "Ms. B J", "familyName": "Jensen", "givenName": "Barbara", "middleName": "J", "honorificPrefix": "Ms.", "honorificSuffix": "III"},
            "displayName": "Babs", "nickName": "B", "profileUrl": "https://x", "title": "VP", "userType": "Employee",
            "preferredLanguage": "en", "locale": "en-NZ", "timezone": "Pacific/Auckland", "active": false,
            "emails": [{"value": "b@x", "type": "work", "primary": true}, {"value": "B@y"}],
            "phoneNumbers": [{"value": "+64 1"}], "ims": [{"value": "i", "type": "xmpp"}], "photos": [{"value": "https://p"}],
            "entitlements": [{"value": "e1", "display": "E", "type": "newsletter", "primary": true}],
            "x509Certificates": [{"value": "MAMCAQE=", "display": "Card"}, {"value": "MAMCAQI="}],
            "addresses": [{"locality": "Town", "country": "NZ"}],
            ENTERPRISE: {"employeeNumber": "1", "costCenter": "2", "organization": "o", "division": "d", "department": "t", "manager": {"value": "m1"}}
        })
    }

    #[test]
    fn a_resource_goes_through_attributes_and_comes_back() {
        let catalogue = Catalogue::load().unwrap();
        let resource = normalize(full().as_object().unwrap(), &catalogue.user).unwrap();
        let attributes = changes(&Object::new(), &resource, &catalogue.user, &Nobody).unwrap();
        let read = to_resource(&entry(&attributes), &catalogue.user, "https://h/scim/v2", &Nobody);
        let mut expected = full();
        expected[ENTERPRISE]["manager"] = json!({"value": "m1", "$ref": "https://h/scim/v2/Users/m1", "displayName": "Name of m1"});
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(read.get(name), Some(value), "{name}");
        }
        assert_eq!(changes(&read, &read, &catalogue.user, &Nobody).unwrap(), Changes::new());
        assert_eq!(read["meta"]["version"], json!("W/\"0000000000000007\""));
    }

    #[test]
    fn required_ldap_attributes_follow_from_others_and_do_not_show() {
        let catalogue = Catalogue::load().unwrap();
        let resource = json!({"userName": "bjensen"}).as_object().unwrap().clone();
        let attributes = changes(&Object::new(), &resource, &catalogue.user, &Nobody).unwrap();
        let value = |name: &str| attributes.iter().find(|(held, _)| *held == name).map(|(_, values)| values.clone());
        assert_eq!(value("cn"), Some(vec![b"bjensen".to_vec()]));
        assert_eq!(value("sn"), Some(vec![b"bjensen".to_vec()]));
        let read = to_resource(&entry(&attributes), &catalogue.user, "", &Nobody);
        assert!(!read.contains_key("name") && !read.contains_key("displayName") && !read.contains_key("active"));
    }

    #[test]
    fn a_reference_to_nobody_is_refused() {
        let catalogue = Catalogue::load().unwrap();
        let after = json!({ENTERPRISE: {"manager": {"value": "nobody"}}});
        let refused = changes(&Object::new(), after.as_object().unwrap(), &catalogue.user, &Nobody);
        assert_eq!(refused.unwrap_err().kind, Some(crate::scim::error::ScimType::InvalidValue));
    }
}
