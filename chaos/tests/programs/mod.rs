//! The gateway and the fakes that tests run: built by cargo where they are not there yet.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The paths of `gateway` and `fakes`.
pub(crate) fn programs() -> &'static [PathBuf; 2] {
    static PROGRAMS: OnceLock<[PathBuf; 2]> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let here = Path::new(env!("CARGO_BIN_EXE_chaos")).parent().unwrap();
        let is_fresh = |path: &PathBuf, sources: &str| {
            let built = path.metadata().and_then(|meta| meta.modified());
            built.is_ok_and(|built| built >= newest(&root().join(sources)))
        };
        let programs = ["gateway", "fakes"].map(|name| here.join(name));
        let [gateway, fakes] = &programs;
        if !(is_fresh(gateway, "gateway/src") && is_fresh(fakes, "fixtures/src")) {
            build(here);
        }
        programs
    })
}

/// Into the directory of this test's own program.
fn build(here: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root())
        .args([
            "build", "--locked", "--quiet", "-p", "gateway", "-p", "fixtures",
        ])
        .env("CARGO_TARGET_DIR", here.parent().unwrap());
    if here.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "cargo could not build");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn newest(directory: &Path) -> SystemTime {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let times = entries.map(|entry| match entry.metadata().unwrap() {
        meta if meta.is_dir() => newest(&entry.path()),
        meta => meta.modified().unwrap(),
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
