//! A world without addresses: each downstream has one endpoint, which is always connected.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use super::{
    AttemptError, CallRequest, Cause, Endpoint, EndpointId, Endpoints, Reply, Transport, Which,
};
use crate::config::{DownstreamId, Kept};

/// What a downstream answers.
pub trait Answers: Send + Sync + 'static {
    /// One request, and its whole answer. Dropping the future must end the work.
    ///
    /// # Errors
    /// As [`Transport::exchange`].
    fn answer(
        &self,
        downstream: DownstreamId,
        request: &CallRequest<'_>,
    ) -> impl Future<Output = Result<Reply, AttemptError>> + Send;
}

/// Carries each attempt straight to what answers it. It knows downstreams by the numbers that
/// they had first, whatever a later configuration calls them.
#[derive(Clone, Debug)]
pub struct Only<A> {
    answers: A,
    /// Downstreams there have been so far.
    known: Arc<AtomicUsize>,
    endpoints: Vec<Arc<Endpoints<OnlyEndpoint>>>,
}

/// The only endpoint of a downstream; as a connection, the right to one exchange with it.
#[derive(Clone, Debug)]
pub struct OnlyEndpoint {
    downstream: DownstreamId,
    name: Arc<str>,
}

fn only(number: usize) -> Arc<Endpoints<OnlyEndpoint>> {
    let only = OnlyEndpoint {
        downstream: DownstreamId(number),
        name: Arc::from("simulated"),
    };
    let all = vec![only];
    Arc::new(Endpoints { version: 1, all })
}

impl<A> Only<A> {
    /// A world of so many downstreams.
    pub fn new(answers: A, downstreams: usize) -> Self {
        Self {
            answers,
            known: Arc::new(AtomicUsize::new(downstreams)),
            endpoints: (0..downstreams).map(only).collect(),
        }
    }

    /// The same world for another configuration: a downstream that is new in it is the next that
    /// `answers` knows.
    #[must_use]
    pub fn carried(&self, kept: &Kept) -> Self
    where
        A: Clone,
    {
        let known = self.known.load(Ordering::Relaxed);
        let mut next = known;
        let endpoints = kept.downstreams(&self.endpoints, |_| {
            next += 1;
            only(next - 1)
        });
        self.known.store(next, Ordering::Relaxed);
        Self {
            answers: self.answers.clone(),
            known: Arc::clone(&self.known),
            endpoints,
        }
    }

    /// What answers.
    pub fn answers(&self) -> &A {
        &self.answers
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

impl<A: Answers> Transport for Only<A> {
    type Endpoint = OnlyEndpoint;
    type Connection = OnlyEndpoint;

    fn endpoints(&self, downstream: DownstreamId) -> Arc<Endpoints<OnlyEndpoint>> {
        Arc::clone(&self.endpoints[downstream.0])
    }

    async fn resolved(
        &self,
        downstream: DownstreamId,
    ) -> Result<Arc<Endpoints<OnlyEndpoint>>, Cause> {
        Ok(self.endpoints(downstream))
    }

    fn idle(&self, endpoint: &OnlyEndpoint, _: Instant) -> Option<OnlyEndpoint> {
        Some(endpoint.clone())
    }

    fn is_new(&self, _: &OnlyEndpoint) -> bool {
        false
    }

    async fn connect(&self, endpoint: &OnlyEndpoint, _: Which) -> Result<OnlyEndpoint, Cause> {
        Ok(endpoint.clone())
    }

    async fn exchange(
        &self,
        connection: OnlyEndpoint,
        request: &CallRequest<'_>,
    ) -> Result<Reply, AttemptError> {
        self.answers.answer(connection.downstream, request).await
    }
}
