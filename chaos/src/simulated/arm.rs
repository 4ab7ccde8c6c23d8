//! The arm that whole-page admission is compared with: bulkheads of calls instead of pages.
//!
//! Both halves are configs of the gateway's own admission, so that the arms differ in nothing but
//! who takes a permit.

use gateway::config::{Config, DownstreamId, Page, Part};

/// The config of a gateway whose pages need no permits.
pub(super) fn of_no_page(config: &Config) -> Config {
    let mut config = config.clone();
    for downstream in &mut config.downstreams {
        downstream.permits = None;
    }
    config
}

/// The config of an admission with a page for each downstream, which needs one permit of it; queue
/// and wait are those of the first page that uses it.
pub(super) fn of_each_call(config: &Config) -> Config {
    let page = |index| {
        let downstream = DownstreamId(index);
        let uses = |page: &&Page| page.parts.iter().any(|part| part.downstream == downstream);
        let like = config.pages.iter().find(uses).unwrap_or(&config.pages[0]);
        let part = Part {
            downstream,
            required: true,
            ..like.parts[0].clone()
        };
        Page {
            parts: vec![part],
            ..like.clone()
        }
    };
    Config {
        pages: (0..config.downstreams.len()).map(page).collect(),
        ..config.clone()
    }
}
