//! What was taken from the file and the variables, and every fault found on the way.
//!
//! A key is known here by its dotted path, so that a rule can ask where a value
//! came from long after it was read. What always holds: every key that the gateway
//! understands and this file could have set is in here once.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use serde_json::Value as Json;

use super::overrides::{Override, Overrides};
use super::problem::{Problem, Remedy, did_you_mean};
use super::raw;
use super::report::{Fault, MOST_SHOWN, Mark, Severity};
use super::variables::{Variable, Variables};

/// Where a value came from.
#[derive(Clone, Debug)]
pub(super) enum Source {
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
pub(super) struct Taken {
    pub(super) path: Vec<String>,
    pub(super) origin: Source,
    pub(super) about: &'static str,
    pub(super) what: What,
}

/// The two things that can be taken.
pub(super) enum What {
    /// A key.
    Key {
        value: Option<Json>,
        /// `None` if it has none.
        default: Option<Json>,
        schema: fn() -> Json,
        required: bool,
    },
    /// A section with fixed keys.
    Section,
    /// A section whose keys are names.
    Names,
}

/// All that was read so far.
#[derive(Default)]
pub(super) struct KeyRegistry {
    pub(super) variables: Variables,
    pub(super) overrides: Overrides,
    pub(super) faults: Vec<Fault>,
    /// What paths in the file are relative to; empty is the working directory.
    pub(super) folder: PathBuf,
    taken: Vec<Taken>,
    /// Dotted paths into `taken`.
    index: HashMap<String, usize>,
}

impl KeyRegistry {
    /// Nothing read yet; of what may be written in other places than the file.
    pub(super) fn new(variables: Variables, overrides: Overrides) -> Self {
        Self {
            variables,
            overrides,
            ..Self::default()
        }
    }

    /// Whether the configuration cannot be used.
    pub(super) fn has_errors(&self) -> bool {
        let is_error = |fault: &Fault| fault.severity == Severity::Error;
        self.faults.iter().any(is_error)
    }

    /// All keys and sections in the order they were taken.
    pub(super) fn taken(&self) -> &[Taken] {
        &self.taken
    }

    /// Adds a key or a section.
    pub(super) fn record(&mut self, dotted: String, taken: Taken) {
        self.index.insert(dotted, self.taken.len());
        self.taken.push(taken);
    }

    /// Records a fault of the key at this path, wherever its value came from.
    pub(super) fn fault(&mut self, severity: Severity, path: &str, problem: Problem) {
        let origin = self.origin(path);
        self.fault_at(severity, path, &origin, problem);
        if let (Some(label), Some(fault)) = (self.default_of(path), self.faults.last_mut())
            && let Some(mark) = fault.marks.first_mut()
        {
            mark.label = label;
        }
    }

    /// Adds a place that explains the fault recorded last, or stands for it if it has none.
    pub(super) fn explain(&mut self, path: &str, label: &str) {
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
    pub(super) fn value(&self, path: &str) -> Option<&Json> {
        match &self.get(path)?.what {
            What::Key { value, .. } => value.as_ref(),
            What::Section | What::Names => None,
        }
    }

    /// Where the value of a key came from.
    pub(super) fn origin(&self, path: &str) -> Source {
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
    pub(super) fn suggest(&self, word: &str, known: &[String]) -> String {
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
    pub(super) fn fault_at(
        &mut self,
        severity: Severity,
        path: &str,
        origin: &Source,
        problem: Problem,
    ) {
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
    pub(super) fn span(&self) -> Option<Range<usize>> {
        match self {
            Source::File(span) => Some(span.clone()),
            Source::Default(span) => span.clone(),
            Source::Variable(_) | Source::Override(_) => None,
        }
    }

    /// Whether somebody wrote the value.
    pub(super) fn is_written(&self) -> bool {
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
