//! Cursors (RFC 9865 §2): where in the order of a query a page ended. Nothing of them is kept here: a cursor says the place
//! itself, sealed, since the numbers of entries are nobody's business (O1), with a MAC under the key of the store that is over
//! who asks and what was asked. So one is good after a restart too, for its actor and its query only, and until it expires.

use super::error::{ScimError, ScimType};
use crate::base::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// How long a cursor is good, in seconds.
pub const CURSOR_TIMEOUT: u64 = 3_600;
/// Octets of the MAC.
const MAC: usize = 16;

/// A place in the order of a query: what is sorted by, and what tells equal ones apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The sort key, so encoded that octets are ordered as values are.
    pub key: Vec<u8>,
    /// What tells those with the same key apart.
    pub tie: Vec<u8>,
}

/// The cursors of one query of one actor.
pub struct Cursors {
    key: [u8; 32],
    /// Who asks, and what.
    context: [u8; 32],
    now: Timestamp,
}

impl Cursors {
    /// For a query: `context` is a digest of who asks and of all that must stay the same from page to page.
    pub const fn new(key: [u8; 32], context: [u8; 32], now: Timestamp) -> Self {
        Self { key, context, now }
    }

    /// The cursor for what comes after a place, in pages of `count`: unreserved characters only.
    pub fn issue(&self, position: &Position, count: usize) -> String {
        let mut plain = self.now.millis().to_be_bytes().to_vec();
        plain.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
        plain.extend_from_slice(&u16::try_from(position.tie.len()).unwrap_or(u16::MAX).to_be_bytes());
        plain.extend_from_slice(&position.tie);
        plain.extend_from_slice(&position.key);
        let mac = self.mac(&plain);
        self.mask(&mac, &mut plain);
        URL_SAFE_NO_PAD.encode([mac.as_slice(), &plain].concat())
    }

    /// The place that a cursor stands for: 400 invalidCursor where it is not one for this actor and query, expiredCursor where
    /// it is too old, and invalidCount where the pages were of another size.
    pub fn redeem(&self, cursor: &str, count: usize) -> Result<Position, ScimError> {
        let invalid = || ScimError::of(ScimType::InvalidCursor, "the cursor is not one of this query: begin with an empty one");
        let octets = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid())?;
        let (mac, sealed) = octets.split_first_chunk::<MAC>().ok_or_else(invalid)?;
        let mut plain = sealed.to_vec();
        self.mask(mac, &mut plain);
        if !bool::from(self.mac(&plain).ct_eq(mac)) {
            return Err(invalid());
        }
        let (issued, rest) = plain.split_first_chunk::<8>().ok_or_else(invalid)?;
        let (size, rest) = rest.split_first_chunk::<4>().ok_or_else(invalid)?;
        let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(invalid)?;
        let (tie, key) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(invalid)?;
        let age = self.now.since(Timestamp::from_millis(u64::from_be_bytes(*issued)));
        if age.as_secs() > CURSOR_TIMEOUT {
            return Err(ScimError::of(ScimType::ExpiredCursor, format!("a cursor is good for {CURSOR_TIMEOUT} seconds")));
        }
        if u32::from_be_bytes(*size) as usize != count {
            return Err(ScimError::of(ScimType::InvalidCount, "count is to be that of the first page"));
        }
        Ok(Position { key: key.to_vec(), tie: tie.to_vec() })
    }

    fn mac(&self, plain: &[u8]) -> [u8; MAC] {
        let mut short = [0; MAC];
        short.iter_mut().zip(self.digest(&[b"scim cursor", &self.context, plain])).for_each(|(octet, digest)| *octet = digest);
        short
    }

    /// Seals and opens: what is masked with is another for every MAC.
    fn mask(&self, mac: &[u8; MAC], octets: &mut [u8]) {
        for (number, block) in octets.chunks_mut(32).enumerate() {
            let pad = self.digest(&[b"scim cursor pad", mac, &(number as u64).to_be_bytes()]);
            block.iter_mut().zip(pad).for_each(|(octet, pad)| *octet ^= pad);
        }
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return [0; 32] };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn cursors(key: u8, context: &str, now: Timestamp) -> Cursors {
        Cursors::new([key; 32], [context.as_bytes()[0]; 32], now)
    }

    fn kind(found: Result<Position, ScimError>) -> Option<ScimType> {
        found.unwrap_err().kind
    }

    #[test]
    fn rfc9865_a_cursor_is_good_for_its_actor_and_query_until_it_expires() {
        let position = Position { key: b"key".to_vec(), tie: vec![0, 0, 0, 7] };
        let cursor = cursors(1, "a", NOW).issue(&position, 10);
        assert_eq!(cursors(1, "a", NOW).redeem(&cursor, 10), Ok(position));
        let last = NOW.plus(Duration::from_secs(CURSOR_TIMEOUT));
        assert!(cursors(1, "a", last).redeem(&cursor, 10).is_ok());
        let late = last.plus(Duration::from_secs(1));
        assert_eq!(kind(cursors(1, "a", late).redeem(&cursor, 10)), Some(ScimType::ExpiredCursor));
        assert_eq!(kind(cursors(1, "a", NOW).redeem(&cursor, 11)), Some(ScimType::InvalidCount));
        assert_eq!(kind(cursors(2, "a", NOW).redeem(&cursor, 10)), Some(ScimType::InvalidCursor), "another key");
        assert_eq!(kind(cursors(1, "b", late).redeem(&cursor, 11)), Some(ScimType::InvalidCursor), "another query");
        for at in 0..cursor.len() {
            let mut damaged = cursor.clone().into_bytes();
            damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(damaged).unwrap();
            assert_eq!(kind(cursors(1, "a", NOW).redeem(&damaged, 10)), Some(ScimType::InvalidCursor), "character {at}");
        }
        assert_eq!(kind(cursors(1, "a", NOW).redeem("AAAA", 10)), Some(ScimType::InvalidCursor));
    }

    proptest! {
        #[test]
        fn rfc9865_cursors_are_unreserved_and_say_nothing(key in prop::collection::vec(any::<u8>(), 0..600), tie in any::<[u8; 5]>()) {
            let position = Position { key, tie: tie.to_vec() };
            let cursor = cursors(1, "a", NOW).issue(&position, 10);
            prop_assert!(cursor.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet)));
            prop_assert_eq!(cursors(1, "a", NOW).redeem(&cursor, 10), Ok(position.clone()));
            // The same place masked for another query has nothing in common with it.
            let sealed = |context| URL_SAFE_NO_PAD.decode(cursors(1, context, NOW).issue(&position, 10)).unwrap();
            prop_assert_ne!(&sealed("a")[MAC..], &sealed("b")[MAC..]);
        }
    }
}
