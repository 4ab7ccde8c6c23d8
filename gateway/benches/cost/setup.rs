//! What a role is told: whom to call, and what the gateway says about itself.
//!
//! Given on the command line, as roles are processes of their own; [`Setup::arguments`]
//! writes what clap reads back.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::front::Front;

/// Of one server under test.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Setup {
    /// With `--role`: where the five fakes listen, in the order of the page.
    #[arg(long, value_delimiter = ',')]
    pub(crate) downstreams: Vec<SocketAddr>,
    /// With `--role fakes`: milliseconds until a call is answered.
    #[arg(long, default_value_t = 0)]
    pub(crate) latency: u64,
    /// With `--role fakes`: close each connection after its first answer.
    #[arg(long)]
    pub(crate) closing: bool,
    /// With `--role`: call the downstreams over HTTP/2.
    #[arg(long)]
    pub(crate) http2: bool,
    /// With `--role gateway`: what it says about itself.
    #[arg(long, default_value = "off")]
    pub(crate) telemetry: Telemetry,
    /// With `--role gateway`: the bulkhead of each downstream, instead of the default.
    #[arg(long)]
    pub(crate) permits: Option<usize>,
    /// With `--role gateway`: pages in flight at once, instead of the default.
    #[arg(long)]
    pub(crate) tickets: Option<usize>,
    /// With `--role gateway`: serve so many more pages, as the first but with downstreams of their own.
    #[arg(long, default_value_t = 0)]
    pub(crate) more_pages: usize,
    /// With `--role gateway`: where an agent takes traces, and where it takes metrics.
    #[arg(long, value_delimiter = ',')]
    pub(crate) agent: Vec<SocketAddr>,
    /// With `--role gateway`: what clients speak.
    #[arg(long, default_value = "plain")]
    pub(crate) front: Front,
    /// With `--role gateway`: the folder of the certificate it shows.
    #[arg(long)]
    pub(crate) certificates: Option<PathBuf>,
}

/// What the gateway says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Telemetry {
    /// Nothing leaves but warnings; everything is counted all the same.
    #[default]
    Off,
    /// One trace of a hundred, and metrics, to an agent.
    Sampled,
    /// Every trace, and metrics, to an agent.
    All,
    /// As sampled, and a JSON line for every page.
    Logged,
    /// Every trace, metrics, and a JSON line for every page.
    Everything,
}

impl Setup {
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let lists = [
            ("--downstreams", &self.downstreams),
            ("--agent", &self.agent),
        ];
        for (flag, list) in lists {
            if !list.is_empty() {
                let list: Vec<_> = list.iter().map(ToString::to_string).collect();
                arguments.extend([flag.to_owned(), list.join(",")]);
            }
        }
        for (flag, is_set) in [("--http2", self.http2), ("--closing", self.closing)] {
            if is_set {
                arguments.push(flag.to_owned());
            }
        }
        let limits = [
            ("--latency", Some(self.latency as usize)),
            ("--permits", self.permits),
            ("--tickets", self.tickets),
            ("--more-pages", Some(self.more_pages)),
        ];
        for (flag, limit) in limits {
            if let Some(limit) = limit {
                arguments.extend([flag.to_owned(), limit.to_string()]);
            }
        }
        if let Some(front) = self.front.to_possible_value() {
            arguments.extend(["--front".to_owned(), front.get_name().to_owned()]);
        }
        if let Some(certificates) = &self.certificates {
            let certificates = certificates.display().to_string();
            arguments.extend(["--certificates".to_owned(), certificates]);
        }
        if let Some(telemetry) = self.telemetry.to_possible_value() {
            arguments.extend(["--telemetry".to_owned(), telemetry.get_name().to_owned()]);
        }
        arguments
    }
}

impl Telemetry {
    /// Keys of `[telemetry]` that say so, with their values.
    pub(crate) fn keys(self, agent: &[SocketAddr]) -> Vec<(&'static str, String)> {
        let sample = match self {
            Self::Off => None,
            Self::Sampled | Self::Logged => Some("0.01"),
            Self::All | Self::Everything => Some("1.0"),
        };
        match (sample, agent) {
            (Some(sample), [traces, metrics]) => vec![
                ("EXPORTER", "datadog".to_owned()),
                ("DATADOG_AGENT", format!("http://{traces}")),
                ("DOGSTATSD", metrics.to_string()),
                ("SAMPLE", sample.to_owned()),
                ("LOG", "json".to_owned()),
            ],
            _ => vec![
                ("EXPORTER", "none".to_owned()),
                ("DOGSTATSD", String::new()),
            ],
        }
    }

    /// `RUST_LOG`: lines of pages are `info`.
    pub(crate) fn log_level(self) -> &'static str {
        match self {
            Self::Off | Self::Sampled | Self::All => "warn",
            Self::Logged | Self::Everything => "info",
        }
    }
}
