//! Receivers that are told (RFC 8935): one event after another, each until it was taken over, with growing pauses.

use super::tokens;
use crate::directory::events::EventReceiver;
use crate::scim::routes::Scim;
use axum::body::Body;
use axum::http::{Request, StatusCode, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long one push may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait for events before looking again.
const IDLE: Duration = Duration::from_secs(60);
/// The pause after the first failure; each further one doubles it.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Events that are taken from the queue at one time.
const BATCH: usize = 32;
/// Octets of an answer that are looked at.
const LONGEST_ANSWER: usize = 4_096;

/// Why an event did not arrive.
enum Failed {
    /// It may arrive later.
    Later(String),
    /// It never will: the receiver refuses this very event.
    Never(String),
}

/// Tells one receiver until the task is dropped.
pub(super) async fn run(scim: Arc<Scim>, receiver: EventReceiver) {
    let Some(way) = Way::new(&receiver).inspect_err(|reason| tracing::error!(receiver = receiver.name, reason, "no events are sent")).ok()
    else {
        return;
    };
    let mut pause = PAUSE;
    loop {
        let waiting = || Some(scim.directory.events_waiting(&receiver, BATCH).0).filter(|events| !events.is_empty());
        let Some(events) = scim.directory.await_events(IDLE, waiting).await else { continue };
        let tokens = match tokens(&scim, &receiver, &events) {
            Ok(tokens) => tokens,
            Err(error) => {
                tracing::warn!(receiver = receiver.name, %error, "events cannot be told yet");
                tokio::time::sleep(LONGEST_PAUSE).await;
                continue;
            }
        };
        let (mut settled, mut works) = (tokens.nothing, true);
        for (id, set) in tokens.sets {
            match way.send(set).await {
                Ok(()) => {}
                Err(Failed::Never(reason)) => {
                    tracing::warn!(receiver = receiver.name, event = id, reason, "an event was refused and is given up")
                }
                Err(Failed::Later(reason)) => {
                    tracing::warn!(receiver = receiver.name, event = id, reason, "an event did not arrive; it is tried again");
                    works = false;
                    break;
                }
            }
            settled.insert(id);
        }
        works &= settle(&scim, &receiver, settled).await;
        if works {
            pause = PAUSE;
        } else {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

async fn settle(scim: &Scim, receiver: &EventReceiver, settled: BTreeSet<String>) -> bool {
    let done = scim.directory.events_settled(&receiver.name, settled).await;
    done.inspect_err(|error| tracing::error!(receiver = receiver.name, %error, "the queue cannot be written; events may be told again"))
        .is_ok()
}

/// The way to a receiver.
struct Way {
    uri: Uri,
    host: String,
    authorization: String,
    tls: Option<TlsConnector>,
}

impl Way {
    fn new(receiver: &EventReceiver) -> Result<Self, String> {
        let uri: Uri = receiver.push.as_deref().unwrap_or_default().parse().map_err(|error| format!("the address: {error}"))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let token = std::str::from_utf8(receiver.token.expose()).map_err(|_| "the token is not text".to_owned())?;
        let authorization = format!("Bearer {token}");
        let tls = (uri.scheme_str() == Some("https")).then(|| trusting(receiver)).transpose()?;
        Ok(Self { uri, host, authorization, tls })
    }

    async fn send(&self, set: String) -> Result<(), Failed> {
        match tokio::time::timeout(PATIENCE, self.connect_and_send(set)).await {
            Ok(sent) => sent,
            Err(_) => Err(Failed::Later("it took too long".to_owned())),
        }
    }

    async fn connect_and_send(&self, set: String) -> Result<(), Failed> {
        let later = |error: &dyn std::fmt::Display| Failed::Later(error.to_string());
        let port = self.uri.port_u16().unwrap_or_else(|| if self.tls.is_some() { 443 } else { 80 });
        let stream = TcpStream::connect((self.host.as_str(), port)).await.map_err(|error| later(&error))?;
        match &self.tls {
            None => self.post(stream, set).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).map_err(|error| later(&error))?;
                self.post(tls.connect(name, stream).await.map_err(|error| later(&error))?, set).await
            }
        }
    }

    async fn post<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(&self, stream: S, set: String) -> Result<(), Failed> {
        let later = |error: &dyn std::fmt::Display| Failed::Later(error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| later(&error))?;
        let authority = self.uri.authority().map(ToString::to_string).unwrap_or_default();
        let request = Request::post(self.uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/secevent+jwt")
            .header(header::ACCEPT, "application/json")
            .header(header::AUTHORIZATION, &self.authorization)
            .body(Body::from(set))
            .map_err(|error| later(&error))?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(|error| later(&error))?;
            let (parts, body) = answer.into_parts();
            let body = axum::body::to_bytes(Body::new(body), LONGEST_ANSWER).await.unwrap_or_default();
            judged(parts.status, &body)
        };
        let mut exchange = std::pin::pin!(exchange);
        // The connection is driven while the answer is waited for, and closed with it. Where the receiver closes it, its answer may
        // be here already.
        tokio::select! {
            judged = exchange.as_mut() => judged,
            _ = connection => exchange.await,
        }
    }
}

/// What an answer means (RFC 8935 §2.2–§2.4). Only that the token cannot be read speaks of this very event; the other errors speak of
/// keys, names and rights, which may be put right.
fn judged(status: StatusCode, body: &[u8]) -> Result<(), Failed> {
    if status.is_success() {
        return Ok(());
    }
    let error: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let error = error.get("err").and_then(serde_json::Value::as_str).unwrap_or_default();
    let reason = format!("{} {error}", status.as_u16());
    let refused = status == StatusCode::BAD_REQUEST && error == "invalid_request";
    Err(if refused { Failed::Never(reason) } else { Failed::Later(reason) })
}

/// TLS with the authorities that everybody trusts, and those of the receiver's file.
fn trusting(receiver: &EventReceiver) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(file) = &receiver.authorities {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| named(&error))? {
            roots.add(certificate.map_err(|error| named(&error))?).map_err(|error| named(&error))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
