//! Spans as bars above the plots, in as few lanes as they need, each with its words in it, behind it
//! or before it.

use maud::{Markup, html};

use crate::axis::Axis;
use crate::label::{self, Anchor, SIZE, fitted, number};
use crate::span::Span;

/// Height of a lane with the gap to the next one.
pub const LANE: f64 = 18.0;

/// Lanes that are drawn.
const MOST: usize = 12;

/// The spans of one column.
pub struct Lanes<'a> {
    left: f64,
    bars: Vec<Bar<'a>>,
    /// Spans for which there was no lane left.
    more: usize,
}

struct Bar<'a> {
    span: &'a Span,
    /// Of its segments, in the drawing.
    segments: Vec<(f64, f64)>,
    /// Where its words are, and how many of them.
    words: (f64, Anchor, String),
    lane: usize,
}

impl<'a> Lanes<'a> {
    /// Each in the first lane in which it and its words touch no other.
    pub fn of(spans: &'a [Span], x: &Axis, (left, right): (f64, f64)) -> Self {
        let mut taken: Vec<Vec<(f64, f64)>> = Vec::new();
        let mut lanes = Self {
            left,
            bars: Vec::new(),
            more: 0,
        };
        for span in spans {
            let (mut bar, (from, until)) = Bar::new(span, x, (left, right));
            let free = |lane: &Vec<(f64, f64)>| lane.iter().all(|(a, b)| until < *a || *b < from);
            bar.lane = taken.iter().position(free).unwrap_or(taken.len());
            if bar.lane == MOST {
                lanes.more += 1;
                continue;
            }
            taken.resize(taken.len().max(bar.lane + 1), Vec::new());
            taken[bar.lane].push((from, until));
            lanes.bars.push(bar);
        }
        lanes
    }

    /// How many lanes, with that for those that found none.
    pub fn count(&self) -> usize {
        let lanes = self.bars.iter().map(|bar| bar.lane + 1).max();
        lanes.unwrap_or(0) + usize::from(self.more > 0)
    }

    /// All of them, from this height downwards.
    #[must_use]
    pub fn draw(&self, top: f64) -> Markup {
        let last = top + (self.count() as f64 - 1.0) * LANE + SIZE;
        html! {
            @for bar in &self.bars { (bar.draw(top + bar.lane as f64 * LANE)) }
            @if self.more > 0 {
                (label::text(self.left, last, Anchor::Start, "note", &format!("and {} more", self.more)))
            }
        }
    }
}

impl<'a> Bar<'a> {
    /// With all the room that it and its words take.
    fn new(span: &'a Span, x: &Axis, (left, right): (f64, f64)) -> (Self, (f64, f64)) {
        let at = |seconds: f64| left + x.share(seconds) * (right - left);
        let (from, until) = span.ends().map_or((left, left), |(a, b)| (at(a), at(b)));
        let wide = label::width(&span.label) + 10.0;
        let (before, after) = (from - left, right - until);
        let inside = until - from;
        let (start, anchor, room) = if wide <= inside || inside >= before.max(after) {
            (from + 5.0, Anchor::Start, inside - 10.0)
        } else if wide <= after || after >= before {
            (until + 5.0, Anchor::Start, after - 5.0)
        } else {
            (from - 5.0, Anchor::End, before - 5.0)
        };
        let words = fitted(&span.label, room);
        let ends = match anchor {
            Anchor::End => (start - label::width(&words), until),
            Anchor::Start | Anchor::Middle => (from, until.max(start + label::width(&words))),
        };
        let segments = span.segments.iter().map(|(a, b)| (at(*a), at(*b)));
        let bar = Self {
            span,
            segments: segments.collect(),
            words: (start, anchor, words),
            lane: 0,
        };
        (bar, ends)
    }

    fn draw(&self, top: f64) -> Markup {
        let (start, anchor, words) = &self.words;
        let class = if self.span.shaded {
            "lane"
        } else {
            "lane load"
        };
        html! {
            g {
                // All words, where there is no room for them, are shown to a pointer that rests here.
                title { (self.span.label) }
                @for (from, until) in &self.segments {
                    rect class=(class) x=(number(*from)) y=(number(top))
                        width=(number((until - from).max(1.0))) height=(number(LANE - 3.0)) {}
                }
                (label::text(*start, top + SIZE - 0.5, *anchor, "label", words))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lanes(spans: &[(&str, f64, f64)]) -> Vec<usize> {
        let span = |(label, from, until): &(&str, f64, f64)| Span {
            label: (*label).to_owned(),
            segments: vec![(*from, *until)],
            shaded: true,
        };
        let spans: Vec<Span> = spans.iter().map(span).collect();
        let x = Axis::of_run(Duration::from_secs(40), 5);
        let lanes = Lanes::of(&spans, &x, (0.0, 400.0));
        lanes.bars.iter().map(|bar| bar.lane).collect()
    }

    #[test]
    fn spans_that_follow_each_other_share_a_lane_and_those_that_touch_do_not() {
        assert_eq!(
            lanes(&[("a", 0.0, 10.0), ("b", 11.0, 20.0), ("c", 5.0, 15.0)]),
            [0, 0, 1]
        );
        let wordy = "pricing: latency 1500ms";
        assert_eq!(lanes(&[(wordy, 0.0, 1.0), ("b", 2.0, 9.0)]), [0, 1]);
    }

    #[test]
    fn there_are_never_more_lanes_than_can_be_looked_at() {
        let all = [("a", 0.0, 40.0); 30];
        assert_eq!(lanes(&all).len(), MOST);
    }
}
