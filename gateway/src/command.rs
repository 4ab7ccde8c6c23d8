//! The commands that look into a running gateway through its admin listener.
//!
//! Each is a file of `command/`: its flags, what it asks, and what it prints. Always holds: a
//! command ends within a few seconds of silence, and its errors name what was asked, how it was
//! answered and the remedy.
//!
//! Not here: what an operator's request does (see [`crate::admin`]).

pub mod change;
pub mod client;
pub mod diff;
mod differences;
pub mod outliers;
pub mod readings;
pub mod top;
pub mod waterfall;
pub mod why;

use std::path::PathBuf;

use crate::config::{Problem, TOKEN_FILE_VARIABLE};

/// Where a running gateway is asked: flags of every command of this module.
#[derive(Clone, Debug, clap::Args)]
pub struct Target {
    /// Address of its admin listener, as reachable from here: host and port, or unix:/path.
    #[arg(long, default_value = "127.0.0.1:9901")]
    pub admin: String,
    /// The file with its token: that of its `admin.token_file`.
    #[arg(long, env = TOKEN_FILE_VARIABLE)]
    pub token_file: Option<PathBuf>,
}

fn token_hint(shown: bool) -> &'static str {
    match shown {
        true => "",
        false => "; the command shows one with --token-file FILE",
    }
}

/// Why a command did not do what it is for.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Nobody answers there.
    #[error(
        "{address}: {why}; --admin is the gateway's admin.listen, reached from where this command runs"
    )]
    Unreachable {
        /// What was tried.
        address: String,
        /// What the system says.
        why: String,
    },
    /// It is not a gateway's admin listener, or no longer one.
    #[error("{address}{path}: {what}; is this a gateway's admin.listen?")]
    Unexpected {
        /// What was asked.
        address: String,
        /// The view that was asked for.
        path: String,
        /// How it answered.
        what: String,
    },
    /// There is nothing to draw on.
    #[error(
        "this shows figures that change, and needs a terminal: standard input or output is none; --once prints one look as text"
    )]
    NoTerminal,
    /// The terminal does not do as it is told.
    #[error("the terminal: {0}")]
    Terminal(#[from] std::io::Error),
    /// The gateway has no answer to that; its words.
    #[error("{0}")]
    NoAnswer(String),
    /// It is one, and does not answer whoever shows no token, or a wrong one.
    #[error("{address}{path}: {what}{}", token_hint(*.token_shown))]
    Denied {
        /// What was asked.
        address: String,
        /// The view that was asked for, or the change.
        path: String,
        /// The gateway's words.
        what: String,
        /// Whether a token was shown.
        token_shown: bool,
    },
    /// The gateway refused to change, or a configuration cannot be used; all that is wrong.
    #[error("{0}")]
    Refused(String),
    /// There is no token in the file that is named.
    #[error("--token-file: {0}")]
    Token(Problem),
    /// Two looks at a gateway do not belong together.
    #[error(transparent)]
    Readings(#[from] crate::readings::ReadingsError),
}
