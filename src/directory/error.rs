//! What can go wrong, as causes. Each door maps every cause to its own code in one exhaustive function. The
//! text is for the client; what only the log may know goes to `tracing` where it happens.

use super::hash_pool;
use crate::domain::check::{Breach, Cause};
use crate::domain::password_rules::PasswordProblem;
use crate::store::StoreError;

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Others refer to what is to go: unwillingToPerform (53), 409.
    #[error("{0}")]
    InUse(String),
    /// Abandoned or cancelled by the client.
    #[error("the operation was abandoned")]
    Abandoned,
    /// The name is taken: entryAlreadyExists (68), 409.
    #[error("{0}")]
    AlreadyExists(String),
    /// An assertion control or If-Match does not hold: assertionFailed (122), 412.
    #[error("{0}")]
    AssertionFailed(String),
    /// A value to add is there already, or the same value twice: attributeOrValueExists (20).
    #[error("{0}")]
    AttributeOrValueExists(String),
    /// No right to act as somebody else, whether there is such a person or not: authorizationDenied (123), 403.
    #[error("no right to act as that identity")]
    AuthorizationDenied,
    /// An alias names no entry, or leads in a circle, or stands where none may: aliasProblem (33).
    #[error("{text}")]
    AliasProblem {
        /// In plain words.
        text: String,
        /// The DN of the alias; empty where it need not be told.
        matched: String,
    },
    /// An alias that may not be followed: aliasDereferencingProblem (36).
    #[error("{text}")]
    AliasDereferencing {
        /// In plain words.
        text: String,
        /// The DN of the alias.
        matched: String,
    },
    /// A change that would concern another naming context: affectsMultipleDSAs (71).
    #[error("{0}")]
    AffectsMultipleDsas(String),
    /// Somebody else holds the entry: referral (10).
    #[error("the entry is held elsewhere")]
    Referral {
        /// Where to ask instead, at least one URL.
        urls: Vec<String>,
        /// The DN of the referral.
        matched: String,
    },
    /// Too much going on: busy (51), 503 with Retry-After.
    #[error("{0}")]
    Busy(String),
    /// A password without TLS: confidentialityRequired (13).
    #[error("{0}")]
    ConfidentialityRequired(String),
    /// A value the rules do not allow: constraintViolation (19), 400 invalidValue.
    #[error("{0}")]
    Constraint(String),
    /// A value that must be unique is in use: constraintViolation (19), 409 uniqueness.
    #[error("{0}")]
    Uniqueness(String),
    /// A client would disable or delete more users than it may: insufficientAccessRights (50), 403. It is paused.
    #[error("{0}")]
    Ceiling(String),
    /// Anonymous may not: inappropriateAuthentication (48).
    #[error("{0}")]
    InappropriateAuthentication(String),
    /// An assertion that the rule cannot take: inappropriateMatching (18).
    #[error("{0}")]
    InappropriateMatching(String),
    /// May be seen but not done: insufficientAccessRights (50), 403.
    #[error("{0}")]
    InsufficientAccess(String),
    /// Wrong name or password, or anything that must look the same: invalidCredentials (49), 401.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// Not a name: invalidDNSyntax (34).
    #[error("{0}")]
    InvalidName(String),
    /// Does not fit its syntax: invalidAttributeSyntax (21), 400 invalidValue.
    #[error("{0}")]
    InvalidSyntax(String),
    /// More than the store or the limits take: adminLimitExceeded (11), 413.
    #[error("{0}")]
    AdminLimit(String),
    /// The licence is full (S4): adminLimitExceeded (11) with the session control, 403.
    #[error("{text}")]
    SessionLimit {
        /// In plain words, with licence and numbers.
        text: String,
        /// The session limit.
        limit: u32,
        /// Sessions in use.
        in_use: u32,
    },
    /// The RDN does not agree with the attributes: namingViolation (64).
    #[error("{0}")]
    Naming(String),
    /// The attribute or value to change is not there: noSuchAttribute (16).
    #[error("{0}")]
    NoSuchAttribute(String),
    /// Not there, or not visible: noSuchObject (32), 404. `matched` is the nearest entry above that the caller may see.
    #[error("no such entry")]
    NoSuchObject {
        /// The DN of the nearest visible entry above; empty where there is none.
        matched: String,
    },
    /// It could be done, and was not to be: noOperation (16654, as OpenLDAP has it).
    #[error("nothing was done")]
    NoOperation,
    /// Not on an entry with entries below it: notAllowedOnNonLeaf (66).
    #[error("{0}")]
    NotAllowedOnNonLeaf(String),
    /// Not on a value of the RDN: notAllowedOnRDN (67).
    #[error("{0}")]
    NotAllowedOnRdn(String),
    /// Classes or attributes that do not go together: objectClassViolation (65), 400 invalidValue.
    #[error("{0}")]
    ObjectClass(String),
    /// Changes the structural class: objectClassModsProhibited (69).
    #[error("{0}")]
    ObjectClassModification(String),
    /// In the wrong order: operationsError (1).
    #[error("{0}")]
    Operations(String),
    /// Something broke here; the log has it: other (80), 500.
    #[error("internal error")]
    Internal,
    /// The password policy refuses it: invalidCredentials (49) where it has expired, constraintViolation (19) where the new
    /// one will not do, else insufficientAccessRights (50).
    #[error("{text}")]
    Password {
        /// For the password policy control.
        problem: PasswordProblem,
        /// In plain words.
        text: String,
    },
    /// Not of the protocol: protocolError (2), 400 invalidSyntax.
    #[error("{0}")]
    Protocol(String),
    /// What a content sync rests on has changed: e-syncRefreshRequired (4096); the consumer starts anew.
    #[error("{0}")]
    RefreshRequired(&'static str),
    /// More entries than the limit: sizeLimitExceeded (4); what was found until then was sent.
    #[error("size limit exceeded")]
    SizeLimit,
    /// Ran longer than the limit: timeLimitExceeded (3).
    #[error("time limit exceeded")]
    TimeLimit,
    /// The store takes no writes now: unavailable (52) or unwillingToPerform (53) by the reason, 503 or 507.
    #[error("{0}")]
    Unavailable(String),
    /// What a critical control asks for cannot be done: unavailableCriticalExtension (12).
    #[error("{0}")]
    CriticalExtension(String),
    /// The view of a list cannot be given: virtualListViewError (76).
    #[error("{0}")]
    ListView(String),
    /// A type the schema does not know: undefinedAttributeType (17), 400 invalidValue.
    #[error("{0}")]
    UndefinedType(String),
    /// Understood, and refused: unwillingToPerform (53), 403.
    #[error("{0}")]
    Unwilling(String),
}

impl From<PasswordProblem> for Error {
    fn from(problem: PasswordProblem) -> Self {
        Self::Password { problem, text: problem.text().to_owned() }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store refused a change");
        match error {
            StoreError::Busy(_) => Self::Busy("the directory is short of descriptors; try again".to_owned()),
            StoreError::ReadOnly(_) => Self::Unwilling("the directory takes no changes now: its store is read-only".to_owned()),
            StoreError::TooLarge(limit) => Self::AdminLimit(format!("the change is larger than {limit} octets")),
            StoreError::Stopped => Self::Unavailable("the directory is stopping".to_owned()),
            StoreError::Unusable(_) => Self::Unavailable("the store of the directory cannot be used".to_owned()),
        }
    }
}

impl From<Breach> for Error {
    fn from(breach: Breach) -> Self {
        let text = breach.to_string();
        match breach.cause {
            Cause::Constraint => Self::Constraint(text),
            Cause::Uniqueness => Self::Uniqueness(text),
            Cause::Forbidden => Self::InsufficientAccess(text),
            Cause::InUse => Self::InUse(text),
            Cause::Unwilling => Self::Unwilling(text),
        }
    }
}

impl From<hash_pool::Busy> for Error {
    fn from(busy: hash_pool::Busy) -> Self {
        Self::Busy(busy.to_string())
    }
}
