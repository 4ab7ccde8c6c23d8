//! What is legal but probably not meant. Few and precise: a warning that is often
//! wrong is one that nobody reads.

mod clients;
mod parts;
mod tls;

use std::time::Duration;

use super::admin::is_for_everybody;
use super::problem::Problem;
use super::registry::KeyRegistry;
use super::report::Severity;
use super::units::{counted, show_duration, show_rate};
use super::{AdminAddress, Config, Downstream, Exporter, Page, sizing};

/// The port that receivers give to OTLP over gRPC, and the one for OTLP over HTTP.
/// <https://opentelemetry.io/docs/specs/otlp/>
const GRPC: u16 = 4317;
const HTTP: u16 = 4318;

/// Finds all of them.
pub(super) fn find(config: &Config, registry: &mut KeyRegistry) {
    let mut found = Warnings { config, registry };
    config.pages.iter().for_each(|page| {
        found.budget(page);
        found.queue(page);
        found.parts(page);
        found.passed(page);
        found.query(page);
        found.capacity(page);
        found.shared_caches(page);
        found.optional_capacity(page);
    });
    for (id, downstream) in config.downstreams.iter().enumerate() {
        found.downstream(id, downstream);
    }
    found.admin();
    found.drain();
    found.probes();
    found.early_returns();
    found.client_addresses();
    found.otlp();
    found.tls();
}

struct Warnings<'a> {
    config: &'a Config,
    registry: &'a mut KeyRegistry,
}

impl Page {
    /// What the deadline leaves for waiting and calling.
    fn usable(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_sub(self.reserve))
    }

    fn key(&self, name: &str) -> String {
        format!("page.{}.{name}", self.name)
    }
}

impl Warnings<'_> {
    fn warn(&mut self, path: &str, problem: Problem) {
        self.registry.fault(Severity::Warning, path, problem);
    }

    fn is_written(&self, path: &str) -> bool {
        self.registry.origin(path).is_written()
    }

    fn budget(&mut self, page: &Page) {
        let Some(usable) = page.usable() else {
            let what = "without a deadline a slow part holds its page, and the page its permits, without end";
            return self.warn(&page.key("deadline"), Problem::new(what).write("300ms"));
        };
        if page.deadline <= page.abandoned_after {
            let what =
                "has no effect: the page is answered before a client can have waited so long";
            self.warn(
                &page.key("abandoned_after"),
                Problem::new(what).write("auto"),
            );
            self.registry
                .explain(&page.key("deadline"), "when it is answered");
        }
        if page.max_wait >= usable {
            let what = format!(
                "a page may wait for permits until nothing is left of its {}",
                show_duration(usable)
            );
            self.warn(
                &page.key("max_wait"),
                Problem::new(what).write(show_duration(whole_ms(usable / 6))),
            );
            self.registry
                .explain(&page.key("deadline"), "the deadline that contains it");
        }
    }

    /// A queue and the wait in it only make sense together.
    fn queue(&mut self, page: &Page) {
        let (queue, max_wait) = (page.key("queue"), page.key("max_wait"));
        if page.queue == 0 && !page.max_wait.is_zero() && self.is_written(&max_wait) {
            let what = "has no effect: with `queue = 0` no page waits";
            self.warn(&max_wait, Problem::new(what).write("0ms"));
            self.registry.explain(&queue, "no page waits");
        }
        if page.max_wait.is_zero() && page.queue > 0 && self.is_written(&queue) {
            let what = "has no effect: with `max_wait = \"0ms\"` no page waits";
            self.warn(&queue, Problem::new(what).write(0));
            self.registry.explain(&max_wait, "no page waits");
        }
        let tickets = self.config.admission.max_in_flight.get();
        if page.queue > tickets as usize {
            let verb = if tickets == 1 { "is" } else { "are" };
            let pages = counted(tickets, "page");
            let what = format!("the queue never fills: only {pages} {verb} in flight at once");
            self.warn(&queue, Problem::new(what).write(tickets));
            self.registry
                .explain("admission.max_in_flight", "waiting pages count");
        }
    }

    fn parts(&mut self, page: &Page) {
        if page.parts.iter().all(|part| !part.required) {
            let what = "no part is required, so the page is a 200 even when all of them are lost";
            let help = format!(
                "write `required = true` below `[{}]`",
                page.key(&format!("part.{}", page.parts[0].name))
            );
            self.warn(&page.key("part"), Problem::new(what).help(help));
        }
        for part in &page.parts {
            let (Some(timeout), Some(usable)) = (part.timeout, page.usable()) else {
                continue;
            };
            if timeout >= usable {
                let what = format!(
                    "has no effect: the page itself waits no longer than {}, its deadline minus its reserve",
                    show_duration(usable)
                );
                let key = page.key(&format!("part.{}.timeout", part.name));
                self.warn(&key, Problem::new(what).write("none"));
                self.registry
                    .explain(&page.key("deadline"), "the deadline of the page");
            }
        }
        for param in &page.path.params {
            if param.pattern.is_match("..") {
                let what = "allows `..`, with which a client climbs out of the paths of the parts";
                let key = page.key(&format!("params.{}", param.name));
                self.warn(&key, Problem::new(what).write("^[A-Za-z0-9_-]{1,64}$"));
            }
        }
    }

    /// Little's law: calls at once = calls a second x seconds a call. A bulkhead of P permits, each
    /// held for at most D, surely carries P / D. It need not carry one client's whole rate at
    /// that worst, but a tenth of it is far off.
    fn capacity(&mut self, page: &Page) {
        let (Some(rate), Some(usable)) = (self.config.clients.rate, page.usable()) else {
            return;
        };
        for (id, downstream) in self.config.downstreams.iter().enumerate() {
            let Some(permits) = downstream.permits else {
                continue;
            };
            let needs = page
                .parts
                .iter()
                .filter(|part| part.required && part.downstream.0 == id);
            let held: f64 = needs
                .map(|part| part.timeout.unwrap_or(usable).min(usable).as_secs_f64())
                .sum();
            let each = Duration::from_secs_f64(held);
            let surely = sizing::carried(permits.get().into(), each);
            if held > 0.0 && surely * 10.0 < rate.per_second() {
                let what = format!(
                    "if every call takes its {:.0}ms, {} would carry {} a second of `page.{}`; one client may ask for {}",
                    held * 1000.0,
                    counted(permits, "permit"),
                    counted(format_args!("{surely:.0}"), "page"),
                    page.name,
                    show_rate(Some(rate))
                );
                let full = sizing::at_once(rate.per_second(), each).ceil();
                let help = format!(
                    "{} would carry all of it even then; or lower `clients.rate`",
                    counted(full, "permit")
                );
                self.warn(
                    &format!("downstream.{}.permits", downstream.name),
                    Problem::new(what).help(help),
                );
                self.registry
                    .explain("clients.rate", "the rate of one client");
            }
        }
    }

    /// The same of a part that the page does without: while its service is slow, each of its calls
    /// holds its permit for the part's timeout, and further pages go without the part.
    fn optional_capacity(&mut self, page: &Page) {
        let Some(rate) = self.config.clients.rate else {
            return;
        };
        let optional = page.parts.iter().filter(|part| !part.required);
        for (part, timeout) in optional.filter_map(|part| Some((part, part.timeout?))) {
            let downstream = &self.config.downstreams[part.downstream.0];
            let Some(permits) = downstream.permits else {
                continue;
            };
            let most = sizing::carried(permits.get().into(), timeout);
            if most * 10.0 >= rate.per_second() {
                continue;
            }
            let what = format!(
                "while `{}` is slow each call holds its permit for the {} of its timeout, so {} a second get the part; one client may ask for {}",
                downstream.name,
                show_duration(timeout),
                counted(format_args!("{most:.0}"), "page"),
                show_rate(Some(rate))
            );
            let full = sizing::at_once(rate.per_second(), timeout).ceil();
            let help = format!(
                "{} would be enough even then; or write a shorter `timeout`",
                counted(full, "permit")
            );
            let key = format!("downstream.{}.permits", downstream.name);
            self.warn(&key, Problem::new(what).help(help));
            let timeout = page.key(&format!("part.{}.timeout", part.name));
            self.registry.explain(&timeout, "how long it may take");
        }
    }

    /// Every page in flight has its ticket, so no more calls can run than all of them make.
    fn unreachable_permits(&mut self, id: usize, downstream: &Downstream) {
        let key = format!("downstream.{}.permits", downstream.name);
        let Some(permits) = downstream.permits.filter(|_| self.is_written(&key)) else {
            return;
        };
        let of_page = |page: &Page| {
            let parts = page.parts.iter().filter(|part| part.downstream.0 == id);
            parts.count() as u32
        };
        let calls = self.config.pages.iter().map(of_page).max().unwrap_or(0);
        let most = self
            .config
            .admission
            .enforced_tickets()
            .saturating_mul(calls);
        if permits.get() <= most || calls == 0 {
            return;
        }
        let tickets = counted(self.config.admission.max_in_flight, "page");
        let what = format!(
            "{permits} can never be used: {tickets} at once with {} each make {most}",
            counted(calls, "call")
        );
        self.warn(&key, Problem::new(what).write(most));
        self.registry
            .explain("admission.max_in_flight", "pages in flight at once");
    }

    /// Whoever asks whether the gateway is ready comes from outside, as clients do.
    fn probes(&mut self) {
        let public = self.config.server.listen.ip();
        // Whoever names a socket of the file system knows that it is for this machine.
        let AdminAddress::Tcp(admin) = self.config.admin.listen else {
            return;
        };
        if public.to_canonical().is_loopback() || !admin.ip().to_canonical().is_loopback() {
            return;
        }
        let any = match public.is_ipv6() {
            true => "[::]",
            false => "0.0.0.0",
        };
        let what = "only this machine reaches /livez and /readyz here, while clients come from outside: a probe of Kubernetes or of a load balancer is refused";
        let help = format!(
            "write `listen = \"{any}:{}\"` with a `token_file`, if only operators and probes reach that port; or probe by a command on this machine",
            admin.port()
        );
        self.warn("admin.listen", Problem::new(what).help(help));
        self.registry
            .explain("server.listen", "where clients connect");
    }

    fn downstream(&mut self, id: usize, downstream: &Downstream) {
        let key = |name: &str| format!("downstream.{}{name}", downstream.name);
        let uses = |page: &&Page| page.parts.iter().any(|part| part.downstream.0 == id);
        let users: Vec<&Page> = self.config.pages.iter().filter(uses).collect();
        if users.is_empty() {
            let help = "remove it, or let a part name it as its `downstream`";
            return self.warn(
                &key(""),
                Problem::new("no part uses this downstream").help(help),
            );
        }
        self.unreachable_permits(id, downstream);
        if downstream.permits.is_none() {
            let what =
                "without a bulkhead nothing limits the calls to this service when it slows down";
            self.warn(&key(".permits"), Problem::new(what).write(64));
        }
        let shortest = users
            .iter()
            .filter_map(|page| Some((page.usable()?, *page)))
            .min_by_key(|(d, _)| *d);
        if let Some((usable, page)) = shortest
            && downstream.connect_timeout >= usable
        {
            let what = format!(
                "opening a connection may take all {} of `page.{}`",
                show_duration(usable),
                page.name
            );
            self.warn(
                &key(".connect_timeout"),
                Problem::new(what).write(show_duration(whole_ms(usable / 3))),
            );
            self.registry
                .explain(&page.key("deadline"), "the deadline of that page");
        }
    }

    /// The two ports of a receiver look alike, and only one of them speaks HTTP.
    fn otlp(&mut self) {
        let telemetry = &self.config.telemetry;
        let endpoint = telemetry.otlp_endpoint.as_ref();
        let Some(endpoint) = endpoint.filter(|_| telemetry.exporter == Exporter::Otlp) else {
            return;
        };
        if endpoint.port() == Some(GRPC) {
            let what =
                format!("port {GRPC} is that of OTLP over gRPC, and traces are sent over HTTP");
            let help = format!("write port {HTTP}, or the one that takes OTLP over HTTP");
            self.warn("telemetry.otlp_endpoint", Problem::new(what).help(help));
        } else if endpoint.path() == "/" {
            let what = "traces are sent to `/`: the address of traces alone is used as it is";
            let help = "add `/v1/traces` to OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, or set OTEL_EXPORTER_OTLP_ENDPOINT";
            self.warn("telemetry.otlp_endpoint", Problem::new(what).help(help));
        }
    }

    fn admin(&mut self) {
        let admin = &self.config.admin;
        if admin.token.is_none() && admin.listen.is_open_to_others() {
            let what = "others reach this address, and without `admin.token_file` operators are shown nothing but /livez and /readyz there";
            let help = "name a file with a token in `admin.token_file`, or listen on 127.0.0.1 or on a unix: socket";
            self.warn("admin.listen", Problem::new(what).help(help));
        }
        let file = self.registry.value("admin.token_file");
        let path = file.and_then(serde_json::Value::as_str).unwrap_or_default();
        if admin.token.is_some() && is_for_everybody(path.as_ref()) {
            let what = "everybody on this machine may read the token";
            let help = "let its owner and group read it alone: chmod o-r, or defaultMode: 0440 of a mounted secret";
            self.warn("admin.token_file", Problem::new(what).help(help));
        }
    }

    fn drain(&mut self) {
        let longest = self
            .config
            .pages
            .iter()
            .filter_map(|page| Some((page.deadline?, page)));
        let Some((deadline, page)) = longest.max_by_key(|(deadline, _)| *deadline) else {
            return;
        };
        if self.config.server.drain_timeout < deadline {
            let what = "pages in flight are cut off before their deadline when the gateway stops";
            self.warn(
                "server.drain_timeout",
                Problem::new(what).write(show_duration(deadline)),
            );
            self.registry
                .explain(&page.key("deadline"), "the longest deadline");
        }
    }
}

/// Rounded down to whole milliseconds where there are any, for hints that are easy to read.
fn whole_ms(duration: Duration) -> Duration {
    match u64::try_from(duration.as_millis()) {
        Ok(0) | Err(_) => duration,
        Ok(ms) => Duration::from_millis(ms),
    }
}
