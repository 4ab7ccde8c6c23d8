//! Certificates made for a test, and clients that speak TLS.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::soon;

/// An authority, and what it signed, as files.
pub(crate) struct Authority {
    pub(crate) folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

impl Authority {
    /// With `ca.pem`, and `cert.pem` and `key.pem` of a gateway.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self {
            folder: tempfile::tempdir().unwrap(),
            issuer,
        };
        std::fs::write(authority.file("ca.pem"), authority.issuer.pem()).unwrap();
        authority.write(&authority.signs("gateway.example"));
        authority
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn signs(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate, key }
    }

    /// As the gateway's.
    pub(crate) fn write(&self, identity: &Identity) {
        std::fs::write(self.file("key.pem"), identity.key.serialize_pem()).unwrap();
        std::fs::write(self.file("cert.pem"), identity.certificate.pem()).unwrap();
    }

    /// What has a gateway show the certificate.
    pub(crate) fn changes(&self) -> Vec<String> {
        vec![
            format!("server.tls.cert={}", self.file("cert.pem").display()),
            format!("server.tls.key={}", self.file("key.pem").display()),
        ]
    }

    /// A client that trusts this authority, speaks `protocols`, and may show who it is.
    pub(crate) fn client(&self, protocols: &[&[u8]], identity: Option<&Identity>) -> Secured {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                let chain = vec![certificate.der().clone()];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Secured(TlsConnector::from(Arc::new(config)))
    }
}

/// Connects over TLS, and resumes what it did before.
pub(crate) struct Secured(TlsConnector);

impl Secured {
    pub(crate) async fn connect(&self, to: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = soon("a connection", TcpStream::connect(to)).await?;
        self.over(stream).await
    }

    pub(crate) async fn over(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        stream.set_nodelay(true)?;
        let name = "gateway.example".try_into().unwrap();
        soon("a handshake", self.0.connect(name, stream)).await
    }
}

/// The certificate that was shown.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

/// What was negotiated.
pub(crate) fn protocol(stream: &TlsStream<TcpStream>) -> Option<Vec<u8>> {
    stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
}
