//! What statistics are about: every resource that spans of one config can have.

use std::collections::HashMap;

use crate::config::PageId;
use crate::telemetry::names::configured::Configured;
use crate::telemetry::names::spans::{self, Class, METHODS};

/// A place in [`Resources::all`].
pub(super) type ResourceId = usize;

/// What Datadog calls one kind of span.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) class: &'static Class,
    /// `peer.service:pricing`, for calls.
    pub(super) peer: Option<String>,
}

/// All of them. Calls of two pages that are the same to Datadog are one.
#[derive(Debug)]
pub(super) struct Resources {
    /// First those of pages, for each of them by method.
    pub(super) all: Vec<Resource>,
    /// By page and part.
    calls: Vec<Vec<ResourceId>>,
}

impl Resources {
    pub(super) fn new(names: &Configured) -> Self {
        let page = |route: &String| {
            METHODS.map(|method| Resource {
                name: spans::page_resource(method, route),
                class: &spans::SERVER,
                peer: None,
            })
        };
        let pages = names.pages.iter();
        let mut all: Vec<_> = pages.flat_map(|names| page(&names.route)).collect();
        let mut known = HashMap::new();
        let mut call = |downstream: &str, template: &str| {
            let name = spans::call_resource(downstream, template);
            *known.entry(name.clone()).or_insert_with(|| {
                all.push(Resource {
                    name,
                    class: &spans::CLIENT,
                    peer: Some(format!("{}:{downstream}", spans::PEER_SERVICE)),
                });
                all.len() - 1
            })
        };
        let mut calls = Vec::with_capacity(names.pages.len());
        for page in &names.pages {
            let parts = page.parts.iter();
            let parts =
                parts.map(|part| call(&names.downstream(part.downstream).name, &part.template));
            calls.push(parts.collect());
        }
        Self { all, calls }
    }

    /// Of a page that was asked for so.
    pub(super) fn page(&self, page: PageId, method: &str) -> ResourceId {
        let known = METHODS.iter().position(|known| *known == method);
        page.0 * METHODS.len() + known.unwrap_or(METHODS.len() - 1)
    }

    /// Of the calls of a page, in the order of its parts.
    pub(super) fn calls(&self, page: PageId) -> &[ResourceId] {
        &self.calls[page.0]
    }
}
