//! The commands that look into a running gateway through its admin listener.
//!
//! Each is a file of `command/`: its flags, what it asks, and what it prints. Always holds: a
//! command ends within a few seconds of silence, and its errors name what was asked, how it was
//! answered and the remedy.
//!
//! Not here: what an operator's request does (see [`crate::admin`]).

pub mod client;
pub mod outliers;
pub mod readings;
pub mod waterfall;
pub mod why;

/// Where a running gateway is asked: flags of every command of this module.
#[derive(Clone, Debug, clap::Args)]
pub struct Target {
    /// Its admin listener, as it is reached from here.
    #[arg(long, default_value = "127.0.0.1:9901")]
    pub admin: String,
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
    /// It is no gateway's admin listener, or no longer one.
    #[error("{address}{path}: {what}; is this a gateway's admin.listen?")]
    Unexpected {
        /// What was asked.
        address: String,
        /// The view that was asked for.
        path: String,
        /// How it answered.
        what: String,
    },
    /// The gateway has no answer to that; its words.
    #[error("{0}")]
    Refused(String),
    /// Two looks at a gateway do not belong together.
    #[error(transparent)]
    Readings(#[from] crate::readings::ReadingsError),
}
