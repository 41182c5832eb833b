//! The schemas of `schema/scim/` (RFC 7643 §7): what attributes there are and how each behaves. All
//! enforcement reads the characteristics from here, and the discovery endpoints publish the same data.

use super::filter::AttributePath;
use super::mapping::{Computed, Mapping};
use super::types::DEFINITIONS;
use crate::model::Kind;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Data types (RFC 7643 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DataType {
    /// Base64.
    Binary,
    /// `true` or `false`.
    Boolean,
    /// An object of sub-attributes.
    Complex,
    /// xsd:dateTime.
    DateTime,
    /// A number.
    Decimal,
    /// A whole number.
    Integer,
    /// A URI.
    Reference,
    /// Text.
    String,
}

/// Who may change it, and when (RFC 7643 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mutability {
    /// Set once.
    Immutable,
    /// Only the server changes it.
    ReadOnly,
    /// Clients change it.
    ReadWrite,
    /// Clients set it and nobody reads it.
    WriteOnly,
}

/// When it is in an answer (RFC 7643 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// Even where it was excluded.
    Always,
    /// Unless it was excluded or others were asked for.
    Default,
    /// Under no circumstances.
    Never,
    /// Only where it was asked for.
    Request,
}

/// One attribute and its characteristics.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// Its name, as shown.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub data_type: DataType,
    /// Whether it is an array.
    pub multi_valued: bool,
    /// Whether it must be there.
    pub required: bool,
    /// Whether case counts in a comparison.
    #[serde(default)]
    pub case_exact: bool,
    /// Who may change it.
    pub mutability: Mutability,
    /// When it is shown.
    pub returned: Returned,
    /// What a complex attribute is made of.
    #[serde(default)]
    pub sub_attributes: Vec<Self>,
}

impl Attribute {
    /// The sub-attribute of that name, in any case.
    pub fn sub(&self, name: &str) -> Option<&Self> {
        self.sub_attributes.iter().find(|sub| sub.name.eq_ignore_ascii_case(name))
    }

    /// Whether case counts when values are compared; in base64 it always does.
    pub fn is_case_exact(&self) -> bool {
        self.case_exact || self.data_type == DataType::Binary
    }

    /// Whether it is made of sub-attributes.
    pub fn is_complex(&self) -> bool {
        self.data_type == DataType::Complex
    }
}

/// A schema.
#[derive(Clone, Debug)]
pub struct Schema {
    /// Its URN.
    pub id: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// As it is published (RFC 7643 §7).
    pub published: Value,
}

impl Schema {
    /// The attribute of that name, in any case.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }

    /// Reads a schema of `schema/scim/`.
    pub(super) fn load(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Data {
            id: String,
            attributes: Vec<Attribute>,
        }
        let published: Value = serde_json::from_str(text)?;
        let Data { id, attributes } = Data::deserialize(&published)?;
        Ok(Self { id, attributes, published })
    }

    /// The same for those who may only read that attribute.
    fn with_read_only(mut self, name: &str) -> Self {
        for attribute in self.attributes.iter_mut().filter(|attribute| attribute.name == name) {
            attribute.mutability = Mutability::ReadOnly;
            attribute.sub_attributes.iter_mut().for_each(|sub| sub.mutability = Mutability::ReadOnly);
        }
        let list = |held: &mut Value, name: &str| held.get_mut(name).and_then(Value::as_array_mut).map(std::mem::take);
        let read_only = |attribute: &mut Value| {
            if let Some(members) = attribute.as_object_mut() {
                members.insert("mutability".to_owned(), "readOnly".into());
            }
        };
        let mut attributes = list(&mut self.published, "attributes").unwrap_or_default();
        for attribute in attributes.iter_mut().filter(|attribute| attribute.get("name").and_then(Value::as_str) == Some(name)) {
            read_only(attribute);
            attribute.get_mut("subAttributes").and_then(Value::as_array_mut).into_iter().flatten().for_each(read_only);
        }
        if let Some(held) = self.published.get_mut("attributes") {
            *held = Value::Array(attributes);
        }
        self
    }
}

/// A type of resource (RFC 7643 §6).
#[derive(Clone, Debug)]
pub struct ResourceType {
    /// Its id and name.
    pub name: &'static str,
    /// Where its resources are, under the base URL.
    pub endpoint: &'static str,
    /// For people.
    pub description: &'static str,
    /// What every resource has: id, externalId, meta, schemas.
    pub common: Schema,
    /// Its schema.
    pub schema: Schema,
    /// Its extensions; none is required.
    pub extensions: Vec<Schema>,
    /// What can be done with its resources beside reading them.
    pub verbs: Verbs,
    /// Where they come from.
    pub source: Source,
    /// Whether a query of the base goes over it: not over what people write about each other.
    pub in_base_query: bool,
    /// How they are kept.
    pub mapping: &'static Mapping,
    /// What the entries of its resources are.
    pub kind: Kind,
}

/// What clients may do with resources of a type beside reading them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbs {
    /// POST.
    pub create: bool,
    /// PUT and PATCH.
    pub change: bool,
    /// DELETE.
    pub delete: bool,
}

/// Where resources of a type come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Each is an entry.
    Entries,
    /// They are the licences of the organisation, to be read.
    Licences,
    /// They are what binds members to groups.
    Memberships,
    /// They are the packages of the catalog.
    Packages,
    /// They are the roles of the organisation, and those that packages have.
    Roles,
    /// They are the sessions of the organisation.
    Sessions,
}

/// What a path names.
#[derive(Clone, Copy, Debug)]
pub enum Target<'s> {
    /// All of an extension.
    Extension(&'s Schema),
    /// An attribute, of an extension or not, and its sub-attribute.
    Attribute(Option<&'s Schema>, &'s Attribute, Option<&'s Attribute>),
}

impl ResourceType {
    /// What a path names, or `None` where the schema has no such thing.
    pub fn resolve(&self, path: &AttributePath) -> Option<Target<'_>> {
        let (extension, attribute) = match &path.urn {
            None => (None, self.core_attribute(&path.name)?),
            Some(urn) if urn.eq_ignore_ascii_case(&self.schema.id) => (None, self.core_attribute(&path.name)?),
            Some(urn) => {
                // The last part of a schema's own URN was read as the name of an attribute, dots and all.
                let whole = path.to_string();
                if let Some(extension) = self.extension(&whole) {
                    return Some(Target::Extension(extension));
                }
                let extension = self.extension(urn)?;
                (Some(extension), extension.attribute(&path.name)?)
            }
        };
        match &path.sub {
            None => Some(Target::Attribute(extension, attribute, None)),
            Some(name) => Some(Target::Attribute(extension, attribute, Some(attribute.sub(name)?))),
        }
    }

    /// An attribute of the schema or a common one.
    pub fn core_attribute(&self, name: &str) -> Option<&Attribute> {
        self.schema.attribute(name).or_else(|| self.common.attribute(name))
    }

    /// An attribute by its place: of an extension, or of the schema itself.
    pub fn placed(&self, extension: Option<&str>, name: &str) -> Option<&Attribute> {
        match extension {
            None => self.core_attribute(name),
            Some(urn) => self.extension(urn)?.attribute(name),
        }
    }

    /// The attribute of a place in a mapping: of the schema itself, of an extension, or of a complex attribute.
    pub fn mapped(&self, holder: &[&str], name: &str) -> Option<&Attribute> {
        match holder {
            [] => self.core_attribute(name),
            [outer, ..] => {
                self.extension(outer).map_or_else(|| self.core_attribute(outer)?.sub(name), |extension| extension.attribute(name))
            }
        }
    }

    /// The attribute of what is computed.
    pub fn computed(&self, computed: &Computed) -> Option<&Attribute> {
        self.placed(computed.extension, computed.name)
    }

    /// The extension of that URN, in any case.
    pub fn extension(&self, urn: &str) -> Option<&Schema> {
        self.extensions.iter().find(|extension| extension.id.eq_ignore_ascii_case(urn))
    }
}

/// All types of resources served.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// `/Users`.
    pub user: Arc<ResourceType>,
    /// `/Groups`.
    pub group: Arc<ResourceType>,
    /// All types, those two among them.
    pub types: Vec<Arc<ResourceType>>,
}

impl Catalogue {
    /// Reads the data that comes with Headcount; fails only where that data is damaged.
    pub fn load() -> Result<Self, serde_json::Error> {
        let common = Schema::load(include_str!("../../schema/scim/common.json"))?;
        let types = DEFINITIONS.iter().map(|definition| definition.load(&common).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        let named = |name: &str| {
            let found = types.iter().find(|held| held.name == name).cloned();
            found.ok_or_else(|| serde::de::Error::custom(format!("there is no type {name}")))
        };
        Ok(Self { user: named("User")?, group: named("Group")?, types })
    }

    /// The same for clients that are not to give roles: those are read-only to them (HE3).
    pub fn without_giving_roles(&self) -> Self {
        let schema = self.user.schema.clone().with_read_only("roles");
        let user = Arc::new(ResourceType { schema, ..(*self.user).clone() });
        Self { user: Arc::clone(&user), ..self.with(&user) }
    }

    /// The same for Okta, which asks for roles by a schema of its own (quirk 37).
    pub fn for_okta(&self) -> Result<Self, serde_json::Error> {
        let schema = Schema::load(include_str!("../../schema/scim/okta_role.json"))?;
        let role = self.types.iter().find(|held| held.source == Source::Roles);
        Ok(role.map_or_else(|| self.clone(), |role| self.with(&Arc::new(ResourceType { schema, ..(**role).clone() }))))
    }

    /// The same with another type in the place of the one of that name.
    fn with(&self, other: &Arc<ResourceType>) -> Self {
        let types = self.types.iter().map(|held| Arc::clone(if held.name == other.name { other } else { held }));
        Self { types: types.collect(), user: Arc::clone(&self.user), group: Arc::clone(&self.group) }
    }

    /// The type whose resources are at that endpoint, such as `/Users`.
    pub fn at(&self, endpoint: &str) -> Option<&Arc<ResourceType>> {
        self.types.iter().find(|held| held.endpoint == endpoint)
    }

    /// The types that a query of the base goes over (RFC 7644 §3.4.2.1).
    pub fn stored(&self) -> Vec<&ResourceType> {
        self.types.iter().filter(|held| held.in_base_query).map(AsRef::as_ref).collect()
    }

    /// The published schemas, each once.
    pub fn schemas(&self) -> impl Iterator<Item = &Schema> {
        self.types.iter().flat_map(|held| std::iter::once(&held.schema).chain(&held.extensions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::path::Path;

    #[test]
    fn paths_resolve_in_any_case_with_and_without_urn() {
        let catalogue = Catalogue::load().unwrap();
        let resolve = |text: &str| -> Option<String> {
            match catalogue.user.resolve(&Path::parse(text).unwrap().attribute)? {
                Target::Extension(extension) => Some(extension.id.clone()),
                Target::Attribute(extension, attribute, sub) => {
                    let parts = [extension.map(|_| "ext"), Some(attribute.name.as_str()), sub.map(|sub| sub.name.as_str())];
                    Some(parts.into_iter().flatten().collect::<Vec<_>>().join("."))
                }
            }
        };
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        assert_eq!(resolve("USERNAME").unwrap(), "userName");
        assert_eq!(resolve("Name.FamilyName").unwrap(), "name.familyName");
        assert_eq!(resolve("urn:ietf:params:scim:schemas:core:2.0:User:meta.created").unwrap(), "meta.created");
        assert_eq!(resolve(enterprise).unwrap(), enterprise);
        assert_eq!(resolve(&format!("{enterprise}:Manager.value").to_uppercase().replacen("URN", "urn", 1)).unwrap(), "ext.manager.value");
        for unknown in ["nothing", "name.nothing", "userName.value", "urn:x:User:userName", "department", "__proto__x"] {
            if let Ok(path) = Path::parse(unknown) {
                assert!(catalogue.user.resolve(&path.attribute).is_none(), "{unknown}");
            }
        }
    }
}
