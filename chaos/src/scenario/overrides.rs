//! The config a scenario is run with: somebody's file, and the scenario's `[config]` on top.
//!
//! They are merged as TOML and read as any config is, so errors and warnings are the gateway's own.

use gateway::config::{Loaded, load_text};
use settings::read::read_text;
use settings::report::Report;
use toml::{Table, Value};

use super::behaviour::plain;
use super::text::{HEADER, Text};

/// The merged config, and its text.
pub(super) fn apply(scenario: &Text, base: &Text) -> Result<(Loaded, String), Report> {
    // First by itself, so that its own errors show its own lines.
    let loaded = load_text(&base.name, &base.text, &[])?;
    let overrides = read_text(&scenario.name, &scenario.text, HEADER, |root| {
        let overrides = root.foreign("config");
        root.ignore_rest();
        let pairs = overrides.into_iter().flatten();
        let pair = |(key, value): (&toml::Spanned<_>, &toml::Spanned<_>)| {
            let key: &std::borrow::Cow<'_, str> = key.get_ref();
            (key.to_string(), plain(value.get_ref()))
        };
        Some(pairs.map(pair).collect::<Table>())
    })?;
    if overrides.is_empty() {
        return Ok((loaded, base.text.clone()));
    }
    // It has just been read as TOML.
    let mut merged: Table = base.text.parse().unwrap_or_default();
    merge(&mut merged, overrides);
    let text = merged.to_string();
    let name = format!("{} with [config] of {}", base.name, scenario.name);
    Ok((load_text(&name, &text, &[])?, text))
}

fn merge(onto: &mut Table, from: Table) {
    for (key, value) in from {
        match (onto.get_mut(&key), value) {
            (Some(Value::Table(onto)), Value::Table(from)) => merge(onto, from),
            (_, value) => {
                onto.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_replaces_its_key_and_leaves_its_neighbours() {
        let mut onto: Table = "[a]\nx = 1\ny = 2\n[a.b]\nz = 3".parse().unwrap();
        merge(&mut onto, "[a]\ny = 5\n[a.c]\nw = 6".parse().unwrap());
        let expected: Table = "[a]\nx = 1\ny = 5\n[a.b]\nz = 3\n[a.c]\nw = 6"
            .parse()
            .unwrap();
        assert_eq!(onto, expected);
    }
}
