//! The end of a page's wait, seen from its future.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::core::{Event, PageSeq};
use super::{Admission, Verdict};

/// A page in a queue. Dropped before its verdict, it leaves the queue; dropped
/// after, the permits in the verdict are released by their own `Drop`.
pub(super) struct Waiting {
    pub(super) admission: Arc<Admission>,
    pub(super) page: PageSeq,
    pub(super) verdict: oneshot::Receiver<Verdict>,
    pub(super) over: bool,
}

impl Waiting {
    /// Until the verdict is there.
    pub(super) async fn verdict(&mut self) -> Verdict {
        let verdict = (&mut self.verdict).await;
        self.over = true;
        #[expect(
            clippy::expect_used,
            reason = "a parked sender is removed only to send, or by Leave"
        )]
        verdict.expect("a parked page receives a verdict or leaves by itself")
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.over {
            self.admission.on_event(Event::Leave { page: self.page });
        }
    }
}
