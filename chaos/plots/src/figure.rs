//! Plots in rows and columns, with their headings, legends and tick labels, as one drawing.
//!
//! What always holds: columns share the axis of the time; plots of one row share the other one, so
//! that what is side by side can be compared by eye.

use std::time::Duration;

use maud::{Markup, html};

use crate::axis::Axis;
use crate::label::{self, Anchor, Area, SIZE, fitted, number};
use crate::lanes::{LANE, Lanes};
use crate::plot::Plot;
use crate::span::Span;

const RIGHT: f64 = 24.0;
const BETWEEN_COLUMNS: f64 = 44.0;
const BETWEEN_ROWS: f64 = 16.0;
/// A line of text with its leading.
const LINE: f64 = 18.0;

const STYLE: &str = "\
.plot text{font-family:sans-serif;font-size:12px;fill:#222}\
.plot .heading{font-weight:bold}\
.plot .tick{fill:#555}\
.plot .note{fill:#555;font-style:italic}\
.plot .label{paint-order:stroke;stroke:#fff;stroke-width:3px;stroke-linejoin:round}\
.plot .limit{fill:#555}\
.plot .grid{stroke:#e2e2e2}\
.plot .axis{stroke:#777}\
.plot .shade{fill:#000;fill-opacity:.07}\
.plot .lane{fill:#000;fill-opacity:.16}\
.plot .load{fill:#0072b2;fill-opacity:.18}\
.plot .edge{stroke:#000;stroke-opacity:.45;stroke-dasharray:2 3}\
.plot .bound{stroke:#000;stroke-width:1.5;stroke-dasharray:6 3}\
.plot .missed{stroke-width:3}\
.plot .level{stroke:#777;stroke-dasharray:1 3;stroke-width:1.5;stroke-linecap:round}\
.plot .curve{fill:none;stroke-linejoin:round;stroke-linecap:round}\
.plot .dashed{stroke-dasharray:5 3;stroke-linecap:butt}";

/// How a quantity is drawn, and what it is.
pub struct Key {
    /// What it is.
    pub label: String,
    /// Its colour.
    pub colour: &'static str,
    /// Filled, or a curve.
    pub filled: bool,
}

/// Plots beside each other.
pub struct Row {
    /// The quantity.
    pub heading: String,
    /// What its marks are.
    pub keys: Vec<Key>,
    /// Of all plots of the row.
    pub axis: Axis,
    /// Of the plots alone.
    pub height: f64,
    /// From left to right.
    pub plots: Vec<Plot>,
}

/// A drawing.
pub struct Figure {
    /// For whoever cannot see it.
    pub title: String,
    /// Of the whole drawing.
    pub width: f64,
    /// The heading of each column; empty strings for none.
    pub columns: Vec<String>,
    /// The time on all horizontal axes.
    pub length: Duration,
    /// What happened meanwhile.
    pub spans: Vec<Span>,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

impl Figure {
    /// The figure as SVG.
    pub fn draw(&self) -> Markup {
        let mut y = 4.0;
        let parts = self.parts(&mut y);
        sheet(&self.title, (self.width, y), &parts)
    }

    /// All of it from `y` downwards, where `y` is its end afterwards.
    pub fn parts(&self, y: &mut f64) -> Vec<Markup> {
        let mut parts = Vec::new();
        if self.columns.iter().any(|name| !name.is_empty()) {
            for (column, name) in self.columns.iter().enumerate() {
                let (left, right) = self.column(column);
                let name = fitted(name, (right - left) * 0.9);
                parts.push(label::text(
                    left,
                    *y + SIZE,
                    Anchor::Start,
                    "heading",
                    &name,
                ));
            }
            *y += LINE + 4.0;
        }
        // In narrow columns there is no room for words.
        if self.columns.len() <= 2 {
            parts.push(self.lanes(y));
        }
        for row in &self.rows {
            parts.push(self.row(row, y));
        }
        parts
    }

    /// Its left and its right end.
    pub fn column(&self, column: usize) -> (f64, f64) {
        let ticks = self.rows.iter().flat_map(|row| &row.axis.ticks);
        let widths = ticks.map(|(_, text)| label::width(text));
        let left = widths.fold(30.0, f64::max) + 12.0;
        let columns = self.columns.len().max(1) as f64;
        let each = (self.width - left - RIGHT - BETWEEN_COLUMNS * (columns - 1.0)) / columns;
        let start = left + column as f64 * (each + BETWEEN_COLUMNS);
        (start, start + each)
    }

    /// What happened meanwhile, in words, above where it happened.
    fn lanes(&self, y: &mut f64) -> Markup {
        let x = self.time();
        let columns =
            (0..self.columns.len()).map(|column| Lanes::of(&self.spans, &x, self.column(column)));
        let columns: Vec<Lanes<'_>> = columns.collect();
        let drawn: Vec<Markup> = columns.iter().map(|lanes| lanes.draw(*y)).collect();
        let most = columns.iter().map(Lanes::count).max().unwrap_or(0);
        *y += most as f64 * LANE + if most > 0 { 6.0 } else { 0.0 };
        html! { @for lanes in &drawn { (lanes) } }
    }

    fn time(&self) -> Axis {
        let (left, right) = self.column(0);
        Axis::of_run(self.length, ((right - left) / 75.0).max(4.0) as usize)
    }

    fn row(&self, row: &Row, y: &mut f64) -> Markup {
        let (left, _) = self.column(0);
        let heading = (!row.heading.is_empty()).then(|| {
            *y += LINE;
            let heading = format!("{}{}", row.heading, row.axis.remark());
            label::text(left, *y - 5.0, Anchor::Start, "heading", &heading)
        });
        let legend = legend(&row.keys, (left, self.width - RIGHT), y);
        let titled = row.plots.iter().any(|plot| !plot.title.is_empty());
        let top = *y + if titled { LINE + 4.0 } else { 4.0 };
        let bottom = top + row.height;
        *y = bottom + LINE + BETWEEN_ROWS;
        let x = self.time();
        html! {
            @if let Some(heading) = heading { (heading) }
            (legend)
            @for (at, text) in &row.axis.ticks {
                (label::text(left - 7.0, bottom - row.axis.share(*at) * row.height + 4.0,
                    Anchor::End, "tick", text))
            }
            @for (column, plot) in row.plots.iter().enumerate() {
                @let (left, right) = self.column(column);
                @if !plot.title.is_empty() {
                    (label::text(left, top - 5.0, Anchor::Start, "title",
                        &fitted(&plot.title, right - left)))
                }
                (plot.draw(Area(left, top, right, bottom), &x, &row.axis, &self.spans))
                @for (at, text) in &x.ticks {
                    (tick_of_time(x.share(*at), text, (left, right), bottom + SIZE + 3.0))
                }
            }
        }
    }
}

/// A drawing of this size with these parts.
pub fn sheet(title: &str, (width, height): (f64, f64), parts: &[Markup]) -> Markup {
    let (width, height) = (number(width), number(height));
    let size = format!("0 0 {width} {height}");
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="plot" role="img"
            width=(width) height=(height) viewBox=(size) {
            title { (title) }
            style { (STYLE) }
            rect width="100%" height="100%" fill="#fff" {}
            @for part in parts { (part) }
        }
    }
}

/// Below its place; the last one no further to the right than the next column allows.
fn tick_of_time(share: f64, text: &str, (left, right): (f64, f64), y: f64) -> Markup {
    /// How far a tick may stick out.
    const OUT: f64 = 8.0;
    let x = left + share * (right - left);
    match x + label::width(text) / 2.0 > right + OUT {
        true => label::text(right + OUT, y, Anchor::End, "tick", text),
        false => label::text(x, y, Anchor::Middle, "tick", text),
    }
}

/// Keys in as many lines as they need.
fn legend(keys: &[Key], (left, right): (f64, f64), y: &mut f64) -> Markup {
    const SWATCH: f64 = 14.0;
    let mut x = left;
    let mut placed = Vec::new();
    if !keys.is_empty() {
        *y += LINE;
    }
    for key in keys {
        let wide = SWATCH + 5.0 + label::width(&key.label) + 14.0;
        if x > left && x + wide > right {
            (x, *y) = (left, *y + LINE);
        }
        placed.push((key, x, *y - 5.0));
        x += wide;
    }
    html! {
        @for (key, x, y) in placed {
            @let (top, height) = if key.filled { (y - 10.0, 12.0) } else { (y - 5.5, 3.0) };
            rect x=(number(x)) y=(number(top)) width=(SWATCH) height=(height) fill=(key.colour) {}
            (label::text(x + SWATCH + 5.0, y, Anchor::Start, "key", &key.label))
        }
    }
}
