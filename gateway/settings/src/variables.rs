//! Variables that override keys.
//!
//! A variable stands for a key as [`normal`] writes it: a double underscore for a dot, a single one for
//! itself or a dash, case does not matter. Some are standard: they have names of their own and win over
//! the others. Which variables there are, and how they are called, is for the program to say.

/// The variables that concern a program, and which of them found their key.
#[derive(Debug, Default)]
pub struct Variables {
    all: Vec<Variable>,
    /// Names that begin as those that stand for keys do, but for one underscore.
    ignored: Vec<String>,
}

/// One variable.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: String,
    /// As it is written, where that is not `name` and `value`.
    written: Option<String>,
    /// Its place among the standard ones, if it is one.
    standard: Option<usize>,
    /// The key it stands for, as [`normal`] writes it.
    target: String,
    /// Keys that took it, dotted.
    taken_by: Vec<String>,
}

impl Variable {
    /// One that stands for this key, dotted or as [`normal`] writes it. Of two standard ones for one
    /// key the one with the lower place counts.
    #[must_use]
    pub fn new(name: &str, value: String, key: &str, standard: Option<usize>) -> Self {
        Self {
            name: name.to_owned(),
            value,
            written: None,
            standard,
            target: normal(key),
            taken_by: Vec::new(),
        }
    }

    /// The same, made of others: how these are written, `NAME="value"` with commas between them.
    #[must_use]
    pub fn made_of(mut self, written: String) -> Self {
        self.written = Some(written);
        self
    }

    /// Its name, or those of the variables that it is made of.
    pub fn name(&self) -> String {
        match &self.written {
            None => self.name.clone(),
            Some(written) => written
                .split(", ")
                .filter_map(|one| Some(one.split_once('=')?.0))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    /// `NAME="value"`, on one line and not endless; no value of one that holds headers. What
    /// else looks like a secret is starred out where it is shown.
    pub fn shown(&self) -> String {
        if let Some(written) = &self.written {
            return written.clone();
        }
        if self.name.ends_with("_HEADERS") {
            return format!("{}=***", self.name);
        }
        shown(&self.name, &self.value)
    }
}

/// `NAME="value"`, on one line and not endless.
#[must_use]
pub fn shown(name: &str, value: &str) -> String {
    let short: String = value.chars().take(200).collect();
    let more = match short.len() < value.len() {
        true => " (and more)",
        false => "",
    };
    format!("{name}={short:?}{more}")
}

/// A dotted key as variables spell it, without the prefix.
#[must_use]
pub fn normal(path: &str) -> String {
    path.replace('.', "__")
        .replace('-', "_")
        .to_ascii_uppercase()
}

impl Variables {
    /// All of them, and the names that look as if they stood for a key and do not.
    #[must_use]
    pub fn new(mut all: Vec<Variable>, ignored: Vec<String>) -> Self {
        // The first match of a key is the one that counts: standard ones, in their order.
        all.sort_by_key(|variable| variable.standard.unwrap_or(usize::MAX));
        Self { all, ignored }
    }

    /// Names that look as if they stood for a key and do not.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Whether a variable overrides this key, or one below it.
    pub fn stands_for(&self, path: &str) -> bool {
        let target = normal(path);
        let below = format!("{target}__");
        let mut all = self.all.iter();
        all.any(|variable| variable.target == target || variable.target.starts_with(&below))
    }

    /// The variable that overrides this key, if there is one.
    pub fn take(&mut self, path: &str) -> Option<Variable> {
        self.take_those(path, |_| true)
    }

    /// The same for a key that only standard variables can set.
    pub fn take_standard(&mut self, path: &str) -> Option<Variable> {
        self.take_those(path, |variable| variable.standard.is_some())
    }

    /// The first of those that may stand for this key; it is the key of all of them.
    fn take_those(&mut self, path: &str, may: impl Fn(&Variable) -> bool) -> Option<Variable> {
        let target = normal(path);
        let mut found = None;
        for variable in self.all.iter_mut() {
            if variable.target == target && may(variable) {
                variable.taken_by.push(path.to_owned());
                found = found.or_else(|| Some(variable.clone()));
            }
        }
        found
    }

    /// Those that stand for no key.
    pub fn unknown(&self) -> impl Iterator<Item = &Variable> {
        self.all
            .iter()
            .filter(|variable| variable.taken_by.is_empty())
    }

    /// Those that stand for several keys, with the keys.
    pub fn ambiguous(&self) -> impl Iterator<Item = (&Variable, &[String])> {
        let several = self
            .all
            .iter()
            .filter(|variable| variable.taken_by.len() > 1);
        several.map(|variable| (variable, variable.taken_by.as_slice()))
    }

    /// Pairs of variables whose names differ only in case.
    pub fn twins(&self) -> impl Iterator<Item = (&Variable, &Variable)> {
        let ours = |variable: &&Variable| variable.standard.is_none();
        self.all.iter().enumerate().filter_map(move |(i, a)| {
            let mut later = self.all[i + 1..].iter().filter(ours);
            let twin = later.find(|b| ours(&a) && a.target == b.target)?;
            Some((a, twin))
        })
    }
}
