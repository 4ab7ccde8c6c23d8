//! The end of a run: what must hold once the last page is over, and the end of both processes.

use std::time::Duration;

use anyhow::Result;
use gateway::outcome::PageOutcome;
use tokio::time::sleep;

use super::recorder::Recorder;
use super::world::World;
use crate::clock::now;
use crate::scenario::Scenario;

/// Longest time after the last page until nobody holds anything of it.
const QUIET: Duration = Duration::from_secs(5);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Longest time beyond `drain_delay` and `drain_timeout` that the gateway may take to end.
const END: Duration = Duration::from_secs(5);

/// Checks what must hold, and ends both processes. What does not hold is in the record.
pub(super) async fn end(mut world: World, recorder: &Recorder, scenario: &Scenario) {
    let told_already = scenario.drain_at.is_some();
    let checked = check(&world, recorder, told_already).await;
    let server = &scenario.config.server;
    let bound = server.drain_delay + server.drain_timeout + END;
    let ended = end_gateway(&mut world, told_already, bound).await;
    for error in [checked, ended].into_iter().filter_map(Result::err) {
        recorder.broken(format!("{error:#}"));
    }
    let hung = recorder.count(|page| page.reason == Some("no_answer"));
    if hung > 0 {
        recorder.broken(format!("{hung} pages were never answered"));
    }
}

async fn end_gateway(world: &mut World, told_already: bool, bound: Duration) -> Result<()> {
    if !told_already {
        world.stop_without_delay()?;
    }
    let status = world.gateway.exit(bound).await?;
    let output = world.gateway.output();
    anyhow::ensure!(
        status.success(),
        "the gateway ended with {status}:\n{output}"
    );
    Ok(())
}

async fn check(world: &World, recorder: &Recorder, gone: bool) -> Result<()> {
    let give_up = now() + QUIET;
    while let Some(held) = still_held(world, gone).await? {
        if now() > give_up {
            recorder.broken(format!("{QUIET:?} after the last page there are {held}"));
            break;
        }
        sleep(PAUSE).await;
    }
    if !gone {
        check_sums(world.limits().await?.ended(), recorder);
    }
    Ok(())
}

/// What is held although no page is under way.
async fn still_held(world: &World, gone: bool) -> Result<Option<String>> {
    let stats = world.stats().await?;
    let calls: u64 = stats.values().map(|stats| stats.in_flight).sum();
    if calls > 0 {
        return Ok(Some(format!("{calls} calls in flight")));
    }
    let held = if gone {
        0
    } else {
        world.limits().await?.held()
    };
    Ok((held > 0).then(|| format!("{held} tickets and permits held")))
}

/// Every page that was asked for ended once, as far as the gateway can know of it: a client that left
/// or was cut off may have been gone before its request was read.
fn check_sums(ended: u64, recorder: &Recorder) {
    let asked = recorder.count(|_| true);
    let unsure = recorder.count(|page| {
        page.outcome == PageOutcome::Cancelled
            || matches!(page.reason, Some("nobody_listens" | "no_answer"))
    });
    if !(asked - unsure..=asked).contains(&ended) {
        recorder.broken(format!(
            "{asked} pages were requested, of which {unsure} may not have arrived, and the gateway counted {ended}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gateway::config::PageId;

    use super::*;

    /// What is found broken after three pages, the third of whose clients left.
    fn broken_if_counted(ended: u64) -> Vec<String> {
        let recorder = Arc::new(Recorder::new(now()));
        for outcome in [
            PageOutcome::Complete,
            PageOutcome::Shed,
            PageOutcome::Cancelled,
        ] {
            let mut asked = recorder.asked(Duration::ZERO, PageId(0), 0, false);
            asked.answered((outcome, None));
        }
        check_sums(ended, &recorder);
        recorder.finish(1).broken
    }

    #[tokio::test]
    async fn a_gateway_counts_every_page_but_those_whose_clients_left_early() {
        assert!(broken_if_counted(2).is_empty());
        assert!(broken_if_counted(3).is_empty());
        assert_eq!(broken_if_counted(1).len(), 1);
        assert_eq!(broken_if_counted(4).len(), 1);
    }
}
