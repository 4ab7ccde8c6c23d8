//! What caches are told of a page, and what a client is answered that has it already.

use fixtures::{Behaviour, Fault, Service};

use crate::common::client::{Answer, Client, ask, get};
use crate::common::gateway::{Gateway, PAGE, shop};

/// What is answered to a client that has pages with these tags.
async fn with_tags(client: &mut Client, tags: &str, headers: &str) -> Answer {
    let headers = format!("If-None-Match: {tags}\r\n{headers}");
    client.send(get(PAGE, &headers)).await;
    client.answer().await
}

fn tag(answer: &Answer) -> String {
    answer.header("etag").unwrap().to_owned()
}

#[tokio::test]
async fn a_client_that_has_the_page_is_told_so_in_each_coding() {
    let (gateway, _fakes) = shop(&[]).await;
    let mut tags = Vec::new();
    for coding in ["identity", "gzip", "br", "zstd"] {
        let accept = format!("Accept-Encoding: {coding}\r\n");
        let whole = ask(gateway.public, get(PAGE, &accept)).await;
        let own = tag(&whole);
        assert_eq!(whole.status, 200);
        assert_eq!(whole.header("cache-control"), Some("private, no-cache"));
        assert_eq!(
            whole.header("vary"),
            Some("accept-encoding, accept-language")
        );
        assert!(!tags.contains(&own), "{own} is the tag of two codings");

        let mut client = Client::connect(gateway.public).await;
        for known in [
            own.clone(),
            format!("W/{own}"),
            format!("\"x\", {own}"),
            "*".to_owned(),
        ] {
            let answer = with_tags(&mut client, &known, &accept).await;
            assert_eq!(answer.status, 304, "{known}");
            assert!(answer.body.is_empty());
            assert_eq!(tag(&answer), own);
            for same in ["cache-control", "vary", "x-gateway-complete"] {
                assert_eq!(answer.header(same), whole.header(same), "{same}");
            }
            for none in ["content-type", "content-encoding", "content-length"] {
                assert_eq!(answer.header(none), None, "{none}");
            }
        }
        // Those of other codings are other bytes.
        for other in &tags {
            let answer = with_tags(&mut client, other, &accept).await;
            assert_eq!((answer.status, &answer.body), (200, &whole.body));
        }
        tags.push(own);
    }
    gateway.at_rest().await;
}

#[tokio::test]
async fn equal_pages_have_equal_tags_and_others_have_others() {
    let (one, _fakes) = shop(&[]).await;
    let (other, _others) = shop(&[]).await;
    let page = async |gateway: &Gateway, path: &str| tag(&gateway.page(path).await);
    assert_eq!(page(&one, PAGE).await, page(&other, PAGE).await);
    assert_ne!(
        page(&one, PAGE).await,
        page(&one, "/product-page/p-1002").await
    );
}

#[tokio::test]
async fn pages_that_are_not_complete_and_refusals_are_never_kept() {
    let (gateway, fakes) = shop(&[]).await;
    let broken = Behaviour::failing(Fault::Status(500));
    fakes.set(Service::Reviews, broken.clone()).unwrap();
    let partial = gateway.page(PAGE).await;
    assert_eq!(partial.header("x-gateway-complete"), Some("false"));
    let mut client = Client::connect(gateway.public).await;
    let conditional = with_tags(&mut client, "*", "").await;
    assert_eq!(conditional.status, 200);
    fakes.set(Service::Pricing, broken).unwrap();
    let refused = with_tags(&mut client, "*", "").await;
    assert_eq!(refused.status, 502);
    for answer in [partial, conditional, refused] {
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("etag"), None);
    }
}

#[tokio::test]
async fn a_page_is_kept_as_its_key_says() {
    let shared = "page.product-page.cache_control=public, max-age=30";
    let (gateway, _fakes) = shop(&[shared]).await;
    let answer = gateway.page(PAGE).await;
    assert_eq!(answer.header("cache-control"), Some("public, max-age=30"));
    tag(&answer);

    let (gateway, _fakes) = shop(&["page.product-page.cache_control=no-store"]).await;
    let answer = gateway.page(PAGE).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("etag"), None);
    let mut client = Client::connect(gateway.public).await;
    assert_eq!(with_tags(&mut client, "*", "").await.status, 200);
}

#[tokio::test]
async fn head_says_of_a_page_what_get_does() {
    let (gateway, _fakes) = shop(&[]).await;
    let whole = gateway.page(PAGE).await;
    let mut client = Client::connect(gateway.public).await;
    let head = |headers: &str| get(PAGE, headers).replacen("GET", "HEAD", 1);
    client.send(head("")).await;
    let answer = client.answer_to_head().await;
    assert_eq!((answer.status, tag(&answer)), (200, tag(&whole)));
    client
        .send(head(&format!("If-None-Match: {}\r\n", tag(&whole))))
        .await;
    assert_eq!(client.answer_to_head().await.status, 304);
    gateway.at_rest().await;
}
