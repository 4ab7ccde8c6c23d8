//! Where log lines go: standard output, for people or for machines.
//!
//! Lines are written by a thread of their own, from a queue with a bound: a reader of
//! the log that is slow, or gone, costs lines and never a page. Lines that are lost
//! are counted.

pub(in crate::telemetry) mod json;

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use self::json::Json;
use crate::config::{LogFormat, Telemetry};

/// Lines that may wait to be written; further ones are dropped. Some 20 MB of them.
const MOST_WAITING: usize = 32_768;

/// Libraries that would log what is counted and told of here.
const QUIET: &[&str] = &["metrics_exporter_dogstatsd=off", "opentelemetry=off"];

/// The log of this process. Dropped, it writes what waits, for a second at most.
#[must_use = "dropped, the log ends"]
#[derive(Debug)]
pub struct Log {
    _writer: WorkerGuard,
}

static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// Lines of this process's log that were lost so far.
pub fn lost_lines() -> u64 {
    LOST.get().map_or(0, |lost| lost.dropped_lines() as u64)
}

/// Starts the log of this process. `RUST_LOG` says what is logged; `info` without it.
/// Of no effect when a log has been started before.
pub fn start(config: &Telemetry) -> Log {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    for directive in QUIET.iter().filter_map(|quiet| quiet.parse().ok()) {
        filter = filter.add_directive(directive);
    }
    let (lines, writer) = NonBlockingBuilder::default()
        .buffered_lines_limit(MOST_WAITING)
        .lossy(true)
        .finish(std::io::stdout());
    let lost = lines.error_counter();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stdout().is_terminal())
        // It would be said on standard error, and end the process when that is gone too.
        .log_internal_errors(false)
        .with_writer(lines);
    let started = match config.log {
        LogFormat::Pretty => log.with_target(false).finish().try_init(),
        LogFormat::Json => {
            let json = Json::new(&config.service, &config.env, &config.version);
            log.event_format(json).finish().try_init()
        }
    };
    // Somebody who embeds the gateway has a log of their own.
    if started.is_ok() {
        let _ = LOST.set(lost);
    }
    Log { _writer: writer }
}
