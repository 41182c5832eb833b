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
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Service, service_fn};

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
    /// How long a TLS handshake may take, the head of a request, and how long a connection may be open without any.
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
        let usage = Arc::new(Usage::default());
        let stream = Impatient { stream, limit: self.settings.write_stall, stalled: None, usage: Arc::clone(&usage) };
        match &self.settings.tls {
            None => self.requests(stream, address, None, &usage).await,
            Some(tls) => {
                let acceptor = tokio_rustls::TlsAcceptor::from(tls.load_full());
                match timeout(self.settings.patience, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let protocol = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
                        self.requests(stream, address, Some(&protocol), &usage).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%error, %address, "a TLS handshake failed"),
                    Err(_) => tracing::debug!(%address, "a TLS handshake took too long"),
                }
            }
        }
    }

    /// Serves the requests of a connection. `protocol`: what ALPN agreed on under TLS. It decides, because to wait for octets
    /// that tell HTTP/2 from HTTP/1.1 would have no time limit.
    async fn requests<S>(&self, stream: S, address: IpAddr, protocol: Option<&[u8]>, usage: &Arc<Usage>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
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
        let mut service = self.router.clone();
        let in_use = Arc::clone(usage);
        let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
            let peer = peer(request.headers(), address, encrypted, &proxies, &name);
            request.extensions_mut().insert(peer);
            in_use.during(service.call(request))
        });
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = std::pin::pin!(connection);
        let mut stopping = false;
        let mut idle = std::pin::pin!(usage.ceases(self.settings.patience));
        loop {
            tokio::select! {
                done = connection.as_mut() => {
                    if let Err(error) = done {
                        tracing::debug!(%error, %address, "an HTTP connection ended");
                    }
                    return;
                }
                () = idle.as_mut() => {
                    tracing::debug!(%address, "an HTTP connection was open without a request for too long");
                    if std::mem::replace(&mut stopping, true) {
                        return;
                    }
                    connection.as_mut().graceful_shutdown();
                    idle.set(usage.ceases(self.settings.patience));
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
    let parts =
        |name| headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|octet| *octet == b',')).map(<[u8]>::trim_ascii);
    // The nearest hop that is not a proxy of ours; what stands further left anybody can write.
    let client = parts("x-forwarded-for").map(hop).rfind(|hop| !is_proxy(proxies, *hop));
    let mut schemes = parts("x-forwarded-proto").peekable();
    let secure = schemes.peek().is_some() && schemes.all(|scheme| scheme.eq_ignore_ascii_case(b"https"));
    Peer { address: client.or(Some(address)), encrypted: encrypted || secure, ..direct }
}

/// The address of a hop, which some proxies write with a port. What cannot be read is nobody's: neither near, nor the next one's,
/// which a client may have written.
fn hop(text: &[u8]) -> IpAddr {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let plain = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = plain.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip()));
    address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.to_canonical())
}

fn is_proxy(proxies: &[Network], address: IpAddr) -> bool {
    proxies.iter().any(|network| network.contains(address))
}

/// What a connection is used for, to tell one that is not (HD3). HTTP/2 keeps no clock of its own: neither for its preface, nor
/// for a peer that only answers pings.
#[derive(Default)]
struct Usage {
    /// Requests under way.
    open: AtomicUsize,
    /// Octets that were written, and `A_REQUEST` more for each request.
    done: AtomicU64,
}

/// What a request weighs in octets written: more than the pings, acknowledgements and goodbyes of a connection without any.
const A_REQUEST: u64 = 4_096;

impl Usage {
    /// Counts a request until it has its answer, or is given up.
    fn during<F: Future>(self: &Arc<Self>, request: F) -> impl Future<Output = F::Output> + use<F> {
        self.open.fetch_add(1, Ordering::Relaxed);
        let open = Open(Arc::clone(self));
        async move {
            let answer = request.await;
            drop(open);
            answer
        }
    }

    /// Waits until the connection was used for nothing all through a `period`.
    async fn ceases(&self, period: Duration) {
        loop {
            let before = self.done.load(Ordering::Relaxed);
            sleep(period).await;
            let done = self.done.load(Ordering::Relaxed).wrapping_sub(before);
            if done < A_REQUEST && self.open.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }
}

/// A request under way.
struct Open(Arc<Usage>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.done.fetch_add(A_REQUEST, Ordering::Relaxed);
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that breaks where its peer does not read for too long (HD1).
struct Impatient<S> {
    stream: S,
    limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    usage: Arc<Usage>,
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
        if let Poll::Ready(Ok(written)) = written {
            self.usage.done.fetch_add(written as u64, Ordering::Relaxed);
        }
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
    use axum::http::{HeaderName, HeaderValue};
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn started(settings: ServerSettings) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let router = Router::new()
            .route("/peer", get(async |Extension(peer): Extension<Peer>| format!("{:?} {}", peer.address, peer.encrypted)))
            .route("/large", get(async || vec![b'x'; 64 << 20]))
            .route(
                "/slow",
                get(async || {
                    sleep(Duration::from_millis(1_200)).await;
                    "late"
                }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, router, settings, stop.clone()));
        (address, stop, task)
    }

    async fn exchange(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    const GET: &str = "GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";

    /// What a client writes itself stands in front of what the proxy adds.
    #[test]
    fn hb3_a_client_behind_a_proxy_cannot_say_who_it_is_nor_that_nobody_reads_along() {
        let proxies = [Network::parse("10.0.0.0/8").unwrap()];
        let told = |headers: &[(&'static str, &[u8])]| {
            let held = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap()));
            let mut map = HeaderMap::new();
            held.for_each(|(name, value)| assert!(map.append(&name, value) == map.get_all(&name).iter().nth(1).is_some()));
            let peer = peer(&map, "10.0.0.1".parse().unwrap(), false, &proxies, &"http".into());
            (peer.address.unwrap().to_string(), peer.encrypted)
        };
        let (by, scheme) = ("x-forwarded-for", "x-forwarded-proto");
        for (headers, address) in [
            (&[(by, &b"6.6.6.6, 1.2.3.4"[..])][..], "1.2.3.4"),
            (&[(by, b"6.6.6.6"), (by, b"1.2.3.4, 10.0.0.9")], "1.2.3.4"),
            (&[(by, b"\xff, 1.2.3.4")], "1.2.3.4"),
            (&[(by, b"6.6.6.6, 1.2.3.4:5678")], "1.2.3.4"),
            (&[(by, b"6.6.6.6, [2001:db8::1]:5678")], "2001:db8::1"),
            (&[(by, b"6.6.6.6, [2001:db8::1]")], "2001:db8::1"),
            (&[(by, b"6.6.6.6, ::ffff:1.2.3.4")], "1.2.3.4"),
            (&[(by, b"6.6.6.6, unknown")], "0.0.0.0"),
            (&[(by, b"6.6.6.6, ")], "0.0.0.0"),
            (&[(by, b"6.6.6.6"), (by, b"x, 10.0.0.9")], "0.0.0.0"),
            (&[(by, b"")], "0.0.0.0"),
            (&[(by, b"10.0.0.9")], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(told(headers).0, address, "{headers:?}");
        }
        for (headers, encrypted) in [
            (&[(scheme, &b"https"[..])][..], true),
            (&[(scheme, b"HTTPS"), (scheme, b"https")], true),
            (&[(scheme, b"https, https")], true),
            (&[(scheme, b"https"), (scheme, b"http")], false),
            (&[(scheme, b"https, http")], false),
            (&[(scheme, b"http, https")], false),
            (&[(scheme, b"")], false),
            (&[], false),
        ] {
            assert_eq!(told(headers).1, encrypted, "{headers:?}");
        }
    }

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

    /// A server with HTTPS, and what connects to it with a protocol.
    async fn encrypted(patience: Duration) -> (SocketAddr, impl AsyncFn(&[u8]) -> tokio_rustls::client::TlsStream<TcpStream>) {
        let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let der = rustls_pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], der)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let tls: Tls = Arc::new(ArcSwap::from_pointee(config));
        let (address, _, _) = started(ServerSettings { tls: Some(tls), patience, ..ServerSettings::default() }).await;

        let mut roots = rustls::RootCertStore::empty();
        roots.add(key.cert.der().clone()).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connect = async move |protocol: &[u8]| {
            let mut client = client.clone();
            client.alpn_protocols = vec![protocol.to_vec()];
            let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
            let stream = TcpStream::connect(address).await.unwrap();
            connector.connect("localhost".try_into().unwrap(), stream).await.unwrap()
        };
        (address, connect)
    }

    #[tokio::test]
    async fn hd9_tls_serves_and_a_silent_handshake_ends() {
        let (address, connect) = encrypted(Duration::from_millis(300)).await;
        let mut stream = connect(b"http/1.1").await;
        stream.write_all(format!("{GET}\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.ends_with(b"Some(127.0.0.1) true"));

        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut rest = Vec::new();
        assert!(timeout(Duration::from_secs(5), silent.read_to_end(&mut rest)).await.is_ok(), "the silent handshake is still open");
    }

    /// The preface of HTTP/2, and a frame of settings without any (RFC 9113, 3.4).
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    /// Reads frames of HTTP/2 and answers settings and pings, until the other side closes or a frame of the type comes; whether it did.
    async fn read_until(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), wanted: u8) -> bool {
        const ACKNOWLEDGED: u8 = 1;
        let mut head = [0; 9];
        while stream.read_exact(&mut head).await.is_ok() {
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            if stream.read_exact(&mut payload).await.is_err() {
                return false;
            }
            match (head[3], head[4]) {
                (4, 0) => stream.write_all(&[0, 0, 0, 4, ACKNOWLEDGED, 0, 0, 0, 0]).await.unwrap_or_default(),
                (6, 0) => stream.write_all(&[&head[..4], &[ACKNOWLEDGED], &head[5..], &payload].concat()).await.unwrap_or_default(),
                _ => {}
            }
            if head[3] == wanted {
                return true;
            }
        }
        false
    }

    #[tokio::test]
    async fn hd3_an_http2_connection_without_requests_is_closed() {
        let (_, connect) = encrypted(Duration::from_millis(200)).await;
        for sent in [&b""[..], &PREFACE[..10], PREFACE] {
            let mut held = connect(b"h2").await;
            held.write_all(sent).await.unwrap();
            let no_type = 255;
            let ended = timeout(Duration::from_secs(5), read_until(&mut held, no_type)).await;
            assert_eq!(ended, Ok(false), "the connection is still open after {sent:?}");
        }
    }

    #[tokio::test]
    async fn hd3_an_http2_request_may_take_longer_than_a_connection_may_be_idle() {
        let (_, connect) = encrypted(Duration::from_millis(200)).await;
        let mut busy = connect(b"h2").await;
        busy.write_all(PREFACE).await.unwrap();
        // GET, https and the path (RFC 7541, appendix A), with END_STREAM and END_HEADERS on stream 1.
        let head = [&[0x82, 0x87, 0x04, 5][..], b"/slow", &[0x41, 1], b"x"].concat();
        let frame = [&[0, 0, head.len() as u8, 1, 5, 0, 0, 0, 1][..], &head].concat();
        busy.write_all(&frame).await.unwrap();
        let data = 0;
        assert_eq!(timeout(Duration::from_secs(5), read_until(&mut busy, data)).await, Ok(true));
    }
}
