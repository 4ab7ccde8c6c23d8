//! Connections that are being opened do not die with the call that asked for them.
//!
//! A call that is dropped while it connects would take its half-open connection
//! with it. When connecting takes longer than pages may wait, no page ever gets
//! through: each opens, gives up, and leaves nothing for the next. So here a
//! connection is opened by a task of its own, bounded by `connect_timeout`. A call
//! that goes away leaves it on the [`Shelf`], and the next call takes it from
//! there. The same shelf warms connections at start.
//!
//! A shelf belongs to one destination: redirects, which would lead elsewhere, are off.
//!
//! What always holds: a request is never sent by a call that has been dropped; the
//! shelf holds at most [`SHELF_ROOM`] connections, each for [`SHELF_LIFE`] at most.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::rt::{Read, ReadBuf};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};

use crate::page::deadline::{Deadline, now};

/// Connections a shelf holds; further ones push out the oldest.
pub const SHELF_ROOM: usize = 64;

/// How long an HTTP/1.1 connection nobody has used yet is kept. The server may close it
/// before, which is looked for when it is taken.
pub const SHELF_LIFE: Duration = Duration::from_secs(60);

/// The same for HTTP/2, where looking would swallow the server's first frame: below the
/// 5 s after which common servers close a connection that sends nothing.
pub const UNSEEN_LIFE: Duration = Duration::from_secs(4);

type BoxError = Box<dyn StdError + Send + Sync>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not within `connect_timeout`.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    /// The system or TLS says why.
    #[error("{}", root_cause(.0.as_ref()))]
    Failed(#[source] BoxError),
    /// The runtime is shutting down.
    #[error("shutting down")]
    Abandoned,
}

fn root_cause(error: &(dyn StdError + 'static)) -> String {
    chain(error)
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// An error, and what it came from in turn.
pub(super) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Connections without a call.
#[derive(Debug)]
pub struct Shelf<C> {
    connect_timeout: Duration,
    /// HTTP/1.1: a connection on which the server speaks first, or says goodbye, is useless.
    client_speaks_first: bool,
    held: AtomicBool,
    spares: Mutex<Spares<C>>,
}

#[derive(Debug)]
struct Spares<C> {
    queue: VecDeque<Spare<C>>,
    /// Whether a sweep is under way: one is enough.
    swept: bool,
    /// When opening a connection last failed, and why.
    failed: Option<(Instant, String)>,
}

#[derive(Debug)]
struct Spare<C> {
    opening: Opening<C>,
    until: Deadline,
}

/// What the task that opens a connection will say, or has said.
type Opening<C> = oneshot::Receiver<Result<C, OpenError>>;

impl<C: Read + Unpin + Send + 'static> Shelf<C> {
    /// An empty shelf.
    pub fn new(connect_timeout: Duration, client_speaks_first: bool) -> Arc<Self> {
        Arc::new(Self {
            connect_timeout,
            client_speaks_first,
            held: AtomicBool::new(false),
            spares: Mutex::new(Spares {
                queue: VecDeque::new(),
                swept: false,
                failed: None,
            }),
        })
    }

    /// A spare connection, or else the one that `connect` opens. Dropped before it is
    /// there, it goes on the shelf. Takes `connect_timeout` at most, or twice that when a
    /// spare that was still being opened came to nothing.
    async fn connection<F, E>(self: Arc<Self>, connect: F) -> Result<C, OpenError>
    where
        F: Future<Output = Result<C, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        while let Some(opening) = self.take() {
            let spare = Lease::new(&self, opening).connection().await;
            if let Ok(mut connection) = spare
                && self.is_usable(&mut connection)
            {
                return Ok(connection);
            }
        }
        Lease::new(&self, self.open(connect)).connection().await
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "outlives its call on purpose; bounded in time"
    )]
    fn open<F, E>(self: &Arc<Self>, connect: F) -> Opening<C>
    where
        F: Future<Output = Result<C, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let (sender, opening) = oneshot::channel();
        let (shelf, limit) = (Arc::downgrade(self), self.connect_timeout);
        tokio::spawn(async move {
            let opened = match Deadline::after(now(), limit).limit(connect).await {
                Ok(opened) => opened.map_err(|error| OpenError::Failed(error.into())),
                Err(_elapsed) => Err(OpenError::TimedOut(limit)),
            };
            if let (Err(error), Some(shelf)) = (&opened, shelf.upgrade()) {
                shelf.spares.lock().failed = Some((now(), error.to_string()));
            }
            // Nobody wants it any more: it closes.
            let _ = sender.send(opened);
        });
        opening
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "one sweep, which ends when there are no spares"
    )]
    fn put(self: &Arc<Self>, opening: Opening<C>) {
        let life = if self.client_speaks_first {
            SHELF_LIFE
        } else {
            UNSEEN_LIFE
        };
        let until = Deadline::after(now(), life);
        let mut spares = self.spares.lock();
        if spares.queue.len() >= SHELF_ROOM {
            spares.queue.pop_front();
        }
        spares.queue.push_back(Spare { opening, until });
        let swept = std::mem::replace(&mut spares.swept, true);
        drop(spares);
        if !swept {
            tokio::spawn(sweep(Arc::downgrade(self), until));
        }
    }

    /// The newest spare that is open, for it is the least likely to have been closed
    /// meanwhile; or else the one that has been opening the longest.
    fn take(&self) -> Option<Opening<C>> {
        let queue = &mut self.spares.lock().queue;
        queue.retain(|spare| !spare.until.is_past(now()));
        let open = queue.iter().rposition(|spare| !spare.opening.is_empty());
        queue.remove(open.unwrap_or(0)).map(|spare| spare.opening)
    }

    fn is_usable(&self, connection: &mut C) -> bool {
        if !self.client_speaks_first {
            return true;
        }
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(connection)
            .poll_read(&mut context, buffer.unfilled())
            .is_pending()
    }

    /// Spares on the shelf now.
    pub fn spares(&self) -> usize {
        self.spares.lock().queue.len()
    }
}

/// Drops spares whose life is over, until there are none.
async fn sweep<C>(shelf: Weak<Shelf<C>>, mut next: Deadline) {
    loop {
        let _ = next.limit(std::future::pending::<()>()).await;
        let Some(shelf) = shelf.upgrade() else { return };
        let mut spares = shelf.spares.lock();
        spares.queue.retain(|spare| !spare.until.is_past(now()));
        match spares.queue.front() {
            Some(oldest) => next = oldest.until,
            None => {
                spares.swept = false;
                return;
            }
        }
    }
}

/// A call's claim on a connection; dropped unfulfilled, the connection goes on the shelf.
struct Lease<'a, C: Read + Unpin + Send + 'static> {
    shelf: &'a Arc<Shelf<C>>,
    opening: Option<Opening<C>>,
}

impl<'a, C: Read + Unpin + Send + 'static> Lease<'a, C> {
    fn new(shelf: &'a Arc<Shelf<C>>, opening: Opening<C>) -> Self {
        Self {
            shelf,
            opening: Some(opening),
        }
    }

    async fn connection(mut self) -> Result<C, OpenError> {
        if self.shelf.held.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
        let Some(opening) = &mut self.opening else {
            return Err(OpenError::Abandoned);
        };
        let opened = opening.await;
        self.opening = None;
        opened.unwrap_or(Err(OpenError::Abandoned))
    }
}

impl<C: Read + Unpin + Send + 'static> Drop for Lease<'_, C> {
    fn drop(&mut self) {
        if let Some(opening) = self.opening.take() {
            self.shelf.put(opening);
        }
    }
}

/// What the transport asks of a shelf, whatever its connections are.
pub trait Warm: Send + Sync {
    /// While held, no call gets a connection: what it asks for goes on the shelf when it is dropped.
    fn hold(&self, held: bool);

    /// Waits until everything on the shelf is open or has failed. Failures leave the
    /// shelf; the last one is returned. Dropped before, it leaves everything there.
    fn settled(&self) -> Pin<Box<dyn Future<Output = Result<(), OpenError>> + Send + '_>>;

    /// Why opening a connection failed, if it did at `since` or later.
    fn failure_since(&self, since: Instant) -> Option<String>;
}

impl<C: Read + Unpin + Send + 'static> Warm for Arc<Shelf<C>> {
    fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Release);
    }

    fn settled(&self) -> Pin<Box<dyn Future<Output = Result<(), OpenError>> + Send + '_>> {
        let spares: Vec<_> = self.spares.lock().queue.drain(..).collect();
        let leases: Vec<_> = spares
            .into_iter()
            .map(|spare| Lease::new(self, spare.opening))
            .collect();
        Box::pin(async {
            let mut last = Ok(());
            for lease in leases {
                match lease.connection().await {
                    Ok(connection) => {
                        let (sender, opening) = oneshot::channel();
                        // The receiver is right here.
                        let _ = sender.send(Ok(connection));
                        self.put(opening);
                    }
                    Err(error) => last = Err(error),
                }
            }
            last
        })
    }

    fn failure_since(&self, since: Instant) -> Option<String> {
        let failed = self.spares.lock().failed.clone();
        failed.filter(|(at, _)| *at >= since).map(|(_, why)| why)
    }
}

/// A layer over reqwest's connector, whose connections are `C`.
#[derive(Debug)]
pub struct KeepOpening<C>(pub Arc<Shelf<C>>);

impl<C> Clone for KeepOpening<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S, C> Layer<S> for KeepOpening<C> {
    type Service = Opener<S, C>;

    fn layer(&self, connector: S) -> Self::Service {
        Opener {
            connector: Arc::new(connector),
            shelf: Arc::clone(&self.0),
        }
    }
}

/// A connector that asks the shelf first.
#[derive(Debug)]
pub struct Opener<S, C> {
    /// Shared, because reqwest copies its connector for every request, and few connect.
    connector: Arc<S>,
    shelf: Arc<Shelf<C>>,
}

impl<S, C> Clone for Opener<S, C> {
    fn clone(&self) -> Self {
        Self {
            connector: Arc::clone(&self.connector),
            shelf: Arc::clone(&self.shelf),
        }
    }
}

impl<S, R, C> Service<R> for Opener<S, C>
where
    S: Service<R, Response = C> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    R: Send + 'static,
    C: Read + Unpin + Send + 'static,
{
    type Response = C;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The connector's own readiness is awaited by the task that opens.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: R) -> Self::Future {
        let connect = S::clone(&self.connector).oneshot(to);
        let shelf = Arc::clone(&self.shelf);
        Box::pin(async move { shelf.connection(connect).await.map_err(BoxError::from) })
    }
}

#[cfg(test)]
mod tests;
