//! Being told to stop, by a signal or by whoever runs the gateway in its own process.
//!
//! What always holds: while [`Signals`] is there, no signal ends the process but those that
//! say that it is broken (SIGSEGV and the like) and those that cannot be caught.

use std::convert::Infallible;
use std::io;

use futures_util::StreamExt as _;
use futures_util::stream::{SelectAll, poll_fn};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::telemetry::events;

/// Tells one gateway to stop; clones tell the same one.
#[derive(Clone, Debug, Default)]
pub struct StopSignal {
    /// Begins the end.
    pub(super) asked: CancellationToken,
    /// Nobody has to turn away first.
    pub(super) without_delay: CancellationToken,
    /// Cuts off what has not ended.
    pub(super) at_once: CancellationToken,
}

impl StopSignal {
    /// Pages are served for `drain_delay` more, and then the drain begins. The second time,
    /// and after [`request_without_delay`](Self::request_without_delay), it ends what has not
    /// ended yet.
    pub fn request(&self) {
        if self.asked.is_cancelled() {
            self.at_once.cancel();
        } else {
            self.asked.cancel();
        }
    }

    /// Begins the drain: there is nobody who would have to be told first. The second time it
    /// ends what has not ended yet.
    pub fn request_without_delay(&self) {
        self.without_delay.cancel();
        self.request();
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    /// To stop, as a service manager does.
    Stop,
    /// To stop, as a person at a terminal does.
    StopWithoutDelay,
    /// To read the configuration again.
    Reload,
    /// For the state, in the log.
    State,
    /// Nothing: it must not end pages by having no meaning here.
    Nothing,
}

/// Every signal that would end the process by itself and may be sent to it from outside.
fn meanings() -> [(SignalKind, &'static str, Asks); 11] {
    let other = |signal: Signal| SignalKind::from_raw(signal.as_raw());
    [
        (SignalKind::terminate(), "SIGTERM", Asks::Stop),
        (SignalKind::quit(), "SIGQUIT", Asks::Stop),
        (SignalKind::interrupt(), "SIGINT", Asks::StopWithoutDelay),
        (SignalKind::hangup(), "SIGHUP", Asks::Reload),
        (SignalKind::user_defined1(), "SIGUSR1", Asks::State),
        (SignalKind::user_defined2(), "SIGUSR2", Asks::Nothing),
        (SignalKind::alarm(), "SIGALRM", Asks::Nothing),
        (SignalKind::io(), "SIGIO", Asks::Nothing),
        (other(Signal::VTALARM), "SIGVTALRM", Asks::Nothing),
        (other(Signal::PROF), "SIGPROF", Asks::Nothing),
        (other(Signal::POWER), "SIGPWR", Asks::Nothing),
    ]
}

/// The signals of this process.
pub struct Signals(SelectAll<futures_util::stream::BoxStream<'static, (&'static str, Asks)>>);

impl Signals {
    /// From now on they no longer end the process by themselves.
    ///
    /// # Errors
    /// The system's, if it refuses.
    pub fn listen() -> io::Result<Self> {
        let mut all = SelectAll::new();
        for (kind, name, asks) in meanings() {
            let mut signal = signal(kind)?;
            let received = poll_fn(move |cx| signal.poll_recv(cx));
            all.push(received.map(move |()| (name, asks)).boxed());
        }
        Ok(Self(all))
    }

    /// Does what each of them asks for, until it is dropped. `reload` is called for a reload, `state`
    /// for the state; neither waits.
    pub async fn forward(
        mut self,
        stop: &StopSignal,
        reload: impl Fn(),
        state: impl Fn(),
    ) -> Infallible {
        loop {
            match self.0.next().await {
                Some((_, Asks::Stop)) => stop.request(),
                Some((_, Asks::StopWithoutDelay)) => stop.request_without_delay(),
                Some((_, Asks::Reload)) => reload(),
                Some((_, Asks::State)) => state(),
                Some((name, Asks::Nothing)) => events::signal_ignored(name),
                None => std::future::pending().await,
            }
        }
    }
}
