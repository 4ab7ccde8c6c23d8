//! One fault, made by hand on fakes that run already, through their control API.
//!
//! Not here: faults of a scenario (`live`), and the fakes themselves.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use settings::units::show_duration;

use crate::http::Origin;

/// Where the fakes' control API listens unless told otherwise.
pub const CONTROL: &str = "http://127.0.0.1:8474";

/// The toxic this program makes; there is one per fake, so that a second call changes the first.
const NAME: &str = "chaos-slow";

/// Makes every answer of a fake take `latency` longer, until healed or for so long. Returns what was
/// done, for a person.
///
/// # Errors
/// Nobody answers at `control`, or no fake has this name: with those there are.
pub async fn slow(
    control: Origin,
    downstream: &str,
    latency: Duration,
    lasts: Option<Duration>,
) -> Result<String> {
    let proxies = proxies(control).await?;
    let Some(proxy) = proxies.get(downstream) else {
        let names = proxies.as_object().map(|all| all.keys().cloned());
        let names: Vec<String> = names.into_iter().flatten().collect();
        bail!(
            "there is no fake `{downstream}`; there are {}",
            names.join(", ")
        );
    };
    let path = format!("/proxies/{downstream}/toxics");
    let is_ours = |toxic: &Value| toxic["name"] == NAME;
    let toxics = proxy["toxics"].as_array();
    if toxics.is_some_and(|toxics| toxics.iter().any(is_ours)) {
        // Made anew, because what is left of its time cannot be taken from a toxic.
        control.delete(&format!("{path}/{NAME}")).await?;
    }
    let mut toxic = json!({
        "name": NAME,
        "type": "latency",
        "attributes": { "latency": milliseconds(latency), "jitter": 0 },
    });
    if let Some(lasts) = lasts {
        toxic["ttl_ms"] = milliseconds(lasts).into();
    }
    control.post(&path, &toxic).await?;
    let until = lasts.map_or_else(
        || "until `chaos heal`".to_owned(),
        |lasts| format!("for {}", show_duration(lasts)),
    );
    let latency = show_duration(latency);
    Ok(format!("{downstream} answers {latency} later {until}"))
}

/// All fakes as they started.
///
/// # Errors
/// Nobody answers at `control`.
pub async fn heal(control: Origin) -> Result<String> {
    let healed = control.post("/reset", &json!({})).await;
    healed.with_context(|| unreachable(control))?;
    Ok("all fakes behave as they did when they started".to_owned())
}

async fn proxies(control: Origin) -> Result<Value> {
    let proxies = control.get("/proxies").await;
    proxies.with_context(|| unreachable(control))
}

fn unreachable(control: Origin) -> String {
    format!(
        "no fakes at {control}: start `fakes` or `gateway demo`, or name another with --control"
    )
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
