//! SCIM errors (RFC 7644 §3.12), and what each cause of the directory becomes.

use crate::directory;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The media type of everything SCIM sends (RFC 7644 §3.1).
pub const MEDIA_TYPE: &str = "application/scim+json";

/// The detail of a 400 or 409 (RFC 7644, table 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScimType {
    /// The cursor is too old (RFC 9865 §2.1).
    ExpiredCursor,
    /// The pages of a cursor are not of that size (RFC 9865 §2.1).
    InvalidCount,
    /// The cursor is none of this query (RFC 9865 §2.1).
    InvalidCursor,
    /// The filter cannot be read, or asks for what cannot be filtered.
    InvalidFilter,
    /// The path of a PATCH cannot be read or names nothing of the schema.
    InvalidPath,
    /// The body does not have the form it must have.
    InvalidSyntax,
    /// A value is missing or does not fit.
    InvalidValue,
    /// What is read-only or set for good was to be changed.
    Mutability,
    /// The path of a PATCH selects nothing.
    NoTarget,
    /// More results than the server is willing to make.
    TooMany,
    /// A value that must be unique is in use.
    Uniqueness,
}

impl ScimType {
    /// As it travels.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
            Self::InvalidCursor => "invalidCursor",
            Self::InvalidFilter => "invalidFilter",
            Self::InvalidPath => "invalidPath",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidValue => "invalidValue",
            Self::Mutability => "mutability",
            Self::NoTarget => "noTarget",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
        }
    }
}

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct ScimError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The kind, where there is one.
    pub kind: Option<ScimType>,
    /// For the client.
    pub detail: String,
}

impl ScimError {
    /// Without a kind.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, kind: None, detail: detail.into() }
    }

    /// 400, or 409 for `uniqueness`.
    pub fn of(kind: ScimType, detail: impl Into<String>) -> Self {
        let status = if kind == ScimType::Uniqueness { StatusCode::CONFLICT } else { StatusCode::BAD_REQUEST };
        Self { status, kind: Some(kind), detail: detail.into() }
    }

    /// 400 invalidFilter.
    pub fn filter(detail: impl Into<String>) -> Self {
        Self::of(ScimType::InvalidFilter, detail)
    }

    /// 400 invalidPath.
    pub fn path(detail: impl Into<String>) -> Self {
        Self::of(ScimType::InvalidPath, detail)
    }

    /// 400 invalidSyntax.
    pub fn syntax(detail: impl Into<String>) -> Self {
        Self::of(ScimType::InvalidSyntax, detail)
    }

    /// 400 invalidValue.
    pub fn value(detail: impl Into<String>) -> Self {
        Self::of(ScimType::InvalidValue, detail)
    }

    /// 400 mutability.
    pub fn mutability(detail: impl Into<String>) -> Self {
        Self::of(ScimType::Mutability, detail)
    }

    /// 400 noTarget.
    pub fn no_target(detail: impl Into<String>) -> Self {
        Self::of(ScimType::NoTarget, detail)
    }

    /// 404 for a resource.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such resource")
    }

    /// 412.
    pub fn version() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "the resource has changed: its version is not the one of If-Match")
    }

    /// 503: whoever tries again may have more luck.
    pub fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "others change the resource all the time: try again")
    }

    /// 401 (RFC 6750 §3).
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "a valid bearer token is needed")
    }

    /// 403.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// The body of the answer.
    pub fn to_value(&self) -> Value {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.as_str(),
            "detail": self.detail,
        });
        if let (Some(kind), Some(members)) = (self.kind, body.as_object_mut()) {
            members.insert("scimType".to_owned(), kind.text().into());
        }
        body
    }
}

impl From<directory::Error> for ScimError {
    fn from(error: directory::Error) -> Self {
        use directory::Error as Cause;
        let detail = error.to_string();
        let plain = |status| Self::new(status, detail.clone());
        let of = |kind| Self::of(kind, detail.clone());
        match error {
            Cause::Abandoned | Cause::Busy(_) | Cause::TimeLimit => plain(StatusCode::SERVICE_UNAVAILABLE),
            Cause::AlreadyExists(_) | Cause::Uniqueness(_) => of(ScimType::Uniqueness),
            Cause::AssertionFailed(_) => plain(StatusCode::PRECONDITION_FAILED),
            Cause::AttributeOrValueExists(_)
            | Cause::AliasProblem { .. }
            | Cause::AliasDereferencing { .. }
            | Cause::Constraint(_)
            | Cause::InappropriateMatching(_)
            | Cause::InvalidName(_)
            | Cause::InvalidSyntax(_)
            | Cause::Naming(_)
            | Cause::NoSuchAttribute(_)
            | Cause::NotAllowedOnRdn(_)
            | Cause::ObjectClass(_)
            | Cause::ObjectClassModification(_)
            | Cause::Password { .. }
            | Cause::UndefinedType(_) => of(ScimType::InvalidValue),
            Cause::AuthorizationDenied
            | Cause::ConfidentialityRequired(_)
            | Cause::CriticalExtension(_)
            | Cause::Ceiling(_)
            | Cause::InsufficientAccess(_)
            | Cause::ListView(_)
            | Cause::SessionLimit { .. }
            | Cause::Unwilling(_) => plain(StatusCode::FORBIDDEN),
            Cause::InappropriateAuthentication(_) | Cause::InvalidCredentials => Self::unauthorized(),
            Cause::AdminLimit(_) => plain(StatusCode::PAYLOAD_TOO_LARGE),
            Cause::NoSuchObject { .. } | Cause::Referral { .. } => Self::not_found(),
            Cause::AffectsMultipleDsas(_) | Cause::InUse(_) | Cause::NotAllowedOnNonLeaf(_) => plain(StatusCode::CONFLICT),
            Cause::Operations(_) | Cause::Protocol(_) => of(ScimType::InvalidSyntax),
            Cause::Internal | Cause::NoOperation | Cause::RefreshRequired(_) => plain(StatusCode::INTERNAL_SERVER_ERROR),
            Cause::SizeLimit => of(ScimType::TooMany),
            Cause::Unavailable(_) => plain(StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let mut response = (self.status, [(header::CONTENT_TYPE, MEDIA_TYPE)], self.to_value().to_string()).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"headcount\""));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        // For the log of the client.
        response.extensions_mut().insert(self);
        response
    }
}
