//! Being told to stop, by a signal or by whoever runs the gateway in its own process.

use std::convert::Infallible;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Tells one gateway to stop; clones tell the same one.
#[derive(Clone, Debug, Default)]
pub struct StopSignal {
    pub(super) drain: CancellationToken,
    pub(super) at_once: CancellationToken,
}

impl StopSignal {
    /// Begins the drain. The second time it ends what has not ended yet.
    pub fn request(&self) {
        if self.drain.is_cancelled() {
            self.at_once.cancel();
        } else {
            self.drain.cancel();
        }
    }
}

/// SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on they no longer end the process by themselves.
    ///
    /// # Errors
    /// The system's, if it refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Makes each of them a request to stop, until it is dropped.
    pub async fn forward(mut self, stop: &StopSignal) -> Infallible {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            stop.request();
        }
    }
}
