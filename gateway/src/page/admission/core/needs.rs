//! What an arrival needs of the bulkheads.

use std::fmt;
use std::sync::Arc;

use super::event::BulkheadId;
use crate::config::DownstreamId;

/// Which parts have a permit: bit i is part i.
pub type Parts = u64;

/// One part of an arrival: which bulkhead it draws on, and whether the arrival can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Whose permit it takes.
    pub downstream: DownstreamId,
    /// Where that is.
    pub bulkhead: BulkheadId,
    /// A required part must have its permit before anything starts.
    pub required: bool,
}

/// What one arrival needs: a permit for each of its parts, in their order.
///
/// Compiled once and shared: a clone counts a reference.
#[derive(Clone)]
pub struct NeedSet(Arc<Compiled>);

struct Compiled {
    parts: Vec<Need>,
    required_parts: Parts,
    /// In order of first use.
    required: Vec<Required>,
    /// Optional parts and where they come from, in order.
    optional: Vec<(usize, BulkheadId)>,
}

/// The permits that the required parts take of one bulkhead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Required {
    /// Whose they are.
    pub downstream: DownstreamId,
    /// Where they are.
    pub bulkhead: BulkheadId,
    /// How many.
    pub count: u32,
}

impl NeedSet {
    /// Needs of these parts, in this order.
    ///
    /// # Panics
    /// Without a part, or with more than 64. A config's check sees to both.
    pub fn new(parts: impl IntoIterator<Item = Need>) -> Self {
        let mut needs = Compiled {
            parts: Vec::new(),
            required_parts: 0,
            required: Vec::new(),
            optional: Vec::new(),
        };
        for need in parts {
            let index = needs.parts.len();
            assert!(index < 64, "at most 64 parts arrive at once");
            needs.parts.push(need);
            if need.required {
                needs.required_parts |= 1 << index;
                needs.require(need);
            } else {
                needs.optional.push((index, need.bulkhead));
            }
        }
        assert!(!needs.parts.is_empty(), "nothing arrives without a part");
        Self(Arc::new(needs))
    }

    /// Permits the required parts take of each bulkhead, in order of first use.
    pub fn required(&self) -> &[Required] {
        &self.0.required
    }

    /// What each part needs, in order.
    pub fn parts(&self) -> &[Need] {
        &self.0.parts
    }

    /// The downstream of the first required part, or of the first part.
    pub(super) fn first(&self) -> DownstreamId {
        let required = self.0.required.first();
        required.map_or(self.0.parts[0].downstream, |required| required.downstream)
    }

    pub(super) fn required_parts(&self) -> Parts {
        self.0.required_parts
    }

    pub(super) fn optional(&self) -> &[(usize, BulkheadId)] {
        &self.0.optional
    }

    /// Whether both are the very same compiled set.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Compiled {
    fn require(&mut self, need: Need) {
        let mut required = self.required.iter_mut();
        match required.find(|required| required.bulkhead == need.bulkhead) {
            Some(required) => required.count += 1,
            None => self.required.push(Required {
                downstream: need.downstream,
                bulkhead: need.bulkhead,
                count: 1,
            }),
        }
    }
}

impl fmt::Debug for NeedSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NeedSet")
            .field("required", &self.0.required)
            .field("optional", &self.0.optional)
            .finish()
    }
}
