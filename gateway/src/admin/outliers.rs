//! What slow, refused and lost pages have in common, as JSON: `GET /outliers?last=5m`.
//!
//! ```text
//! {at, last_ms, note, groups: [{group: "slowest" "refused" "lost", cases, others, since, tested, enough,
//!                               common: [{trait, cases_with, others_with, p}], said: sentences}]}
//! ```

use http::{Response, StatusCode};

use super::answer::{AdminBody, text, view};
use super::incident::last;
use crate::page::Pages;
use crate::page::deadline::{now, wall_clock};
use crate::page::downstream::Transport;
use crate::telemetry::recent::outliers;

/// Answers.
pub(super) fn outliers<T: Transport>(pages: &Pages<T>, query: Option<&str>) -> Response<AdminBody> {
    let last = match last(query) {
        Ok(last) => last,
        Err(problem) => return text(StatusCode::BAD_REQUEST, problem),
    };
    let wall = wall_clock();
    let mut shown = outliers::shown(pages.telemetry().recent(), last, now(), wall);
    shown["at"] = humantime::format_rfc3339_millis(wall).to_string().into();
    view(&shown)
}
