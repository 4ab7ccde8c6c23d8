//! What a person reads who has made a mistake in a scenario: all of them at once, each with its
//! place, its line and a remedy, as for a config.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
use chaos::scenario::{Scenario, Text};
use chaos::verdict::World;

fn refused(text: &str) -> String {
    let text = Text {
        name: "my.toml".to_owned(),
        text: text.to_owned(),
    };
    let loaded = Scenario::load(&text, &Text::default_config());
    loaded.unwrap_err().to_string()
}

const GOOD: &str = "title = \"t\"\nlength = \"10s\"\n[[load]]\nrate = \"1/s\"\nclient = \"shop\"\n";

fn refused_with(more: &str) -> String {
    refused(&format!("{GOOD}{more}"))
}

#[test]
fn all_mistakes_are_told_at_once_each_at_its_place() {
    let report = refused(
        "title = \"t\"\nlength = \"10s\"\nsede = 4\n[downstream.pricng]\nworkers = 1\n\
         [[load]]\nrate = \"200\"\npage = \"produkt-page\"\n[[expect]]\nrefusd = \"== 0%\"\n",
    );
    for expected in [
        "`sede`: unknown key",
        "--> my.toml:3:1",
        "did you mean `seed`?",
        "no downstream `pricng`",
        "did you mean `pricing`?",
        "`load[0].rate`",
        "write `rate = \"200/s\"`",
        "did you mean `product-page`?",
        "--> my.toml:10:1",
        "did you mean `refused`?",
    ] {
        assert!(report.contains(expected), "{expected} is not in\n{report}");
    }
}

#[test]
fn an_override_the_config_does_not_know_is_an_error_of_the_config() {
    let report = refused_with("[config.page.product-page]\ndeadlin = \"1s\"\n");
    assert!(
        report.contains("config.toml with [config] of my.toml"),
        "{report}"
    );
    assert!(report.contains("did you mean `deadline`?"), "{report}");
}

#[test]
fn a_behaviour_is_refused_where_it_stands() {
    for (latency, why) in [
        (
            "{ lognorml = { p50 = \"1ms\" } }",
            "unknown variant `lognorml`",
        ),
        ("{ fixed = 80 }", "unit"),
        (
            "{ lognormal = { p50 = \"80ms\", p99 = \"1ms\" } }",
            "must not be less than `p50`",
        ),
    ] {
        let report = refused_with(&format!("[downstream.pricing]\nlatency = {latency}\n"));
        assert!(report.contains(why), "{report}");
        assert!(report.contains("--> my.toml:7:"), "{report}");
    }
}

#[test]
fn a_bound_without_its_unit_is_answered_with_the_bound_that_was_meant() {
    for (bound, meant) in [
        (
            "good_pages = \">= 99.5\"",
            "write `good_pages = \">= 99.5%\"`",
        ),
        ("p99 = \"<= 310\"", "write `p99 = \"<= 310ms\"`"),
        ("goodput = \">= 88\"", "write `goodput = \">= 88/s\"`"),
        ("p99 = \"<= 1.5x\"", "add `compared_to"),
        ("p99 = \"310ms\"", "write `<=`, `>=` or `==`"),
    ] {
        let report = refused_with(&format!("[[expect]]\n{bound}\n"));
        assert!(report.contains(meant), "{report}");
    }
}

#[test]
fn a_bound_that_is_none_does_not_hide_the_others() {
    let report =
        refused_with("[[expect]]\ngood_pages = \"many\"\nwasted = \"few\"\np50 = \"<= 1s\"\n");
    assert!(report.contains("\"many\" is not a bound"), "{report}");
    assert!(report.contains("\"few\" is not a bound"), "{report}");
    assert!(!report.contains("unknown key"), "{report}");
}

#[test]
fn what_makes_no_sense_is_refused_and_not_run() {
    for (more, why) in [
        (
            "[[load]]\nrate = \"1/s\"\nfrom = \"5s\"\nuntil = \"5s\"\n",
            "is not before `until`",
        ),
        (
            "[[load]]\nrate = \"1/s\"\nuntil = \"11s\"\n",
            "lies after the end",
        ),
        (
            "[[load]]\nrate = \"none\"\n",
            "a load of no pages has no effect",
        ),
        ("[[load]]\nrate = \"4000000/s\"\n", "are too many"),
        ("[[load]]\nrate = \"1/s\"\nretries = 11\n", "the most is 10"),
        (
            "[[fault]]\ndownstream = \"pricing\"\nflaps = \"1ms\"\n",
            "is too short",
        ),
        ("[[fault]]\n", "`fault[0].downstream`: is missing"),
        ("[[expect]]\n", "expects nothing"),
        (
            "[[expect]]\nclient = \"shpo\"\np50 = \"<= 1s\"\n",
            "did you mean `shop`?",
        ),
        (
            "[[expect]]\ncompared_to = \"5s..50s\"\np50 = \"<= 1x\"\n",
            "lies after the end",
        ),
        (
            "[[expect]]\ncompared_to = \"5s-9s\"\np50 = \"<= 1x\"\n",
            "two dots between them",
        ),
    ] {
        let report = refused_with(more);
        assert!(report.contains(why), "{why} is not in\n{report}");
    }
    let report = refused("title = \"t\"\nlength = \"2h\"\n");
    assert!(
        report.contains("is too long") && report.contains("nothing would happen"),
        "{report}"
    );
}

#[test]
fn a_bound_on_sockets_takes_the_place_of_the_simulated_one_or_of_none() {
    let expect = "[[expect]]\np50 = \"<= 90ms\"\np99 = \"<= 120ms\"\nslowest = \"<= 300ms\"\n\
                  live.p99 = \"<= 150ms\"\nlive.slowest = \"none\"\nlive.any_p999 = \"<= 310ms\"\n";
    let text = Text {
        name: "my.toml".to_owned(),
        text: format!("{GOOD}{expect}"),
    };
    let scenario = Scenario::load(&text, &Text::default_config()).unwrap();
    let bounds = |world| {
        let bounds = scenario.expectations[0].bounds_in(world).into_iter();
        let shown = bounds.map(|(metric, bound)| format!("{} {bound}", metric.name()));
        shown.collect::<Vec<_>>()
    };
    assert_eq!(
        bounds(World::Simulated),
        ["p50 <= 90ms", "p99 <= 120ms", "slowest <= 300ms"]
    );
    assert_eq!(
        bounds(World::Live),
        ["p50 <= 90ms", "p99 <= 150ms", "any_p999 <= 310ms"]
    );
}

#[test]
fn a_wrong_bound_on_sockets_is_refused_where_it_stands() {
    let report = refused_with("[[expect]]\np50 = \"<= 90ms\"\nlive.p5O = \"<= 1ms\"\n");
    assert!(report.contains("expect[0].live.p5O"), "{report}");
    assert!(report.contains("did you mean `p50`?"), "{report}");
    let report = refused_with("[[expect]]\np50 = \"<= 90ms\"\nlive.p50 = \"<= 10%\"\n");
    assert!(report.contains("--> my.toml:8:"), "{report}");
}

#[test]
fn what_a_gateway_cannot_cost_is_refused_where_it_stands() {
    for (costs, why) in [
        ("cores = 0", "`gateway.cores`"),
        ("cores = \"two\"", "`gateway.cores`"),
        ("per_page = \"100\"", "`gateway.per_page`"),
        (
            "per_page = \"10us\"\nper_refusal = \"20us\"",
            "is more than `per_page`",
        ),
        ("per_cal = \"1us\"", "did you mean `per_call`?"),
    ] {
        let report = refused_with(&format!("[gateway]\n{costs}\n"));
        assert!(report.contains(why), "{why} is not in\n{report}");
    }
}
