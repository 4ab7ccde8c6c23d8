//! What tells one configuration from another, key by key, and what each difference does to a
//! gateway that runs.
//!
//! What always holds: two configurations without a difference are the same to every page; a
//! section that only one of them has is one difference, not one for each of its keys. Secrets are
//! shown by neither, so files that hold them (tokens, certificates) are compared by name alone.

use serde_json::{Map, Value as Json, json};

use super::origin::EffectiveKey;
use super::{KeyChange, Loaded, why_fixed};

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The key, or the section that only one of the two has, dotted.
    pub key: String,
    /// What differs.
    pub change: Change,
    /// What it does to a gateway that runs.
    pub effect: Effect,
}

/// What differs.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The value of a key.
    Value {
        /// What it was.
        from: Json,
        /// What it is.
        to: Json,
    },
    /// Only the second has this section; with its keys that are not the default.
    Added(Vec<(String, Json)>),
    /// Only the first has it.
    Removed,
}

/// What a change does to a gateway that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is made while pages are served; in words, what it applies to.
    Live(&'static str),
    /// It needs a restart, for this reason, and a reload with it is refused.
    Restart(&'static str),
}

impl Effect {
    /// For a person.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Live(what) => format!("live: {what}"),
            Self::Restart(why) => format!("needs a restart: {why}"),
        }
    }
}

impl Difference {
    /// For machines: `key`, `change`, `from` and `to` where there are two values, `keys` of what is new,
    /// `live` and `effect`.
    #[must_use]
    pub fn json(&self) -> Json {
        let mut shown = match &self.change {
            Change::Value { from, to } => {
                json!({"key": self.key, "change": "changed", "from": from, "to": to})
            }
            Change::Added(keys) => {
                let keys: Map<String, Json> = keys.iter().cloned().collect();
                json!({"key": self.key, "change": "added", "keys": keys})
            }
            Change::Removed => json!({"key": self.key, "change": "removed"}),
        };
        shown["live"] = json!(matches!(self.effect, Effect::Live(_)));
        shown["effect"] = json!(self.effect.words());
        shown
    }
}

/// All differences between what was `before`, nested as in the file, and what is now, in the
/// order of the file; what is gone comes last.
#[must_use]
pub fn differences(before: &Json, now: &Loaded) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    for change in KeyChange::between(before, &now.effective) {
        let (from, to) = (at(before, &change.key), at(&now.effective, &change.key));
        let new = sections(&change.key).find(|section| at(before, section).is_null());
        let gone = sections(&change.key).find(|section| at(&now.effective, section).is_null());
        let (key, what) = match (new, gone) {
            (Some(section), _) => (section, Change::Added(chosen(now, section))),
            (None, Some(section)) => (section, Change::Removed),
            (None, None) => (change.key.as_str(), Change::Value { from, to }),
        };
        if found.last().is_none_or(|last| last.key != key) {
            found.push(Difference {
                key: key.to_owned(),
                change: what,
                effect: effect(key),
            });
        }
    }
    found
}

/// What stands at a dotted key or section; null if nothing does.
fn at(config: &Json, dotted: &str) -> Json {
    let mut names = dotted.split('.');
    let found = names.try_fold(config, |node, name| node.get(name));
    found.cloned().unwrap_or_default()
}

/// Keys of a section that are not the default.
fn chosen(config: &Loaded, section: &str) -> Vec<(String, Json)> {
    let is_below = |key: &str| {
        key.strip_prefix(section)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    let is_chosen =
        |key: &&EffectiveKey| is_below(&key.key) && key.default.as_ref() != Some(&key.value);
    let keys = config.keys.iter().filter(is_chosen);
    keys.map(|key| (key.key.clone(), key.value.clone()))
        .collect()
}

/// `page.NAME` and `page.NAME.part.NAME` of a key below them, or `downstream.NAME`.
fn sections(key: &str) -> impl Iterator<Item = &str> {
    let dots: Vec<usize> = key.match_indices('.').map(|(at, _)| at).collect();
    let is_named = key.starts_with("page.") || key.starts_with("downstream.");
    let part = match (is_named, dots.get(1)) {
        (true, Some(second)) => key[*second..].starts_with(".part."),
        _ => false,
    };
    let ends = [is_named.then(|| dots.get(1)), part.then(|| dots.get(3))];
    let ends = ends.into_iter().flatten().flatten().copied();
    ends.map(|end| &key[..end]).collect::<Vec<_>>().into_iter()
}

/// What a change of this key, or the coming and going of this section, does.
#[must_use]
pub fn effect(key: &str) -> Effect {
    if let Some(why) = why_fixed(key) {
        return Effect::Restart(why);
    }
    let path: Vec<&str> = key.split('.').collect();
    Effect::Live(match *path.as_slice() {
        ["clients" | "admission", "observe" | "observe_lag"] | [_, _, "observe"] => {
            "at once; a limit that is only watched refuses nothing, and what it would is counted"
        }
        ["server", "drain_delay" | "drain_timeout"] => "the next stop",
        ["server", "max_connections"] => {
            "at once; where there are more, none is accepted until enough have ended"
        }
        ["server", _] | ["server", "tls", _] => "connections that are opened from now on",
        ["admin", _] => "operators' requests from now on",
        ["admission", "max_in_flight"] => {
            "at once; fewer tickets end no page, and none is given until enough are back"
        }
        ["admission" | "shed", _] => "at once",
        ["clients", _] => "pages from now on; what clients have used is kept",
        ["downstream", _] => "pages from now on; calls under way end as they began",
        ["downstream", _, "permits"] => {
            "at once; fewer permits end no call, and none is given until enough are back"
        }
        ["downstream", ..] => "calls from now on, over new connections if need be",
        ["page", _, "queue"] => "at once; a shorter queue lets its oldest go",
        _ => "pages that begin from now on",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    const TEXT: &str = "[downstream.d]\nurl = \"http://127.0.0.1:1\"\n[page.p]\npath = \"/p\"\nqueue = 5\n\
                        [page.p.part.a]\ndownstream = \"d\"\npath = \"/a\"\n";

    fn loaded(text: &str) -> Loaded {
        load_text("c.toml", text, &[]).unwrap()
    }

    fn shown(before: &str, after: &str) -> Vec<(String, Change)> {
        let found = differences(&loaded(before).effective, &loaded(after));
        found.into_iter().map(|one| (one.key, one.change)).collect()
    }

    #[test]
    fn what_is_the_same_has_no_difference_wherever_it_is_written() {
        assert_eq!(shown(TEXT, TEXT), []);
        let default = TEXT.replace("queue = 5", "queue = 5\nmax_wait = \"50ms\"");
        assert_eq!(shown(TEXT, &default), []);
        assert_eq!(shown(&default, TEXT), []);
    }

    #[test]
    fn a_value_differs_from_what_it_was_or_from_the_default() {
        let other = TEXT.replace("queue = 5", "");
        let change = |from: i32, to: i32| Change::Value {
            from: json!(from),
            to: json!(to),
        };
        let key = || "page.p.queue".to_owned();
        assert_eq!(shown(TEXT, &other), [(key(), change(5, 64))]);
        assert_eq!(shown(&other, TEXT), [(key(), change(64, 5))]);
    }

    #[test]
    fn a_section_comes_and_goes_as_one() {
        let more = format!(
            "{TEXT}[page.p.part.b]\ndownstream = \"e\"\npath = \"/b\"\n[downstream.e]\nurl = \"http://127.0.0.1:2\"\n\
             [page.q]\npath = \"/q\"\n[page.q.part.a]\ndownstream = \"d\"\npath = \"/a\"\n"
        );
        let keys: Vec<String> = shown(TEXT, &more)
            .into_iter()
            .map(|(key, change)| match change {
                Change::Added(keys) => format!("+ {key} {}", keys.len()),
                Change::Value { .. } | Change::Removed => panic!("{key} is not added"),
            })
            .collect();
        assert_eq!(
            keys,
            ["+ downstream.e 1", "+ page.p.part.b 2", "+ page.q 3"]
        );
        let gone: Vec<_> = shown(&more, TEXT);
        let removed = |key: &str| (key.to_owned(), Change::Removed);
        let expected = ["downstream.e", "page.p.part.b", "page.q"].map(removed);
        assert_eq!(gone, expected);
    }

    #[test]
    fn another_way_to_write_an_address_is_a_key_that_goes_and_one_that_comes() {
        let urls = TEXT.replace(
            "url = \"http://127.0.0.1:1\"",
            "urls = [\"http://127.0.0.1:1\"]",
        );
        let found = shown(TEXT, &urls);
        let keys: Vec<&str> = found.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["downstream.d.urls", "downstream.d.url"]);
    }

    #[test]
    fn what_a_change_does_is_said_of_every_key() {
        let shipped = loaded(crate::config::default_text());
        for key in &shipped.keys {
            let fixed = crate::config::FIXED
                .iter()
                .any(|(fixed, _)| *fixed == key.key);
            let restart = matches!(effect(&key.key), Effect::Restart(_));
            assert_eq!(restart, fixed, "{}", key.key);
        }
        for (key, words) in [
            ("downstream.d.permits", "fewer permits end no call"),
            ("admission.observe_lag", "refuses nothing"),
            ("page.p.observe", "refuses nothing"),
            ("downstream.d", "calls under way end as they began"),
            ("page.p.part.a.timeout", "pages that begin from now on"),
            (
                "admin.listen",
                "needs a restart: the socket is bound at the start",
            ),
        ] {
            assert!(effect(key).words().contains(words), "{key}");
        }
    }
}
