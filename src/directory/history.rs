//! The use of licences over time (S12): counted in memory as seats are taken and end, and kept in batches as records
//! outside the tree, `history/<entryUUID of the licence>/<day>`: the hours of a day that have something to tell, for 13 months.
//! What is kept is added to in the step that keeps it, so that after a crash the last batch is missing and nothing is there twice.

use super::alerts;
use super::charges::zone_name;
use super::core::Core;
use super::{Caller, Directory, Error};
use crate::base::EntryId;
use crate::domain::charges::{self, Period};
use crate::domain::history::{HourOf, Use, day_of, first_kept};
use crate::domain::seats::{Bound, Counting};
use crate::domain::{Licence, LicenceTerms, Seat};
use crate::model::Facts;
use crate::store::Transaction;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

const HISTORY: &str = "history/";
/// Old records forgotten in one step.
const BATCH: usize = 10_000;
const HOUR_MILLIS: u64 = 3_600_000;

/// Hours as they are kept: beginning, peak, seats times milliseconds, refusals.
type Kept = Vec<(i64, u32, u64, u32)>;

/// What is asked of history.
#[derive(Clone, Debug, Default)]
pub struct UseQuestion {
    /// Only licences of this organisation, by its DN.
    pub organisation: Option<String>,
    /// Only this licence, by its DN.
    pub licence: Option<String>,
    /// When.
    pub period: Period,
    /// By hours instead of days.
    pub by_hour: bool,
}

/// How much a licence was used in an hour or on a day. Hours and days without use are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenceUse {
    /// The licence's DN; where it is gone, the last it had.
    pub licence: String,
    /// When the hour began, as the licence's clocks told it, or the day.
    pub from: String,
    /// The most seats in use at one time.
    pub peak: u32,
    /// Seats in use on the average, in hundredths; time that the server was down counts as none.
    pub average: u64,
    /// How often somebody was refused.
    pub refusals: u32,
}

/// How a licence is counted.
pub(super) struct Counted {
    /// The licence by its `entryUUID`.
    pub(super) uuid: Arc<str>,
    /// Where it is.
    pub(super) zone: TimeZone,
    /// Its session limit.
    pub(super) limit: u32,
    /// Seats in use at which administrators are told; a share of the limit where the licence does not say.
    pub(super) soft_limit: Option<u32>,
    /// Its name.
    pub(super) name: String,
    counting: Counting,
}

/// How a licence is counted; `None` where it is gone.
pub(super) fn counted(core: &Core, facts: &dyn Facts, licence: EntryId) -> Option<Counted> {
    let entry = facts.entry(licence)?;
    let licence = Licence::of(&core.schema, &entry)?;
    let (LicenceTerms { limit, counting, soft_limit, .. }, name) = (licence.terms(), licence.name().to_owned());
    let uuid = entry.text(core.schema.known().entry_uuid)?.to_ascii_lowercase().into();
    // A zone this machine does not know is told where charges are asked for.
    let zone = charges::zone(&zone_name(&core.schema, facts, &entry)).unwrap_or(TimeZone::UTC);
    Some(Counted { uuid, zone, limit, soft_limit, name, counting })
}

/// Notes how many seats of the licence are in use now, and answers it.
pub(super) fn note_use(core: &Core, licence: EntryId, counted: &Counted) -> u32 {
    let Counted { uuid, zone, counting, .. } = counted;
    let in_use = core.seats.lock().in_use(licence, *counting);
    core.history.lock().changed(core.clock.moment(), uuid, zone, in_use);
    in_use
}

/// Notes that a seat was taken.
pub(super) fn note_taken(core: &Core, licence: EntryId, counted: &Counted) {
    let in_use = note_use(core, licence, counted);
    alerts::taken(core, licence, counted, in_use);
}

/// Notes that somebody was refused for want of a seat.
pub(super) fn note_refusal(core: &Core, facts: &dyn Facts, licence: EntryId, bound: Bound, in_use: u32) {
    let Some(counted) = counted(core, facts, licence) else { return };
    core.history.lock().refused(core.clock.moment(), &counted.uuid, &counted.zone);
    // Who has too many sessions of its own is not short of seats.
    if matches!(bound, Bound::Licence | Bound::Reserved) {
        alerts::refused(core, licence, &counted, in_use);
    }
}

fn key_of(hour: &HourOf) -> String {
    format!("{HISTORY}{}/{}", hour.licence, hour.day)
}

fn read(octets: &[u8]) -> BTreeMap<i64, Use> {
    let kept: Kept = serde_json::from_slice(octets).unwrap_or_else(|error| {
        tracing::warn!(%error, "a record of the use of a licence cannot be read");
        Kept::new()
    });
    kept.into_iter().map(|(begin, peak, seat_millis, refusals)| (begin, Use { peak, seat_millis, refusals })).collect()
}

/// Adds what was counted to what is kept.
fn keep(core: &Arc<Core>, txn: &mut Transaction<'_>) -> Result<(), Error> {
    let taken = core.history.lock().take();
    let (again, back) = (Arc::clone(core), taken.clone());
    txn.when_settled(move |committed| {
        if !committed {
            again.history.lock().put_back(back);
        }
    });
    let mut days: BTreeMap<String, BTreeMap<i64, Use>> = BTreeMap::new();
    for (hour, counted) in taken {
        let day = days.entry(key_of(&hour));
        let kept = |key: &String| txn.meta(key).map(|octets| read(&octets)).unwrap_or_default();
        day.or_insert_with_key(kept).entry(hour.begin).or_default().add(counted);
    }
    for (key, hours) in days {
        let kept: Kept = hours.into_iter().map(|(begin, held)| (begin, held.peak, held.seat_millis, held.refusals)).collect();
        txn.put_meta(&key, Some(serde_json::to_vec(&kept).map_err(|_| Error::Internal)?));
    }
    Ok(())
}

impl Directory {
    /// Begins to count what is in use after the sessions of the last run were read.
    pub(super) fn begin_history(&self) {
        let core = self.core();
        let licences: HashSet<EntryId> = core.seats.lock().iter().map(|seat: &Seat| seat.licence).collect();
        for licence in licences {
            if let Some(counted) = counted(core, self.memory(), licence) {
                note_use(core, licence, &counted);
            }
        }
    }

    /// Counts up to now; whether there is anything to keep.
    fn count_history(&self) -> bool {
        let mut history = self.core().history.lock();
        history.forget(|uuid| self.entry_of_uuid(uuid).is_none());
        history.tick(self.clock().moment());
        !history.pending().is_empty()
    }

    /// Keeps what was counted since the last time.
    pub async fn save_history(&self) -> Result<(), Error> {
        if !self.count_history() {
            return Ok(());
        }
        let core = Arc::clone(self.core());
        self.store().write(move |txn| keep(&core, txn)).await
    }

    /// The same when the directory ends.
    pub(super) fn save_history_at_end(&self) {
        if !self.count_history() {
            return;
        }
        let core = Arc::clone(self.core());
        let saved: Result<(), Error> = self.store().write_blocking(move |txn| keep(&core, txn));
        if let Err(error) = saved {
            tracing::warn!(%error, "the last use of licences could not be saved");
        }
    }

    /// Forgets what is older than 13 months, of licences that are gone too.
    pub async fn forget_old_history(&self) -> Result<(), Error> {
        let first = first_kept(self.clock().now()).to_string();
        let is_old = |key: &String| key.rsplit_once('/').is_some_and(|(_, day)| *day < *first);
        let old: Vec<String> = self.memory().meta_range(HISTORY).into_iter().map(|(key, _)| key).filter(is_old).take(BATCH).collect();
        if old.is_empty() {
            return Ok(());
        }
        self.store()
            .write(move |txn| {
                old.iter().for_each(|key| txn.put_meta(key, None));
                Ok(())
            })
            .await
    }

    /// How much licences were used. The operator sees all, an Organisation Admin and a provisioning client those of their
    /// organisation.
    pub fn history(&self, caller: &Caller, question: &UseQuestion) -> Result<Vec<LicenceUse>, Error> {
        self.count_history();
        let now = self.clock().now();
        let mut found = Vec::new();
        for licence in self.known_licences(caller, question.organisation.as_deref(), question.licence.as_deref())? {
            let zone = licence.zone()?;
            let (from, to) = question.period.within(&zone, now);
            let mut rows: BTreeMap<String, (Use, u64)> = BTreeMap::new();
            for (begin, held) in self.hours_of(&licence.uuid).range(from..to.max(from)) {
                let (name, length) = match question.by_hour {
                    true => (charges::local(*begin, &zone), now.since(charges::timestamp(*begin)).as_millis().min(HOUR_MILLIS.into())),
                    false => {
                        let (day, length) = day_of(*begin, &zone, now);
                        (day.to_string(), length.into())
                    }
                };
                let row = rows.entry(name).or_default();
                row.0.add(*held);
                row.1 = u64::try_from(length).unwrap_or(u64::MAX);
            }
            found.extend(rows.into_iter().map(|(from, (held, length))| LicenceUse {
                licence: licence.name.clone(),
                from,
                peak: held.peak,
                average: held.average(length),
                refusals: held.refusals,
            }));
        }
        Ok(found)
    }

    /// All hours of a licence, with what is not kept yet.
    fn hours_of(&self, uuid: &str) -> BTreeMap<i64, Use> {
        let mut hours = BTreeMap::new();
        for (_, octets) in self.memory().meta_range(&format!("{HISTORY}{uuid}/")) {
            hours.extend(read(&octets));
        }
        let history = self.core().history.lock();
        for (hour, held) in history.pending().iter().filter(|(hour, _)| *hour.licence == *uuid) {
            hours.entry(hour.begin).or_insert_with(Use::default).add(*held);
        }
        hours
    }

    /// The peak of the present hour, and refusals since the start.
    pub(super) fn use_now(&self, licence: EntryId) -> (u32, u64) {
        let core = self.core();
        let Some(Counted { uuid, zone, .. }) = counted(core, self.memory(), licence) else { return (0, 0) };
        let mut history = core.history.lock();
        history.tick(core.clock.moment());
        let hour = HourOf::at(&uuid, core.clock.now(), &zone);
        let kept = self.memory().meta(&key_of(&hour)).and_then(|octets| read(&octets).get(&hour.begin).copied());
        let pending = history.pending().get(&hour).map_or(0, |held| held.peak);
        (kept.map_or(0, |held| held.peak).max(pending), history.refusals(&uuid))
    }
}
