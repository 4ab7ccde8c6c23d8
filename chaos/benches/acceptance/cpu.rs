//! A fifth of a core for one process, and none of it for the others.
//!
//! As a Kubernetes CPU limit does it: 1 ms of every 5, in a cgroup of its own that is removed
//! with the [`Share`]. Where no cgroup can be written, the process shares one core with two
//! others that never rest.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use chaos::proc::Process;

/// Microseconds of CPU in each period.
const QUOTA: u32 = 1000;
const PERIOD: u32 = 5000;

/// Who shares the core, each with as much right to it. With more, a process that has used its
/// slice would wait for all of theirs, longer than any lag it may be judged by.
const OTHERS: usize = 2;

/// Seconds of CPU after which the kernel ends one of the others, should nobody else.
const OTHERS_LIFE: u32 = 120;

/// A fifth of a core, or what comes near it.
pub(crate) enum Share {
    /// A directory of the cgroup hierarchy.
    Cgroup(Cgroup),
    /// One core, and who else runs there.
    Core { core: usize, _others: Vec<Process> },
}

/// Removed when dropped; what runs in it must have ended by then.
pub(crate) struct Cgroup {
    directory: PathBuf,
    version: u8,
}

impl Share {
    /// By cgroup, or else by `taskset`.
    ///
    /// # Errors
    /// This machine allows neither.
    pub(crate) fn fifth_of_a_core() -> Result<Self> {
        match Cgroup::create() {
            Ok(cgroup) => Ok(Self::Cgroup(cgroup)),
            Err(why) => Self::crowded_core()
                .with_context(|| format!("no cgroup can be written ({why:#}), and no core shared")),
        }
    }

    fn crowded_core() -> Result<Self> {
        let core = std::thread::available_parallelism()?.get() - 1;
        let busy = |_| {
            let mut command = on_core(core);
            let script = format!("ulimit -t {OTHERS_LIFE}; while :; do :; done");
            command.args(["sh", "-c", &script]);
            Process::start(command)
        };
        Ok(Self::Core {
            core,
            _others: (0..OTHERS).map(busy).collect::<Result<_>>()?,
        })
    }

    /// The same command, which begins with its share of the CPU and so never sees more.
    pub(crate) fn confine(&self, command: Command) -> Command {
        let mut confined = match self {
            Self::Cgroup(cgroup) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "echo $$ >\"$0\" && exec \"$@\""]);
                shell.arg(cgroup.directory.join("cgroup.procs"));
                shell
            }
            Self::Core { core, .. } => on_core(*core),
        };
        confined.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                confined.env(name, value);
            }
        }
        confined
    }
}

fn on_core(core: usize) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]);
    command
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cgroup(cgroup) => write!(f, "cgroup v{}: {QUOTA} of {PERIOD} us", cgroup.version),
            Self::Core { core, .. } => {
                write!(f, "taskset: core {core}, shared with {OTHERS} busy loops")
            }
        }
    }
}

impl Cgroup {
    /// Below the cgroup of this process, or the nearest one above it where that is possible.
    fn create() -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let mut last = anyhow::anyhow!("no hierarchy has the cpu controller");
        for (version, mount, path) in hierarchies(&mounts, &own) {
            let mut parent = mount.join(path.trim_start_matches('/'));
            while parent.starts_with(mount) {
                match Self::below(&parent, version) {
                    Ok(cgroup) => return Ok(cgroup),
                    Err(why) => last = why,
                }
                if !parent.pop() {
                    break;
                }
            }
        }
        Err(last)
    }

    fn below(parent: &Path, version: u8) -> Result<Self> {
        let directory = parent.join(format!("acceptance-{}", std::process::id()));
        fs::create_dir(&directory).with_context(|| directory.display().to_string())?;
        let cgroup = Self { directory, version };
        if version == 2 {
            cgroup.write("cpu.max", &format!("{QUOTA} {PERIOD}"))?;
        } else {
            cgroup.write("cpu.cfs_period_us", &PERIOD.to_string())?;
            cgroup.write("cpu.cfs_quota_us", &QUOTA.to_string())?;
        }
        Ok(cgroup)
    }

    fn write(&self, file: &str, value: &str) -> Result<()> {
        let file = self.directory.join(file);
        fs::write(&file, value).with_context(|| file.display().to_string())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Empty by now; where it is not, it stays and limits nobody.
        let _ = fs::remove_dir(&self.directory);
    }
}

/// Version, mount point and own path in it, of each hierarchy that may limit CPU.
fn hierarchies<'a>(mounts: &'a str, own: &'a str) -> impl Iterator<Item = (u8, &'a Path, &'a str)> {
    mounts.lines().filter_map(move |line| {
        let mut fields = line.split(' ').skip(1);
        let (mount, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        let version = match kind {
            "cgroup2" => 2,
            "cgroup" if options.split(',').any(|option| option == "cpu") => 1,
            _ => return None,
        };
        // "4:cpu,cpuacct:/path", or "0::/path" for version 2.
        let path = own.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let is_it = match version {
                2 => controllers.is_empty(),
                _ => controllers.split(',').any(|name| name == "cpu"),
            };
            is_it.then_some(path)
        })?;
        Some((version, Path::new(mount), path))
    })
}
