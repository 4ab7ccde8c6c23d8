//! Child processes, the CPU time they have used and the memory they hold.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};
use clap::ValueEnum;
use tempfile::TempDir;

use crate::roles::{LISTENING, Role};
use crate::setup::Setup;

/// A server in a process of its own; ends when dropped.
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) addresses: Vec<SocketAddr>,
    /// What it reads while it runs.
    _files: Option<TempDir>,
}

impl Process {
    /// Starts this executable as `role`, and waits until it listens.
    pub(crate) fn start(role: Role, setup: &Setup) -> anyhow::Result<Self> {
        let name = role.to_possible_value().context("every role has a name")?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["--role", name.get_name()])
            .args(setup.arguments())
            // Whatever the shell says.
            .env("RUST_LOG", setup.telemetry.log_level());
        Self::run(command, None).with_context(|| format!("as {}", name.get_name()))
    }

    /// Starts any program that says where it listens as a role does.
    pub(crate) fn run(mut command: Command, files: Option<TempDir>) -> anyhow::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start a process")?;
        let stdout = child.stdout.take().context("standard output is piped")?;
        // From here on it ends when it is dropped.
        let mut process = Self {
            child,
            addresses: Vec::new(),
            _files: files,
        };
        let mut stdout = BufReader::new(stdout);
        process.addresses = addresses(&mut stdout)?;
        // What it logs is read, as a collector of logs would. Ends when the child does.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Ok(process)
    }

    /// Nanoseconds of CPU its threads have used so far, in user space and kernel. Exact
    /// only while they are all asleep: the kernel settles the account when it switches.
    pub(crate) fn cpu_ns(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let path = task?.path().join("schedstat");
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("{} (Linux with CONFIG_SCHED_INFO)", path.display()))?;
            let on_cpu = text.split(' ').next().context("schedstat is empty")?;
            sum += on_cpu.parse::<u64>()?;
        }
        Ok(sum)
    }

    /// Bytes of memory that are resident, shared libraries included.
    pub(crate) fn resident(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib
            .context("no VmRSS: the process has ended")?
            .parse::<f64>()?
            * 1024.0)
    }

    /// Sockets it has open.
    pub(crate) fn sockets(&self) -> anyhow::Result<usize> {
        let mut open = 0;
        for file in std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))? {
            // One that was closed since it was listed is none.
            let target = std::fs::read_link(file?.path());
            let is_socket = |path: PathBuf| path.to_string_lossy().starts_with("socket:");
            open += usize::from(target.is_ok_and(is_socket));
        }
        Ok(open)
    }
}

fn addresses(stdout: &mut BufReader<ChildStdout>) -> anyhow::Result<Vec<SocketAddr>> {
    for line in stdout.lines() {
        if let Some(list) = line?.strip_prefix(LISTENING) {
            return list
                .split(',')
                .map(|address| Ok(address.parse()?))
                .collect();
        }
    }
    bail!("it ended before it listened; its last words are above")
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a child that has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
