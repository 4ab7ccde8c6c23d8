//! Files of settings in TOML, read so that whoever wrote them is helped: every fault at once, each where
//! it stands, with what to write instead.
//!
//! Each key is named once, by the call that takes it ([`reader::Section::take`]) with its [`kinds::Kind`].
//! From what was taken follows the rest: unknown keys and what was probably meant, where each value
//! came from (the file, a variable, an override, a default), the settings in effect, and their schema.
//! [`units`] is the one grammar of durations, sizes and rates.
//!
//! Not here: what any file is about. No product has a name in this crate.
//!
//! ```
//! use settings::key::key;
//! use settings::kinds::DURATION;
//! use settings::read::read_text;
//!
//! let read = |text: &str| read_text("run.toml", text, "server", |s| s.take(key("pause", DURATION, "5s")));
//! assert_eq!(read("pause = '80ms'").unwrap().as_millis(), 80);
//! let report = read("pause = 80\npaus = 1").unwrap_err().to_string();
//! assert!(report.contains("write `pause = \"80ms\"`"));
//! assert!(report.contains("did you mean `pause`?"));
//! ```

pub mod key;
pub mod kinds;
pub mod name;
pub mod origin;
pub mod overrides;
pub mod problem;
pub mod raw;
pub mod read;
pub mod reader;
pub mod registry;
pub mod report;
pub mod schema;
mod sections;
pub mod shown;
pub mod syntax;
pub mod units;
pub mod variables;
