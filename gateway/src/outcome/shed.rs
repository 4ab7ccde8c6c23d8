//! The limits that refuse pages, and the reasons each of them can have.

use std::borrow::Cow;

use crate::ids::DownstreamId;
use crate::outcome::Reason;

/// The limit or part that a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The client's own rate or budget.
    Client,
    /// The whole gateway.
    Gateway,
    /// One downstream.
    Downstream(DownstreamId),
}

impl Scope {
    /// As clients, logs and tags spell it: `client`, `gateway`, `downstream:pricing`.
    /// `name` gives the downstream's name.
    pub fn spelled<'a>(self, name: impl FnOnce(DownstreamId) -> &'a str) -> Cow<'static, str> {
        match self {
            Self::Client => "client".into(),
            Self::Gateway => "gateway".into(),
            Self::Downstream(id) => format!("downstream:{}", name(id)).into(),
        }
    }

    /// What the limit sheds pages for.
    fn reasons(self) -> &'static [Reason] {
        match self {
            Self::Client => &[Reason::ClientQuota],
            Self::Gateway => &[
                Reason::GatewayFull,
                Reason::Draining,
                Reason::DeadlineUnreachable,
            ],
            Self::Downstream(_) => &[
                Reason::BulkheadFull,
                Reason::QueueEvicted,
                Reason::DeadlineUnreachable,
            ],
        }
    }
}

/// What a page was shed by: the reason and the limit that its client is told. Only the
/// pairs that can occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShedBy {
    scope: Scope,
    /// Index into the limit's reasons.
    nth: usize,
}

impl ShedBy {
    /// How many there are of each downstream.
    pub const PER_DOWNSTREAM: usize = 3;

    /// The limit and its reason; `None` for a refusal that is not for load, quota or a
    /// shutdown.
    pub fn of(reason: Reason, scope: Scope) -> Option<Self> {
        let nth = scope.reasons().iter().position(|own| *own == reason)?;
        Some(Self { scope, nth })
    }

    /// Everything a page can be shed by, in the order of its index.
    pub fn all(downstreams: usize) -> impl Iterator<Item = Self> {
        let each = (0..downstreams).map(|index| Scope::Downstream(DownstreamId(index)));
        let scopes = [Scope::Client, Scope::Gateway].into_iter().chain(each);
        scopes.flat_map(|scope| (0..scope.reasons().len()).map(move |nth| Self { scope, nth }))
    }

    /// Its place among those of its downstream; or, of those that are no downstream's, among all of these.
    pub fn within_name(self) -> usize {
        match self.scope {
            Scope::Client | Scope::Downstream(_) => self.nth,
            Scope::Gateway => Scope::Client.reasons().len() + self.nth,
        }
    }

    /// The reason.
    pub fn reason(self) -> Reason {
        self.scope.reasons()[self.nth]
    }

    /// The limit.
    pub fn scope(self) -> Scope {
        self.scope
    }
}
