//! From what the server file says to what the other layers take: everything is looked at, and everything that is
//! wrong is told.

use super::events::SHORTEST_TOKEN;
use super::file::{
    AlertsTable, ApplicationTable, CertificateWay, ListenerKind, ListenerTable, MailTable, OperatorTable, ServerFile, TlsTable,
    VerifyClient,
};
use super::problem::{Problem, Problems, SourceFile};
use super::{
    Config, ListenAddress, Listener, Mail, MailWay, TlsFiles, access, catalog, events, limit, operate, organisation, read, secret_file,
};
use crate::base::outgoing::keeps_secrets;
use crate::base::{Network, Secret};
use crate::directory::password_hash::is_usable;
use crate::directory::settings::{
    Activation, Alerts, AllowedScheme, Application, AuditValues, Catalog, CertificateMapping, DeclaredEntry, Hashing, Lockout, Operator,
    PasswordPolicy, Sasl, Settings,
};
use crate::mail::webhook::WebhookSettings;
use crate::model::Dn;
use crate::schema::{Schema, Source, is_numeric_oid};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// Links of activation are good for at most this long (HF1).
const LONGEST_LINK: Duration = Duration::from_secs(72 * 3_600);
/// Failed attempts to sign in keep an account waiting for at most this long (HB4).
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);
/// The shortest password policy there may be (hardening §2.1).
const SHORTEST_PASSWORD: usize = 8;
/// Bounds of argon2id's cost: memory in KiB, passes (HB5).
const MEMORY: std::ops::RangeInclusive<u64> = 7 * 1024..=128 * 1024;
const PASSES: std::ops::RangeInclusive<u32> = 1..=10;
/// The server file under check, the files it was read with, and what was found.
pub(super) struct Checker {
    pub(super) source: SourceFile,
    files: Vec<PathBuf>,
    problems: Vec<Problem>,
}

impl Checker {
    /// Notes something that is wrong, wherever it is.
    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes something that is wrong in the server file.
    pub(super) fn at<T>(&mut self, spanned: &Spanned<T>, message: impl Into<String>) {
        self.problem(Problem::at(&self.source, &spanned.span(), message));
    }

    /// How many problems were noted until now.
    pub(super) fn count(&self) -> usize {
        self.problems.len()
    }

    /// A path of the server file, taken from the folder that file is in.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.source.path.parent().unwrap_or_else(|| Path::new("/")).join(path)
    }

    /// Reads a file that the server file names; it is watched from now on.
    pub(super) fn read(&mut self, named: &Spanned<PathBuf>) -> Option<SourceFile> {
        let path = self.path(named.get_ref());
        self.files.push(path.clone());
        match read(&path) {
            Ok(source) => Some(source),
            Err(_) if !path.exists() => {
                self.at(named, format!("there is no file {}", path.display()));
                None
            }
            Err(problem) => {
                self.problem(problem);
                None
            }
        }
    }

    /// Checks a name; where it is none the caret stands at the octet that is wrong.
    pub(super) fn dn(&mut self, source: &SourceFile, given: &Spanned<String>) -> Option<Dn> {
        match Dn::parse(given.get_ref()) {
            Ok(dn) => Some(dn),
            Err(error) => {
                let span = inside(source, given, error.at);
                self.problem(Problem::at(source, &span, format!("not a DN: {}", error.reason)));
                None
            }
        }
    }

    pub(super) fn own_dn(&mut self, given: &Spanned<String>) -> Option<Dn> {
        let source = self.source.clone();
        self.dn(&source, given)
    }

    /// Networks of a list.
    pub(super) fn networks(&mut self, given: &[Spanned<String>]) -> Vec<Network> {
        networks(self, given)
    }

    /// Checks that only its owner may read a file.
    pub(super) fn secret_file(&mut self, path: &Path, named: Option<&Spanned<PathBuf>>) {
        if let Err(message) = secret_file::check(path) {
            match named {
                Some(named) => self.at(named, message),
                None => self.problem(Problem::of_file(path, message)),
            }
        }
    }
}

/// The octet `at` of a string value, where the text of the file is the value itself; the whole value otherwise.
pub(super) fn inside(source: &SourceFile, given: &Spanned<String>, at: usize) -> std::ops::Range<usize> {
    let span = given.span();
    let literal = source.text.get(span.start + 1..span.end.saturating_sub(1));
    if literal == Some(given.get_ref().as_str()) { span.start + 1 + at..span.start + 2 + at } else { span }
}

/// Checks a server file with everything it names.
pub(super) fn check(source: SourceFile, file: &ServerFile) -> Result<Config, Problems> {
    let mut checker = Checker { files: vec![source.path.clone()], source, problems: Vec::new() };
    let folder = folder(&mut checker, file);
    let (schema_files, schema) = load_schema(&mut checker, file);
    let suffixes = suffixes(&mut checker, file);
    let operator = file.operator.as_ref().map(|table| operator(&mut checker, table));
    let catalog = load_catalog(&mut checker, file);
    let around = access::Surroundings { schema: schema.as_ref(), suffixes: &suffixes, catalog: &catalog };
    let access = access::rules(&mut checker, &file.access, &around);
    limit::check(&mut checker, &file.limits);
    let limits_for = limit::limits(&mut checker, &file.limits_for, &around);
    let listeners = listeners(&mut checker, file);
    let applications = file.applications.iter().map(|table| application(&mut checker, table, &listeners)).collect();
    let indexes = indexes(&mut checker, file, schema.as_ref());
    let tls = file.tls.as_ref().map(|table| tls(&mut checker, table));
    let mail = file.mail.as_ref().and_then(|table| mail(&mut checker, table));
    let webhook = webhook(&mut checker, &file.alerts);
    let organisations = organisations(&mut checker, file, &around);
    let operate = operate::check(&mut checker, file);
    let settings = Settings {
        audit_key: operate.audit_key.clone(),
        security: file.audit.security(),
        audit_reads: file.audit.large_read,
        audit_values: audit_values(&mut checker, file, schema.as_ref()),
        folder,
        suffixes,
        operator,
        schema: schema_files,
        indexes,
        reserve: file.reserve.0,
        limits: file.limits.limits(),
        limits_for,
        anonymous_bind: file.anonymous_bind,
        hashing: hashing(&mut checker, file),
        allow_cleartext_passwords: file.passwords.allow_cleartext,
        strict_references: file.schema.strict_references,
        access,
        sasl: sasl(&mut checker, file),
        applications,
        organisations,
        catalog,
        lockout: lockout(&mut checker, file),
        password_policy: password_policy(&mut checker, file),
        activation: activation(&mut checker, file),
        alerts: alerts(&mut checker, file),
        keep_deleted: file.provisioning.keep_deleted.get_ref().0,
        roles_and_entitlements: file.provisioning.roles_and_entitlements,
        events: events::receivers(&mut checker, file),
        protocol_features: crate::ldap::features(),
    };
    let trusted_proxies = networks(&mut checker, &file.proxy.trusted);
    let log_level = log_level(&mut checker, &file.log.level);
    if !checker.problems.is_empty() {
        return Err(Problems(checker.problems));
    }
    Ok(Config {
        settings,
        listeners,
        tls,
        trusted_proxies,
        mail,
        webhook,
        operate,
        log_format: file.log.format,
        log_level,
        log_repeats: file.log.repeats,
        workers: file.workers,
        files: checker.files,
    })
}

fn folder(checker: &mut Checker, file: &ServerFile) -> PathBuf {
    if file.folder.is_none() {
        let problem = Problem::of_file(&checker.source.path, "names no data folder");
        checker.problem(problem.help("add, as the first line,\n    folder = \"/var/lib/headcount\""));
    }
    checker.path(file.folder.as_deref().unwrap_or_else(|| Path::new("")))
}

fn suffixes(checker: &mut Checker, file: &ServerFile) -> Vec<String> {
    if file.suffixes.is_empty() {
        let problem = Problem::of_file(&checker.source.path, "names no suffix");
        checker.problem(problem.help("add\n    [[suffix]]\n    dn = \"dc=example,dc=com\""));
    }
    let mut seen = BTreeSet::new();
    for table in &file.suffixes {
        if checker.own_dn(&table.dn).is_some_and(|dn| dn.is_root()) {
            checker.at(&table.dn, "the empty name cannot be a suffix");
        }
        if !seen.insert(table.dn.get_ref().to_lowercase()) {
            checker.at(&table.dn, "this suffix is named twice");
        }
    }
    file.suffixes.iter().map(|table| table.dn.get_ref().clone()).collect()
}

fn operator(checker: &mut Checker, table: &OperatorTable) -> Operator {
    if checker.own_dn(&table.dn).is_some_and(|dn| dn.is_root()) {
        checker.at(&table.dn, "the operator needs a name");
    }
    let hash = table.password_hash.get_ref();
    if !is_usable(hash.as_bytes()) {
        let problem = Problem::at(&checker.source, &table.password_hash.span(), "not a password hash that is verified here");
        checker.problem(problem.help("`headcount passwd` makes one, `{ARGON2}$argon2id$…`"));
    }
    let path = checker.source.path.clone();
    checker.secret_file(&path, None);
    Operator { dn: table.dn.get_ref().clone(), password: hash.clone() }
}

fn load_schema(checker: &mut Checker, file: &ServerFile) -> (Vec<(String, String)>, Option<Schema>) {
    let sources: Vec<SourceFile> = file.schema.files.iter().filter_map(|named| checker.read(named)).collect();
    let texts = |source: &SourceFile| Source { name: source.path.display().to_string(), text: source.text.to_string() };
    let extra: Vec<Source> = sources.iter().map(texts).collect();
    let schema = match Schema::load(&extra) {
        Ok(schema) => Some(schema),
        Err(error) => {
            let source = sources.iter().find(|source| source.path.display().to_string() == error.file);
            checker.problem(match source {
                Some(source) => Problem::at_line(source, error.line, error.column, error.message),
                None => Problem::of_file(Path::new(&error.file), error.message),
            });
            None
        }
    };
    (extra.into_iter().map(|source| (source.name, source.text)).collect(), schema)
}

/// `*`, `+`, `@class`, or an attribute type of the schema.
pub(super) fn known_attribute(checker: &mut Checker, name: &Spanned<String>, schema: Option<&Schema>) {
    let Some(schema) = schema else { return };
    let given = name.get_ref().as_str();
    let (known, what) = match given.strip_prefix('@') {
        Some(class) => (schema.class(class).is_some(), "object class"),
        None => (matches!(given, "*" | "+") || schema.attribute(given).is_some(), "attribute type"),
    };
    if !known {
        let names = schema.attribute_types().iter().flat_map(|known| known.names.iter().map(String::as_str));
        let problem = Problem::at(&checker.source, &name.span(), format!("no {what} of the schema is named `{given}`"));
        // The whole list of types would help nobody, so only a near one is named.
        let near = problem.clone().suggest(given, names);
        checker.problem(if near.to_string().contains("did you mean") { near } else { problem });
    }
}

fn indexes(checker: &mut Checker, file: &ServerFile, schema: Option<&Schema>) -> Vec<String> {
    // An OID may be that of a type that the operator defines at run time.
    for name in file.index.attributes.iter().filter(|name| !is_numeric_oid(name.get_ref())) {
        known_attribute(checker, name, schema);
    }
    file.index.attributes.iter().map(|name| name.get_ref().clone()).collect()
}

fn audit_values(checker: &mut Checker, file: &ServerFile, schema: Option<&Schema>) -> AuditValues {
    for name in &file.audit.hidden_attributes {
        known_attribute(checker, name, schema);
    }
    file.audit.settings()
}

fn listeners(checker: &mut Checker, file: &ServerFile) -> Vec<Listener> {
    if file.listeners.is_empty() {
        let problem = Problem::of_file(&checker.source.path, "names no listener");
        checker.problem(problem.help("add\n    [[listener]]\n    kind = \"ldap\"\n    address = \"127.0.0.1:389\""));
    }
    let mut names = BTreeSet::new();
    let mut out = Vec::new();
    for table in &file.listeners {
        let kind = *table.kind.get_ref();
        let name = table.name.as_ref().map_or_else(|| kind.word().to_owned(), |name| name.get_ref().clone());
        if !names.insert(name.clone()) {
            match &table.name {
                Some(given) => checker.at(given, format!("two listeners are named `{name}`")),
                None => checker.at(&table.kind, format!("two listeners are named `{name}`: give this one a `name`")),
            }
        }
        if kind.needs_tls() && file.tls.is_none() {
            checker.at(&table.kind, format!("{} needs a certificate: there is no [tls]", kind.word()));
        }
        if let Some(first) = table.proxy_protocol.first().filter(|_| kind == ListenerKind::Ldapi) {
            checker.at(first, "a local socket has no proxy in front of it");
        }
        let proxies = networks(checker, &table.proxy_protocol);
        if let Some(address) = listen_address(checker, kind, table) {
            out.push(Listener { name, kind, address, proxies });
        }
    }
    out
}

fn listen_address(checker: &mut Checker, kind: ListenerKind, table: &ListenerTable) -> Option<ListenAddress> {
    let given = table.address.get_ref();
    if kind == ListenerKind::Ldapi {
        return Some(ListenAddress::Local(checker.path(Path::new(given))));
    }
    match given.parse::<SocketAddr>() {
        Ok(address) => Some(ListenAddress::Tcp(address)),
        Err(_) => {
            let port = given.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok()).unwrap_or("389");
            let problem = Problem::at(&checker.source, &table.address.span(), format!("`{given}` is not an address and port"));
            let help = format!("as \"127.0.0.1:{port}\" or \"[::1]:{port}\"; all addresses are \"0.0.0.0:{port}\" and \"[::]:{port}\"");
            checker.problem(problem.help(help));
            None
        }
    }
}

fn application(checker: &mut Checker, table: &ApplicationTable, listeners: &[Listener]) -> Application {
    if let Some(listener) = &table.listener
        && !listeners.iter().any(|known| known.name == *listener.get_ref())
    {
        let problem = Problem::at(&checker.source, &listener.span(), format!("no listener is named `{}`", listener.get_ref()));
        checker.problem(problem.suggest(listener.get_ref(), listeners.iter().map(|known| known.name.as_str())));
    }
    if let Some(network) = &table.network
        && Network::parse(network.get_ref()).is_none()
    {
        checker.at(network, "not a network as 10.0.0.0/8");
    }
    for name in table.service.iter().chain(&table.certificate) {
        if let Err(error) = Dn::parse(name.get_ref()) {
            checker.at(name, format!("not a DN: {error}"));
        }
    }
    Application {
        name: table.name.get_ref().clone(),
        listener: table.listener.as_ref().map(|name| name.get_ref().clone()),
        network: table.network.as_ref().map(|network| network.get_ref().clone()),
        service: table.service.as_ref().map(|name| name.get_ref().clone()),
        certificate: table.certificate.as_ref().map(|name| name.get_ref().clone()),
        licence: table.licence.clone(),
        administrative: table.administrative,
    }
}

fn networks(checker: &mut Checker, given: &[Spanned<String>]) -> Vec<Network> {
    let mut out = Vec::new();
    for network in given {
        match Network::parse(network.get_ref()) {
            Some(network) => out.push(network),
            None => checker.at(network, "not a network as 10.0.0.0/8"),
        }
    }
    out
}

/// The subtrees of `[sasl]`.
fn sasl(checker: &mut Checker, file: &ServerFile) -> Sasl {
    let mut places = |given: &[Spanned<String>]| {
        given.iter().filter(|place| checker.own_dn(place).is_some()).map(|place| place.get_ref().clone()).collect()
    };
    let way = |way: &CertificateWay| match way {
        CertificateWay::Certificate => CertificateMapping::Certificate,
        CertificateWay::Mail => CertificateMapping::Mail,
        CertificateWay::Subject => CertificateMapping::Subject,
    };
    Sasl {
        names: places(&file.sasl.names),
        local_users: places(&file.sasl.local_users),
        scram: file.sasl.scram,
        certificates: file.sasl.certificates.iter().map(way).collect(),
    }
}

fn tls(checker: &mut Checker, table: &TlsTable) -> TlsFiles {
    let verify = match (&table.verify, &table.client_ca) {
        (Some(verify), _) => *verify.get_ref(),
        (None, Some(_)) => VerifyClient::Try,
        (None, None) => VerifyClient::None,
    };
    if let (Some(given), None, VerifyClient::Demand | VerifyClient::Try) = (&table.verify, &table.client_ca, verify) {
        checker.at(given, "client certificates need a `client_ca` that they come from");
    }
    let client_ca = table.client_ca.as_ref().filter(|_| verify != VerifyClient::None);
    let files = TlsFiles {
        certificate: checker.path(table.certificate.get_ref()),
        key: checker.path(table.key.get_ref()),
        client_ca: client_ca.map(|named| checker.path(named.get_ref())),
        demand: verify == VerifyClient::Demand,
    };
    if let (Some(named), Some(path)) = (client_ca, &files.client_ca) {
        if std::fs::metadata(path).is_err() {
            checker.at(named, format!("there is no file {}", path.display()));
        }
        checker.files.push(path.clone());
    }
    if std::fs::metadata(&files.certificate).is_err() {
        checker.at(&table.certificate, format!("there is no file {}", files.certificate.display()));
    }
    checker.secret_file(&files.key, Some(&table.key));
    checker.files.extend([files.certificate.clone(), files.key.clone()]);
    files
}

fn mail(checker: &mut Checker, table: &MailTable) -> Option<Mail> {
    if !table.from.get_ref().contains('@') {
        checker.at(&table.from, "the sender is not a mail address");
    }
    let way = match (&table.smtp, &table.drop_folder) {
        (Some(smtp), None) => smtp_way(checker, table, smtp)?,
        (None, Some(folder)) => MailWay::Drop(checker.path(folder.get_ref())),
        (Some(smtp), Some(_)) => {
            checker.at(smtp, "mail leaves by `smtp` or to `drop_folder`, not both");
            return None;
        }
        (None, None) => {
            checker.at(&table.from, "mail needs `smtp` or `drop_folder`");
            return None;
        }
    };
    Some(Mail { from: table.from.get_ref().clone(), way })
}

fn smtp_way(checker: &mut Checker, table: &MailTable, smtp: &Spanned<String>) -> Option<MailWay> {
    let given = smtp.get_ref();
    let (implicit_tls, rest, default_port) = match given.split_once("://") {
        Some(("smtp", rest)) => (false, rest, 587),
        Some(("smtps", rest)) => (true, rest, 465),
        _ => {
            checker.at(smtp, "not an address as smtp://mail.example.com:587 or smtps://mail.example.com:465");
            return None;
        }
    };
    if rest.contains(['@', '/']) {
        checker.at(smtp, "only scheme, host and port belong here; the sign-in goes to `user` and `password_file`");
        return None;
    }
    let port_at = rest.rfind(':').filter(|at| !rest.ends_with(']') && rest.get(at + 1..).is_some_and(|port| port.parse::<u16>().is_ok()));
    let (host, port) = port_at.map_or((rest, default_port), |at| {
        (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).and_then(|port| port.parse().ok()).unwrap_or(default_port))
    });
    let credentials = match (&table.user, &table.password_file) {
        (Some(user), Some(named)) => {
            let path = checker.path(named.get_ref());
            checker.secret_file(&path, Some(named));
            let password = checker.read(named)?;
            Some((user.clone(), Secret::new(password.text.trim_end_matches(['\r', '\n']))))
        }
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            checker.at(smtp, "`user` and `password_file` belong together");
            None
        }
    };
    Some(MailWay::Smtp { host: host.to_owned(), port, implicit_tls, credentials })
}

fn load_catalog(checker: &mut Checker, file: &ServerFile) -> Catalog {
    let source = match &file.catalog.file {
        None => Some(SourceFile { path: "built-in catalog".into(), text: catalog::BUILT_IN.into() }),
        Some(named) => checker.read(named),
    };
    source.map_or_else(Catalog::default, |source| catalog::load(checker, &source))
}

fn organisations(checker: &mut Checker, file: &ServerFile, around: &access::Surroundings<'_>) -> Vec<DeclaredEntry> {
    let mut out = Vec::new();
    let mut owners = organisation::Owners::default();
    for table in &file.organisations {
        if let Some(source) = checker.read(&table.file) {
            out.extend(organisation::load(checker, &source, around, &mut owners));
        }
    }
    out
}

fn hashing(checker: &mut Checker, file: &ServerFile) -> Hashing {
    let table = &file.hashing;
    let memory = table.memory.get_ref().0 >> 10;
    if !MEMORY.contains(&memory) {
        checker.at(&table.memory, "argon2id takes from 7MiB to 128MiB here");
    }
    if !PASSES.contains(table.passes.get_ref()) {
        checker.at(&table.passes, "argon2id takes from 1 to 10 passes here");
    }
    let memory = u32::try_from(memory).unwrap_or(u32::MAX);
    let allow = table.allow.iter().map(|scheme| AllowedScheme::from(*scheme)).collect();
    Hashing { memory, passes: *table.passes.get_ref(), at_once: table.at_once, queue: table.queue, deadline: table.deadline.0, allow }
}

fn lockout(checker: &mut Checker, file: &ServerFile) -> Lockout {
    let table = &file.lockout;
    let longest_wait = table.longest_wait.get_ref().0;
    if longest_wait < table.first_wait.0 || longest_wait > LONGEST_WAIT {
        checker.at(&table.longest_wait, "the longest wait is between the first one and 24h: nobody is kept out for good");
    }
    Lockout {
        failures: table.failures,
        first_wait: table.first_wait.0,
        longest_wait,
        forget_after: table.forget_after.0,
        known_for: table.known_for.0,
    }
}

fn password_policy(checker: &mut Checker, file: &ServerFile) -> PasswordPolicy {
    let table = &file.passwords;
    let minimum_length = *table.minimum_length.get_ref();
    if minimum_length < SHORTEST_PASSWORD {
        checker.at(&table.minimum_length, format!("a password has at least {SHORTEST_PASSWORD} characters; 15 is the default"));
    }
    PasswordPolicy { minimum_length, blocked: table.blocked.clone() }
}

fn activation(checker: &mut Checker, file: &ServerFile) -> Activation {
    let table = &file.activation;
    if let Some(url) = &table.public_url {
        let rest = url.get_ref().split_once("://").filter(|(scheme, rest)| matches!(*scheme, "http" | "https") && !rest.is_empty());
        if rest.is_none_or(|(_, rest)| rest.contains(['?', '#', ' '])) {
            checker.at(url, "not an address as https://id.example.com");
        }
    }
    let link_lifetime = table.link_lifetime.get_ref().0;
    if link_lifetime.is_zero() || link_lifetime > LONGEST_LINK {
        checker.at(&table.link_lifetime, "a link is good for at most 72h");
    }
    let public_url = table.public_url.as_ref().map(|url| url.get_ref().trim_end_matches('/').to_owned());
    Activation { public_url, link_lifetime, mail_scim_users: table.mail_scim_users }
}

fn alerts(checker: &mut Checker, file: &ServerFile) -> Alerts {
    let share = *file.alerts.share.get_ref();
    if share > 100 {
        checker.at(&file.alerts.share, "a share is at most 100, in percent of the session limit; 0 for no mail");
    }
    Alerts { share, refusals: file.alerts.refusals, webhook: file.alerts.webhook.is_some() }
}

/// Where alerts are posted; the token goes with them.
fn webhook(checker: &mut Checker, table: &AlertsTable) -> Option<WebhookSettings> {
    let (Some(url), Some(token_file)) = (&table.webhook, &table.webhook_token_file) else {
        match (&table.webhook, &table.webhook_token_file) {
            (Some(url), _) => checker.at(url, "a webhook needs `webhook_token_file`, the bearer token that shows who posts"),
            (None, Some(file)) => checker.at(file, "there is no `webhook` that the token would be for"),
            (None, None) => {}
        }
        return None;
    };
    if !keeps_secrets(url.get_ref()) {
        checker.at(url, "not an address as https://alerts.example.com/headcount; http is for loopback only");
    }
    Some(WebhookSettings {
        url: url.get_ref().clone(),
        token: operate::secret(checker, token_file, SHORTEST_TOKEN)?,
        authorities: table.webhook_authorities.as_deref().map(|file| checker.path(file)),
    })
}

fn log_level(checker: &mut Checker, level: &Spanned<String>) -> String {
    if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(level.get_ref()) {
        checker.at(level, format!("not a level as \"info\" or \"info,headcount::ldap=debug\": {error}"));
    }
    level.get_ref().clone()
}
