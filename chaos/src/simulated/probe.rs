//! The probes of the gateway's lag.
//!
//! They feed the gateway's own law with the waits of the modelled CPU, and hold it to what must
//! follow: short of CPU, tickets are kept back; a second after it was, none is. A gateway that costs
//! nothing is not probed.

use std::sync::Arc;
use std::time::Duration;

use gateway::page::admission::limit::{FLOOR, PROBE_EVERY, Window};
use tokio::time::sleep_until;

use super::client::Clients;
use super::control::{self, NegativeControl};
use crate::clock::now;

/// Without lag for so long, all tickets have been given back: a second, and a slice.
const BACK_AFTER: Duration = Duration::from_millis(1_100);

/// What the lag was, seen from outside.
#[derive(Default)]
struct Watched {
    window: Window,
    /// When it was last above half its bound.
    near: Duration,
}

/// Probes lag for as long as it is polled.
pub(super) async fn probe(clients: Arc<Clients>, control: Option<NegativeControl>) {
    let own = &clients.own_load;
    if own.is_nothing() {
        return;
    }
    let (pages, start) = (&clients.pages, now());
    let (mut due, mut watched) = (start, Watched::default());
    loop {
        due += PROBE_EVERY;
        pages.telemetry().lag().due(due);
        sleep_until(due).await;
        let lag = own.lag().await;
        let last = own.last();
        let under_way = pages.admission().tickets_that_count();
        pages.probed(now(), control::lag(control, lag, last));
        control::probed(control, pages);
        let broken = watched.probe(now() - start, lag, under_way, &clients);
        clients.recorder.found(broken);
        while due + PROBE_EVERY <= now() {
            due += PROBE_EVERY;
        }
    }
}

impl Watched {
    /// What is wrong with the number of tickets, given what the lag was and how many pages were
    /// under way.
    fn probe(
        &mut self,
        at: Duration,
        lag: Duration,
        under_way: u32,
        clients: &Clients,
    ) -> Option<String> {
        self.window.probe(lag, |_| ());
        let max_lag = clients.max_lag?;
        let view = clients.pages.admission().view();
        let p90 = self.window.quantile(0.9);
        if p90 > max_lag / 2 {
            self.near = at;
        }
        // Of tickets that are only watched there are as many as ever.
        let own = clients.pages.own_load().view();
        let fewer = view.effective_tickets < view.max_in_flight || own.tickets < own.most;
        let since = at - self.near;
        if fewer && since > BACK_AFTER {
            return Some(format!(
                "tickets are kept back {since:?} after the last lag"
            ));
        }
        // What is always let in is never too much.
        let crowded = under_way > FLOOR && view.max_in_flight > FLOOR;
        (p90 > max_lag && crowded && !fewer)
            .then(|| format!("lag is {p90:?} and no ticket is kept back"))
    }
}
