//! A scenario: hardship as data, checked once and bound to the config it is run with.
//!
//! What always holds: every page and downstream named here is one of the config; behaviours make
//! sense; windows lie inside the length; each expectation bounds a figure in that figure's unit.
//! The shape of the file is in `file`; how it is run is not here: the same scenario is played in
//! simulated time and on sockets.

mod behaviour;
mod bound;
mod file;
mod overrides;
mod shipped;

use std::time::Duration;

use fixtures::{Behaviour, Rng};
use gateway::config::{Config, DownstreamId, PageId, Report};
use gateway::outcome::Promise;

pub use behaviour::Change;
pub use bound::{Bound, Comparison, Metric, Unit};
pub use shipped::SHIPPED;

use crate::load::Arrivals;
use crate::record::World;

/// A text and what to call it in messages.
#[derive(Clone, Debug)]
pub struct Text {
    /// Usually its path.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// One scenario, ready to be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// One line: what happens.
    pub title: String,
    /// Prose: what is to be learnt from it.
    pub about: String,
    /// Of every random choice.
    pub seed: u64,
    /// From the first arrival to the last. What is under way then is waited for.
    pub length: Duration,
    /// A page is good if it was served within this; `None`: within its own deadline.
    pub good_within: Option<Duration>,
    /// Which admission the gateway has.
    pub admission: Arm,
    /// When the gateway is told to stop, as SIGTERM does.
    pub drain_at: Option<Duration>,
    /// Who asks for what; in the order of the file.
    pub loads: Vec<Load>,
    /// What the gateway itself costs in simulated time.
    pub costs: Costs,
    /// How each downstream behaves at first; by [`DownstreamId`].
    pub behaviours: Vec<Behaviour>,
    /// What goes wrong; later ones go on top of earlier ones.
    pub faults: Vec<Fault>,
    /// What must hold.
    pub expectations: Vec<Expectation>,
    /// The gateway's config, the scenario's overrides included.
    pub config: Config,
    /// That config as text.
    pub config_text: String,
    /// That config in effect: every key with its value, defaults included, without secrets.
    pub effective: serde_json::Value,
    /// What the config's reader thinks was not meant.
    pub warnings: Report,
}

/// What the gateway itself costs, so that it can be short of CPU: in simulated time only. On sockets
/// it costs what it costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// CPUs it has; 0.2 is a fifth of one.
    pub cores: f64,
    /// CPU time of a page that is let in, without its calls.
    pub per_page: Duration,
    /// Of a call.
    pub per_call: Duration,
    /// Of a page that is refused.
    pub per_refusal: Duration,
    /// Of a new connection, a client's or one to a downstream.
    pub per_connection: Duration,
}

impl Costs {
    /// Whether it costs nothing, so that it is never short of CPU.
    #[must_use]
    pub fn are_none(&self) -> bool {
        let all = [
            self.per_page,
            self.per_call,
            self.per_refusal,
            self.per_connection,
        ];
        all.iter().all(Duration::is_zero)
    }
}

/// Which admission a scenario is run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// The gateway's own: all permits of a page or none.
    WholePage,
    /// For comparison: no bulkheads in front of the page; each call waits for a permit of its own,
    /// with the same queue and wait, as a bulkhead in a client library does.
    PartByPart,
}

/// Clients that ask for one page at some rate, whatever the answers.
#[derive(Clone, Debug)]
pub struct Load {
    /// Which page.
    pub page: PageId,
    /// Pages per second, not counting retries.
    pub rate: f64,
    /// When they begin.
    pub from: Duration,
    /// When they end.
    pub until: Duration,
    /// How arrivals are spaced.
    pub arrivals: Arrivals,
    /// Whose quota they count against; without one each arrival is a client of its own.
    pub client: Option<Client>,
    /// How long a client waits before it leaves; `None`: for ever.
    pub patience: Option<Duration>,
    /// How often a page refused with 429 or 5xx is asked for again.
    pub retries: u32,
    /// How long it waits before it asks again.
    pub backoff: Backoff,
    /// How long a client takes to read a page, which keeps its ticket meanwhile.
    pub reads_for: Duration,
}

impl Load {
    /// How long a client waits before it asks again, for the `attempt`th time, counted from 1;
    /// `told` is the answer's `Retry-After` in seconds. `None`: it does not ask again.
    pub(crate) fn pause_before(
        &self,
        attempt: u32,
        told: Option<u32>,
        random: &mut Rng,
    ) -> Option<Duration> {
        let first = match self.backoff {
            Backoff::Doubling(first) => first,
            Backoff::RetryAfter => return told.map(|seconds| Duration::from_secs(seconds.into())),
        };
        let pause = first * 2_u32.saturating_pow(attempt - 1);
        let pause = pause.mul_f64(0.5 + random.unit());
        Some(Duration::from_millis(pause.as_millis() as u64))
    }
}

/// How long a client waits before it asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// So long before the first retry, and twice as long before each further one. Jittered by half.
    Doubling(Duration),
    /// As long as the answer's `Retry-After` says; an answer that says nothing is not asked for again.
    RetryAfter,
}

/// One or several clients of one kind.
#[derive(Clone, Debug)]
pub struct Client {
    /// What they are called, in expectations too.
    pub name: String,
    /// How many share the load between them.
    pub count: u32,
}

/// A downstream that behaves differently for a while.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which.
    pub downstream: DownstreamId,
    /// When it begins.
    pub from: Duration,
    /// When it ends.
    pub until: Duration,
    /// If set, it is on for this long, off for as long, and so on.
    pub flaps: Option<Duration>,
    /// What changes.
    pub change: Change,
}

/// Bounds that must hold for the pages that arrive in a window.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The window.
    pub window: Window,
    /// Another window, which bounds such as `"<= 1.5x"` refer to.
    pub compared_to: Option<Window>,
    /// What must hold.
    pub bounds: Vec<(Metric, Bound)>,
    /// What must hold on sockets instead, where that is not the same: a machine adds its own noise to
    /// what is exact in simulated time. `None`: nothing, the figure cannot be judged there.
    pub live: Vec<(Metric, Option<Bound>)>,
}

impl Expectation {
    /// What must hold in this world, in the order in which figures are shown.
    #[must_use]
    pub fn bounds_in(&self, world: World) -> Vec<(Metric, Bound)> {
        let find = |metric: Metric| self.bounds.iter().find(|(m, _)| *m == metric);
        let find_live = |metric: Metric| self.live.iter().find(|(m, _)| *m == metric);
        let bound = |&metric: &Metric| {
            let instead = find_live(metric).filter(|_| world == World::Live);
            let bound = match instead {
                Some((_, instead)) => *instead,
                None => find(metric).map(|(_, bound)| *bound),
            };
            Some((metric, bound?))
        };
        Metric::ALL.iter().filter_map(bound).collect()
    }
}

/// A stretch of a run, and which of its pages.
#[derive(Clone, Debug)]
pub struct Window {
    /// The first instant.
    pub from: Duration,
    /// The first instant after it.
    pub until: Duration,
    /// Only this page.
    pub page: Option<PageId>,
    /// Only pages of this client.
    pub client: Option<String>,
}

impl Scenario {
    /// Reads a scenario, to be run with the config `base` and the scenario's overrides on top.
    ///
    /// # Errors
    /// All that is wrong with the config, or else all that is wrong with the scenario.
    pub fn load(scenario: &Text, base: &Text) -> Result<Self, Report> {
        let (config, text) = overrides::apply(scenario, base)?;
        file::read(scenario, config, text)
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// When new pages are refused because the gateway drains: `drain_delay` after it was told.
    #[must_use]
    pub fn refuses_from(&self) -> Option<Duration> {
        self.drain_at
            .map(|told| told + self.config.server.drain_delay)
    }

    /// What counts as in time for a page; `None` if anything does.
    #[must_use]
    pub fn in_time(&self, page: PageId) -> Option<Duration> {
        self.promise(page).deadline
    }

    /// What the endings of a page are judged by: the gateway's own, or the scenario's time.
    #[must_use]
    pub fn promise(&self, page: PageId) -> Promise {
        let promise = gateway::page::plan::promise(&self.config.pages[page.0]);
        Promise {
            deadline: self.good_within.or(promise.deadline),
            ..promise
        }
    }

    /// Every change of a downstream's behaviour, in order of time.
    #[must_use]
    pub fn changes(&self) -> Vec<(Duration, DownstreamId, Behaviour)> {
        let mut instants: Vec<(Duration, DownstreamId)> = Vec::new();
        for fault in &self.faults {
            instants.extend(fault.edges().map(|at| (at, fault.downstream)));
        }
        instants.sort();
        instants.dedup();
        let behaviour = |at, downstream: DownstreamId| {
            let here = |fault: &&Fault| fault.downstream == downstream && fault.is_on(at);
            let faults = self.faults.iter().filter(here);
            faults.fold(self.behaviours[downstream.0].clone(), |before, fault| {
                fault.change.apply(before)
            })
        };
        let changes = instants.into_iter();
        changes
            .map(|(at, downstream)| (at, downstream, behaviour(at, downstream)))
            .collect()
    }
}

impl Fault {
    /// When it begins and ends, each time.
    fn edges(&self) -> impl Iterator<Item = Duration> {
        let step = self.flaps.unwrap_or(self.until - self.from);
        let edges = (0..).map(move |n| self.from + step * n);
        edges.take_while(|at| *at < self.until).chain([self.until])
    }

    /// Whether it is on at this instant.
    #[must_use]
    pub fn is_on(&self, at: Duration) -> bool {
        let phase = |step: Duration| (at - self.from).as_nanos() / step.as_nanos() % 2;
        let inside = (self.from..self.until).contains(&at);
        inside && self.flaps.is_none_or(|step| phase(step) == 0)
    }
}

#[cfg(test)]
mod tests {
    use fixtures::Latency;

    use super::*;

    fn changes(faults: &str) -> Vec<(u64, Duration)> {
        let text = Text {
            name: "test.toml".to_owned(),
            text: format!(
                "title = \"t\"\nlength = \"60s\"\ndownstream.pricing.latency = {{ fixed = \"80ms\" }}\n\
                 [[load]]\nrate = \"1/s\"\n{faults}"
            ),
        };
        let scenario = Scenario::load(&text, &crate::run::default_config()).unwrap();
        let latency = |behaviour: Behaviour| {
            let Latency::Fixed(latency) = behaviour.latency else {
                panic!("{behaviour:?}");
            };
            latency
        };
        let changes = scenario.changes().into_iter();
        changes
            .map(|(at, _, behaviour)| (at.as_secs(), latency(behaviour)))
            .collect()
    }

    const MS: Duration = Duration::from_millis(1);

    fn fault(from: u32, until: u32, more: &str) -> String {
        format!(
            "[[fault]]\ndownstream = \"pricing\"\nfrom = \"{from}s\"\nuntil = \"{until}s\"\n{more}\n"
        )
    }

    #[test]
    fn a_later_fault_goes_on_top_of_an_earlier_one_and_leaves_it_behind() {
        let slow = fault(10, 40, "latency = { fixed = \"1s\" }");
        let slower = fault(20, 30, "latency = { fixed = \"2s\" }");
        assert_eq!(
            changes(&format!("{slow}{slower}")),
            [
                (10, 1000 * MS),
                (20, 2000 * MS),
                (30, 1000 * MS),
                (40, 80 * MS)
            ]
        );
    }

    #[test]
    fn a_fault_that_flaps_is_on_and_off_for_as_long_and_off_at_its_end() {
        let flaps = fault(10, 15, "flaps = \"2s\"\nlatency = { fixed = \"1s\" }");
        assert_eq!(
            changes(&flaps),
            [
                (10, 1000 * MS),
                (12, 80 * MS),
                (14, 1000 * MS),
                (15, 80 * MS)
            ]
        );
    }
}
