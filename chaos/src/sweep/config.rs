//! A random config, written as the person would write it who has not read what the keys mean.
//!
//! Always legal: no page requires more of a service than there are permits, because the config's
//! check refuses that. Warnings are welcome: they mark the configs that hurt.

use super::draw::Draw;

/// The names in a config, which a scenario refers to.
pub(super) struct Shape {
    pub(super) downstreams: Vec<String>,
    pub(super) pages: Vec<String>,
    /// By page: the downstreams that its parts call, of those that are one service the first.
    pub(super) calls: Vec<Vec<usize>>,
    /// The text.
    pub(super) text: String,
}

struct Part {
    downstream: usize,
    required: bool,
}

pub(super) fn draw(seed: u64) -> Shape {
    let draw = &mut Draw::new(seed, "config");
    let names = |kind: &str, count| (0..count).map(|n| format!("{kind}-{n}")).collect();
    let downstreams: Vec<String> = names("service", draw.between(1, 6));
    let pages: Vec<String> = names("page", draw.between(1, 3));
    let parts: Vec<Vec<Part>> = pages
        .iter()
        .map(|_| parts(draw, downstreams.len()))
        .collect();
    let mut text = String::new();
    // Of its own, like every kind of thing that is drawn.
    let drain_delay = Draw::new(seed, "drain").ms(0, 2000);
    gateway_wide(draw, drain_delay, &mut text);
    let services = services(seed, downstreams.len());
    for (index, name) in downstreams.iter().enumerate() {
        let service = (name.as_str(), services[index]);
        downstream(draw, service, most_required(&parts, index), &mut text);
    }
    for (name, parts) in pages.iter().zip(&parts) {
        page(draw, name, parts, &downstreams, &mut text);
    }
    let calls = |parts: &Vec<Part>| {
        let called = parts.iter().map(|part| services[part.downstream]);
        called.collect()
    };
    Shape {
        calls: parts.iter().map(calls).collect(),
        downstreams,
        pages,
        text,
    }
}

/// By downstream: the first of those that are one service, most often itself.
fn services(seed: u64, downstreams: usize) -> Vec<usize> {
    let draw = &mut Draw::new(seed, "services");
    let mut services: Vec<usize> = Vec::new();
    for index in 0..downstreams {
        let same = index > 0 && draw.chance(0.1);
        services.push(if same { draw.one_of(&services) } else { index });
    }
    services
}

fn parts(draw: &mut Draw, downstreams: usize) -> Vec<Part> {
    let part = |draw: &mut Draw| Part {
        downstream: (draw.between(1, downstreams as u64) - 1) as usize,
        required: draw.chance(0.65),
    };
    (0..draw.between(1, 5)).map(|_| part(draw)).collect()
}

/// The most permits of this downstream that any page cannot start without.
fn most_required(pages: &[Vec<Part>], downstream: usize) -> u64 {
    let of_page = |parts: &Vec<Part>| {
        let needs = |part: &&Part| part.required && part.downstream == downstream;
        parts.iter().filter(needs).count() as u64
    };
    pages.iter().map(of_page).max().unwrap_or(0)
}

/// Adds one line.
macro_rules! line {
    ($to:expr, $($text:tt)*) => {{
        $to.push_str(&format!($($text)*));
        $to.push('\n');
    }};
}
pub(super) use line;

fn gateway_wide(draw: &mut Draw, drain_delay: u64, text: &mut String) {
    let tickets = draw.one_of(&[1, 30, 200, 1024, 1024, 100_000]);
    line!(text, "[server]\ndrain_timeout = \"{}ms\"", draw.ms(0, 3000));
    line!(text, "drain_delay = \"{drain_delay}ms\"");
    line!(text, "[admission]\nmax_in_flight = {tickets}");
    line!(text, "[shed]\nstatus = {}", draw.one_of(&[429, 503]));
    let rate = if draw.chance(0.75) {
        "none".to_owned()
    } else {
        format!("{}/s", draw.between(1, 200))
    };
    line!(
        text,
        "[clients]\nrate = \"{rate}\"\nburst = {}\nattempts = {}",
        draw.between(1, 100),
        draw.between(1, 5)
    );
    let early = draw.one_of(&["refuse", "admit", "auto"]);
    line!(text, "early_returns = \"{early}\"");
}

fn downstream(draw: &mut Draw, (name, service): (&str, usize), required: u64, text: &mut String) {
    let least = required.max(1);
    let permits = match draw.one_of(&["none", "tiny", "tiny", "some", "some", "huge"]) {
        "none" => 0,
        "tiny" => draw.between(least, least + 2),
        "some" => draw.between(least, least + 30),
        _ => 100_000,
    };
    // A port that nothing is asked at: there are no sockets in simulated time.
    let port = service + 1;
    line!(
        text,
        "[downstream.{name}]\nurl = \"http://127.0.0.1:{port}\"\npermits = {permits}"
    );
    line!(
        text,
        "max_body = \"{}\"",
        draw.one_of(&["64B", "4KiB", "256KiB"])
    );
}

fn page(draw: &mut Draw, name: &str, parts: &[Part], downstreams: &[String], text: &mut String) {
    let deadline = (!draw.chance(0.1)).then(|| draw.ms(20, 800));
    let reserve = draw.one_of(&[0, 1, 5, 10]).min(deadline.unwrap_or(10) / 2);
    line!(text, "[page.{name}]\npath = \"/{name}/{{id}}\"");
    line!(
        text,
        "deadline = \"{}\"\nreserve = \"{reserve}ms\"",
        or_none(deadline)
    );
    let around = deadline.unwrap_or(300) * 3 / 2;
    let (max_wait, queue) = match draw.one_of(&["never", "short", "short", "long", "long"]) {
        "never" => (0, draw.one_of(&[0, 16])),
        "short" => (draw.ms(1, around), draw.one_of(&[0, 1, 4, 30])),
        _ => (around, draw.one_of(&[4, 100, 300])),
    };
    line!(text, "max_wait = \"{max_wait}ms\"\nqueue = {queue}");
    for (index, part) in parts.iter().enumerate() {
        let timeout = draw.chance(0.4).then(|| draw.ms(5, around));
        line!(
            text,
            "[page.{name}.part.part-{index}]\npath = \"/{index}/{{id}}\""
        );
        line!(
            text,
            "downstream = \"{}\"\nrequired = {}",
            downstreams[part.downstream],
            part.required
        );
        line!(text, "timeout = \"{}\"", or_none(timeout));
    }
}

/// Milliseconds as a config has them.
pub(super) fn or_none(ms: Option<u64>) -> String {
    ms.map_or_else(|| "none".to_owned(), |ms| format!("{ms}ms"))
}
