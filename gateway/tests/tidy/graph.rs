//! Which file of a crate uses which other, and the circles among them.
//!
//! A name leads to the file that defines it, also over files that only pass it on: these use
//! nothing by that. A module that is declared is not thereby used.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{Named, paths};
use super::sources::Source;

/// The most times a name is passed on.
const MOST_STEPS: usize = 16;

/// The files of a crate and what they use of each other.
pub(crate) struct Graph {
    /// By number of the file.
    places: Vec<String>,
    /// The top module of each file.
    tops: Vec<String>,
    /// From, to; and one path that says so.
    edges: BTreeMap<(usize, usize), String>,
    /// Top modules: from, the one that is written, and where.
    written: Vec<(String, String, String)>,
}

/// Where a path leads to.
struct Home {
    /// The file that defines the name.
    file: usize,
    /// The file of the module that is written.
    written: usize,
}

/// Modules of a crate by their paths, and what each of them calls other names.
struct Modules {
    files: BTreeMap<Vec<String>, usize>,
    names: Vec<BTreeMap<String, Vec<String>>>,
}

impl Graph {
    /// Of a library: its programs use it from outside.
    pub(crate) fn of(sources: &[Source]) -> Self {
        let is_inside = |source: &&Source| !source.is_program();
        Self::of_all(sources.iter().filter(is_inside).collect())
    }

    /// Of a program.
    pub(crate) fn of_program(sources: &[Source]) -> Self {
        Self::of_all(sources.iter().collect())
    }

    fn of_all(sources: Vec<&Source>) -> Self {
        let named: Vec<Vec<Named>> = sources.iter().map(|source| paths(&source.code)).collect();
        let modules = Modules::of(&sources, &named);
        let top = |source: &&Source| source.module().first().cloned().unwrap_or_default();
        let tops: Vec<String> = sources.iter().map(top).collect();
        let (mut edges, mut written) = (BTreeMap::new(), Vec::new());
        for (from, (source, named)) in sources.iter().zip(&named).enumerate() {
            for named in named {
                let Some(to) = modules.home(&source.module(), &named.path) else {
                    continue;
                };
                let says = format!("line {}: {}", named.line, named.path.join("::"));
                let (one, other) = (&tops[from], &tops[to.written]);
                if one != other && !one.is_empty() && !other.is_empty() {
                    let says = format!("{}, {says}", source.place);
                    written.push((one.clone(), other.clone(), says));
                }
                if to.file != from && !named.passed_on {
                    edges.entry((from, to.file)).or_insert(says);
                }
            }
        }
        Self {
            places: sources.iter().map(|source| source.place.clone()).collect(),
            tops,
            edges,
            written,
        }
    }

    /// Each use of another top module, as it is written: from, to, and where.
    pub(crate) fn between_tops(&self) -> &[(String, String, String)] {
        &self.written
    }

    /// The same with a node for each top module.
    pub(crate) fn of_tops(&self) -> Self {
        let mut tops: Vec<String> = self.tops.clone();
        tops.sort();
        tops.dedup();
        let number = |top: &str| tops.iter().position(|other| other == top).unwrap();
        let edges = self.edges.iter().filter_map(|(&(from, to), says)| {
            let edge = (number(&self.tops[from]), number(&self.tops[to]));
            let says = format!("{}, {says}", self.places[from]);
            (edge.0 != edge.1).then_some((edge, says))
        });
        Self {
            edges: edges.collect(),
            written: Vec::new(),
            places: tops.clone(),
            tops,
        }
    }

    /// Each circle, with the places that tie it.
    pub(crate) fn circles(&self) -> Vec<String> {
        let reached: Vec<BTreeSet<usize>> = (0..self.places.len())
            .map(|file| self.reached(file))
            .collect();
        let mut told = BTreeSet::new();
        let mut circles = Vec::new();
        for file in 0..self.places.len() {
            let circle: BTreeSet<usize> = reached[file]
                .iter()
                .copied()
                .filter(|other| reached[*other].contains(&file))
                .collect();
            if circle.len() > 1 && told.insert(circle.clone()) {
                circles.push(self.describe(&circle));
            }
        }
        circles
    }

    /// All files that this one uses, and those that they use.
    fn reached(&self, file: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open = vec![file];
        while let Some(file) = open.pop() {
            let uses = self.edges.range((file, 0)..(file + 1, 0));
            open.extend(uses.map(|(&(_, to), _)| to).filter(|to| found.insert(*to)));
        }
        found
    }

    fn describe(&self, circle: &BTreeSet<usize>) -> String {
        let inside = self
            .edges
            .iter()
            .filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        let lines = inside.map(|(&(from, to), says)| {
            format!("  {} -> {}, {says}\n", self.places[from], self.places[to])
        });
        format!(
            "a circle of {}:\n{}",
            circle.len(),
            lines.collect::<String>()
        )
    }
}

impl Modules {
    fn of(sources: &[&Source], named: &[Vec<Named>]) -> Self {
        let files = sources.iter().enumerate();
        let names = named.iter().map(|named| {
            let used = named.iter();
            used.filter_map(|named| Some((named.name.clone()?, named.path.clone())))
                .collect()
        });
        Self {
            files: files.map(|(n, source)| (source.module(), n)).collect(),
            names: names.collect(),
        }
    }

    /// Where this path leads to from this module; `None` if that is out of the crate.
    fn home(&self, from: &[String], path: &[String]) -> Option<Home> {
        let (mut module, mut path) = (from.to_vec(), path.to_vec());
        let mut written = None;
        for step in 0..MOST_STEPS {
            let first = path.first()?.as_str();
            let rest = match first {
                "crate" => {
                    module.clear();
                    1
                }
                "self" => 1,
                "super" => {
                    module.pop()?;
                    1
                }
                _ => 0,
            };
            path.drain(..rest);
            if rest > 0 && path.first().is_some_and(|first| first == "super") {
                continue;
            }
            self.descend(&mut module, &mut path);
            let file = *self.files.get(&module)?;
            if step == 0 && rest == 0 && module == from && !self.knows(file, &path) {
                return None;
            }
            let written = *written.get_or_insert(file);
            let next = path.first().and_then(|first| self.names[file].get(first));
            match next {
                Some(passed) => path.splice(..1, passed.clone()).for_each(drop),
                None => return Some(Home { file, written }),
            }
        }
        None
    }

    /// Whether the file gives a name to what the path begins with; else it is of another crate.
    fn knows(&self, file: usize, path: &[String]) -> bool {
        let first = path.first();
        first.is_some_and(|first| self.names[file].contains_key(first))
    }

    /// Into the modules that the path begins with.
    fn descend(&self, module: &mut Vec<String>, path: &mut Vec<String>) {
        while let Some(next) = path.first() {
            let mut below = module.clone();
            below.push(next.clone());
            if !self.files.contains_key(&below) {
                return;
            }
            *module = below;
            path.remove(0);
        }
    }
}
