//! Cookies of paged results (RFC 2696). A cookie is opaque to the client: it says where the next page begins, and
//! carries a MAC under a key that only this connection has, over who asks and what was asked. It is good once, for
//! a while, and at most four are good at a time (HA7).

use super::result::Failure;
use crate::base::{EntryId, random};
use ldap3_proto::proto::LdapResultCode;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Paged searches of one connection that can be continued.
const AT_ONCE: usize = 4;
/// How long a cookie is good.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
const BLOCK: usize = 64;

/// The cookies of one connection. The key is drawn at the first page.
#[derive(Default)]
pub(crate) struct Cookies {
    key: Option<[u8; 32]>,
    serial: u64,
    outstanding: VecDeque<(u64, Duration)>,
}

impl Cookies {
    /// A cookie for the page after `after` of the search `query` asked by `identity`. The oldest of too many gives way.
    pub(crate) fn issue(&mut self, identity: &str, query: &[u8], after: EntryId, now: Duration) -> Vec<u8> {
        let key = *self.key.get_or_insert_with(random::bytes);
        self.serial += 1;
        if self.outstanding.len() >= AT_ONCE {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back((self.serial, now));
        let mut cookie = [self.serial.to_be_bytes().as_slice(), &after.0.to_be_bytes()].concat();
        let mac = mac(&key, &cookie, identity, query);
        cookie.extend_from_slice(&mac);
        cookie
    }

    /// Takes a cookie back; answers where the page begins. Any other search, identity or connection than the cookie was
    /// issued for is refused, as is a second use.
    pub(crate) fn redeem(&mut self, cookie: &[u8], identity: &str, query: &[u8], now: Duration) -> Result<EntryId, Failure> {
        let refused = || Failure::new(LdapResultCode::UnwillingToPerform, "the paged results cookie is not good for this search");
        let key = self.key.ok_or_else(refused)?;
        let (position, given) = cookie.split_at_checked(12).ok_or_else(refused)?;
        if !bool::from(mac(&key, position, identity, query).ct_eq(given)) {
            return Err(refused());
        }
        let (serial, after) = position.split_first_chunk::<8>().ok_or_else(refused)?;
        let after = after.first_chunk::<4>().ok_or_else(refused)?;
        let serial = u64::from_be_bytes(*serial);
        let held = self.outstanding.iter().position(|(issued, _)| *issued == serial).ok_or_else(refused)?;
        let (_, issued) = self.outstanding.remove(held).ok_or_else(refused)?;
        match now.saturating_sub(issued) <= LIFETIME {
            true => Ok(EntryId(u32::from_be_bytes(*after))),
            false => Err(refused()),
        }
    }
}

/// The MAC over position, identity and query, each with its length before it.
fn mac(key: &[u8; 32], position: &[u8], identity: &str, query: &[u8]) -> [u8; 32] {
    let mut message = Vec::with_capacity(24 + position.len() + identity.len() + query.len());
    for part in [position, identity.as_bytes(), query] {
        message.extend_from_slice(&(part.len() as u64).to_be_bytes());
        message.extend_from_slice(part);
    }
    hmac(key, &message)
}

/// HMAC-SHA-256 (RFC 2104) under a key of at most one block.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(key).for_each(|(octet, key)| *octet ^= key);
        block
    };
    let inner = Sha256::new_with_prefix(pad(0x36)).chain_update(message).finalize();
    Sha256::new_with_prefix(pad(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ha7_a_cookie_is_good_once_for_one_search_of_one_identity() {
        let minute = Duration::from_secs(60);
        let mut cookies = Cookies::default();
        let cookie = cookies.issue("uid=a", b"query", EntryId(7), minute);
        assert!(cookies.redeem(&cookie, "uid=b", b"query", minute).is_err());
        assert!(cookies.redeem(&cookie, "uid=a", b"other", minute).is_err());
        assert!(Cookies::default().redeem(&cookie, "uid=a", b"query", minute).is_err());
        for at in 0..cookie.len() {
            let mut damaged = cookie.clone();
            damaged[at] ^= 1;
            assert!(cookies.redeem(&damaged, "uid=a", b"query", minute).is_err(), "octet {at}");
        }
        assert_eq!(cookies.redeem(&cookie, "uid=a", b"query", minute), Ok(EntryId(7)));
        assert!(cookies.redeem(&cookie, "uid=a", b"query", minute).is_err(), "used twice");
    }

    #[test]
    fn ha7_cookies_expire_and_give_way() {
        let mut cookies = Cookies::default();
        let late = cookies.issue("", b"q", EntryId(1), Duration::ZERO);
        assert!(cookies.redeem(&late, "", b"q", LIFETIME + Duration::from_millis(1)).is_err());
        let issued: Vec<_> = (0..5).map(|after| cookies.issue("", b"q", EntryId(after), Duration::ZERO)).collect();
        assert!(cookies.redeem(&issued[0], "", b"q", Duration::ZERO).is_err());
        for (after, cookie) in issued.iter().enumerate().skip(1) {
            assert_eq!(cookies.redeem(cookie, "", b"q", Duration::ZERO), Ok(EntryId(after as u32)));
        }
    }

    #[test]
    fn the_mac_is_that_of_rfc4231() {
        let mac = hmac(b"Jefe", b"what do ya want for nothing?");
        let text: String = mac.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(text, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
