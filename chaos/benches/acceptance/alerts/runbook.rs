//! The commands of an alert's entry in the runbook, run as they are written there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use chaos::proc::Process;

use super::fleet::Target;
use crate::binaries::START;
use crate::binaries::binary;

/// What an operator may have to type before the fault is known.
const MOST: usize = 3;

/// The commands of an entry.
///
/// # Errors
/// There is no such entry, or it has no commands, or more than [`MOST`].
fn commands(entry: &str) -> Result<Vec<String>> {
    let text = text()?;
    let (_, rest) = text
        .split_once(&format!("\n## {entry}\n"))
        .with_context(|| format!("the runbook has no entry {entry}"))?;
    let block = rest.split("```").nth(1).unwrap_or_default();
    let lines: Vec<String> = block.lines().skip(1).map(str::to_owned).collect();
    ensure!((1..=MOST).contains(&lines.len()), "{entry}: {lines:?}");
    Ok(lines)
}

fn text() -> Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Ok(fs::read_to_string(root.join("docs/runbook.md"))?)
}

/// Each command of an alert's entry, once.
///
/// # Errors
/// The runbook cannot be read.
pub(super) fn every_command() -> Result<BTreeSet<String>> {
    let text = text()?;
    let entries = text
        .split("\n## ")
        .filter(|entry| entry.contains("**Means.**"));
    let blocks = entries.filter_map(|entry| entry.split("```").nth(1));
    let lines = blocks.flat_map(|block| block.lines().skip(1));
    let command = |line: &str| line.split(" # ").next().unwrap_or(line).trim().to_owned();
    Ok(lines.map(command).collect())
}

/// That a command ends well and says something. Asking the Datadog agent may not: there is none.
///
/// # Errors
/// It fails, and how.
pub(super) async fn works(command: &str, target: &Target) -> Result<()> {
    let mut process = Process::start(shell(command, target)?)?;
    let status = process.exit(START).await?;
    let said = process.last_words().await;
    let asks_agent = command.contains(":8126/");
    ensure!(status.success() || asks_agent, "{status}: {said}");
    ensure!(!said.trim().is_empty(), "it says nothing");
    Ok(())
}

/// All that the commands of an entry say.
///
/// # Errors
/// There are none, or they do not end.
pub(super) async fn follow(entry: &str, target: &Target) -> Result<String> {
    let typed = commands(entry)?.join("\n");
    let mut process = Process::start(shell(&typed, target)?)?;
    process.exit(START).await?;
    Ok(process.last_words().await)
}

/// As typed where the gateway's configuration lies. Only the minute between two looks is shortened.
fn shell(typed: &str, target: &Target) -> Result<Command> {
    let gateway = binary("gateway")?;
    let folder = gateway.parent().context("the gateway lies in no folder")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-c", &typed.replace("--for 60s", "--for 2s")]);
    shell.current_dir(&target.directory);
    shell.env("PATH", format!("{}:{path}", folder.display()));
    shell.env("ADMIN", target.admin.addr().to_string());
    Ok(shell)
}
