//! Sealing: is this draft an entry the schema allows (RFC 4512 §2.4, §2.5)?

/// What is let through for the operator and for imports.
#[derive(Clone, Copy, Debug, Default)]
pub struct SealOptions {
    /// Values of attributes that only the server writes are taken as given.
    pub relax: bool,
}

/// Why the schema refuses an entry. The text names the attribute and the rule; the variant decides the result code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A value does not fit its syntax: invalidAttributeSyntax (21).
    #[error("{0}")]
    InvalidSyntax(String),
    /// The RDN does not agree with the attributes: namingViolation (64).
    #[error("{0}")]
    Naming(String),
    /// Classes or attributes that do not go together: objectClassViolation (65).
    #[error("{0}")]
    ObjectClass(String),
    /// More than one value where one is allowed, or a value twice: constraintViolation (19) or attributeOrValueExists (20).
    #[error("{0}")]
    SingleValue(String),
    /// The same value twice: attributeOrValueExists (20).
    #[error("{0}")]
    DuplicateValue(String),
    /// An attribute type that is not defined: undefinedAttributeType (17).
    #[error("{0}")]
    UndefinedType(String),
}
