//! Figures of records made by hand.

use gateway::config::PageId;

use super::*;
use crate::scenario::Text;

const MS: Duration = Duration::from_millis(1);

fn scenario() -> Scenario {
    let text = "title = \"t\"\nlength = \"10s\"\n[[load]]\nrate = \"1/s\"\nclient = \"a\"\n\
                [[load]]\nrate = \"1/s\"\nclient = \"b\"\n";
    let text = Text {
        name: "test.toml".to_owned(),
        text: text.to_owned(),
    };
    Scenario::load(&text, &Text::default_config()).unwrap()
}

fn page(at: u32, took: u32, load: usize, outcome: PageOutcome) -> PageEnd {
    PageEnd {
        at: MS * at,
        took: MS * took,
        page: PageId(0),
        load,
        retry: false,
        outcome,
        reason: None,
        calls: 5,
        aborted: u16::from(outcome == PageOutcome::Late),
        wasted: 0,
    }
}

fn figure(pages: &[PageEnd], window: &Window, metric: Metric) -> Option<f64> {
    let record = Record {
        pages: pages.to_vec(),
        ..Record::default()
    };
    record.figure(&scenario(), window, metric)
}

fn window(from: u32, until: u32) -> Window {
    Window {
        from: MS * from,
        until: MS * until,
        page: None,
        client: None,
    }
}

#[test]
fn a_window_has_the_pages_that_arrived_in_it_and_those_of_its_client_only() {
    let pages = [
        page(0, 10, 0, PageOutcome::Complete),
        page(100, 10, 0, PageOutcome::Complete),
        page(150, 10, 1, PageOutcome::Late),
        page(200, 10, 0, PageOutcome::Late),
    ];
    let share = |window: &Window| figure(&pages, window, Metric::GoodPages);
    assert_eq!(share(&window(100, 200)), Some(0.5));
    assert_eq!(share(&window(500, 900)), None);
    let of_a = Window {
        client: Some("a".to_owned()),
        ..window(100, 200)
    };
    assert_eq!(share(&of_a), Some(1.0));
}

#[test]
fn a_page_that_was_served_too_late_is_served_and_not_good() {
    let pages = [
        page(0, 301, 0, PageOutcome::Complete),
        page(1, 300, 0, PageOutcome::Partial),
    ];
    let of = |metric| figure(&pages, &window(0, 1000), metric);
    assert_eq!(of(Metric::GoodPages), Some(0.5));
    assert_eq!(of(Metric::P99), Some(0.301));
    assert_eq!(of(Metric::CallsPerGoodPage), Some(10.0));
    assert_eq!(of(Metric::Calls), Some(10.0));
}

#[test]
fn on_sockets_calls_are_those_of_the_time_and_of_all_pages() {
    let downstream = DownstreamSlice {
        started: 10,
        aborted: 1,
        ..DownstreamSlice::default()
    };
    let slice = Slice {
        downstreams: vec![downstream; 2],
        ..Slice::default()
    };
    let record = Record {
        world: World::Live,
        pages: vec![page(0, 10, 0, PageOutcome::Complete); 4],
        slices: vec![slice; 20],
        ..Record::default()
    };
    let of = |window: &Window, metric| record.figure(&scenario(), window, metric);
    let first = window(0, 1000);
    assert_eq!(of(&first, Metric::Calls), Some(200.0));
    assert_eq!(of(&first, Metric::CallsPerGoodPage), Some(50.0));
    assert_eq!(of(&first, Metric::Aborted), Some(0.1));
    let of_one = Window {
        page: Some(PageId(0)),
        ..first
    };
    assert_eq!(of(&of_one, Metric::Calls), None);
}

/// A page every ten milliseconds; good but for those in `bad`.
fn pages_but(bad: impl Fn(u32) -> bool, until: u32) -> Vec<PageEnd> {
    let one = |n| match bad(n) {
        true => page(n * 10, 300, 0, PageOutcome::Late),
        false => page(n * 10, 80, 0, PageOutcome::Complete),
    };
    (0..until).map(one).collect()
}

#[test]
fn what_would_have_been_refused_is_of_all_pages_of_the_time() {
    let slice = Slice {
        would_shed: 1,
        ..Slice::default()
    };
    let record = Record {
        pages: vec![page(0, 10, 0, PageOutcome::Complete); 40],
        slices: vec![slice; 20],
        ..Record::default()
    };
    let of = |window: &Window| record.figure(&scenario(), window, Metric::WouldShed);
    let first = window(0, 1000);
    assert_eq!(of(&first), Some(0.25));
    let of_one = Window {
        page: Some(PageId(0)),
        ..first
    };
    assert_eq!(of(&of_one), None);
}

#[test]
fn recovery_is_the_start_of_the_first_stretch_of_good_pages_that_lasts() {
    // Good for half a second, then not; good from 1.2 s on, but for one of 25 now and then.
    let bad = |n: u32| (50..120).contains(&n) || n == 180;
    let pages = pages_but(bad, 400);
    let of = |from| figure(&pages, &window(from, 4000), Metric::Recovery);
    assert_eq!(of(0), Some(1.25));
    assert_eq!(of(1500), Some(0.0));
    assert_eq!(figure(&[], &window(0, 1000), Metric::Recovery), None);
}

#[test]
fn pages_that_never_stay_good_have_never_recovered() {
    let recovery = |bad: fn(u32) -> bool, until| {
        figure(&pages_but(bad, 400), &window(0, until), Metric::Recovery)
    };
    assert_eq!(recovery(|_| true, 4000), Some(f64::INFINITY));
    // Three quarters of a second are no second.
    assert_eq!(recovery(|n| n % 100 < 25, 4000), Some(f64::INFINITY));
    assert_eq!(recovery(|n| n < 125, 2000), Some(f64::INFINITY));
    assert_eq!(recovery(|n| n < 75, 2000), Some(0.75));
    // Of a window of a second, half.
    assert_eq!(recovery(|n| n < 50, 1000), Some(0.5));
    assert_eq!(recovery(|n| n < 53, 1000), Some(f64::INFINITY));
}

#[test]
fn one_page_of_a_hundred_that_fails_is_no_incident_to_recover_from() {
    let pages = pages_but(|n| n % 100 == 7, 3000);
    for from in (0..20_000).step_by(1000) {
        let of = figure(&pages, &window(from, 30_000), Metric::Recovery);
        assert_eq!(of, Some(0.0));
    }
}

#[test]
fn few_pages_recover_only_where_there_are_twenty_with_one_at_most_that_is_bad() {
    // Five a second.
    let pages: Vec<_> = (0..60)
        .map(|n| match n {
            10 | 11 => page(n * 200, 300, 0, PageOutcome::Late),
            _ => page(n * 200, 80, 0, PageOutcome::Complete),
        })
        .collect();
    let of = |until| figure(&pages, &window(0, until), Metric::Recovery);
    assert_eq!(of(12_000), Some(2.25));
    assert_eq!(of(6_000), Some(f64::INFINITY));
}

#[test]
fn a_client_that_left_counts_at_the_time_it_waited() {
    let mut pages = vec![page(0, 80, 0, PageOutcome::Complete); 100];
    pages.extend(vec![page(1, 2000, 0, PageOutcome::Cancelled); 50]);
    let of = |metric| figure(&pages, &window(0, 1000), metric);
    assert_eq!(of(Metric::Slowest), Some(2.0));
    assert_eq!(of(Metric::AnyP99), Some(2.0));
    assert_eq!(of(Metric::P99), Some(0.08));
}

#[test]
fn a_figure_knows_how_many_pages_it_was_computed_from() {
    let pages = [
        page(0, 10, 0, PageOutcome::Complete),
        page(1, 10, 0, PageOutcome::Shed),
        page(2, 10, 0, PageOutcome::Shed),
        page(3, 10, 0, PageOutcome::Quota),
    ];
    let record = Record {
        pages: pages.to_vec(),
        ..Record::default()
    };
    let of = |metric| record.measure(&scenario(), &window(0, 1000), metric).pages;
    let counts = [
        Metric::GoodPages,
        Metric::P99,
        Metric::RefusalP50,
        Metric::Sli,
    ]
    .map(of);
    assert_eq!(counts, [4, 1, 2, 3]);
}
