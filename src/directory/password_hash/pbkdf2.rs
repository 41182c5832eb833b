//! PBKDF2 (RFC 8018 §5.2) in the spellings there are: slapd's and 389's `{PBKDF2-SHA256}rounds$salt$key`, 389's older
//! `{PBKDF2_SHA256}` of one piece, Django's `pbkdf2_sha256$rounds$salt$key`, and PHC's `$pbkdf2-sha256$…`.

use super::encoding::{adapted_base64, base64, number};
use pbkdf2::pbkdf2_hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Rounds that a stored hash may ask for (HB5).
const ROUNDS_LIMIT: u32 = 2_000_000;
/// Octets of a derived key at least; fewer could be found by chance.
const SHORTEST: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Sha1,
    Sha256,
    Sha512,
}

impl Function {
    const fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// A stored derived key.
pub(super) struct Pbkdf2Hash {
    function: Function,
    rounds: u32,
    salt: Vec<u8>,
    /// The first block of it at most: blocks are made independently, so the others prove nothing more.
    key: Vec<u8>,
}

impl Pbkdf2Hash {
    /// Reads what stands behind the scheme, which is given in capitals.
    pub(super) fn parse(scheme: &str, value: &str) -> Option<Self> {
        let function = match scheme {
            "PBKDF2" | "PBKDF2-SHA1" | "PBKDF2_SHA1" => Function::Sha1,
            "PBKDF2-SHA256" | "PBKDF2_SHA256" => Function::Sha256,
            "PBKDF2-SHA512" | "PBKDF2_SHA512" => Function::Sha512,
            _ => return None,
        };
        if scheme == "PBKDF2_SHA256" && !value.contains('$') {
            return Self::parse_binary(value);
        }
        let (rounds, salt, key) = three(value)?;
        Self::new(function, number(rounds, ROUNDS_LIMIT)?, adapted_base64(salt)?, adapted_base64(key)?)
    }

    /// 389's: rounds in four octets, 64 octets of salt, 256 of key, all in one.
    fn parse_binary(value: &str) -> Option<Self> {
        let octets = base64(value).filter(|octets| octets.len() == 4 + 64 + 256)?;
        let (rounds, rest) = octets.split_first_chunk()?;
        let rounds = Some(u32::from_be_bytes(*rounds)).filter(|rounds| (1..=ROUNDS_LIMIT).contains(rounds))?;
        let (salt, key) = rest.split_at_checked(64)?;
        Self::new(Function::Sha256, rounds, salt.to_vec(), key.to_vec())
    }

    /// `pbkdf2_sha256$rounds$salt$key`; the salt is text.
    pub(super) fn parse_django(value: &str) -> Option<Self> {
        let (name, rest) = value.split_once('$')?;
        let function = match name {
            "pbkdf2_sha1" => Function::Sha1,
            "pbkdf2_sha256" => Function::Sha256,
            _ => return None,
        };
        let (rounds, salt, key) = three(rest)?;
        Self::new(function, number(rounds, ROUNDS_LIMIT)?, salt.as_bytes().to_vec(), base64(key)?)
    }

    /// `$pbkdf2-sha256$rounds$salt$key`, or with `i=rounds,l=length`.
    pub(super) fn parse_phc(value: &str) -> Option<Self> {
        let (name, rest) = value.strip_prefix('$')?.split_once('$')?;
        let function = match name {
            "pbkdf2" => Function::Sha1,
            "pbkdf2-sha256" => Function::Sha256,
            "pbkdf2-sha512" => Function::Sha512,
            _ => return None,
        };
        let (costs, salt, key) = three(rest)?;
        let rounds = costs.split(',').next().map(|first| first.strip_prefix("i=").unwrap_or(first))?;
        Self::new(function, number(rounds, ROUNDS_LIMIT)?, adapted_base64(salt)?, adapted_base64(key)?)
    }

    fn new(function: Function, rounds: u32, salt: Vec<u8>, mut key: Vec<u8>) -> Option<Self> {
        key.truncate(function.size());
        (!salt.is_empty() && key.len() >= SHORTEST).then_some(Self { function, rounds, salt, key })
    }

    /// Whether the password is the one the key was derived from.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut made = Zeroizing::new(vec![0; self.key.len()]);
        match self.function {
            Function::Sha1 => pbkdf2_hmac::<sha1::Sha1>(password, &self.salt, self.rounds, &mut made),
            Function::Sha256 => pbkdf2_hmac::<sha2::Sha256>(password, &self.salt, self.rounds, &mut made),
            Function::Sha512 => pbkdf2_hmac::<sha2::Sha512>(password, &self.salt, self.rounds, &mut made),
        }
        made.ct_eq(&self.key).into()
    }
}

/// Three fields between dollar signs, and no more.
fn three(value: &str) -> Option<(&str, &str, &str)> {
    let mut fields = value.split('$');
    let found = (fields.next()?, fields.next()?, fields.next()?);
    fields.next().is_none().then_some(found)
}
