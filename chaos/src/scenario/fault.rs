//! A downstream that behaves differently for a while, once or again and again.

use std::time::Duration;

use gateway::config::DownstreamId;

use super::Change;

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

impl Fault {
    /// When it begins and ends, each time.
    pub(crate) fn edges(&self) -> impl Iterator<Item = Duration> {
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
    use fixtures::{Behaviour, Latency};

    use super::*;
    use crate::scenario::{Scenario, Text};

    fn changes(faults: &str) -> Vec<(u64, Duration)> {
        let text = Text {
            name: "test.toml".to_owned(),
            text: format!(
                "title = \"t\"\nlength = \"60s\"\ndownstream.pricing.latency = {{ fixed = \"80ms\" }}\n\
                 [[load]]\nrate = \"1/s\"\n{faults}"
            ),
        };
        let scenario = Scenario::load(&text, &Text::default_config()).unwrap();
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
