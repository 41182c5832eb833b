//! scrypt (RFC 7914): `$scrypt$ln=…,r=…,p=…$salt$key` bare or after `{SCRYPT}`, Django's `scrypt$N$salt$r$p$key`, and
//! crypt(5)'s `$7$`.

use super::encoding::{base64, crypt_number, crypt_octets, number};
use scrypt::Params;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Memory that a stored hash may ask for, in octets (HB5).
const MEMORY_LIMIT: u64 = 128 << 20;
/// Octets that are filled in all, over the lanes that are worked on one after another.
const WORK_LIMIT: u64 = 512 << 20;
/// The smallest key that is compared.
const SHORTEST: usize = 16;

/// A stored key.
pub(super) struct ScryptHash {
    params: Params,
    salt: Vec<u8>,
    key: Vec<u8>,
}

impl ScryptHash {
    /// Reads any of the forms.
    pub(super) fn parse(value: &str) -> Option<Self> {
        if let Some(rest) = value.strip_prefix("$scrypt$") {
            return Self::parse_phc(rest);
        }
        match value.strip_prefix("$7$") {
            Some(rest) => Self::parse_crypt(rest),
            None => Self::parse_django(value),
        }
    }

    fn parse_phc(value: &str) -> Option<Self> {
        let mut fields = value.split('$');
        let mut costs = fields.next()?.split(',');
        let exponent = number(costs.next()?.strip_prefix("ln=")?, 32)?;
        let block = number(costs.next()?.strip_prefix("r=")?, u32::MAX)?;
        let lanes = number(costs.next()?.strip_prefix("p=")?, u32::MAX)?;
        let (salt, key) = (base64(fields.next()?)?, base64(fields.next()?)?);
        let complete = costs.next().is_none() && fields.next().is_none();
        Self::new(exponent, block, lanes, salt, key).filter(|_| complete)
    }

    fn parse_django(value: &str) -> Option<Self> {
        let mut fields = value.strip_prefix("scrypt$")?.split('$');
        let cost = number(fields.next()?, u32::MAX).filter(|cost| cost.is_power_of_two())?;
        let salt = fields.next()?.as_bytes().to_vec();
        let (block, lanes) = (number(fields.next()?, u32::MAX)?, number(fields.next()?, u32::MAX)?);
        let key = base64(fields.next()?)?;
        Self::new(cost.trailing_zeros(), block, lanes, salt, key).filter(|_| fields.next().is_none())
    }

    /// One character for the exponent, five each for block size and lanes, then the salt as it stands.
    fn parse_crypt(value: &str) -> Option<Self> {
        let (settings, key) = value.rsplit_once('$')?;
        let (costs, salt) = settings.split_at_checked(11)?;
        let part = |from: usize, to: usize| costs.get(from..to).and_then(crypt_number).and_then(|part| u32::try_from(part).ok());
        Self::new(part(0, 1)?, part(1, 6)?, part(6, 11)?, salt.as_bytes().to_vec(), crypt_octets(key)?)
    }

    fn new(exponent: u32, block: u32, lanes: u32, salt: Vec<u8>, key: Vec<u8>) -> Option<Self> {
        let memory = 1_u64.checked_shl(exponent)?.checked_mul(128)?.checked_mul(u64::from(block))?;
        let work = memory.checked_mul(u64::from(lanes))?;
        let fits = exponent > 0 && memory <= MEMORY_LIMIT && work <= WORK_LIMIT && (SHORTEST..=64).contains(&key.len());
        let params = Params::new(u8::try_from(exponent).ok()?, block, lanes).ok()?;
        (fits && !salt.is_empty()).then_some(Self { params, salt, key })
    }

    /// Whether the password is the one the key was derived from.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut made = Zeroizing::new(vec![0; self.key.len()]);
        let done = scrypt::scrypt(password, &self.salt, &self.params, &mut made);
        done.is_ok() && bool::from(made.ct_eq(&self.key))
    }
}
