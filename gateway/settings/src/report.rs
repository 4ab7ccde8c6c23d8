//! All that is wrong with a configuration, each fault shown where it stands.
//!
//! What always holds: a report shows at most [`MOST_SHOWN`] faults and says how
//! many more there are, so that a hostile file cannot make it endless. What it shows, of the
//! file too, is fit to be shown (see [`shown`](crate::shown)).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value as Json, json};

use crate::shown::{fit, fit_with_places};

/// Faults of one report that are shown in full.
pub const MOST_SHOWN: usize = 64;

/// Errors or warnings about one configuration, in the order of the file.
///
/// `Display` renders all of them without colours; see [`Report::render`].
#[derive(Clone, Debug)]
pub struct Report {
    /// What the file is called, usually its path.
    pub name: String,
    /// All of it.
    pub text: String,
    /// In the order of the file.
    pub faults: Vec<Fault>,
}

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, but probably does not do what was wanted.
    Warning,
}

/// One fault and where it stands.
#[derive(Clone, Debug)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, on one line.
    pub title: String,
    /// The first is the place of the fault, the others explain it.
    pub marks: Vec<Mark>,
    /// What else is to be known of it.
    pub note: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A stretch of the file and what to say about it.
#[derive(Clone, Debug)]
pub struct Mark {
    /// In bytes.
    pub span: Range<usize>,
    /// What stands beside it.
    pub label: String,
}

impl Fault {
    /// An error that has no place in a file.
    pub fn of_the_whole(title: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            title: title.into(),
            marks: Vec::new(),
            note: None,
            help: Some(help.into()),
        }
    }
}

impl Report {
    /// All that is wrong with the `text` of this name, in the order of the file.
    #[must_use]
    pub fn of(name: &str, text: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| {
            fault
                .marks
                .first()
                .map_or(usize::MAX, |mark| mark.span.start)
        });
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            faults,
        }
    }

    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Number of errors or warnings.
    pub fn len(&self) -> usize {
        self.faults.len()
    }

    /// Number of errors.
    pub fn errors(&self) -> usize {
        let errors = |fault: &&Fault| fault.severity == Severity::Error;
        self.faults.iter().filter(errors).count()
    }

    /// The title of each error or warning on one line, for a log.
    pub fn titles(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.faults.iter().map(|fault| fit(&fault.title))
    }

    /// Each of them on one line, with its place: `config.toml:12: unknown key`.
    pub fn faults(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(|fault| {
            let title = fit(&fault.title);
            let name = fit(&self.name);
            match fault.marks.first() {
                None => format!("{name}: {title}"),
                Some(mark) => {
                    let before = &self.text[..mark.span.start];
                    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
                    format!("{name}:{line}: {title}")
                }
            }
        })
    }

    /// All of them as text for a person, with colours for a terminal if asked.
    pub fn render(&self, colours: bool) -> String {
        let renderer = if colours {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let shown = self.faults.iter().take(MOST_SHOWN);
        let mut out: Vec<String> = shown
            .map(|fault| renderer.render(&[self.group(fault)]))
            .collect();
        if let Some(more) = self
            .faults
            .len()
            .checked_sub(MOST_SHOWN)
            .filter(|more| *more > 0)
        {
            out.push(format!("and {more} more of the same file, not shown"));
        }
        out.join("\n\n")
    }

    /// All of them for machines, in the same order: each with `severity`, `what`, the place if it
    /// has one (`file`, `line` and `column` from 1), and `note` and `help` where there is more to say.
    #[must_use]
    pub fn json(&self) -> Json {
        let shown = self.faults.iter().take(MOST_SHOWN);
        Json::Array(shown.map(|fault| self.fault_json(fault)).collect())
    }

    fn fault_json(&self, fault: &Fault) -> Json {
        let severity = match fault.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut shown = json!({ "severity": severity, "what": fit(&fault.title) });
        if let Some(mark) = fault.marks.first() {
            let (start, line, _) = self.excerpt(std::slice::from_ref(mark));
            let before = &self.text[start..mark.span.start];
            shown["file"] = json!(fit(&self.name));
            shown["line"] = json!(line);
            shown["column"] = json!(before.chars().count() + 1);
        }
        for (name, words) in [("note", &fault.note), ("help", &fault.help)] {
            if let Some(words) = words {
                shown[name] = json!(fit(words));
            }
        }
        shown
    }

    fn group<'a>(&'a self, fault: &'a Fault) -> Group<'a> {
        let level = match fault.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(fit(&fault.title)));
        if let Some((first, others)) = fault.marks.split_first() {
            let (start, line, source) = self.excerpt(&fault.marks);
            let source = fit_with_places(source);
            let mark = |kind: AnnotationKind, mark: &'a Mark| {
                let span = mark.span.start - start..mark.span.end - start;
                kind.span(source.span(span)).label(fit(&mark.label))
            };
            let snippet = Snippet::source(source.text.clone())
                .path(fit(&self.name))
                .line_start(line)
                .annotation(mark(AnnotationKind::Primary, first))
                .annotations(
                    others
                        .iter()
                        .map(|other| mark(AnnotationKind::Context, other)),
                );
            group = group.element(snippet);
        }
        group = group.elements(fault.note.iter().map(|note| Level::NOTE.message(fit(note))));
        group.elements(fault.help.iter().map(|help| Level::HELP.message(fit(help))))
    }

    /// The lines the marks touch: their first byte, the number of the first line, and the text.
    /// Rendering the whole file for each fault would be quadratic.
    fn excerpt(&self, marks: &[Mark]) -> (usize, usize, &str) {
        let first = marks.iter().map(|mark| mark.span.start).min().unwrap_or(0);
        let last = marks.iter().map(|mark| mark.span.end).max().unwrap_or(0);
        let start = self.text[..first]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let end = self.text[last..]
            .find('\n')
            .map_or(self.text.len(), |newline| last + newline);
        let line = self.text[..start]
            .bytes()
            .filter(|byte| *byte == b'\n')
            .count()
            + 1;
        (start, line, &self.text[start..end])
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}
