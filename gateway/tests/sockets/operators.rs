//! Who may do what on the operators' listener, and the two kinds of it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gateway::app::App;
use gateway::command::client::Client;
use gateway::command::{CommandError, Target};
use gateway::config;
use gateway::lifecycle::stop::StopSignal;
use http::Method;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::common::client::{ask, get};
use crate::common::gateway::{Gateway, one_part, shop, variables};
use crate::common::{soon, until};

const TOKEN: &str = "hush-hush-hush-hush";

/// A folder with the token in it, and the change that names it.
fn token() -> (TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let change = format!("admin.token_file={}", file.display());
    (folder, file, change)
}

/// One page that nobody asks for.
async fn gateway(changes: &[String]) -> Gateway {
    Gateway::start(&one_part("http://127.0.0.1:1"), changes).await
}

fn target(admin: &str, token_file: Option<&Path>) -> Target {
    Target {
        admin: admin.to_owned(),
        token_file: token_file.map(Path::to_owned),
    }
}

#[tokio::test]
async fn nothing_is_changed_over_tcp_without_a_token_and_the_key_is_named() {
    let (gateway, _fakes) = shop(&[]).await;
    for authorization in ["", "Authorization: Bearer hush-hush-hush-hush\r\n"] {
        let request = get("/reload", authorization).replacen("GET", "POST", 1);
        let answer = ask(gateway.admin, request).await;
        assert_eq!(answer.status, 403);
        assert!(String::from_utf8_lossy(&answer.body).contains("admin.token_file"));
    }
}

#[tokio::test]
async fn with_a_token_changes_are_for_those_who_show_it_and_loopback_still_looks_in() {
    let (_folder, file, change) = token();
    let gateway = gateway(&[change]).await;
    let post = async |authorization: &str| {
        let request = get("/reload", authorization).replacen("GET", "POST", 1);
        ask(gateway.admin, request).await
    };
    let answer = post("").await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"gateway\"")
    );
    let answer = post("Authorization: Bearer hush-hush-hush-husi\r\n").await;
    assert_eq!(answer.status, 401);
    let words = String::from_utf8(answer.body.clone()).unwrap();
    assert!(!words.contains("hush"), "{words}");
    assert_ne!(
        post(&format!("Authorization: Bearer {TOKEN}\r\n"))
            .await
            .status,
        401
    );
    let shown = gateway.look("/config").await;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.json()["admin"]["token_file"], file.to_str().unwrap());
    assert!(!String::from_utf8_lossy(&shown.body).contains("hush"));
}

#[tokio::test]
async fn off_loopback_only_health_is_shown_without_the_token() {
    let open = "admin.listen=0.0.0.0:0".to_owned();
    let (_folder, file, change) = token();
    for token in [None, Some(change)] {
        let refused = if token.is_some() { 401 } else { 403 };
        let changes: Vec<String> = [open.clone()].into_iter().chain(token.clone()).collect();
        let mut gateway = gateway(&changes).await;
        gateway.admin.set_ip([127, 0, 0, 1].into());
        for path in ["/livez", "/readyz"] {
            assert_eq!(gateway.look(path).await.status, 200, "{path}");
        }
        for path in ["/metrics", "/config", "/limits"] {
            assert_eq!(gateway.look(path).await.status, refused, "{path}");
        }
        if token.is_some() {
            let admin = gateway.admin.to_string();
            let client = Client::new(&target(&admin, Some(&file))).unwrap();
            assert!(client.get("/metrics").await.unwrap().contains("gateway_"));
            let without = Client::new(&target(&admin, None)).unwrap();
            let error = without.get("/metrics").await.unwrap_err();
            assert!(matches!(error, CommandError::Denied { .. }), "{error:?}");
            assert!(error.to_string().contains("--token-file"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_command_says_what_is_wrong_with_its_token_file() {
    let (folder, file, _) = token();
    std::fs::write(&file, "short").unwrap();
    for file in [file, folder.path().join("nowhere")] {
        let error = Client::new(&target("127.0.0.1:1", Some(&file))).unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with("--token-file: ") && !said.contains("short\""),
            "{said}"
        );
    }
}

#[tokio::test]
async fn through_a_socket_of_the_file_system_its_owner_does_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let change = format!("admin.listen=unix:{}", path.display());
    let text = one_part("http://127.0.0.1:1");
    let loaded = config::load_text("test.toml", &text, &variables(&[change])).unwrap();
    let app = App::bind(loaded).await.unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let stop = StopSignal::default();
    let mut running = JoinSet::new();
    running.spawn(app.run(stop.clone()));

    let client = Client::new(&target(&format!("unix:{}", path.display()), None)).unwrap();
    until("ready", async || client.get("/readyz").await.is_ok()).await;
    let shown = client.view("/config").await.unwrap();
    assert_eq!(shown["admin"]["listen"], format!("unix:{}", path.display()));
    // It is not asked for a token.
    let answer = client.ask(Method::POST, "/config", None).await.unwrap();
    assert_eq!(answer.status, 405);
    // A second one does not take it over.
    let again = config::load_text(
        "test.toml",
        &text,
        &variables(&[format!("admin.listen=unix:{}", path.display())]),
    );
    let again = again.unwrap();
    let error = App::bind(again).await.unwrap_err();
    assert!(
        error.to_string().contains("admin.listen = \"unix:"),
        "{error}"
    );
    assert!(client.get("/livez").await.is_ok());

    stop.request();
    let ended = soon("its end", running.join_next()).await;
    ended.unwrap().unwrap().unwrap();
    assert!(!path.exists(), "the socket was left behind");
}
