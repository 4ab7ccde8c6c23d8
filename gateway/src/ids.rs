//! Identities: of what one configuration names, and of clients. Numbers that cannot be mixed up.
//!
//! Lowest of all, so that outcomes can say which downstream they are about, and records which
//! client.

/// Index into [`Config::downstreams`](crate::config::Config::downstreams).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DownstreamId(pub usize);

/// Index into [`Config::pages`](crate::config::Config::pages).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageId(pub usize);

/// What tells one client from another, as a number of fixed size: an address, or the
/// hash of a header's value under a key that is new in every process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey(pub u128);
