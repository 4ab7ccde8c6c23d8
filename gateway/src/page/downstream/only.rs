//! The endpoints of a world without addresses: each downstream has one, always connected.

use std::sync::Arc;

use super::{Endpoint, EndpointId, Endpoints};
use crate::config::DownstreamId;

/// The only endpoint of a downstream; as a connection, the right to one exchange with it.
#[derive(Clone, Debug)]
pub struct OnlyEndpoint {
    /// Whose it is.
    pub downstream: DownstreamId,
    name: Arc<str>,
}

impl OnlyEndpoint {
    /// The endpoints of so many downstreams, by [`DownstreamId`].
    pub fn of_each(downstreams: usize) -> Vec<Arc<Endpoints<Self>>> {
        let only = |index| Self {
            downstream: DownstreamId(index),
            name: Arc::from("simulated"),
        };
        let endpoints = |index| {
            Arc::new(Endpoints {
                version: 1,
                all: vec![only(index)],
            })
        };
        (0..downstreams).map(endpoints).collect()
    }
}

impl Endpoint for OnlyEndpoint {
    fn id(&self) -> EndpointId {
        EndpointId(self.downstream.0 as u32)
    }

    fn address(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    fn failed_connects(&self) -> u32 {
        0
    }
}
