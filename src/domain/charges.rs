//! What licences cost (domain rules O5, O6): fee of the package × session limit, pro-rated by the second over the changes
//! in a period.
//!
//! A licence's [`ChargeRecord`]s say what it cost from when on; they are written in the step of each change, so they stay
//! true when the licence is renamed or deleted, when the catalog changes, and when the audit log is cut. [`timeline`] puts
//! them in order, [`stretches`] cuts a period into pieces of one calendar month and one set of terms, and [`Sum`] adds
//! those up exactly and rounds once. Nothing here is a floating-point number.

use crate::base::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What a licence costs for as long as nothing of this changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeTerms {
    /// The package, where it has one.
    pub package: Option<String>,
    /// Its fee per seat and month in cents; 0 where the catalog has no such package.
    pub fee_cents: u64,
    /// The session limit.
    pub limit: u32,
    /// Costs nothing before.
    pub start: Option<Timestamp>,
    /// Costs nothing from then on.
    pub end: Option<Timestamp>,
    /// The name of the time zone whose months count.
    pub zone: String,
}

/// A change of what a licence costs, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeRecord {
    /// When it was made.
    pub time: Timestamp,
    /// Who made it.
    pub actor: String,
    /// The licence's DN at that time.
    pub licence: String,
    /// The organisation by its `entryUUID`, and by its DN at that time.
    pub organisation: Option<(String, String)>,
    /// What it costs from then on; `None` where it was deleted.
    pub terms: Option<ChargeTerms>,
}

/// A time zone that this machine does not know, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownZone(pub String);

/// A time zone of the IANA database.
pub fn zone(name: &str) -> Result<TimeZone, UnknownZone> {
    TimeZone::get(name).map_err(|_| UnknownZone(name.to_owned()))
}

/// An end of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The beginning of a day, where the licence is.
    Day(Date),
    /// A moment.
    Moment(Timestamp),
}

impl Edge {
    /// Reads `2026-03-01`, or a time with offset as `2026-03-01T00:00:00Z`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.len() {
            10 => text.parse().ok().map(Self::Day),
            _ => Timestamp::parse_rfc3339(text).map(Self::Moment),
        }
    }

    fn second(self, zone: &TimeZone) -> i64 {
        match self {
            Self::Day(day) => day_begins(day, zone),
            Self::Moment(time) => whole(time),
        }
    }
}

/// A period to be charged, its end not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// Its beginning; that of the present month where absent.
    pub from: Option<Edge>,
    /// Its end; that of the month it begins in where absent.
    pub to: Option<Edge>,
}

impl Period {
    /// Its bounds in seconds since the epoch, for a licence in that zone.
    pub fn within(&self, zone: &TimeZone, now: Timestamp) -> (i64, i64) {
        let from = self.from.map_or_else(|| Month::of(whole(now), zone).begin, |edge| edge.second(zone));
        (from, self.to.map_or_else(|| Month::of(from, zone).end, |edge| edge.second(zone)))
    }
}

/// Whole seconds since the epoch: what is under a second is cut.
fn whole(time: Timestamp) -> i64 {
    i64::try_from(time.millis() / 1_000).unwrap_or(i64::MAX)
}

/// A number of seconds since the epoch as a timestamp; the epoch where it is before that.
pub fn timestamp(second: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(second).unwrap_or(0).saturating_mul(1_000))
}

fn day_begins(day: Date, zone: &TimeZone) -> i64 {
    // Only the very last day of all has no beginning everywhere.
    day.to_zoned(zone.clone()).map_or(i64::MAX, |zoned| zoned.timestamp().as_second())
}

/// A calendar month of a time zone, in seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Month {
    begin: i64,
    end: i64,
}

impl Month {
    /// The month that a second is in. Months follow each other without gap, also where clocks are set back over midnight.
    fn of(second: i64, zone: &TimeZone) -> Self {
        let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
        let next = |day: Date| day.last_of_month().tomorrow().unwrap_or(Date::MAX);
        let mut first = time.to_zoned(zone.clone()).date().first_of_month();
        let mut month = Self { begin: day_begins(first, zone), end: day_begins(next(first), zone) };
        while month.end <= second && first < Date::MAX.first_of_month() {
            first = next(first);
            month = Self { begin: month.end, end: day_begins(next(first), zone) };
        }
        month
    }
}

/// The records of one licence in the order they were written, as they count. A change at a time before the one that was
/// written before it shows a clock that was set: what was written later counts from its own time on, but never before the
/// licence was there, so that a clock that fell back to its beginnings does not undo the past.
pub fn timeline(records: Vec<ChargeRecord>) -> Vec<ChargeRecord> {
    let mut counts: Vec<ChargeRecord> = Vec::with_capacity(records.len());
    for mut record in records {
        if let (Some(first), Some(last)) = (counts.first(), counts.last())
            && record.time < first.time
        {
            record.time = last.time;
        }
        counts.truncate(counts.partition_point(|earlier| earlier.time <= record.time));
        counts.push(record);
    }
    counts
}

/// A piece of a period in which nothing changes, within one calendar month. Times are seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its beginning.
    pub from: i64,
    /// Its end, not in it.
    pub to: i64,
    /// Seconds of the month it is in.
    pub month: u32,
    /// The record of the timeline that holds in it, by place.
    pub record: usize,
}

impl Stretch {
    /// Its length in seconds, at most that of the month.
    pub fn seconds(&self) -> u32 {
        u32::try_from(self.to.saturating_sub(self.from)).unwrap_or(u32::MAX)
    }

    /// Which part of its month it is, in lowest terms.
    pub fn share(&self) -> (u32, u32) {
        let divisor = gcd(self.seconds(), self.month).max(1);
        (self.seconds() / divisor, self.month / divisor)
    }
}

const fn gcd(mut left: u32, mut right: u32) -> u32 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

/// The pieces of the period that cost something, in order. What the last record says goes on for as long as the period does.
pub fn stretches(timeline: &[ChargeRecord], (from, to): (i64, i64)) -> Result<Vec<Stretch>, UnknownZone> {
    let mut found = Vec::new();
    for (place, record) in timeline.iter().enumerate() {
        let Some(terms) = &record.terms else { continue };
        let next = timeline.get(place + 1).map_or(i64::MAX, |next| whole(next.time));
        let ends = to.min(next).min(terms.end.map_or(i64::MAX, whole));
        let mut at = from.max(whole(record.time)).max(terms.start.map_or(i64::MIN, whole));
        if at >= ends {
            continue;
        }
        let zone = zone(&terms.zone)?;
        while at < ends {
            let month = Month::of(at, &zone);
            let until = month.end.min(ends);
            let length = u32::try_from(month.end.saturating_sub(month.begin)).unwrap_or(u32::MAX);
            found.push(Stretch { from: at, to: until, month: length, record: place });
            if until <= at {
                break;
            }
            at = until;
        }
    }
    Ok(found)
}

/// An exact sum of parts of months, in cents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    whole: u128,
    /// What is left over of each length of month: numerator by denominator, each under one cent.
    rests: BTreeMap<u32, u128>,
}

impl Sum {
    /// Adds what a stretch costs.
    pub fn add(&mut self, terms: &ChargeTerms, stretch: &Stretch) {
        let length = u128::from(stretch.month).max(1);
        // 64 bits of fee, 32 of limit and 32 of seconds.
        let cost = u128::from(terms.fee_cents) * u128::from(terms.limit);
        let rest = self.rests.entry(stretch.month.max(1)).or_default();
        let cost = cost.saturating_mul(u128::from(stretch.seconds())).saturating_add(*rest);
        *rest = cost % length;
        self.whole = self.whole.saturating_add(cost / length);
    }

    /// Adds another sum.
    pub fn join(&mut self, other: &Self) {
        self.whole = self.whole.saturating_add(other.whole);
        for (length, added) in &other.rests {
            let rest = self.rests.entry(*length).or_default();
            let (sum, length) = (*rest + added, u128::from(*length));
            *rest = sum % length;
            self.whole = self.whole.saturating_add(sum / length);
        }
    }

    /// The sum rounded half up to the cent.
    pub fn cents(&self) -> u128 {
        let rests: Vec<(u32, u32)> =
            self.rests.iter().filter_map(|(length, rest)| Some((u32::try_from(*rest).ok().filter(|rest| *rest > 0)?, *length))).collect();
        // Over the product of all lengths: rests of months of different length have no smaller one in common that is sure to fit.
        let product = |lengths: &mut dyn Iterator<Item = u32>| lengths.fold(Natural::from(1), |product, length| product.times(length));
        let denominator = product(&mut rests.iter().map(|(_, length)| *length));
        let numerator = rests.iter().enumerate().fold(Natural::default(), |sum, (place, (rest, _))| {
            let others = rests.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, (_, length))| *length);
            sum.plus(&product(&mut others.into_iter()).times(*rest))
        });
        let doubled = numerator.times(2);
        let mut carried = 0_u32;
        while doubled.compare(&denominator.times(carried.saturating_mul(2).saturating_add(1))) != Ordering::Less {
            carried = carried.saturating_add(1);
        }
        self.whole.saturating_add(u128::from(carried))
    }
}

/// A natural number of any size: its digits to the base 2^32, the lowest first, the highest not 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Natural(Vec<u32>);

impl From<u32> for Natural {
    fn from(number: u32) -> Self {
        Self::default().plus(&Self(vec![number]))
    }
}

impl Natural {
    fn times(&self, factor: u32) -> Self {
        let mut carry = 0_u64;
        let mut digits: Vec<u32> = Vec::with_capacity(self.0.len() + 1);
        for digit in &self.0 {
            carry += u64::from(*digit) * u64::from(factor);
            digits.push(low(carry));
            carry >>= 32;
        }
        digits.push(low(carry));
        Self(digits).trimmed()
    }

    fn plus(&self, other: &Self) -> Self {
        let mut carry = 0_u64;
        let length = self.0.len().max(other.0.len());
        let digit = |of: &Self, at: usize| u64::from(of.0.get(at).copied().unwrap_or_default());
        let mut digits: Vec<u32> = Vec::with_capacity(length + 1);
        for at in 0..length {
            carry += digit(self, at) + digit(other, at);
            digits.push(low(carry));
            carry >>= 32;
        }
        digits.push(low(carry));
        Self(digits).trimmed()
    }

    fn trimmed(mut self) -> Self {
        self.0.truncate(self.0.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1));
        self
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

const fn low(number: u64) -> u32 {
    (number & 0xffff_ffff) as u32
}

/// A moment as the clocks of a zone tell it, with their offset: `2026-03-16T00:00:00+13:00`.
pub fn local(second: i64, zone: &TimeZone) -> String {
    let time = jiff::Timestamp::from_second(second).unwrap_or(jiff::Timestamp::MAX);
    time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// An amount of cents as people write it: `120.97`.
pub fn money(cents: u128) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
#[path = "charges_tests.rs"]
mod tests;
