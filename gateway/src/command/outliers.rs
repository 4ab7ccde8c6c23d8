//! `gateway outliers`: what slow, refused and lost pages have in common that the others do not.

use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::waterfall::wrapped;
use super::why::{WIDTH, in_query};
use super::{CommandError, Target};

/// Flags of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// How far to look back, as far as pages are kept.
    #[arg(long, default_value = "5m", value_parser = humantime::parse_duration)]
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
/// Nobody answers there, or no gateway does.
pub async fn run(flags: &Flags) -> Result<String, CommandError> {
    let client = Client::new(&flags.target)?;
    let path = format!("/outliers?last={}", in_query(flags.last));
    let view = client.find(&path).await?;
    Ok(match flags.json {
        true => format!("{view:#}\n"),
        false => report(&view),
    })
}

fn report(view: &Value) -> String {
    let mut lines = Vec::new();
    for group in view["groups"].as_array().into_iter().flatten() {
        let said = group["said"].as_array().into_iter().flatten();
        for (nth, sentence) in said.filter_map(Value::as_str).enumerate() {
            lines.extend(wrapped(sentence, WIDTH, if nth == 0 { "" } else { "  " }));
        }
        lines.push(String::new());
    }
    lines.extend(wrapped(
        view["note"].as_str().unwrap_or_default(),
        WIDTH,
        "",
    ));
    let mut text = lines.join("\n");
    text.push('\n');
    text
}
