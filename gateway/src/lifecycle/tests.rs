//! The end of a gateway in virtual time: every instant exact.

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use super::*;
use crate::config;
use crate::telemetry::Telemetry;
use crate::transport::HttpTransport;

const MS: Duration = Duration::from_millis(1);
const TIMES: Times = Times {
    drain_delay: Duration::ZERO,
    drain_timeout: Duration::from_secs(10),
};

fn pages() -> Arc<Pages<HttpTransport>> {
    let loaded = config::load_text("test.toml", config::default_text(), &[]).unwrap();
    let telemetry = Arc::new(Telemetry::new(&loaded.config));
    // Of addresses, not names, and nothing is called: it opens nothing.
    let transport = HttpTransport::new(&loaded.config).unwrap();
    Arc::new(Pages::new(&loaded.config, transport, telemetry))
}

/// What happened, and how long after the start.
#[derive(Clone)]
struct Log {
    began: Instant,
    lines: Arc<Mutex<Vec<(&'static str, Duration)>>>,
}

impl Log {
    fn new() -> Self {
        Self {
            began: now(),
            lines: Arc::default(),
        }
    }

    fn say(&self, what: &'static str) {
        self.lines.lock().push((what, now() - self.began));
    }

    fn lines(&self) -> Vec<(&'static str, Duration)> {
        self.lines.lock().clone()
    }
}

async fn never_fails() -> io::Error {
    std::future::pending().await
}

/// A listener that takes `closing` to end, once it is told to.
fn healthy(
    log: &Log,
    told: &'static str,
    closing: Duration,
) -> impl FnOnce(Guard) -> futures_util::future::BoxFuture<'static, ()> + use<> {
    let log = log.clone();
    move |guard| {
        Box::pin(async move {
            guard.accept(never_fails()).await;
            log.say(told);
            sleep(closing).await;
        })
    }
}

/// Serves, and holds a page in flight for `page`.
async fn serve_with_a_page(lifecycle: Lifecycle, page: Duration, log: &Log) -> Result<(), Failure> {
    let pages = pages();
    let ticket = pages.admission().ticket().unwrap();
    lifecycle.ready();
    let in_flight = async {
        sleep(page).await;
        log.say("page answered");
        drop(ticket);
    };
    let (ended, ()) = tokio::join!(lifecycle.serve(|| Arc::clone(&pages), || TIMES), in_flight);
    log.say("ended");
    ended
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_pages_then_clients_then_operators_then_exports() {
    let (stop, log) = (StopSignal::default(), Log::new());
    let mut lifecycle = Lifecycle::new(stop.clone());
    lifecycle.listen(
        Listener::Operators,
        healthy(&log, "operators told", 200 * MS),
    );
    lifecycle.listen(Listener::Public, healthy(&log, "clients told", 100 * MS));
    let exports = log.clone();
    lifecycle.export(|stop| async move {
        stop.cancelled().await;
        exports.say("exports told");
        sleep(300 * MS).await;
    });
    let phase = lifecycle.phase();
    assert_eq!(phase.get(), Phase::Starting);
    let stopped = async {
        sleep(500 * MS).await;
        assert_eq!(phase.get(), Phase::Ready);
        stop.request();
        sleep(MS).await;
        assert_eq!(phase.get(), Phase::Draining);
    };
    let (ended, ()) = tokio::join!(serve_with_a_page(lifecycle, 4_000 * MS, &log), stopped);
    assert_eq!(ended, Ok(()));
    assert_eq!(
        log.lines(),
        [
            ("page answered", 4_000 * MS),
            ("clients told", 4_000 * MS),
            ("operators told", 4_100 * MS),
            ("exports told", 4_300 * MS),
            ("ended", 4_600 * MS),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_when_told_to_has_its_time_and_no_more() {
    let (stop, log) = (StopSignal::default(), Log::new());
    let mut lifecycle = Lifecycle::new(stop.clone());
    let never = Duration::from_secs(1 << 30);
    lifecycle.listen(Listener::Operators, healthy(&log, "operators told", never));
    lifecycle.listen(Listener::Public, healthy(&log, "clients told", never));
    lifecycle.export(|_stop| sleep(never));
    stop.request();
    let ended = serve_with_a_page(lifecycle, Duration::ZERO, &log).await;
    assert_eq!(ended, Ok(()));
    let clients = REFUSING;
    let operators = clients + LAST_WORDS;
    let end = operators + LAST_WORDS + LAST_EXPORTS;
    assert_eq!(
        log.lines(),
        [
            ("page answered", Duration::ZERO),
            ("clients told", clients),
            ("operators told", operators),
            ("ended", end),
        ]
    );
}

/// Says so when it is dropped.
struct LetsGo(Log);

impl Drop for LetsGo {
    fn drop(&mut self) {
        self.0.say("lets go");
    }
}

#[tokio::test(start_paused = true)]
async fn a_public_socket_that_stays_is_left_first_and_nobody_is_refused_for_it() {
    let ends = |stays: bool| async move {
        let (stop, log) = (StopSignal::default(), Log::new());
        let mut lifecycle = Lifecycle::new(stop.clone());
        if stays {
            lifecycle = lifecycle.leaving_the_public_socket();
        }
        let socket = LetsGo(log.clone());
        lifecycle.listen(Listener::Public, |guard| async move {
            let accept = async move {
                let _socket = socket;
                never_fails().await
            };
            guard.accept(accept).await;
            sleep(100 * MS).await;
        });
        let (pages, phase) = (pages(), lifecycle.phase());
        lifecycle.ready();
        stop.request();
        let serve = async {
            assert_eq!(
                lifecycle.serve(|| Arc::clone(&pages), || TIMES).await,
                Ok(())
            );
            log.say("ended");
        };
        let watch = async {
            // Between the instants at which something happens.
            sleep(MS).await;
            while phase.get() < Phase::Draining {
                sleep(2 * MS).await;
            }
            log.say("refuses");
        };
        tokio::join!(serve, watch);
        log.lines()
    };
    let refuses = LAST_WORDS + 100 * MS;
    assert_eq!(
        ends(true).await,
        [
            ("lets go", Duration::ZERO),
            ("ended", refuses),
            ("refuses", refuses + MS),
        ]
    );
    assert_eq!(
        ends(false).await,
        [
            ("refuses", MS),
            ("lets go", REFUSING),
            ("ended", REFUSING + 100 * MS),
        ]
    );
}

/// When phases changed, and the end: how long after the start.
async fn phases(
    stop: StopSignal,
    failed: Option<Duration>,
    ask: impl Future<Output = ()>,
) -> Vec<(Phase, Duration)> {
    let began = now();
    let mut lifecycle = Lifecycle::new(stop);
    if let Some(after) = failed {
        lifecycle.background("is tested", sleep(after));
    }
    let phase = lifecycle.phase();
    let pages = pages();
    lifecycle.ready();
    let delayed = Times {
        drain_delay: Duration::from_secs(5),
        ..TIMES
    };
    let mut seen = Vec::new();
    // Between the instants at which something happens.
    let watch = async {
        sleep(5 * MS).await;
        loop {
            let at = phase.get();
            if seen.last().is_none_or(|(last, _)| *last != at) {
                seen.push((at, now() - began - 5 * MS));
            }
            sleep(10 * MS).await;
        }
    };
    tokio::select! {
        biased;
        (_, ()) = async { tokio::join!(lifecycle.serve(|| Arc::clone(&pages), || delayed), ask) } => {}
        () = watch => {}
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn pages_are_served_for_the_delay_after_a_request_to_stop_unless_nobody_has_to_turn_away() {
    let second = Duration::from_secs(1);
    let stop = StopSignal::default();
    let ask = async {
        sleep(second).await;
        stop.request();
    };
    let (ready, told) = ((Phase::Ready, Duration::ZERO), (Phase::LameDuck, second));
    let seen = phases(stop.clone(), None, ask).await;
    assert_eq!(seen, [ready, told, (Phase::Draining, 6 * second)]);

    let stop = StopSignal::default();
    let ask = async {
        sleep(second).await;
        stop.request_without_delay();
    };
    let seen = phases(stop.clone(), None, ask).await;
    assert_eq!(seen, [ready, (Phase::Draining, second)]);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_fails_waits_for_nobody_to_turn_away() {
    let second = Duration::from_secs(1);
    let (ready, drains) = ((Phase::Ready, Duration::ZERO), Phase::Draining);
    let seen = phases(StopSignal::default(), Some(second), async {}).await;
    assert_eq!(seen, [ready, (drains, second)]);
    // Also while it waits.
    let stop = StopSignal::default();
    let ask = async {
        sleep(second).await;
        stop.request();
    };
    let seen = phases(stop.clone(), Some(3 * second), ask).await;
    let told = (Phase::LameDuck, second);
    assert_eq!(seen, [ready, told, (drains, 3 * second)]);
}

#[tokio::test(start_paused = true)]
async fn a_second_request_to_stop_ends_it_where_it_stands() {
    let (stop, log) = (StopSignal::default(), Log::new());
    let mut lifecycle = Lifecycle::new(stop.clone());
    lifecycle.listen(Listener::Public, healthy(&log, "clients told", MS));
    let pages = pages();
    let _in_flight = pages.admission().ticket().unwrap();
    let twice = async {
        stop.request();
        sleep(1_300 * MS).await;
        stop.request();
    };
    let (ended, ()) = tokio::join!(lifecycle.serve(|| Arc::clone(&pages), || TIMES), twice);
    assert_eq!(ended, Err(Failure::ToldTwice));
    assert_eq!(now() - log.began, 1_300 * MS);
    assert_eq!(log.lines(), []);
}

/// The ways in which a task that accepts can end without having been told to.
const DEATHS: [fn(Guard) -> futures_util::future::BoxFuture<'static, ()>; 4] = [
    |guard| {
        let broken = async { io::Error::from(io::ErrorKind::InvalidInput) };
        Box::pin(async move { guard.accept(broken).await })
    },
    |guard| {
        let defect = async { panic!("a defect, for this test") };
        Box::pin(async move { guard.accept(defect).await })
    },
    |_guard| Box::pin(async { panic!("a defect, for this test") }),
    |_guard| Box::pin(std::future::ready(())),
];

#[tokio::test(start_paused = true)]
async fn a_listener_that_ends_by_itself_drains_the_gateway_and_is_its_failure() {
    let listeners = [
        (Listener::Public, Listener::Operators),
        (Listener::Operators, Listener::Public),
    ];
    for (dies, lives) in listeners {
        for death in DEATHS {
            let log = Log::new();
            let mut lifecycle = Lifecycle::new(StopSignal::default());
            lifecycle.listen(lives, healthy(&log, "the other one told", MS));
            lifecycle.listen(dies, |guard| async move {
                sleep(500 * MS).await;
                death(guard).await;
            });
            let phase = lifecycle.phase();
            let served = serve_with_a_page(lifecycle, 3_000 * MS, &log);
            let noticed = async {
                sleep(499 * MS).await;
                assert_eq!(phase.get(), Phase::Ready);
                sleep(2 * MS).await;
                assert_eq!(phase.get(), Phase::Draining);
            };
            let (ended, ()) = tokio::join!(served, noticed);
            assert_eq!(ended, Err(Failure::ListenerEnded(dies)));
            // The page in flight finished, and only then the other listener was told.
            let lines = log.lines();
            assert_eq!(
                lines[..2],
                [
                    ("page answered", 3_000 * MS),
                    ("the other one told", 3_000 * MS)
                ]
            );
            assert!(lines[2].1 <= 3_001 * MS, "{lines:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn connections_outlive_the_loop_that_accepted_them_until_the_drain_ends_them() {
    let log = Log::new();
    let mut lifecycle = Lifecycle::new(StopSignal::default());
    let connections = log.clone();
    lifecycle.listen(Listener::Public, |guard| async move {
        let broken = async { io::Error::from(io::ErrorKind::InvalidInput) };
        guard.accept(broken).await;
        connections.say("connections told");
    });
    let ended = serve_with_a_page(lifecycle, 2_000 * MS, &log).await;
    assert_eq!(ended, Err(Failure::ListenerEnded(Listener::Public)));
    assert_eq!(log.lines()[1], ("connections told", 2_000 * MS));
}

#[tokio::test(start_paused = true)]
async fn before_the_first_page_a_signal_ends_it_well_and_a_dead_listener_does_not() {
    let warming = || sleep(Duration::from_secs(1));
    let lifecycle = Lifecycle::new(StopSignal::default());
    assert_eq!(lifecycle.start(warming()).await, ControlFlow::Continue(()));

    let stop = StopSignal::default();
    let lifecycle = Lifecycle::new(stop.clone());
    stop.request();
    let ended = lifecycle.start(warming()).await;
    assert_eq!(ended, ControlFlow::Break(Ok(())));

    for death in DEATHS {
        let mut lifecycle = Lifecycle::new(StopSignal::default());
        lifecycle.listen(Listener::Operators, death);
        let failure = Failure::ListenerEnded(Listener::Operators);
        let ended = lifecycle.start(warming()).await;
        assert_eq!(ended, ControlFlow::Break(Err(failure)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_background_task_that_ends_by_itself_drains_the_gateway_too_but_an_export_does_not() {
    for panics in [false, true] {
        let (stop, log) = (StopSignal::default(), Log::new());
        let mut lifecycle = Lifecycle::new(stop.clone());
        lifecycle.listen(Listener::Public, healthy(&log, "clients told", MS));
        lifecycle.export(|_stop| async { panic!("a defect, for this test") });
        lifecycle.background("is tested", async move {
            sleep(500 * MS).await;
            assert!(!panics, "a defect, for this test");
        });
        let phase = lifecycle.phase();
        let served = serve_with_a_page(lifecycle, 3_000 * MS, &log);
        let noticed = async {
            sleep(499 * MS).await;
            assert_eq!(phase.get(), Phase::Ready);
            sleep(2 * MS).await;
            assert_eq!(phase.get(), Phase::Draining);
        };
        let (ended, ()) = tokio::join!(served, noticed);
        assert_eq!(ended, Err(Failure::TaskEnded("is tested")));
        assert_eq!(log.lines()[1], ("clients told", 3_000 * MS));
    }
}
