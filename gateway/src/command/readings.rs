//! `gateway readings`: what a running gateway did in an interval.

use std::time::Duration;

use super::client::Client;
use super::{CommandError, Target};
use crate::page::deadline::now;
use crate::readings::{Reading, report};

/// The shortest time that has something in it.
const LEAST: Duration = Duration::from_secs(1);

/// Flags of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// The gateway.
    #[command(flatten)]
    pub target: Target,
    /// Length of the interval, at least 1s.
    #[arg(long = "for", default_value = "60s", value_parser = humantime::parse_duration)]
    pub between: Duration,
}

/// Looks twice, and says what happened in between.
///
/// # Errors
/// Nobody answers there, no gateway does, or it was restarted in between.
pub async fn run(flags: &Flags) -> Result<String, CommandError> {
    let client = Client::new(&flags.target)?;
    let before = look(&client).await?;
    let start = now();
    tokio::time::sleep(flags.between.max(LEAST)).await;
    let after = look(&client).await?;
    Ok(report(&before, &after, now() - start)?)
}

async fn look(client: &Client) -> Result<Reading, CommandError> {
    let metrics = client.get("/metrics").await?;
    let limits = client.view("/limits").await?;
    Ok(Reading::new(
        &metrics,
        limits,
        client.view("/config").await?,
    ))
}
