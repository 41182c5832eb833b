//! A server with a config of the test's own: `headcount serve --config`.

use crate::demo::{assert_no_panic, headcount};
use crate::wire::Wire;
use base64::Engine;
use sha1::{Digest, Sha1};
use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The password of the operator `cn=admin` in every config of [`Server::start`].
pub(crate) const PASSWORD: &str = "the operator's own password";
/// The operator.
pub(crate) const OPERATOR: &str = "cn=admin";

/// A running server.
pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

/// An address of this machine that is not a loopback one, if it has any.
pub(crate) fn outer_address() -> Option<IpAddr> {
    // Nothing is sent: connecting a datagram socket only looks up the route.
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The password as `{SSHA}`, which is cheap to verify.
pub(crate) fn salted_hash(password: &str) -> String {
    let mut hasher = Sha1::new();
    hasher.update(password.as_bytes());
    hasher.update(b"salt");
    let octets = [hasher.finalize().as_slice(), b"salt"].concat();
    format!("{{SSHA}}{}", base64::engine::general_purpose::STANDARD.encode(octets))
}

/// A port that is free now, below those of demos and of outgoing connections, and given out once.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let port = || 20_000 + ((std::process::id() * 37 + NEXT.fetch_add(1, Ordering::Relaxed)) % 6_000) as u16;
    std::iter::repeat_with(port).find(free).unwrap()
}

impl Server {
    /// Starts one on a free port of this address; `more` is put behind suffixes, operator and listener.
    pub(crate) fn start(address: IpAddr, more: &str) -> Self {
        Self::start_as(headcount(), address, more)
    }

    /// The same with so many descriptors.
    pub(crate) fn start_within(descriptors: usize, address: IpAddr, more: &str) -> Self {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={descriptors}:{descriptors}")).arg(headcount().get_program());
        Self::start_as(command, address, more)
    }

    /// The same by a command of the test's own, which gets the arguments of `headcount`.
    pub(crate) fn start_as(command: Command, address: IpAddr, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let address = SocketAddr::new(address, free_port());
        let mut server = Self { child: Command::new("true").spawn().unwrap(), folder, address };
        server.child.wait().unwrap();
        server.write_config(more);
        server.launch(command);
        server
    }

    /// Kills it, and starts it again with what it has.
    pub(crate) fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.launch(headcount());
    }

    fn launch(&mut self, mut command: Command) {
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        command.arg("serve").arg("--config").arg(self.config());
        self.child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < Duration::from_secs(30), "not up ({ended:?}):\n{}", self.said());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Where its config is.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("headcount.toml")
    }

    /// Writes its config anew.
    pub(crate) fn write_config(&self, more: &str) {
        let text = format!(
            "folder = \"data\"\n\
             suffix = [{{ dn = \"dc=example,dc=com\" }}, {{ dn = \"o=University of Michigan, c=US\" }}]\n\
             {more}\n\
             [operator]\ndn = \"{OPERATOR}\"\npassword_hash = \"{}\"\n\
             [[listener]]\nkind = \"ldap\"\naddress = \"{}\"\n",
            salted_hash(PASSWORD),
            self.address,
        );
        write_private(&self.config(), &text);
    }

    /// Where it speaks LDAP.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap().success());
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Lets it have so many descriptors from now on.
    pub(crate) fn limit_descriptors(&self, count: usize) {
        let arguments = [format!("--pid={}", self.child.id()), format!("--nofile={count}:")];
        assert!(Command::new("prlimit").args(arguments).status().unwrap().success());
    }

    /// What it logged until now.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Wire {
        Wire::connect(self.address)
    }

    /// A new connection of the operator.
    pub(crate) fn as_operator(&self) -> Wire {
        let mut wire = self.connect();
        let answer = wire.bind(OPERATOR, PASSWORD);
        assert_eq!(answer.code(), 0, "{}\n{}", answer.text(), self.said());
        wire
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server said:\n{}", self.said());
        } else {
            assert_no_panic(&self.said());
        }
    }
}
