//! From text and variables to a checked [`Config`], or to all that is wrong with them.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::origin::{self, EffectiveKey};
use super::overrides::{Override, Overrides};
use super::reader::Section;
use super::registry::{KeyRegistry, What};
use super::report::{Fault, Report};
use super::variables;
use super::{Config, file, input, rules, syntax, warnings};

/// Largest file that is read. The shipped one has some kilobytes.
const MAX_FILE: u64 = 1 << 20;

/// A section that every configuration has, for an example.
const HEADER: &str = "page.product-page";

/// The text of a configuration and what to call it in messages.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Usually its path.
    pub name: &'a str,
    /// All of it.
    pub text: &'a str,
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is legal but probably not meant.
    pub warnings: Report,
    /// Every key with the value it has, as the file would spell it: defaults filled in, variables
    /// applied, nothing secret. As TOML it loads to the same configuration.
    pub effective: Json,
    /// The same keys one by one, each with where its value came from.
    pub keys: Vec<EffectiveKey>,
    written: Written,
}

/// An override that a configuration cannot be used with.
#[derive(Clone, Debug)]
pub struct Misfit {
    /// Dotted.
    pub key: String,
    /// All that is wrong with the configuration that has it.
    pub report: Report,
}

/// What a configuration was read from; it can be read again, with other overrides.
#[derive(Clone)]
struct Written {
    name: String,
    text: String,
    env: Vec<(String, String)>,
}

/// It holds whatever the operator wrote, secrets too.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Written").field(&self.name).finish()
    }
}

/// The `config.toml` that the repository ships: every key with its default.
pub fn default_text() -> &'static str {
    include_str!("../../../config.toml")
}

impl Config {
    /// Reads a configuration; `env` are the variables that may override it.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn load(source: Source<'_>, env: &[(String, String)]) -> Result<Loaded, Report> {
        let written = Written {
            name: source.name.to_owned(),
            text: source.text.to_owned(),
            env: env.to_vec(),
        };
        written.load(&[])
    }
}

impl Loaded {
    /// The same file and the same variables with `overrides` in place of those there were.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn with(&self, overrides: &[Override]) -> Result<Self, Report> {
        self.written.load(overrides)
    }

    /// Whether the files and the variables of both are the same, secrets that are not shown included.
    #[must_use]
    pub fn is_written_as(&self, other: &Self) -> bool {
        (&self.written.text, &self.written.env) == (&other.written.text, &other.written.env)
    }

    /// This configuration, which has no overrides, with those of `overrides` that it can be used
    /// with, and what is wrong with each of the others. Those that come first are kept.
    ///
    /// It never fails: with none of them it is this one, whatever has become of the files that
    /// it names.
    pub fn with_those_that_fit(&self, overrides: &[Override]) -> (Self, Vec<Misfit>) {
        if overrides.is_empty() {
            return (self.clone(), Vec::new());
        }
        if let Ok(loaded) = self.with(overrides) {
            return (loaded, Vec::new());
        }
        let mut fit = (self.clone(), Vec::new());
        let mut misfits = Vec::new();
        for over in overrides {
            let more: Vec<Override> = fit.1.iter().chain([over]).cloned().collect();
            match self.with(&more) {
                Ok(loaded) => fit = (loaded, more),
                Err(report) => misfits.push(Misfit {
                    key: over.key.clone(),
                    report,
                }),
            }
        }
        (fit.0, misfits)
    }
}

impl Written {
    fn load(&self, overrides: &[Override]) -> Result<Loaded, Report> {
        let source = Source {
            name: &self.name,
            text: &self.text,
        };
        let variables = variables::of(&self.env);
        let mut registry = KeyRegistry::new(variables, Overrides::new(overrides));
        let (table, syntax, readable) = syntax::parse(source.text, HEADER);
        if !readable {
            // What follows a slip of syntax is guesswork; do not report guesses.
            return Err(Report::of(source.name, source.text, syntax));
        }
        registry.faults = syntax;
        registry.folder = folder_of(source.name);
        let mut root = Section::root(&mut registry, table.get_ref());
        let draft = file::read(&mut root);
        root.finish();
        rules::check(&draft, &mut registry);
        let effective = effective(&registry);
        if !registry.has_errors()
            && let Some(config) = draft.complete()
        {
            warnings::find(&config, &mut registry);
            let keys = origin::keys(&registry, &self.name, &self.text);
            let warnings = Report::of(source.name, source.text, registry.faults);
            return Ok(Loaded {
                config,
                warnings,
                effective,
                keys,
                written: self.clone(),
            });
        }
        Err(Report::of(source.name, source.text, registry.faults))
    }
}

/// Reads a configuration from a file, overridden by the variables of this process.
///
/// # Errors
/// All that is wrong, at once; also if the file cannot be read.
pub fn load_file(path: &Path) -> Result<Loaded, Report> {
    let env = environment().map_err(|fault| whole(path, fault))?;
    load_file_with(path, &env)
}

/// The same, overridden by other variables.
///
/// # Errors
/// As [`load_file`].
pub fn load_file_with(path: &Path, env: &[(String, String)]) -> Result<Loaded, Report> {
    let whole = |fault| whole(path, fault);
    let name = path.display().to_string();
    let bytes = read_file(path).map_err(&whole)?;
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => return Err(whole(not_utf8(&name, &bytes, error.valid_up_to()))),
    };
    Config::load(Source { name: &name, text }, env)
}

/// A fault of a file that cannot be shown.
fn whole(path: &Path, fault: Fault) -> Report {
    Report {
        name: path.display().to_string(),
        text: String::new(),
        faults: vec![fault],
    }
}

/// Reads a configuration from text. See [`Config::load`].
///
/// # Errors
/// All that is wrong, at once.
pub fn load_text(name: &str, text: &str, env: &[(String, String)]) -> Result<Loaded, Report> {
    Config::load(Source { name, text }, env)
}

/// Where the file is; where it is a pipe, the working directory.
fn folder_of(name: &str) -> PathBuf {
    let is_pipe = name.starts_with("/dev/") || name.starts_with("/proc/");
    let folder = Path::new(name).parent().filter(|_| !is_pipe);
    folder.map(Path::to_owned).unwrap_or_default()
}

/// All keys with their values, nested as in the file.
fn effective(registry: &KeyRegistry) -> Json {
    let mut root = Json::Object(serde_json::Map::new());
    for taken in registry.taken() {
        let value = match &taken.what {
            What::Key { value, .. } => value.clone().unwrap_or(Json::Null),
            What::Section | What::Names => Json::Object(serde_json::Map::new()),
            What::List { .. } => Json::Array(Vec::new()),
        };
        let Some((last, parents)) = taken.path.split_last() else {
            continue;
        };
        let parent = parents
            .iter()
            .try_fold(&mut root, |node, name| node.get_mut(name));
        if let Some(Json::Object(parent)) = parent {
            parent.insert(last.clone(), value);
        }
    }
    root
}

fn environment() -> Result<Vec<(String, String)>, Fault> {
    let mut all = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else {
            continue;
        };
        if !variables::concerns_us(&name) {
            continue;
        }
        let Ok(value) = value.into_string() else {
            return Err(Fault::of_the_whole(
                format!("the variable {name} is not UTF-8"),
                "write it in UTF-8",
            ));
        };
        all.push((name, value));
    }
    Ok(all)
}

fn read_file(path: &Path) -> Result<Vec<u8>, Fault> {
    let name = path.display();
    let cannot = |error: std::io::Error| {
        let help = if error.kind() == std::io::ErrorKind::NotFound {
            "name it with `--config PATH`, start from the repository's config.toml, or try `gateway demo`, which needs none"
        } else if error.kind() == std::io::ErrorKind::PermissionDenied {
            "let the user that runs the gateway read it"
        } else {
            "name another file with `--config PATH`"
        };
        Fault::of_the_whole(format!("cannot read {name}: {error}"), help)
    };
    let bytes = input::read(path, MAX_FILE + 1).map_err(cannot)?;
    if bytes.len() as u64 > MAX_FILE {
        let what = format!("{name} is larger than 1 MiB");
        return Err(Fault::of_the_whole(
            what,
            "this is hardly a configuration; check the path",
        ));
    }
    Ok(bytes)
}

fn not_utf8(name: &str, bytes: &[u8], at: usize) -> Fault {
    let before = &bytes[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let what = format!(
        "{name} is not UTF-8: byte {at}, on line {line}, is 0x{:02x}",
        bytes[at]
    );
    Fault::of_the_whole(what, "TOML files are UTF-8; save it in that encoding")
}

impl file::Draft {
    /// The configuration, if everything could be read.
    fn complete(self) -> Option<Config> {
        Some(Config {
            server: self.server?,
            admin: self.admin?,
            admission: self.admission?,
            shed: self.shed?,
            clients: self.clients?,
            telemetry: self.telemetry?,
            downstreams: self
                .downstreams?
                .into_iter()
                .map(|(_, it)| it)
                .collect::<Option<_>>()?,
            pages: self
                .pages?
                .into_iter()
                .map(|(_, it)| it)
                .collect::<Option<_>>()?,
        })
    }
}
