//! Who is told of security events: `[[event_receiver]]` (RFC 9967).

use super::check::Checker;
use super::file::ServerFile;
use super::operate;
use crate::base::outgoing::keeps_secrets;
use crate::directory::events::{EventReceiver, EventUri};
use crate::model::Dn;
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

/// The shortest token, in characters.
pub(super) const SHORTEST_TOKEN: usize = 16;

/// `[[event_receiver]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventReceiverTable {
    /// Its name, also in the address where it asks.
    pub name: Spanned<String>,
    /// The organisation whose events it is told.
    pub organisation: Spanned<String>,
    /// The provisioning client whose externalIds it is told.
    pub client: Option<String>,
    /// The `aud` of what it is sent.
    pub audience: String,
    /// Where it takes them; it asks for them where this is absent.
    pub push: Option<Spanned<String>>,
    /// Authorities that its certificate may come from, besides those that everybody trusts.
    pub authorities: Option<PathBuf>,
    /// A file with the bearer token of a push, or of who asks.
    pub token_file: Spanned<PathBuf>,
    /// The URIs of the events.
    #[serde(default = "without_resources")]
    pub events: Vec<EventUri>,
    /// Whether it is told of sessions.
    #[serde(default)]
    pub sessions: bool,
    /// How many wait at most.
    #[serde(default = "ten_thousand")]
    pub queue: Spanned<usize>,
}

fn without_resources() -> Vec<EventUri> {
    EventUri::ALL.into_iter().filter(|uri| *uri != EventUri::CreateFull).collect()
}

fn ten_thousand() -> Spanned<usize> {
    Spanned::new(0..0, 10_000)
}

/// Checks all of them.
pub(super) fn receivers(checker: &mut Checker, file: &ServerFile) -> Vec<EventReceiver> {
    let mut receivers: Vec<EventReceiver> = Vec::new();
    for table in &file.event_receivers {
        let Some(receiver) = receiver(checker, table) else { continue };
        if receivers.iter().any(|held| held.name == receiver.name) {
            checker.at(&table.name, "there is a receiver of this name already");
        }
        if file.activation.public_url.is_none() {
            checker.at(&table.name, "events name their issuer: `public_url` of [activation] must be set");
        }
        receivers.push(receiver);
    }
    receivers
}

fn receiver(checker: &mut Checker, table: &EventReceiverTable) -> Option<EventReceiver> {
    let name = table.name.get_ref();
    if name == "keys" || name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        checker.at(&table.name, "a name is of small letters, digits and hyphens, and not `keys`");
    }
    if let Err(error) = Dn::parse(table.organisation.get_ref()) {
        checker.at(&table.organisation, format!("not a DN: {error}"));
    }
    if let Some(push) = &table.push
        && !keeps_secrets(push.get_ref())
    {
        checker.at(push, "not an address as https://receiver.example.com/events; http is for loopback only");
    }
    if *table.queue.get_ref() == 0 {
        checker.at(&table.queue, "at least one event can wait");
    }
    Some(EventReceiver {
        name: name.clone(),
        organisation: table.organisation.get_ref().clone(),
        events: table.events.iter().copied().collect(),
        sessions: table.sessions,
        client: table.client.clone(),
        audience: table.audience.clone(),
        push: table.push.as_ref().map(|push| push.get_ref().clone()),
        authorities: table.authorities.as_deref().map(|file| checker.path(file)),
        token: operate::secret(checker, &table.token_file, SHORTEST_TOKEN)?,
        most: *table.queue.get_ref(),
    })
}
