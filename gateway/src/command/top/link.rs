//! The gateway's events, for as long as they are asked for: a gateway that is gone is asked again, less and less often.
//!
//! What always holds: nothing is spawned, and dropping the stream ends the connection; an event that is longer than
//! [`MOST`] ends it too.

use std::time::Duration;

use futures_util::stream::{Stream, unfold};

use crate::admin::console::snapshot::Snapshot;
use crate::command::CommandError;
use crate::command::client::{Client, Streamed};

/// More than any snapshot has, in bytes.
const MOST: usize = 16 << 20;

/// Between two attempts to reach the gateway: the first one, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

/// What came.
#[derive(Debug)]
pub(super) enum LinkEvent {
    /// The newest snapshot.
    Snapshot(Box<Snapshot>),
    /// The gateway cannot be reached: why, for people. It is tried again.
    Away(String),
}

struct Link<'a> {
    client: &'a Client,
    streamed: Option<Streamed>,
    events: Events,
    wait: Duration,
    /// Whether it is waited before the next attempt.
    waits: bool,
}

/// Everything that comes, without an end.
pub(super) fn follow(client: &Client) -> impl Stream<Item = LinkEvent> {
    let link = Link {
        client,
        streamed: None,
        events: Events::default(),
        wait: WAITS.0,
        waits: false,
    };
    unfold(link, |mut link| async move {
        let event = match link.next().await {
            Ok(snapshot) => {
                link.wait = WAITS.0;
                LinkEvent::Snapshot(Box::new(snapshot))
            }
            Err(error) => {
                let away = format!("{error}; trying again in {} ms", link.wait.as_millis());
                link.streamed = None;
                link.waits = true;
                LinkEvent::Away(away)
            }
        };
        Some((event, link))
    })
}

/// The first snapshot.
///
/// # Errors
/// The gateway cannot be reached, or does not answer as one.
pub(super) async fn one(client: &Client) -> Result<Snapshot, CommandError> {
    let mut link = Link {
        client,
        streamed: None,
        events: Events::default(),
        wait: WAITS.0,
        waits: false,
    };
    link.next().await
}

impl Link<'_> {
    async fn next(&mut self) -> Result<Snapshot, CommandError> {
        if std::mem::take(&mut self.waits) {
            tokio::time::sleep(self.wait).await;
            self.wait = (2 * self.wait).min(WAITS.1);
        }
        if self.streamed.is_none() {
            self.events = Events::default();
            self.streamed = Some(self.client.stream("/events").await?);
        }
        loop {
            if let Some(data) = self.events.next() {
                let snapshot = serde_json::from_str(&data);
                return snapshot
                    .map_err(|error| self.client.unexpected("/events", error.to_string()));
            }
            let Some(streamed) = &mut self.streamed else {
                return Err(self.client.unexpected("/events", "the stream ended".into()));
            };
            match self.client.more("/events", streamed).await? {
                Some(more) if self.events.rest.len() + more.len() <= MOST => self.events.add(&more),
                Some(_) => {
                    return Err(self
                        .client
                        .unexpected("/events", format!("an event of more than {MOST} bytes")));
                }
                None => {
                    return Err(self
                        .client
                        .unexpected("/events", "the gateway ended the stream".into()));
                }
            }
        }
    }
}

/// Splits what comes into events.
/// <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>
#[derive(Debug, Default)]
struct Events {
    rest: Vec<u8>,
}

impl Events {
    fn add(&mut self, more: &[u8]) {
        self.rest.extend_from_slice(more);
    }

    /// The data of the next whole event that has any.
    fn next(&mut self) -> Option<String> {
        loop {
            let end = self.rest.windows(2).position(|two| two == b"\n\n")?;
            let event: Vec<u8> = self.rest.drain(..end + 2).collect();
            let text = String::from_utf8_lossy(&event);
            let data: Vec<_> = text
                .lines()
                .filter_map(|line| line.strip_prefix("data: "))
                .collect();
            if !data.is_empty() {
                return Some(data.join("\n"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_their_bytes_come() {
        let all = b"retry: 2000\n\nid: 1\nevent: snapshot\ndata: {\"a\":1}\n\n: still here\n\ndata: x\ndata: y\n\ndata: half";
        for size in 1..all.len() {
            let mut events = Events::default();
            let mut found = Vec::new();
            for piece in all.chunks(size) {
                events.add(piece);
                found.extend(std::iter::from_fn(|| events.next()));
            }
            assert_eq!(found, ["{\"a\":1}", "x\ny"], "{size}");
        }
    }
}
