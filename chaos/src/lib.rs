//! Hardship as data, and what the gateway makes of it.
//!
//! Reading order: a [`scenario`] says what happens and what must hold; [`simulated`] plays it with
//! the gateway's own code on a paused clock; what happened is a [`record`]; [`verdict`] holds it
//! against the expectations; [`run`] does all of that for a terminal, [`report`] for a browser,
//! [`sweep`] with random scenarios, and [`incident`] with three that make one picture.
//!
//! The same on sockets: [`live`] runs the gateway and the fakes as processes; [`agree`] tells whether
//! both worlds say the same; [`by_hand`] makes one fault on fakes that run already.
//!
//! Beneath that: [`load`] offers requests on a fixed schedule and reports how each of them ended;
//! [`proc`] runs the gateway and the fakes as child processes; [`http`] talks to their control and
//! admin listeners.

pub mod agree;
pub mod by_hand;
pub mod http;
pub mod incident;
pub mod live;
pub mod load;
pub mod output;
pub mod proc;
pub mod record;
pub mod report;
pub mod run;
mod sample;
pub mod scenario;
pub mod simulated;
pub mod sweep;
mod timeline;
pub mod verdict;

mod clock {
    //! The one place of this crate that reads a clock.

    use tokio::time::Instant;

    /// The present; simulated where the runtime's clock is paused.
    #[expect(clippy::disallowed_methods, reason = "the one clock of this crate")]
    pub(crate) fn now() -> Instant {
        Instant::now()
    }

    /// The present of whoever waits for a run, also while its clock is paused.
    #[expect(
        clippy::disallowed_methods,
        reason = "a paused clock cannot tell how long it took"
    )]
    pub(crate) fn wall() -> std::time::Instant {
        std::time::Instant::now()
    }
}
