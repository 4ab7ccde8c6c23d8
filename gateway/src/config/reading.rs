//! What other files are read with, so that an error in them looks like one in `config.toml`.
//!
//! A scenario file, for one: its keys are taken by name, each with a [`Kind`], and whatever is
//! wrong comes back as one [`Report`](super::Report) with file, line, column and a remedy.

pub use super::key::{Key, key, required};
pub use super::kinds::{
    BOOLEAN, COUNT, DURATION, DURATION_OR_NONE, Kind, POSITIVE_DURATION, RATE, TEXT, one_of,
};
pub use super::load::read_text;
pub use super::raw::Raw;
pub use super::reader::Section;
