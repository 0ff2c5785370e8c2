//! From the command line to a job.

use super::super::args::{ScheduleJobArgs, Scheduler};
use super::super::playbook::{self, split_profile};
use super::super::refusal::Refusal;
use super::super::world::around;
use crate::model::exit::Cause;
use crate::plan::{Options, Plan, resolve_inputs};
use crate::port::{Surroundings, VariableOrigin};
use crate::schedule::{Checkout, Job, JobId, Needs, Unsayable, grace};
use crate::source::SourceMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{env, fs, path};

/// Checks the playbook and makes a job of it.
///
/// # Errors
/// When it has mistakes, no schedule, or an input without value.
pub(super) fn read(
    args: &ScheduleJobArgs,
    scheduler: Scheduler,
    err: &mut dyn Write,
) -> Result<Job, Refusal> {
    let surroundings = around(playbook::folder(&args.playbook), &args.around)?;
    for warning in surroundings.warnings() {
        writeln!(err, "warning: {warning}")?;
    }
    let profiles = args.profile.iter().map(|profile| split_profile(profile)).collect();
    let options = Options { profiles, ..Options::default() };
    let (plan, sources) = playbook::check(&args.playbook, &options, &surroundings, err)?;
    let Some(schedule) = plan.schedule.clone() else {
        let reason = format!(
            "{} has no `schedule`: write for example `schedule: {{ cron: 15 3 * * *, timezone: Europe/Berlin }}`",
            args.playbook.display()
        );
        return Err(Refusal::usage(reason));
    };
    check_inputs(&plan, args, scheduler, &surroundings)?;
    let needs = Needs::of(&plan).with_files(files_beside(&plan, &sources, &args.playbook));
    for holds in &needs.of_people {
        writeln!(
            err,
            "warning: {holds} comes from the keychain or a person only, and a scheduled run finds neither: give it a \
             source `env` or `file`, too"
        )?;
    }
    let file = absolute(&args.playbook)?;
    let program = env::current_exe().map_err(|error| Refusal::start(&error))?;
    Ok(Job {
        title: plan.name.clone(),
        program: text(&program)?,
        playbook: text(&file)?,
        folder: text(playbook::folder(&file))?,
        flags: flags(args)?,
        schedule,
        deadline: plan.deadline,
        grace: grace(&plan),
        needs,
    })
}

/// The definitions and certificates below the playbook's folder that it reads, as paths from there.
fn files_beside(plan: &Plan, sources: &SourceMap, playbook: &Path) -> Vec<String> {
    let folder = playbook::folder(playbook);
    let definitions = sources.iter().map(|(_, file)| Path::new(file.name())).filter(|file| *file != playbook);
    let certificates = plan.providers.iter().filter_map(|provider| provider.ca_file.as_deref());
    let files = definitions.filter(|file| file.is_file()).chain(certificates);
    let below = files.filter_map(|file| file.strip_prefix(folder).ok()?.to_str().map(str::to_owned));
    below.collect()
}

/// What the run will not find anew: the variables of this shell are not there at night, and `.env` is not elsewhere.
fn check_inputs(
    plan: &Plan,
    args: &ScheduleJobArgs,
    scheduler: Scheduler,
    surroundings: &dyn Surroundings,
) -> Result<(), Refusal> {
    resolve_inputs(plan, &args.input, surroundings).map_err(|mistakes| Refusal {
        cause: Cause::Invalid,
        reasons: mistakes.iter().map(ToString::to_string).collect(),
    })?;
    let is_here = matches!(scheduler, Scheduler::Systemd | Scheduler::Crontab);
    for input in plan.inputs.iter().filter(|input| input.declaration.default.is_none()) {
        let is_given = args.input.iter().any(|(name, _)| *name == input.name);
        let variable = format!("RUNNER_INPUT_{}", input.name.to_ascii_uppercase());
        let is_kept = matches!(surroundings.variable(&variable), Some((_, VariableOrigin::File { .. })));
        if !is_given && (!is_kept || !is_here) {
            return Err(Refusal::invalid(&Unsayable::Input(variable)));
        }
    }
    Ok(())
}

/// The flags of `runner apply` that were given here, with paths that hold everywhere.
fn flags(args: &ScheduleJobArgs) -> Result<Vec<String>, Refusal> {
    let mut flags = Vec::new();
    let mut add = |flag: &str, value: String| flags.extend([flag.to_owned(), value]);
    for (name, value) in &args.input {
        add("--input", format!("{name}={value}"));
    }
    for profile in &args.profile {
        add("--profile", profile.clone());
    }
    for folder in &args.around.allow_read {
        add("--allow-read", text(&absolute(folder)?)?);
    }
    if let Some(file) = &args.around.env_file {
        add("--env-file", text(&absolute(file)?)?);
    }
    if let Some(folder) = &args.state_dir {
        let folder = path::absolute(folder).map_err(|error| super::broken("find", folder, &error))?;
        add("--state-dir", text(&folder)?);
    }
    Ok(flags)
}

/// The absolute path of what is there: of its folder without links, so that one playbook has one name.
fn absolute(path: &Path) -> Result<PathBuf, Refusal> {
    let absolute = || -> io::Result<PathBuf> {
        let whole = path::absolute(path)?;
        match (whole.parent(), whole.file_name()) {
            (Some(folder), Some(name)) => Ok(fs::canonicalize(folder)?.join(name)),
            _ => fs::canonicalize(whole),
        }
    };
    absolute().map_err(|error| super::broken("find", path, &error))
}

fn text(path: &Path) -> Result<String, Refusal> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        Refusal::usage(format!("the path {} is no UTF-8, which schedulers need", path.display()))
    })
}

/// The job that is meant: its id, or the path of its playbook, which need not be there any more.
pub(super) fn id_of(written: &str) -> Result<JobId, Refusal> {
    let path = Path::new(written);
    match JobId::read(written).filter(|_| !path.exists()) {
        Some(id) => Ok(id),
        None => {
            let path = absolute(path)
                .or_else(|_| path::absolute(path).map_err(|error| super::broken("find", path, &error)))?;
            Ok(JobId::of(&text(&path)?))
        }
    }
}

/// Where the playbook lies in its repository: the nearest folder above with a `.git`, else its own.
pub(super) fn checkout(job: &Job) -> Checkout {
    let folder = Path::new(&job.folder);
    let root = folder.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(folder);
    let inner = folder.strip_prefix(root).ok().and_then(Path::to_str).filter(|inner| !inner.is_empty());
    let file = Path::new(&job.playbook).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    Checkout { folder: inner.unwrap_or(".").to_owned(), file: format!("./{file}") }
}
