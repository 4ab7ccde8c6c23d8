//! What clients may count on, seen from outside: they are charged for nothing that was refused for
//! load, told to stay away no longer than the crowd takes, and who is back too soon does not pass
//! those who wait.
//!
//! Each is held against less than the gateway knows, so that nothing is ever held against a sound
//! one: of charges the burst alone counts, and of being early only clients that were never let in
//! and asked for one page at a time. Where the gateway's own work takes time, its clock is not ours, and
//! charges alone are watched.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use gateway::config::PageId;
use gateway::outcome::{PageOutcome, Reason};
use gateway::page::quota::ClientKey;
use gateway::page::retry_after::{REFUSING, WINDOW, spread};

use crate::scenario::Scenario;

/// Of times that are counted in slices, what lies in the last one for certain is half of [`WINDOW`].
const FOR_CERTAIN: Duration = Duration::from_millis(WINDOW.as_millis() as u64 / 2);

/// Refused to somebody so shortly ago a page is being refused, whatever the slice.
const STILL_REFUSING: Duration = Duration::from_millis(REFUSING.as_millis() as u64 - 100);

/// The rules of a config, and all clients so far. By default nobody is watched.
#[derive(Default)]
pub(super) struct Clients {
    /// Pages and attempts that one client may have at once; `None`: any number.
    burst: Option<(u64, u64)>,
    /// Whether clients are held to what they were told.
    held: bool,
    /// Whether the instants here are those of the gateway.
    exact: bool,
    known: HashMap<ClientKey, Known>,
    /// By page.
    pages: Vec<Lately>,
}

/// One client.
#[derive(Default)]
struct Known {
    asked: u64,
    /// Pages asked for that were not given back.
    charged: u64,
    /// Requests under way.
    open: u32,
    /// Whether it had anything but refusals for load, or several requests at once.
    more: bool,
    /// The page it was refused, and until when it was told to stay away.
    told: Option<(PageId, Duration)>,
}

/// What became of one kind of page.
#[derive(Default)]
struct Lately {
    admitted: VecDeque<Duration>,
    refused: VecDeque<Duration>,
    /// When it was last refused to a client that asked for the first time.
    newcomer_refused: Option<Duration>,
}

impl Clients {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let clients = &scenario.config.clients;
        let pages = u64::from(clients.burst.get());
        let attempts = pages * u64::from(clients.attempts.get());
        Self {
            burst: clients.rate.map(|_| (pages, attempts)),
            held: clients.holds_early(true),
            exact: scenario.costs.are_none(),
            known: HashMap::new(),
            pages: scenario
                .config
                .pages
                .iter()
                .map(|_| Lately::default())
                .collect(),
        }
    }

    /// The gateway has read a request. Returns whether it is to be refused for coming too soon.
    pub(super) fn asks(&mut self, page: PageId, client: ClientKey, at: Duration) -> bool {
        let Some(lately) = self.pages.get(page.0) else {
            return false;
        };
        let known = self.known.entry(client).or_default();
        known.asked += 1;
        known.charged += 1;
        known.more |= known.open > 0;
        known.open += 1;
        let too_soon = known
            .told
            .is_some_and(|(told, until)| told == page && at < until);
        let refusing = |last| at < last + STILL_REFUSING;
        let is_refused = lately.newcomer_refused.is_some_and(refusing);
        self.held && self.exact && too_soon && is_refused && !known.more
    }

    /// A page makes its first call.
    pub(super) fn admitted(&mut self, page: PageId, at: Duration) {
        if let Some(lately) = self.pages.get_mut(page.0) {
            lately.admitted.push_back(at);
        }
    }

    /// A request is over.
    pub(super) fn ends(
        &mut self,
        page: PageId,
        client: ClientKey,
        at: Duration,
        ending: (PageOutcome, Option<&str>),
    ) -> Option<String> {
        let known = self.known.get_mut(&client)?;
        known.open -= 1;
        let (outcome, reason) = ending;
        match outcome {
            PageOutcome::Quota => {
                let (asked, charged) = (known.asked, known.charged);
                known.more = true;
                known.charged -= 1;
                let (pages, attempts) = self.burst.unwrap_or((u64::MAX, u64::MAX));
                return (asked <= attempts && charged <= pages).then(|| {
                    format!("over its quota after {asked} requests, {charged} of them charged")
                });
            }
            PageOutcome::Shed => {
                known.charged -= 1;
                let lately = self.pages.get_mut(page.0)?;
                lately.refused.push_back(at);
                let for_load = is_for_load(reason);
                known.more |= !for_load;
                if for_load && known.asked == 1 {
                    lately.newcomer_refused = Some(at);
                }
            }
            PageOutcome::Complete
            | PageOutcome::Partial
            | PageOutcome::Late
            | PageOutcome::Failed
            | PageOutcome::NotFound
            | PageOutcome::Denied
            | PageOutcome::BadRequest
            | PageOutcome::ClientBudget
            | PageOutcome::Cancelled => known.more = true,
        }
        None
    }

    /// A client that was refused for load is told to come back after so many seconds.
    pub(super) fn told(
        &mut self,
        page: PageId,
        client: ClientKey,
        at: Duration,
        seconds: u32,
    ) -> Option<String> {
        let (known, lately) = (self.known.get_mut(&client)?, self.pages.get_mut(page.0)?);
        // Who is early is told what is left of its time, not a new one.
        let early = known
            .told
            .is_some_and(|(told, until)| told == page && at < until);
        if !early && !known.more {
            known.told = Some((page, at + Duration::from_secs(seconds.into())));
        }
        if known.asked > 1 || !self.exact {
            return None;
        }
        let admitted = within(&mut lately.admitted, at, FOR_CERTAIN, |then| then < at);
        let refused = within(&mut lately.refused, at, WINDOW, |_| true);
        let most = spread(admitted, refused);
        (seconds > most).then(|| {
            format!("told to come back after {seconds} s; {refused} refused beside {admitted} are {most} s")
        })
    }
}

/// How many of these times lie less than `lasts` before `at`, and are as wanted. Older than any
/// window they are forgotten.
fn within(
    times: &mut VecDeque<Duration>,
    at: Duration,
    lasts: Duration,
    wanted: impl Fn(Duration) -> bool,
) -> u64 {
    while times.front().is_some_and(|then| *then + 2 * WINDOW < at) {
        times.pop_front();
    }
    let inside = times.iter().filter(|then| **then + lasts > at);
    inside.filter(|then| wanted(**then)).count() as u64
}

/// Whether a page was refused for load, and for certain: a deadline may be the client's own.
fn is_for_load(reason: Option<&str>) -> bool {
    let load = [
        Reason::GatewayFull,
        Reason::BulkheadFull,
        Reason::QueueEvicted,
    ];
    load.iter().any(|load| reason == Some(load.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: PageId = PageId(0);
    const ME: ClientKey = ClientKey(1);
    const REFUSED: (PageOutcome, Option<&str>) = (PageOutcome::Shed, Some("gateway_full"));
    const SERVED: (PageOutcome, Option<&str>) = (PageOutcome::Complete, None);
    const OVER: (PageOutcome, Option<&str>) = (PageOutcome::Quota, Some("client_quota"));

    /// Two pages at once and four attempts.
    fn clients() -> Clients {
        Clients {
            burst: Some((2, 4)),
            held: true,
            exact: true,
            known: HashMap::new(),
            pages: vec![Lately::default()],
        }
    }

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn ends(clients: &mut Clients, ms: u64, ending: (PageOutcome, Option<&str>)) -> bool {
        clients.asks(PAGE, ME, at(ms));
        clients.ends(PAGE, ME, at(ms), ending).is_none()
    }

    #[test]
    fn a_client_is_over_its_quota_when_its_pages_or_its_attempts_are_used_up() {
        let mut charged = clients();
        assert!(ends(&mut charged, 0, SERVED) && ends(&mut charged, 1, SERVED));
        assert!(ends(&mut charged, 2, OVER));
        let mut refused = clients();
        assert!((0..4).all(|ms| ends(&mut refused, ms, REFUSED)));
        assert!(ends(&mut refused, 4, OVER));
        let mut within = clients();
        assert!((0..3).all(|ms| ends(&mut within, ms, REFUSED)));
        assert!(!ends(&mut within, 3, OVER));
    }

    #[test]
    fn who_was_only_refused_is_too_soon_until_its_time_and_who_was_let_in_is_not() {
        let told = |before: Option<(PageOutcome, Option<&str>)>, ms| {
            let mut clients = clients();
            if let Some(ending) = before {
                ends(&mut clients, 0, ending);
            }
            ends(&mut clients, 10, REFUSED);
            clients.told(PAGE, ME, at(10), 1);
            clients.asks(PAGE, ME, at(ms))
        };
        assert!(told(None, 500) && !told(None, 1010));
        assert!(!told(Some(SERVED), 500));
    }

    #[test]
    fn one_refusal_beside_four_that_were_let_in_is_a_second() {
        let mut clients = clients();
        (0..4).for_each(|_| clients.admitted(PAGE, at(90)));
        ends(&mut clients, 100, REFUSED);
        assert_eq!(clients.told(PAGE, ME, at(100), 1), None);
        assert!(clients.told(PAGE, ME, at(100), 2).is_some());
        // Beside none it is four, and what was let in at that instant may have come after it.
        let mut alone = self::clients();
        alone.admitted(PAGE, at(100));
        ends(&mut alone, 100, REFUSED);
        assert_eq!(alone.told(PAGE, ME, at(100), 4), None);
        assert!(alone.told(PAGE, ME, at(100), 5).is_some());
    }
}
