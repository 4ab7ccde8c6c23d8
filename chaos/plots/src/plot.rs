//! One plot: quantities over the time of a run, what was expected of them, and what was done to
//! the gateway meanwhile.
//!
//! What always holds: everything is drawn inside the plot's area; no two labels overlap; a label
//! that has no place is left out, its line is not. Headings, legends and tick labels are of `figure`.

use maud::{Markup, html};

use crate::axis::Axis;
use crate::label::{self, Anchor, Area, Places, number};
use crate::span::Span;
use crate::steps::Steps;

/// A bound on the quantity, for a while.
#[derive(Clone, Debug)]
pub struct Line {
    /// In seconds.
    pub from: f64,
    /// In seconds.
    pub until: f64,
    /// In the quantity's unit.
    pub value: f64,
    /// What is expected.
    pub label: String,
    /// Whether it is so.
    pub ok: bool,
}

/// One quantity, step by step.
pub enum Mark {
    /// Filled between two quantities that are the same throughout a step.
    Band {
        /// Of its filling.
        colour: &'static str,
        /// By step.
        lower: Vec<f64>,
        /// By step, not below the lower one.
        upper: Vec<f64>,
    },
    /// A curve through the middle of each step, with a gap where there is nothing.
    Curve {
        /// Of its line.
        colour: &'static str,
        /// Or solid.
        dashed: bool,
        /// Of its line.
        width: f64,
        /// By step.
        values: Vec<Option<f64>>,
    },
    /// The same all the time.
    Level {
        /// Where it is.
        value: f64,
        /// What it is.
        label: String,
    },
}

/// One plot.
pub struct Plot {
    /// Above it; may be empty.
    pub title: String,
    /// The steps of its marks.
    pub steps: Steps,
    /// From back to front.
    pub marks: Vec<Mark>,
    /// What was expected.
    pub lines: Vec<Line>,
    /// What to say if there is nothing to see.
    pub if_empty: &'static str,
}

/// Where a plot is and what its axes are.
struct Frame<'a> {
    area: Area,
    x: &'a Axis,
    y: &'a Axis,
}

impl Frame<'_> {
    fn x(&self, seconds: f64) -> f64 {
        self.area.0 + self.x.share(seconds) * (self.area.2 - self.area.0)
    }

    fn y(&self, value: f64) -> f64 {
        self.area.3 - self.y.share(value) * (self.area.3 - self.area.1)
    }

    fn rule(&self, class: &str, from: (f64, f64), until: (f64, f64)) -> Markup {
        html! {
            line class=(class) x1=(number(from.0)) y1=(number(from.1))
                x2=(number(until.0)) y2=(number(until.1)) {}
        }
    }
}

impl Plot {
    /// In this area, on these axes; what was the case meanwhile is behind it.
    #[must_use]
    pub fn draw(&self, area: Area, x: &Axis, y: &Axis, spans: &[Span]) -> Markup {
        let frame = &Frame { area, x, y };
        let Area(left, top, right, bottom) = area;
        html! {
            (shades(frame, spans))
            @for (value, _) in &y.ticks {
                (frame.rule("grid", (left, frame.y(*value)), (right, frame.y(*value))))
            }
            @for mark in &self.marks { (self.mark(frame, mark)) }
            (edges(frame, spans))
            (frame.rule("axis", (left, bottom), (right, bottom)))
            (frame.rule("axis", (left, top), (left, bottom)))
            @if self.is_empty() {
                (label::text((left + right) / 2.0, (top + bottom) / 2.0, Anchor::Middle, "note", self.if_empty))
            }
            (self.expectations(frame))
        }
    }

    fn is_empty(&self) -> bool {
        self.marks.iter().all(|mark| match mark {
            Mark::Band { upper, .. } => upper.iter().all(|value| *value <= 0.0),
            Mark::Curve { values, .. } => values.iter().all(Option::is_none),
            Mark::Level { .. } => true,
        })
    }

    fn mark(&self, frame: &Frame<'_>, mark: &Mark) -> Markup {
        match mark {
            Mark::Band {
                colour,
                lower,
                upper,
            } => html! { path d=(self.band(frame, lower, upper)) fill=(colour) {} },
            Mark::Curve {
                colour,
                dashed,
                width,
                values,
            } => html! {
                path class=(if *dashed { "curve dashed" } else { "curve" }) d=(self.curve(frame, values)) stroke=(colour) stroke-width=(width) {}
            },
            Mark::Level { value, .. } if frame.y.has(*value) => {
                let y = frame.y(*value);
                frame.rule("level", (frame.area.0, y), (frame.area.2, y))
            }
            Mark::Level { .. } => html! {},
        }
    }

    /// Along the upper edge and back along the lower one; nothing where they meet.
    fn band(&self, frame: &Frame<'_>, lower: &[f64], upper: &[f64]) -> String {
        let mut path = String::new();
        let filled = |step: &usize| upper[*step] > lower[*step];
        let steps: Vec<usize> = (0..upper.len()).filter(filled).collect();
        for run in steps.chunk_by(|a, b| a + 1 == *b) {
            let corner = |step: usize, values: &[f64], back: bool| {
                let ((from, until), y) = (self.steps.span(step), number(frame.y(values[step])));
                let (from, until) = (number(frame.x(from)), number(frame.x(until)));
                match back {
                    false => format!("{from},{y} {until},{y} "),
                    true => format!("{until},{y} {from},{y} "),
                }
            };
            path.push('M');
            path.extend(run.iter().map(|step| corner(*step, upper, false)));
            path.extend(run.iter().rev().map(|step| corner(*step, lower, true)));
            path.push('Z');
        }
        path
    }

    /// A point alone is drawn as one.
    fn curve(&self, frame: &Frame<'_>, values: &[Option<f64>]) -> String {
        let mut path = String::new();
        let mut drawing = false;
        for (step, value) in values.iter().enumerate() {
            let Some(value) = value else {
                drawing = false;
                continue;
            };
            let (from, until) = self.steps.span(step);
            let (x, y) = (frame.x((from + until) / 2.0), frame.y(*value));
            let (x, y) = (number(x), number(y));
            match drawing {
                true => path.push_str(&format!("L{x},{y}")),
                false => path.push_str(&format!("M{x},{y}h0")),
            }
            drawing = true;
        }
        path
    }

    /// All lines, then all labels on top of them.
    fn expectations(&self, frame: &Frame<'_>) -> Markup {
        let mut places = Places::new(frame.area);
        let mut label = |text: &str, (from, until): (f64, f64), value: f64, class: &str| {
            let place = places.beside(text, frame.x(from), frame.x(until), frame.y(value));
            place.map(|(x, baseline)| label::text(x, baseline, Anchor::Start, class, text))
        };
        let drawn = || self.lines.iter().filter(|line| frame.y.has(line.value));
        let mut labels: Vec<Markup> = drawn()
            .filter_map(|line| label(&line.label, (line.from, line.until), line.value, "label"))
            .collect();
        for mark in &self.marks {
            if let Mark::Level { value, label: text } = mark
                && frame.y.has(*value)
            {
                labels.extend(label(text, (0.0, f64::MAX), *value, "label limit"));
            }
        }
        html! {
            @for line in drawn() {
                @let (from, until, y) = (frame.x(line.from), frame.x(line.until), frame.y(line.value));
                (frame.rule(if line.ok { "bound" } else { "bound missed" }, (from, y), (until, y)))
            }
            @for label in &labels { (label) }
        }
    }
}

fn shades(frame: &Frame<'_>, spans: &[Span]) -> Markup {
    let Area(_, top, _, bottom) = frame.area;
    let shaded = spans.iter().filter(|span| span.shaded);
    html! {
        @for (from, until) in shaded.flat_map(|span| &span.segments) {
            @let (from, until) = (frame.x(*from), frame.x(*until));
            rect class="shade" x=(number(from)) y=(number(top))
                width=(number(until - from)) height=(number(bottom - top)) {}
        }
    }
}

/// The beginning and the end of what is shaded, on top of everything that is filled.
fn edges(frame: &Frame<'_>, spans: &[Span]) -> Markup {
    let Area(_, top, _, bottom) = frame.area;
    let shaded = spans.iter().filter(|span| span.shaded);
    html! {
        @for (from, until) in shaded.filter_map(Span::ends) {
            @for at in [frame.x(from), frame.x(until)] {
                (frame.rule("edge", (at, top), (at, bottom)))
            }
        }
    }
}
