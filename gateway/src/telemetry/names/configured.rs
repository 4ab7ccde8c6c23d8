//! Names that come from the config: one table for answers, views, logs and traces.

use std::borrow::Cow;

use crate::config::{Config, DownstreamId, Kept, Page, PageId, Part};
use crate::outcome::Scope;
use crate::telemetry::names::instance::instance;

/// What the config calls itself, its pages, their parts and its downstreams.
#[derive(Debug)]
pub struct Configured {
    /// `telemetry.service`.
    pub service: String,
    /// `telemetry.env`.
    pub env: String,
    /// The gateway's version, or `DD_VERSION`.
    pub version: String,
    /// Which gateway of all that call themselves so: `shop-7d9f-x2x:9901`.
    pub instance: String,
    /// By [`PageId`].
    pub pages: Vec<PageNames>,
    /// By [`DownstreamId`].
    pub downstreams: Vec<DownstreamNames>,
}

/// Names of one page.
#[derive(Debug)]
pub struct PageNames {
    /// The page's name.
    pub name: String,
    /// Its path, as configured.
    pub route: String,
    /// In the page's order.
    pub parts: Vec<PartNames>,
}

/// Names of one part.
#[derive(Debug)]
pub struct PartNames {
    /// The part's name.
    pub name: String,
    /// Where it comes from.
    pub downstream: DownstreamId,
    /// Its path at the downstream, as configured, without the query.
    pub template: String,
    /// Whether the page is worth nothing without it.
    pub required: bool,
}

/// Names of one downstream.
#[derive(Debug)]
pub struct DownstreamNames {
    /// The downstream's name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Configured {
    /// All names of `config`.
    pub fn new(config: &Config) -> Self {
        let downstream = |downstream: &crate::config::Downstream| DownstreamNames {
            name: downstream.name.to_string(),
            host: downstream.urls[0].host_str().unwrap_or_default().to_owned(),
            port: downstream.urls[0]
                .port_or_known_default()
                .unwrap_or_default(),
        };
        Self {
            service: config.telemetry.service.clone(),
            env: config.telemetry.env.clone(),
            version: config.telemetry.version.clone(),
            instance: instance(&config.admin.listen),
            pages: config.pages.iter().map(page).collect(),
            downstreams: config.downstreams.iter().map(downstream).collect(),
        }
    }

    /// That nothing was there before.
    pub(in crate::telemetry) fn nothing_kept(&self) -> Kept {
        Kept::nothing_of(self.pages.len(), self.downstreams.len())
    }

    /// Names of one page.
    pub fn page(&self, id: PageId) -> &PageNames {
        &self.pages[id.0]
    }

    /// Names of one downstream.
    pub fn downstream(&self, id: DownstreamId) -> &DownstreamNames {
        &self.downstreams[id.0]
    }

    /// As clients, logs and metrics spell it: `client`, `gateway`, `downstream:pricing`.
    pub fn scope(&self, scope: Scope) -> Cow<'static, str> {
        scope.spelled(|id| &self.downstream(id).name)
    }
}

fn page(page: &Page) -> PageNames {
    let part = |part: &Part| PartNames {
        name: part.name.to_string(),
        downstream: part.downstream,
        template: part.path.route().to_owned(),
        required: part.required,
    };
    PageNames {
        name: page.name.to_string(),
        route: page.path.text.clone(),
        parts: page.parts.iter().map(part).collect(),
    }
}
