//! In which notations a trace comes in and is passed on, and in which order.

use serde_json::json;

use super::kinds::Kind;
use super::problem::{Problem, did_you_mean};
use super::raw::list_of;

/// A notation of trace headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// `x-datadog-*`.
    Datadog,
    /// W3C's `traceparent` and `tracestate`.
    TraceContext,
    /// `b3`, in one header.
    B3,
    /// `x-b3-*`.
    B3Multi,
}

const WORDS: &[(&str, Notation)] = &[
    ("datadog", Notation::Datadog),
    ("tracecontext", Notation::TraceContext),
    ("b3", Notation::B3),
    ("b3multi", Notation::B3Multi),
];

/// Some notations, each once, in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Propagation {
    notations: [Option<Notation>; WORDS.len()],
}

impl Propagation {
    /// Those of them that are there, in their order; of one that comes twice the first counts.
    pub fn new(all: &[Notation]) -> Self {
        let mut notations = [None; WORDS.len()];
        let mut places = notations.iter_mut();
        for (at, &notation) in all.iter().enumerate() {
            if all[..at].contains(&notation) {
                continue;
            }
            if let Some(place) = places.next() {
                *place = Some(notation);
            }
        }
        Self { notations }
    }

    /// In order.
    pub fn notations(self) -> impl Iterator<Item = Notation> {
        self.notations.into_iter().flatten()
    }
}

impl Default for Propagation {
    /// As the shipped configuration has it.
    fn default() -> Self {
        Self::new(&[Notation::Datadog, Notation::TraceContext])
    }
}

fn word(notation: Notation) -> &'static str {
    let known = WORDS.iter().find(|(_, known)| *known == notation);
    known.map_or("", |(word, _)| word)
}

fn notation(text: &str) -> Result<Notation, Problem> {
    if let Some((_, notation)) = WORDS.iter().find(|(word, _)| *word == text) {
        return Ok(*notation);
    }
    let help = match did_you_mean(text, WORDS.iter().map(|(word, _)| *word)) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => "there are \"datadog\", \"tracecontext\", \"b3\" and \"b3multi\"".to_owned(),
    };
    Err(Problem::new(format!("{text:?} is not a format of trace headers")).help(help))
}

/// A list of notations.
pub(super) const PROPAGATION: Kind<Propagation> = Kind {
    read: |raw| {
        let twice = |notation: &Notation| format!("\"{}\" stands in it twice", word(*notation));
        list_of(raw, notation, twice).map(|all| Propagation::new(&all))
    },
    show: |propagation| propagation.notations().map(word).collect(),
    schema: || {
        let words: Vec<_> = WORDS.iter().map(|(word, _)| *word).collect();
        json!({"type": "array", "uniqueItems": true, "items": {"enum": words}})
    },
};
