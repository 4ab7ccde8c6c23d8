//! Paths with parameters: the pattern a page is served at, and the template a
//! part is fetched from.
//!
//! What always holds: a pattern's parameters are whole segments with different
//! names; a template is a valid path and query whatever its parameters hold,
//! because they are percent-encoded when sent. Matching requests is the edge's.

use serde_json::json;

use super::kinds::Kind;
use super::param::{MAX_PARAMS, Param, is_name};
use super::problem::{Problem, did_you_mean};
use super::shown::is_parameter;

/// A page's path: `/product-page/{id}`. A parameter is one whole segment.
#[derive(Clone, Debug)]
pub struct PathPattern {
    /// As written.
    pub text: String,
    /// Its parameters in the order of the path, each with its pattern.
    pub params: Vec<Param>,
}

/// A part's path: literal text and the page's parameters in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    /// The pieces in order; the first is a literal that begins with `/`.
    pub pieces: Vec<Piece>,
    /// As written.
    pub text: String,
}

/// One piece of a [`PathTemplate`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text sent as it is; a valid part of a path and query.
    Literal(String),
    /// Index into the page's parameters, those of its path first and then those of its query; the
    /// value is percent-encoded when sent.
    Param(usize),
}

impl PathTemplate {
    /// The path alone: a query may hold what is nobody's business.
    pub fn route(&self) -> &str {
        self.text.split('?').next().unwrap_or_default()
    }

    /// Whether this parameter of the page stands in its path, before any query.
    pub(super) fn has_in_path(&self, param: usize) -> bool {
        let is_path = |piece: &&Piece| !matches!(piece, Piece::Literal(text) if text.contains('?'));
        let mut path = self.pieces.iter().take_while(is_path);
        path.any(|piece| *piece == Piece::Param(param))
    }

    /// As written, but for the values of its query.
    pub(super) fn shown(&self) -> String {
        without_values(&self.text)
    }
}

/// A path and query with stars for each value that is not a parameter.
fn without_values(text: &str) -> String {
    let Some((path, query)) = text.split_once('?') else {
        return text.to_owned();
    };
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if !is_parameter(value) => format!("{name}=***"),
        Some(_) | None => pair.to_owned(),
    };
    let pairs: Vec<String> = query.split('&').map(pair).collect();
    format!("{path}?{}", pairs.join("&"))
}

impl PathPattern {
    /// Whether some request path matches both.
    pub fn overlaps(&self, other: &PathPattern) -> bool {
        let is_param = |segment: &str| segment.starts_with('{');
        let (ours, theirs) = (self.text.split('/'), other.text.split('/'));
        ours.clone().count() == theirs.clone().count()
            && ours
                .zip(theirs)
                .all(|(a, b)| a == b || is_param(a) || is_param(b))
    }
}

/// Longest path that can be written.
const MAX_PATH: usize = 1024;

/// A page's path without the patterns of its parameters.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) text: String,
    pub(super) params: Vec<String>,
}

/// Where a page is served.
pub(super) const SERVED: Kind<Served> = Kind {
    read: |raw| served(raw.text("a path")?),
    show: |path| json!(path.text),
    schema: || json!({"type": "string", "pattern": "^/[^?#]*$"}),
};

/// A path that is no page's, without parameters; `""` is none.
pub(super) const PATH_OR_NONE: Kind<Option<String>> = Kind {
    read: |raw| {
        let text = raw.text("a path")?;
        if text.is_empty() {
            return Ok(None);
        }
        let path = served(text)?;
        if path.params.is_empty() {
            return Ok(Some(path.text));
        }
        Err(Problem::new("this path has no parameters")
            .help("write one path, such as \"/healthz\""))
    },
    show: |path| json!(path.as_deref().unwrap_or_default()),
    schema: || json!({"type": "string", "pattern": "^(/[^?#{}]*)?$"}),
};

/// A part's path, its parameters still by name.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    text: String,
    pieces: Vec<Named>,
}

/// A piece before its parameter is looked up.
#[derive(Clone, Debug)]
enum Named {
    Literal(String),
    Param(String),
}

/// What a part asks its downstream for.
pub(super) const FETCHED: Kind<Fetched> = Kind {
    read: |raw| fetched(raw.text("a path")?),
    show: |path| json!(without_values(&path.text)),
    schema: || json!({"type": "string", "pattern": "^/[^#]*$"}),
};

fn served(text: &str) -> Result<Served, Problem> {
    common(text)?;
    if let Some(at) = text.find('?') {
        return Err(Problem::new("a page's path has no query").write(&text[..at]));
    }
    if text.len() > 1 && text.ends_with('/') {
        let what = "a page's path does not end with a slash: `/a` and `/a/` are different pages";
        return Err(Problem::new(what).write(text.trim_end_matches('/')));
    }
    let mut params: Vec<String> = Vec::new();
    for segment in text[1..].split('/') {
        if !segment.contains(['{', '}']) {
            continue;
        }
        let inner = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let Some(name) = inner.filter(|name| !name.contains(['{', '}'])) else {
            return Err(Problem::new(format!(
                "in `{segment}` the parameter is not the whole segment"
            ))
            .help(
                "a parameter of a page is a whole segment, between two slashes: `/prices/{id}`",
            ));
        };
        param_name(name)?;
        if params.iter().any(|known| known == name) {
            return Err(Problem::new(format!("the parameter `{name}` occurs twice"))
                .help("give each parameter its own name"));
        }
        if params.len() == MAX_PARAMS {
            return Err(
                Problem::new(format!("has more than {MAX_PARAMS} parameters")).help("shorten it"),
            );
        }
        params.push(name.to_owned());
    }
    Ok(Served {
        text: text.to_owned(),
        params,
    })
}

fn fetched(text: &str) -> Result<Fetched, Problem> {
    common(text)?;
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let literal = &rest[..open];
        let close = rest[open..]
            .find('}')
            .map(|at| open + at)
            .filter(|at| *at > open);
        let Some(close) = close else {
            return Err(Problem::new("has an unmatched brace")
                .help("a parameter is its name in braces: `/prices/{id}`"));
        };
        let name = &rest[open + 1..close];
        param_name(name)?;
        if !literal.is_empty() {
            pieces.push(Named::Literal(literal.to_owned()));
        }
        pieces.push(Named::Param(name.to_owned()));
        rest = &rest[close + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Named::Literal(rest.to_owned()));
    }
    Ok(Fetched {
        text: text.to_owned(),
        pieces,
    })
}

/// What holds for both: a path from the root, of characters a URL can hold, without empty or dotted segments.
fn common(text: &str) -> Result<(), Problem> {
    if !text.starts_with('/') {
        let problem = Problem::new("a path begins with `/`");
        return Err(match text.contains("://") {
            true => {
                problem.help("the host belongs in the downstream's `url`; write only the path here")
            }
            false => problem.write(format!("/{text}")),
        });
    }
    if text.len() > MAX_PATH {
        return Err(Problem::new(format!("is longer than {MAX_PATH} bytes")).help("shorten it"));
    }
    if let Some(at) = text.find('#') {
        return Err(Problem::new("a fragment is never sent").write(&text[..at]));
    }
    let path = text.split('?').next().unwrap_or(text);
    if path.contains("//") {
        return Err(Problem::new("has an empty segment: `//`").write(text.replace("//", "/")));
    }
    if path
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return Err(
            Problem::new("`.` and `..` are resolved by clients and never arrive")
                .help("write the path without them"),
        );
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?{}".contains(c);
    match text.chars().find(|c| !fits(*c)) {
        None => Ok(()),
        Some('*') | Some(_) if text.contains("{*") => {
            Err(Problem::new("a parameter cannot span several segments").help("name each segment"))
        }
        Some(c) => Err(Problem::new(format!("{c:?} is not allowed in a path"))
            .help("letters, digits and -._~!$&'()*+,;=:@ are")),
    }
}

fn param_name(name: &str) -> Result<(), Problem> {
    if is_name(name) {
        return Ok(());
    }
    let what = format!("`{{{name}}}` is not a parameter");
    Err(Problem::new(what).help("its name is up to 32 letters, digits and _, and no digit first"))
}

impl Fetched {
    /// Looks the parameters up among those of the page.
    pub(super) fn resolve(self, params: &[String]) -> Result<PathTemplate, Problem> {
        let piece = |named: Named| match named {
            Named::Literal(text) => Ok(Piece::Literal(text)),
            Named::Param(name) => match params.iter().position(|param| *param == name) {
                Some(index) => Ok(Piece::Param(index)),
                None => Err(no_such_param(&name, params)),
            },
        };
        let pieces = self
            .pieces
            .into_iter()
            .map(piece)
            .collect::<Result<_, _>>()?;
        Ok(PathTemplate {
            pieces,
            text: self.text,
        })
    }
}

fn no_such_param(name: &str, params: &[String]) -> Problem {
    let problem = Problem::new(format!("the page has no parameter `{{{name}}}`"));
    match did_you_mean(name, params.iter().map(String::as_str)) {
        Some(meant) => problem.help(format!("did you mean `{{{meant}}}`?")),
        None if params.is_empty() => {
            problem.help("it has none at all, in its path or as `query.NAME`")
        }
        None => problem.help(format!("it has {{{}}}", params.join("}, {"))),
    }
}
