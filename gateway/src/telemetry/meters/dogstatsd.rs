//! Tells a DogStatsD agent, some times a second, what has happened since.
//!
//! Counters are told by what was added, gauges as they stand, and of histograms the values
//! themselves, as distributions: so percentiles of all gateways together are right. Gauges
//! say whose they are, as an agent keeps one value of each series and would keep that of
//! another gateway; what adds up need not, for what each further series costs. What has
//! been told is forgotten, whether anybody was there or not.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::agent::Agent;
use super::datagrams::Datagrams;
use super::histogram::Histogram;
use super::series::{Series, Values};
use crate::config::{StatsdAgent, Telemetry};
use crate::telemetry::counts::Counter;
use crate::telemetry::names::configured::Configured;
use crate::telemetry::names::metrics::{Kind, Metric};

/// How often datagrams are sent.
pub(super) const FLUSH: Duration = Duration::from_millis(300);

/// Rounds of [`FLUSH`] after which the agent's name is looked up again: 30 s, names may move.
const FRESH: u32 = 100;

/// Rounds in which nothing is tried after a failure: some 5 s.
const PAUSE: u32 = 16;

/// What there is to tell, and to whom. It tells as long as it [runs](DogStatsD::run).
#[must_use = "nothing is told unless it runs"]
#[derive(Debug)]
pub struct DogStatsD {
    subject: Arc<Subject>,
    /// What is told of: the series at hand, or those that have taken their place.
    now: Arc<Mutex<Arc<Subject>>>,
    speaker: Speaker,
    agent: Agent,
    /// By metric and series, in the order of [`Series::all`].
    lines: Vec<Lines>,
    datagrams: Datagrams,
    /// Values of the histogram at hand.
    values: Vec<u32>,
}

/// The series of one configuration, and what they are called.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) series: Arc<Series>,
    pub(super) names: Arc<Configured>,
}

/// What every line says of who tells.
#[derive(Debug)]
struct Speaker {
    identity: Vec<String>,
    instance: String,
    origin: String,
}

/// Of one metric.
#[derive(Debug)]
struct Lines {
    name: &'static str,
    /// By series: `|#page:product-page,…,version:1.0.0` and a line break; nothing for one
    /// that cannot occur.
    tags: Vec<Option<String>>,
}

impl DogStatsD {
    pub(super) fn new(
        now: Arc<Mutex<Arc<Subject>>>,
        config: &Telemetry,
        agent: &StatsdAgent,
    ) -> Self {
        let subject = Arc::clone(&now.lock());
        let speaker = Speaker::new(config, &subject.names);
        Self {
            lines: speaker.lines(&subject),
            subject,
            now,
            speaker,
            agent: Agent::new(agent, FRESH, PAUSE),
            datagrams: Datagrams::default(),
            values: Vec::new(),
        }
    }

    /// Tells until it is dropped.
    pub async fn run(mut self) {
        loop {
            tokio::time::sleep(FLUSH).await;
            self.agent.find().await;
            self.tell().await;
        }
    }

    /// All there is to tell now, and once more of what was there before a configuration took its
    /// place.
    async fn tell(&mut self) {
        self.tell_all().await;
        let now = Arc::clone(&self.now.lock());
        if !Arc::ptr_eq(&now, &self.subject) {
            self.lines = self.speaker.lines(&now);
            self.subject = now;
        }
    }

    /// Gives way between datagrams: pages run on the same threads.
    async fn tell_all(&mut self) {
        let series = Arc::clone(&self.subject.series);
        for (metric, (_, values)) in series.all().into_iter().enumerate() {
            match values {
                Values::Counters(counters) => self.counters(metric, &counters),
                Values::Gauges(gauges) => self.gauges(metric, &gauges),
                Values::Histograms(histograms) => {
                    for (nth, histogram) in histograms.iter().enumerate() {
                        self.histogram(metric, nth, histogram);
                        self.send().await;
                    }
                }
            }
            self.send().await;
        }
        self.datagrams.close();
        self.send().await;
    }

    fn counters(&mut self, metric: usize, counters: &[&Counter]) {
        let Lines { name, tags } = &self.lines[metric];
        for (counter, tags) in counters.iter().zip(tags) {
            let added = counter.untold();
            if added > 0
                && let Some(tags) = tags
            {
                self.datagrams.counter(name, added, tags);
            }
        }
    }

    fn gauges(&mut self, metric: usize, gauges: &[Option<f64>]) {
        let Lines { name, tags } = &self.lines[metric];
        for (gauge, tags) in gauges.iter().zip(tags) {
            if let (Some(value), Some(tags)) = (gauge, tags) {
                self.datagrams.gauge(name, *value, tags);
            }
        }
    }

    fn histogram(&mut self, metric: usize, nth: usize, histogram: &Histogram) {
        let Lines { name, tags } = &self.lines[metric];
        let all = histogram.take(&mut self.values);
        if let Some(tags) = &tags[nth] {
            self.datagrams.distribution(name, &self.values, all, tags);
        }
    }

    async fn send(&mut self) {
        for datagram in self.datagrams.full() {
            self.agent.send(&datagram).await;
            tokio::task::yield_now().await;
        }
    }
}

impl Speaker {
    fn new(config: &Telemetry, names: &Configured) -> Self {
        let identity = [
            ("service", &config.service),
            ("env", &config.env),
            ("version", &config.version),
        ];
        let identity = identity.map(|(tag, value)| format!("{tag}:{}", as_tag_value(value)));
        Self {
            identity: identity.into_iter().chain(pod(config)).collect(),
            instance: format!("instance:{}", as_tag_value(&names.instance)),
            origin: origin(config),
        }
    }

    fn lines(&self, subject: &Subject) -> Vec<Lines> {
        let lines = |(metric, _): (&'static Metric, _)| {
            let series = subject.names.occurring(metric);
            let one_of_many = (metric.kind == Kind::Gauge).then(|| self.instance.clone());
            let identity = self.identity.iter().cloned().chain(one_of_many);
            let identity: Vec<_> = identity.collect();
            let tags = |values: &Vec<String>| tags(metric, values, &identity, &self.origin);
            let tags = series.iter().map(|values| values.as_ref().map(tags));
            Lines {
                name: metric.name,
                tags: tags.collect(),
            }
        };
        subject.series.all().into_iter().map(lines).collect()
    }
}

/// The tag that agents take for the pod's own, as Datadog's clients send it.
/// <https://docs.datadoghq.com/developers/dogstatsd/?tab=kubernetes#origin-detection-over-udp>
fn pod(config: &Telemetry) -> Option<String> {
    let id = config.entity_id.as_ref()?;
    Some(format!("dd.internal.entity_id:{}", as_tag_value(id)))
}

/// What is known of the container: a field of its own, with commas in it.
fn origin(config: &Telemetry) -> String {
    let known = config.external_env.as_ref();
    let known = known.map(|known| format!("|e:{}", known.replace('|', "_")));
    known.unwrap_or_default()
}

fn tags(metric: &Metric, values: &[String], identity: &[String], origin: &str) -> String {
    let own = metric.tags.iter().zip(values);
    let own = own.map(|(tag, value)| format!("{}:{}", tag.as_str(), as_tag_value(value)));
    let mut all: Vec<_> = own.chain(identity.iter().cloned()).collect();
    // The version is who speaks and, of the build, also what is said.
    let mut said = HashSet::new();
    all.retain(|tag| said.insert(tag.clone()));
    format!("|#{}{origin}\n", all.join(","))
}

/// Without the characters that end a tag in a datagram.
fn as_tag_value(text: &str) -> String {
    text.replace([',', '|', '\n'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::telemetry::meters::Meters;

    /// The ends of all lines, by metric, under these variables.
    fn ends(variables: &[(&str, &str)]) -> Vec<(&'static Metric, Vec<String>)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<_> = variables.iter().map(owned).collect();
        let config = config::load_text("test", config::default_text(), &variables);
        let config = config.unwrap().config;
        let (_, dogstatsd) = Meters::new(&config, &Arc::new(Configured::new(&config)));
        let dogstatsd = dogstatsd.unwrap();
        let metrics = dogstatsd.subject.series.all();
        let metrics = metrics.into_iter().map(|(metric, _)| metric);
        let ends = dogstatsd.lines.into_iter();
        let ends = ends.map(|lines| lines.tags.into_iter().flatten().collect());
        metrics.zip(ends).collect()
    }

    #[test]
    fn gauges_alone_say_which_gateway_they_are_of() {
        for (metric, ends) in ends(&[]) {
            let gauge = metric.kind == Kind::Gauge;
            assert!(!ends.is_empty());
            for end in ends {
                assert_eq!(end.contains(",instance:"), gauge, "{}{end}", metric.name);
                assert_eq!(end.matches("version:").count(), 1, "{end}");
                assert!(!end.contains("entity_id") && !end.contains("|e:"), "{end}");
            }
        }
    }

    #[test]
    fn every_line_says_of_which_pod_it_is_where_that_is_known() {
        let known = [
            ("DD_ENTITY_ID", "75a2b6d5-a|b"),
            ("DD_EXTERNAL_ENV", "it-false,cn-shop,pu-75a2b6d5"),
        ];
        for (metric, ends) in ends(&known) {
            for end in ends {
                let tag = "dd.internal.entity_id:75a2b6d5-a_b";
                assert!(end.contains(tag), "{}{end}", metric.name);
                assert!(end.ends_with("|e:it-false,cn-shop,pu-75a2b6d5\n"), "{end}");
            }
        }
    }
}
