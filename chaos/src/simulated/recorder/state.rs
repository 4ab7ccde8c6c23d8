//! What is written down of a run as far as it has come.

use std::fmt::Arguments;
use std::time::Duration;

use gateway::page::quota::ClientKey;

use super::clients::Clients;
use super::waiting::Waiting;
use crate::record::{DownstreamSlice, Events, PageEnd, Slice};

#[derive(Default)]
pub(super) struct State {
    pub(super) pages: Vec<Open>,
    pub(super) waiting: Waiting,
    pub(super) clients: Clients,
    pub(super) in_flight: u32,
    /// Pages whose heads the gateway has read.
    pub(super) read: u64,
    /// Calls the gateway made, those that then found no permit of their own included.
    pub(super) made: u64,
    /// Calls under way, by downstream.
    pub(super) running: Vec<u32>,
    pub(super) slice: Slice,
    /// Pages that would have been refused until the slice began.
    pub(super) would_shed: u64,
    pub(super) slices: Vec<Slice>,
    pub(super) broken: Vec<String>,
    pub(super) events: Events,
}

/// A page as far as it has come.
pub(super) struct Open {
    pub(super) end: PageEnd,
    pub(super) client: ClientKey,
    /// Whether it is to be refused, since its client is back too soon.
    pub(super) too_soon: bool,
    /// When the gateway read its head, and as which one: from then on it is a page.
    pub(super) read: Option<(Duration, u64)>,
    pub(super) running: u16,
    pub(super) answered: bool,
    /// From when the gateway knows it to the instant at which its answer is there and no call runs.
    pub(super) budget: Option<Duration>,
}

/// How a call came to its end.
pub(super) enum CallEnding {
    /// By itself.
    Ended(&'static str),
    /// By the gateway; its downstream goes on or does not.
    Aborted { goes_on: bool },
}

impl Open {
    pub(super) fn new(end: PageEnd, client: ClientKey) -> Self {
        Self {
            end,
            client,
            too_soon: false,
            read: None,
            running: 0,
            answered: false,
            budget: None,
        }
    }

    /// When the gateway learnt of it.
    pub(super) fn began(&self) -> Duration {
        self.read.map_or(self.end.at, |(at, _)| at)
    }
}

impl State {
    /// A slice that begins with what is under way.
    pub(super) fn next_slice(&self) -> Slice {
        let downstream = |&running: &u32| DownstreamSlice {
            running,
            ..DownstreamSlice::default()
        };
        Slice {
            in_flight: self.in_flight,
            downstreams: self.running.iter().map(downstream).collect(),
            would_shed: 0,
        }
    }

    pub(super) fn note(&mut self, at: Duration, page: u64, what: Arguments<'_>) {
        self.events
            .push(format_args!("{} {page} {what}", at.as_millis()));
    }

    pub(super) fn broken(&mut self, at: Duration, page: u64, what: Option<String>) {
        /// One defect breaks the same invariant many times; the first are enough.
        const MOST: usize = 10;
        if let Some(what) = what.filter(|_| self.broken.len() < MOST) {
            self.broken.push(format!("at {at:?}, page {page}: {what}"));
        }
    }
}
