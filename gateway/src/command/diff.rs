//! `gateway diff`: what a configuration would change.
//!
//! Against a running gateway it is what a reload there would do: the file is read with the
//! variables of that process and below its overrides, which `/config?origins` shows, and not with
//! the variables of this one.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::client::Client;
use super::{CommandError, Target, differences};
use crate::config::{self, Difference, EffectiveKey, Loaded, Origin, Override};

/// What `--against` calls the configuration in force.
const RUNNING: &str = "running";

/// Flags of the command.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    /// The configuration that would come into force; `-` is standard input.
    #[arg(long, default_value = "config.toml")]
    pub config: PathBuf,
    /// What it is compared with: a file, or `running`, the gateway at --admin.
    #[arg(long, default_value = RUNNING)]
    pub against: PathBuf,
    /// For machines.
    #[arg(long)]
    pub json: bool,
    /// The gateway.
    #[command(flatten)]
    pub target: Target,
}

/// What there is to print, and whether there is a difference.
///
/// # Errors
/// One of the two cannot be used, or nobody answers.
pub async fn run(flags: &Flags) -> Result<(String, bool), CommandError> {
    let both = match flags.against.to_str() {
        Some(RUNNING) => against_running(flags).await?,
        _ => of_files(flags)?,
    };
    let found = config::differences(&both.before, &both.after);
    let shown: Vec<Value> = found.iter().map(Difference::json).collect();
    let differ = !found.is_empty() || !both.dropped.is_empty();
    let text = match flags.json {
        true => {
            let (from, to) = (name(&flags.against), name(&flags.config));
            let all = json!({
                "from": from,
                "to": to,
                "differences": shown,
                "overrides": both.overridden,
                "dropped_overrides": both.dropped,
            });
            format!("{all:#}\n")
        }
        // As diff(1), it says nothing where nothing differs.
        false if !differ => String::new(),
        false => text(&shown, &both),
    };
    Ok((text, differ))
}

fn name(path: &Path) -> String {
    config::fit_to_show(&path.display().to_string()).into_owned()
}

fn load(loaded: Result<Loaded, config::Report>) -> Result<Loaded, CommandError> {
    loaded.map_err(|report| CommandError::Refused(report.to_string()))
}

fn text(differences: &[Value], both: &Both) -> String {
    let mut text = differences::lines(differences);
    let stay = both.overridden.iter();
    for (key, over) in stay.filter(|(key, _)| !both.dropped.contains(key)) {
        let (value, ends_in) = (&over["value"], over["ends_in"].as_str());
        let ends_in = ends_in.unwrap_or_default();
        text += &format!("the override of {key} stays: {value}, ends in {ends_in}\n");
    }
    for key in &both.dropped {
        text +=
            &format!("the override of {key} would end: the configuration cannot be used with it\n");
    }
    let restarts = differences.iter().filter(|one| one["live"] == false);
    if restarts.count() > 0 {
        text += "\na reload is refused as long as a difference needs a restart\n";
    }
    text
}

/// What is compared.
struct Both {
    /// What is in force, nested as in the file.
    before: Value,
    /// What would be.
    after: Loaded,
    /// Overrides that would end for it.
    dropped: Vec<String>,
    /// All that there are now, as `/config?origins` shows them.
    overridden: Map<String, Value>,
}

fn of_files(flags: &Flags) -> Result<Both, CommandError> {
    let before = load(config::load_file(&flags.against))?;
    Ok(Both {
        before: before.effective,
        after: load(config::load_file(&flags.config))?,
        dropped: Vec::new(),
        overridden: Map::new(),
    })
}

async fn against_running(flags: &Flags) -> Result<Both, CommandError> {
    const ORIGINS: &str = "/config?origins";
    let client = Client::new(&flags.target)?;
    let (in_force, origins) = (client.view("/config").await?, client.view(ORIGINS).await?);
    let keys = origins.as_object().into_iter().flatten();
    let keys = keys.map(|(key, json)| EffectiveKey::from_json(key, json));
    let running: Option<Vec<EffectiveKey>> = keys.collect();
    let running = running.filter(|running| !running.is_empty());
    let running = running.ok_or_else(|| client.unexpected(ORIGINS, "no origins of keys".into()))?;
    let base = load(config::load_file_with(&flags.config, &variables(&running)))?;
    let (after, misfits) = base.with_those_that_fit(&overrides(&running));
    let dropped = misfits.into_iter().map(|misfit| misfit.key).collect();
    let is_override = |json: &Value| json["from"] == Origin::Override.as_str();
    let overridden = origins.as_object().into_iter().flatten();
    let overridden = overridden.filter(|(_, json)| is_override(json));
    let overridden = overridden.map(|(key, json)| (key.clone(), json.clone()));
    Ok(Both {
        before: in_force,
        after,
        dropped,
        overridden: overridden.collect(),
    })
}

/// Those of the running process, as far as they reached a key, each as a variable of ours.
fn variables(running: &[EffectiveKey]) -> Vec<(String, String)> {
    let set = running
        .iter()
        .filter(|key| matches!(key.origin, Origin::Variable(_)));
    let pair = |key: &EffectiveKey| {
        let value = Override::new(&key.key, &key.value).value;
        (config::variable_name(&key.key), value)
    };
    set.map(pair).collect()
}

fn overrides(running: &[EffectiveKey]) -> Vec<Override> {
    let set = running.iter().filter(|key| key.origin == Origin::Override);
    set.map(|key| Override::new(&key.key, &key.value)).collect()
}
