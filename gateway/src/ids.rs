//! Identities of what one configuration names: indices that cannot be mixed up.
//!
//! Lowest of all, so that outcomes can say which downstream they are about.

/// Index into [`Config::downstreams`](crate::config::Config::downstreams).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DownstreamId(pub usize);

/// Index into [`Config::pages`](crate::config::Config::pages).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageId(pub usize);
