//! Text in plots: how wide it is about, and places for it where no other text is.

use maud::{Markup, html};

/// Size of all text in plots, in units of the drawing.
pub const SIZE: f64 = 12.0;

/// Where the text begins, ends or has its middle.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// Where it begins.
    Start,
    /// Where its middle is.
    Middle,
    /// Where it ends.
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// Rather too wide than too narrow: fonts differ, and this is as wide as the widest usual one.
pub fn width(text: &str) -> f64 {
    text.chars().count() as f64 * SIZE * 0.6
}

/// One line of text on its baseline, readable on whatever is behind it.
pub fn text(x: f64, y: f64, anchor: Anchor, class: &str, text: &str) -> Markup {
    let (x, y) = (number(x), number(y));
    html! {
        text x=(x) y=(y) text-anchor=(anchor.name()) class=(class) { (text) }
    }
}

/// The text without what no XML document may contain.
pub fn plain(text: &str) -> String {
    let forbidden = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.replace(forbidden, "\u{fffd}")
}

/// A coordinate, to a tenth.
pub fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let short = text.strip_suffix(".0").unwrap_or(&text);
    match short {
        "-0" => "0".to_owned(),
        short => short.to_owned(),
    }
}

/// As many of its characters as fit, with a sign that there are more.
pub fn fitted(text: &str, room: f64) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let most = (room / width("x")) as usize;
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A rectangle: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area(pub f64, pub f64, pub f64, pub f64);

impl Area {
    fn overlaps(self, other: Self) -> bool {
        self.0 < other.2 && other.0 < self.2 && self.1 < other.3 && other.1 < self.3
    }

    fn is_inside(self, other: Self) -> bool {
        self.0 >= other.0 && self.1 >= other.1 && self.2 <= other.2 && self.3 <= other.3
    }
}

/// Where text already is within a plot.
pub struct Places {
    plot: Area,
    taken: Vec<Area>,
}

impl Places {
    /// All of this plot, as yet.
    #[must_use]
    pub fn new(plot: Area) -> Self {
        Self {
            plot,
            taken: Vec::new(),
        }
    }

    /// The left end of the baseline of a text that belongs to a level line from `from` to `until`
    /// at `y`: above or below it, at its start or its end; `None` if there is no such place.
    pub fn beside(&mut self, text: &str, from: f64, until: f64, y: f64) -> Option<(f64, f64)> {
        let wide = width(text);
        let lefts = [
            from + 3.0,
            until - wide - 3.0,
            (from + until - wide) / 2.0,
            from - wide - 3.0,
            until + 3.0,
        ];
        let baselines = [y - 4.0, y + SIZE + 1.0];
        let all = lefts
            .into_iter()
            .flat_map(|left| baselines.map(|baseline| (left, baseline)));
        let area = |(left, baseline): (f64, f64)| {
            Area(left, baseline - SIZE * 0.85, left + wide, baseline + 3.0)
        };
        let free = |place: &(f64, f64)| {
            let area = area(*place);
            area.is_inside(self.plot) && !self.taken.iter().any(|taken| taken.overlaps(area))
        };
        let place = all.into_iter().find(free)?;
        self.taken.push(area(place));
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_texts_have_the_same_place_and_none_sticks_out() {
        let plot = Area(0.0, 0.0, 400.0, 100.0);
        let mut places = Places::new(plot);
        let found: Vec<_> = (0..20)
            .filter_map(|_| places.beside("slowest", 0.0, 400.0, 50.0))
            .collect();
        assert_eq!(found.len(), 6);
        for (at, one) in places.taken.iter().enumerate() {
            assert!(one.is_inside(plot), "{one:?}");
            let others = &places.taken[at + 1..];
            assert!(!others.iter().any(|other| other.overlaps(*one)));
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_and_says_so() {
        assert_eq!(fitted("pricing", 500.0), "pricing");
        assert_eq!(fitted("pricing is slow", 60.0), "pricing…");
    }

    #[test]
    fn coordinates_have_no_digits_that_nobody_sees() {
        assert_eq!(["1", "1.3", "0"], [1.0, 1.26, -0.01].map(number));
    }
}
