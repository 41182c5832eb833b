//! Cookies of content sync (RFC 4533 §2.1.2). A cookie says up to which revision its holder has everything, and is good
//! for one content, one caller and the rights that caller had.
//!
//! It is written as a change sequence number (`csn=`, after the `rid=` that the consumer sent), because slapd keeps
//! nothing else of a cookie and sends that back:
//!
//! ```text
//! 20260102030405.678912Z # 5f2c01 # 000 # 90ab37
//!        time it was made   sealed   sid   MAC
//!                          position
//! ```
//!
//! Times never go back or stand still within one sync, so that a later cookie is the greater one. The position is sealed,
//! since how many changes there were is nobody's business (O1). Its 24 bits are completed from the newest revision, and
//! the MAC is over the whole number. A cookie that does not fit is stale, never an error: its holder starts anew.

use crate::base::{Clock, Timestamp};
use crate::store::Revision;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::sync::Arc;

/// The server id in cookies and in every entryCSN: slapd deletes an entry only where its cookie covers the entry's CSN.
const SID: &str = "000";
/// Octets of a CSN.
const LENGTH: usize = 40;
const LOW: u64 = 0x00ff_ffff;
/// How far two times of one sync are apart at least, in microseconds.
const STEP: u64 = 8;

/// The cookies of one sync.
pub(super) struct Cookies {
    key: [u8; 32],
    /// What the cookies are for: content, caller and rights.
    context: [u8; 32],
    /// `rid=001,` as the consumer sent it.
    prefix: String,
    clock: Arc<dyn Clock>,
    /// The last time given, in microseconds.
    last: u64,
    /// The time of the last cookie that the consumer got, in microseconds.
    covered: u64,
}

/// What a cookie says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redeemed {
    /// Everything up to this revision is known.
    Known(Revision),
    /// Nothing: there is no position in it.
    Nothing,
    /// It is of another content, caller, store or time.
    Stale,
}

impl Cookies {
    pub(super) fn new(key: [u8; 32], context: [u8; 32], clock: Arc<dyn Clock>) -> Self {
        Self { key, context, prefix: String::new(), clock, last: 0, covered: 0 }
    }

    /// Reads the cookie of a consumer; `newest` is the revision of now.
    pub(super) fn redeem(&mut self, cookie: &[u8], newest: Revision) -> Redeemed {
        let Ok(text) = std::str::from_utf8(cookie) else { return Redeemed::Stale };
        let rid = text.split(',').find(|part| part.strip_prefix("rid=").is_some_and(|rid| rid.bytes().all(|octet| octet.is_ascii_digit())));
        self.prefix = rid.filter(|rid| rid.len() <= 12).map_or_else(String::new, |rid| format!("{rid},"));
        let Some(csn) = text.split(',').find_map(|part| part.strip_prefix("csn=")) else {
            return if rid.is_some() || text.is_empty() { Redeemed::Nothing } else { Redeemed::Stale };
        };
        let Some(parts) = Parts::read(csn) else { return Redeemed::Stale };
        // Whatever becomes of it, what we give from now on is greater.
        self.last = self.last.max(parts.time);
        self.covered = parts.time;
        let newest = u64::try_from(newest.0).unwrap_or(u64::MAX);
        let low = parts.sealed ^ self.pad(parts.text, parts.mac);
        let position = Some((newest & !LOW) | low).filter(|position| *position <= newest);
        match position.or_else(|| ((newest & !LOW) | low).checked_sub(LOW + 1)) {
            Some(position) if self.mac(parts.text, position) == parts.mac => Redeemed::Known(Revision(u128::from(position))),
            Some(_) | None => Redeemed::Stale,
        }
    }

    /// A cookie for who has everything up to `position`.
    pub(super) fn issue(&mut self, position: Revision) -> String {
        let position = u64::try_from(position.0).unwrap_or(u64::MAX);
        self.covered = self.tick();
        let time = written(self.covered);
        let mac = self.mac(&time, position);
        let sealed = (position & LOW) ^ self.pad(&time, mac);
        format!("{}csn={time}#{sealed:06x}#{SID}#{mac:06x}", self.prefix)
    }

    /// The entryCSN to send in the place of an entry's own, where that will not do: slapd takes an entry only with a CSN
    /// above the one of its cookie and above the one it has of the entry. What comes into the content may be old, and what
    /// an entry shows changes without the entry when a member is renamed or deleted; so it gets the time it is sent at.
    pub(super) fn exchanged_csn(&mut self, csn: &str) -> Option<String> {
        let time = micros(csn.split('#').next()?)?;
        (time <= self.covered).then(|| format!("{}#000000#{SID}#000000", written(self.tick())))
    }

    /// The next time, in microseconds: later than all before.
    fn tick(&mut self) -> u64 {
        self.last = self.clock.now().millis().saturating_mul(1_000).max(self.last.saturating_add(STEP));
        self.last
    }

    fn mac(&self, time: &str, position: u64) -> u64 {
        self.digest(&[b"position", &self.context, time.as_bytes(), &position.to_be_bytes()])
    }

    fn pad(&self, time: &str, mac: u64) -> u64 {
        self.digest(&[b"pad", time.as_bytes(), &mac.to_be_bytes()])
    }

    /// 24 bits of HMAC-SHA-256.
    fn digest(&self, parts: &[&[u8]]) -> u64 {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return 0 };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().iter().take(3).fold(0, |sum, octet| sum << 8 | u64::from(*octet))
    }
}

/// A CSN of ours, taken apart.
struct Parts<'a> {
    text: &'a str,
    /// In microseconds.
    time: u64,
    sealed: u64,
    mac: u64,
}

impl<'a> Parts<'a> {
    fn read(csn: &'a str) -> Option<Self> {
        let mut parts = csn.split('#');
        let text = parts.next()?;
        let number = |text: &str| (text.len() == 6).then(|| u64::from_str_radix(text, 16).ok()).flatten();
        let (sealed, sid, mac) = (number(parts.next()?)?, parts.next()?, number(parts.next()?)?);
        (csn.len() == LENGTH && sid == SID && parts.next().is_none()).then_some(())?;
        Some(Self { text, time: micros(text)?, sealed, mac })
    }
}

/// `20260102030405.678912Z`.
fn written(micros: u64) -> String {
    let millis = Timestamp::from_millis(micros / 1_000).generalized_millis();
    format!("{}{:03}Z", millis.trim_end_matches('Z'), micros % 1_000)
}

/// The time of a CSN in microseconds.
fn micros(text: &str) -> Option<u64> {
    let (millis, rest) = text.split_at_checked(18)?;
    let micros: u64 = rest.strip_suffix('Z').filter(|rest| rest.len() == 3)?.parse().ok()?;
    Timestamp::parse_generalized(&format!("{millis}Z"))?.millis().checked_mul(1_000)?.checked_add(micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ManualClock;

    fn cookies(key: u8, context: u8, at: u64) -> Cookies {
        Cookies::new([key; 32], [context; 32], Arc::new(ManualClock::at(Timestamp::from_millis(at))))
    }

    const fn revision(position: u64) -> Revision {
        Revision(position as u128)
    }

    #[test]
    fn rfc4533_a_cookie_is_good_for_its_content_and_caller_only() {
        for (position, newest) in [(0, 0), (7, 7), (7, 9), (0x00ff_ffff, 0x0100_0000), (0x1234_5678, 0x1300_0001)] {
            let cookie = cookies(1, 1, 1_800_000_000_000).issue(revision(position));
            assert_eq!(cookies(1, 1, 0).redeem(cookie.as_bytes(), revision(newest)), Redeemed::Known(revision(position)));
            assert_eq!(cookies(2, 1, 0).redeem(cookie.as_bytes(), revision(newest)), Redeemed::Stale, "another key");
            assert_eq!(cookies(1, 2, 0).redeem(cookie.as_bytes(), revision(newest)), Redeemed::Stale, "another content");
        }
        let cookie = cookies(1, 1, 1_800_000_000_000).issue(revision(50));
        assert_eq!(cookies(1, 1, 0).redeem(cookie.as_bytes(), revision(49)), Redeemed::Stale, "of a time to come");
        for at in 0..cookie.len() {
            let mut damaged = cookie.clone().into_bytes();
            damaged[at] ^= 1;
            assert_eq!(cookies(1, 1, 0).redeem(&damaged, revision(60)), Redeemed::Stale, "octet {at}");
        }
        assert_eq!(cookies(1, 1, 0).redeem(b"", revision(60)), Redeemed::Nothing);
        assert_eq!(cookies(1, 1, 0).redeem(b"rid=001", revision(60)), Redeemed::Nothing);
        assert_eq!(cookies(1, 1, 0).redeem(b"\xff", revision(60)), Redeemed::Stale);
    }

    #[test]
    fn rfc4533_cookies_grow_though_the_clock_goes_back_and_keep_what_slapd_needs() {
        let first = cookies(1, 1, 1_800_000_000_000).issue(revision(50));
        let mut later = cookies(1, 1, 0);
        let from_slapd = format!("rid=001,{first}");
        assert_eq!(later.redeem(from_slapd.as_bytes(), revision(50)), Redeemed::Known(revision(50)));
        let (second, third) = (later.issue(revision(50)), later.issue(revision(50)));
        assert!(from_slapd < second && second < third, "{from_slapd} {second} {third}");
        assert_eq!(later.redeem(third.as_bytes(), revision(51)), Redeemed::Known(revision(50)));
    }

    #[test]
    fn rfc4533_an_entry_is_sent_with_its_own_csn_or_with_one_above_the_last_cookie() {
        let mut cookies = cookies(1, 1, 1_767_323_045_000);
        let (old, new) = ("20260102030404.678000Z#000000#000#000000", "20260102030406.000000Z#000000#000#000000");
        assert_eq!(cookies.exchanged_csn(old), None, "the consumer has nothing yet");
        let cookie = cookies.issue(revision(1));
        assert_eq!(cookies.exchanged_csn(new), None);
        let first = cookies.exchanged_csn(old).unwrap();
        let second = cookies.exchanged_csn(old).unwrap();
        assert!(cookie.trim_start_matches("csn=") < first.as_str() && first < second, "{cookie} {first} {second}");
        assert!(second.as_str() < cookies.issue(revision(1)).trim_start_matches("csn="));
        assert_eq!(cookies.exchanged_csn("what an import gave"), None);
    }
}
