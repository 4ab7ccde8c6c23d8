//! The commands of an alert's entry in the runbook, run as they are written there.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use chaos::proc::Process;

use super::fleet::Target;
use crate::binaries::binary;
use crate::world::START;

/// What an operator may have to type before the fault is known.
const MOST: usize = 3;

/// The commands of an entry.
///
/// # Errors
/// There is no such entry, or it has no commands, or more than [`MOST`].
fn commands(entry: &str) -> Result<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/runbook.md"))?;
    let (_, rest) = text
        .split_once(&format!("\n## {entry}\n"))
        .with_context(|| format!("the runbook has no entry {entry}"))?;
    let block = rest
        .split("```sh\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let lines: Vec<String> = block
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    ensure!((1..=MOST).contains(&lines.len()), "{entry}: {lines:?}");
    Ok(lines)
}

/// All that the commands of an entry say, typed where the gateway's configuration lies. Only the
/// minute between two looks is shortened.
///
/// # Errors
/// There are none, or they do not end.
pub(super) async fn follow(entry: &str, target: &Target) -> Result<String> {
    let typed = commands(entry)?.join("\n").replace("--for 60s", "--for 2s");
    let gateway = binary("gateway")?;
    let folder = gateway.parent().context("the gateway lies in no folder")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-c", &typed]).current_dir(&target.directory);
    shell.env("PATH", format!("{}:{path}", folder.display()));
    shell.env("ADMIN", target.admin.addr().to_string());
    let mut process = Process::start(shell)?;
    process.exit(START).await?;
    Ok(process.last_words().await)
}
