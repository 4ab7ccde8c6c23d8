//! What was taken from the file and the variables, and every fault found on the way.
//!
//! A key is known here by its dotted path, so that a rule can ask where a value
//! came from long after it was read. What always holds: every key that the gateway
//! understands and this file could have set is in here once.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use serde_json::Value as Json;

use crate::overrides::{Override, Overrides};
use crate::problem::{Problem, Remedy, did_you_mean};
use crate::raw;
use crate::report::{Fault, MOST_SHOWN, Mark, Severity};
use crate::variables::{Variable, Variables};

/// Where a value came from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The file.
    File(Range<usize>),
    /// A variable.
    Variable(Variable),
    /// An override.
    Override(Override),
    /// Nobody wrote it; the section it belongs to stands here, if anywhere.
    Default(Option<Range<usize>>),
}

/// A key that was taken, or a section that was entered.
pub struct Taken {
    /// From the top of the file.
    pub path: Vec<String>,
    /// Where its value came from, or where the section stands.
    pub origin: Source,
    /// What it means.
    pub about: &'static str,
    /// Which of the two.
    pub what: What,
}

/// The two things that can be taken.
pub enum What {
    /// A key.
    Key {
        /// As the file would spell it, if it was a good one.
        value: Option<Json>,
        /// `None` if it has none.
        default: Option<Json>,
        /// Of its kind.
        schema: fn() -> Json,
        /// Whether it must be written.
        required: bool,
    },
    /// A section with fixed keys.
    Section,
    /// A section whose keys are names.
    Names,
    /// A list of sections.
    List {
        /// The most of them.
        most: usize,
    },
}

/// All that was read so far.
#[derive(Default)]
pub struct KeyRegistry {
    /// What variables say.
    pub variables: Variables,
    /// What wins over file and variables.
    pub overrides: Overrides,
    /// In the order in which they were found.
    pub faults: Vec<Fault>,
    /// What paths in the file are relative to; empty is the working directory.
    pub folder: PathBuf,
    /// What was wrong first, and with which key, for whoever has no file to show.
    first: Option<(String, Problem)>,
    taken: Vec<Taken>,
    /// Dotted paths into `taken`.
    index: HashMap<String, usize>,
}

impl KeyRegistry {
    /// Nothing read yet; of what may be written in other places than the file.
    pub fn new(variables: Variables, overrides: Overrides) -> Self {
        Self {
            variables,
            overrides,
            ..Self::default()
        }
    }

    /// Whether the configuration cannot be used.
    pub fn has_errors(&self) -> bool {
        let is_error = |fault: &Fault| fault.severity == Severity::Error;
        self.faults.iter().any(is_error)
    }

    /// What was wrong first: the key, dotted, and its problem.
    #[must_use]
    pub fn into_first(self) -> Option<(String, Problem)> {
        self.first
    }

    /// All keys and sections in the order they were taken.
    pub fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// Adds a key or a section.
    pub fn record(&mut self, dotted: String, taken: Taken) {
        self.index.insert(dotted, self.taken.len());
        self.taken.push(taken);
    }

    /// Records a fault of the key at this path, wherever its value came from.
    pub fn fault(&mut self, severity: Severity, path: &str, problem: Problem) {
        let origin = self.origin(path);
        self.fault_at(severity, path, &origin, problem);
        if let (Some(label), Some(fault)) = (self.default_of(path), self.faults.last_mut())
            && let Some(mark) = fault.marks.first_mut()
        {
            mark.label = label;
        }
    }

    /// Adds a place that explains the fault recorded last, or stands for it if it has none.
    pub fn explain(&mut self, path: &str, label: &str) {
        let (origin, default) = (self.origin(path), self.default_of(path));
        let (Some(fault), Some(span)) = (self.faults.last_mut(), origin.span()) else {
            return;
        };
        if fault.marks.iter().all(|mark| mark.span != span) {
            let label = default.unwrap_or_else(|| label.to_owned());
            fault.marks.push(Mark { span, label });
        }
    }

    /// The value of a key as the file would spell it, if it was a good one.
    pub fn value(&self, path: &str) -> Option<&Json> {
        match &self.get(path)?.what {
            What::Key { value, .. } => value.as_ref(),
            What::Section | What::Names | What::List { .. } => None,
        }
    }

    /// Where the value of a key came from.
    pub fn origin(&self, path: &str) -> Source {
        self.get(path)
            .map_or(Source::Default(None), |taken| taken.origin.clone())
    }

    fn get(&self, path: &str) -> Option<&Taken> {
        self.index.get(path).and_then(|at| self.taken.get(*at))
    }

    /// Says what a key has that nobody wrote.
    fn default_of(&self, path: &str) -> Option<String> {
        let taken = self.get(path)?;
        match (&taken.origin, &taken.what) {
            (
                Source::Default(_),
                What::Key {
                    value: Some(value), ..
                },
            ) => {
                let name = taken.path.last()?;
                Some(format!("`{name}` is not written here: it is {value}"))
            }
            _ => None,
        }
    }

    /// Names the candidate that was probably meant, or all of them.
    pub fn suggest(&self, word: &str, known: &[String]) -> String {
        let candidates = known.iter().map(String::as_str);
        // Beyond that number no fault is shown, and the search is not free.
        let meant = (self.faults.len() < MOST_SHOWN).then(|| did_you_mean(word, candidates));
        match meant.flatten() {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => "there is none".to_owned(),
            None if known.len() <= 12 => format!("there are {}", known.join(", ")),
            None => format!("there are {} and others", known[..12].join(", ")),
        }
    }

    /// Records a fault of a value that has not been taken.
    pub fn fault_at(&mut self, severity: Severity, path: &str, origin: &Source, problem: Problem) {
        if self.first.is_none() {
            self.first = Some((path.to_owned(), problem.clone()));
        }
        let name = path.rsplit('.').next().unwrap_or(path);
        let title = format!("`{path}`: {}", problem.what);
        let (note, help) = match origin {
            Source::Variable(variable) => {
                let note = format!("from the environment: {}", variable.shown());
                (
                    Some(note),
                    help_in_environment(&variable.name, problem.remedy),
                )
            }
            Source::Override(over) => {
                let note = format!("from an override: {}", over.shown());
                (Some(note), help_in_override(problem.remedy))
            }
            Source::File(_) | Source::Default(_) => (None, help_in_file(name, problem.remedy)),
        };
        let mark = |span| Mark {
            span,
            label: String::new(),
        };
        let marks = origin.span().map(mark).into_iter().collect();
        self.faults.push(Fault {
            severity,
            title,
            marks,
            note,
            help,
        });
    }
}

impl Source {
    /// The stretch of the file that shows it.
    pub fn span(&self) -> Option<Range<usize>> {
        match self {
            Source::File(span) => Some(span.clone()),
            Source::Default(span) => span.clone(),
            Source::Variable(_) | Source::Override(_) => None,
        }
    }

    /// Whether somebody wrote the value.
    pub fn is_written(&self) -> bool {
        !matches!(self, Source::Default(_))
    }
}

fn help_in_file(name: &str, remedy: Remedy) -> Option<String> {
    match remedy {
        Remedy::None | Remedy::Default => None,
        Remedy::Write(value) => Some(format!("write `{name} = {value}`")),
        Remedy::Either(value, other) => Some(format!("write `{name} = {value:?}`, or `{other:?}`")),
        Remedy::Do(sentence) => Some(sentence),
    }
}

fn help_in_environment(name: &str, remedy: Remedy) -> Option<String> {
    match remedy {
        Remedy::None | Remedy::Default => None,
        Remedy::Write(value) => Some(format!("write `{name}={}`", raw::plain(&value))),
        Remedy::Either(value, other) => Some(format!("write `{name}={value}`, or `{other}`")),
        Remedy::Do(sentence) => Some(sentence),
    }
}

fn help_in_override(remedy: Remedy) -> Option<String> {
    match remedy {
        Remedy::None | Remedy::Default => None,
        Remedy::Write(value) => Some(format!("set it to `{}`", raw::plain(&value))),
        Remedy::Either(value, other) => Some(format!("set it to `{value}`, or to `{other}`")),
        Remedy::Do(sentence) => Some(sentence),
    }
}
