//! What clients speak with the server under test, and how they connect by it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::ValueEnum;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// For whom the certificate is.
const NAME: &str = "gateway.example";

/// What clients speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Front {
    /// HTTP/1.1.
    #[default]
    Plain,
    /// HTTP/2 with prior knowledge, a connection for each client.
    Http2,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS, a connection for each client.
    TlsHttp2,
}

/// A certificate and its key, in a folder of their own.
pub(crate) struct Certificate(tempfile::TempDir);

impl Certificate {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        std::fs::write(cert(folder.path()), made.cert.pem())?;
        std::fs::write(key(folder.path()), made.signing_key.serialize_pem())?;
        Ok(Self(folder))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }
}

fn cert(folder: &Path) -> PathBuf {
    folder.join("cert.pem")
}

fn key(folder: &Path) -> PathBuf {
    folder.join("key.pem")
}

impl Front {
    fn is_secured(self) -> bool {
        matches!(self, Self::Tls | Self::TlsHttp2)
    }

    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::TlsHttp2)
    }

    /// Keys of the gateway that say so, with their values.
    pub(crate) fn keys(self, certificates: &Path) -> Vec<(&'static str, String)> {
        let mut keys = vec![("SERVER__HTTP2", self.is_http2().to_string())];
        if self.is_secured() {
            let shown = |file: PathBuf| file.display().to_string();
            keys.push(("SERVER__TLS__CERT", shown(cert(certificates))));
            keys.push(("SERVER__TLS__KEY", shown(key(certificates))));
        }
        keys
    }

    /// Opens a connection, which `driver` keeps going.
    pub(crate) async fn connect(
        self,
        address: SocketAddr,
        certificates: &Path,
        driver: &mut JoinSet<hyper::Result<()>>,
    ) -> anyhow::Result<Sender> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        if !self.is_secured() {
            return self.speak(stream, driver).await;
        }
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(cert(certificates))?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let protocol: &[u8] = if self.is_http2() { b"h2" } else { b"http/1.1" };
        config.alpn_protocols = vec![protocol.to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(NAME.try_into()?, stream).await?;
        self.speak(stream, driver).await
    }

    async fn speak(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        driver: &mut JoinSet<hyper::Result<()>>,
    ) -> anyhow::Result<Sender> {
        let io = TokioIo::new(stream);
        if self.is_http2() {
            let (sender, io) = http2::handshake(TokioExecutor::new(), io).await?;
            driver.spawn(io);
            return Ok(Sender::Http2(sender));
        }
        let (sender, io) = http1::handshake(io).await?;
        driver.spawn(io);
        Ok(Sender::Http1(sender))
    }
}

/// A connection on which one request after the other is sent.
pub(crate) enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

impl Sender {
    pub(crate) async fn send(
        &mut self,
        request: Request<Empty<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}
