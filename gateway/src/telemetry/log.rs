//! Where log lines go: standard output, for people or for machines.
//!
//! Lines are written by a thread of their own, from a queue with a bound: a reader of
//! the log that is slow, or gone, costs lines and never a page.

use std::io::IsTerminal;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;

/// Lines that may wait to be written; further ones are dropped. Some 10 MB of them.
const MOST_WAITING: usize = 32_768;

/// It says an error for every datagram it cannot send; `meters` says one for all of them.
const TOO_LOUD: &str = "metrics_exporter_dogstatsd=off";

/// The log of this process. Dropped, it writes what waits, for a second at most.
#[must_use = "dropped, the log ends"]
#[derive(Debug)]
pub struct Log {
    _writer: WorkerGuard,
}

/// Starts the log of this process. `RUST_LOG` says what is logged; `info` without it.
/// Of no effect when a log has been started before.
pub fn start(format: LogFormat) -> Log {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    if let Ok(quiet) = TOO_LOUD.parse() {
        filter = filter.add_directive(quiet);
    }
    let (lines, writer) = NonBlockingBuilder::default()
        .buffered_lines_limit(MOST_WAITING)
        .lossy(true)
        .finish(std::io::stdout());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stdout().is_terminal())
        // It would be said on standard error, and end the process when that is gone too.
        .log_internal_errors(false)
        .with_writer(lines);
    let started = match format {
        LogFormat::Pretty => log.with_target(false).finish().try_init(),
        LogFormat::Json => log.json().flatten_event(true).finish().try_init(),
    };
    // Somebody who embeds the gateway has a log of their own.
    drop(started);
    Log { _writer: writer }
}
