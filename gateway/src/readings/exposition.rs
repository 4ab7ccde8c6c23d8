//! Prometheus' text format, read as far as the gateway writes it.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

/// Every sample of one scrape.
#[derive(Debug, Default)]
pub(super) struct Samples(Vec<Sample>);

/// One value of one series.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) name: String,
    labels: Vec<(String, String)>,
    pub(super) value: f64,
}

impl Samples {
    /// Lines that are no samples are passed over: comments, and what a later version may add.
    pub(super) fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(Sample::parse).collect())
    }

    /// All samples, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }

    /// Samples of one series name that have all of these labels.
    pub(super) fn of<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| {
            let has = |(key, value): &(&str, &str)| sample.label(key) == Some(value);
            sample.name == name && labels.iter().all(has)
        })
    }

    /// Their sum; 0 if there are none.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.of(name, labels).map(|sample| sample.value).sum()
    }
}

impl Sample {
    fn parse(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let value = value.parse().ok()?;
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}')?),
            None => (series, ""),
        };
        if name.starts_with('#') {
            return None;
        }
        // Names of the configuration and of the table hold neither quotes nor commas.
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=')?;
            Some((key.to_owned(), value.trim_matches('"').to_owned()))
        };
        let pairs = labels.split(',').filter(|pair| !pair.is_empty());
        Some(Self {
            name: name.to_owned(),
            labels: pairs.map(pair).collect::<Option<_>>()?,
            value,
        })
    }

    /// Whether it is of the same series.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.name == other.name && self.labels == other.labels
    }

    /// The value of one of its labels.
    pub(super) fn label(&self, key: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }
}
