//! The `gateway` command: flags, config, logs, exit codes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, Subcommand};
use gateway::admin;
use gateway::app::inherited::{Inherited, InheritedError};
use gateway::app::memory::{self, Memory};
use gateway::app::reload::ConfigFile;
use gateway::app::{App, files};
use gateway::colours;
use gateway::command::{self, CommandError};
use gateway::config::{self, Config, Loaded, Report};
#[cfg(feature = "demo")]
use gateway::demo::storefront::{Behind, Storefront};
use gateway::lifecycle::manager::ServiceManager;
use gateway::lifecycle::stop::{Signals, StopSignal};
use gateway::openapi;
use gateway::telemetry::names::listing;
use gateway::telemetry::{events, log};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Fans a page out to its downstreams under limits and one deadline.
#[derive(Parser)]
#[command(name = "gateway", version)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT, then drain. Exit 0; 2 for a bad config; 1 for anything else.
    Run {
        /// The configuration file.
        #[arg(long, default_value = "config.toml")]
        config: PathBuf,
    },
    /// Show all errors and warnings of a configuration. Exit 0, or 2 if there are errors.
    Check {
        /// The configuration file; `-` is standard input.
        #[arg(long, default_value = "config.toml")]
        config: PathBuf,
        /// For machines; with every key, its value, and where that came from.
        #[arg(long)]
        json: bool,
    },
    /// Print the OpenAPI 3.1 description of a configuration's pages. Exit 0; 2 for a bad config.
    Openapi {
        /// The configuration file; `-` is standard input.
        #[arg(long, default_value = "config.toml")]
        config: PathBuf,
    },
    /// What a running gateway did in an interval: pages, calls, lag, and what stands out. The runbook starts with it.
    Readings(command::readings::Flags),
    /// How a running gateway does, second by second, in this terminal. Exit 0; 2 where there is no terminal.
    Top(command::top::Flags),
    /// Why a page was slow, lost or refused, with its waterfall; without an id what goes wrong now: what is slow, since when, whose fault, which key.
    Why(command::why::Flags),
    /// What the slowest pages and those refused or lost have in common that the others do not.
    Outliers(command::outliers::Flags),
    /// Show what a configuration would change, key by key, and whether that needs a restart. As diff(1): exit 0 without a difference, 1 with one, 2 if there is trouble.
    Diff(command::diff::Flags),
    /// Have a running gateway read its file again; say what is different. Exit 0; 2 if it is refused, with all that is wrong; 1 for anything else.
    Reload(command::change::Reload),
    /// Override a key of a running gateway for a while. Exit 0; 2 if it is refused; 1 for anything else.
    Set(command::change::Set),
    /// End an override now. Exit 0; 2 if there is none; 1 for anything else.
    Unset(command::change::Unset),
    /// List every metric of the gateway: type, unit, tags, Prometheus name, meaning.
    Metrics {
        /// As JSON, with the fields of spans.
        #[arg(long)]
        json: bool,
    },
    /// Five fake services and a gateway in one process, and what to try with them.
    #[cfg(feature = "demo")]
    Demo {
        /// Use free ports instead of those in config.toml.
        #[arg(long)]
        free_ports: bool,
    },
}

/// A command line or a configuration that cannot be used, as in `chaos`.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    small_pages();
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(asked) => return explained(&asked),
    };
    match flags.command {
        Command::Run { config } => match load(&config) {
            Ok(loaded) => ended_with(run(loaded, config, Inherited::from_env())),
            Err(code) => code,
        },
        Command::Check { config, json } => check(&config, json),
        Command::Openapi { config } => match load(&config) {
            Ok(loaded) => write_out(&format!("{:#}\n", openapi::document(&loaded.config))),
            Err(code) => code,
        },
        Command::Readings(flags) => printed(command::readings::run(&flags)),
        Command::Top(flags) => printed(command::top::run(&flags)),
        Command::Why(flags) => printed(command::why::run(&flags)),
        Command::Outliers(flags) => printed(command::outliers::run(&flags)),
        Command::Diff(flags) => diff(&flags),
        Command::Reload(flags) => printed(command::change::reload(&flags)),
        Command::Set(flags) => printed(command::change::set(&flags)),
        Command::Unset(flags) => printed(command::change::unset(&flags)),
        Command::Metrics { json } => list_metrics(json),
        #[cfg(feature = "demo")]
        Command::Demo { free_ports } => ended_with(demo(free_ports)),
    }
}

/// Of the buffers of a connection few bytes are used. With huge pages all of each is resident:
/// a third more for idle connections and for pages in flight. The allocator is built not to
/// ask for them; this is for kernels that give them unasked (docs/decisions/0016-memory.md).
fn small_pages() {
    // Kernels without huge pages have no switch for them.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Help that was requested is a success.
fn explained(asked: &clap::Error) -> ExitCode {
    // Nobody is left to tell when the terminal is gone.
    if !asked.use_stderr() {
        let _ = asked.print();
        return ExitCode::SUCCESS;
    }
    // It repeats what was typed.
    let said = asked.to_string();
    let _ = match config::fit_to_show(&said) == said {
        true => asked.print(),
        false => write!(std::io::stderr(), "{}", config::fit_to_show(&said)),
    };
    ExitCode::from(UNUSABLE)
}

/// The configuration, or the exit code after everything wrong with it has been said.
fn load(path: &Path) -> Result<Loaded, ExitCode> {
    match config::load_file(path) {
        Ok(loaded) => {
            say(&loaded.warnings);
            Ok(loaded)
        }
        Err(report) => {
            say(&report);
            Err(ExitCode::from(UNUSABLE))
        }
    }
}

fn say(report: &Report) {
    if !report.is_empty() {
        let mut stderr = std::io::stderr().lock();
        // Nobody is left to tell when stderr is gone.
        let _ = writeln!(stderr, "{}", report.render(colours::wanted_on(&stderr)));
    }
}

fn check(path: &Path, json: bool) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    let colours = colours::wanted_on(&stdout);
    let memory =
        |config: &Config, out: &mut dyn Write| Memory::of(config).report(memory::there_is(), out);
    let checked = match json {
        true => {
            let (shown, usable) = config::check_json(path);
            writeln!(stdout, "{shown:#}").map(|()| usable)
        }
        false => config::check(path, colours, &mut stdout, memory),
    };
    match checked {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(UNUSABLE),
        // Nobody is left to tell when stdout is gone.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Runs a command that asks a running gateway, and prints what it found.
fn printed(asking: impl Future<Output = Result<String, CommandError>>) -> ExitCode {
    match asked(asking) {
        Ok(found) => {
            // Nobody is left to tell when stdout is gone.
            let _ = std::io::stdout().lock().write_all(found.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let refused = matches!(
                error.downcast_ref(),
                Some(CommandError::Refused(_) | CommandError::NoTerminal)
            );
            let code = ended(Err(error));
            if refused {
                ExitCode::from(UNUSABLE)
            } else {
                code
            }
        }
    }
}

fn diff(flags: &command::diff::Flags) -> ExitCode {
    match asked(command::diff::run(flags)) {
        Ok((found, differ)) => {
            let _ = std::io::stdout().lock().write_all(found.as_bytes());
            ExitCode::from(u8::from(differ))
        }
        Err(error) => {
            ended(Err(error));
            ExitCode::from(UNUSABLE)
        }
    }
}

/// What a running gateway answers.
fn asked<T>(asking: impl Future<Output = Result<T, CommandError>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let found = runtime.block_on(asking);
    runtime.shutdown_background();
    Ok(found?)
}

fn list_metrics(json: bool) -> ExitCode {
    let listed = match json {
        true => format!("{:#}\n", listing::json()),
        false => listing::table(),
    };
    write_out(&listed)
}

fn write_out(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody is left to tell when stdout is gone.
        Err(_) => ExitCode::FAILURE,
    }
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let prefix = match error.downcast_ref() {
                // It is a report of its own.
                Some(CommandError::Refused(_)) => "",
                Some(_) | None => "gateway: ",
            };
            let error = format!("{error:#}");
            let error = config::fit_to_show(&error);
            let _ = writeln!(std::io::stderr(), "{prefix}{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs to the end of `serving`, and then waits for nothing: a lookup of a name that hangs
/// in the system's resolver cannot be called off, and must not hold up the exit.
fn ended_with(serving: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new().context("cannot start the runtime") {
        Ok(runtime) => runtime,
        Err(error) => return ended(Err(error)),
    };
    let result = runtime.block_on(serving);
    runtime.shutdown_background();
    ended(result)
}

async fn run(
    loaded: Loaded,
    file: PathBuf,
    inherited: Result<Inherited, InheritedError>,
) -> anyhow::Result<()> {
    let _log = log::start(&loaded.config.telemetry).context("cannot start the log")?;
    files::raise_limit();
    let inherited = inherited.context("not started")?;
    let app = App::adopt(inherited, loaded).context("not started")?;
    let app = app.reading(ConfigFile::new(file));
    serve(app.managed_by(ServiceManager::from_env())).await
}

#[cfg(feature = "demo")]
async fn demo(free_ports: bool) -> anyhow::Result<()> {
    files::raise_limit();
    let (loaded, fakes) = gateway::demo::start(free_ports).await?;
    let _log = log::start(&loaded.config.telemetry).context("cannot start the log")?;
    let storefront = Storefront::bind(free_ports).context("no port for the shop's page")?;
    let config = loaded.config.clone();
    let app = App::bind(loaded).await?;
    let (page, admin) = (app.public_address()?, app.admin_address()?);
    // A closed stdout is no reason to stop serving.
    let _ = write!(
        std::io::stdout(),
        "{}",
        gateway::demo::transcript(storefront.address(), page, admin, &fakes.control_url())
    );
    let behind = Behind {
        public: page,
        admin,
        control: fakes.control_url(),
    };
    let result = tokio::select! {
        ended = serve(app) => ended,
        Err(failed) = storefront.serve(&config, behind) => Err(failed),
    };
    fakes.stop().await;
    result
}

/// Serves until a signal says to stop, and ends; a second one ends it where it stands.
async fn serve(app: App) -> anyhow::Result<()> {
    let signals = Signals::listen().context("cannot listen for signals")?;
    let stop = StopSignal::default();
    let (generations, reloader) = (app.generations().clone(), Arc::clone(app.reloader()));
    let state = || events::state(&admin::limits(&generations.pages()));
    tokio::select! {
        ended = app.run(stop.clone()) => Ok(ended?),
        never = signals.forward(&stop, || reloader.ask(), state) => match never {},
    }
}
