//! The user's crontab, by way of crontab(1).

use super::super::refusal::Refusal;
use super::Listed;
use crate::model::exit::Cause;
use crate::schedule::{Crontab, JobId};
use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

const COMMAND: &str = "crontab";

/// Puts an entry into the crontab, once.
///
/// # Errors
/// When there is no crontab, or somebody has changed the entry.
pub(super) fn install(id: &JobId, entry: &str, out: &mut dyn Write) -> Result<(), Refusal> {
    let before = read()?;
    let after = Crontab(&before).with(id, entry).map_err(|error| machine(error.to_string()))?;
    let word = if after == before {
        "already in"
    } else {
        write(&after)?;
        "now in"
    };
    writeln!(out, "{} is {word} your crontab", id.as_str())?;
    Ok(())
}

/// Takes an entry out. `false`: there is none.
///
/// # Errors
/// When somebody has changed the entry.
pub(super) fn remove(id: &JobId, out: &mut dyn Write) -> Result<bool, Refusal> {
    let Some(before) = read_if_there()? else { return Ok(false) };
    let after = Crontab(&before).without(id).map_err(|error| machine(error.to_string()))?;
    if let Some(after) = &after {
        write(after)?;
        writeln!(out, "{} is no longer in your crontab", id.as_str())?;
    }
    Ok(after.is_some())
}

/// The entries that were made here.
///
/// # Errors
/// When the crontab cannot be read.
pub(super) fn list() -> Result<Vec<Listed>, Refusal> {
    let crontab = read_if_there()?.unwrap_or_default();
    let entries = Crontab(&crontab).entries().into_iter().map(|entry| Listed {
        id: entry.mark.id,
        place: "crontab",
        playbook: entry.mark.playbook,
        is_edited: entry.is_edited,
    });
    Ok(entries.collect())
}

fn read() -> Result<Vec<u8>, Refusal> {
    read_if_there()?.ok_or_else(|| {
        machine(
            "there is no command `crontab` here: install cron (on Debian `apt-get install cron`), or take \
             `--for systemd`"
                .to_owned(),
        )
    })
}

/// The user's crontab; `None`: this machine has no such command.
fn read_if_there() -> Result<Option<Vec<u8>>, Refusal> {
    // In other languages it would not say what we look for.
    let output = Command::new(COMMAND).arg("-l").env("LC_ALL", "C").stdin(Stdio::null()).output();
    let output = match output {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error.to_string())),
        Ok(output) => output,
    };
    let says = said(&output);
    match output.status.success() {
        true => Ok(Some(output.stdout)),
        false if says.contains("no crontab for") => Ok(Some(Vec::new())),
        false => Err(failed(&says)),
    }
}

fn write(content: &[u8]) -> Result<(), Refusal> {
    let mut command = Command::new(COMMAND);
    command.arg("-").env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = || -> io::Result<Output> {
        let mut child = command.spawn()?;
        let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(content));
        let output = child.wait_with_output()?;
        // What it says about why it stopped reading is worth more than that it did.
        if output.status.success() { written.map(|()| output) } else { Ok(output) }
    };
    let output = run().map_err(|error| failed(&error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(&said(&output))),
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn failed(why: &str) -> Refusal {
    machine(format!("the command `crontab` failed: {why}"))
}

fn machine(reason: String) -> Refusal {
    Refusal { cause: Cause::Machine, reasons: vec![reason] }
}
