//! Matching rules (RFC 4517 §4.2) as normalisation: two values are equal where their normal forms are the
//! same octets, ordered as their normal forms are ordered octet by octet, and one holds another's normal
//! form where the substring rule matches. One key therefore serves comparison and every index.

use super::Schema;

/// A value that the syntax does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidValue(pub &'static str);

/// Which part of a substring assertion a text is: spaces at its ends count differently (RFC 4518 §2.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubstringPart {
    /// The beginning.
    Initial,
    /// Somewhere.
    Any,
    /// The end.
    Final,
}

/// A matching rule. H1 widens this to all rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchingRule {
    /// octetStringMatch and octetStringOrderingMatch.
    OctetString,
}

impl MatchingRule {
    /// Appends the normal form of an attribute value.
    pub fn normalize(self, schema: &Schema, value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
        todo!()
    }

    /// Appends the normal form of one part of a substring assertion.
    pub fn normalize_part(self, part: SubstringPart, value: &[u8], out: &mut Vec<u8>) -> Result<(), InvalidValue> {
        todo!()
    }
}
