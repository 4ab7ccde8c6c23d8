//! One page of `/pages/{id}` as text: what became of it in sentences, keys that would have changed it, and its waterfall.
//!
//! Read from the JSON as [`crate::admin`] shows it. What is not there is left out, so a later gateway's page can be read
//! as well. No line is wider than asked for; words say what colours would.

use serde_json::Value;

/// Columns of a step's name, at most.
const NAME: usize = 24;

/// Columns of how long a step took, and of how it ended.
const TOOK: usize = 9;
const ENDED: usize = 14;

/// A step of a page.
struct Step {
    name: String,
    /// Since the page's arrival, and how long; nothing of a call that was not made.
    span: Option<(f64, f64)>,
    mark: char,
    ended: String,
}

/// The page in lines of at most `width` columns, of which there are at least 60.
pub fn lines(page: &Value, width: usize) -> Vec<String> {
    let width = width.max(60);
    let mut lines = wrapped(&head(page), width, "");
    lines.push(String::new());
    lines.extend(waterfall(page, width));
    lines.push(String::new());
    let sentences = page["story"].as_array().into_iter().flatten();
    for sentence in sentences.filter_map(Value::as_str) {
        lines.extend(wrapped(sentence, width, ""));
    }
    let keys = page["keys"].as_array().into_iter().flatten();
    let keys: Vec<String> = keys
        .map(|turn| format!("{}: {}", text(&turn["key"]), text(&turn["advice"])))
        .collect();
    if !keys.is_empty() {
        lines.extend([String::new(), "Keys that would have changed it:".into()]);
        lines.extend(keys.iter().flat_map(|key| wrapped(key, width, "  ")));
    }
    lines.push(String::new());
    for id in ["trace_id", "request_id"] {
        if let Some(value) = page[id].as_str() {
            lines.push(format!("{} {value}", id.replace("_id", "")));
        }
    }
    lines
}

fn head(page: &Value) -> String {
    let ended = page["outcome"].as_str().or(page["stage"].as_str());
    let status = page["http_status"].as_u64();
    let status = status.map_or_else(String::new, |status| format!(", HTTP {status}"));
    format!(
        "{} {}: {}{status}, {}",
        text(&page["method"]),
        text(&page["route"]),
        ended.unwrap_or_default(),
        time(page["total_ms"].as_f64())
    )
}

fn waterfall(page: &Value, width: usize) -> Vec<String> {
    let steps = steps(page);
    let deadline = page["deadline_ms"].as_f64();
    let ends = steps
        .iter()
        .filter_map(|step| step.span)
        .map(|(begin, took)| begin + took);
    let end = ends.chain(deadline).fold(1.0, f64::max);
    let named = steps
        .iter()
        .map(|step| step.name.chars().count())
        .max()
        .unwrap_or(0)
        .min(NAME);
    let columns = width - named - TOOK - ENDED - 2;
    let at = |ms: f64| ((ms / end) * (columns - 1) as f64).round() as usize;
    let scale = match deadline {
        Some(deadline) => format!(
            "0 to {}; calls must have ended at │, {}",
            time(Some(end)),
            time(Some(deadline))
        ),
        None => format!("0 to {}", time(Some(end))),
    };
    let row = |step: &Step| {
        let mut bar = vec![' '; columns];
        if let Some((begin, took)) = step.span {
            bar[at(begin)..=at(begin + took)].fill(step.mark);
        }
        if let Some(deadline) = deadline {
            let cell = &mut bar[at(deadline)];
            *cell = if *cell == ' ' { '│' } else { *cell };
        }
        let name: String = step.name.chars().take(named).collect();
        let took = step
            .span
            .map_or_else(|| "-".into(), |(_, took)| time(Some(took)));
        let ended: String = step.ended.chars().take(ENDED).collect();
        let line = format!(
            "{name:<named$} {}{took:>TOOK$} {ended}",
            String::from_iter(bar)
        );
        line.trim_end().to_owned()
    };
    std::iter::once(scale)
        .chain(steps.iter().map(row))
        .collect()
}

/// The page, its wait, its calls with further attempts, and its assembly.
fn steps(page: &Value) -> Vec<Step> {
    let span = |of: &Value| Some((of["begin_ms"].as_f64()?, of["ms"].as_f64()?));
    let simple = |name: &str, of: &Value, mark| Step {
        name: name.to_owned(),
        span: span(of),
        mark,
        ended: String::new(),
    };
    let mut steps = vec![Step {
        name: text(&page["page"]),
        span: page["total_ms"].as_f64().map(|total| (0.0, total)),
        mark: '─',
        ended: page["outcome"].as_str().unwrap_or("in flight").to_owned(),
    }];
    if page["admission"].is_object() {
        steps.push(simple("admission", &page["admission"], '▚'));
    }
    for part in page["parts"].as_array().into_iter().flatten() {
        let ended = text(&part["outcome"]);
        let optional = if part["required"] == false {
            " (opt.)"
        } else {
            ""
        };
        steps.push(Step {
            name: format!("{}{optional}", text(&part["part"])),
            span: span(&part["call"]),
            mark: mark(&ended),
            ended,
        });
        let attempts = part["call"]["attempts"].as_array();
        let several = attempts.filter(|attempts| attempts.len() > 1);
        for (nth, attempt) in several.into_iter().flatten().enumerate() {
            let failure = text(&attempt["failure"]);
            let mark = if failure.is_empty() { '█' } else { '▒' };
            steps.push(Step {
                ended: failure,
                ..simple(&format!("  attempt {}", nth + 1), attempt, mark)
            });
        }
    }
    if page["assembly"].is_object() {
        steps.push(simple("assembly", &page["assembly"], '▚'));
    }
    steps
}

/// Full for what came, lighter for what did not.
fn mark(outcome: &str) -> char {
    match outcome {
        "ok" | "not_found" | "denied" => '█',
        "cancelled" | "running" => '░',
        _ => '▒',
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Words in lines of at most `width` columns, those after the first indented.
pub fn wrapped(words: &str, width: usize, indent: &str) -> Vec<String> {
    let mut lines = vec![indent.to_owned()];
    for word in words.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        let begun = line.len() > indent.len();
        match begun && line.chars().count() + 1 + word.chars().count() > width {
            true => lines.push(format!("{indent}{word}")),
            false => {
                line.push_str(if begun { " " } else { "" });
                line.push_str(word);
            }
        }
    }
    lines
}

/// `0.3 ms`, `275 ms`, `1.50 s`; a dash for what there is none of.
pub fn time(ms: Option<f64>) -> String {
    match ms {
        None => "-".into(),
        Some(ms) if ms.abs() >= 999.5 => format!("{:.2} s", ms / 1e3),
        Some(ms) if ms >= 9.95 || ms <= -0.05 => format!("{ms:.0} ms"),
        Some(ms) => format!("{ms:.1} ms"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn late() -> Value {
        json!({
            "request_id": "r-1", "trace_id": "ae20", "page": "product-page", "route": "/product-page/{id}",
            "method": "GET", "outcome": "late", "http_status": 504, "total_ms": 300.0, "deadline_ms": 295.0,
            "admission": {"begin_ms": 0.0, "ms": 50.0, "waited_for": "pricing"},
            "parts": [
                {"part": "product", "required": true, "outcome": "ok",
                 "call": {"begin_ms": 50.0, "ms": 25.0, "attempts": [{}]}},
                {"part": "pricing", "required": true, "outcome": "late",
                 "call": {"begin_ms": 50.0, "ms": 245.0, "attempts": [
                    {"begin_ms": 50.0, "ms": 100.0, "failure": "refused"}, {"begin_ms": 150.0, "ms": 145.0}]}},
                {"part": "reviews", "required": false, "outcome": "shed", "call": null},
            ],
            "assembly": null,
            "story": ["product-page was lost with 504 after 300 ms: deadline, downstream:pricing."],
            "keys": [{"key": "page.product-page.deadline", "advice": "longer, if clients wait"}],
        })
    }

    #[test]
    fn a_page_is_its_story_its_keys_and_a_bar_for_each_step() {
        let expected = "\
GET /product-page/{id}: late, HTTP 504, 300 ms

0 to 300 ms; calls must have ended at │, 295 ms
product-page   ─────────────────────   300 ms late
admission      ▚▚▚▚                │    50 ms
product           ███              │    25 ms ok
pricing           ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒   245 ms late
  attempt 1       ▒▒▒▒▒▒▒▒         │   100 ms refused
  attempt 2              ███████████   145 ms
reviews (opt.)                     │        - shed

product-page was lost with 504 after 300 ms: deadline,
downstream:pricing.

Keys that would have changed it:
  page.product-page.deadline: longer, if clients wait

trace ae20
request r-1";
        let drawn = lines(&late(), 60).join("\n");
        assert_eq!(drawn, expected);
    }

    #[test]
    fn nothing_is_wider_than_asked_for_whatever_the_page_holds() {
        for page in [
            late(),
            json!({}),
            json!({"parts": [{"call": {"begin_ms": 5.0, "ms": 1e9}}]}),
        ] {
            for width in [60, 61, 80, 132] {
                for line in lines(&page, width) {
                    assert!(line.chars().count() <= width, "{width}: {line:?}");
                }
            }
        }
    }
}
