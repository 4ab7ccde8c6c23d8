//! From two scrapes to the text, without a gateway.

use std::time::Duration;

use serde_json::{Value, json};

use super::exposition::Samples;
use super::{Reading, ReadingsError, report};

const MINUTE: Duration = Duration::from_secs(60);

/// Metrics of a gateway with one page of two required parts and an optional one.
struct World {
    metrics: Vec<(String, f64)>,
    limits: Value,
}

impl World {
    /// After `pages` good pages of 20 ms calls, and lag of nearly nothing.
    fn after(pages: f64) -> Self {
        let mut metrics = Vec::new();
        let mut add = |series: &str, value: f64| metrics.push((series.to_owned(), value));
        for outcome in ["complete", "late", "cancelled", "quota"] {
            let of = if outcome == "complete" { pages } else { 0.0 };
            add(
                &format!("gateway_pages_total{{page=\"p\",outcome=\"{outcome}\"}}"),
                of,
            );
        }
        add("gateway_pages_owed_total{page=\"p\"}", pages);
        add("gateway_pages_good_total{page=\"p\"}", pages);
        add("gateway_pages_abandoned_total{page=\"p\"}", 0.0);
        add("gateway_answers_late_total{page=\"p\"}", 0.0);
        for downstream in ["pricing", "reviews", "stock"] {
            for (outcome, calls) in [
                ("ok", pages),
                ("failed", 0.0),
                ("late", 0.0),
                ("cancelled", 0.0),
            ] {
                let labels = format!("downstream=\"{downstream}\",outcome=\"{outcome}\"");
                let duration = "gateway_call_duration_seconds";
                add(&format!("gateway_calls_total{{{labels}}}"), calls);
                for edge in ["0.02", "0.3", "+Inf"] {
                    add(
                        &format!("{duration}_bucket{{{labels},le=\"{edge}\"}}"),
                        calls,
                    );
                }
                add(&format!("{duration}_sum{{{labels}}}"), calls * 0.02);
                add(&format!("{duration}_count{{{labels}}}"), calls);
            }
        }
        for edge in ["0.001", "0.05", "+Inf"] {
            add(
                &format!("gateway_lag_seconds_bucket{{le=\"{edge}\"}}"),
                10.0 * pages,
            );
        }
        add("gateway_lag_seconds_count", 10.0 * pages);
        add("gateway_lag_seconds_sum", 0.001 * pages);
        let downstream =
            || json!({"permits": 64, "endpoints": {"127.0.0.1:1": {"state": "in use"}}});
        let limits = json!({
            "gateway": {"pid": 7, "tickets": 8, "max_in_flight": 8, "tickets_because": "configured", "cpu_limit": null},
            "clients": {"known": 3},
            "downstreams": {"reviews": downstream(), "pricing": downstream(), "stock": downstream()},
        });
        Self { metrics, limits }
    }

    /// More of every series that has all of these words.
    fn more(mut self, words: &[&str], by: f64) -> Self {
        let mut found = 0;
        for (series, value) in &mut self.metrics {
            if words.iter().all(|word| series.contains(word)) {
                *value += by;
                found += 1;
            }
        }
        assert!(found > 0, "no series {words:?}");
        self
    }

    fn reading(&self) -> Reading {
        let lines = self
            .metrics
            .iter()
            .map(|(series, value)| format!("{series} {value}\n"));
        let part = |of: &str, required: bool| json!({"downstream": of, "required": required});
        Reading {
            samples: Samples::parse(&lines.collect::<String>()),
            limits: self.limits.clone(),
            config: json!({"page": {"p": {"deadline": "300ms", "part": {
                "reviews": part("reviews", false), "pricing": part("pricing", true), "stock": part("stock", true),
            }}}}),
        }
    }
}

/// The lines of what stands out, between two worlds.
fn stands_out(before: &World, after: &World) -> Vec<String> {
    let text = report(&before.reading(), &after.reading(), MINUTE).unwrap();
    let (_, rest) = text.split_once("first things first\n").unwrap();
    let (found, _) = rest.split_once("\n\n").unwrap();
    found.lines().map(|line| line.trim().to_owned()).collect()
}

/// `pages` whose call to `downstream` ran out of time.
fn late(world: World, downstream: &str, pages: f64) -> World {
    let of = format!("\"{downstream}\"");
    world
        .more(&["calls_total", &of, "\"late\""], pages)
        .more(&["call_duration_seconds_count", &of, "\"late\""], pages)
        .more(
            &["call_duration_seconds_sum", &of, "\"late\""],
            pages * 0.29,
        )
        .more(&["pages_owed"], pages)
        .more(&["pages_total", "\"late\""], pages)
}

#[test]
fn a_healthy_minute_stands_out_by_nothing() {
    assert_eq!(
        stands_out(&World::after(100.0), &World::after(700.0)),
        ["nothing"]
    );
}

#[test]
fn an_older_fault_of_another_service_does_not_show() {
    let old = |pages| late(World::after(pages), "stock", 5000.0);
    let found = stands_out(&old(100.0), &late(old(200.0), "pricing", 500.0));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with(
            "1. pricing (required by p): 83.3 % of its calls were late: cut off after 290 ms"
        ),
        "{found:?}"
    );
}

#[test]
fn means_and_percentiles_are_of_the_time_in_between() {
    let before = late(World::after(1000.0), "pricing", 5000.0);
    let after = late(World::after(1600.0), "pricing", 5000.0);
    let text = report(&before.reading(), &after.reading(), MINUTE).unwrap();
    let pricing = text
        .lines()
        .find(|line| line.starts_with("pricing"))
        .unwrap();
    let words: Vec<&str> = pricing.split_whitespace().collect();
    assert_eq!(
        words[..8],
        ["pricing", "yes", "10.0", "20", "ms", "20", "ms", "-"]
    );
    assert!(text.contains("owed 600 (10.0/s): good 100.0 %"), "{text}");
}

#[test]
fn required_parts_stand_before_optional_ones_and_are_marked() {
    let text = report(
        &World::after(1.0).reading(),
        &World::after(2.0).reading(),
        MINUTE,
    )
    .unwrap();
    let at = |name: &str| {
        text.lines()
            .position(|line| line.starts_with(name))
            .unwrap()
    };
    assert!(
        at("pricing") < at("reviews") && at("stock") < at("reviews"),
        "{text}"
    );
    assert!(
        text.contains("requires pricing, stock; can do without reviews"),
        "{text}"
    );
}

#[test]
fn lag_comes_before_the_services_it_makes_look_slow() {
    let after = late(World::after(200.0), "pricing", 500.0);
    let after = after
        .more(&["lag_seconds_bucket", "+Inf"], 900.0)
        .more(&["lag_seconds_count"], 900.0);
    let found = stands_out(&World::after(100.0), &after);
    assert!(
        found[0].starts_with("1. the gateway itself is short of CPU"),
        "{found:?}"
    );
    assert!(found[1].contains("pricing"), "{found:?}");
}

#[test]
fn clients_that_gave_up_waited_for_the_service_that_did_not_answer() {
    let cancelled = |world: World| {
        let of = ["\"pricing\"", "\"cancelled\""];
        world
            .more(&[&["calls_total"], &of[..]].concat(), 500.0)
            .more(&[&["call_duration_seconds_count"], &of[..]].concat(), 500.0)
            .more(&[&["call_duration_seconds_sum"], &of[..]].concat(), 100.0)
            .more(&["pages_total", "\"cancelled\""], 500.0)
            .more(&["pages_owed"], 500.0)
            .more(&["pages_abandoned"], 500.0)
    };
    let found = stands_out(&World::after(100.0), &cancelled(World::after(200.0)));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("gave up waiting for 83.3 %"), "{found:?}");
    assert!(
        found[0].contains("pricing (required): 83 % of its calls had no answer, 200 ms after"),
        "{found:?}"
    );
}

#[test]
fn endpoints_that_are_set_aside_or_missing_are_named() {
    let mut after = World::after(200.0);
    after.limits["downstreams"]["pricing"]["endpoints"]["127.0.0.1:2"] =
        json!({"state": "ejected"});
    after.limits["downstreams"]["reviews"]["endpoints"] = json!({});
    let found = stands_out(&World::after(100.0), &after);
    assert!(
        found[0].contains("pricing (required by p): 1 of 2 endpoints are set aside: 127.0.0.1:2"),
        "{found:?}"
    );
    assert!(
        found[1].contains("reviews (optional: costs no page): its name resolves to no address"),
        "{found:?}"
    );
}

#[test]
fn a_few_events_are_no_share() {
    let found = stands_out(
        &World::after(100.0),
        &late(World::after(110.0), "pricing", 9.0),
    );
    assert_eq!(found, ["nothing"]);
}

#[test]
fn a_restart_in_between_is_said() {
    let (before, after) = (World::after(100.0).reading(), World::after(20.0).reading());
    let error = report(&before, &after, MINUTE).unwrap_err();
    assert!(matches!(error, ReadingsError::Restarted), "{error}");
}
