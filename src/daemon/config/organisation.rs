//! An organisation declared by file, with its licences (O3, O4).

use super::access::Surroundings;
use super::check::Checker;
use super::problem::{Problem, SourceFile};
use super::units::Period;
use crate::base::Timestamp;
use crate::directory::settings::{Catalog, DeclaredEntry};
use crate::domain::lens::may_be_opened;
use crate::model::Dn;
use crate::schema::Schema;
use serde::Deserialize;
use std::collections::HashMap;
use toml::Spanned;

/// The containers of an organisation (design §7).
const CONTAINERS: [&str; 7] = ["users", "staff", "roles", "groups", "licences", "sessions", "content"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganisationFile {
    dn: Spanned<String>,
    description: Option<String>,
    #[serde(default)]
    self_service: Vec<Spanned<String>>,
    #[serde(default, rename = "licence")]
    licences: Vec<LicenceTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LicenceTable {
    name: Spanned<String>,
    package: Option<Spanned<String>>,
    session_limit: Spanned<u32>,
    #[serde(default)]
    counting: Counting,
    idle_timeout: Option<Spanned<Period>>,
    #[serde(default)]
    release: Release,
    when_full: Option<Spanned<WhenFull>>,
    overdraft: Option<Spanned<u32>>,
    minimum_idle: Option<Spanned<Period>>,
    per_user_limit: Option<Spanned<u32>>,
    maximum_age: Option<Period>,
    soft_limit: Option<Spanned<u32>>,
    #[serde(default)]
    report_only: bool,
    #[serde(default)]
    self_service: bool,
    #[serde(default)]
    default: bool,
    time_zone: Option<Spanned<String>>,
    partner: Option<String>,
    start: Option<Spanned<toml::value::Datetime>>,
    end: Option<Spanned<toml::value::Datetime>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Counting {
    Sessions,
    #[default]
    Users,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Release {
    Disconnect,
    #[default]
    Idle,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WhenFull {
    Deny,
    EndOldestIdle,
    Overdraft,
}

/// Which file declares each entry, by the normal form of its name.
#[derive(Default)]
pub(super) struct Owners(HashMap<Vec<u8>, String>);

impl Owners {
    /// Notes the entries of a file. Answers the first that another file declares, with that file.
    fn note<'a>(&mut self, schema: &Schema, entries: &'a [DeclaredEntry]) -> Option<(&'a str, String)> {
        let mut twice = None;
        for entry in entries {
            let Ok(dn) = Dn::parse(&entry.dn) else { continue };
            let former = self.0.insert(schema.name_key(&dn), entry.file.clone());
            twice = twice.or_else(|| former.map(|former| (entry.dn.as_str(), former)));
        }
        twice
    }
}

/// Reads and checks one; what is wrong goes to the checker.
pub(super) fn load(checker: &mut Checker, source: &SourceFile, around: &Surroundings<'_>, owners: &mut Owners) -> Vec<DeclaredEntry> {
    let file: OrganisationFile = match toml::from_str(&source.text) {
        Ok(file) => file,
        Err(error) => {
            checker.problem(Problem::of_toml(source, &error));
            return Vec::new();
        }
    };
    let known = checker.count();
    let Some(dn) = checker.dn(source, &file.dn) else { return Vec::new() };
    under_a_suffix(checker, source, &file.dn, &dn, around.suffixes);
    if let Some(schema) = around.schema {
        let opens = |name: &str| schema.attribute(name).is_some_and(|attribute| may_be_opened(schema, attribute));
        for name in file.self_service.iter().filter(|name| !opens(name.get_ref())) {
            let message = format!("`{}` is no detail of a person that users may change of themselves (U2)", name.get_ref());
            checker.problem(Problem::at(source, &name.span(), message));
        }
    }
    check_licences(checker, source, &file, around.catalog);
    let owner = source.path.display().to_string();
    let entry = |dn: String, attributes: Vec<(String, Vec<String>)>| DeclaredEntry { file: owner.clone(), dn, attributes };
    let base = file.dn.get_ref();
    let mut out = vec![entry(base.clone(), organisation(&file, &dn))];
    for name in CONTAINERS {
        out.push(entry(format!("ou={name},{base}"), vec![pair("objectClass", "organizationalUnit"), pair("ou", name)]));
    }
    let single = file.licences.len() == 1;
    for table in &file.licences {
        let name =
            crate::model::Rdn(vec![crate::model::Ava { attribute: "cn".to_owned(), value: table.name.get_ref().clone().into_bytes() }]);
        out.push(entry(format!("{name},ou=licences,{base}"), licence(checker, source, table, single)));
    }
    if let (Some(schema), true) = (around.schema, checker.count() == known) {
        let licences = out.iter().skip(1 + CONTAINERS.len()).zip(&file.licences).map(|(entry, table)| (entry, table.name.span()));
        for (entry, span) in out.iter().take(1).map(|entry| (entry, file.dn.span())).chain(licences) {
            if let Err(reason) = entry.check(schema) {
                checker.problem(Problem::at(source, &span, format!("`{}`: {reason}", entry.dn)));
            }
        }
    }
    // One of the two would win, and at each reload anew. Two licences of one name are told about by themselves.
    if checker.count() == known
        && let Some(schema) = around.schema
        && let Some((name, other)) = owners.note(schema, &out)
    {
        checker.problem(Problem::at(source, &file.dn.span(), format!("`{name}` is declared by {other} too")));
    }
    out
}

/// The name must stand below a suffix or be one; names are compared without regard to case, as all of the
/// attributes people name organisations by are.
fn under_a_suffix(checker: &mut Checker, source: &SourceFile, given: &Spanned<String>, dn: &Dn, suffixes: &[String]) {
    let folded = |dn: &Dn| dn.to_string().to_lowercase();
    let name = folded(dn);
    let under = suffixes.iter().filter_map(|suffix| Dn::parse(suffix).ok()).any(|suffix| {
        let suffix = folded(&suffix);
        name == suffix || name.ends_with(&format!(",{suffix}"))
    });
    if !under {
        let message = format!("`{}` is under no suffix of the server file", given.get_ref());
        checker.problem(Problem::at(source, &given.span(), message));
    }
}

fn check_licences(checker: &mut Checker, source: &SourceFile, file: &OrganisationFile, catalog: &Catalog) {
    let mut names = std::collections::BTreeSet::new();
    for table in &file.licences {
        if !names.insert(table.name.get_ref().to_lowercase()) {
            checker.problem(Problem::at(source, &table.name.span(), format!("two licences are named `{}`", table.name.get_ref())));
        }
        if *table.session_limit.get_ref() == 0 {
            let problem = Problem::at(source, &table.session_limit.span(), "a session limit is at least 1: 0 would let nobody in (O3)");
            checker.problem(problem.help("to let nobody in, give the licence an `end` in the past"));
        }
        if let Some(package) = &table.package
            && !catalog.packages.iter().any(|known| known.name == *package.get_ref())
        {
            let message = format!("the catalog has no package `{}`", package.get_ref());
            let problem = Problem::at(source, &package.span(), message);
            checker.problem(problem.suggest(package.get_ref(), catalog.packages.iter().map(|known| known.name.as_str())));
        }
        let overdraws = table.when_full.as_ref().is_some_and(|when| *when.get_ref() == WhenFull::Overdraft);
        match &table.overdraft {
            Some(overdraft) if !overdraws => {
                checker.problem(Problem::at(source, &overdraft.span(), "`overdraft` needs `when_full = \"overdraft\"`"));
            }
            None if overdraws => {
                let span = table.when_full.as_ref().map(Spanned::span).unwrap_or_default();
                checker.problem(Problem::at(source, &span, "`when_full = \"overdraft\"` needs `overdraft`, how many more"));
            }
            Some(_) | None => {}
        }
        if let Some(limit) = table.soft_limit.as_ref().filter(|limit| *limit.get_ref() == 0) {
            checker.problem(Problem::at(source, &limit.span(), "a soft limit is at least 1"));
        }
        let gives_way = table.when_full.as_ref().is_some_and(|when| *when.get_ref() == WhenFull::EndOldestIdle);
        if let Some(least) = table.minimum_idle.as_ref().filter(|_| !gives_way) {
            checker.problem(Problem::at(source, &least.span(), "`minimum_idle` needs `when_full = \"end-oldest-idle\"`"));
        }
        if let Some(zone) = &table.time_zone
            && jiff::tz::TimeZone::get(zone.get_ref()).is_err()
        {
            checker.problem(Problem::at(source, &zone.span(), format!("`{}` is no time zone as Pacific/Auckland", zone.get_ref())));
        }
        if let Some(timeout) = table.idle_timeout.as_ref().filter(|timeout| timeout.get_ref().0.as_secs() == 0) {
            checker.problem(Problem::at(source, &timeout.span(), "an idle timeout is at least 1s"));
        }
    }
    let defaults: Vec<&LicenceTable> = file.licences.iter().filter(|table| table.default).collect();
    if file.licences.len() > 1 && defaults.is_empty() {
        checker.problem(Problem::of_file(&source.path, "has several licences and none of them is the default (O2)"));
    }
    for second in defaults.iter().skip(1) {
        checker.problem(Problem::at(source, &second.name.span(), "a second licence is marked `default`; one is (O2)"));
    }
}

fn pair(name: &str, value: impl Into<String>) -> (String, Vec<String>) {
    (name.to_owned(), vec![value.into()])
}

/// What the file may leave out; an entry that has it all the same loses it (O4).
fn optional(name: &str, value: Option<String>) -> (String, Vec<String>) {
    (name.to_owned(), value.into_iter().collect())
}

fn organisation(file: &OrganisationFile, dn: &Dn) -> Vec<(String, Vec<String>)> {
    let naming = dn.rdn().into_iter().flat_map(|rdn| &rdn.0).map(|ava| pair(&ava.attribute, String::from_utf8_lossy(&ava.value)));
    let class = match dn.rdn().and_then(|rdn| rdn.0.first()).map(|ava| ava.attribute.to_lowercase()).as_deref() {
        Some("ou") => "organizationalUnit",
        Some("dc") => "domain",
        _ => "organization",
    };
    let mut attributes = vec![("objectClass".to_owned(), vec![class.to_owned(), "hcOrganisation".to_owned()])];
    attributes.extend(naming);
    attributes.push(optional("description", file.description.clone()));
    let opened = file.self_service.iter().map(|name| name.get_ref().clone()).collect();
    attributes.push(("hcSelfServiceAttribute".to_owned(), opened));
    attributes
}

fn licence(checker: &mut Checker, source: &SourceFile, table: &LicenceTable, single: bool) -> Vec<(String, Vec<String>)> {
    let truth = |value: bool| if value { "TRUE" } else { "FALSE" };
    let seconds = |period: Period| period.0.as_secs().to_string();
    let mut attributes = vec![
        pair("objectClass", "hcLicence"),
        pair("cn", table.name.get_ref().clone()),
        pair("hcSessionLimit", table.session_limit.get_ref().to_string()),
        pair("hcCountingMode", if matches!(table.counting, Counting::Users) { "users" } else { "sessions" }),
        pair("hcReleaseMode", if matches!(table.release, Release::Idle) { "idle" } else { "disconnect" }),
        pair("hcReportOnly", truth(table.report_only)),
        pair("hcSelfService", truth(table.self_service)),
        pair("hcLicenceDefault", truth(table.default || single)),
    ];
    let [start, end] = [&table.start, &table.end].map(|date| date.as_ref().and_then(|date| instant(checker, source, table, date)));
    if let (Some(start), Some(end), Some(given)) = (start, end, &table.end)
        && end <= start
    {
        checker.problem(Problem::at(source, &given.span(), "a licence ends after it starts"));
    }
    attributes.extend([
        optional("hcPackage", table.package.as_ref().map(|package| package.get_ref().clone())),
        optional("hcIdleTimeout", table.idle_timeout.as_ref().map(|timeout| seconds(*timeout.get_ref()))),
        optional("hcMaximumAge", table.maximum_age.map(seconds)),
        optional("hcMinimumIdle", table.minimum_idle.as_ref().map(|least| seconds(*least.get_ref()))),
        optional("hcOverdraft", table.overdraft.as_ref().map(|overdraft| overdraft.get_ref().to_string())),
        optional("hcPerUserLimit", table.per_user_limit.as_ref().map(|limit| limit.get_ref().to_string())),
        optional("hcSoftLimit", table.soft_limit.as_ref().map(|limit| limit.get_ref().to_string())),
        optional("hcTimeZone", table.time_zone.as_ref().map(|zone| zone.get_ref().clone())),
        optional("hcPartner", table.partner.clone()),
        optional("hcWhenFull", table.when_full.as_ref().map(|when| when_full(*when.get_ref()).to_owned())),
        optional("hcStartDate", start.map(Timestamp::generalized)),
        optional("hcEndDate", end.map(Timestamp::generalized)),
    ]);
    attributes
}

const fn when_full(when: WhenFull) -> &'static str {
    match when {
        WhenFull::Deny => "deny",
        WhenFull::EndOldestIdle => "end-oldest-idle",
        WhenFull::Overdraft => "overdraft",
    }
}

/// A date of the file: a day begins in the licence's time zone, and a time needs an offset.
fn instant(checker: &mut Checker, source: &SourceFile, table: &LicenceTable, date: &Spanned<toml::value::Datetime>) -> Option<Timestamp> {
    let text = date.get_ref().to_string();
    let zone = table.time_zone.as_ref().and_then(|zone| jiff::tz::TimeZone::get(zone.get_ref()).ok()).unwrap_or(jiff::tz::TimeZone::UTC);
    let day = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(zone).ok().map(|zoned| zoned.timestamp().as_millisecond());
    let millis = match date.get_ref() {
        toml::value::Datetime { date: Some(_), time: None, offset: None } => day(),
        _ => Timestamp::parse_rfc3339(&text.replace(' ', "T")).and_then(|time| i64::try_from(time.millis()).ok()),
    };
    let found = millis.and_then(|millis| u64::try_from(millis).ok()).map(Timestamp::from_millis);
    if found.is_none() {
        checker.problem(Problem::at(source, &date.span(), "not a date as 2026-03-01, nor a time with offset as 2026-03-01T00:00:00Z"));
    }
    found
}
