//! A running gateway is changed by commands: by its file, and by overrides with an end.

use std::path::PathBuf;

use gateway::command::Target;
use gateway::command::client::Client;
use gateway::config;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::binary::Binary;
use crate::common::until;

const WAIT: &str = "page.product-page.max_wait";

/// The binary with a file of its own, and its operators' socket.
struct World {
    folder: TempDir,
    file: PathBuf,
    client: Client,
    binary: Binary,
}

impl World {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A change there is not noticed: it is read when a test says so.
        let (elsewhere, file) = (
            folder.path().join("elsewhere"),
            folder.path().join("config.toml"),
        );
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::write(elsewhere.join("file"), shipped(folder.path(), &[])).unwrap();
        std::os::unix::fs::symlink(elsewhere.join("file"), &file).unwrap();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let config = file.to_str().unwrap();
        let binary = Binary::start(&["run", "--config", config], &variables);
        let target = Target {
            admin: format!("unix:{}", folder.path().join("admin.sock").display()),
            token_file: None,
        };
        let client = Client::new(&target).unwrap();
        until("ready", async || client.get("/readyz").await.is_ok()).await;
        Self {
            folder,
            file,
            client,
            binary,
        }
    }

    /// Writes the shipped file with these changes.
    fn write(&self, changes: &[(&str, &str)]) {
        std::fs::write(&self.file, shipped(self.folder.path(), changes)).unwrap();
    }

    /// What a command says, and its exit status.
    async fn command(&self, arguments: &[&str]) -> (String, i32) {
        let admin = format!("unix:{}", self.folder.path().join("admin.sock").display());
        let mut all = arguments.to_vec();
        all.extend(["--admin", &admin]);
        let mut command = Binary::start(&all, &[]);
        let status = command.ended().await;
        (command.said(), status.code().unwrap())
    }

    async fn diff(&self, more: &[&str]) -> (String, i32) {
        let mut all = vec!["diff", "--config", self.file.to_str().unwrap()];
        all.extend(more);
        self.command(&all).await
    }

    async fn max_wait(&self) -> Value {
        self.client.view("/config").await.unwrap()["page"]["product-page"]["max_wait"].clone()
    }

    async fn overrides(&self) -> Value {
        self.client.view("/overrides").await.unwrap()
    }
}

/// The shipped file for a gateway of its own, with changes to its text.
fn shipped(folder: &std::path::Path, changes: &[(&str, &str)]) -> String {
    let socket = format!("listen = \"unix:{}\"", folder.join("admin.sock").display());
    let own = [
        ("listen = \"127.0.0.1:8080\"", "listen = \"127.0.0.1:0\""),
        ("listen = \"127.0.0.1:9901\"", &socket),
        ("exporter = \"datadog\"", "exporter = \"none\""),
        ("dogstatsd = \"127.0.0.1:8125\"", "dogstatsd = \"\""),
        ("drain_delay = \"5s\"", "drain_delay = \"0s\""),
    ];
    let mut text = config::default_text().to_owned();
    for (from, to) in own.iter().chain(changes) {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_set_for_a_while_is_shown_as_an_override_and_can_be_taken_back() {
    let world = World::start(&[]).await;
    let (said, status) = world.command(&["set", WAIT, "20ms", "--for", "10m"]).await;
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("\"50ms\" -> \"20ms\""), "{said}");
    assert!(said.contains("ends by itself in 10m"), "{said}");
    assert_eq!(world.max_wait().await, "20ms");
    let origins = world.client.view("/config?origins").await.unwrap();
    let shown = &origins[WAIT];
    assert_eq!(
        (&shown["from"], &shown["was"]),
        (&json!("override"), &json!("50ms"))
    );
    let left = shown["ends_in_s"].as_f64().unwrap();
    assert!(left > 500.0 && left <= 600.0, "{left}");
    assert_eq!(origins["page.product-page.queue"]["from"], "file");
    let overrides = world.overrides().await;
    assert_eq!(
        (&overrides[WAIT]["value"], &overrides[WAIT]["was"]),
        (&json!("20ms"), &json!("50ms"))
    );

    // Again: the value and the end are the new ones, and what it was is still the file's.
    let (said, status) = world.command(&["set", WAIT, "10ms", "--for", "1h"]).await;
    assert_eq!(status, 0, "{said}");
    let overrides = world.overrides().await;
    assert_eq!(
        (&overrides[WAIT]["value"], &overrides[WAIT]["was"]),
        (&json!("10ms"), &json!("50ms"))
    );

    let (said, status) = world.command(&["unset", WAIT]).await;
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("\"10ms\" -> \"50ms\""), "{said}");
    assert_eq!(world.max_wait().await, "50ms");
    assert_eq!(world.overrides().await, json!({}));
    let text = std::fs::read_to_string(&world.file).unwrap();
    assert_eq!(
        text,
        shipped(world.folder.path(), &[]),
        "it was written to the file"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_ends_by_itself_also_while_the_file_is_broken() {
    let world = World::start(&[]).await;
    let (said, status) = world.command(&["set", WAIT, "20ms", "--for", "1s"]).await;
    assert_eq!(status, 0, "{said}");
    std::fs::write(&world.file, "half an edit").unwrap();
    until("its end", async || world.overrides().await == json!({})).await;
    assert_eq!(world.max_wait().await, "50ms");
    until("the log", async || {
        let said = world.binary.said();
        said.contains("override set") && said.contains("override ended")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_that_cannot_be_is_refused_by_name_and_changes_nothing() {
    let world = World::start(&[]).await;
    let before = world.client.get("/config?origins").await.unwrap();
    for (key, value, lasts, words) in [
        (
            WAIT,
            "20",
            "10m",
            "from an override: page.product-page.max_wait=\"20\"",
        ),
        (
            "page.product-page.max_wiat",
            "20ms",
            "10m",
            "did you mean `page.product-page.max_wait`?",
        ),
        ("server.listen", "127.0.0.1:1", "10m", "`server.listen`: "),
        ("admin.token_file", "/tmp/x", "10m", "`admin.token_file`: "),
        (WAIT, "20ms", "25h", "the most is 24h"),
        (WAIT, "20ms", "10ms", "from 1s to 24h"),
        (WAIT, "20ms", "600", "\"for\": "),
        ("page/../x", "20ms", "1m", "`page/../x`: "),
    ] {
        let (said, status) = world.command(&["set", key, value, "--for", lasts]).await;
        assert_eq!(status, 2, "{said}");
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    let (said, status) = world.command(&["unset", WAIT]).await;
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("there is no override of it"), "{said}");
    assert_eq!(world.client.get("/config?origins").await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_says_what_is_different_and_a_bad_file_changes_nothing() {
    let world = World::start(&[]).await;
    let (said, status) = world.command(&["reload"]).await;
    assert_eq!((said.as_str(), status), ("nothing is different\n", 0));

    world.write(&[("max_wait = \"50ms\"", "max_wait = \"30ms\"")]);
    let (said, status) = world.command(&["reload"]).await;
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("\"50ms\" -> \"30ms\""), "{said}");
    assert_eq!(world.max_wait().await, "30ms");

    world.write(&[("max_wait = \"50ms\"", "max_wait = 50\nquue = 1")]);
    let (said, status) = world.command(&["reload"]).await;
    assert_eq!(status, 2, "{said}");
    for words in ["config.toml:", "write `max_wait = \"50ms\"`", "quue"] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
    world.write(&[("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:1\"")]);
    let (said, status) = world.command(&["reload"]).await;
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("server.listen"), "{said}");
    assert_eq!(world.max_wait().await, "30ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_outlives_a_reload_unless_the_file_has_no_place_for_it() {
    let world = World::start(&[]).await;
    world.command(&["set", WAIT, "20ms", "--for", "1h"]).await;
    world.write(&[("max_wait = \"50ms\"", "max_wait = \"30ms\"")]);
    let (said, status) = world.command(&["reload"]).await;
    assert_eq!((said.as_str(), status), ("nothing is different\n", 0));
    let overrides = world.overrides().await;
    assert_eq!(
        (&overrides[WAIT]["value"], &overrides[WAIT]["was"]),
        (&json!("20ms"), &json!("30ms"))
    );

    world.write(&[("page.product-page", "page.shop")]);
    let (said, status) = world.diff(&[]).await;
    assert_eq!(status, 1, "{said}");
    assert!(
        said.contains(&format!("the override of {WAIT} would end")),
        "{said}"
    );
    let (said, status) = world.command(&["reload"]).await;
    assert_eq!(status, 0, "{said}");
    assert!(
        said.contains("+ page.shop") && said.contains("- page.product-page"),
        "{said}"
    );
    assert!(
        said.contains(&format!("the override of {WAIT} has ended")),
        "{said}"
    );
    assert_eq!(world.overrides().await, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diff_is_what_a_reload_does_with_the_variables_and_overrides_of_that_process() {
    let variables = [
        ("GATEWAY__PAGE__PRODUCT_PAGE__QUEUE", "7"),
        ("DD_ENV", "prod"),
    ];
    let world = World::start(&variables).await;
    let (said, status) = world.diff(&[]).await;
    assert_eq!((said.as_str(), status), ("", 0), "{said}");
    world.command(&["set", WAIT, "20ms", "--for", "1h"]).await;
    world.write(&[
        ("queue = 64", "queue = 65"),
        ("max_wait = \"50ms\"", "max_wait = \"40ms\""),
        ("reserve = \"5ms\"", "reserve = \"6ms\""),
        (
            "[page.product-page.part.reviews]",
            "[page.product-page.part.ratings]",
        ),
    ]);
    let (said, status) = world.diff(&["--json"]).await;
    assert_eq!(status, 1, "{said}");
    let diff: Value = serde_json::from_str(&said).unwrap();
    let keys: Vec<&str> = diff["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["key"].as_str().unwrap())
        .collect();
    let part = "page.product-page.part";
    let expected = [
        "page.product-page.reserve".to_owned(),
        format!("{part}.ratings"),
        format!("{part}.reviews"),
    ];
    assert_eq!(keys, expected);
    assert_eq!(diff["overrides"][WAIT]["value"], "20ms");
    let (said, _) = world.diff(&[]).await;
    let stays = format!("the override of {WAIT} stays: \"20ms\", ends in ");
    assert!(said.contains(&stays), "{said}");
    let answer = world
        .client
        .ask(http::Method::POST, "/reload", None)
        .await
        .unwrap();
    let made: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(made["differences"], diff["differences"]);
    let (said, status) = world.diff(&[]).await;
    assert_eq!((said.as_str(), status), ("", 0), "{said}");

    world.write(&[("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:1\"")]);
    let (said, status) = world.diff(&[]).await;
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("needs a restart"), "{said}");
    world.write(&[("queue = 64", "queue = \"x\"")]);
    let (said, status) = world.diff(&[]).await;
    // The variable wins over what is written there.
    assert_eq!(status, 1, "{said}");
    world.write(&[("reserve = \"5ms\"", "reserve = 5")]);
    let (said, status) = world.diff(&[]).await;
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("write `reserve = \"5ms\"`"), "{said}");
}

#[tokio::test]
async fn two_files_are_compared_without_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, changes: &[(&str, &str)]| {
        let path = folder.path().join(name);
        std::fs::write(&path, shipped(folder.path(), changes)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let old = file("old.toml", &[]);
    let new = file("new.toml", &[("permits = 64", "permits = 32")]);
    let diff = async |before: &str, after: &str| {
        let mut command = Binary::start(&["diff", "--against", before, "--config", after], &[]);
        let status = command.ended().await.code().unwrap();
        (command.said(), status)
    };
    assert_eq!(diff(&old, &old).await, (String::new(), 0));
    let (said, status) = diff(&old, &new).await;
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("downstream.pricing.permits"), "{said}");
    assert!(said.contains("64 -> 32"), "{said}");
    let (said, status) = diff(&old, "/nowhere").await;
    assert_eq!(status, 2, "{said}");
    let (said, status) = diff("/nowhere", &new).await;
    assert_eq!(status, 2, "{said}");
    // Nobody is there to compare with.
    let mut command = Binary::start(
        &[
            "diff",
            "--config",
            &new,
            "--admin",
            &format!("unix:{}/nobody", folder.path().display()),
        ],
        &[],
    );
    assert_eq!(command.ended().await.code(), Some(2), "{}", command.said());
}

#[tokio::test]
async fn a_check_for_machines_has_every_key_and_every_fault() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let check = async |text: &str| {
        std::fs::write(&path, text).unwrap();
        let mut command = Binary::start(
            &["check", "--json", "--config", path.to_str().unwrap()],
            &[],
        );
        let status = command.ended().await.code().unwrap();
        let said = command.said();
        let json: Value =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        (json, status)
    };
    let (json, status) = check(&shipped(folder.path(), &[])).await;
    assert_eq!((status, &json["usable"]), (0, &json!(true)));
    assert_eq!(json["keys"][WAIT]["value"], "50ms");
    let bad = shipped(
        folder.path(),
        &[
            ("reserve = \"5ms\"", "reserve = 5"),
            ("max_wait = \"50ms\"", "max_wiat = 1"),
        ],
    );
    let (json, status) = check(&bad).await;
    assert_eq!((status, &json["usable"]), (2, &json!(false)));
    let errors = json["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{json}");
    assert!(
        errors
            .iter()
            .all(|error| error["line"].is_u64() && error["help"].is_string()),
        "{json}"
    );
}
