//! Units of the user's systemd, by way of systemctl(1).

use super::super::refusal::Refusal;
use super::{Listed, broken};
use crate::model::exit::Cause;
use crate::schedule::{Job, JobId, Manager, Mark, Origin, Units, marked, origin, units};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// Writes the units as files that are named in comments.
///
/// # Errors
/// When a path cannot be said in a unit.
pub(super) fn print(job: &Job, manager: Manager<'_>, out: &mut dyn Write) -> Result<(), Refusal> {
    let folder = match manager {
        Manager::User => "~/.config/systemd/user",
        Manager::System { .. } => "/etc/systemd/system",
    };
    let id = job.id();
    for (index, (ending, text)) in files(job, manager)?.into_iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        write!(out, "# {folder}/{}.{ending}\n{text}", id.as_str())?;
    }
    let user = if matches!(manager, Manager::User) { " --user" } else { "" };
    writeln!(
        out,
        "# Then: systemctl{user} daemon-reload && systemctl{user} enable --now {}.timer",
        id.as_str()
    )?;
    Ok(())
}

/// The endings of the unit files, each with its text.
fn files(job: &Job, manager: Manager<'_>) -> Result<[(&'static str, String); 2], Refusal> {
    let Units { service, timer } = units(job, manager).map_err(|error| Refusal::invalid(&error))?;
    let marked = |text: &str| marked(&job.id(), &job.playbook, text);
    Ok([("service", marked(&service)), ("timer", marked(&timer))])
}

/// Writes the units and starts the timer, once.
///
/// # Errors
/// When there is no user manager, or a file of that name is not ours as it was made; nothing is changed then.
pub(super) fn install(job: &Job, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Refusal> {
    let files = files(job, Manager::User)?;
    let id = job.id();
    let folder = folder()?;
    let mut changed = Vec::new();
    for (ending, text) in &files {
        let path = folder.join(format!("{}.{ending}", id.as_str()));
        match read_ours(&path)? {
            Some(there) if there == *text => {}
            _ => changed.push((path, text)),
        }
    }
    ask_manager()?;
    fs::create_dir_all(&folder).map_err(|error| broken("make", &folder, &error))?;
    for (path, text) in &changed {
        write_whole(path, text)?;
    }
    let timer = format!("{}.timer", id.as_str());
    systemctl(&["daemon-reload"])?;
    systemctl(&["enable", &timer])?;
    if changed.is_empty() {
        systemctl(&["start", &timer])?;
        writeln!(out, "{timer} is already there, in {}", folder.display())?;
    } else {
        systemctl(&["restart", &timer])?;
        writeln!(out, "{timer} is on, in {}", folder.display())?;
    }
    if !lingers() {
        writeln!(
            err,
            "warning: the timer runs only while you are logged in; `loginctl enable-linger` lets it run always"
        )?;
    }
    Ok(())
}

/// Stops the timer and takes the units away. `false`: there are none.
///
/// # Errors
/// When a file is not as it was made.
pub(super) fn remove(id: &JobId, out: &mut dyn Write) -> Result<bool, Refusal> {
    let Ok(folder) = folder() else { return Ok(false) };
    let paths = ["timer", "service"].map(|ending| folder.join(format!("{}.{ending}", id.as_str())));
    let mut there = Vec::new();
    for path in paths {
        if read_ours(&path)?.is_some() {
            there.push(path);
        }
    }
    if there.is_empty() {
        return Ok(false);
    }
    ask_manager()?;
    let timer = format!("{}.timer", id.as_str());
    systemctl(&["disable", "--now", &timer])?;
    for path in there {
        fs::remove_file(&path).map_err(|error| broken("remove", &path, &error))?;
    }
    systemctl(&["daemon-reload"])?;
    writeln!(out, "{timer} is gone")?;
    Ok(true)
}

/// The timers that were made here.
///
/// # Errors
/// When the folder of units cannot be read.
pub(super) fn list() -> Result<Vec<Listed>, Refusal> {
    let Ok(folder) = folder() else { return Ok(Vec::new()) };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(broken("list", &folder, &error)),
    };
    let mut listed = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| broken("list", &folder, &error))?.path();
        if path.extension().is_some_and(|ending| ending == "timer")
            && let Some((mark, is_edited)) = mark_of(&path)
        {
            listed.push(Listed { id: mark.id, place: "systemd", playbook: mark.playbook, is_edited });
        }
    }
    listed.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(listed)
}

#[expect(clippy::disallowed_methods, reason = "the files of the user's systemd are read here")]
fn mark_of(path: &Path) -> Option<(Mark, bool)> {
    match origin(&fs::read_to_string(path).ok()?) {
        Origin::Made(mark) => Some((mark, false)),
        Origin::Edited(mark) => Some((mark, true)),
        Origin::Foreign => None,
    }
}

/// The text of a unit file that was made here; `None`: there is no such file.
#[expect(clippy::disallowed_methods, reason = "the files of the user's systemd are read here")]
fn read_ours(path: &Path) -> Result<Option<String>, Refusal> {
    // A link to /dev/null is how `systemctl mask` says no.
    let is_there = fs::symlink_metadata(path).is_ok();
    let text = match fs::read(path) {
        Ok(content) => String::from_utf8_lossy(&content).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_there => return Ok(None),
        Err(error) => return Err(broken("read", path, &error)),
    };
    let why = match origin(&text) {
        Origin::Made(_) => return Ok(Some(text)),
        Origin::Edited(_) => "was changed by hand",
        Origin::Foreign => "was not made by runner",
    };
    let reason = format!("{} {why} and is left as it is: move it away first", path.display());
    Err(Refusal { cause: Cause::Machine, reasons: vec![reason] })
}

#[expect(clippy::disallowed_methods, reason = "the files of the user's systemd are written here")]
fn write_whole(path: &Path, text: &str) -> Result<(), Refusal> {
    let unfinished = path.with_extension("unfinished");
    let write = || fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, path));
    write().map_err(|error| broken("write", path, &error))
}

/// Where the user's units lie (systemd.unit(5)).
#[expect(clippy::disallowed_methods, reason = "systemd looks into the same variables")]
fn folder() -> Result<PathBuf, Refusal> {
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    let nowhere = || Refusal {
        cause: Cause::Machine,
        reasons: vec!["neither $XDG_CONFIG_HOME nor $HOME says where units of systemd lie".to_owned()],
    };
    config.map(|config| config.join("systemd/user")).ok_or_else(nowhere)
}

/// Asks whether the user has a manager.
fn ask_manager() -> Result<(), Refusal> {
    let problem = match call(&["show", "--property=Version"]) {
        Ok(()) => return Ok(()),
        Err(problem) => problem,
    };
    let advice = [
        format!("no systemd of your own answers here: {problem}"),
        "what now: `loginctl enable-linger`, then log in anew, then this command again".to_owned(),
        "          or `runner schedule install --for crontab PLAYBOOK`".to_owned(),
        "          or, as root, units for the system: `runner schedule print --run-as USER PLAYBOOK`"
            .to_owned(),
    ];
    Err(Refusal { cause: Cause::Machine, reasons: vec![advice.join("\n  ")] })
}

fn systemctl(arguments: &[&str]) -> Result<(), Refusal> {
    call(arguments).map_err(|problem| Refusal {
        cause: Cause::Machine,
        reasons: vec![format!("`systemctl --user {}` failed: {problem}", arguments.join(" "))],
    })
}

fn call(arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("systemctl");
    command.arg("--user").args(arguments).stdin(Stdio::null());
    match command.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("there is no command `systemctl`".to_owned())
        }
        Err(error) => Err(error.to_string()),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// Whether the user's manager goes on when nobody is logged in; told by the file that `loginctl enable-linger` makes.
#[expect(clippy::disallowed_methods, reason = "the name under which systemd knows the user")]
fn lingers() -> bool {
    let user = env::var("USER").or_else(|_| env::var("LOGNAME"));
    user.is_ok_and(|user| Path::new("/var/lib/systemd/linger").join(user).exists())
}
