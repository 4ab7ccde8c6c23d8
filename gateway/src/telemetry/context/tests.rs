use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    map
}

const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn read(headers: &HeaderMap) -> TraceContext {
    let (context, bad) = TraceContext::from_headers(headers);
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
    let mut own = Vec::new();
    context.write_call(7, &mut own);
    out.extend(own);
    out
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

#[test]
fn of_a_long_tracestate_whole_members_are_kept() {
    let state: Vec<String> = (0..100).map(|n| format!("vendor{n}=0123456789")).collect();
    let context = read(&headers(&[
        ("traceparent", W3C),
        ("tracestate", &state.join(",")),
    ]));
    let kept = context.tracestate.unwrap();
    let kept = kept.to_str().unwrap();
    assert!(kept.len() <= 512 && kept.len() > 480, "{}", kept.len());
    assert!(state.join(",").starts_with(&format!("{kept},")));
}

#[test]
fn when_they_contradict_each_other_traceparent_wins_alone() {
    let context = read(&headers(&[
        ("traceparent", W3C),
        ("x-datadog-trace-id", "5"),
        ("x-datadog-origin", "rum"),
    ]));
    assert_eq!(context.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((context.origin, context.priority), (None, 1));
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
        let (context, unreadable) = TraceContext::from_headers(&headers(&[("traceparent", bad)]));
        assert_eq!(
            (context, unreadable),
            (None, vec![BadContext::Traceparent]),
            "{bad:?}"
        );
    }
    let twice = headers(&[("traceparent", W3C), ("traceparent", W3C)]);
    let (context, unreadable) = TraceContext::from_headers(&twice);
    assert_eq!((context, unreadable), (None, vec![BadContext::Traceparent]));
}

#[test]
fn a_later_version_of_traceparent_is_read_as_far_as_it_is_known() {
    let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-next";
    let context = read(&headers(&[("traceparent", later)]));
    assert_eq!(context.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[test]
fn a_broken_tracestate_is_left_out_and_a_hostile_one_starts_a_new_trace() {
    let broken = headers(&[("traceparent", W3C), ("tracestate", "no member")]);
    let (context, unreadable) = TraceContext::from_headers(&broken);
    assert_eq!(unreadable, [BadContext::Tracestate]);
    assert_eq!(context.unwrap().tracestate, None);
    let hostile = headers(&[("traceparent", W3C), ("tracestate", &"a=1,".repeat(25_000))]);
    let (context, unreadable) = TraceContext::from_headers(&hostile);
    assert_eq!((context, unreadable), (None, vec![BadContext::Tracestate]));
}

#[test]
fn a_datadog_header_that_cannot_be_read_disqualifies_them_all() {
    let good = [
        ("x-datadog-trace-id", "5"),
        ("x-datadog-parent-id", "6"),
        ("x-datadog-sampling-priority", "1"),
        ("x-datadog-origin", "rum"),
        ("x-datadog-tags", "_dd.p.tid=4bf92f3577b34da6"),
    ];
    assert_eq!(read(&headers(&good)).parent_id, Some(6));
    let long = "x".repeat(600);
    for (name, bad) in [
        ("x-datadog-trace-id", "0"),
        ("x-datadog-trace-id", "-5"),
        ("x-datadog-trace-id", "+5"),
        ("x-datadog-trace-id", "18446744073709551616"),
        ("x-datadog-trace-id", "4bf92f3577b34da6"),
        ("x-datadog-parent-id", "x"),
        ("x-datadog-sampling-priority", "9"),
        ("x-datadog-origin", &long),
        ("x-datadog-tags", &long),
        ("x-datadog-tags", "_dd.p.tid=xyz"),
    ] {
        let mut pairs = good;
        for pair in pairs.iter_mut().filter(|pair| pair.0 == name) {
            pair.1 = bad;
        }
        let (context, unreadable) = TraceContext::from_headers(&headers(&pairs));
        assert_eq!(
            (context, unreadable),
            (None, vec![BadContext::Datadog]),
            "{name}: {bad:?}"
        );
    }
    let mut twice = headers(&good);
    twice.append("x-datadog-trace-id", "5".parse().unwrap());
    assert_eq!(TraceContext::from_headers(&twice).0, None);
}
