//! The shape of a scenario file: every key with its kind, its default and its rules.
//!
//! Whatever is written has an effect, or is an error at its place: a model nobody calls, a fault of
//! such a service, a window nobody arrives in, a load of one of several pages that says not which.

mod expect;
mod kinds;
mod load;
mod names;
mod services;
mod shape;

use gateway::config::Loaded;
use settings::key::{key, required};
use settings::kinds::{DURATION, DURATION_OR_NONE, POSITIVE_DURATION, TEXT};
use settings::problem::Problem;
use settings::read::read_text;
use settings::reader::Section;
use settings::report::Report;

use self::kinds::{ARM, CORES, PROSE, WHOLE};
use self::names::Names;
use self::shape::{LONGEST, Shape};
use super::text::HEADER;
use super::{Costs, Scenario, Text};

const GATEWAY: &str =
    "What the gateway itself costs, so that it can be short of CPU: in simulated time only.";
const LOAD: &str = "Clients that ask for one page.";
const FAULT: &str =
    "A service that behaves differently for a while; later ones go on top of earlier ones.";
const EXPECT: &str = "Bounds that must hold for the pages that arrive in a window.";

/// Most loads, faults or windows each.
const MOST: usize = 64;

/// Reads the scenario for this config.
pub(super) fn read(text: &Text, loaded: Loaded, config_text: String) -> Result<Scenario, Report> {
    read_text(&text.name, &text.text, HEADER, |root| {
        scenario(root, loaded, config_text)
    })
}

/// Takes every key of a scenario for this config.
pub(super) fn scenario(
    root: &mut Section<'_, '_>,
    loaded: Loaded,
    config_text: String,
) -> Option<Scenario> {
    let names = Names::of(&loaded.config);
    root.foreign("config");
    let title =
        root.take(required("title", TEXT, "pricing becomes slow").about("One line: what happens."));
    let about = root.take(key("about", PROSE, "").about("Prose: what is to be learnt from it."));
    let seed = root.take(key("seed", WHOLE, "1").about("Of every random choice."));
    let length = root.take(required("length", POSITIVE_DURATION, "60s").about("From the first arrival to the last, at most an hour; what is under way then is waited for."));
    let good_within =
        root.take(key("good_within", DURATION_OR_NONE, "none").about(
            "A page is good if it was served within this; \"none\": within its own deadline.",
        ));
    let admission = root.take(key("admission", ARM, "whole_page").about("\"whole_page\": the gateway's own. \"part_by_part\": each call waits for a permit of its own, in simulated time only."));
    let drain_at = root.take(
        key("drain_at", DURATION_OR_NONE, "none")
            .about("When the gateway is told to stop, as SIGTERM does."),
    );
    // Of a length that is wrong, only that is told.
    let shape = Shape {
        names: &names,
        length: length.unwrap_or(LONGEST),
    };
    shape.check_length(root);
    let costs = root.section("gateway", GATEWAY, costs);
    let loads = root.tables("load", LOAD, MOST, |section| shape.load(section));
    load::check_sum(root, loads.as_deref());
    let called = names.called(loads.as_deref());
    let behaviours = shape.behaviours(root, &called);
    let behaviours_or_default = behaviours.clone().unwrap_or_else(|| names.healthy());
    let faults = root.tables("fault", FAULT, MOST, |section| {
        shape.fault(section, &behaviours_or_default, &called)
    });
    let expectations = root.tables("expect", EXPECT, MOST, |section| {
        shape.expectation(section, loads.as_deref())
    });
    if drain_at.flatten().is_some_and(|at| at > shape.length) {
        let length = settings::units::show_duration(shape.length);
        root.wrong("drain_at", Problem::new("lies after the end").write(length));
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
}

fn costs(s: &mut Section<'_, '_>) -> Option<Costs> {
    let cores = s.take(
        key("cores", CORES, "1.0").about("CPUs that the gateway has; 0.2 is a fifth of one."),
    );
    let mut cost = |name, about| s.take(key(name, DURATION, "0us").about(about));
    let per_page = cost(
        "per_page",
        "CPU time of a page that is let in, without its calls.",
    );
    let per_call = cost("per_call", "CPU time of a call.");
    let per_refusal = cost(
        "per_refusal",
        "CPU time of a page that is refused; not more than `per_page`.",
    );
    let per_connection = cost(
        "per_connection",
        "CPU time of a new connection, a client's or one to a service.",
    );
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
