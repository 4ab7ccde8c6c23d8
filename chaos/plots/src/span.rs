//! What was the case beside what is drawn.

/// Something that is the case for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// What, in words.
    pub label: String,
    /// In seconds, from and until.
    pub segments: Vec<(f64, f64)>,
    /// Whether something is wrong meanwhile, and plots are shaded.
    pub shaded: bool,
}

impl Span {
    /// Its first and last instant, in seconds.
    #[must_use]
    pub fn ends(&self) -> Option<(f64, f64)> {
        Some((self.segments.first()?.0, self.segments.last()?.1))
    }
}
