//! Other configurations while pages run, in virtual time.

use tokio::task::JoinSet;

use super::*;
use crate::config::Kept;
use crate::page::admission::Admission;

const RELOADS: usize = 200;

/// Permits of each downstream: as many as this, and as many as that, in turn.
const PERMITS: [u32; 2] = [4, 8];

/// The usual page with the permits of this round, and in each third round a page and a downstream
/// with names that have never been there before.
fn round(number: usize) -> Config {
    let permits = PERMITS[number % 2];
    let mut toml = format!(
        "[page.p]\npath = \"/p/{{id}}\"\nqueue = {}\nmax_wait = \"200ms\"\ndeadline = \"{}ms\"\n\
         part.a = {{ downstream = \"a\", path = \"/a/{{id}}\" }}\n\
         part.b = {{ downstream = \"b\", path = \"/b/{{id}}\" }}\n",
        20 + number % 3,
        900 + number,
    );
    for name in ["a", "b"] {
        let _ = write!(
            toml,
            "[downstream.{name}]\nurl = \"http://127.0.0.1:1\"\npermits = {permits}\n"
        );
    }
    if number.is_multiple_of(3) {
        let _ = write!(
            toml,
            "[page.new-{number}]\npath = \"/new\"\npart.a = {{ downstream = \"new-{number}\", path = \"/\" }}\n\
             [downstream.new-{number}]\nurl = \"http://127.0.0.1:1\"\n"
        );
    }
    let loaded = config::load_text("test", &toml, &[]);
    loaded.unwrap_or_else(|report| panic!("{report}")).config
}

type Served = Arc<Pages<Only<Simulated>>>;

/// What takes the place of these pages; `forgets` what is in use of the names that it has.
fn next(before: &Served, was: &Config, now: &Config, forgets: bool) -> Served {
    let kept = Kept::between(was, now);
    let transport = before.transport().carried(&kept);
    let next = match forgets {
        false => before.carried(now, &kept, &kept, transport),
        true => Pages::with_admission(now, transport, telemetry(now), Admission::new(now)),
    };
    next.take_effect();
    Arc::new(next)
}

/// Most calls at once, and how many pages were not served, with another configuration each 10 ms:
/// each 50 ms six pages arrive, and six more 12 ms later, while the first ones' calls of 15 ms run.
async fn under_load(forgets: bool) -> (usize, usize) {
    // Every downstream that there will ever be.
    let simulated = Simulated::new(vec![Answers::ok(15); 2 + RELOADS]);
    let mut was = round(1);
    let transport = Only::new(simulated.clone(), was.downstreams.len());
    let mut pages = Arc::new(Pages::new(&was, transport, telemetry(&was)));
    let first = Arc::downgrade(&pages);
    let mut running = JoinSet::new();
    for at in 0..RELOADS * 5 {
        // In steps of 2 ms.
        if matches!(at % 25, 0 | 6) {
            for _ in 0..6 {
                let pages = Arc::clone(&pages);
                let request = PageRequest {
                    page: usual(&pages),
                    ..request()
                };
                running.spawn(async move { pages.serve(request).await.result.is_ok() });
            }
        }
        if at % 5 == 4 {
            let now = round(at / 5 + 2);
            pages = next(&pages, &was, &now, forgets);
            was = now;
        }
        tokio::time::sleep(2 * MS).await;
    }
    let mut lost = 0;
    while let Some(served) = running.join_next().await {
        lost += usize::from(!served.unwrap());
    }
    assert!(at_rest(&pages, &simulated) || forgets);
    assert!(first.upgrade().is_none(), "what no page runs by is gone");
    let most = (0..2).map(|at| simulated.seen(at).most_running).max();
    (most.unwrap_or_default(), lost)
}

fn usual(pages: &Served) -> PageId {
    let names = &pages.telemetry().names().pages;
    PageId(names.iter().position(|page| page.name == "p").unwrap())
}

#[tokio::test(start_paused = true)]
async fn two_hundred_reloads_lose_no_page_and_run_no_more_calls_than_the_larger_limit() {
    assert_eq!(under_load(false).await, (PERMITS[1] as usize, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_forgets_what_is_in_use_is_noticed() {
    let (most, _) = under_load(true).await;
    assert!(most > PERMITS[1] as usize, "{most}");
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_of_a_name_goes_on_and_what_is_new_begins_at_zero() {
    let simulated = Simulated::new(vec![Answers::ok(3); 8]);
    let was = round(1);
    let transport = Only::new(simulated.clone(), was.downstreams.len());
    let before = Arc::new(Pages::new(&was, transport, telemetry(&was)));
    drop(before.serve(request()).await);
    let now = round(3);
    let after = next(&before, &was, &now, false);
    let counts = |pages: &Served, name: &str| {
        let names = &pages.telemetry().names().pages;
        let at = names.iter().position(|page| page.name == name).unwrap();
        pages
            .telemetry()
            .counts()
            .pages(PageId(at), PageOutcome::Complete)
    };
    assert_eq!((counts(&after, "p"), counts(&after, "new-3")), (1, 0));
    // Also of a page that ends by the configuration before.
    drop(before.serve(request()).await);
    assert_eq!(counts(&after, "p"), 2);
    let calls = after
        .telemetry()
        .counts()
        .calls(DownstreamId(0), CallOutcome::Ok);
    assert_eq!(calls, 2);
}
