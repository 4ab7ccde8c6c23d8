//! One page of a shop, for a browser: what the gateway is for, seen.
//!
//! A listener of the demo's own, so that nothing of it is in the gateway's edge. It serves the
//! shop's files, passes on what they ask of the gateway and of the fakes' control API (so
//! everything has one origin), and makes bursts, which a browser with its six connections cannot.
//!
//! What always holds: only loopback is listened on; a page of a stranger's can read nothing here
//! and change nothing; everything runs inside [`Storefront::serve`], and ends with it.

mod assets;
mod burst;
mod forward;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use self::forward::Upstream;
use crate::config::{Config, OPENAPI_PATH};
use crate::edge::host::Host;
use crate::edge::listener;

/// Where a browser finds it.
const PORT: u16 = 8088;

/// Nothing is run but what is served here, and nothing is loaded or asked elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The system had no connection to give: it may have one soon.
const PAUSE: Duration = Duration::from_millis(50);

type Answer = Response<Full<Bytes>>;

/// A listener that is bound and not yet serving.
#[derive(Debug)]
pub struct Storefront {
    listener: TcpListener,
    address: SocketAddr,
}

/// What stands behind it.
#[derive(Clone, Debug)]
pub struct Behind {
    /// The gateway, as clients reach it.
    pub public: SocketAddr,
    /// The gateway, as operators reach it.
    pub admin: SocketAddr,
    /// The fakes' control API, as a URL.
    pub control: String,
}

struct Shop {
    public: Upstream,
    admin: Upstream,
    control: Upstream,
    about: Value,
}

impl Storefront {
    /// Listens on loopback, on 8088 or on a port that the system had free.
    ///
    /// # Errors
    /// The system's, when the port is in use.
    pub fn bind(free_ports: bool) -> io::Result<Self> {
        let port = if free_ports { 0 } else { PORT };
        let listener = listener::bind((Ipv4Addr::LOCALHOST, port).into())?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where a browser finds it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves for ever; dropping the future ends every connection.
    ///
    /// # Errors
    /// The system gives no client to pass requests on with.
    pub async fn serve(self, config: &Config, behind: Behind) -> anyhow::Result<Infallible> {
        let shop = Shop {
            public: Upstream::new(format!("http://{}", behind.public))?,
            admin: Upstream::new(format!("http://{}", behind.admin))?,
            control: Upstream::new(behind.control)?,
            about: about(config),
        };
        // Not tasks: what a demo serves fits into one.
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => connections.push(shop.connection(stream)),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
                Some(()) = connections.next(), if !connections.is_empty() => {}
            }
        }
    }
}

/// What of the configuration the shop's page explains.
fn about(config: &Config) -> Value {
    let milliseconds = |time: Duration| time.as_millis() as u64;
    let page = config.pages.first();
    let part = |part: &crate::config::Part| {
        json!({
            "name": part.name.as_str(),
            "required": part.required,
            "timeout_ms": part.timeout.map(milliseconds),
        })
    };
    json!({
        "deadline_ms": page.and_then(|page| page.deadline).map(milliseconds),
        "burst": burst::PAGES,
        "parts": page.map(|page| page.parts.iter().map(part).collect::<Vec<_>>()),
    })
}

impl Shop {
    async fn connection(&self, stream: TcpStream) {
        let service = service_fn(async |request| Ok::<_, Infallible>(self.answer(request).await));
        // How a connection ends is the browser's affair.
        let _ = http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let mut answer = match is_ours(&request) {
            true => self.route(request).await,
            false => text(StatusCode::FORBIDDEN, "not for pages of other origins\n"),
        };
        let headers = answer.headers_mut();
        for (name, value) in [
            ("content-security-policy", POLICY),
            ("cross-origin-opener-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
        ] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        answer
    }

    async fn route(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        if path.starts_with("/product-page/") {
            return self.public.forward(request, &path).await;
        }
        if let Some(path) = path.strip_prefix("/control") {
            return self.control.forward(request, path).await;
        }
        match (request.method(), path.as_str()) {
            (&Method::POST, "/burst") => json(&self.public.burst().await),
            (&Method::GET, "/about") => json(&self.about),
            (&Method::GET, "/limits" | OPENAPI_PATH) => self.admin.forward(request, &path).await,
            (&Method::GET | &Method::HEAD, path) => match assets::find(path) {
                Some((kind, content)) => whole(StatusCode::OK, kind, content),
                None => text(StatusCode::NOT_FOUND, "no such file\n"),
            },
            _ => text(
                StatusCode::METHOD_NOT_ALLOWED,
                "read-only but for /control and /burst\n",
            ),
        }
    }
}

/// Whether it is for this listener by a name that no stranger's page has, and from one of its own.
fn is_ours<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let is_own = Host::of(headers).is_ok_and(|host| host.is_own_or(&[]));
    is_own
        && headers
            .get(ORIGIN)
            .is_none_or(|origin| is_from(origin, headers))
}

fn is_from(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map_or(&b""[..], HeaderValue::as_bytes);
    origin.as_bytes().strip_prefix(b"http://") == Some(host)
}

fn whole(status: StatusCode, kind: &'static str, content: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(content.into()));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn text(status: StatusCode, words: impl Into<Bytes>) -> Answer {
    whole(status, "text/plain; charset=utf-8", words)
}

fn json(value: &Value) -> Answer {
    whole(StatusCode::OK, "application/json", value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_page_is_refused_by_its_name_or_by_its_origin() {
        let request = |host: &str, origin: Option<&str>| {
            let mut request = Request::get("/").header(HOST, host);
            if let Some(origin) = origin {
                request = request.header(ORIGIN, origin);
            }
            is_ours(&request.body(()).unwrap())
        };
        let own = "127.0.0.1:8088";
        assert!(request(own, None) && request(own, Some("http://127.0.0.1:8088")));
        assert!(request("localhost:8088", Some("http://localhost:8088")));
        for (host, origin) in [
            ("shop.example", None),
            (own, Some("http://shop.example")),
            (own, Some("https://127.0.0.1:8088")),
            (own, Some("http://127.0.0.1:8089")),
            (own, Some("null")),
        ] {
            assert!(!request(host, origin), "{host} {origin:?}");
        }
    }
}
