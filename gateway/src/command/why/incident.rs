//! What goes wrong now, for a terminal.

use serde_json::Value;

use super::WIDTH;
use crate::command::waterfall::{time, wrapped};

/// Findings that are told in full.
const MOST: usize = 4;

/// What `/incident` says, the costliest first.
pub(super) fn report(view: &Value) -> String {
    let findings = view["findings"].as_array().map_or(&[][..], Vec::as_slice);
    let mut lines = Vec::new();
    lines.extend(own_lag(&view["gateway"]));
    for finding in findings.iter().take(MOST) {
        lines.extend(told(finding));
        lines.push(String::new());
    }
    if findings.is_empty() {
        let last = view["last_ms"].as_f64().unwrap_or(0.0) / 1000.0;
        lines.push(format!(
            "Nothing was lost or refused in the last {last:.0} s, as far as is kept."
        ));
        lines.push(String::new());
    }
    lines.extend(in_flight(&view["in_flight"]));
    lines.push("One page: gateway why ID. What sets them apart: gateway outliers.".to_owned());
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// With lag every service looks slow, so it stands first.
fn own_lag(gateway: &Value) -> Vec<String> {
    let (lag, most) = (
        gateway["lag_p90_ms"].as_f64(),
        gateway["max_lag_ms"].as_f64(),
    );
    let lags = lag.zip(most).is_some_and(|(lag, most)| lag > most);
    if !lags && gateway["tickets_because"] != "lag" {
        return Vec::new();
    }
    let words = format!(
        "The gateway itself is short of CPU: what can run waits {} (p90), and {} of {} tickets are left. \
         Every time below is partly its own. [runbook: own-lag]",
        time(lag),
        gateway["tickets"],
        gateway["max_in_flight"]
    );
    let mut lines = wrapped(&words, WIDTH, "");
    lines.push(String::new());
    lines
}

fn told(finding: &Value) -> Vec<String> {
    let said = finding["said"].as_array().into_iter().flatten();
    let said = said.filter_map(Value::as_str).enumerate();
    let mut lines: Vec<String> = said
        .flat_map(|(nth, sentence)| wrapped(sentence, WIDTH, if nth == 0 { "" } else { "  " }))
        .collect();
    let permits = &finding["permits"];
    if let Some(in_use) = permits["in_use"].as_u64() {
        let limit = permits["permits"].as_u64();
        let limit = limit.map_or_else(|| "no limit".to_owned(), |limit| format!("of {limit}"));
        lines.push(format!(
            "  Now: {in_use} permits in use ({limit}), {} pages wait for one.",
            permits["queued"]
        ));
    }
    for key in finding["keys"].as_array().into_iter().flatten() {
        let text = |name: &str| key[name].as_str().unwrap_or_default();
        let words = format!(
            "Key: {}: {} [runbook: {}]",
            text("key"),
            text("advice"),
            text("runbook")
        );
        lines.extend(wrapped(&words, WIDTH, "  "));
    }
    lines
}

fn in_flight(view: &Value) -> Vec<String> {
    let waits = view["waits"].as_array().into_iter().flatten();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let waits = waits.map(|one| match (text(one, "what"), text(one, "downstream")) {
        (what, from) if from.is_empty() => format!("{} for their {what}", one["pages"]),
        (what, from) => format!("{} for {} of {from}", one["pages"], plural(&what)),
    });
    let waits: Vec<_> = waits.collect();
    let mut words = format!("In flight: {} pages", view["pages"]);
    if let Some(oldest) = view["oldest_ms"].as_f64() {
        words.push_str(&format!(", the oldest for {}", time(Some(oldest))));
    }
    if !waits.is_empty() {
        words.push_str(&format!(". They wait: {}", waits.join(", ")));
    }
    words.push('.');
    wrapped(&words, WIDTH, "")
}

/// What several pages wait for.
fn plural(what: &str) -> &'static str {
    match what {
        "permits" => "permits",
        "connection" => "connections",
        _ => "answers",
    }
}
