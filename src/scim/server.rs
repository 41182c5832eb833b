//! The HTTP server of SCIM and the console: HTTP and HTTPS, and nobody who is slow on purpose holds it up (HD1–HD3,
//! HD9). The accept loop only accepts: handshakes, requests and answers each run in a task of their connection,
//! with a time limit each. The certificate can be replaced while connections are open.

use super::request::Peer;
use crate::base::connections::{BackOff, Bounds, Connections, Counted, Way};
use crate::base::counts::COUNTS;
use crate::base::{Network, proxy_protocol, random};
use arc_swap::ArcSwap;
use axum::Router;
use axum::http::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// The TLS configuration in force; whoever holds it puts a new one in for new connections.
pub type Tls = Arc<ArcSwap<rustls::ServerConfig>>;

/// How a listener serves.
#[derive(Clone)]
pub struct ServerSettings {
    /// The name of the listener in the config.
    pub name: Arc<str>,
    /// HTTPS with this configuration; plain HTTP where it is absent.
    pub tls: Option<Tls>,
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<Network>,
    /// Proxies that have to say by the PROXY protocol whose connections they pass on; none for a listener without.
    pub proxies: Vec<Network>,
    /// The budget of connections.
    pub connections: Arc<Connections>,
    /// How long a TLS handshake may take, the head of a request, and a whole request each.
    pub patience: Duration,
    /// How long a peer may leave its answer unread.
    pub write_stall: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            name: "http".into(),
            tls: None,
            trusted_proxies: Vec::new(),
            proxies: Vec::new(),
            connections: Connections::new(Bounds { all: 4_096, per_network: 256 }),
            patience: Duration::from_secs(10),
            write_stall: Duration::from_secs(10),
        }
    }
}

/// How long a request may take from its head to its answer.
const REQUEST: Duration = Duration::from_secs(30);
/// How long open requests may go on after the order to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves until `stop` is cancelled, and then until the requests under way are done, five seconds at most.
pub async fn serve(listener: TcpListener, router: Router, settings: ServerSettings, stop: CancellationToken) {
    let timeout_layer = tower_http::timeout::TimeoutLayer::with_status_code(axum::http::StatusCode::REQUEST_TIMEOUT, REQUEST);
    let server = Arc::new(Server { router: router.layer(timeout_layer), stop: stop.clone(), settings });
    let mut back_off = BackOff::default();
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &server.settings) => accepted,
        };
        let (mut stream, address, counted) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                COUNTS.not_accepted.one();
                tracing::warn!(%error, "cannot accept an HTTP connection");
                back_off.wait().await;
                continue;
            }
        };
        back_off = BackOff::default();
        let Some(mut counted) = counted else { continue };
        let server = server.clone();
        tasks.spawn(async move {
            let address = match proxy_protocol::client_of(&mut stream, address, &server.settings.proxies).await {
                Ok(client) => client,
                Err(error) => {
                    tracing::info!(%address, %error, "an HTTP connection was refused: no proxy said whose it is");
                    return;
                }
            };
            // A trusted proxy's connections are those of many clients.
            if is_proxy(&server.settings.trusted_proxies, address) || counted.is_of(address) {
                server.connection(stream, address).await;
            }
            drop(counted);
        });
    }
    tasks.close();
    if timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::info!(open = tasks.len(), "HTTP connections were cut off at the end");
    }
}

type Accepted = (TcpStream, IpAddr, Option<Counted>);

/// The next connection, once there is room for it; it counts where there still is.
async fn accept(listener: &TcpListener, settings: &ServerSettings) -> io::Result<Accepted> {
    settings.connections.room(Way::Http).await;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address.ip().to_canonical(), settings.connections.count(Way::Http, None)))
}

struct Server {
    router: Router,
    settings: ServerSettings,
    stop: CancellationToken,
}

impl Server {
    async fn connection(&self, stream: TcpStream, address: IpAddr) {
        // Answers are written whole, so waiting to fill a segment only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let stream = Impatient { stream, limit: self.settings.write_stall, stalled: None };
        match &self.settings.tls {
            None => self.requests(stream, address, None).await,
            Some(tls) => {
                let acceptor = tokio_rustls::TlsAcceptor::from(tls.load_full());
                match timeout(self.settings.patience, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let protocol = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
                        self.requests(stream, address, Some(&protocol)).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%error, %address, "a TLS handshake failed"),
                    Err(_) => tracing::debug!(%address, "a TLS handshake took too long"),
                }
            }
        }
    }

    /// Serves the requests of a connection. `protocol`: what ALPN agreed on under TLS. It decides, because to wait for octets
    /// that tell HTTP/2 from HTTP/1.1 would have no time limit.
    async fn requests<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(&self, stream: S, address: IpAddr, protocol: Option<&[u8]>) {
        let encrypted = protocol.is_some();
        let builder = Builder::new(TokioExecutor::new());
        let mut builder = if protocol == Some(b"h2") { builder.http2_only() } else { builder.http1_only() };
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.settings.patience).max_buf_size(64 << 10);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(self.settings.patience)
            .keep_alive_timeout(self.settings.patience)
            .max_concurrent_streams(64)
            .max_header_list_size(32 << 10)
            .max_send_buf_size(256 << 10);
        let (name, proxies) = (self.settings.name.clone(), self.settings.trusted_proxies.clone());
        let service = self.router.clone().map_request(move |mut request: Request<hyper::body::Incoming>| {
            let peer = peer(request.headers(), address, encrypted, &proxies, &name);
            request.extensions_mut().insert(peer);
            request
        });
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = std::pin::pin!(connection);
        let mut stopping = false;
        loop {
            tokio::select! {
                done = connection.as_mut() => {
                    if let Err(error) = done {
                        tracing::debug!(%error, %address, "an HTTP connection ended");
                    }
                    return;
                }
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Who is at the other end: what a trusted proxy says last, or the peer of the connection. Headers of others are
/// ignored (HB3).
fn peer(headers: &HeaderMap, address: IpAddr, encrypted: bool, proxies: &[Network], listener: &Arc<str>) -> Peer {
    let request = random::bytes::<6>().iter().map(|octet| format!("{octet:02x}")).collect::<String>().into();
    let direct = Peer { address: Some(address), encrypted, listener: listener.clone(), request };
    if !is_proxy(proxies, address) {
        return direct;
    }
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    // The nearest hop that is not a proxy of ours; what stands further left anybody can write.
    let client = forwarded.filter_map(|hop| hop.trim().parse::<IpAddr>().ok()).rfind(|hop| !is_proxy(proxies, *hop));
    let secure = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    Peer { address: client.or(Some(address)), encrypted: encrypted || secure, ..direct }
}

fn is_proxy(proxies: &[Network], address: IpAddr) -> bool {
    proxies.iter().any(|network| network.contains(address))
}

/// A connection that breaks where its peer does not read for too long (HD1).
struct Impatient<S> {
    stream: S,
    limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    /// Lets a write that cannot go on wait no longer than the limit.
    fn bounded<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, octets);
        self.bounded(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(context, closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Extension;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn started(settings: ServerSettings) -> (std::net::SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let router = Router::new()
            .route("/peer", get(async |Extension(peer): Extension<Peer>| format!("{:?} {}", peer.address, peer.encrypted)))
            .route("/large", get(async || vec![b'x'; 64 << 20]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, router, settings, stop.clone()));
        (address, stop, task)
    }

    async fn exchange(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    const GET: &str = "GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";

    #[tokio::test]
    async fn hb3_forwarded_headers_count_only_from_a_trusted_proxy() {
        let forwarded = format!("{GET}X-Forwarded-For: 1.2.3.4, 10.0.0.9\r\nX-Forwarded-Proto: https\r\n\r\n");
        let (address, stop, task) = started(ServerSettings::default()).await;
        assert!(exchange(address, &forwarded).await.ends_with("Some(127.0.0.1) false"));
        stop.cancel();
        task.await.unwrap();
        let trusted = ServerSettings { trusted_proxies: vec![Network::parse("127.0.0.0/8").unwrap()], ..ServerSettings::default() };
        let (address, _stop, _task) = started(trusted).await;
        assert!(exchange(address, &forwarded).await.ends_with("Some(10.0.0.9) true"));
    }

    #[tokio::test]
    async fn hd2_a_slow_head_is_cut_off_and_others_are_served() {
        let settings = ServerSettings { patience: Duration::from_millis(200), ..ServerSettings::default() };
        let (address, _stop, _task) = started(settings).await;
        for head in ["", "P", "GET /peer HT"] {
            let mut slow = TcpStream::connect(address).await.unwrap();
            slow.write_all(head.as_bytes()).await.unwrap();
            assert!(exchange(address, &format!("{GET}\r\n")).await.starts_with("HTTP/1.1 200"));
            let mut rest = Vec::new();
            let ended = timeout(Duration::from_secs(5), slow.read_to_end(&mut rest)).await;
            assert!(ended.is_ok(), "the slow connection is still open after {head:?}");
        }
    }

    #[tokio::test]
    async fn hd1_a_peer_that_does_not_read_is_cut_off() {
        let settings = ServerSettings { write_stall: Duration::from_millis(200), ..ServerSettings::default() };
        let (address, stop, task) = started(settings).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        sleep(Duration::from_millis(700)).await;
        // Its task is over, so nothing is left to wait for.
        stop.cancel();
        timeout(Duration::from_secs(2), task).await.unwrap().unwrap();
        drop(stream);
    }

    #[tokio::test]
    async fn hd9_tls_serves_and_a_silent_handshake_ends() {
        let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let der = rustls_pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], der)
            .unwrap();
        let tls: Tls = Arc::new(ArcSwap::from_pointee(config));
        let settings = ServerSettings { tls: Some(tls), patience: Duration::from_millis(300), ..ServerSettings::default() };
        let (address, _stop, _task) = started(settings).await;

        let mut roots = rustls::RootCertStore::empty();
        roots.add(key.cert.der().clone()).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        stream.write_all(format!("{GET}\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.ends_with(b"Some(127.0.0.1) true"));

        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut rest = Vec::new();
        assert!(timeout(Duration::from_secs(5), silent.read_to_end(&mut rest)).await.is_ok(), "the silent handshake is still open");
    }
}
