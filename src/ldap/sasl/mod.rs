//! The SASL mechanisms (RFC 4422, RFC 4513 §5.2). What a mechanism makes of a message is a pure function; the bind that
//! carries it is in [`bind`](super::bind).

pub(crate) mod plain;
pub(crate) mod scram;

use crate::directory::ScramClaim;
use scram::Conversation;

/// The mechanisms that work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// EXTERNAL (RFC 4422 appendix A).
    External,
    /// PLAIN (RFC 4616).
    Plain,
    /// SCRAM-SHA-256 (RFC 7677).
    ScramSha256,
}

impl Mechanism {
    /// All of them, in the order in which they are listed.
    pub(crate) const ALL: [Self; 3] = [Self::External, Self::Plain, Self::ScramSha256];

    /// As it travels.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::External => "EXTERNAL",
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
        }
    }

    /// The mechanism of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}

/// A bind in several steps, between two of them.
pub(crate) enum Exchange {
    /// PLAIN was asked for without its message: the next bind brings it (RFC 4422 §5).
    Plain,
    /// SCRAM was asked for without its first message.
    Scram,
    /// SCRAM waits for its last message.
    ScramProof(Box<ScramProof>),
}

/// What SCRAM keeps until the proof comes.
pub(crate) struct ScramProof {
    /// What was said.
    pub(crate) conversation: Conversation,
    /// What is proven against.
    pub(crate) claim: ScramClaim,
    /// Who is to be acted as; empty for who signs in.
    pub(crate) authorization: String,
}

impl Exchange {
    /// Whose exchange it is.
    pub(crate) const fn mechanism(&self) -> Mechanism {
        match self {
            Self::Plain => Mechanism::Plain,
            Self::Scram | Self::ScramProof(_) => Mechanism::ScramSha256,
        }
    }
}
