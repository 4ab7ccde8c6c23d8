//! The configuration of the gateway under test: the shipped one on free ports.
//!
//! Without a quota, as one address sends all pages; with more time, so that a machine that
//! stalls costs time and not the figures, and connections outlive the others' turns: a timer
//! costs the same whatever it is set to.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::anyhow;
use fixtures::Service;
use gateway::config::{self, Loaded};

use crate::setup::Setup;

/// Keys that are the same whatever is measured.
const KEYS: [(&str, &str); 8] = [
    ("SERVER__LISTEN", "127.0.0.1:0"),
    ("ADMIN__LISTEN", "127.0.0.1:0"),
    ("ADMISSION__MAX_LAG", "none"),
    ("CLIENTS__RATE", "none"),
    ("SERVER__HEADER_READ_TIMEOUT", "60s"),
    ("PAGE__PRODUCT_PAGE__DEADLINE", "60s"),
    ("PAGE__PRODUCT_PAGE__PART__REVIEWS__TIMEOUT", "5s"),
    ("PAGE__PRODUCT_PAGE__PART__RECOMMENDATIONS__TIMEOUT", "5s"),
];

/// Keys of every downstream.
const DOWNSTREAM: [(&str, &str); 2] = [("connect_timeout", "5s"), ("idle_timeout", "60s")];

/// What `setup` asks for, checked as the gateway checks a file.
///
/// # Errors
/// The report on what is wrong with it.
pub(crate) fn load(setup: &Setup) -> anyhow::Result<Loaded> {
    let mut overrides: Vec<_> = KEYS
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    if let Some(tickets) = setup.tickets {
        overrides.push(("ADMISSION__MAX_IN_FLIGHT".to_owned(), tickets.to_string()));
    }
    for (name, value) in setup.telemetry.keys(&setup.agent) {
        overrides.push((format!("TELEMETRY__{name}"), value));
    }
    let certificates = setup.certificates.as_deref().unwrap_or(Path::new(""));
    for (key, value) in setup.front.keys(certificates) {
        overrides.push((key.to_owned(), value));
    }
    for (service, address) in Service::ALL.into_iter().zip(&setup.downstreams) {
        let mut own = vec![
            ("url", format!("http://{address}")),
            ("http2", setup.http2.to_string()),
        ];
        own.extend(DOWNSTREAM.map(|(key, value)| (key, value.to_owned())));
        own.extend(
            setup
                .permits
                .map(|permits| ("permits", permits.to_string())),
        );
        for (key, value) in own {
            let key = format!("DOWNSTREAM__{}__{key}", service.name()).to_uppercase();
            overrides.push((key, value));
        }
    }
    for (key, _) in &mut overrides {
        key.insert_str(0, "GATEWAY__");
    }
    let text = config::default_text().to_owned() + &more_pages(setup);
    config::load_text("config.toml", &text, &overrides).map_err(|report| anyhow!("{report}"))
}

/// Pages with the parts of the first, at `/product-page-N/`, from downstreams of their own.
fn more_pages(setup: &Setup) -> String {
    let mut text = String::new();
    let permits = setup.permits.unwrap_or(64);
    let keys = DOWNSTREAM.map(|(key, value)| format!("{key} = \"{value}\"\n"));
    let keys = keys.concat();
    for n in 1..=setup.more_pages {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "[page.product-page-{n}]\n\
             path = \"/product-page-{n}/{{id}}\"\n\
             deadline = \"60s\"\n\
             params.id = \"^[A-Za-z0-9_-]{{1,64}}$\"\n"
        );
        for (service, address) in Service::ALL.into_iter().zip(&setup.downstreams) {
            let (name, path) = (service.name(), service.path("{id}"));
            let _ = write!(
                text,
                "[downstream.{name}-{n}]\n\
                 url = \"http://{address}\"\n\
                 permits = {permits}\n\
                 {keys}\
                 [page.product-page-{n}.part.{name}]\n\
                 downstream = \"{name}-{n}\"\n\
                 path = \"{path}\"\n\
                 required = true\n"
            );
        }
    }
    text
}
