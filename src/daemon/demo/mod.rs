//! The demo: a server in a folder of its own, on loopback, with an organisation made at run time through the directory, so
//! that everything in it can be changed. What it prints can be pasted. A second start with the same folder goes on with
//! what is there: its credentials are kept in `demo.json` (mode 0600).

mod people;
mod print;

use super::config::Config;
use super::logging::Level;
use super::server::Server;
use crate::base::random;
use crate::directory::password_hash::PasswordHasher;
use crate::directory::settings::Hashing;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The suffix of the demo.
const SUFFIX: &str = "dc=demo,dc=example";
/// Its organisation.
const ORGANISATION: &str = "o=Demo,dc=demo,dc=example";
/// Its operator.
const OPERATOR: &str = "cn=operator,dc=demo,dc=example";

/// What the command line said.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The folder; a new one for temporary files where absent.
    pub folder: Option<PathBuf>,
    /// The port of LDAP; a free one where absent.
    pub ldap_port: Option<u16>,
    /// The port of HTTP; a free one where absent.
    pub http_port: Option<u16>,
    /// Seats of the licence when the organisation is made.
    pub seats: u32,
    /// One line of JSON, instead of text for people.
    pub json: bool,
}

/// Who can sign in to the demo, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    ldap_port: u16,
    ldaps_port: u16,
    http_port: u16,
    seats: u32,
    operator: Person,
    /// The hash of the operator's password, as the config has it.
    operator_hash: String,
    users: Vec<Person>,
    /// The token of a provisioning client; absent until the organisation is made.
    scim_token: Option<String>,
}

/// Somebody who can sign in.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Person {
    dn: String,
    password: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
}

/// A demo whose files are there.
pub struct Demo {
    folder: PathBuf,
    state: State,
    json: bool,
}

impl Demo {
    /// Makes the folder with config, certificate and credentials, or finds them as they were.
    pub fn prepare(options: &Options) -> Result<Self, String> {
        let folder = match &options.folder {
            Some(folder) => std::path::absolute(folder).map_err(|error| error.to_string())?,
            None => std::env::temp_dir().join(format!("headcount-demo-{}", word(8))),
        };
        let named = |error: std::io::Error| format!("{}: {error}", folder.display());
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(named)?;
        let kept = match std::fs::read(folder.join("demo.json")) {
            Ok(octets) => Some(serde_json::from_slice::<State>(&octets).map_err(|error| format!("demo.json: {error}"))?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(named(error)),
        };
        let before = kept.as_ref().map(|state| (state.ldap_port, state.ldaps_port, state.http_port));
        let mut state = kept.map_or_else(|| State::new(options.seats), Ok)?;
        state.choose_ports(options)?;
        let demo = Self { folder, state, json: options.json };
        if !demo.folder.join("certificate.pem").exists() || !demo.folder.join("ca.pem").exists() {
            demo.make_certificate()?;
        }
        // A config that its user has changed stays as it is, unless the ports must move.
        let moved = before != Some((demo.state.ldap_port, demo.state.ldaps_port, demo.state.http_port));
        if moved || !demo.config_file().exists() {
            demo.write("headcount.toml", &demo.config_text())?;
        }
        demo.save()?;
        Ok(demo)
    }

    /// Where its config is.
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("headcount.toml")
    }

    /// Makes the organisation where it is not there yet, tells how to use it, and serves.
    pub async fn run(mut self, config: Config, level: Option<Level>) -> Result<(), String> {
        let server = Server::start(&self.config_file(), config, level).await?;
        if self.state.scim_token.is_none() {
            people::make(server.directory(), &mut self.state).await?;
            self.save()?;
        }
        // The ports may be others than the last time.
        self.write("environment", &self.environment())?;
        let told = if self.json { self.json_line()? } else { self.text() };
        let mut out = std::io::stdout().lock();
        // Nobody reading is no reason not to serve.
        drop(writeln!(out, "{told}").and_then(|()| out.flush()));
        drop(out);
        server.run().await
    }

    fn save(&self) -> Result<(), String> {
        let text = serde_json::to_string_pretty(&self.state).map_err(|error| error.to_string())?;
        self.write("demo.json", &text)
    }

    /// Writes a file only we can read, whole or not at all.
    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let (path, new) = (self.folder.join(name), self.folder.join(format!(".{name}.new")));
        let write = || {
            let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &path)
        };
        write().map_err(|error| format!("{}: {error}", path.display()))
    }

    fn make_certificate(&self) -> Result<(), String> {
        let (authority, certificate, key) = certificate().map_err(|error| format!("certificate: {error}"))?;
        self.write("ca.pem", &authority)?;
        self.write("key.pem", &key)?;
        self.write("certificate.pem", &certificate)
    }

    fn config_text(&self) -> String {
        let State { ldap_port, ldaps_port, http_port, operator, operator_hash, .. } = &self.state;
        format!(
            r#"# The demo's own config, made once. Change it as you like: the server takes it over while it runs.
# config/headcount.toml shows every key with its default.
folder = "data"

[[suffix]]
dn = "{SUFFIX}"

[operator]
dn = "{}"
password_hash = "{operator_hash}"

[[listener]]
kind = "ldap"
address = "127.0.0.1:{ldap_port}"

[[listener]]
kind = "ldaps"
address = "127.0.0.1:{ldaps_port}"

[[listener]]
kind = "ldapi"
address = "ldapi"

[[listener]]
kind = "http"
address = "127.0.0.1:{http_port}"

[tls]
certificate = "certificate.pem"
key = "key.pem"

# What the service account may see.
[[access]]
who = ["services"]
subtree = "{ORGANISATION}"
attributes = ["*", "entryUUID", "memberOf", "hcEffectiveRole", "hcPermission"]
rights = ["read"]

# Administrators who come in here take no seat.
[[application]]
name = "administration"
listener = "ldaps"
administrative = true

[mail]
from = "Headcount demo <demo@localhost>"
drop_folder = "mail"

[activation]
public_url = "http://127.0.0.1:{http_port}"

[log]
level = "warn"
"#,
            operator.dn
        )
    }
}

impl State {
    fn new(seats: u32) -> Result<Self, String> {
        let operator = Person { dn: OPERATOR.to_owned(), password: password(), kind: None, role: None };
        let hasher = PasswordHasher::new(&Hashing::default()).map_err(|error| error.to_string())?;
        let secret = crate::base::Secret::new(operator.password.as_bytes());
        let operator_hash = hasher.hash(&secret).map_err(|_| "the password could not be hashed".to_owned())?;
        let users = people::PEOPLE.iter().map(people::Template::person).collect();
        Ok(Self { ldap_port: 0, ldaps_port: 0, http_port: 0, seats, operator, operator_hash, users, scim_token: None })
    }

    /// Takes the ports it is told, else those of the last time where they are free, else any that are free.
    fn choose_ports(&mut self, options: &Options) -> Result<(), String> {
        let mut taken = Vec::new();
        let chosen = [(options.ldap_port, self.ldap_port), (None, self.ldaps_port), (options.http_port, self.http_port)];
        for (told, before) in chosen {
            let listener = match (told, before) {
                (Some(port), _) => bind(port)?,
                (None, 0) => free_port()?,
                (None, before) => bind(before).or_else(|_| free_port())?,
            };
            // Held until all are chosen, so that no two are the same.
            taken.push(listener);
        }
        let ports: Vec<u16> = taken.iter().filter_map(|listener| listener.local_addr().ok()).map(|address| address.port()).collect();
        let [ldap, ldaps, http] = ports.as_slice() else { return Err("there are no free ports".to_owned()) };
        (self.ldap_port, self.ldaps_port, self.http_port) = (*ldap, *ldaps, *http);
        Ok(())
    }
}

fn bind(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| format!("port {port}: {error}"))
}

/// A port below those that systems give to outgoing connections, so that none of them takes it before the server does.
fn free_port() -> Result<TcpListener, String> {
    let tries = (0..64).map(|_| 26_000 + u16::from_le_bytes(random::bytes()) % 6_000);
    tries.filter_map(|port| bind(port).ok()).next().map_or_else(|| bind(0), Ok)
}

/// An authority of the demo's own, and a certificate for this machine by it, with its key; all as PEM. The authority's
/// key is thrown away.
fn certificate() -> Result<(String, String, String), rcgen::Error> {
    let until = rcgen::date_time_ymd(2049, 12, 31);
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "Headcount demo authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.not_after = until;
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let mut own = CertificateParams::new(["localhost", "127.0.0.1", "::1"].map(str::to_owned))?;
    own.distinguished_name.push(DnType::CommonName, "localhost");
    own.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    own.use_authority_key_identifier_extension = true;
    own.not_after = until;
    let key = KeyPair::generate()?;
    let own = own.signed_by(&key, &Issuer::new(authority, authority_key))?;
    Ok((authority_certificate.pem(), own.pem(), key.serialize_pem()))
}

/// A password of 100 random bits that can be read out and pasted anywhere.
fn password() -> String {
    [word(5), word(5), word(5), word(5)].join("-")
}

/// Random letters and digits that are not mistaken for each other, 5 bits each.
fn word(length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let octets = random::bytes::<16>();
    octets.iter().take(length).filter_map(|octet| ALPHABET.get(usize::from(octet % 32))).map(|letter| char::from(*letter)).collect()
}

/// Where a file of the demo is.
fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_finds_what_the_first_made() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { folder: Some(folder.path().join("demo")), seats: 3, ..Options::default() };
        let first = Demo::prepare(&options).unwrap();
        assert!(first.state.users.iter().filter(|user| user.kind.as_deref() == Some("app")).count() == 6);
        assert!(first.state.users.iter().all(|user| user.password.len() >= 15));
        let second = Demo::prepare(&options).unwrap();
        assert_eq!(serde_json::to_string(&first.state).unwrap(), serde_json::to_string(&second.state).unwrap());
        let text = std::fs::read_to_string(second.config_file()).unwrap();
        assert!(text.contains(&format!("127.0.0.1:{}", first.state.ldap_port)));
        toml::from_str::<super::super::config::file::ServerFile>(&text).unwrap();
    }

    #[test]
    fn a_port_that_is_taken_is_refused_when_told_and_left_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let mut options = Options { folder: Some(folder.path().join("demo")), ldap_port: Some(port), seats: 3, ..Options::default() };
        assert!(Demo::prepare(&options).is_err());
        options.ldap_port = None;
        assert_ne!(Demo::prepare(&options).unwrap().state.ldap_port, port);
    }
}
