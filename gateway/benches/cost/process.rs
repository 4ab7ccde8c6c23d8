//! Child processes, and the CPU time they have used.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::roles::{LISTENING, Role};
use crate::setup::Setup;

/// A role in a process of its own; ends when dropped.
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Process {
    /// Starts `role`, and waits until it listens.
    pub(crate) fn start(role: Role, setup: &Setup) -> anyhow::Result<Self> {
        let name = role.to_possible_value().context("every role has a name")?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["--role", name.get_name()])
            .args(setup.arguments())
            // Whatever the shell says.
            .env("RUST_LOG", setup.telemetry.log_level())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start a process")?;
        let mut stdout = BufReader::new(child.stdout.take().context("standard output is piped")?);
        let addresses =
            addresses(&mut stdout).with_context(|| format!("as {}", name.get_name()))?;
        // What it logs is read, as a collector of logs would. Ends when the child does.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Ok(Self { child, addresses })
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
        // It ends with its standard input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
