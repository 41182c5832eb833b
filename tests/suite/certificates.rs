//! A certificate authority of the test's own, and connections over TLS that it vouches for.

use crate::server::write_private;
use crate::wire::{Wire, extended_request};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// An authority that issues certificates.
pub(crate) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Issued {
    /// The certificate.
    pub(crate) certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    certificate_pem: String,
    key_pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A new authority, and in this folder its own certificate, `clients.pem`, and the server's with its key.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        let authority = Self::new("The authority");
        authority.for_localhost().write(folder, "server");
        authority.write(&folder.join("clients.pem"));
        authority
    }

    /// Issues a certificate for this subject, from the root down, and these alternative names.
    pub(crate) fn issue(&self, subject: &[(DnType, &str)], names: Vec<SanType>) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.subject_alt_names = names;
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    /// A certificate for `localhost`.
    pub(crate) fn for_localhost(&self) -> Issued {
        let name = "localhost".try_into().unwrap();
        self.issue(&[(DnType::CommonName, "localhost")], vec![SanType::DnsName(name)])
    }

    /// Writes the authority's own certificate to a file.
    pub(crate) fn write(&self, path: &Path) {
        write_private(path, &self.certificate.pem());
    }

    /// What a client of this authority speaks TLS with.
    fn client(&self, shown: Option<&Issued>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        Arc::new(match shown {
            Some(issued) => builder.with_client_auth_cert(vec![issued.certificate.clone()], issued.key.clone_key()).unwrap(),
            None => builder.with_no_client_auth(),
        })
    }

    /// Begins TLS on a stream; what the server says to it is seen by the first answer.
    pub(crate) fn secure(&self, stream: TcpStream, shown: Option<&Issued>) -> StreamOwned<ClientConnection, TcpStream> {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(self.client(shown), name).unwrap(), stream)
    }

    /// A connection over TLS from the first octet.
    pub(crate) fn connect(&self, address: SocketAddr, shown: Option<&Issued>) -> Wire {
        Wire::over(self.secure(TcpStream::connect(address).unwrap(), shown))
    }

    /// A connection on which StartTLS was asked for.
    pub(crate) fn start_tls(&self, address: SocketAddr, shown: Option<&Issued>) -> Wire {
        let stream = TcpStream::connect(address).unwrap();
        let mut wire = Wire::over(stream.try_clone().unwrap());
        assert_eq!(wire.ask(&extended_request("1.3.6.1.4.1.1466.20037", None), &[]).code(), 0);
        Wire::over(self.secure(stream, shown))
    }
}

impl Issued {
    /// Writes certificate and key to `name.pem` and `name.key` in a folder.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        write_private(&key, &self.key_pem);
        write_private(&certificate, &self.certificate_pem);
        (certificate, key)
    }
}
