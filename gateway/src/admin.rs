//! What operators may ask, on their own listener.
//!
//! `Route` lists all of it: which path, by which method, and what a request for it does. Always holds: `/livez` and `/readyz` wait for nothing and ask no downstream (one slow
//! service must not take the whole gateway out of rotation).
//!
//! Not here: connections and their limits (see [`crate::edge`]), the commands that ask (see
//! [`crate::command`]).

mod access;
mod answer;
pub mod change;
pub mod console;
mod incident;
mod limits;
mod outliers;
mod pages;
mod throttling;

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;

use self::access::Does;
pub use self::access::Via;
pub use self::answer::AdminBody;
use self::answer::{answer, stream, text, view};
use self::change::{Change, Changes, Refused};
use self::console::web::{FILES, File, HEADERS, file};
use self::console::{Console, MOST_VIEWERS};
use self::limits::endpoint_state;
pub use self::limits::limits;
use crate::config::{OPENAPI_PATH, OpenApi};
use crate::generation::Generations;
use crate::lifecycle::phase::CurrentPhase;
use crate::page::deadline::now;
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
    /// What the pages are, for clients' tools.
    OpenApi,
    /// The console's page.
    Console,
    /// What the page loads.
    ConsoleFile,
    /// What the console shows, as it happens.
    Events,
    /// The pages in flight.
    PagesInFlight,
    /// Recent pages.
    Pages,
    /// What became of one.
    Page,
    /// What goes wrong now.
    Incident,
    /// What slow and lost pages have in common.
    Outliers,
    /// Read the file again.
    Reload,
    /// The keys that are overridden.
    Overrides,
    /// One of them.
    Override,
}

/// Every route: where it is, how it may be asked for (as the `Allow` header names that), and what a
/// request by a method that only reads would do.
const ROUTES: [Entry; 17] = [
    // Nothing in these is worth hiding from a page that a browser shows, and probes name the gateway
    // as they like.
    Entry::new(Route::Livez, "/livez", READS, Does::Probe),
    Entry::new(Route::Readyz, "/readyz", READS, Does::Probe),
    Entry::new(Route::Metrics, "/metrics", READS, Does::Look),
    Entry::new(Route::Config, "/config", READS, Does::Look),
    Entry::new(Route::Limits, "/limits", READS, Does::Look),
    Entry::new(Route::OpenApi, OPENAPI_PATH, READS, Does::Look),
    Entry::new(Route::Console, "/", READS, Does::Load),
    Entry::new(Route::ConsoleFile, "/console/{file}", READS, Does::Load),
    Entry::new(Route::Events, "/events", READS, Does::Look),
    Entry::new(Route::PagesInFlight, "/pages/in-flight", READS, Does::Look),
    Entry::new(Route::Pages, "/pages", READS, Does::Look),
    Entry::new(Route::Page, "/pages/{id}", READS, Does::Look),
    Entry::new(Route::Incident, "/incident", READS, Does::Look),
    Entry::new(Route::Outliers, "/outliers", READS, Does::Look),
    Entry::new(Route::Reload, "/reload", "POST", Does::Change),
    Entry::new(Route::Overrides, "/overrides", READS, Does::Look),
    Entry::new(
        Route::Override,
        "/overrides/{key}",
        "PUT, DELETE",
        Does::Change,
    ),
];

/// The methods of what is only looked at.
const READS: &str = "GET, HEAD";

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Entry {
    route: Route,
    path: &'static str,
    methods: &'static str,
    does: Does,
}

impl Entry {
    const fn new(route: Route, path: &'static str, methods: &'static str, does: Does) -> Self {
        Self {
            route,
            path,
            methods,
            does,
        }
    }

    fn allows(self, method: &Method) -> bool {
        let mut methods = self.methods.split(", ");
        methods.any(|allowed| allowed == method.as_str())
    }
}

/// Answers operators.
#[derive(Debug)]
pub struct Admin<T> {
    phase: CurrentPhase,
    generations: Generations<T>,
    changes: Changes,
    console: Arc<Console<T>>,
    routes: matchit::Router<Entry>,
}

impl<T: Transport> Admin<T> {
    /// Views on the generation in force, and `changes` of it; `console` shows how it does.
    pub fn new(
        phase: CurrentPhase,
        generations: Generations<T>,
        changes: Changes,
        console: Console<T>,
    ) -> Self {
        let mut routes = matchit::Router::new();
        for entry in ROUTES {
            #[expect(clippy::expect_used, reason = "a test makes this router")]
            routes
                .insert(entry.path, entry)
                .expect("paths of routes are disjoint");
        }
        Self {
            phase,
            generations,
            changes,
            console: Arc::new(console),
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
    ) -> Response<AdminBody>
    where
        B: Body<Error: std::error::Error + Send + Sync + 'static>,
    {
        let Ok(matched) = self.routes.at(request.uri().path()) else {
            return unknown_path();
        };
        let entry = *matched.value;
        if !entry.allows(request.method()) {
            return wrong_method(entry);
        }
        let does = entry.does;
        if !is_own && does != Does::Probe && via != Via::Socket {
            return wrong_host();
        }
        let generation = self.generations.current();
        let token = generation.config.admin.token.as_ref();
        if let Err(denied) = access::check(does, via, token, request.headers()) {
            return denied.answer();
        }
        match entry.route {
            Route::Livez => text(StatusCode::OK, "alive\n"),
            Route::Readyz => self.ready(),
            Route::Metrics => self.metrics(),
            Route::Console => console_file(FILES.first()),
            Route::ConsoleFile => console_file(matched.params.get("file").and_then(file)),
            Route::Events => self.events(),
            Route::PagesInFlight => pages::in_flight(&generation.pages),
            Route::Pages => pages::recent(&generation.pages, request.uri().query()),
            Route::Page => {
                let id = matched.params.get("id").unwrap_or_default();
                pages::one(&generation.pages, id)
            }
            Route::Outliers => outliers::outliers(&generation.pages, request.uri().query()),
            Route::Incident => incident::incident(&generation.pages, request.uri().query()),
            Route::Config if asks_for_origins(request.uri().query()) => {
                view(&self.changes.in_force().origins(now()))
            }
            Route::Config => view(&generation.effective),
            Route::Limits => view(&limits(&generation.pages)),
            Route::OpenApi => match generation.config.server.openapi {
                OpenApi::Admin => answer(StatusCode::OK, "application/json", generation.openapi()),
                OpenApi::Public | OpenApi::Off => {
                    text(StatusCode::NOT_FOUND, "not here: see server.openapi\n")
                }
            },
            Route::Reload => change::answered(self.changes.ask(Change::Reload).await),
            Route::Overrides => view(&self.changes.in_force().overrides(now())),
            Route::Override => {
                let key = matched.params.get("key").unwrap_or_default().to_owned();
                self.over(&key, request).await
            }
        }
    }

    /// Sets or ends the override of the key that a path names.
    async fn over<B>(&self, segment: &str, request: Request<B>) -> Response<AdminBody>
    where
        B: Body<Error: std::error::Error + Send + Sync + 'static>,
    {
        let is_end = request.method() == Method::DELETE;
        let change = match change::read_key(segment) {
            Ok(key) if is_end => Ok(Change::Unset { key }),
            Ok(key) => change::read_set(&key, request.into_body()).await,
            Err(wrong) => Err(wrong),
        };
        change::answered(match change {
            Ok(change) => self.changes.ask(change).await,
            Err(wrong) => Err(Refused::Malformed(wrong)),
        })
    }

    /// Answers a request that is none, saying what is `wrong` with it.
    pub fn refuse(wrong: &dyn Display) -> Response<AdminBody> {
        text(StatusCode::BAD_REQUEST, format!("{wrong}\n"))
    }

    fn ready(&self) -> Response<AdminBody> {
        let (ready, word) = self.phase.readiness();
        let status = match ready {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        text(status, format!("{word}\n"))
    }

    fn events(&self) -> Response<AdminBody> {
        match self.console.events() {
            Some(events) => stream("text/event-stream", events),
            None => text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{MOST_VIEWERS} consoles are open, and that is the most there may be\n"),
            ),
        }
    }

    fn metrics(&self) -> Response<AdminBody> {
        let pages = self.generations.pages();
        pages.publish();
        let text = pages.telemetry().prometheus();
        answer(StatusCode::OK, PROMETHEUS, text.into())
    }
}

/// `?origins`, with or without a value.
fn asks_for_origins(query: Option<&str>) -> bool {
    let names = query.unwrap_or_default().split('&');
    names
        .filter_map(|pair| pair.split('=').next())
        .any(|name| name == "origins")
}

fn console_file(file: Option<&'static File>) -> Response<AdminBody> {
    let Some(file) = file else {
        return text(StatusCode::NOT_FOUND, "the console has no such file\n");
    };
    let body = Bytes::from_static(file.text.as_bytes());
    let mut response = answer(StatusCode::OK, file.kind, body);
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

fn unknown_path() -> Response<AdminBody> {
    let paths = ROUTES.map(|entry| entry.path).join(" ");
    text(StatusCode::NOT_FOUND, format!("{paths}\n"))
}

fn wrong_method(entry: Entry) -> Response<AdminBody> {
    let Entry { path, methods, .. } = entry;
    let words = match methods {
        READS => "read-only: GET or HEAD\n".to_owned(),
        _ => format!("{path} takes {methods}\n"),
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
