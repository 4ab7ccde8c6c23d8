//! TLS towards services, with certificates made for the test.

use std::path::PathBuf;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A certificate authority, what it signed for a service and for the gateway, as files.
struct Pki {
    folder: TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        let pki = Self { folder, ca };
        let (chain, key) = pki.signed("gateway.internal");
        std::fs::write(pki.file("cert.pem"), chain.pem()).unwrap();
        std::fs::write(pki.file("key.pem"), key.serialize_pem()).unwrap();
        pki
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn signed(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.ca).unwrap(), key)
    }

    fn server(&self, name: &str, protocols: &[&[u8]], asks: bool) -> ServerConfig {
        let (chain, key) = self.signed(name);
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match asks {
            false => builder.with_no_client_auth(),
            true => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .unwrap(),
            ),
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = builder
            .with_single_cert(vec![chain.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config
    }
}

/// A service behind TLS that answers with the HTTP it speaks.
async fn service(config: ServerConfig) -> (u16, JoinSet<()>) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (address, accepting) = peer(move |stream| answering(acceptor.clone(), stream)).await;
    (address.port(), accepting)
}

async fn answering(acceptor: TlsAcceptor, stream: TcpStream) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let answer = service_fn(|request: http::Request<Incoming>| async move {
        let version = format!("\"{:?}\"", request.version());
        let body = http_body_util::Full::new(Bytes::from(version));
        Ok::<_, std::convert::Infallible>(http::Response::new(body))
    });
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    let _ = match http2 {
        true => {
            let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            http.serve_connection(io, answer).await
        }
        false => {
            let http = hyper::server::conn::http1::Builder::new();
            http.serve_connection(io, answer).await
        }
    };
}

fn world(pki: &Pki, port: u16, more: &str) -> World {
    let ca = pki.file("ca.pem").display().to_string();
    World::new(&format!(
        "url = \"https://localhost:{port}\"\nconnect_timeout = \"5s\"\n{more}\ntls.ca = \"{ca}\""
    ))
}

async fn spoken(world: &World) -> Result<String, Cause> {
    let reply = world.call().await?;
    Ok(String::from_utf8(reply.body.to_vec()).unwrap())
}

#[tokio::test]
async fn http_is_what_tls_negotiates_where_it_may() {
    bounded(async {
        let pki = Pki::new();
        for (offered, http2, expected) in [
            (
                &[b"h2".as_slice(), b"http/1.1"][..],
                "\"auto\"",
                "\"HTTP/2.0\"",
            ),
            (&[b"http/1.1"], "\"auto\"", "\"HTTP/1.1\""),
            (&[], "\"auto\"", "\"HTTP/1.1\""),
            (&[b"h2", b"http/1.1"], "false", "\"HTTP/1.1\""),
            (&[b"h2", b"http/1.1"], "true", "\"HTTP/2.0\""),
        ] {
            let (port, _service) = service(pki.server("localhost", offered, false)).await;
            let world = world(&pki, port, &format!("http2 = {http2}"));
            for _ in 0..3 {
                assert_eq!(spoken(&world).await.unwrap(), expected, "{http2}");
            }
        }
        let (port, _service) = service(pki.server("localhost", &[], false)).await;
        let refused = spoken(&world(&pki, port, "http2 = true")).await;
        let why = refused.unwrap_err().to_string();
        assert!(why.contains("asks for HTTP/2"), "{why}");
    })
    .await;
}

#[tokio::test]
async fn a_certificate_of_another_name_or_another_authority_is_not_accepted() {
    bounded(async {
        let (pki, other) = (Pki::new(), Pki::new());
        let (port, _service) = service(pki.server("pricing.internal", &[], false)).await;
        let named = world(&pki, port, "tls.server_name = \"pricing.internal\"");
        assert_eq!(named.status().await, 200);
        let unnamed = world(&pki, port, "").call().await;
        assert!(matches!(unnamed, Err(Cause::Connect(_))), "{unnamed:?}");
        let untrusted = world(&other, port, "tls.server_name = \"pricing.internal\"");
        let untrusted = untrusted.call().await;
        assert!(matches!(untrusted, Err(Cause::Connect(_))), "{untrusted:?}");
    })
    .await;
}

#[tokio::test]
async fn a_service_that_asks_is_told_who_the_gateway_is() {
    bounded(async {
        let pki = Pki::new();
        let (port, _service) = service(pki.server("localhost", &[], true)).await;
        let (cert, key) = (pki.file("cert.pem"), pki.file("key.pem"));
        let identity = format!("tls.cert = {cert:?}\ntls.key = {key:?}");
        assert_eq!(world(&pki, port, &identity).status().await, 200);
        assert!(world(&pki, port, "").call().await.is_err());
    })
    .await;
}

#[test]
fn a_file_that_is_not_what_it_should_be_is_named_with_its_key() {
    let pki = Pki::new();
    std::fs::write(pki.file("empty.pem"), "").unwrap();
    let (cert, key) = (pki.file("cert.pem"), pki.file("key.pem"));
    let (empty, missing) = (pki.file("empty.pem"), pki.file("missing.pem"));
    for (tls, expected) in [
        (format!("tls.ca = {missing:?}"), "tls.ca"),
        (format!("tls.ca = {empty:?}"), "no certificate in PEM"),
        (
            format!("tls.cert = {missing:?}\ntls.key = {key:?}"),
            "tls.cert",
        ),
        (
            format!("tls.cert = {cert:?}\ntls.key = {empty:?}"),
            "tls.key",
        ),
        (
            format!("tls.cert = {cert:?}\ntls.key = {cert:?}"),
            "tls.key",
        ),
    ] {
        let config = config(&format!("url = \"https://localhost:1\"\n{tls}"));
        let error = HttpTransport::new(&config).unwrap_err().to_string();
        assert!(error.contains(expected), "{tls}: {error}");
        assert!(error.contains("downstream \"d\""), "{error}");
    }
}
