//! The terms of a licence out of its entry (O3), and which values those attributes may have.

use super::check::{Breach, Cause};
use super::lens::{Licence, boolean, number, time};
use super::seats::{Counting, LicenceTerms, Release, WhenFull};
use crate::base::{EntryId, Timestamp};
use crate::model::{Entry, Facts, Kind, Rdn};
use crate::schema::Schema;
use std::sync::Arc;
use std::time::Duration;

/// How long a holder must have been idle to give way where the licence does not say (S8).
const GIVES_WAY_AFTER: Duration = Duration::from_secs(5 * 60);

impl Counting {
    /// The mode of a value of `hcCountingMode`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "users" => Some(Self::Users),
            "sessions" => Some(Self::Sessions),
            _ => None,
        }
    }
}

impl Release {
    /// The mode of a value of `hcReleaseMode`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "idle" => Some(Self::Idle),
            "disconnect" => Some(Self::Disconnect),
            _ => None,
        }
    }
}

impl WhenFull {
    /// The policy of a value of `hcWhenFull`, with the numbers of the attributes beside it.
    pub fn parse(text: &str, idle_at_least: Duration, overdraft: u32) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "deny" => Some(Self::Deny),
            "end-oldest-idle" => Some(Self::EndOldestIdle(idle_at_least)),
            "overdraft" => Some(Self::Overdraft(overdraft)),
            _ => None,
        }
    }
}

impl Licence<'_> {
    /// Its terms. Durations are kept in whole seconds; what is not given has the default of domain rules S2, S5, S8.
    pub fn terms(&self) -> LicenceTerms {
        let (known, entry) = (self.schema().known(), self.entry);
        let seconds = |attribute| number(entry, attribute).map(Duration::from_secs);
        let count = |attribute| number(entry, attribute).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let gives_way = self.schema().attribute("hcMinimumIdle").and_then(seconds).unwrap_or(GIVES_WAY_AFTER);
        let overdraft = count(known.hc_overdraft);
        let when_full = entry.text(known.hc_when_full).and_then(|text| WhenFull::parse(text, gives_way, overdraft.unwrap_or(0)));
        let default = LicenceTerms::default();
        LicenceTerms {
            limit: count(known.hc_session_limit).unwrap_or(default.limit),
            counting: entry.text(known.hc_counting_mode).and_then(Counting::parse).unwrap_or_default(),
            idle_timeout: seconds(known.hc_idle_timeout).unwrap_or(default.idle_timeout),
            release: entry.text(known.hc_release_mode).and_then(Release::parse).unwrap_or_default(),
            when_full: when_full.unwrap_or_default(),
            per_user: count(known.hc_per_user_limit),
            maximum_age: seconds(known.hc_maximum_age),
            soft_limit: self.schema().attribute("hcSoftLimit").and_then(count),
            report_only: boolean(entry, known.hc_report_only) == Some(true),
            start: time(entry, known.hc_start_date),
            end: time(entry, known.hc_end_date),
        }
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        self.entry.text(self.schema().known().cn).unwrap_or("(unnamed)")
    }

    /// Its package, where it has one.
    pub fn package(&self) -> Option<&str> {
        self.entry.text(self.schema().attribute("hcPackage")?)
    }

    /// Whether it has begun, and has not ended (O3).
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        let at = |attribute| time(self.entry, attribute);
        let known = self.schema().known();
        at(known.hc_start_date).is_none_or(|start| start <= now) && at(known.hc_end_date).is_none_or(|end| now < end)
    }

    /// Whether it is the organisation's default one (O2).
    pub fn is_default(&self) -> bool {
        boolean(self.entry, self.schema().known().hc_licence_default) == Some(true)
    }

    /// Whether Organisation Admins may change package and limit (O3).
    pub fn is_self_service(&self) -> bool {
        self.schema().attribute("hcSelfService").and_then(|attribute| boolean(self.entry, attribute)) == Some(true)
    }
}

/// The licences of an organisation: the entries right under its `ou=licences`.
pub fn licences_of(schema: &Schema, facts: &dyn Facts, organisation: EntryId) -> Vec<Arc<Entry>> {
    let Ok(container) = Rdn::parse("ou=licences") else { return Vec::new() };
    let Some(container) = facts.child(Some(organisation), &schema.rdn_key(&container)) else { return Vec::new() };
    let entries = facts.children(container, None, usize::MAX).into_iter().filter_map(|id| facts.entry(id));
    entries.filter(|entry| entry.kind == Kind::Licence).collect()
}

/// The default one among them, else the first (O2).
pub fn default_of(schema: &Schema, licences: &[Arc<Entry>]) -> Option<Arc<Entry>> {
    let is_default = |entry: &&Arc<Entry>| Licence::of(schema, entry).is_some_and(|licence| licence.is_default());
    licences.iter().find(is_default).or_else(|| licences.first()).cloned()
}

/// Checks the values of a licence (O3); other entries are nothing to it.
pub fn check_values(schema: &Schema, entry: &Entry) -> Result<(), Breach> {
    if entry.kind != Kind::Licence {
        return Ok(());
    }
    let known = schema.known();
    let refuse = |text: String| Err(Breach { cause: Cause::Constraint, rule: "O3", text });
    let shown = |attribute| schema.attribute_type(attribute).name().to_owned();
    let at_least_one = [known.hc_session_limit, known.hc_per_user_limit, known.hc_idle_timeout, known.hc_maximum_age];
    let at_least_one = at_least_one.into_iter().chain(schema.attribute("hcSoftLimit"));
    for attribute in at_least_one.filter(|attribute| entry.has(*attribute)) {
        if number(entry, attribute).is_none_or(|number| !(1..=u64::from(u32::MAX)).contains(&number)) {
            return refuse(format!("{} must be a whole number, at least 1", shown(attribute)));
        }
    }
    if !entry.has(known.hc_session_limit) {
        return refuse("a licence has a session limit, a whole number of at least 1".to_owned());
    }
    let at_least_none = [Some(known.hc_overdraft), schema.attribute("hcMinimumIdle")];
    for attribute in at_least_none.into_iter().flatten().filter(|attribute| entry.has(*attribute)) {
        if number(entry, attribute).is_none_or(|number| number > u64::from(u32::MAX)) {
            return refuse(format!("{} must be a whole number, at least 0", shown(attribute)));
        }
    }
    if let Some(text) = entry.text(known.hc_counting_mode).filter(|text| Counting::parse(text).is_none()) {
        return refuse(format!("{text} is no counting mode; the modes are users and sessions"));
    }
    if let Some(text) = entry.text(known.hc_release_mode).filter(|text| Release::parse(text).is_none()) {
        return refuse(format!("{text} is no release mode; the modes are idle and disconnect"));
    }
    if let Some(text) = entry.text(known.hc_when_full).filter(|text| WhenFull::parse(text, GIVES_WAY_AFTER, 0).is_none()) {
        return refuse(format!("{text} is nothing to do when full; it may be deny, end-oldest-idle or overdraft"));
    }
    match (time(entry, known.hc_start_date), time(entry, known.hc_end_date)) {
        (Some(start), Some(end)) if end <= start => refuse("a licence ends after it starts".to_owned()),
        _ => Ok(()),
    }
}
