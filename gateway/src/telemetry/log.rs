//! Where log lines go: standard output, for people or for machines.
//!
//! Lines are written by a thread of their own, from a buffer with a bound (`lines`): a
//! reader of the log that is slow, or gone, costs lines and never a page. Lines that are
//! lost are counted, and standard error says so once (`output`).
//!
//! As JSON, the line of a page is written from its record (`page`); all else, and pages
//! for people, are events of `tracing`. Fields have the names of those who get the traces:
//! OpenTelemetry's with `exporter = "otlp"`, else Datadog's.

mod json;
mod lines;
mod output;
mod page;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use self::json::Json;
pub(super) use self::lines::Lost;
use self::lines::{Lines, Writer};
use self::page::PageLine;
use crate::colours;
use crate::config::{LogFormat, Telemetry};
use crate::telemetry::events;
use crate::telemetry::names::configured::Configured;
use crate::telemetry::record::PageRecord;
use crate::telemetry::traces::spans::Dialect;

/// Libraries that would log what is counted and told of here.
const QUIET: &[&str] = &["opentelemetry=off"];

/// The log of this process. Dropped, it writes what waits, for a second at most.
#[must_use = "dropped, the log ends"]
#[derive(Debug)]
pub struct Log {
    _writer: Writer,
}

/// What was started in this process.
#[derive(Debug)]
struct Started {
    lines: Lines,
    /// For machines.
    page: Option<PageLine>,
}

static STARTED: OnceLock<Started> = OnceLock::new();

/// Lines of this process's log that were lost so far.
pub(super) fn lost_lines() -> Lost {
    STARTED
        .get()
        .map(|log| log.lines.lost())
        .unwrap_or_default()
}

/// Starts the log of this process. `RUST_LOG` says what is logged; `info` without it.
/// Of no effect when a log has been started before.
///
/// # Errors
/// The system gives no thread to write it.
pub fn start(config: &Telemetry) -> io::Result<Log> {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    for directive in QUIET.iter().filter_map(|quiet| quiet.parse().ok()) {
        filter = filter.add_directive(directive);
    }
    // The file itself: the standard library's own buffer would hide which lines were written.
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let (lines, writer) = Lines::written_to(stdout, io::stderr())?;
    let dialect = Dialect::of(config.exporter);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours::wanted_on(&io::stdout()))
        // It would be said on standard error, and end the process when that is gone too.
        .log_internal_errors(false);
    let (started, page) = match config.log {
        LogFormat::Pretty => {
            let log = log.with_writer(lines.clone()).with_target(false);
            (log.finish().try_init(), None)
        }
        LogFormat::Json => {
            let json = Json::new(dialect, &config.service, &config.env, &config.version);
            let page = PageLine::new(dialect, events::PAGE, &json.identity);
            let log = log.with_writer(lines.clone()).event_format(json);
            (log.finish().try_init(), Some(page))
        }
    };
    // Somebody who embeds the gateway has a log of their own.
    if started.is_ok() {
        let _ = STARTED.set(Started { lines, page });
    }
    Ok(Log { _writer: writer })
}

/// Adds the line of a page, if the log of this process is one for machines.
pub(super) fn page_ended(names: &Configured, record: &PageRecord, level: Level) -> bool {
    let Some(Started {
        lines,
        page: Some(page),
    }) = STARTED.get()
    else {
        return false;
    };
    lines.add(&page.write(names, record, level));
    true
}
