//! Posting to another server: one request a connection, over TLS with the authorities that everybody trusts and those of a file.

use super::Secret;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long one post may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Octets of an answer that are looked at.
const LONGEST_ANSWER: usize = 4_096;

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// What it says; empty where that is more than anybody reads.
    pub body: Vec<u8>,
}

/// The way to a server that takes posts.
pub struct Way {
    uri: Uri,
    host: String,
    authorization: HeaderValue,
    tls: Option<TlsConnector>,
}

/// Whether secrets may be sent there: under TLS, or to this machine.
pub fn keeps_secrets(url: &str) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let near = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    !host.is_empty() && (url.scheme_str() == Some("https") || (url.scheme_str() == Some("http") && near))
}

impl Way {
    /// The way to `url`, with a bearer token, and authorities (PEM) besides those that everybody trusts; the reason where there is none.
    pub fn new(url: &str, token: &Secret, authorities: Option<&Path>) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("the address: {error}"))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let authorization = [b"Bearer ", token.expose()].concat();
        let mut authorization = HeaderValue::from_bytes(&authorization).map_err(|_| "the token is not text".to_owned())?;
        authorization.set_sensitive(true);
        let tls = (uri.scheme_str() == Some("https")).then(|| trusting(authorities)).transpose()?;
        Ok(Self { uri, host, authorization, tls })
    }

    /// Posts this; an error is why there is no answer.
    pub async fn post(&self, media_type: &'static str, body: String) -> Result<Answer, String> {
        match tokio::time::timeout(PATIENCE, self.connect_and_post(media_type, body)).await {
            Ok(answer) => answer,
            Err(_) => Err("it took too long".to_owned()),
        }
    }

    async fn connect_and_post(&self, media_type: &'static str, body: String) -> Result<Answer, String> {
        let port = self.uri.port_u16().unwrap_or_else(|| if self.tls.is_some() { 443 } else { 80 });
        let stream = TcpStream::connect((self.host.as_str(), port)).await.map_err(in_words)?;
        match &self.tls {
            None => self.post_over(stream, media_type, body).await,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).map_err(in_words)?;
                self.post_over(tls.connect(name, stream).await.map_err(in_words)?, media_type, body).await
            }
        }
    }

    async fn post_over<S>(&self, stream: S, media_type: &'static str, body: String) -> Result<Answer, String>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(in_words)?;
        let authority = self.uri.authority().map(ToString::to_string).unwrap_or_default();
        let request = Request::post(self.uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(HOST, authority)
            .header(CONTENT_TYPE, media_type)
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, &self.authorization)
            .body(Full::new(Bytes::from(body)))
            .map_err(in_words)?;
        let exchange = async {
            let (parts, body) = sender.send_request(request).await.map_err(in_words)?.into_parts();
            let body = Limited::new(body, LONGEST_ANSWER).collect().await;
            Ok(Answer { status: parts.status, body: body.map(|body| body.to_bytes().to_vec()).unwrap_or_default() })
        };
        let mut exchange = std::pin::pin!(exchange);
        // The connection is driven while the answer is waited for, and closed with it. Where the other side closes it, its answer may
        // be here already.
        tokio::select! {
            answer = exchange.as_mut() => answer,
            _ = connection => exchange.await,
        }
    }
}

fn in_words(error: impl Display) -> String {
    error.to_string()
}

/// TLS with the authorities that everybody trusts, and those of a file.
fn trusting(authorities: Option<&Path>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(file) = authorities {
        let named = |error: &dyn Display| format!("{}: {error}", file.display());
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| named(&error))? {
            roots.add(certificate.map_err(|error| named(&error))?).map_err(|error| named(&error))?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(in_words)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
