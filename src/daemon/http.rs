//! What is served over HTTP: SCIM, the pages of activation, and whether the server is alive and ready. Every door finds who
//! is at the other end among the extensions of a request.

use super::config::file::ListenerKind;
use super::config::{Config, ListenAddress, Listener};
use super::metrics::Metrics;
use crate::base::connections::Connections;
use crate::base::counts::COUNTS;
use crate::base::{Clock, SystemClock};
use crate::directory::{Directory, Origin, Protocol, RequestId};
use crate::scim::request::Peer;
use crate::scim::routes::Scim;
use crate::scim::server::{ServerSettings, Tls};
use crate::{console, scim};
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, map_request};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Router};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// What SCIM's locations begin with: the public URL, or the listener's own address where there is none.
pub(super) fn base_url(config: &Config, listener: &Listener) -> String {
    let own = || match &listener.address {
        ListenAddress::Tcp(address) => format!("{}://{address}", listener.kind.word()),
        ListenAddress::Local(path) => path.display().to_string(),
    };
    let public = config.settings.activation.public_url.clone();
    format!("{}/scim/v2", public.unwrap_or_else(own))
}

/// How a listener serves.
pub(super) fn settings(config: &Config, listener: &Listener, tls: Option<Tls>, connections: &Arc<Connections>) -> ServerSettings {
    let limits = &config.settings.limits;
    debug_assert_eq!(tls.is_some(), listener.kind == ListenerKind::Https, "HTTPS has a certificate and HTTP has none");
    ServerSettings {
        name: listener.name.as_str().into(),
        tls,
        trusted_proxies: config.trusted_proxies.clone(),
        proxies: listener.proxies.clone(),
        connections: Arc::clone(connections),
        write_stall: limits.write_stall,
        ..ServerSettings::default()
    }
}

/// Everything under one address. `stopping` is cancelled when the server stops: it is alive then, but not ready.
pub(super) fn router(
    directory: &Arc<Directory>,
    base_url: &str,
    stopping: CancellationToken,
    metrics: &Arc<Metrics>,
) -> Result<Router, String> {
    let scim = Scim::new(Arc::clone(directory), base_url).map_err(|error| format!("SCIM: {error}"))?;
    let health = Arc::clone(directory);
    let (measured, certificate) = (Arc::clone(metrics), Arc::clone(metrics));
    let ready = move || {
        let ready = !stopping.is_cancelled() && health.read_only().is_none() && certificate.certificate_is_good();
        async move { answer(ready) }
    };
    Ok(Router::new()
        .route("/livez", get(|| async { answer(true) }))
        .route("/readyz", get(ready))
        .route(
            "/metrics",
            get(async move |Extension(origin): Extension<Arc<Origin>>, headers: HeaderMap| measured.answer(&origin, &headers)),
        )
        .route("/", get(|| async { Redirect::to("/forgot") }))
        .merge(scim::routes::router(scim))
        .merge(console::router(Arc::clone(directory)))
        .layer(from_fn(observe))
        .layer(map_request(with_origin)))
}

/// Counts a request, and gives everything that is logged meanwhile its id; the answer names it too. The path is told as the
/// route has it, because a path may hold a token (HF3).
async fn observe(request: Request, next: Next) -> Response {
    let clock = SystemClock::default();
    let id = request.extensions().get::<Peer>().map_or_else(|| Arc::from(""), |peer| Arc::clone(&peer.request));
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("http", request = &*id, method = %request.method(), route);
    let began = clock.monotonic();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (took, status) = (clock.monotonic().saturating_sub(began), response.status());
    if let Some(counter) = COUNTS.http.get(usize::from(status.as_u16() / 100).saturating_sub(1)) {
        counter.one();
    }
    COUNTS.http_latency.observe(took);
    span.in_scope(|| tracing::debug!(status = status.as_u16(), ?took, "answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

/// No version and no detail: anybody may ask (hardening §4).
fn answer(good: bool) -> impl IntoResponse + use<> {
    let (status, text) = if good { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") };
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], text)
}

/// The pages take an [`Origin`]; the server of SCIM names a [`Peer`].
async fn with_origin(mut request: Request) -> Request {
    if let Some(peer) = request.extensions().get::<Peer>().cloned() {
        let origin = Origin {
            protocol: Protocol::Console,
            address: peer.address,
            encrypted: peer.encrypted,
            certificate: false,
            service: None,
            subject: None,
            tracking: None,
            listener: peer.listener.to_string(),
            request: RequestId::Http(peer.request),
        };
        request.extensions_mut().insert(Arc::new(origin));
    }
    request
}
