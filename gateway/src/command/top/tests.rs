//! What is on the screen, for a snapshot that does not change.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use serde_json::json;

use super::link::LinkEvent;
use super::state::{Effect, Found, Key, Over, Panel, Top};
use super::*;
use crate::admin::console::snapshot::*;

const NOW: u64 = 1_790_000_000_000;

fn rates(all: &[(&str, f64)]) -> Vec<Rate> {
    let rate = |&(outcome, per_s): &(&str, f64)| Rate {
        outcome: outcome.to_owned(),
        per_s,
    };
    all.iter().map(rate).collect()
}

fn downstream(name: &str, required: bool, in_use: u32, queued: usize) -> Downstream {
    Downstream {
        name: name.into(),
        required_by: if required {
            vec!["product-page".into()]
        } else {
            vec![]
        },
        permits: Some(64),
        in_use,
        queued,
        calls: rates(&[("ok", 38.0)]),
        p50_ms: Some(24.0),
        p99_ms: Some(83.0),
        endpoints: vec![Endpoint {
            address: "10.0.0.7:80".into(),
            state: "in use".into(),
            in_flight: in_use,
        }],
        ..Downstream::default()
    }
}

/// Pricing is slow: its bulkhead is full, and pages are late and refused.
fn incident() -> Snapshot {
    let mut pricing = downstream("pricing", true, 64, 31);
    pricing.calls = rates(&[("late", 180.4), ("ok", 2.0)]);
    (pricing.p50_ms, pricing.p99_ms) = (None, None);
    let mut reviews = downstream("reviews", false, 9, 0);
    reviews.endpoints.push(Endpoint {
        address: "10.0.0.8:80".into(),
        state: "ejected".into(),
        in_flight: 0,
    });
    let page = |id: &str, total_ms, outcome: &str| SlowPage {
        id: id.into(),
        page: "product-page".into(),
        at_ms: NOW - 4_000,
        total_ms,
        outcome: outcome.into(),
        because: "deadline downstream:pricing".into(),
    };
    Snapshot {
        number: 7,
        at_ms: NOW,
        rates_over_ms: 1000.0,
        spread_over_ms: 10_000.0,
        headline: Headline {
            state: State::Failing,
            text: "2.0 of 240.0 owed pages/s are good (0.8 %); 180.4/s are late, and pricing has 180.4 late calls/s".into(),
        },
        gateway: Gateway {
            service: "product-gateway".into(),
            env: "prod".into(),
            version: "1.4.0".into(),
            instance: "shop-7d9f:9901".into(),
            viewers: 1,
            in_flight: 95,
            tickets: 1024,
            max_in_flight: 1024,
            tickets_because: "configured".into(),
            lag_p50_ms: 0.1,
            lag_p90_ms: 0.4,
            max_lag_ms: Some(10.0),
        },
        pages: vec![Page {
            name: "product-page".into(),
            deadline_ms: Some(300.0),
            good_per_s: 2.0,
            owed_per_s: 240.0,
            outcomes: rates(&[("complete", 2.0), ("shed", 57.6), ("late", 180.4)]),
            p50_ms: Some(295.0),
            p99_ms: Some(301.0),
            queued: 31,
            queue: 64,
        }],
        downstreams: vec![downstream("product", true, 3, 0), pricing, reviews],
        refusals: vec![Refused {
            reason: "bulkhead_full".into(),
            scope: "downstream:pricing".into(),
            observed: false,
            per_s: 57.6,
            keys: vec![Turnable {
                key: "downstream.pricing.permits".into(),
                advice: "larger, if the service can do more at once; not if it has become slow".into(),
                runbook: "bulkhead-saturation".into(),
            }],
        }],
        in_flight: vec![PageInFlight {
            id: "r-1".into(),
            page: "product-page".into(),
            age_ms: 291.0,
            stage: "waits for pricing".into(),
            left_ms: Some(4.4),
        }],
        slow: vec![page("r-2", 312.0, "late"), page("r-3", 301.0, "late"), page("r-4", 0.2, "shed")],
        changes: vec![Change {
            at_ms: NOW - 9_000,
            trigger: "override".into(),
            outcome: "applied".into(),
            keys: vec!["page.product-page.max_wait".into()],
        }],
    }
}

/// A screen that has seen twelve seconds, of which the last six are the incident.
fn watching() -> Top {
    let mut top = Top::new(true);
    for before in (0..12).rev() {
        let mut snapshot = incident();
        snapshot.at_ms = NOW - 1000 * before;
        if before >= 6 {
            snapshot.pages[0].good_per_s = 240.0;
        }
        top.link(LinkEvent::Snapshot(Box::new(snapshot)));
    }
    top
}

fn screen(top: &mut Top, width: u16, height: u16) -> (String, Terminal<TestBackend>) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    top.fit(width.into(), height.into());
    terminal.draw(|frame| draw::draw(top, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| {
        (0..width)
            .map(|x| buffer[(x, y)].symbol())
            .collect::<String>()
    };
    let rows = (0..height).map(|y| row(y).trim_end().to_owned() + "\n");
    (rows.collect(), terminal)
}

/// Compares with a file of `screens/`; `UPDATE_GOLDEN=1` writes it.
fn assert_screen(name: &str, drawn: &str) {
    let path = format!(
        "{}/src/command/top/screens/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, drawn).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(drawn, expected, "{path}:\n{drawn}");
}

#[test]
fn at_80_columns_an_incident_is_seen_at_a_glance() {
    assert_screen("incident-80x24", &screen(&mut watching(), 80, 24).0);
}

#[test]
fn a_larger_screen_has_more_columns_and_a_higher_chart() {
    assert_screen("incident-132x43", &screen(&mut watching(), 132, 43).0);
}

#[test]
fn a_look_as_text_has_every_list() {
    assert_screen("once-100", &draw::plain(&incident(), 100));
}

#[test]
fn a_slow_page_opens_as_a_waterfall_and_closes_again() {
    let mut top = watching();
    top.key(Key::Next);
    top.key(Key::Next);
    assert_eq!(top.panel, Panel::Slow);
    top.key(Key::Down);
    assert_eq!(top.key(Key::Open), Effect::Fetch("r-3".into()));
    let (asking, _) = screen(&mut top, 80, 24);
    assert!(asking.contains("asking the gateway"), "{asking}");
    let page = json!({
        "page": "product-page", "route": "/product-page/{id}", "method": "GET", "outcome": "late",
        "http_status": 504, "total_ms": 301.0, "deadline_ms": 295.0,
        "parts": [{"part": "pricing", "required": true, "outcome": "late",
                   "call": {"begin_ms": 1.0, "ms": 294.0, "attempts": []}}],
        "story": ["pricing (required) had not answered after 294 ms."],
    });
    // An answer for a page that is no longer open changes nothing.
    top.fetched("r-2", Err("late".into()));
    top.fetched("r-3", Ok(json!({ "pages": [page] })));
    assert_screen("page-80x24", &screen(&mut top, 80, 24).0);
    assert_eq!(top.key(Key::Close), Effect::Nothing);
    assert_eq!(top.over, None);
    assert_eq!(top.chosen_row(), Some(1));
}

#[test]
fn what_is_open_scrolls_to_its_end_and_not_beyond() {
    let mut top = watching();
    top.key(Key::Next);
    top.key(Key::Open);
    let story: Vec<_> = (0..40).map(|nth| format!("sentence {nth}")).collect();
    top.fetched("r-1", Ok(json!({ "pages": [{ "story": story }] })));
    for _ in 0..100 {
        top.key(Key::Down);
        top.fit(80, 24);
    }
    assert!(screen(&mut top, 80, 24).0.contains("sentence 39"));
    let Some(Over::Page { from, .. }) = top.over else {
        panic!("{:?}", top.over);
    };
    top.key(Key::Up);
    assert!(matches!(top.over, Some(Over::Page { from: now, .. }) if now + 1 == from));
}

#[test]
fn the_chosen_page_stays_chosen_while_others_come_and_go() {
    let mut top = watching();
    top.key(Key::Previous);
    top.key(Key::Previous);
    top.key(Key::Down);
    let mut next = incident();
    next.slow.insert(
        0,
        SlowPage {
            id: "r-9".into(),
            ..SlowPage::default()
        },
    );
    top.link(LinkEvent::Snapshot(Box::new(next.clone())));
    assert_eq!(top.chosen_row(), Some(2));
    // It has left: what stands where it was first chosen is chosen.
    next.slow.retain(|page| page.id != "r-3");
    top.link(LinkEvent::Snapshot(Box::new(next)));
    assert_eq!(top.chosen_row(), Some(1));
    top.link(LinkEvent::Snapshot(Box::default()));
    assert_eq!(
        (top.chosen_row(), top.key(Key::Open)),
        (None, Effect::Nothing)
    );
}

#[test]
fn a_pause_holds_the_figures_and_loses_none() {
    let mut top = watching();
    top.key(Key::Pause);
    let mut later = incident();
    (later.number, later.at_ms) = (8, NOW + 1000);
    top.link(LinkEvent::Snapshot(Box::new(later)));
    assert_eq!(top.snapshot.as_ref().unwrap().number, 7);
    assert!(screen(&mut top, 80, 24).0.contains("PAUSED"));
    assert_eq!(top.points.len(), 13);
    top.key(Key::Pause);
    assert_eq!(top.snapshot.as_ref().unwrap().number, 8);
}

#[test]
fn a_gateway_that_is_gone_is_said_to_be_until_it_is_back() {
    let mut top = Top::new(true);
    assert!(
        screen(&mut top, 80, 24)
            .0
            .contains("the first second is being measured")
    );
    top.link(LinkEvent::Away(
        "127.0.0.1:9901: Connection refused; trying again in 500 ms".into(),
    ));
    assert!(
        screen(&mut top, 80, 24)
            .0
            .contains("no gateway was reached yet")
    );
    top.link(LinkEvent::Snapshot(Box::new(incident())));
    top.link(LinkEvent::Away(
        "127.0.0.1:9901: Connection refused; trying again in 500 ms".into(),
    ));
    let (away, _) = screen(&mut top, 80, 24);
    // What was seen last stays.
    assert!(
        away.contains("NOT CONNECTED") && away.contains("Connection refused"),
        "{away}"
    );
    assert!(away.contains("FAILING"), "{away}");
    top.link(LinkEvent::Snapshot(Box::new(incident())));
    assert!(!screen(&mut top, 80, 24).0.contains("NOT CONNECTED"));
}

#[test]
fn without_colours_the_words_are_the_same_and_no_cell_has_one() {
    let coloured = |terminal: &Terminal<TestBackend>| {
        let cells = &terminal.backend().buffer().content;
        cells
            .iter()
            .filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
            .count()
    };
    let mut top = watching();
    let (with, terminal) = screen(&mut top, 80, 24);
    assert!(coloured(&terminal) > 0);
    top.colours = false;
    let (without, terminal) = screen(&mut top, 80, 24);
    assert_eq!(coloured(&terminal), 0);
    assert_eq!(with, without);
}

#[test]
fn whatever_the_size_nothing_is_drawn_outside_and_a_small_one_says_what_is_needed() {
    for (width, height) in [(1, 1), (20, 5), (59, 24), (80, 15)] {
        let (small, _) = screen(&mut watching(), width, height);
        assert!(!small.contains("downstream"), "{small}");
    }
    assert!(
        screen(&mut watching(), 59, 24)
            .0
            .contains("60 and 16 are needed")
    );
    for width in [60, 80, 99, 100, 200] {
        for height in [16, 24, 60] {
            for panel in 0..Panel::ALL.len() {
                let mut top = watching();
                (0..panel).for_each(|_| drop(top.key(Key::Next)));
                let (drawn, _) = screen(&mut top, width, height);
                assert!(
                    drawn.contains("FAILING") && drawn.contains("? help"),
                    "{drawn}"
                );
                top.key(Key::Help);
                assert!(screen(&mut top, width, height).0.contains("esc closes"));
            }
        }
    }
}

#[test]
fn keys_do_what_help_says() {
    let press = |code, modifiers| key(&Event::Key(KeyEvent::new(code, modifiers)));
    let plain = KeyModifiers::NONE;
    for (code, expected) in [
        (KeyCode::Char('q'), Some(Key::Quit)),
        (KeyCode::Tab, Some(Key::Next)),
        (KeyCode::BackTab, Some(Key::Previous)),
        (KeyCode::Char('j'), Some(Key::Down)),
        (KeyCode::Enter, Some(Key::Open)),
        (KeyCode::Esc, Some(Key::Close)),
        (KeyCode::Char('c'), None),
        (KeyCode::F(1), None),
    ] {
        assert_eq!(press(code, plain), expected, "{code:?}");
    }
    assert_eq!(
        press(KeyCode::Char('c'), KeyModifiers::CONTROL),
        Some(Key::Quit)
    );
    assert_eq!(key(&Event::Resize(80, 24)), None);
    let mut top = watching();
    top.key(Key::Help);
    // What is open is closed first.
    assert_eq!(
        (top.key(Key::Quit), top.key(Key::Quit)),
        (Effect::Nothing, Effect::Quit)
    );
}

#[test]
fn a_page_that_cannot_be_fetched_says_why() {
    let mut top = watching();
    top.key(Key::Next);
    top.key(Key::Open);
    top.fetched("r-1", Err("127.0.0.1:9901/pages/r-1: 404 Not Found".into()));
    assert!(matches!(
        top.over,
        Some(Over::Page {
            found: Found::Nothing(_),
            ..
        })
    ));
    assert!(screen(&mut top, 80, 24).0.contains("404 Not Found"));
}
