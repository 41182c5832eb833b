//! Attribute types, object classes, syntaxes and matching rules (RFC 4512, 4517, 4518): what names mean,
//! when values are equal, and whether an entry may be as it is.

pub mod known;
pub mod matching;
pub mod seal;

use crate::model::entry::Place;
use crate::model::{AttributeId, Description, Dn, Draft, Entry, Kind, Level, Rdn};
pub use known::Known;
pub use matching::{InvalidValue, MatchingRule, SubstringPart};
pub use seal::{SealOptions, Violation};

/// One schema file: where it came from, for messages, and its text.
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

/// A link attribute: which edges it shows (schema extensions `X-LINK`, `X-LEVEL`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// The attribute that names the edges; itself, for most.
    pub edge: AttributeId,
    /// The one level it shows and writes. `None`: it shows `Full` and `Administrator`, and writes `Full`.
    pub level: Option<Level>,
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
    /// Made when it is asked for, never stored (`X-DERIVED`): memberOf, hasSubordinates and the like.
    pub derived: bool,
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
    /// The kind it gives to its entries (`X-KIND`).
    pub entry_kind: Option<Kind>,
    /// A class that may stand as the only structural class though it is auxiliary (`X-STRUCTURAL`, posixGroup).
    pub stands_alone: bool,
    /// The definition as published in the subschema.
    pub text: String,
}

/// A loaded schema.
pub struct Schema {}

impl Schema {
    /// The schema that comes with Headcount (`schema/*.schema`), and `extra` files after it.
    pub fn load(extra: &[Source]) -> Result<Self, SchemaError> {
        todo!()
    }

    /// The attributes that code speaks of by name.
    pub fn known(&self) -> &Known {
        todo!()
    }

    /// The attribute type of a name or OID, in any case, without options.
    pub fn attribute(&self, name: &str) -> Option<AttributeId> {
        todo!()
    }

    /// The attribute description `name;option;option`.
    pub fn description(&self, text: &str) -> Option<Description> {
        todo!()
    }

    /// `name;option;option` as shown: the schema's name and the options.
    pub fn describe(&self, description: &Description) -> String {
        todo!()
    }

    /// The definition of a type.
    pub fn attribute_type(&self, attribute: AttributeId) -> &AttributeType {
        todo!()
    }

    /// All attribute types, in order of number.
    pub fn attribute_types(&self) -> &[AttributeType] {
        todo!()
    }

    /// The type itself, and after it all its subtypes.
    pub fn with_subtypes(&self, attribute: AttributeId) -> &[AttributeId] {
        todo!()
    }

    /// The object class of a name or OID.
    pub fn class(&self, name: &str) -> Option<ClassId> {
        todo!()
    }

    /// The definition of a class.
    pub fn object_class(&self, class: ClassId) -> &ObjectClass {
        todo!()
    }

    /// All object classes, in order of number.
    pub fn object_classes(&self) -> &[ObjectClass] {
        todo!()
    }

    /// Whether `class` is `ancestor` or derives from it.
    pub fn derives_from(&self, class: ClassId, ancestor: ClassId) -> bool {
        todo!()
    }

    /// Whether the entry is of the class, by its object classes and what they derive from.
    pub fn is_a(&self, entry: &Entry, class: &str) -> bool {
        todo!()
    }

    /// The matching rule of a name or OID.
    pub fn rule(&self, name: &str) -> Option<MatchingRule> {
        todo!()
    }

    /// Appends the normal form of `value` by the equality rule of `attribute`; octet for octet where it has none.
    pub fn normalize(&self, attribute: AttributeId, value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
        todo!()
    }

    /// The normal form of one RDN: assertions sorted, types by their first name in lower case, values by
    /// their equality rule. Equal for equal RDNs only.
    pub fn rdn_key(&self, rdn: &Rdn) -> Box<[u8]> {
        todo!()
    }

    /// The normal form of a whole name, `rdn_key`s joined so that equal names only are equal.
    pub fn name_key(&self, dn: &Dn) -> Vec<u8> {
        todo!()
    }

    /// Checks the draft by the schema and seals it. `links` answers how many edges the entry has in a link
    /// attribute, because their values are not in the draft.
    pub fn seal(
        &self,
        draft: &Draft,
        place: Place,
        links: &dyn Fn(AttributeId) -> usize,
        options: SealOptions,
    ) -> Result<Entry, Violation> {
        todo!()
    }

    /// The draft of an entry, to be changed and sealed again. Edges are not in it.
    pub fn unseal(&self, entry: &Entry) -> Draft {
        todo!()
    }

    /// Seals what a record of the store holds, without checking it again. `None` where it is damaged.
    pub fn restore(&self, octets: &[u8], place: Place) -> Option<Entry> {
        todo!()
    }

    /// The attributes of the subschema entry (RFC 4512 §4.2): name and values.
    pub fn subschema(&self) -> Vec<(&'static str, Vec<String>)> {
        todo!()
    }
}
