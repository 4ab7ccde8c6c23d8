//! `gateway readings`: what a running gateway did between two looks at its admin listener.
//!
//! Owns the arithmetic and the text that the runbook begins with. Always holds: every figure is
//! the difference of two readings, never a total since the start, so an older fault does not show;
//! lag stands first, since with lag every service looks slow; only required parts can cost a page,
//! so they are marked and stand before the others.
//!
//! Not here: the looking, and the time between (see [`crate::command::readings`]); how slow a service is
//! beyond the deadline (its calls are cut there: only its owners know).

mod between;
mod exposition;
mod facts;
mod findings;
mod text;

use std::time::Duration;

use serde_json::Value;

use self::between::Between;
use self::exposition::Samples;
use self::facts::Facts;

/// One look at a gateway's admin listener.
#[derive(Debug)]
pub struct Reading {
    samples: Samples,
    limits: Value,
    config: Value,
}

impl Reading {
    /// From the bodies of `/metrics`, `/limits` and `/config`.
    pub fn new(metrics: &str, limits: Value, config: Value) -> Self {
        Self {
            samples: Samples::parse(metrics),
            limits,
            config,
        }
    }
}

/// Why two looks do not belong together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadingsError {
    /// A counter is smaller than before.
    #[error("the gateway was restarted between the two readings: run this once more")]
    Restarted,
}

/// What happened between two looks at the same gateway that were `elapsed` apart, for people.
///
/// # Errors
/// [`ReadingsError::Restarted`]: the two are not of one process.
pub fn report(
    before: &Reading,
    after: &Reading,
    elapsed: Duration,
) -> Result<String, ReadingsError> {
    let between = Between::new(&before.samples, &after.samples, elapsed)?;
    let facts = Facts::of(&between, before, after);
    Ok(text::report(&facts, &findings::of(&facts)))
}

#[cfg(test)]
mod tests;
