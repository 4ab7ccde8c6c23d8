//! `gateway why`: what became of a page, and what goes wrong now.
//!
//! With an id it is the page of `/pages/{id}` in sentences, with its waterfall; without one
//! the findings of `/incident`. No line is wider than 80 columns, and nothing depends on
//! colours, so a pipe shows the same as a terminal.

mod incident;

use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::waterfall;
use super::{CommandError, Target};

/// Columns of a terminal that nobody has made wider.
pub(super) const WIDTH: usize = 80;

/// Flags of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// X-Request-Id of the page; or its trace id, as 32 hex digits or as Datadog's number. Without one: what goes wrong now.
    pub id: Option<String>,
    /// How far to look back for what goes wrong.
    #[arg(long, default_value = "5m", value_parser = humantime::parse_duration, conflicts_with = "id")]
    pub last: Duration,
    /// For machines: as the gateway answers.
    #[arg(long)]
    pub json: bool,
    /// The gateway.
    #[command(flatten)]
    pub target: Target,
}

/// Asks once.
///
/// # Errors
/// Nobody answers there, no gateway does, or it keeps no such page.
pub async fn run(flags: &Flags) -> Result<String, CommandError> {
    let client = Client::new(&flags.target)?;
    let path = match &flags.id {
        Some(id) => format!("/pages/{}", segment(id)),
        None => format!("/incident?last={}", in_query(flags.last)),
    };
    let view = client.find(&path).await?;
    Ok(match (flags.json, &flags.id) {
        (true, _) => format!("{view:#}\n"),
        (false, Some(_)) => pages(&view),
        (false, None) => incident::report(&view),
    })
}

/// Whole milliseconds: the gateway reads no fractions.
pub(super) fn in_query(duration: Duration) -> String {
    format!("{}ms", duration.as_millis().max(1))
}

/// An id as one segment of a path.
fn segment(id: &str) -> String {
    let bytes = id.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    bytes.collect()
}

fn pages(view: &Value) -> String {
    let pages = view["pages"].as_array().map_or(&[][..], Vec::as_slice);
    let mut lines = Vec::new();
    for page in pages {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(waterfall::lines(page, WIDTH));
    }
    let found = view["found"].as_u64().unwrap_or(0);
    if found > pages.len() as u64 {
        lines.push(format!(
            "\nand {} older pages with this id",
            found - pages.len() as u64
        ));
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_whatever_is_in_it() {
        assert_eq!(segment("a-B_9."), "a-B_9.");
        assert_eq!(segment("../x?y"), "..%2Fx%3Fy");
    }

    #[test]
    fn times_are_asked_for_in_milliseconds() {
        assert_eq!(in_query(Duration::from_secs(90)), "90000ms");
        assert_eq!(in_query(Duration::ZERO), "1ms");
    }
}
