//! What a page owed its client and whether it was given: the one definition behind the SLI.
//!
//! Counters, log lines, spans and the verdicts of rehearsals all ask here, so that no two of
//! them disagree about a page. *Owed* is every page whose client did nothing wrong and was
//! there to be answered, or had left after waiting longer than a healthy page takes. *Good* is
//! an owed page served with every required part no later than its deadline. The SLI is
//! good / owed. A client that gives a page less time than its deadline is owed nothing when that
//! time runs out.
//!
//! Not here: the clock, and where the two limits come from (`deadline` and `abandoned_after`
//! of a page).

use std::time::Duration;

use crate::outcome::PageOutcome;

/// The times of a page by which its endings are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// From arrival to the answer's head; `None`: no answer is late.
    pub deadline: Option<Duration>,
    /// A client that waited longer than this and left was owed a page; `None`: none was.
    pub abandoned_after: Option<Duration>,
}

/// How one page counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its client was owed a page.
    pub owed: bool,
    /// Owed, and served with every required part in time.
    pub good: bool,
    /// Its client left after waiting longer than a healthy page takes.
    pub abandoned: bool,
    /// It was answered, whatever with, after its deadline.
    pub answered_late: bool,
}

impl Promise {
    /// How a page counts that ended so, `took` after its arrival.
    ///
    /// A time that is exactly a limit is still within it.
    #[must_use]
    pub fn standing(self, outcome: PageOutcome, took: Duration) -> Standing {
        let beyond = |limit: Option<Duration>| limit.is_some_and(|limit| took > limit);
        let left = outcome == PageOutcome::Cancelled;
        let abandoned = left && beyond(self.abandoned_after);
        let answered_late = !left && beyond(self.deadline);
        let (owed, served) = match outcome {
            PageOutcome::Complete | PageOutcome::Partial => (true, true),
            PageOutcome::Shed | PageOutcome::Late | PageOutcome::Failed => (true, false),
            // The client's own doing; or an answer that says nothing about pages that it can have.
            PageOutcome::Quota
            | PageOutcome::BadRequest
            | PageOutcome::ClientBudget
            | PageOutcome::NotFound
            | PageOutcome::Denied => (false, false),
            PageOutcome::Cancelled => (abandoned, false),
        };
        Standing {
            owed,
            good: served && !answered_late,
            abandoned,
            answered_late,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    const PROMISE: Promise = Promise {
        deadline: Some(Duration::from_millis(300)),
        abandoned_after: Some(Duration::from_millis(150)),
    };

    #[test]
    fn every_ending_is_owed_or_not_and_only_what_was_served_is_good() {
        for outcome in PageOutcome::ALL {
            let standing = PROMISE.standing(outcome, 100 * MS);
            let expected = match outcome {
                PageOutcome::Complete | PageOutcome::Partial => (true, true),
                PageOutcome::Shed | PageOutcome::Late | PageOutcome::Failed => (true, false),
                PageOutcome::Quota
                | PageOutcome::NotFound
                | PageOutcome::Denied
                | PageOutcome::BadRequest
                | PageOutcome::ClientBudget
                | PageOutcome::Cancelled => (false, false),
            };
            assert_eq!((standing.owed, standing.good), expected, "{outcome:?}");
            assert!(!standing.abandoned && !standing.answered_late);
        }
    }

    #[test]
    fn a_client_that_left_after_a_healthy_pages_time_was_owed_one_and_one_that_left_at_once_was_not()
     {
        let left = |took| PROMISE.standing(PageOutcome::Cancelled, took);
        assert_eq!(left(Duration::ZERO), Standing::default());
        assert_eq!(left(150 * MS), Standing::default());
        let abandoned = Standing {
            owed: true,
            abandoned: true,
            ..Standing::default()
        };
        assert_eq!(left(151 * MS), abandoned);
        // Nobody was answered, so no answer was late.
        assert_eq!(left(10_000 * MS), abandoned);
    }

    #[test]
    fn a_page_answered_after_its_deadline_is_owed_and_not_good() {
        let complete = |took| PROMISE.standing(PageOutcome::Complete, took);
        assert!(complete(300 * MS).good && !complete(300 * MS).answered_late);
        let late = complete(301 * MS);
        assert!(late.owed && late.answered_late && !late.good);
    }

    #[test]
    fn a_refusal_can_be_late_too_and_that_does_not_make_it_owed() {
        let quota = PROMISE.standing(PageOutcome::Quota, 301 * MS);
        assert!(quota.answered_late && !quota.owed && !quota.good);
    }

    #[test]
    fn without_limits_nothing_is_late_and_nobody_abandons() {
        let none = Promise::default();
        let hour = Duration::from_secs(3600);
        assert!(none.standing(PageOutcome::Complete, hour).good);
        let left = none.standing(PageOutcome::Cancelled, hour);
        assert_eq!(left, Standing::default());
    }
}
