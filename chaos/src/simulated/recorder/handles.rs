//! A page somebody waits for, and a call under way: both end when they are dropped.

use std::sync::Arc;
use std::time::Duration;

use gateway::config::{DownstreamId, PageId};
use gateway::outcome::Reason;
use gateway::page::Answer;
use gateway::page::downstream::{Cause, Reply};
use gateway::page::quota::ClientKey;

use super::Recorder;
use super::state::CallEnding;

/// A page somebody waits for. It is in flight until this is dropped, and cancelled if it was not
/// answered by then.
pub(in crate::simulated) struct Asked {
    recorder: Arc<Recorder>,
    /// Of this page, counted from 0.
    pub(in crate::simulated) number: u64,
}

impl Asked {
    /// A page is asked for by this client, who gives it so long: which load, which page, and whether
    /// it is asked for again.
    pub(in crate::simulated) fn page(
        recorder: &Arc<Recorder>,
        asked: (usize, PageId, bool),
        by: ClientKey,
        gives: Option<Duration>,
    ) -> Self {
        Self {
            number: recorder.page_asked(asked, by, gives),
            recorder: Arc::clone(recorder),
        }
    }

    /// The gateway has read its head: only now is it a page.
    pub(in crate::simulated) fn read(&self) {
        self.recorder.page_read(self.number);
    }

    /// The client has the answer.
    pub(in crate::simulated) fn received(&self) {
        self.recorder.page_received(self.number);
    }

    /// The client reads when it is to come back.
    pub(in crate::simulated) fn told(&self, seconds: u32) {
        self.recorder.page_told(self.number, seconds);
    }

    /// The answer is there.
    pub(in crate::simulated) fn answered(&self, answer: &Answer) {
        let record = &answer.record;
        let recorder = &self.recorder;
        let reason = record.reason.map(Reason::as_str);
        recorder.page_over(self.number, record.outcome, reason);
        let broken = recorder.limits.of_an_answer(answer);
        let at = recorder.elapsed();
        recorder.state.lock().broken(at, self.number, broken);
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.recorder.page_gone(self.number);
    }
}

/// A call under way; aborted if it is dropped before it ended.
pub(in crate::simulated) struct Calling {
    recorder: Arc<Recorder>,
    page: u64,
    downstream: DownstreamId,
    ending: CallEnding,
}

impl Calling {
    /// A call starts. `goes_on`: its downstream works on when it is dropped.
    pub(in crate::simulated) fn start(
        recorder: &Arc<Recorder>,
        page: u64,
        downstream: DownstreamId,
        goes_on: bool,
    ) -> Self {
        recorder.call_starts(page, downstream);
        Self {
            recorder: Arc::clone(recorder),
            page,
            downstream,
            ending: CallEnding::Aborted { goes_on },
        }
    }

    /// It ends by itself.
    pub(in crate::simulated) fn ended(mut self, reply: Result<&Reply, &Cause>) {
        self.ending = CallEnding::Ended(match reply {
            Ok(reply) if reply.status == 200 => "ok",
            Ok(_) => "error",
            Err(_) => "broken",
        });
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        let (page, downstream) = (self.page, self.downstream);
        self.recorder.call_over(page, downstream, &self.ending);
    }
}
