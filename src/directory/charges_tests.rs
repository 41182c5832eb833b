//! Charges from the inside: what is kept of changes, and that it lasts.

use super::charges::{Charge, ChargeQuestion};
use super::settings::{DeclaredEntry, Package};
use super::tests::{Bench, ORGANISATION, caller, user};
use super::*;
use crate::base::Timestamp;
use crate::domain::charges::{Edge, Period, money};
use crate::model::ModificationKind;

const AUCKLAND: &str = "Pacific/Auckland";

fn licence() -> String {
    format!("cn=desk,ou=licences,{ORGANISATION}")
}

/// By the clocks on the walls of Auckland.
fn at(text: &str) -> Timestamp {
    let local: jiff::civil::DateTime = text.parse().unwrap();
    let zoned = local.to_zoned(jiff::tz::TimeZone::get(AUCKLAND).unwrap()).unwrap();
    Timestamp::from_millis(zoned.timestamp().as_millisecond() as u64)
}

fn question(from: &str, to: &str) -> ChargeQuestion {
    ChargeQuestion { period: Period { from: Edge::parse(from), to: Edge::parse(to) }, ..ChargeQuestion::default() }
}

fn package(name: &str, fee_cents: u64) -> Package {
    Package { name: name.to_owned(), roles: Vec::new(), fee_cents }
}

/// An organisation in Auckland with a licence of three seats at 30.00 from the first of March 2026.
struct Books(Bench);

impl Books {
    async fn open() -> Self {
        let bench = Bench::new();
        bench.clock.jump_to(at("2026-02-01T09:00"));
        let books = Self(bench);
        books.fees(&[package("Standard", 30_00), package("Large", 45_00)]).await;
        books.0.add("dc=example,dc=com", &[("objectClass", "domain"), ("dc", "example")]).await.unwrap();
        let organisation = [("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("o", "acme"), ("hcTimeZone", AUCKLAND)];
        books.0.add(ORGANISATION, &organisation).await.unwrap();
        books.on("2026-03-01T00:00");
        let given = [("objectClass", "hcLicence"), ("cn", "desk"), ("hcSessionLimit", "3"), ("hcPackage", "standard")];
        books.0.add(&licence(), &given).await.unwrap();
        books
    }

    fn on(&self, time: &str) {
        self.0.clock.jump_to(at(time));
    }

    async fn fees(&self, packages: &[Package]) {
        let mut settings = (*self.0.directory.settings()).clone();
        settings.catalog.packages = packages.to_vec();
        self.0.directory.reload(settings).await.unwrap();
    }

    async fn set(&self, attribute: &str, value: &str) {
        let values = if value.is_empty() { Vec::new() } else { vec![value] };
        self.0.modify(&licence(), ModificationKind::Replace, attribute, &values).await.unwrap();
    }

    fn charges(&self, from: &str, to: &str) -> Vec<Charge> {
        self.0.directory.charges(&self.0.operator, &question(from, to)).unwrap()
    }

    /// The sum of the only licence there is to charge.
    fn sum(&self, from: &str, to: &str) -> String {
        let charges = self.charges(from, to);
        assert_eq!(charges.len(), 1, "{charges:?}");
        money(charges[0].cents)
    }
}

#[tokio::test]
async fn o6_the_example_of_the_rule_with_who_made_it_so() {
    let books = Books::open().await;
    books.on("2026-03-16T00:00");
    books.set("hcSessionLimit", "5").await;
    let [charge] = books.charges("2026-03-01", "2026-04-01").try_into().unwrap();
    assert_eq!((charge.licence, charge.organisation, money(charge.cents).as_str()), (licence(), ORGANISATION.to_owned(), "120.97"));
    let shown: Vec<_> = charge.stretches.iter().map(|held| (held.from.as_str(), held.to.as_str(), held.limit, held.share)).collect();
    let [first, middle, last] = ["2026-03-01T00:00:00+13:00", "2026-03-16T00:00:00+13:00", "2026-04-01T00:00:00+13:00"];
    assert_eq!(shown, [(first, middle, 3, (15, 31)), (middle, last, 5, (16, 31))]);
    assert!(charge.stretches.iter().all(|held| held.actor == "cn=operator" && held.fee_cents == 30_00), "{:?}", charge.stretches);
}

#[tokio::test]
async fn o5_the_past_of_a_licence_stays_billable_when_it_is_renamed_and_deleted() {
    let books = Books::open().await;
    books.on("2026-03-11T00:00");
    books.0.rename(&licence(), "cn=counter").await;
    books.0.rename(ORGANISATION, "o=apex").await;
    let [charge] = books.charges("2026-03-01", "2026-04-01").try_into().unwrap();
    assert_eq!(
        (charge.licence.as_str(), charge.stretches.len()),
        ("cn=counter,ou=licences,o=apex,dc=example,dc=com", 1),
        "no change of terms"
    );
    books.on("2026-03-31T00:00");
    books.0.write(Write::Delete { dn: charge.licence.clone() }).await.unwrap();
    assert_eq!(books.sum("2026-03-01", "2026-04-01"), "87.10", "90 × 30 / 31");
    // The organisation too: it is found by the name it had last.
    let everything = WriteOptions { tree: true, ..WriteOptions::default() };
    let delete = Write::Delete { dn: "o=apex,dc=example,dc=com".to_owned() };
    books.0.directory.write(&books.0.operator, delete, everything).await.unwrap();
    let gone = ChargeQuestion { organisation: Some("O=Apex, dc=example, dc=com".to_owned()), ..question("2026-03-01", "2026-04-01") };
    assert_eq!(books.0.directory.charges(&books.0.operator, &gone).unwrap()[0].cents, 87_10);
    assert_eq!(books.charges("2026-04-01", "2026-05-01"), [], "nothing is left to be charged");
    let unknown = ChargeQuestion { organisation: Some("o=none,dc=example,dc=com".to_owned()), ..gone };
    assert!(matches!(books.0.directory.charges(&books.0.operator, &unknown), Err(Error::NoSuchObject { .. })));
}

#[tokio::test]
async fn o5_what_was_kept_survives_a_restart_and_a_restore_and_nothing_is_added() {
    let books = Books::open().await;
    books.on("2026-03-16T00:00");
    books.set("hcSessionLimit", "5").await;
    let before = books.charges("2026-03-01", "2026-04-01");
    books.on("2026-03-20T00:00");
    let backup = books.0.folder.path().join("backup");
    books.0.directory.backup(&books.0.operator, &backup).await.unwrap();
    let given = (*books.0.directory.settings()).clone();
    let books = Books(books.0.reopen(given.clone()).await);
    assert_eq!(books.charges("2026-03-01", "2026-04-01"), before);
    let folder = books.0.folder.path().join("restored");
    let other = Settings { folder: folder.clone(), ..given };
    tokio::task::spawn_blocking(move || Directory::restore(&backup, &folder, None).unwrap()).await.unwrap();
    let books = Books(books.0.reopen(other).await);
    assert_eq!(books.charges("2026-03-01", "2026-04-01"), before);
}

#[tokio::test]
async fn o6_a_fee_that_the_catalog_changes_counts_from_then_on() {
    let books = Books::open().await;
    books.on("2026-03-31T00:00");
    books.fees(&[package("Standard", 60_00), package("Large", 45_00)]).await;
    assert_eq!(books.sum("2026-03-01", "2026-04-01"), "92.90", "90 × 30 / 31 + 180 / 31");
    let charges = books.charges("2026-03-01", "2026-04-01");
    assert_eq!(charges[0].stretches.iter().map(|held| held.actor.as_str()).collect::<Vec<_>>(), ["cn=operator", "catalog"]);
    // Also while the server was down, from the start on.
    let mut given = (*books.0.directory.settings()).clone();
    given.catalog.packages = vec![package("Standard", 0)];
    books.on("2026-04-16T00:00");
    let books = Books(books.0.reopen(given).await);
    assert_eq!(books.sum("2026-04-16", "2026-05-01"), "0.00");
    assert_eq!(books.sum("2026-04-01", "2026-04-16"), "90.12", "180 × 361 / 721: clocks went back");
}

#[tokio::test]
async fn o5_package_dates_and_time_zone_count_from_when_they_change() {
    let books = Books::open().await;
    books.on("2026-03-02T00:00");
    books.set("hcPackage", "Large").await;
    assert_eq!(books.sum("2026-03-01", "2026-04-01"), "133.55", "(90 + 135 × 30) / 31");
    books.set("hcEndDate", "20260309110000Z").await;
    assert_eq!(books.sum("2026-03-01", "2026-04-01"), "37.74", "(90 + 135 × 8) / 31: until the tenth there");
    books.on("2026-03-20T00:00");
    books.set("hcEndDate", "").await;
    assert_eq!(books.sum("2026-03-01", "2026-04-01"), "90.00", "(90 + 135 × 8 + 135 × 12) / 31: the gap stays free");
    let zone = async |dn: &str, zone: &str| books.0.modify(dn, ModificationKind::Replace, "hcTimeZone", &[zone]).await.unwrap();
    zone(ORGANISATION, "UTC").await;
    let [charge] = books.charges("2026-03-01", "2026-04-01").try_into().unwrap();
    assert_eq!(charge.to, "2026-04-01T00:00:00+00:00", "a licence without a time zone is in that of its organisation");
    zone(&licence(), AUCKLAND).await;
    let [charge] = books.charges("2026-03-01", "2026-04-01").try_into().unwrap();
    assert_eq!((charge.to.as_str(), money(charge.cents).as_str()), ("2026-04-01T00:00:00+13:00", "90.00"));
    books.set("hcPackage", "").await;
    assert_eq!(books.charges("2026-03-20", "2026-04-01")[0].cents, 0, "no package, no fee");
}

#[tokio::test]
async fn o5_what_is_not_changed_after_all_is_not_charged() {
    let books = Books::open().await;
    books.on("2026-03-16T00:00");
    let change = Write::Modify {
        dn: licence(),
        modifications: vec![crate::model::Modification {
            kind: ModificationKind::Replace,
            attribute: "hcSessionLimit".to_owned(),
            values: vec![b"5".to_vec()],
        }],
    };
    let options = WriteOptions { no_operation: true, ..WriteOptions::default() };
    let refused = books.0.directory.write(&books.0.operator, change, options).await;
    assert_eq!(refused.map(|_| ()), Err(Error::NoOperation));
    books.set("description", "nothing that costs").await;
    books.set("hcIdleTimeout", "60").await;
    let [charge] = books.charges("2026-03-01", "2026-04-01").try_into().unwrap();
    assert_eq!((charge.stretches.len(), money(charge.cents).as_str()), (1, "90.00"));
}

#[tokio::test]
async fn o4_o5_what_a_file_declares_is_charged_in_its_name() {
    let books = Books::open().await;
    let declare = async |limit: &str| {
        let mut settings = (*books.0.directory.settings()).clone();
        let pair = |name: &str, value: &str| (name.to_owned(), vec![value.to_owned()]);
        settings.organisations = vec![DeclaredEntry {
            file: "acme.toml".to_owned(),
            dn: licence(),
            attributes: vec![
                pair("objectClass", "hcLicence"),
                pair("cn", "desk"),
                pair("hcSessionLimit", limit),
                pair("hcPackage", "Large"),
            ],
        }];
        books.0.directory.reload(settings).await.unwrap();
    };
    books.on("2026-03-16T00:00");
    declare("5").await;
    declare("5").await;
    let [charge] = books.charges("2026-03-01", "2026-04-01").try_into().unwrap();
    let shown: Vec<_> = charge.stretches.iter().map(|held| (held.limit, held.fee_cents, held.actor.as_str())).collect();
    assert_eq!(shown, [(3, 30_00, "cn=operator"), (5, 45_00, "acme.toml")]);
    assert_eq!(money(charge.cents), "159.68", "(90 × 15 + 225 × 16) / 31");
}

#[tokio::test]
async fn o6_charges_are_for_the_operator_and_administrators_of_the_organisation() {
    let books = Books::open().await;
    let role = format!("cn=keepers,ou=roles,{ORGANISATION}");
    books.0.add(&role, &[("objectClass", "hcRoleDefinition"), ("cn", "keepers"), ("hcRoleSystem", "organisation-admin")]).await.unwrap();
    for name in ["ada", "bob", "cleo"] {
        let password = ("userPassword", "correct horse battery staple");
        let given =
            [("objectClass", "inetOrgPerson"), ("objectClass", "hcUser"), ("cn", name), ("sn", name), ("hcUserType", "app"), password];
        books.0.add(&user(name), &given).await.unwrap();
    }
    for name in ["ada", "cleo"] {
        books.0.modify(&user(name), ModificationKind::Add, "hcRole", &[&role]).await.unwrap();
    }
    books
        .0
        .add("o=other,dc=example,dc=com", &[("objectClass", "organization"), ("objectClass", "hcOrganisation"), ("o", "other")])
        .await
        .unwrap();
    let given = [("objectClass", "hcLicence"), ("cn", "theirs"), ("hcSessionLimit", "3"), ("hcPackage", "Standard")];
    books.0.add("cn=theirs,ou=licences,o=other,dc=example,dc=com", &given).await.unwrap();
    let who = |name: &str| {
        let found = books.0.search(&books.0.operator, &user(name), Scope::Base, "(objectClass=*)", &["1.1"]).unwrap();
        assert_eq!(found.len(), 1);
        let dn = tree::parse_dn(&user(name)).unwrap();
        let tree::Resolved::Found(id) =
            tree::resolve(books.0.directory.schema(), &books.0.directory.current().suffixes, books.0.directory.memory(), &dn)
        else {
            unreachable!()
        };
        caller(books.0.directory.core().identity(books.0.directory.memory(), id).unwrap())
    };
    let ask = |caller: &Caller, question: &ChargeQuestion| {
        books.0.directory.charges(caller, question).map(|found| found.into_iter().map(|charge| charge.licence).collect::<Vec<_>>())
    };
    let march = question("2026-03-01", "2026-04-01");
    assert_eq!(books.charges("2026-03-01", "2026-04-01").len(), 2);
    let ada = who("ada");
    assert_eq!(ask(&ada, &march), Ok(vec![licence()]));
    for other in ["o=other,dc=example,dc=com", "o=none,dc=example,dc=com"] {
        let theirs = ChargeQuestion { organisation: Some(other.to_owned()), ..march.clone() };
        assert_eq!(ask(&ada, &theirs), Err(Error::NoSuchObject { matched: String::new() }), "{other}: the same as of none");
    }
    let theirs = ChargeQuestion { licence: Some("cn=theirs,ou=licences,o=other,dc=example,dc=com".to_owned()), ..march.clone() };
    assert_eq!(ask(&ada, &theirs), Err(Error::NoSuchObject { matched: String::new() }));
    for nobody in [who("bob"), caller(Identity::anonymous())] {
        assert!(matches!(ask(&nobody, &march), Err(Error::InsufficientAccess(_))));
    }
    let client = Identity { standing: Standing::Client, organisation: ada.identity.organisation, ..Identity::anonymous() };
    let generation = books.0.directory.core().authority();
    assert_eq!(ask(&caller(Identity { generation, ..client }), &march), Ok(vec![licence()]));
    // At once, on open connections too (R7).
    books.0.modify(&user("ada"), ModificationKind::Delete, "hcRole", &[&role]).await.unwrap();
    assert!(matches!(ask(&ada, &march), Err(Error::InsufficientAccess(_))));
}

#[tokio::test]
async fn o6_a_period_that_is_none_is_refused() {
    let books = Books::open().await;
    for (from, to) in [("2026-04-01", "2026-03-01"), ("1990-01-01", "2190-01-01")] {
        let refused = books.0.directory.charges(&books.0.operator, &question(from, to));
        assert!(matches!(refused, Err(Error::Constraint(_))), "{refused:?}");
    }
}
