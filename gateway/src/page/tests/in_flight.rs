//! What is seen of a page while it is in flight, and what is kept of it when it has ended.

use super::*;
use crate::outcome::PartStatus;
use crate::telemetry::recent::in_flight::Stage;
use crate::telemetry::recent::retention::Class;
use crate::telemetry::record::Use;

#[tokio::test(start_paused = true)]
async fn a_page_in_flight_shows_its_stage_its_age_and_what_it_waits_for() {
    let simulated = Simulated::new([Answers::ok(20), Answers::ok(100), Answers::ok(20)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let mut waiting = request();
    waiting.client = client(9);
    // Two permits each: the third page waits for those of `b`, once `a` has answered.
    let look = async {
        tokio::time::sleep(30 * MS).await;
        let seen = in_flight(&pages);
        let waits = |page: &PageInFlight| page.stage == Stage::Admission;
        let (waiting, calling): (Vec<_>, Vec<_>) = seen.into_iter().partition(waits);
        assert_eq!((waiting.len(), calling.len()), (1, 2));
        for page in &calling {
            assert_eq!(page.stage, Stage::Calls);
            assert_eq!(page.running, [false, true, false]);
            assert_eq!(page.waits, None);
            let parts = &page.record.parts;
            let took = |part: usize| parts[part].call.as_ref().unwrap().span.took;
            assert_eq!((parts[0].status, took(0)), (PartStatus::Ok, 20 * MS));
            assert_eq!(took(1), 30 * MS);
        }
        let third = &waiting[0];
        assert_eq!(third.record.client, Some(ClientKey(9)));
        let (since, downstream) = third.waits.unwrap();
        // It came when `a` was full, and waited for that first.
        assert_eq!(downstream, DownstreamId(0));
        assert_eq!(now() - since, 30 * MS);
    };
    let (one, two, three, ()) = tokio::join!(
        pages.serve(request()),
        pages.serve(request()),
        pages.serve(waiting),
        look
    );
    assert!(one.result.is_ok() && two.result.is_ok());
    let record = &three.record;
    assert_eq!(record.outcome, PageOutcome::Shed);
    assert_eq!(record.waited_for, Some(DownstreamId(0)));
    let full = Use {
        taken: 2,
        limit: Some(2),
    };
    let occupancy = record.occupancy.unwrap();
    assert_eq!(occupancy.permits, Some((DownstreamId(1), full)));
    let writing = in_flight(&pages);
    assert!(writing.iter().all(|page| page.stage == Stage::Writing));
    assert_eq!(writing.len(), 3, "an answer is still to be taken");
    drop((one, two, three));
    assert!(at_rest(&pages, &simulated));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_the_record_that_everything_else_is_made_of() {
    let simulated = Simulated::new([Answers::ok(20), Answers::status(5, 500), Answers::ok(20)]);
    let pages = pages(&two_required_one_optional(), &simulated);
    let lost = pages.serve(request()).await;
    simulated.set(1, Answers::ok(5));
    let whole = pages.serve(request()).await;
    simulated.set(2, Answers::status(5, 500));
    let partial = pages.serve(request()).await;
    let recent = pages.telemetry().recent();
    for (class, answer) in [
        (Class::Lost, lost),
        (Class::Whole, whole),
        (Class::Partial, partial),
    ] {
        let kept = recent.latest(class, None, 9);
        assert_eq!(kept.len(), 1, "{class:?}");
        assert!(Arc::ptr_eq(&kept[0], &answer.record));
    }
    assert!(recent.latest(Class::Refused, None, 9).is_empty());
    assert!(recent.holdings().iter().all(|one| one.forgotten.is_none()));
    recent.resize(None);
    assert!(recent.all().is_empty());
    pages.serve(request()).await;
    assert!(recent.all().is_empty(), "nothing is to be kept");
}
