//! Good and owed pages of the last minutes, drawn with characters.

use ratatui::text::{Line, Span};

use super::looks::{ACCENT, BAD, SOFT};

/// One second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    /// In milliseconds since 1970.
    pub(super) at_ms: u64,
    /// Good pages per second.
    pub(super) good: f64,
    /// Owed pages per second.
    pub(super) owed: f64,
}

/// Eighths of a cell, from nothing to all of it.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns of the axis' figures.
const AXIS: usize = 8;

/// A bar for each second up to `now_ms`, as many as there is room for: its foot is what was good, and what was owed and not
/// good is a dotted part above it. The line below has a mark for each change, `^`, or `x` for one that was refused.
pub(super) fn bars(
    points: &[Point],
    changes: &[(u64, bool)],
    now_ms: u64,
    width: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let columns = width.saturating_sub(AXIS);
    let column_of = |at_ms: u64| {
        let before = (now_ms.saturating_sub(at_ms) + 500) / 1000;
        columns.checked_sub(1 + before as usize)
    };
    let mut shown = vec![Point::default(); columns];
    for point in points {
        if let Some(column) = column_of(point.at_ms) {
            shown[column] = *point;
        }
    }
    let most = ceiling(
        shown
            .iter()
            .map(|point| point.owed.max(point.good))
            .fold(0.0, f64::max),
    );
    let mut lines: Vec<Line<'static>> = (0..height)
        .map(|row| {
            let label = if row == 0 {
                format!("{most}/s")
            } else {
                String::new()
            };
            let cells = shown.iter().map(|point| cell(*point, most, height, row));
            let axis = Span::styled(format!("{label:>6} ┤"), SOFT);
            Line::from_iter(std::iter::once(axis).chain(cells))
        })
        .collect();
    let mut marks = vec![('─', SOFT); columns];
    for &(at_ms, refused) in changes {
        if let Some(column) = column_of(at_ms) {
            marks[column] = if refused { ('x', BAD) } else { ('^', ACCENT) };
        }
    }
    let marks = marks
        .into_iter()
        .map(|(mark, style)| Span::styled(mark.to_string(), style));
    let axis = Span::styled(format!("{:>6} ┼", 0), SOFT);
    lines.push(Line::from_iter(std::iter::once(axis).chain(marks)));
    lines
}

/// The part of a bar in one row, the topmost being 0.
fn cell(point: Point, most: f64, height: usize, row: usize) -> Span<'static> {
    let eighths = |value: f64| ((value / most) * (8 * height) as f64).round() as usize;
    let foot = 8 * (height - 1 - row);
    let good = eighths(point.good).saturating_sub(foot).min(8);
    let owed = eighths(point.owed).saturating_sub(foot).min(8);
    match good {
        // There is no lighter half of a cell: it is drawn from a half on, and at the foot always.
        0 if owed >= 4 || (owed > 0 && foot == 0) => Span::styled("░", BAD),
        0 => Span::raw(" "),
        good => Span::styled(EIGHTHS[good].to_string(), ACCENT),
    }
}

/// Where an axis ends: times a power of ten.
const ENDS: [f64; 8] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];

/// The least round number that is not below `value`.
fn ceiling(value: f64) -> f64 {
    if value <= 1.0 || !value.is_finite() {
        return 1.0;
    }
    let unit = 10_f64.powf(value.log10().floor());
    let ends = ENDS.map(|end| end * unit).into_iter();
    ends.filter(|end| *end >= value).fold(10.0 * unit, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_what_was_good_and_what_was_owed_beside_it() {
        let point = |at_s: u64, good, owed| Point {
            at_ms: 1000 * at_s,
            good,
            owed,
        };
        let points = [point(7, 8.0, 8.0), point(8, 4.0, 8.0), point(10, 0.0, 10.0)];
        let lines = bars(
            &points,
            &[(9_000, false), (6_900, true)],
            10_000,
            AXIS + 5,
            2,
        );
        let drawn: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert_eq!(drawn, ["  10/s ┤ ▅░ ░", "       ┤ █▆ ░", "     0 ┼─x─^─"]);
    }

    #[test]
    fn the_axis_ends_at_a_round_number() {
        let tops = [0.0, 1.0, 1.1, 3.0, 5.1, 59.0, 101.0].map(ceiling);
        assert_eq!(tops, [1.0, 1.0, 2.0, 3.0, 6.0, 60.0, 200.0]);
    }
}
