//! What a connection counts: its operations with their latency, and whether somebody is signed in.

use crate::base::Clock;
use crate::base::counts::{COUNTS, OperationCounts};
use crate::ldap::frame::Operation;
use ldap3_proto::proto::LdapResultCode;
use std::time::Duration;

/// The operations under way, and whether the connection counts as bound. Dropping it takes the connection out of the counts.
pub(super) struct Tally {
    /// Message id, operation, and when it began.
    waiting: Vec<(i32, Operation, Duration)>,
    bound: bool,
}

impl Default for Tally {
    fn default() -> Self {
        COUNTS.connections.one();
        COUNTS.open.add(1);
        Self { waiting: Vec::new(), bound: false }
    }
}

fn counts(operation: Operation) -> Option<&'static OperationCounts> {
    COUNTS.operations.get(operation.index())
}

impl Tally {
    /// An operation was taken.
    pub(super) fn begun(&mut self, id: i32, operation: Operation, now: Duration) {
        let Some(counts) = counts(operation) else { return };
        counts.initiated.one();
        match operation.response_tag() {
            Some(_) => self.waiting.push((id, operation, now)),
            None => counts.completed.one(),
        }
    }

    /// An operation was answered.
    pub(super) fn answered(&mut self, id: i32, operation: Operation, code: &LdapResultCode, clock: &dyn Clock) {
        COUNTS.messages.one();
        let Some(counts) = counts(operation) else { return };
        counts.completed.one();
        if !matches!(
            code,
            LdapResultCode::Success | LdapResultCode::CompareTrue | LdapResultCode::CompareFalse | LdapResultCode::SaslBindInProgress
        ) {
            counts.failed.one();
        }
        if operation == Operation::Bind {
            count_bind(code);
        }
        if let Some(at) = self.waiting.iter().position(|(waiting, ..)| *waiting == id) {
            let (.., began) = self.waiting.swap_remove(at);
            counts.latency.observe(clock.monotonic().saturating_sub(began));
        }
    }

    /// An operation has ended and gets no answer: a search was abandoned.
    pub(super) fn dropped(&mut self, id: i32) {
        self.waiting.extract_if(.., |(waiting, ..)| *waiting == id).for_each(|(_, operation, _)| ended(operation));
    }

    /// Somebody has signed in, or is no longer.
    pub(super) fn bound(&mut self, bound: bool) {
        if bound != self.bound {
            self.bound = bound;
            COUNTS.bound.add(if bound { 1 } else { -1 });
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.bound(false);
        self.waiting.drain(..).for_each(|(_, operation, _)| ended(operation));
        COUNTS.open.add(-1);
    }
}

/// What nobody is told the end of is not under way any more either.
fn ended(operation: Operation) {
    if let Some(counts) = counts(operation) {
        counts.completed.one();
    }
}

/// Counts the end of a bind, in the order of [`BIND_RESULTS`](crate::base::counts::BIND_RESULTS).
fn count_bind(code: &LdapResultCode) {
    let at = match code {
        LdapResultCode::Success => 0,
        LdapResultCode::InvalidCredentials => 1,
        LdapResultCode::AdminLimitExceeded => 2,
        LdapResultCode::Busy => 3,
        LdapResultCode::ConfidentialityRequired => 4,
        LdapResultCode::SaslBindInProgress => return,
        _ => 5,
    };
    if let Some(counter) = COUNTS.binds.get(at) {
        counter.one();
    }
}
