//! The figures in `docs/tuning.md` are what its commands print.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::process::Command;

use chaos::run::each_seed;

/// A command, and lines it printed, in order; others between them are left out.
type Example = (String, Vec<String>);

fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for block in text.split("```console\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => examples.push((command.to_owned(), Vec::new())),
                None => examples.last_mut().unwrap().1.push(line.to_owned()),
            }
        }
    }
    examples
}

fn printed(command: &str, root: &Path) -> String {
    let chaos = Path::new(env!("CARGO_BIN_EXE_chaos")).parent().unwrap();
    let path = format!("{}:{}", chaos.display(), std::env::var("PATH").unwrap());
    let shell = Command::new("sh")
        .args(["-c", command])
        .current_dir(root)
        .env("PATH", path)
        .output()
        .unwrap();
    String::from_utf8(shell.stdout).unwrap()
}

#[test]
fn every_command_prints_the_figures_that_are_written_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join("docs/tuning.md")).unwrap();
    let mut examples = examples(&text);
    // Many seeds take too long without optimisation.
    examples.retain(|(command, _)| !cfg!(debug_assertions) || !command.contains("--seeds"));
    assert!(examples.len() >= 10, "{}", examples.len());
    let run = |at: u64| Ok(printed(&examples[at as usize].0, root));
    let all = each_seed(0..examples.len() as u64, run, &|_| {}).unwrap();
    for ((command, expected), printed) in examples.iter().zip(&all) {
        let mut lines = printed.lines();
        for line in expected {
            let found = lines.any(|printed| printed == line);
            assert!(found, "{command}\nno longer prints\n{line}\nbut\n{printed}");
        }
    }
}
