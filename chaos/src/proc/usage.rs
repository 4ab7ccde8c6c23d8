//! CPU time and memory of a process, from proc(5).

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

/// What a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of its living threads, user and system.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub resident: u64,
}

impl Usage {
    /// The usage of any process, from proc(5): nanoseconds on a CPU are the first field of each
    /// thread's `schedstat`.
    ///
    /// # Errors
    /// There is no such process, or this is not Linux.
    pub fn of(pid: u32) -> Result<Self> {
        let root = PathBuf::from(format!("/proc/{pid}"));
        let mut nanos = 0;
        for task in fs::read_dir(root.join("task"))? {
            // A thread may end between being listed and being read.
            if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
                nanos += first_number(&text).context("schedstat without a number")?;
            }
        }
        let status = fs::read_to_string(root.join("status"))?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(first_number)
            .context("no VmRSS: the process has ended")?;
        Ok(Self {
            cpu: Duration::from_nanos(nanos),
            resident: resident * 1024,
        })
    }
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}
