//! Distinguished names and their text form (RFC 4514). A `Dn` is as given; its normal form needs the
//! schema and is made there.

use std::fmt;

/// One attribute value assertion of an RDN.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ava {
    /// The attribute type, as given: a name or an OID.
    pub attribute: String,
    /// The value, escapes undone.
    pub value: Vec<u8>,
}

/// A relative distinguished name: one assertion, or several joined by `+`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rdn(pub Vec<Ava>);

/// A distinguished name, the leaf first. Empty for the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dn(pub Vec<Rdn>);

/// Why text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad name at octet {at}: {reason}")]
pub struct DnError {
    /// Where in the text, in octets from its start.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl Dn {
    /// Reads the text form of RFC 4514, and the spaces around separators that RFC 2253 let through.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        todo!()
    }

    /// The name above, or `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_first().map(|(_, rest)| Self(rest.to_vec()))
    }

    /// The leaf, or `None` for the root.
    pub fn rdn(&self) -> Option<&Rdn> {
        self.0.first()
    }

    /// Whether it is the empty name.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl Rdn {
    /// Reads one RDN.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        todo!()
    }
}

impl fmt::Display for Rdn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
