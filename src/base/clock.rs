//! Time. Everything that asks for the time is handed a [`Clock`], so that tests decide what it says.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, no leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// This point, later by `duration`.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// This point, earlier by `duration`; the epoch where that would be before it.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero where it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    fn zoned(self) -> jiff::Zoned {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX).to_zoned(jiff::tz::TimeZone::UTC)
    }

    /// As generalizedTime in whole seconds, `20260102030405Z` (RFC 4517 §3.3.13).
    pub fn generalized(self) -> String {
        self.zoned().strftime("%Y%m%d%H%M%SZ").to_string()
    }

    /// For people, to the minute: `2 January 2026, 03:04 UTC`.
    pub fn readable(self) -> String {
        self.zoned().strftime("%-d %B %Y, %H:%M UTC").to_string()
    }

    /// As generalizedTime with milliseconds, `20260102030405.678Z`.
    pub fn generalized_millis(self) -> String {
        self.zoned().strftime("%Y%m%d%H%M%S.%3fZ").to_string()
    }

    /// As xsd:dateTime with milliseconds in UTC, `2026-01-02T03:04:05.678Z` (RFC 7643 §2.3.5).
    pub fn rfc3339(self) -> String {
        self.zoned().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }

    /// Reads a generalizedTime of any form that RFC 4517 §3.3.13 allows; `None` where it is not one.
    pub fn parse_generalized(text: &str) -> Option<Self> {
        let digits = |from, to| digits(text, from, to);
        let (year, month, day, hour) = (digits(0, 4)?, digits(4, 6)?, digits(6, 8)?, digits(8, 10)?);
        let mut at = 10;
        let minute = digits(10, 12);
        let mut unit = 3_600_000_i64;
        if minute.is_some() {
            at = 12;
            unit = 60_000;
        }
        let second = minute.and_then(|_| digits(12, 14));
        if second.is_some() {
            at = 14;
            unit = 1_000;
        }
        let (fraction, zone) = fraction(text.get(at..)?, unit)?;
        let offset = offset(zone)?;
        let second = second.unwrap_or(0);
        let (second, leap) = if second == 60 { (59, 1_000) } else { (second, 0) };
        let civil = jiff::civil::DateTime::new(
            i16::try_from(year).ok()?,
            i8::try_from(month).ok()?,
            i8::try_from(day).ok()?,
            i8::try_from(hour).ok()?,
            i8::try_from(minute.unwrap_or(0)).ok()?,
            i8::try_from(second).ok()?,
            0,
        )
        .ok()?;
        let millis = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
        u64::try_from(millis + fraction + leap - offset).ok().map(Self)
    }

    /// Reads an xsd:dateTime with any offset and fraction; `None` where it is not one.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let parsed: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(parsed.as_millisecond()).ok().map(Self)
    }
}

/// What tells the time. `now` is the wall clock and may jump; `monotonic` never goes back and only
/// measures distances, so timeouts are counted with it (HG4).
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Time since an arbitrary moment in the past.
    fn monotonic(&self) -> Duration;
    /// Both clocks, read together.
    fn moment(&self) -> Moment {
        Moment { wall: self.now(), monotonic: self.monotonic() }
    }
}

/// Both clocks, read together: rules that count distances use `monotonic`, what is kept on disk is `wall`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock.
    pub wall: Timestamp,
    /// The monotonic clock.
    pub monotonic: Duration,
}

/// The clock of the machine.
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that a test sets.
#[derive(Default)]
pub struct ManualClock {
    wall: AtomicU64,
    monotonic: AtomicU64,
    /// What goes by on the monotonic clock with each look at it.
    hurry: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { wall: AtomicU64::new(now.0), ..Self::default() }
    }

    /// Lets time go by on both clocks.
    pub fn advance(&self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.wall.fetch_add(millis, Ordering::SeqCst);
        self.monotonic.fetch_add(millis, Ordering::SeqCst);
    }

    /// Lets so much time go by on the monotonic clock whenever somebody looks at it, in whole milliseconds.
    pub fn hurry(&self, duration: Duration) {
        self.hurry.store(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Moves the wall clock alone, as a correction of the machine's time does.
    pub fn jump_to(&self, now: Timestamp) {
        self.wall.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic.fetch_add(self.hurry.load(Ordering::SeqCst), Ordering::SeqCst))
    }
}

/// The octets of a time from one place to another, which must be digits.
fn digits(text: &str, from: usize, to: usize) -> Option<i64> {
    let part = text.get(from..to)?;
    part.bytes().all(|octet| octet.is_ascii_digit()).then(|| part.parse().ok())?
}

/// The fraction of a generalizedTime, of a unit of so many milliseconds, and what follows; 0 where there is none.
/// What is under a millisecond is cut.
fn fraction(text: &str, unit: i64) -> Option<(i64, &str)> {
    let Some(part) = text.strip_prefix(['.', ',']) else { return Some((0, text)) };
    let (digits, rest) = part.split_at(part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len()));
    let (value, scale) = digits.bytes().take(9).fold((0, 1), |(value, scale), digit| (value * 10 + i64::from(digit - b'0'), scale * 10));
    (!digits.is_empty()).then_some((value * unit / scale, rest))
}

/// The time zone of a generalizedTime in milliseconds: `Z`, or hours, or hours and minutes, before or behind UTC.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first()? {
        b'Z' => return (zone.len() == 1).then_some(0),
        b'+' => 60_000,
        b'-' => -60_000,
        _ => return None,
    };
    let hours = digits(zone, 1, 3)?;
    let minutes = if zone.len() > 3 { digits(zone, 3, 5)? } else { 0 };
    (zone.len() <= 5 && hours <= 23 && minutes <= 59).then_some((hours * 60 + minutes) * sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generalized_time_reads_every_form_of_rfc4517() {
        let cases = [
            ("199412161032Z", "19941216103200.000Z"),
            ("199412160532-0500", "19941216103200.000Z"),
            ("20260102030405.678Z", "20260102030405.678Z"),
            ("2026010203.5Z", "20260102033000.000Z"),
            ("202601020304,25Z", "20260102030415.000Z"),
            ("20260102030405+01", "20260102020405.000Z"),
        ];
        for (given, expected) in cases {
            let read = Timestamp::parse_generalized(given).unwrap();
            assert_eq!(read.generalized_millis(), expected, "{given}");
        }
        for refused in [
            "",
            "2026",
            "20261302030405Z",
            "20260102030405",
            "20260102030405.Z",
            "20260102030405Zx",
            "2026010203+99",
            "2026010203+-1",
            "2026010203+010",
            "2026010203+01000",
        ] {
            assert_eq!(Timestamp::parse_generalized(refused), None, "{refused}");
        }
    }
}
