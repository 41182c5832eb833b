//! The public keys that tokens of others are signed with, as a JWK set (RFC 7517): P-256, and RSA from 2048 bits on. What
//! verifies is aws-lc-rs; here is only which key may verify what.

use super::jwt::Refused;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Keys that a set may have.
const MOST: usize = 32;
/// Octets of a name.
const LONGEST_NAME: usize = 256;
/// Octets of an RSA modulus: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1_024;
/// Octets of an RSA exponent.
const EXPONENT: std::ops::RangeInclusive<usize> = 1..=8;
/// Octets of a coordinate of P-256.
const COORDINATE: usize = 32;
/// Members that only a private or a shared key has (RFC 7518 §6).
const PRIVATE: [&str; 3] = ["d", "k", "p"];

/// How a token may be signed (RFC 7518 §3.1). Nothing else is: neither `none`, nor a key that both sides know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Ps256, Self::Rs256];

    /// As it travels.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.text() == name)
    }
}

/// Public keys, at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct KeySet(Vec<Key>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    id: Option<String>,
    /// The one algorithm it is for, where it is for one.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    /// An uncompressed point of P-256.
    Point(Vec<u8>),
    /// Big-endian, no zeros in front.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
}

impl KeySet {
    /// The keys of a set that can sign tokens here; keys of other types and uses are passed over (RFC 7517 §5). Fails where
    /// none is left, where one cannot be read, and where one is no public key.
    pub fn read(set: &Value) -> Result<Self, String> {
        let keys = set.get("keys").and_then(Value::as_array).ok_or("it is no JWK set, an object with `keys` (RFC 7517)")?;
        let mut held = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let named = || key.get("kid").and_then(Value::as_str).map_or_else(|| (at + 1).to_string(), |id| format!("{id:?}"));
            let members = key.as_object().ok_or_else(|| format!("key {} is no object", named()))?;
            held.extend(Key::read(members).map_err(|wrong| format!("key {} {wrong}", named()))?);
        }
        match held.len() {
            0 => Err("no key of it is P-256 or RSA and for signatures by ES256, PS256 or RS256".to_owned()),
            1..=MOST => Ok(Self(held)),
            _ => Err(format!("it has more than {MOST} keys")),
        }
    }

    /// Looks at what is costlier than reading: whether points are on their curve. For keys that are new.
    pub fn check(&self) -> Result<(), String> {
        let unsound = self.0.iter().find(|key| !key.is_sound());
        unsound.map_or(Ok(()), |key| Err(format!("key {} is no key", key.name())))
    }

    /// What the keys are called: their ids, or where one has none its thumbprint (RFC 7638).
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(Key::name).collect()
    }

    /// Whether all keys of another set are in this one.
    pub fn holds(&self, other: &Self) -> bool {
        other.0.iter().all(|key| self.0.contains(key))
    }

    /// Whether a key of the set made the signature: one of that id, or where there is none one without an id.
    pub(super) fn verify(&self, id: Option<&str>, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), Refused> {
        let called = |wanted: Option<&str>| self.0.iter().filter(|key| key.id.as_deref() == wanted).collect::<Vec<_>>();
        let named = match id {
            None => self.0.iter().collect(),
            Some(id) => Some(called(Some(id))).filter(|keys| !keys.is_empty()).unwrap_or_else(|| called(None)),
        };
        if named.is_empty() {
            return Err(Refused::Key(id.unwrap_or_default().to_owned()));
        }
        let fitting: Vec<&Key> = named.into_iter().filter(|key| key.is_for(algorithm)).collect();
        match (fitting.is_empty(), fitting.iter().any(|key| key.verifies(algorithm, message, signature))) {
            (true, _) => Err(Refused::Algorithm),
            (false, true) => Ok(()),
            (false, false) => Err(Refused::Signature),
        }
    }
}

impl TryFrom<Value> for KeySet {
    type Error = String;

    fn try_from(set: Value) -> Result<Self, String> {
        Self::read(&set)
    }
}

impl From<KeySet> for Value {
    fn from(set: KeySet) -> Self {
        json!({"keys": set.0.iter().map(Key::to_value).collect::<Vec<_>>()})
    }
}

impl Key {
    /// `None` where it is for something else.
    fn read(members: &Map<String, Value>) -> Result<Option<Self>, &'static str> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if text("kty") == Some("oct") || PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err("is secret: give its public half alone");
        }
        let verifies = |operations: &Value| operations.as_array().is_some_and(|held| held.iter().any(|held| held == "verify"));
        let algorithm = text("alg").map(Algorithm::named);
        if text("use").is_some_and(|used| used != "sig") || !members.get("key_ops").is_none_or(verifies) || algorithm == Some(None) {
            return Ok(None);
        }
        let material = match (text("kty"), text("crv")) {
            (Some("EC"), Some("P-256")) => Material::point(text("x"), text("y")),
            (Some("RSA"), _) => Material::rsa(text("n"), text("e")),
            _ => return Ok(None),
        };
        let id = members.get("kid").map(|id| id.as_str().filter(|id| id.len() <= LONGEST_NAME).map(str::to_owned).ok_or("has no name"));
        let key = Self { id: id.transpose()?, algorithm: algorithm.flatten(), material: material.ok_or("cannot be read")? };
        key.algorithm.is_none_or(|algorithm| key.is_for(algorithm)).then_some(Some(key)).ok_or("is not for its algorithm")
    }

    fn to_value(&self) -> Value {
        let mut value = self.material.to_value();
        let more = [("kid", self.id.as_deref()), ("alg", self.algorithm.map(Algorithm::text))];
        if let Some(members) = value.as_object_mut() {
            members.extend(more.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
        }
        value
    }

    fn name(&self) -> String {
        let thumbprint = || URL_SAFE_NO_PAD.encode(Sha256::digest(self.material.to_value().to_string()));
        self.id.clone().unwrap_or_else(thumbprint)
    }

    fn is_for(&self, algorithm: Algorithm) -> bool {
        let of_type = match algorithm {
            Algorithm::Es256 => matches!(self.material, Material::Point(_)),
            Algorithm::Ps256 | Algorithm::Rs256 => matches!(self.material, Material::Rsa { .. }),
        };
        of_type && self.algorithm.is_none_or(|own| own == algorithm)
    }

    fn is_sound(&self) -> bool {
        match &self.material {
            Material::Point(point) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok(),
            Material::Rsa { modulus, exponent } => {
                RsaPublicKeyComponents { n: modulus, e: exponent }.to_parsed_public_key(&RSA_PSS_2048_8192_SHA256).is_ok()
            }
        }
    }

    fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let by_rsa = |parameters: &RsaParameters, n, e| RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok();
        match (&self.material, algorithm) {
            (Material::Point(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            (Material::Rsa { modulus, exponent }, Algorithm::Ps256) => by_rsa(&RSA_PSS_2048_8192_SHA256, modulus, exponent),
            (Material::Rsa { modulus, exponent }, Algorithm::Rs256) => by_rsa(&RSA_PKCS1_2048_8192_SHA256, modulus, exponent),
            (Material::Point(_), Algorithm::Ps256 | Algorithm::Rs256) | (Material::Rsa { .. }, Algorithm::Es256) => false,
        }
    }
}

impl Material {
    fn point(x: Option<&str>, y: Option<&str>) -> Option<Self> {
        let coordinate = |text: Option<&str>| URL_SAFE_NO_PAD.decode(text?).ok().filter(|octets| octets.len() == COORDINATE);
        Some(Self::Point([vec![4], coordinate(x)?, coordinate(y)?].concat()))
    }

    fn rsa(modulus: Option<&str>, exponent: Option<&str>) -> Option<Self> {
        let number =
            |text: Option<&str>| URL_SAFE_NO_PAD.decode(text?).ok().filter(|octets| octets.first().is_some_and(|first| *first != 0));
        let (modulus, exponent) = (number(modulus)?, number(exponent)?);
        // 256 octets are 2048 bits where the first of them is.
        let long = modulus.len() > *MODULUS.start() || modulus.first().is_some_and(|first| *first >= 0x80);
        (long && MODULUS.contains(&modulus.len()) && EXPONENT.contains(&exponent.len())).then_some(Self::Rsa { modulus, exponent })
    }

    /// The members that a thumbprint is of, in its order.
    fn to_value(&self) -> Value {
        match self {
            Self::Point(point) => {
                let (x, y) = point.get(1..).unwrap_or_default().split_at_checked(COORDINATE).unwrap_or_default();
                json!({"crv": "P-256", "kty": "EC", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
            }
            Self::Rsa { modulus, exponent } => {
                json!({"e": URL_SAFE_NO_PAD.encode(exponent), "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(modulus)})
            }
        }
    }
}
