//! Charges against numbers worked out by hand, and against what must hold for any numbers.

use super::*;
use proptest::prelude::*;

const AUCKLAND: &str = "Pacific/Auckland";
const ZONES: [&str; 8] =
    [AUCKLAND, "UTC", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Europe/Berlin"];

/// A moment by the clocks on the wall of a zone.
fn at(zone: &str, text: &str) -> Timestamp {
    let local: jiff::civil::DateTime = text.parse().unwrap();
    timestamp(local.to_zoned(TimeZone::get(zone).unwrap()).unwrap().timestamp().as_second())
}

fn terms(zone: &str, fee_cents: u64, limit: u32) -> ChargeTerms {
    ChargeTerms { package: Some("Standard".to_owned()), fee_cents, limit, start: None, end: None, zone: zone.to_owned() }
}

fn record(time: Timestamp, terms: Option<ChargeTerms>) -> ChargeRecord {
    ChargeRecord { time, actor: "cn=admin".to_owned(), licence: "cn=desk".to_owned(), organisation: None, terms }
}

/// Limits at times by the wall clocks of a zone, at 30.00 a seat.
fn limits(zone: &str, changes: &[(&str, u32)]) -> Vec<ChargeRecord> {
    changes.iter().map(|(time, limit)| record(at(zone, time), Some(terms(zone, 30_00, *limit)))).collect()
}

fn sum(records: &[ChargeRecord], within: (i64, i64)) -> Sum {
    let mut sum = Sum::default();
    for stretch in stretches(records, within).unwrap() {
        sum.add(records[stretch.record].terms.as_ref().unwrap(), &stretch);
    }
    sum
}

fn charge(zone: &str, records: &[ChargeRecord], from: &str, to: &str) -> String {
    let period = Period { from: Edge::parse(from), to: Edge::parse(to) };
    money(sum(records, period.within(&TimeZone::get(zone).unwrap(), Timestamp::default())).cents())
}

#[test]
fn o6_the_example_of_the_rule_is_exact() {
    let records = limits(AUCKLAND, &[("2026-03-01T00:00", 3), ("2026-03-16T00:00", 5)]);
    assert_eq!(charge(AUCKLAND, &records, "2026-03-01", "2026-04-01"), "120.97");
    let shares: Vec<_> = stretches(&records, (0, whole(at(AUCKLAND, "2026-04-01T00:00")))).unwrap().iter().map(Stretch::share).collect();
    assert_eq!(shares, [(15, 31), (16, 31)]);
}

#[test]
fn o6_a_table_worked_out_by_hand() {
    let table = [
        // September has 719 hours there: clocks go forward on the 27th. 30 × (3 × 624 + 5 × 95) / 719 = 97.9276…
        (&[("2026-09-01T00:00", 3), ("2026-09-27T00:00", 5)][..], "2026-09-01", "2026-10-01", "97.93"),
        // April has 721: they go back on the 5th. 30 × (2 × 96 + 4 × 13 + 2 × 612) / 721 = 61.0818…
        (&[("2026-04-01T00:00", 2), ("2026-04-05T00:00", 4), ("2026-04-05T12:00", 2)], "2026-04-01", "2026-05-01", "61.08"),
        // Up and down within a day: 5 for half a minute, 2 for the rest of eight hours. 30 × (2678400 + 4 × 30 + 28770) / 2678400
        (
            &[("2026-05-01T00:00", 1), ("2026-05-10T09:00", 5), ("2026-05-10T09:00:30", 2), ("2026-05-10T17:00", 1)],
            "2026-05-01",
            "2026-06-01",
            "30.32",
        ),
        // A period over two months is the sum of their fractions, rounded once: 30 × (1 / 31 + 1 / 30) = 1.9677…, not 0.97 + 1.00
        (&[("2026-05-01T00:00", 1)], "2026-05-31", "2026-06-02", "1.97"),
        // A year is twelve fees, whatever the clocks do.
        (&[("2025-01-01T00:00", 7)], "2026-01-01", "2027-01-01", "2520.00"),
        // Made in the middle of the month: 30 × 16 / 31 = 15.4838…
        (&[("2026-03-16T00:00", 1)], "2026-03-01", "2026-04-01", "15.48"),
        (&[("2026-03-16T00:00", 1)], "2026-01-01", "2026-03-01", "0.00"),
    ];
    for (changes, from, to, expected) in table {
        assert_eq!(charge(AUCKLAND, &limits(AUCKLAND, changes), from, to), expected, "{changes:?}");
    }
}

#[test]
fn o6_half_a_cent_goes_up() {
    let of = |fee_cents, limit, to: &str| {
        let records = [record(at("UTC", "2026-06-01T00:00"), Some(terms("UTC", fee_cents, limit)))];
        charge("UTC", &records, "2026-06-01", to)
    };
    assert_eq!(of(1, 1, "2026-06-16"), "0.01", "15/30 of a cent");
    assert_eq!(of(1, 1, "2026-06-15T23:59:59Z"), "0.00", "a second less");
    assert_eq!(of(5, 1, "2026-06-16"), "0.03");
    assert_eq!(of(u64::MAX, u32::MAX, "2026-07-01"), money(u128::from(u64::MAX) * u128::from(u32::MAX)), "the largest numbers there are");
}

#[test]
fn o6_a_licence_costs_nothing_before_it_begins_after_it_ends_and_when_it_is_gone() {
    let may = |start: Option<&str>, end: Option<&str>| {
        let date = |text: Option<&str>| text.map(|text| at(AUCKLAND, text));
        let dated = ChargeTerms { start: date(start), end: date(end), ..terms(AUCKLAND, 31_00, 1) };
        vec![record(at(AUCKLAND, "2026-01-01T00:00"), Some(dated))]
    };
    let charged = |records: &[ChargeRecord]| charge(AUCKLAND, records, "2026-05-01", "2026-06-01");
    assert_eq!(charged(&may(Some("2026-05-11T00:00"), None)), "21.00");
    assert_eq!(charged(&may(None, Some("2026-05-11T00:00"))), "10.00");
    assert_eq!(charged(&may(Some("2026-06-01T00:00"), None)), "0.00");
    assert_eq!(charged(&may(None, Some("2026-05-01T00:00"))), "0.00");
    let mut deleted = may(None, None);
    deleted.push(record(at(AUCKLAND, "2026-05-03T00:00"), None));
    assert_eq!(charged(&deleted), "2.00");
    // An end that is set into the past ends it now: it was in force until then.
    let mut late = may(None, None);
    late.push(record(at(AUCKLAND, "2026-05-05T00:00"), may(None, Some("2026-05-02T00:00"))[0].terms.clone()));
    assert_eq!(charged(&late), "4.00");
}

#[test]
fn o6_a_fee_counts_from_when_it_changed() {
    let at = |day: &str| at("UTC", day);
    let records =
        [record(at("2026-05-01T00:00"), Some(terms("UTC", 31_00, 2))), record(at("2026-05-31T00:00"), Some(terms("UTC", 62_00, 2)))];
    assert_eq!(charge("UTC", &records, "2026-05-01", "2026-06-01"), "64.00");
}

#[test]
fn o5_a_clock_that_was_set_undoes_no_past() {
    let hour = |hour: u64| Timestamp::from_millis(hour * 3_600_000);
    let made = |hours: &[u64]| hours.iter().map(|at| record(hour(*at), None)).collect::<Vec<_>>();
    let times = |hours: &[u64]| timeline(made(hours)).iter().map(|record| record.time.millis() / 3_600_000).collect::<Vec<_>>();
    assert_eq!(times(&[10, 20, 20, 30]), [10, 20, 20, 30]);
    assert_eq!(times(&[10, 20, 9_000, 30]), [10, 20, 30], "a clock that was ahead");
    assert_eq!(times(&[10, 20, 0, 30]), [10, 20, 20, 30], "a clock that fell back to its beginnings");
}

#[test]
fn o6_an_unknown_time_zone_is_told() {
    let records = [record(Timestamp::default(), Some(terms("Pacific/Nowhere", 1, 1)))];
    assert_eq!(stretches(&records, (0, 10)), Err(UnknownZone("Pacific/Nowhere".to_owned())));
    assert_eq!(stretches(&records, (10, 10)), Ok(Vec::new()));
}

#[test]
fn o6_periods_are_days_or_moments_and_a_month_where_nothing_is_said() {
    let zone = TimeZone::get(AUCKLAND).unwrap();
    let now = at(AUCKLAND, "2026-03-31T23:30");
    let march = (whole(at(AUCKLAND, "2026-03-01T00:00")), whole(at(AUCKLAND, "2026-04-01T00:00")));
    assert_eq!(Period::default().within(&zone, now), march);
    assert_eq!(Period { from: Edge::parse("2026-03-01"), to: None }.within(&zone, Timestamp::default()), march);
    assert_eq!(Edge::parse("2026-03-01T00:00:00Z"), Some(Edge::Moment(at("UTC", "2026-03-01T00:00"))));
    for wrong in ["", "2026-3-1", "2026-02-30", "2026-03-01T00:00", "yesterday"] {
        assert_eq!(Edge::parse(wrong), None, "{wrong}");
    }
}

prop_compose! {
    /// Records of one licence in the years 2000 to 2030, in order.
    fn records()(
        zone in prop::sample::select(ZONES.to_vec()),
        changes in prop::collection::vec((946_684_800_u64..1_900_000_000, 0_u64..100_000, 1_u32..5_000, any::<bool>()), 1..12),
    ) -> Vec<ChargeRecord> {
        let made = |(time, fee, limit, gone): (u64, u64, u32, bool)| {
            record(Timestamp::from_millis(time * 1_000), (!gone).then(|| terms(zone, fee, limit)))
        };
        let mut records: Vec<ChargeRecord> = changes.into_iter().map(made).collect();
        records.sort_by_key(|record| record.time);
        records
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn o6_a_period_split_anywhere_sums_to_the_whole(records in records(), mut cuts in prop::collection::vec(900_000_000_i64..2_000_000_000, 2..6)) {
        cuts.sort_unstable();
        let whole = sum(&records, (cuts[0], cuts[cuts.len() - 1]));
        let mut parts = Sum::default();
        for pair in cuts.windows(2) {
            parts.join(&sum(&records, (pair[0], pair[1])));
        }
        parts.rests.retain(|_, rest| *rest > 0);
        let mut whole = whole;
        whole.rests.retain(|_, rest| *rest > 0);
        prop_assert_eq!(whole.cents(), parts.cents());
        prop_assert_eq!(whole, parts);
    }

    /// The same months come again after 400 years.
    #[test]
    fn o6_shifted_by_a_cycle_of_the_calendar_it_costs_the_same(mut records in records(), from in 900_000_000_i64..1_500_000_000, length in 0_i64..500_000_000) {
        const CYCLE: i64 = 146_097 * 86_400;
        records.iter_mut().filter_map(|record| record.terms.as_mut()).for_each(|terms| terms.zone = "UTC".to_owned());
        let before = sum(&records, (from, from + length));
        for record in &mut records {
            record.time = record.time.plus(std::time::Duration::from_secs(CYCLE as u64));
        }
        prop_assert_eq!(before, sum(&records, (from + CYCLE, from + length + CYCLE)));
    }

    /// Whoever lives five hours west has the same bill five hours later.
    #[test]
    fn o6_shifted_with_its_time_zone_it_costs_the_same(mut records in records(), from in 900_000_000_i64..1_500_000_000, length in 0_i64..500_000_000) {
        let in_zone = |records: &mut Vec<ChargeRecord>, zone: &str| {
            records.iter_mut().filter_map(|record| record.terms.as_mut()).for_each(|terms| terms.zone = zone.to_owned());
        };
        in_zone(&mut records, "UTC");
        let before = sum(&records, (from, from + length));
        in_zone(&mut records, "Etc/GMT+5");
        for record in &mut records {
            record.time = record.time.plus(std::time::Duration::from_secs(5 * 3_600));
        }
        prop_assert_eq!(before, sum(&records, (from + 5 * 3_600, from + length + 5 * 3_600)));
    }

    #[test]
    fn o6_months_follow_each_other_without_gap(zone in prop::sample::select(ZONES.to_vec()), second in 0_i64..4_000_000_000) {
        let zone = TimeZone::get(zone).unwrap();
        let month = Month::of(second, &zone);
        prop_assert!(month.begin <= second && second < month.end);
        prop_assert_eq!(Month::of(month.begin, &zone), month);
        prop_assert_eq!(Month::of(month.end - 1, &zone), month);
        prop_assert_eq!(Month::of(month.end, &zone).begin, month.end);
    }

    /// Rounding agrees with fractions over one denominator, as far as that fits into 128 bits.
    #[test]
    fn o6_sums_are_rounded_as_one_fraction(parts in prop::collection::vec((1_u32..3_000, 0_u32..3_000), 0..5)) {
        let mut sum = Sum { whole: 7, ..Sum::default() };
        for (length, rest) in &parts {
            sum.join(&Sum { whole: 0, rests: BTreeMap::from([(*length, u128::from(rest % length))]) });
        }
        let denominator: u128 = parts.iter().map(|(length, _)| u128::from(*length)).product();
        let numerator: u128 = parts.iter().map(|(length, rest)| u128::from(rest % length) * (denominator / u128::from(*length))).sum();
        prop_assert_eq!(sum.cents(), 7 + (2 * numerator + denominator) / (2 * denominator));
    }
}

#[test]
fn o6_st_johns_turned_its_clocks_back_over_midnight() {
    // At 00:01 of 1 November 2009 it was 23:01 of October again: that hour belongs to November, which has begun.
    let zone = TimeZone::get("America/St_Johns").unwrap();
    let november = whole(at("America/St_Johns", "2009-11-01T00:00"));
    for second in [november, november + 30, november + 60, november + 3_600] {
        assert_eq!(Month::of(second, &zone).begin, november);
    }
    assert_eq!(Month::of(november - 1, &zone).end, november);
}
