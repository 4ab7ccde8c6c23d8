//! Where the kernel says what the cgroup of a process limits.
//!
//! Not here: what stands in those files, which differs by controller and version.

use std::path::{Path, PathBuf};

/// The cgroup of a process in one hierarchy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Whether it is one of version 2, whose hierarchy has all controllers.
    pub(crate) unified: bool,
    /// Where the hierarchy is mounted, usually.
    pub(crate) mount: PathBuf,
    /// The group's directory in it.
    pub(crate) directory: PathBuf,
}

/// The groups that may limit what `controller` counts, of a process whose `/proc/PID/cgroup`
/// this is; hierarchies are mounted below `root`.
pub(crate) fn groups(text: &str, controller: &str, root: &Path) -> Vec<Group> {
    let group = |line: &str| {
        // "4:cpu,cpuacct:/path", or "0::/path" for version 2.
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let unified = controllers.is_empty();
        let mount = match unified {
            true => root.to_owned(),
            false if controllers.split(',').any(|name| name == controller) => root.join(controller),
            false => return None,
        };
        let directory = mount.join(path.trim_start_matches('/'));
        Some(Group {
            unified,
            mount,
            directory,
        })
    };
    text.lines().filter_map(group).collect()
}
