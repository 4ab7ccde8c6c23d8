//! The series of each metric: all of them are known when the configuration is.

use crate::config::DownstreamId;
use crate::outcome::{CallOutcome, PageOutcome, Scope, ShedBy};
use crate::telemetry::names::configured::Configured;
use crate::telemetry::names::metrics::{Metric, Tag};
use crate::telemetry::names::{BadContext, Dropped, ReloadOutcome, TraceDecision, Unreadable};

impl Configured {
    /// The tag values of every series of `metric`. The last tag turns fastest, so that a
    /// series stands at `page * outcomes + outcome`. Tags that say one thing in two words,
    /// such as reason and scope, come in the pairs that can occur.
    pub(crate) fn series(&self, metric: &Metric) -> Vec<Vec<String>> {
        match metric.tags {
            [Tag::Reason, Tag::Scope] => ShedBy::all(self.downstreams.len())
                .map(|by| vec![by.reason().as_str().into(), self.scope(by.scope()).into()])
                .collect(),
            [Tag::Signal, Tag::Cause] => Dropped::ALL
                .map(|what| vec![what.signal().into(), what.cause().into()])
                .to_vec(),
            tags => tags.iter().fold(vec![vec![]], |series, &tag| {
                let values = self.values(tag);
                let longer = |so_far: Vec<String>| {
                    let with = |value: &String| [&so_far[..], std::slice::from_ref(value)].concat();
                    values.iter().map(with).collect::<Vec<_>>()
                };
                series.into_iter().flat_map(longer).collect()
            }),
        }
    }

    /// The same, but for series that can have no value: those of a downstream that no page
    /// has a part from. All others are there from the start, so that a rate sees their first
    /// event.
    pub(crate) fn occurring(&self, metric: &Metric) -> Vec<Option<Vec<String>>> {
        let unused: Vec<_> = (0..self.downstreams.len())
            .map(DownstreamId)
            .filter(|id| !self.is_used(*id))
            .flat_map(|id| {
                [
                    self.downstream(id).name.clone(),
                    self.scope(Scope::Downstream(id)).into(),
                ]
            })
            .collect();
        let about = |(tag, value): (&Tag, &String)| {
            matches!(tag, Tag::Downstream | Tag::Scope) && unused.contains(value)
        };
        let occurs = |values: &Vec<String>| !metric.tags.iter().zip(values).any(about);
        let all = self.series(metric).into_iter();
        all.map(|values| Some(values).filter(occurs)).collect()
    }

    fn is_used(&self, downstream: DownstreamId) -> bool {
        let mut parts = self.pages.iter().flat_map(|page| &page.parts);
        parts.any(|part| part.downstream == downstream)
    }

    fn values(&self, tag: Tag) -> Vec<String> {
        match tag {
            Tag::Page => self.pages.iter().map(|page| page.name.clone()).collect(),
            Tag::Downstream => self.downstreams.iter().map(|d| d.name.clone()).collect(),
            Tag::PageOutcome => PageOutcome::ALL.map(|o| o.as_str().into()).to_vec(),
            Tag::CallOutcome => CallOutcome::ALL.map(|o| o.as_str().into()).to_vec(),
            Tag::ReloadOutcome => ReloadOutcome::ALL.map(|r| r.as_str().into()).to_vec(),
            Tag::Decision => TraceDecision::ALL.map(|d| d.as_str().into()).to_vec(),
            Tag::Version => vec![self.version.clone()],
            Tag::Kind => Unreadable::ALL.map(|u| u.as_str().into()).to_vec(),
            Tag::Header => BadContext::ALL.map(|b| b.as_str().into()).to_vec(),
            Tag::Reason => ShedBy::all(self.downstreams.len())
                .map(|by| by.reason().as_str().into())
                .collect(),
            Tag::Scope => ShedBy::all(self.downstreams.len())
                .map(|by| self.scope(by.scope()).into())
                .collect(),
            Tag::Signal => Dropped::ALL.map(|d| d.signal().into()).to_vec(),
            Tag::Cause => Dropped::ALL.map(|d| d.cause().into()).to_vec(),
        }
    }
}
