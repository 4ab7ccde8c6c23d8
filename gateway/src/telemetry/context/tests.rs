use super::*;
use crate::config::Notation::{B3, B3Multi, Datadog, TraceContext as W3cContext};

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    map
}

const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// As the shipped configuration reads it.
fn incoming(headers: &HeaderMap) -> (Option<TraceContext>, Vec<BadContext>) {
    let incoming = TraceContext::from_headers(headers, Propagation::default());
    (incoming.context, incoming.unreadable)
}

fn read(headers: &HeaderMap) -> TraceContext {
    let (context, bad) = incoming(headers);
    assert_eq!(bad, []);
    context.unwrap()
}

#[test]
fn a_w3c_trace_is_continued_with_all_128_bits() {
    let context = read(&headers(&[("traceparent", W3C)]));
    assert_eq!(context.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(context.parent_id, Some(0x00f0_67aa_0ba9_02b7));
    assert_ne!(context.span_id, 0x00f0_67aa_0ba9_02b7);
}

#[test]
fn a_datadog_trace_is_continued_and_passed_on_in_both_notations() {
    let context = read(&headers(&[
        ("x-datadog-trace-id", "11803532876627986230"),
        ("x-datadog-parent-id", "67667974448284343"),
        ("x-datadog-sampling-priority", "2"),
        ("x-datadog-origin", "rum"),
        ("x-datadog-tags", "_dd.p.dm=-4,_dd.p.tid=4bf92f3577b34da6"),
    ]));
    let out = written(&context);
    assert_eq!(
        out["traceparent"],
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000007-01"
    );
    assert_eq!(out["x-datadog-trace-id"], "11803532876627986230");
    assert_eq!(out["x-datadog-parent-id"], "7");
    assert_eq!(out["x-datadog-sampling-priority"], "2");
    assert_eq!(out["x-datadog-origin"], "rum");
    assert_eq!(
        out["x-datadog-tags"],
        "_dd.p.tid=4bf92f3577b34da6,_dd.p.dm=-4"
    );
    assert_eq!(out["tracestate"], "dd=s:2;o:rum;t.dm:-4");
}

#[test]
fn when_both_come_the_whole_id_the_origin_and_the_priority_are_kept() {
    let context = read(&headers(&[
        ("traceparent", W3C),
        ("x-datadog-trace-id", "11803532876627986230"),
        ("x-datadog-sampling-priority", "2"),
        ("x-datadog-origin", "rum"),
    ]));
    assert_eq!(context.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(
        (context.priority, context.origin.unwrap()),
        (2, "rum".parse().unwrap())
    );
}

fn written(context: &TraceContext) -> HeaderMap {
    let mut out = HeaderMap::new();
    context.write_shared(&mut out);
    out.extend(of_call(context));
    out
}

/// The headers of a call of this page alone.
fn of_call(context: &TraceContext) -> Vec<(HeaderName, HeaderValue)> {
    let mut fields = Vec::new();
    context.each_of_call(7, &mut Vec::new(), |name, value| {
        fields.push((name.clone(), HeaderValue::from_bytes(value).unwrap()));
    });
    fields
}

/// What `context` would be read as by the service that gets it.
fn passed_on(context: &TraceContext) -> TraceContext {
    read(&written(context))
}

#[test]
fn what_is_passed_on_is_what_came() {
    for pairs in [
        &[("traceparent", W3C)][..],
        &[
            ("traceparent", W3C),
            ("tracestate", "a=1,dd=s:2;o:rum;t.dm:-4,b=2"),
        ],
        &[
            ("x-datadog-trace-id", "7"),
            ("x-datadog-sampling-priority", "-1"),
            ("x-datadog-origin", "synthetics"),
        ],
    ] {
        let context = read(&headers(pairs));
        let next = passed_on(&context);
        assert_eq!(next.parent_id, Some(7));
        assert_eq!(
            (next.trace_id, next.priority, &next.origin, &next.tags),
            (
                context.trace_id,
                context.priority,
                &context.origin,
                &context.tags
            )
        );
        assert_eq!(next.tracestate, context.tracestate);
    }
}

#[test]
fn a_service_that_reads_w3c_only_gets_origin_priority_and_tags_too() {
    let context = read(&headers(&[
        ("traceparent", W3C),
        ("tracestate", "congo=t61,dd=s:1"),
        ("x-datadog-trace-id", "11803532876627986230"),
        ("x-datadog-sampling-priority", "2"),
        ("x-datadog-origin", "rum=1"),
        ("x-datadog-tags", "_dd.p.dm=-4,other=dropped"),
    ]));
    let out = written(&context);
    assert_eq!(out["tracestate"], "dd=s:2;o:rum~1;t.dm:-4,congo=t61");
    let mut w3c_only = HeaderMap::new();
    for name in ["traceparent", "tracestate"] {
        w3c_only.insert(name, out[name].clone());
    }
    let next = read(&w3c_only);
    assert_eq!(
        (next.priority, next.origin.unwrap()),
        (2, "rum=1".parse().unwrap())
    );
    assert_eq!(next.tags, "_dd.p.dm=-4");
}

#[test]
fn a_trace_that_datadog_never_touched_keeps_its_tracestate_byte_for_byte() {
    let state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
    let context = read(&headers(&[("traceparent", W3C), ("tracestate", state)]));
    assert_eq!(written(&context)["tracestate"], state);
    let two = read(&headers(&[
        ("traceparent", W3C),
        ("tracestate", "a=1"),
        ("tracestate", "b=2"),
    ]));
    assert_eq!(written(&two)["tracestate"], "a=1,b=2");
}

/// Headers of a W3C trace with this list.
fn with_state(state: &str) -> HeaderMap {
    headers(&[("traceparent", W3C), ("tracestate", state)])
}

#[test]
fn of_a_long_tracestate_whole_members_are_kept() {
    let state: Vec<String> = (0..100).map(|n| format!("vendor{n}=0123456789")).collect();
    let context = read(&with_state(&state.join(",")));
    let kept = context.tracestate.unwrap();
    let kept = kept.to_str().unwrap();
    assert!(kept.len() <= 512 && kept.len() > 480, "{}", kept.len());
    assert!(state.join(",").starts_with(&format!("{kept},")));
}

#[test]
fn of_a_long_tracestate_long_members_go_first_and_the_last_of_them_before_others() {
    let long = |name: &str, length: usize| format!("{name}={}", "x".repeat(length - 2));
    let kept = |members: &[String]| {
        let state = read(&with_state(&members.join(","))).tracestate;
        state.map(|state| state.to_str().unwrap().to_owned())
    };
    let (a, b, c) = (long("a", 129), long("b", 128), long("c", 300));
    for (members, left) in [
        (vec![long("a", 600), "b=1".into()], Some("b=1".to_owned())),
        // 559 in all: without the last long one it fits, and the other may stay.
        (
            vec![a.clone(), b.clone(), c.clone()],
            Some(format!("{a},{b}")),
        ),
        // Of four that are not long, the last goes.
        (vec![b.clone(); 4], Some([&*b; 3].join(","))),
        (vec![long("a", 512)], Some(long("a", 512))),
        (vec![long("a", 513)], None),
    ] {
        assert_eq!(kept(&members), left);
    }
}

#[test]
fn datadogs_member_is_kept_before_all_others() {
    let vendor = |n| format!("v{n}={}", "x".repeat(97));
    let others: Vec<String> = (0..5).map(vendor).collect();
    let state = format!("{},dd=s:2;o:rum", others.join(","));
    let kept = read(&with_state(&state)).tracestate.unwrap();
    let left = others[..4].join(",");
    assert_eq!(kept, format!("dd=s:2;o:rum,{left}"));
}

#[test]
fn of_datadogs_member_goes_on_what_fits_into_it_and_into_its_headers() {
    let tag = |n: usize, length: usize| format!(";t.k{n}:{}", "v".repeat(length));
    let member = format!("dd=s:2;o:rum{}{}{}", tag(1, 100), tag(2, 400), tag(3, 100));
    let context = read(&with_state(&member));
    let [one, three] = [1, 3].map(|n| format!("_dd.p.k{n}={}", "v".repeat(100)));
    assert_eq!(context.tags, format!("{one},{three}"));
    let out = written(&context);
    assert_eq!(
        out["tracestate"],
        format!("dd=s:2;o:rum{}{}", tag(1, 100), tag(3, 100))
    );
    let tags = out["x-datadog-tags"].to_str().unwrap();
    assert!(tags.len() <= 512, "{}", tags.len());
    let long = with_state(&format!("dd=s:2;o:{};t.dm:-4", "x".repeat(65)));
    let context = read(&long);
    assert_eq!((context.origin, &*context.tags), (None, "_dd.p.dm=-4"));
}

#[test]
fn when_they_contradict_each_other_the_first_in_the_order_wins_alone() {
    let both = headers(&[
        ("traceparent", W3C),
        ("x-datadog-trace-id", "5"),
        ("x-datadog-origin", "rum"),
        ("x-datadog-sampling-priority", "2"),
    ]);
    let read = |order: &[Notation]| {
        let context = TraceContext::from_headers(&both, Propagation::new(order)).context;
        let context = context.unwrap();
        (context.trace_id, context.origin, context.priority)
    };
    let w3c = (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, None, 1);
    let datadog = (5, Some(HeaderValue::from_static("rum")), 2);
    assert_eq!(read(&[Datadog, W3cContext]), datadog);
    assert_eq!(read(&[W3cContext, Datadog]), w3c);
    assert_eq!(read(&[W3cContext]), w3c);
    assert_eq!(read(&[B3, Datadog]), datadog);
    assert_eq!(
        TraceContext::from_headers(&both, Propagation::new(&[])).context,
        None
    );
}

#[test]
fn a_trace_of_64_bits_stays_one() {
    let context = read(&headers(&[("x-datadog-trace-id", "5")]));
    let out = written(&context);
    assert_eq!(out["x-datadog-trace-id"], "5");
    assert!(!out.contains_key("x-datadog-tags"));
    assert_eq!(
        out["traceparent"],
        "00-00000000000000000000000000000005-0000000000000007-01"
    );
}

#[test]
fn a_traceparent_that_cannot_be_read_is_none() {
    let long = format!("{W3C}-extra");
    for bad in [
        "",
        "00",
        "00-0-0-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473+-00f067aa0ba902b7-01",
        "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0z",
        &long,
        &"0".repeat(10_000),
    ] {
        let (context, unreadable) = incoming(&headers(&[("traceparent", bad)]));
        assert_eq!(
            (context, unreadable),
            (None, vec![BadContext::Traceparent]),
            "{bad:?}"
        );
    }
    let twice = headers(&[("traceparent", W3C), ("traceparent", W3C)]);
    let (context, unreadable) = incoming(&twice);
    assert_eq!((context, unreadable), (None, vec![BadContext::Traceparent]));
}

#[test]
fn a_later_version_of_traceparent_is_read_as_far_as_it_is_known() {
    let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-next";
    let context = read(&headers(&[("traceparent", later)]));
    assert_eq!(context.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[test]
fn what_of_a_tracestate_cannot_be_read_costs_itself_and_never_the_trace() {
    for (state, left) in [
        ("no member".to_owned(), None),
        ("a=1,nonsense,b=2".to_owned(), Some("a=1,b=2")),
        (format!("a=1,{}", "x,".repeat(50_000)), Some("a=1")),
    ] {
        let (context, unreadable) = incoming(&with_state(&state));
        assert_eq!(unreadable, [BadContext::Tracestate]);
        let context = context.unwrap();
        assert_eq!(context.parent_id, Some(0x00f0_67aa_0ba9_02b7));
        assert_eq!(context.tracestate, left.map(HeaderValue::from_static));
    }
    let mut bytes = with_state("a=1");
    bytes.append("tracestate", HeaderValue::from_bytes(b"b=\xff").unwrap());
    let (context, unreadable) = incoming(&bytes);
    assert_eq!(unreadable, [BadContext::Tracestate]);
    assert_eq!(context.unwrap().tracestate.unwrap(), "a=1");
    let endless = with_state(&"a=1,".repeat(25_000));
    let kept = read(&endless).tracestate.unwrap();
    assert_eq!(kept, ["a=1"; 128].join(","));
}

const GOOD: [(&str, &str); 5] = [
    ("x-datadog-trace-id", "5"),
    ("x-datadog-parent-id", "6"),
    ("x-datadog-sampling-priority", "2"),
    ("x-datadog-origin", "rum"),
    ("x-datadog-tags", "_dd.p.tid=4bf92f3577b34da6,_dd.p.dm=-4"),
];

/// The good ones, with another value for one of them.
fn datadog(name: &str, value: &str) -> HeaderMap {
    let with = |(good, was)| (good, if good == name { value } else { was });
    headers(&GOOD.map(with))
}

#[test]
fn a_part_of_datadogs_headers_that_cannot_be_read_costs_that_part() {
    let whole = read(&headers(&GOOD));
    let without = |change: fn(&mut TraceContext)| {
        let mut context = whole.clone();
        change(&mut context);
        context
    };
    let (long, tags) = ("x".repeat(600), |tags: &str| tags.to_owned());
    for (name, bad, expected) in [
        (
            "x-datadog-parent-id",
            tags("x"),
            without(|c| c.parent_id = None),
        ),
        (
            "x-datadog-sampling-priority",
            tags("9"),
            without(|c| c.priority = 1),
        ),
        (
            "x-datadog-origin",
            long.clone(),
            without(|c| c.origin = None),
        ),
        (
            "x-datadog-tags",
            tags("_dd.p.tid=xyz,_dd.p.dm=-4"),
            without(|c| c.trace_id = 5),
        ),
        (
            "x-datadog-tags",
            format!("_dd.p.a={long},_dd.p.dm=-4,nonsense,_dd.p.tid=4bf92f3577b34da6"),
            without(|_| {}),
        ),
    ] {
        let (context, unreadable) = incoming(&datadog(name, &bad));
        let context = context.unwrap();
        assert_eq!(unreadable, [BadContext::Datadog], "{name}: {bad:?}");
        let parts = |c: &TraceContext| {
            (
                c.trace_id,
                c.parent_id,
                c.priority,
                c.origin.clone(),
                c.tags.clone(),
            )
        };
        assert_eq!(parts(&context), parts(&expected), "{name}: {bad:?}");
    }
}

#[test]
fn without_a_trace_id_that_can_be_read_datadogs_headers_name_no_trace() {
    for bad in [
        "",
        "0",
        "-5",
        "+5",
        "18446744073709551616",
        "4bf92f3577b34da6",
    ] {
        let (context, unreadable) = incoming(&datadog("x-datadog-trace-id", bad));
        assert_eq!(
            (context, unreadable),
            (None, vec![BadContext::Datadog]),
            "{bad:?}"
        );
    }
    let mut twice = headers(&GOOD);
    twice.append("x-datadog-trace-id", "5".parse().unwrap());
    assert_eq!(incoming(&twice).0, None);
}

const B3_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn b3(notation: Notation, pairs: &[(&'static str, &str)]) -> Incoming {
    TraceContext::from_headers(&headers(pairs), Propagation::new(&[notation]))
}

#[test]
fn b3_is_continued_from_one_header_and_from_several() {
    let one = |state: &str| {
        let value = format!("{B3_ID}-00f067aa0ba902b7{state}");
        b3(B3, &[("b3", &value)])
    };
    let several = |sampled: &[(&'static str, &str)]| {
        let ids = [("x-b3-traceid", B3_ID), ("x-b3-spanid", "00f067aa0ba902b7")];
        b3(B3Multi, &[&ids[..], sampled].concat())
    };
    for (incoming, decision, priority) in [
        (one(""), Decision::Open, 1),
        (one("-1"), Decision::Made, 1),
        (one("-0-05e3ac9a4f6e3b90"), Decision::Made, 0),
        (one("-d"), Decision::Made, 2),
        (several(&[]), Decision::Open, 1),
        (several(&[("x-b3-sampled", "1")]), Decision::Made, 1),
        (several(&[("x-b3-sampled", "false")]), Decision::Made, 0),
        (several(&[("x-b3-flags", "1")]), Decision::Made, 2),
    ] {
        assert_eq!(incoming.unreadable, []);
        let context = incoming.context.unwrap();
        assert_eq!(context.trace_id_hex(), B3_ID);
        assert_eq!(context.parent_id, Some(0x00f0_67aa_0ba9_02b7));
        assert_eq!((incoming.decision, context.priority), (decision, priority));
    }
}

#[test]
fn b3_may_say_only_whether_a_trace_is_kept() {
    for (incoming, keep) in [
        (b3(B3, &[("b3", "0")]), false),
        (b3(B3, &[("b3", "d")]), true),
        (b3(B3Multi, &[("x-b3-sampled", "0")]), false),
        (b3(B3Multi, &[("x-b3-flags", "1")]), true),
    ] {
        assert_eq!((incoming.context, incoming.unreadable), (None, vec![]));
        assert_eq!(incoming.decision, Decision::Without(keep));
    }
}

#[test]
fn a_b3_that_cannot_be_read_names_no_trace() {
    let span = "00f067aa0ba902b7";
    let zeros = "0".repeat(32);
    for bad in [
        String::new(),
        "2".to_owned(),
        format!("{B3_ID}-{}", &span[1..]),
        format!("{}-{span}-1", &B3_ID[1..]),
        format!("{zeros}-{span}-1"),
        format!("{B3_ID}-+{}-1", &span[1..]),
    ] {
        let incoming = b3(B3, &[("b3", &bad)]);
        assert_eq!(incoming.context, None, "{bad:?}");
        assert_eq!(incoming.unreadable, [BadContext::B3], "{bad:?}");
    }
    let state = format!("{B3_ID}-{span}-x");
    let incoming = b3(B3, &[("b3", &state)]);
    assert_eq!(
        (incoming.decision, incoming.unreadable),
        (Decision::Open, vec![BadContext::B3])
    );
    assert!(incoming.context.is_some(), "its state costs itself only");
    let incoming = b3(B3Multi, &[("x-b3-traceid", B3_ID)]);
    assert_eq!(
        (incoming.context, incoming.unreadable),
        (None, vec![BadContext::B3])
    );
}

#[test]
fn a_trace_is_passed_on_in_the_notations_and_the_order_of_the_configuration() {
    let names = |order: &[Notation]| {
        let mut context = TraceContext::new();
        context.propagation = Propagation::new(order);
        let own = of_call(&context);
        let own: Vec<String> = own.iter().map(|(name, _)| name.to_string()).collect();
        let mut shared = HeaderMap::new();
        context.write_shared(&mut shared);
        let shared: Vec<String> = shared.keys().map(ToString::to_string).collect();
        (own, shared)
    };
    let (own, _) = names(&[Datadog, W3cContext]);
    assert_eq!(own, ["x-datadog-parent-id", "traceparent"]);
    let (own, _) = names(&[W3cContext, Datadog]);
    assert_eq!(own, ["traceparent", "x-datadog-parent-id"]);
    let (own, shared) = names(&[B3]);
    assert_eq!((own, shared), (vec!["b3".to_owned()], vec![]));
    let (own, shared) = names(&[B3Multi]);
    assert_eq!(own, ["x-b3-spanid"]);
    assert_eq!(
        shared,
        ["x-b3-traceid", "x-b3-parentspanid", "x-b3-sampled"]
    );
    assert_eq!(names(&[]), (vec![], vec![]));
}

#[test]
fn what_b3_is_passed_on_is_what_came() {
    for notation in [B3, B3Multi] {
        for (trace_id, priority) in [(u128::from(u64::MAX), 0), (u128::MAX - 5, 1), (7, 2)] {
            let context = TraceContext {
                trace_id,
                priority,
                propagation: Propagation::new(&[notation]),
                ..TraceContext::new()
            };
            let next = TraceContext::from_headers(&written(&context), context.propagation);
            assert_eq!((next.decision, next.unreadable), (Decision::Made, vec![]));
            let next = next.context.unwrap();
            assert_eq!((next.trace_id, next.priority), (trace_id, priority));
            assert_eq!(next.parent_id, Some(7));
        }
    }
}
