//! Stored passwords: making them, and checking a password against them (hardening §2.3, HB5).
//!
//! What we make is `{ARGON2}$argon2id$…`. What we check besides are the schemes that slapd and others leave in
//! `userPassword` (RFC 2307 §5.3, and salted SHA as everybody writes it): the list is closed, and a value of any
//! other form, plain text among them, never authenticates and costs nothing.
//!
//! A wrong password always costs as much as one hash of ours, whatever the stored value is and whether there is
//! one: [`PasswordHasher::verify_all`] adds what is missing, so that time tells nobody whether a user exists (HB2).

use super::hash_memory;
use super::hash_pool::Busy;
use super::settings::Hashing;
use crate::base::{Secret, random};
use crate::domain::password_policy::normalise;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::Digest;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bounds of what a stored hash may ask for (HB5): memory in KiB, passes, lanes.
const MEMORY_LIMIT: u32 = 128 * 1024;
const PASSES_LIMIT: u32 = 10;
const LANES_LIMIT: u32 = 4;
/// Octets of a stored value that is looked at.
const STORED_LIMIT: usize = 1_024;
/// Costly values of one entry that are tried.
const TRIED_LIMIT: usize = 4;

/// Padding is left out in argon2 strings, and elsewhere by some.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

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

/// Makes and checks stored passwords. Making one, and checking one for which [`is_costly`] holds, takes tens of
/// milliseconds: do it on the [`HashPool`](super::hash_pool::HashPool).
#[derive(Clone, Debug)]
pub struct PasswordHasher {
    params: Params,
}

impl PasswordHasher {
    /// With the cost of the settings.
    pub fn new(settings: &Hashing) -> Result<Self, UnusableCost> {
        if settings.memory > MEMORY_LIMIT || settings.passes > PASSES_LIMIT {
            return Err(UnusableCost);
        }
        let params = Params::new(settings.memory, settings.passes, 1, None).map_err(|_| UnusableCost)?;
        Ok(Self { params })
    }

    /// The value to store for a password: argon2id with a new salt, the password in NFC. Busy where memory is short.
    pub fn hash(&self, password: &Secret) -> Result<String, Busy> {
        let salt = random::bytes::<16>();
        let mut output = Zeroizing::new([0; 32]);
        argon2(Algorithm::Argon2id, &self.params, normalise(password).expose(), &salt, output.as_mut_slice())?;
        let (memory, passes) = (self.params.m_cost(), self.params.t_cost());
        Ok(format!("{{ARGON2}}$argon2id$v=19$m={memory},t={passes},p=1${}${}", BASE64.encode(salt), BASE64.encode(output.as_slice())))
    }

    /// Checks a password against one stored value: the octets as given, then, where they are text that is not
    /// composed, in NFC (hardening §2.1). Busy where memory is short.
    pub fn verify(&self, stored: &[u8], password: &Secret) -> Result<Verdict, Busy> {
        let Some(stored) = Stored::parse(stored) else {
            return Ok(Verdict::Wrong);
        };
        let rehash = stored.algorithm() != Some(Algorithm::Argon2id) || stored.work() < work(&self.params);
        let normal = normalise(password);
        let right = stored.matches(password.expose())? || normal.expose() != password.expose() && stored.matches(normal.expose())?;
        Ok(if right { Verdict::Right { rehash } } else { Verdict::Wrong })
    }

    /// Checks a password against all values of an entry, the cheap ones first, of the costly ones four at most. No
    /// value at all is a user that does not exist. A refusal costs as much as one hash with our settings.
    pub fn verify_all<V: AsRef<[u8]>>(&self, stored: &[V], password: &Secret) -> Result<Verdict, Busy> {
        let (costly, cheap): (Vec<_>, Vec<_>) = stored.iter().map(AsRef::as_ref).partition(|value| is_costly(value));
        let mut spent = 0;
        for value in cheap.into_iter().chain(costly.into_iter().take(TRIED_LIMIT)) {
            let verdict = self.verify(value, password)?;
            if verdict != Verdict::Wrong {
                return Ok(verdict);
            }
            spent += Stored::parse(value).map_or(0, |stored| stored.work());
        }
        self.spend(self.left_to_do(spent), password)?;
        Ok(Verdict::Wrong)
    }

    /// Checks the cheap values only: `None` where none of them matches, and [`Self::verify_all`] has to be asked on
    /// the pool. This never takes longer than some microseconds.
    pub fn verify_cheap<V: AsRef<[u8]>>(&self, stored: &[V], password: &Secret) -> Option<Verdict> {
        let mut cheap = stored.iter().map(AsRef::as_ref).filter(|value| !is_costly(value));
        cheap.find_map(|value| self.verify(value, password).ok().filter(|verdict| *verdict != Verdict::Wrong))
    }

    /// What is left of the work of one check by our settings (KiB times passes) after so much was done.
    fn left_to_do(&self, spent: u64) -> u64 {
        work(&self.params).saturating_sub(spent)
    }

    /// Does so much work (KiB times passes) and throws the result away; as often as a check would.
    fn spend(&self, work: u64, password: &Secret) -> Result<(), Busy> {
        let passes = self.params.t_cost();
        let memory = u32::try_from(work / u64::from(passes)).unwrap_or(MEMORY_LIMIT);
        let Ok(params) = Params::new(memory, passes, 1, None) else {
            return Ok(());
        };
        let normal = normalise(password);
        let mut output = Zeroizing::new([0; 32]);
        argon2(Algorithm::Argon2id, &params, password.expose(), &[0; 16], output.as_mut_slice())?;
        if normal.expose() != password.expose() {
            argon2(Algorithm::Argon2id, &params, normal.expose(), &[0; 16], output.as_mut_slice())?;
        }
        Ok(())
    }
}

/// Whether checking a password against this stored value takes long and belongs on the pool.
pub fn is_costly(stored: &[u8]) -> bool {
    Stored::parse(stored).is_some_and(|stored| stored.work() > 0)
}

/// Whether a stored value is of a scheme that we verify and within its bounds; for imports and `verify` to report
/// what can never authenticate.
pub fn is_usable(stored: &[u8]) -> bool {
    Stored::parse(stored).is_some()
}

fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

fn argon2(algorithm: Algorithm, params: &Params, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), Busy> {
    let context = Argon2::new(algorithm, Version::V0x13, params.clone());
    hash_memory::hash_into(&context, password, salt, output).map_err(|error| {
        tracing::error!(%error, "a password could not be hashed");
        Busy
    })
}

/// A digest of the RFC 2307 family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fast {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Fast {
    const fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn matches(self, password: &[u8], salt: &[u8], digest: &[u8]) -> bool {
        fn same<D: Digest>(password: &[u8], salt: &[u8], digest: &[u8]) -> bool {
            let made = D::new().chain_update(password).chain_update(salt).finalize();
            made.as_slice().ct_eq(digest).into()
        }
        match self {
            Self::Md5 => same::<md5::Md5>(password, salt, digest),
            Self::Sha1 => same::<sha1::Sha1>(password, salt, digest),
            Self::Sha256 => same::<sha2::Sha256>(password, salt, digest),
            Self::Sha384 => same::<sha2::Sha384>(password, salt, digest),
            Self::Sha512 => same::<sha2::Sha512>(password, salt, digest),
        }
    }
}

/// A stored value of a scheme on the list, within its bounds.
enum Stored {
    Argon2 { algorithm: Algorithm, params: Params, salt: Vec<u8>, digest: Vec<u8> },
    Fast { digest: Fast, octets: Vec<u8> },
}

impl Stored {
    fn parse(stored: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(stored).ok().filter(|text| text.len() <= STORED_LIMIT)?;
        let (scheme, value) = text.strip_prefix('{')?.split_once('}')?;
        let (digest, salted) = match scheme.to_ascii_uppercase().as_str() {
            "ARGON2" => return Self::parse_argon2(value),
            "MD5" => (Fast::Md5, false),
            "SHA" => (Fast::Sha1, false),
            "SHA256" => (Fast::Sha256, false),
            "SHA384" => (Fast::Sha384, false),
            "SHA512" => (Fast::Sha512, false),
            "SMD5" => (Fast::Md5, true),
            "SSHA" => (Fast::Sha1, true),
            "SSHA256" => (Fast::Sha256, true),
            "SSHA384" => (Fast::Sha384, true),
            "SSHA512" => (Fast::Sha512, true),
            _ => return None,
        };
        let octets = BASE64.decode(value).ok()?;
        // A salted value has a salt, and one without salt nothing after the digest.
        let fits = if salted { octets.len() > digest.size() } else { octets.len() == digest.size() };
        fits.then_some(Self::Fast { digest, octets })
    }

    /// `$argon2id$v=19$m=…,t=…,p=…$salt$digest`.
    fn parse_argon2(value: &str) -> Option<Self> {
        let mut fields = value.strip_prefix('$')?.split('$');
        let algorithm = match fields.next()? {
            "argon2id" => Algorithm::Argon2id,
            "argon2i" => Algorithm::Argon2i,
            _ => return None,
        };
        if fields.next()? != "v=19" {
            return None;
        }
        let mut costs = fields.next()?.split(',');
        let memory = number(costs.next()?, "m=", MEMORY_LIMIT)?;
        let passes = number(costs.next()?, "t=", PASSES_LIMIT)?;
        let lanes = number(costs.next()?, "p=", LANES_LIMIT)?;
        let salt = BASE64.decode(fields.next()?).ok()?;
        let digest = BASE64.decode(fields.next()?).ok()?;
        let complete = costs.next().is_none() && fields.next().is_none();
        if !complete || !(8..=64).contains(&salt.len()) || !(16..=64).contains(&digest.len()) {
            return None;
        }
        let params = Params::new(memory, passes, lanes, None).ok()?;
        Some(Self::Argon2 { algorithm, params, salt, digest })
    }

    fn matches(&self, password: &[u8]) -> Result<bool, Busy> {
        match self {
            Self::Argon2 { algorithm, params, salt, digest } => {
                let mut made = Zeroizing::new(vec![0; digest.len()]);
                argon2(*algorithm, params, password, salt, &mut made)?;
                Ok(made.ct_eq(digest).into())
            }
            Self::Fast { digest, octets } => {
                let (held, salt) = octets.split_at(digest.size().min(octets.len()));
                Ok(digest.matches(password, salt, held))
            }
        }
    }

    const fn algorithm(&self) -> Option<Algorithm> {
        match self {
            Self::Argon2 { algorithm, .. } => Some(*algorithm),
            Self::Fast { .. } => None,
        }
    }

    /// What a check costs, in KiB times passes; next to nothing for the fast ones.
    fn work(&self) -> u64 {
        match self {
            Self::Argon2 { params, .. } => work(params),
            Self::Fast { .. } => 0,
        }
    }
}

/// A decimal number after its name, from 1 to `limit`.
fn number(field: &str, name: &str, limit: u32) -> Option<u32> {
    let digits = field.strip_prefix(name)?;
    let plain = digits.bytes().all(|octet| octet.is_ascii_digit());
    digits.parse().ok().filter(|number| plain && (1..=limit).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher() -> PasswordHasher {
        PasswordHasher::new(&Hashing { memory: 64, passes: 2, ..Hashing::default() }).unwrap()
    }

    fn verify(stored: &str, password: &str) -> Verdict {
        hasher().verify(stored.as_bytes(), &Secret::new(password)).unwrap()
    }

    #[test]
    fn what_is_made_is_argon2id_and_is_checked() {
        let stored = hasher().hash(&Secret::new("tüchtig")).unwrap();
        assert!(stored.starts_with("{ARGON2}$argon2id$v=19$m=64,t=2,p=1$"), "{stored}");
        assert_ne!(stored, hasher().hash(&Secret::new("tüchtig")).unwrap(), "the salt is new each time");
        assert_eq!(verify(&stored, "tüchtig"), Verdict::Right { rehash: false });
        assert_eq!(verify(&stored, "tu\u{308}chtig"), Verdict::Right { rehash: false }, "composed before it is compared");
        assert_eq!(verify(&stored, "Tüchtig"), Verdict::Wrong);
        assert_eq!(verify(&stored, ""), Verdict::Wrong);
        let octets = Secret::new([0xff, 0, 0xfe]);
        let stored = hasher().hash(&octets).unwrap();
        assert_eq!(hasher().verify(stored.as_bytes(), &octets).unwrap(), Verdict::Right { rehash: false });
    }

    /// Made with Python's hashlib and base64: digest of password and the salt 1 to 8, and the salt.
    #[test]
    fn values_of_rfc2307_and_salted_ones() {
        let known = [
            "{MD5}Ye/+XIIyPGycDTfmEsNkrQ==",
            "{SMD5}57x6C3W3MLWKNhkxSEHRPwECAwQFBgcI",
            "{SHA}i45oLa8XTSv0YIPjBL4UAL4kOMU=",
            "{SSHA}X7b01ivSrJhQV4/2W10dEmgNUIEBAgMEBQYHCA==",
            "{ssha}X7b01ivSrJhQV4/2W10dEmgNUIEBAgMEBQYHCA",
            "{SHA256}IPJI3LNkqQhEfQHUZIeTZNOuM2r/nLI9GtKu564NatM=",
            "{SSHA256}oppe2BvcT9etubebhr4F+cOInilK37hV8GCtbFCZYuEBAgMEBQYHCA==",
            "{SHA384}5dv9ndCfQN3nBISawRBzx4BuPmwxAGgadLoXjMOjhxpyhjUpKxXT1xB2S/fDADeb",
            "{SSHA384}YYUiCBOJ5GN5d3PvnfKPi+WeXxz0pOv8AJNDenL6FOW9YzH6IQksul3r4+csqJ9HAQIDBAUGBwg=",
            "{SHA512}gPbY4I2wcrcdcPRGMT+MdyY2Uwu2NTaHhATHM5d2u1qUg4cQA9Hb4HVLKagBnjAv39xdPX9yfZN4d/RPcxcnzg==",
            "{SSHA512}ub/PjQB7+n479KmlYCQENSK//bCIOxBDXqq5OwrylNZOFFhBwER/vj/epk8b1obq7zXSrI+fzt4+MOxQRd/Q8wECAwQFBgcI",
        ];
        for stored in known {
            assert_eq!(verify(stored, "secret-Passwort"), Verdict::Right { rehash: true }, "{stored}");
            assert_eq!(verify(stored, "secret-passwort"), Verdict::Wrong, "{stored}");
            assert!(!is_costly(stored.as_bytes()) && is_usable(stored.as_bytes()));
        }
    }

    /// From the test program of the reference implementation.
    #[test]
    fn values_of_the_reference_implementation() {
        let id = "{ARGON2}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert_eq!(verify(id, "password"), Verdict::Right { rehash: false });
        assert_eq!(verify(id, "passwort"), Verdict::Wrong);
        let i = "{ARGON2}$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8";
        assert_eq!(verify(i, "password"), Verdict::Right { rehash: true }, "argon2i is made anew as argon2id");
        assert!(is_costly(id.as_bytes()) && is_costly(i.as_bytes()));
        let dearer = PasswordHasher::new(&Hashing { memory: 512, passes: 2, ..Hashing::default() }).unwrap();
        assert_eq!(dearer.verify(id.as_bytes(), &Secret::new("password")).unwrap(), Verdict::Right { rehash: true });
    }

    #[test]
    fn hb5_what_is_not_on_the_list_never_authenticates_and_costs_nothing() {
        let digest = "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let argon2 = |costs: &str| format!("{{ARGON2}}$argon2id$v=19${costs}$c29tZXNhbHQ${digest}");
        let mut refused = vec![
            "password".to_owned(),
            String::new(),
            "*".to_owned(),
            "{".to_owned(),
            "{}password".to_owned(),
            "{CLEARTEXT}password".to_owned(),
            "{CRYPT}$6$salt$x".to_owned(),
            "{CRYPT}*".to_owned(),
            "{PBKDF2}10000000000$AAAA$AAAA".to_owned(),
            "{SASL}user@realm".to_owned(),
            "{SSHA}".to_owned(),
            "{SSHA}i45oLa8XTSv0YIPjBL4UAL4kOMU=".to_owned(),
            "{SHA}X7b01ivSrJhQV4/2W10dEmgNUIEBAgMEBQYHCA==".to_owned(),
            "{SHA}i45oLa8XTSv0YIPjBL4UAL4kOMU= ".to_owned(),
            "{SHA}AAAA".to_owned(),
            "{MD5}not base64".to_owned(),
            " {SHA}i45oLa8XTSv0YIPjBL4UAL4kOMU=".to_owned(),
            format!("{{SSHA}}{}", "A".repeat(2_000)),
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4".to_owned(),
            format!("{{ARGON2}}$argon2d$v=19$m=256,t=2,p=1$c29tZXNhbHQ${digest}"),
            format!("{{ARGON2}}$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ${digest}"),
            format!("{{ARGON2}}$argon2id$m=256,t=2,p=1$c29tZXNhbHQ${digest}"),
            format!("{{ARGON2}}$argon2id$v=19$m=256,t=2,p=1$c29t${digest}"),
            "{ARGON2}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$AAAA".to_owned(),
            "{ARGON2}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$".to_owned(),
            "{ARGON2}$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ".to_owned(),
            argon2("m=256,t=2,p=1") + "$x",
        ];
        let costs = [
            "m=131073,t=1,p=1",
            "m=4294967295,t=1,p=1",
            "m=99999999999,t=1,p=1",
            "m=256,t=11,p=1",
            "m=256,t=0,p=1",
            "m=256,t=2,p=5",
            "m=256,t=2,p=0",
            "m=16,t=2,p=4",
            "m=+256,t=2,p=1",
            "m=256,t=2",
            "t=2,m=256,p=1",
            "m=256,t=2,p=1,keyid=AAAA",
        ];
        refused.extend(costs.map(argon2));
        for stored in &refused {
            assert_eq!(verify(stored, "password"), Verdict::Wrong, "{stored}");
            assert_eq!(verify(stored, stored), Verdict::Wrong, "{stored}");
            assert!(!is_costly(stored.as_bytes()) && !is_usable(stored.as_bytes()), "{stored}");
        }
        assert!(is_costly(argon2("m=131072,t=10,p=4").as_bytes()), "the bounds themselves are allowed");
    }

    #[test]
    fn hb5_settings_are_held_to_the_same_bounds() {
        let with = |memory, passes| PasswordHasher::new(&Hashing { memory, passes, ..Hashing::default() });
        assert!(with(128 * 1024, 10).is_ok() && with(8, 1).is_ok());
        assert!(with(128 * 1024 + 1, 1).is_err() && with(64, 11).is_err() && with(64, 0).is_err() && with(7, 1).is_err());
    }

    #[test]
    fn all_values_of_an_entry_are_tried_the_costly_ones_up_to_a_bound() {
        let hasher = hasher();
        let fast = b"{SSHA}X7b01ivSrJhQV4/2W10dEmgNUIEBAgMEBQYHCA==".to_vec();
        let made: Vec<Vec<u8>> = (0..5).map(|n| hasher.hash(&Secret::new(format!("number {n}"))).unwrap().into_bytes()).collect();
        let all: Vec<Vec<u8>> = made.iter().cloned().chain([b"plain".to_vec(), fast]).collect();
        let check = |password: &str| hasher.verify_all(&all, &Secret::new(password)).unwrap();
        assert_eq!(check("secret-Passwort"), Verdict::Right { rehash: true });
        assert_eq!(check("number 3"), Verdict::Right { rehash: false });
        assert_eq!(check("number 4"), Verdict::Wrong, "the fifth costly value is not tried");
        assert_eq!(check("plain"), Verdict::Wrong);
        assert_eq!(hasher.verify_cheap(&all, &Secret::new("secret-Passwort")), Some(Verdict::Right { rehash: true }));
        assert_eq!(hasher.verify_cheap(&all, &Secret::new("number 3")), None);
        assert_eq!(hasher.verify_all::<Vec<u8>>(&[], &Secret::new("x")).unwrap(), Verdict::Wrong);
    }

    #[test]
    fn hb2_a_refusal_does_the_same_work_whatever_is_stored() {
        let hasher = PasswordHasher::new(&Hashing { memory: 4096, passes: 2, ..Hashing::default() }).unwrap();
        let older = PasswordHasher::new(&Hashing { memory: 1024, passes: 3, ..Hashing::default() }).unwrap();
        let right = Secret::new("right");
        let kinds: [(Vec<Vec<u8>>, u64); 5] = [
            (vec![], 0),
            (vec![b"plain".to_vec()], 0),
            (vec![b"{SSHA}X7b01ivSrJhQV4/2W10dEmgNUIEBAgMEBQYHCA==".to_vec()], 0),
            (vec![hasher.hash(&right).unwrap().into_bytes()], 4096 * 2),
            (vec![older.hash(&right).unwrap().into_bytes()], 1024 * 3),
        ];
        for (stored, own) in kinds {
            assert_eq!(hasher.verify_all(&stored, &Secret::new("wrong")).unwrap(), Verdict::Wrong);
            let done: u64 = stored.iter().filter_map(|value| Stored::parse(value)).map(|stored| stored.work()).sum();
            assert_eq!(done, own, "{stored:?}");
            assert_eq!(done + hasher.left_to_do(done), 4096 * 2, "{stored:?}");
        }
    }
}
