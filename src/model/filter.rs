//! Search filters (RFC 4511 §4.5.1.7) and their text form (RFC 4515).

use std::borrow::Cow;

/// A filter as a client sent it: attribute descriptions are not looked up, values are not normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter<'a> {
    /// All of them; an empty list is true (RFC 4526).
    And(Vec<Filter<'a>>),
    /// One of them; an empty list is false (RFC 4526).
    Or(Vec<Filter<'a>>),
    /// The opposite.
    Not(Box<Filter<'a>>),
    /// The attribute has a value.
    Present(Cow<'a, str>),
    /// A value equals the assertion.
    Equality(Cow<'a, str>, Cow<'a, [u8]>),
    /// A value holds the parts in this order.
    Substrings(Cow<'a, str>, Substrings<'a>),
    /// A value is the assertion or after it.
    GreaterOrEqual(Cow<'a, str>, Cow<'a, [u8]>),
    /// A value is the assertion or before it.
    LessOrEqual(Cow<'a, str>, Cow<'a, [u8]>),
    /// A value is about the assertion; taken as equality (RFC 4511 §4.5.1.7.6).
    Approximate(Cow<'a, str>, Cow<'a, [u8]>),
    /// A value matches by a named rule.
    Extensible(Extensible<'a>),
}

/// The parts of a substring assertion; at least one is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substrings<'a> {
    /// What the value begins with.
    pub initial: Option<Cow<'a, [u8]>>,
    /// What it holds, in this order.
    pub any: Vec<Cow<'a, [u8]>>,
    /// What it ends with.
    pub last: Option<Cow<'a, [u8]>>,
}

/// An extensible match assertion; rule or attribute is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensible<'a> {
    /// Name or OID of the matching rule.
    pub rule: Option<Cow<'a, str>>,
    /// The attribute description.
    pub attribute: Option<Cow<'a, str>>,
    /// The assertion value.
    pub value: Cow<'a, [u8]>,
    /// Whether the attributes of the DN are matched too.
    pub dn_attributes: bool,
}

/// Why text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad filter at octet {at}: {reason}")]
pub struct FilterError {
    /// Where in the text, in octets from its start.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
}
