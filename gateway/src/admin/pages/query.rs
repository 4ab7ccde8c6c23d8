//! Which recent pages are asked for.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::form_urlencoded;

use crate::config::units;
use crate::outcome::PageOutcome;
use crate::telemetry::names::configured::Configured;
use crate::telemetry::recent::retention::Class;
use crate::telemetry::record::PageRecord;

const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 1000;

/// What a page must be to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    outcome: Option<PageOutcome>,
    slower_than: Option<Duration>,
    downstream: Option<String>,
    client: Option<String>,
    page: Option<String>,
    /// Pages that are shown at most.
    pub(super) limit: usize,
}

/// What is wrong with a parameter, and what it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadParameter {
    name: String,
    value: String,
    allowed: String,
}

const PARAMETERS: [&str; 6] = [
    "outcome",
    "slower_than",
    "downstream",
    "client",
    "page",
    "limit",
];

impl fmt::Display for BadParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            value,
            allowed,
        } = self;
        write!(f, "{name:?} cannot be {value:?}: it is {allowed}")
    }
}

impl Query {
    /// # Errors
    /// The first parameter that there is not, is there twice, or has a value it cannot have.
    pub(super) fn parse(query: &str, names: &Names<'_>) -> Result<Self, BadParameter> {
        let mut parsed = Self {
            outcome: None,
            slower_than: None,
            downstream: None,
            client: None,
            page: None,
            limit: DEFAULT_LIMIT,
        };
        let mut seen = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let problem = match seen.contains(&name) {
                true => Some("to be given once".to_owned()),
                false => parsed.set(&name, &value, names).err(),
            };
            if let Some(allowed) = problem {
                return Err(BadParameter {
                    name: name.into_owned(),
                    value: value.into_owned(),
                    allowed,
                });
            }
            seen.push(name);
        }
        Ok(parsed)
    }

    /// Or what the value may be.
    fn set(&mut self, name: &str, value: &str, names: &Names<'_>) -> Result<(), String> {
        match name {
            "outcome" => {
                let mut all = PageOutcome::ALL.into_iter();
                let found = all.find(|outcome| outcome.as_str() == value);
                let names = PageOutcome::ALL.map(PageOutcome::as_str);
                self.outcome = Some(found.ok_or_else(|| one_of(names))?);
            }
            "slower_than" => {
                let duration = units::duration(value);
                let duration = duration.map_err(|_| "a duration, such as 250ms".to_owned())?;
                self.slower_than = Some(duration);
            }
            "downstream" => self.downstream = Some(known(value, &names.downstreams)?),
            "page" => self.page = Some(known(value, &names.pages)?),
            "client" => {
                let is_tag = value.len() == 8 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
                let allowed = "a tag of 8 hex digits, as \"client\" of a page shows it";
                self.client = Some(is_tag.then(|| value.to_owned()).ok_or(allowed)?);
            }
            "limit" => {
                let limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=MOST).contains(limit));
                self.limit = limit.ok_or_else(|| format!("a number from 1 to {MOST}"))?;
            }
            _ => {
                return Err(format!(
                    "no parameter here; there are {}",
                    PARAMETERS.join(", ")
                ));
            }
        }
        Ok(())
    }

    /// Whether a page is one of those asked for. `tag` says who its client is.
    pub(super) fn matches(
        &self,
        record: &PageRecord,
        tag: impl Fn(&PageRecord) -> Option<String>,
    ) -> bool {
        let page = record.names.page(record.page);
        let uses = |name: &String| {
            let mut parts = page.parts.iter();
            parts.any(|part| record.names.downstream(part.downstream).name == *name)
        };
        self.outcome.is_none_or(|outcome| record.outcome == outcome)
            && self.slower_than.is_none_or(|limit| record.total() > limit)
            && self.downstream.as_ref().is_none_or(uses)
            && self.page.as_ref().is_none_or(|name| page.name == *name)
            && (self.client.is_none() || self.client == tag(record))
    }
}

/// Names that can be asked for: of the configuration in force, and of those that pages were kept of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names<'a> {
    pages: BTreeSet<&'a str>,
    downstreams: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn of(current: &'a Arc<Configured>, kept: &'a [(Class, Arc<PageRecord>)]) -> Self {
        let mut names = Self::default();
        let mut last = None;
        let kept = kept.iter().map(|(_, record)| &record.names);
        for configured in kept.chain([current]) {
            if last != Some(Arc::as_ptr(configured)) {
                let pages = configured.pages.iter().map(|page| page.name.as_str());
                names.pages.extend(pages);
                let downstreams = configured.downstreams.iter().map(|one| one.name.as_str());
                names.downstreams.extend(downstreams);
            }
            last = Some(Arc::as_ptr(configured));
        }
        names
    }
}

fn known(value: &str, names: &BTreeSet<&str>) -> Result<String, String> {
    let found = names.contains(value).then(|| value.to_owned());
    found.ok_or_else(|| one_of(names.iter().copied()))
}

fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    format!("one of {}", names.join(", "))
}
