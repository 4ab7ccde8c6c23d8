//! What a page came to, read off the answer its client got.

use gateway::outcome::{PageOutcome, Reason};

use crate::load::{Answer, Ending};

/// How a page ended, and the reason of a refusal.
pub(super) type Outcome = (PageOutcome, Option<&'static str>);

/// `draining`: the gateway has been told to stop, so that nobody listening is what was asked for.
pub(super) fn outcome_of(answer: &Answer, draining: bool) -> Outcome {
    match answer.ending {
        Ending::Status(200) if answer.complete == Some(false) => (PageOutcome::Partial, None),
        Ending::Status(200) => (PageOutcome::Complete, None),
        Ending::Status(_) => match answer.reason.as_deref().and_then(Reason::named) {
            Some(reason) => (reason.outcome(), Some(reason.as_str())),
            None => (PageOutcome::Failed, Some("unknown_answer")),
        },
        Ending::Left => (PageOutcome::Cancelled, None),
        Ending::Reset => (PageOutcome::Cancelled, Some("cut_off")),
        Ending::Hung => (PageOutcome::Late, Some("no_answer")),
        Ending::ConnectFailed if draining => (PageOutcome::Shed, Some("nobody_listens")),
        Ending::ConnectFailed => (PageOutcome::Failed, Some("nobody_listens")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateway::config::ShedStatus;
    use gateway::page::refusal::Refusal;

    use super::*;

    fn answer(ending: Ending, reason: Option<&str>) -> Answer {
        let mut answer = Answer::ended(Duration::ZERO, Duration::ZERO, Duration::ZERO, ending);
        answer.reason = reason.map(Into::into);
        answer
    }

    #[test]
    fn a_refusal_means_what_the_gateway_counts_it_as() {
        for refusal in [
            Refusal::GatewayFull,
            Refusal::Draining,
            Refusal::Internal,
            Refusal::NoRoute,
            Refusal::ClientQuota(Duration::ZERO),
        ] {
            let row = refusal.row(ShedStatus::TooManyRequests);
            let reason = row.reason.as_str();
            let answer = answer(Ending::Status(row.status.as_u16()), Some(reason));
            let expected = (row.outcome, Some(reason));
            assert_eq!(outcome_of(&answer, false), expected);
        }
    }

    #[test]
    fn nobody_listening_is_a_refusal_only_of_a_gateway_that_was_told_to_stop() {
        let answer = answer(Ending::ConnectFailed, None);
        assert_eq!(outcome_of(&answer, true).0, PageOutcome::Shed);
        assert_eq!(outcome_of(&answer, false).0, PageOutcome::Failed);
    }

    #[test]
    fn an_answer_that_no_gateway_gives_is_a_failure() {
        let answer = answer(Ending::Status(418), Some("teapot"));
        assert_eq!(outcome_of(&answer, false).0, PageOutcome::Failed);
    }
}
