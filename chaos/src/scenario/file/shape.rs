//! What every part of a scenario file needs: the config's names, and windows inside the length.

use std::time::Duration;

use gateway::config::PageId;
use settings::key::key;
use settings::kinds::{DURATION, DURATION_OR_NONE};
use settings::problem::Problem;
use settings::reader::Section;

use super::kinds::OPTIONAL_TEXT;
use super::names::Names;

/// Longest run: what is learnt in an hour is learnt in ten minutes.
pub(super) const LONGEST: Duration = Duration::from_secs(3600);

/// What the parts of a file need of the rest.
pub(super) struct Shape<'a> {
    pub(super) names: &'a Names,
    pub(super) length: Duration,
}

impl Shape<'_> {
    pub(super) fn check_length(&self, root: &mut Section<'_, '_>) {
        if self.length > LONGEST {
            root.wrong("length", Problem::new("is too long").write("10m"));
        }
    }

    /// The page named here, if one is; the outer `None` is an error.
    #[expect(clippy::option_option, reason = "absent and wrong are two things")]
    pub(super) fn page(&self, s: &mut Section<'_, '_>) -> Option<Option<PageId>> {
        let Some(name) = s.take(
            key("page", OPTIONAL_TEXT, "")
                .about("Which page of the config; needed where it has several."),
        )?
        else {
            return Some(None);
        };
        let at = self.names.pages.iter().position(|n| *n == name);
        let known = self.known(s, "page", &name, at, &self.names.pages);
        known.map(|at| Some(PageId(at)))
    }

    pub(super) fn known(
        &self,
        s: &mut Section<'_, '_>,
        key: &str,
        name: &str,
        at: Option<usize>,
        all: &[String],
    ) -> Option<usize> {
        if at.is_none() {
            let help = s.suggest(name, all);
            let what = format!("the config has no {key} `{name}`");
            s.wrong(key, Problem::new(what).help(help));
        }
        at
    }

    /// `from` and `until`, inside the length.
    pub(super) fn span(&self, s: &mut Section<'_, '_>) -> Option<(Duration, Duration)> {
        let from = s.take(key("from", DURATION, "0s").about("When it begins."));
        let until = s.take(
            key("until", DURATION_OR_NONE, "none").about("When it ends; \"none\": with the run."),
        );
        let (from, until) = (from?, until?.unwrap_or(self.length));
        if until > self.length {
            let length = settings::units::show_duration(self.length);
            s.wrong("until", Problem::new("lies after the end").write(length));
            return None;
        }
        if from >= until {
            let problem = Problem::new("is not before `until`");
            s.wrong(
                "from",
                problem.help("write an earlier `from` or a later `until`"),
            );
            return None;
        }
        Some((from, until))
    }
}
