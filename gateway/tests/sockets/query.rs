//! Parameters of the query, from the client's request to the services'.

use crate::common::client::{ask, get};
use crate::common::gateway::{Gateway, one_part};
use crate::common::scripted::{Scripted, ok};

/// A page whose part uses all of them: one in its path, two in its query.
fn page(url: &str, more: &str) -> String {
    let params = format!(
        "query.market = {{ pattern = \"^[a-z]{{2}}$\", default = \"de\" }}\n\
         query.currency = {{ pattern = \"^[A-Z]{{3}}$\", default = \"EUR\" }}\n\
         query.q = {{ pattern = \"^.*$\", default = \"\" }}\n{more}\n[page.p.part.x]"
    );
    one_part(url)
        .replace("[page.p.part.x]", &params)
        .replace("/x/{id}", "/x/{market}/{id}?c={currency}&q={q}&fixed=1")
}

/// The first line's target of each request so far.
fn targets(service: &Scripted) -> Vec<String> {
    let target = |head: &String| head.split(' ').nth(1).unwrap().to_owned();
    service.heads().iter().map(target).collect()
}

#[tokio::test]
async fn values_reach_the_service_as_they_were_decoded_and_nothing_else_of_the_query_does() {
    let service = Scripted::start(ok("{}")).await;
    let gateway = Gateway::start(&page(&service.url, ""), &[]).await;
    for (query, sent) in [
        ("", "/x/de/1?c=EUR&q=&fixed=1"),
        ("?", "/x/de/1?c=EUR&q=&fixed=1"),
        ("?currency=USD&market=fr&q=x", "/x/fr/1?c=USD&q=x&fixed=1"),
        (
            "?q=a+b%2Bc%26c%3DX%23%25&utm_source=mail&fixed=2",
            "/x/de/1?c=EUR&q=a%20b%2Bc%26c%3DX%23%25&fixed=1",
        ),
        ("?%63urrency=%55SD&CURRENCY=GBP", "/x/de/1?c=USD&q=&fixed=1"),
    ] {
        let answer = gateway.page(&format!("/p/1{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert_eq!(targets(&service).last().unwrap(), sent, "{query}");
    }
}

#[tokio::test]
async fn a_value_that_is_not_allowed_is_a_bad_request_that_names_it_and_no_call_is_made() {
    let service = Scripted::start(ok("{}")).await;
    let required = "query.shop = { required = true }";
    let text = page(&service.url, required).replace("fixed=1", "s={shop}");
    let gateway = Gateway::start(&text, &[]).await;
    for (query, name) in [
        ("", "shop"),
        ("?currency=USD", "shop"),
        ("?shop=1&currency=eur", "currency"),
        ("?shop=1&currency=USD&currency=USD", "currency"),
        ("?shop=1&market=..", "market"),
        ("?shop=1&market=%2e%2e", "market"),
        ("?shop=1&q=%00", "q"),
        ("?shop=1&q=%", "q"),
        ("?shop=1&q=%C3%28", "q"),
    ] {
        let answer = gateway.page(&format!("/p/1{query}")).await;
        answer.assert_refused(400, "bad_request", None);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        let expected = format!("Query parameter \"{name}\": ");
        assert!(detail.starts_with(&expected), "{query}: {detail}");
    }
    assert_eq!(service.heads().len(), 0);
    let page = gateway.page("/p/1?shop=1&utm_source=x").await;
    assert_eq!(page.status, 200);
    gateway.at_rest().await;
    let metrics = gateway.look("/metrics").await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    let refused = "gateway_pages_total{page=\"p\",outcome=\"bad_request\"";
    let line = metrics.lines().find(|line| line.starts_with(refused));
    assert!(line.is_some_and(|line| line.ends_with(" 9")), "{line:?}");
}

#[tokio::test]
async fn parameters_that_the_page_does_not_have_are_refused_where_they_are_to_be() {
    let service = Scripted::start(ok("{}")).await;
    let refuse = ["page.p.unknown_query=refuse".to_owned()];
    let declared = Gateway::start(&page(&service.url, ""), &refuse).await;
    let none = Gateway::start(&one_part(&service.url), &refuse).await;
    assert_eq!(declared.page("/p/1?currency=USD").await.status, 200);
    assert_eq!(none.page("/p/1").await.status, 200);
    for (gateway, path) in [
        (&declared, "/p/1?currency=USD&utm_source=mail"),
        (&none, "/p/1?utm_source"),
    ] {
        let answer = gateway.page(path).await;
        answer.assert_refused(400, "bad_request", None);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("\"utm_source\""), "{detail}");
    }
}

#[tokio::test]
async fn a_page_without_parameters_ignores_the_query_as_it_always_did() {
    let service = Scripted::start(ok("{}")).await;
    let gateway = Gateway::start(&one_part(&service.url), &[]).await;
    for query in ["?", "?a=1&a=2", "?%", "?%ff=%zz", "?currency=eur"] {
        assert_eq!(gateway.page(&format!("/p/1{query}")).await.status, 200);
        assert_eq!(targets(&service).last().unwrap(), "/x/1", "{query}");
    }
}

#[tokio::test]
async fn an_answer_to_another_query_is_another_page_to_a_cache_and_the_same_one_is_a_304() {
    let service = Scripted::start(ok("{}")).await;
    let gateway = Gateway::start(&page(&service.url, ""), &[]).await;
    let first = gateway.page("/p/1?currency=USD").await;
    let tag = first.header("etag").unwrap().to_owned();
    // A cache keys on the whole URL, so nothing of the query is for Vary.
    assert_eq!(
        first.header("vary"),
        Some("accept-encoding, accept-language")
    );
    let known = format!("If-None-Match: {tag}\r\n");
    let again = ask(gateway.public, get("/p/1?currency=USD", &known)).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), Some(tag.as_str()));
    // What is not a page has no tag, whatever the client has.
    let refused = ask(gateway.public, get("/p/1?currency=x", &known)).await;
    refused.assert_refused(400, "bad_request", None);
    assert_eq!(refused.header("etag"), None);
}
