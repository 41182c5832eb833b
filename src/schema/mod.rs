//! Attribute types, object classes, syntaxes and matching rules (RFC 4512, 4517, 4518): what names mean,
//! when values are equal, and whether an entry may be as it is.

pub mod additions;
pub mod area;
mod certificate;
#[cfg(test)]
mod change_tests;
mod collective;
mod content_rule;
mod definition;
mod difference;
pub mod known;
mod live;
mod load;
pub mod matching;
mod name_form;
mod names;
#[cfg(test)]
mod normal_tests;
mod parse;
mod queries;
pub mod seal;
mod subschema;
pub mod subtree;
pub mod syntax;
#[cfg(test)]
mod tests;
mod text;

use crate::base::prepare::{Case, Insignificant, prepare};
use crate::model::{AttributeId, Description, Dn, Kind, Level, Rdn};
use additions::Origin;
pub use additions::{Additions, ChangeRefused, DefinitionKind, SchemaStep};
pub use collective::{COLLECTIVE_SUBENTRY, EXCLUDE_ALL};
pub use content_rule::ContentRule;
pub use difference::Difference;
pub use known::Known;
pub use live::LiveSchema;
pub use matching::{Comparison, InvalidValue, MatchingRule, SubstringPart};
pub use name_form::Standpoint;
use names::Names;
pub use parse::is_numeric_oid;
pub use seal::{SealOptions, Violation};
use std::sync::Arc;
pub use syntax::Syntax;

/// One schema file: where it came from, for messages, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name.
    pub name: String,
    /// RFC 4512 definitions, `attributetype ( … )` and `objectclass ( … )` as in slapd's schema files, or
    /// `attributeTypes:` / `objectClasses:` lines of an LDIF subschema entry.
    pub text: String,
}

/// Why a schema cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct SchemaError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong, naming the definition.
    pub message: String,
}

/// How attributes are used (RFC 4512 §4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// userApplications: returned by `*`.
    User,
    /// Any operational usage: returned by `+`.
    Operational,
}

/// How a link attribute writes an edge (schema extension `X-LINK-FORM`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkForm {
    /// The DN of the entry pointed to.
    #[default]
    Name,
    /// The first `uid` of the entry pointed to (`memberUid`); an entry without one does not show.
    Uid,
}

/// A link attribute: which edges it shows (schema extensions `X-LINK`, `X-LEVEL`, `X-LINK-FORM`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// The attribute that names the edges; itself, for most.
    pub edge: AttributeId,
    /// The one level it shows and writes. `None`: it shows `Full` and `Administrator`, and writes `Full`.
    pub level: Option<Level>,
    /// How it writes an edge.
    pub form: LinkForm,
}

/// An attribute type.
#[derive(Clone, Debug)]
pub struct AttributeType {
    /// Its number in this schema.
    pub id: AttributeId,
    /// Its OID.
    pub oid: String,
    /// Its names; the first is the one we show. The OID stands in where there is none.
    pub names: Vec<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The type it is a subtype of.
    pub superior: Option<AttributeId>,
    /// The equality rule, inherited where not given.
    pub equality: Option<MatchingRule>,
    /// The ordering rule, inherited where not given.
    pub ordering: Option<MatchingRule>,
    /// The substring rule, inherited where not given.
    pub substring: Option<MatchingRule>,
    /// The OID of the syntax, inherited where not given.
    pub syntax: String,
    /// At most one value.
    pub single_value: bool,
    /// Shared by the entries of a subtree (RFC 3671).
    pub collective: bool,
    /// Only the server writes it.
    pub no_user_modification: bool,
    /// User or operational.
    pub usage: Usage,
    /// Whether its values are links, and how.
    pub link: Option<LinkView>,
    /// Never leaves the server and is never matched: passwords, tokens (`X-SECRET`).
    pub secret: bool,
    /// Of people it shows to whoever may see fields for staff only (`X-STAFF-ONLY`).
    pub staff_only: bool,
    /// Of people it shows to whoever may see no more than a directory of them (`X-DIRECTORY`).
    pub in_directory: bool,
    /// Made when it is asked for, never stored (`X-DERIVED`): memberOf, hasSubordinates and the like.
    pub derived: bool,
    /// Whether it was taken out at run time: only what was written before has its name.
    pub retired: bool,
    /// The definition as published in the subschema.
    pub text: String,
}

impl AttributeType {
    /// The name we show.
    pub fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.oid)
    }
}

/// The number of an object class within the loaded schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u16);

/// The kinds of object classes (RFC 4512 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassKind {
    /// Only to derive others from.
    Abstract,
    /// Added to an entry beside its structural class.
    Auxiliary,
    /// What an entry is.
    Structural,
}

/// An object class.
#[derive(Clone, Debug)]
pub struct ObjectClass {
    /// Its number in this schema.
    pub id: ClassId,
    /// Its OID.
    pub oid: String,
    /// Its names; the first is the one we show.
    pub names: Vec<String>,
    /// The classes it derives from, directly.
    pub superiors: Vec<ClassId>,
    /// Abstract, auxiliary or structural.
    pub kind: ClassKind,
    /// Attributes an entry must have, inherited ones included.
    pub must: Vec<AttributeId>,
    /// Attributes an entry may have, inherited ones included.
    pub may: Vec<AttributeId>,
    /// What an entry may do without though a class that it derives from or lists requires it (`X-MAY-LACK`, hcGroup).
    pub may_lack: Vec<AttributeId>,
    /// The kind it gives to its entries (`X-KIND`).
    pub entry_kind: Option<Kind>,
    /// A class that may stand as the only structural class though it is auxiliary (`X-STRUCTURAL`, posixGroup).
    pub stands_alone: bool,
    /// The definition as published in the subschema.
    pub text: String,
}

/// A loaded schema.
#[derive(Clone, Debug)]
pub struct Schema {
    /// In order of number, as the next two.
    attributes: Vec<AttributeType>,
    syntaxes: Vec<Syntax>,
    /// The type and all its subtypes.
    subtypes: Vec<Vec<AttributeId>>,
    /// In order of number.
    classes: Vec<ObjectClass>,
    /// Per class, itself and all it derives from, in order of number.
    ancestors: Vec<Vec<ClassId>>,
    /// Per class, itself and all that derive from it.
    descendants: Vec<Vec<ClassId>>,
    /// What governs the content of entries of some structural classes.
    content_rules: Vec<ContentRule>,
    naming: name_form::Naming,
    attribute_names: Names<AttributeId>,
    class_names: Names<ClassId>,
    rule_names: Names<MatchingRule>,
    /// The link attributes that keep edges, each with those that show them.
    edges: Vec<(AttributeId, Vec<AttributeId>)>,
    /// extensibleObject (RFC 4512 §4.3).
    extensible: Option<ClassId>,
    known: Known,
    /// What was read after the files that come with Headcount.
    sources: Arc<[Source]>,
    /// Which file has which definition.
    origins: Vec<Origin>,
    additions: Additions,
    /// The names of types that were taken out at run time, as far as no other type has them.
    retired_names: Names<AttributeId>,
    /// What stands for the numbers of later versions.
    unknown: AttributeType,
}

impl Schema {
    /// The schema that comes with Headcount (`schema/*.schema`), and `extra` files after it.
    pub fn load(extra: &[Source]) -> Result<Self, SchemaError> {
        load::load(&extra.to_vec().into(), Additions::default()).map_err(|wrong| wrong.first)
    }

    /// The attributes that code speaks of by name.
    pub const fn known(&self) -> &Known {
        &self.known
    }

    /// The attribute type of a name or OID, in any case, without options.
    pub fn attribute(&self, name: &str) -> Option<AttributeId> {
        self.attribute_names.get(name)
    }

    /// The attribute description `name;option;option`. `None` where the type is not defined, or an option is none we
    /// know (RFC 4512 §2.5.2): `lang-…` (RFC 3866), `phonetic`, `x-…`, and `binary` where the syntax has it. That one says how
    /// values travel and tells no attribute from another (RFC 4522 §3), so it is always there.
    pub fn description(&self, text: &str) -> Option<Description> {
        let (name, options) = text.split_once(';').map_or((text, None), |(name, options)| (name, Some(options)));
        let attribute = self.attribute(name)?;
        let binary = self.syntax_of(attribute).is_binary_transfer();
        let mut options: Vec<String> = options.into_iter().flat_map(|options| options.split(';')).map(str::to_ascii_lowercase).collect();
        let shape = |option: &str| !option.is_empty() && option.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        let known = |option: &str| match option {
            "binary" => binary,
            "phonetic" => true,
            option => ["lang-", "x-"].iter().any(|prefix| option.starts_with(prefix)),
        };
        if !options.iter().all(|option| shape(option) && known(option)) {
            return None;
        }
        if binary {
            options.push("binary".to_owned());
        }
        options.sort_unstable();
        options.dedup();
        Some(Description { attribute, options: options.join(";") })
    }

    /// `name;option;option` as shown: the schema's name and the options.
    pub fn describe(&self, description: &Description) -> String {
        let name = self.attribute_type(description.attribute).name();
        if description.options.is_empty() { name.to_owned() } else { format!("{name};{}", description.options) }
    }

    /// The type of a name in what was written under this schema or an earlier version of it, in any case, without options.
    pub(super) fn written_attribute(&self, name: &str) -> Option<AttributeId> {
        self.attribute(name).or_else(|| self.retired_names.get(name))
    }

    /// The definition of a type. Where the number is of a later version it is one that nobody sees.
    pub fn attribute_type(&self, attribute: AttributeId) -> &AttributeType {
        self.attributes.get(usize::from(attribute.0)).unwrap_or(&self.unknown)
    }

    /// All attribute types, in order of number, those included that were taken out at run time.
    pub fn attribute_types(&self) -> &[AttributeType] {
        &self.attributes
    }

    /// The syntax of a type's values.
    pub fn syntax_of(&self, attribute: AttributeId) -> Syntax {
        self.syntaxes.get(usize::from(attribute.0)).copied().unwrap_or(Syntax::OctetString)
    }

    /// The type itself, and after it all its subtypes.
    pub fn with_subtypes(&self, attribute: AttributeId) -> &[AttributeId] {
        self.subtypes.get(usize::from(attribute.0)).map_or(&[], Vec::as_slice)
    }

    /// The object class of a name or OID.
    pub fn class(&self, name: &str) -> Option<ClassId> {
        self.class_names.get(name)
    }

    /// The definition of a class.
    #[expect(clippy::indexing_slicing, reason = "a number comes from this schema only")]
    pub fn object_class(&self, class: ClassId) -> &ObjectClass {
        &self.classes[usize::from(class.0)]
    }

    /// All object classes, in order of number.
    pub fn object_classes(&self) -> &[ObjectClass] {
        &self.classes
    }

    /// The class and all that derive from it.
    pub fn derived_classes(&self, class: ClassId) -> &[ClassId] {
        self.descendants.get(usize::from(class.0)).map_or(&[], Vec::as_slice)
    }

    /// Whether `class` is `ancestor` or derives from it.
    pub fn derives_from(&self, class: ClassId, ancestor: ClassId) -> bool {
        self.ancestors.get(usize::from(class.0)).is_some_and(|above| above.binary_search(&ancestor).is_ok())
    }

    /// The matching rule of a name or OID.
    pub fn rule(&self, name: &str) -> Option<MatchingRule> {
        self.rule_names.get(name)
    }

    /// The OID a name stands for: of a class, else of an attribute type, else of a matching rule, else of what RFC 3671 and
    /// RFC 3672 name.
    pub fn oid(&self, name: &str) -> Option<&str> {
        if let Some(class) = self.class(name) {
            return Some(&self.object_class(class).oid);
        }
        if let Some(attribute) = self.attribute(name) {
            return Some(&self.attribute_type(attribute).oid);
        }
        self.rule(name).map(MatchingRule::oid).or_else(|| self.name_form_oid(name)).or_else(|| collective::registered(name))
    }

    /// Appends the normal form of `value` by the equality rule of `attribute`; octet for octet where it has none.
    pub fn normalize(&self, attribute: AttributeId, value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
        self.attribute_type(attribute).equality.unwrap_or(MatchingRule::OctetString).normalize(self, value, out)
    }

    /// The normal form of one RDN: assertions sorted, types by their first name in lower case, values by
    /// their equality rule. Equal for equal RDNs only.
    pub fn rdn_key(&self, rdn: &Rdn) -> Box<[u8]> {
        let mut key = Vec::new();
        self.put_rdn_key(rdn, &mut key);
        key.into()
    }

    /// The normal form of a whole name, `rdn_key`s joined so that equal names only are equal.
    pub fn name_key(&self, dn: &Dn) -> Vec<u8> {
        let mut key = Vec::new();
        self.put_name_key(dn, &mut key);
        key
    }

    /// Appends the `name_key`.
    fn put_name_key(&self, dn: &Dn, out: &mut Vec<u8>) {
        for (index, rdn) in dn.0.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.put_rdn_key(rdn, out);
        }
    }

    /// Appends assertions as `type=`, the length of the value's normal form (in one octet; from 255 on, 255 and eight), and
    /// that; `+` between. Every piece says where it ends, so no two names share a key.
    fn put_rdn_key(&self, rdn: &Rdn, out: &mut Vec<u8>) {
        if let [only] = rdn.0.as_slice() {
            return self.put_assertion_key(&only.attribute, &only.value, out);
        }
        let mut keys: Vec<Vec<u8>> = Vec::with_capacity(rdn.0.len());
        for assertion in &rdn.0 {
            let mut key = Vec::new();
            self.put_assertion_key(&assertion.attribute, &assertion.value, &mut key);
            keys.push(key);
        }
        keys.sort_unstable();
        out.extend_from_slice(&keys.join(&b'+'));
    }

    /// A type that is not defined is compared as text without case, and so is a value that is none of its type.
    fn put_assertion_key(&self, name: &str, value: &[u8], out: &mut Vec<u8>) {
        let attribute = self.attribute(name);
        let shown = attribute.map_or(name, |attribute| self.attribute_type(attribute).name());
        out.extend(shown.bytes().map(|octet| octet.to_ascii_lowercase()));
        out.extend_from_slice(b"=\0");
        let start = out.len();
        let known = attribute.is_some_and(|attribute| self.normalize(attribute, value, out).is_ok());
        if !known {
            out.truncate(start);
            if prepare(value, Case::Ignore, Insignificant::Spaces, out).is_err() {
                out.extend_from_slice(value);
            }
        }
        let length = out.len() - start;
        let short = u8::try_from(length).unwrap_or(u8::MAX);
        if let Some(octet) = out.get_mut(start - 1) {
            *octet = short;
        }
        if short == u8::MAX {
            out.splice(start..start, (length as u64).to_be_bytes());
        }
    }
}
