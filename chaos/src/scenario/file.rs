//! The shape of a scenario file: every key with its kind, its default and its rules.

mod expect;
mod kinds;

use std::time::Duration;

use fixtures::Behaviour;
use gateway::config::reading::{
    COUNT, DURATION, DURATION_OR_NONE, POSITIVE_DURATION, RATE, Section, TEXT, key, read_text,
    required,
};
use gateway::config::{Config, DownstreamId, Loaded, MAX_DOWNSTREAMS, PageId, Problem, Report};

use self::kinds::{ARM, ARRIVALS, BACKOFF, CORES, OPTIONAL_TEXT, PROSE, WHOLE};
use super::{Client, Costs, Fault, Load, Scenario, Text, behaviour};

/// Longest run: what is learnt in an hour is learnt in ten minutes.
const LONGEST: Duration = Duration::from_secs(3600);

/// Most pages of one scenario, all retries counted: each is kept until the verdict, with 100 bytes.
const MOST_PAGES: f64 = 5e6;

/// Most loads, faults or windows each.
const MOST: usize = 64;

/// A fault that flaps faster than the record has slices could not be seen in it.
const SHORTEST_FLAP: Duration = Duration::from_millis(100);

/// Reads the scenario for this config.
pub(super) fn read(text: &Text, loaded: Loaded, config_text: String) -> Result<Scenario, Report> {
    let names = Names::of(&loaded.config);
    read_text(&text.name, &text.text, |root| {
        root.foreign("config");
        let title = root.take(required("title", TEXT, "pricing becomes slow"));
        let about = root.take(key("about", PROSE, ""));
        let seed = root.take(key("seed", WHOLE, "1"));
        let length = root.take(required("length", POSITIVE_DURATION, "60s"));
        let good_within = root.take(key("good_within", DURATION_OR_NONE, "none"));
        let admission = root.take(key("admission", ARM, "whole_page"));
        let drain_at = root.take(key("drain_at", DURATION_OR_NONE, "none"));
        // Of a length that is wrong, only that is told.
        let shape = Shape {
            names: &names,
            length: length.unwrap_or(LONGEST),
        };
        shape.check_length(root);
        let costs = root.section("gateway", "What the gateway itself costs.", costs);
        let behaviours = shape.behaviours(root);
        let loads = root.tables("load", MOST, |section| shape.load(section));
        let behaviours_or_default = behaviours.clone().unwrap_or_else(|| names.healthy());
        let faults = root.tables("fault", MOST, |section| {
            shape.fault(section, &behaviours_or_default)
        });
        let clients = clients(loads.as_deref().unwrap_or_default());
        let expectations = root.tables("expect", MOST, |section| {
            shape.expectation(section, &clients)
        });
        if let Some(loads) = &loads {
            check_loads(root, loads);
        }
        if drain_at.flatten().is_some_and(|at| at > shape.length) {
            root.wrong("drain_at", Problem::new("lies after the end"));
        }
        Some(Scenario {
            title: title?,
            about: about?,
            seed: seed?,
            length: length?,
            good_within: good_within?,
            admission: admission?,
            drain_at: drain_at?,
            loads: loads?,
            costs: costs?,
            behaviours: behaviours?,
            faults: faults?,
            expectations: expectations?,
            config: loaded.config,
            config_text,
            effective: loaded.effective,
            warnings: loaded.warnings,
        })
    })
}

fn costs(s: &mut Section<'_, '_>) -> Option<Costs> {
    let cores = s.take(key("cores", CORES, "1.0"));
    let mut cost = |name| s.take(key(name, DURATION, "0us"));
    let (per_page, per_call) = (cost("per_page"), cost("per_call"));
    let (per_refusal, per_connection) = (cost("per_refusal"), cost("per_connection"));
    let costs = Costs {
        cores: cores?,
        per_page: per_page?,
        per_call: per_call?,
        per_refusal: per_refusal?,
        per_connection: per_connection?,
    };
    if costs.per_refusal > costs.per_page {
        let problem = Problem::new("is more than `per_page`, which begins with the same reading");
        s.wrong("per_refusal", problem.help("write a larger `per_page`"));
    }
    Some(costs)
}

fn check_loads(root: &mut Section<'_, '_>, loads: &[Load]) {
    let of = |load: &Load| {
        let arrivals = load.rate * (load.until - load.from).as_secs_f64();
        arrivals * f64::from(load.retries + 1)
    };
    let pages: f64 = loads.iter().map(of).sum();
    if loads.is_empty() {
        let problem = Problem::new("is missing, so nothing would happen");
        root.wrong("load", problem.help("add `[[load]]` with a `rate`"));
    } else if pages > MOST_PAGES {
        let what = format!("{pages:.0} pages are too many; the most is {MOST_PAGES}");
        root.wrong(
            "load",
            Problem::new(what).help("lower a `rate` or the `length`"),
        );
    }
}

fn clients(loads: &[Load]) -> Vec<String> {
    let clients = loads.iter().filter_map(|load| load.client.as_ref());
    clients.map(|client| client.name.clone()).collect()
}

/// The names of a config that a scenario may use.
struct Names {
    pages: Vec<String>,
    downstreams: Vec<String>,
}

impl Names {
    fn of(config: &Config) -> Self {
        Self {
            pages: config.pages.iter().map(|p| p.name.to_string()).collect(),
            downstreams: config
                .downstreams
                .iter()
                .map(|d| d.name.to_string())
                .collect(),
        }
    }

    fn healthy(&self) -> Vec<Behaviour> {
        vec![Behaviour::realistic(); self.downstreams.len()]
    }
}

/// What the parts of a file need of the rest.
struct Shape<'a> {
    names: &'a Names,
    length: Duration,
}

impl Shape<'_> {
    fn check_length(&self, root: &mut Section<'_, '_>) {
        if self.length > LONGEST {
            root.wrong("length", Problem::new("is too long").write("10m"));
        }
    }

    /// What is not written behaves as a healthy service does.
    fn behaviours(&self, root: &mut Section<'_, '_>) -> Option<Vec<Behaviour>> {
        let mut behaviours = self.names.healthy();
        let about = "How a service behaves at first.";
        let mut complete = true;
        let each = root.each("downstream", about, MAX_DOWNSTREAMS, |section, name| {
            let change = behaviour::read(section, &Behaviour::realistic())?;
            Some((name, change))
        })?;
        for (name, read) in each {
            let at = self
                .names
                .downstreams
                .iter()
                .position(|n| n == name.as_str());
            match (at, read) {
                (Some(at), Some((_, change))) => {
                    behaviours[at] = change.apply(Behaviour::realistic());
                }
                (Some(_), None) => complete = false,
                (None, _) => {
                    let help = root.suggest(name.as_str(), &self.names.downstreams);
                    let what = format!("the config has no downstream `{name}`");
                    root.wrong("downstream", Problem::new(what).help(help));
                    complete = false;
                }
            }
        }
        complete.then_some(behaviours)
    }

    fn load(&self, s: &mut Section<'_, '_>) -> Option<Load> {
        let page = self.page(s);
        let rate = s.take(required("rate", RATE, "200/s"));
        let span = self.span(s);
        let arrivals = s.take(key("arrivals", ARRIVALS, "poisson"));
        let client = s.take(key("client", OPTIONAL_TEXT, ""));
        let clients = s.take(key("clients", COUNT, "1"));
        let patience = s.take(key("patience", DURATION_OR_NONE, "none"));
        let retries = s.take(key("retries", WHOLE, "0"));
        let backoff = s.take(key("backoff", BACKOFF, "100ms"));
        let reads_for = s.take(key("reads_for", DURATION, "0ms"));
        let (from, until) = span?;
        let count = clients?.get();
        let Some(rate) = rate? else {
            s.wrong(
                "rate",
                Problem::new("a load of no pages has no effect").help("remove this `[[load]]`"),
            );
            return None;
        };
        if retries? > 10 {
            s.wrong(
                "retries",
                Problem::new("is too big; the most is 10").write(10),
            );
        }
        let page = page?;
        Some(Load {
            page: page.unwrap_or(PageId(0)),
            rate: rate.per_second(),
            from,
            until,
            arrivals: arrivals?,
            client: client?.map(|name| Client { name, count }),
            patience: patience?,
            retries: u32::try_from(retries?).ok()?,
            backoff: backoff?,
            reads_for: reads_for?,
        })
    }

    fn fault(&self, s: &mut Section<'_, '_>, behaviours: &[Behaviour]) -> Option<Fault> {
        let name = s.take(required("downstream", TEXT, "pricing"));
        let span = self.span(s);
        let flaps = s.take(key("flaps", DURATION_OR_NONE, "none"));
        let downstream = name.and_then(|name| {
            let at = self.names.downstreams.iter().position(|n| *n == name);
            self.known(s, "downstream", &name, at, &self.names.downstreams)
        });
        let behaviour = downstream.map_or_else(Behaviour::realistic, |at| behaviours[at].clone());
        let change = behaviour::read(s, &behaviour);
        let flaps = flaps?;
        if flaps.is_some_and(|step| step < SHORTEST_FLAP) {
            s.wrong("flaps", Problem::new("is too short").write("100ms"));
        }
        let (from, until) = span?;
        Some(Fault {
            downstream: DownstreamId(downstream?),
            from,
            until,
            flaps,
            change: change?,
        })
    }

    /// The page named here, if one is; the outer `None` is an error.
    #[expect(clippy::option_option, reason = "absent and wrong are two things")]
    fn page(&self, s: &mut Section<'_, '_>) -> Option<Option<PageId>> {
        let Some(name) = s.take(key("page", OPTIONAL_TEXT, ""))? else {
            return Some(None);
        };
        let at = self.names.pages.iter().position(|n| *n == name);
        let known = self.known(s, "page", &name, at, &self.names.pages);
        known.map(|at| Some(PageId(at)))
    }

    fn known(
        &self,
        s: &mut Section<'_, '_>,
        key: &str,
        name: &str,
        at: Option<usize>,
        all: &[String],
    ) -> Option<usize> {
        if at.is_none() {
            let help = s.suggest(name, all);
            let what = format!("the config has no {key} `{name}`");
            s.wrong(key, Problem::new(what).help(help));
        }
        at
    }

    /// `from` and `until`, inside the length.
    fn span(&self, s: &mut Section<'_, '_>) -> Option<(Duration, Duration)> {
        let from = s.take(key("from", DURATION, "0s"));
        let until = s.take(key("until", DURATION_OR_NONE, "none"));
        let (from, until) = (from?, until?.unwrap_or(self.length));
        if until > self.length {
            let length = gateway::config::units::show_duration(self.length);
            s.wrong("until", Problem::new("lies after the end").write(length));
            return None;
        }
        if from >= until {
            let problem = Problem::new("is not before `until`");
            s.wrong(
                "from",
                problem.help("write an earlier `from` or a later `until`"),
            );
            return None;
        }
        Some((from, until))
    }
}
