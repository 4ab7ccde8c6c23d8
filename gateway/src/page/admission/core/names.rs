//! Which bulkhead and which queue is whose, as configurations come and go.
//!
//! Whoever refers to a name enters it, and leaves it when no arrival of his will come any more.
//! What always holds: a name has one bulkhead (and one queue) as long as somebody refers to it, or
//! something of it is out; the place of one that is vacant is taken by the next new name, so that
//! memory is bounded by what is in use at once, however many names there were.

use super::limits::Bulkhead;
use super::queue::Queue;
use super::{BulkheadId, Core, QueueId};

impl Core {
    /// Refers to the bulkhead of this name. One that is not there yet gets this limit; one that is
    /// keeps its own: see [`Event::Resize`](super::Event::Resize).
    pub fn enter_bulkhead(&mut self, name: &str, limit: Option<u32>) -> BulkheadId {
        let all = &mut self.bulkheads;
        let known = all.iter().position(|b| *b.name == *name && !b.is_vacant());
        let at = known.unwrap_or_else(|| {
            let new = Bulkhead::new(name, limit);
            let vacant = all.iter().position(Bulkhead::is_vacant);
            put(all, vacant, new)
        });
        all[at].users += 1;
        BulkheadId(at)
    }

    /// Refers to the queue of this name, likewise.
    pub fn enter_queue(&mut self, name: &str, limit: usize) -> QueueId {
        let all = &mut self.queues;
        let known = all.iter().position(|q| *q.name == *name && !q.is_vacant());
        let at = known.unwrap_or_else(|| {
            let new = Queue::new(name, limit);
            let vacant = all.iter().position(Queue::is_vacant);
            put(all, vacant, new)
        });
        all[at].users += 1;
        QueueId(at)
    }

    /// Whoever referred to this bulkhead does so no more. Permits that are out stay out.
    pub fn leave_bulkhead(&mut self, bulkhead: BulkheadId) {
        let users = &mut self.bulkheads[bulkhead.0].users;
        debug_assert!(*users > 0, "who leaves has entered before");
        *users = users.saturating_sub(1);
    }

    /// The same of a queue.
    pub fn leave_queue(&mut self, queue: QueueId) {
        let users = &mut self.queues[queue.0].users;
        debug_assert!(*users > 0, "who leaves has entered before");
        *users = users.saturating_sub(1);
    }

    /// Places that bulkheads and queues take, vacant ones included.
    pub fn places(&self) -> (usize, usize) {
        (self.bulkheads.len(), self.queues.len())
    }
}

/// Where it is from now on.
fn put<T>(all: &mut Vec<T>, vacant: Option<usize>, new: T) -> usize {
    match vacant {
        Some(at) => {
            all[at] = new;
            at
        }
        None => {
            all.push(new);
            all.len() - 1
        }
    }
}
