//! The SASL mechanisms (RFC 4422, RFC 4513 §5.2). What a mechanism makes of a message is a pure function; the bind that
//! carries it is in [`bind`](super::bind).

pub(crate) mod plain;

/// The mechanisms that work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// EXTERNAL (RFC 4422 appendix A).
    External,
    /// PLAIN (RFC 4616).
    Plain,
}

impl Mechanism {
    /// All of them, in the order in which they are listed.
    pub(crate) const ALL: [Self; 2] = [Self::External, Self::Plain];

    /// As it travels.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::External => "EXTERNAL",
            Self::Plain => "PLAIN",
        }
    }

    /// The mechanism of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}

/// A bind in several steps, between two of them.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// PLAIN was asked for without its message: the next bind brings it (RFC 4422 §5).
    Plain,
}

impl Exchange {
    /// Whose exchange it is.
    pub(crate) const fn mechanism(&self) -> Mechanism {
        match self {
            Self::Plain => Mechanism::Plain,
        }
    }
}
