//! Security events (RFC 9967): what receivers of an organisation are to be told. An event is written in the commit of its
//! change, whatever door that came through, as a record `event/<receiver>/<number>` outside the tree; it leaves when its
//! receiver has it. So it is told at least once, in order, and a receiver that is down holds nobody up.
//!
//! A record belongs to the organisation of the change. A receiver is shown those of its own organisation only, also where the
//! config gives it another one meanwhile (HC5).

use super::tree::{self, Resolved};
use super::write::Work;
use super::{Directory, Error, client, external_id_option};
use crate::base::{EntryId, Secret, Timestamp, ids};
use crate::domain::{AccountState, User, organisation_of};
use crate::model::{AttributeId, Entry, Facts, Kind};
use crate::store::Transaction;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const PREFIX: &str = "event/";

/// What can be told, as its URI has it (RFC 9967 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventUri {
    /// The account may be used.
    #[serde(rename = "urn:ietf:params:scim:event:prov:activate")]
    Activate,
    /// A resource is new; with the resource.
    #[serde(rename = "urn:ietf:params:scim:event:prov:create:full")]
    CreateFull,
    /// A resource is new.
    #[serde(rename = "urn:ietf:params:scim:event:prov:create:notice")]
    CreateNotice,
    /// The account is disabled.
    #[serde(rename = "urn:ietf:params:scim:event:prov:deactivate")]
    Deactivate,
    /// A resource is gone.
    #[serde(rename = "urn:ietf:params:scim:event:prov:delete")]
    Delete,
    /// A resource has changed; with the names of what has.
    #[serde(rename = "urn:ietf:params:scim:event:prov:patch:notice")]
    PatchNotice,
    /// A resource was replaced; with the names of what has changed.
    #[serde(rename = "urn:ietf:params:scim:event:prov:put:notice")]
    PutNotice,
}

impl EventUri {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Activate, Self::CreateFull, Self::CreateNotice, Self::Deactivate, Self::Delete, Self::PatchNotice, Self::PutNotice];

    /// The URI.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Activate => "urn:ietf:params:scim:event:prov:activate",
            Self::CreateFull => "urn:ietf:params:scim:event:prov:create:full",
            Self::CreateNotice => "urn:ietf:params:scim:event:prov:create:notice",
            Self::Deactivate => "urn:ietf:params:scim:event:prov:deactivate",
            Self::Delete => "urn:ietf:params:scim:event:prov:delete",
            Self::PatchNotice => "urn:ietf:params:scim:event:prov:patch:notice",
            Self::PutNotice => "urn:ietf:params:scim:event:prov:put:notice",
        }
    }
}

/// Who is told.
#[derive(Clone, Debug)]
pub struct EventReceiver {
    /// Its name in the config.
    pub name: String,
    /// The DN of the organisation whose events it is told.
    pub organisation: String,
    /// Which events.
    pub events: BTreeSet<EventUri>,
    /// Whether it is told of sessions that begin and end.
    pub sessions: bool,
    /// The provisioning client whose externalIds it is told; those that are no client's where it is absent.
    pub client: Option<String>,
    /// The `aud` of what it is sent.
    pub audience: String,
    /// Where it takes them (RFC 8935); it asks for them where this is absent (RFC 8936).
    pub push: Option<String>,
    /// A file of authorities that its certificate may come from, besides those that everybody trusts.
    pub authorities: Option<PathBuf>,
    /// Sent with a push; shown by who asks.
    pub token: Secret,
    /// How many events wait at most: the oldest give way.
    pub most: usize,
}

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Told {
    Group,
    Licence,
    Role,
    Session,
    Staff,
    User,
}

impl Told {
    const fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Group => Some(Self::Group),
            Kind::Licence => Some(Self::Licence),
            Kind::Role => Some(Self::Role),
            Kind::Session => Some(Self::Session),
            Kind::Staff => Some(Self::Staff),
            Kind::User => Some(Self::User),
            // Content is its readers' alone (C7), and the others are no resources.
            Kind::Content | Kind::Generic | Kind::Organisation | Kind::Person => None,
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Group => Kind::Group,
            Self::Licence => Kind::Licence,
            Self::Role => Kind::Role,
            Self::Session => Kind::Session,
            Self::Staff => Kind::Staff,
            Self::User => Kind::User,
        }
    }
}

/// One event for one receiver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Its id (`jti`), the same however often it is sent.
    pub id: String,
    /// Events of one change have the same.
    pub transaction: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub uri: EventUri,
    organisation: EntryId,
    told: Told,
    /// The id of the resource.
    pub subject: String,
    /// What its provisioning client calls it.
    pub external_id: Option<String>,
    /// The LDAP attributes that have changed, or that a new resource has.
    pub attributes: Vec<String>,
}

impl Event {
    /// What the resource is.
    pub const fn kind(&self) -> Kind {
        self.told.kind()
    }
}

/// Gives events their numbers, and wakes who waits for them.
#[derive(Default)]
pub(crate) struct Events {
    last: Mutex<Option<u64>>,
    arrived: Arc<Notify>,
}

impl Events {
    /// Above all that there are, so that they stay in order over restarts.
    fn next(&self, records: &dyn Facts) -> u64 {
        let mut last = self.last.lock();
        let number = |(key, _): (String, _)| u64::from_str_radix(key.rsplit('/').next()?, 16).ok();
        let highest = last.unwrap_or_else(|| records.meta_range(PREFIX).into_iter().filter_map(number).max().unwrap_or_default());
        *last.insert(highest + 1)
    }
}

fn queue(receiver: &str) -> String {
    format!("{PREFIX}{receiver}/")
}

impl Work<'_, '_> {
    /// Tells the receivers of the organisation of a change: `before` where the entry was there already, `after` where it still is.
    pub(in crate::directory) fn tell(&mut self, before: Option<&Entry>, after: Option<&Entry>) {
        let settings = Arc::clone(&self.current.settings);
        let Some(entry) = after.or(before).filter(|_| !settings.events.is_empty()) else { return };
        let kind_of = |entry: Option<&Entry>| entry.and_then(|entry| Told::of(entry.kind));
        let Some(told) = kind_of(after).or_else(|| kind_of(before)) else { return };
        let Some(organisation) = organisation_of(&*self.txn, entry.id) else { return };
        let receivers: Vec<&EventReceiver> =
            settings.events.iter().filter(|receiver| self.receives(receiver, organisation, told)).collect();
        if receivers.is_empty() {
            return;
        }
        let (uris, attributes) = match (kind_of(before), kind_of(after)) {
            (Some(_), None) => (vec![EventUri::Delete], Vec::new()),
            (None, _) => (vec![EventUri::CreateFull, EventUri::CreateNotice], self.changed_attributes(None, after)),
            (Some(_), Some(_)) => {
                let changed = self.changed_attributes(before, after);
                let state = self.changed_state(before, after);
                let update = if self.options.replaces { EventUri::PutNotice } else { EventUri::PatchNotice };
                let patch = (!changed.is_empty()).then_some(update);
                (patch.into_iter().chain(state).collect(), changed)
            }
        };
        let known = self.core.schema.known();
        let id = if told == Told::Session { known.hc_session_id } else { known.entry_uuid };
        let event = Event {
            id: String::new(),
            transaction: ids::new_uuid(self.now).to_string(),
            at: self.now,
            uri: EventUri::Delete,
            organisation,
            told,
            subject: entry.text(id).unwrap_or_default().to_owned(),
            external_id: None,
            attributes,
        };
        for receiver in receivers {
            let external_id = self.external_id(entry, receiver, organisation);
            for uri in uris.iter().copied().filter(|uri| receiver.events.contains(uri)) {
                self.keep_event(
                    receiver,
                    &Event { id: ids::new_uuid(self.now).to_string(), uri, external_id: external_id.clone(), ..event.clone() },
                );
            }
        }
    }

    fn receives(&self, receiver: &EventReceiver, organisation: EntryId, told: Told) -> bool {
        let own = tree::parse_dn(&receiver.organisation).is_ok_and(|dn| self.resolve(&dn) == Resolved::Found(organisation));
        own && (told != Told::Session || receiver.sessions)
    }

    fn external_id(&self, entry: &Entry, receiver: &EventReceiver, organisation: EntryId) -> Option<String> {
        let known = self.core.schema.known();
        let Some(client) = &receiver.client else { return entry.text(known.hc_external_id).map(str::to_owned) };
        let option = external_id_option(&client::named(&*self.txn, organisation, client)?.id);
        let own = |description: &str| description.split_once(';').is_some_and(|(_, held)| held.eq_ignore_ascii_case(&option));
        let held = entry.get(known.hc_external_id).find(|held| own(held.description()))?;
        held.values().next().and_then(|value| std::str::from_utf8(value).ok()).map(str::to_owned)
    }

    fn keep_event(&mut self, receiver: &EventReceiver, event: &Event) {
        let number = self.core.events.next(&*self.txn);
        match serde_json::to_vec(event) {
            Ok(octets) => self.txn.put_meta(&format!("{}{number:016x}", queue(&receiver.name)), Some(octets)),
            Err(error) => tracing::error!(%error, "an event cannot be kept"),
        }
        let core = Arc::clone(self.core);
        self.txn.when_settled(move |committed| {
            if committed {
                core.events.arrived.notify_waiters();
            }
        });
    }

    /// Whether the account may be used now and could not before, or the other way round.
    fn changed_state(&self, before: Option<&Entry>, after: Option<&Entry>) -> Option<EventUri> {
        let state = |entry: Option<&Entry>| Some(User::of(&self.core.schema, entry?)?.state());
        match (state(before)?, state(after)?) {
            (was, is) if was == is => None,
            (_, AccountState::Active) => Some(EventUri::Activate),
            (_, AccountState::Disabled) => Some(EventUri::Deactivate),
            (_, AccountState::NotActivated) => None,
        }
    }

    /// The attributes and links that differ, but for the stamps that every change leaves.
    fn changed_attributes(&self, before: Option<&Entry>, after: Option<&Entry>) -> Vec<String> {
        let encoded = |entry: Option<&Entry>| -> BTreeMap<AttributeId, Vec<Vec<u8>>> {
            let mut held: BTreeMap<AttributeId, Vec<Vec<u8>>> = BTreeMap::new();
            for attribute in entry.into_iter().flat_map(Entry::attributes).filter(|held| !self.is_stamp(held.attribute)) {
                held.entry(attribute.attribute).or_default().push(attribute.encoded().to_vec());
            }
            held
        };
        let (was, is) = (encoded(before), encoded(after));
        let mut changed: BTreeSet<AttributeId> =
            was.keys().chain(is.keys()).copied().filter(|attribute| was.get(attribute) != is.get(attribute)).collect();
        let own = after.or(before).map(|entry| entry.id);
        changed.extend(self.touched_links(own));
        changed.into_iter().map(|attribute| self.core.schema.attribute_type(attribute).name().to_owned()).collect()
    }
}

impl Directory {
    /// The receiver of that name.
    pub fn event_receiver(&self, name: &str) -> Option<EventReceiver> {
        self.settings().events.iter().find(|receiver| receiver.name == name).cloned()
    }

    /// The oldest events that wait for a receiver, at most so many, and whether there are more.
    pub fn events_waiting(&self, receiver: &EventReceiver, most: usize) -> (Vec<Event>, bool) {
        let organisation = self.entry_of(&receiver.organisation);
        let waiting = self.memory().meta_range(&queue(&receiver.name)).into_iter();
        let mut own = waiting.filter_map(|(_, octets)| serde_json::from_slice(&octets).ok());
        let mut own = own.by_ref().filter(|event: &Event| Some(event.organisation) == organisation);
        let events = own.by_ref().take(most).collect();
        (events, own.next().is_some())
    }

    fn entry_of(&self, dn: &str) -> Option<EntryId> {
        let current = self.core().current();
        match tree::resolve(self.schema(), &current.suffixes, self.memory(), &tree::parse_dn(dn).ok()?) {
            Resolved::Found(id) => Some(id),
            Resolved::Missing { .. } | Resolved::Outside => None,
        }
    }

    /// These events have arrived, or never will: they are forgotten.
    pub async fn events_settled(&self, receiver: &str, ids: BTreeSet<String>) -> Result<(), Error> {
        let found = self.memory().meta_range(&queue(receiver)).into_iter();
        let settled = |octets: &[u8]| serde_json::from_slice(octets).is_ok_and(|event: Event| ids.contains(&event.id));
        self.forget_events(found.filter(|(_, octets)| settled(octets)).map(|(key, _)| key).collect()).await
    }

    async fn forget_events(&self, keys: Vec<String>) -> Result<(), Error> {
        if keys.is_empty() {
            return Ok(());
        }
        let work = move |txn: &mut Transaction<'_>| {
            keys.iter().for_each(|key| txn.put_meta(key, None));
            Ok::<_, Error>(())
        };
        self.store().write(work).await
    }

    /// Forgets events that nobody will be told: of receivers that the config does not name any more, of an organisation that is not
    /// the receiver's, and the oldest of those that are too many. To be called now and then.
    pub async fn forget_old_events(&self) -> Result<(), Error> {
        let settings = self.settings();
        let mut queues: BTreeMap<String, Vec<(String, Option<EntryId>)>> = BTreeMap::new();
        for (key, octets) in self.memory().meta_range(PREFIX) {
            let name = key.split('/').nth(1).unwrap_or_default().to_owned();
            let organisation = serde_json::from_slice(&octets).ok().map(|event: Event| event.organisation);
            queues.entry(name).or_default().push((key, organisation));
        }
        let mut old = Vec::new();
        for (name, waiting) in queues {
            let receiver = settings.events.iter().find(|receiver| receiver.name == name);
            let organisation = receiver.and_then(|receiver| self.entry_of(&receiver.organisation));
            let (own, foreign): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, of)| of.is_some() && *of == organisation);
            let too_many = own.len().saturating_sub(receiver.map_or(0, |receiver| receiver.most));
            if too_many > 0 {
                tracing::error!(receiver = name, events = too_many, "too many events wait for their receiver: the oldest are given up");
            }
            old.extend(foreign.into_iter().chain(own.into_iter().take(too_many)).map(|(key, _)| key));
        }
        self.forget_events(old).await
    }

    /// Waits until there are events for anybody, but no longer than `patience`. What `ready` finds before is not missed.
    pub async fn await_events<T>(&self, patience: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
        let until = tokio::time::sleep(patience);
        let mut until = std::pin::pin!(until);
        loop {
            let arrived = self.core().events.arrived.notified();
            if let Some(found) = ready() {
                return Some(found);
            }
            tokio::select! {
                () = arrived => {}
                () = until.as_mut() => return None,
            }
        }
    }
}
