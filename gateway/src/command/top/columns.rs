//! Tables of text: columns that are as wide as they need to be, and a last one that takes what is left.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    name: &'static str,
    align: Align,
    /// Left out where there is little room.
    if_wide: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// Of words.
pub(super) const fn words(name: &'static str) -> Column {
    let (align, if_wide) = (Align::Left, false);
    Column {
        name,
        align,
        if_wide,
    }
}

/// Of numbers.
pub(super) const fn numbers(name: &'static str) -> Column {
    let (align, if_wide) = (Align::Right, false);
    Column {
        name,
        align,
        if_wide,
    }
}

impl Column {
    /// Only where there is room for it.
    pub(super) const fn if_wide(self) -> Self {
        Self {
            if_wide: true,
            ..self
        }
    }
}

/// From so many columns on there is room for all.
const WIDE: usize = 100;

/// A cell: its words, and how they look.
#[derive(Clone, Debug)]
pub(super) struct Cell(pub(super) String, pub(super) Style);

impl Cell {
    /// Without emphasis.
    pub(super) fn plain(words: impl Into<String>) -> Self {
        Self(words.into(), Style::new())
    }

    /// Less important than others.
    pub(super) fn soft(words: impl Into<String>) -> Self {
        Self(words.into(), super::looks::SOFT)
    }

    /// What is wrong.
    pub(super) fn bad(words: impl Into<String>) -> Self {
        Self(words.into(), super::looks::BAD)
    }
}

/// Between two columns.
const GAP: usize = 2;

/// A line for the names of the columns, and one for each row, none wider than `width`. What has no room in the last
/// column is cut, and ends in an ellipsis.
pub(super) fn table(columns: &[Column], rows: Vec<Vec<Cell>>, width: usize) -> Vec<Line<'static>> {
    let header = columns
        .iter()
        .map(|column| Cell::soft(column.name))
        .collect();
    let fits = |column: &Column| width >= WIDE || !column.if_wide;
    let shown = |row: Vec<Cell>| -> Vec<Cell> {
        let cells = row.into_iter().zip(columns);
        cells
            .filter(|(_, column)| fits(column))
            .map(|(cell, _)| cell)
            .collect()
    };
    let rows: Vec<Vec<Cell>> = std::iter::once(header).chain(rows).map(shown).collect();
    let columns: Vec<&Column> = columns.iter().filter(|column| fits(column)).collect();
    let widest = |nth: usize| {
        let cells = rows.iter().filter_map(|row| row.get(nth));
        cells.map(|cell| cell.0.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    let line = |row: Vec<Cell>| {
        let mut spans = Vec::with_capacity(2 * row.len());
        let mut left = width;
        for (nth, (Cell(words, style), column)) in row.into_iter().zip(&columns).enumerate() {
            let is_last = nth + 1 == columns.len();
            let room = if is_last { left } else { widths[nth].min(left) };
            let words = cut(&words, room);
            let padding = " ".repeat(room.saturating_sub(words.chars().count()));
            let words = match column.align {
                Align::Right => padding + &words,
                Align::Left if is_last => words,
                Align::Left => words + &padding,
            };
            spans.push(Span::styled(words, style));
            left = left.saturating_sub(room);
            let gap = GAP.min(left);
            if !is_last {
                spans.push(Span::raw(" ".repeat(gap)));
            }
            left -= gap;
        }
        Line::from(spans)
    };
    rows.into_iter().map(line).collect()
}

/// At most so many characters, the last of them an ellipsis if there were more.
pub(super) fn cut(words: &str, room: usize) -> String {
    if words.chars().count() <= room {
        return words.to_owned();
    }
    let kept: String = words.chars().take(room.saturating_sub(1)).collect();
    if room == 0 { kept } else { kept + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(width: usize) -> Vec<String> {
        let columns = [numbers("n"), words("name"), words("more")];
        let row = |n: &str, name: &str, more: &str| [n, name, more].map(Cell::plain).to_vec();
        let rows = vec![row("1", "pricing", "all is well"), row("22", "ads", "")];
        let lines = table(&columns, rows, width);
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let expected = [
            " n  name     more",
            " 1  pricing  all is well",
            "22  ads      ",
        ];
        assert_eq!(lines(80), expected);
    }

    #[test]
    fn what_has_no_room_is_cut_and_says_so_and_no_line_is_wider() {
        assert_eq!(lines(18)[1], " 1  pricing  all …");
        for width in 0..30 {
            for line in lines(width) {
                assert!(line.chars().count() <= width, "{width}: {line:?}");
            }
        }
    }
}
