//! What the gateway is told: the scenario's config, with addresses of this machine and nothing else.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use gateway::config::{Config, IdentifyBy};
use http::HeaderName;
use toml::{Table, Value};

/// A port that the system chooses.
const ANY: &str = "127.0.0.1:0";

/// Names a client where the config tells clients apart by their address: here they share one.
const CLIENT: HeaderName = HeaderName::from_static("x-chaos-client");

/// The header that tells one client from another.
pub(super) fn client_header(config: &Config) -> HeaderName {
    match &config.clients.identify_by {
        IdentifyBy::Ip => CLIENT,
        IdentifyBy::Header(name) => name.clone(),
    }
}

/// The text of the config, with each downstream where its fake is, and with no agent to tell anything.
///
/// # Errors
/// A downstream that no fake stands in for.
pub(super) fn for_sockets(
    config: &Config,
    text: &str,
    fakes: &BTreeMap<String, SocketAddr>,
) -> Result<String> {
    let mut table: Table = text.parse().context("the config is not TOML")?;
    set(&mut table, &["server", "listen"], ANY);
    set(&mut table, &["admin", "listen"], ANY);
    set(&mut table, &["telemetry", "log"], "json");
    set(&mut table, &["telemetry", "exporter"], "datadog");
    for agent in ["datadog_agent", "dogstatsd"] {
        set(&mut table, &["telemetry", agent], "");
    }
    // Behind one address they would not be held to their Retry-After; behind this header neither.
    let early = match config.clients.holds_early(true) {
        true => "refuse",
        false => "admit",
    };
    set(&mut table, &["clients", "early_returns"], early);
    let header = format!("header:{}", client_header(config));
    set(&mut table, &["clients", "identify_by"], &header);
    for downstream in &config.downstreams {
        let name = downstream.name.as_str();
        let at = fakes.get(name).with_context(|| {
            let there_are = fakes.keys().cloned().collect::<Vec<_>>().join(", ");
            format!(
                "no fake stands in for the downstream `{name}`: on sockets there are {there_are}; run it without --live"
            )
        })?;
        let url = format!("http://{at}");
        set(&mut table, &["downstream", name, "url"], &url);
    }
    Ok(table.to_string())
}

fn set(table: &mut Table, path: &[&str], value: &str) {
    match path {
        [] => {}
        [key] => {
            table.insert((*key).to_owned(), value.into());
        }
        [section, rest @ ..] => {
            let below = table.entry(*section).or_insert_with(|| Table::new().into());
            // It is a section, or the config would not have been read.
            if let Value::Table(below) = below {
                set(below, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway::config::{default_text, load_text};

    use super::*;

    #[test]
    fn nothing_but_this_machine_is_left_and_the_limits_stay() {
        let loaded = load_text("config.toml", default_text(), &[]).unwrap();
        let names = loaded.config.downstreams.iter();
        let at: SocketAddr = "127.0.0.1:4711".parse().unwrap();
        let fakes = names.map(|d| (d.name.to_string(), at)).collect();
        let text = for_sockets(&loaded.config, default_text(), &fakes).unwrap();
        let live = load_text("live", &text, &[]).unwrap().config;
        assert!(live.server.listen.ip().is_loopback() && live.server.listen.port() == 0);
        assert!(live.telemetry.datadog_agent.is_none());
        for (before, after) in loaded.config.downstreams.iter().zip(&live.downstreams) {
            assert_eq!(after.urls[0].as_str(), "http://127.0.0.1:4711/");
            assert_eq!(after.permits, before.permits);
        }
        assert_eq!(client_header(&live), CLIENT);
    }

    #[test]
    fn a_downstream_without_a_fake_is_told_with_those_there_are() {
        let loaded = load_text("config.toml", default_text(), &[]).unwrap();
        let at = "127.0.0.1:4711".parse().unwrap();
        let fakes = [("product".to_owned(), at)].into();
        let error = for_sockets(&loaded.config, default_text(), &fakes).unwrap_err();
        assert!(error.to_string().contains("`pricing`"), "{error}");
    }
}
