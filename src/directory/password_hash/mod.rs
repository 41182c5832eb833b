//! Stored passwords: making them, and checking a password against them (hardening §2.3, HB5).
//!
//! What we make is `{ARGON2}$argon2id$…`. What we check besides are the schemes that other servers, Unix systems and
//! frameworks leave in `userPassword`, one family a file. The list is closed and every parameter bounded before any work:
//! a value of any other form, plain text and DES among them unless the config allows them, never authenticates and costs
//! nothing.
//!
//! A wrong password costs at least as much as one hash of ours, whatever the stored value is and whether there is
//! one: [`PasswordHasher::verify_all`] adds what is missing, so that time does not tell whether a user exists (HB2). A
//! right one may be answered sooner: who knows it may learn how it was stored. A hash from elsewhere that is dearer than
//! ours takes its own time until its first success, when it is made anew.

mod argon2;
mod crypt;
mod des;
mod digest;
mod encoding;
mod pace;
mod pbkdf2;
mod scrypt;
#[cfg(test)]
mod tests;

use self::argon2::{Argon2Hash, FIRST_PASS, FURTHER_PASS, MEMORY_LIMIT, PASSES_LIMIT, effort, fill, work};
use super::hash_pool::Busy;
use super::settings::{AllowedScheme, Hashing};
use crate::base::{Secret, random};
use crate::domain::password_policy::normalise;
use ::argon2::{Algorithm, Params};
use crypt::CryptHash;
use digest::DigestHash;
use encoding::to_base64;
use pace::Pace;
use pbkdf2::Pbkdf2Hash;
use scrypt::ScryptHash;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Octets of a stored value that is looked at.
const STORED_LIMIT: usize = 1_024;
/// Costly values of one entry that are tried.
const TRIED_LIMIT: usize = 4;

/// What came of checking a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does not match.
    Wrong,
    /// It matches.
    Right {
        /// The stored value is weaker than what we make now, and should be made anew while the password is at hand.
        rehash: bool,
    },
}

/// The settings ask for a hash that cannot be made or is out of bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hashing needs memory of 8 to {MEMORY_LIMIT} KiB and 1 to {PASSES_LIMIT} passes")]
pub struct UnusableCost;

/// Which of several stored values a password matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Its place among them.
    pub index: usize,
    /// It is weaker than what we make now, and should be made anew while the password is at hand.
    pub rehash: bool,
}

/// Makes and checks stored passwords. Making one, and checking one for which [`Self::is_costly`] holds, takes tens of
/// milliseconds: do it on the [`HashPool`](super::hash_pool::HashPool).
#[derive(Clone)]
pub struct PasswordHasher {
    params: Params,
    allowed: Vec<AllowedScheme>,
    pace: Arc<Pace>,
}

impl PasswordHasher {
    /// With the cost of the settings.
    pub fn new(settings: &Hashing) -> Result<Self, UnusableCost> {
        if settings.memory > MEMORY_LIMIT || settings.passes > PASSES_LIMIT {
            return Err(UnusableCost);
        }
        let params = Params::new(settings.memory, settings.passes, 1, None).map_err(|_| UnusableCost)?;
        Ok(Self { params, allowed: settings.allow.clone(), pace: Arc::default() })
    }

    /// The value to store for a password: argon2id with a new salt, the password in NFC. Busy where memory is short.
    pub fn hash(&self, password: &Secret) -> Result<String, Busy> {
        let salt = random::bytes::<16>();
        let mut output = Zeroizing::new([0; 32]);
        fill(Algorithm::Argon2id, &self.params, normalise(password).expose(), &salt, output.as_mut_slice())?;
        let (memory, passes) = (self.params.m_cost(), self.params.t_cost());
        Ok(format!("{{ARGON2}}$argon2id$v=19$m={memory},t={passes},p=1${}${}", to_base64(&salt), to_base64(output.as_slice())))
    }

    /// Checks a password against one stored value: the octets as given, then, where they are text that is not
    /// composed, in NFC (hardening §2.1). Busy where memory is short.
    pub fn verify(&self, stored: &[u8], password: &Secret) -> Result<Verdict, Busy> {
        match self.parse(stored) {
            Some(stored) => self.judge(&stored, password),
            None => Ok(Verdict::Wrong),
        }
    }

    fn judge(&self, stored: &Stored, password: &Secret) -> Result<Verdict, Busy> {
        let normal = normalise(password);
        let right = stored.matches(password.expose())? || normal.expose() != password.expose() && stored.matches(normal.expose())?;
        Ok(if right { Verdict::Right { rehash: self.is_weaker(stored) } } else { Verdict::Wrong })
    }

    fn is_weaker(&self, stored: &Stored) -> bool {
        match stored {
            Stored::Argon2(hash) => hash.algorithm != Algorithm::Argon2id || work(&hash.params) < work(&self.params),
            Stored::Crypt(_) | Stored::Digest(_) | Stored::Pbkdf2(_) | Stored::Plain(_) | Stored::Scrypt(_) => true,
        }
    }

    /// Checks a password against all values of an entry, the cheap ones first, of the costly ones four at most. No
    /// value at all is a user that does not exist. A refusal costs at least as much as one hash with our settings.
    pub fn verify_all<V: AsRef<[u8]>>(&self, stored: &[V], password: &Secret) -> Result<Option<Match>, Busy> {
        let parsed = stored.iter().enumerate().filter_map(|(index, value)| Some((index, self.parse(value.as_ref())?)));
        let (costly, cheap): (Vec<_>, Vec<_>) = parsed.partition(|(_, value)| value.is_costly());
        let mut spent = 0;
        for (index, value) in cheap.into_iter().chain(costly.into_iter().take(TRIED_LIMIT)) {
            let (verdict, took) = self.pace.time(|| self.judge(&value, password));
            if let Verdict::Right { rehash } = verdict? {
                return Ok(Some(Match { index, rehash }));
            }
            spent += match &value {
                Stored::Argon2(hash) => effort(&hash.params),
                other if other.is_costly() => self.pace.work_in(took),
                _ => 0,
            };
        }
        self.spend(self.left_to_do(spent), password)?;
        Ok(None)
    }

    /// Checks the cheap values only: `None` where none of them matches, and [`Self::verify_all`] has to be asked on
    /// the pool. This never takes longer than some microseconds.
    pub fn verify_cheap<V: AsRef<[u8]>>(&self, stored: &[V], password: &Secret) -> Option<Match> {
        stored.iter().enumerate().find_map(|(index, value)| {
            let value = self.parse(value.as_ref()).filter(|value| !value.is_costly())?;
            match self.judge(&value, password) {
                Ok(Verdict::Right { rehash }) => Some(Match { index, rehash }),
                Ok(Verdict::Wrong) | Err(Busy) => None,
            }
        })
    }

    /// What is left of the effort of one check by our settings after so much was done.
    fn left_to_do(&self, spent: u64) -> u64 {
        effort(&self.params).saturating_sub(spent)
    }

    /// So much effort as passes through all of our memory, and what is left in less: that is done sooner.
    fn pieces(&self, wanted: u64) -> impl Iterator<Item = Params> {
        let memory = u64::from(self.params.m_cost());
        let passes = (wanted / memory + FURTHER_PASS).saturating_sub(FIRST_PASS) / FURTHER_PASS;
        let whole = if passes == 0 { 0 } else { memory * (FIRST_PASS + FURTHER_PASS * (passes - 1)) };
        let rest = wanted.saturating_sub(whole) / FIRST_PASS;
        let params = |(memory, passes): (u64, u64)| Params::new(memory.try_into().ok()?, passes.try_into().ok()?, 1, None).ok();
        [(memory, passes), (rest, 1)].into_iter().filter_map(params)
    }

    /// Goes to so much effort and throws the result away; as often as a check would.
    fn spend(&self, wanted: u64, password: &Secret) -> Result<(), Busy> {
        let normal = normalise(password);
        let mut output = Zeroizing::new([0; 32]);
        for params in self.pieces(wanted) {
            let mut once = |password: &[u8]| {
                let (done, took) = self.pace.time(|| fill(Algorithm::Argon2id, &params, password, &[0; 16], output.as_mut_slice()));
                self.pace.learn(effort(&params), took);
                done
            };
            once(password.expose())?;
            if normal.expose() != password.expose() {
                once(normal.expose())?;
            }
        }
        Ok(())
    }

    /// Whether checking a password against this stored value takes long and belongs on the pool.
    pub fn is_costly(&self, stored: &[u8]) -> bool {
        self.parse(stored).is_some_and(|stored| stored.is_costly())
    }

    /// Whether a stored value is of a scheme that is verified here and within its bounds.
    pub fn is_usable(&self, stored: &[u8]) -> bool {
        self.parse(stored).is_some()
    }

    fn parse(&self, stored: &[u8]) -> Option<Stored> {
        Stored::parse(stored, &self.allowed)
    }
}

/// Whether a stored value is of a scheme that is verified under any settings, and within its bounds.
pub fn is_usable(stored: &[u8]) -> bool {
    Stored::parse(stored, &[]).is_some()
}

/// Whether a value is written as a hash: `{SCHEME}…` with one of the names in use, or bare as PHC and Django have it. What
/// is, and cannot be used, must not be taken for a password that somebody chose, because then the hash itself would open
/// the account.
pub fn names_a_scheme(value: &[u8]) -> bool {
    /// Without the digits at their end, and what follows a hyphen.
    const FAMILIES: [&str; 16] = [
        "APR",
        "ARGON",
        "BCRYPT",
        "CLEAR",
        "CLEARTEXT",
        "CRYPT",
        "LANMAN",
        "MD",
        "PBKDF",
        "PLAIN",
        "SASL",
        "SCRAM",
        "SCRYPT",
        "SHA",
        "SMD",
        "SSHA",
    ];
    const BARE: [&str; 7] = ["$argon2", "$pbkdf2", "$scrypt$", "argon2$argon2", "pbkdf2_sha1$", "pbkdf2_sha256$", "scrypt$"];
    let text = std::str::from_utf8(value).ok();
    if text.is_some_and(|text| BARE.iter().any(|begin| text.starts_with(begin))) {
        return true;
    }
    let scheme = text.and_then(|text| text.strip_prefix('{')?.split_once('}')).map(|(scheme, _)| scheme.to_ascii_uppercase());
    scheme.is_some_and(|scheme| {
        let family = scheme.split(['-', '_']).next().unwrap_or_default().trim_end_matches(|last: char| last.is_ascii_digit());
        FAMILIES.contains(&family)
    })
}

/// A stored value of a scheme on the list, within its bounds.
enum Stored {
    Argon2(Argon2Hash),
    Crypt(CryptHash),
    Digest(DigestHash),
    Pbkdf2(Pbkdf2Hash),
    Plain(Zeroizing<Vec<u8>>),
    Scrypt(ScryptHash),
}

impl Stored {
    fn parse(stored: &[u8], allowed: &[AllowedScheme]) -> Option<Self> {
        let text = std::str::from_utf8(stored).ok().filter(|text| text.len() <= STORED_LIMIT)?;
        let Some((scheme, value)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
            return Self::parse_bare(text);
        };
        let scheme = scheme.to_ascii_uppercase();
        match scheme.as_str() {
            "ARGON2" | "ARGON2I" | "ARGON2ID" => Argon2Hash::parse(value).map(Self::Argon2),
            "CLEARTEXT" | "PLAIN" if allowed.contains(&AllowedScheme::Plain) && !value.is_empty() => {
                Some(Self::Plain(Zeroizing::new(value.as_bytes().to_vec())))
            }
            "CRYPT" => CryptHash::parse(value, allowed.contains(&AllowedScheme::Des)).map(Self::Crypt),
            "SCRYPT" => ScryptHash::parse(value).map(Self::Scrypt),
            name if name.starts_with("PBKDF2") => Pbkdf2Hash::parse(name, value).map(Self::Pbkdf2),
            name => DigestHash::parse(name, value).map(Self::Digest),
        }
    }

    /// Forms that say by themselves what they are: PHC strings, and Django's.
    fn parse_bare(text: &str) -> Option<Self> {
        let name = text.trim_start_matches('$').split('$').next().unwrap_or_default();
        match (text.starts_with('$'), name) {
            (true, "argon2i" | "argon2id") => Argon2Hash::parse(text).map(Self::Argon2),
            (false, "argon2") => Argon2Hash::parse(text.strip_prefix("argon2")?).map(Self::Argon2),
            (true, "pbkdf2" | "pbkdf2-sha256" | "pbkdf2-sha512") => Pbkdf2Hash::parse_phc(text).map(Self::Pbkdf2),
            (false, "pbkdf2_sha1" | "pbkdf2_sha256") => Pbkdf2Hash::parse_django(text).map(Self::Pbkdf2),
            (_, "scrypt") => ScryptHash::parse(text).map(Self::Scrypt),
            _ => None,
        }
    }

    fn matches(&self, password: &[u8]) -> Result<bool, Busy> {
        match self {
            Self::Argon2(hash) => hash.matches(password),
            Self::Crypt(hash) => Ok(hash.matches(password)),
            Self::Digest(hash) => Ok(hash.matches(password)),
            Self::Pbkdf2(hash) => Ok(hash.matches(password)),
            Self::Plain(text) => Ok(password.ct_eq(text).into()),
            Self::Scrypt(hash) => Ok(hash.matches(password)),
        }
    }

    const fn is_costly(&self) -> bool {
        match self {
            Self::Argon2(_) | Self::Crypt(_) | Self::Pbkdf2(_) | Self::Scrypt(_) => true,
            Self::Digest(_) | Self::Plain(_) => false,
        }
    }
}
