//! The real binary: signals, exit codes, and the demo as its transcript promises it.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use fixtures::{Behaviour, Fakes, Options, Service};
use gateway::app::files;
use gateway::config;
use gateway::page::deadline::now;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::common::binary::Binary;
use crate::common::client::{Client, ask, get};
use crate::common::gateway::{PAGE, shop_changes, variables};
use crate::common::until;

/// A directory that holds this configuration, and its path.
pub(crate) fn file(text: &str) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

/// The binary with the shop's configuration and these changes, and its fakes.
pub(crate) async fn run(changes: &[&str]) -> (Binary, Fakes, TempDir) {
    start(changes, Binary::start).await
}

async fn start(
    changes: &[&str],
    start: impl FnOnce(&[&str], &[(String, String)]) -> Binary,
) -> (Binary, Fakes, TempDir) {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let (directory, path) = file(config::default_text());
    let variables = variables(&shop_changes(&fakes, changes));
    (
        start(&["run", "--config", &path], &variables),
        fakes,
        directory,
    )
}

#[tokio::test]
async fn with_few_files_clients_cannot_take_those_of_operators_and_calls() {
    let few =
        |arguments: &[&str], variables: &[_]| Binary::start_with_files(64, arguments, variables);
    let changes = ["server.header_read_timeout=1h"];
    let (mut binary, _fakes, _directory) = start(&changes, few).await;
    let (public, admin) = binary.serving().await;
    let said = |binary: &Binary, words: &str| binary.said().matches(words).count();
    assert_eq!(said(&binary, "ulimit -n"), 1, "{}", binary.said());
    assert_eq!(ask(public, get(PAGE, "")).await.status, 200);

    // More clients than files, and each stays.
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(Client::connect(public).await);
    }
    let waits = "no room for more connections";
    until("no room", async || said(&binary, waits) > 0).await;
    for _ in 0..10 {
        assert_eq!(ask(admin, get("/readyz", "")).await.status, 200);
    }
    // One that got in has files enough for the calls of its page.
    clients[0].send(get(PAGE, "")).await;
    assert_eq!(clients[0].answer().await.status, 200);
    // They leave one by one, so that there is room and no room again and again.
    for client in clients.drain(..) {
        drop(client);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ask(public, get(PAGE, "")).await.status, 200);
    until("room", async || said(&binary, "without a wait again") > 0).await;
    assert_eq!(said(&binary, waits), 1, "{}", binary.said());
    assert_eq!(said(&binary, "cannot accept"), 0, "{}", binary.said());
    binary.signal("TERM");
    assert_eq!(binary.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_signal_under_load_breaks_no_page() {
    for signal in ["TERM", "INT"] {
        let (mut binary, fakes, _directory) = run(&["server.drain_timeout=20s"]).await;
        let (public, admin) = binary.serving().await;
        for service in Service::ALL {
            fakes
                .set(service, Behaviour::fixed(Duration::from_millis(250)))
                .unwrap();
        }
        let mut clients = JoinSet::new();
        for _ in 0..20 {
            clients.spawn(async move {
                let (mut client, mut served) = (Client::connect(public).await, 0);
                loop {
                    client.send(get(PAGE, "")).await;
                    // Closed between two pages: nothing was lost.
                    let Some(answer) = client.answer_or_end().await else {
                        return served;
                    };
                    if answer.status != 200 {
                        answer.assert_refused(503, "draining", Some("gateway"));
                        assert_eq!(answer.header("connection"), Some("close"));
                        return served;
                    }
                    served += 1;
                }
            });
        }
        until("load", async || {
            fakes.stats(Service::Product).in_flight >= 10
        })
        .await;
        let began = now();
        binary.signal(signal);
        until("not ready", async || {
            ask(admin, get("/readyz", "")).await.status == 503
        })
        .await;
        assert_eq!(ask(admin, get("/livez", "")).await.status, 200);
        let served: u32 = clients.join_all().await.iter().sum();
        assert!(served >= 10, "{served}");
        let status = binary.ended().await;
        assert_eq!(status.code(), Some(0), "{signal}: {}", binary.said());
        assert!(now() - began < Duration::from_secs(20));
        assert!(binary.said().contains("drained"), "{}", binary.said());
    }
}

/// With a page in flight, after the signal: the page's status.
async fn page_through(signal: &str, binary: &mut Binary, fakes: &Fakes) -> u16 {
    let (public, _) = binary.serving().await;
    let (before, slow) = (
        fakes.stats(Service::Pricing).received,
        Duration::from_secs(1),
    );
    fakes.set(Service::Pricing, Behaviour::fixed(slow)).unwrap();
    let mut client = Client::connect(public).await;
    client.send(get(PAGE, "")).await;
    until("the call", async || {
        fakes.stats(Service::Pricing).received > before
    })
    .await;
    binary.signal(signal);
    client.answer().await.status
}

#[tokio::test]
async fn no_signal_but_those_to_stop_ends_the_gateway_and_none_ends_a_page() {
    let (mut binary, fakes, _directory) = run(&[]).await;
    let signals = [
        "HUP", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "PIPE",
    ];
    for signal in signals {
        assert_eq!(
            page_through(signal, &mut binary, &fakes).await,
            200,
            "{signal}"
        );
    }
    let (public, _) = binary.serving().await;
    fakes.heal();
    assert_eq!(ask(public, get(PAGE, "")).await.status, 200);
    let said = binary.said();
    // A file that is as it was changes nothing.
    assert!(said.contains("the configuration has not changed"), "{said}");
    // The state: as `/limits` shows it.
    assert!(said.contains("tickets_because"), "{said}");
    assert_eq!(said.matches("no meaning here").count(), 6, "{said}");
    assert_eq!(page_through("QUIT", &mut binary, &fakes).await, 200);
    assert_eq!(binary.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_person_at_a_terminal_waits_for_no_load_balancer_and_a_service_manager_does() {
    let delay = Duration::from_secs(4);
    for (signal, waits) in [("INT", false), ("TERM", true)] {
        let (mut binary, _fakes, _directory) = run(&["server.drain_delay=4s"]).await;
        binary.serving().await;
        let began = now();
        binary.signal(signal);
        assert_eq!(binary.ended().await.code(), Some(0));
        let took = now() - began;
        assert_eq!(took >= delay, waits, "{signal}: {took:?}");
        let said = binary.said();
        assert_eq!(said.contains("load balancers turn away"), waits, "{said}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_where_it_stands() {
    let (mut binary, fakes, _directory) = run(&["page.product-page.deadline=none"]).await;
    let (public, admin) = binary.serving().await;
    fakes
        .set(Service::Pricing, Behaviour::fixed(Duration::from_secs(60)))
        .unwrap();
    let mut client = Client::connect(public).await;
    client.send(get(PAGE, "")).await;
    until("the call", async || {
        fakes.stats(Service::Pricing).in_flight == 1
    })
    .await;
    binary.signal("TERM");
    until("not ready", async || {
        ask(admin, get("/readyz", "")).await.status == 503
    })
    .await;
    let began = now();
    binary.signal("INT");
    let status = binary.ended().await;
    assert_eq!(status.code(), Some(1), "{}", binary.said());
    assert!(now() - began < Duration::from_secs(8));
    assert!(
        binary.said().contains("told to stop a second time"),
        "{}",
        binary.said()
    );
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_thousand_idle_clients_hold_less_than_20_kib_each() {
    files::raise_limit();
    let changes = ["server.header_read_timeout=1h", "clients.rate=none"];
    let (mut binary, _fakes, _directory) = run(&changes).await;
    let (public, _) = binary.serving().await;
    for _ in 0..50 {
        assert_eq!(ask(public, get(PAGE, "")).await.status, 200);
    }
    let before = binary.resident();
    let mut clients = Vec::new();
    for _ in 0..1_000 {
        let mut client = Client::connect(public).await;
        client.send(get(PAGE, "X-Request-Id: mine\r\n")).await;
        assert_eq!(client.answer().await.status, 200);
        clients.push(client);
    }
    let each = binary.resident().saturating_sub(before) / clients.len() as u64;
    assert!(each < 20 * 1024, "{each} bytes each");
}

#[tokio::test]
async fn a_thousand_heads_that_never_end_hold_less_than_64_kib_each() {
    files::raise_limit();
    let (mut binary, _fakes, _directory) = run(&["server.header_read_timeout=1h"]).await;
    let (public, _) = binary.serving().await;
    assert_eq!(ask(public, get(PAGE, "")).await.status, 200);
    let before = binary.resident();
    let head = format!("GET {PAGE} HTTP/1.1\r\nHost: a\r\ntracestate: ");
    let mut clients = Vec::new();
    for _ in 0..1_000 {
        let mut client = Client::connect(public).await;
        client.send(head.clone() + &"a".repeat(110_000)).await;
        clients.push(client);
    }
    let each = binary.resident().saturating_sub(before) / clients.len() as u64;
    assert!(each < 64 * 1024, "{each} bytes each");
    drop(clients);
    assert_eq!(ask(public, get(PAGE, "")).await.status, 200);
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for key in ["server.listen", "admin.listen"] {
        let change = format!("{key}={address}");
        let (mut binary, _fakes, _directory) = run(&[&change]).await;
        let status = binary.ended().await;
        let said = binary.said();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(key) && said.contains(&address), "{said}");
        assert!(!said.contains("serving"), "{said}");
    }
}

#[tokio::test]
async fn a_bad_configuration_is_told_in_full_and_nothing_starts() {
    let text = "[server]\nlisten = \"127.0.0.1:0\"\ndrain_timeout = 5\nmax_conections = 3\n";
    let (_directory, path) = file(text);
    for command in ["run", "check"] {
        let mut binary = Binary::start(&[command, "--config", &path], &[]);
        let status = binary.ended().await;
        let said = binary.said();
        assert_eq!(status.code(), Some(2), "{said}");
        for part in ["drain_timeout = 5", "max_connections", "page", &path] {
            assert!(said.contains(part), "{part:?} in: {said}");
        }
        assert!(!said.contains("serving"), "{said}");
    }
    let mut missing = Binary::start(&["run", "--config", &format!("{path}.none")], &[]);
    assert_eq!(missing.ended().await.code(), Some(2));
}

#[tokio::test]
async fn every_broken_configuration_ends_both_commands_with_2_and_starts_nothing() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broken-configs");
    let mut tried = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        for command in ["check", "run"] {
            let path = path.to_str().unwrap();
            let mut binary = Binary::start(&[command, "--config", path], &[]);
            let status = binary.ended().await;
            let said = binary.said();
            assert_eq!(status.code(), Some(2), "{command} {path}: {said}");
            assert!(
                said.contains("error: ") && said.contains("help: "),
                "{command} {path}: {said}"
            );
            assert!(!said.contains("serving"), "{command} {path}: {said}");
            tried += 1;
        }
    }
    assert!(tried >= 2 * 24, "{tried}");
}

#[tokio::test]
async fn a_command_line_that_cannot_be_used_ends_with_2_and_help_with_0() {
    for (arguments, code) in [
        (&["serve"][..], 2),
        (&[], 2),
        (&["run", "--confg", "x"], 2),
        (&["--help"], 0),
    ] {
        let mut binary = Binary::start(arguments, &[]);
        assert_eq!(binary.ended().await.code(), Some(code), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_costs_no_page_and_no_drain() {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let (_directory, path) = file(config::default_text());
    // It cannot say where it listens, so it is told.
    let free = || {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    };
    let (public, admin) = (free(), free());
    let listen = [
        format!("server.listen={public}"),
        format!("admin.listen={admin}"),
    ];
    let mut changes = shop_changes(&fakes, &[]);
    changes.extend(listen);
    let mut variables = variables(&changes);
    variables.push(("RUST_LOG".into(), "debug".into()));
    let mut binary = Binary::start_unheard(&["run", "--config", &path], &variables);
    until("a listener", async || {
        tokio::net::TcpStream::connect(public).await.is_ok()
    })
    .await;
    for _ in 0..20 {
        assert_eq!(ask(public, get(PAGE, "")).await.status, 200);
    }
    binary.signal("TERM");
    assert_eq!(binary.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_good_configuration_passes_the_check() {
    let (_directory, path) = file(config::default_text());
    let mut binary = Binary::start(&["check", "--config", &path], &[]);
    assert_eq!(binary.ended().await.code(), Some(0), "{}", binary.said());
    let memory = "2.5GiB  bodies of parts";
    assert!(binary.said().contains(memory), "{}", binary.said());
}

/// What the binary says to these arguments, and its exit status.
async fn said_to(arguments: &[&str]) -> (String, Option<i32>) {
    let mut binary = Binary::start(arguments, &[]);
    let status = binary.ended().await.code();
    (binary.said(), status)
}

#[tokio::test]
async fn nothing_that_a_terminal_would_obey_is_said_of_a_file_or_of_what_was_typed() {
    const OBEYED: &str = "\u{1b}]0;owned\u{7}\u{202e}";
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = write(&format!("good{OBEYED}"), config::default_text());
    let bad = format!("[server]\nlisten = \"{OBEYED}\"\n\"a{OBEYED}\" = 1\nb{OBEYED} = true\n");
    let bad = write(&format!("bad{OBEYED}"), &bad);
    let escaped = "\"\\u001b[31mkey\" = 1\n[server]\nlisten = \"\\u001b[31m\"\n";
    let escaped = write("escaped", escaped);
    let missing = format!("{}/missing{OBEYED}", directory.path().display());
    let odd = format!("--odd{OBEYED}");
    for (arguments, status) in [
        (&["check", "--config", &good][..], 0),
        (&["check", "--config", &bad], 2),
        (&["run", "--config", &bad], 2),
        (&["check", "--config", &escaped], 2),
        (&["check", "--config", &missing], 2),
        (&["run", "--config", &missing], 2),
        (&["check", &odd], 2),
        (&[OBEYED], 2),
    ] {
        let (said, ended) = said_to(arguments).await;
        assert_eq!(ended, Some(status), "{said}");
        let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!said.chars().any(obeyed), "{arguments:?}: {said:?}");
        assert!(said.contains("\\u{"), "{arguments:?}: {said:?}");
    }
}

#[tokio::test]
async fn a_check_says_what_is_wrong_with_a_secret_and_not_what_it_is() {
    let text = "[telemetry]\npassword = \"hush\"\ndatadog_agent = \"http://me:hush@agent\"\n\
        otlp_endpoint = \"ftp://c/?key=hush\"\n[downstream.d]\nurl = \"https://me:hush@d/a\"\n\
        [page.p]\npath = \"/p\"\n[page.p.part.x]\ndownstream = \"d\"\npath = \"/x?token=hush#\"\n";
    let (_directory, path) = file(text);
    let (said, status) = said_to(&["check", "--config", &path]).await;
    assert_eq!(status, Some(2), "{said}");
    for key in [
        "telemetry.password",
        "telemetry.datadog_agent",
        "telemetry.otlp_endpoint",
        "downstream.d.url",
        "page.p.part.x.path",
    ] {
        assert!(said.contains(&format!("`{key}`: ")), "{key}: {said}");
    }
    assert!(!said.contains("hush"), "{said}");
    assert!(said.ends_with(": 3 errors\n"), "{said}");
}

/// What a line of the transcript prints when it is typed in.
async fn typed(line: &str) -> String {
    let line = line.to_owned();
    let run = move || {
        Command::new("sh")
            .args(["-c", &line])
            .output()
            .unwrap()
            .stdout
    };
    String::from_utf8(tokio::task::spawn_blocking(run).await.unwrap()).unwrap()
}

#[cfg(feature = "demo")]
#[tokio::test]
async fn the_demo_does_what_its_transcript_promises() {
    let mut binary = Binary::start(&["demo", "--free-ports"], &[]);
    until("the transcript", async || {
        binary.said().contains("Ctrl-C ends it")
    })
    .await;
    binary.serving().await;
    let said = binary.said();
    let lines: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .collect();
    let lines: Vec<&str> = lines
        .into_iter()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let [whole, slow, late, heal, healed, burst, limits] = lines[..] else {
        panic!("{lines:?}")
    };

    // Five fakes draw their latencies: on a busy machine one may miss the 300 ms.
    let is_whole = async |line: &str| {
        until("a whole page", async || {
            let said = typed(line).await;
            said.starts_with("HTTP/1.1 200") && said.contains("\"complete\":true,\"missing\":[]")
        })
        .await;
    };
    is_whole(whole).await;
    assert!(typed(slow).await.contains("\"slow\""));
    let said = typed(late).await;
    assert!(
        said.starts_with("HTTP/1.1 504") && said.contains("\"deadline\""),
        "{said}"
    );
    typed(heal).await;
    is_whole(healed).await;
    assert_burst(&typed(burst).await);
    let limits: Value = serde_json::from_str(&typed(limits).await).unwrap();
    assert_eq!(limits["downstreams"]["pricing"]["permits"], 64);

    // The page for a browser, which names what else is there.
    let said = binary.said();
    let (_, shop) = said.split_once("http://").unwrap();
    let shop = shop.split('/').next().unwrap().parse().unwrap();
    let page = ask(shop, get("/", "")).await;
    assert!(String::from_utf8_lossy(&page.body).contains("main.js"));
    binary.signal("INT");
    assert_eq!(binary.ended().await.code(), Some(0), "{}", binary.said());
}

/// All 400 were answered: some by a page, some because there was no room for it, and on a busy
/// machine some too late.
fn assert_burst(said: &str) {
    let count = |line: &str| {
        let (count, status) = line.trim().split_once(' ').unwrap();
        (
            count.parse::<u32>().unwrap(),
            status.parse::<u16>().unwrap(),
        )
    };
    let counts: Vec<_> = said.lines().map(count).collect();
    assert_eq!(
        counts.iter().map(|(count, _)| count).sum::<u32>(),
        400,
        "{said}"
    );
    assert!(
        counts
            .iter()
            .all(|(_, status)| [200, 429, 504].contains(status)),
        "{said}"
    );
    for some in [200, 429] {
        assert!(counts.iter().any(|(_, status)| *status == some), "{said}");
    }
}
