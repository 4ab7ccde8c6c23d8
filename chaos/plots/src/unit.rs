//! What an axis counts in.

/// What an axis counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 0 to 1; written in percent.
    Share,
    /// Seconds.
    Time,
    /// Per second.
    PerSecond,
    /// A plain number.
    Number,
}
