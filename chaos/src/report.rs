//! A run as a report: one HTML file that needs nothing else, and its plots as SVG.
//!
//! What always holds: the same run gives the same bytes; nothing is loaded from anywhere; every
//! text from a scenario or a config is escaped, because all markup is written by `maud`; two runs
//! are drawn on equal axes. No figure is computed here that the verdict also has.
//!
//! In reading order: `rows` is what is shown, `series` its numbers, `figure` and `plot` how it is
//! drawn. Not here: what is measured, and whether it is as expected.

mod bounds;
mod colour;
mod diff;
mod figures;
mod files;
mod hardship;
mod html;
mod picture;
mod rows;
mod series;
mod subject;

use gateway::config::PageId;
use plots::figure::Row;

pub use self::files::{Wanted, shell};
pub(crate) use self::picture::{Picture, PictureColumn, PictureRun};
pub use self::subject::{Report, Run};

impl Report<'_> {
    /// The whole report as one HTML document.
    #[must_use]
    pub fn html(&self) -> String {
        html::page(self).into_string()
    }

    /// Every plot as an SVG document, with a name for its file.
    #[must_use]
    pub fn svgs(&self) -> Vec<(&'static str, String)> {
        let all = |rows| self.figure("over time", rows);
        let pages = |row: fn(&[Run<'_>], Option<PageId>) -> Row| {
            all(self.pages().map(|page| row(self.runs, page)).collect())
        };
        let figures = [
            ("overview", self.overview()),
            ("pages", pages(rows::pages)),
            ("good", pages(rows::share_of_good)),
            ("times", pages(rows::times)),
            ("in-flight", all(vec![rows::in_flight(self.runs)])),
            ("downstreams", self.downstreams()),
        ];
        figures
            .map(|(name, figure)| (name, figure.draw().into_string()))
            .into()
    }
}
