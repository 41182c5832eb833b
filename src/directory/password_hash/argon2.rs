//! argon2 (RFC 9106): what we make, and what others left in PHC form, `$argon2id$v=19$m=…,t=…,p=…$salt$digest`, bare, after
//! `{ARGON2}` as slapd writes it, or after `argon2` as Django does.

use super::encoding::{base64, number};
use crate::directory::hash_memory;
use crate::directory::hash_pool::Busy;
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bounds of what a stored hash may ask for (HB5): memory in KiB, passes, lanes.
pub(super) const MEMORY_LIMIT: u32 = 128 * 1024;
pub(super) const PASSES_LIMIT: u32 = 10;
const LANES_LIMIT: u32 = 4;

/// A stored argon2 hash.
pub(super) struct Argon2Hash {
    pub(super) algorithm: Algorithm,
    pub(super) params: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl Argon2Hash {
    /// Reads the PHC form; `None` for what is not it or out of bounds.
    pub(super) fn parse(value: &str) -> Option<Self> {
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
        let memory = number(costs.next()?.strip_prefix("m=")?, MEMORY_LIMIT)?;
        let passes = number(costs.next()?.strip_prefix("t=")?, PASSES_LIMIT)?;
        let lanes = number(costs.next()?.strip_prefix("p=")?, LANES_LIMIT)?;
        let salt = base64(fields.next()?)?;
        let digest = base64(fields.next()?)?;
        let complete = costs.next().is_none() && fields.next().is_none();
        if !complete || !(8..=64).contains(&salt.len()) || !(16..=64).contains(&digest.len()) {
            return None;
        }
        let params = Params::new(memory, passes, lanes, None).ok()?;
        Some(Self { algorithm, params, salt, digest })
    }

    /// Whether the password is the one that was hashed.
    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, Busy> {
        let mut made = Zeroizing::new(vec![0; self.digest.len()]);
        fill(self.algorithm, &self.params, password, &self.salt, &mut made)?;
        Ok(made.ct_eq(&self.digest).into())
    }
}

/// What a hash with these parameters costs, in KiB times passes.
pub(super) fn work(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

/// What the first pass through a KiB of memory costs, and each further one, which reads what it writes over.
pub(super) const FIRST_PASS: u64 = 5;
pub(super) const FURTHER_PASS: u64 = 6;

/// How long a hash with these parameters takes, in such units.
pub(super) fn effort(params: &Params) -> u64 {
    u64::from(params.m_cost()) * (FIRST_PASS + FURTHER_PASS * u64::from(params.t_cost()).saturating_sub(1))
}

/// Hashes. Busy where memory is short.
pub(super) fn fill(algorithm: Algorithm, params: &Params, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), Busy> {
    let context = Argon2::new(algorithm, Version::V0x13, params.clone());
    hash_memory::hash_into(&context, password, salt, output).map_err(|error| {
        tracing::error!(%error, "a password could not be hashed");
        Busy
    })
}
