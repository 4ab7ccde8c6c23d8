//! Load and faults against the gateway, on real sockets.
//!
//! Reading order: [`load`] offers requests on a fixed schedule and reports how each of them ended;
//! [`proc`] runs the gateway and the fakes as child processes; [`http`] talks to their control and
//! admin listeners.

pub mod http;
pub mod load;
pub mod proc;

mod clock {
    //! The one place of this crate that reads the clock.

    use tokio::time::Instant;

    #[expect(clippy::disallowed_methods, reason = "the one clock of this crate")]
    pub(crate) fn now() -> Instant {
        Instant::now()
    }
}
