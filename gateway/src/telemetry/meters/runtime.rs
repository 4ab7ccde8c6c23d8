//! How tokio stands: threads that run pages, what there is to run, what waits for a thread.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;

use crate::telemetry::names::metrics::{self as names, Metric};

/// As it stood when it was looked at last.
#[derive(Debug, Default)]
pub(super) struct Runtime {
    workers: AtomicUsize,
    tasks: AtomicUsize,
    queue: AtomicUsize,
}

impl Runtime {
    /// Looks at the runtime that this is called on, if there is one.
    pub(super) fn look(&self) {
        let Ok(handle) = Handle::try_current() else {
            return;
        };
        let now = handle.metrics();
        self.workers.store(now.num_workers(), Ordering::Relaxed);
        self.tasks.store(now.num_alive_tasks(), Ordering::Relaxed);
        self.queue
            .store(now.global_queue_depth(), Ordering::Relaxed);
    }

    pub(super) fn gauges(&self) -> [(&'static Metric, f64); 3] {
        [
            (&names::RUNTIME_WORKERS, &self.workers),
            (&names::RUNTIME_TASKS, &self.tasks),
            (&names::RUNTIME_QUEUE, &self.queue),
        ]
        .map(|(metric, value)| (metric, value.load(Ordering::Relaxed) as f64))
    }
}
