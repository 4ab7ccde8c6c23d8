//! The series of one metric, those of each name together: so that they go on with it from one
//! configuration to the next, and end with it.

use std::sync::Arc;

use crate::config::Kept;

/// Counters, or distributions, of one metric.
#[derive(Debug)]
pub(super) struct Family<T>(Vec<Arc<[T]>>);

impl<T> Family<T> {
    /// Of no name: so many series, which are there as long as the gateway.
    pub(super) fn of_gateway(before: Option<&Self>, series: usize, new: impl Fn() -> T) -> Self {
        let kept = before.and_then(|before| before.0.first().cloned());
        Self(vec![kept.unwrap_or_else(|| some(series, &new))])
    }

    /// So many series of each page.
    pub(super) fn of_pages(
        kept: &Kept,
        before: Option<&Self>,
        series: usize,
        new: impl Fn() -> T,
    ) -> Self {
        let before = before.map_or(&[][..], |before| &before.0);
        Self(kept.pages(before, |_| some(series, &new)))
    }

    /// So many series of each downstream.
    pub(super) fn of_downstreams(
        kept: &Kept,
        before: Option<&Self>,
        series: usize,
        new: impl Fn() -> T,
    ) -> Self {
        let before = before.map_or(&[][..], |before| &before.0);
        Self(kept.downstreams(before, |_| some(series, &new)))
    }

    /// Those of the name at a place; the first, of no name.
    pub(super) fn of(&self, name: usize) -> &[T] {
        &self.0[name]
    }

    /// All of them, those of each name together.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|of_name| of_name.iter())
    }
}

fn some<T>(series: usize, new: &impl Fn() -> T) -> Arc<[T]> {
    (0..series).map(|_| new()).collect()
}
