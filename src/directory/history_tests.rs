//! The use of licences from the inside, and a month of a made-up organisation.

use super::activation::Posted;
use super::charges::ChargeQuestion;
use super::history::{LicenceUse, UseQuestion};
use super::settings::Package;
use super::tests::{Bench, ORGANISATION, caller, user};
use super::*;
use crate::base::{Clock, Timestamp};
use crate::domain::activation::Purpose;
use crate::domain::charges::{Edge, Period, money};
use crate::model::ModificationKind;
use std::collections::BTreeMap;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const AUCKLAND: &str = "Pacific/Auckland";

/// From, peak, average and refusals of each row, for the operator.
fn told(bench: &Bench, by_hour: bool) -> Vec<(String, u32, u64, u32)> {
    let period = Period { from: Edge::parse("2026-01-01"), to: Edge::parse("2090-01-01") };
    let question = UseQuestion { period, by_hour, ..UseQuestion::default() };
    let rows = bench.directory.history(&bench.operator, &question).unwrap();
    rows.into_iter().map(|LicenceUse { from, peak, average, refusals, .. }| (from, peak, average, refusals)).collect()
}

fn hour(text: &str, peak: u32, average: u64, refusals: u32) -> (String, u32, u64, u32) {
    (text.to_owned(), peak, average, refusals)
}

/// Two of two seats from eight to half past, and one who was refused.
async fn half_an_hour() -> Bench {
    let bench = Bench::with_organisation("2").await;
    assert_eq!(bench.clock.now().rfc3339(), "2027-01-15T08:00:00.000Z");
    bench.bind("ada").await.unwrap();
    bench.bind("bob").await.unwrap();
    assert!(matches!(bench.bind("cleo").await, Err(Error::SessionLimit { .. })));
    bench.clock.advance(30 * MINUTE);
    bench.directory.end_sessions_over().await.unwrap();
    bench
}

#[tokio::test]
async fn s12_peak_average_and_refusals_by_hour_and_day() {
    let bench = half_an_hour().await;
    assert_eq!(told(&bench, true), [hour("2027-01-15T08:00:00+00:00", 2, 200, 1)], "as far as the hour has gone by");
    bench.clock.advance(90 * MINUTE);
    assert_eq!(told(&bench, true), [hour("2027-01-15T08:00:00+00:00", 2, 100, 1)], "an hour without use is none to tell");
    assert_eq!(told(&bench, false), [hour("2027-01-15", 2, 10, 1)], "one seat hour of ten");
    let seats = bench.directory.seat_use(10);
    assert_eq!((seats[0].in_use, seats[0].peak, seats[0].refused), (0, 0, 1));
    bench.bind("ada").await.unwrap();
    assert_eq!(bench.directory.seat_use(10)[0].peak, 1);
}

#[tokio::test]
async fn s12_history_survives_a_restart_and_a_crash_and_counts_nothing_twice() {
    let bench = half_an_hour().await;
    let whole = [hour("2027-01-15T08:00:00+00:00", 2, 200, 1)];
    bench.directory.save_history().await.unwrap();
    bench.directory.save_history().await.unwrap();
    assert_eq!(told(&bench, true), whole, "what is kept is not pending any more");
    let given = (*bench.directory.settings()).clone();
    let bench = bench.reopen(given.clone()).await;
    assert_eq!(told(&bench, true), whole);
    // As after a crash: what came after the last batch is lost, and the seats are still held.
    bench.bind("ada").await.unwrap();
    let backup = bench.folder.path().join("backup");
    bench.directory.backup(&bench.operator, &backup).await.unwrap();
    bench.clock.advance(10 * MINUTE);
    let folder = bench.folder.path().join("restored");
    let other = Settings { folder: folder.clone(), ..given };
    tokio::task::spawn_blocking(move || Directory::restore(&backup, &folder, None).unwrap()).await.unwrap();
    let bench = bench.reopen(other).await;
    bench.clock.advance(20 * MINUTE);
    assert_eq!(told(&bench, true), [hour("2027-01-15T08:00:00+00:00", 2, 133, 1)], "60 minutes and 20 of 60");
}

#[tokio::test]
async fn s12_history_is_kept_for_13_months_and_outlives_its_licence() {
    let bench = half_an_hour().await;
    bench.bind("ada").await.unwrap();
    bench.write(Write::Delete { dn: format!("cn=standard,ou=licences,{ORGANISATION}") }).await.unwrap();
    bench.directory.end_sessions_over().await.unwrap();
    bench.directory.save_history().await.unwrap();
    let whole = told(&bench, true);
    assert_eq!(whole.len(), 1, "{whole:?}");
    bench.clock.advance(60 * MINUTE);
    assert_eq!(told(&bench, true)[0].2, 100, "nobody is in any more");
    bench.clock.jump_to(Timestamp::parse_rfc3339("2028-02-15T12:00:00Z").unwrap());
    bench.directory.forget_old_history().await.unwrap();
    assert_eq!(told(&bench, true).len(), 1);
    bench.clock.jump_to(Timestamp::parse_rfc3339("2028-02-16T12:00:00Z").unwrap());
    bench.directory.forget_old_history().await.unwrap();
    assert_eq!(told(&bench, true), []);
}

#[tokio::test]
async fn s12_history_is_for_the_operator_and_administrators_of_the_organisation() {
    let bench = half_an_hour().await;
    let ada = bench.bind("ada").await.unwrap();
    let asked = |caller: &Caller| bench.directory.history(caller, &UseQuestion::default());
    let ada = Caller { identity: ada.identity, origin: Arc::new(Origin::system()) };
    for nobody in [ada, caller(Identity::anonymous())] {
        assert!(matches!(asked(&nobody), Err(Error::InsufficientAccess(_))));
    }
    assert_eq!(asked(&bench.operator).unwrap().len(), 1);
}

/// The letters that are due: to whom and about what, sent now.
async fn letters(bench: &Bench) -> Vec<(String, Purpose, String)> {
    bench.directory.post_alerts().await.unwrap();
    let mut sent = Vec::new();
    for id in bench.directory.outbox_due(99) {
        let letter = bench.directory.outbox_letter(id).await.unwrap().unwrap();
        bench.directory.outbox_settled(id, Posted::Done).await.unwrap();
        sent.push((letter.to, letter.purpose, letter.about));
    }
    sent.sort_by(|left, right| left.0.cmp(&right.0));
    sent
}

#[tokio::test]
async fn s12_administrators_are_told_of_scarce_seats_and_of_the_first_refusal_of_a_day() {
    let bench = Bench::with_organisation("2").await;
    let mut settings = (*bench.directory.settings()).clone();
    settings.activation.public_url = Some("https://id.example.com".to_owned());
    settings.alerts.share = 100;
    bench.directory.reload(settings.clone()).await.unwrap();
    let role = format!("cn=keepers,ou=roles,{ORGANISATION}");
    bench.add(&role, &[("objectClass", "hcRoleDefinition"), ("cn", "keepers"), ("hcRoleSystem", "organisation-admin")]).await.unwrap();
    bench.modify(&user("ada"), ModificationKind::Add, "hcRole", &[&role]).await.unwrap();
    let password = ("userPassword", "correct horse battery staple");
    let given =
        [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", "dora"), ("sn", "dora"), ("hcUserType", "app"), password];
    bench.add(&user("dora"), &given).await.unwrap();
    letters(&bench).await;
    bench.bind("bob").await.unwrap();
    assert_eq!(letters(&bench).await, [], "half of the seats");
    bench.bind("cleo").await.unwrap();
    let told = |purpose| vec![("ada@acme.example".to_owned(), purpose, "2 of 2 seats of the licence standard are in use".to_owned())];
    assert_eq!(letters(&bench).await, told(Purpose::SeatsScarce));
    for _ in 0..3 {
        assert!(bench.bind("dora").await.is_err());
    }
    assert_eq!(letters(&bench).await, told(Purpose::SeatRefused));
    // Once a day, also after a restart, and again on the next one.
    let bench = bench.reopen(settings.clone()).await;
    assert!(bench.bind("dora").await.is_err());
    assert_eq!(letters(&bench).await, []);
    bench.clock.advance(24 * 60 * MINUTE);
    bench.directory.end_sessions_over().await.unwrap();
    for name in ["bob", "cleo"] {
        bench.bind(name).await.unwrap();
    }
    assert_eq!(letters(&bench).await, told(Purpose::SeatsScarce));
    settings.alerts.refusals = false;
    bench.directory.reload(settings).await.unwrap();
    assert!(bench.bind("dora").await.is_err());
    assert_eq!(letters(&bench).await, []);
}

/// A moment by the clocks on the walls of Auckland.
fn at(text: &str) -> Timestamp {
    let local: jiff::civil::DateTime = text.parse().unwrap();
    let zoned = local.to_zoned(jiff::tz::TimeZone::get(AUCKLAND).unwrap()).unwrap();
    Timestamp::from_millis(zoned.timestamp().as_millisecond() as u64)
}

/// What the days of a month were like, counted naively: peak, minutes of seats, refusals.
type Days = BTreeMap<String, (u32, u64, u32)>;

/// Lives through the hours of a month: who comes is let in as far as there are seats, and stays half an hour.
async fn live(bench: &Bench, from: &str, to: &str, changes: &[(&str, u32)]) -> Days {
    let licence = format!("cn=desk,ou=licences,{ORGANISATION}");
    bench.clock.jump_to(at(from));
    let given =
        [("objectClass", "hcLicence"), ("cn", "desk"), ("hcSessionLimit", "3"), ("hcPackage", "Standard"), ("hcTimeZone", AUCKLAND)];
    bench.add(&licence, &given).await.unwrap();
    let (mut limit, mut days) = (3, Days::new());
    let mut passed = 0_usize;
    while bench.clock.now() < at(to) {
        let now = bench.clock.now();
        if let Some((_, changed)) = changes.iter().find(|(time, _)| at(time) == now) {
            limit = *changed;
            bench.modify(&licence, ModificationKind::Replace, "hcSessionLimit", &[&limit.to_string()]).await.unwrap();
        }
        let local = jiff::Timestamp::from_millisecond(now.millis() as i64).unwrap().in_tz(AUCKLAND).unwrap();
        let mut seated = 0;
        for (number, name) in ["a", "b", "c", "d", "e", "f"].iter().enumerate() {
            if !(8..18).contains(&local.hour()) || (passed * 7 + number * 5) % 6 > 3 {
                continue;
            }
            let day = days.entry(local.date().to_string()).or_default();
            match bench.bind(name).await {
                Ok(_) => seated += 1,
                Err(Error::SessionLimit { limit: told, in_use, .. }) => {
                    assert_eq!((told, in_use, seated), (limit, limit, limit));
                    day.2 += 1;
                }
                Err(error) => panic!("{error}"),
            }
            assert!(seated <= limit);
            day.0 = day.0.max(seated);
        }
        if seated > 0 {
            days.entry(local.date().to_string()).or_default().1 += 30 * u64::from(seated);
        }
        bench.clock.advance(30 * MINUTE);
        bench.directory.end_sessions_over().await.unwrap();
        bench.clock.advance(30 * MINUTE);
        passed += 1;
        if passed.is_multiple_of(5) {
            bench.directory.save_history().await.unwrap();
        }
    }
    days
}

async fn organisation() -> Bench {
    let bench = Bench::new();
    bench.clock.jump_to(at("2026-02-01T09:00"));
    let mut settings = (*bench.directory.settings()).clone();
    settings.catalog.packages = vec![Package { name: "Standard".to_owned(), roles: Vec::new(), fee_cents: 30_00 }];
    bench.directory.reload(settings).await.unwrap();
    bench.add("dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]).await.unwrap();
    bench.add(ORGANISATION, &[("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("o", "acme")]).await.unwrap();
    for name in ["a", "b", "c", "d", "e", "f"] {
        let password = ("userPassword", "correct horse battery staple");
        let given =
            [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", name), ("sn", name), ("hcUserType", "app"), password];
        bench.add(&user(name), &given).await.unwrap();
    }
    bench
}

fn invoice(bench: &Bench, from: &str, to: &str) -> String {
    let period = Period { from: Edge::parse(from), to: Edge::parse(to) };
    let charges = bench.directory.charges(&bench.operator, &ChargeQuestion { period, ..ChargeQuestion::default() }).unwrap();
    assert_eq!(charges.len(), 1);
    money(charges[0].cents)
}

/// What history says of the days is what was counted, over days of 23 hours too.
fn assert_days(bench: &Bench, days: &Days) {
    let told = told(bench, false);
    assert_eq!(told.len(), days.len());
    for (day, peak, average, refusals) in told {
        let (most, minutes, refused) = days[&day];
        let hours = if day == "2026-09-27" { 23 } else { 24 };
        assert_eq!((peak, average, refusals), (most, (minutes * 100 + hours * 30) / (hours * 60), refused), "{day}");
    }
}

#[tokio::test]
async fn o6_s12_a_month_is_charged_as_the_example_of_the_rule() {
    let bench = organisation().await;
    let days = live(&bench, "2026-03-01T00:00", "2026-04-01T00:00", &[("2026-03-16T00:00", 5)]).await;
    assert_eq!(invoice(&bench, "2026-03-01", "2026-04-01"), "120.97");
    assert!(days.values().any(|(_, _, refused)| *refused > 0));
    assert_days(&bench, &days);
}

#[tokio::test]
async fn o6_s12_a_month_in_which_clocks_and_limits_change() {
    let bench = organisation().await;
    let changes = [("2026-09-10T09:00", 6), ("2026-09-10T17:00", 3), ("2026-09-16T00:00", 5)];
    let days = live(&bench, "2026-09-01T00:00", "2026-10-01T00:00", &changes).await;
    // 719 hours: 3 seats for 360 of them, 3 more for 8, and 5 for 359. 30 × (1080 + 24 + 1795) / 719 = 120.9596…
    assert_eq!(invoice(&bench, "2026-09-01", "2026-10-01"), "120.96");
    // The day with the extra seats alone: 30 × (3 × 24 + 3 × 8) / 719 = 4.0055…
    assert_eq!(invoice(&bench, "2026-09-10", "2026-09-11"), "4.01");
    assert_days(&bench, &days);
}
