//! Scrapes become the input series of a rules test.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::fleet::Target;
use tokio::time::{sleep, timeout};

/// Between two scrapes.
pub(super) const TICK: Duration = Duration::from_millis(750);
/// Evaluated time is so many times longer: a scrape every 15 s.
pub(super) const STRETCH: u32 = 20;

/// Scrapes of the hour before the first one.
const HISTORY: usize = 240;

/// What was seen, scrape by scrape.
#[derive(Default)]
pub(super) struct Scrapes {
    /// By instance; nothing when it did not answer.
    looks: Vec<BTreeMap<&'static str, Option<String>>>,
}

impl Scrapes {
    /// Takes a scrape of each, a [`TICK`] after the last one.
    pub(super) async fn take(&mut self, targets: &[Target]) {
        let look = async {
            let mut look = BTreeMap::new();
            for target in targets {
                // One that is stopped for a moment answers when it runs on.
                let text = timeout(TICK, target.admin.text("/metrics")).await;
                look.insert(target.name, text.ok().and_then(Result::ok));
            }
            look
        };
        let (look, ()) = tokio::join!(look, sleep(TICK));
        self.looks.push(look);
    }

    /// Every series that a rule may ask for, with its values from [`HISTORY`] scrapes before the first on. The
    /// first `well` scrapes say how it was before: counters grew as they did, gauges stood.
    pub(super) fn to_series(&self, well: usize) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let instances = self.looks.first().into_iter().flat_map(BTreeMap::keys);
        for instance in instances {
            let looks: Vec<Option<&String>> = self
                .looks
                .iter()
                .map(|look| look[instance].as_ref())
                .collect();
            all.push(up(instance, &looks));
            let parsed: Vec<Option<BTreeMap<&str, f64>>> = looks
                .iter()
                .map(|text| text.map(|text| parse(text)))
                .collect();
            let Some(Some(first)) = parsed.first() else {
                continue;
            };
            for series in first.keys() {
                let values: Vec<Option<f64>> = parsed
                    .iter()
                    .map(|look| look.as_ref()?.get(series).copied())
                    .collect();
                all.push((labelled(series, instance), written(series, &values, well)));
            }
        }
        all
    }
}

/// When rules are evaluated: at the last of the `well` scrapes before the fault, and at each one with
/// it.
pub(super) fn times(well: usize, at_fault: usize) -> impl Iterator<Item = Duration> {
    let first = HISTORY + well - 1;
    let step = TICK * STRETCH;
    (first..=first + at_fault).map(move |look| step * u32::try_from(look).unwrap_or(u32::MAX))
}

/// The series that rules ask for: not the buckets of pages and calls, of which there are thousands.
fn parse(text: &str) -> BTreeMap<&str, f64> {
    let wanted = |line: &&str| {
        line.starts_with("gateway_")
            && !line.starts_with("gateway_page_")
            && !line.starts_with("gateway_call_")
    };
    let samples = text.lines().filter(wanted).filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        Some((series, value.parse().ok()?))
    });
    samples.collect()
}

fn labelled(series: &str, instance: &str) -> String {
    let own = format!("job=\"gateway-test\",instance=\"{instance}\"");
    match series.split_once('{') {
        Some((name, labels)) => format!("{name}{{{own},{labels}"),
        None => format!("{series}{{{own}}}"),
    }
}

fn up(instance: &str, looks: &[Option<&String>]) -> (String, String) {
    let mut values = format!("1x{}", HISTORY - 1);
    for look in looks {
        // Writing to a string cannot fail, here and below.
        let _ = write!(values, " {}", u8::from(look.is_some()));
    }
    (labelled("up", instance), values)
}

/// In promtool's notation.
fn written(series: &str, values: &[Option<f64>], well: usize) -> String {
    let name = series.split('{').next().unwrap_or_default();
    let counts = ["_total", "_bucket", "_sum", "_count"]
        .iter()
        .any(|suffix| name.ends_with(suffix));
    let first = values[0].unwrap_or(0.0);
    let last = values[well - 1].unwrap_or(first);
    let step = match counts {
        true => (last - first) / (well - 1) as f64,
        false => 0.0,
    };
    // Counters begin as if they had always grown so.
    let before = step * HISTORY as f64;
    let shift = if counts { before - first } else { 0.0 };
    let mut text = match counts {
        true => format!("0+{step}x{}", HISTORY - 1),
        false => format!("{first}x{}", HISTORY - 1),
    };
    let mut reset = false;
    let mut latest = first;
    for value in values {
        let _ = match value {
            // A process that began anew counts from zero.
            Some(value) => {
                reset |= counts && *value < latest;
                latest = *value;
                write!(text, " {}", if reset { *value } else { value + shift })
            }
            None => write!(text, " stale"),
        };
    }
    text
}
