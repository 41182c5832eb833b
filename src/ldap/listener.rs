//! Listening: plain TCP, TLS, and local sockets. Connections are counted in all and by network, a lack of file
//! descriptors slows accepting down instead of spinning, and stopping lets what is under way finish.

use super::connection::Connection;
use super::transport::Transport;
use crate::base::connections::{BackOff, Connections, Counted, Way};
use crate::base::counts::COUNTS;
use crate::base::{Network, proxy_protocol};
use crate::directory::{Directory, Identity, Origin, Protocol, RequestId};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a TLS handshake may take, waiting for its turn included (HD9).
const HANDSHAKE: Duration = Duration::from_secs(10);
/// TLS handshakes at one time.
const HANDSHAKES: usize = 2_048;

/// A bound socket.
pub enum Endpoint {
    /// A local socket (`ldapi`).
    Local(UnixListener),
    /// TCP, with StartTLS where there is a certificate (`ldap`).
    Plain(TcpListener),
    /// TLS from the first octet (`ldaps`).
    Tls(TcpListener),
}

/// What all LDAP connections share.
pub struct Door {
    pub(super) directory: Arc<Directory>,
    pub(super) tls: Option<Arc<ArcSwap<ServerConfig>>>,
    /// Nobody, as a new connection has it; the directory makes it over for each connection at its first operation.
    pub(super) anonymous: Arc<Identity>,
    pub(super) stopping: CancellationToken,
    handshakes: Semaphore,
    /// How many connections there were, to number them.
    accepted: AtomicU64,
    connections: Arc<Connections>,
    tasks: TaskTracker,
}

impl Door {
    /// A door into `directory`, with its part of the budget of connections. The certificate may be exchanged at any time;
    /// connections keep the one they began with.
    pub fn new(directory: Arc<Directory>, tls: Option<Arc<ArcSwap<ServerConfig>>>, connections: Arc<Connections>) -> Arc<Self> {
        Arc::new(Self {
            directory,
            tls,
            anonymous: Arc::new(Identity::anonymous()),
            stopping: CancellationToken::new(),
            handshakes: Semaphore::new(HANDSHAKES),
            accepted: AtomicU64::new(0),
            connections,
            tasks: TaskTracker::new(),
        })
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.ldap()
    }

    /// Accepts connections until the door is [stopped](Self::stop). `name` is the listener's name in the config, and
    /// `proxies` are those that have to say whose connections they pass on; none for a listener without.
    pub async fn serve(self: Arc<Self>, name: String, endpoint: Endpoint, proxies: Vec<Network>) {
        let proxies: Arc<[Network]> = proxies.into();
        let mut back_off = BackOff::default();
        loop {
            let accepted = tokio::select! {
                accepted = endpoint.accept() => accepted,
                () = self.stopping.cancelled() => return,
            };
            match accepted {
                Ok(peer) => {
                    back_off = BackOff::default();
                    self.admit(&name, peer, &proxies);
                }
                Err(error) => {
                    COUNTS.not_accepted.one();
                    tracing::warn!(listener = name, %error, "no connection could be accepted");
                    back_off.wait().await;
                }
            }
        }
    }

    /// Accepts no more, lets connections finish what is under way and tells them so; waits for them for at most `drain`.
    pub async fn stop(&self, drain: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(drain, self.tasks.wait()).await.is_err() {
            tracing::warn!(connections = self.connections(), "connections did not end in time");
        }
    }

    /// Serves a peer in a task of its own, unless there are too many already.
    fn admit(self: &Arc<Self>, name: &str, peer: Peer, proxies: &Arc<[Network]>) {
        // Whom a proxy's connection counts for is known when it has said so.
        let Some(mut counted) = self.connections.count(peer.way(), peer.address().filter(|_| proxies.is_empty())) else {
            COUNTS.refused.one();
            tracing::debug!(listener = name, "a connection was refused: there are too many");
            return;
        };
        let (door, listener, proxies) = (Arc::clone(self), name.to_owned(), Arc::clone(proxies));
        self.tasks.spawn(async move {
            if let Some(connection) = Box::pin(door.prepare(peer, listener, &proxies, &mut counted)).await {
                connection.run().await;
            }
            drop(counted);
        });
    }

    /// Makes a connection of a peer, with TLS where the listener has it; `None` where TLS did not begin, or a proxy did
    /// not say what it has to.
    async fn prepare(self: &Arc<Self>, mut peer: Peer, listener: String, proxies: &[Network], counted: &mut Counted) -> Option<Connection> {
        let address = match &mut peer {
            Peer::Local(_) => None,
            Peer::Plain(stream, address) | Peer::Tls(stream, address) => {
                let address = address.ip().to_canonical();
                match proxy_protocol::client_of(stream, address, proxies).await {
                    Ok(client) if counted.is_of(client) => Some(client),
                    Ok(client) => {
                        COUNTS.refused.one();
                        tracing::debug!(listener, %client, "a connection was refused: the client has too many");
                        return None;
                    }
                    Err(error) => {
                        tracing::info!(listener, %address, %error, "a connection was refused: no proxy said whose it is");
                        return None;
                    }
                }
            }
        };
        let mut origin = Origin {
            protocol: Protocol::Ldap,
            address,
            encrypted: false,
            certificate: false,
            service: None,
            subject: None,
            tracking: None,
            listener,
            request: RequestId::Connection(self.accepted.fetch_add(1, Ordering::Relaxed) + 1),
        };
        let mut user = None;
        let transport = match peer {
            Peer::Local(stream) => {
                origin.protocol = Protocol::Ldapi;
                origin.encrypted = true;
                user = stream.peer_cred().ok().map(|credentials| credentials.uid());
                Transport::Local(stream)
            }
            Peer::Plain(stream, _) => {
                stream.set_nodelay(true).ok()?;
                Transport::Tcp(stream)
            }
            Peer::Tls(stream, _) => {
                origin.encrypted = true;
                stream.set_nodelay(true).ok()?;
                match self.handshake(stream).await {
                    Ok(stream) => Transport::Tls(Box::new(stream)),
                    Err(error) => {
                        tracing::debug!(request = %origin.request, peer = %origin.describe(), %error, "TLS did not begin");
                        return None;
                    }
                }
            }
        };
        origin.certificate = transport.client_certificate().is_some();
        origin.subject = transport.client_certificate().and_then(|der| self.directory.subject_of_certificate(der));
        Some(Connection::new(self, transport, origin, user))
    }

    /// Begins TLS with the certificate of this moment.
    pub(super) async fn handshake(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?.load_full();
        let handshake = async {
            let _turn = self.handshakes.acquire().await.map_err(io::Error::other)?;
            TlsAcceptor::from(config).accept(stream).await
        };
        tokio::time::timeout(HANDSHAKE, handshake).await?
    }
}

/// Who was accepted.
enum Peer {
    Local(UnixStream),
    Plain(TcpStream, SocketAddr),
    Tls(TcpStream, SocketAddr),
}

impl Peer {
    const fn way(&self) -> Way {
        match self {
            Self::Local(_) => Way::Local,
            Self::Plain(..) | Self::Tls(..) => Way::Ldap,
        }
    }

    const fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Local(_) => None,
            Self::Plain(_, address) | Self::Tls(_, address) => Some(address.ip()),
        }
    }
}

impl Endpoint {
    async fn accept(&self) -> io::Result<Peer> {
        match self {
            Self::Local(listener) => listener.accept().await.map(|(stream, _)| Peer::Local(stream)),
            Self::Plain(listener) => listener.accept().await.map(|(stream, address)| Peer::Plain(stream, address)),
            Self::Tls(listener) => listener.accept().await.map(|(stream, address)| Peer::Tls(stream, address)),
        }
    }
}
