//! Traces over TLS, to a receiver of the OpenTelemetry protocol that wants a header: the test
//! agent behind what ends TLS.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use fixtures::{Fakes, Options};
use gateway::config;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::agent::Agent;
use crate::common::binary::Binary;
use crate::common::client::{Answer, ask, get};
use crate::common::gateway::{PAGE, shop_changes, variables};
use crate::common::until;
use crate::spans::Trace;

/// Ends TLS, remembers what came through it, and passes it on.
struct Secured {
    address: SocketAddr,
    /// The certificate that it must be trusted by.
    ca: PathBuf,
    sent: Arc<Mutex<Vec<u8>>>,
    _folder: TempDir,
    _serving: JoinSet<()>,
}

impl Secured {
    async fn before(receiver: SocketAddr) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, made.cert.pem()).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let mut serving = JoinSet::new();
        let heard = Arc::clone(&sent);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, heard) = (acceptor.clone(), Arc::clone(&heard));
                connections.spawn(async move {
                    let _ = Box::pin(pass_on(&acceptor, stream, receiver, &heard)).await;
                });
            }
        });
        Self {
            address,
            ca,
            sent,
            _folder: folder,
            _serving: serving,
        }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    fn sent(&self) -> String {
        String::from_utf8_lossy(&self.sent.lock()).into_owned()
    }
}

async fn pass_on(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    receiver: SocketAddr,
    heard: &Mutex<Vec<u8>>,
) -> std::io::Result<()> {
    let (mut from, mut back) = split(acceptor.accept(stream).await?);
    let (mut answers, mut to) = split(TcpStream::connect(receiver).await?);
    let there = async {
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = from.read(&mut buffer).await?;
            heard.lock().extend_from_slice(&buffer[..read]);
            if read == 0 {
                return to.shutdown().await;
            }
            to.write_all(&buffer[..read]).await?;
        }
    };
    tokio::try_join!(there, copy(&mut answers, &mut back)).map(drop)
}

/// The binary, told with OpenTelemetry's variables, trusting whom this file says.
async fn told(ca: &std::path::Path, more: &[(&str, &str)]) -> (Binary, SocketAddr, Fakes, TempDir) {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, config::default_text()).unwrap();
    let mut variables = variables(&shop_changes(&fakes, &["telemetry.exporter=otlp"]));
    let ca = [
        ("SSL_CERT_FILE", ca.to_str().unwrap()),
        ("SSL_CERT_DIR", ""),
    ];
    let more = ca.iter().chain(more);
    variables.extend(more.map(|&(name, value)| (name.to_owned(), value.to_owned())));
    let arguments = ["run", "--config", config.to_str().unwrap()];
    let mut gateway = Binary::start(&arguments, &variables);
    let (public, _) = gateway.serving().await;
    (gateway, public, fakes, folder)
}

async fn served(public: SocketAddr) -> Answer {
    let answer = ask(public, get(PAGE, "")).await;
    assert_eq!(answer.status, 200);
    answer
}

#[tokio::test]
async fn traces_reach_a_receiver_over_tls_with_its_header_which_nobody_is_shown() {
    let agent = Agent::start(&[]).await;
    let secured = Secured::before(agent.otlp_address()).await;
    let url = secured.url();
    let signals = format!("{url}/v1/traces");
    for more in [
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hush%2Fhush"),
        ],
        [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &signals),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=hush%2Fhush"),
        ],
    ] {
        let before = agent.all_otlp().await.len();
        // And compressed, as receivers far away often want it.
        let compressed = ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
        let more = [&more[..], &[("RUST_LOG", "trace"), compressed]].concat();
        let (mut gateway, public, _fakes, _folder) = told(&secured.ca, &more).await;
        let answer = served(public).await;
        gateway.signal("TERM");
        assert_eq!(gateway.ended().await.code(), Some(0));
        let traces = agent.all_otlp().await;
        assert_eq!(traces.len(), before + 1, "{}", gateway.said());
        let id = &answer.header("traceparent").unwrap()[3..35];
        let arrived = |trace: &Trace| format!("{:032x}", trace.id()) == id;
        assert!(traces.iter().any(arrived), "{traces:#?}");
        assert!(!gateway.said().contains("hush"), "{}", gateway.said());
    }
    let sent = secured.sent();
    assert_eq!(sent.matches("content-encoding: gzip\r\n").count(), 2);
    assert_eq!(
        sent.matches("POST /v1/traces HTTP/1.1\r\n").count(),
        2,
        "{sent}"
    );
    assert_eq!(sent.matches("api-key: hush/hush\r\n").count(), 2, "{sent}");
}

#[tokio::test]
async fn a_receiver_that_nobody_vouches_for_gets_nothing_and_is_named_in_the_log() {
    let agent = Agent::start(&[]).await;
    let secured = Secured::before(agent.otlp_address()).await;
    let other = Secured::before(agent.otlp_address()).await;
    let url = secured.url();
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())];
    let (gateway, public, _fakes, _folder) = told(&other.ca, &endpoint).await;
    served(public).await;
    until("the loss to be told", async || {
        gateway.said().contains("traces are dropped")
    })
    .await;
    let said = gateway.said();
    let line = said
        .lines()
        .find(|line| line.contains("traces are dropped"));
    let named = format!("receiver=\"{url}/v1/traces\"");
    let line = line.unwrap();
    assert!(
        line.contains(&named) && line.contains("certificate"),
        "{line}"
    );
    assert!(secured.sent().is_empty() && agent.all_otlp().await.is_empty());
}

#[tokio::test]
async fn a_machine_that_trusts_nobody_costs_the_traces_and_never_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = folder.path().join("empty.pem");
    std::fs::write(&nobody, "").unwrap();
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:1")];
    let (gateway, public, _fakes, _folder) = told(&nobody, &endpoint).await;
    served(public).await;
    let said = gateway.said();
    assert!(said.contains("no traces are exported"), "{said}");
    assert!(
        said.contains("telemetry.otlp_endpoint") && said.contains("SSL_CERT_FILE"),
        "{said}"
    );
}
