//! How often one peer may try, and how many mails one address gets (HF4, HB3).

use crate::base::network::peer_network;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests for a link that are worked on at one time; more are answered and dropped.
const AT_ONCE: usize = 64;
/// After so many checks the limiters forget whom they need not remember.
const SWEEP: u32 = 1_024;

/// The limiters. Who they speak of is kept as long as it counts and no longer.
pub(super) struct Limits {
    tries: DefaultKeyedRateLimiter<IpAddr>,
    asks: DefaultKeyedRateLimiter<IpAddr>,
    mails: DefaultKeyedRateLimiter<[u8; 32]>,
    work: Arc<Semaphore>,
    checks: AtomicU32,
}

const fn at_least_one(count: u32) -> NonZeroU32 {
    match NonZeroU32::new(count) {
        Some(count) => count,
        None => NonZeroU32::MIN,
    }
}

/// `burst` at once, and one more each `period`.
fn quota(period: Duration, burst: u32) -> Quota {
    let burst = at_least_one(burst);
    Quota::with_period(period).unwrap_or_else(|| Quota::per_hour(burst)).allow_burst(burst)
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tries: RateLimiter::keyed(quota(Duration::from_secs(3), 20)),
            asks: RateLimiter::keyed(quota(Duration::from_secs(6), 10)),
            mails: RateLimiter::keyed(quota(Duration::from_secs(20 * 60), 3)),
            work: Arc::new(Semaphore::new(AT_ONCE)),
            checks: AtomicU32::new(0),
        }
    }
}

/// One household counts as one peer: an IPv6 network of 64 bits, an IPv4 address.
fn peer(address: Option<IpAddr>) -> IpAddr {
    address.map_or(IpAddr::V6(Ipv6Addr::LOCALHOST), peer_network)
}

impl Limits {
    /// Whether the peer may try a password form.
    pub(super) fn may_try(&self, address: Option<IpAddr>) -> bool {
        self.sweep();
        self.tries.check_key(&peer(address)).is_ok()
    }

    /// Whether the peer may ask for a link.
    pub(super) fn may_ask(&self, address: Option<IpAddr>) -> bool {
        self.sweep();
        self.asks.check_key(&peer(address)).is_ok()
    }

    /// Whether the address, taken without regard to case, may get one more mail.
    pub(super) fn may_mail(&self, email: &str) -> bool {
        let key = Sha256::digest(email.trim().to_lowercase().as_bytes()).into();
        self.mails.check_key(&key).is_ok()
    }

    /// Room to work on a request beside the answer.
    pub(super) fn begin(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.work).try_acquire_owned().ok()
    }

    fn sweep(&self) {
        if self.checks.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.tries.retain_recent();
            self.asks.retain_recent();
            self.mails.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hf4_an_address_gets_few_mails_and_a_peer_few_tries() {
        let limits = Limits::default();
        let mails = ["ann@example.com", "ANN@example.com ", "Ann@Example.com", "ann@example.com"];
        assert_eq!(mails.map(|email| limits.may_mail(email)), [true, true, true, false]);
        assert!(limits.may_mail("bob@example.com"));
        let near = |last: u16| Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last)));
        assert_eq!((0..12).filter(|last| limits.may_ask(near(*last))).count(), 10, "one network counts as one peer");
        assert!(limits.may_ask("192.0.2.1".parse().ok()));
        assert!(!limits.may_ask(near(99)));
    }
}
