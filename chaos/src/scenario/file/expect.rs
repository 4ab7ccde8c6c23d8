//! `[[expect]]`: a window, and a bound for each figure that is named; `live.NAME` is the bound of a
//! figure on sockets, or `"none"`, where it differs.

use std::time::Duration;

use gateway::config::Problem;
use gateway::config::reading::{Kind, Section, key};

use super::Shape;
use super::kinds::{BOUND, LIVE_BOUND, OPTIONAL_TEXT, SPAN};
use crate::scenario::{Bound, Expectation, Metric, Window};

impl Shape<'_> {
    pub(super) fn expectation(
        &self,
        s: &mut Section<'_, '_>,
        clients: &[String],
    ) -> Option<Expectation> {
        let page = self.page(s);
        let client = s.take(key("client", OPTIONAL_TEXT, ""));
        let span = self.span(s);
        let compared_to = s.take(key("compared_to", SPAN, ""));
        let compared = compared_to.flatten().is_some();
        let bounds = bounds(s, compared);
        let about = "What must hold on sockets instead.";
        let live = s.section("live", about, |s| live_bounds(s, compared));
        let client = client?;
        if let Some(name) = client.as_ref().filter(|name| !clients.contains(name)) {
            let help = s.suggest(name, clients);
            let what = format!("no load has the client `{name}`");
            s.wrong("client", Problem::new(what).help(help));
        }
        let beyond = |span: &(Duration, Duration)| span.1 > self.length;
        if compared_to.flatten().as_ref().is_some_and(beyond) {
            s.wrong("compared_to", Problem::new("lies after the end"));
        }
        let (from, until) = span?;
        let window = Window {
            from,
            until,
            page: page?,
            client,
        };
        let compared_to = compared_to?.map(|(from, until)| Window {
            from,
            until,
            ..window.clone()
        });
        Some(Expectation {
            window,
            compared_to,
            bounds: bounds?,
            live: live?,
        })
    }
}

fn bounds(s: &mut Section<'_, '_>, compared: bool) -> Option<Vec<(Metric, Bound)>> {
    let bounds = take(s, BOUND)?;
    for (metric, bound) in &bounds {
        check_bound(s, *metric, *bound, compared);
    }
    if bounds.is_empty() {
        let names = Metric::ALL.iter().map(|m| m.name()).collect::<Vec<_>>();
        let help = format!("bound one of {}", names.join(", "));
        s.wrong("", Problem::new("expects nothing").help(help));
    }
    Some(bounds)
}

fn live_bounds(s: &mut Section<'_, '_>, compared: bool) -> Option<Vec<(Metric, Option<Bound>)>> {
    let bounds = take(s, LIVE_BOUND)?;
    for (metric, bound) in &bounds {
        if let Some(bound) = bound {
            check_bound(s, *metric, *bound, compared);
        }
    }
    Some(bounds)
}

/// Every figure that is named. All are taken before one that is wrong ends it.
fn take<T: Copy>(s: &mut Section<'_, '_>, kind: Kind<Option<T>>) -> Option<Vec<(Metric, T)>> {
    let all = Metric::ALL.iter();
    let taken = all.map(|metric| Some((*metric, s.take(key(metric.name(), kind, ""))?)));
    let taken: Option<Vec<_>> = taken.collect::<Vec<_>>().into_iter().collect();
    let named = taken?.into_iter();
    Some(named.filter_map(|(m, bound)| Some((m, bound?))).collect())
}

fn check_bound(s: &mut Section<'_, '_>, metric: Metric, bound: Bound, compared: bool) {
    match bound.unit {
        Some(unit) if unit != metric.unit() => {
            s.wrong(metric.name(), bound.in_the_wrong_unit(metric));
        }
        None if !compared => {
            let problem = Problem::new("has nothing to be compared to");
            let help = "add `compared_to = \"0s..10s\"` to this expectation";
            s.wrong(metric.name(), problem.help(help));
        }
        Some(_) | None => {}
    }
}
