//! A payload of Datadog's protocol v0.5, written by hand: two arrays, the texts and the
//! traces; a span is twelve fields that name texts by their place.
//!
//! <https://github.com/DataDog/datadog-agent/blob/main/pkg/trace/api/version.go>

use std::collections::BTreeMap;

/// One trace of one span without a parent.
pub(crate) fn one_span(trace_id: u64, meta: &[(&str, &str)]) -> Vec<u8> {
    let mut texts = Texts::default();
    let words = ["shop", "test", "GET /"].map(|word| texts.place(word));
    let kind = texts.place("web");
    let meta: Vec<_> = meta
        .iter()
        .map(|(key, value)| (texts.place(key), texts.place(value)))
        .collect();
    let mut span = vec![array(12)];
    span.extend(words.map(number));
    let [span_id, parent, start, duration, error] = [7, 0, 1_700_000_000_000_000_000, 1_000, 0];
    span.extend([trace_id, span_id, parent, start, duration, error].map(number));
    span.push(map(meta.len()));
    span.extend(
        meta.into_iter()
            .flat_map(|(key, value)| [number(key), number(value)]),
    );
    span.extend([map(0), number(kind)]);
    let traces = [vec![array(1), array(1)], span].concat().concat();
    [array(2), texts.written(), traces].concat()
}

#[derive(Default)]
struct Texts(BTreeMap<String, u64>);

impl Texts {
    fn place(&mut self, text: &str) -> u64 {
        let next = self.0.len() as u64;
        *self.0.entry(text.to_owned()).or_insert(next)
    }

    fn written(&self) -> Vec<u8> {
        let mut texts: Vec<_> = self.0.iter().collect();
        texts.sort_by_key(|(_, place)| **place);
        let written = texts.into_iter().map(|(text, _)| {
            let length = u8::try_from(text.len()).unwrap();
            [&[0xd9, length], text.as_bytes()].concat()
        });
        [vec![array(self.0.len())], written.collect()]
            .concat()
            .concat()
    }
}

// MessagePack, <https://github.com/msgpack/msgpack/blob/master/spec.md>.

fn array(length: usize) -> Vec<u8> {
    vec![0x90 | u8::try_from(length).unwrap()]
}

fn map(length: usize) -> Vec<u8> {
    vec![0x80 | u8::try_from(length).unwrap()]
}

fn number(number: u64) -> Vec<u8> {
    [&[0xcf], &number.to_be_bytes()[..]].concat()
}
