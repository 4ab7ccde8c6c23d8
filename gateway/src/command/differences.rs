//! Differences between configurations as a person reads them.

use serde_json::Value;

use crate::config::fit_to_show;

/// Each of `differences` (as [`Difference::json`] shows them) on a line: the key, from what to what, and what that does.
///
/// [`Difference::json`]: crate::config::Difference::json
pub(super) fn lines(differences: &[Value]) -> String {
    let rows: Vec<[String; 3]> = differences.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let (key, value) = (width(0), width(1));
    let mut text = String::new();
    for ([name, change, effect], difference) in rows.iter().zip(differences) {
        text += format!("{name:<key$}  {change:<value$}  {effect}").trim_end();
        text += "\n";
        for (name, value) in difference["keys"].as_object().into_iter().flatten() {
            text += &format!("    {name} = {value}\n");
        }
    }
    fit_to_show(&text).into_owned()
}

fn row(difference: &Value) -> [String; 3] {
    let word = |name: &str| difference[name].as_str().unwrap_or_default().to_owned();
    let value = |name: &str| match difference[name].is_null() {
        true => "nothing".to_owned(),
        false => difference[name].to_string(),
    };
    let (sign, change) = match word("change").as_str() {
        "added" => ("+ ", String::new()),
        "removed" => ("- ", String::new()),
        _ => ("  ", format!("{} -> {}", value("from"), value("to"))),
    };
    [format!("{sign}{}", word("key")), change, word("effect")]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_stand_in_columns_and_new_sections_show_what_is_in_them() {
        let text = lines(&[
            json!({"key": "page.p.queue", "change": "changed", "from": 5, "to": 64, "effect": "live: x"}),
            json!({"key": "page.p.max_wait", "change": "changed", "from": "50ms", "to": "20ms", "effect": "live: y"}),
            json!({"key": "page.q", "change": "added", "effect": "live: z", "keys": {"path": "/q"}}),
            json!({"key": "downstream.d", "change": "removed", "effect": "live: z"}),
        ]);
        let expected = "  page.p.queue     5 -> 64           live: x\n  \
                          page.p.max_wait  \"50ms\" -> \"20ms\"  live: y\n\
                        + page.q                             live: z\n    \
                            path = \"/q\"\n\
                        - downstream.d                       live: z\n";
        assert_eq!(text, expected);
    }
}
