//! `gateway readings`: what a running gateway did between two looks at its admin listener.
//!
//! Owns the reading, the arithmetic and the text that the runbook begins with. Always holds: every figure is
//! the difference of two readings, never a total since the start, so an older fault does not show;
//! lag stands first, since with lag every service looks slow; only required parts can cost a page,
//! so they are marked and stand before the others.
//!
//! Not here: waiting between the two looks, and the clock (the caller's); how slow a service is
//! beyond the deadline (its calls are cut there: only its owners know).

mod between;
mod exposition;
mod facts;
mod fetch;
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

/// Why there are no readings.
#[derive(Debug, thiserror::Error)]
pub enum ReadingsError {
    /// Nobody answers there.
    #[error(
        "{address}: {source}; --admin is the gateway's admin.listen, reached from where this command runs"
    )]
    Unreachable {
        /// What was tried.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is no gateway's admin listener, or no longer one.
    #[error("{address}{path}: {what}; is this a gateway's admin.listen?")]
    Unexpected {
        /// What was asked.
        address: String,
        /// The view that was asked for.
        path: &'static str,
        /// How it answered.
        what: String,
    },
    /// A counter is smaller than before.
    #[error("the gateway was restarted between the two readings: run this once more")]
    Restarted,
}

/// Looks once. Takes at most a few seconds, whatever is at `address` (`host:port`).
///
/// # Errors
/// Nobody answers there, or no gateway does.
pub fn read(address: &str) -> Result<Reading, ReadingsError> {
    let view = |path| {
        let text = fetch::get(address, path)?;
        serde_json::from_str(&text).map_err(|error| ReadingsError::Unexpected {
            address: address.to_owned(),
            path,
            what: error.to_string(),
        })
    };
    Ok(Reading {
        samples: Samples::parse(&fetch::get(address, "/metrics")?),
        limits: view("/limits")?,
        config: view("/config")?,
    })
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
