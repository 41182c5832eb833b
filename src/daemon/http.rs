//! What is served over HTTP: SCIM, the pages of activation, and whether the server is alive and ready. Every door finds who
//! is at the other end among the extensions of a request.

use super::config::file::ListenerKind;
use super::config::{Config, ListenAddress, Listener};
use crate::directory::{Directory, Origin, Protocol};
use crate::scim::request::Peer;
use crate::scim::routes::Scim;
use crate::scim::server::{ServerSettings, Tls};
use crate::{console, scim};
use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::map_request;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

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
pub(super) fn settings(config: &Config, listener: &Listener, tls: Option<Tls>) -> ServerSettings {
    let limits = &config.settings.limits;
    debug_assert_eq!(tls.is_some(), listener.kind == ListenerKind::Https, "HTTPS has a certificate and HTTP has none");
    ServerSettings {
        name: listener.name.as_str().into(),
        tls,
        trusted_proxies: config.trusted_proxies.clone(),
        proxies: listener.proxies.clone(),
        connections: limits.connections,
        connections_per_address: limits.connections_per_address,
        write_stall: limits.write_stall,
        ..ServerSettings::default()
    }
}

/// Everything under one address. `stopping` is cancelled when the server stops: it is alive then, but not ready.
pub(super) fn router(directory: &Arc<Directory>, base_url: &str, stopping: CancellationToken) -> Result<Router, String> {
    let scim = Scim::new(Arc::clone(directory), base_url).map_err(|error| format!("SCIM: {error}"))?;
    let health = Arc::clone(directory);
    let ready = move || {
        let ready = !stopping.is_cancelled() && health.read_only().is_none();
        async move { answer(ready) }
    };
    Ok(Router::new()
        .route("/livez", get(|| async { answer(true) }))
        .route("/readyz", get(ready))
        .route("/", get(|| async { Redirect::to("/forgot") }))
        .merge(scim::routes::router(scim))
        .merge(console::router(Arc::clone(directory)))
        .layer(map_request(with_origin)))
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
            listener: peer.listener.to_string(),
        };
        request.extensions_mut().insert(Arc::new(origin));
    }
    request
}
