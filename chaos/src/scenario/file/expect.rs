//! `[[expect]]`: a window, and a bound for each figure that is named; `live.NAME` is the bound of a
//! figure on sockets, or `"none"`, where it differs.

use std::time::Duration;

use settings::key::key;
use settings::kinds::Kind;
use settings::problem::Problem;
use settings::reader::Section;

use super::kinds::{BOUND, LIVE_BOUND, OPTIONAL_TEXT, SPAN};
use super::shape::Shape;
use crate::scenario::{Expectation, Load, Window};
use crate::verdict::{Bound, Comparison, Metric, Unit};

impl Shape<'_> {
    pub(super) fn expectation(
        &self,
        s: &mut Section<'_, '_>,
        loads: Option<&[Load]>,
    ) -> Option<Expectation> {
        let page = self.page(s);
        let client = s.take(key("client", OPTIONAL_TEXT, "").about("Only pages of this client."));
        let span = self.span(s);
        let compared_to = s.take(
            key("compared_to", SPAN, "")
                .about("Another window, \"5s..25s\", which bounds such as \"<= 1.5x\" refer to."),
        );
        let compared = compared_to.flatten().is_some();
        let bounds = bounds(s, compared);
        let about = "What must hold on sockets instead.";
        let live = s.section("live", about, |s| live_bounds(s, compared));
        let client = client?;
        if let (Some(name), Some(loads)) = (&client, loads) {
            check_client(s, name, loads)?;
        }
        let beyond = |span: &(Duration, Duration)| span.1 > self.length;
        if compared_to.flatten().as_ref().is_some_and(beyond) {
            let length = settings::units::show_duration(self.length);
            let problem = Problem::new("lies after the end");
            s.wrong(
                "compared_to",
                problem.help(format!("write a stretch that ends by {length}")),
            );
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
        let expectation = Expectation {
            window,
            compared_to,
            bounds: bounds?,
            live: live?,
        };
        check_arrivals(s, &expectation, loads.unwrap_or_default());
        check_recovery(s, &expectation);
        Some(expectation)
    }
}

fn check_client(s: &mut Section<'_, '_>, name: &str, loads: &[Load]) -> Option<()> {
    let clients = loads.iter().filter_map(|load| load.client.as_ref());
    let clients: Vec<String> = clients.map(|client| client.name.clone()).collect();
    if clients.iter().any(|client| client == name) {
        return Some(());
    }
    let help = match clients.is_empty() {
        true => format!("write `client = \"{name}\"` in a `[[load]]`, or leave it out here"),
        false => s.suggest(name, &clients),
    };
    let what = format!("no load has the client `{name}`");
    s.wrong("client", Problem::new(what).help(help));
    None
}

/// Somebody whose pages are judged may arrive in each window.
fn check_arrivals(s: &mut Section<'_, '_>, expectation: &Expectation, loads: &[Load]) {
    let windows = [
        ("", Some(&expectation.window)),
        ("compared_to", expectation.compared_to.as_ref()),
    ];
    for (key, window) in windows {
        let Some(window) = window.filter(|_| !loads.is_empty()) else {
            continue;
        };
        if loads.iter().any(|load| window.may_have_pages_of(load)) {
            continue;
        }
        let whose = match (&window.client, window.page) {
            (None, None) => "",
            (Some(_), None) => " of this client",
            (None, Some(_)) => " for this page",
            (Some(_), Some(_)) => " of this client for this page",
        };
        let problem = Problem::new(format!("no load{whose} arrives in this window"));
        let help = "write a `from` and an `until` within which a `[[load]]` of it has its own";
        s.wrong(key, problem.help(help));
    }
}

/// A recovery that takes as long as its window is none, so that a bound must be shorter.
fn check_recovery(s: &mut Section<'_, '_>, expectation: &Expectation) {
    let Window { from, until, .. } = expectation.window;
    let lasts = until - from;
    let live = expectation
        .live
        .iter()
        .filter_map(|(m, bound)| Some((m, (*bound)?)));
    let bounds = expectation.bounds.iter().map(|(m, bound)| (m, *bound));
    let too_long = |(metric, bound): &(&Metric, Bound)| {
        **metric == Metric::Recovery
            && bound.unit == Some(Unit::Time)
            && bound.value >= lasts.as_secs_f64()
    };
    if bounds.chain(live).any(|bound| too_long(&bound)) {
        let lasts = settings::units::show_duration(lasts);
        let what = format!("is not shorter than its window, which lasts {lasts}");
        let help = format!("write less than {lasts}, or a later `until`");
        s.wrong(Metric::Recovery.name(), Problem::new(what).help(help));
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
    let taken = all.map(|metric| {
        Some((
            *metric,
            s.take(key(metric.name(), kind, "").about(metric.about()))?,
        ))
    });
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
        Some(_) | None => check_refutable(s, metric, bound),
    }
}

/// A bound that every run keeps, or none, says nothing of a run.
fn check_refutable(s: &mut Section<'_, '_>, metric: Metric, bound: Bound) {
    let all = bound.unit == Some(Unit::Share) && bound.value >= 1.0;
    let more_than_all = all && bound.value > 1.0;
    let (what, instead) = match bound.comparison {
        Comparison::AtLeast if bound.value == 0.0 => {
            ("every run keeps this", "the least that will do")
        }
        Comparison::AtMost if all => ("every run keeps this", "the most that will do"),
        Comparison::AtLeast | Comparison::Exactly if more_than_all => (
            "no run keeps this: 100% is all there is",
            "a share of at most 100%",
        ),
        Comparison::AtLeast | Comparison::AtMost | Comparison::Exactly => return,
    };
    let help = format!("write {instead}, or remove it and run with `--explore`");
    s.wrong(metric.name(), Problem::new(what).help(help));
}
