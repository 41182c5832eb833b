//! From causes to result codes (RFC 4511 §4.1.9, appendix A): one exhaustive function.

use super::controls;
use super::encode::put_referral;
use crate::directory::Error;
use crate::domain::password_rules::PasswordProblem;
use ldap3_proto::proto::LdapResultCode;
use std::borrow::Cow;

/// noOperation, as OpenLDAP has it.
const NO_OPERATION: u16 = 16_654;

/// Why an operation is answered with something else than success.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    /// The result code.
    pub(crate) code: LdapResultCode,
    /// A result code that `ldap3_proto` has no name for, in its place.
    pub(crate) number: Option<u16>,
    /// The matched DN; empty but for noSuchObject, problems of aliases, and referrals.
    pub(crate) matched: String,
    /// The diagnostic message.
    pub(crate) text: Cow<'static, str>,
    /// The referral (RFC 4511 §4.1.10), encoded; empty where there is none.
    pub(crate) extra: Vec<u8>,
    /// Response controls, encoded one after another.
    pub(crate) controls: Vec<u8>,
    /// What the password policy control says, to a client that sent it.
    pub(crate) password: Option<PasswordProblem>,
}

impl Failure {
    /// With this code and text alone.
    pub(crate) fn new(code: LdapResultCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, number: None, matched: String::new(), text: text.into(), extra: Vec::new(), controls: Vec::new(), password: None }
    }

    /// With the password policy control, where it has something to say and the client `asked`.
    pub(crate) fn with_password_policy(mut self, asked: bool) -> Self {
        if let Some(problem) = self.password.filter(|_| asked) {
            controls::put_password_problem(&mut self.controls, problem);
        }
        self
    }

    /// protocolError (2).
    pub(crate) fn protocol(text: &'static str) -> Self {
        Self::new(LdapResultCode::ProtocolError, text)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self::new(code(&error), error.to_string());
        failure.number = matches!(error, Error::NoOperation).then_some(NO_OPERATION);
        if let Error::SessionLimit { limit, in_use, .. } = error {
            controls::put_session(&mut failure.controls, limit, in_use, None);
        } else if let Error::NoSuchObject { matched } | Error::AliasProblem { matched, .. } | Error::AliasDereferencing { matched, .. } =
            error
        {
            failure.matched = matched;
        } else if let Error::Password { problem, .. } = error {
            failure.password = Some(problem);
        } else if let Error::Referral { urls, matched } = error {
            failure.matched = matched;
            put_referral(&mut failure.extra, &urls);
        }
        failure
    }
}

/// The result code of a cause.
pub(crate) const fn code(error: &Error) -> LdapResultCode {
    match error {
        Error::Abandoned => LdapResultCode::Canceled,
        Error::AdminLimit(_) | Error::SessionLimit { .. } => LdapResultCode::AdminLimitExceeded,
        Error::AffectsMultipleDsas(_) => LdapResultCode::AffectsMultipleDSAs,
        Error::AliasDereferencing { .. } => LdapResultCode::AliasDereferencingProblem,
        Error::AliasProblem { .. } => LdapResultCode::AliasProblem,
        Error::AlreadyExists(_) => LdapResultCode::EntryAlreadyExists,
        Error::AssertionFailed(_) => LdapResultCode::AssertionFailed,
        Error::AttributeOrValueExists(_) => LdapResultCode::AttributeOrValueExists,
        Error::AuthorizationDenied => LdapResultCode::AuthorizationError,
        Error::Busy(_) => LdapResultCode::Busy,
        Error::ConfidentialityRequired(_) => LdapResultCode::ConfidentialityRequired,
        Error::Constraint(_) | Error::Uniqueness(_) => LdapResultCode::ConstraintViolation,
        Error::CriticalExtension(_) => LdapResultCode::UnavailableCriticalExtension,
        Error::InappropriateAuthentication(_) => LdapResultCode::InappropriateAuthentication,
        Error::InappropriateMatching(_) => LdapResultCode::InappropriateMatching,
        Error::Ceiling(_) | Error::InsufficientAccess(_) => LdapResultCode::InsufficentAccessRights,
        Error::Internal | Error::NoOperation => LdapResultCode::Other,
        Error::InvalidCredentials => LdapResultCode::InvalidCredentials,
        Error::InvalidName(_) => LdapResultCode::InvalidDNSyntax,
        Error::InvalidSyntax(_) => LdapResultCode::InvalidAttributeSyntax,
        Error::ListView(_) => LdapResultCode::VirtualListViewError,
        Error::Naming(_) => LdapResultCode::NamingViolation,
        Error::NoSuchAttribute(_) => LdapResultCode::NoSuchAttribute,
        Error::NoSuchObject { .. } => LdapResultCode::NoSuchObject,
        Error::NotAllowedOnNonLeaf(_) => LdapResultCode::NotAllowedOnNonLeaf,
        Error::NotAllowedOnRdn(_) => LdapResultCode::NotALlowedOnRDN,
        Error::ObjectClass(_) => LdapResultCode::ObjectClassViolation,
        Error::ObjectClassModification(_) => LdapResultCode::ObjectClassModsProhibited,
        Error::Operations(_) => LdapResultCode::OperationsError,
        Error::Password { problem, .. } => match problem {
            PasswordProblem::AccountLocked | PasswordProblem::Expired => LdapResultCode::InvalidCredentials,
            PasswordProblem::ChangeAfterReset | PasswordProblem::ModificationNotAllowed | PasswordProblem::MustSupplyOld => {
                LdapResultCode::InsufficentAccessRights
            }
            PasswordProblem::InHistory | PasswordProblem::InsufficientQuality | PasswordProblem::TooShort | PasswordProblem::TooYoung => {
                LdapResultCode::ConstraintViolation
            }
        },
        Error::Protocol(_) => LdapResultCode::ProtocolError,
        Error::Referral { .. } => LdapResultCode::Referral,
        Error::RefreshRequired(_) => LdapResultCode::EsyncRefreshRequired,
        Error::SizeLimit => LdapResultCode::SizeLimitExceeded,
        Error::TimeLimit => LdapResultCode::TimeLimitExceeded,
        Error::Unavailable(_) => LdapResultCode::Unavailable,
        Error::UndefinedType(_) => LdapResultCode::UndefinedAttributeType,
        Error::InUse(_) | Error::Unwilling(_) => LdapResultCode::UnwillingToPerform,
    }
}
