//! The response body: a ticket is released with the last byte of its page.
//!
//! hyper drops a body as soon as it has copied it, which may be long before the
//! client has taken it. So the ticket of a page whose body is done waits with its
//! connection's [`Unflushed`], until the connection's socket says that everything
//! written has reached the system (see [`crate::edge::socket`]).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;

use crate::edge::connection::Connection;
use crate::page::admission::Ticket;
use crate::telemetry::recent::in_flight::InFlightPage;

/// What a page holds until its last byte has been written: its ticket, and its place among those in
/// flight.
type Held = (Ticket, Option<InFlightPage>);

/// What pages hold whose last bytes have not all been written to the connection.
#[derive(Debug, Default)]
pub struct Unflushed(Mutex<Vec<Held>>);

impl Unflushed {
    fn add(&self, held: Held) {
        self.0.lock().push(held);
    }

    /// Everything written has reached the system.
    pub(super) fn release(&self) {
        let held = std::mem::take(&mut *self.0.lock());
        drop(held);
    }
}

/// The bytes of an answer, and the ticket that leaves with the last of them.
#[derive(Debug, Default)]
pub struct PageBody {
    bytes: Bytes,
    held: Option<(Held, Arc<Connection>)>,
}

impl PageBody {
    /// A body without a ticket.
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, held: None }
    }

    /// A body of a page in flight.
    pub fn with_ticket(
        bytes: Bytes,
        ticket: Option<Ticket>,
        in_flight: Option<InFlightPage>,
        connection: &Arc<Connection>,
    ) -> Self {
        let held = ticket.map(|ticket| ((ticket, in_flight), Arc::clone(connection)));
        Self { bytes, held }
    }
}

impl Body for PageBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

impl Drop for PageBody {
    fn drop(&mut self) {
        if let Some((held, connection)) = self.held.take() {
            connection.unflushed.add(held);
        }
    }
}

/// A body that is written as it comes, with pauses: as long as it is there, its connection is neither idle nor unused.
#[derive(Debug)]
pub struct Streamed<B> {
    body: B,
    connection: Arc<Connection>,
}

impl<B> Streamed<B> {
    /// `body`, on `connection`.
    pub fn new(body: B, connection: Arc<Connection>) -> Self {
        connection.set_streams(true);
        Self { body, connection }
    }
}

impl<B> Drop for Streamed<B> {
    fn drop(&mut self) {
        self.connection.set_streams(false);
    }
}

impl<B: Body + Unpin> Body for Streamed<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
