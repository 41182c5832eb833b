//! How fast this machine makes hashes of ours, so that other schemes can be reckoned in the same unit.

use crate::base::{Clock, SystemClock};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Measures. The unit of work is that of the effort of argon2id.
#[derive(Default)]
pub(super) struct Pace {
    clock: SystemClock,
    /// Nanoseconds for 1 024 units, averaged; 0 until something was measured.
    nanos: AtomicU64,
}

impl Pace {
    /// Does something and answers how long it took.
    pub(super) fn time<T>(&self, action: impl FnOnce() -> T) -> (T, Duration) {
        let began = self.clock.monotonic();
        let done = action();
        (done, self.clock.monotonic().saturating_sub(began))
    }

    /// Notes that so much work took so long.
    pub(super) fn learn(&self, work: u64, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let measured = took.saturating_mul(1_024) / work.max(1);
        let known = self.nanos.load(Ordering::Relaxed);
        let average = if known == 0 { measured } else { known - known / 8 + measured / 8 };
        self.nanos.store(average, Ordering::Relaxed);
    }

    /// How much work could have been done in that time; none as long as nothing is known.
    pub(super) fn work_in(&self, time: Duration) -> u64 {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match self.nanos.load(Ordering::Relaxed) {
            0 => 0,
            pace => nanos.saturating_mul(1_024) / pace,
        }
    }
}
