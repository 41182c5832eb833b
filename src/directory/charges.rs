//! What licences cost (O5, O6): each change of package, fee, limit and dates is kept in the step that makes it, and charges
//! are worked out of what was kept.
//!
//! A record is `charge/<entryUUID of the licence>/<number>`, outside the tree: it is never changed and never removed, so the
//! past of a licence stays billable when it is renamed or deleted. Its number grows, whatever the clock does.

use super::session::licences_of;
use super::tree;
use super::write::Work;
use super::{Caller, Directory, Error, Identity, Standing};
use crate::base::EntryId;
use crate::domain::charges::{self, ChargeRecord, ChargeTerms, Period, Sum, UnknownZone, stretches, timeline};
use crate::domain::{Catalog, Licence, organisation_of};
use crate::model::{Entry, Facts, Kind};
use crate::schema::Schema;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;

const CHARGE: &str = "charge/";
/// The longest period, in seconds: a hundred years.
const LONGEST: i64 = 100 * 366 * 86_400;
/// A licence that is there or was.
pub(super) struct KnownLicence {
    /// Its `entryUUID`.
    pub(super) uuid: String,
    /// Its DN; where it is gone, the last it had.
    pub(super) name: String,
    /// Its organisation's DN, likewise.
    organisation: String,
    is_there: bool,
    /// What it cost from when on, in order.
    records: Vec<ChargeRecord>,
}

impl KnownLicence {
    /// The time zone it is in, or was last.
    pub(super) fn zone(&self) -> Result<TimeZone, UnknownZone> {
        let terms = self.records.iter().rev().find_map(|record| record.terms.as_ref());
        terms.map_or(Ok(TimeZone::UTC), |terms| charges::zone(&terms.zone))
    }
}

/// Who changes a fee.
const CATALOG: &str = "catalog";

/// What is asked of charges.
#[derive(Clone, Debug, Default)]
pub struct ChargeQuestion {
    /// Only licences of this organisation, by its DN; one that is gone is found by the last it had.
    pub organisation: Option<String>,
    /// Only this licence, by its DN.
    pub licence: Option<String>,
    /// When.
    pub period: Period,
}

/// What a licence costs in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Its DN; where it is gone, the last it had.
    pub licence: String,
    /// Its organisation's DN, likewise.
    pub organisation: String,
    /// The bounds of the period, as the licence's time zone tells the time.
    pub from: String,
    /// The end, not in it.
    pub to: String,
    /// What it was made of, in order.
    pub stretches: Vec<ChargedStretch>,
    /// The sum in cents, rounded half up once.
    pub cents: u128,
}

/// A piece of a period in which nothing changed, within one calendar month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargedStretch {
    /// Its beginning, as the licence's time zone told the time.
    pub from: String,
    /// Its end, not in it.
    pub to: String,
    /// The package.
    pub package: Option<String>,
    /// The fee per seat and month in cents.
    pub fee_cents: u64,
    /// The session limit.
    pub limit: u32,
    /// Which part of its month it is, in lowest terms.
    pub share: (u32, u32),
    /// Who made it so.
    pub actor: String,
}

impl From<UnknownZone> for Error {
    fn from(UnknownZone(name): UnknownZone) -> Self {
        tracing::error!(zone = name, "the time zones of this machine (tzdata) lack one that a licence has");
        Self::Unavailable(format!("the server has no time zone {name}"))
    }
}

/// What a licence costs by its entry.
fn terms_of(schema: &Schema, facts: &dyn Facts, catalog: &Catalog, entry: &Entry) -> Option<ChargeTerms> {
    let terms = Licence::of(schema, entry)?.terms();
    let text = |entry: &Entry, name: &str| schema.attribute(name).and_then(|attribute| entry.text(attribute)).map(str::to_owned);
    let package = text(entry, "hcPackage");
    let named = package.as_ref().and_then(|name| catalog.packages.iter().find(|package| package.name.eq_ignore_ascii_case(name)));
    Some(ChargeTerms {
        fee_cents: named.map_or(0, |package| package.fee_cents),
        package,
        limit: terms.limit,
        start: terms.start,
        end: terms.end,
        zone: zone_name(schema, facts, entry),
    })
}

/// The time zone of a licence: its own, else that of its organisation, else UTC.
pub(super) fn zone_name(schema: &Schema, facts: &dyn Facts, licence: &Entry) -> String {
    let text = |entry: &Entry| schema.attribute("hcTimeZone").and_then(|attribute| entry.text(attribute)).map(str::to_owned);
    let of_organisation = || organisation_of(facts, licence.id).and_then(|id| facts.entry(id)).and_then(|entry| text(&entry));
    text(licence).or_else(of_organisation).unwrap_or_else(|| "UTC".to_owned())
}

/// All licences, wherever they stand.
pub(super) fn all_licences(schema: &Schema, facts: &dyn Facts) -> Vec<Arc<Entry>> {
    let mut class = Vec::new();
    if schema.normalize(schema.known().object_class, b"hcLicence", &mut class).is_err() {
        return Vec::new();
    }
    let entries = facts.equal(schema.known().object_class, &class).into_iter().filter_map(|id| facts.entry(id));
    entries.filter(|entry| entry.kind == Kind::Licence).collect()
}

impl Work<'_, '_> {
    /// What the change of an entry means for what licences cost, once it is made.
    pub(super) fn note_charges(&mut self, before: Option<&Entry>, after: &Entry) -> Result<(), Error> {
        let kinds = [before.map(|before| before.kind), Some(after.kind)];
        if kinds.contains(&Some(Kind::Licence)) {
            self.note_charge(after, true)?;
        }
        if kinds.contains(&Some(Kind::Organisation)) {
            // Its time zone is that of licences that have none.
            let licences = licences_of(self.core, &*self.txn, after.id);
            licences.iter().try_for_each(|licence| self.note_charge(licence, true))?;
        }
        Ok(())
    }

    /// The same for all licences: the catalog may have changed.
    pub(super) fn note_all_charges(&mut self) -> Result<(), Error> {
        let licences = all_licences(&self.core.schema, &*self.txn);
        licences.iter().try_for_each(|licence| self.note_charge(licence, true))
    }

    /// Keeps what the licence costs from now on, where that is not what was kept last (O5).
    pub(super) fn note_charge(&mut self, entry: &Entry, stays: bool) -> Result<(), Error> {
        let known = self.core.schema.known();
        let Some(uuid) = entry.text(known.entry_uuid) else { return Ok(()) };
        let prefix = prefix_of(uuid);
        let terms = if stays { terms_of(&self.core.schema, &*self.txn, &self.current.catalog, entry) } else { None };
        let kept = self.txn.meta_range(&prefix).pop();
        let last = kept.as_ref().map(|(_, octets)| read(octets)).transpose()?;
        let organisation = organisation_of(&*self.txn, entry.id).and_then(|id| self.txn.entry(id));
        let organisation = organisation.map(|entry| {
            let uuid = entry.text(known.entry_uuid).unwrap_or_default().to_owned();
            (uuid, tree::dn_of(&*self.txn, entry.id))
        });
        let uuid_of = |organisation: &Option<(String, String)>| organisation.as_ref().map(|(uuid, _)| uuid.clone());
        let same = |last: &ChargeRecord| last.terms == terms && uuid_of(&last.organisation) == uuid_of(&organisation);
        if last.as_ref().map_or_else(|| terms.is_none(), same) {
            return Ok(());
        }
        let number = kept.and_then(|(key, _)| u64::from_str_radix(key.strip_prefix(&prefix)?, 16).ok()).map_or(0, |last| last + 1);
        let licence = tree::dn_of(&*self.txn, entry.id);
        let record = ChargeRecord { time: self.now, actor: self.who_charges(&licence), licence, organisation, terms };
        let octets = serde_json::to_vec(&record).map_err(|_| Error::Internal)?;
        self.txn.put_meta(&format!("{prefix}{number:08x}"), Some(octets));
        Ok(())
    }

    /// Who makes the change: for what files say, the file, or the catalog.
    fn who_charges(&self, licence: &str) -> String {
        if !self.from_file {
            return self.caller.identity.name.clone();
        }
        let key = tree::parse_dn(licence).map(|dn| self.core.schema.name_key(&dn));
        let file = key.ok().and_then(|key| self.current.declared.get(&key).cloned());
        file.unwrap_or_else(|| CATALOG.to_owned())
    }
}

fn prefix_of(uuid: &str) -> String {
    format!("{CHARGE}{}/", uuid.to_ascii_lowercase())
}

/// A record that cannot be read must not pass for one that costs nothing.
fn read(octets: &[u8]) -> Result<ChargeRecord, Error> {
    serde_json::from_slice(octets).map_err(|error| {
        tracing::error!(%error, "a record of charges cannot be read");
        Error::Internal
    })
}

impl Directory {
    /// What licences cost in a period, by the records of their changes (O6). The operator sees all, an Organisation Admin and a
    /// provisioning client those of their organisation.
    pub fn charges(&self, caller: &Caller, question: &ChargeQuestion) -> Result<Vec<Charge>, Error> {
        let mut found = Vec::new();
        for known in self.known_licences(caller, question.organisation.as_deref(), question.licence.as_deref())? {
            let charge = self.charge(&known, &question.period)?;
            found.extend(Some(charge).filter(|charge| known.is_there || !charge.stretches.is_empty() || question.licence.is_some()));
        }
        Ok(found)
    }

    /// The licences there are and were that the caller may know the charges and the use of, by organisation and name.
    pub(super) fn known_licences(
        &self,
        caller: &Caller,
        organisation: Option<&str>,
        licence: Option<&str>,
    ) -> Result<Vec<KnownLicence>, Error> {
        let scope = self.charged_to(caller)?;
        let wanted = organisation.map(|dn| self.key_of(dn)).transpose()?;
        let one = licence.map(|dn| self.key_of(dn)).transpose()?;
        let mut found = Vec::new();
        for (uuid, records) in self.charge_records()? {
            let records = timeline(records);
            let Some(last) = records.last() else { continue };
            let entry = self.entry_of_uuid(&uuid).filter(|entry| entry.kind == Kind::Licence);
            let name = entry.as_ref().map_or_else(|| last.licence.clone(), |entry| tree::dn_of(self.memory(), entry.id));
            let (of, organisation) = self.organisation_now(last);
            let is_own = scope.as_ref().is_none_or(|own| *own == of);
            let is = |wanted: &Option<Vec<u8>>, dn: &str| wanted.as_ref().is_none_or(|key| self.key_of(dn).is_ok_and(|held| held == *key));
            if is_own && is(&wanted, &organisation) && is(&one, &name) {
                found.push(KnownLicence { uuid, name, organisation, is_there: entry.is_some(), records });
            }
        }
        if found.is_empty() && (one.is_some() || wanted.is_some_and(|key| !self.has_organisation(&key, scope.as_deref()))) {
            return Err(Error::NoSuchObject { matched: String::new() });
        }
        found.sort_by(|left, right| (&left.organisation, &left.name).cmp(&(&right.organisation, &right.name)));
        Ok(found)
    }

    /// The organisation whose charges the caller may see, by its UUID; `None` for all.
    fn charged_to(&self, caller: &Caller) -> Result<Option<String>, Error> {
        let identity = &caller.identity;
        let fresh = identity.entry.filter(|_| identity.generation != self.core().authority());
        let fresh = fresh.map(|id| self.core().identity(self.memory(), id).unwrap_or_else(Identity::anonymous));
        let identity = fresh.as_ref().unwrap_or(identity);
        let keeps = identity.organisation_admin || identity.standing == Standing::Client;
        let own = || self.memory().entry(identity.organisation?)?.text(self.schema().known().entry_uuid).map(str::to_owned);
        match own().filter(|_| keeps) {
            _ if identity.is_operator() => Ok(None),
            Some(own) => Ok(Some(own)),
            None => {
                Err(Error::InsufficientAccess("charges and use are for the operator and administrators of the organisation".to_owned()))
            }
        }
    }

    /// The records by licence, each licence's in the order they were written.
    fn charge_records(&self) -> Result<BTreeMap<String, Vec<ChargeRecord>>, Error> {
        let mut found: BTreeMap<String, Vec<ChargeRecord>> = BTreeMap::new();
        for (key, octets) in self.memory().meta_range(CHARGE) {
            if let Some((uuid, _)) = key.strip_prefix(CHARGE).and_then(|rest| rest.split_once('/')) {
                found.entry(uuid.to_owned()).or_default().push(read(&octets)?);
            }
        }
        Ok(found)
    }

    fn charge(&self, known: &KnownLicence, period: &Period) -> Result<Charge, Error> {
        let records = &known.records;
        let zone = known.zone()?;
        let (from, to) = period.within(&zone, self.clock().now());
        if to < from || to.saturating_sub(from) > LONGEST {
            return Err(Error::Constraint("a period ends after it begins, and is of a hundred years at most".to_owned()));
        }
        let mut sum = Sum::default();
        let mut shown = Vec::new();
        for stretch in stretches(records, (from, to))? {
            let Some((record, terms)) = records.get(stretch.record).and_then(|record| Some((record, record.terms.as_ref()?))) else {
                continue;
            };
            sum.add(terms, &stretch);
            let zone = charges::zone(&terms.zone)?;
            shown.push(ChargedStretch {
                from: charges::local(stretch.from, &zone),
                to: charges::local(stretch.to, &zone),
                package: terms.package.clone(),
                fee_cents: terms.fee_cents,
                limit: terms.limit,
                share: stretch.share(),
                actor: record.actor.clone(),
            });
        }
        let (from, to) = (charges::local(from, &zone), charges::local(to, &zone));
        let (licence, organisation) = (known.name.clone(), known.organisation.clone());
        Ok(Charge { licence, organisation, from, to, stretches: shown, cents: sum.cents() })
    }

    /// The organisation of the last record by UUID and DN, by its name now where it is still there.
    fn organisation_now(&self, last: &ChargeRecord) -> (String, String) {
        let Some((uuid, name)) = last.organisation.clone() else { return Default::default() };
        let now = self.entry_of_uuid(&uuid).map(|entry| tree::dn_of(self.memory(), entry.id));
        (uuid, now.unwrap_or(name))
    }

    fn has_organisation(&self, key: &[u8], scope: Option<&str>) -> bool {
        let by_name = |id: EntryId| self.key_of(&tree::dn_of(self.memory(), id)).is_ok_and(|held| held == key);
        match scope {
            Some(own) => self.entry_of_uuid(own).is_some_and(|entry| by_name(entry.id)),
            None => {
                let (schema, memory) = (self.schema(), self.memory());
                let mut class = Vec::new();
                let known = schema.normalize(schema.known().object_class, b"hcOrganisation", &mut class).is_ok();
                known && memory.equal(schema.known().object_class, &class).into_iter().any(by_name)
            }
        }
    }

    pub(super) fn entry_of_uuid(&self, uuid: &str) -> Option<Arc<Entry>> {
        let mut key = Vec::new();
        self.schema().normalize(self.schema().known().entry_uuid, uuid.as_bytes(), &mut key).ok()?;
        self.memory().equal(self.schema().known().entry_uuid, &key).into_iter().find_map(|id| self.memory().entry(id))
    }

    fn key_of(&self, dn: &str) -> Result<Vec<u8>, Error> {
        Ok(self.schema().name_key(&tree::parse_dn(dn)?))
    }
}
