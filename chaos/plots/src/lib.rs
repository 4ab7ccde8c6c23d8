//! What happened over time, drawn as SVG: rows of plots on one axis of time, with what was the case
//! meanwhile as lanes above them and as shades behind.
//!
//! What always holds: the same input gives the same bytes; nothing is loaded from anywhere, and no font is
//! measured; every text is escaped, because all markup is written by `maud`; columns share the axis of
//! time, plots of a row the other one. In reading order: [`axis`], [`steps`] and [`span`] are what is
//! known of time and quantities, [`label`] is text, [`plot`] one plot, [`lanes`] and [`figure`] a
//! drawing. Not here: what is drawn. No word of what was measured is in this crate.

pub mod axis;
pub mod figure;
pub mod label;
pub mod lanes;
pub mod plot;
pub mod span;
pub mod steps;
pub mod unit;
