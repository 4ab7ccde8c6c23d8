//! A site in simulated time: measured first, then under the limits that were worked out for it.

use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;

use chaos::play::Watch;
use chaos::record::Record;
use chaos::scenario::{Scenario, Text};
use chaos::simulated::play;
use chaos::verdict::Verdict;

use crate::site::{Limits, Measured, Site};

/// When the worst load begins, after a usual day, and ends, before another, in seconds. Where the rate
/// varies a usual day is long enough for bursts.
fn worst(site: &Site) -> Range<u64> {
    let from = if site.cv > 0.0 { 40 } else { 12 };
    from..from + 7
}

/// As many pages in one process as there are gateways, each with a bulkhead and a queue of its own
/// before the same service: what several gateways are to it.
fn config(site: &Site, limits: &Limits) -> Text {
    let mut text = format!(
        "[clients]\nrate = \"none\"\n[admission]\nmax_in_flight = {}\n",
        limits.tickets * site.gateways
    );
    let (wait, timeout) = (
        limits.max_wait.as_millis(),
        limits.extra_timeout.as_millis(),
    );
    for gateway in 0..site.gateways {
        let (queue, permits, extra) = (limits.queue, limits.permits, limits.extra_permits);
        write!(
            text,
            "[downstream.service-{gateway}]\nurl = \"http://127.0.0.1:1\"\npermits = {permits}\n\
             [downstream.extra-{gateway}]\nurl = \"http://127.0.0.1:2\"\npermits = {extra}\n\
             [page.gateway-{gateway}]\npath = \"/{gateway}/{{id}}\"\nparams.id = \"^[0-9]+$\"\n\
             deadline = \"{}ms\"\nreserve = \"{}ms\"\nmax_wait = \"{wait}ms\"\nqueue = {queue}\n\
             [page.gateway-{gateway}.part.extra]\ndownstream = \"extra-{gateway}\"\npath = \"/e/{{id}}\"\n\
             required = false\ntimeout = \"{timeout}ms\"\n",
            site.deadline,
            site.reserve().as_millis(),
        )
        .unwrap();
        for call in 0..site.calls {
            write!(
                text,
                "[page.gateway-{gateway}.part.call-{call}]\ndownstream = \"service-{gateway}\"\n\
                 path = \"/{call}/{{id}}\"\nrequired = true\n"
            )
            .unwrap();
        }
    }
    Text {
        name: "config.toml".to_owned(),
        text,
    }
}

fn services(site: &Site) -> String {
    let lognormal = |[p50, p99]: [u64; 2]| {
        format!("latency = {{ lognormal = {{ p50 = \"{p50}ms\", p99 = \"{p99}ms\" }} }}")
    };
    format!(
        "[downstream.service-0]\n{}\nworkers = {}\ncontention = {:?}\n[downstream.extra-0]\n{}\n",
        lognormal(site.call),
        site.workers,
        site.contention,
        lognormal(site.extra)
    )
}

fn loads(site: &Site, rate: f64, span: [u64; 2]) -> String {
    let load = |gateway| {
        format!(
            "[[load]]\npage = \"gateway-{gateway}\"\nrate = \"{}/s\"\nfrom = \"{}s\"\nuntil = \"{}s\"\n\
             arrivals = {{ cv = {:?}, every = \"500ms\" }}\n",
            rate / f64::from(site.gateways),
            span[0],
            span[1],
            site.cv
        )
    };
    (0..site.gateways).map(load).collect()
}

fn scenario(site: &Site, limits: &Limits, length: u64, rest: &str) -> Scenario {
    let text = format!(
        "title = \"{}\"\nlength = \"{length}s\"\nseed = 7\n{}{rest}",
        site.name,
        services(site)
    );
    let text = Text {
        name: "sizing.toml".to_owned(),
        text,
    };
    Scenario::load(&text, &config(site, limits)).unwrap_or_else(|report| panic!("{report}"))
}

/// What a dashboard shows of a usual day, while no limit refuses anybody.
pub(crate) fn measure(site: &Site) -> Measured {
    const LASTS: u64 = 40;
    let plenty = Limits {
        permits: 10_000,
        extra_permits: 10_000,
        max_wait: Duration::ZERO,
        queue: 0,
        tickets: 10_000,
        extra_timeout: site.deadline() - site.reserve() - Duration::from_millis(1),
    };
    // Its usual day has room: nobody waits inside it either.
    let site = Site {
        workers: 10_000,
        ..*site
    };
    let loads = loads(&site, site.usual, [0, LASTS]);
    let scenario = scenario(&site, &plenty, LASTS, &loads);
    let record = play(&scenario, &Watch::NOBODY).unwrap();
    let mut took: Vec<Duration> = record.pages.iter().map(|page| page.took).collect();
    took.sort_unstable();
    let first = scenario.config.downstreams.iter();
    let first = first
        .enumerate()
        .find(|(_, d)| d.name.as_str() == "service-0");
    let (at, _) = first.unwrap();
    let in_use = record
        .slices
        .iter()
        .skip(10)
        .map(|slice| f64::from(slice.downstreams[at].permits));
    let in_use: Vec<f64> = in_use.collect();
    let mean = in_use.iter().sum::<f64>() / in_use.len() as f64;
    let squares: f64 = in_use.iter().map(|n| (n - mean).powi(2)).sum();
    Measured {
        in_use: mean,
        burstiness: squares / in_use.len() as f64 / mean,
        page_p99: took[took.len() * 99 / 100],
    }
}

/// Plays all phases and holds them against what the guide promises: returns what was not kept, and
/// figures of too few pages.
///
/// At the site's usual load 99.9 % of the pages are good, or 98 % where the rate itself varies; at
/// the worst load the site serves what its permits carry, fails one page in a hundred at most,
/// refuses as soon as was asked for, evicts one in twenty of those it refuses, and runs out of
/// neither tickets nor time.
pub(crate) fn rehearse(site: &Site, limits: &Limits) -> Vec<String> {
    let all = f64::from(site.gateways) * site.capacity(limits.permits);
    let good = if site.cv > 0.0 { "98%" } else { "99.9%" };
    let soon = site.refusals + 5;
    let Range { start, end } = worst(site);
    let length = end + 4;
    let expected = format!(
        "[[expect]]\nuntil = \"{start}s\"\ngood_pages = \">= {good}\"\npartial = \"<= 0.5%\"\n\
         [[expect]]\nfrom = \"{}s\"\nuntil = \"{end}s\"\ngoodput = \">= {}/s\"\nfailed = \"<= 1%\"\n\
         refusal_p99 = \"<= {soon}ms\"\nslowest = \"<= {}ms\"\nin_flight_max = \"<= {}\"\n\
         [[expect]]\nfrom = \"{end}s\"\nrecovery = \"<= 1s\"\n",
        start + 1,
        (all * 0.93).floor(),
        site.deadline,
        limits.tickets * site.gateways / 2,
    );
    let extra = site.worst - site.usual;
    let loads = loads(site, site.usual, [0, length]) + &loads(site, extra, [start, end]);
    let scenario = scenario(site, limits, length, &(loads + &expected));
    let record = play(&scenario, &Watch::NOBODY).unwrap();
    let verdict = Verdict::of(&scenario, &record);
    let mut broken: Vec<String> = verdict.to_string().lines().map(str::to_owned).collect();
    for row in verdict.rows.iter().filter(|row| row.pages < 100) {
        broken.push(format!(
            "{}: {} pages are too few",
            row.metric.name(),
            row.pages
        ));
    }
    let of = |reason| refusals(&record, &worst(site), reason);
    let (refused, evicted) = (of(None), of(Some("queue_evicted")));
    if refused < 200 {
        broken.push(format!("{refused} refusals are too few"));
    }
    if evicted * 20 > refused {
        broken.push(format!("{evicted} of {refused} refusals are evictions"));
    }
    let full = of(Some("gateway_full"));
    if full > 0 {
        broken.push(format!("{full} refusals for want of tickets"));
    }
    broken
}

/// Refusals of pages that arrived within these seconds, for this reason.
fn refusals(record: &Record, seconds: &Range<u64>, reason: Option<&str>) -> usize {
    let pages = record.pages.iter().filter(|page| {
        let refused = page.is_refused() && seconds.contains(&page.at.as_secs());
        refused && reason.is_none_or(|reason| page.reason == Some(reason))
    });
    pages.count()
}
