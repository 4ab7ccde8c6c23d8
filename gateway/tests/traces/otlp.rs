//! Traces that came as OTLP, in the words of [`Span`]: ids in halves, the resource's
//! attributes on every span, kind and status as attributes, and the template of a call's
//! path, which OpenTelemetry keeps out of a span's name, with the name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::spans::{Span, Trace};

/// From the test agent's JSON of OTLP requests. Panics when a trace came in more than one.
pub(crate) fn traces(requests: &Value) -> Vec<Trace> {
    let mut traces = BTreeMap::new();
    for request in each(requests) {
        for (id, spans) in of_request(request) {
            let cut = traces.insert(id, Trace { spans });
            assert!(cut.is_none(), "a trace was cut: {cut:#?}");
        }
    }
    traces.into_values().collect()
}

fn of_request(request: &Value) -> BTreeMap<u128, Vec<Span>> {
    let mut traces: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for of_resource in each(&request["resource_spans"]) {
        let resource = attributes(&of_resource["resource"]);
        for span in each(&of_resource["scope_spans"]).flat_map(|scope| each(&scope["spans"])) {
            let id = bytes(&span["trace_id"]);
            traces
                .entry(id)
                .or_default()
                .push(read(span, id, &resource));
        }
    }
    traces
}

fn read(span: &Value, trace_id: u128, resource: &BTreeMap<String, String>) -> Span {
    let start = number(&span["start_time_unix_nano"]);
    let mut meta = attributes(span);
    let of_resource = [
        ("env", "deployment.environment.name"),
        ("version", "service.version"),
    ];
    for (ours, theirs) in of_resource {
        meta.insert(ours.to_owned(), resource[theirs].clone());
    }
    meta.insert("_dd.p.tid".to_owned(), format!("{:016x}", trace_id >> 64));
    let kind = text(&span["kind"]).replace("SPAN_KIND_", "").to_lowercase();
    meta.insert("span.kind".to_owned(), kind);
    let status = &span["status"];
    if let Some(message) = status["message"].as_str() {
        meta.insert("error.message".to_owned(), message.to_owned());
    }
    let template = meta
        .get("url.template")
        .map(|template| format!(" {template}"));
    Span {
        service: resource["service.name"].clone(),
        name: String::new(),
        resource: text(&span["name"]).to_owned() + &template.unwrap_or_default(),
        trace_id: trace_id as u64,
        span_id: bytes(&span["span_id"]) as u64,
        parent_id: bytes(&span["parent_span_id"]) as u64,
        start,
        duration: number(&span["end_time_unix_nano"]) - start,
        error: u8::from(status["code"] == "STATUS_CODE_ERROR"),
        kind: meta.get("span.type").cloned().unwrap_or_default(),
        meta,
        metrics: BTreeMap::new(),
    }
}

/// The members of a list; a list without any is left out of the JSON.
fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// 64 bits are written as text.
#[track_caller]
fn number(value: &Value) -> u64 {
    text(value).parse().unwrap()
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let attribute = |pair: &Value| {
        let value = pair["value"].as_object().unwrap().values().next().unwrap();
        let shown = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        (text(&pair["key"]).to_owned(), shown)
    };
    each(&of["attributes"]).map(attribute).collect()
}

/// Up to 16 bytes in base 64; 0 where there are none.
fn bytes(value: &Value) -> u128 {
    let digits = value.as_str().unwrap_or_default().trim_end_matches('=');
    let digit = |byte| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("not base 64: {value}"),
    };
    let mut bits = 0_u32;
    let (mut kept, mut whole) = (0_u32, 0_u128);
    for byte in digits.bytes() {
        kept = (kept << 6) | u32::from(digit(byte));
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            whole = (whole << 8) | u128::from((kept >> bits) & 0xff);
        }
    }
    whole
}
