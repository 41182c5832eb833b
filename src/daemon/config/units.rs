//! Lengths of time and sizes as people write them: `30s`, `15m`, `24h`, `7d`, `64KiB`, `4MiB`.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;
use std::time::Duration;

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(pub Duration);

/// A number of octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Octets(pub u64);

/// How deep something may nest, `MOST` at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth<const MOST: usize>(pub usize);

const PERIODS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Splits `15m` into number and unit and multiplies; `None` where it is not of that form or too large.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

impl Period {
    /// Reads `250ms`, `30s`, `15m`, `24h` or `7d`.
    pub fn parse(text: &str) -> Option<Self> {
        scaled(text, &PERIODS).map(|millis| Self(Duration::from_millis(millis)))
    }
}

impl Octets {
    /// Reads `512B`, `64KiB`, `4MiB` or `1GiB`.
    pub fn parse(text: &str) -> Option<Self> {
        scaled(text, &SIZES).map(Self)
    }

    /// As an in-memory size.
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, factor) = PERIODS.iter().rev().find(|(_, factor)| millis % factor == 0 && millis >= *factor).unwrap_or(&("s", 1_000));
        write!(formatter, "{}{unit}", millis / factor)
    }
}

struct PeriodVisitor;

impl Visitor<'_> for PeriodVisitor {
    type Value = Period;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a length of time as \"30s\", \"15m\", \"24h\" or \"7d\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Period, E> {
        Period::parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

struct OctetsVisitor;

impl Visitor<'_> for OctetsVisitor {
    type Value = Octets;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number of octets, or a size as \"64KiB\", \"4MiB\" or \"1GiB\"")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Octets, E> {
        u64::try_from(number).map(Octets).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(number), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Octets, E> {
        Octets::parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Depth<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let depth = usize::deserialize(deserializer)?;
        let bounded = Some(Self(depth)).filter(|_| depth <= MOST);
        bounded.ok_or_else(|| D::Error::custom(format!("{depth} is too deep: {MOST} at most, so that no stack is exhausted (HA1)")))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PeriodVisitor)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OctetsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_and_sizes_are_read_with_their_units_only() {
        assert_eq!(Period::parse("15m"), Some(Period(Duration::from_secs(900))));
        assert_eq!(Period::parse("250ms"), Some(Period(Duration::from_millis(250))));
        assert_eq!(Octets::parse("64 KiB"), Some(Octets(65_536)));
        for refused in ["", "15", "m", "-1s", "1.5h", "99999999999999999999s", "18446744073709551615d", "1w"] {
            assert_eq!(Period::parse(refused), None, "{refused}");
        }
        for shown in ["15m", "30s", "1d", "90s", "250ms", "0s"] {
            assert_eq!(Period::parse(shown).unwrap().to_string(), shown);
        }
    }
}
