//! What every process has, under the names that Prometheus' client libraries share.
//! <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>
//!
//! Read from the system when somebody asks, on Linux; what cannot be read is left out.
//! Datadog's agent knows all of it by itself, so it is not told.

use std::fmt::Write as _;
use std::fs;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// A figure of the process.
#[derive(Debug)]
pub struct Figure {
    /// As Prometheus spells it.
    pub name: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    /// What it says.
    pub meaning: &'static str,
    read: fn() -> Option<f64>,
}

/// All of them.
pub const FIGURES: &[Figure] = &[
    Figure {
        name: "process_cpu_seconds_total",
        kind: "counter",
        meaning: "CPU time of the process, in its own code and in the system's.",
        read: cpu_seconds,
    },
    Figure {
        name: "process_resident_memory_bytes",
        kind: "gauge",
        meaning: "Memory that the process occupies.",
        read: || status("VmRSS:").map(|kilobytes| kilobytes * 1024.0),
    },
    Figure {
        name: "process_open_fds",
        kind: "gauge",
        meaning: "Open files, connections among them.",
        read: open_files,
    },
    Figure {
        name: "process_max_fds",
        kind: "gauge",
        meaning: "Files it may open.",
        read: || getrlimit(Resource::Nofile).current.map(|most| most as f64),
    },
    Figure {
        name: "process_threads",
        kind: "gauge",
        meaning: "Threads of the process.",
        read: || status("Threads:"),
    },
    Figure {
        name: "process_start_time_seconds",
        kind: "gauge",
        meaning: "When the process began, in seconds since 1970.",
        read: start_time,
    },
];

/// Appends them in the text format.
pub(super) fn write(text: &mut String) {
    for figure in FIGURES {
        let Some(value) = (figure.read)() else {
            continue;
        };
        let Figure {
            name,
            kind,
            meaning,
            ..
        } = figure;
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "# HELP {name} {meaning}\n# TYPE {name} {kind}\n{name} {value}\n"
        );
    }
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn cpu_seconds() -> Option<f64> {
    Some(seconds(ClockId::ProcessCPUTime))
}

/// A number of `/proc/self/status`.
fn status(key: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(key))?;
    value.split_whitespace().next()?.parse().ok()
}

/// Less the one that is opened to count them.
fn open_files() -> Option<f64> {
    let files = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(files.saturating_sub(1) as f64)
}

/// The system keeps it as ticks since it booted.
fn start_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in parentheses, with whatever in it; this is the 22nd.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: f64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let age = seconds(ClockId::Boottime) - ticks / clock_ticks_per_second() as f64;
    Some(seconds(ClockId::Realtime) - age)
}
