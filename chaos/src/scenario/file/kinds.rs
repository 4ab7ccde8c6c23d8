//! The kinds of value that only scenarios have.

use std::time::Duration;

use fixtures::{Behaviour, Latency};
use serde::Deserialize;
use serde_json::json;
use settings::kinds::{Kind, one_of};
use settings::problem::Problem;
use settings::raw::Raw;
use settings::units;
use toml::de::DeValue;

use crate::load::Arrivals;
use crate::scenario::behaviour::plain;
use crate::scenario::schema::values;
use crate::scenario::{Arm, Backoff};
use crate::verdict::Bound;

pub(super) const WHOLE: Kind<u64> = Kind {
    read: |raw| raw.integer(0, u64::MAX >> 1),
    show: |value| json!(value),
    schema: || json!({"type": "integer", "minimum": 0}),
};

pub(super) const PROSE: Kind<String> = Kind {
    read: |raw| Ok(raw.text("a text")?.trim().to_owned()),
    show: |value| json!(value),
    schema: || json!({"type": "string"}),
};

pub(super) const OPTIONAL_TEXT: Kind<Option<String>> = Kind {
    read: |raw| Ok(Some(raw.text("a text")?.to_owned()).filter(|text| !text.is_empty())),
    show: |value| json!(value),
    schema: || json!({"type": "string"}),
};

/// `"poisson"`, `"constant"`, or a table with `cv` and `every`.
pub(super) const ARRIVALS: Kind<Arrivals> = Kind {
    read: |raw| match raw {
        Raw::Toml(value @ DeValue::Table(_)) => bursty(value),
        Raw::Toml(_) | Raw::Plain(_) => {
            let words = [
                ("poisson", Arrivals::Poisson),
                ("constant", Arrivals::Constant),
            ];
            one_of(raw, &words)
                .map_err(|problem| problem.help("write \"poisson\", \"constant\" or { cv = 0.5 }"))
        }
    },
    show: |arrivals| match arrivals {
        Arrivals::Poisson => json!("poisson"),
        Arrivals::Constant => json!("constant"),
        Arrivals::Bursty { cv, every } => json!({"cv": cv, "every": units::show_duration(*every)}),
    },
    schema: values::arrivals,
};

/// `{ cv = 0.5, every = "500ms" }`
fn bursty(value: &DeValue<'_>) -> Result<Arrivals, Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Written {
        cv: f64,
        every: Option<String>,
    }
    let example = "write { cv = 0.5, every = \"500ms\" }";
    let written: Written = plain(value)
        .try_into()
        .map_err(|error: toml::de::Error| Problem::new(error.message().to_owned()).help(example))?;
    if !(0.0..=3.0).contains(&written.cv) {
        return Err(Problem::new("has a `cv` that is not from 0 to 3").help(example));
    }
    let every = written.every.as_deref().unwrap_or("500ms");
    let every = units::duration(every)?;
    if every < Duration::from_millis(10) {
        return Err(Problem::new("has an `every` below 10ms").help(example));
    }
    Ok(Arrivals::Bursty {
        cv: written.cv,
        every,
    })
}

/// A time, the same for everybody or drawn for each; `"none"`.
pub(super) const TIME_OR_NONE: Kind<Option<Latency>> = Kind {
    read: |raw| match raw {
        Raw::Toml(value @ DeValue::Table(_)) => drawn(value).map(Some),
        Raw::Toml(_) | Raw::Plain(_) => match raw.text("a duration such as \"250ms\"")? {
            "none" => Ok(None),
            text => whole(units::duration(text)?).map(|time| Some(Latency::Fixed(time))),
        },
    },
    show: |time| {
        time.as_ref()
            .map_or_else(|| json!("none"), |time| json!(time))
    },
    schema: values::time_or_none,
};

/// Times of clients are whole milliseconds, as all instants in simulated time are.
fn whole(time: Duration) -> Result<Duration, Problem> {
    match time.subsec_nanos().is_multiple_of(1_000_000) && !time.is_zero() {
        true => Ok(time),
        false => Err(Problem::new("is not a whole number of milliseconds above 0").write("1ms")),
    }
}

fn drawn(value: &DeValue<'_>) -> Result<Latency, Problem> {
    let example = "write \"250ms\", or { lognormal = { p50 = \"250ms\", p99 = \"1s\" } }";
    let latency: Latency = plain(value)
        .try_into()
        .map_err(|error: toml::de::Error| Problem::new(error.message().to_owned()).help(example))?;
    let behaviour = Behaviour {
        latency: latency.clone(),
        ..Behaviour::default()
    };
    match behaviour.check() {
        Ok(()) => Ok(latency),
        Err(bad) => Err(Problem::new(bad.to_string()).help(example)),
    }
}

/// `"10%"`, or `"none"`.
pub(super) const SHARE_OR_NONE: Kind<Option<f64>> = Kind {
    read: |raw| {
        let text = raw.text("a share such as \"10%\"")?;
        if text == "none" {
            return Ok(None);
        }
        let number = text
            .strip_suffix('%')
            .and_then(|number| number.trim().parse().ok());
        match number.filter(|percent: &f64| (0.0..=100.0).contains(percent)) {
            Some(percent) => Ok(Some(percent / 100.0)),
            None => {
                Err(Problem::new(format!("{text:?} is not a share from 0% to 100%")).write("10%"))
            }
        }
    },
    show: |share| match share {
        None => json!("none"),
        Some(share) => json!(format!("{}%", share * 100.0)),
    },
    schema: || values::text("none|[0-9.]+ *%"),
};

pub(super) const ARM: Kind<Arm> = Kind {
    read: |raw| {
        let words = [
            ("whole_page", Arm::WholePage),
            ("part_by_part", Arm::PartByPart),
        ];
        one_of(raw, &words)
    },
    show: |arm| match arm {
        Arm::WholePage => json!("whole_page"),
        Arm::PartByPart => json!("part_by_part"),
    },
    schema: || json!({"enum": ["whole_page", "part_by_part"]}),
};

pub(super) const BOUND: Kind<Option<Bound>> = Kind {
    read: |raw| match raw.text("a bound such as \">= 99.5%\"")? {
        "" => Ok(None),
        text => Bound::parse(text).map(Some),
    },
    show: |bound| json!(bound.map(|bound| bound.to_string())),
    schema: || json!({"type": "string"}),
};

/// A bound, or `"none"` for a figure that is not judged; the outer `None`: not written.
pub(super) const LIVE_BOUND: Kind<Option<Option<Bound>>> = Kind {
    read: |raw| match raw.text("a bound such as \">= 99.5%\", or \"none\"")? {
        "" => Ok(None),
        "none" => Ok(Some(None)),
        text => Bound::parse(text).map(|bound| Some(Some(bound))),
    },
    show: |_| json!(null),
    schema: || json!({"type": "string"}),
};

/// The pause before the first retry, or `"retry-after"`.
pub(super) const BACKOFF: Kind<Backoff> = Kind {
    read: |raw| match raw.text("a duration such as \"100ms\", or \"retry-after\"")? {
        "retry-after" => Ok(Backoff::RetryAfter),
        text => units::duration(text).map(Backoff::Doubling),
    },
    show: |backoff| match backoff {
        Backoff::RetryAfter => json!("retry-after"),
        Backoff::Doubling(first) => json!(units::show_duration(*first)),
    },
    schema: || values::text(&format!("retry-after|{}", values::DURATION)),
};

/// CPUs: whole ones, or parts of one.
pub(super) const CORES: Kind<f64> = Kind {
    read: |raw| {
        let number = raw.number();
        let number = number.ok_or_else(|| raw.instead("a number of CPUs such as 0.5 or 4"))?;
        match (0.01..=64.0).contains(&number) {
            true => Ok(number),
            false => Err(Problem::new("is not a number of CPUs from 0.01 to 64").write(1)),
        }
    },
    show: |value| json!(value),
    schema: || json!({"type": "number", "minimum": 0.01, "maximum": 64}),
};

/// `"5s..25s"`.
pub(super) const SPAN: Kind<Option<(Duration, Duration)>> = Kind {
    read: |raw| {
        let text = raw.text("a stretch of time such as \"5s..25s\"")?;
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = || {
            Problem::new(format!("{text:?} is not a stretch of time"))
                .help("write two instants and two dots between them: \"5s..25s\"")
        };
        let (from, until) = text.split_once("..").ok_or_else(wrong)?;
        let instant = units::duration;
        let (from, until) = (instant(from)?, instant(until)?);
        if from >= until {
            return Err(wrong());
        }
        Ok(Some((from, until)))
    },
    show: |_| json!(null),
    schema: || values::text(&format!("{0}\\.\\.{0}", values::DURATION)),
};
