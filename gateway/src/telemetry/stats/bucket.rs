//! Ten seconds of statistics: what is added up, and for whom separately.

use std::time::Duration;

use super::resources::ResourceId;
use super::sketch::Sketch;

/// Statuses of one resource that are told apart in one bucket. Downstreams may answer
/// anything; what comes on top is counted without its status.
const MOST_KEYS: usize = 16;

/// What sets spans of one resource apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// 0 is none.
    pub(super) status: u16,
    /// Whether the trace begins with it.
    pub(super) root: bool,
    /// Whether Datadog's own probes asked for it.
    pub(super) synthetic: bool,
}

/// One span, as far as it counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) resource: ResourceId,
    pub(super) key: Key,
    pub(super) took: Duration,
    pub(super) error: bool,
}

/// Spans of one resource and one key.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) key: Key,
    pub(super) hits: u64,
    pub(super) errors: u64,
    /// In nanoseconds.
    pub(super) duration: u64,
    pub(super) ok_times: Sketch,
    pub(super) error_times: Sketch,
}

/// Statistics of the spans that ended in one stretch of time.
#[derive(Debug)]
pub(super) struct Bucket {
    /// How many such stretches were there since 1970.
    pub(super) number: u64,
    /// By resource.
    groups: Vec<Vec<Group>>,
}

impl Bucket {
    pub(super) fn new(resources: usize) -> Self {
        let groups = std::iter::repeat_with(Vec::new).take(resources);
        Self {
            number: 0,
            groups: groups.collect(),
        }
    }

    pub(super) fn add(&mut self, hit: Hit) {
        let groups = &mut self.groups[hit.resource];
        let group = match find(groups, hit.key) {
            Some(place) => &mut groups[place],
            None => new(groups, hit.key),
        };
        group.add(hit.took, hit.error);
    }

    /// What there is, by resource.
    pub(super) fn groups(&self) -> impl Iterator<Item = (ResourceId, &Group)> {
        let by_resource = self.groups.iter().enumerate();
        let all = by_resource.flat_map(|(id, groups)| groups.iter().map(move |group| (id, group)));
        all.filter(|(_, group)| group.hits > 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups().next().is_none()
    }

    /// Forgets all values, but not what there were values of: there will be more of that,
    /// and it needs no memory anew.
    pub(super) fn clear(&mut self) {
        for groups in &mut self.groups {
            groups.retain(|group| group.hits > 0);
            groups.iter_mut().for_each(Group::clear);
        }
    }
}

impl Group {
    fn add(&mut self, took: Duration, error: bool) {
        self.hits += 1;
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.duration = self.duration.saturating_add(nanos);
        if error {
            self.errors += 1;
            self.error_times.add(took);
        } else {
            self.ok_times.add(took);
        }
    }

    fn clear(&mut self) {
        (self.hits, self.errors, self.duration) = (0, 0, 0);
        self.ok_times.clear();
        self.error_times.clear();
    }
}

fn find(groups: &[Group], key: Key) -> Option<usize> {
    groups.iter().position(|group| group.key == key)
}

#[cold]
fn new(groups: &mut Vec<Group>, key: Key) -> &mut Group {
    let key = if groups.len() < MOST_KEYS {
        key
    } else {
        Key { status: 0, ..key }
    };
    let place = find(groups, key).unwrap_or_else(|| {
        groups.push(Group {
            key,
            hits: 0,
            errors: 0,
            duration: 0,
            ok_times: Sketch::default(),
            error_times: Sketch::default(),
        });
        groups.len() - 1
    });
    &mut groups[place]
}
