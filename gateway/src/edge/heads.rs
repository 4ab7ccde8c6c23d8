//! What clients may have the gateway hold of request heads that are not complete.
//!
//! hyper keeps a head until its last byte has come, in a buffer that doubles as it grows:
//! without more, a thousand clients that each send 110 kB and stop hold 263 MB, and none
//! of them ever asks for a page, so that no quota and no ticket applies.
//!
//! What always holds: a connection has [`OWN`] bytes for a head, and beyond that all
//! connections of a listener share [`SHARED`]. A head for which nothing is left is refused
//! at once (431): what it would wait for are clients that may never send their last byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes of a head that every connection may hold: more than the heads of browsers, with
/// their cookies, come to.
pub const OWN: usize = 16 * 1024;

/// Bytes of memory that all connections of a listener may hold beyond [`OWN`]: about 50 of
/// the largest heads that are accepted, at the same moment.
pub const SHARED: usize = 8 * 1024 * 1024;

/// Bytes read from a connection at once. Below the 8192 from which hyper would read more
/// and more at a time, into buffers that are larger and larger.
pub const READ: usize = 8 * 1024 - 1;

/// hyper's buffer doubles, so it is at most this many times what is in it.
const GROWTH: usize = 2;

/// No room for more of this head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("incomplete request heads of all connections take too much memory")]
pub struct NoRoom;

/// The bytes that connections of one listener share.
#[derive(Debug)]
pub struct SharedHeads {
    left: AtomicUsize,
}

impl Default for SharedHeads {
    fn default() -> Self {
        Self {
            left: AtomicUsize::new(SHARED),
        }
    }
}

impl SharedHeads {
    fn take(&self, bytes: usize) -> Result<(), NoRoom> {
        let taken = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                left.checked_sub(bytes)
            });
        taken.map(drop).map_err(|_| NoRoom)
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::AcqRel);
    }
}

/// The head that one connection is receiving. What it took is given back when the head is
/// complete, or with the connection.
#[derive(Debug)]
pub struct PartialHead {
    shared: Arc<SharedHeads>,
    // Only the connection's own task changes these.
    read: AtomicUsize,
    taken: AtomicUsize,
    complete: AtomicBool,
}

/// How far a head has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing of it has been received.
    Awaited,
    /// Some of it has.
    Begun,
    /// All of it has, and it has not been answered.
    Complete,
}

impl PartialHead {
    /// Nothing received yet.
    pub fn new(shared: &Arc<SharedHeads>) -> Self {
        Self {
            shared: Arc::clone(shared),
            read: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            complete: AtomicBool::new(false),
        }
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        match (
            self.complete.load(Ordering::Relaxed),
            self.read.load(Ordering::Relaxed),
        ) {
            (true, _) => Progress::Complete,
            (false, 0) => Progress::Awaited,
            (false, _) => Progress::Begun,
        }
    }

    /// `bytes` more of it have been received.
    ///
    /// # Errors
    /// [`NoRoom`]: the head must be given up.
    pub fn received(&self, bytes: usize) -> Result<(), NoRoom> {
        let read = self.read.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let needed = read.saturating_sub(OWN) * GROWTH;
        let taken = self.taken.load(Ordering::Relaxed);
        if needed > taken {
            self.shared.take(needed - taken)?;
            self.taken.store(needed, Ordering::Relaxed);
        }
        Ok(())
    }

    /// It is complete: what comes next is another one.
    pub fn complete(&self) {
        self.complete.store(true, Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
        self.release();
    }

    /// It has been answered: the next one is awaited.
    pub fn answered(&self) {
        self.complete.store(false, Ordering::Relaxed);
    }

    fn release(&self) {
        let taken = self.taken.swap(0, Ordering::Relaxed);
        if taken > 0 {
            self.shared.give_back(taken);
        }
    }
}

impl Drop for PartialHead {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::edge::validate::MAX_HEAD;

    fn left(shared: &SharedHeads) -> usize {
        shared.left.load(Ordering::Relaxed)
    }

    #[test]
    fn an_ordinary_head_takes_nothing_of_what_is_shared_and_a_large_one_twice_its_size() {
        let shared = Arc::new(SharedHeads::default());
        let head = PartialHead::new(&shared);
        assert_eq!(head.received(OWN), Ok(()));
        assert_eq!(left(&shared), SHARED);
        assert_eq!(head.received(1000), Ok(()));
        assert_eq!(left(&shared), SHARED - 2000);
        head.complete();
        assert_eq!(left(&shared), SHARED);
        assert_eq!(head.received(OWN), Ok(()));
        assert_eq!(left(&shared), SHARED);
    }

    #[test]
    fn when_others_hold_all_of_it_a_large_head_is_refused_and_an_ordinary_one_is_not() {
        let shared = Arc::new(SharedHeads::default());
        let held: Vec<_> = (0..)
            .map(|_| PartialHead::new(&shared))
            .take_while(|head| head.received(MAX_HEAD).is_ok())
            .collect();
        let each = (MAX_HEAD - OWN) * GROWTH;
        assert_eq!(held.len(), SHARED / each);
        let head = PartialHead::new(&shared);
        assert_eq!(head.received(OWN), Ok(()));
        assert_eq!(head.received(MAX_HEAD - OWN), Err(NoRoom));
        drop(held);
        assert_eq!(PartialHead::new(&shared).received(MAX_HEAD), Ok(()));
    }

    proptest! {
        #[test]
        fn whatever_connections_do_no_more_is_held_than_is_shared(
            events in prop::collection::vec((0usize..80, 0usize..40_000), 1..400),
        ) {
            let shared = Arc::new(SharedHeads::default());
            let mut heads: Vec<_> = (0..80).map(|_| PartialHead::new(&shared)).collect();
            let mut sizes = vec![0; heads.len()];
            for (connection, bytes) in events {
                if bytes % 7 == 0 {
                    heads[connection].complete();
                    sizes[connection] = 0;
                } else if heads[connection].received(bytes).is_ok() {
                    sizes[connection] += bytes;
                } else {
                    heads[connection] = PartialHead::new(&shared);
                    sizes[connection] = 0;
                }
                let beyond: usize = sizes.iter().map(|size| size.saturating_sub(OWN)).sum();
                prop_assert!(beyond * GROWTH <= SHARED);
                prop_assert_eq!(left(&shared), SHARED - beyond * GROWTH);
            }
            drop(heads);
            prop_assert_eq!(left(&shared), SHARED);
        }
    }
}
