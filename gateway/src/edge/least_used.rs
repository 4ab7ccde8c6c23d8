//! The connections of a listener that closes the least used one when there is no room.
//!
//! What always holds: one on which something is being answered, or on which a request may lie
//! unread, is not closed, nor one that fell silent within [`GRACE`]; of the others the one that
//! has been silent for longest goes first, and none while there is room.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::edge::connection::Connection;

/// So long a connection may take to send its request: one that was opened to ask something
/// does so at once, and a burst of such is served one after the other.
const GRACE: Duration = Duration::from_millis(20);

/// See the module's head.
#[derive(Debug)]
pub(super) struct LeastUsed {
    most: usize,
    open: Vec<(Arc<Connection>, AbortHandle)>,
}

impl LeastUsed {
    /// None is open yet, of `most` that may be.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            open: Vec::new(),
        }
    }

    /// One more is open, served by `task`.
    pub(super) fn add(&mut self, connection: Arc<Connection>, task: AbortHandle) {
        self.open.retain(|(_, task)| !task.is_finished());
        self.open.push((connection, task));
    }

    /// Sees to it that there is room for one more. Without, it returns when to try again; that
    /// there is room then is not certain, as one may be used meanwhile.
    pub(super) fn make_room(&mut self, now: Instant) -> Option<Instant> {
        if self.open.len() < self.most {
            return None;
        }
        self.open.retain(|(_, task)| !task.is_finished());
        if self.open.len() < self.most {
            return None;
        }
        let unused = |at: &usize| self.open[*at].0.unused_since();
        let least = (0..self.open.len()).min_by_key(|at| {
            let since = unused(at);
            (since.is_none(), since)
        })?;
        // None is silent: none stays so for long, or it is cut off as a slow reader.
        let closes_at = unused(&least).unwrap_or(now) + GRACE;
        if closes_at > now {
            return Some(closes_at);
        }
        self.open.swap_remove(least).1.abort();
        None
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::page::deadline::now;

    const MS: Duration = Duration::from_millis(1);

    /// Opens a connection that does nothing.
    fn opened(open: &mut LeastUsed, tasks: &mut JoinSet<()>) -> (Arc<Connection>, AbortHandle) {
        let peer = ([127, 0, 0, 1], 1).into();
        let connection = Connection::new(peer, &Arc::default()).with_usage();
        connection.is_silent();
        let connection = Arc::new(connection);
        let task = tasks.spawn(std::future::pending::<()>());
        open.add(Arc::clone(&connection), task.clone());
        (connection, task)
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_unused_goes_and_none_that_answers_or_has_just_been_used() {
        let (mut tasks, mut open) = (JoinSet::new(), LeastUsed::new(3));
        let mut all = Vec::new();
        for _ in 0..3 {
            assert_eq!(open.make_room(now()), None);
            all.push(opened(&mut open, &mut tasks));
            tokio::time::sleep(MS).await;
        }
        let ended = |all: &[(Arc<Connection>, AbortHandle)]| -> Vec<bool> {
            all.iter().map(|(_, task)| task.is_finished()).collect()
        };
        all[0].0.begins_answer();
        // The second has been open for 2 ms.
        assert_eq!(open.make_room(now()), Some(now() + GRACE - 2 * MS));
        tokio::time::sleep(GRACE - 2 * MS).await;
        all[2].0.begins_answer();
        all[2].0.ends_answer();
        assert_eq!(open.make_room(now()), None);
        tokio::time::sleep(MS).await;
        assert_eq!(ended(&all), [false, true, false]);

        all.push(opened(&mut open, &mut tasks));
        // The third was used a millisecond ago.
        assert_eq!(open.make_room(now()), Some(now() + GRACE - MS));
        tokio::time::sleep(GRACE).await;
        assert_eq!(open.make_room(now()), None);
        tokio::time::sleep(MS).await;
        assert_eq!(ended(&all), [false, true, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn while_all_are_answering_none_is_closed() {
        let (mut tasks, mut open) = (JoinSet::new(), LeastUsed::new(2));
        let all = [(); 2].map(|()| opened(&mut open, &mut tasks));
        all.iter()
            .for_each(|(connection, _)| connection.begins_answer());
        for _ in 0..100 {
            let again = open.make_room(now()).unwrap();
            assert!(again > now());
            tokio::time::sleep_until(again).await;
        }
        all[1].0.ends_answer();
        // The next request may be there already.
        assert!(open.make_room(now()).is_some());
        tokio::time::sleep(GRACE).await;
        assert_eq!(open.make_room(now()), None);
    }

    #[tokio::test]
    async fn those_that_ended_by_themselves_take_no_room() {
        let (mut tasks, mut open) = (JoinSet::new(), LeastUsed::new(2));
        for _ in 0..20 {
            let (_, task) = opened(&mut open, &mut tasks);
            task.abort();
            assert!(tasks.join_next().await.unwrap().is_err());
            assert_eq!(open.make_room(now()), None);
        }
    }
}
