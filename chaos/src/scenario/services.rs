//! Which downstreams of a config are one service: those with the same addresses.
//!
//! Two names for one service are two bulkheads before it: of pages that must not take each other's
//! permits, or, in simulated time, of several gateways in front of the same workers.

use gateway::config::{Config, DownstreamId};

/// By [`DownstreamId`]: the first downstream with the same addresses, which is most often itself.
pub(crate) fn services(config: &Config) -> Vec<DownstreamId> {
    let all = &config.downstreams;
    let first = |index: usize| {
        let same = |other: &usize| all[*other].urls == all[index].urls;
        (0..index).find(same).unwrap_or(index)
    };
    (0..all.len())
        .map(|index| DownstreamId(first(index)))
        .collect()
}
