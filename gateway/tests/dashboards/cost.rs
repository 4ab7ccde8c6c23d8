//! What telemetry costs those who pay by the series: the numbers in the document, computed
//! from the table of metrics and the shipped files. `UPDATE_GOLDEN=1` writes them anew.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use gateway::config::{self, Config, DownstreamId, PageId};
use gateway::outcome::{CallOutcome, PageOutcome, PartStatus, ShedBy};
use gateway::page::deadline::{now, wall_clock};
use gateway::telemetry::Telemetry;
use gateway::telemetry::context::TraceContext;
use gateway::telemetry::names::metrics::{self, Kind, Metric, Tag};
use gateway::telemetry::names::{BadContext, Dropped, ReloadOutcome, TraceDecision, Unreadable};
use gateway::telemetry::record::{CallRecord, Origin, PageRecord, PartRecord, TimeSpan};
use regex::Regex;

use crate::files::{read, write};

/// Custom metrics that Datadog counts for each combination of a distribution's tags, when it
/// keeps percentiles: count, sum, min, max, avg, and p50, p75, p90, p95, p99.
/// <https://docs.datadoghq.com/account_management/billing/custom_metrics/>
const OF_A_DISTRIBUTION: usize = 10;

const DOCUMENT: &str = "docs/observability.md";

/// How large a fleet is; one gateway on each host.
#[derive(Clone, Copy, Debug)]
struct Fleet {
    pages: usize,
    downstreams: usize,
    hosts: usize,
}

/// Most combinations that the metric's own tags can have.
fn combinations(metric: &Metric, fleet: Fleet) -> usize {
    match metric.tags {
        [Tag::Reason, Tag::Scope] => ShedBy::all(fleet.downstreams).count(),
        [Tag::Signal, Tag::Cause] => Dropped::ALL.len(),
        tags => tags.iter().map(|tag| values(*tag, fleet)).product(),
    }
}

fn values(tag: Tag, fleet: Fleet) -> usize {
    match tag {
        Tag::Page => fleet.pages,
        Tag::Downstream => fleet.downstreams,
        Tag::PageOutcome => PageOutcome::ALL.len(),
        Tag::CallOutcome => CallOutcome::ALL.len(),
        Tag::ReloadOutcome => ReloadOutcome::ALL.len(),
        Tag::Decision => TraceDecision::ALL.len(),
        Tag::Header => BadContext::ALL.len(),
        Tag::Kind => Unreadable::ALL.len(),
        Tag::Version => 1,
        Tag::Reason | Tag::Scope | Tag::Signal | Tag::Cause => {
            panic!("{tag:?} comes with another tag")
        }
    }
}

fn sum(kind: Kind, fleet: Fleet) -> usize {
    let metrics = metrics::ALL.iter().filter(|metric| metric.kind == kind);
    metrics.map(|metric| combinations(metric, fleet)).sum()
}

/// Custom metrics at Datadog.
#[derive(Debug)]
struct Bill {
    counters: usize,
    gauges: usize,
    distributions: usize,
}

impl Bill {
    /// The agent puts its `host` on everything; Datadog files what it keeps percentiles of
    /// under the configured tags only. Lag, which has no tag of its own, is kept by host.
    fn of(fleet: Fleet) -> Self {
        Self {
            counters: sum(Kind::Counter, fleet) * fleet.hosts,
            gauges: sum(Kind::Gauge, fleet) * fleet.hosts,
            distributions: (sum(Kind::Histogram, fleet) + fleet.hosts - 1) * OF_A_DISTRIBUTION,
        }
    }

    fn total(&self) -> usize {
        self.counters + self.gauges + self.distributions
    }
}

/// `5800` as `5 800`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

const FLEETS: [Fleet; 3] = [
    Fleet {
        pages: 1,
        downstreams: 5,
        hosts: 2,
    },
    Fleet {
        pages: 10,
        downstreams: 10,
        hosts: 20,
    },
    Fleet {
        pages: 50,
        downstreams: 20,
        hosts: 20,
    },
];

const KINDS: [(Kind, &str); 3] = [
    (Kind::Counter, "counters"),
    (Kind::Gauge, "gauges"),
    (Kind::Histogram, "distributions"),
];

/// What each gateway, each page and each downstream adds to the combinations of tags.
fn parts() -> String {
    let mut table = String::from(
        "| combinations of tags | of every gateway | for each page | for each downstream |\n\
         |---|---|---|---|\n",
    );
    let of = |kind, pages, downstreams| {
        let fleet = Fleet {
            pages,
            downstreams,
            hosts: 1,
        };
        sum(kind, fleet)
    };
    for (kind, name) in KINDS {
        let none = of(kind, 0, 0);
        let (page, downstream) = (of(kind, 1, 0) - none, of(kind, 0, 1) - none);
        // No metric has both tags, so it is a sum.
        assert_eq!(of(kind, 7, 3), none + 7 * page + 3 * downstream);
        let _ = writeln!(table, "| {name} | {none} | {page} | {downstream} |");
    }
    table
}

fn bills() -> String {
    let mut table = String::from(
        "| pages | downstreams | hosts | counters | gauges | distributions | all | \
         distributions, if `host` were among their tags |\n|---|---|---|---|---|---|---|---|\n",
    );
    for fleet in FLEETS {
        let bill = Bill::of(fleet);
        let numbers = [
            fleet.pages,
            fleet.downstreams,
            fleet.hosts,
            bill.counters,
            bill.gauges,
            bill.distributions,
            bill.total(),
            sum(Kind::Histogram, fleet) * OF_A_DISTRIBUTION * fleet.hosts,
        ];
        let _ = writeln!(table, "| {} |", numbers.map(grouped).join(" | "));
    }
    table
}

fn scrapes() -> String {
    let mut table = String::from(
        "| pages | downstreams | series at the start | usually | at most | kB at the start | \
         usually | at most | usually, compressed |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    let usual = [PageOutcome::Complete, PageOutcome::Late, PageOutcome::Shed];
    let calls = [CallOutcome::Ok, CallOutcome::Late];
    for fleet in FLEETS {
        let config = shop(fleet.pages, fleet.downstreams);
        let texts = [
            scrape(&config, &[], &[]),
            scrape(&config, &usual, &calls),
            scrape(&config, &PageOutcome::ALL, &CallOutcome::ALL),
        ];
        let series = texts.each_ref().map(|text| {
            let series = text.lines().filter(|line| !line.starts_with('#'));
            series.count()
        });
        let kilobytes = texts.each_ref().map(|text| text.len() / 1000);
        let numbers = [fleet.pages, fleet.downstreams].into_iter();
        let numbers = numbers.chain(series).chain(kilobytes);
        let numbers: Vec<_> = numbers.chain([zipped(&texts[1])]).map(grouped).collect();
        let _ = writeln!(table, "| {} |", numbers.join(" | "));
    }
    table
}

/// As the gateway sends it to those who take gzip, in kilobytes.
fn zipped(text: &str) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap().len() / 1000
}

#[test]
fn the_document_says_what_series_cost() {
    let mut document = read(DOCUMENT);
    for (name, table) in [
        ("combinations", parts()),
        ("custom metrics", bills()),
        ("scrapes", scrapes()),
    ] {
        let begin = format!("<!-- cost: {name} -->\n");
        let from = document.find(&begin).unwrap() + begin.len();
        let to = from + document[from..].find("<!-- end -->").unwrap();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            document.replace_range(from..to, &table);
            write(DOCUMENT, &document);
        } else {
            assert_eq!(&document[from..to], table, "{name} in {DOCUMENT}");
        }
    }
}

/// What Datadog is told to keep percentiles of, and by which tags.
fn configured_percentiles() -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let file = read("dashboards/terraform/percentiles.tf");
    let words = |list: &str| {
        let words = list.split(',').map(|word| word.trim().trim_matches('"'));
        let words = words.filter(|word| !word.is_empty());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let own = Regex::new(r#""(gateway\.[a-z_.]+)"\s*=\s*\[([^\]]*)\]"#).unwrap();
    let own = own.captures_iter(&file);
    let own = own.map(|found| (found[1].to_owned(), words(&found[2])));
    let every = Regex::new(r"tags\s*=\s*concat\(each\.value, \[([^\]]*)\]\)").unwrap();
    let every = words(&every.captures(&file).unwrap()[1]);
    (own.collect(), every)
}

#[test]
fn percentiles_are_kept_of_every_distribution_by_its_own_tags_and_only_of_lag_by_host() {
    let (own, every) = configured_percentiles();
    assert_eq!(every, ["service", "env", "version"]);
    let histograms = metrics::ALL.iter().filter(|m| m.kind == Kind::Histogram);
    let mut expected: Vec<_> = histograms
        .map(|metric| {
            let host = (*metric == metrics::LAG).then_some("host");
            let tags = metric.tags.iter().map(|tag| tag.as_str()).chain(host);
            let tags = tags.map(str::to_owned);
            (metric.name.to_owned(), tags.collect::<Vec<_>>())
        })
        .collect();
    let mut own = own;
    own.sort();
    expected.sort();
    assert_eq!(own, expected);
}

/// A shop of so many pages of five parts each, from so many services.
fn shop(pages: usize, downstreams: usize) -> Config {
    let mut text =
        String::from("[telemetry]\nexporter = \"none\"\ndogstatsd = \"\"\nservice = \"shop\"\n");
    for n in 0..downstreams {
        let _ = writeln!(
            text,
            "[downstream.service-{n}]\nurl = \"http://127.0.0.1:9\""
        );
    }
    for page in 0..pages {
        let _ = writeln!(text, "[page.page-{page}]\npath = \"/page-{page}/{{id}}\"");
        for part in 0..5 {
            let _ = writeln!(
                text,
                "[page.page-{page}.part.part-{part}]\ndownstream = \"service-{}\"\n\
                 path = \"/p/{{id}}\"\nrequired = true",
                (page + part) % downstreams
            );
        }
    }
    config::load_text("shop.toml", &text, &[]).unwrap().config
}

/// A scrape of it when every page has ended in these ways, and calls of every service.
fn scrape(config: &Config, pages: &[PageOutcome], calls: &[CallOutcome]) -> String {
    let (telemetry, _exports) = Telemetry::exporting(config);
    let origin = Arc::new(Origin {
        arrived: now(),
        method: "GET",
        request_id: None,
        trace: TraceContext::new(),
    });
    // Only pages that made calls have an overhead.
    let called = PartRecord {
        status: PartStatus::Ok,
        call: Some(CallRecord {
            span_id: 1,
            span: TimeSpan {
                began: origin.arrived,
                took: Duration::ZERO,
            },
            lag: Duration::ZERO,
            budget_left: None,
            attempts: Vec::new(),
            http_status: None,
            body: None,
            failure: None,
        }),
    };
    for page in 0..config.pages.len() {
        for outcome in pages {
            let record = PageRecord {
                parts: vec![called.clone()],
                ended_at: wall_clock(),
                outcome: *outcome,
                ..PageRecord::open(
                    PageId(page),
                    Arc::clone(telemetry.names()),
                    Arc::clone(&origin),
                )
            };
            telemetry.page_ended(&Arc::new(record));
        }
    }
    for downstream in 0..config.downstreams.len() {
        for outcome in calls {
            telemetry.call_ended(DownstreamId(downstream), *outcome, Duration::ZERO);
        }
    }
    // What a process takes has more digits on some days.
    let text = telemetry.prometheus();
    let (text, _) = text.split_once("# HELP process_").unwrap();
    text.to_owned()
}

/// The line of the example is folded for the document, with a space after each comma.
#[test]
fn the_document_says_how_long_a_line_of_the_log_is() {
    let document = read(DOCUMENT);
    let from = document.find("{\"timestamp\"").unwrap();
    let to = from + document[from..].find("\n```").unwrap();
    let line = document[from..to].replace('\n', "").replace(", \"", ",\"");
    let length = line.len() as f64 / 1000.0;
    let told = format!("a line of some {length:.1} kB of JSON");
    assert!(document.contains(&told), "not in {DOCUMENT}: {told}");
}
