//! What passes from clients to downstreams and back: what is named, nothing else.

use gateway::telemetry::names::BadContext;

use crate::common::client::{Answer, ask, get};
use crate::common::gateway::{Gateway, one_part};
use crate::common::scripted::{Script, Scripted, ok, with_length};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

const NASTY: &str = "Cookie: secret=1\r\nAuthorization: Bearer secret\r\nX-Forwarded-For: 1.2.3.4\r\n\
    X-Forwarded-Host: evil\r\nForwarded: for=1.2.3.4\r\nProxy-Authorization: secret\r\n\
    Proxy-Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n\
    HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nTE: trailers\r\nTrailer: x\r\nVia: 1.1 x\r\n\
    Origin: http://evil\r\nReferer: http://evil\r\nUser-Agent: evil\r\nAccept: text/html\r\n\
    Accept-Encoding: gzip\r\nRange: bytes=0-1\r\nIf-None-Match: x\r\nExpect: nothing\r\n\
    X-Envoy-Expected-Rq-Timeout-Ms: 99999\r\nX-Secret: secret\r\nBaggage: secret=1\r\n";

/// The request head of a call, as names and values.
struct Call(Vec<(String, String)>);

impl Call {
    fn of(head: &str) -> Self {
        let fields = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        Self(
            fields
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
        )
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    fn get(&self, name: &str) -> &str {
        &self
            .0
            .iter()
            .find(|(key, _)| key == name)
            .unwrap_or_else(|| panic!("no {name}"))
            .1
    }
}

async fn call_for(changes: &[&str], headers: &str) -> (Call, Answer) {
    let downstream = Scripted::start(ok("{}")).await;
    let changes: Vec<_> = changes.iter().map(|&change| change.to_owned()).collect();
    let gateway = Gateway::start(&one_part(&downstream.url), &changes).await;
    let answer = ask(gateway.public, get("/p/1", headers)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (Call::of(&downstream.heads()[0]), answer)
}

const OWN: [&str; 10] = [
    "accept",
    "accept-encoding",
    "host",
    "traceparent",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-tags",
    "x-datadog-trace-id",
    "x-envoy-expected-rq-timeout-ms",
    "x-request-id",
];

#[tokio::test]
async fn a_downstream_sees_the_gateways_headers_and_the_allowed_ones_and_no_others() {
    let headers = format!("{NASTY}Accept-Language: de\r\nAccept-Language: en\r\n");
    let (call, _) = call_for(&[], &headers).await;
    let mut expected = OWN.to_vec();
    expected.extend(["accept-language", "accept-language"]);
    expected.sort_unstable();
    assert_eq!(call.names(), expected);
    assert_eq!(call.get("accept"), "application/json");
    assert_eq!(call.get("accept-encoding"), "identity");
    assert!(call.get("host").starts_with("127.0.0.1:"));
    let secret = |(_, value): &(String, String)| value.contains("secret") || value.contains("evil");
    assert!(!call.0.iter().any(secret));
}

#[tokio::test]
async fn an_allowed_header_that_the_client_ties_to_its_connection_stays_there() {
    let headers = format!("{NASTY}Accept-Language: de\r\nConnection: close, Accept-LANGUAGE\r\n");
    let (call, _) = call_for(&[], &headers).await;
    assert_eq!(call.names(), OWN);
}

#[tokio::test]
async fn an_id_or_a_trace_that_the_client_ties_to_its_connection_stays_there() {
    let headers = format!(
        "traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\nX-Request-Id: my.id-1\r\n\
         Connection: keep-alive, Traceparent, x-request-id\r\n"
    );
    let (call, answer) = call_for(&[], &headers).await;
    assert_ne!(&call.get("traceparent")[3..35], TRACE);
    assert_ne!(call.get("x-request-id"), "my.id-1");
    assert_ne!(answer.header("x-request-id"), Some("my.id-1"));
}

#[tokio::test]
async fn a_trace_goes_on_in_both_notations_with_the_call_as_its_newest_span() {
    let traceparent = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n");
    let headers = traceparent + "tracestate: vendor=x\r\nX-Request-Id: my.id-1\r\n";
    let (call, answer) = call_for(&[], &headers).await;
    let span = |traceparent: &str| {
        let (trace, span) = traceparent[3..].split_at(32);
        assert_eq!(trace, TRACE);
        u64::from_str_radix(&span[1..17], 16).unwrap()
    };
    let (of_call, of_page) = (
        span(call.get("traceparent")),
        span(answer.header("traceparent").unwrap()),
    );
    assert_ne!(of_call, of_page);
    assert_ne!(of_call, 0x00f0_67aa_0ba9_02b7);
    assert_eq!(call.get("tracestate"), "vendor=x");
    let low = u64::from_str_radix(&TRACE[16..], 16).unwrap().to_string();
    assert_eq!(call.get("x-datadog-trace-id"), low);
    assert_eq!(call.get("x-datadog-parent-id"), of_call.to_string());
    assert_eq!(call.get("x-datadog-sampling-priority"), "1");
    assert_eq!(
        call.get("x-datadog-tags"),
        format!("_dd.p.tid={}", &TRACE[..16])
    );
    assert_eq!(call.get("x-request-id"), "my.id-1");
    assert_eq!(answer.header("x-request-id"), Some("my.id-1"));
}

#[tokio::test]
async fn a_downstream_is_told_how_much_of_the_budget_is_left() {
    let budget = |call: &Call| {
        call.get("x-envoy-expected-rq-timeout-ms")
            .parse::<u64>()
            .unwrap()
    };
    let (call, _) = call_for(&["page.p.deadline=10s", "page.p.reserve=1s"], "").await;
    assert!((5000..=9000).contains(&budget(&call)), "{}", budget(&call));
    let lowered = "X-Request-Timeout-Ms: 6000\r\n";
    let (call, _) = call_for(&["page.p.deadline=10s", "page.p.reserve=1s"], lowered).await;
    assert!((1000..=5000).contains(&budget(&call)), "{}", budget(&call));
    let raised = "X-Request-Timeout-Ms: 60000\r\n";
    let (call, _) = call_for(&["page.p.deadline=10s", "page.p.reserve=1s"], raised).await;
    assert!((5000..=9000).contains(&budget(&call)), "{}", budget(&call));
    let (call, _) = call_for(&["page.p.part.x.timeout=4s"], "").await;
    assert!((500..=4000).contains(&budget(&call)), "{}", budget(&call));
    let (call, _) = call_for(&["page.p.deadline=none"], "").await;
    assert!(!call.names().contains(&"x-envoy-expected-rq-timeout-ms"));
}

#[tokio::test]
async fn an_id_is_made_where_the_client_sent_none_that_is_harmless() {
    for headers in [
        "",
        "X-Request-Id: a b\r\n",
        "X-Request-Id: \r\n",
        "X-Request-Id: a\r\nX-Request-Id: b\r\n",
        &format!("X-Request-Id: {}\r\n", "x".repeat(65)),
    ] {
        let (call, answer) = call_for(&[], headers).await;
        let id = answer.header("x-request-id").unwrap();
        assert_eq!(call.get("x-request-id"), id);
        assert!(
            id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
            "{headers:?}: {id}"
        );
    }
}

#[tokio::test]
async fn nothing_of_a_downstreams_head_reaches_the_client() {
    let headers = "Set-Cookie: secret=1\r\nServer: secret\r\nX-Secret: secret\r\nVia: secret\r\n\
        Cache-Control: public, max-age=secret\r\nX-Gateway-Complete: secret\r\n";
    let downstream = Scripted::start(Script::Say(with_length("200 OK", headers, b"{}"))).await;
    let gateway = Gateway::start(&one_part(&downstream.url), &[]).await;
    let answer = gateway.page("/p/1").await;
    assert_eq!(answer.status, 200);
    let mut names: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    let expected = [
        "cache-control",
        "content-length",
        "content-type",
        "date",
        "etag",
        "ratelimit",
        "ratelimit-policy",
        "server-timing",
        "traceparent",
        "vary",
        "x-gateway-complete",
        "x-request-id",
    ];
    assert_eq!(names, expected);
    assert!(!format!("{answer:?}").contains("secret"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Scripted::start(ok("{}")).await;
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary",
        "308 Permanent",
    ] {
        let location = format!("Location: {}/x/1\r\n", target.url);
        let script = Script::Say(with_length(status, &location, b"{}"));
        let downstream = Scripted::start(script).await;
        let gateway = Gateway::start(&one_part(&downstream.url), &[]).await;
        let answer = gateway.page("/p/1").await;
        answer.assert_refused(502, "downstream_failed", Some("downstream:d"));
        assert_eq!(downstream.heads().len(), 1, "{status}");
    }
    assert_eq!(target.heads().len(), 0);
}

#[tokio::test]
async fn a_refusal_never_says_what_the_downstream_said_or_where_it_is() {
    let script = Script::Say(with_length(
        "500 secret",
        "X-Secret: secret\r\n",
        b"{\"secret\":1}",
    ));
    let downstream = Scripted::start(script).await;
    let gateway = Gateway::start(&one_part(&downstream.url), &[]).await;
    let answer = gateway.page("/p/1").await;
    answer.assert_refused(502, "downstream_failed", Some("downstream:d"));
    let said = format!("{answer:?} {}", answer.json());
    assert!(
        !said.contains("secret") && !said.contains("127.0.0.1"),
        "{said}"
    );
}

#[tokio::test]
async fn hostile_trace_headers_start_a_new_trace_are_counted_and_never_an_error() {
    let downstream = Scripted::start(ok("{}")).await;
    let gateway = Gateway::start(&one_part(&downstream.url), &[]).await;
    let good = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n");
    let hostile = [
        format!("traceparent: {}\r\n", "0".repeat(100_000)),
        format!("traceparent: ff-{TRACE}-00f067aa0ba902b7-01\r\n"),
        format!("traceparent: 00-{}-00f067aa0ba902b7-01\r\n", "0".repeat(32)),
        format!("traceparent: 00-{}-00f067aa0ba902b7-01\r\n", "g".repeat(32)),
        format!("{good}{good}"),
        "x-datadog-trace-id: -1\r\n".to_owned(),
        "x-datadog-trace-id: 1\r\nx-datadog-trace-id: 1\r\n".to_owned(),
        "traceparent: \u{e9}\r\n".to_owned(),
    ];
    for headers in &hostile {
        let answer = ask(gateway.public, get("/p/1", headers)).await;
        let shown: String = headers.chars().take(60).collect();
        assert_eq!(answer.status, 200, "{shown}: {answer:?}");
        assert!(
            !answer.header("traceparent").unwrap().contains(TRACE),
            "{shown}"
        );
    }
    for head in downstream.heads() {
        assert!(!head.contains(TRACE) && head.len() < 2_000, "{head}");
    }
    let counts = gateway.telemetry.counts();
    let counted: u64 = BadContext::ALL
        .into_iter()
        .map(|header| counts.bad_contexts(header))
        .sum();
    assert_eq!(counted, hostile.len() as u64);
}
