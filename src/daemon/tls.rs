//! The certificate of the server, and the authorities that client certificates come from. Both can be exchanged while it
//! serves: a connection keeps what it began with (TLS 1.2 and 1.3 only).

use super::config::TlsFiles;
use crate::base::counts::Counter;
use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ConfigBuilder, RootCertStore, ServerConfig, server};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// A config that lacks its certificate only.
type Builder = ConfigBuilder<ServerConfig, server::WantsServerCert>;

/// The certificate in force, for the doors.
#[derive(Clone)]
pub struct Tls {
    /// For LDAPS and StartTLS.
    pub ldap: Arc<ArcSwap<ServerConfig>>,
    /// For HTTPS.
    pub https: Arc<ArcSwap<ServerConfig>>,
    /// When the certificate expires, milliseconds since the epoch.
    pub expires: Arc<Counter>,
}

/// A certificate that was read and whose key belongs to it.
pub struct Loaded {
    /// When the certificate expires, milliseconds since the epoch.
    expires: u64,
    ldap: Arc<ServerConfig>,
    https: Arc<ServerConfig>,
}

impl Loaded {
    /// Reads the files; the text names the file and what is wrong with it.
    pub fn read(files: &TlsFiles) -> Result<Self, String> {
        let chain = CertificateDer::pem_file_iter(&files.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| format!("{}: {error}", files.certificate.display()))?;
        if chain.is_empty() {
            return Err(format!("{}: there is no certificate in it", files.certificate.display()));
        }
        let expires = chain.first().map_or(0, expiry);
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| format!("{}: {error}", files.key.display()))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pair = |builder: Builder, chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>| {
            let mut config = builder
                .with_single_cert(chain, key)
                .map_err(|error| format!("{} and {}: {error}", files.certificate.display(), files.key.display()))?;
            config.ticketer = aws_lc_rs::Ticketer::new().map_err(|error| error.to_string())?;
            Ok::<_, String>(config)
        };
        let builder = || {
            ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())
        };
        let mut https = pair(builder()?.with_no_client_auth(), chain.clone(), key.clone_key())?;
        https.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let ldap = match &files.client_ca {
            Some(file) => pair(builder()?.with_client_cert_verifier(verifier(file, files.demand, &provider)?), chain, key)?,
            None => pair(builder()?.with_no_client_auth(), chain, key)?,
        };
        Ok(Self { expires, ldap: Arc::new(ldap), https: Arc::new(https) })
    }
}

/// When a certificate expires, milliseconds since the epoch; 0 where it cannot be read.
fn expiry(certificate: &CertificateDer<'_>) -> u64 {
    let parsed = x509_parser::parse_x509_certificate(certificate).ok();
    let seconds = parsed.map(|(_, certificate)| certificate.validity().not_after.timestamp());
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(0, |seconds| seconds.saturating_mul(1_000))
}

/// Checks client certificates against the authorities in `file`; `demand`: there must be one.
fn verifier(file: &Path, demand: bool, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| named(&error))? {
        roots.add(certificate.map_err(|error| named(&error))?).map_err(|error| named(&error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if demand { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| named(&error))
}

impl Tls {
    /// Begins with a certificate.
    pub fn new(loaded: Loaded) -> Self {
        let expires = Arc::new(Counter::default());
        expires.set(loaded.expires);
        Self { ldap: Arc::new(ArcSwap::new(loaded.ldap)), https: Arc::new(ArcSwap::new(loaded.https)), expires }
    }

    /// Serves with another certificate from now on.
    pub fn exchange(&self, loaded: Loaded) {
        self.ldap.store(loaded.ldap);
        self.https.store(loaded.https);
        self.expires.set(loaded.expires);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_loads_with_its_own_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let one = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let two = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = write("one.pem", &one.cert.pem());
        let key = write("one.key", &one.signing_key.serialize_pem());
        let other = write("two.key", &two.signing_key.serialize_pem());
        let tls = Tls::new(
            Loaded::read(&TlsFiles { certificate: certificate.clone(), key: key.clone(), client_ca: None, demand: false }).unwrap(),
        );
        assert!(tls.ldap.load().alpn_protocols.is_empty());
        let before = tls.ldap.load_full();
        tls.exchange(Loaded::read(&TlsFiles { certificate: certificate.clone(), key, client_ca: None, demand: false }).unwrap());
        assert!(!Arc::ptr_eq(&before, &tls.ldap.load_full()));
        assert!(Loaded::read(&TlsFiles { certificate, key: other, client_ca: None, demand: false }).is_err());
        let empty = write("empty.pem", "");
        assert!(Loaded::read(&TlsFiles { certificate: empty.clone(), key: empty, client_ca: None, demand: false }).is_err());
    }
}
