//! What clients pay for pages and are told of refusals.
//!
//! What always holds: a page is charged once at most, and not at all if the gateway refuses it;
//! a client is held to no other time than the one in its answer.
//!
//! Not here: the laws of the rate ([`quota`](super::quota)) and of the time
//! ([`retry_after`](super::retry_after)), and how either is written down.

use std::time::Duration;

use crate::config::{Config, Kept, PageId, ShedStatus};
use crate::outcome::PageOutcome;
use crate::page::deadline::wall_clock;
use crate::page::quota::{Allowance, Charge, Client, Quota};
use crate::page::refusal::Refusal;
use crate::page::retry_after::Refusals;

/// All clients of a gateway.
#[derive(Debug)]
pub(super) struct Clients {
    quota: Quota,
    refusals: Refusals,
    shed: ShedStatus,
}

/// What a client is told of a refusal besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// Whole seconds after which it is to come back, if that can help.
    pub(super) retry_after: Option<u32>,
    /// What is left of its quota, if it is held to one.
    pub(super) allowance: Option<Allowance>,
}

impl Clients {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            quota: Quota::new(config),
            refusals: Refusals::new(config.pages.len()),
            shed: config.shed.status,
        }
    }

    /// The same clients under another configuration.
    pub(super) fn carried(&self, config: &Config, kept: &Kept) -> Self {
        Self {
            quota: self.quota.carried(config, kept),
            refusals: self.refusals.carried(kept),
            shed: config.shed.status,
        }
    }

    pub(super) fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Takes one page from the client's quota.
    pub(super) fn charge(&self, client: Client, page: PageId) -> Result<Charge, Refusal> {
        self.quota.take(client, page).map_err(Refusal::ClientQuota)
    }

    /// Charges a request that is none for a page, by its client's own mistake.
    pub(super) fn charge_mistake(&self, client: Client) -> Option<Allowance> {
        self.quota.charge(client)
    }

    /// A client that is back before its `Retry-After` is refused first while others are.
    pub(super) fn refuse_early(
        &self,
        page: PageId,
        charge: Option<&Charge>,
    ) -> Result<(), Refusal> {
        match charge.and_then(|charge| charge.early) {
            Some(early) if self.refusals.is_refusing(page) => Err(Refusal::Early(early.limit)),
            Some(_) | None => Ok(()),
        }
    }

    /// The page has its permits.
    pub(super) fn admitted(&self, page: PageId) {
        self.refusals.admitted(page);
    }

    /// A page was served that limits would have refused which are only watched: a quota that is
    /// only watched as well would have been given back.
    pub(super) fn would_be_given_back(&self, charge: Option<Charge>) {
        if let Some(charge) = charge {
            self.quota.would_be_given_back(&charge);
        }
    }

    /// A page is refused: what its client is told besides.
    pub(super) fn refused(
        &self,
        client: Client,
        page: PageId,
        refusal: &Refusal,
        charge: Option<Charge>,
    ) -> Told {
        if matches!(refusal, Refusal::Early(_))
            && let Some(charge) = charge
        {
            // Neither counted, or those who are early would keep the page being refused by
            // themselves, nor told a new time, or they would never be in time.
            return Told {
                retry_after: charge.early.map(|early| early.left),
                allowance: self.quota.give_back(charge, None),
            };
        }
        let row = refusal.row(self.shed);
        let limit = refusal.load_limit();
        if limit.is_some() {
            self.refusals.refused(page);
        }
        // A service that says when is not second-guessed; those it refuses are its own to spread.
        let told = refusal.fields().and_then(|f| f.retry_after(wall_clock()));
        let draw = || row.retry_after.map(|least| self.refusals.draw(page, least));
        let retry_after = told.or_else(draw);
        let allowance = match (row.outcome, charge) {
            (PageOutcome::Shed, Some(charge)) => {
                let told = limit.zip(retry_after);
                self.quota
                    .give_back(charge, told.map(|(limit, seconds)| (page, limit, seconds)))
            }
            (PageOutcome::BadRequest | PageOutcome::ClientBudget, None) => {
                self.charge_mistake(client)
            }
            (_, Some(charge)) => charge.allowance,
            (_, None) => over_for(refusal).map(Allowance::after),
        };
        Told {
            retry_after,
            allowance,
        }
    }
}

/// How long a client is over its quota.
fn over_for(refusal: &Refusal) -> Option<Duration> {
    if let Refusal::ClientQuota(wait) = refusal {
        Some(*wait)
    } else {
        None
    }
}
