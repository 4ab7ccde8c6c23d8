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
