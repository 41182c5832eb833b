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

mod catalog;
mod check;
pub mod file;
mod organisation;
pub mod problem;
mod secret_file;
pub mod units;

use crate::directory::Settings;
pub use crate::mail::{MailSettings as Mail, MailWay};
use file::{ListenerKind, LogFormat};
use problem::{Problem, Problems, SourceFile};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where the config is unless the command line says otherwise.
pub const DEFAULT_PATH: &str = "/etc/headcount/headcount.toml";
/// Free space below which writes are refused, in octets.
pub const DEFAULT_RESERVE: u64 = 64 << 20;

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
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_level: String,
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
}

/// A network of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl Network {
    /// Reads `10.1.0.0/16`, `fd00::/8` or a single address; bits beyond the prefix must be 0.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse::<IpAddr>().ok()?, Some(prefix.parse::<u8>().ok()?)),
            None => (text.parse::<IpAddr>().ok()?, None),
        };
        let width = if address.is_ipv4() { 32 } else { 128 };
        let network = Self { address, prefix: prefix.unwrap_or(width) };
        (network.prefix <= width && network.masked(address) == network.masked_bits()).then_some(network)
    }

    /// Whether the address is of this network. A mapped IPv4 address counts as what it maps.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.masked(address) == self.masked_bits()
    }

    fn masked_bits(&self) -> u128 {
        bits(self.address)
    }

    fn masked(&self, address: IpAddr) -> u128 {
        let width: u32 = if self.address.is_ipv4() { 32 } else { 128 };
        let dropped = width.saturating_sub(u32::from(self.prefix));
        bits(address).checked_shr(dropped).and_then(|kept| kept.checked_shl(dropped)).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Config {
    /// Reads and checks the server file and everything it names. Nothing is changed on the machine.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let source = read(&path).map_err(|problem| Problems(vec![problem]))?;
        let server: file::ServerFile = toml::from_str(&source.text).map_err(|error| Problems(vec![Problem::of_toml(&source, &error)]))?;
        check::check(source, server)
    }
}

/// Reads a file of the config.
fn read(path: &Path) -> Result<SourceFile, Problem> {
    let text = std::fs::read_to_string(path).map_err(|error| Problem::of_file(path, format!("cannot be read: {error}")))?;
    Ok(SourceFile { path: path.to_owned(), text: text.into() })
}

#[cfg(test)]
mod tests;
