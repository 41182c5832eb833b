//! What the config tells the directory. The daemon reads files and makes this; the directory never sees a file.

use crate::access::{LimitSettings, RuleSettings};
use crate::base::{EntryId, Limits};
pub use crate::domain::catalog::{Area, Catalog, CatalogRole, Package, Permission};
use crate::domain::licence;
pub use crate::domain::lockout::Lockout;
use crate::model::entry::Place;
use crate::model::{Dn, Draft};
use crate::schema::{Schema, SealOptions};
pub use crate::store::SecurityLog;
use std::path::PathBuf;
use std::time::Duration;

/// Entries of a search that is noted where the config says nothing.
pub const LARGE_READ: usize = 1_000;

/// How long users that a provisioning client deleted are kept where the config says nothing.
pub const KEEP_DELETED: Duration = Duration::from_secs(30 * 86_400);

/// Everything the directory needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of the store.
    pub folder: PathBuf,
    /// The naming contexts, as DNs.
    pub suffixes: Vec<String>,
    /// The operator: DN and password hash in a scheme we verify (`rootdn` and `rootpw` of slapd).
    pub operator: Option<Operator>,
    /// Extra schema files, read: name and text.
    pub schema: Vec<(String, String)>,
    /// Attributes to index besides the built-in ones.
    pub indexes: Vec<String>,
    /// Free space below which writes are refused, in octets.
    pub reserve: u64,
    /// The key that signs where the audit file ends.
    pub audit_key: Option<crate::base::Secret>,
    /// How the log of logins and refusals is kept.
    pub security: SecurityLog,
    /// A search that gives so many entries is noted; 0 for none.
    pub audit_reads: usize,
    /// Which values of changes the audit log keeps.
    pub audit_values: AuditValues,
    /// Limits.
    pub limits: Limits,
    /// Those of searches for some (HD6): first match wins.
    pub limits_for: Vec<LimitSettings>,
    /// Whether a bind without a name is taken (RFC 4513 §5.1.1).
    pub anonymous_bind: bool,
    /// Cost of argon2id.
    pub hashing: Hashing,
    /// Whether a password may come without TLS from elsewhere than loopback and local sockets.
    pub allow_cleartext_passwords: bool,
    /// Whether a reference to a name that does not exist is refused.
    pub strict_references: bool,
    /// What anonymous may do beyond the root DSE and the schema, and what service accounts may: first match wins.
    pub access: Vec<RuleSettings>,
    /// How SASL finds whom it signs in.
    pub sasl: Sasl,
    /// Applications (O7): first match wins.
    pub applications: Vec<Application>,
    /// Organisations that a file declares (O4).
    pub organisations: Vec<DeclaredEntry>,
    /// Permissions, roles and packages (R1).
    pub catalog: Catalog,
    /// When failed attempts to sign in make an account wait.
    pub lockout: Lockout,
    /// Passwords people choose.
    pub password_policy: PasswordPolicy,
    /// Mails of activation.
    pub activation: Activation,
    /// When administrators are told of seats.
    pub alerts: Alerts,
    /// How long users that a provisioning client deleted are kept.
    pub keep_deleted: Duration,
    /// Whether SCIM says in its configuration what it does with roles and entitlements.
    pub roles_and_entitlements: bool,
    /// Who is told of security events.
    pub events: Vec<super::events::EventReceiver>,
    /// What the doors can do, as attributes of the root DSE.
    pub protocol_features: Vec<(String, Vec<String>)>,
}

impl Settings {
    /// The defaults, with a store in `folder` and these naming contexts.
    pub fn new(folder: PathBuf, suffixes: &[&str]) -> Self {
        Self {
            folder,
            suffixes: suffixes.iter().map(|&suffix| suffix.to_owned()).collect(),
            operator: None,
            schema: Vec::new(),
            indexes: Vec::new(),
            reserve: 64 << 20,
            audit_key: None,
            audit_reads: LARGE_READ,
            audit_values: AuditValues::default(),
            security: SecurityLog::default(),
            limits: Limits::default(),
            limits_for: Vec::new(),
            anonymous_bind: true,
            hashing: Hashing::default(),
            allow_cleartext_passwords: false,
            strict_references: false,
            access: Vec::new(),
            sasl: Sasl::default(),
            applications: Vec::new(),
            organisations: Vec::new(),
            catalog: Catalog::default(),
            lockout: Lockout::default(),
            password_policy: PasswordPolicy::default(),
            activation: Activation::default(),
            alerts: Alerts::default(),
            keep_deleted: KEEP_DELETED,
            roles_and_entitlements: false,
            events: Vec::new(),
            protocol_features: Vec::new(),
        }
    }
}

/// Which values of changes the audit log keeps. Those of secrets it never keeps.
#[derive(Clone, Debug)]
pub struct AuditValues {
    /// Whether it keeps any.
    pub kept: bool,
    /// Characters of a value.
    pub length: usize,
    /// Values of one attribute in one change.
    pub most: usize,
    /// Attributes that it is only told have changed, besides those that the schema marks as secret.
    pub hidden: Vec<String>,
}

impl Default for AuditValues {
    fn default() -> Self {
        Self { kept: true, length: 256, most: 16, hidden: Vec::new() }
    }
}

/// The operator's credential.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Its DN; it need not be an entry.
    pub dn: String,
    /// The hash, `{ARGON2}$argon2id$…`, `{SSHA}…`.
    pub password: String,
}

/// How SASL finds whom it signs in (RFC 4513 §5.2).
#[derive(Clone, Debug)]
pub struct Sasl {
    /// The subtrees in which a bare name is looked for, as `uid` and as `mail`, and a certificate's owner by mail.
    pub names: Vec<String>,
    /// The subtrees in which local users are found by `uidNumber`.
    pub local_users: Vec<String>,
    /// Whether organisations may turn SCRAM-SHA-256 on.
    pub scram: bool,
    /// The ways from a client certificate to an entry; the first that leads to exactly one counts.
    pub certificates: Vec<CertificateMapping>,
}

impl Default for Sasl {
    fn default() -> Self {
        Self { names: Vec::new(), local_users: Vec::new(), scram: false, certificates: vec![CertificateMapping::Subject] }
    }
}

/// A way from a client certificate to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateMapping {
    /// The entry has exactly this certificate as a value of `userCertificate`.
    Certificate,
    /// A mail address or user principal name among the alternative names is the entry's `mail`.
    Mail,
    /// The subject is the entry's DN.
    Subject,
}

/// Cost of a password hash.
#[derive(Clone, Debug)]
pub struct Hashing {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes.
    pub passes: u32,
    /// Hashes at one time; 0 for one per processor.
    pub at_once: usize,
    /// Binds that wait for a hash.
    pub queue: usize,
    /// How long one waits before it is told busy.
    pub deadline: Duration,
    /// Weak schemes that are verified all the same.
    pub allow: Vec<AllowedScheme>,
}

/// A scheme that is verified only where the config says so: for moving in from a server that used it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedScheme {
    /// `{CRYPT}` with traditional DES.
    Des,
    /// `{CLEARTEXT}` or `{PLAIN}`.
    Plain,
}

impl Default for Hashing {
    fn default() -> Self {
        Self { memory: 19 * 1024, passes: 2, at_once: 0, queue: 64, deadline: Duration::from_secs(2), allow: Vec::new() }
    }
}

/// An application (O7): how it is recognised, and what it may.
#[derive(Clone, Debug, Default)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// Recognised by the name of the listener.
    pub listener: Option<String>,
    /// Recognised by the peer's network, `10.1.0.0/16`.
    pub network: Option<String>,
    /// Recognised by the service account that signed in on the connection before, by its DN.
    pub service: Option<String>,
    /// Recognised by the subject of the peer's certificate, as a DN.
    pub certificate: Option<String>,
    /// The licence it draws on, by name; the organisation's default where absent.
    pub licence: Option<String>,
    /// Binds of administrators through it take no seat (S7), and who comes in by its application passwords may change addresses
    /// and roles of others.
    pub administrative: bool,
}

/// An entry that a config file declares and owns.
#[derive(Clone, Debug)]
pub struct DeclaredEntry {
    /// The file, named when a change at run time is refused.
    pub file: String,
    /// Its DN.
    pub dn: String,
    /// Its attributes; one without values is one that the file could name and does not, so that the entry has none.
    pub attributes: Vec<(String, Vec<String>)>,
}

impl DeclaredEntry {
    /// What the directory would refuse of the entry by itself: what the schema and the terms of licences (O3) say.
    pub fn check(&self, schema: &Schema) -> Result<(), String> {
        let dn = Dn::parse(&self.dn).map_err(|error| error.to_string())?;
        let rdn = dn.rdn().ok_or("the empty name is no entry's")?;
        let mut draft = Draft::default();
        for (name, values) in self.attributes.iter().filter(|(_, values)| !values.is_empty()) {
            let description = schema.description(name).ok_or_else(|| format!("attribute type {name} is not defined"))?;
            draft.append(description, values.iter().map(|value| value.clone().into_bytes()).collect());
        }
        let place = Place { id: EntryId(0), parent: None, rdn: rdn.to_string().into(), rdn_key: schema.rdn_key(rdn), revision: 0 };
        let entry = schema.seal(&draft, place, &|_| 0, SealOptions::default()).map_err(|violation| violation.to_string())?;
        licence::check_values(schema, &entry).map_err(|breach| format!("{} (rule {})", breach.text, breach.rule))
    }
}

/// What a password people choose must be (hardening §2.1).
#[derive(Clone, Debug)]
pub struct PasswordPolicy {
    /// Characters at least.
    pub minimum_length: usize,
    /// Words that are no password, besides the built-in list and the user's own names.
    pub blocked: Vec<String>,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { minimum_length: 15, blocked: Vec::new() }
    }
}

/// When administrators of an organisation are told of its seats (S12).
#[derive(Clone, Copy, Debug)]
pub struct Alerts {
    /// When so many of a hundred seats are in use; 0 for never.
    pub share: u32,
    /// When somebody is refused.
    pub refusals: bool,
    /// Whether a webhook is told too.
    pub webhook: bool,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { share: 90, refusals: true, webhook: false }
    }
}

/// Welcome and forgot-password mails (U4, U5).
#[derive(Clone, Debug)]
pub struct Activation {
    /// Links begin with this; never taken from a request (HF2). No mail is sent where it is absent.
    pub public_url: Option<String>,
    /// How long a link is good; at most 72 h.
    pub link_lifetime: Duration,
    /// Welcome mails to users that SCIM makes.
    pub mail_scim_users: bool,
}

impl Default for Activation {
    fn default() -> Self {
        Self { public_url: None, link_lifetime: Duration::from_secs(24 * 3600), mail_scim_users: true }
    }
}
