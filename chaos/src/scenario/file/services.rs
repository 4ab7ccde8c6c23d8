//! `[downstream.NAME]` and `[[fault]]`: how services behave, and what goes wrong with them.

use std::time::Duration;

use fixtures::Behaviour;
use gateway::config::{DownstreamId, MAX_DOWNSTREAMS};
use settings::key::{key, required};
use settings::kinds::{DURATION_OR_NONE, TEXT};
use settings::problem::Problem;
use settings::reader::Section;

use super::names::Called;
use super::shape::Shape;
use crate::scenario::{Fault, behaviour};

/// A fault that flaps faster than the record has slices could not be seen in it.
const SHORTEST_FLAP: Duration = Duration::from_millis(100);

impl Shape<'_> {
    /// What is not written behaves as a healthy service does.
    pub(super) fn behaviours(
        &self,
        root: &mut Section<'_, '_>,
        called: &Called,
    ) -> Option<Vec<Behaviour>> {
        let mut behaviours = self.names.healthy();
        let about = "How a service behaves at first.";
        let each = root.each("downstream", about, MAX_DOWNSTREAMS, |section, name| {
            let change = behaviour::read(section, &Behaviour::realistic());
            let at = self.downstream(section, "", name.as_str(), called)?;
            Some((at, change?))
        })?;
        let mut complete = true;
        for (_, read) in each {
            match read {
                Some((at, change)) => behaviours[at] = change.apply(Behaviour::realistic()),
                None => complete = false,
            }
        }
        let services = self.names.services.iter();
        complete.then(|| services.map(|first| behaviours[first.0].clone()).collect())
    }

    pub(super) fn fault(
        &self,
        s: &mut Section<'_, '_>,
        behaviours: &[Behaviour],
        called: &Called,
    ) -> Option<Fault> {
        let name = s.take(required("downstream", TEXT, "pricing").about("The service at fault."));
        let span = self.span(s);
        let flaps = s.take(
            key("flaps", DURATION_OR_NONE, "none")
                .about("On for this long, off for as long, and so on; at least 100ms."),
        );
        let downstream = name.and_then(|name| self.downstream(s, "downstream", &name, called));
        let behaviour = downstream.map_or_else(Behaviour::realistic, |at| behaviours[at].clone());
        let change = behaviour::read(s, &behaviour);
        if change.as_ref().is_some_and(behaviour::Change::is_none) {
            let problem = Problem::new("changes nothing");
            s.wrong(
                "",
                problem.help("write what goes wrong: `latency = { fixed = \"1500ms\" }`"),
            );
        }
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

    /// The index of a downstream that is called, or an error at `key`; with `""` at the section.
    fn downstream(
        &self,
        s: &mut Section<'_, '_>,
        key: &str,
        name: &str,
        called: &Called,
    ) -> Option<usize> {
        let names = &self.names.downstreams;
        let Some(at) = names.iter().position(|known| known == name) else {
            let help = s.suggest(name, names);
            let what = format!("the config has no downstream `{name}`");
            s.wrong(key, Problem::new(what).help(help));
            return None;
        };
        let first = self.names.services[at].0;
        if first != at {
            let first = &names[first];
            let problem = Problem::new(format!(
                "`{name}` and `{first}` are one service: they have the same `url`"
            ));
            let problem = match key {
                "" => problem.help(format!("write `[downstream.{first}]`")),
                _ => problem.write(first.as_str()),
            };
            s.wrong(key, problem);
            return None;
        }
        if !called.is_called(at) {
            let problem = Problem::new(format!("no page that is asked for calls `{name}`"));
            s.wrong(
                key,
                problem.help("remove it, or add a `[[load]]` of a page that calls it"),
            );
        }
        Some(at)
    }
}
