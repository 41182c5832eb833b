//! The config: a server file, the catalog, and organisations declared by file, all TOML. The whole set is read and
//! checked before any of it counts, and everything that is wrong is told at once with file, line and caret. A
//! default is the code's own; `config/headcount.toml` shows every one.
//!
//! ```text
//! headcount.toml:4:1: unknown key `sufix`
//!   |
//! 4 | [[sufix]]
//!   |   ^^^^^
//!   = did you mean `suffix`?
//! ```

mod access;
mod catalog;
mod check;
mod events;
pub mod file;
mod limit;
mod operate;
mod organisation;
pub mod problem;
mod secret_file;
pub mod units;

use crate::base::Network;
use crate::directory::Settings;
use crate::mail::webhook::WebhookSettings;
pub use crate::mail::{MailSettings as Mail, MailWay};
use file::{ListenerKind, LogFormat};
pub use problem::Problems;
use problem::{Problem, SourceFile};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where the config is unless the command line says otherwise.
pub const DEFAULT_PATH: &str = "/etc/headcount/headcount.toml";
/// Free space below which writes are refused, in octets.
pub const DEFAULT_RESERVE: u64 = 64 << 20;

pub use operate::{Backup, Metrics, Operate};

/// A config that was read and found good.
#[derive(Clone, Debug)]
pub struct Config {
    /// For the directory.
    pub settings: Settings,
    /// Where to listen.
    pub listeners: Vec<Listener>,
    /// Certificate and key.
    pub tls: Option<TlsFiles>,
    /// Networks whose forwarded headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// How mail leaves; none is sent where it is absent.
    pub mail: Option<Mail>,
    /// Metrics and backups.
    pub operate: Operate,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_level: String,
    /// Events of one kind that are logged in ten seconds; 0 for all.
    pub log_repeats: usize,
    /// Where alerts are posted, where the config says so.
    pub webhook: Option<WebhookSettings>,
    /// Threads that serve; 0 for one per processor.
    pub workers: usize,
    /// Every file it was read from, to be watched.
    pub files: Vec<PathBuf>,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// What it speaks.
    pub kind: ListenerKind,
    /// Where.
    pub address: ListenAddress,
    /// Proxies that have to say by the PROXY protocol whose connections they pass on; nobody else is served then.
    pub proxies: Vec<Network>,
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A path.
    Local(PathBuf),
    /// An address and port.
    Tcp(SocketAddr),
}

/// Certificate chain and key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
    /// Authorities of client certificates; clients are asked for none where it is absent.
    pub client_ca: Option<PathBuf>,
    /// Whether a client must have a certificate.
    pub demand: bool,
}

impl Config {
    /// Reads and checks the server file and everything it names. Nothing is changed on the machine.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let source = read(&path).map_err(|problem| Problems(vec![problem]))?;
        let server: file::ServerFile = toml::from_str(&source.text).map_err(|error| Problems(vec![Problem::of_toml(&source, &error)]))?;
        check::check(source, &server)
    }
}

/// Reads a file of the config.
fn read(path: &Path) -> Result<SourceFile, Problem> {
    let text = std::fs::read_to_string(path).map_err(|error| Problem::of_file(path, format!("cannot be read: {error}")))?;
    Ok(SourceFile { path: path.to_owned(), text: text.into() })
}

#[cfg(test)]
mod tests;
