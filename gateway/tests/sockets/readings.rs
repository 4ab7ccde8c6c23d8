//! `gateway readings` of a gateway that serves, and how its errors name the remedy.

use std::net::TcpListener;

use fixtures::{Fakes, Options, Service};
use serde_json::Value;

use crate::common::binary::Binary;
use crate::common::gateway::Gateway;
use crate::common::until;

/// What the command says, and its exit status.
async fn readings(admin: &str) -> (String, i32) {
    let mut command = Binary::start(&["readings", "--admin", admin, "--for", "1s"], &[]);
    let status = command.ended().await;
    (command.said(), status.code().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_refuses_is_counted_as_set_aside_and_named() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let text = format!(
        "[downstream.pricing]\nurls = [\"{}\", \"http://{closed}\"]\nconnect_timeout = \"5s\"\n\
         [page.p]\npath = \"/p/{{id}}\"\ndeadline = \"20s\"\nparams.id = \"^(?s:.*)$\"\n\
         [page.p.part.prices]\ndownstream = \"pricing\"\npath = \"/prices/{{id}}\"\nrequired = true\n",
        fakes.url(Service::Pricing)
    );
    let gateway = Gateway::start(&text, &[]).await;
    let gauge = async |name: &str| {
        let text = gateway.look("/metrics").await;
        let text = String::from_utf8(text.body.to_vec()).unwrap();
        let line = format!("gateway_{name}{{downstream=\"pricing\"}} ");
        let mut lines = text.lines().filter_map(|found| found.strip_prefix(&line));
        lines.next().unwrap().to_owned()
    };
    assert_eq!(gauge("endpoints").await, "2");
    until("the closed endpoint set aside", async || {
        assert_eq!(gateway.page("/p/p-1001").await.status, 200);
        gauge("endpoints_ejected").await == "1"
    })
    .await;

    let admin = gateway.admin.to_string();
    let command = readings(&admin);
    let pages = async {
        for _ in 0..40 {
            assert_eq!(gateway.page("/p/p-1001").await.status, 200);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let ((said, status), ()) = tokio::join!(command, pages);
    assert_eq!(status, 0, "{said}");
    let aside = format!("pricing (required by p): 1 of 2 endpoints are set aside: {closed}");
    assert!(said.contains(&aside), "{said}");
    assert!(
        said.contains("PAGE p  deadline 20s  requires pricing"),
        "{said}"
    );
}

#[tokio::test]
async fn the_process_says_which_one_it_is_and_whether_its_cpu_limit_holds_it_up() {
    let gateway = Gateway::start(gateway::config::default_text(), &[]).await;
    let own = gateway.limits().await["gateway"].clone();
    assert_eq!(own["pid"], std::process::id());
    // Where this test runs decides whether there is a limit.
    let limit = &own["cpu_limit"];
    let counts = |key: &str| limit[key].as_u64();
    let known = counts("throttled") <= counts("periods") && counts("periods").is_some();
    assert!(*limit == Value::Null || known, "{own}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_gateway_is_said_with_the_remedy() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (said, status) = readings(&closed.to_string()).await;
    assert_eq!(status, 1, "{said}");
    assert!(
        said.contains(&format!("{closed}: Connection refused")),
        "{said}"
    );
    assert!(
        said.contains("--admin is the gateway's admin.listen"),
        "{said}"
    );

    let fakes = Fakes::start(Options::default()).await.unwrap();
    let other = fakes.url(Service::Pricing).to_string();
    let (said, status) = readings(other.trim_start_matches("http://").trim_end_matches('/')).await;
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("is this a gateway's admin.listen?"), "{said}");
}
