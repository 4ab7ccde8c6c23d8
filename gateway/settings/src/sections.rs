//! Sections below a section: with fixed keys, with names of the user's own, and lists of them.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::name::{self, Name};
use crate::problem::Problem;
use crate::raw::{self, Raw};
use crate::reader::Section;
use crate::registry::{Source, Taken, What};
use crate::report::Severity;

impl<'t> Section<'_, 't> {
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
    pub fn own_keys<T>(
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
            if let Err(problem) = name::check(own.get_ref()) {
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
        about: &'static str,
        most: usize,
        mut read: impl FnMut(&mut Section<'_, 't>) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.asked.push(name.to_owned());
        self.record_list(name, about, most);
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

    fn record_list(&mut self, name: &str, about: &'static str, most: usize) {
        let written = self.table.and_then(|table| table.get(name));
        let taken = Taken {
            path: self.path_of(name),
            origin: written.map_or(Source::Default(None), |value| Source::File(value.span())),
            about,
            what: What::List { most },
        };
        self.registry.record(self.dotted(name), taken);
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
            let problem = not_a_section(&self.dotted(name), &What::Section, "key", value.get_ref());
            self.wrong(name, problem);
        }
        table
    }

    /// The names below a section of names, before they are read.
    pub fn names_in(&self, name: &str) -> Vec<String> {
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
                let problem = not_a_section(&dotted, &what, noun, other);
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

fn not_a_section(dotted: &str, what: &What, noun: &str, found: &DeValue<'_>) -> Problem {
    let header = match what {
        What::Names if noun == "key" => format!("{dotted}.NAME"),
        What::Names | What::Section | What::List { .. } | What::Key { .. } => dotted.to_owned(),
    };
    let found = raw::type_name(found);
    let problem = Problem::new(format!("is a section, but {found} is written here"));
    problem.help(format!(
        "write the header `[{header}]` and its keys below it"
    ))
}
