//! How two configs differ: in effect, key by key, defaults and overrides included.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// Lines around a change.
const CONTEXT: usize = 2;

/// The unified diff, line by line with its sign; empty if there is no difference.
pub(super) fn unified(names: [&str; 2], configs: [&Value; 2]) -> Vec<(Option<ChangeTag>, String)> {
    let [before, after] = configs.map(lines);
    let diff = TextDiff::from_lines(&before, &after);
    let mut unified = Vec::new();
    for hunk in diff
        .unified_diff()
        .context_radius(CONTEXT)
        .iter_hunks()
        .collect::<Vec<_>>()
    {
        if unified.is_empty() {
            unified.push((None, format!("--- {}", names[0])));
            unified.push((None, format!("+++ {}", names[1])));
        }
        unified.push((None, hunk.header().to_string()));
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches('\n');
            unified.push((Some(change.tag()), format!("{}{line}", change.tag())));
        }
    }
    unified
}

/// `page.product-page.deadline = "300ms"`: one line for each key, by name.
fn lines(config: &Value) -> String {
    let mut lines = Vec::new();
    flatten("", config, &mut lines);
    lines.sort();
    lines.concat()
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{key}"), value, lines);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            lines.push(format!("{path} = {value}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_that_differ_are_shown_with_their_neighbours_and_equal_configs_as_nothing() {
        let before = json!({ "a": { "x": 1, "y": "2s" }, "b": [1, 2], "c": null, "d": 0 });
        let after = json!({ "a": { "x": 1, "y": "3s" }, "b": [1, 2], "c": null, "d": 0 });
        let diff = unified(["old.toml", "new.toml"], [&before, &after]);
        let lines: Vec<&str> = diff.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(
            lines,
            [
                "--- old.toml",
                "+++ new.toml",
                "@@ -1,4 +1,4 @@",
                " a.x = 1",
                "-a.y = \"2s\"",
                "+a.y = \"3s\"",
                " b = [1,2]",
                " c = null",
            ]
        );
        assert_eq!(unified(["a", "b"], [&before, &before]), []);
    }
}
