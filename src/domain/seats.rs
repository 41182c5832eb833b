//! Seats: how many may be in at one time (domain rules S1–S11, S15).
//!
//! The book is a pure state machine. The directory keeps one, asks it on the writer thread, and writes the session
//! entries in the same step: [`SeatBook::acquire`] decides and changes nothing, [`SeatBook::begin`] and
//! [`SeatBook::end`] follow what was written. Distances in time are counted on the monotonic clock, so that a
//! jump of the wall clock neither frees nor freezes a seat (HG4); only the dates of a licence ask the wall clock.
//!
//! What takes one seat is a *holder*: a user where users are counted, a user on one client where sessions are.

use super::session::SessionHandle;
use super::shares::Share;
use crate::base::clock::Moment;
use crate::base::{EntryId, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What takes a seat (S2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// Each distinct user, however many connections.
    #[default]
    Users,
    /// Each user on each client.
    Sessions,
}

/// When a session that nobody ended is over (S5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// When it was idle for the idle timeout.
    #[default]
    Idle,
    /// When its last connection is gone; after a restart of the daemon, when it was idle for the idle timeout.
    Disconnect,
}

/// What happens when the licence is full (S8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Nobody more.
    #[default]
    Deny,
    /// The holder idle longest gives way, if it was idle for at least this long.
    EndOldestIdle(Duration),
    /// This many more, each one recorded.
    Overdraft(u32),
}

/// The terms of a licence, as its entry says them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenceTerms {
    /// The session limit, at least 1.
    pub limit: u32,
    /// What takes a seat.
    pub counting: Counting,
    /// How long a session may be idle.
    pub idle_timeout: Duration,
    /// When a session that nobody ended is over.
    pub release: Release,
    /// What happens when it is full.
    pub when_full: WhenFull,
    /// Sessions one user may have.
    pub per_user: Option<u32>,
    /// How long a session lasts at most.
    pub maximum_age: Option<Duration>,
    /// Seats in use at which administrators are told (S14).
    pub soft_limit: Option<u32>,
    /// Counts and reports, but refuses nobody.
    pub report_only: bool,
    /// Admits nobody before.
    pub start: Option<Timestamp>,
    /// Admits nobody from then on.
    pub end: Option<Timestamp>,
}

impl Default for LicenceTerms {
    fn default() -> Self {
        Self {
            limit: 1,
            counting: Counting::Users,
            idle_timeout: Duration::from_secs(30 * 60),
            release: Release::Idle,
            when_full: WhenFull::Deny,
            per_user: None,
            maximum_age: None,
            soft_limit: None,
            report_only: false,
            start: None,
            end: None,
        }
    }
}

impl LicenceTerms {
    /// Whether a session is over by these terms.
    pub fn is_over(&self, session: &SessionHandle, monotonic: Duration) -> bool {
        let held = self.release == Release::Disconnect && session.connections() > 0;
        session.is_ending()
            || (!held && session.idle(monotonic) >= self.idle_timeout)
            || self.maximum_age.is_some_and(|age| session.age(monotonic) >= age)
    }

    /// When a session is over if nothing happens.
    pub fn over_at(&self, session: &SessionHandle, now: Moment) -> Timestamp {
        let idle = now.wall.plus(self.idle_timeout.saturating_sub(session.idle(now.monotonic)));
        let aged = self.maximum_age.map(|age| now.wall.plus(age.saturating_sub(session.age(now.monotonic))));
        aged.map_or(idle, |aged| aged.min(idle))
    }
}

/// Which limit refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The session limit of the licence (S1).
    Licence,
    /// The session limit, because what is left of it is reserved for others (S14).
    Reserved,
    /// The most of this share, by its place in the list (S14).
    Share(usize),
    /// The cap on sessions of one user (S2).
    User,
}

/// What the book says to somebody who wants a seat.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Has one already: nothing to write.
    Seated(Arc<SessionHandle>),
    /// May take one.
    Granted {
        /// Sessions that are over or give way; they are to be ended in the same step.
        end: Vec<Arc<SessionHandle>>,
        /// Whether this goes beyond the session limit, by overdraft or because the licence only reports.
        over_limit: bool,
    },
    /// No seat (S4).
    Refused {
        /// Which limit.
        bound: Bound,
        /// What it is.
        limit: u32,
        /// What is in use.
        in_use: u32,
    },
    /// The licence does not admit anybody now: it has not begun, or it has ended (O3).
    Closed {
        /// Whether it is still to begin.
        not_begun: bool,
    },
}

/// A session in the book.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The live session.
    pub session: Arc<SessionHandle>,
    /// The licence it draws on.
    pub licence: EntryId,
    /// Whose it is.
    pub user: EntryId,
    /// The client: an application and an address, or an id the application sent (S2).
    pub client: Box<str>,
}

struct Kept {
    seat: Seat,
    /// The last activity that was handed out to be saved.
    saved: i64,
}

#[derive(Default)]
struct Sheet {
    /// Sessions by user; no list is empty.
    users: HashMap<EntryId, Vec<EntryId>>,
    sessions: usize,
}

/// Who sits where.
#[derive(Default)]
pub struct SeatBook {
    seats: HashMap<EntryId, Kept>,
    sheets: HashMap<EntryId, Sheet>,
    /// Wall minus monotonic milliseconds when activity was last handed out to be saved.
    saved_offset: Option<i128>,
}

/// A holder of one seat, with all the sessions it rests on.
struct Holder<'a> {
    sessions: Vec<&'a Seat>,
}

impl Holder<'_> {
    fn is_of(&self, share: &Share<'_>) -> bool {
        self.sessions.first().is_some_and(|seat| share.has(seat.user))
    }

    fn idle(&self, monotonic: Duration) -> Duration {
        self.sessions.iter().map(|seat| seat.session.idle(monotonic)).min().unwrap_or_default()
    }
}

impl SeatBook {
    /// Decides whether the user, coming from `client`, gets a seat of the licence, which is shared out so. Changes nothing.
    pub fn acquire(
        &self,
        now: Moment,
        licence: EntryId,
        terms: &LicenceTerms,
        user: EntryId,
        client: &str,
        shares: &[Share<'_>],
    ) -> Decision {
        if terms.start.is_some_and(|start| now.wall < start) {
            return Decision::Closed { not_begun: true };
        }
        if terms.end.is_some_and(|end| now.wall >= end) {
            return Decision::Closed { not_begun: false };
        }
        let mut end = Vec::new();
        let mut own = Vec::new();
        for seat in self.of_user(licence, user) {
            if terms.is_over(&seat.session, now.monotonic) {
                end.push(Arc::clone(&seat.session));
            } else if terms.counting == Counting::Users || *seat.client == *client {
                return Decision::Seated(Arc::clone(&seat.session));
            } else {
                own.push(seat);
            }
        }
        let mut over_limit = false;
        if let Some(cap) = terms.per_user
            && count(own.len()) >= cap
        {
            let when_full = when_full_of_some(terms);
            let holders = own.iter().map(|seat| Holder { sessions: vec![seat] }).collect();
            match at_limit(now, terms, when_full, (cap, count(own.len())), holders) {
                Some(gives_way) => end.extend(gives_way),
                None => return Decision::Refused { bound: Bound::User, limit: cap, in_use: count(own.len()) },
            }
            over_limit = terms.report_only;
        }
        for (at, share) in shares.iter().enumerate() {
            let Some(most) = share.most.filter(|_| share.has(user)) else { continue };
            let holders: Vec<Holder<'_>> =
                self.live(now, licence, terms, &mut end).into_iter().filter(|holder| holder.is_of(share)).collect();
            let in_use = count(holders.len());
            if in_use >= most {
                match at_limit(now, terms, when_full_of_some(terms), (most, in_use), holders) {
                    Some(gives_way) => end.extend(gives_way),
                    None => return Decision::Refused { bound: Bound::Share(at), limit: most, in_use },
                }
                over_limit |= terms.report_only;
            }
        }
        let others: Vec<&Share<'_>> = shares.iter().filter(|share| share.reserved > 0 && !share.has(user)).collect();
        self.room(now, licence, terms, (end, over_limit), &others)
    }

    /// The second half of [`Self::acquire`]: room under the session limit, once those in `end` are gone, beside what is kept for
    /// `others`.
    fn room(
        &self,
        now: Moment,
        licence: EntryId,
        terms: &LicenceTerms,
        (mut end, mut over_limit): (Vec<Arc<SessionHandle>>, bool),
        others: &[&Share<'_>],
    ) -> Decision {
        let kept = others.iter().fold(0_u32, |kept, share| kept.saturating_add(share.reserved));
        if self.in_use(licence, terms.counting).saturating_add(kept) < terms.limit {
            return Decision::Granted { end, over_limit };
        }
        // Looks full: only now is it worth looking at every session, for those that are over.
        let holders = self.live(now, licence, terms, &mut end);
        let left = |share: &Share<'_>| {
            let taken = count(holders.iter().filter(|holder| holder.is_of(share)).count());
            share.reserved.saturating_sub(taken)
        };
        let limit = others.iter().fold(terms.limit, |limit, share| limit.saturating_sub(left(share)));
        let in_use = count(holders.len());
        if in_use >= limit {
            // The seat of one whose share has none to spare would be kept for others of the share.
            let full: Vec<&&Share<'_>> = others
                .iter()
                .filter(|share| count(holders.iter().filter(|holder| holder.is_of(share)).count()) <= share.reserved)
                .collect();
            let gives_way = holders.into_iter().filter(|holder| !full.iter().any(|share| holder.is_of(share))).collect();
            match at_limit(now, terms, terms.when_full, (limit, in_use), gives_way) {
                Some(gives_way) => {
                    over_limit |= gives_way.is_empty() && in_use >= terms.limit;
                    end.extend(gives_way);
                }
                None => {
                    let bound = if in_use < terms.limit { Bound::Reserved } else { Bound::Licence };
                    return Decision::Refused { bound, limit: terms.limit, in_use };
                }
            }
        }
        Decision::Granted { end, over_limit }
    }

    /// Who takes a seat and is not over; the sessions that are over join those that end.
    fn live(&self, now: Moment, licence: EntryId, terms: &LicenceTerms, end: &mut Vec<Arc<SessionHandle>>) -> Vec<Holder<'_>> {
        let holders = self.holders(licence, terms.counting, |seat| {
            let is_over = terms.is_over(&seat.session, now.monotonic);
            let ends = end.iter().any(|ended| ended.entry == seat.session.entry);
            if is_over && !ends {
                end.push(Arc::clone(&seat.session));
            }
            !is_over && !ends
        });
        holders.into_values().collect()
    }

    /// Enters a session: one that was granted, or one read from disk at start.
    pub fn begin(&mut self, seat: Seat) {
        let session = seat.session.entry;
        self.end(session);
        let sheet = self.sheets.entry(seat.licence).or_default();
        sheet.users.entry(seat.user).or_default().push(session);
        sheet.sessions += 1;
        let saved = seat.session.last_activity();
        self.seats.insert(session, Kept { seat, saved });
    }

    /// Strikes a session out and marks its handle as ended; `None` where it is not in the book.
    pub fn end(&mut self, session: EntryId) -> Option<Seat> {
        let Kept { seat, .. } = self.seats.remove(&session)?;
        if let Some(sheet) = self.sheets.get_mut(&seat.licence) {
            sheet.sessions = sheet.sessions.saturating_sub(1);
            if let Some(own) = sheet.users.get_mut(&seat.user) {
                own.retain(|held| *held != session);
                if own.is_empty() {
                    sheet.users.remove(&seat.user);
                }
            }
            if sheet.users.is_empty() {
                self.sheets.remove(&seat.licence);
            }
        }
        seat.session.end();
        Some(seat)
    }

    /// The sessions that are over at `now`; `terms` answers the terms of a licence, `None` where it is gone. Changes nothing.
    pub fn expired(&self, now: Moment, terms: impl Fn(EntryId) -> Option<LicenceTerms>) -> Vec<Seat> {
        let mut over = Vec::new();
        for licence in self.sheets.keys() {
            let terms = terms(*licence);
            let is_over = |seat: &&Seat| terms.as_ref().is_none_or(|terms| terms.is_over(&seat.session, now.monotonic));
            over.extend(self.of_licence(*licence).filter(is_over).cloned());
        }
        over
    }

    /// The sessions that must end so that no more are in than the limit: of the holders idle longest (S9). Changes nothing.
    pub fn surplus(&self, now: Moment, licence: EntryId, terms: &LicenceTerms) -> Vec<Arc<SessionHandle>> {
        let mut holders: Vec<Holder<'_>> = self.holders(licence, terms.counting, |_| true).into_values().collect();
        holders.sort_by_key(|holder| holder.idle(now.monotonic));
        let over = holders.into_iter().skip(usize::try_from(terms.limit).unwrap_or(usize::MAX));
        over.flat_map(|holder| holder.sessions).map(|seat| Arc::clone(&seat.session)).collect()
    }

    /// Who takes a seat of the licence, by the sessions to be counted.
    fn holders(&self, licence: EntryId, counting: Counting, mut counts: impl FnMut(&Seat) -> bool) -> HashMap<(EntryId, &str), Holder<'_>> {
        let mut holders: HashMap<(EntryId, &str), Holder<'_>> = HashMap::new();
        for seat in self.of_licence(licence) {
            if counts(seat) {
                let client = if counting == Counting::Users { "" } else { &*seat.client };
                holders.entry((seat.user, client)).or_insert_with(|| Holder { sessions: Vec::new() }).sessions.push(seat);
            }
        }
        holders
    }

    /// How many seats of the licence are taken, those over but not yet ended included.
    pub fn in_use(&self, licence: EntryId, counting: Counting) -> u32 {
        let Some(sheet) = self.sheets.get(&licence) else { return 0 };
        match counting {
            Counting::Users => count(sheet.users.len()),
            Counting::Sessions => count(sheet.sessions),
        }
    }

    /// A session by its entry.
    pub fn get(&self, session: EntryId) -> Option<&Seat> {
        self.seats.get(&session).map(|kept| &kept.seat)
    }

    /// All sessions.
    pub fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values().map(|kept| &kept.seat)
    }

    /// The sessions whose activity has moved since they were last asked for, to be written in a batch (S10). All of
    /// them where the wall clock was set in between, or may have been since the start, so that what is on disk agrees with the
    /// clock that will read it.
    pub fn take_unsaved(&mut self, now: Moment) -> Vec<Arc<SessionHandle>> {
        const JUMP_MILLIS: u128 = 5_000;
        let offset = i128::from(now.wall.millis()) - i128::try_from(now.monotonic.as_millis()).unwrap_or(i128::MAX);
        let jumped = self.saved_offset.is_none_or(|saved| saved.abs_diff(offset) > JUMP_MILLIS);
        self.saved_offset = Some(offset);
        let mut unsaved = Vec::new();
        for kept in self.seats.values_mut() {
            let last = kept.seat.session.last_activity();
            if jumped || last != kept.saved {
                kept.saved = last;
                unsaved.push(Arc::clone(&kept.seat.session));
            }
        }
        unsaved
    }

    fn of_user(&self, licence: EntryId, user: EntryId) -> impl Iterator<Item = &Seat> {
        let own = self.sheets.get(&licence).and_then(|sheet| sheet.users.get(&user));
        own.into_iter().flatten().filter_map(|session| self.get(*session))
    }

    fn of_licence(&self, licence: EntryId) -> impl Iterator<Item = &Seat> {
        let sheet = self.sheets.get(&licence);
        sheet.into_iter().flat_map(|sheet| sheet.users.values().flatten()).filter_map(|session| self.get(*session))
    }
}

/// What a limit that is reached lets happen: the sessions that give way, or `None` for no.
fn at_limit(
    now: Moment,
    terms: &LicenceTerms,
    when_full: WhenFull,
    (limit, in_use): (u32, u32),
    holders: Vec<Holder<'_>>,
) -> Option<Vec<Arc<SessionHandle>>> {
    if terms.report_only {
        return Some(Vec::new());
    }
    match when_full {
        WhenFull::Deny => None,
        WhenFull::Overdraft(more) => (in_use < limit.saturating_add(more)).then(Vec::new),
        // A limit that was lowered under what is in use ends nobody (S9): one gives way only where that makes room.
        WhenFull::EndOldestIdle(_) if in_use > limit => None,
        WhenFull::EndOldestIdle(at_least) => {
            let oldest = holders.into_iter().max_by_key(|holder| holder.idle(now.monotonic))?;
            let gives_way = || oldest.sessions.iter().map(|seat| Arc::clone(&seat.session)).collect();
            (oldest.idle(now.monotonic) >= at_least).then(gives_way)
        }
    }
}

/// What happens where one user or some of them have all they may: an overdraft is of the licence.
const fn when_full_of_some(terms: &LicenceTerms) -> WhenFull {
    match terms.when_full {
        WhenFull::Overdraft(_) => WhenFull::Deny,
        when_full => when_full,
    }
}

fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "seats_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "seats_model_tests.rs"]
mod model_tests;
