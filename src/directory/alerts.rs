//! Alerts about seats (S12): administrators of an organisation get a mail when so large a share of a licence is in use as the
//! config says, or as its soft limit (S14), and when somebody is refused, once a day each, where the licence is. What was told is the record
//! `alert/<entryUUID of the licence>/<what>`, outside the tree, in the step that puts the mails into the outbox. Where there is a
//! webhook, what it is told waits beside it as `webhook/<time>-<entryUUID>-<what>`.

use super::core::Core;
use super::history::Counted;
use super::session::system_caller;
use super::write::Work;
use super::{Directory, Error, Origin, WriteOptions, tree};
use crate::base::EntryId;
use crate::domain::activation::Purpose;
use crate::domain::history::HourOf;
use crate::domain::organisation_of;
use crate::model::Facts;
use crate::store::Transaction;
use jiff::civil::Date;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const ALERT: &str = "alert/";
const WEBHOOK: &str = "webhook/";
/// Alerts that wait for the webhook; the oldest give way.
const MOST_WAITING: usize = 1_000;
/// How long one waits at most.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(72 * 3_600);

/// Something administrators are to be told.
#[derive(Clone)]
struct Alert {
    licence: EntryId,
    uuid: Arc<str>,
    day: Date,
    purpose: Purpose,
    about: String,
    in_use: u32,
    limit: u32,
}

/// An alert that waits for the webhook.
#[derive(Clone, Debug)]
pub struct WebhookAlert {
    /// Where it waits.
    pub key: String,
    /// What is posted: JSON.
    pub body: String,
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

fn raise(core: &Core, licence: EntryId, counted: &Counted, purpose: Purpose, in_use: u32) {
    let Counted { limit, name, .. } = counted;
    let about = format!("{in_use} of {limit} seats of the licence {name} are in use");
    let day = HourOf::at(&counted.uuid, core.clock.now(), &counted.zone).day;
    core.alerts.lock().raise(Alert { licence, uuid: Arc::clone(&counted.uuid), day, purpose, about, in_use, limit: *limit });
}

/// So many seats are in use, one of them newly taken.
pub(super) fn taken(core: &Core, licence: EntryId, counted: &Counted, in_use: u32) {
    let share = core.current().settings.alerts.share;
    let Counted { limit, soft_limit, .. } = counted;
    let scarce = match soft_limit {
        Some(soft_limit) => in_use >= *soft_limit,
        None => share > 0 && u64::from(in_use) * 100 >= u64::from(share) * u64::from(*limit),
    };
    if scarce {
        raise(core, licence, counted, Purpose::SeatsScarce, in_use);
    }
}

/// Somebody was refused because so many seats are in use.
pub(super) fn refused(core: &Core, licence: EntryId, counted: &Counted, in_use: u32) {
    if core.current().settings.alerts.refusals {
        raise(core, licence, counted, Purpose::SeatRefused, in_use);
    }
}

/// Puts the mails of an alert into the outbox, where that was not done on its day.
fn post(core: &Arc<Core>, txn: &mut Transaction<'_>, alert: &Alert) -> Result<(), Error> {
    let key = format!("{ALERT}{}/{:?}", alert.uuid, alert.purpose);
    let day = alert.day.to_string().into_bytes();
    let was_told = txn.meta(&key).is_some_and(|told| *told == *day);
    let Some(organisation) = organisation_of(&*txn, alert.licence).filter(|_| !was_told) else { return Ok(()) };
    txn.put_meta(&key, Some(day));
    if core.current().settings.alerts.webhook {
        wait_for_webhook(core, txn, organisation, alert)?;
    }
    let (caller, options) = (system_caller(&Origin::system()), WriteOptions::default());
    Work::begin(core, txn, &caller, &options)?.post_to_administrators(organisation, alert.purpose, &alert.about)
}

/// What the webhook is told waits for it.
fn wait_for_webhook(core: &Core, txn: &mut Transaction<'_>, organisation: EntryId, alert: &Alert) -> Result<(), Error> {
    let (now, what) = (core.clock.now(), if alert.purpose == Purpose::SeatRefused { "seat-refused" } else { "seats-scarce" });
    let id = format!("{:016}-{}-{what}", now.millis(), alert.uuid);
    let body = json!({
        "id": id, "type": what, "time": now.rfc3339(), "organisation": tree::dn_of(&*txn, organisation),
        "licence": tree::dn_of(&*txn, alert.licence), "inUse": alert.in_use, "limit": alert.limit, "message": alert.about,
    });
    let waiting = txn.meta_range(WEBHOOK);
    for (key, _) in waiting.iter().take(waiting.len().saturating_sub(MOST_WAITING - 1)) {
        tracing::warn!(alert = key, "an alert gave way to newer ones before the webhook took it");
        txn.put_meta(key, None);
    }
    txn.put_meta(&format!("{WEBHOOK}{id}"), Some(serde_json::to_vec(&body).map_err(|_| Error::Internal)?));
    Ok(())
}

impl Directory {
    /// What waits for the webhook, the oldest first.
    pub fn webhook_waiting(&self, most: usize) -> Vec<WebhookAlert> {
        let waiting = self.memory().meta_range(WEBHOOK).into_iter().take(most);
        waiting.map(|(key, body)| WebhookAlert { key, body: String::from_utf8_lossy(&body).into_owned() }).collect()
    }

    /// The webhook has taken these over.
    pub async fn webhook_settled(&self, keys: Vec<String>) -> Result<(), Error> {
        self.store()
            .write(move |txn| {
                keys.iter().for_each(|key| txn.put_meta(key, None));
                Ok(())
            })
            .await
    }

    /// Gives up what the webhook has not taken for three days, or what no webhook is there for any more.
    async fn forget_old_webhook_alerts(&self) -> Result<(), Error> {
        let now = self.clock().now();
        let kept = self.core().current().settings.alerts.webhook;
        let first = format!("{WEBHOOK}{:016}", now.minus(GIVEN_UP_AFTER).millis());
        let waiting = self.memory().meta_range(WEBHOOK).into_iter().map(|(key, _)| key);
        let old: Vec<String> = waiting.filter(|key| !kept || *key < first).collect();
        if old.is_empty() {
            return Ok(());
        }
        tracing::warn!(alerts = old.len(), "alerts that the webhook did not take are given up");
        self.webhook_settled(old).await
    }

    /// Puts the mails of alerts into the outbox.
    pub async fn post_alerts(&self) -> Result<(), Error> {
        self.forget_old_webhook_alerts().await?;
        let waiting = std::mem::take(&mut self.core().alerts.lock().waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let (core, again) = (Arc::clone(self.core()), waiting.clone());
        let posted = self.store().write(move |txn| waiting.iter().try_for_each(|alert| post(&core, txn, alert))).await;
        posted.inspect_err(|_: &Error| self.core().alerts.lock().waiting.extend(again))
    }
}
