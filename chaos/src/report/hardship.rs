//! What was done to the gateway, as spans of time: faults, loads that come and go, the drain.

use plots::label::number;
use plots::span::Span;
use settings::units::show_duration;

use crate::load::Arrivals;
use crate::scenario::{Demand, Fault, Load, Scenario};

/// Segments of one fault that are drawn; one that flaps more often is drawn as one.
const MOST_SEGMENTS: usize = 200;

/// Everything a scenario does besides asking for pages all the time.
pub(super) fn spans(scenario: &Scenario) -> Vec<Span> {
    let coming_and_going = scenario.loads.iter().filter(|load| {
        let always = load.from.is_zero() && load.until == scenario.length;
        !always
    });
    let loads = coming_and_going.map(|load| of_load(scenario, load));
    let faults = scenario
        .faults
        .iter()
        .map(|fault| of_fault(scenario, fault));
    loads.chain(faults).chain(drain(scenario)).collect()
}

fn of_load(scenario: &Scenario, load: &Load) -> Span {
    let page = &scenario.config.pages[load.page.0].name;
    let client = load.client.as_ref();
    let client = client.map_or_else(String::new, |client| format!(" by {}", client.name));
    Span {
        label: format!("load: {} of {page}{client}", demand(load)),
        segments: vec![(load.from.as_secs_f64(), load.until.as_secs_f64())],
        shaded: false,
    }
}

fn of_fault(scenario: &Scenario, fault: &Fault) -> Span {
    let name = &scenario.config.downstreams[fault.downstream.0].name;
    let flaps = fault.flaps.map_or_else(String::new, |step| {
        format!(", on and off every {}", show_duration(step))
    });
    let step = fault.flaps.unwrap_or(fault.until - fault.from);
    let all = (0_u32..).map(|n| fault.from + step * 2 * n);
    let begins: Vec<_> = all
        .take_while(|at| *at < fault.until)
        .take(MOST_SEGMENTS + 1)
        .collect();
    let segment = |at: &std::time::Duration| {
        let until = (*at + step).min(fault.until);
        (at.as_secs_f64(), until.as_secs_f64())
    };
    let whole = (fault.from.as_secs_f64(), fault.until.as_secs_f64());
    Span {
        label: format!("{name}: {}{flaps}", fault.change),
        segments: match begins.len() > MOST_SEGMENTS {
            true => vec![whole],
            false => begins.iter().map(segment).collect(),
        },
        shaded: true,
    }
}

fn drain(scenario: &Scenario) -> Option<Span> {
    let from = scenario.refuses_from()?;
    let until = (from + scenario.config.server.drain_timeout).min(scenario.length);
    Some(Span {
        label: "the gateway drains, as after SIGTERM".to_owned(),
        segments: vec![(from.as_secs_f64(), until.as_secs_f64())],
        shaded: true,
    })
}

/// How often a page is asked for, in words.
fn demand(load: &Load) -> String {
    match load.demand {
        Demand::Open { rate, arrivals } => match arrivals {
            Arrivals::Bursty { cv, .. } => format!("{}/s in bursts, cv {cv}", number(rate)),
            Arrivals::Poisson | Arrivals::Constant => format!("{}/s", number(rate)),
        },
        Demand::Closed { users, think } => {
            format!("{users} users who think {}", show_duration(think))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Text;

    #[test]
    fn a_fault_says_what_changes_and_is_shown_where_it_is_on() {
        let text = "title = \"t\"\nlength = \"60s\"\n[[load]]\nrate = \"1/s\"\n\
             [[load]]\nrate = \"9/s\"\nfrom = \"5s\"\nuntil = \"6s\"\n\
             [[fault]]\ndownstream = \"pricing\"\nfrom = \"10s\"\nuntil = \"15s\"\nflaps = \"2s\"\n\
             latency = { lognormal = { p50 = \"80ms\", p99 = \"120ms\" } }\nworkers = 3\n\
             errors = [{ share = 0.3, kind = { status = 503 } }, { share = 0.1, kind = \"reset\" }]\n";
        let text = Text {
            name: "test.toml".to_owned(),
            text: text.to_owned(),
        };
        let scenario = Scenario::load(&text, &Text::default_config()).unwrap();
        let spans = spans(&scenario);
        assert_eq!(spans[0].label, "load: 9/s of product-page");
        assert_eq!(
            spans[1].label,
            "pricing: latency lognormal p50 80ms p99 120ms, 3 workers, 30% status 503, 10% reset, \
             on and off every 2s"
        );
        assert_eq!(spans[1].segments, [(10.0, 12.0), (14.0, 15.0)]);
        assert_eq!(spans.len(), 2);
    }
}
