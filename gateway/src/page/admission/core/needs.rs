//! What an arrival needs of the bulkheads.

use std::fmt;
use std::sync::Arc;

use crate::config::DownstreamId;

/// Which parts have a permit: bit i is part i.
pub type Parts = u64;

/// One part of an arrival: which bulkhead it draws on, and whether the arrival can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Whose permit it takes.
    pub downstream: DownstreamId,
    /// A required part must have its permit before anything starts.
    pub required: bool,
}

/// What one arrival needs: a permit for each of its parts, in their order.
///
/// Compiled once and shared: a clone counts a reference.
#[derive(Clone)]
pub struct NeedSet(Arc<Compiled>);

struct Compiled {
    parts: Vec<DownstreamId>,
    required_parts: Parts,
    /// Permits the required parts take of each bulkhead, in order of first use.
    required: Vec<(DownstreamId, u32)>,
    /// Optional parts and where they come from, in order.
    optional: Vec<(usize, DownstreamId)>,
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
        for Need {
            downstream,
            required,
        } in parts
        {
            let index = needs.parts.len();
            assert!(index < 64, "at most 64 parts arrive at once");
            needs.parts.push(downstream);
            if required {
                needs.required_parts |= 1 << index;
                needs.require(downstream);
            } else {
                needs.optional.push((index, downstream));
            }
        }
        assert!(!needs.parts.is_empty(), "nothing arrives without a part");
        Self(Arc::new(needs))
    }

    /// Permits the required parts take of each bulkhead, in order of first use.
    pub fn required(&self) -> &[(DownstreamId, u32)] {
        &self.0.required
    }

    /// Where each part comes from, in order.
    pub fn downstreams(&self) -> &[DownstreamId] {
        &self.0.parts
    }

    /// Whether the part is required.
    pub fn is_required(&self, part: usize) -> bool {
        self.required_parts() & (1 << part) != 0
    }

    /// The downstream of the first required part, or of the first part.
    pub(super) fn first(&self) -> DownstreamId {
        let required = self.0.required.first();
        required.map_or(self.0.parts[0], |&(id, _)| id)
    }

    pub(super) fn required_parts(&self) -> Parts {
        self.0.required_parts
    }

    pub(super) fn optional(&self) -> &[(usize, DownstreamId)] {
        &self.0.optional
    }

    /// Whether both are the very same compiled set.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Compiled {
    fn require(&mut self, downstream: DownstreamId) {
        let known = self.required.iter_mut().find(|(id, _)| *id == downstream);
        match known {
            Some((_, count)) => *count += 1,
            None => self.required.push((downstream, 1)),
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
