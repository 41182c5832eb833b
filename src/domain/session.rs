//! A live session as connections hold it. Its idle clock is an atomic, so that an operation costs one store
//! and no lock; the seat book reads it when it decides.

use crate::base::clock::Moment;
use crate::base::{EntryId, Timestamp};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

/// A live session. Moments are monotonic milliseconds; those before the daemon began are negative.
#[derive(Debug)]
pub struct SessionHandle {
    /// The session's entry.
    pub entry: EntryId,
    /// Its id (`hcSessionId`).
    pub id: Box<str>,
    started: i64,
    last_activity: AtomicI64,
    connections: AtomicU32,
    ending: AtomicBool,
    ended: AtomicBool,
    /// Who ended it and why, in words for its user.
    farewell: OnceLock<Box<str>>,
}

impl SessionHandle {
    /// A session that begins now.
    pub fn new(entry: EntryId, id: &str, now: Moment) -> Self {
        let now = millis(now.monotonic);
        Self::with(entry, id, now, now)
    }

    /// A session read from disk: the time the daemon was down counts as idle (S10). A moment the wall clock has not
    /// reached yet counts as now, so that a clock set back frees nobody and keeps nobody longer than from now.
    pub fn restored(entry: EntryId, id: &str, started: Timestamp, last_activity: Timestamp, now: Moment) -> Self {
        let at = |wall: Timestamp| millis(now.monotonic).saturating_sub(millis(now.wall.since(wall)));
        Self::with(entry, id, at(started), at(last_activity))
    }

    fn with(entry: EntryId, id: &str, started: i64, last_activity: i64) -> Self {
        Self {
            entry,
            id: id.into(),
            started,
            last_activity: AtomicI64::new(last_activity),
            connections: AtomicU32::new(0),
            ending: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            farewell: OnceLock::new(),
        }
    }

    /// Notes activity at a monotonic time.
    pub fn touch(&self, monotonic: Duration) {
        self.last_activity.fetch_max(millis(monotonic), Ordering::Relaxed);
    }

    /// How long it has been idle at a monotonic time.
    pub fn idle(&self, monotonic: Duration) -> Duration {
        distance(millis(monotonic), self.last_activity())
    }

    /// How long ago it began, at a monotonic time.
    pub fn age(&self, monotonic: Duration) -> Duration {
        distance(millis(monotonic), self.started)
    }

    /// The wall clock's time of the last activity, to be shown and kept.
    pub fn last_activity_at(&self, now: Moment) -> Timestamp {
        now.wall.minus(self.idle(now.monotonic))
    }

    /// Monotonic milliseconds of the last activity; only good to see whether it has moved.
    pub(super) fn last_activity(&self) -> i64 {
        self.last_activity.load(Ordering::Relaxed)
    }

    /// A connection holds it now.
    pub fn attach(&self) {
        self.connections.fetch_add(1, Ordering::AcqRel);
    }

    /// A connection that held it is gone; whether it was the last one.
    pub fn detach(&self) -> bool {
        let before = self.connections.fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| held.checked_sub(1));
        before == Ok(1)
    }

    /// How many connections hold it.
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Acquire)
    }

    /// Says who ends it and why (S16), before it is marked as ended; the first words count.
    pub fn say(&self, words: &str) {
        self.farewell.get_or_init(|| words.into());
    }

    /// Who ended it and why, where that was said.
    pub fn farewell(&self) -> Option<&str> {
        self.farewell.get().map(|words| &**words)
    }

    /// It ends as soon as that is durable: nobody is seated on it from here on.
    pub fn begin_ending(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// It goes on after all, because its end could not be written.
    pub fn go_on(&self) {
        self.ending.store(false, Ordering::Release);
    }

    /// Whether its end is being written, or was.
    pub fn is_ending(&self) -> bool {
        self.has_ended() || self.ending.load(Ordering::Acquire)
    }

    /// Marks it as ended; connections that hold it see so at their next step.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether it was ended.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn distance(later: i64, earlier: i64) -> Duration {
    Duration::from_millis(u64::try_from(later.saturating_sub(earlier)).unwrap_or(0))
}
