//! Sockets of the listeners: bound before anything is promised, so that a config whose address is taken is refused whole.

use super::config::file::ListenerKind;
use super::config::{ListenAddress, Listener};
use crate::ldap::Endpoint;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use tokio::net::{TcpListener, UnixListener};

/// Connections the machine holds until they are accepted.
const BACKLOG: i32 = 1_024;

/// A bound socket, by the door it belongs to.
pub(super) enum Bound {
    /// HTTP, with TLS or without.
    Http(TcpListener),
    /// LDAP.
    Ldap(Endpoint),
}

/// Binds the socket of a listener. Must be called within the runtime.
pub(super) fn bind(listener: &Listener) -> io::Result<Bound> {
    match (&listener.address, listener.kind) {
        (ListenAddress::Local(path), _) => Ok(Bound::Ldap(Endpoint::Local(local(path)?))),
        (ListenAddress::Tcp(address), ListenerKind::Ldaps) => Ok(Bound::Ldap(Endpoint::Tls(tcp(*address)?))),
        (ListenAddress::Tcp(address), ListenerKind::Ldap | ListenerKind::Ldapi) => Ok(Bound::Ldap(Endpoint::Plain(tcp(*address)?))),
        (ListenAddress::Tcp(address), ListenerKind::Http | ListenerKind::Https) => Ok(Bound::Http(tcp(*address)?)),
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // So that 0.0.0.0 and [::] can both be named, whatever the machine's own setting is.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
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
