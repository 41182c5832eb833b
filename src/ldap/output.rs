//! What a connection has yet to send, and the sink that a search writes into it.

use super::encode::{put_entry, put_reference};
use crate::base::counts::COUNTS;
use crate::directory::{EntrySink, Visible};
use zeroize::Zeroize;

/// No more is put in by choice once so many octets wait; what is being written may go over by one entry.
pub(crate) const HIGH_WATER: usize = 64 << 10;
/// What one search may put in before another of the same connection has its turn.
const QUANTUM: usize = 16 << 10;
/// Room that an unused connection may keep.
const KEPT: usize = 4 << 10;

/// Octets on their way to the peer.
#[derive(Default)]
pub(crate) struct Output {
    /// Everything since the buffer was last empty; responses are appended here.
    pub(crate) octets: Vec<u8>,
    /// Whether there may be a password in it, so that it is wiped once it is sent.
    pub(crate) is_sensitive: bool,
    sent: usize,
    found: Found,
}

/// What searches put in and is not counted yet.
#[derive(Default)]
struct Found {
    entries: u64,
    references: u64,
}

impl Output {
    /// What is still to be sent.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.octets.get(self.sent..).unwrap_or_default()
    }

    /// Whether all was sent.
    pub(crate) const fn is_empty(&self) -> bool {
        self.octets.len() == self.sent
    }

    /// Whether more may be put in.
    pub(crate) const fn has_room(&self) -> bool {
        self.octets.len() - self.sent < HIGH_WATER
    }

    /// Notes that so many octets went.
    pub(crate) fn sent(&mut self, count: usize) {
        let Found { entries, references } = std::mem::take(&mut self.found);
        COUNTS.octets_out.add(count as u64);
        if entries + references > 0 {
            COUNTS.entries.add(entries);
            COUNTS.references.add(references);
            COUNTS.messages.add(entries + references);
        }
        self.sent += count;
        if self.is_empty() {
            self.clear();
        }
    }

    /// Forgets all that was not sent.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.is_sensitive) {
            self.octets.zeroize();
        }
        self.octets.clear();
        self.sent = 0;
        if self.octets.capacity() > 4 * HIGH_WATER {
            self.octets = Vec::new();
        }
    }

    /// Gives back memory that a quiet connection does not need.
    pub(crate) fn shrink(&mut self) {
        if self.octets.is_empty() && self.octets.capacity() > KEPT {
            self.octets = Vec::new();
        }
    }

    /// A sink for the entries of the search with this message id.
    pub(crate) fn sink(&mut self, id: i32) -> Sink<'_> {
        if self.sent > 0 {
            self.octets.drain(..self.sent);
            self.sent = 0;
        }
        let full_at = self.octets.len() + QUANTUM;
        Sink { out: &mut self.octets, id, full_at, found: &mut self.found }
    }
}

/// Writes what a search finds.
pub(crate) struct Sink<'a> {
    out: &'a mut Vec<u8>,
    id: i32,
    full_at: usize,
    found: &'a mut Found,
}

impl EntrySink for Sink<'_> {
    fn entry(&mut self, entry: &Visible<'_>) {
        self.found.entries += 1;
        put_entry(self.out, self.id, entry);
    }

    fn reference(&mut self, urls: &[String]) {
        self.found.references += 1;
        put_reference(self.out, self.id, urls);
    }

    fn is_full(&self) -> bool {
        self.out.len() >= self.full_at
    }
}
