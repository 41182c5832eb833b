//! Who is asking, and from where.

use super::client::Client;
use super::lifecycle::Witness;
use super::unseated::SignIn;
use crate::access::Grants;
pub use crate::access::Standing;
use crate::base::EntryId;
pub use crate::domain::SessionHandle;
use crate::store::AuditRecord;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// Through which door a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The command line, on the same machine.
    CommandLine,
    /// The web pages.
    Console,
    /// LDAP over TCP.
    Ldap,
    /// LDAP over a local socket.
    Ldapi,
    /// SCIM and the HTTP calls beside it.
    Scim,
}

/// Where a request came from: known before anybody has said who they are.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The door.
    pub protocol: Protocol,
    /// The peer's address; `None` for local sockets.
    pub address: Option<IpAddr>,
    /// Whether nobody on the way can read along.
    pub encrypted: bool,
    /// Whether the peer has proved a client certificate.
    pub certificate: bool,
    /// The service account that signed in on the connection before (O7).
    pub service: Option<EntryId>,
    /// The subject of the certificate, by the normal form of its name.
    pub subject: Option<Arc<[u8]>>,
    /// On whose behalf the peer says it works (session tracking): for logs and audit records only.
    pub tracking: Option<Arc<str>>,
    /// The name of the listener in the config.
    pub listener: String,
    /// The request, or the connection where it is about no single one.
    pub request: RequestId,
}

/// What names one request in the log and in audit records. Connections are counted from the start of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RequestId {
    /// A connection of LDAP.
    Connection(u64),
    /// A request over HTTP: what its answer has as `x-request-id`.
    Http(Arc<str>),
    /// A message of LDAP: its connection and its message id.
    Message(u64, i32),
    /// The server itself.
    #[default]
    None,
}

impl RequestId {
    /// The id of a message of this connection.
    pub const fn message(&self, id: i32) -> Self {
        match self {
            Self::Connection(connection) | Self::Message(connection, _) => Self::Message(*connection, id),
            Self::Http(_) | Self::None => Self::None,
        }
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connection(connection) => write!(formatter, "ldap-{connection}"),
            Self::Http(id) => formatter.write_str(id),
            Self::Message(connection, id) => write!(formatter, "ldap-{connection}-{id}"),
            Self::None => Ok(()),
        }
    }
}

/// How somebody has proven who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// A client certificate (SASL EXTERNAL).
    Certificate,
    /// A link that was sent by mail.
    Link,
    /// On the machine itself: the command line, and SASL EXTERNAL on a local socket.
    Local,
    /// Not at all.
    #[default]
    None,
    /// SASL PLAIN.
    Plain,
    /// SASL SCRAM-SHA-256.
    Scram,
    /// The server itself.
    Server,
    /// A simple bind.
    Simple,
    /// A bearer token.
    Token,
}

impl Method {
    /// As audit records name it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Link => "link",
            Self::Local => "local",
            Self::None => "none",
            Self::Plain => "SASL PLAIN",
            Self::Scram => "SASL SCRAM-SHA-256",
            Self::Server => "server",
            Self::Simple => "simple",
            Self::Token => "token",
        }
    }
}

impl Origin {
    /// The daemon itself.
    pub fn system() -> Self {
        Self {
            protocol: Protocol::CommandLine,
            address: None,
            encrypted: true,
            certificate: false,
            service: None,
            subject: None,
            tracking: None,
            listener: "system".to_owned(),
            request: RequestId::None,
        }
    }

    /// For logs and audit records: `ldap 10.0.0.7 (listener)`.
    pub fn describe(&self) -> String {
        let address = self.address.map_or_else(|| "local".to_owned(), |address| address.to_string());
        let text = format!("{:?} {address} ({})", self.protocol, self.listener).to_lowercase();
        match &self.tracking {
            Some(tracking) => format!("{text} for {tracking}"),
            None => text,
        }
    }
}

/// Who is asking: made at a bind or from a token, good until the authority it rests on changes.
#[derive(Clone)]
pub struct Identity {
    /// What it is.
    pub standing: Standing,
    /// The entry it is, where it is one.
    pub entry: Option<EntryId>,
    /// Its DN or token name, for whoami, logs and audit.
    pub name: String,
    /// The organisation it belongs to; it never sees anything of another (O1).
    pub organisation: Option<EntryId>,
    /// Whether it holds the Organisation Admin role.
    pub organisation_admin: bool,
    /// The permissions in effect.
    pub permissions: Arc<[Box<str>]>,
    /// The seat it sits on, if it needs one.
    pub session: Option<Arc<SessionHandle>>,
    /// What ends it where it needs no seat and is an entry.
    pub(super) sign_in: Option<Arc<SignIn>>,
    /// Whether its password was set by somebody else when it signed in, and was to be changed before anything else.
    pub must_change: bool,
    /// The application password it came in by, as it is kept.
    pub(super) application_password: Option<Arc<[u8]>>,
    /// The id of the token it came in by.
    pub(super) token: Option<Arc<str>>,
    /// The provisioning client whose token it came in by.
    pub client: Option<Arc<Client>>,
    /// The hash of the config that the operator's password was right for.
    pub(super) operator_password: Option<Arc<str>>,
    /// How it has proven who it is, or who acts as it has.
    pub method: Method,
    /// Who acts as it by proxied authorisation (RFC 4370), where somebody does, or which personal token.
    pub through: Option<Arc<str>>,
    /// What sees what it would change, where it is a client on trial whose keeper asks.
    pub(super) witness: Option<Witness>,
    /// The generation of authority it was made in; 0 for one that a door made.
    pub(super) generation: u64,
    /// What it may do, worked out once.
    pub(super) grants: OnceLock<Arc<Grants>>,
}

impl Identity {
    /// Nobody.
    pub fn anonymous() -> Self {
        Self {
            standing: Standing::Anonymous,
            entry: None,
            name: String::new(),
            organisation: None,
            organisation_admin: false,
            permissions: Arc::from([]),
            session: None,
            sign_in: None,
            must_change: false,
            application_password: None,
            token: None,
            client: None,
            operator_password: None,
            method: Method::None,
            through: None,
            witness: None,
            generation: 0,
            grants: OnceLock::new(),
        }
    }

    /// The operator, acting under `name`.
    pub fn operator(name: &str) -> Self {
        Self { standing: Standing::Operator, name: name.to_owned(), method: Method::Local, ..Self::anonymous() }
    }

    /// What the server does by itself, under `name`.
    pub fn server(name: &str) -> Self {
        Self { method: Method::Server, ..Self::operator(name) }
    }

    /// Whether it may act as the operator.
    pub fn is_operator(&self) -> bool {
        self.standing == Standing::Operator
    }

    /// Whether a permission is in effect.
    pub fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|held| **held == *permission)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} {}", self.standing, self.name)
    }
}

/// Who asks and from where: what every operation is handed.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub identity: Arc<Identity>,
    /// From where.
    pub origin: Arc<Origin>,
}

impl Caller {
    /// From where, and through whom where somebody acts as another: for audit records.
    fn describe_origin(&self) -> String {
        match &self.identity.through {
            Some(through) => format!("{} through {through}", self.origin.describe()),
            None => self.origin.describe(),
        }
    }

    /// An audit record that says who asks, and nothing else yet.
    pub(super) fn record(&self) -> AuditRecord {
        let Self { identity, origin } = self;
        AuditRecord {
            actor: identity.name.clone(),
            through: identity.through.as_deref().unwrap_or_default().to_owned(),
            method: identity.method.word().to_owned(),
            origin: self.describe_origin(),
            address: origin.address.map(|address| address.to_string()).unwrap_or_default(),
            request: origin.request.to_string(),
            ..AuditRecord::default()
        }
    }
}
