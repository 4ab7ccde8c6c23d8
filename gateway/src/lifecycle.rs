//! The life of the process: which phase it is in, who is told to stop and when, and what
//! it ends with.
//!
//! What always holds: phases only go forward. Every listener and every export is a task
//! of a group here, and nobody else stops one. An end has one order: whoever sends pages is
//! told to turn away, and what he still sends is served; new pages are refused, those in flight finish, then public connections end, then those of operators,
//! then the exports, which have something to say of all before. A listener or a background
//! task that ends without having been told to is a failure: the gateway drains as it does
//! for a signal, and ends with [`Failure`], which is exit status 1. Exports are no reason to
//! end: telemetry must not cost pages.
//!
//! Not here: what is served and by whom (`crate::app` composes it).

pub mod manager;
pub mod phase;
pub mod shedding;
pub mod stop;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::manager::ServiceManager;
use self::phase::{CurrentPhase, Phase};
use self::stop::StopSignal;
use crate::page::Pages;
use crate::page::deadline::{Deadline, now};
use crate::page::downstream::Transport;
use crate::telemetry::events;

/// Least time for which pages are refused before listeners close: who sends them still, whatever
/// `/readyz` said, gets an answer he can act on. Never more than half of `drain_timeout`.
pub const REFUSING: Duration = Duration::from_secs(1);

/// Time for connections to end that are in no page: an answer of some hundred bytes.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Time for pages that are cut off to end: their futures only have to be dropped.
const CUT_OFF: Duration = Duration::from_millis(100);

/// Time for what telemetry holds to leave.
const LAST_EXPORTS: Duration = Duration::from_millis(1_800);

/// Of a task that was to run for ever.
const RETURNED: &str = "it returned";

/// A listener, by the key that says where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The one for clients.
    Public,
    /// The one for operators.
    Operators,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "server.listen",
            Self::Operators => "admin.listen",
        })
    }
}

/// Why the gateway ended otherwise than it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A listener ended by itself; pages in flight could finish.
    #[error("the listener of {0} ended by itself")]
    ListenerEnded(Listener),
    /// Work that lasts as long as the gateway ended by itself; pages in flight could finish.
    #[error("the task that {0} ended by itself")]
    TaskEnded(&'static str),
    /// It was asked to stop while it was stopping.
    #[error("told to stop a second time: pages in flight were cut off")]
    ToldTwice,
}

/// How long the end may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Pages are served for so long before new ones are refused.
    pub drain_delay: Duration,
    /// Pages in flight may take so long then.
    pub drain_timeout: Duration,
}

/// Owns the tasks of one gateway from its start to its end. Dropped, it ends them at once.
#[derive(Debug)]
pub struct Lifecycle {
    phase: CurrentPhase,
    stop: StopSignal,
    failed: Failed,
    public: Group,
    operators: Group,
    exports: Group,
    background: JoinSet<()>,
    manager: ServiceManager,
    public_socket_stays: bool,
}

impl Lifecycle {
    /// A gateway that is starting, and that `stop` stops.
    pub fn new(stop: StopSignal) -> Self {
        Self {
            phase: CurrentPhase::default(),
            stop,
            failed: Failed::default(),
            public: Group::default(),
            operators: Group::default(),
            exports: Group::default(),
            background: JoinSet::new(),
            manager: ServiceManager::default(),
            public_socket_stays: false,
        }
    }

    /// The same, whose `manager` is told of it.
    #[must_use]
    pub fn managed_by(mut self, manager: ServiceManager) -> Self {
        self.background(
            "keeps the service manager's watchdog quiet",
            manager.clone().keep_alive(),
        );
        self.manager = manager;
        self
    }

    /// The same, but the public socket is somebody else's too, and the next gateway's: who
    /// connects when this one accepts no more waits in it. So nobody has to be refused.
    #[must_use]
    pub fn leaving_the_public_socket(mut self) -> Self {
        self.public_socket_stays = true;
        self
    }

    /// The phase, as it changes.
    pub fn phase(&self) -> CurrentPhase {
        self.phase.clone()
    }

    /// Serves a listener until the drain comes to it. `serve` accepts by
    /// [`Guard::accept`], and returns when the connections it accepted have ended.
    pub fn listen<F>(&mut self, listener: Listener, serve: impl FnOnce(Guard) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let group = match listener {
            Listener::Public => &mut self.public,
            Listener::Operators => &mut self.operators,
        };
        let guard = Guard {
            listener,
            full: group.full.clone(),
            stop: group.stop.clone(),
            failed: self.failed.clone(),
        };
        let serving = AssertUnwindSafe(serve(guard.clone())).catch_unwind();
        group.tasks.spawn(async move {
            let ended = serving.await;
            if !guard.stop.is_cancelled() {
                guard.fail(&reason(ended.map(|()| RETURNED.into())));
            }
        });
    }

    /// Exports telemetry until the token is cancelled, and then what is left of it. If it
    /// ends before, that is only said.
    pub fn export<F>(&mut self, export: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.exports.stop.clone();
        let export = AssertUnwindSafe(export(stop.clone())).catch_unwind();
        self.exports.tasks.spawn(async move {
            let ended = export.await;
            if !stop.is_cancelled() {
                events::task_ended(
                    "exports telemetry",
                    &reason(ended.map(|()| RETURNED.into())),
                );
            }
        });
    }

    /// Runs `work` beside everything else, as long as the gateway: it is dropped when all
    /// else has ended. `does` says for what, in the third person.
    pub fn background(
        &mut self,
        does: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let failed = self.failed.clone();
        let work = AssertUnwindSafe(work).catch_unwind();
        self.background.spawn(async move {
            let ended = work.await;
            events::task_ended(does, &reason(ended.map(|()| RETURNED.into())));
            failed.with(Failure::TaskEnded(does));
        });
    }

    /// Waits for `work` that comes before the first page. It is broken off by what ends
    /// the gateway: nothing has been served yet, so there is nothing to finish.
    pub async fn start(&self, work: impl Future<Output = ()>) -> ControlFlow<Result<(), Failure>> {
        tokio::select! {
            () = self.stop.asked.cancelled() => ControlFlow::Break(Ok(())),
            () = self.failed.token.cancelled() => ControlFlow::Break(self.failed.result()),
            () = work => ControlFlow::Continue(()),
        }
    }

    /// From now on pages are served.
    pub fn ready(&self) {
        self.phase.enter(Phase::Ready);
        self.manager.ready();
    }

    /// Waits for a reason to stop, and ends as `times` allow then; what telemetry holds leaves
    /// within two seconds more. `pages` are those in force.
    ///
    /// # Errors
    /// [`Failure`], when it was not a signal that ended it, or a second one.
    pub async fn serve<T: Transport>(
        mut self,
        pages: impl Fn() -> Arc<Pages<T>>,
        times: impl Fn() -> Times,
    ) -> Result<(), Failure> {
        tokio::select! {
            () = self.stop.asked.cancelled() => {}
            () = self.failed.token.cancelled() => {}
        }
        self.phase.enter(Phase::LameDuck);
        self.manager.stopping();
        let at_once = self.stop.at_once.clone();
        let end = async {
            self.be_lame_duck(times().drain_delay).await;
            self.drain(&*pages(), times().drain_timeout).await;
        };
        tokio::select! {
            () = at_once.cancelled() => Err(Failure::ToldTwice),
            () = end => self.failed.result(),
        }
    }

    /// Serves on, so that load balancers can turn away: they learn of it from `/readyz` or from
    /// `Connection: close`, seconds later. A gateway that failed cannot be relied on for it.
    async fn be_lame_duck(&self, delay: Duration) {
        let failed = self.failed.token.is_cancelled();
        if delay.is_zero() || failed || self.stop.without_delay.is_cancelled() {
            return;
        }
        events::turning_away(delay);
        let over = Deadline::after(now(), delay);
        tokio::select! {
            biased;
            () = self.failed.token.cancelled() => {}
            () = self.stop.without_delay.cancelled() => {}
            _ = over.limit(std::future::pending::<()>()) => {}
        }
    }

    async fn drain<T: Transport>(&mut self, pages: &Pages<T>, timeout: Duration) {
        let began = now();
        let deadline = Deadline::after(began, timeout);
        if self.public_socket_stays {
            events::handing_over();
            self.public.full.cancel();
            // Who was accepted last may not have sent a request yet.
            let first_words = Deadline::after(began, LAST_WORDS).min(deadline);
            let _ = first_words.limit(std::future::pending::<()>()).await;
            self.public.stop(deadline).await;
        }
        self.phase.enter(Phase::Draining);
        pages.drain();
        events::draining(pages.admission().view().in_flight);
        if !self.public_socket_stays {
            let refusing = Deadline::after(began, REFUSING.min(timeout / 2));
            let _ = refusing.limit(std::future::pending::<()>()).await;
        }
        let _ = deadline.limit(pages.admission().until_empty()).await;
        // Connections that are not in a page have a refusal to write, or half a head to
        // send: that much time, and no more.
        let last_words = || Deadline::after(now(), LAST_WORDS).min(deadline);
        self.public.stop(last_words()).await;
        match pages.admission().view().in_flight {
            0 => events::drained(now() - began),
            cut_off => events::cut_off(cut_off),
        }
        self.operators.stop(last_words()).await;
        // What was cut off is recorded before the last records leave.
        self.public.tasks.abort_all();
        let cut_off = Deadline::after(now(), CUT_OFF);
        let _ = cut_off.limit(pages.admission().until_empty()).await;
        pages.publish();
        self.exports
            .stop(Deadline::after(now(), LAST_EXPORTS))
            .await;
    }
}

/// Tasks that are told to stop together.
#[derive(Debug)]
struct Group {
    stop: CancellationToken,
    /// No more connections; those that are open are served on until `stop`.
    full: CancellationToken,
    tasks: JoinSet<()>,
}

impl Default for Group {
    fn default() -> Self {
        let stop = CancellationToken::new();
        Self {
            full: stop.child_token(),
            stop,
            tasks: JoinSet::new(),
        }
    }
}

impl Group {
    /// Tells them to stop, and waits until they have, or until `by`.
    async fn stop(&mut self, by: Deadline) {
        self.stop.cancel();
        let _ = by
            .limit(async { while self.tasks.join_next().await.is_some() {} })
            .await;
    }
}

/// What ties a listener's task to the life of the gateway.
#[derive(Clone, Debug)]
pub struct Guard {
    listener: Listener,
    full: CancellationToken,
    stop: CancellationToken,
    failed: Failed,
}

impl Guard {
    /// Which listener it is about.
    pub fn listener(&self) -> Listener {
        self.listener
    }

    /// Accepts connections until the drain comes to this listener, or its socket is left to
    /// the next gateway; `accept` is dropped then. If it ends before, by an error or by a
    /// defect, the drain begins. This returns when connections have to end, and no sooner, so
    /// that those that were accepted can finish.
    pub async fn accept(&self, accept: impl Future<Output = io::Error>) {
        let accept = AssertUnwindSafe(accept).catch_unwind();
        let ended = tokio::select! {
            () = self.full.cancelled() => return self.stop.cancelled().await,
            ended = accept => ended,
        };
        self.fail(&reason(ended.map(|error| error.to_string())));
        self.stop.cancelled().await;
    }

    fn fail(&self, reason: &str) {
        events::listener_ended(self.listener, reason);
        self.failed.with(Failure::ListenerEnded(self.listener));
    }
}

/// What ended by itself, once something has.
#[derive(Clone, Debug, Default)]
struct Failed {
    first: Arc<OnceLock<Failure>>,
    token: CancellationToken,
}

impl Failed {
    fn with(&self, failure: Failure) {
        // Only the first one is the reason for the end.
        let _ = self.first.set(failure);
        self.token.cancel();
    }

    fn result(&self) -> Result<(), Failure> {
        self.first.get().map_or(Ok(()), |&failure| Err(failure))
    }
}

/// The panic hook has written what the panic said.
fn reason(ended: Result<String, Box<dyn Any + Send>>) -> String {
    ended.unwrap_or_else(|_panic| "a defect".to_owned())
}
