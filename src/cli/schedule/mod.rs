//! `runner schedule`: a playbook's schedule in the form of a scheduler, printed or installed.

mod crontab;
mod job;
mod systemd;

use super::args::{ScheduleArgs, ScheduleCommand, ScheduleJobArgs, ScheduleRemoveArgs, Scheduler};
use super::refusal::Refusal;
use super::streams;
use crate::calendar::{Clockwork, Zone};
use crate::model::exit::Cause;
use crate::model::redaction::Redactor;
use crate::port::Clock;
use crate::schedule::{Job, JobId, Manager, cron_job, entry, upcoming, workflow};
use crate::system::SystemClock;
use jiff::Timestamp;
use std::fs;
use std::io::Write;
use std::path::Path;

/// Does what is asked about schedules.
///
/// # Errors
/// Why it was not done.
pub(super) fn schedule(args: &ScheduleArgs, redactor: &Redactor) -> Result<(), Refusal> {
    let (out, err) = (&mut streams::stdout(redactor), &mut streams::stderr(redactor));
    match &args.command {
        ScheduleCommand::Print(args) => print(args, out, err),
        ScheduleCommand::Install(args) => install(args, out, err),
        ScheduleCommand::List => list(out),
        ScheduleCommand::Remove(args) => remove(args, out),
    }
}

fn now() -> Timestamp {
    SystemClock::default().now()
}

fn print(args: &ScheduleJobArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Refusal> {
    let scheduler = args.scheduler;
    refuse_idle_flags(args)?;
    let job = job::read(args, scheduler, err)?;
    let unsayable = |error| Refusal::invalid(&error);
    match scheduler {
        Scheduler::Systemd => systemd::print(&job, manager(args), out)?,
        Scheduler::Crontab => {
            write!(out, "{}", entry(&job, &machine_zone(), now()).map_err(unsayable)?)?;
        }
        Scheduler::Kubernetes => write!(out, "{}", cron_job(&job, &args.image).map_err(unsayable)?)?,
        Scheduler::Github => {
            let checkout = job::checkout(&job);
            write!(out, "{}", workflow(&job, &checkout, &args.image).map_err(unsayable)?)?;
        }
    }
    write_upcoming(&job, scheduler, err)
}

fn install(args: &ScheduleJobArgs, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Refusal> {
    refuse_idle_flags(args)?;
    match args.scheduler {
        Scheduler::Systemd if args.run_as.is_none() => {
            let job = job::read(args, args.scheduler, err)?;
            systemd::install(&job, out, err)?;
            write_upcoming(&job, args.scheduler, err)
        }
        Scheduler::Crontab => {
            let job = job::read(args, args.scheduler, err)?;
            let entry = entry(&job, &machine_zone(), now()).map_err(|error| Refusal::invalid(&error))?;
            crontab::install(&job.id(), &entry, out)?;
            write_upcoming(&job, args.scheduler, err)
        }
        Scheduler::Systemd => Err(Refusal::usage(
            "only units of your own user are installed: print those with `--run-as` and put them into \
             /etc/systemd/system",
        )),
        Scheduler::Kubernetes => Err(Refusal::usage(
            "a CronJob is not installed from here: `runner schedule print --for kubernetes PLAYBOOK | kubectl apply -f -`",
        )),
        Scheduler::Github => Err(Refusal::usage(
            "a workflow is not installed from here: print it with `--for github` and commit it to the repository",
        )),
    }
}

/// A flag that says nothing to the scheduler would be believed to do something.
fn refuse_idle_flags(args: &ScheduleJobArgs) -> Result<(), Refusal> {
    if args.run_as.is_some() && args.scheduler != Scheduler::Systemd {
        return Err(Refusal::usage("`--run-as` goes with `--for systemd`"));
    }
    Ok(())
}

fn list(out: &mut dyn Write) -> Result<(), Refusal> {
    let mut entries = systemd::list()?;
    entries.extend(crontab::list()?);
    if entries.is_empty() {
        writeln!(out, "nothing is scheduled here by runner")?;
    }
    for entry in entries {
        let note = if entry.is_edited { ", changed by hand" } else { "" };
        writeln!(out, "{}  {}{note}  {}", entry.id.as_str(), entry.place, entry.playbook)?;
    }
    Ok(())
}

/// An entry of a scheduler that was made here.
struct Listed {
    id: JobId,
    place: &'static str,
    playbook: String,
    is_edited: bool,
}

fn remove(args: &ScheduleRemoveArgs, out: &mut dyn Write) -> Result<(), Refusal> {
    let id = job::id_of(&args.job)?;
    let is_meant = |scheduler| args.scheduler.is_none_or(|only| only == scheduler);
    let mut is_done = false;
    if is_meant(Scheduler::Systemd) {
        is_done |= systemd::remove(&id, out)?;
    }
    if is_meant(Scheduler::Crontab) {
        is_done |= crontab::remove(&id, out)?;
    }
    if !is_done {
        let reason = format!("nothing is scheduled as {}; see `runner schedule list`", id.as_str());
        return Err(Refusal::usage(reason));
    }
    Ok(())
}

fn manager(args: &ScheduleJobArgs) -> Manager<'_> {
    args.run_as.as_deref().map_or(Manager::User, |user| Manager::System { user })
}

fn write_upcoming(job: &Job, scheduler: Scheduler, err: &mut dyn Write) -> Result<(), Refusal> {
    let clockwork = match scheduler {
        Scheduler::Systemd => Clockwork::Systemd,
        Scheduler::Crontab => Clockwork::Cron,
        Scheduler::Kubernetes => Clockwork::Kubernetes,
        Scheduler::Github => Clockwork::Github,
    };
    for line in upcoming(&job.schedule, now(), clockwork) {
        writeln!(err, "{line}")?;
    }
    Ok(())
}

/// The clock by which cron goes: that of the machine, whatever `TZ` says in this shell.
#[expect(clippy::disallowed_methods, reason = "the machine's time zone is a file of the system")]
fn machine_zone() -> Zone {
    const FILE: &str = "/etc/localtime";
    let target = fs::canonicalize(FILE).unwrap_or_default();
    let name = target.to_str().and_then(|path| path.split_once("zoneinfo/")).map_or(FILE, |(_, name)| name);
    fs::read(FILE).ok().and_then(|content| Zone::of_file(name, &content)).unwrap_or_else(Zone::utc)
}

/// A file of the scheduler cannot be read or written.
fn broken(what: &str, path: &Path, error: &std::io::Error) -> Refusal {
    let reason = format!("cannot {what} {}: {error}", path.display());
    Refusal { cause: Cause::Machine, reasons: vec![reason] }
}
