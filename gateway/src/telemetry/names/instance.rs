//! What tells one gateway of a fleet from all others.

use std::borrow::Cow;
use std::net::SocketAddr;

use rustix::system::uname;

/// The machine's name, or the pod's, and the port of the operators' listener, as Prometheus
/// calls what it scrapes: `shop-7d9f-x2x:9901`. It stays over restarts, and two processes
/// of one machine cannot have the same.
pub(super) fn instance(operators: SocketAddr) -> String {
    let system = uname();
    of(
        system.nodename().to_string_lossy(),
        operators,
        std::process::id(),
    )
}

/// A port that the system chooses is not known yet: then it is the process's id.
fn of(host: Cow<'_, str>, operators: SocketAddr, process: u32) -> String {
    let host = if host.is_empty() {
        "unknown".into()
    } else {
        host
    };
    match operators.port() {
        0 => format!("{host}:{process}"),
        port => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_hosts_name_and_the_operators_port() {
        let on = |host: &str, operators: &str| of(host.into(), operators.parse().unwrap(), 77);
        assert_eq!(on("shop-x2x", "0.0.0.0:9901"), "shop-x2x:9901");
        assert_eq!(on("shop-x2x", "127.0.0.1:0"), "shop-x2x:77");
        assert_eq!(on("", "[::1]:9901"), "unknown:9901");
    }

    #[test]
    fn a_process_always_has_one() {
        let here = instance("127.0.0.1:9901".parse().unwrap());
        assert!(here.ends_with(":9901") && here.len() > 5, "{here}");
    }
}
