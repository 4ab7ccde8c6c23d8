//! What is legal and probably not meant of what parts pass on, and of what the query gives them.

use http::HeaderName;
use http::header::{ACCEPT, ACCEPT_LANGUAGE};
use serde_json::json;

use super::Warnings;
use crate::config::problem::Problem;
use crate::config::{Page, PassedStatus, Piece};

/// Headers that say nothing of who the client is.
const IMPERSONAL: [HeaderName; 2] = [ACCEPT, ACCEPT_LANGUAGE];

impl Warnings<'_> {
    /// A list takes the place of the default, and what a service says of credentials is about those
    /// that reach it.
    pub(super) fn passed(&mut self, page: &Page) {
        for part in &page.parts {
            let key = page.key(&format!("part.{}.pass", part.name));
            let pass = part.pass;
            if pass != Default::default() && !pass.has(PassedStatus::NotFound) {
                let codes = pass.statuses().chain([PassedStatus::NotFound]);
                let mut codes: Vec<u16> = codes.map(PassedStatus::code).collect();
                codes.sort_unstable();
                let what = "without 404 in it, what the service does not have is its failure: 502, or `failed`";
                self.warn(&key, Problem::new(what).write(json!(codes)));
            }
            let denials = [PassedStatus::Unauthorized, PassedStatus::Forbidden];
            let denial = denials.into_iter().find(|status| pass.has(*status));
            let knows_client = page
                .forward_headers
                .iter()
                .any(|name| !IMPERSONAL.contains(name));
            if let Some(denial) = denial.filter(|_| !knows_client) {
                let what = format!(
                    "{} would be about the gateway: nothing that says who the client is reaches the service",
                    denial.code()
                );
                let help = "let calls carry it, such as `authorization` in `forward_headers`; or do not pass it on";
                self.warn(&key, Problem::new(what).help(help));
                self.registry
                    .explain(&page.key("forward_headers"), "what calls carry");
            }
        }
    }

    pub(super) fn query(&mut self, page: &Page) {
        for (at, one) in page.query.iter().enumerate() {
            let piece = Piece::Param(page.path.params.len() + at);
            if page
                .parts
                .iter()
                .any(|part| part.path.pieces.contains(&piece))
            {
                continue;
            }
            let name = &one.param.name;
            let what = "no part uses it: its value is checked, and goes nowhere";
            let help = format!("write `{{{name}}}` in the path of a part, or remove the parameter");
            self.warn(
                &page.key(&format!("query.{name}")),
                Problem::new(what).help(help),
            );
        }
    }
}
