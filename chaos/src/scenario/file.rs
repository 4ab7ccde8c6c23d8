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

/// Most loads, faults or windows each.
const MOST: usize = 64;

/// Reads the scenario for this config.
pub(super) fn read(text: &Text, loaded: Loaded, config_text: String) -> Result<Scenario, Report> {
    let names = Names::of(&loaded.config);
    read_text(&text.name, &text.text, HEADER, |root| {
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
        let loads = root.tables("load", MOST, |section| shape.load(section));
        load::check_sum(root, loads.as_deref());
        let called = names.called(loads.as_deref());
        let behaviours = shape.behaviours(root, &called);
        let behaviours_or_default = behaviours.clone().unwrap_or_else(|| names.healthy());
        let faults = root.tables("fault", MOST, |section| {
            shape.fault(section, &behaviours_or_default, &called)
        });
        let expectations = root.tables("expect", MOST, |section| {
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
