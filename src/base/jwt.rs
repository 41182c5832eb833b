//! Signed tokens of others (RFC 7519 in the compact form of RFC 7515): taken apart, and believed only behind
//! [`Unverified::verify`]. What is odd is refused (RFC 8725): two members of one name, critical headers, tokens without an end.

use super::Timestamp;
use super::json::{self, Object};
use super::jwk::{Algorithm, KeySet};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::time::Duration;

/// Octets that a token may have.
pub const MAX_LENGTH: usize = 8_192;
/// How far the clocks of both sides may be apart.
pub const LEEWAY: Duration = Duration::from_secs(60);
/// Seconds that no time of a token is beyond: the last of 9999.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Why a token is refused. It is for the log alone: who sent the token learns only that it is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its algorithm is none of [`Algorithm::ALL`], or none that its key is for.
    #[error("it is not signed by ES256, PS256 or RS256, or not as its key is for")]
    Algorithm,
    /// It is for somebody else, or for several.
    #[error("it is for another audience")]
    Audience,
    /// A claim is missing or not of its type.
    #[error("its claim {0} is missing or cannot be read")]
    Claim(&'static str),
    /// It has header parameters that must be understood (RFC 7515 §4.1.11).
    #[error("it has a header parameter crit")]
    Critical,
    /// It is not good yet.
    #[error("it is not good yet")]
    Early,
    /// It names a key that is not registered.
    #[error("it names a key that is not registered")]
    Key(String),
    /// It is good for longer than it may be.
    #[error("its end is too far ahead")]
    Lasting,
    /// It cannot be read.
    #[error("it is no JWT, or has two members of one name")]
    Malformed,
    /// Its time is over.
    #[error("it is over")]
    Over,
    /// No registered key made its signature.
    #[error("its signature is wrong")]
    Signature,
    /// It is longer than [`MAX_LENGTH`].
    #[error("it is longer than {MAX_LENGTH} octets")]
    TooLong,
    /// It is a token for something else.
    #[error("it is of another type")]
    Type,
}

/// A token that nobody has verified.
pub struct Unverified<'t> {
    signed: &'t str,
    signature: Vec<u8>,
    header: Object,
    claims: Claims,
}

impl<'t> Unverified<'t> {
    /// Takes a token apart.
    pub fn read(token: &'t str) -> Result<Self, Refused> {
        if token.len() > MAX_LENGTH {
            return Err(Refused::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let octets = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed);
        let object = |part: &str| match json::read(&octets(part)?) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) | Err(_) => Err(Refused::Malformed),
        };
        Ok(Self { signed, signature: octets(signature)?, header: object(header)?, claims: Claims(object(claims)?) })
    }

    /// What it says, to find out who is to have signed it.
    pub fn claimed(&self) -> &Claims {
        &self.claims
    }

    /// Its claims, where one of these keys signed it. A token that names its type is a `JWT` or a `kind`.
    pub fn verify(self, keys: &KeySet, kind: &str) -> Result<Claims, Refused> {
        let text = |name: &str| match self.header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Refused::Malformed),
        };
        if self.header.contains_key("crit") {
            return Err(Refused::Critical);
        }
        let bare = |named: &'_ str| named.to_ascii_lowercase().trim_start_matches("application/").to_owned();
        if text("typ")?.map(bare).is_some_and(|named| named != "jwt" && named != kind) {
            return Err(Refused::Type);
        }
        let algorithm = text("alg")?.and_then(Algorithm::named).ok_or(Refused::Algorithm)?;
        keys.verify(text("kid")?, algorithm, self.signed.as_bytes(), &self.signature)?;
        Ok(self.claims)
    }
}

/// What a token says.
#[derive(Debug)]
pub struct Claims(Object);

impl Claims {
    /// A claim that is text.
    pub fn text(&self, name: &'static str) -> Result<&str, Refused> {
        self.0.get(name).and_then(Value::as_str).ok_or(Refused::Claim(name))
    }

    /// Whom it is for. Nobody can tell whom else a token for several was shown to, so it is for one.
    pub fn audience(&self) -> Result<&str, Refused> {
        match self.0.get("aud") {
            Some(Value::String(audience)) => Ok(audience),
            Some(Value::Array(audiences)) => match audiences.as_slice() {
                [Value::String(audience)] => Ok(audience),
                [] => Err(Refused::Claim("aud")),
                _ => Err(Refused::Audience),
            },
            _ => Err(Refused::Claim("aud")),
        }
    }

    /// The application that it was given to: `appid`, or `azp`, one of which Entra ID sets.
    pub fn application(&self) -> Result<Option<&str>, Refused> {
        let named = |name| self.0.contains_key(name).then(|| self.text(name)).transpose();
        match (named("appid")?, named("azp")?) {
            (Some(one), Some(other)) if one != other => Err(Refused::Claim("azp")),
            (one, other) => Ok(one.or(other)),
        }
    }

    /// Its end, where it is good now.
    pub fn in_time(&self, now: Timestamp) -> Result<Timestamp, Refused> {
        let end = self.time("exp")?.ok_or(Refused::Claim("exp"))?;
        if now >= end.plus(LEEWAY) {
            return Err(Refused::Over);
        }
        for name in ["nbf", "iat"] {
            if self.time(name)?.is_some_and(|begin| begin > now.plus(LEEWAY)) {
                return Err(Refused::Early);
            }
        }
        Ok(end)
    }

    /// A NumericDate: seconds since 1970, and parts of them.
    fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Refused> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds)).ok_or(Refused::Claim(name))?;
        Ok(Some(Timestamp::from_millis((seconds * 1e3) as u64)))
    }
}
