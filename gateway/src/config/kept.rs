//! Which names of one configuration go on in the next.

use super::{Config, DownstreamId, Name, PageId};

/// For every page and downstream of a configuration, its place in the one before it, if it was
/// there under the same name. What belongs to a name is carried over by this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pages: Vec<Option<PageId>>,
    downstreams: Vec<Option<DownstreamId>>,
}

impl Kept {
    /// Of the first configuration: everything is new.
    pub fn nothing(now: &Config) -> Self {
        Self::nothing_of(now.pages.len(), now.downstreams.len())
    }

    /// The same of so many pages and downstreams.
    pub(crate) fn nothing_of(pages: usize, downstreams: usize) -> Self {
        Self {
            pages: vec![None; pages],
            downstreams: vec![None; downstreams],
        }
    }

    /// What of `before` is still there `now`.
    pub fn between(before: &Config, now: &Config) -> Self {
        let page = |name: &Name| before.pages.iter().position(|page| page.name == *name);
        let downstream = |name: &Name| before.downstreams.iter().position(|d| d.name == *name);
        let pages = now.pages.iter().map(|now| page(&now.name).map(PageId));
        let downstreams = now.downstreams.iter();
        Self {
            pages: pages.collect(),
            downstreams: downstreams
                .map(|now| downstream(&now.name).map(DownstreamId))
                .collect(),
        }
    }

    /// Nothing of this downstream is carried over, though its name is.
    pub fn forget(&mut self, downstream: DownstreamId) {
        self.downstreams[downstream.0] = None;
    }

    /// Something for each page: what `before`, by its place there, has for one that was there,
    /// and a `new` one for every other.
    pub fn pages<T: Clone>(&self, before: &[T], mut new: impl FnMut(PageId) -> T) -> Vec<T> {
        let was = self.pages.iter().map(|was| was.map(|page| page.0));
        carried(was, before, |at| new(PageId(at)))
    }

    /// The same for each downstream.
    pub fn downstreams<T: Clone>(
        &self,
        before: &[T],
        mut new: impl FnMut(DownstreamId) -> T,
    ) -> Vec<T> {
        let was = self.downstreams.iter().map(|was| was.map(|one| one.0));
        carried(was, before, |at| new(DownstreamId(at)))
    }
}

/// What `before` has at the place where each name `was`, and a `new` one where it was nowhere.
fn carried<T: Clone>(
    was: impl Iterator<Item = Option<usize>>,
    before: &[T],
    mut new: impl FnMut(usize) -> T,
) -> Vec<T> {
    let names = was.enumerate();
    names
        .map(|(at, was)| match was.and_then(|was| before.get(was)) {
            Some(kept) => kept.clone(),
            None => new(at),
        })
        .collect()
}
