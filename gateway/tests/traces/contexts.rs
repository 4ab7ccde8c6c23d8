//! Traces that began elsewhere: continued here, passed on, and the same in what the
//! client was told, what the downstream was told, and what left.

use crate::common::client::{Answer, ask, get};
use crate::common::scripted::{Scripted, ok};
use crate::spans::{Span, Trace};
use crate::traced::{Traced, before};

const ID: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const PARENT: u64 = 0x00f0_67aa_0ba9_02b7;
const W3C: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
const DATADOG: &str = "x-datadog-trace-id: 11803532876627986230\r\n\
    x-datadog-parent-id: 67667974448284343\r\n\
    x-datadog-sampling-priority: 2\r\n\
    x-datadog-origin: rum\r\n\
    x-datadog-tags: _dd.p.dm=-4,_dd.p.tid=4bf92f3577b34da6,_dd.p.usr.id=YmVl\r\n";

/// One page, as everybody saw it.
struct Seen {
    answer: Answer,
    /// The head of the only call.
    head: String,
    trace: Trace,
}

async fn page_with(headers: &str) -> Seen {
    page_of(headers, &[]).await
}

/// The same, with changes to the configuration.
async fn page_of(headers: &str, changes: &[&str]) -> Seen {
    let downstream = Scripted::start(ok("{}")).await;
    let traced = before(&downstream, changes).await;
    let answer = page(&traced, headers).await;
    let trace = traced.trace().await;
    let mut heads = downstream.heads();
    assert_eq!(heads.len(), 1);
    Seen {
        answer,
        head: heads.remove(0),
        trace,
    }
}

async fn page(traced: &Traced, headers: &str) -> Answer {
    let answer = ask(traced.gateway.public, get("/p/1", headers)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

impl Seen {
    fn call(&self) -> &Span {
        self.trace.span("GET d /x/{id}")
    }

    /// A header of the call.
    #[track_caller]
    fn sent(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = fields.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value);
        assert!(values.next().is_none(), "{name} twice: {}", self.head);
        value
    }

    /// That client, downstream and receiver were told the same ids: the trace's, the
    /// server span's, the call's span as the parent of what the downstream does.
    #[track_caller]
    fn assert_consistent(&self, id: u128, parent: u64, flags: &str) {
        let (root, call) = (self.trace.root(), self.call());
        assert_eq!((self.trace.id(), root.parent_id), (id, parent));
        assert_eq!(call.parent_id, root.span_id);
        let traceparent = |span: u64| format!("00-{id:032x}-{span:016x}-{flags}");
        let told = traceparent(root.span_id);
        assert_eq!(self.answer.header("traceparent"), Some(told.as_str()));
        let passed_on = traceparent(call.span_id);
        assert_eq!(self.sent("traceparent"), Some(passed_on.as_str()));
        let [low, span] = [id as u64, call.span_id].map(|id| id.to_string());
        assert_eq!(self.sent("x-datadog-trace-id"), Some(low.as_str()));
        assert_eq!(self.sent("x-datadog-parent-id"), Some(span.as_str()));
        let tid = format!("_dd.p.tid={:016x}", id >> 64);
        assert_eq!(
            self.tags().iter().filter(|&&tag| tag == tid).count(),
            1,
            "{:?}",
            self.tags()
        );
    }

    fn tags(&self) -> Vec<&str> {
        let tags = self.sent("x-datadog-tags").unwrap_or_default();
        tags.split(',').collect()
    }
}

#[tokio::test]
async fn a_trace_that_begins_here_is_told_to_everybody() {
    let seen = page_with("").await;
    let id = seen.trace.id();
    assert!(id >> 64 != 0 && id as u64 != 0, "{id:032x}");
    seen.assert_consistent(id, 0, "01");
    assert_eq!(seen.sent("x-datadog-sampling-priority"), Some("1"));
    assert_eq!(seen.sent("x-datadog-origin"), None);
    assert_eq!(seen.trace.root().get("_dd.origin"), None);
    // Kept by a rule of this service.
    let decided_by = seen.trace.root().get("_dd.p.dm");
    assert_eq!(decided_by.as_deref(), Some("-3"));
    assert_eq!(seen.call().get("_dd.p.dm"), None);
}

#[tokio::test]
async fn a_w3c_trace_goes_on_with_its_tracestate() {
    let seen = page_with(&format!("{W3C}tracestate: vendor=x,other=y\r\n")).await;
    seen.assert_consistent(ID, PARENT, "01");
    // Kept by whoever began it.
    assert_eq!(seen.trace.root().get("_dd.p.dm"), None);
    let state = seen.sent("tracestate").unwrap();
    assert!(state.ends_with("vendor=x,other=y"), "{state}");
    assert_eq!(seen.sent("x-datadog-sampling-priority"), Some("1"));
}

#[tokio::test]
async fn a_tracestate_in_several_lines_goes_on_as_one_list() {
    let seen = page_with(&format!("{W3C}tracestate: a=1\r\ntracestate: b=2\r\n")).await;
    assert_eq!(seen.sent("tracestate"), Some("a=1,b=2"));
}

#[tokio::test]
async fn what_datadog_put_into_a_tracestate_goes_on_in_its_headers_too() {
    let state = "tracestate: dd=s:2;o:rum;t.dm:-4;t.usr.id:YmVl~,vendor=x\r\n";
    let seen = page_with(&format!("{W3C}{state}")).await;
    seen.assert_consistent(ID, PARENT, "01");
    assert_eq!(seen.sent("x-datadog-sampling-priority"), Some("2"));
    assert_eq!(seen.sent("x-datadog-origin"), Some("rum"));
    for tag in ["_dd.p.dm=-4", "_dd.p.usr.id=YmVl="] {
        assert!(seen.tags().contains(&tag), "{:?}", seen.tags());
    }
    let state = seen.sent("tracestate").unwrap();
    assert!(
        state.starts_with("dd=s:2;o:rum") && state.ends_with(",vendor=x"),
        "{state}"
    );
}

#[tokio::test]
async fn a_datadog_trace_goes_on_with_128_bits_origin_priority_and_its_other_tags() {
    let seen = page_with(DATADOG).await;
    seen.assert_consistent(ID, PARENT, "01");
    assert_eq!(seen.sent("x-datadog-sampling-priority"), Some("2"));
    assert_eq!(seen.sent("x-datadog-origin"), Some("rum"));
    for tag in ["_dd.p.dm=-4", "_dd.p.usr.id=YmVl"] {
        assert!(seen.tags().contains(&tag), "{:?}", seen.tags());
    }
    let root = seen.trace.root();
    assert_eq!(root.get("_dd.origin").as_deref(), Some("rum"));
    assert_eq!(root.get("_dd.p.dm").as_deref(), Some("-4"));
}

#[tokio::test]
async fn a_datadog_trace_of_64_bits_stays_one() {
    let low = "x-datadog-trace-id: 42\r\nx-datadog-parent-id: 7\r\n";
    let seen = page_with(low).await;
    let root = seen.trace.root();
    assert_eq!((root.trace_id, root.parent_id), (42, 7));
    let told = format!("00-{:032x}-{:016x}-01", 42, root.span_id);
    assert_eq!(seen.answer.header("traceparent"), Some(told.as_str()));
}

#[tokio::test]
async fn when_both_come_and_agree_nothing_of_either_is_lost() {
    let seen = page_with(&format!("{W3C}tracestate: vendor=x\r\n{DATADOG}")).await;
    seen.assert_consistent(ID, PARENT, "01");
    let state = seen.sent("tracestate").unwrap();
    assert!(
        state.starts_with("dd=s:2;o:rum") && state.ends_with(",vendor=x"),
        "{state}"
    );
    assert_eq!(seen.sent("x-datadog-sampling-priority"), Some("2"));
    assert_eq!(seen.sent("x-datadog-origin"), Some("rum"));
    assert!(seen.tags().contains(&"_dd.p.dm=-4"), "{:?}", seen.tags());
}

#[tokio::test]
async fn when_both_come_and_datadogs_has_no_upper_half_the_other_gives_it() {
    let short = "x-datadog-trace-id: 11803532876627986230\r\nx-datadog-parent-id: 9\r\n\
        x-datadog-sampling-priority: 2\r\nx-datadog-origin: rum\r\n";
    let seen = page_with(&format!("{short}{W3C}")).await;
    seen.assert_consistent(ID, PARENT, "01");
    assert_eq!(seen.sent("x-datadog-origin"), Some("rum"));
    assert_eq!(seen.sent("x-datadog-sampling-priority"), Some("2"));
}

#[tokio::test]
async fn when_both_come_and_contradict_each_other_only_the_first_in_the_order_counts() {
    let other = DATADOG.replace("11803532876627986230", "42");
    let w3c_first = ["telemetry.propagation=tracecontext,datadog"];
    let seen = page_of(&format!("{other}{W3C}"), &w3c_first).await;
    seen.assert_consistent(ID, PARENT, "01");
    // Of another trace: neither its origin nor its priority belongs to this one.
    assert_eq!(seen.sent("x-datadog-origin"), None);
    assert_eq!(seen.sent("x-datadog-sampling-priority"), Some("1"));
    assert_eq!(seen.trace.root().get("_dd.origin"), None);
    let foreign = seen
        .tags()
        .iter()
        .any(|tag| tag.starts_with("_dd.p.usr.id"));
    assert!(!foreign, "{:?}", seen.tags());
    let seen = page_with(&format!("{other}{W3C}tracestate: vendor=x\r\n")).await;
    seen.assert_consistent(0x4bf9_2f35_77b3_4da6 << 64 | 42, PARENT, "01");
    assert_eq!(seen.sent("x-datadog-origin"), Some("rum"));
    let state = seen.sent("tracestate").unwrap();
    assert!(!state.contains("vendor"), "{state}");
}

#[tokio::test]
async fn a_b3_trace_goes_on_in_the_notations_of_the_configuration() {
    const SINGLE: &str = "b3: 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1\r\n";
    const MULTI: &str = "X-B3-TraceId: 4bf92f3577b34da6a3ce929d0e0e4736\r\n\
        X-B3-SpanId: 00f067aa0ba902b7\r\nX-B3-Sampled: 1\r\n";
    let both = ["telemetry.propagation=b3,b3multi"];
    for headers in [SINGLE, MULTI] {
        let seen = page_of(headers, &both).await;
        let (root, call) = (seen.trace.root(), seen.call());
        assert_eq!((seen.trace.id(), root.parent_id), (ID, PARENT));
        let (root, call) = (root.span_id, call.span_id);
        let single = format!("{ID:032x}-{call:016x}-1-{root:016x}");
        assert_eq!(seen.sent("b3"), Some(single.as_str()));
        let [span, parent] = [call, root].map(|id| format!("{id:016x}"));
        assert_eq!(seen.sent("x-b3-spanid"), Some(span.as_str()));
        assert_eq!(seen.sent("x-b3-parentspanid"), Some(parent.as_str()));
        assert_eq!(seen.sent("x-b3-sampled"), Some("1"));
        for absent in ["traceparent", "tracestate", "x-datadog-trace-id"] {
            assert_eq!(seen.sent(absent), None);
        }
    }
}

#[tokio::test]
async fn a_trace_that_was_not_sampled_where_it_began_is_passed_on_so_and_not_kept() {
    let unsampled = W3C.replace("-01\r", "-00\r");
    let cases = [
        (unsampled.clone(), "0"),
        (DATADOG.replace("priority: 2", "priority: 0"), "0"),
        (DATADOG.replace("priority: 2", "priority: -1"), "-1"),
        (
            unsampled + &DATADOG.replace("priority: 2", "priority: -1"),
            "-1",
        ),
    ];
    let downstream = Scripted::start(ok("{}")).await;
    let traced = before(&downstream, &[]).await;
    for (headers, priority) in &cases {
        page(&traced, headers).await;
        let head = downstream.heads().pop().unwrap().to_ascii_lowercase();
        let passed_on = format!("x-datadog-sampling-priority: {priority}\r\n");
        assert!(head.contains(&passed_on), "{head}");
        let parent = head.lines().find(|line| line.starts_with("traceparent: "));
        assert!(parent.unwrap().ends_with("-00"), "{head}");
    }
    let traces = traced.all().await;
    assert!(traces.is_empty(), "{traces:#?}");
}

#[tokio::test]
async fn a_trace_that_was_sampled_where_it_began_is_kept_whatever_the_share_here() {
    let downstream = Scripted::start(ok("{}")).await;
    let traced = before(&downstream, &["telemetry.sample=0.0"]).await;
    page(&traced, "").await;
    page(&traced, W3C).await;
    let traces = traced.all().await;
    let [trace] = &traces[..] else {
        panic!("{traces:#?}");
    };
    assert_eq!(trace.id(), ID);
    trace
        .root()
        .assert_says(&[("gateway.kept_because", "sampled")]);
}

#[tokio::test]
async fn a_trace_that_was_not_sampled_is_kept_when_its_page_fails() {
    let downstream = Scripted::start(ok("not json")).await;
    let traced = before(&downstream, &[]).await;
    let headers = W3C.replace("-01\r", "-00\r");
    let answer = ask(traced.gateway.public, get("/p/1", &headers)).await;
    assert_eq!(answer.status, 502);
    let trace = traced.trace().await;
    assert_eq!((trace.id(), trace.root().parent_id), (ID, PARENT));
    assert_eq!(
        trace.root().get("gateway.kept_because").as_deref(),
        Some("outcome")
    );
}
