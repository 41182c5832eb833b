//! Sockets of the listeners: bound before anything is promised, so that a config whose address is taken is refused whole, and
//! let listen when there is somebody to answer.

use super::config::file::ListenerKind;
use super::config::{ListenAddress, Listener};
use crate::ldap::Endpoint;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, UnixListener};

/// Connections the machine holds until they are accepted.
const BACKLOG: i32 = 1_024;

/// An address that is taken, and where nobody can connect yet.
pub(super) enum Bound {
    /// A local socket takes its name when it listens.
    Local(PathBuf),
    /// By the door it belongs to.
    Tcp(Socket, ListenerKind),
}

/// A socket that can be connected to, by the door it belongs to.
pub(super) enum Listening {
    /// HTTP, with TLS or without.
    Http(TcpListener),
    /// LDAP.
    Ldap(Endpoint),
}

/// Binds the socket of a listener.
pub(super) fn bind(listener: &Listener) -> io::Result<Bound> {
    match &listener.address {
        ListenAddress::Local(path) => Ok(Bound::Local(path.clone())),
        ListenAddress::Tcp(address) => Ok(Bound::Tcp(tcp(*address)?, listener.kind)),
    }
}

impl Bound {
    /// Lets it be connected to. Must be called within the runtime.
    pub(super) fn listen(self) -> io::Result<Listening> {
        let (socket, kind) = match self {
            Self::Local(path) => return Ok(Listening::Ldap(Endpoint::Local(local(&path)?))),
            Self::Tcp(socket, kind) => (socket, kind),
        };
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        Ok(match kind {
            ListenerKind::Http | ListenerKind::Https => Listening::Http(listener),
            ListenerKind::Ldap | ListenerKind::Ldapi => Listening::Ldap(Endpoint::Plain(listener)),
            ListenerKind::Ldaps => Listening::Ldap(Endpoint::Tls(listener)),
        })
    }
}

fn tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // So that 0.0.0.0 and [::] can both be named, whatever the machine's own setting is.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A local socket that any user of the machine may connect to: who they are is known, and decides what they may do.
fn local(path: &Path) -> io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        // Left over from a server that was killed.
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}
