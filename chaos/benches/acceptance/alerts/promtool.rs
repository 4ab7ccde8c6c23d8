//! What fires when, as promtool evaluates the shipped rules.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::TempDir;

/// The question: every alert that fires, with the labels that say what it is about.
const FIRING: &str =
    "count by (alertname, severity, fault, downstream, instance) (ALERTS{alertstate=\"firing\"})";

/// An alert that fires.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Firing {
    pub(super) name: String,
    pub(super) severity: String,
    pub(super) fault: String,
    pub(super) downstream: Option<String>,
}

pub(super) struct Promtool {
    program: PathBuf,
    rules: PathBuf,
}

impl Promtool {
    /// On the PATH, or where `.ci/dashboards.py` puts it.
    ///
    /// # Errors
    /// It is in neither place.
    pub(super) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let unpacked = root.join("target/dashboard-tools/prometheus/usr/bin/promtool");
        let rules = root
            .join("dashboards/prometheus/alerts.yml")
            .canonicalize()?;
        for program in [unpacked, PathBuf::from("promtool")] {
            if Command::new(&program).arg("--version").output().is_ok() {
                return Ok(Self { program, rules });
            }
        }
        anyhow::bail!("promtool is missing: run python3 .ci/dashboards.py, which fetches it")
    }

    /// What fires at each of these times.
    ///
    /// # Errors
    /// promtool cannot be run or does not understand the series.
    pub(super) fn evaluate(
        &self,
        series: &[(String, String)],
        times: impl Iterator<Item = Duration>,
    ) -> Result<Vec<Vec<Firing>>> {
        let times: Vec<String> = times.map(|time| format!("{}s", time.as_secs())).collect();
        let inputs: Vec<_> = series
            .iter()
            .map(|(series, values)| json!({"series": series, "values": values}))
            .collect();
        // Nothing is expected, so that everything that fires is shown.
        let asks: Vec<_> = times
            .iter()
            .map(|time| json!({"expr": FIRING, "eval_time": time, "exp_samples": []}))
            .collect();
        let test = json!({
            "rule_files": [self.rules],
            "evaluation_interval": "15s",
            "tests": [{"interval": "15s", "input_series": inputs, "promql_expr_test": asks}],
        });
        let directory = TempDir::new()?;
        let file = directory.path().join("seen.yml");
        fs::write(&file, serde_json::to_vec(&test)?)?;
        let output = Command::new(&self.program)
            .args(["test", "rules"])
            .arg(&file)
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(said.contains("Unit Testing"), "promtool: {said}");
        if said.contains("SUCCESS") {
            return Ok(vec![Vec::new(); times.len()]);
        }
        times.iter().map(|time| firing_at(&said, time)).collect()
    }
}

/// What promtool reports for one time: nothing if nothing fired.
///
/// ```text
///     expr: "…", time: 1h1m30s,
///         exp: nil
///         got: {alertname="GatewayErrorRate", severity="page"} 1E+00, {…} 1E+00
/// ```
fn firing_at(said: &str, time: &str) -> Result<Vec<Firing>> {
    let seconds: u64 = time.trim_end_matches('s').parse()?;
    let mut lines = said.lines().skip_while(|line| {
        let at = line
            .rsplit_once("time: ")
            .map(|(_, at)| at.trim_end_matches(','));
        at.and_then(spelled) != Some(seconds)
    });
    if lines.next().is_none() {
        return Ok(Vec::new());
    }
    let got = lines.find_map(|line| line.trim().strip_prefix("got: "));
    let got = got.with_context(|| format!("promtool: {said}"))?;
    got.split("}")
        .map(str::trim)
        .filter(|one| one.contains('{'))
        .map(alert)
        .collect()
}

/// Seconds of `1h1m30s`.
fn spelled(time: &str) -> Option<u64> {
    let mut seconds = 0;
    let mut number = String::new();
    for letter in time.chars() {
        let unit = match letter {
            '0'..='9' => {
                number.push(letter);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        seconds += unit * number.parse::<u64>().ok()?;
        number.clear();
    }
    Some(seconds)
}

fn alert(text: &str) -> Result<Firing> {
    let (_, labels) = text.split_once('{').with_context(|| text.to_owned())?;
    let mut alert = Firing::default();
    for pair in labels.split(", ") {
        let (key, value) = pair.split_once('=').with_context(|| text.to_owned())?;
        let value = value.trim_matches('"').to_owned();
        match key {
            "alertname" => alert.name = value,
            "severity" => alert.severity = value,
            "fault" => alert.fault = value,
            "downstream" => alert.downstream = Some(value),
            _ => {}
        }
    }
    Ok(alert)
}

impl fmt::Display for Firing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.name, self.severity)?;
        if let Some(downstream) = &self.downstream {
            write!(f, ", {downstream}")?;
        }
        f.write_str(")")
    }
}
