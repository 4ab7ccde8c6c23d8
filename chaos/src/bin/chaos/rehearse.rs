//! `chaos run`: scenarios played once, with two configs, with many seeds, or both.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use chaos::output::{self, Kind};
use chaos::report;
use chaos::run::{self, Rehearsal};
use chaos::scenario::{Arm, SHIPPED, Scenario, Text};
use chaos::verdict::Verdict;
use gateway::colours;
use gateway::config::load_text;

use crate::Exit;
use crate::flags::Run;

pub(crate) fn all(flags: &Run, out: &mut dyn Write) -> Result<Exit> {
    let shipped = SHIPPED.iter().map(|(name, _)| (*name).to_owned());
    let names = match flags.all {
        true => shipped.collect(),
        false => flags.scenarios.clone(),
    };
    check_outputs(flags, &names)?;
    let mut worst = Exit::AsExpected;
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        worst = worst.max(one(flags, name, out)?);
    }
    Ok(worst)
}

fn check_outputs(flags: &Run, names: &[String]) -> Result<()> {
    let configs = [&flags.config, &flags.compare].into_iter().flatten();
    let read = names
        .iter()
        .map(Path::new)
        .chain(configs.map(AsRef::as_ref));
    let read: Vec<&Path> = read.collect();
    if let Some(path) = &flags.events {
        output::check("--events", path, Kind::AnyFile, &read)?;
        if names.len() > 1 {
            bail!(
                "--events is one file, and there are {} scenarios: run one",
                names.len()
            );
        }
    }
    flags.wanted.check(names.len(), &read)
}

fn one(flags: &Run, name: &str, out: &mut dyn Write) -> Result<Exit> {
    let text = &run::find(name)?;
    let base = match &flags.config {
        Some(path) => run::read(path)?,
        None => Text::default_config(),
    };
    if let Some(path) = &flags.compare {
        return compare(flags, name, text, [&base, &run::read(path)?], out);
    }
    let scenario = load(flags, text, &base)?;
    if flags.all && flags.live && scenario.admission == Arm::PartByPart {
        writeln!(out, "{}: in simulated time only", scenario.title)?;
        return Ok(Exit::AsExpected);
    }
    if flags.seeds > 1 {
        let verdicts = spread(&scenario, flags.seeds)?;
        let ok = run::show_spread(&scenario, &verdicts, out)?;
        return Ok(exit(flags, &verdicts[0], ok));
    }
    let run = play(flags, &scenario)?;
    write_events(flags, &run)?;
    let ok = run::show(&scenario, &run, out)?;
    keep(flags, name, [&base, &base], &[(&scenario, &run)], out)?;
    Ok(exit(flags, &run.verdict, ok))
}

/// A run of which nothing is expected proves nothing, unless somebody only looks.
fn exit(flags: &Run, verdict: &Verdict, ok: bool) -> Exit {
    match ok && verdict.expects_nothing() && !flags.explore {
        true => Exit::NothingExpected,
        false => Exit::of(ok),
    }
}

fn compare(
    flags: &Run,
    name: &str,
    text: &Text,
    configs: [&Text; 2],
    out: &mut dyn Write,
) -> Result<Exit> {
    let [before, after] = configs;
    let scenarios = [load(flags, text, before)?, load(flags, text, after)?];
    if flags.seeds > 1 {
        let [first, second] = [&scenarios[0], &scenarios[1]];
        let runs = [spread(first, flags.seeds)?, spread(second, flags.seeds)?];
        let named = [
            (before.name.as_str(), runs[0].as_slice()),
            (after.name.as_str(), runs[1].as_slice()),
        ];
        let ok = run::show_spreads(first, named, out)?;
        return Ok(exit(flags, &runs[1][0], ok));
    }
    let first = play(flags, &scenarios[0])?;
    let second = play(flags, &scenarios[1])?;
    let named = [
        (before.name.as_str(), &first),
        (after.name.as_str(), &second),
    ];
    let ok = run::show_both(&scenarios[0], named, out)?;
    let runs = [(&scenarios[0], &first), (&scenarios[1], &second)];
    keep(flags, name, configs, &runs, out)?;
    Ok(exit(flags, &second.verdict, ok))
}

/// Writes the report, if one is wanted, and says where it is.
fn keep(
    flags: &Run,
    name: &str,
    configs: [&Text; 2],
    runs: &[(&Scenario, &Rehearsal)],
    out: &mut dyn Write,
) -> Result<()> {
    if !flags.wanted.is_any() {
        return Ok(());
    }
    let runs: Vec<report::Run<'_>> = configs
        .iter()
        .zip(runs)
        .map(|(config, (scenario, run))| report::Run {
            name: &config.name,
            scenario,
            record: &run.record,
            verdict: &run.verdict,
        })
        .collect();
    let report = report::Report {
        command: &command(flags, name, runs[0].record.seed),
        base: (
            &configs[0].name,
            &load_text(&configs[0].name, &configs[0].text, &[])?.effective,
        ),
        runs: &runs,
    };
    for written in flags.wanted.write(name, &report)? {
        writeln!(out, "{written}")?;
    }
    Ok(())
}

/// What runs the same again.
fn command(flags: &Run, name: &str, seed: u64) -> String {
    let paths = [("--config", &flags.config), ("--compare", &flags.compare)];
    let mut words = vec!["chaos".to_owned(), "run".to_owned(), name.to_owned()];
    for (flag, path) in paths {
        words.extend(
            path.iter()
                .flat_map(|path| [flag.to_owned(), path.display().to_string()]),
        );
    }
    words.extend(flags.live.then(|| "--live".to_owned()));
    words.extend(["--seed".to_owned(), seed.to_string()]);
    report::shell(&words)
}

fn play(flags: &Run, scenario: &Scenario) -> Result<Rehearsal> {
    if flags.live {
        return run::live(scenario, &flags.programs.find()?);
    }
    run::rehearse(scenario, flags.events.is_some())
}

fn load(flags: &Run, text: &Text, base: &Text) -> Result<Scenario> {
    let scenario = Scenario::load(text, base)?;
    if flags.config.is_some() && !scenario.warnings.is_empty() {
        let mut err = std::io::stderr().lock();
        writeln!(
            err,
            "{}\n",
            scenario.warnings.render(colours::wanted_on(&err))
        )?;
    }
    let seed = flags.seed.unwrap_or(scenario.seed);
    Ok(scenario.with_seed(seed))
}

fn write_events(flags: &Run, run: &Rehearsal) -> Result<()> {
    let (Some(path), Some(text)) = (&flags.events, &run.record.events.text) else {
        return Ok(());
    };
    output::write(path, text)
}

/// The verdicts of so many seeds.
fn spread(scenario: &Scenario, seeds: u64) -> Result<Vec<Verdict>> {
    let verdict = |seed| Ok(run::rehearse(&scenario.clone().with_seed(seed), false)?.verdict);
    let first = scenario.seed;
    run::each_seed(first..first.saturating_add(seeds), verdict, &|_| {})
}
