//! The one API of the house: bind, search, compare, add, modify, delete, rename, password and sessions. LDAP,
//! SCIM, the pages and the command line all come through here, so a rule that holds here holds everywhere.

pub mod activation;
#[cfg(test)]
pub(crate) mod activation_tests;
mod alerts;
mod alias;
#[cfg(test)]
mod amount_tests;
mod authenticate;
mod begun;
mod bind;
mod bounds;
mod chain;
pub mod charges;
#[cfg(test)]
mod charges_tests;
pub mod client;
mod collective;
#[cfg(test)]
mod collective_tests;
pub(crate) mod core;
#[cfg(test)]
mod credential_tests;
mod credentials;
mod derived;
mod dress;
mod dynamic;
#[cfg(test)]
mod dynamic_tests;
pub mod error;
pub mod events;
pub mod explain;
mod filter;
mod follow;
mod hash_memory;
pub mod hash_pool;
pub mod history;
#[cfg(test)]
mod history_tests;
pub mod identity;
mod lifecycle;
mod link_cache;
mod link_view;
mod list_view;
pub(crate) mod lockout;
mod logins;
mod maintenance;
mod memberships;
mod monitor;
pub mod offers;
mod open;
pub mod operator;
pub mod password_hash;
mod password_rules;
mod plan;
mod read;
mod referral;
pub mod request;
mod root;
mod search;
mod seen;
mod session;
pub mod settings;
mod sharing;
mod sorted;
mod source;
mod specials;
mod structure;
pub mod telemetry;
#[cfg(test)]
mod tests;
mod token;
pub(crate) mod tree;
mod unseated;
mod view;
mod write;

use crate::base::{EntryId, Secret, Timestamp};
use crate::domain::password_rules::PasswordUse;
use crate::model::{Kind, Level};
use crate::store::Store;
use std::sync::Arc;

pub use authenticate::one_time_code::NewCodeSecret;
pub use authenticate::scram::ScramClaim;
pub use derived::SUBSCHEMA;
pub use error::Error;
pub use follow::{
    ChangeKind, ChangeKinds, ChangeSink, ContentSync, EntryChange, FollowRequest, PersistentSearch, SyncProgress, SyncRequest, SyncSink,
    SyncState, Uuid,
};
pub use identity::{Caller, Identity, Method, Origin, Protocol, RequestId, SessionHandle, Standing};
pub use lifecycle::{KeptUser, Named, Parting, PendingReference, Provisioned, Witness, WouldChange, external_id_option};
pub use operator::AuditCheck;
pub use request::{
    Dereference, EntrySink, LinkWish, Linked, ListView, Offered, OwnedEntry, Page, PendingChange, Position, Progress, RightsWish, Scope,
    SearchRequest, SortKey, SortProblem, SortReport, ViewProblem, ViewReport, ViewTarget, Visible, VisibleAttribute, Write, WriteOptions,
    WriteOutcome,
};
pub use search::Search;
pub use seen::Seen;
pub use session::SeatHold;
pub use settings::Settings;
pub use sorted::SortedList;
pub use write::WriteFailed;

/// The directory.
pub struct Directory {
    core: Arc<core::Core>,
    store: Store,
    pool: hash_pool::HashPool,
}

/// What a successful bind gives.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// The seat, for the session control.
    pub seat: Option<SeatReport>,
    /// What holds the seat, for as long as the connection lasts or is somebody else's (S5).
    pub hold: Option<Arc<SeatHold>>,
    /// What its password has met, where it came with one.
    pub password: PasswordUse,
}

/// What the session control says (S4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatReport {
    /// The session limit of the licence.
    pub limit: u32,
    /// Sessions in use, this one included.
    pub in_use: u32,
    /// The id of the session.
    pub session_id: String,
}

/// What the client said about itself at the bind (our session request control).
#[derive(Clone, Debug, Default)]
pub struct SessionRequest {
    /// The name of the application.
    pub application: Option<String>,
    /// The client's own id, counted in the place of its address (S2).
    pub client: Option<String>,
}

/// One session, as those with the right to see it see it.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Its id.
    pub id: String,
    /// The user's DN.
    pub user: String,
    /// The licence's DN.
    pub licence: String,
    /// The application, where known.
    pub application: Option<String>,
    /// Client address or id.
    pub client: String,
    /// When it began.
    pub started: Timestamp,
    /// When it was last active.
    pub last_activity: Timestamp,
    /// When it ends if nothing happens.
    pub expires: Timestamp,
}

/// One direct membership, as those with the right to see it see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The member's number; where to continue after it.
    pub id: EntryId,
    /// Its entryUUID.
    pub uuid: String,
    /// What it is.
    pub kind: Kind,
    /// Its displayName, or else its cn or uid.
    pub display: String,
    /// The level.
    pub level: Level,
}

/// A token that was just made.
pub struct NewToken {
    /// Its public id.
    pub id: String,
    /// The token itself, shown this once.
    pub secret: Secret,
}
