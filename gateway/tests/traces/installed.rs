//! The test agent, installed: a Python virtual environment beside the build's output.
//!
//! It is made once for all test runs. Test processes that want it at the same time wait
//! for the first; one that was left half-made is made anew.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What is installed. Another version is another environment.
const PACKAGE: &str = "ddapm-test-agent==1.69.1";

/// In a finished environment.
const FINISHED: &str = "finished";

/// The Python that has the test agent.
///
/// Panics, in every test that asks, where it cannot be had: a trace that nobody could
/// receive has not been tested.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PYTHON.get_or_init(install).as_ref().unwrap_or_else(|said| {
        panic!(
            "the tests of traces need python3 with its venv module, and a package index \
             (pip's settings, such as PIP_INDEX_URL, are honoured) that has {PACKAGE}: {said}"
        )
    })
}

fn install() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let home = folder.join(PACKAGE.replace("==", "-"));
    let python = home.join("bin/python");
    let finished = home.join(FINISHED);
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let lock = File::create(folder.join("test-agent.lock")).map_err(|error| error.to_string())?;
    // Let go when the file is closed, also by a process that is killed.
    lock.lock().map_err(|error| error.to_string())?;
    if finished.exists() {
        return Ok(python);
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&home))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE]))?;
    File::create(finished).map_err(|error| error.to_string())?;
    Ok(python)
}

/// Runs it to its end; what it said, if it failed.
fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(format!(
        "{shown}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&said)
    ))
}
