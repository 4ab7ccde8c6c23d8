//! What is asked for: values of parameters. The same for both worlds.

use anyhow::{Result, bail};
use gateway::config::{Config, Page, Param};

/// Values of parameters that some pattern is likely to allow.
const SAMPLES: [&str; 9] = [
    "p-1001", "1001", "a", "A", "1", "en", "EUR", "0a1b2c3d", "x_1",
];

/// What a request for a page says; nothing of it needs to be escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// A value for each parameter of its path.
    pub(crate) params: Vec<String>,
    /// The query, where a parameter of it is required.
    pub(crate) query: Option<String>,
}

/// One for each page.
pub(crate) fn samples(config: &Config) -> Result<Vec<Sample>> {
    config.pages.iter().map(sample).collect()
}

fn sample(page: &Page) -> Result<Sample> {
    let value = |param: &Param, section: &str| {
        let mut samples = SAMPLES.iter();
        match samples.find(|sample| param.pattern.is_match(sample)) {
            Some(sample) => Ok((*sample).to_owned()),
            None => bail!(
                "no sample value matches the pattern of `{section}.{}`; allow one of {SAMPLES:?} in the rehearsal",
                param.name
            ),
        }
    };
    let params = page.path.params.iter().map(|param| value(param, "params"));
    let required = page.query.iter().filter(|one| one.default.is_none());
    let query = required.map(|one| {
        let value = value(&one.param, "query")?;
        Ok(format!("{}={value}", one.param.name))
    });
    let query = query.collect::<Result<Vec<_>>>()?.join("&");
    Ok(Sample {
        params: params.collect::<Result<_>>()?,
        query: (!query.is_empty()).then_some(query),
    })
}
