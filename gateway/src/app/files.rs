//! Open files: every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;
use crate::telemetry::events;

/// Files a process has open besides its connections, generously.
const OTHERS: u64 = 64;

/// Raises the number of files this process may open as far as it may by itself, and says
/// so if the configuration may need more. Most systems start processes with 1024, for
/// the sake of programs that call `select`; this is none of them.
pub fn raise_limit(config: &Config) {
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    let may_open = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => now.maximum,
        Err(_) => now.current,
    };
    let permits = config
        .downstreams
        .iter()
        .map(|d| d.permits.map_or(0, |limit| u64::from(limit.get())));
    let may_need = config.server.max_connections.get() as u64 + permits.sum::<u64>() + OTHERS;
    // None is no limit.
    if let Some(may_open) = may_open.filter(|&may_open| may_open < may_need) {
        events::few_files(may_open, may_need);
    }
}
