//! Takes keys out of a parsed file, and remembers what it took.
//!
//! Each key is named once, in [`super::file`], by the call that takes it. From what
//! was taken follows the rest: a key that nobody took is unknown, a variable that
//! overrode nothing is misspelt, the values taken are the effective configuration,
//! and what is taken from a file with one of everything is the JSON Schema.
//!
//! What always holds: a fault never ends the reading, so all of them are found at
//! once; `None` from here means that the fault has been recorded.

use std::ops::Range;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::{Fallback, Key};
use super::kinds::Kind;
use super::problem::Problem;
use super::raw::{self, Raw};
use super::registry::{KeyRegistry, Source, Taken, What};
use super::report::Severity;
use super::{Name, names};

/// One section of the file, while its keys are being taken.
pub struct Section<'r, 't> {
    pub(super) registry: &'r mut KeyRegistry,
    table: Option<&'t DeTable<'t>>,
    /// Where its header stands.
    span: Option<Range<usize>>,
    path: Vec<String>,
    asked: Vec<String>,
    /// What its keys are called in an error.
    pub(super) noun: &'static str,
}

impl<'r, 't> Section<'r, 't> {
    /// The whole file.
    pub(super) fn root(registry: &'r mut KeyRegistry, table: &'t DeTable<'t>) -> Self {
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
    pub(super) fn take_or<T>(&mut self, key: Key<'_, T>, costs: &str) -> Option<T> {
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

    fn path_of(&self, name: &str) -> Vec<String> {
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
    pub(super) fn take_standard<T>(
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

    /// Reads a section with fixed keys; if it is not there, all its keys are defaults.
    pub fn section<T>(
        &mut self,
        name: &str,
        about: &'static str,
        read: impl FnOnce(&mut Section<'_, 't>) -> Option<T>,
    ) -> Option<T> {
        let mut section = self.enter(name, about, What::Section, "key")?;
        let value = read(&mut section);
        section.finish();
        value
    }

    /// Reads a section whose keys are the user's own; `noun` is what one of them is called.
    pub(super) fn own_keys<T>(
        &mut self,
        name: &str,
        about: &'static str,
        noun: &'static str,
        read: impl FnOnce(&mut Section<'_, 't>) -> Option<T>,
    ) -> Option<T> {
        let mut section = self.enter(name, about, What::Names, noun)?;
        let value = read(&mut section);
        section.finish();
        value
    }

    /// Reads every `[name.SOMETHING]` in the order of the file; none if there are too many.
    pub fn each<T>(
        &mut self,
        name: &str,
        about: &'static str,
        most: usize,
        mut read: impl FnMut(&mut Section<'_, 't>, Name) -> Option<T>,
    ) -> Option<Vec<(Name, Option<T>)>> {
        let mut section = self.enter(name, about, What::Names, "key")?;
        let table = section.table;
        let count = table.map_or(0, |table| table.len());
        if count > most {
            let problem = Problem::new(format!("{count} are too many; the most is {most}"));
            let path = section.path.join(".");
            let registry = &mut section.registry;
            registry.fault(Severity::Error, &path, problem.help("remove some"));
            return None;
        }
        let names = table.into_iter().flat_map(|table| table.keys());
        let mut all = Vec::new();
        for own in names {
            let dotted = section.dotted(own.get_ref());
            if let Err(problem) = names::check(own.get_ref()) {
                let origin = Source::File(own.span());
                section
                    .registry
                    .fault_at(Severity::Error, &dotted, &origin, problem);
            }
            let name = Name(own.get_ref().to_string());
            let value = section.section(own.get_ref(), "", |inner| read(inner, name.clone()));
            all.push((name, value));
        }
        Some(all)
    }

    /// Reads every `[[name]]` in the order of the file; `None` if one could not be read, or there
    /// are too many.
    pub fn tables<T>(
        &mut self,
        name: &str,
        most: usize,
        mut read: impl FnMut(&mut Section<'_, 't>) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.asked.push(name.to_owned());
        let Some(value) = self.table.and_then(|table| table.get(name)) else {
            return Some(Vec::new());
        };
        let Some(items) = value.get_ref().as_array() else {
            let problem = Raw::Toml(value.get_ref()).instead("a list of sections");
            let header = self.dotted(name);
            self.wrong(name, problem.help(format!("write `[[{header}]]`")));
            return None;
        };
        if items.len() > most {
            let what = format!("{} are too many; the most is {most}", items.len());
            self.wrong(name, Problem::new(what).help("remove some"));
            return None;
        }
        let each = |(at, item)| self.nth(&format!("{name}[{at}]"), item, &mut read);
        let all: Vec<Option<T>> = items.iter().enumerate().map(each).collect();
        all.into_iter().collect()
    }

    fn nth<T>(
        &mut self,
        name: &str,
        item: &'t Spanned<DeValue<'t>>,
        read: &mut impl FnMut(&mut Section<'_, 't>) -> Option<T>,
    ) -> Option<T> {
        let path = self.path_of(name);
        let mut section = Section {
            registry: self.registry,
            table: item.get_ref().as_table(),
            span: Some(item.span()),
            path,
            asked: Vec::new(),
            noun: "key",
        };
        let value = read(&mut section);
        section.finish();
        value
    }

    /// What stands below a key that another reader understands; `None` if nothing does.
    pub fn foreign(&mut self, name: &str) -> Option<&'t DeTable<'t>> {
        self.asked.push(name.to_owned());
        let value = self.table.and_then(|table| table.get(name))?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            let problem = not_a_section(&self.dotted(name), &What::Section, value.get_ref());
            self.wrong(name, problem);
        }
        table
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

    /// The names below a section of names, before they are read.
    pub(super) fn names_in(&self, name: &str) -> Vec<String> {
        let table = self.table.and_then(|table| table.get(name));
        let table = table.and_then(|value| value.get_ref().as_table());
        table
            .into_iter()
            .flat_map(|table| table.keys())
            .map(|key| key.get_ref().to_string())
            .collect()
    }

    fn enter<'s>(
        &'s mut self,
        name: &str,
        about: &'static str,
        what: What,
        noun: &'static str,
    ) -> Option<Section<'s, 't>> {
        self.asked.push(name.to_owned());
        let path = self.path_of(name);
        let entry = self.table.and_then(|table| table.get_key_value(name));
        let span = entry
            .map(|(key, value)| header(key, value))
            .or_else(|| self.span.clone());
        let table = match entry.map(|(_, value)| value.get_ref()) {
            None => None,
            Some(DeValue::Table(table)) => Some(table),
            Some(other) => {
                let dotted = path.join(".");
                let problem = not_a_section(&dotted, &what, other);
                let origin = span.map_or(Source::Default(None), Source::File);
                self.registry
                    .fault_at(Severity::Error, &dotted, &origin, problem);
                return None;
            }
        };
        let origin = match &span {
            Some(span) if table.is_some() => Source::File(span.clone()),
            other => Source::Default(other.clone()),
        };
        self.registry.record(
            path.join("."),
            Taken {
                path: path.clone(),
                origin,
                about,
                what,
            },
        );
        Some(Section {
            registry: self.registry,
            table,
            span,
            path,
            asked: Vec::new(),
            noun,
        })
    }

    /// Reports what is written here and was not asked for.
    pub(super) fn finish(self) {
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

/// The span of `[a.section]`, or of its name if it is written in another way.
fn header(key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    let span = value.span();
    if value.get_ref().is_table() && !span.is_empty() {
        span
    } else {
        key.span()
    }
}

fn not_a_section(dotted: &str, what: &What, found: &DeValue<'_>) -> Problem {
    let header = match what {
        What::Names if !dotted.ends_with(".params") => format!("{dotted}.NAME"),
        What::Names | What::Section | What::Key { .. } => dotted.to_owned(),
    };
    let found = raw::type_name(found);
    let problem = Problem::new(format!("is a section, but {found} is written here"));
    problem.help(format!(
        "write the header `[{header}]` and its keys below it"
    ))
}
