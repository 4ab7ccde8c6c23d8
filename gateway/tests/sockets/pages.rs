//! Pages that are served: whole ones, and those that say what is missing.

use std::time::Duration;

use fixtures::catalogue::Catalogue;
use fixtures::{Behaviour, Fakes, Fault, Options, Service};
use gateway::config;
use serde_json::json;

use crate::common::client::{Answer, Client, get};
use crate::common::gateway::{Gateway, PAGE, one_part, shop, shop_changes};
use crate::common::scripted::{Script, Scripted, ok, with_length};

fn data(service: Service) -> String {
    String::from_utf8(Catalogue::get().body(service, "p-1001").unwrap().to_vec()).unwrap()
}

#[track_caller]
fn assert_partial(answer: &Answer, missing: &[&str]) {
    let page = answer.json();
    assert_eq!(answer.status, 200, "{page}");
    assert_eq!(
        (&page["complete"], &page["missing"]),
        (&json!(false), &json!(missing)),
        "{page}"
    );
    assert_eq!(answer.header("x-gateway-complete"), Some("false"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_whole_page_is_its_parts_in_order_byte_for_byte() {
    let (gateway, fakes) = shop(&[]).await;
    let answer = gateway.page(PAGE).await;
    let parts = Service::ALL.map(|service| {
        format!(
            "\"{service}\":{{\"status\":\"ok\",\"data\":{}}}",
            data(service)
        )
    });
    let expected = format!(
        "{{\"complete\":true,\"missing\":[],\"parts\":{{{}}}}}",
        parts.join(",")
    );
    assert_eq!(String::from_utf8(answer.body.clone()).unwrap(), expected);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-gateway-complete"), Some("true"));
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
    let timing = answer.header("server-timing").unwrap();
    assert!(timing.starts_with("admission;dur="), "{timing}");
    for service in Service::ALL {
        let part = timing
            .split(", ")
            .find(|entry| entry.starts_with(service.name()))
            .unwrap();
        assert!(part.ends_with("desc=\"ok\""), "{timing}");
        assert_eq!(fakes.stats(service).received, 1);
    }
    assert!(timing.contains(", total;dur="), "{timing}");
    assert_eq!(gateway.page(PAGE).await.body, answer.body);
}

#[tokio::test]
async fn a_body_is_spliced_in_as_it_came_without_the_space_around_it() {
    let odd = r#"{"z":1.0e2, "a" : [ ],"a":12345678901234567890.0,"u":"\u00e9é"}"#;
    let downstream = Scripted::start(ok(format!("\r\n {odd}\n"))).await;
    let gateway = Gateway::start(&one_part(&downstream.url), &[]).await;
    let body = String::from_utf8(gateway.page("/p/1").await.body).unwrap();
    let expected = format!(
        r#"{{"complete":true,"missing":[],"parts":{{"x":{{"status":"ok","data":{odd}}}}}}}"#
    );
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_chunked_body_and_one_that_ends_with_its_connection_are_read_whole() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let chunked =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n");
    let to_the_end = format!("{head}Connection: close\r\n\r\n[1,2]");
    for script in [
        Script::Say(chunked.into()),
        Script::SayAndClose(to_the_end.into()),
    ] {
        let downstream = Scripted::start(script).await;
        let gateway = Gateway::start(&one_part(&downstream.url), &[]).await;
        for _ in 0..3 {
            assert_eq!(
                gateway.page("/p/1").await.json()["parts"]["x"]["data"],
                json!([1, 2])
            );
        }
    }
}

#[tokio::test]
async fn an_optional_part_that_is_late_is_named_and_the_page_goes_out() {
    let (gateway, fakes) = shop(&["page.product-page.part.reviews.timeout=100ms"]).await;
    fakes
        .set(Service::Reviews, Behaviour::fixed(Duration::from_secs(25)))
        .unwrap();
    let answer = gateway.page(PAGE).await;
    assert_partial(&answer, &["reviews"]);
    assert_eq!(
        answer.json()["parts"]["reviews"],
        json!({"status": "late", "retryable": true})
    );
    let timing = answer.header("server-timing").unwrap();
    assert!(timing.contains("desc=\"late\""), "{timing}");
}

#[tokio::test]
async fn optional_parts_that_fail_are_named_with_whether_to_ask_again() {
    let (gateway, fakes) = shop(&[]).await;
    fakes
        .set(Service::Reviews, Behaviour::failing(Fault::Status(500)))
        .unwrap();
    fakes
        .set(
            Service::Recommendations,
            Behaviour::failing(Fault::WrongJson),
        )
        .unwrap();
    let answer = gateway.page(PAGE).await;
    assert_partial(&answer, &["reviews", "recommendations"]);
    let parts = &answer.json()["parts"];
    assert_eq!(
        parts["reviews"],
        json!({"status": "failed", "retryable": true})
    );
    assert_eq!(
        parts["recommendations"],
        json!({"status": "failed", "retryable": false})
    );
}

#[tokio::test]
async fn an_optional_part_that_does_not_exist_is_an_answer_and_not_a_loss() {
    let reviews = Scripted::start(Script::Say(with_length("404 Not Found", "", b"{}"))).await;
    let fakes = Fakes::start(Options::default()).await.unwrap();
    let url = format!("downstream.reviews.url={}", reviews.url);
    let changes = shop_changes(&fakes, &[&url]);
    let gateway = Gateway::start(config::default_text(), &changes).await;
    let answer = gateway.page(PAGE).await;
    assert_eq!(answer.header("x-gateway-complete"), Some("true"));
    let page = answer.json();
    assert_eq!(
        (&page["complete"], &page["missing"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(page["parts"]["reviews"], json!({"status": "not_found"}));
}

#[tokio::test]
async fn an_optional_part_without_a_permit_is_shed_and_its_downstream_not_asked() {
    let (gateway, fakes) = shop(&["downstream.reviews.permits=1"]).await;
    fakes
        .set(Service::Reviews, Behaviour::fixed(Duration::from_secs(15)))
        .unwrap();
    let mut first = Client::connect(gateway.public).await;
    first.send(get(PAGE, "")).await;
    gateway.until_in_flight(1).await;
    let answer = gateway.page(PAGE).await;
    assert_partial(&answer, &["reviews"]);
    assert_eq!(
        answer.json()["parts"]["reviews"],
        json!({"status": "shed", "retryable": true})
    );
    fakes.heal();
    let first = first.answer().await;
    assert_eq!(
        (first.status, &first.json()["complete"]),
        (200, &json!(true))
    );
    assert_eq!(fakes.stats(Service::Reviews).received, 1);
}

#[tokio::test]
async fn a_client_may_lower_the_budget_and_not_raise_it() {
    let (gateway, fakes) = shop(&["page.product-page.deadline=500ms"]).await;
    fakes
        .set(Service::Pricing, Behaviour::fixed(Duration::from_secs(25)))
        .unwrap();
    let own = ("client_budget", "client");
    let services = ("deadline", "downstream:pricing");
    for (ms, least, most, (reason, scope)) in
        [("150", 140, 450, own), ("60000", 490, 10_000, services)]
    {
        let began = gateway::page::deadline::now();
        let mut client = Client::connect(gateway.public).await;
        client
            .send(get(PAGE, &format!("X-Request-Timeout-Ms: {ms}\r\n")))
            .await;
        let answer = client.answer().await;
        answer.assert_refused(504, reason, Some(scope));
        let took = (gateway::page::deadline::now() - began).as_millis();
        assert!(took >= least, "{ms}: {took} ms");
        let total = answer
            .header("server-timing")
            .unwrap()
            .rsplit_once("total;dur=")
            .unwrap()
            .1;
        assert!(
            total.parse::<f64>().unwrap() < f64::from(most),
            "{ms}: {total} ms"
        );
    }
}
