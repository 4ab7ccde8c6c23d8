//! A random scenario for a random config: who asks, what goes wrong, when the gateway is stopped.

use std::collections::BTreeSet;

use super::config::{Shape, line, or_none};
use super::draw::Draw;

/// Longest scenario in seconds: long enough for queues to fill and faults to end, short enough for
/// hundreds of them.
const LONGEST: u64 = 6;

/// Its text. It expects nothing: only what must always hold is checked.
pub(super) fn draw(seed: u64, shape: &Shape) -> String {
    let draw = &mut Draw::new(seed, "scenario");
    let length = draw.between(2, LONGEST) * 1000;
    let mut text = String::new();
    line!(
        text,
        "title = \"sweep, seed {seed}\"\nseed = {}\nlength = \"{length}ms\"",
        draw.seed()
    );
    if draw.chance(0.15) {
        line!(
            text,
            "drain_at = \"{}ms\"",
            draw.ms(length / 2, length - 100)
        );
    }
    let mut loads = String::new();
    let mut asked = BTreeSet::new();
    for n in 0..draw.between(1, 5) {
        asked.insert(load(draw, n, length, &shape.pages, &mut loads));
        // Of its own, like every kind of thing that is drawn.
        hardness(&mut Draw::new(seed, &format!("load-{n}")), &mut loads);
    }
    let called = |index| asked.iter().any(|page| shape.calls[*page].contains(&index));
    let names = shape.downstreams.iter().zip(0..);
    let called: Vec<&str> = names
        .filter(|(_, index)| called(*index))
        .map(|(name, _)| name.as_str())
        .collect();
    for name in &called {
        line!(text, "[downstream.{name}]");
        behaviour(draw, &mut text);
        contention(&mut Draw::new(seed, name), &mut text);
    }
    costs(&mut Draw::new(seed, "gateway"), &mut text);
    text.push_str(&loads);
    for _ in 0..draw.between(0, 3) {
        fault(draw, length, &called, &mut text);
    }
    text
}

/// Services that are slower the more is asked of them at once.
fn contention(draw: &mut Draw, text: &mut String) {
    if draw.chance(0.3) {
        line!(
            text,
            "contention = {}",
            draw.one_of(&["0.002", "0.01", "0.05"])
        );
    }
}

fn behaviour(draw: &mut Draw, text: &mut String) {
    line!(text, "latency = {}", latency(draw, 100));
    if draw.chance(0.5) {
        line!(text, "workers = {}", draw.between(1, 40));
    }
    if draw.chance(0.2) {
        line!(text, "errors = {}", errors(draw, 0.2));
    }
    if draw.chance(0.2) {
        line!(text, "body_bytes = {}", draw.between(20, 8000));
    }
    if draw.chance(0.3) {
        line!(text, "work_goes_on = true");
    }
}

/// Coarse seeds have latencies without a spread, so that calls end at the same instants too.
fn latency(draw: &mut Draw, most: u64) -> String {
    let usual = draw.ms(5, most);
    let slow = usual * draw.between(2, 10);
    let share = draw.one_of(&[0.01, 0.1, 0.5]);
    if draw.is_coarse() {
        return format!(
            "{{ bimodal = {{ fast = \"{usual}ms\", slow = \"{slow}ms\", slow_share = {share} }} }}"
        );
    }
    match draw.one_of(&["fixed", "uniform", "lognormal", "pareto"]) {
        "fixed" => format!("{{ fixed = \"{usual}ms\" }}"),
        "uniform" => format!("{{ uniform = {{ from = \"0ms\", to = \"{slow}ms\" }} }}"),
        "lognormal" => format!("{{ lognormal = {{ p50 = \"{usual}ms\", p99 = \"{slow}ms\" }} }}"),
        _ => format!("{{ pareto = {{ min = \"{usual}ms\", p99 = \"{slow}ms\" }} }}"),
    }
}

fn errors(draw: &mut Draw, most: f64) -> String {
    let kinds = [
        "{ status = 500 }",
        "{ status = 404 }",
        "\"reset\"",
        "\"close\"",
        "\"hang\"",
        "\"truncated\"",
        "\"wrong_json\"",
        "\"endless\"",
        "{ trickle = { every = \"10ms\" } }",
    ];
    let (first, second) = (draw.one_of(&kinds), draw.one_of(&kinds));
    let share = most / 2.0;
    format!("[{{ share = {share}, kind = {first} }}, {{ share = {share}, kind = {second} }}]")
}

/// A gateway that costs something, from next to nothing to many times what its CPU can bear.
fn costs(draw: &mut Draw, text: &mut String) {
    if !draw.chance(0.4) {
        return;
    }
    let cores = draw.one_of(&["0.1", "0.2", "0.5", "1", "2", "3.5"]);
    let page = draw.between(10, 2000);
    line!(text, "[gateway]\ncores = {cores}\nper_page = \"{page}us\"");
    line!(text, "per_call = \"{}us\"", draw.between(0, 800));
    line!(text, "per_refusal = \"{}us\"", draw.between(0, page));
    line!(text, "per_connection = \"{}us\"", draw.between(0, 1000));
}

/// Returns which page is asked for.
fn load(draw: &mut Draw, n: u64, length: u64, pages: &[String], text: &mut String) -> usize {
    let (from, until) = span(draw, length, 0.7);
    let page = (draw.between(1, pages.len() as u64) - 1) as usize;
    line!(
        text,
        "[[load]]\npage = \"{}\"\nfrom = \"{from}ms\"\nuntil = \"{until}ms\"",
        pages[page]
    );
    demand(draw, text);
    if draw.chance(0.4) {
        line!(
            text,
            "client = \"client-{n}\"\nclients = {}",
            draw.between(1, 20)
        );
    }
    let patience = draw.chance(0.5).then(|| draw.ms(2, 300));
    line!(text, "patience = \"{}\"", or_none(patience));
    if draw.chance(0.2) {
        line!(text, "reads_for = \"{}ms\"", draw.ms(1, 800));
    }
    page
}

/// How often: so many a second, evenly, independently or in bursts; or users who wait for answers.
fn demand(draw: &mut Draw, text: &mut String) {
    if draw.chance(0.15) {
        let think = draw.ms(10, 1000);
        line!(
            text,
            "users = {}\nthink = \"{think}ms\"",
            draw.between(5, 200)
        );
        return;
    }
    let arrivals = match draw.is_coarse() {
        true => "\"constant\"".to_owned(),
        false if draw.chance(0.4) => {
            let cv = draw.one_of(&["0.3", "0.6", "1.2"]);
            format!("{{ cv = {cv}, every = \"{}ms\" }}", draw.ms(50, 800))
        }
        false => "\"poisson\"".to_owned(),
    };
    let rate = draw.between(40, 800);
    line!(text, "rate = \"{rate}/s\"\narrivals = {arrivals}");
}

/// What clients give a page, and when they ask for it again.
fn hardness(draw: &mut Draw, text: &mut String) {
    if draw.chance(0.25) {
        let usual = draw.ms(10, 400);
        match draw.chance(0.5) {
            true => line!(text, "budget = \"{usual}ms\""),
            false => {
                let long = usual * draw.between(1, 4);
                let quantiles = format!("p50 = \"{usual}ms\", p99 = \"{long}ms\"");
                line!(text, "budget = {{ lognormal = {{ {quantiles} }} }}");
            }
        }
    }
    if !draw.chance(0.35) {
        return;
    }
    line!(text, "retries = {}", draw.between(1, 3));
    if draw.chance(0.3) {
        line!(text, "retry_late = false");
    }
    if draw.chance(0.3) {
        let share = draw.one_of(&["5%", "20%", "100%"]);
        line!(text, "retry_budget = \"{share}\"");
    }
    if draw.chance(0.4) {
        let otherwise = draw.chance(0.5).then(|| draw.ms(1, 300));
        line!(
            text,
            "backoff = \"retry-after\"\notherwise = \"{}\"",
            or_none(otherwise)
        );
    } else {
        line!(text, "backoff = \"{}ms\"", draw.ms(1, 300));
    }
}

fn fault(draw: &mut Draw, length: u64, downstreams: &[&str], text: &mut String) {
    let (from, until) = span(draw, length, 0.1);
    let downstream = &downstreams[(draw.between(1, downstreams.len() as u64) - 1) as usize];
    line!(
        text,
        "[[fault]]\ndownstream = \"{downstream}\"\nfrom = \"{from}ms\"\nuntil = \"{until}ms\""
    );
    if draw.chance(0.3) {
        line!(text, "flaps = \"{}ms\"", draw.ms(100, 1000));
    }
    match draw.one_of(&["latency", "workers", "errors"]) {
        "latency" => line!(text, "latency = {}", latency(draw, 2000)),
        "workers" => line!(text, "workers = {}", draw.between(1, 3)),
        _ => line!(text, "errors = {}", errors(draw, 1.0)),
    }
}

/// Two instants inside the length; `whole` is the share that lasts from its begin to its end.
fn span(draw: &mut Draw, length: u64, whole: f64) -> (u64, u64) {
    if draw.chance(whole) {
        return (0, length);
    }
    let from = draw.ms(0, length / 2);
    (from, from + draw.ms(100, length / 2))
}
