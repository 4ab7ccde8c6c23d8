use std::collections::BTreeSet;
use std::time::Duration;

use super::series::Values;
use super::*;
use crate::config;
use crate::outcome::{Reason, Scope, ShedBy};
use crate::telemetry::names::metrics::{self as table, Kind};
use crate::telemetry::names::{BadContext, Dropped, TraceDecision};

/// The shipped configuration, without an agent: its exporter's thread would stay.
fn configured() -> Config {
    let none = [("GATEWAY__TELEMETRY__DOGSTATSD".to_owned(), String::new())];
    config::load_text("test.toml", config::default_text(), &none)
        .unwrap()
        .config
}

fn named() -> Configured {
    Configured::new(&configured())
}

fn meters() -> Meters {
    let (meters, dogstatsd) = Meters::new(&configured(), &Arc::new(named()));
    assert!(dogstatsd.is_none());
    meters
}

fn scraped(meters: &Meters, gauges: Gauges) -> String {
    meters.publish(gauges);
    meters.prometheus()
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
}

#[test]
fn every_metric_is_there_from_the_start_with_its_type_and_its_meaning() {
    let text = scraped(&meters(), Gauges::default());
    let mut expected = BTreeSet::new();
    for metric in table::ALL {
        let name = metric.prometheus();
        assert_line(&text, &format!("# TYPE {name} {}", metric.kind.as_str()));
        assert_line(&text, &format!("# HELP {name} {}", metric.meaning));
        expected.insert(name);
    }
    expected.extend(process::FIGURES.iter().map(|figure| figure.name.to_owned()));
    let typed = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let found: BTreeSet<_> = typed
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn every_metric_of_the_table_has_somebody_who_feeds_it() {
    let meters = meters();
    let all = meters.measured.as_ref().unwrap().series.all();
    for metric in table::ALL {
        let fed = all.iter().find(|(fed, _)| *fed == metric);
        let (_, values) = fed.unwrap_or_else(|| panic!("nobody feeds {}", metric.name));
        let kind = match values {
            Values::Counters(_) => Kind::Counter,
            Values::Gauges(_) => Kind::Gauge,
            Values::Histograms(_) => Kind::Histogram,
        };
        assert_eq!(kind, metric.kind, "{}", metric.name);
    }
    assert_eq!(all.len(), table::ALL.len());
}

#[test]
fn an_event_shows_in_its_own_series_and_in_no_other() {
    let meters = meters();
    let ms = Duration::from_millis;
    meters.page(PageId(0), PageOutcome::Late, ms(300));
    meters.call(DownstreamId(4), CallOutcome::Cancelled, ms(12));
    meters.call(DownstreamId(4), CallOutcome::Cancelled, ms(12));
    meters.wait(PageId(0), ms(3));
    meters.overhead(PageId(0), ms(1));
    meters.lag(ms(15));
    let pricing = Scope::Downstream(DownstreamId(1));
    let evicted = ShedBy::of(Reason::QueueEvicted, pricing).unwrap();
    meters.counts().shed(evicted);
    meters.counts().part_shed(DownstreamId(3));
    meters.counts().retry(DownstreamId(2));
    meters.counts().trace(TraceDecision::Unsampled);
    meters.counts().dropped(Dropped::LogQueueFull, 7);
    meters.counts().bad_context(BadContext::Datadog);
    let gauges = Gauges {
        in_flight: 9,
        tickets: 12,
        queued: vec![5],
        in_use: vec![0, 64, 0, 0, 1],
        endpoints: vec![1, 3, 1, 1, 0],
        ejected: vec![0, 2, 0, 0, 0],
    };
    let text = scraped(&meters, gauges);
    let page = "page=\"product-page\"";
    let call = "downstream=\"recommendations\",outcome=\"cancelled\"";
    for line in [
        format!("gateway_pages_total{{{page},outcome=\"late\"}} 1"),
        // An edge is part of its bucket.
        format!("gateway_page_duration_seconds_bucket{{{page},outcome=\"late\",le=\"0.25\"}} 0"),
        format!("gateway_page_duration_seconds_bucket{{{page},outcome=\"late\",le=\"0.3\"}} 1"),
        format!("gateway_page_duration_seconds_sum{{{page},outcome=\"late\"}} 0.3"),
        format!("gateway_calls_total{{{call}}} 2"),
        format!("gateway_call_duration_seconds_count{{{call}}} 2"),
        format!("gateway_admission_wait_seconds_sum{{{page}}} 0.003"),
        format!("gateway_overhead_seconds_count{{{page}}} 1"),
        "gateway_shed_total{reason=\"queue_evicted\",scope=\"downstream:pricing\"} 1".into(),
        "gateway_parts_shed_total{downstream=\"reviews\"} 1".into(),
        "gateway_retries_total{downstream=\"inventory\"} 1".into(),
        "gateway_telemetry_traces_total{decision=\"unsampled\"} 1".into(),
        "gateway_telemetry_dropped_total{signal=\"logs\",cause=\"queue_full\"} 7".into(),
        "gateway_telemetry_bad_context_total{header=\"x-datadog\"} 1".into(),
        "gateway_in_flight 9".into(),
        "gateway_tickets_effective 12".into(),
        "gateway_lag_seconds_bucket{le=\"0.01\"} 0".into(),
        "gateway_lag_seconds_bucket{le=\"0.02\"} 1".into(),
        format!("gateway_queue_depth{{{page}}} 5"),
        "gateway_bulkhead_in_use{downstream=\"pricing\"} 64".into(),
        "gateway_endpoints{downstream=\"pricing\"} 3".into(),
        "gateway_endpoints_ejected{downstream=\"pricing\"} 2".into(),
        "gateway_in_flight_limit 1024".into(),
        format!("gateway_queue_limit{{{page}}} 64"),
        "gateway_bulkhead_limit{downstream=\"pricing\"} 64".into(),
        format!("gateway_page_deadline_seconds{{{page}}} 0.3"),
    ] {
        assert_line(&text, &line);
    }
    let counted = text.lines().filter(|line| line.contains("_total{"));
    let of_counters = counted.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    assert_eq!(of_counters.sum::<u64>(), 1 + 2 + 1 + 1 + 1 + 1 + 7 + 1);
}

#[test]
fn a_number_is_passed_on_once_however_often_it_is_published() {
    let meters = meters();
    let line = |n| format!("gateway_retries_total{{downstream=\"product\"}} {n}");
    for n in 1..4 {
        meters.counts().retry(DownstreamId(0));
        for _ in 0..3 {
            assert_line(&scraped(&meters, Gauges::default()), &line(n));
        }
    }
}

#[test]
fn what_has_no_limit_has_no_series_of_one() {
    let changes = [
        ("GATEWAY__TELEMETRY__DOGSTATSD".to_owned(), String::new()),
        (
            "GATEWAY__DOWNSTREAM__REVIEWS__PERMITS".to_owned(),
            "0".to_owned(),
        ),
        (
            "GATEWAY__PAGE__PRODUCT_PAGE__DEADLINE".to_owned(),
            "none".to_owned(),
        ),
    ];
    let config = config::load_text("test.toml", config::default_text(), &changes);
    let config = config.unwrap().config;
    let (meters, _) = Meters::new(&config, &Arc::new(Configured::new(&config)));
    let text = meters.prometheus();
    assert!(!text.contains("gateway_bulkhead_limit{downstream=\"reviews\"}"));
    assert!(text.contains("gateway_bulkhead_in_use{downstream=\"reviews\"}"));
    assert!(!text.contains("gateway_page_deadline_seconds{"));
}

#[test]
fn a_histogram_has_no_series_before_its_first_value_and_a_counter_has() {
    let meters = meters();
    let of = |outcome: &str| format!("page=\"product-page\",outcome=\"{outcome}\"");
    meters.page(PageId(0), PageOutcome::Complete, Duration::from_millis(1));
    let text = scraped(&meters, Gauges::default());
    let late = of("late");
    assert_line(&text, &format!("gateway_pages_total{{{late}}} 0"));
    assert!(!text.contains(&format!("gateway_page_duration_seconds_count{{{late}}}")));
    let complete = of("complete");
    let count = format!("gateway_page_duration_seconds_count{{{complete}}} 1");
    assert_line(&text, &count);
}

#[test]
fn every_page_has_the_same_buckets_whatever_its_deadline() {
    let edges = |deadline: &str| {
        let changes = [
            ("GATEWAY__TELEMETRY__DOGSTATSD".to_owned(), String::new()),
            (
                "GATEWAY__PAGE__PRODUCT_PAGE__DEADLINE".to_owned(),
                deadline.to_owned(),
            ),
        ];
        let config = config::load_text("test.toml", config::default_text(), &changes);
        let config = config.unwrap().config;
        let (meters, _) = Meters::new(&config, &Arc::new(Configured::new(&config)));
        meters.page(PageId(0), PageOutcome::Late, Duration::from_millis(1));
        let text = meters.prometheus();
        let buckets = text
            .lines()
            .filter(|line| line.contains("page_duration_seconds_bucket{"));
        let buckets: Vec<_> = buckets.map(str::to_owned).collect();
        assert_eq!(buckets.len(), 17);
        buckets
    };
    assert_eq!(edges("300ms"), edges("777ms"));
}

#[test]
fn a_downstream_that_no_page_uses_has_no_series() {
    let text = format!(
        "{}\n[downstream.idler]\nurl = \"http://127.0.0.1:9\"\n",
        config::default_text()
    );
    let none = [("GATEWAY__TELEMETRY__DOGSTATSD".to_owned(), String::new())];
    let config = config::load_text("test.toml", &text, &none).unwrap().config;
    let (meters, _) = Meters::new(&config, &Arc::new(Configured::new(&config)));
    let text = meters.prometheus();
    assert!(!text.contains("idler"), "{text}");
    assert!(text.contains("gateway_calls_total{downstream=\"reviews\",outcome=\"ok\"} 0"));
    assert!(text.contains("scope=\"downstream:reviews\"} 0"));
}

#[test]
fn a_version_can_be_any_text() {
    let version = ("DD_VERSION".to_owned(), "1 \"b\\c".to_owned());
    let none = ("GATEWAY__TELEMETRY__DOGSTATSD".to_owned(), String::new());
    let config = config::load_text("test.toml", config::default_text(), &[version, none]);
    let config = config.unwrap().config;
    let (meters, _) = Meters::new(&config, &Arc::new(Configured::new(&config)));
    let line = r#"gateway_build_info{version="1 \"b\\c"} 1"#;
    assert_line(&meters.prometheus(), line);
}

#[test]
fn meters_nobody_hears_count_all_the_same() {
    let meters = Meters::unheard(&named());
    meters.page(PageId(0), PageOutcome::Complete, Duration::ZERO);
    meters.publish(Gauges::default());
    assert_eq!(meters.counts().pages(PageId(0), PageOutcome::Complete), 1);
    assert_eq!(meters.prometheus(), "");
}

/// Another configuration than the shipped one, without an agent.
fn reconfigured(text: &str) -> Config {
    let none = [("GATEWAY__TELEMETRY__DOGSTATSD".to_owned(), String::new())];
    let loaded = config::load_text("test.toml", text, &none);
    loaded.unwrap_or_else(|report| panic!("{report}")).config
}

#[test]
fn what_is_counted_and_measured_of_a_name_goes_on_and_ends_with_it() {
    let other =
        "[page.other]\npath = \"/other\"\npart.a = { downstream = \"product\", path = \"/\" }\n";
    let (was, now) = (
        // Before the page that stays, so that its number is another one.
        reconfigured(&format!("{other}{}", config::default_text())),
        configured(),
    );
    let (before, _) = Meters::new(&was, &Arc::new(Configured::new(&was)));
    for page in 0..2 {
        before.page(
            PageId(page),
            PageOutcome::Complete,
            Duration::from_millis(1),
        );
    }
    before.call(DownstreamId(1), CallOutcome::Ok, Duration::from_millis(1));
    before.counts().dropped(Dropped::LogQueueFull, 7);
    let kept = Kept::between(&was, &now);
    let after = before.carried(&now, &Arc::new(Configured::new(&now)), &kept);
    // Also what ends by the configuration before.
    before.page(PageId(1), PageOutcome::Complete, Duration::from_millis(1));
    let text = scraped(&after, Gauges::default());
    let of = "page=\"product-page\",outcome=\"complete\"";
    assert_line(&text, &format!("gateway_pages_total{{{of}}} 2"));
    assert_line(
        &text,
        &format!("gateway_page_duration_seconds_count{{{of}}} 2"),
    );
    assert_line(
        &text,
        "gateway_calls_total{downstream=\"pricing\",outcome=\"ok\"} 1",
    );
    assert_line(
        &text,
        "gateway_telemetry_dropped_total{signal=\"logs\",cause=\"queue_full\"} 7",
    );
    assert!(!text.contains("page=\"other\""), "{text}");
}

#[test]
fn an_agent_is_told_of_a_count_once_whatever_configurations_come() {
    let (was, now) = (configured(), configured());
    let (before, _) = Meters::new(&was, &Arc::new(Configured::new(&was)));
    let page = || before.page(PageId(0), PageOutcome::Complete, Duration::ZERO);
    let untold = |meters: &Meters| -> u64 {
        let all = meters.counts().all();
        let (_, pages) = all
            .into_iter()
            .find(|(of, _)| *of == &table::PAGES)
            .unwrap();
        pages.into_iter().map(|counter| counter.untold()).sum()
    };
    page();
    page();
    assert_eq!(untold(&before), 2);
    page();
    let kept = Kept::between(&was, &now);
    let after = before.carried(&now, &Arc::new(Configured::new(&now)), &kept);
    page();
    assert_eq!(untold(&after), 2);
    assert_eq!((untold(&before), untold(&after)), (0, 0));
}
