//! Clients that give a page less time than its own deadline, in virtual time.

use super::*;

fn gives(ms: u64) -> PageRequest {
    PageRequest {
        budget: Some(Duration::from_millis(ms)),
        ..request()
    }
}

/// How the calls of a page ended.
fn calls(pages: &Pages<Only<Simulated>>) -> Vec<(CallOutcome, u64)> {
    let counts = pages.telemetry().counts();
    let of = |outcome| (0..3).map(|d| counts.calls(DownstreamId(d), outcome)).sum();
    let all = CallOutcome::ALL.map(|outcome| (outcome, of(outcome)));
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

fn ended(pages: &Pages<Only<Simulated>>, outcome: PageOutcome) -> u64 {
    pages.telemetry().counts().pages(PageId(0), outcome)
}

#[tokio::test(start_paused = true)]
async fn a_client_may_lower_its_budget_but_not_raise_it() {
    let simulated = Simulated::new([Answers::never(), Answers::ok(1), Answers::ok(1)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let out_of_time = Refusal::Deadline(DownstreamId(0));
    for (asked, total, refusal) in [
        (100, 95, Refusal::ClientBudget),
        (299, 294, Refusal::ClientBudget),
        (300, 295, out_of_time.clone()),
        (60_000, 295, out_of_time.clone()),
        (1 << 60, 295, out_of_time),
    ] {
        let answer = pages.serve(gives(asked)).await;
        assert_eq!(answer.record.total(), total * MS, "{asked}");
        assert_eq!(answer.result, Err(refusal), "{asked}");
    }
    for hopeless in [0, 5] {
        let answer = pages.serve(gives(hopeless)).await;
        assert_eq!(answer.result, Err(Refusal::ClientBudget), "{hopeless}");
        assert_eq!(answer.record.parts.len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn healthy_services_that_take_longer_than_a_client_gives_are_not_late_and_nothing_is_owed() {
    let config = two_required_one_optional();
    let simulated = Simulated::new([80, 80, 80].map(Answers::ok));
    let pages = pages(&config, &simulated);
    let answer = pages.serve(gives(20)).await;
    let row = answer.result.unwrap_err().row(ShedStatus::TooManyRequests);
    assert_eq!(
        (row.status.as_u16(), row.reason),
        (504, Reason::ClientBudget)
    );
    assert_eq!((row.scope, row.retry_after), (Some(Scope::Client), None));
    assert_eq!(answer.record.total(), 15 * MS);
    assert!(!answer.record.is_error());
    let statuses: Vec<_> = answer.record.parts.iter().map(|part| part.status).collect();
    assert_eq!(statuses, [PartStatus::Cancelled; 3]);
    assert_eq!(calls(&pages), [(CallOutcome::Cancelled, 3)]);
    assert_eq!([0, 1, 2].map(|d| simulated.seen(d).aborted), [1, 1, 1]);
    assert_eq!(ended(&pages, PageOutcome::ClientBudget), 1);
    assert_eq!(pages.telemetry().counts().standings(PageId(0)), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn the_same_page_with_all_of_its_time_blames_the_service_that_was_late() {
    let simulated = Simulated::new([Answers::ok(400), Answers::ok(80), Answers::ok(80)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let answer = pages.serve(request()).await;
    assert_eq!(answer.result, Err(Refusal::Deadline(DownstreamId(0))));
    assert!(answer.record.is_error());
    assert_eq!(
        calls(&pages),
        [(CallOutcome::Ok, 2), (CallOutcome::Late, 1)]
    );
    assert_eq!(
        pages.telemetry().counts().standings(PageId(0)),
        [1, 0, 0, 0]
    );
}

#[tokio::test(start_paused = true)]
async fn an_optional_part_that_the_clients_time_cuts_is_missing_and_its_call_cancelled() {
    let simulated = Simulated::new([Answers::ok(20), Answers::ok(20), Answers::ok(80)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let answer = pages.serve(gives(50)).await;
    assert_eq!(answer.record.total(), 45 * MS);
    assert!(body(&answer).ends_with(r#""c":{"status":"late","retryable":true}}}"#));
    assert_eq!(answer.record.parts[2].status, PartStatus::Cancelled);
    assert_eq!(
        calls(&pages),
        [(CallOutcome::Ok, 2), (CallOutcome::Cancelled, 1)]
    );
    assert_eq!(ended(&pages, PageOutcome::Partial), 1);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_over_its_own_timeout_is_late_however_little_time_the_client_gives() {
    let mut config = config_with(&[("a", true), ("b", true), ("c", false)], "");
    config.pages[0].parts[0].timeout = Some(40 * MS);
    let simulated = Simulated::new([Answers::never(), Answers::ok(1), Answers::ok(1)]);
    let pages = pages(&config, &simulated);
    // At 45 ms both times would be over at once: the part's own is the one that was agreed on.
    for gives_ms in [100, 45] {
        let answer = pages.serve(gives(gives_ms)).await;
        assert_eq!(answer.result, Err(Refusal::Deadline(DownstreamId(0))));
        assert_eq!(answer.record.total(), 40 * MS);
    }
    let answer = pages.serve(gives(44)).await;
    assert_eq!(answer.result, Err(Refusal::ClientBudget));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_permits_that_the_clients_time_ends_is_its_own_and_one_that_max_wait_ends_is_not()
 {
    let simulated = Simulated::new([Answers::ok(200), Answers::ok(1), Answers::ok(1)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let [first, second] = [(); 2].map(|()| pages.serve(request()));
    let (hurried, patient) = (pages.serve(gives(30)), pages.serve(gives(250)));
    let (_, _, hurried, patient) = tokio::join!(first, second, hurried, patient);
    assert_eq!(hurried.result, Err(Refusal::ClientBudget));
    assert_eq!(hurried.record.total(), 25 * MS);
    assert_eq!(patient.result, Err(Refusal::BulkheadFull(DownstreamId(0))));
    assert_eq!(patient.record.total(), 50 * MS);
    assert_eq!(simulated.seen(0).started, 2);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_pages_own_deadline_ends_says_so() {
    let mut config = two_required_one_optional();
    config.pages[0].max_wait = 60_000 * MS;
    let simulated = Simulated::new([Answers::never(), Answers::ok(1), Answers::ok(1)]);
    let pages = pages(&config, &simulated);
    let _held = for_two_pages(pages.admission(), &config).await;
    let third = pages.serve(request()).await;
    assert_eq!(
        third.result,
        Err(Refusal::DeadlineUnreachable(Some(DownstreamId(0))))
    );
    assert_eq!(third.record.total(), 295 * MS);
}

#[tokio::test(start_paused = true)]
async fn below_min_budget_nothing_is_started_and_at_it_the_page_is_tried() {
    let mut config = two_required_one_optional();
    config.pages[0].min_budget = Some(60 * MS);
    let simulated = Simulated::new([Answers::ok(20), Answers::ok(20), Answers::ok(20)]);
    let pages = pages(&config, &simulated);
    let answer = pages.serve(gives(59)).await;
    assert_eq!(answer.result, Err(Refusal::BelowMinBudget));
    assert_eq!(answer.record.total(), Duration::ZERO);
    assert_eq!(
        (answer.record.outcome, simulated.seen(0).started),
        (PageOutcome::ClientBudget, 0)
    );
    assert!(pages.serve(gives(60)).await.result.is_ok());
    assert!(pages.serve(request()).await.result.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_comes_to_a_page_after_all_of_its_time_takes_the_blame_whatever_the_client_gives()
 {
    let simulated = Simulated::new([20, 20, 20].map(Answers::ok));
    let pages = pages(&two_required_one_optional(), &simulated);
    tokio::time::sleep(400 * MS).await;
    for (before, expected) in [
        (100, Refusal::ClientBudget),
        (295, Refusal::DeadlineUnreachable(None)),
    ] {
        let request = gives(50);
        let origin = Arc::new(Origin {
            arrived: now() - before * MS,
            ..(*request.origin).clone()
        });
        let answer = pages.serve(PageRequest { origin, ..request }).await;
        assert_eq!(answer.result, Err(expected.clone()));
        let row = expected.row(ShedStatus::TooManyRequests);
        let whose = match before {
            100 => Scope::Client,
            _ => Scope::Gateway,
        };
        assert_eq!(row.scope, Some(whose));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_gives_too_little_time_is_charged_to_it() {
    let keys = "[clients]\nrate = \"10/s\"\nburst = 2";
    let config = config_with(&[("a", true), ("b", true), ("c", false)], keys);
    let simulated = Simulated::new([80, 80, 80].map(Answers::ok));
    let pages = pages(&config, &simulated);
    // One that is refused at once, one after its calls had begun.
    for too_little in [5, 20] {
        let answer = pages.serve(gives(too_little)).await;
        assert_eq!(answer.result, Err(Refusal::ClientBudget));
    }
    let answer = pages.serve(request()).await;
    assert_eq!(answer.result, Err(Refusal::ClientQuota(85 * MS)));
}
