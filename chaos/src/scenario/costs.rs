//! What the gateway itself costs, where that is part of the hardship.

use std::time::Duration;

/// What the gateway itself costs, so that it can be short of CPU: in simulated time only. On sockets
/// it costs what it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// CPUs it has; 0.2 is a fifth of one.
    pub cores: f64,
    /// CPU time of a page that is let in, without its calls.
    pub per_page: Duration,
    /// Of a call.
    pub per_call: Duration,
    /// Of a page that is refused.
    pub per_refusal: Duration,
    /// Of a new connection, a client's or one to a downstream.
    pub per_connection: Duration,
}

impl Costs {
    /// Whether it costs nothing, so that it is never short of CPU.
    #[must_use]
    pub fn are_none(&self) -> bool {
        let all = [
            self.per_page,
            self.per_call,
            self.per_refusal,
            self.per_connection,
        ];
        all.iter().all(Duration::is_zero)
    }
}
