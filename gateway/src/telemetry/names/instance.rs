//! What tells one gateway of a fleet from all others.

use std::borrow::Cow;

use rustix::system::uname;

use crate::config::AdminAddress;

/// The machine's name, or the pod's, and the port of the operators' listener, as Prometheus
/// calls what it scrapes: `shop-7d9f-x2x:9901`. It stays over restarts, and two processes
/// of one machine cannot have the same.
pub(super) fn instance(operators: &AdminAddress) -> String {
    let system = uname();
    of(
        system.nodename().to_string_lossy(),
        operators,
        std::process::id(),
    )
}

/// A port that the system chooses is not known yet, and a socket has none: then it is the
/// process's id.
fn of(host: Cow<'_, str>, operators: &AdminAddress, process: u32) -> String {
    let host = if host.is_empty() {
        "unknown".into()
    } else {
        host
    };
    match operators {
        AdminAddress::Tcp(address) if address.port() != 0 => format!("{host}:{}", address.port()),
        AdminAddress::Tcp(_) | AdminAddress::Unix(_) => format!("{host}:{process}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_hosts_name_and_the_operators_port() {
        let tcp = |operators: &str| AdminAddress::Tcp(operators.parse().unwrap());
        let on = |host: &str, operators: &str| of(host.into(), &tcp(operators), 77);
        assert_eq!(on("shop-x2x", "0.0.0.0:9901"), "shop-x2x:9901");
        assert_eq!(on("shop-x2x", "127.0.0.1:0"), "shop-x2x:77");
        let socket = AdminAddress::Unix("/run/g.sock".into());
        assert_eq!(of("shop-x2x".into(), &socket, 77), "shop-x2x:77");
        assert_eq!(on("", "[::1]:9901"), "unknown:9901");
    }

    #[test]
    fn a_process_always_has_one() {
        let here = instance(&AdminAddress::Tcp("127.0.0.1:9901".parse().unwrap()));
        assert!(here.ends_with(":9901") && here.len() > 5, "{here}");
    }
}
