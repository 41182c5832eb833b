//! How much licences were used (domain rule S12): of each hour the most seats in use at one time, the time they were in use
//! together, and how often somebody was refused.
//!
//! The [`Tracker`] is told whenever a number of seats changes. What it counted since it was last asked is added to what is
//! kept; so a crash loses that and nothing is counted twice. An hour begins where the clocks of the licence show a full one.

use crate::base::Timestamp;
use crate::base::clock::Moment;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Zoned};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// For how many months history is kept.
const MONTHS: i64 = 13;
/// No stretch of time is longer: a licence that nobody looked at for a year.
const LONGEST: Duration = Duration::from_secs(400 * 86_400);

/// An hour, or several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// The most seats in use at one time.
    pub peak: u32,
    /// Seats times the milliseconds they were in use.
    pub seat_millis: u64,
    /// How often somebody was refused.
    pub refusals: u32,
}

impl Use {
    /// Adds what another stretch of time saw.
    pub fn add(&mut self, other: Self) {
        self.peak = self.peak.max(other.peak);
        self.seat_millis = self.seat_millis.saturating_add(other.seat_millis);
        self.refusals = self.refusals.saturating_add(other.refusals);
    }

    /// Seats in use on the average over so many milliseconds, in hundredths.
    pub fn average(self, millis: u64) -> u64 {
        self.seat_millis.saturating_mul(100).saturating_add(millis / 2) / millis.max(1)
    }
}

/// Which hour of which licence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HourOf {
    /// The licence by its `entryUUID`.
    pub licence: Arc<str>,
    /// The day it is on, where the licence is.
    pub day: Date,
    /// When it begins, in seconds since the epoch.
    pub begin: i64,
}

impl HourOf {
    /// The hour of a licence at a moment.
    pub fn at(licence: &Arc<str>, time: Timestamp, zone: &TimeZone) -> Self {
        hour_of(licence, &zoned(time, zone))
    }
}

/// A licence that is in use.
struct Watched {
    in_use: u32,
    zone: TimeZone,
    /// Monotonic time up to which its use is counted.
    counted: Duration,
    /// Refusals since the start.
    refused: u64,
}

/// Counts how much licences are used.
#[derive(Default)]
pub struct Tracker {
    watched: HashMap<Arc<str>, Watched>,
    hours: BTreeMap<HourOf, Use>,
}

impl Tracker {
    /// So many seats of the licence are in use from now on.
    pub fn changed(&mut self, now: Moment, licence: &Arc<str>, zone: &TimeZone, in_use: u32) {
        self.count(now, licence, zone);
        if let Some(watched) = self.watched.get_mut(licence) {
            watched.in_use = in_use;
        }
        if in_use > 0 {
            let hour = hour_of(licence, &zoned(now.wall, zone));
            self.hours.entry(hour).or_default().add(Use { peak: in_use, ..Use::default() });
        }
    }

    /// Somebody was refused.
    pub fn refused(&mut self, now: Moment, licence: &Arc<str>, zone: &TimeZone) {
        self.count(now, licence, zone);
        if let Some(watched) = self.watched.get_mut(licence) {
            watched.refused = watched.refused.saturating_add(1);
        }
        let hour = hour_of(licence, &zoned(now.wall, zone));
        self.hours.entry(hour).or_default().add(Use { refusals: 1, ..Use::default() });
    }

    /// Refusals since the start.
    pub fn refusals(&self, licence: &str) -> u64 {
        self.watched.get(licence).map_or(0, |watched| watched.refused)
    }

    /// Forgets licences that are gone.
    pub fn forget(&mut self, is_gone: impl Fn(&str) -> bool) {
        self.watched.retain(|licence, _| !is_gone(licence));
    }

    /// Counts the time up to now.
    pub fn tick(&mut self, now: Moment) {
        let all: Vec<(Arc<str>, TimeZone)> =
            self.watched.iter().map(|(licence, watched)| (Arc::clone(licence), watched.zone.clone())).collect();
        for (licence, zone) in all {
            self.count(now, &licence, &zone);
        }
    }

    /// What was counted since it was last taken.
    pub fn take(&mut self) -> BTreeMap<HourOf, Use> {
        std::mem::take(&mut self.hours)
    }

    /// What was taken could not be kept.
    pub fn put_back(&mut self, taken: BTreeMap<HourOf, Use>) {
        for (hour, held) in taken {
            self.hours.entry(hour).or_default().add(held);
        }
    }

    /// What is counted and was not taken yet.
    pub const fn pending(&self) -> &BTreeMap<HourOf, Use> {
        &self.hours
    }

    /// Distances are those of the monotonic clock, and lie before the present time of the wall clock, so that one that
    /// jumps makes no use (HG4).
    fn count(&mut self, now: Moment, licence: &Arc<str>, zone: &TimeZone) {
        let fresh = || Watched { in_use: 0, zone: zone.clone(), counted: now.monotonic, refused: 0 };
        let watched = self.watched.entry(Arc::clone(licence)).or_insert_with(fresh);
        let passed = now.monotonic.saturating_sub(watched.counted).min(LONGEST);
        watched.counted = watched.counted.max(now.monotonic);
        watched.zone = zone.clone();
        let in_use = watched.in_use;
        if in_use == 0 {
            return;
        }
        let mut at = now.wall.minus(passed);
        while at < now.wall {
            let local = zoned(at, zone);
            let left = (60 - i64::from(local.minute())) * 60_000 - i64::from(local.second()) * 1_000 - i64::from(local.millisecond());
            let until = at.plus(Duration::from_millis(u64::try_from(left).unwrap_or(1).max(1))).min(now.wall);
            let millis = u64::try_from(until.since(at).as_millis()).unwrap_or(u64::MAX);
            let seat_millis = millis.saturating_mul(u64::from(in_use));
            self.hours.entry(hour_of(licence, &local)).or_default().add(Use { peak: in_use, seat_millis, refusals: 0 });
            at = until;
        }
    }
}

fn zoned(time: Timestamp, zone: &TimeZone) -> Zoned {
    let millis = i64::try_from(time.millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX).to_zoned(zone.clone())
}

fn hour_of(licence: &Arc<str>, time: &Zoned) -> HourOf {
    let into = i64::from(time.minute()) * 60 + i64::from(time.second());
    HourOf { licence: Arc::clone(licence), day: time.date(), begin: time.timestamp().as_second() - into }
}

/// The day of a moment in a zone, and its length in milliseconds, as far as it has gone by.
pub fn day_of(begin: i64, zone: &TimeZone, now: Timestamp) -> (Date, u64) {
    let time = jiff::Timestamp::from_second(begin).unwrap_or(jiff::Timestamp::MAX).to_zoned(zone.clone());
    let edge = |day: Date| day.to_zoned(zone.clone()).map_or(i64::MAX, |zoned| zoned.timestamp().as_millisecond());
    let (from, to) = (edge(time.date()), time.date().tomorrow().map_or(i64::MAX, edge));
    let to = to.min(i64::try_from(now.millis()).unwrap_or(i64::MAX));
    (time.date(), u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

/// The first day whose history is kept.
pub fn first_kept(now: Timestamp) -> Date {
    let today = zoned(now, &TimeZone::UTC).date();
    today.checked_sub(Span::new().months(MONTHS)).unwrap_or(Date::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Clock, ManualClock};

    fn clock(text: &str) -> ManualClock {
        ManualClock::at(Timestamp::parse_rfc3339(text).unwrap())
    }

    /// Hours as minutes of the day in UTC, each with peak, minutes of seats, and refusals.
    fn told(tracker: &mut Tracker, clock: &ManualClock) -> Vec<(i64, u32, u64, u32)> {
        tracker.tick(clock.moment());
        let hours = tracker.take();
        hours.iter().map(|(hour, held)| (hour.begin / 60 % 1_440, held.peak, held.seat_millis / 60_000, held.refusals)).collect()
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn s12_peak_and_average_are_of_the_hour_they_were_in() {
        let (clock, mut tracker, licence) = (clock("2026-03-01T08:30:00Z"), Tracker::default(), Arc::from("a"));
        tracker.changed(clock.moment(), &licence, &TimeZone::UTC, 2);
        clock.advance(10 * MINUTE);
        tracker.changed(clock.moment(), &licence, &TimeZone::UTC, 5);
        tracker.changed(clock.moment(), &licence, &TimeZone::UTC, 1);
        tracker.refused(clock.moment(), &licence, &TimeZone::UTC);
        clock.advance(80 * MINUTE);
        assert_eq!(told(&mut tracker, &clock), [(480, 5, 40, 1), (540, 1, 60, 0)], "none of what is to come");
        tracker.changed(clock.moment(), &licence, &TimeZone::UTC, 0);
        clock.advance(300 * MINUTE);
        assert_eq!(told(&mut tracker, &clock), [], "nothing in use is nothing to keep");
        assert_eq!(tracker.refusals("a"), 1);
        assert_eq!(Use { seat_millis: 40 * 60_000, ..Use::default() }.average(3_600_000), 67);
    }

    #[test]
    fn s12_what_could_not_be_kept_is_counted_once_later() {
        let (clock, mut tracker, licence) = (clock("2026-03-01T08:00:00Z"), Tracker::default(), Arc::from("a"));
        tracker.changed(clock.moment(), &licence, &TimeZone::UTC, 3);
        clock.advance(10 * MINUTE);
        tracker.tick(clock.moment());
        let taken = tracker.take();
        clock.advance(10 * MINUTE);
        tracker.put_back(taken);
        assert_eq!(told(&mut tracker, &clock), [(480, 3, 60, 0)]);
    }

    #[test]
    fn s12_a_clock_that_jumps_makes_no_use() {
        for jump in ["2026-03-01T20:10:00Z", "2026-02-20T08:10:00Z"] {
            let (clock, mut tracker, licence) = (clock("2026-03-01T08:00:00Z"), Tracker::default(), Arc::from("a"));
            tracker.changed(clock.moment(), &licence, &TimeZone::UTC, 3);
            clock.advance(10 * MINUTE);
            clock.jump_to(Timestamp::parse_rfc3339(jump).unwrap());
            let used: u64 = told(&mut tracker, &clock).iter().map(|(_, _, minutes, _)| minutes).sum();
            assert_eq!(used, 30, "{jump}");
        }
    }

    #[test]
    fn s12_hours_begin_where_the_licence_is() {
        let zone = TimeZone::get("Asia/Kathmandu").unwrap();
        let (clock, mut tracker, licence) = (clock("2026-03-01T18:10:00Z"), Tracker::default(), Arc::from("a"));
        tracker.changed(clock.moment(), &licence, &zone, 1);
        clock.advance(10 * MINUTE);
        // Five hours and 45 minutes ahead: there it was five to midnight.
        tracker.tick(clock.moment());
        let days: Vec<_> = tracker.take().into_iter().map(|(hour, held)| (hour.day.to_string(), held.seat_millis / 60_000)).collect();
        assert_eq!(days, [("2026-03-01".to_owned(), 5), ("2026-03-02".to_owned(), 5)]);
    }

    #[test]
    fn s12_days_are_as_long_as_they_are() {
        let zone = TimeZone::get("Pacific/Auckland").unwrap();
        let begin = |text: &str| Timestamp::parse_rfc3339(text).unwrap().millis() as i64 / 1_000;
        let later = Timestamp::parse_rfc3339("2027-01-01T00:00:00Z").unwrap();
        assert_eq!(day_of(begin("2026-04-05T00:00:00+13:00"), &zone, later).1, 25 * 3_600_000);
        assert_eq!(day_of(begin("2026-09-27T05:00:00+13:00"), &zone, later).1, 23 * 3_600_000);
        let noon = Timestamp::parse_rfc3339("2026-05-01T12:00:00+12:00").unwrap();
        assert_eq!(day_of(begin("2026-05-01T03:00:00+12:00"), &zone, noon).1, 12 * 3_600_000);
        assert_eq!(first_kept(noon).to_string(), "2025-04-01");
    }
}
