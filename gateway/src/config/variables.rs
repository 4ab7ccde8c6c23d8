//! Environment variables that override keys.
//!
//! `GATEWAY__SERVER__LISTEN` stands for `server.listen`: a double underscore for
//! a dot, a single one for itself or a dash, case does not matter. The four
//! `DD_*` variables stand for keys of `[telemetry]` and win over the others.

/// Before every variable that stands for a key.
const PREFIX: &str = "GATEWAY__";

/// Datadog's own names and the keys they stand for. An empty one counts as unset.
const DATADOG: &[(&str, &str)] = &[
    ("DD_SERVICE", "telemetry.service"),
    ("DD_ENV", "telemetry.env"),
    ("DD_VERSION", "telemetry.version"),
    ("DD_TRACE_AGENT_URL", "telemetry.datadog_agent"),
];

/// The variables that concern the gateway, and which of them found their key.
#[derive(Debug, Default)]
pub(super) struct Variables {
    all: Vec<Variable>,
}

/// One variable.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    /// The key it stands for, as [`normal`] writes it.
    target: String,
    /// Keys that took it, dotted.
    taken_by: Vec<String>,
}

impl Variable {
    /// `NAME="value"`, on one line, not endless, and without the credentials of a URL:
    /// variables are where people put secrets, and errors end up in logs.
    pub(super) fn shown(&self) -> String {
        let masked = match self.value.split_once("://") {
            Some((scheme, rest)) if rest.contains('@') => {
                let host = rest.rsplit('@').next().unwrap_or("");
                format!("{scheme}://***@{host}")
            }
            Some(_) | None => self.value.clone(),
        };
        let short: String = masked.chars().take(200).collect();
        let more = if short.len() < masked.len() {
            " (and more)"
        } else {
            ""
        };
        format!("{}={short:?}{more}", self.name)
    }
}

/// Whether a variable of this name concerns the gateway.
pub(super) fn concerns_us(name: &str) -> bool {
    name.to_ascii_uppercase().starts_with(PREFIX) || DATADOG.iter().any(|(dd, _)| *dd == name)
}

/// The variable that stands for a key.
pub(super) fn name_of(path: &str) -> String {
    format!("{PREFIX}{}", normal(path))
}

/// A dotted key as variables spell it, without the prefix.
fn normal(path: &str) -> String {
    path.replace('.', "__")
        .replace('-', "_")
        .to_ascii_uppercase()
}

impl Variables {
    /// Keeps those of the environment that concern the gateway.
    pub(super) fn new(env: &[(String, String)]) -> Self {
        let target = |name: &str, value: &str| match DATADOG.iter().find(|(dd, _)| *dd == name) {
            Some((_, key)) => (!value.is_empty()).then(|| normal(key)),
            None => name
                .to_ascii_uppercase()
                .strip_prefix(PREFIX)
                .map(str::to_owned),
        };
        let variable = |(name, value): &(String, String)| {
            let target = target(name, value)?;
            Some(Variable {
                name: name.clone(),
                value: value.clone(),
                target,
                taken_by: Vec::new(),
            })
        };
        let mut all: Vec<Variable> = env.iter().filter_map(variable).collect();
        // Datadog's first: the first match of a key is the one that counts.
        all.sort_by_key(|variable| !variable.name.starts_with("DD_"));
        Self { all }
    }

    /// Whether a variable overrides this key, or one below it.
    pub(super) fn stands_for(&self, path: &str) -> bool {
        let target = normal(path);
        let below = format!("{target}__");
        let mut all = self.all.iter();
        all.any(|variable| variable.target == target || variable.target.starts_with(&below))
    }

    /// The variable that overrides this key, if there is one.
    pub(super) fn take(&mut self, path: &str) -> Option<Variable> {
        let target = normal(path);
        let mut found = None;
        for variable in self
            .all
            .iter_mut()
            .filter(|variable| variable.target == target)
        {
            variable.taken_by.push(path.to_owned());
            found = found.or_else(|| Some(variable.clone()));
        }
        found
    }

    /// The same for a key that only Datadog's variables can set.
    pub(super) fn take_datadog(&mut self, path: &str) -> Option<Variable> {
        let target = normal(path);
        let mut all = self.all.iter_mut();
        let variable = all.find(|v| v.target == target && v.name.starts_with("DD_"))?;
        variable.taken_by.push(path.to_owned());
        Some(variable.clone())
    }

    /// Those that stand for no key.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &Variable> {
        self.all
            .iter()
            .filter(|variable| variable.taken_by.is_empty())
    }

    /// Those that stand for several keys, with the keys.
    pub(super) fn ambiguous(&self) -> impl Iterator<Item = (&Variable, &[String])> {
        let several = self
            .all
            .iter()
            .filter(|variable| variable.taken_by.len() > 1);
        several.map(|variable| (variable, variable.taken_by.as_slice()))
    }

    /// Pairs of variables whose names differ only in case.
    pub(super) fn twins(&self) -> impl Iterator<Item = (&Variable, &Variable)> {
        let ours = |variable: &&Variable| !variable.name.starts_with("DD_");
        self.all.iter().enumerate().filter_map(move |(i, a)| {
            let mut later = self.all[i + 1..].iter().filter(ours);
            let twin = later.find(|b| ours(&a) && a.target == b.target)?;
            Some((a, twin))
        })
    }
}
