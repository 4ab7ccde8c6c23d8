//! Another configuration while the gateway serves: what takes effect, what goes on, what is refused.

use std::time::Duration;

use fixtures::{Behaviour, Fakes, Options, Service};
use gateway::app::reload::{NotChanged, Trigger};
use gateway::telemetry::names::ReloadOutcome;

use super::common::client::{Client, get};
use super::common::gateway::{PAGE, shop_changes};
use super::common::reloading::Reloading;
use super::common::{soon, until};

mod keys;
mod load;
mod triggers;

async fn start(text: &str) -> (Reloading, Fakes) {
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let changes = shop_changes(&fakes, &[]);
    let gateway = Reloading::start(text, &changes).await;
    (gateway, fakes)
}

/// The shipped configuration with these replaced, each of which is there.
fn shipped(replaced: &[(&str, &str)]) -> String {
    let mut text = gateway::config::default_text().to_owned();
    for (from, to) in replaced {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

/// A further page of one part, from the product service.
const OTHER: &str = "\n[page.other]\npath = \"/other/{id}\"\ndeadline = \"20s\"\n\
    [page.other.part.a]\ndownstream = \"product\"\npath = \"/products/{id}\"\n";

#[tokio::test]
async fn limits_change_a_page_comes_and_goes_and_what_was_counted_of_the_others_goes_on() {
    let (world, _fakes) = start(&shipped(&[])).await;
    let gateway = &world.gateway;
    assert_eq!(gateway.page(PAGE).await.status, 200);
    assert_eq!(gateway.page("/other/p-1001").await.status, 404);

    let text = shipped(&[("permits = 64", "permits = 7"), ("queue = 64", "queue = 3")]) + OTHER;
    assert_eq!(world.write(&text).await, ReloadOutcome::Applied);
    assert_eq!(gateway.page("/other/p-1001").await.status, 200);
    assert_eq!(gateway.page(PAGE).await.status, 200);
    let limits = gateway.limits().await;
    assert_eq!(limits["downstreams"]["pricing"]["permits"], 7);
    assert_eq!(limits["pages"]["product-page"]["queue"], 3);
    assert_eq!(limits["pages"]["product-page"]["outcomes"]["complete"], 2);
    assert_eq!(limits["pages"]["other"]["outcomes"]["complete"], 1);
    let metrics = String::from_utf8(gateway.look("/metrics").await.body).unwrap();
    assert!(metrics.contains("gateway_bulkhead_limit{downstream=\"pricing\"} 7\n"));
    assert!(metrics.contains("gateway_reloads_total{outcome=\"applied\"} 1\n"));
    assert!(gateway.look("/config").await.json()["page"]["other"].is_object());

    assert_eq!(world.write(&shipped(&[])).await, ReloadOutcome::Applied);
    assert_eq!(gateway.page("/other/p-1001").await.status, 404);
    let metrics = String::from_utf8(gateway.look("/metrics").await.body).unwrap();
    assert!(
        !metrics.contains("page=\"other\""),
        "its counters have gone with it"
    );
    assert!(
        metrics.contains("gateway_pages_total{page=\"product-page\",outcome=\"complete\"} 2\n")
    );
}

#[tokio::test]
async fn what_describes_the_pages_describes_those_in_force_where_it_is_answered_now() {
    let (world, _fakes) = start(&shipped(&[])).await;
    let gateway = &world.gateway;
    let paths = |document: serde_json::Value| document["paths"].as_object().unwrap().len();
    assert_eq!(paths(gateway.look("/openapi.json").await.json()), 1);
    let public = shipped(&[("openapi = \"admin\"", "openapi = \"public\"")]) + OTHER;
    assert_eq!(world.write(&public).await, ReloadOutcome::Applied);
    assert_eq!(gateway.look("/openapi.json").await.status, 404);
    assert_eq!(paths(gateway.page("/openapi.json").await.json()), 2);
}

#[tokio::test]
async fn a_page_ends_by_the_configuration_that_it_began_by() {
    let (world, fakes) = start(&(shipped(&[]) + OTHER)).await;
    let slow = Behaviour::fixed(Duration::from_secs(1));
    fakes.set(Service::Product, slow).unwrap();
    let mut client = Client::connect(world.gateway.public).await;
    client.send(get("/other/p-1001", "")).await;
    world.gateway.until_in_flight(1).await;
    assert_eq!(world.write(&shipped(&[])).await, ReloadOutcome::Applied);
    let answer = client.answer().await;
    assert_eq!(answer.status, 200, "its page is gone, and it was served");
    assert!(String::from_utf8(answer.body).unwrap().contains("p-1001"));
    world.gateway.at_rest().await;
}

#[tokio::test]
async fn connections_to_a_service_that_stays_are_kept_whatever_limits_change() {
    let (world, fakes) = start(&shipped(&[])).await;
    world.gateway.page(PAGE).await;
    let connections = || {
        let of = |service| fakes.stats(service).connections_total;
        Service::ALL.map(of)
    };
    let before = connections();
    for permits in ["63", "9", "31"] {
        let text = shipped(&[
            ("permits = 64", &format!("permits = {permits}")),
            ("deadline = \"300ms\"", "deadline = \"400ms\""),
            ("max_body = \"256KiB\"", "max_body = \"128KiB\""),
            ("max_age = \"5m\"", "max_age = \"6m\""),
            ("resolve = \"10s\"", "resolve = \"11s\""),
        ]);
        assert_eq!(world.write(&text).await, ReloadOutcome::Applied);
        assert_eq!(world.gateway.page(PAGE).await.status, 200);
    }
    assert_eq!(connections(), before);
}

#[tokio::test]
async fn a_service_that_is_reached_otherwise_has_new_connections_and_its_old_ones_are_closed() {
    let old = Fakes::start(Options::default()).await.unwrap();
    let new = Fakes::start(Options::default()).await.unwrap();
    let text = |fakes: &Fakes| {
        format!(
            "[page.p]\npath = \"/p/{{id}}\"\ndeadline = \"20s\"\npart.a = {{ downstream = \"product\", path = \"/products/{{id}}\" }}\n\
             [downstream.product]\nurl = \"{}\"\nconnect_timeout = \"5s\"\n",
            fakes.url(Service::Product)
        )
    };
    let world = Reloading::start(&text(&old), &[]).await;
    assert_eq!(world.gateway.page("/p/p-1001").await.status, 200);
    // A call that is under way ends where it began.
    let slow = Behaviour::fixed(Duration::from_secs(1));
    old.set(Service::Product, slow).unwrap();
    let mut client = Client::connect(world.gateway.public).await;
    client.send(get("/p/p-1001", "")).await;
    until("the call", async || {
        old.stats(Service::Product).in_flight == 1
    })
    .await;

    assert_eq!(world.write(&text(&new)).await, ReloadOutcome::Applied);
    until("connections before the first page", async || {
        new.stats(Service::Product).connections_total == 4
    })
    .await;
    assert_eq!(world.gateway.page("/p/p-1001").await.status, 200);
    assert_eq!(client.answer().await.status, 200);
    until("the old connections to be closed", async || {
        old.stats(Service::Product).connections_open == 0
    })
    .await;
    let stats = (old.stats(Service::Product), new.stats(Service::Product));
    assert_eq!((stats.0.completed, stats.1.completed), (2, 1));
    assert_eq!(stats.0.aborted_by_caller, 0);
}

#[tokio::test]
async fn a_file_with_errors_changes_nothing_and_all_of_them_are_told() {
    let (world, _fakes) = start(&shipped(&[])).await;
    let text = shipped(&[
        ("permits = 64", "permits = -1"),
        ("queue = 64", "queu = 64"),
    ]);
    std::fs::write(&world.file, text).unwrap();
    let refused = world.reloader.reload(Trigger::Request).await.unwrap_err();
    let NotChanged::Bad(report) = &refused else {
        panic!("{refused}");
    };
    assert_eq!(report.len(), 6, "{report}");
    let limits = world.gateway.limits().await;
    assert_eq!(limits["downstreams"]["pricing"]["permits"], 64);
    assert_eq!(world.gateway.page(PAGE).await.status, 200);
    let change = world.reloader.changes().remove(0);
    assert_eq!(change.outcome, ReloadOutcome::Refused);
    assert!(change.error.unwrap().contains("did you mean `queue`?"));
    let counts = world.gateway.telemetry.counts();
    assert!(counts.reloads(ReloadOutcome::Refused) >= 1);
    assert_eq!(counts.reloads(ReloadOutcome::Applied), 0);
}

#[tokio::test]
async fn what_only_a_restart_can_change_is_named_and_nothing_else_changes_either() {
    let (world, _fakes) = start(&shipped(&[])).await;
    let text = shipped(&[
        ("service = \"product-gateway\"", "service = \"other\""),
        ("env = \"dev\"", "env = \"live\""),
        ("permits = 64", "permits = 7"),
    ]);
    std::fs::write(&world.file, text).unwrap();
    let refused = world.reloader.reload(Trigger::Request).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "telemetry.service = \"product-gateway\" -> \"other\": restart\n\
         telemetry.env = \"dev\" -> \"live\": restart"
    );
    let limits = world.gateway.limits().await;
    assert_eq!(limits["downstreams"]["pricing"]["permits"], 64);
    assert_eq!(world.generations.current().number, 0);
}

#[tokio::test]
async fn a_client_that_is_over_its_quota_still_is_after_a_reload() {
    let few = ("burst = 1000", "burst = 2");
    let slow = ("rate = \"500/s\"", "rate = \"1/h\"");
    let (world, _fakes) = start(&shipped(&[few, slow])).await;
    for expected in [200, 200, 429] {
        assert_eq!(world.gateway.page(PAGE).await.status, expected);
    }
    let text = shipped(&[few, slow, ("permits = 64", "permits = 63")]);
    assert_eq!(world.write(&text).await, ReloadOutcome::Applied);
    assert_eq!(world.gateway.page(PAGE).await.status, 429);
    let text = shipped(&[("burst = 1000", "burst = 3"), slow]);
    assert_eq!(world.write(&text).await, ReloadOutcome::Applied);
    for expected in [200, 429] {
        assert_eq!(world.gateway.page(PAGE).await.status, expected, "one more");
    }
}

#[tokio::test]
async fn pages_that_wait_start_when_a_limit_grows_and_are_refused_when_it_can_never_be() {
    let limited = [
        ("permits = 64", "permits = 1"),
        ("max_wait = \"50ms\"", "max_wait = \"20s\""),
    ];
    let (world, fakes) = start(&shipped(&limited)).await;
    fakes
        .set(Service::Pricing, Behaviour::fixed(Duration::from_secs(2)))
        .unwrap();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(world.gateway.public).await;
        client.send(get(PAGE, "")).await;
        clients.push(client);
    }
    until("two that wait", async || {
        world.gateway.limits().await["pages"]["product-page"]["queued"] == 2
    })
    .await;
    let more = shipped(&[("permits = 64", "permits = 3"), limited[1]]);
    assert_eq!(world.write(&more).await, ReloadOutcome::Applied);
    until("all to run", async || {
        fakes.stats(Service::Pricing).in_flight == 3
    })
    .await;
    for mut client in clients {
        assert_eq!(soon("a page", client.answer()).await.status, 200);
    }
    world.gateway.at_rest().await;
}
