//! What operators may ask, on their own listener.
//!
//! `Route` lists all of it: which path, by which method, and what a request for it does. Always holds: `/livez` and `/readyz` wait for nothing and ask no downstream (one slow
//! service must not take the whole gateway out of rotation).
//!
//! Not here: connections and their limits (see [`crate::edge`]), the commands that ask (see
//! [`crate::command`]).

mod access;
mod answer;
mod limits;
mod throttling;

use std::fmt::Display;

use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response, StatusCode};

use self::access::Does;
pub use self::access::Via;
pub use self::answer::AdminBody;
use self::answer::{answer, text, view};
pub use self::limits::limits;
use crate::generation::Generations;
use crate::lifecycle::phase::{CurrentPhase, Phase};
use crate::page::downstream::Transport;

/// The text format's content type.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/>
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One thing that operators may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// The process answers.
    Livez,
    /// It takes pages.
    Readyz,
    /// For Prometheus.
    Metrics,
    /// What is in force.
    Config,
    /// How full everything is.
    Limits,
}

impl Route {
    const ALL: [Self; 5] = [
        Self::Livez,
        Self::Readyz,
        Self::Metrics,
        Self::Config,
        Self::Limits,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Livez => "/livez",
            Self::Readyz => "/readyz",
            Self::Metrics => "/metrics",
            Self::Config => "/config",
            Self::Limits => "/limits",
        }
    }

    /// As the `Allow` header names them.
    fn methods(self) -> &'static str {
        match self {
            Self::Livez | Self::Readyz | Self::Metrics | Self::Config | Self::Limits => "GET, HEAD",
        }
    }

    fn allows(self, method: &Method) -> bool {
        self.methods()
            .split(", ")
            .any(|allowed| allowed == method.as_str())
    }

    /// What a request for it would do. A probe is answered for everybody and for every host:
    /// nothing in it is worth hiding, and probes name the gateway as they like.
    fn does(self, method: &Method) -> Does {
        match self {
            Self::Livez | Self::Readyz => Does::Probe,
            Self::Metrics | Self::Config | Self::Limits => match *method {
                Method::GET | Method::HEAD => Does::Look,
                _ => Does::Change,
            },
        }
    }
}

/// Answers operators.
#[derive(Debug)]
pub struct Admin<T> {
    phase: CurrentPhase,
    generations: Generations<T>,
    routes: matchit::Router<Route>,
}

impl<T: Transport> Admin<T> {
    /// Views on the generation in force. Who shows its token may do everything.
    pub fn new(phase: CurrentPhase, generations: Generations<T>) -> Self {
        let mut routes = matchit::Router::new();
        for route in Route::ALL {
            #[expect(clippy::expect_used, reason = "a test makes this router")]
            routes
                .insert(route.path(), route)
                .expect("paths of routes are disjoint");
        }
        Self {
            phase,
            generations,
            routes,
        }
    }

    /// Answers one request that came `via` there. `is_own` says whether the request is for a host
    /// that only this gateway has: a page of a stranger's that a browser shows must read nothing.
    /// No browser opens a socket of the file system.
    pub async fn answer<B>(
        &self,
        request: Request<B>,
        via: Via,
        is_own: bool,
    ) -> Response<AdminBody> {
        let Ok(matched) = self.routes.at(request.uri().path()) else {
            return unknown_path();
        };
        let route = *matched.value;
        if !route.allows(request.method()) {
            return wrong_method(route);
        }
        let does = route.does(request.method());
        if !is_own && does != Does::Probe && via != Via::Socket {
            return wrong_host();
        }
        let generation = self.generations.current();
        let token = generation.config.admin.token.as_ref();
        if let Err(denied) = access::check(does, via, token, request.headers()) {
            return denied.answer();
        }
        match route {
            Route::Livez => text(StatusCode::OK, "alive\n"),
            Route::Readyz => self.ready(),
            Route::Metrics => self.metrics(),
            Route::Config => view(&generation.effective),
            Route::Limits => view(&limits(&generation.pages)),
        }
    }

    /// Answers a request that is none, saying what is `wrong` with it.
    pub fn refuse(wrong: &dyn Display) -> Response<AdminBody> {
        text(StatusCode::BAD_REQUEST, format!("{wrong}\n"))
    }

    fn ready(&self) -> Response<AdminBody> {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match self.phase.get() {
            Phase::Starting => text(unavailable, "starting\n"),
            Phase::Ready => text(StatusCode::OK, "ready\n"),
            Phase::LameDuck | Phase::Draining => text(unavailable, "draining\n"),
        }
    }

    fn metrics(&self) -> Response<AdminBody> {
        let pages = self.generations.pages();
        pages.publish();
        let text = pages.telemetry().prometheus();
        answer(StatusCode::OK, PROMETHEUS, text.into())
    }
}

fn unknown_path() -> Response<AdminBody> {
    let paths = Route::ALL.map(Route::path).join(" ");
    text(StatusCode::NOT_FOUND, format!("{paths}\n"))
}

fn wrong_method(route: Route) -> Response<AdminBody> {
    let methods = route.methods();
    let words = match methods {
        "GET, HEAD" => "read-only: GET or HEAD\n".to_owned(),
        _ => format!("{} takes {methods}\n", route.path()),
    };
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, words);
    let allow = HeaderValue::from_static(methods);
    response.headers_mut().insert(ALLOW, allow);
    response
}

fn wrong_host() -> Response<AdminBody> {
    text(
        StatusCode::MISDIRECTED_REQUEST,
        "not for this host: ask by an address, or list the name in admin.hosts\n",
    )
}
