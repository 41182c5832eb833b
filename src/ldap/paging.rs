//! Cookies of paged results (RFC 2696) and contexts of list views. Either is opaque to the client: a number, and a MAC
//! under a key that only this connection has, over who asks and what was asked. What it stands for stays here. The
//! cookie of a page is good once, both for a while, and at most four are good at a time (HA7).

use super::result::Failure;
use crate::base::random;
use crate::directory::{Position, SortedList};
use ldap3_proto::proto::LdapResultCode;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Searches of one connection that can be continued.
const AT_ONCE: usize = 4;
/// How long a cookie is good.
const LIFETIME: Duration = Duration::from_secs(15 * 60);
const BLOCK: usize = 64;

/// What a cookie stands for.
pub(crate) enum Kept {
    /// The end of a page.
    Page(Position),
    /// The list that a view was of.
    View(Arc<SortedList>),
}

/// The cookies of one connection. The key is drawn at the first.
#[derive(Default)]
pub(crate) struct Cookies {
    key: Option<[u8; 32]>,
    serial: u64,
    outstanding: VecDeque<Outstanding>,
}

struct Outstanding {
    serial: u64,
    issued: Duration,
    kept: Kept,
}

impl Cookies {
    /// A cookie for going on with the search `query` asked by `identity`. The oldest of too many gives way.
    pub(crate) fn issue(&mut self, identity: &str, query: &[u8], kept: Kept, now: Duration) -> Vec<u8> {
        let key = *self.key.get_or_insert_with(random::bytes);
        self.serial += 1;
        self.forget_old(now);
        if self.outstanding.len() >= AT_ONCE {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back(Outstanding { serial: self.serial, issued: now, kept });
        let serial = self.serial.to_be_bytes();
        [serial.as_slice(), &mac(&key, &serial, identity, query)].concat()
    }

    /// Takes the cookie of a page back; answers where the page begins. Any other search, identity or connection than the
    /// cookie was issued for is refused, as is a second use.
    pub(crate) fn redeem(&mut self, cookie: &[u8], identity: &str, query: &[u8], now: Duration) -> Result<Position, Failure> {
        let refused = || Failure::new(LdapResultCode::UnwillingToPerform, "the paged results cookie is not good for this search");
        let held = self.find(cookie, identity, query, now).ok_or_else(refused)?;
        let Some(Outstanding { kept: Kept::Page(position), .. }) = self.outstanding.get(held) else { return Err(refused()) };
        let position = position.clone();
        self.outstanding.remove(held);
        Ok(position)
    }

    /// The list that the context of a view stands for; it stays good.
    pub(crate) fn list(&self, context: &[u8], identity: &str, query: &[u8], now: Duration) -> Option<Arc<SortedList>> {
        match &self.outstanding.get(self.find(context, identity, query, now)?)?.kept {
            Kept::View(list) => Some(Arc::clone(list)),
            Kept::Page(_) => None,
        }
    }

    /// Forgets what is good no more, so that a quiet connection keeps no lists.
    pub(crate) fn forget_old(&mut self, now: Duration) {
        self.outstanding.retain(|held| now.saturating_sub(held.issued) <= LIFETIME);
    }

    fn find(&self, cookie: &[u8], identity: &str, query: &[u8], now: Duration) -> Option<usize> {
        let (serial, given) = cookie.split_first_chunk::<8>()?;
        if !bool::from(mac(self.key.as_ref()?, serial, identity, query).ct_eq(given)) {
            return None;
        }
        let serial = u64::from_be_bytes(*serial);
        self.outstanding.iter().position(|held| held.serial == serial && now.saturating_sub(held.issued) <= LIFETIME)
    }
}

/// The MAC over number, identity and query, each with its length before it.
fn mac(key: &[u8; 32], serial: &[u8], identity: &str, query: &[u8]) -> [u8; 32] {
    let mut message = Vec::with_capacity(24 + serial.len() + identity.len() + query.len());
    for part in [serial, identity.as_bytes(), query] {
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

    fn page(at: u32) -> Kept {
        Kept::Page(Position::at(at))
    }

    #[test]
    fn ha7_a_cookie_is_good_once_for_one_search_of_one_identity() {
        let minute = Duration::from_secs(60);
        let mut cookies = Cookies::default();
        let cookie = cookies.issue("uid=a", b"query", page(7), minute);
        assert!(cookies.redeem(&cookie, "uid=b", b"query", minute).is_err());
        assert!(cookies.redeem(&cookie, "uid=a", b"other", minute).is_err());
        assert!(Cookies::default().redeem(&cookie, "uid=a", b"query", minute).is_err());
        assert!(cookies.list(&cookie, "uid=a", b"query", minute).is_none(), "the cookie of a page is no context of a view");
        for at in 0..cookie.len() {
            let mut damaged = cookie.clone();
            damaged[at] ^= 1;
            assert!(cookies.redeem(&damaged, "uid=a", b"query", minute).is_err(), "octet {at}");
        }
        assert_eq!(cookies.redeem(&cookie, "uid=a", b"query", minute), Ok(Position::at(7)));
        assert!(cookies.redeem(&cookie, "uid=a", b"query", minute).is_err(), "used twice");
    }

    #[test]
    fn ha7_cookies_expire_and_give_way() {
        let mut cookies = Cookies::default();
        let late = cookies.issue("", b"q", page(1), Duration::ZERO);
        let after = LIFETIME + Duration::from_millis(1);
        assert!(cookies.redeem(&late, "", b"q", after).is_err());
        cookies.forget_old(after);
        assert!(cookies.outstanding.is_empty());
        let issued: Vec<_> = (0..5).map(|after| cookies.issue("", b"q", page(after), Duration::ZERO)).collect();
        assert!(cookies.redeem(&issued[0], "", b"q", Duration::ZERO).is_err());
        for (after, cookie) in issued.iter().enumerate().skip(1) {
            assert_eq!(cookies.redeem(cookie, "", b"q", Duration::ZERO), Ok(Position::at(after as u32)));
        }
    }

    #[test]
    fn the_mac_is_that_of_rfc4231() {
        let mac = hmac(b"Jefe", b"what do ya want for nothing?");
        let text: String = mac.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(text, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
