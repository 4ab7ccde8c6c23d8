//! The arm that whole-page admission is compared with: bulkheads of calls instead of pages.
//!
//! Both halves are configs of the gateway's own admission, so that the arms differ in nothing but
//! who takes a permit.

use gateway::config::{Config, DownstreamId, Page, PageId, Part};

/// The config of a gateway whose pages need no permits.
pub(super) fn of_no_page(config: &Config) -> Config {
    let mut config = config.clone();
    for downstream in &mut config.downstreams {
        downstream.permits = None;
    }
    config
}

/// The config of an admission with a page for each page and downstream, which needs one permit of
/// it; queue and wait are those of the page itself.
pub(super) fn of_each_call(config: &Config) -> Config {
    let pages = config.pages.iter().flat_map(|page| {
        let downstreams = 0..config.downstreams.len();
        downstreams.map(|index| of_one_call(config, page, DownstreamId(index)))
    });
    Config {
        pages: pages.collect(),
        ..config.clone()
    }
}

/// The page in that config that a call of this page to this downstream queues as.
pub(super) fn queue_of(page: PageId, downstream: DownstreamId, downstreams: usize) -> PageId {
    PageId(page.0 * downstreams + downstream.0)
}

fn of_one_call(config: &Config, page: &Page, downstream: DownstreamId) -> Page {
    let part = Part {
        downstream,
        required: true,
        ..page.parts[0].clone()
    };
    Page {
        // Queues are told apart by the names of their pages.
        name: page.name.beside(&config.downstreams[downstream.0].name),
        parts: vec![part],
        ..page.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::scenario::{Scenario, Text};

    #[test]
    fn a_call_waits_in_the_queue_of_its_own_page() {
        let text = "title = \"t\"\nlength = \"1s\"\n[config.page.four]\npath = \"/four/{id}\"\nqueue = 3\n\
                    params.id = \"^[a-z]+$\"\npart.pricing = { downstream = \"pricing\", path = \"/p/{id}\" }\n\
                    [[load]]\npage = \"four\"\nrate = \"1/s\"\n";
        let text = Text {
            name: "test.toml".to_owned(),
            text: text.to_owned(),
        };
        let config = Scenario::load(&text, &Text::default_config())
            .unwrap()
            .config;
        let calls = of_each_call(&config);
        let count = config.downstreams.len();
        for (page, original) in config.pages.iter().enumerate() {
            for index in 0..count {
                let downstream = DownstreamId(index);
                let queue = &calls.pages[queue_of(PageId(page), downstream, count).0];
                assert_eq!(queue.queue, original.queue);
                assert_eq!(queue.parts[0].downstream, downstream);
            }
        }
        assert_ne!(config.pages[0].queue, config.pages[1].queue);
        let names: BTreeSet<&str> = calls.pages.iter().map(|page| page.name.as_str()).collect();
        assert_eq!(names.len(), 2 * count);
    }
}
