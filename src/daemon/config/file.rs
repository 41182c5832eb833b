//! The server file as serde reads it. Every table refuses keys it does not know; a default is the code's own
//! default. `config/headcount.toml` shows all of it with comments, and a test holds the two together.

use super::events::EventReceiverTable;
use super::operate::{AuditTable, BackupTable, MetricsTable};
use super::units::{Depth, Octets, Period};
use crate::base::Limits;
use crate::base::limits::{DEEPEST_BER, DEEPEST_FILTER};
use crate::directory::settings::{Activation, Alerts, AllowedScheme, Hashing, KEEP_DELETED, Lockout, PasswordPolicy};
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

/// The server file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerFile {
    /// The data folder (slapd's `directory`); checked later, so that everything that is wrong is told at once.
    pub folder: Option<PathBuf>,
    /// Free space below which writes are refused.
    #[serde(default = "default_reserve")]
    pub reserve: Octets,
    /// Threads that serve; 0 for one per processor.
    #[serde(default)]
    pub workers: usize,
    /// Whether a bind without a name is taken.
    #[serde(default = "default_anonymous_bind")]
    pub anonymous_bind: bool,
    /// Naming contexts.
    #[serde(default, rename = "suffix")]
    pub suffixes: Vec<SuffixTable>,
    /// The operator (slapd's `rootdn` and `rootpw`).
    pub operator: Option<OperatorTable>,
    /// Extra schema.
    #[serde(default)]
    pub schema: SchemaTable,
    /// Access rules, in order.
    #[serde(default)]
    pub access: Vec<Spanned<AccessTable>>,
    /// Bounds on what one peer may ask for.
    #[serde(default)]
    pub limits: LimitsTable,
    /// Bounds of searches for some, first match wins.
    #[serde(default, rename = "limit")]
    pub limits_for: Vec<Spanned<LimitTable>>,
    /// Attributes with an index.
    #[serde(default)]
    pub index: IndexTable,
    /// Where the server listens.
    #[serde(default, rename = "listener")]
    pub listeners: Vec<ListenerTable>,
    /// Certificate and key.
    pub tls: Option<TlsTable>,
    /// How SASL finds whom it signs in.
    #[serde(default)]
    pub sasl: SaslTable,
    /// Proxies in front of the HTTP listeners.
    #[serde(default)]
    pub proxy: ProxyTable,
    /// Cost of password hashes.
    #[serde(default)]
    pub hashing: HashingTable,
    /// When failed attempts make an account wait.
    #[serde(default)]
    pub lockout: LockoutTable,
    /// What a password must be.
    #[serde(default)]
    pub passwords: PasswordsTable,
    /// How mail leaves.
    pub mail: Option<MailTable>,
    /// Welcome and forgot-password mails.
    #[serde(default)]
    pub activation: ActivationTable,
    /// When administrators are told of seats.
    #[serde(default)]
    pub alerts: AlertsTable,
    /// What becomes of what provisioning clients delete.
    #[serde(default)]
    pub provisioning: ProvisioningTable,
    /// Permissions, roles and packages.
    #[serde(default)]
    pub catalog: CatalogTable,
    /// Organisations that a file declares.
    #[serde(default, rename = "organisation")]
    pub organisations: Vec<OrganisationTable>,
    /// Applications, first match wins (O7).
    #[serde(default, rename = "application")]
    pub applications: Vec<ApplicationTable>,
    /// Who is told of security events.
    #[serde(default, rename = "event_receiver")]
    pub event_receivers: Vec<EventReceiverTable>,
    /// Who may read `/metrics`; off where absent.
    pub metrics: Option<MetricsTable>,
    /// The audit log.
    #[serde(default)]
    pub audit: AuditTable,
    /// Backups on a schedule.
    pub backup: Option<BackupTable>,
    /// Logs.
    #[serde(default)]
    pub log: LogTable,
}

const fn default_anonymous_bind() -> bool {
    true
}

fn default_reserve() -> Octets {
    Octets(super::DEFAULT_RESERVE)
}

/// `[[suffix]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuffixTable {
    /// The naming context.
    pub dn: Spanned<String>,
}

/// `[operator]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorTable {
    /// Its DN; it need not be an entry.
    pub dn: Spanned<String>,
    /// The hash.
    pub password_hash: Spanned<String>,
}

/// `[schema]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchemaTable {
    /// Files of RFC 4512 definitions.
    pub files: Vec<Spanned<PathBuf>>,
    /// Whether a reference to a name that does not exist is refused.
    pub strict_references: bool,
}

/// `[[access]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessTable {
    /// Who: all must hold.
    pub who: Vec<Spanned<String>>,
    /// The subtree.
    pub subtree: Option<Spanned<String>>,
    /// Only entries that match.
    pub filter: Option<Spanned<String>>,
    /// Which attributes.
    pub attributes: Vec<Spanned<String>>,
    /// What.
    pub rights: Vec<Spanned<Right>>,
}

/// What an access rule gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Add an entry.
    Add,
    /// Compare a value.
    Compare,
    /// Delete an entry.
    Delete,
    /// Nothing at all.
    None,
    /// Act for somebody (RFC 4370).
    Proxy,
    /// Read, search and compare.
    Read,
    /// Rename or move an entry.
    Rename,
    /// Use in a filter.
    Search,
    /// Change attributes.
    Write,
}

impl Right {
    /// The word of the config.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Compare => "compare",
            Self::Delete => "delete",
            Self::None => "none",
            Self::Proxy => "proxy",
            Self::Read => "read",
            Self::Rename => "rename",
            Self::Search => "search",
            Self::Write => "write",
        }
    }
}

/// `[limits]` (hardening §5).
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the field of base::Limits with its name")]
pub struct LimitsTable {
    pub message_anonymous: Octets,
    pub message_bound: Octets,
    pub filter_depth: Depth<DEEPEST_FILTER>,
    pub filter_elements: usize,
    pub ber_depth: Depth<DEEPEST_BER>,
    pub controls: usize,
    pub pending_anonymous: Spanned<usize>,
    pub pending_bound: Spanned<usize>,
    pub size: Spanned<usize>,
    pub paged_size: usize,
    pub look_through: Spanned<usize>,
    pub time: Spanned<Period>,
    pub idle_anonymous: Period,
    pub idle_bound: Period,
    pub write_stall: Period,
    pub connections: usize,
    pub connections_per_address: usize,
    pub entry: Spanned<Octets>,
    pub password: usize,
    pub followers_per_connection: usize,
    pub followers_per_organisation: usize,
    pub followers_anonymous: usize,
}

impl Default for LimitsTable {
    fn default() -> Self {
        let limits = Limits::default();
        let octets = |size: usize| Octets(size as u64);
        Self {
            message_anonymous: octets(limits.message_anonymous),
            message_bound: octets(limits.message_bound),
            filter_depth: Depth(limits.filter_depth),
            filter_elements: limits.filter_elements,
            ber_depth: Depth(limits.ber_depth),
            controls: limits.controls,
            pending_anonymous: Spanned::new(0..0, limits.pending_anonymous),
            pending_bound: Spanned::new(0..0, limits.pending_bound),
            size: Spanned::new(0..0, limits.size),
            paged_size: 0,
            look_through: Spanned::new(0..0, limits.look_through),
            time: Spanned::new(0..0, Period(limits.time)),
            idle_anonymous: Period(limits.idle_anonymous),
            idle_bound: Period(limits.idle_bound),
            write_stall: Period(limits.write_stall),
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            entry: Spanned::new(0..0, octets(limits.entry)),
            password: limits.password,
            followers_per_connection: limits.followers_per_connection,
            followers_per_organisation: limits.followers_per_organisation,
            followers_anonymous: limits.followers_anonymous,
        }
    }
}

impl LimitsTable {
    /// As the other layers know them.
    pub fn limits(&self) -> Limits {
        Limits {
            message_anonymous: self.message_anonymous.size(),
            message_bound: self.message_bound.size(),
            filter_depth: self.filter_depth.0,
            filter_elements: self.filter_elements,
            ber_depth: self.ber_depth.0,
            controls: self.controls,
            pending_anonymous: *self.pending_anonymous.get_ref(),
            pending_bound: *self.pending_bound.get_ref(),
            size: *self.size.get_ref(),
            paged_size: unbounded_if_zero(self.paged_size),
            look_through: *self.look_through.get_ref(),
            time: self.time.get_ref().0,
            idle_anonymous: self.idle_anonymous.0,
            idle_bound: self.idle_bound.0,
            write_stall: self.write_stall.0,
            connections: self.connections,
            connections_per_address: self.connections_per_address,
            entry: self.entry.get_ref().size(),
            password: self.password,
            followers_per_connection: self.followers_per_connection,
            followers_per_organisation: self.followers_per_organisation,
            followers_anonymous: self.followers_anonymous,
        }
    }
}

/// As `paged_size` has it.
pub(super) const fn unbounded_if_zero(size: usize) -> usize {
    if size == 0 { usize::MAX } else { size }
}

/// `[[limit]]`. What it does not say is as `[limits]` has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitTable {
    /// Who: all must hold.
    pub who: Vec<Spanned<String>>,
    /// Entries one search returns, or one page.
    pub size: Option<Spanned<usize>>,
    /// Entries all pages of one search return together; 0 for any number.
    pub paged_size: Option<usize>,
    /// Entries one search looks at.
    pub look_through: Option<Spanned<usize>>,
    /// How long one search runs.
    pub time: Option<Spanned<Period>>,
    /// Operations of one connection under way.
    pub pending: Option<Spanned<usize>>,
}

/// `[index]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexTable {
    /// Besides the built-in ones.
    pub attributes: Vec<Spanned<String>>,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenerKind {
    /// SCIM, pages and health without TLS: for loopback, or behind a proxy.
    Http,
    /// The same with TLS.
    Https,
    /// LDAP, with StartTLS where there is a certificate.
    Ldap,
    /// LDAP over a local socket.
    Ldapi,
    /// LDAP over TLS from the first octet.
    Ldaps,
}

impl ListenerKind {
    /// The word of the config.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ldap => "ldap",
            Self::Ldapi => "ldapi",
            Self::Ldaps => "ldaps",
        }
    }

    /// Whether it cannot be without a certificate.
    pub const fn needs_tls(self) -> bool {
        match self {
            Self::Https | Self::Ldaps => true,
            Self::Http | Self::Ldap | Self::Ldapi => false,
        }
    }
}

/// `[[listener]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerTable {
    /// Its name, in logs and for applications; its kind where absent.
    pub name: Option<Spanned<String>>,
    /// What it speaks.
    pub kind: Spanned<ListenerKind>,
    /// `address:port`, or the path of the socket.
    pub address: Spanned<String>,
    /// Networks of proxies that speak the PROXY protocol.
    #[serde(default)]
    pub proxy_protocol: Vec<Spanned<String>>,
}

/// `[tls]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsTable {
    /// The certificate chain, PEM.
    pub certificate: Spanned<PathBuf>,
    /// The private key, PEM.
    pub key: Spanned<PathBuf>,
    /// Authorities that client certificates come from, PEM.
    pub client_ca: Option<Spanned<PathBuf>>,
    /// Whether clients of LDAPS and StartTLS are asked for a certificate; `try` where there is a `client_ca`.
    pub verify: Option<Spanned<VerifyClient>>,
}

/// Whether clients are asked for a certificate (slapd's `TLSVerifyClient`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyClient {
    /// TLS does not begin without a good one.
    Demand,
    /// They are not.
    #[default]
    None,
    /// They are, and need not have one; with a bad one TLS does not begin.
    Try,
}

/// `[sasl]`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SaslTable {
    /// Subtrees in which bare names are looked for.
    pub names: Vec<Spanned<String>>,
    /// Subtrees in which local users are found by `uidNumber`.
    pub local_users: Vec<Spanned<String>>,
    /// Whether organisations may turn SCRAM-SHA-256 on.
    pub scram: bool,
    /// Ways from a client certificate to an entry, in this order.
    pub certificates: Vec<CertificateWay>,
}

impl Default for SaslTable {
    fn default() -> Self {
        Self { names: Vec::new(), local_users: Vec::new(), scram: false, certificates: vec![CertificateWay::Subject] }
    }
}

/// A way from a client certificate to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateWay {
    /// It is a value of `userCertificate`.
    Certificate,
    /// An alternative name is the `mail`.
    Mail,
    /// The subject is the DN.
    Subject,
}

/// `[proxy]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyTable {
    /// Networks whose forwarded headers are believed.
    pub trusted: Vec<Spanned<String>>,
}

/// `[hashing]`: argon2id.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HashingTable {
    /// Memory of one hash.
    pub memory: Spanned<Octets>,
    /// Passes.
    pub passes: Spanned<u32>,
    /// Hashes at one time; 0 for one per processor.
    pub at_once: usize,
    /// Binds that wait.
    pub queue: usize,
    /// How long one waits.
    pub deadline: Period,
    /// Weak schemes that are verified all the same.
    pub allow: Vec<WeakScheme>,
}

/// A weak scheme of `[hashing] allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeakScheme {
    /// `{CRYPT}` with traditional DES.
    Des,
    /// `{CLEARTEXT}`.
    Plain,
}

impl From<WeakScheme> for AllowedScheme {
    fn from(scheme: WeakScheme) -> Self {
        match scheme {
            WeakScheme::Des => Self::Des,
            WeakScheme::Plain => Self::Plain,
        }
    }
}

impl Default for HashingTable {
    fn default() -> Self {
        let hashing = Hashing::default();
        Self {
            memory: Spanned::new(0..0, Octets(u64::from(hashing.memory) << 10)),
            passes: Spanned::new(0..0, hashing.passes),
            at_once: hashing.at_once,
            queue: hashing.queue,
            deadline: Period(hashing.deadline),
            allow: Vec::new(),
        }
    }
}

/// `[lockout]`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the field of domain::lockout::Lockout with its name")]
pub struct LockoutTable {
    pub failures: u32,
    pub first_wait: Period,
    pub longest_wait: Spanned<Period>,
    pub forget_after: Period,
    pub known_for: Period,
}

impl Default for LockoutTable {
    fn default() -> Self {
        let lockout = Lockout::default();
        Self {
            failures: lockout.failures,
            first_wait: Period(lockout.first_wait),
            longest_wait: Spanned::new(0..0, Period(lockout.longest_wait)),
            forget_after: Period(lockout.forget_after),
            known_for: Period(lockout.known_for),
        }
    }
}

/// `[passwords]`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordsTable {
    /// Characters at least.
    pub minimum_length: Spanned<usize>,
    /// Words that are no password.
    pub blocked: Vec<String>,
    /// Whether a password may come without TLS from elsewhere than loopback and local sockets.
    pub allow_cleartext: bool,
}

impl Default for PasswordsTable {
    fn default() -> Self {
        let policy = PasswordPolicy::default();
        Self { minimum_length: Spanned::new(0..0, policy.minimum_length), blocked: policy.blocked, allow_cleartext: false }
    }
}

/// `[mail]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailTable {
    /// The sender.
    pub from: Spanned<String>,
    /// `smtp://host:port`, `smtps://host:port`; StartTLS is required with `smtp` except on loopback.
    pub smtp: Option<Spanned<String>>,
    /// Who signs in to the SMTP server.
    pub user: Option<String>,
    /// A file with the password of that user.
    pub password_file: Option<Spanned<PathBuf>>,
    /// A folder to put mails in, instead of sending them.
    pub drop_folder: Option<Spanned<PathBuf>>,
}

/// `[provisioning]`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProvisioningTable {
    /// How long users that a client deleted are kept.
    pub keep_deleted: Spanned<Period>,
    /// Whether the configuration that clients read speaks of roles and entitlements.
    pub roles_and_entitlements: bool,
}

impl Default for ProvisioningTable {
    fn default() -> Self {
        Self { keep_deleted: Spanned::new(0..0, Period(KEEP_DELETED)), roles_and_entitlements: false }
    }
}

/// `[alerts]`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertsTable {
    /// Told when so many of a hundred seats are in use.
    pub share: Spanned<u32>,
    /// Told when somebody is refused.
    pub refusals: bool,
    /// Where alerts are posted too.
    pub webhook: Option<Spanned<String>>,
    /// A file with the bearer token of the webhook.
    pub webhook_token_file: Option<Spanned<PathBuf>>,
    /// Authorities that its certificate may come from, besides those that everybody trusts.
    pub webhook_authorities: Option<PathBuf>,
}

impl Default for AlertsTable {
    fn default() -> Self {
        let Alerts { share, refusals, .. } = Alerts::default();
        Self { share: Spanned::new(0..0, share), refusals, webhook: None, webhook_token_file: None, webhook_authorities: None }
    }
}

/// `[activation]`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActivationTable {
    /// Links begin with this.
    pub public_url: Option<Spanned<String>>,
    /// How long a link is good.
    pub link_lifetime: Spanned<Period>,
    /// Welcome mails to users that SCIM makes.
    pub mail_scim_users: bool,
}

impl Default for ActivationTable {
    fn default() -> Self {
        let activation = Activation::default();
        Self {
            public_url: None,
            link_lifetime: Spanned::new(0..0, Period(activation.link_lifetime)),
            mail_scim_users: activation.mail_scim_users,
        }
    }
}

/// `[catalog]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogTable {
    /// The file; the one that comes with Headcount where absent.
    pub file: Option<Spanned<PathBuf>>,
}

/// `[[organisation]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganisationTable {
    /// The file that declares it.
    pub file: Spanned<PathBuf>,
}

/// `[[application]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationTable {
    /// Its name.
    pub name: Spanned<String>,
    /// Recognised by the listener.
    pub listener: Option<Spanned<String>>,
    /// Recognised by the network of the peer.
    pub network: Option<Spanned<String>>,
    /// Recognised by the service account that signed in on the connection before.
    pub service: Option<Spanned<String>>,
    /// Recognised by the subject of the certificate of the peer.
    pub certificate: Option<Spanned<String>>,
    /// The licence it draws on.
    pub licence: Option<String>,
    /// Binds of administrators through it take no seat (S7).
    #[serde(default)]
    pub administrative: bool,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// One line of text an event.
    #[default]
    Text,
}

/// `[log]`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogTable {
    /// How lines look.
    pub format: LogFormat,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or by module as `info,headcount::ldap=debug`.
    pub level: Spanned<String>,
    /// Events of one kind that are logged in ten seconds; 0 for all.
    pub repeats: usize,
}

impl Default for LogTable {
    fn default() -> Self {
        Self { format: LogFormat::default(), level: Spanned::new(0..0, "info".to_owned()), repeats: 100 }
    }
}
