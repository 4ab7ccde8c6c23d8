//! The worked figures of the tuning guide and of the runbook are what the rules give.
//!
//! The rules are `gateway::config::sizing`; here each sentence with a figure is written anew from them
//! and looked for. What following the rules gives is tested in simulated time (`chaos/tests/sizing`).

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read the documentation has failed"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use gateway::app::memory::Memory;
use gateway::config::sizing::{self, DEVIATIONS};
use gateway::config::{default_text, load_text};

const CALL: Duration = Duration::from_millis(81);
const USUAL: Duration = Duration::from_millis(80);
const WAIT: Duration = Duration::from_millis(50);
const DEADLINE: Duration = Duration::from_millis(300);
const RESERVE: Duration = Duration::from_millis(5);
const PAGE_P99: Duration = Duration::from_millis(130);

/// The text of a file below the root, every run of white space one space.
fn text(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join(path)).unwrap();
    let text = text.replace("\n# ", " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn says(path: &str, figures: &[String]) {
    let text = text(path);
    for figure in figures {
        assert!(text.contains(figure), "{path} does not say: {figure}");
    }
}

fn spread(n: f64, b: f64) -> f64 {
    DEVIATIONS * (b * n).sqrt()
}

#[test]
fn the_guide_works_with_the_rules_for_permits() {
    let n = sizing::at_once(200.0, CALL);
    let least = sizing::least_permits(n, 1.0, 1);
    let share = sizing::at_once(50.0, CALL);
    let least_of_four = sizing::least_permits(share, 1.0, 1);
    let [one, four, large] = [(24, 1), (24, 4), (200, 1)]
        .map(|(workers, gateways)| sizing::most_permits(workers, 0.01, gateways, 1));
    let b = sizing::burstiness_at(n, 1.0 + 0.55 * 0.55 * n, n, 1);
    let offers = sizing::at_once(400.0, CALL);
    let all = sizing::at_once(1000.0, CALL);
    says(
        "docs/tuning.md",
        &[
            format!(
                "N = 200 × 0.081 = {n:.1}; {n:.1} + {:.1} → {least}; 24 workers: {one}",
                spread(n, 1.0)
            ),
            format!("The least for this usual day is {least}, the most {one}"),
            format!(
                "24 workers at k = 1 % have {one} by the tenth, 200 workers have {large} and not {}",
                sizing::most_permits(200, 0.0, 1, 1)
            ),
            format!("26.4 / 4 = {four} is the most"),
            format!(
                "N = 50 × 0.081 = {share:.2}, is {share:.2} + {:.2} → {least_of_four}",
                spread(share, 1.0)
            ),
            format!(
                "b = {b:.1}: N + 3√(bN) = {n:.1} + {:.1} → {}",
                spread(n, b),
                sizing::least_permits(n, b, 1)
            ),
            format!(
                "N = 400 × 0.081 = {offers:.1}, and {offers:.1} + 3√{:.1} → {}",
                2.0 * offers,
                sizing::least_permits(offers, 2.0, 2)
            ),
            format!(
                "(200 + 800) × 0.081 = {all:.0}, and 3√{all:.0} = {:.0} more are {}",
                spread(all, 1.0),
                sizing::least_permits(all, 1.0, 1)
            ),
            format!("24 / 0.081 s = {:.0} a second", sizing::carried(24.0, CALL)),
            format!("12 / 0.081 = {:.0} a second", sizing::carried(12.0, CALL)),
        ],
    );
}

#[test]
fn the_guide_works_with_the_rules_for_everything_else() {
    let capacity = sizing::carried(24.0, CALL);
    let arrive = sizing::at_once(600.0, WAIT);
    let excess = arrive - sizing::at_once(capacity, WAIT);
    let at_the_peak = sizing::places(600.0, capacity, WAIT, 1.0);
    let usually = sizing::places(200.0, capacity, WAIT, 1.0);
    let lag = sizing::longest_lag(DEADLINE).as_millis();
    says(
        "docs/tuning.md",
        &[
            format!(
                "304 × 0.050 + 3√(600 × 0.050) = {excess:.1} + {:.1} → {at_the_peak}; below capacity 3√(200 × 0.050) → {usually}",
                spread(arrive, 1.0)
            ),
            format!("{excess:.1} + 3√{arrive:.0} → {at_the_peak} hold the bunches"),
            format!("3√(200 × 0.050) → {usually} places"),
            format!(
                "300 − 5 − 130 = {} ms",
                sizing::longest_wait(DEADLINE, RESERVE, PAGE_P99).as_millis()
            ),
            format!(
                "120 ms × {} = {} ms",
                sizing::PATIENCE,
                sizing::optional_timeout(Duration::from_millis(120)).as_millis()
            ),
            format!(
                "(296 × 0.3 + {at_the_peak}) × 2 = {}",
                sizing::tickets(296.0, DEADLINE, at_the_peak)
            ),
            format!("at most {lag} ms; 10 ms"),
        ],
    );
}

#[test]
fn the_memory_of_the_shipped_file_is_what_the_check_adds_up() {
    let config = load_text("config.toml", default_text(), &[])
        .unwrap()
        .config;
    let memory = Memory::of(&config);
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let clients = memory.clients + memory.heads;
    let rest = memory.total() - memory.bodies - clients;
    says(
        "docs/tuning.md",
        &[format!(
            "{:.1} GiB + {:.1} GiB + {} MiB = {:.1} GiB for the shipped file",
            gib(memory.bodies),
            gib(clients),
            rest >> 20,
            gib(memory.total())
        )],
    );
}

#[test]
fn the_runbook_keeps_the_rules_of_the_guide() {
    let permits = |n: f64| {
        let permits = sizing::least_permits(n, 1.0, 1);
        format!(
            "{permits} for N = {n:.0} ({:.0} % full)",
            100.0 * n / f64::from(permits)
        )
    };
    let capacity = sizing::carried(64.0, USUAL);
    let arrive = sizing::at_once(1500.0, WAIT);
    let excess = arrive - sizing::at_once(capacity, WAIT);
    says(
        "docs/runbook.md",
        &[
            permits(16.0),
            permits(45.0),
            permits(100.0),
            format!(
                "1500/s before 64 permits at 80 ms: {excess:.0} + {:.0} = {}",
                spread(arrive, 1.0),
                sizing::places(1500.0, capacity, WAIT, 1.0)
            ),
            format!(
                "300 − 5 − 130 ms = {} ms",
                sizing::longest_wait(DEADLINE, RESERVE, PAGE_P99).as_millis()
            ),
            format!("64 at 80 ms are {capacity:.0} calls/s"),
            format!("300 ms, {:.0}/s", sizing::carried(64.0, DEADLINE)),
            format!(
                "200/s need {:.0} of 64 at 300 ms and {:.0} at 400 ms",
                sizing::at_once(200.0, DEADLINE),
                sizing::at_once(200.0, Duration::from_millis(400))
            ),
            format!("{} times its usual p99", sizing::PATIENCE),
        ],
    );
    // What the rule replaced.
    assert!(!text("docs/runbook.md").contains("latency / 0.7"));
}

#[test]
fn the_config_works_with_the_rules_of_the_guide() {
    let usual = sizing::carried(64.0, USUAL);
    let worst = sizing::carried(64.0, DEADLINE);
    says(
        "config.toml",
        &[format!(
            "64 calls of 80 ms are {usual:.0} a second, and if every call takes the whole deadline of 300 ms still {worst:.0}"
        )],
    );
}
