//! How the directory is doing, looked up when somebody asks: for `cn=monitor` and `/metrics`.

use super::hash_pool::Load;
use super::{Directory, tree};
use crate::base::{EntryId, Timestamp};
use crate::domain::Licence;
use crate::model::Facts;
use std::sync::atomic::Ordering;

/// Seats of one licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatUse {
    /// The licence's DN.
    pub licence: String,
    /// Seats in use.
    pub in_use: u32,
    /// Its session limit.
    pub limit: u32,
    /// The most seats in use at one time in the present hour.
    pub peak: u32,
    /// Binds refused for want of a seat since the start.
    pub refused: u64,
}

/// How the directory is doing.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Entries.
    pub entries: usize,
    /// The suffixes, each with whether it has an entry.
    pub suffixes: Vec<(String, bool)>,
    /// Passwords being checked, and waiting to be.
    pub hashing: Load,
    /// Work that waits for the writer.
    pub write_queue: usize,
    /// Change sets since the start.
    pub changes: u64,
    /// Groups of them, each one sync.
    pub groups: u64,
    /// Background steps of the store that failed.
    pub step_failures: u64,
    /// Snapshots taken.
    pub snapshots: u64,
    /// Octets of the kept state on disk.
    pub kept_octets: u64,
    /// Whether changes are refused.
    pub read_only: bool,
    /// Letters in the outbox.
    pub outbox: usize,
    /// When the one waiting longest was put there.
    pub outbox_since: Option<Timestamp>,
    /// Tokens that end soon.
    pub tokens_ending: usize,
}

impl Directory {
    /// How it is doing now.
    pub fn telemetry(&self) -> Telemetry {
        let counts = self.store().counts();
        let suffixes = self.current().suffixes.iter().map(|suffix| (suffix.text.clone(), self.suffix_entry(suffix).is_some())).collect();
        let (outbox, outbox_since) = self.outbox_depth();
        Telemetry {
            entries: self.memory().entry_count(),
            suffixes,
            hashing: self.pool().load(),
            write_queue: self.store().waiting(),
            changes: counts.changes.load(Ordering::Relaxed),
            groups: counts.groups.load(Ordering::Relaxed),
            step_failures: counts.failures.load(Ordering::Relaxed),
            snapshots: counts.snapshots.load(Ordering::Relaxed),
            kept_octets: counts.kept_size.load(Ordering::Relaxed),
            read_only: self.read_only().is_some(),
            outbox,
            outbox_since,
            tokens_ending: self.tokens_ending(),
        }
    }

    /// The seats of every licence, those in most use first, at most `most` licences.
    pub fn seat_use(&self, most: usize) -> Vec<SeatUse> {
        let (schema, memory) = (self.schema(), self.memory());
        let mut class = Vec::new();
        if schema.normalize(schema.known().object_class, b"hcLicence", &mut class).is_err() {
            return Vec::new();
        }
        let licences = memory.equal(schema.known().object_class, &class).into_iter().filter_map(|id| memory.entry(id));
        let mut found: Vec<(EntryId, SeatUse)> = licences
            .filter_map(|entry| {
                let terms = Licence::of(schema, &entry)?.terms();
                let in_use = self.core().seats.lock().in_use(entry.id, terms.counting);
                Some((entry.id, SeatUse { licence: tree::dn_of(memory, entry.id), in_use, limit: terms.limit, peak: 0, refused: 0 }))
            })
            .collect();
        found.sort_by(|(_, left), (_, right)| right.in_use.cmp(&left.in_use).then_with(|| left.licence.cmp(&right.licence)));
        found.truncate(most);
        let with_history = |(id, seats): (EntryId, SeatUse)| {
            let (peak, refused) = self.use_now(id);
            SeatUse { peak, refused, ..seats }
        };
        found.into_iter().map(with_history).collect()
    }
}
