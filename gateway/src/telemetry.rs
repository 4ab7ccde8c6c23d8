//! What the gateway says about itself: names, counts, events and the trace a
//! page belongs to.
//!
//! Nothing here waits, and nothing here decides: the layers above say what
//! happened, this module only counts and tells.

pub mod context;
pub mod counts;
pub mod events;
pub mod log;
pub mod meters;
pub mod names;
