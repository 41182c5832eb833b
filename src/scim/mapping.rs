//! Resources and LDAP attributes: one table says where each attribute of a schema is kept. The difference of two
//! resources becomes the difference of their attributes, so that what SCIM does not know of an entry stays as it is.
//!
//! Three things are not one to one. `cn` and `sn`, which inetOrgPerson requires, follow from other attributes
//! where a client gives none. References are ids in SCIM and names in LDAP. Values with parts are JSON objects, one
//! per value, names in order, so that equal values are equal octets.

use super::error::ScimError;
use super::json::Object;
use super::schema::ResourceType;
use crate::base::Timestamp;
use crate::directory::OwnedEntry;
use crate::model::Kind;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How a value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    /// TRUE or FALSE.
    Boolean,
    /// One JSON object per value.
    Structured,
    /// As it is.
    Text,
}

/// One row of the table.
struct Row {
    /// Extension and attribute.
    holder: &'static [&'static str],
    /// The attribute, or the sub-attribute of the last holder.
    name: &'static str,
    /// The LDAP attribute.
    ldap: &'static str,
    codec: Codec,
}

const fn row(holder: &'static [&'static str], name: &'static str, ldap: &'static str, codec: Codec) -> Row {
    Row { holder, name, ldap, codec }
}

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

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
    row(&[ENTERPRISE], "employeeNumber", "employeeNumber", Codec::Text),
    row(&[ENTERPRISE], "costCenter", "hcCostCenter", Codec::Text),
    row(&[ENTERPRISE], "organization", "o", Codec::Text),
    row(&[ENTERPRISE], "division", "hcDivision", Codec::Text),
    row(&[ENTERPRISE], "department", "departmentNumber", Codec::Text),
];

const GROUP: &[Row] = &[row(&[], "externalId", "hcExternalId", Codec::Text), row(&[], "displayName", "cn", Codec::Text)];

/// Attributes that are read besides those of the table.
const ALSO_READ: &[&str] = &["entryUUID", "createTimestamp", "modifyTimestamp", "cn", "mail", "manager", "hcRole"];

fn rows(resource_type: &ResourceType) -> &'static [Row] {
    if resource_type.name == "Group" { GROUP } else { USER }
}

/// The attributes to ask the directory for. Membership is read apart, because it can be large.
pub fn attributes_to_read(resource_type: &ResourceType) -> Vec<&'static str> {
    let stored = rows(resource_type).iter().map(|row| row.ldap).filter(|ldap| *ldap != "userPassword");
    let user = resource_type.name == "User";
    let also = ALSO_READ.iter().copied().filter(|name| user || !matches!(*name, "mail" | "manager" | "hcRole" | "cn"));
    stored.chain(also).collect()
}

/// The object classes of a new entry.
pub fn object_classes(resource_type: &ResourceType) -> &'static [&'static str] {
    if resource_type.name == "Group" { &["groupOfNames", "groupOfUniqueNames", "hcGroup"] } else { &["inetOrgPerson", "hcUser"] }
}

/// The object class by which entries of the type are found.
pub fn object_class(resource_type: &ResourceType) -> &'static str {
    if resource_type.name == "Group" { "hcGroup" } else { "hcUser" }
}

/// The attribute that names new entries, and the container they go to.
pub fn naming(resource_type: &ResourceType) -> (&'static str, &'static str) {
    if resource_type.name == "Group" { ("cn", "ou=groups") } else { ("uid", "ou=users") }
}

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
    pub const fn type_name(&self) -> Option<&'static str> {
        match self.kind {
            Kind::User => Some("User"),
            Kind::Group => Some("Group"),
            Kind::Content
            | Kind::Generic
            | Kind::Licence
            | Kind::Organisation
            | Kind::Person
            | Kind::Role
            | Kind::Session
            | Kind::Staff => None,
        }
    }

    /// As an element of `members`, `groups`, or as `manager` and `user`.
    pub fn to_value(&self, base_url: &str, display: &str) -> Object {
        let mut members = Object::new();
        members.insert("value".to_owned(), self.id.clone().into());
        if let Some(name) = self.type_name() {
            members.insert("$ref".to_owned(), format!("{base_url}/{name}s/{}", self.id).into());
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
}

/// The version of an entry as its ETag (RFC 7644 §3.14).
pub fn version(version: u64) -> String {
    format!("W/\"{version:016x}\"")
}

/// An entry as a resource, without `schemas`, `groups` and `members`.
pub fn to_resource(entry: &OwnedEntry, resource_type: &ResourceType, base_url: &str, lookup: &dyn Lookup) -> Object {
    let mut resource = Object::new();
    let id = entry.text("entryUUID").unwrap_or_default();
    resource.insert("id".to_owned(), id.into());
    for row in rows(resource_type) {
        if let Some(value) = shown(entry, row) {
            place(&mut resource, row.holder, row.name, value);
        }
    }
    if resource_type.name == "User" {
        add_user_references(&mut resource, entry, base_url, lookup);
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
    meta.insert("version".to_owned(), version(entry.version).into());
    resource.insert("meta".to_owned(), Value::Object(meta));
    resource
}

fn add_user_references(resource: &mut Object, entry: &OwnedEntry, base_url: &str, lookup: &dyn Lookup) {
    if let Some(manager) = entry.text("manager").and_then(|dn| lookup.reference(dn)) {
        place(resource, &[ENTERPRISE], "manager", Value::Object(manager.to_value(base_url, "displayName")));
    }
    let roles = entry.values("hcRole").filter_map(|dn| lookup.reference(std::str::from_utf8(dn).ok()?));
    let roles: Vec<Value> = roles.map(|role| json!({"value": role.id, "display": role.display})).collect();
    if !roles.is_empty() {
        resource.insert("roles".to_owned(), Value::Array(roles));
    }
}

/// The value of a row, or `None` where the entry has none to show.
fn shown(entry: &OwnedEntry, row: &Row) -> Option<Value> {
    let text = entry.text(row.ldap);
    match (row.ldap, row.codec) {
        ("userPassword", _) => None,
        // The name of the user stands in for a family name that nobody gave.
        ("sn", _) => text.filter(|text| Some(*text) != entry.text("uid")).map(Value::from),
        // An entry made by an LDAP client often has cn alone.
        ("displayName", _) => text.or_else(|| own_common_name(entry)).map(Value::from),
        (_, Codec::Structured) => {
            let mut values: Vec<Value> = entry.values(row.ldap).filter_map(|value| serde_json::from_slice(value).ok()).collect();
            if values.is_empty() && row.ldap == "hcEmail" {
                let mail = entry.values("mail").filter_map(|mail| std::str::from_utf8(mail).ok());
                values = mail.map(|mail| json!({"value": mail})).collect();
            }
            Some(Value::Array(values)).filter(|values| values.as_array().is_some_and(|values| !values.is_empty()))
        }
        (_, Codec::Boolean) => text.map(|text| Value::Bool(text.eq_ignore_ascii_case("TRUE"))),
        (_, Codec::Text) => text.map(Value::from),
    }
}

/// The common name of a user, where it says more than the name that stands in for it.
fn own_common_name(entry: &OwnedEntry) -> Option<&str> {
    let given = [entry.text("uid"), entry.text("hcFormattedName"), entry.text("sn")];
    entry.text("cn").filter(|name| !given.contains(&Some(*name)))
}

/// Puts a value where its row belongs.
fn place(resource: &mut Object, holder: &[&str], name: &str, value: Value) {
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
    for row in rows(resource_type).iter().filter(|row| row.ldap != "sn") {
        let (old, new) = (stored(before, row), stored(after, row));
        if old != new {
            changes.push((row.ldap, new));
        }
    }
    if resource_type.name != "User" {
        return Ok(changes);
    }
    for (ldap, name) in [("cn", common_name as fn(&Object) -> Option<&str>), ("sn", surname)] {
        let (old, new) = (name(before), name(after));
        if old != new {
            changes.push((ldap, new.iter().map(|text| text.as_bytes().to_vec()).collect()));
        }
    }
    if manager(before) != manager(after) {
        let dn = manager(after).map(|id| found(lookup.person_dn(id)?, "manager", id)).transpose()?;
        changes.push(("manager", dn.into_iter().collect()));
    }
    Ok(changes)
}

fn found(dn: Option<String>, attribute: &str, id: &str) -> Result<Vec<u8>, ScimError> {
    dn.map(String::into_bytes).ok_or_else(|| ScimError::value(format!("{attribute}: there is no {id}")))
}

fn stored(resource: &Object, row: &Row) -> Vec<Vec<u8>> {
    let found = row.holder.iter().try_fold(resource, |held, name| held.get(*name)?.as_object()).and_then(|held| held.get(row.name));
    match (row.codec, found) {
        (_, None) => Vec::new(),
        (Codec::Boolean, Some(value)) => vec![if value == &Value::Bool(true) { b"TRUE".to_vec() } else { b"FALSE".to_vec() }],
        (Codec::Text, Some(value)) => value.as_str().map(|text| text.as_bytes().to_vec()).into_iter().collect(),
        (Codec::Structured, Some(value)) => value.as_array().into_iter().flatten().map(|value| canonical(value).into_bytes()).collect(),
    }
}

/// A structured value as text: the names in order, no spaces.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let ordered: BTreeMap<&String, &Value> = members.iter().collect();
            let members: Vec<String> = ordered.into_iter().map(|(name, value)| format!("{}:{}", json!(name), canonical(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        other => other.to_string(),
    }
}

fn text<'r>(resource: &'r Object, holder: Option<&str>, name: &str) -> Option<&'r str> {
    let held = match holder {
        None => resource,
        Some(holder) => resource.get(holder)?.as_object()?,
    };
    held.get(name)?.as_str()
}

fn common_name(resource: &Object) -> Option<&str> {
    text(resource, None, "displayName").or_else(|| text(resource, Some("name"), "formatted")).or_else(|| text(resource, None, "userName"))
}

fn surname(resource: &Object) -> Option<&str> {
    text(resource, Some("name"), "familyName").or_else(|| text(resource, None, "userName"))
}

/// The id of the manager; the end of its URI where a client gives that alone.
fn manager(resource: &Object) -> Option<&str> {
    let manager = resource.get(ENTERPRISE)?.get("manager")?;
    let text = |name: &str| manager.get(name).and_then(Value::as_str);
    text("value").or_else(|| text("$ref").and_then(|uri| uri.trim_end_matches('/').rsplit('/').next()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::EntryId;
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
    fn structured_values_are_written_in_one_form() {
        assert_eq!(
            canonical(&json!({"value": "a\"b", "primary": true, "type": "work"})),
            r#"{"primary":true,"type":"work","value":"a\"b"}"#
        );
    }

    #[test]
    fn a_reference_to_nobody_is_refused() {
        let catalogue = Catalogue::load().unwrap();
        let after = json!({ENTERPRISE: {"manager": {"value": "nobody"}}});
        let refused = changes(&Object::new(), after.as_object().unwrap(), &catalogue.user, &Nobody);
        assert_eq!(refused.unwrap_err().kind, Some(crate::scim::error::ScimType::InvalidValue));
    }
}
