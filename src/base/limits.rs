//! The default limits (hardening §5). A config may change each; a client may only lower them.

use std::time::Duration;

/// The deepest filter that a config may allow: what looks at filters recurses, and half a stack is enough for this (HA1).
pub const DEEPEST_FILTER: usize = 64;
/// The deepest BER that a config may allow.
pub const DEEPEST_BER: usize = 128;

/// Bounds on what one peer may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one LDAP message before a bind.
    pub message_anonymous: usize,
    /// Octets of one LDAP message after a bind.
    pub message_bound: usize,
    /// How deep a filter may nest.
    pub filter_depth: usize,
    /// How many items a filter may hold.
    pub filter_elements: usize,
    /// How deep BER may nest.
    pub ber_depth: usize,
    /// Controls of one operation.
    pub controls: usize,
    /// Operations of one connection under way before a bind.
    pub pending_anonymous: usize,
    /// Operations of one connection under way after a bind.
    pub pending_bound: usize,
    /// Entries one search returns, or one page.
    pub size: usize,
    /// Entries all pages of one search return together.
    pub paged_size: usize,
    /// Entries one search looks at, of those that the reader may know of; not where the indexes answer all of the filter.
    pub look_through: usize,
    /// How long one search runs.
    pub time: Duration,
    /// How long a connection without a bind may be silent.
    pub idle_anonymous: Duration,
    /// How long a connection with a bind may be silent.
    pub idle_bound: Duration,
    /// How long a peer may leave its answers unread.
    pub write_stall: Duration,
    /// Connections in all.
    pub connections: usize,
    /// Connections from one address; loopback is not counted.
    pub connections_per_address: usize,
    /// Octets of an entry, links aside; the operator's are not bounded.
    pub entry: usize,
    /// Octets of a password.
    pub password: usize,
    /// Persistent searches and content syncs of one connection.
    pub followers_per_connection: usize,
    /// Persistent searches and content syncs of one organisation, or of those who belong to none; the operator's are not
    /// counted.
    pub followers_per_organisation: usize,
    /// Persistent searches and content syncs of all who are not bound.
    pub followers_anonymous: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_anonymous: 64 << 10,
            message_bound: 4 << 20,
            filter_depth: 32,
            filter_elements: 512,
            ber_depth: 64,
            controls: 10,
            pending_anonymous: 16,
            pending_bound: 256,
            size: 1_000,
            paged_size: usize::MAX,
            look_through: 10_000,
            time: Duration::from_secs(30),
            idle_anonymous: Duration::from_secs(30),
            idle_bound: Duration::from_secs(15 * 60),
            write_stall: Duration::from_secs(10),
            connections: 12_000,
            connections_per_address: 1_024,
            entry: 4 << 20,
            password: 1_024,
            followers_per_connection: 16,
            followers_per_organisation: 256,
            followers_anonymous: 16,
        }
    }
}

impl Limits {
    /// What of it bounds the searches of somebody who is signed in, or of somebody who is not.
    pub const fn of_searches(&self, signed_in: bool) -> SearchLimits {
        SearchLimits {
            size: self.size,
            paged_size: self.paged_size,
            look_through: self.look_through,
            time: self.time,
            pending: if signed_in { self.pending_bound } else { self.pending_anonymous },
        }
    }
}

/// Bounds that may differ by who asks: the fields of [`Limits`] with these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchLimits {
    /// Entries one search returns, or one page.
    pub size: usize,
    /// Entries all pages of one search return together.
    pub paged_size: usize,
    /// Entries one search looks at.
    pub look_through: usize,
    /// How long one search runs.
    pub time: Duration,
    /// Operations of one connection under way.
    pub pending: usize,
}

impl SearchLimits {
    /// None at all.
    pub const NONE: Self =
        Self { size: usize::MAX, paged_size: usize::MAX, look_through: usize::MAX, time: Duration::MAX, pending: usize::MAX };

    /// Of each bound the lower one.
    #[must_use]
    pub fn at_most(self, other: Self) -> Self {
        Self {
            size: self.size.min(other.size),
            paged_size: self.paged_size.min(other.paged_size),
            look_through: self.look_through.min(other.look_through),
            time: self.time.min(other.time),
            pending: self.pending.min(other.pending),
        }
    }
}
