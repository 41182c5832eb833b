//! The one API of the house: bind, search, compare, add, modify, delete, rename, password and sessions. LDAP,
//! SCIM, the pages and the command line all come through here, so a rule that holds here holds everywhere.

pub mod error;
pub mod hash_pool;
pub mod identity;
pub mod operator;
pub mod password_hash;
pub mod request;
pub mod settings;

use crate::base::{Clock, EntryId, Secret, Timestamp};
use crate::model::{Kind, Level};
use crate::schema::Schema;
use std::sync::Arc;

pub use error::Error;
pub use identity::{Caller, Identity, Origin, Protocol, SessionHandle, Standing};
pub use request::{
    Dereference, EntrySink, OwnedEntry, Page, Progress, Scope, SearchRequest, Visible, VisibleAttribute, Write, WriteOptions, WriteOutcome,
};
pub use settings::Settings;

/// The directory.
pub struct Directory {}

/// A search under way. It holds no lock between steps.
pub struct Search {}

impl Search {
    /// Goes on until the sink is full, the page is full, or all is found. Errors are those that end a search after
    /// some entries were sent: size, time and look-through limits.
    pub fn step(&mut self, sink: &mut dyn EntrySink) -> Result<Progress, Error> {
        let _ = sink;
        todo!()
    }
}

/// What a successful bind gives.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// The seat, for the session control.
    pub seat: Option<SeatReport>,
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

impl Directory {
    /// Opens the directory of these settings.
    pub fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Arc<Self>, Error> {
        let _ = (settings, clock);
        todo!()
    }

    /// Takes new settings over, all or nothing. Folder and suffixes in use cannot change; the text names what is wrong.
    pub async fn reload(&self, settings: Settings) -> Result<(), Error> {
        let _ = settings;
        todo!()
    }

    /// The schema in force.
    pub fn schema(&self) -> &Arc<Schema> {
        todo!()
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        todo!()
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        todo!()
    }

    /// Simple bind with a name and a password (RFC 4513 §5.1.3). Takes a seat where the user needs one. Empty name and
    /// password, and a name without password, are for the door to answer (§5.1.1, §5.1.2).
    pub async fn bind(&self, origin: &Origin, name: &str, password: &Secret, request: SessionRequest) -> Result<Bound, Error> {
        let _ = (origin, name, password, request);
        todo!()
    }

    /// SASL EXTERNAL on a local socket: the peer's user id. The owner of the daemon and root are the operator.
    pub async fn bind_external(&self, origin: &Origin, peer_uid: u32, authorization: Option<&str>) -> Result<Bound, Error> {
        let _ = (origin, peer_uid, authorization);
        todo!()
    }

    /// The identity of a bearer token, or `None` where it is unknown, expired or revoked.
    pub fn authenticate_token(&self, token: &Secret) -> Option<Arc<Identity>> {
        let _ = token;
        todo!()
    }

    /// Notes that a connection was used: its session's idle clock starts again (S5). Answers the identity as it is now
    /// (roles change at once, R7), or `None` where its session or account has ended and the connection must be told.
    pub fn refresh(&self, identity: &Arc<Identity>) -> Option<Arc<Identity>> {
        let _ = identity;
        todo!()
    }

    /// The connection is gone: sessions of licences that release on disconnect end with their last connection.
    pub fn disconnected(&self, identity: &Arc<Identity>) {
        let _ = identity;
        todo!()
    }

    /// Begins a search.
    pub fn search(self: &Arc<Self>, caller: &Caller, request: &SearchRequest<'_>) -> Result<Search, Error> {
        let _ = (caller, request);
        todo!()
    }

    /// Compares (RFC 4511 §4.10).
    pub fn compare(&self, caller: &Caller, dn: &str, attribute: &str, value: &[u8]) -> Result<bool, Error> {
        let _ = (caller, dn, attribute, value);
        todo!()
    }

    /// Makes one change.
    pub async fn write(&self, caller: &Caller, write: Write, options: WriteOptions) -> Result<WriteOutcome, Error> {
        let _ = (caller, write, options);
        todo!()
    }

    /// The DN of the organisation an identity belongs to.
    pub fn organisation_dn(&self, identity: &Identity) -> Option<String> {
        let _ = identity;
        todo!()
    }

    /// The direct members of a group that the caller may see, in order of number: those above `after` only, at most `limit`.
    /// Answers without making names of them, so that large groups stay cheap.
    pub fn members(&self, caller: &Caller, group: EntryId, after: Option<EntryId>, limit: usize) -> Result<Vec<Membership>, Error> {
        let _ = (caller, group, after, limit);
        todo!()
    }

    /// The sessions the caller may see.
    pub fn sessions(&self, caller: &Caller) -> Vec<SessionInfo> {
        let _ = caller;
        todo!()
    }

    /// Ends a session (S6): its user, an Organisation Admin or the operator may.
    pub async fn end_session(&self, caller: &Caller, id: &str, message: Option<String>) -> Result<(), Error> {
        let _ = (caller, id, message);
        todo!()
    }

    /// Counts as activity of a session, for applications that hold no connection (S5).
    pub async fn renew_session(&self, caller: &Caller, id: &str) -> Result<SessionInfo, Error> {
        let _ = (caller, id);
        todo!()
    }

    /// Makes a provisioning client's token for an organisation (shown once, stored as a hash).
    pub async fn mint_token(
        &self,
        caller: &Caller,
        organisation: &str,
        name: &str,
        lifetime: Option<std::time::Duration>,
    ) -> Result<NewToken, Error> {
        let _ = (caller, organisation, name, lifetime);
        todo!()
    }
}
