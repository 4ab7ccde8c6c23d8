//! What of a downstream may change while its connections stay open.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::{Downstream, Http2};

/// The limits of one downstream's connections, as the configuration in force has them.
#[derive(Debug)]
pub(super) struct Tuning {
    connect_timeout: AtomicSpan,
    idle_timeout: AtomicSpan,
    max_age: AtomicSpan,
    resolve: AtomicSpan,
    max_body: AtomicUsize,
    max_idle: AtomicUsize,
    warm: AtomicUsize,
}

/// A span of time in nanoseconds; half a millennium of them.
#[derive(Debug)]
struct AtomicSpan(AtomicU64);

/// The same, as one configuration says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) connect_timeout: Duration,
    idle_timeout: Duration,
    max_age: Duration,
    resolve: Duration,
    max_body: usize,
    max_idle: usize,
    warm: usize,
}

impl Settings {
    pub(super) fn of(downstream: &Downstream) -> Self {
        let warm = match downstream.http2 {
            Http2::Never => downstream.warm,
            // One connection of HTTP/2 carries many calls.
            Http2::Always | Http2::Auto => downstream.warm.min(1),
        };
        Self {
            connect_timeout: downstream.connect_timeout,
            idle_timeout: downstream.idle_timeout,
            max_age: downstream.max_age,
            resolve: downstream.resolve,
            max_body: downstream.max_body.get(),
            max_idle: downstream
                .enforced_permits()
                .map_or(usize::MAX, |permits| permits as usize),
            warm: warm as usize,
        }
    }
}

impl Tuning {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            connect_timeout: AtomicSpan::new(settings.connect_timeout),
            idle_timeout: AtomicSpan::new(settings.idle_timeout),
            max_age: AtomicSpan::new(settings.max_age),
            resolve: AtomicSpan::new(settings.resolve),
            max_body: AtomicUsize::new(settings.max_body),
            max_idle: AtomicUsize::new(settings.max_idle),
            warm: AtomicUsize::new(settings.warm),
        }
    }

    pub(super) fn set(&self, settings: Settings) {
        self.connect_timeout.set(settings.connect_timeout);
        self.idle_timeout.set(settings.idle_timeout);
        self.max_age.set(settings.max_age);
        self.resolve.set(settings.resolve);
        self.max_body.store(settings.max_body, Ordering::Relaxed);
        self.max_idle.store(settings.max_idle, Ordering::Relaxed);
        self.warm.store(settings.warm, Ordering::Relaxed);
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout.get()
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        self.idle_timeout.get()
    }

    pub(super) fn max_age(&self) -> Duration {
        self.max_age.get()
    }

    /// How often the name is resolved.
    pub(super) fn resolve(&self) -> Duration {
        self.resolve.get()
    }

    pub(super) fn max_body(&self) -> usize {
        self.max_body.load(Ordering::Relaxed)
    }

    /// Connections kept idle to each endpoint.
    pub(super) fn max_idle(&self) -> usize {
        self.max_idle.load(Ordering::Relaxed)
    }

    /// Connections opened to each endpoint ahead.
    pub(super) fn warm(&self) -> usize {
        self.warm.load(Ordering::Relaxed)
    }
}

impl AtomicSpan {
    fn new(span: Duration) -> Self {
        Self(AtomicU64::new(nanos(span)))
    }

    fn set(&self, span: Duration) {
        self.0.store(nanos(span), Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
