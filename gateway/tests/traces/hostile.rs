//! Trace headers that nobody should send: a trace of one's own, a count, and never an
//! error to the client.

use gateway::telemetry::names::BadContext;

use crate::common::client::{Answer, ask, get};
use crate::common::scripted::{Scripted, ok};
use crate::traced::{Traced, before};

const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const LOW: &str = "11803532876627986230";

/// A traceparent of each kind that must not be believed.
fn traceparents() -> Vec<String> {
    let zeros = "0".repeat(32);
    let mut bad: Vec<_> = [
        "",
        "00",
        "-",
        "00-0-0-01",
        "garbage",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-zz",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47+6-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    ]
    .map(str::to_owned)
    .to_vec();
    bad.push(format!("00-{zeros}-00f067aa0ba902b7-01"));
    bad.push(format!("{GOOD}{}", "0".repeat(4_000)));
    bad
}

/// Headers of each kind that must not be believed, as lines.
fn datadogs() -> Vec<String> {
    let ids = [
        "",
        "0",
        "-1",
        "x",
        "0x1f",
        "1.5",
        "18446744073709551616",
        "1 2",
    ];
    let mut bad: Vec<_> = ids
        .map(|id| format!("x-datadog-trace-id: {id}\r\n"))
        .to_vec();
    bad.push(format!("x-datadog-trace-id: {}\r\n", "9".repeat(4_000)));
    bad.push(format!(
        "x-datadog-trace-id: {LOW}\r\nx-datadog-trace-id: 42\r\n"
    ));
    bad
}

async fn page(traced: &Traced, headers: &str) -> Answer {
    let answer = ask(traced.gateway.public, get("/p/1", headers)).await;
    assert_eq!(answer.status, 200, "{headers:?}: {answer:?}");
    answer
}

fn counted(traced: &Traced, header: BadContext) -> u64 {
    traced.gateway.telemetry.counts().bad_contexts(header)
}

/// Asks for a page with each of these header lines; every one must begin a trace of its
/// own and be counted.
async fn assert_all_begin_anew(all: &[String], header: BadContext) {
    let downstream = Scripted::start(ok("{}")).await;
    let traced = before(&downstream, &[]).await;
    for headers in all {
        page(&traced, headers).await;
    }
    assert_eq!(counted(&traced, header), all.len() as u64);
    let (name, count) = (header.as_str(), all.len());
    let series = format!("gateway_telemetry_bad_context_total{{header=\"{name}\"}} {count}\n");
    let metrics = traced.gateway.look("/metrics").await.body;
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(metrics.contains(&series), "no {series} in {metrics}");
    for trace in traced.traces(all.len()).await {
        assert_eq!(trace.root().parent_id, 0, "{trace:#?}");
        assert!(trace.id() >> 64 != 0, "{trace:#?}");
    }
}

#[tokio::test]
async fn a_traceparent_that_cannot_be_read_begins_a_new_trace_and_is_counted() {
    let line = |value: &String| format!("traceparent: {value}\r\n");
    let mut all: Vec<_> = traceparents().iter().map(line).collect();
    all.push(format!("traceparent: {GOOD}\r\ntraceparent: {GOOD}\r\n"));
    assert_all_begin_anew(&all, BadContext::Traceparent).await;
}

#[tokio::test]
async fn a_datadog_trace_id_that_cannot_be_read_begins_a_new_trace_and_is_counted() {
    assert_all_begin_anew(&datadogs(), BadContext::Datadog).await;
}

#[tokio::test]
async fn bytes_that_are_no_text_begin_a_new_trace() {
    let downstream = Scripted::start(ok("{}")).await;
    let traced = before(&downstream, &[]).await;
    let head = [
        b"GET /p/1 HTTP/1.1\r\nHost: a\r\ntraceparent: ",
        &[0xff; 55][..],
        b"\r\n\r\n",
    ];
    assert_eq!(ask(traced.gateway.public, head.concat()).await.status, 200);
    assert_eq!(counted(&traced, BadContext::Traceparent), 1);
    assert_eq!(traced.trace().await.root().parent_id, 0);
}

#[tokio::test]
async fn a_traceparent_of_a_later_version_is_read_as_far_as_it_is_known() {
    let downstream = Scripted::start(ok("{}")).await;
    let traced = before(&downstream, &[]).await;
    let later = GOOD.replacen("00", "cc", 1) + "-what-the-future-brings";
    page(&traced, &format!("traceparent: {later}\r\n")).await;
    assert_eq!(counted(&traced, BadContext::Traceparent), 0);
    let trace = traced.trace().await;
    assert_eq!(trace.id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
}

/// Asks for a page with each of these header lines; every one must go on with the trace that
/// it names, whatever else of it cannot be read.
async fn assert_all_go_on(all: &[String], counted_as: BadContext, times: usize) {
    let downstream = Scripted::start(ok("{}")).await;
    let traced = before(&downstream, &[]).await;
    for headers in all {
        page(&traced, headers).await;
    }
    assert_eq!(counted(&traced, counted_as), times as u64);
    let low: u64 = LOW.parse().unwrap();
    for head in downstream.heads() {
        assert!(head.len() < 2_000, "{head}");
        let id = format!("x-datadog-trace-id: {low}\r\n");
        assert!(head.to_ascii_lowercase().contains(&id), "{head}");
    }
}

#[tokio::test]
async fn a_tracestate_of_100_kb_costs_itself_and_not_the_trace() {
    let line = |state| format!("traceparent: {GOOD}\r\ntracestate: {state}\r\n");
    let list = "vendor=x,".repeat(100_000 / 9);
    let one = format!("vendor={}", "x".repeat(100_000));
    assert_all_go_on(&[line(list), line(one)], BadContext::Tracestate, 0).await;
    let nonsense = "vendor,".repeat(100_000 / 7);
    assert_all_go_on(&[line(nonsense)], BadContext::Tracestate, 1).await;
}

#[tokio::test]
async fn of_a_tracestate_too_long_to_carry_goes_on_what_fits_long_members_first() {
    let downstream = Scripted::start(ok("{}")).await;
    let traced = before(&downstream, &[]).await;
    let state = format!("first=1,long={},last=2", "x".repeat(1_000));
    page(
        &traced,
        &format!("traceparent: {GOOD}\r\ntracestate: {state}\r\n"),
    )
    .await;
    let head = downstream.heads().remove(0).to_ascii_lowercase();
    assert!(
        head.contains("\r\ntracestate: first=1,last=2\r\n"),
        "{head}"
    );
    assert_eq!(traced.trace().await.root().parent_id, 0x00f0_67aa_0ba9_02b7);
}

#[tokio::test]
async fn what_datadog_sends_beside_a_trace_id_costs_itself_when_it_cannot_be_read() {
    let long = "x".repeat(8_000);
    let bad = [
        "x-datadog-sampling-priority: 99",
        "x-datadog-sampling-priority: often",
        "x-datadog-tags: _dd.p.tid=XYZ",
        "x-datadog-tags: _dd.p.tid=",
        "x-datadog-parent-id: -5",
        "x-datadog-origin: \u{fc}",
        &format!("x-datadog-origin: {long}"),
        &format!("x-datadog-tags: _dd.p.x={long}"),
    ];
    let lines = bad.map(|line| format!("x-datadog-trace-id: {LOW}\r\n{line}\r\n"));
    assert_all_go_on(&lines, BadContext::Datadog, lines.len()).await;
}

#[tokio::test]
async fn a_b3_that_cannot_be_read_begins_a_new_trace_and_is_counted() {
    let downstream = Scripted::start(ok("{}")).await;
    let traced = before(&downstream, &["telemetry.propagation=b3,b3multi"]).await;
    let (id, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let bad = [
        "b3: nonsense\r\n".to_owned(),
        format!("b3: {}-{span}-1\r\n", "9".repeat(8_000)),
        format!("b3: {id}-{span}-1\r\nb3: {id}-{span}-1\r\n"),
        format!("x-b3-traceid: {id}\r\nx-b3-sampled: 1\r\n"),
    ];
    for headers in &bad {
        page(&traced, headers).await;
    }
    assert_eq!(counted(&traced, BadContext::B3), bad.len() as u64);
    for trace in traced.traces(bad.len()).await {
        assert_eq!(trace.root().parent_id, 0, "{trace:#?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_in_one_notation_is_read_in_the_other() {
    let downstream = Scripted::start(ok("{}")).await;
    let traced = before(&downstream, &[]).await;
    let datadog = format!("x-datadog-trace-id: {LOW}\r\nx-datadog-parent-id: 7\r\n");
    page(&traced, &format!("{datadog}traceparent: garbage\r\n")).await;
    page(
        &traced,
        &format!("x-datadog-trace-id: garbage\r\ntraceparent: {GOOD}\r\n"),
    )
    .await;
    for header in [BadContext::Traceparent, BadContext::Datadog] {
        assert_eq!(counted(&traced, header), 1, "{header:?}");
    }
    let heads = downstream.heads();
    let id = format!("x-datadog-trace-id: {LOW}\r\n");
    assert!(
        heads
            .iter()
            .all(|head| head.to_ascii_lowercase().contains(&id)),
        "{heads:?}"
    );
}
