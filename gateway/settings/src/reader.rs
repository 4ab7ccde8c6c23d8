//! Takes keys out of a parsed file, and remembers what it took.
//!
//! How sections below this one are entered is in `sections`. Each key is named once, by the call that takes it. From what
//! was taken follows the rest: a key that nobody took is unknown, a variable that
//! overrode nothing is misspelt, the values taken are the effective configuration,
//! and what is taken from a file with one of everything is the JSON Schema.
//!
//! What always holds: a fault never ends the reading, so all of them are found at
//! once; `None` from here means that the fault has been recorded.

use std::ops::Range;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::DeTable;

use crate::key::{Fallback, Key};
use crate::kinds::Kind;
use crate::problem::Problem;
use crate::raw::Raw;
use crate::registry::{KeyRegistry, Source, Taken, What};
use crate::report::Severity;

/// One section of the file, while its keys are being taken.
pub struct Section<'r, 't> {
    /// All that was read so far.
    pub registry: &'r mut KeyRegistry,
    pub(crate) table: Option<&'t DeTable<'t>>,
    /// Where its header stands.
    pub(crate) span: Option<Range<usize>>,
    pub(crate) path: Vec<String>,
    pub(crate) asked: Vec<String>,
    /// What its keys are called in an error.
    pub noun: &'static str,
}

impl<'r, 't> Section<'r, 't> {
    /// The whole file.
    pub fn root(registry: &'r mut KeyRegistry, table: &'t DeTable<'t>) -> Self {
        let (path, asked) = (Vec::new(), Vec::new());
        Self {
            registry,
            table: Some(table),
            span: None,
            path,
            asked,
            noun: "section",
        }
    }

    /// The dotted path of a key in this section.
    pub fn dotted(&self, name: &str) -> String {
        self.path
            .iter()
            .map(String::as_str)
            .chain([name])
            .collect::<Vec<_>>()
            .join(".")
    }

    /// Takes a key: from an override, a variable, the file, or its default, in this order.
    ///
    /// `None` means that a fault has been recorded.
    pub fn take<T>(&mut self, key: Key<'_, T>) -> Option<T> {
        self.take_as(key, None)
    }

    /// Takes a key whose value may be of no use: then a warning is recorded, with what that
    /// costs, and it is as if nothing stood between its quotes.
    pub fn take_or<T>(&mut self, key: Key<'_, T>, costs: &str) -> Option<T> {
        self.take_as(key, Some(costs))
    }

    fn take_as<T>(&mut self, key: Key<'_, T>, costs: Option<&str>) -> Option<T> {
        let Key {
            name,
            kind,
            fallback,
            about,
        } = key;
        self.asked.push(name.to_owned());
        let dotted = self.dotted(name);
        let (origin, read) = self.find(name, &dotted, &kind, fallback);
        let value = match read {
            Ok(value) => Some(value),
            Err(problem) => {
                let problem = fallback.in_remedy(problem, &kind);
                self.refuse(&dotted, &origin, problem, costs);
                costs.and_then(|_| (kind.read)(&Raw::Plain("")).ok())
            }
        };
        let path = self.path_of(name);
        let required = matches!(fallback, Fallback::Required(_));
        let (shown, schema) = (value.as_ref().map(kind.show), kind.schema);
        let what = What::Key {
            value: shown,
            default: fallback.default(&kind),
            schema,
            required,
        };
        self.registry.record(
            dotted,
            Taken {
                path,
                origin,
                about,
                what,
            },
        );
        value
    }

    fn refuse(&mut self, dotted: &str, origin: &Source, mut problem: Problem, costs: Option<&str>) {
        let severity = match costs {
            Some(costs) => {
                problem.what = format!("{}; {costs}", problem.what);
                Severity::Warning
            }
            None => Severity::Error,
        };
        self.registry.fault_at(severity, dotted, origin, problem);
    }

    /// What the key is: from an override, a variable, the file, or its default.
    fn find<T>(
        &mut self,
        name: &str,
        dotted: &str,
        kind: &Kind<T>,
        fallback: Fallback,
    ) -> (Source, Result<T, Problem>) {
        // It has found its key also where an override wins over it.
        let variable = self.registry.variables.take(dotted);
        if let Some(over) = self.registry.overrides.take(dotted) {
            let read = (kind.read)(&Raw::Plain(&over.value));
            return (Source::Override(over), read);
        }
        if let Some(variable) = variable {
            let read = (kind.read)(&Raw::Plain(&variable.value));
            return (Source::Variable(variable), read);
        }
        if let Some(value) = self.table.and_then(|table| table.get(name)) {
            let read = (kind.read)(&Raw::Toml(value.get_ref()));
            return (Source::File(value.span()), read);
        }
        let read = match fallback {
            Fallback::Default(text) => (kind.read)(&Raw::Plain(text)),
            Fallback::Required(example) | Fallback::RequiredHere(example) => {
                Err(self.missing(name, kind, example))
            }
        };
        (Source::Default(self.span.clone()), read)
    }

    pub(crate) fn path_of(&self, name: &str) -> Vec<String> {
        self.path.iter().cloned().chain([name.to_owned()]).collect()
    }

    fn missing<T>(&self, name: &str, kind: &Kind<T>, example: &str) -> Problem {
        let example = (kind.read)(&Raw::Plain(example)).map_or(Json::Null, |v| (kind.show)(&v));
        let place = match self.path.last().map(|last| last.split_once('[')) {
            None => "at the top of the file, before its first section".to_owned(),
            Some(Some((list, _))) => format!("below this `[[{list}]]`"),
            Some(None) => format!("below `[{}]`", self.path.join(".")),
        };
        Problem::new("is missing, and has no default")
            .help(format!("add `{name} = {example}` {place}"))
    }

    /// Takes what only a standard variable can say; it is no key of the file. With `costs`, what
    /// cannot be read is a warning, as in [`Section::take_or`].
    pub fn take_standard<T>(
        &mut self,
        name: &str,
        kind: Kind<T>,
        default: &str,
        costs: Option<&str>,
    ) -> Option<T> {
        let dotted = self.dotted(name);
        let Some(variable) = self.registry.variables.take_standard(&dotted) else {
            return (kind.read)(&Raw::Plain(default)).ok();
        };
        let read = (kind.read)(&Raw::Plain(&variable.value));
        let origin = Source::Variable(variable);
        match read {
            Ok(value) => Some(value),
            Err(problem) => {
                self.refuse(&dotted, &origin, problem, costs);
                costs.and_then(|_| (kind.read)(&Raw::Plain(default)).ok())
            }
        }
    }

    /// Whether the key, or one below it, is written in this section, in a variable or in an override.
    pub fn is_written(&self, name: &str) -> bool {
        let in_file = self.table.is_some_and(|table| table.get(name).is_some());
        let dotted = self.dotted(name);
        in_file
            || self.registry.variables.stands_for(&dotted)
            || self.registry.overrides.stands_for(&dotted)
    }

    /// Lets one key pass without taking it.
    pub fn ignore(&mut self, name: &str) {
        self.asked.push(name.to_owned());
    }

    /// Lets every key pass that has not been asked for.
    pub fn ignore_rest(&mut self) {
        let names = self.table.into_iter().flat_map(|table| table.keys());
        self.asked
            .extend(names.map(|name| name.get_ref().to_string()));
    }

    /// Records what is wrong with a key of this section beyond its own value; with `""`, what
    /// is wrong with the section itself.
    pub fn wrong(&mut self, name: &str, problem: Problem) {
        let dotted = match name {
            "" => self.path.join("."),
            name => self.dotted(name),
        };
        let origin = match self.registry.origin(&dotted) {
            // The file may say something else, which is not at fault.
            wins @ (Source::Variable(_) | Source::Override(_)) => wins,
            Source::File(_) | Source::Default(_) => {
                let written = self.table.and_then(|table| table.get(name));
                let span = written.map(Spanned::span).or_else(|| self.span.clone());
                span.map_or(Source::Default(None), Source::File)
            }
        };
        self.registry
            .fault_at(Severity::Error, &dotted, &origin, problem);
    }

    /// A word that was probably meant, or all there are, as a sentence for a [`Problem`].
    pub fn suggest(&self, word: &str, known: &[String]) -> String {
        self.registry.suggest(word, known)
    }

    /// Records what is wrong with a key of this section, wherever its value came from.
    pub fn fault(&mut self, name: &str, problem: Problem) {
        let path = self.dotted(name);
        self.registry.fault(Severity::Error, &path, problem);
    }

    /// The same, beside another key that explains it: `label` says how.
    pub fn fault_beside(&mut self, name: &str, problem: Problem, other: &str, label: &str) {
        let (path, other) = (self.dotted(name), self.dotted(other));
        self.registry.fault(Severity::Error, &path, problem);
        self.registry.explain(&other, label);
    }

    /// The same, with the word that was probably meant.
    pub fn fault_suggesting(&mut self, name: &str, problem: Problem, word: &str, known: &[String]) {
        let help = self.registry.suggest(word, known);
        self.fault(name, problem.help(help));
    }

    /// Reports what is written here and was not asked for.
    pub fn finish(self) {
        for (name, _) in self.table.into_iter().flatten() {
            let word = name.get_ref().as_ref();
            if self.asked.iter().any(|asked| asked == word) {
                continue;
            }
            let dotted = self.dotted(word);
            let help = self.registry.suggest(word, &self.asked);
            let problem = Problem::new(format!("unknown {}", self.noun)).help(help);
            let origin = Source::File(name.span());
            self.registry
                .fault_at(Severity::Error, &dotted, &origin, problem);
        }
    }
}
