//! `gateway check`: all that is wrong with a file, or what it amounts to.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::load::load_file;
use super::origin::{EffectiveKey, Origin, origins_json};
use super::shown::fit;
use super::units::{counted, show_duration, show_rate, show_size};
use super::{Config, Downstream, Http2, Page, Part, ShedStatus, sizing};

/// Latency that the summary's throughput is worked out for, beside the deadline.
const USUAL: Duration = Duration::from_millis(80);

/// Writes every error and warning of the file at `path`, and a summary if it can be used,
/// with what `more` has to say. Returns whether it can be used.
///
/// # Errors
/// Only those of `out`.
pub fn check(
    path: &Path,
    colours: bool,
    out: &mut dyn io::Write,
    more: impl FnOnce(&Config, &mut dyn io::Write) -> io::Result<()>,
) -> io::Result<bool> {
    let name = path.display().to_string();
    let name = fit(&name);
    match load_file(path) {
        Err(report) => {
            writeln!(out, "{}\n", report.render(colours))?;
            writeln!(out, "{name}: {}", counted(report.errors(), "error"))?;
            Ok(false)
        }
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                writeln!(out, "{}\n", loaded.warnings.render(colours))?;
            }
            let warnings = counted(loaded.warnings.len(), "warning");
            writeln!(out, "{name}: no errors, {warnings}\n")?;
            summary(&loaded.config, out)?;
            not_default(&loaded.keys, out)?;
            more(&loaded.config, out)?;
            Ok(true)
        }
    }
}

/// The same for machines: `file`, `usable`, `errors` and `warnings` (see [`Report::json`]), and,
/// if it can be used, `keys`: every key there is, its value, and where that came from. Returns
/// whether it can be used as well.
///
/// [`Report::json`]: super::Report::json
#[must_use]
pub fn check_json(path: &Path) -> (Json, bool) {
    let name = path.display().to_string();
    let file = fit(&name);
    match load_file(path) {
        Err(report) => {
            let shown =
                json!({"file": file, "usable": false, "errors": report.json(), "warnings": []});
            (shown, false)
        }
        Ok(loaded) => {
            let (warnings, keys) = (loaded.warnings.json(), origins_json(&loaded.keys));
            let shown = json!({"file": file, "usable": true, "errors": [], "warnings": warnings, "keys": keys});
            (shown, true)
        }
    }
}

/// Values that somebody chose, and where. What must be written in the file is no choice.
fn not_default(keys: &[EffectiveKey], out: &mut dyn io::Write) -> io::Result<()> {
    let chosen = |key: &&EffectiveKey| match (&key.origin, &key.default) {
        (Origin::Default, _) | (Origin::File { .. }, None) => false,
        (Origin::File { .. }, Some(default)) => *default != key.value,
        (Origin::Variable(_) | Origin::Override, _) => true,
    };
    let chosen: Vec<&EffectiveKey> = keys.iter().filter(chosen).collect();
    let width = chosen.iter().map(|key| key.key.len()).max().unwrap_or(0);
    writeln!(out, "values that are not the default")?;
    if chosen.is_empty() {
        writeln!(out, "  none")?;
    }
    for key in chosen {
        let value = key.value.to_string();
        let (value, origin) = (fit(&value), key.origin.to_string());
        writeln!(out, "  {:<width$}  {value:<12}  {}", key.key, fit(&origin))?;
    }
    Ok(())
}

/// What a person wants to see before starting it.
fn summary(config: &Config, out: &mut dyn io::Write) -> io::Result<()> {
    for page in &config.pages {
        page_summary(config, page, out)?;
    }
    writeln!(out, "downstreams")?;
    for (id, downstream) in config.downstreams.iter().enumerate() {
        let calls = config.pages.iter().flat_map(|page| {
            let here = page.parts.iter().filter(|part| part.downstream.0 == id);
            here.filter_map(|part| longest(page, part))
        });
        let slowest = calls.max();
        writeln!(
            out,
            "  {:<20} {}",
            downstream.name.as_str(),
            downstream_summary(downstream, slowest)
        )?;
    }
    let status = match config.shed.status {
        ShedStatus::TooManyRequests => 429,
        ShedStatus::ServiceUnavailable => 503,
    };
    let clients = &config.clients;
    writeln!(out, "limits")?;
    writeln!(
        out,
        "  {} in flight, {}; load is refused with {status}",
        counted(config.admission.max_in_flight, "page"),
        counted(config.server.max_connections, "connection")
    )?;
    writeln!(
        out,
        "  each client: {}, {} at once",
        show_rate(clients.rate),
        clients.burst
    )?;
    let observed = config.observed();
    if !observed.is_empty() {
        let what = "observed, so that they refuse nothing and are counted as gateway.would_shed";
        writeln!(out, "  {what}: {}", observed.join(", "))?;
    }
    writeln!(out, "listeners")?;
    writeln!(
        out,
        "  {} for clients, {} for operators",
        config.server.listen, config.admin.listen
    )
}

/// The longest that a call can take, and so hold its permit.
fn longest(page: &Page, part: &Part) -> Option<Duration> {
    part.timeout.into_iter().chain(page.deadline).min()
}

fn page_summary(config: &Config, page: &Page, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "page {}: GET {}", page.name, page.path.text)?;
    let wait = match page.queue {
        0 => "no page waits for permits".to_owned(),
        queue => format!(
            "{queue} may wait for permits, up to {}{}",
            show_duration(page.max_wait),
            room(config, page)
        ),
    };
    match page.deadline {
        Some(deadline) => writeln!(
            out,
            "  answers within {}, {} of it reserved; {wait}",
            show_duration(deadline),
            show_duration(page.reserve)
        )?,
        None => writeln!(out, "  has no deadline; {wait}")?,
    }
    for part in &page.parts {
        writeln!(
            out,
            "  {:<20} {}",
            part.name.as_str(),
            part_summary(config, part)
        )?;
    }
    Ok(())
}

/// What the queue has room for, before the bulkhead that carries the fewest of its pages.
fn room(config: &Config, page: &Page) -> String {
    let carries = |(id, downstream): (usize, &Downstream)| {
        let parts = page.parts.iter();
        let calls = parts.filter(|part| part.required && part.downstream.0 == id);
        let calls = u32::try_from(calls.count())
            .ok()
            .filter(|calls| *calls > 0)?;
        let permits = downstream.permits?.get();
        Some(sizing::pages_carried(permits, calls, USUAL))
    };
    let all = config.downstreams.iter().enumerate().filter_map(carries);
    let Some(capacity) = all
        .min_by(f64::total_cmp)
        .filter(|_| !page.max_wait.is_zero())
    else {
        return String::new();
    };
    let borne = sizing::borne(page.queue, capacity, page.max_wait);
    let usual = show_duration(USUAL);
    format!(", room for bunches of {borne:.0}/s where calls take {usual}")
}

fn part_summary(config: &Config, part: &Part) -> String {
    let need = if part.required {
        "required"
    } else {
        "optional"
    };
    let from = config
        .downstreams
        .get(part.downstream.0)
        .map_or("", |downstream| downstream.name.as_str());
    let timeout = part.timeout.map_or(String::new(), |timeout| {
        format!(", given up after {}", show_duration(timeout))
    });
    format!("{need}, {from} {}{timeout}", part.path.shown())
}

fn downstream_summary(downstream: &Downstream, slowest: Option<Duration>) -> String {
    let version = match downstream.http2 {
        Http2::Always => "HTTP/2",
        Http2::Never => "HTTP/1.1",
        Http2::Auto => "HTTP/2 or HTTP/1.1",
    };
    let urls: Vec<_> = downstream.urls.iter().map(super::address::show).collect();
    let body = show_size(downstream.max_body.get() as u64);
    let carries = match downstream.permits {
        None => "no bulkhead".to_owned(),
        Some(permits) => {
            let at = |latency| sizing::carried(permits.get().into(), latency);
            let worst = slowest.map_or(String::new(), |d| {
                format!(", {:.0}/s at {}", at(d), show_duration(d))
            });
            format!(
                "{}: {:.0} calls/s at {}{worst}",
                counted(permits, "permit"),
                at(USUAL),
                show_duration(USUAL)
            )
        }
    };
    format!("{} {version}, bodies to {body}, {carries}", urls.join(" "))
}
