//! Downstreams without sockets, for the tests of a page's life in virtual time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::config::DownstreamId;
use crate::page::deadline::{Deadline, now};
use crate::page::downstream::only::{self, Only};
use crate::page::downstream::{AttemptError, CallRequest, Reply};

/// How one simulated downstream answers.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    pub(super) after: Duration,
    pub(super) status: u16,
    pub(super) body: &'static str,
}

impl Answers {
    pub(super) fn ok(ms: u64) -> Self {
        Self {
            after: Duration::from_millis(ms),
            status: 200,
            body: "{}",
        }
    }

    pub(super) fn status(ms: u64, status: u16) -> Self {
        Self {
            status,
            ..Self::ok(ms)
        }
    }

    pub(super) fn never() -> Self {
        Self {
            after: Duration::from_secs(1 << 30),
            ..Self::ok(0)
        }
    }
}

/// What happened at one downstream.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) started: usize,
    pub(super) completed: usize,
    pub(super) aborted: usize,
    pub(super) running: usize,
    pub(super) most_running: usize,
    pub(super) paths: Vec<String>,
}

/// Downstreams that answer as the test says, and remember what they saw.
#[derive(Clone, Debug)]
pub(super) struct Simulated {
    state: Arc<Mutex<Vec<(Answers, Seen)>>>,
}

impl Simulated {
    pub(super) fn new(answers: impl IntoIterator<Item = Answers>) -> Self {
        let state = answers
            .into_iter()
            .map(|answers| (answers, Seen::default()))
            .collect();
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// A transport to these downstreams.
    pub(super) fn transport(&self) -> Only<Self> {
        Only::new(self.clone(), self.state.lock().len())
    }

    pub(super) fn set(&self, downstream: usize, answers: Answers) {
        self.state.lock()[downstream].0 = answers;
    }

    pub(super) fn seen(&self, downstream: usize) -> Seen {
        self.state.lock()[downstream].1.clone()
    }

    pub(super) fn running(&self) -> usize {
        self.state.lock().iter().map(|(_, seen)| seen.running).sum()
    }
}

impl only::Answers for Simulated {
    async fn answer(
        &self,
        downstream: DownstreamId,
        request: &CallRequest<'_>,
    ) -> Result<Reply, AttemptError> {
        let running = Running::begin(self, downstream.0, request.path.to_owned());
        let answers = self.state.lock()[downstream.0].0.clone();
        // More than one await, so that a call can be dropped at more than one.
        let end = Deadline::after(now(), answers.after);
        tokio::time::sleep(answers.after / 2).await;
        tokio::task::yield_now().await;
        let _ = end.limit(std::future::pending::<()>()).await;
        running.completed();
        Ok(Reply {
            status: answers.status,
            body: Bytes::from_static(answers.body.as_bytes()),
            fields: None,
        })
    }
}

struct Running<'a> {
    at: &'a Simulated,
    downstream: usize,
    completed: bool,
}

impl<'a> Running<'a> {
    fn begin(at: &'a Simulated, downstream: usize, path: String) -> Self {
        let seen = &mut at.state.lock()[downstream].1;
        seen.started += 1;
        seen.running += 1;
        seen.most_running = seen.most_running.max(seen.running);
        seen.paths.push(path);
        Self {
            at,
            downstream,
            completed: false,
        }
    }

    fn completed(mut self) {
        self.completed = true;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let seen = &mut self.at.state.lock()[self.downstream].1;
        seen.running -= 1;
        seen.completed += usize::from(self.completed);
        seen.aborted += usize::from(!self.completed);
    }
}
