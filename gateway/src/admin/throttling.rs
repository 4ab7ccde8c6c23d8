//! How often the CPU limit of this process held it up, as its own cgroup counts it.
//!
//! Asked of `/proc/self/cgroup`, so that it is this process' limit with several gateways on a machine,
//! under systemd and in a container alike. Nothing where there is no limit, or no cgroup.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cgroup::{Group, groups};

/// Periods of the CPU limit since the cgroup exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Throttling {
    /// In which something ran.
    pub(super) periods: u64,
    /// Of them, those in which the limit was reached.
    pub(super) throttled: u64,
}

/// Of this process. A few reads of files that the kernel makes up as they are read.
pub(super) fn throttling() -> Option<Throttling> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let files = candidates(&own, Path::new("/sys/fs/cgroup"));
    let mut read = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    read.find_map(|text| parse(&text))
}

/// Where the counts may be, most likely first. A container that does not see its own place in the
/// hierarchy has it mounted as the root.
fn candidates(own: &str, root: &Path) -> Vec<PathBuf> {
    let of_group = |group: Group| [group.directory, group.mount].map(|at| at.join("cpu.stat"));
    let groups = groups(own, "cpu", root).into_iter();
    groups.flat_map(of_group).collect()
}

/// Nothing for a cgroup without a limit: version 2 leaves the lines out, version 1 counts no period.
fn parse(text: &str) -> Option<Throttling> {
    let of = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(name, _)| *name == key)?.1.parse().ok()
    };
    let (periods, throttled) = (of("nr_periods")?, of("nr_throttled")?);
    (periods > 0).then_some(Throttling { periods, throttled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_cgroup_comes_before_the_root_of_its_hierarchy() {
        let root = Path::new("/c");
        let v2 = candidates("0::/system.slice/gateway.service\n", root);
        let file = |path: &str| PathBuf::from(path);
        assert_eq!(
            v2,
            [
                file("/c/system.slice/gateway.service/cpu.stat"),
                file("/c/cpu.stat")
            ]
        );
        let v1 = candidates("5:memory:/a\n4:cpu,cpuacct:/docker/1\n3:cpuset:/b\n", root);
        assert_eq!(
            v1,
            [file("/c/cpu/docker/1/cpu.stat"), file("/c/cpu/cpu.stat")]
        );
    }

    #[test]
    fn periods_are_read_and_a_cgroup_without_a_limit_has_none() {
        let v2 = "usage_usec 9\nnr_periods 40\nnr_throttled 3\nthrottled_usec 7\n";
        let limited = Throttling {
            periods: 40,
            throttled: 3,
        };
        assert_eq!(parse(v2), Some(limited));
        assert_eq!(parse("usage_usec 9\nuser_usec 4\n"), None);
        assert_eq!(parse("nr_periods 0\nnr_throttled 0\n"), None);
    }
}
