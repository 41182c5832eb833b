//! What the server counts while it works, for `cn=monitor` and `/metrics`. Every layer may count here; counting is one
//! relaxed atomic and never waits. The numbers are of the process, since its start.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Puts another number in its place: for the time something last happened.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that grows and shrinks.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    const fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    /// Adds, or takes away.
    pub fn add(&self, count: i64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the buckets of a [`Histogram`], in microseconds; one bucket more is for all above.
pub const BOUNDS: [u64; 14] = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 25_000, 100_000, 250_000, 1_000_000, 5_000_000];

/// How long something took.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    const fn new() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BOUNDS.len() + 1], micros: AtomicU64::new(0) }
    }

    /// One took so long.
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// How many there were in each bucket, and how long all took together.
    pub fn read(&self) -> ([u64; BOUNDS.len() + 1], Duration) {
        let mut counts = [0; BOUNDS.len() + 1];
        counts.iter_mut().zip(&self.buckets).for_each(|(count, bucket)| *count = bucket.load(Ordering::Relaxed));
        (counts, Duration::from_micros(self.micros.load(Ordering::Relaxed)))
    }
}

/// The operations of LDAP, as `cn=monitor` calls them, in the order of [`Counts::operations`].
pub const OPERATIONS: [&str; 10] = ["Bind", "Unbind", "Search", "Compare", "Modify", "Modrdn", "Add", "Delete", "Abandon", "Extended"];

/// One kind of operation.
#[derive(Debug, Default)]
pub struct OperationCounts {
    /// Begun.
    pub initiated: Counter,
    /// Ended.
    pub completed: Counter,
    /// Ended with anything but success (compare: true or false).
    pub failed: Counter,
    /// From the message to its answer.
    pub latency: Histogram,
}

/// How binds end, in the order of [`Counts::binds`].
pub const BIND_RESULTS: [&str; 6] = ["success", "invalid_credentials", "session_limit", "busy", "confidentiality_required", "other"];

/// Classes of HTTP status, in the order of [`Counts::http`].
pub const HTTP_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Everything that is counted.
#[derive(Debug)]
pub struct Counts {
    /// LDAP, by kind of operation.
    pub operations: [OperationCounts; OPERATIONS.len()],
    /// Binds by result.
    pub binds: [Counter; BIND_RESULTS.len()],
    /// LDAP connections that were accepted.
    pub connections: Counter,
    /// LDAP connections that are open.
    pub open: Gauge,
    /// LDAP connections on which somebody has signed in.
    pub bound: Gauge,
    /// LDAP connections that were refused because there were too many.
    pub refused: Counter,
    /// Times that a listener could not accept, for want of descriptors mostly.
    pub not_accepted: Counter,
    /// Octets read from LDAP peers, after TLS.
    pub octets_in: Counter,
    /// Octets written to LDAP peers, before TLS.
    pub octets_out: Counter,
    /// LDAP messages written.
    pub messages: Counter,
    /// Entries sent by searches.
    pub entries: Counter,
    /// References sent by searches.
    pub references: Counter,
    /// HTTP answers by class of status.
    pub http: [Counter; HTTP_CLASSES.len()],
    /// From an HTTP request to the head of its answer.
    pub http_latency: Histogram,
    /// Costly hashes that were begun, to check passwords and to keep them.
    pub hashes: Counter,
    /// Passwords that were not checked because too many waited.
    pub shed: Counter,
    /// Logins refused or delayed because of failures before.
    pub throttled: Counter,
    /// Journal writes with their sync.
    pub flush: Histogram,
    /// When the store last brought what it keeps up to date, milliseconds since the epoch.
    pub flushed_at: Counter,
    /// The change of the last audit record in the audit file.
    pub audited: Counter,
    /// Whether the audit log was found changed, 1 or 0, by the last look at it or at its opening.
    pub audit_broken: Counter,
    /// When the audit log was last looked through and found good, milliseconds since the epoch; 0 for never.
    pub audit_verified_at: Counter,
    /// Provisioning clients that were paused at their ceiling of deactivations.
    pub clients_paused: Counter,
    /// Requests of clients that were refused because they were over their rate.
    pub over_rate: Counter,
    /// Panics anywhere.
    pub panics: Counter,
    /// Configs taken over since the start, the first included.
    pub config_generation: Counter,
    /// Changed configs that were refused.
    pub config_refused: Counter,
    /// When the last backup was finished, milliseconds since the epoch; 0 for never.
    pub backup_at: Counter,
    /// Backups that failed.
    pub backup_failed: Counter,
}

/// The counts of this process.
pub static COUNTS: Counts = Counts {
    operations: [const {
        OperationCounts { initiated: Counter::new(), completed: Counter::new(), failed: Counter::new(), latency: Histogram::new() }
    }; OPERATIONS.len()],
    binds: [const { Counter::new() }; BIND_RESULTS.len()],
    connections: Counter::new(),
    open: Gauge::new(),
    bound: Gauge::new(),
    refused: Counter::new(),
    not_accepted: Counter::new(),
    octets_in: Counter::new(),
    octets_out: Counter::new(),
    messages: Counter::new(),
    entries: Counter::new(),
    references: Counter::new(),
    http: [const { Counter::new() }; HTTP_CLASSES.len()],
    http_latency: Histogram::new(),
    hashes: Counter::new(),
    shed: Counter::new(),
    throttled: Counter::new(),
    flush: Histogram::new(),
    flushed_at: Counter::new(),
    audited: Counter::new(),
    audit_broken: Counter::new(),
    audit_verified_at: Counter::new(),
    clients_paused: Counter::new(),
    over_rate: Counter::new(),
    panics: Counter::new(),
    config_generation: Counter::new(),
    config_refused: Counter::new(),
    backup_at: Counter::new(),
    backup_failed: Counter::new(),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_puts_each_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for micros in [0, 10, 11, 5_000_000, 5_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let (counts, sum) = histogram.read();
        assert_eq!((counts[0], counts[1], counts[13], counts[14]), (2, 1, 1, 1));
        assert_eq!(sum, Duration::from_micros(10_000_022));
    }
}
