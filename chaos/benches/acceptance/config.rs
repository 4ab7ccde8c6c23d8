//! The `config.toml` a check runs the gateway with.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

/// The five services in the order of a page, with the path of a part.
pub(crate) const SERVICES: [(&str, &str); 5] = [
    ("product", "/products/{id}"),
    ("pricing", "/prices/{id}"),
    ("inventory", "/stock/{id}"),
    ("reviews", "/reviews/{id}"),
    ("recommendations", "/recommendations/{id}"),
];

pub(crate) const DEADLINE: Duration = Duration::from_millis(300);
pub(crate) const MAX_WAIT: Duration = Duration::from_millis(50);

/// What checks differ in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// So many services, from the first, are required parts.
    pub(crate) required: usize,
    /// So many more are optional parts.
    pub(crate) optional: usize,
    /// The bulkhead of every downstream.
    pub(crate) permits: u32,
    pub(crate) header_read_timeout: Duration,
    /// Pages are served for so long after SIGTERM.
    pub(crate) drain_delay: Duration,
    /// Where traces go; `None` exports none.
    pub(crate) agent: Option<SocketAddr>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            required: 3,
            optional: 2,
            permits: 512,
            header_read_timeout: Duration::from_secs(5),
            drain_delay: Duration::ZERO,
            agent: None,
        }
    }
}

impl Setup {
    /// Names of the services the page asks.
    pub(crate) fn services(&self) -> impl Iterator<Item = &'static str> + use<> {
        SERVICES
            .into_iter()
            .map(|(name, _)| name)
            .take(self.required + self.optional)
    }

    /// `at` gives the addresses of a service. Quotas are off: all load comes from one address.
    pub(crate) fn to_toml(
        self,
        page: SocketAddr,
        admin: SocketAddr,
        at: impl Fn(&str) -> Vec<SocketAddr>,
    ) -> String {
        let mut toml = format!(
            "server.listen = \"{page}\"\n\
             server.header_read_timeout = \"{header}ms\"\n\
             server.drain_delay = \"{drain_delay}ms\"\n\
             server.drain_timeout = \"5s\"\n\
             admin.listen = \"{admin}\"\n\
             clients.rate = \"none\"\n\
             telemetry.log = \"json\"\n\
             telemetry.datadog_agent = \"{agent}\"\n\
             telemetry.dogstatsd = \"\"\n\
             [page.product-page]\n\
             path = \"/product-page/{{id}}\"\n\
             deadline = \"{deadline}ms\"\n\
             reserve = \"5ms\"\n\
             max_wait = \"{max_wait}ms\"\n\
             params.id = \"^[A-Za-z0-9_-]{{1,64}}$\"\n",
            header = self.header_read_timeout.as_millis(),
            drain_delay = self.drain_delay.as_millis(),
            agent = self
                .agent
                .map_or(String::new(), |agent| format!("http://{agent}")),
            deadline = DEADLINE.as_millis(),
            max_wait = MAX_WAIT.as_millis(),
        );
        let parts = SERVICES.into_iter().take(self.required + self.optional);
        for (n, (name, path)) in parts.enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(
                toml,
                "[downstream.{name}]\n\
                 {}\n\
                 permits = {}\n\
                 [page.product-page.part.{name}]\n\
                 downstream = \"{name}\"\n\
                 path = \"{path}\"\n\
                 required = {}\n",
                addresses(&at(name)),
                self.permits,
                n < self.required,
            );
        }
        toml
    }
}

/// The key of a downstream that says where it is.
fn addresses(all: &[SocketAddr]) -> String {
    match all {
        [one] => format!("url = \"http://{one}\""),
        several => {
            let urls = several.iter().map(|at| format!("\"http://{at}\""));
            format!("urls = [{}]", urls.collect::<Vec<_>>().join(", "))
        }
    }
}
