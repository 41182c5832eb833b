//! What crypt(3) of Unix systems makes (crypt(5)): `$1$` MD5, `$2a$ $2b$ $2y$` bcrypt, `$5$` and `$6$` SHA, `$y$` yescrypt,
//! and traditional DES where the config allows it. They end a password at its first NUL, so none with one matches.

use super::des;
use super::encoding::{crypt_digit, to_crypt};
use super::scrypt::ScryptHash;
use md5::{Digest, Md5};
use password_verifier::PasswordVerifier;
use sha_crypt::ShaCrypt;
use sha_crypt::password_hash as password_verifier;
use subtle::ConstantTimeEq;
use yescrypt::{Mode, Yescrypt};

/// Bounds of what a stored hash may ask for (HB5): rounds of SHA-crypt, the exponent of bcrypt, octets and lanes of yescrypt.
const SHA_ROUNDS: std::ops::RangeInclusive<u32> = 1_000..=1_000_000;
const BCRYPT_COST: std::ops::RangeInclusive<u32> = 4..=14;
const YESCRYPT_MEMORY: u64 = 128 << 20;
const YESCRYPT_LANES: u32 = 4;
/// Rounds of `$1$`.
const MD5_ROUNDS: usize = 1_000;

/// A stored hash of crypt(3), whole and within its bounds.
pub(super) enum CryptHash {
    Bcrypt(String),
    Des(String),
    Md5 { salt: String, digest: String },
    Scrypt(ScryptHash),
    Sha(String),
    Yescrypt(String),
}

impl CryptHash {
    /// Reads what stands behind `{CRYPT}`.
    pub(super) fn parse(value: &str, allow_des: bool) -> Option<Self> {
        let Some((kind, rest)) = value.strip_prefix('$').and_then(|rest| rest.split_once('$')) else {
            let whole = value.len() == 13 && is_crypt_text(value);
            return (allow_des && whole).then(|| Self::Des(value.to_owned()));
        };
        match kind {
            "1" => {
                let (salt, digest) = rest.split_once('$')?;
                let whole = (1..=8).contains(&salt.len()) && digest.len() == 22 && is_crypt_text(digest);
                whole.then(|| Self::Md5 { salt: salt.to_owned(), digest: digest.to_owned() })
            }
            "2a" | "2b" | "2y" => {
                let (cost, hash) = rest.split_once('$')?;
                let cost: u32 = Some(cost).filter(|cost| cost.len() == 2)?.parse().ok()?;
                let whole = BCRYPT_COST.contains(&cost) && hash.len() == 53 && is_crypt_text(hash);
                whole.then(|| Self::Bcrypt(value.to_owned()))
            }
            "5" => sha(rest, 43).then(|| Self::Sha(value.to_owned())),
            "6" => sha(rest, 86).then(|| Self::Sha(value.to_owned())),
            "7" => ScryptHash::parse(value).map(Self::Scrypt),
            "y" => yescrypt(rest).then(|| Self::Yescrypt(value.to_owned())),
            _ => None,
        }
    }

    /// Whether the password is the one that was hashed.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        if password.contains(&0) {
            return false;
        }
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Des(hash) => des::crypt(password, hash).is_some_and(|made| made.as_bytes().ct_eq(hash.as_bytes()).into()),
            Self::Md5 { salt, digest } => md5_crypt(password, salt.as_bytes()).as_bytes().ct_eq(digest.as_bytes()).into(),
            Self::Scrypt(hash) => hash.matches(password),
            Self::Sha(hash) => ShaCrypt::default().verify_password(password, hash.as_str()).is_ok(),
            Self::Yescrypt(hash) => {
                let hash = yescrypt::PasswordHashRef::new(hash);
                hash.is_ok_and(|hash| Yescrypt::default().verify_password(password, hash).is_ok())
            }
        }
    }
}

/// `[rounds=…$]salt$digest` with a digest of so many characters.
fn sha(value: &str, digest_length: usize) -> bool {
    let (rounds, rest) = match value.strip_prefix("rounds=") {
        Some(rest) => match rest.split_once('$') {
            Some((rounds, rest)) if rounds.bytes().all(|octet| octet.is_ascii_digit()) => (rounds.parse().unwrap_or(0), rest),
            Some(_) | None => return false,
        },
        None => (5_000, value),
    };
    let Some((salt, digest)) = rest.split_once('$') else { return false };
    SHA_ROUNDS.contains(&rounds) && (1..=16).contains(&salt.len()) && digest.len() == digest_length && is_crypt_text(digest)
}

/// `parameters$salt$digest`, with the parameters of the one flavour in use, no added time, and bounded memory.
fn yescrypt(value: &str) -> bool {
    let mut fields = value.split('$');
    let (Some(costs), Some(salt), Some(digest), None) = (fields.next(), fields.next(), fields.next(), fields.next()) else {
        return false;
    };
    let parsed = Some(costs).filter(|costs| costs.len() <= 12 && is_crypt_text(costs)).and_then(|costs| costs.parse().ok());
    let Some(params): Option<yescrypt::Params> = parsed else { return false };
    let (blocks, size, lanes) = (params.n(), params.r(), params.p());
    let memory = blocks.checked_mul(128).and_then(|octets| octets.checked_mul(u64::from(size)));
    let usual = yescrypt::Params::new(Mode::Rw, blocks, size, lanes).is_ok_and(|usual| usual == params);
    let bounded = blocks.is_power_of_two() && memory.is_some_and(|memory| memory <= YESCRYPT_MEMORY) && lanes <= YESCRYPT_LANES;
    usual && bounded && (1..=86).contains(&salt.len()) && is_crypt_text(salt) && digest.len() == 43 && is_crypt_text(digest)
}

fn is_crypt_text(text: &str) -> bool {
    text.bytes().all(|octet| crypt_digit(octet).is_some())
}

/// The digest of `$1$` in characters, as FreeBSD made it first.
fn md5_crypt(password: &[u8], salt: &[u8]) -> String {
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut outer = Md5::new().chain_update(password).chain_update(b"$1$").chain_update(salt);
    for at in (0..password.len()).step_by(inner.len()) {
        outer.update(inner.get(..(password.len() - at).min(inner.len())).unwrap_or_default());
    }
    let mut length = password.len();
    while length > 0 {
        outer.update(if length & 1 == 1 { &[0][..] } else { password.get(..1).unwrap_or_default() });
        length >>= 1;
    }
    let mut digest = outer.finalize();
    for round in 0..MD5_ROUNDS {
        let mut next = Md5::new();
        let (first, last) = if round % 2 == 1 { (password, &digest[..]) } else { (&digest[..], password) };
        next.update(first);
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(last);
        digest = next.finalize();
    }
    const ORDER: [usize; 16] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];
    let ordered: Vec<u8> = ORDER.iter().filter_map(|at| digest.get(*at).copied()).collect();
    to_crypt(&ordered)
}
