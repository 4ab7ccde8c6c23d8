//! Gateways that are broken on purpose, so that a suite can show that it would notice.
//!
//! Nothing of this is in the gateway: what is broken is broken from outside, by other rules of
//! admission, by another config than the one it is judged by, or by what its clients leave behind.

use std::mem;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use gateway::config::{Config, DownstreamId, EarlyReturns};
use gateway::page::Pages;
use gateway::page::admission::core::Order;
use gateway::page::admission::limit::FLOOR;
use gateway::page::admission::{Admission, Grant, Rules};
use gateway::page::downstream::only::Only;

use super::downstream::Modelled;
use super::own_load::Last;

/// What is wrong with the gateway that is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegativeControl {
    /// Of the pages that wait the oldest starts first.
    OldestFirst,
    /// Pages hold the permits they have while they wait for others.
    PartByPart,
    /// The budget of a page's calls begins when its wait for permits is over.
    WaitOutsideDeadline,
    /// A page whose client goes away leaves a permit of each downstream behind.
    LeakOnCancel,
    /// The gateway never finds itself short of CPU: all tickets are always there.
    AllTicketsAlways,
    /// It always does: there are never more tickets than the fewest.
    FewestTicketsAlways,
    /// It takes the time of pages for its own lag, and so the time of services.
    LagIsPageLatency,
    /// It takes for its lag what a page took beside its waits and its calls.
    LagIsOverhead,
    /// Whatever is refused, clients are told to come back after two or three seconds.
    RetryAfterIsFixed,
    /// Clients that are back before the time they were told are as welcome as others.
    EarlyReturnsAdmitted,
    /// What the gateway refuses is charged to the client like a page.
    RefusalsCharged,
}

/// The config the gateway gets instead of the scenario's.
pub(super) fn config(control: Option<NegativeControl>, config: &Config) -> Config {
    let mut config = config.clone();
    match control {
        Some(NegativeControl::EarlyReturnsAdmitted) => {
            config.clients.early_returns = EarlyReturns::Admit;
        }
        Some(NegativeControl::RefusalsCharged) => config.clients.attempts = NonZeroU32::MIN,
        Some(_) | None => {}
    }
    if control == Some(NegativeControl::WaitOutsideDeadline) {
        for page in &mut config.pages {
            let calls = page.deadline.map(|deadline| deadline - page.reserve);
            for part in &mut page.parts {
                // `None`, no limit, is the longest.
                part.timeout = part.timeout.into_iter().chain(calls).min();
            }
            page.deadline = page.deadline.map(|deadline| deadline + page.max_wait);
        }
    }
    config
}

/// Its admission.
pub(super) fn admission(control: Option<NegativeControl>, config: &Config) -> Arc<Admission> {
    let mut rules = Rules::default();
    match control {
        Some(NegativeControl::OldestFirst) => rules.order = Order::OldestFirst,
        Some(NegativeControl::PartByPart) => rules.grant = Grant::PartByPart,
        Some(
            NegativeControl::WaitOutsideDeadline
            | NegativeControl::LeakOnCancel
            | NegativeControl::AllTicketsAlways
            | NegativeControl::FewestTicketsAlways
            | NegativeControl::LagIsPageLatency
            | NegativeControl::LagIsOverhead
            | NegativeControl::RetryAfterIsFixed
            | NegativeControl::EarlyReturnsAdmitted
            | NegativeControl::RefusalsCharged,
        )
        | None => {}
    }
    Admission::with_rules(config, rules)
}

/// What the gateway is told of its lag.
pub(super) fn lag(control: Option<NegativeControl>, lag: Duration, last: Last) -> Duration {
    match control {
        Some(NegativeControl::AllTicketsAlways) => Duration::ZERO,
        Some(NegativeControl::LagIsPageLatency) => last.total,
        Some(NegativeControl::LagIsOverhead) => last.overhead,
        Some(_) | None => lag,
    }
}

/// The gateway has sized its tickets.
pub(super) fn probed(control: Option<NegativeControl>, pages: &Pages<Only<Modelled>>) {
    if control == Some(NegativeControl::FewestTicketsAlways) {
        pages.admission().resize_tickets(FLOOR);
    }
}

/// What a client is told of when to come back.
pub(super) fn retry_after(control: Option<NegativeControl>, told: Option<u32>) -> Option<u32> {
    match control {
        Some(NegativeControl::RetryAfterIsFixed) => told.map(|_| fastrand::u32(2..=3)),
        Some(_) | None => told,
    }
}

/// A client has gone away; everything of its page has been dropped.
pub(super) fn client_left(control: Option<NegativeControl>, pages: &Pages<Only<Modelled>>) {
    if control == Some(NegativeControl::LeakOnCancel) {
        for downstream in 0..pages.admission().view().bulkheads.len() {
            mem::forget(pages.admission().try_one(DownstreamId(downstream)));
        }
    }
}
