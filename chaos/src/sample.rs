//! What is asked for: values of path parameters. The same for both worlds.

use anyhow::{Result, bail};
use gateway::config::{Config, Param};

/// Values of path parameters that some pattern is likely to allow.
const SAMPLES: [&str; 8] = ["p-1001", "1001", "a", "A", "1", "en", "0a1b2c3d", "x_1"];

/// For each page a value for each parameter of its path.
pub(crate) fn sample_params(config: &Config) -> Result<Vec<Vec<String>>> {
    let value = |param: &Param| {
        let mut samples = SAMPLES.iter();
        match samples.find(|sample| param.pattern.is_match(sample)) {
            Some(sample) => Ok((*sample).to_owned()),
            None => bail!(
                "no sample value matches the pattern of `params.{}`; allow one of {SAMPLES:?} in the rehearsal",
                param.name
            ),
        }
    };
    let pages = config.pages.iter();
    pages
        .map(|page| page.path.params.iter().map(value).collect())
        .collect()
}
