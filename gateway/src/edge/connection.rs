//! What the socket of a client, hyper's service for it and its answers share.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::edge::body::Unflushed;
use crate::edge::heads::{PartialHead, SharedHeads};
use crate::edge::per_client::Place;
use crate::edge::stream::Stream;
use crate::edge::unreadable::NoRequest;
use crate::page::deadline::{Deadline, now};

/// Connections end at an age within these multiples of the one that is configured.
const AGES: Range<f64> = 0.9..1.1;

/// What a connection is used for.
#[derive(Debug, Default)]
enum Usage {
    /// A request may lie in its socket.
    #[default]
    NotRead,
    /// There was none, or the last one has been answered.
    Silent(Instant),
    /// A request is being answered.
    Answering,
}

/// What becomes of a connection that HTTP/1.1 is not spoken on.
#[derive(Debug)]
pub(super) enum Left {
    /// What came is no request. There is nobody to tell without a stream.
    Refused(NoRequest, Option<Stream>),
    /// HTTP/2 is spoken on it, and this much of it has been read.
    Http2(Stream, Vec<u8>),
}

/// One connection of a client.
#[derive(Debug)]
pub struct Connection {
    /// Who is at its other end.
    peer: SocketAddr,
    /// For whom it was opened, where that is another.
    client: OnceLock<SocketAddr>,
    /// Among those of its client.
    place: OnceLock<Place>,
    /// Whether its client has as many as it may.
    is_too_many: AtomicBool,
    pub(super) unflushed: Unflushed,
    pub(super) head: PartialHead,
    /// After which it carries no further request.
    expires: Deadline,
    /// More of an answer's body may come, however long it takes.
    streams: AtomicBool,
    /// Where nobody looks at it, nothing is noted.
    usage: Option<Mutex<Usage>>,
    /// It carries no further request once what is under way has been answered.
    retires: AtomicBool,
    left: Mutex<Option<Left>>,
}

impl Connection {
    /// A connection from `peer`, to a listener whose connections share `heads`.
    pub fn new(peer: SocketAddr, heads: &Arc<SharedHeads>) -> Self {
        Self {
            peer,
            client: OnceLock::new(),
            place: OnceLock::new(),
            is_too_many: AtomicBool::new(false),
            unflushed: Unflushed::default(),
            head: PartialHead::new(heads),
            expires: Deadline::NEVER,
            streams: AtomicBool::new(false),
            usage: None,
            retires: AtomicBool::new(false),
            left: Mutex::default(),
        }
    }

    /// Who is at its other end.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// For whom it was opened.
    pub fn client(&self) -> SocketAddr {
        *self.client.get().unwrap_or(&self.peer)
    }

    /// A proxy that is trusted opened it for this client.
    pub(super) fn is_for(&self, client: SocketAddr) {
        // It is introduced once.
        let _ = self.client.set(client);
    }

    /// It has its place among those of its client, or there is none for it.
    pub(super) fn takes(&self, place: Option<Place>) {
        match place {
            // It takes one once.
            Some(place) => drop(self.place.set(place)),
            None => self.is_too_many.store(true, Ordering::Relaxed),
        }
    }

    /// Whether its client has as many as it may, without it.
    pub(super) fn is_too_many(&self) -> bool {
        self.is_too_many.load(Ordering::Relaxed)
    }

    /// Ends with an answer when it is older than about `age`.
    pub(super) fn aging(mut self, age: Option<Duration>) -> Self {
        if let Some(age) = age {
            // Those that were opened together are not all closed together.
            let age = age.mul_f64(AGES.start + (AGES.end - AGES.start) * fastrand::f64());
            self.expires = Deadline::after(now(), age);
        }
        self
    }

    /// Whether the answer to a request that came at `at` is its last one.
    pub(super) fn is_old(&self, at: Instant) -> bool {
        self.expires.is_past(at)
    }

    /// Notes how it is used, for [`unused_since`](Self::unused_since).
    pub(super) fn with_usage(mut self) -> Self {
        self.usage = Some(Mutex::default());
        self
    }

    /// A request is going to be answered.
    pub fn begins_answer(&self) {
        if let Some(usage) = &self.usage {
            *usage.lock() = Usage::Answering;
        }
    }

    /// Whether more of an answer's body may come: what has been written is not all of it.
    pub(super) fn streams(&self) -> bool {
        self.streams.load(Ordering::Relaxed)
    }

    /// More of an answer's body may come, or no more does.
    pub(super) fn set_streams(&self, streams: bool) {
        self.streams.store(streams, Ordering::Relaxed);
    }

    /// Everything written has reached the system.
    pub(super) fn ends_answer(&self) {
        self.falls_silent(|usage| matches!(usage, Usage::Answering));
    }

    /// It was read from, and there was nothing.
    pub(super) fn is_silent(&self) {
        self.falls_silent(|usage| matches!(usage, Usage::NotRead));
    }

    fn falls_silent(&self, after: impl Fn(&Usage) -> bool) {
        if let Some(usage) = &self.usage
            && let usage = &mut *usage.lock()
            && after(usage)
        {
            *usage = Usage::Silent(now());
        }
    }

    /// Since when nothing seems to be asked for; `None` while something may be.
    pub(super) fn unused_since(&self) -> Option<Instant> {
        match *self.usage.as_ref()?.lock() {
            Usage::Silent(since) => Some(since),
            Usage::NotRead | Usage::Answering => None,
        }
    }

    /// It carries no further request once what is under way has been answered.
    pub(super) fn retire(&self) {
        self.retires.store(true, Ordering::Relaxed);
    }

    /// Whether it carries no further request.
    pub(super) fn retires(&self) -> bool {
        self.retires.load(Ordering::Relaxed)
    }

    /// What came is no request, for this reason; the stream is for the answer to it, as hyper
    /// lets go of everything else.
    pub(super) fn refuse(&self, why: NoRequest, stream: Option<Stream>) {
        *self.left.lock() = Some(Left::Refused(why, stream));
    }

    /// HTTP/2 is spoken on `stream`; `read` is what has been read of it.
    pub(super) fn hand_over(&self, stream: Stream, read: Vec<u8>) {
        *self.left.lock() = Some(Left::Http2(stream, read));
    }

    /// What comes of it, if HTTP/2 is spoken on it.
    pub(super) fn take_http2(&self) -> Option<(Stream, Vec<u8>)> {
        let mut left = self.left.lock();
        match left.take()? {
            Left::Http2(stream, read) => Some((stream, read)),
            refused @ Left::Refused(..) => {
                *left = Some(refused);
                None
            }
        }
    }

    /// What is to be answered, if what came was no request.
    pub(super) fn take_refused(&self) -> Option<(NoRequest, Option<Stream>)> {
        match self.left.lock().take()? {
            Left::Refused(why, stream) => Some((why, stream)),
            Left::Http2(..) => None,
        }
    }
}
