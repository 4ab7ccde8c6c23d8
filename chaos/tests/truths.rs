//! Runs whose verdicts used to mislead, each with what is true of it.
//!
//! Those that come with the program as scenarios are not here again: `refused-within-quota`,
//! `late-pages-retried`, `impatience-pays`, `all-overloaded-parts-at-once`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
use chaos::play::Watch;
use chaos::scenario::{Scenario, Text};
use chaos::simulated::play;
use chaos::verdict::{Judgement, Row, Verdict};

/// 80 ms each, and 24 workers for pricing.
const SERVICES: &str = r#"
[downstream]
product.latency = { lognormal = { p50 = "80ms", p99 = "120ms" } }
inventory.latency = { lognormal = { p50 = "80ms", p99 = "120ms" } }
reviews.latency = { lognormal = { p50 = "80ms", p99 = "120ms" } }
recommendations.latency = { lognormal = { p50 = "80ms", p99 = "120ms" } }
pricing = { latency = { lognormal = { p50 = "80ms", p99 = "120ms" } }, workers = 24 }
"#;

fn load(text: &str) -> Result<Scenario, String> {
    let text = Text {
        name: "test.toml".to_owned(),
        text: text.to_owned(),
    };
    Scenario::load(&text, &Text::default_config()).map_err(|report| report.to_string())
}

fn verdict(text: &str) -> Verdict {
    let scenario = load(text).unwrap_or_else(|report| panic!("{report}"));
    Verdict::of(&scenario, &play(&scenario, &Watch::NOBODY).unwrap())
}

/// Line by line, in the order in which figures are shown.
fn judgements(verdict: &Verdict) -> Vec<(&'static str, Judgement)> {
    let rows = verdict.rows.iter();
    rows.map(|row| (row.metric.name(), row.judgement)).collect()
}

fn row<'a>(verdict: &'a Verdict, name: &str) -> &'a Row {
    let mut rows = verdict.rows.iter();
    rows.find(|row| row.metric.name() == name).unwrap()
}

#[test]
fn clients_that_all_leave_before_the_deadline_are_an_outage() {
    let verdict = verdict(
        r#"
        title = "t"
        length = "30s"
        [[load]]
        rate = "100/s"
        patience = "250ms"
        [[fault]]
        downstream = "pricing"
        from = "10s"
        until = "20s"
        latency = { fixed = "1500ms" }
        [[expect]]
        from = "10s"
        until = "19s"
        sli = "== 0%"
        owed = ">= 99%"
        abandoned = ">= 99%"
        any_p99 = ">= 250ms"
        "#,
    );
    assert!(verdict.is_ok(), "{verdict}");
}

#[test]
fn a_service_that_never_recovers_has_never_recovered() {
    let never = |bound: &str| {
        format!(
            r#"
            title = "t"
            length = "25s"
            [[load]]
            rate = "200/s"
            [[fault]]
            downstream = "pricing"
            from = "10s"
            latency = {{ fixed = "5s" }}
            [[expect]]
            from = "20s"
            until = "25s"
            recovery = "{bound}"
            "#
        )
    };
    let report = load(&never("<= 5s")).unwrap_err();
    assert!(
        report.contains("is not shorter than its window"),
        "{report}"
    );
    let verdict = verdict(&never("<= 4900ms"));
    let row = row(&verdict, "recovery");
    assert_eq!(
        (row.shown().as_str(), row.judgement),
        ("never", Judgement::Missed)
    );
}

#[test]
fn clients_that_waited_two_seconds_and_left_count_as_two_seconds() {
    let verdict = verdict(
        r#"
        title = "t"
        length = "20s"
        [config.page.product-page]
        deadline = "3s"
        [[load]]
        rate = "100/s"
        patience = "2s"
        [[fault]]
        downstream = "pricing"
        from = "10s"
        latency = { bimodal = { fast = "80ms", slow = "2500ms", slow_share = 0.5 } }
        [[expect]]
        from = "10s"
        until = "17s"
        p99 = "<= 300ms"
        any_p99 = "<= 300ms"
        slowest = "<= 300ms"
        "#,
    );
    let expected = [
        ("p99", Judgement::Met),
        ("any_p99", Judgement::Missed),
        ("slowest", Judgement::Missed),
    ];
    assert_eq!(judgements(&verdict), expected);
    assert_eq!(row(&verdict, "slowest").shown(), "2000ms");
}

#[test]
fn a_hundredth_of_errors_is_no_incident_whatever_the_rate_and_the_window() {
    for rate in [20, 100] {
        for from in (5..15).step_by(3) {
            let verdict = verdict(&format!(
                r#"
                title = "t"
                length = "30s"
                [downstream.pricing]
                latency = {{ fixed = "80ms" }}
                errors = [{{ share = 0.01, kind = "reset" }}]
                [[load]]
                rate = "{rate}/s"
                [[expect]]
                from = "{from}s"
                recovery = "<= 3s"
                "#
            ));
            assert!(verdict.is_ok(), "{rate} {from}: {verdict}");
        }
    }
}

#[test]
fn a_percentile_of_fewer_pages_than_it_needs_is_not_enough() {
    let of = |rate: u32, bound: &str| {
        verdict(&format!(
            "title = \"t\"\nlength = \"2s\"\n[[load]]\nrate = \"{rate}/s\"\narrivals = \"constant\"\n[[expect]]\n{bound}\n"
        ))
    };
    for (rate, bound, needs) in [
        (3, "p999 = \"<= 1s\"", 1000),
        (400, "p999 = \"<= 1s\"", 1000),
        (40, "p99 = \"<= 1s\"", 100),
        (40, "any_p99 = \"<= 1s\"", 100),
        // Nobody is refused.
        (200, "refusal_p99 = \"<= 1s\"", 100),
        (9, "recovery = \"<= 1s\"", 20),
    ] {
        let verdict = of(rate, bound);
        assert!(!verdict.is_ok(), "{bound}");
        assert_eq!(
            verdict.rows[0].judgement,
            Judgement::NotEnough { needs },
            "{bound}"
        );
    }
    assert!(of(600, "p999 = \"<= 1s\"").is_ok());
    assert_eq!(of(600, "p999 = \"<= 1s\"").rows[0].pages, 1200);
}

#[test]
fn a_rate_in_bursts_needs_more_than_the_same_rate_without() {
    let good = |arrivals: &str| {
        let verdict = verdict(&format!(
            "title = \"t\"\nlength = \"30s\"\nconfig.downstream.pricing.permits = 26\n{SERVICES}\n[[load]]\nrate = \"200/s\"\n\
             arrivals = {arrivals}\n[[expect]]\ngood_pages = \">= 99.9%\"\n"
        ));
        (verdict.is_ok(), verdict.rows[0].measured.unwrap())
    };
    let (poisson, bursty) = (good("\"poisson\""), good("{ cv = 0.55 }"));
    assert!(poisson.0, "{poisson:?}");
    assert!(!bursty.0 && bursty.1 < 0.97, "{bursty:?}");
}

#[test]
fn permits_that_lose_nothing_lose_most_where_services_contend() {
    let goodput = |permits: u32, contention: f64| {
        let pricing = format!("workers = 24, contention = {contention:?}");
        let services = SERVICES.replace("workers = 24", &pricing);
        let verdict = verdict(&format!(
            "title = \"t\"\nlength = \"15s\"\nconfig.downstream.pricing.permits = {permits}\n{services}\n\
             [[load]]\nrate = \"600/s\"\n[[expect]]\nfrom = \"5s\"\ngoodput = \">= 280/s\"\n"
        ));
        (verdict.is_ok(), verdict.rows[0].measured.unwrap())
    };
    assert!(goodput(26, 0.0).0 && goodput(64, 0.0).0);
    assert!(goodput(26, 0.01).0);
    let (ok, many) = goodput(64, 0.01);
    assert!(!ok && many < 150.0, "{many}");
}

#[test]
fn what_a_service_began_while_it_was_slow_it_does_not_finish_sooner() {
    let text = r#"
        title = "t"
        length = "10s"
        [config.page.product-page]
        deadline = "20s"
        [[load]]
        rate = "25/s"
        [[fault]]
        downstream = "pricing"
        from = "2s"
        until = "4s"
        latency = { fixed = "5s" }
    "#;
    let record = play(&load(text).unwrap(), &Watch::NOBODY).unwrap();
    let during = record
        .pages
        .iter()
        .filter(|page| (2000..4000).contains(&page.at.as_millis()));
    let times: Vec<_> = during.map(|page| page.took.as_millis()).collect();
    assert!(
        times.len() > 30 && times.iter().all(|took| *took >= 5000),
        "{times:?}"
    );
}

#[test]
fn a_service_of_half_a_millisecond_carries_what_it_should() {
    let verdict = verdict(
        r#"
        title = "t"
        length = "10s"
        config.downstream.pricing.permits = 4
        [downstream]
        product.latency = { fixed = "500us" }
        inventory.latency = { fixed = "500us" }
        pricing = { latency = { fixed = "500us" }, workers = 1 }
        [[load]]
        rate = "3000/s"
        [[expect]]
        from = "1s"
        goodput = ">= 1850/s"
        "#,
    );
    // One worker, half a millisecond a call: 2000 a second, of which whole milliseconds made half.
    assert!(verdict.is_ok(), "{verdict}");
}

#[test]
fn the_same_page_has_the_same_draws_under_another_config_and_beside_other_loads() {
    let failed = |more: &str, limits: &str| {
        let text = format!(
            "title = \"t\"\nlength = \"10s\"\n{limits}\n[downstream.pricing]\nerrors = [{{ share = 0.1, kind = \"reset\" }}]\n\
             [[load]]\nrate = \"100/s\"\n{more}"
        );
        let record = play(&load(&text).unwrap(), &Watch::NOBODY).unwrap();
        let pages = record.pages.into_iter().filter(|page| page.load == 0);
        let failed = pages.filter(|page| !page.is_served()).map(|page| page.at);
        failed.collect::<Vec<_>>()
    };
    let alone = failed("", "");
    assert!((60..140).contains(&alone.len()), "{}", alone.len());
    let other_load = "[[load]]\nrate = \"70/s\"\n";
    assert_eq!(failed(other_load, ""), alone);
    let other_limits = "config.page.product-page.part.reviews.timeout = \"30ms\"\nconfig.downstream.pricing.permits = 40";
    assert_eq!(failed("", other_limits), alone);
}
