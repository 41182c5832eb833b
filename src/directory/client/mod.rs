//! Provisioning clients: what an identity provider is to one organisation, and how it is dealt with. A client has any
//! number of tokens, so that one can follow another without a gap (HE9). They are records outside the tree, `client/<id>`.

mod activity;
mod keep;
mod log;
mod signing;

pub use super::token::{AccessGrant, AccessRefused, Assertion, TokenRefused};
pub(crate) use activity::Activity;
pub(super) use activity::Once;
pub(super) use activity::use_key;
pub use keep::{ClientInfo, SettingsChange};
pub(super) use keep::{begin, put};
pub use log::Exchanged;
pub(super) use signing::signed_for;

pub use crate::access::Scope;

use super::Directory;
use crate::access::ProvisioningClient;
use crate::base::jwk::KeySet;
use crate::base::{EntryId, Timestamp};
use crate::model::Facts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

const PREFIX: &str = "client/";

/// How a client's requests are read where identity providers and the RFCs disagree; docs/scim.md has the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// As the RFCs have it, and what they do not forbid is accepted.
    #[default]
    Rfc,
    /// What the interoperability profile asks for: what is not known is refused.
    Strict,
    /// What Microsoft Entra ID sends.
    Entra,
    /// What Okta sends.
    Okta,
}

/// What becomes of a user that a client deletes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deletion {
    /// It is put away: gone for everybody, its name free, and an administrator can bring it back as it was.
    #[default]
    Keep,
    /// It is deleted for good.
    Delete,
    /// It is disabled, and the client sees it as deleted.
    Deactivate,
}

/// Whom a client may change (HE2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// The users and groups it made or was given.
    #[default]
    Own,
    /// Every user and group of the organisation but administrators.
    Organisation,
}

/// What becomes of a user's credentials where a client changes the address (U5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressChange {
    /// They stay, and both addresses are told.
    #[default]
    Keep,
    /// They end, and the new address is sent a link.
    Renew,
}

/// How a client is dealt with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// How its requests are read.
    pub profile: Profile,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// What its DELETE does to a user.
    pub deletion: Deletion,
    /// Whether a POST with the externalId of a user it deleted or disabled brings that user back (quirk 31).
    pub restore_on_create: bool,
    /// Whom it may change.
    pub reach: Reach,
    /// What a change of the address does.
    pub address_change: AddressChange,
    /// Whether users it makes are sent a welcome mail (U4).
    pub welcome_mail: bool,
    /// Users it may disable or delete within [`window`](Self::window) before it is paused; none: as many as it likes.
    pub deactivation_ceiling: Option<u32>,
    /// The window of the ceiling, in seconds.
    pub window: u64,
    /// Requests a second that it may make in the long run; a burst of as many again on top.
    pub rate: u32,
    /// Everything is checked and answered as if it were done, and nothing is.
    pub dry_run: bool,
    /// Whether `/ServiceProviderConfig` tells of roles and entitlements, which some clients abort on.
    pub tells_roles: bool,
    /// The public keys that its assertions are signed with (RFC 7523), or, with an [`issuer`](Self::issuer), that one's.
    pub keys: Option<Arc<KeySet>>,
    /// Who signs the bearer tokens that it comes with (quirk 20), as `iss` has it.
    pub issuer: Option<String>,
    /// Whom such a token is for, as `aud` has it.
    pub audience: Option<String>,
    /// The application that such a token was given to, as `appid` or `azp` has it; any where absent.
    pub application: Option<String>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            scopes: BTreeSet::from([Scope::Read, Scope::Users, Scope::Groups, Scope::Passwords, Scope::Sessions]),
            deletion: Deletion::default(),
            restore_on_create: false,
            reach: Reach::default(),
            address_change: AddressChange::default(),
            welcome_mail: true,
            deactivation_ceiling: None,
            window: 3_600,
            rate: 50,
            dry_run: false,
            tells_roles: false,
            keys: None,
            issuer: None,
            audience: None,
            application: None,
        }
    }
}

/// A provisioning client of one organisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Client {
    /// Its id; also the `client_id` of OAuth.
    #[serde(skip)]
    pub id: String,
    /// The organisation it belongs to.
    pub(super) organisation: EntryId,
    /// The name it was given; one of a kind in its organisation.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// How it is dealt with.
    #[serde(default)]
    pub settings: ClientSettings,
    /// The token that stands for what its keys sign, where it has keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signed_by: Option<String>,
}

impl Client {
    /// Where it is kept.
    pub(super) fn key(id: &str) -> String {
        format!("{PREFIX}{id}")
    }

    /// A client that is just made, with the settings that all begin with.
    pub(super) fn new(id: String, organisation: EntryId, name: String, created: Timestamp) -> Self {
        Self { id, organisation, name, created, settings: ClientSettings::default(), signed_by: None }
    }

    /// The organisation it belongs to.
    pub(super) const fn organisation(&self) -> EntryId {
        self.organisation
    }

    /// Whether it goes by that name; names differ by more than case.
    fn is_named(&self, name: &str) -> bool {
        self.name.to_lowercase() == name.to_lowercase()
    }

    /// Whether nothing that it asks for is done.
    pub(super) const fn is_on_trial(&self) -> bool {
        self.settings.dry_run
    }

    /// As the rules of access see it.
    pub(super) fn as_subject(&self) -> ProvisioningClient {
        ProvisioningClient { id: self.id.as_str().into(), own_only: self.settings.reach == Reach::Own }
    }

    /// The client of that id among records, which are those of the store or of a step of the writer.
    pub(super) fn of(records: &dyn Facts, id: &str) -> Option<Self> {
        Self::read(id, &records.meta(&Self::key(id))?)
    }

    fn read(id: &str, octets: &[u8]) -> Option<Self> {
        let client: Self = serde_json::from_slice(octets).ok()?;
        Some(Self { id: id.to_owned(), ..client })
    }
}

/// All clients among `records`, which are those of the store or of a step of the writer.
fn read(records: &dyn Facts) -> impl Iterator<Item = Client> + use<> {
    records.meta_range(PREFIX).into_iter().filter_map(|(key, octets)| Client::read(key.strip_prefix(PREFIX)?, &octets))
}

/// The client of that name in an organisation.
pub(super) fn named(records: &dyn Facts, organisation: EntryId, name: &str) -> Option<Client> {
    read(records).find(|client| client.organisation == organisation && client.is_named(name))
}

impl Directory {
    /// The client of that id.
    pub(super) fn client(&self, id: &str) -> Option<Client> {
        Client::of(self.memory(), id)
    }
}
