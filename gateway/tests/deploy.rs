//! What `deploy/` says in numbers, held against its own configuration: a manifest that is valid
//! (`.ci/deploy.py`) may still end pods before they have drained.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot read what is shipped has failed"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::app::memory::Memory;
use gateway::config::{self, AdminAddress, Config};
use regex::Regex;

/// What the end takes beyond `drain_delay` and `drain_timeout`: connections and telemetry.
const END: Duration = Duration::from_secs(3);

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy(path)).unwrap()
}

/// The only number that follows `key` in a file.
fn number(path: &str, key: &str) -> u64 {
    let pattern = Regex::new(&format!(r"(?m)^\s*(?:- )?{key}\s*(\d+)")).unwrap();
    let text = read(path);
    let found: Vec<_> = pattern.captures_iter(&text).collect();
    assert!(!found.is_empty(), "{path} has no {key}");
    let numbers: Vec<u64> = found.iter().map(|one| one[1].parse().unwrap()).collect();
    assert!(
        numbers.iter().all(|number| *number == numbers[0]),
        "{path}: {key} {numbers:?}"
    );
    numbers[0]
}

/// The configuration of the cluster, with a token where the Secret would be.
fn cluster() -> Config {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o440)).unwrap();
    let variables = [(
        "GATEWAY__ADMIN__TOKEN_FILE".to_owned(),
        token.to_str().unwrap().to_owned(),
    )];
    let text = read("kubernetes/base/config.toml");
    let loaded = config::load_text("config.toml", &text, &variables).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    loaded.config
}

fn end_of(config: &Config) -> Duration {
    config.server.drain_delay + config.server.drain_timeout + END
}

#[test]
fn a_pod_has_time_to_end() {
    let grace = number(
        "kubernetes/base/deployment.yaml",
        "terminationGracePeriodSeconds:",
    );
    assert!(
        Duration::from_secs(grace) >= end_of(&cluster()),
        "{grace} s"
    );
}

#[test]
fn a_service_has_time_to_end() {
    let shipped = config::load_text("config.toml", config::default_text(), &[]).unwrap();
    let timeout = number("systemd/gateway.service", "TimeoutStopSec=");
    assert!(
        Duration::from_secs(timeout) >= end_of(&shipped.config),
        "{timeout} s"
    );
}

#[test]
fn a_pod_that_is_not_ready_is_noticed_while_it_still_serves() {
    let deployment = read("kubernetes/base/deployment.yaml");
    let probe = deployment.split("readinessProbe:").nth(1).unwrap();
    let value = |key: &str| -> u64 {
        let after = probe.split(key).nth(1).unwrap();
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    let notices = value("periodSeconds: ") * value("failureThreshold: ");
    assert!(
        Duration::from_secs(notices) < cluster().server.drain_delay,
        "{notices} s"
    );
}

#[test]
fn ports_are_those_of_the_configuration() {
    let config = cluster();
    let AdminAddress::Tcp(admin) = config.admin.listen else {
        panic!("probes need a port");
    };
    let deployment = read("kubernetes/base/deployment.yaml");
    for (name, address) in [("http", config.server.listen), ("admin", admin)] {
        let port = format!(
            "- name: {name}\n              containerPort: {}\n",
            address.port()
        );
        assert!(deployment.contains(&port), "{port}");
        assert!(
            address.ip().is_unspecified(),
            "{address} is not the pod's own"
        );
    }
}

#[test]
fn a_pod_may_have_the_memory_that_its_limits_allow() {
    let limit = number("kubernetes/base/deployment.yaml", "memory:") << 20;
    assert!(Memory::of(&cluster()).total() <= limit, "{limit}");
}

#[test]
fn pods_are_added_before_tickets_run_out() {
    let text = read("kubernetes/base/scaling.yaml");
    let target = text.split("averageValue: \"").nth(1).unwrap();
    let target: u32 = target.split('"').next().unwrap().parse().unwrap();
    assert!(
        target * 2 <= cluster().admission.max_in_flight.get(),
        "{target}"
    );
}

#[test]
fn a_passed_socket_is_named_as_the_gateway_knows_it_and_holds_as_many() {
    let socket = read("systemd/gateway.socket");
    assert!(socket.contains("\nFileDescriptorName=public\n"));
    let backlog = number("systemd/gateway.socket", "Backlog=");
    assert_eq!(backlog, u64::from(gateway::edge::listener::BACKLOG));
}
