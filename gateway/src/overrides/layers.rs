//! A configuration as its file and variables have it, and the overrides that lie over it.
//!
//! What always holds: the lowest layer can be used by itself, so every override can end, whatever
//! has become of the file meanwhile. A change makes the next layers and leaves these as they are:
//! whoever puts them into force takes them, or stays with these.
//!
//! A file that an override cannot be used with is read all the same, and the override ends: the
//! file is what lasts, and a rollout must not fail for a key that somebody turned an hour ago.

use std::time::Duration;

use tokio::time::Instant;

use super::{NotSet, Overrides};
use crate::config::{Loaded, Misfit, Override, Report, why_fixed};

/// See the module's head.
#[derive(Clone, Debug)]
pub struct Layers {
    base: Loaded,
    overrides: Overrides,
}

/// Layers that may come into force, and what they amount to.
#[derive(Clone, Debug)]
pub struct Next {
    /// Themselves.
    pub layers: Layers,
    /// The configuration with all of them.
    pub loaded: Loaded,
    /// Overrides that had to end for it.
    pub dropped: Vec<Misfit>,
}

/// Why there are no next layers.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoNext {
    /// The configuration cannot be used with it.
    #[error("{0}")]
    Unusable(Report),
    /// It would need a restart, and why.
    #[error("`{0}`: cannot be changed while the gateway runs: {1}")]
    NotLive(String, &'static str),
    /// Who may change what is not changed by who may.
    #[error("`{0}`: cannot be overridden, since it says who may override; write it in the file")]
    Access(String),
    /// It would last too long, or be one too many.
    #[error(transparent)]
    NotSet(#[from] NotSet),
    /// There is no override of this key.
    #[error("`{0}`: there is no override of it")]
    Unknown(String),
}

impl Layers {
    /// A configuration without overrides.
    #[must_use]
    pub fn new(base: Loaded) -> Self {
        Self {
            base,
            overrides: Overrides::default(),
        }
    }

    /// As the file and the variables have it.
    #[must_use]
    pub fn base(&self) -> &Loaded {
        &self.base
    }

    /// What lies over that.
    #[must_use]
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// With another file below the overrides, as far as it can be used with them.
    #[must_use]
    pub fn on(&self, base: Loaded) -> Next {
        self.fitting(base, self.overrides.clone())
    }

    /// With one more override, from `now` on, or with another value of one.
    ///
    /// # Errors
    /// [`NoNext`].
    pub fn set(&self, now: Instant, over: Override, lasts: Duration) -> Result<Next, NoNext> {
        if let Some(why) = why_fixed(&over.key) {
            return Err(NoNext::NotLive(over.key, why));
        }
        if over.key.starts_with("admin.") {
            return Err(NoNext::Access(over.key));
        }
        let mut overrides = self.overrides.clone();
        overrides.set(now, over, lasts)?;
        let loaded = self.base.with(&overrides.values());
        Ok(Next {
            loaded: loaded.map_err(NoNext::Unusable)?,
            layers: self.with(overrides),
            dropped: Vec::new(),
        })
    }

    /// Without the override of `key`.
    ///
    /// # Errors
    /// [`NoNext::Unknown`].
    pub fn unset(&self, key: &str) -> Result<Next, NoNext> {
        let mut overrides = self.overrides.clone();
        let ended = overrides.unset(key);
        ended.ok_or_else(|| NoNext::Unknown(key.to_owned()))?;
        Ok(self.fitting(self.base.clone(), overrides))
    }

    /// Without those that have ended by `now`.
    #[must_use]
    pub fn expire(&self, now: Instant) -> Next {
        let mut overrides = self.overrides.clone();
        overrides.expire(now);
        self.fitting(self.base.clone(), overrides)
    }

    /// The same, with what stands by now in the files that the configuration names.
    ///
    /// # Errors
    /// All that is wrong with it now.
    pub fn again(&self) -> Result<Next, Report> {
        let base = self.base.with(&[])?;
        let loaded = base.with(&self.overrides.values())?;
        let overrides = self.overrides.clone();
        Ok(Next {
            layers: Self { base, overrides },
            loaded,
            dropped: Vec::new(),
        })
    }

    fn with(&self, overrides: Overrides) -> Self {
        let base = self.base.clone();
        Self { base, overrides }
    }

    /// One may only be usable as long as another is there.
    fn fitting(&self, base: Loaded, overrides: Overrides) -> Next {
        let mut overrides = overrides;
        let (loaded, dropped) = base.with_those_that_fit(&overrides.values());
        for misfit in &dropped {
            overrides.unset(&misfit.key);
        }
        let layers = Self { base, overrides };
        Next {
            layers,
            loaded,
            dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{default_text, load_text};
    use crate::page::deadline::now;

    const MINUTE: Duration = Duration::from_secs(60);
    const WAIT: &str = "page.product-page.max_wait";

    fn file(change: &str, to: &str) -> Loaded {
        assert!(default_text().contains(change));
        load_text("c.toml", &default_text().replace(change, to), &[]).unwrap()
    }

    fn shipped() -> Layers {
        Layers::new(load_text("c.toml", default_text(), &[]).unwrap())
    }

    fn set(layers: &Layers, key: &str, value: Value) -> Result<Next, NoNext> {
        layers.set(now(), Override::new(key, &value), MINUTE)
    }

    fn value(next: &Next, pointer: &str) -> Value {
        next.loaded.effective.pointer(pointer).unwrap().clone()
    }

    #[test]
    fn an_override_lies_over_every_file_until_it_ends() {
        let next = set(&shipped(), WAIT, json!("20ms")).unwrap();
        assert_eq!(value(&next, "/page/product-page/max_wait"), "20ms");
        let next = next
            .layers
            .on(file("max_wait = \"50ms\"", "max_wait = \"60ms\"\n#"));
        assert_eq!(value(&next, "/page/product-page/max_wait"), "20ms");
        assert!(next.dropped.is_empty());
        let end = next.layers.overrides().next_end().unwrap();
        let early = next.layers.expire(end - Duration::from_nanos(1));
        assert_eq!(early.layers.overrides(), next.layers.overrides());
        let next = next.layers.expire(end);
        assert_eq!(value(&next, "/page/product-page/max_wait"), "60ms");
        assert_eq!(next.layers.overrides().all(), []);
    }

    #[test]
    fn a_change_that_is_not_taken_has_changed_nothing() {
        let layers = set(&shipped(), WAIT, json!("20ms")).unwrap().layers;
        let before = layers.overrides().clone();
        let _ = layers.unset(WAIT).unwrap();
        let _ = set(&layers, WAIT, json!("1ms")).unwrap();
        assert!(matches!(
            set(&layers, WAIT, json!("1")),
            Err(NoNext::Unusable(_))
        ));
        assert!(matches!(
            set(&layers, "a.b", json!(1)),
            Err(NoNext::Unusable(_))
        ));
        assert!(matches!(layers.unset("a.b"), Err(NoNext::Unknown(_))));
        assert_eq!(*layers.overrides(), before);
    }

    #[test]
    fn what_needs_a_restart_or_says_who_may_change_is_not_overridden() {
        let refused = |key: &str, value: Value| set(&shipped(), key, value).unwrap_err();
        let listen = refused("server.listen", json!("127.0.0.1:1"));
        assert!(
            matches!(&listen, NoNext::NotLive(key, _) if key == "server.listen"),
            "{listen}"
        );
        let token = refused("admin.token_file", json!(""));
        assert!(matches!(token, NoNext::Access(_)), "{token}");
    }

    #[test]
    fn a_file_without_the_key_of_an_override_ends_it_and_no_other() {
        let layers = set(&shipped(), WAIT, json!("20ms")).unwrap().layers;
        let layers = set(&layers, "downstream.pricing.permits", json!(7))
            .unwrap()
            .layers;
        let renamed = default_text().replace("product-page", "shop-page");
        let next = layers.on(load_text("c.toml", &renamed, &[]).unwrap());
        let dropped: Vec<&str> = next.dropped.iter().map(|one| one.key.as_str()).collect();
        assert_eq!(dropped, [WAIT]);
        assert_eq!(value(&next, "/downstream/pricing/permits"), 7);
        assert!(next.layers.overrides().get(WAIT).is_none());
    }

    #[test]
    fn an_override_that_needed_another_ends_with_it() {
        let layers = set(&shipped(), "page.product-page.deadline", json!("2s"))
            .unwrap()
            .layers;
        let layers = set(&layers, "page.product-page.reserve", json!("1s"))
            .unwrap()
            .layers;
        let next = layers.unset("page.product-page.deadline").unwrap();
        assert_eq!(next.dropped.len(), 1);
        assert_eq!(value(&next, "/page/product-page/reserve"), "5ms");
        assert_eq!(next.layers.overrides().all(), []);
    }

    /// Small, so that many histories fit into a second.
    const SMALL: &str = "[downstream.d]\nurl = \"http://127.0.0.1:1\"\n[page.p]\npath = \"/p\"\ndeadline = \"300ms\"\n\
                         [page.p.part.a]\ndownstream = \"d\"\npath = \"/a\"\n";

    /// Keys and values, some of which cannot be used, or only beside another.
    const SETS: &[(&str, &str)] = &[
        ("page.p.deadline", "2s"),
        ("page.p.deadline", "4ms"),
        ("page.p.reserve", "1s"),
        ("page.p.reserve", "1ms"),
        ("page.p.queue", "9"),
        ("page.p.queue", "x"),
        ("page.q.queue", "9"),
        ("downstream.d.permits", "7"),
        ("server.listen", "127.0.0.1:1"),
    ];

    #[derive(Clone, Debug)]
    enum Event {
        Set { at: usize, lasts: u64 },
        Unset { at: usize },
        Time { passes: u64 },
        File { deadline_ms: u64 },
    }

    fn event() -> impl proptest::strategy::Strategy<Value = Event> {
        use proptest::prelude::*;
        prop_oneof![
            4 => (0..SETS.len(), 1u64..20).prop_map(|(at, lasts)| Event::Set { at, lasts }),
            1 => (0..SETS.len()).prop_map(|at| Event::Unset { at }),
            2 => (1u64..15).prop_map(|passes| Event::Time { passes }),
            2 => (6u64..400).prop_map(|deadline_ms| Event::File { deadline_ms }),
        ]
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        /// Whatever happens, what is in force is the file with the overrides that are shown over
        /// it, none of them has ended, and without them it is the file alone.
        #[test]
        fn what_is_in_force_is_the_file_below_the_overrides_that_are_shown(
            events in proptest::collection::vec(event(), 1..12),
        ) {
            let start = now();
            let mut layers = Layers::new(load_text("c.toml", SMALL, &[]).unwrap());
            let mut seconds = 0;
            for event in events {
                let at = start + Duration::from_secs(seconds);
                let next = match event {
                    Event::Set { at: set, lasts } => {
                        let (key, value) = SETS[set];
                        let lasts = Duration::from_secs(lasts);
                        layers.set(at, Override::new(key, &json!(value)), lasts).ok()
                    }
                    Event::Unset { at: set } => layers.unset(SETS[set].0).ok(),
                    Event::Time { passes } => {
                        seconds += passes;
                        Some(layers.expire(start + Duration::from_secs(seconds)))
                    }
                    Event::File { deadline_ms } => {
                        let text = SMALL.replace("300ms", &format!("{deadline_ms}ms"));
                        Some(layers.on(load_text("c.toml", &text, &[]).unwrap()))
                    }
                };
                let Some(next) = next else { continue };
                layers = next.layers;
                let again = layers.base().with(&layers.overrides().values());
                proptest::prop_assert_eq!(&again.unwrap().effective, &next.loaded.effective);
                let alone = layers.base().with(&[]).unwrap();
                proptest::prop_assert_eq!(&alone.effective, &layers.base().effective);
                for misfit in &next.dropped {
                    proptest::prop_assert!(layers.overrides().get(&misfit.key).is_none());
                }
            }
        }
    }
}
