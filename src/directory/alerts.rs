//! Alerts about seats (S12): administrators of an organisation get a mail when so large a share of a licence is in use as the
//! config says, or as its soft limit (S14), and when somebody is refused, once a day each, where the licence is. What was told is the record
//! `alert/<entryUUID of the licence>/<what>`, outside the tree, in the step that puts the mails into the outbox.

use super::core::Core;
use super::history::Counted;
use super::session::system_caller;
use super::write::Work;
use super::{Directory, Error, Origin, WriteOptions};
use crate::base::EntryId;
use crate::domain::activation::Purpose;
use crate::domain::history::HourOf;
use crate::domain::organisation_of;
use crate::model::Facts;
use crate::store::Transaction;
use jiff::civil::Date;
use std::collections::HashMap;
use std::sync::Arc;

const ALERT: &str = "alert/";

/// Something administrators are to be told.
#[derive(Clone)]
struct Alert {
    licence: EntryId,
    uuid: Arc<str>,
    day: Date,
    purpose: Purpose,
    about: String,
}

/// Alerts that wait for their mails.
#[derive(Default)]
pub(crate) struct Alerts {
    /// On which day each was raised last.
    raised: HashMap<(Arc<str>, Purpose), Date>,
    waiting: Vec<Alert>,
}

impl Alerts {
    fn raise(&mut self, alert: Alert) {
        let before = self.raised.insert((Arc::clone(&alert.uuid), alert.purpose), alert.day);
        if before != Some(alert.day) {
            self.waiting.push(alert);
        }
    }
}

fn raise(core: &Core, licence: EntryId, counted: &Counted, purpose: Purpose, about: String) {
    let day = HourOf::at(&counted.uuid, core.clock.now(), &counted.zone).day;
    core.alerts.lock().raise(Alert { licence, uuid: Arc::clone(&counted.uuid), day, purpose, about });
}

/// So many seats are in use, one of them newly taken.
pub(super) fn taken(core: &Core, licence: EntryId, counted: &Counted, in_use: u32) {
    let share = core.current().settings.alerts.share;
    let Counted { limit, soft_limit, name, .. } = counted;
    let scarce = match soft_limit {
        Some(soft_limit) => in_use >= *soft_limit,
        None => share > 0 && u64::from(in_use) * 100 >= u64::from(share) * u64::from(*limit),
    };
    if scarce {
        raise(core, licence, counted, Purpose::SeatsScarce, format!("{in_use} of {limit} seats of the licence {name} are in use"));
    }
}

/// Somebody was refused because so many seats are in use.
pub(super) fn refused(core: &Core, licence: EntryId, counted: &Counted, in_use: u32) {
    if core.current().settings.alerts.refusals {
        let Counted { limit, name, .. } = counted;
        raise(core, licence, counted, Purpose::SeatRefused, format!("{in_use} of {limit} seats of the licence {name} are in use"));
    }
}

/// Puts the mails of an alert into the outbox, where that was not done on its day.
fn post(core: &Arc<Core>, txn: &mut Transaction<'_>, alert: &Alert) -> Result<(), Error> {
    let key = format!("{ALERT}{}/{:?}", alert.uuid, alert.purpose);
    let day = alert.day.to_string().into_bytes();
    let was_told = txn.meta(&key).is_some_and(|told| *told == *day);
    let Some(organisation) = organisation_of(&*txn, alert.licence).filter(|_| !was_told) else { return Ok(()) };
    txn.put_meta(&key, Some(day));
    let (caller, options) = (system_caller(&Origin::system()), WriteOptions::default());
    Work::begin(core, txn, &caller, &options)?.post_to_administrators(organisation, alert.purpose, &alert.about)
}

impl Directory {
    /// Puts the mails of alerts into the outbox.
    pub async fn post_alerts(&self) -> Result<(), Error> {
        let waiting = std::mem::take(&mut self.core().alerts.lock().waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let (core, again) = (Arc::clone(self.core()), waiting.clone());
        let posted = self.store().write(move |txn| waiting.iter().try_for_each(|alert| post(&core, txn, alert))).await;
        posted.inspect_err(|_: &Error| self.core().alerts.lock().waiting.extend(again))
    }
}
