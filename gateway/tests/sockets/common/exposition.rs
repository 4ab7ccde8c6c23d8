//! Prometheus' text format, read as strictly as a scraper may: every line.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::collections::{BTreeMap, HashSet};

type Labels = BTreeMap<String, String>;

/// What a scrape said.
#[derive(Default)]
pub(crate) struct Exposition {
    kinds: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Exposition {
    /// Panics at the first line that a strict reader would not take.
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line does not end");
        let mut read = Self::default();
        let (mut family, mut helped, mut seen) = (String::new(), String::new(), HashSet::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, meaning) = help.split_once(' ').unwrap();
                assert!(!meaning.is_empty(), "{line}");
                helped = name.to_owned();
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert_eq!(name, helped, "no HELP before TYPE: {line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let before = read.kinds.insert(name.to_owned(), kind.to_owned());
                assert!(before.is_none(), "a family twice: {line}");
                family = name.to_owned();
            } else {
                let sample = sample(line);
                assert!(
                    seen.insert((sample.0.clone(), sample.1.clone())),
                    "twice: {line}"
                );
                let suffix = sample
                    .0
                    .strip_prefix(&family)
                    .unwrap_or_else(|| panic!("of no family: {line}"));
                let fits = match read.kinds[&family].as_str() {
                    "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
                    _ => suffix.is_empty(),
                };
                assert!(fits, "not in {family}: {line}");
                read.samples.push(sample);
            }
        }
        read.check_histograms();
        read
    }

    /// The sum of all samples of this name that have these labels, of which there is one.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let values = self.values(name, labels);
        assert!(!values.is_empty(), "no {name} with {labels:?}");
        values.iter().sum()
    }

    /// The same of what begins with its first value: a histogram's series.
    pub(crate) fn sum_so_far(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.values(name, labels).iter().sum()
    }

    fn values(&self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        let has = |sample: &Labels| {
            labels
                .iter()
                .all(|&(key, value)| sample.get(key).is_some_and(|v| v == value))
        };
        let found = self
            .samples
            .iter()
            .filter(|(n, sample, _)| n == name && has(sample));
        found.map(|(_, _, value)| *value).collect()
    }

    /// Names and types of all families.
    pub(crate) fn kinds(&self) -> &BTreeMap<String, String> {
        &self.kinds
    }

    /// Buckets must be sorted, must not fall, and must end with the count.
    fn check_histograms(&self) {
        for (name, labels, count) in &self.samples {
            let Some(family) = name.strip_suffix("_count") else {
                continue;
            };
            let (mut edge, mut below) = (f64::NEG_INFINITY, 0.0);
            let bucket = format!("{family}_bucket");
            for (_, all, value) in self.samples.iter().filter(|(n, _, _)| *n == bucket) {
                let mut own = all.clone();
                let le = own.remove("le").unwrap();
                if own == *labels {
                    let le = if le == "+Inf" {
                        f64::INFINITY
                    } else {
                        le.parse().unwrap()
                    };
                    assert!(le > edge && *value >= below, "{family} {labels:?} at {le}");
                    (edge, below) = (le, *value);
                }
            }
            assert_eq!(
                (edge, below),
                (f64::INFINITY, *count),
                "{family} {labels:?}"
            );
        }
    }
}

fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let value: f64 = value
        .parse()
        .unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(value.is_finite(), "{line}");
    let (name, labels) = match series.split_once('{') {
        None => (series, ""),
        Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
    };
    assert!(is_name(name), "{line}");
    let mut all = Labels::new();
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (key, value) = label.split_once('=').unwrap();
        let value = value
            .strip_prefix('"')
            .and_then(|v| v.strip_suffix('"'))
            .unwrap();
        // Tag values are closed sets that need no escaping.
        assert!(
            is_name(key) && !value.contains(['"', '\\', '{', '}']),
            "{line}"
        );
        assert!(
            all.insert(key.to_owned(), value.to_owned()).is_none(),
            "{line}"
        );
    }
    (name.to_owned(), all, value)
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
