//! Single steps of a page, in nanoseconds, without a socket.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use fixtures::Service;
use fixtures::catalogue::Catalogue;
use futures_util::FutureExt;
use gateway::config::{self, Config, PageId};
use gateway::page::admission::core::{NeedSet, Shed, ShedWhy};
use gateway::page::admission::{Admission, Permit, Permits, Ticket};
use gateway::page::assemble::assemble;
use gateway::page::deadline::{Deadline, now};
use gateway::page::fetch::PartEnd;
use gateway::page::json::CheckedJson;
use gateway::page::plan::Plan;
use gateway::telemetry::names::configured::Configured;

use crate::kept::Kept;
use crate::samples::Samples;
use crate::told::Told;

/// Batches of which the median is shown.
const BATCHES: usize = 9;

const PAGE: PageId = PageId(0);

/// Of the page.
const PARTS: usize = Service::ALL.len();

/// Times all steps, in batches of `steps`; returns a table.
///
/// # Errors
/// A step that does not do what it is timed for.
pub(crate) fn measure(steps: u32) -> anyhow::Result<String> {
    let admission = Admission::new(&configured(&[])?);
    let plan = Plan::compile(&configured(&[])?, &admission).swap_remove(PAGE.0);
    let needs = &plan.needs;
    ensure!(
        grant(&admission, needs).is_some(),
        "an idle gateway grants a page"
    );
    let full = Admission::new(&configured(&[
        ("DOWNSTREAM__PRICING__PERMITS", "1"),
        ("PAGE__PRODUCT_PAGE__QUEUE", "0"),
    ])?);
    let held = grant(&full, needs).context("the first page gets the only permit")?;
    ensure!(
        refuse(&full, needs).is_some(),
        "a page is refused when a bulkhead it needs is full"
    );

    let bodies = bodies("p-1001")?;
    let ends = ended(&bodies)?;
    let quiet = ("TELEMETRY__DOGSTATSD", "");
    let metrics = configured(&[quiet, ("TELEMETRY__EXPORTER", "none")])?;
    let metrics = Told::new(&metrics, PAGE, PARTS);
    let names = Arc::new(Configured::new(&configured(&[])?));
    let nothing = Kept::new(None, &names, PARTS);
    let kept = Kept::new(Some(8 << 20), &names, PARTS);
    let statistics = Told::new(&configured(&[quiet])?, PAGE, PARTS);
    let rows = [
        (
            "admit and release a page, one thread",
            batches(1, steps, || grant(&admission, needs)),
        ),
        (
            "the same, two threads at once",
            batches(2, steps, || grant(&admission, needs)),
        ),
        (
            "refuse a page, bulkhead full",
            batches(1, steps, || refuse(&full, needs)),
        ),
        (
            "check the JSON of its five bodies",
            batches(1, steps / 20, || ended(&bodies).ok()),
        ),
        (
            "assemble it",
            batches(1, steps / 20, || assemble(&plan.parts, &ends)),
        ),
        (
            "measure it when it has ended",
            batches(1, steps, || metrics.page_ended()),
        ),
        (
            "the same, with Datadog's statistics",
            batches(1, steps, || statistics.page_ended()),
        ),
        (
            "the same, two threads at once",
            batches(2, steps, || statistics.page_ended()),
        ),
        (
            "make its record, and drop it",
            batches(1, steps, || nothing.keep()),
        ),
        (
            "make it, and keep it for a while",
            batches(1, steps, || kept.keep()),
        ),
        (
            "the same, two threads at once",
            batches(2, steps, || kept.keep()),
        ),
        (
            "be seen in flight, from begin to end",
            batches(1, steps, || kept.fly()),
        ),
        (
            "the same, two threads at once",
            batches(2, steps, || kept.fly()),
        ),
    ];
    drop(held);

    let mut text = format!(
        "{:<42}{:>8} {:>15}\n",
        "Step of a page, ns", "median", "range"
    );
    for (name, samples) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<42}{samples}");
    }
    let _ = writeln!(
        text,
        "A record of five parts is counted as {} bytes.",
        kept.bytes_each()
    );
    Ok(text)
}

fn configured(overrides: &[(&str, &str)]) -> anyhow::Result<Config> {
    let variable = |&(key, value): &(&str, &str)| (format!("GATEWAY__{key}"), value.to_owned());
    let overrides: Vec<_> = overrides.iter().map(variable).collect();
    let loaded = config::load_text("config.toml", config::default_text(), &overrides);
    Ok(loaded.map_err(|report| anyhow!("{report}"))?.config)
}

/// A ticket and the permit of each part, dropped by the caller.
fn grant(admission: &Arc<Admission>, needs: &NeedSet) -> Option<(Ticket, [Permit; PARTS])> {
    let ticket = admission.ticket()?;
    let mut permits = decide(admission, needs)?.ok()?;
    let mut take = |part| permits.take(part);
    let permits = [take(0)?, take(1)?, take(2)?, take(3)?, take(4)?];
    Some((ticket, permits))
}

fn refuse(admission: &Arc<Admission>, needs: &NeedSet) -> Option<()> {
    let _ticket = admission.ticket()?;
    let shed = decide(admission, needs)?.err()?;
    (shed.why == ShedWhy::BulkheadFull).then_some(())
}

/// What admission says at once.
fn decide(admission: &Arc<Admission>, needs: &NeedSet) -> Option<Result<Permits, Shed>> {
    let deadline = Deadline::after(now(), Duration::from_millis(300));
    admission.permits(PAGE, needs, deadline).now_or_never()
}

fn bodies(id: &str) -> anyhow::Result<Vec<Bytes>> {
    let body = |service| {
        Catalogue::get()
            .body(service, id)
            .context("the catalogue knows the id")
    };
    Service::ALL.into_iter().map(body).collect()
}

fn ended(bodies: &[Bytes]) -> anyhow::Result<Vec<PartEnd>> {
    let checked = |body: &Bytes| Ok(PartEnd::Ok(CheckedJson::new(body.clone())?));
    bodies.iter().map(checked).collect()
}

/// Nanoseconds per step as each of `threads` threads sees them, batch by batch.
fn batches<R>(threads: usize, steps: u32, step: impl Fn() -> R + Sync) -> Samples {
    let batch = |_| {
        let start = Barrier::new(threads);
        let timed = || {
            start.wait();
            let began = now();
            for _ in 0..steps {
                black_box(step());
            }
            (now() - began).as_nanos() as f64 / f64::from(steps)
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(timed)).collect();
            let times: Vec<f64> = running
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .collect();
            times.iter().sum::<f64>() / times.len() as f64
        })
    };
    Samples((0..BATCHES).map(batch).collect())
}
