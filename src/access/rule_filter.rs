//! The filter of a rule: `and`, `or`, `not`, presence and equality, compiled once and asked of stored values only
//! (links and derived attributes are not in an entry; `group:` and `role:` speak of those).

use crate::model::{AttributeId, Entry, Filter};
use crate::schema::Schema;

/// A filter with names looked up and values normalised.
#[derive(Debug)]
pub(super) enum RuleFilter {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Present(Vec<AttributeId>),
    Equal(Vec<AttributeId>, Vec<u8>),
}

impl RuleFilter {
    /// Compiles; the error names what a rule cannot ask.
    pub(super) fn compile(schema: &Schema, filter: &Filter<'_>) -> Result<Self, String> {
        let all = |parts: &[Filter<'_>]| parts.iter().map(|part| Self::compile(schema, part)).collect::<Result<Vec<_>, _>>();
        let types = |name: &str| -> Result<Vec<AttributeId>, String> {
            let attribute = schema.attribute(name).ok_or_else(|| format!("attribute type {name} is not defined"))?;
            let definition = schema.attribute_type(attribute);
            if definition.link.is_some() || definition.derived || definition.secret {
                return Err(format!("the filter of a rule cannot ask for {name}: it is a link, derived, or secret"));
            }
            Ok(schema.with_subtypes(attribute).to_vec())
        };
        match filter {
            Filter::And(parts) => all(parts).map(Self::And),
            Filter::Or(parts) => all(parts).map(Self::Or),
            Filter::Not(part) => Self::compile(schema, part).map(|part| Self::Not(Box::new(part))),
            Filter::Present(name) => types(name).map(Self::Present),
            Filter::Equality(name, value) => {
                let types = types(name)?;
                let mut key = Vec::new();
                if let Some(attribute) = types.first() {
                    schema.normalize(*attribute, value, &mut key).map_err(|error| format!("{name}: {error}"))?;
                }
                Ok(Self::Equal(types, key))
            }
            Filter::Substrings(..)
            | Filter::GreaterOrEqual(..)
            | Filter::LessOrEqual(..)
            | Filter::Approximate(..)
            | Filter::Extensible(_) => Err("the filter of a rule is made of and, or, not, presence and equality".to_owned()),
        }
    }

    /// Whether the entry matches. What is Undefined in a search (an absent attribute) is false here, and so true under `not`.
    pub(super) fn matches(&self, schema: &Schema, entry: &Entry) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.matches(schema, entry)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(schema, entry)),
            Self::Not(part) => !part.matches(schema, entry),
            Self::Present(types) => types.iter().any(|attribute| entry.has(*attribute)),
            Self::Equal(types, key) => {
                let mut normal = Vec::new();
                let mut equal = |attribute: AttributeId, value: &[u8]| {
                    normal.clear();
                    schema.normalize(attribute, value, &mut normal).is_ok() && normal == *key
                };
                types.iter().any(|attribute| entry.values(*attribute).any(|value| equal(*attribute, value)))
            }
        }
    }
}
