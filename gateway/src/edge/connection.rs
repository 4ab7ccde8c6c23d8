//! What the socket of a client, hyper's service for it and its answers share.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::TcpStream;

use crate::edge::body::Unflushed;
use crate::edge::heads::{PartialHead, SharedHeads};

/// One connection of a client.
#[derive(Debug)]
pub struct Connection {
    /// Who is at its other end.
    pub peer: SocketAddr,
    pub(super) unflushed: Unflushed,
    pub(super) head: PartialHead,
    refused: Mutex<Option<TcpStream>>,
}

impl Connection {
    /// A connection from `peer`, to a listener whose connections share `heads`.
    pub fn new(peer: SocketAddr, heads: &Arc<SharedHeads>) -> Self {
        Self {
            peer,
            unflushed: Unflushed::default(),
            head: PartialHead::new(heads),
            refused: Mutex::default(),
        }
    }

    /// Keeps the stream of a client whose head was refused, for the answer to it: hyper
    /// lets go of everything else.
    pub(super) fn refuse(&self, stream: TcpStream) {
        *self.refused.lock() = Some(stream);
    }

    /// The stream to answer, if its head was refused.
    pub(super) fn take_refused(&self) -> Option<TcpStream> {
        self.refused.lock().take()
    }
}
