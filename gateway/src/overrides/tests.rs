use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::page::deadline::now;

fn over(key: &str, value: &str) -> config::Override {
    config::Override::new(key, &json!(value))
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_override_counts_until_its_end_and_no_longer() {
    let start = now();
    let mut overrides = Overrides::default();
    assert_eq!(overrides.set(start, over("a", "1"), 10 * SECOND), Ok(None));
    assert_eq!(overrides.next_end(), Some(start + 10 * SECOND));
    let just_before = start + 10 * SECOND - Duration::from_nanos(1);
    assert_eq!(overrides.expire(just_before), []);
    assert_eq!(overrides.values(), [over("a", "1")]);
    let ended = overrides.expire(start + 10 * SECOND);
    assert_eq!(ended.len(), 1);
    assert_eq!((overrides.next_end(), overrides.all().len()), (None, 0));
}

#[test]
fn set_again_a_key_has_the_new_value_until_the_new_end() {
    let start = now();
    let mut overrides = Overrides::default();
    overrides.set(start, over("a", "1"), 5 * SECOND).unwrap();
    overrides.set(start, over("b", "1"), 60 * SECOND).unwrap();
    let before = overrides.set(start + SECOND, over("a", "2"), 60 * SECOND);
    assert_eq!(before.unwrap().unwrap().over, over("a", "1"));
    assert_eq!(overrides.expire(start + 5 * SECOND), []);
    assert_eq!(overrides.values(), [over("b", "1"), over("a", "2")]);
    assert_eq!(overrides.unset("a").unwrap().over, over("a", "2"));
    assert_eq!(overrides.unset("a"), None);
}

#[test]
fn an_override_without_an_end_in_sight_is_none() {
    let start = now();
    let mut overrides = Overrides::default();
    let nanosecond = Duration::from_nanos(1);
    for lasts in [
        Duration::ZERO,
        SHORTEST - nanosecond,
        LONGEST + nanosecond,
        Duration::MAX,
    ] {
        assert_eq!(
            overrides.set(start, over("a", "1"), lasts),
            Err(NotSet::Lasts)
        );
    }
    let long = "x".repeat(LONGEST_VALUE + 1);
    assert_eq!(
        overrides.set(start, over("a", &long), SECOND),
        Err(NotSet::Value)
    );
    assert_eq!(overrides, Overrides::default());
    assert!(overrides.set(start, over("a", &long[1..]), LONGEST).is_ok());
}

#[test]
fn there_are_only_so_many_and_one_of_them_can_still_be_changed() {
    let start = now();
    let mut overrides = Overrides::default();
    for at in 0..MOST {
        overrides
            .set(start, over(&at.to_string(), "1"), SECOND)
            .unwrap();
    }
    let full = overrides.clone();
    assert_eq!(
        overrides.set(start, over("more", "1"), SECOND),
        Err(NotSet::TooMany)
    );
    assert_eq!(overrides, full);
    assert!(
        overrides
            .set(start, over("7", "2"), SECOND)
            .unwrap()
            .is_some()
    );
    assert_eq!(overrides.all().len(), MOST);
    overrides.unset("7");
    assert_eq!(overrides.set(start, over("more", "1"), SECOND), Ok(None));
}

/// What may happen to overrides.
#[derive(Clone, Debug)]
enum Event {
    Set { key: u8, value: u8, lasts: u64 },
    Unset { key: u8 },
    Time { passes: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0u8..40, any::<u8>(), 0u64..90_000).prop_map(|(key, value, lasts)| Event::Set { key, value, lasts }),
        1 => (0u8..40).prop_map(|key| Event::Unset { key }),
        2 => (0u64..30_000).prop_map(|passes| Event::Time { passes }),
    ]
}

proptest! {
    /// The model is a map from a key to its value and its end, in seconds.
    #[test]
    fn overrides_are_a_map_whose_entries_end(events in prop::collection::vec(event(), 0..120)) {
        let start = now();
        let mut overrides = Overrides::default();
        let mut model: BTreeMap<String, (String, u64)> = BTreeMap::new();
        let mut seconds = 0;
        for event in events {
            let at = start + Duration::from_secs(seconds);
            match event {
                Event::Set { key, value, lasts } => {
                    let (key, value) = (key.to_string(), value.to_string());
                    let allowed = (1..=86_400).contains(&lasts)
                        && (model.contains_key(&key) || model.len() < MOST);
                    let set = overrides.set(at, over(&key, &value), Duration::from_secs(lasts));
                    prop_assert_eq!(set.is_ok(), allowed);
                    if allowed {
                        model.insert(key, (value, seconds + lasts));
                    }
                }
                Event::Unset { key } => {
                    let key = key.to_string();
                    prop_assert_eq!(overrides.unset(&key).is_some(), model.remove(&key).is_some());
                }
                Event::Time { passes } => {
                    seconds += passes;
                    let now = start + Duration::from_secs(seconds);
                    let ended = overrides.expire(now).len();
                    let before = model.len();
                    model.retain(|_, (_, ends)| *ends > seconds);
                    prop_assert_eq!(ended, before - model.len());
                    prop_assert!(overrides.next_end().is_none_or(|end| end > now));
                }
            }
            prop_assert!(overrides.all().len() <= MOST);
            let held = overrides.all().iter().map(|set| {
                let ends = (set.ends - start).as_secs();
                (set.over.key.clone(), (set.over.value.clone(), ends))
            });
            let held: BTreeMap<_, _> = held.collect();
            prop_assert_eq!(held.len(), overrides.all().len(), "a key has two overrides");
            prop_assert_eq!(&held, &model);
            prop_assert_eq!(
                overrides.next_end().map(|end| (end - start).as_secs()),
                model.values().map(|(_, ends)| *ends).min()
            );
        }
    }
}
