//! Lines of a crontab(5), and the crontab around them.

use super::job::{Job, JobId, Unsayable};
use super::mark::{Mark, Origin, marked, origin, read_mark};
use super::needs::Needs;
use super::text::one_line;
use crate::calendar::{CronExpression, Shifted, Zone, shifted};
use crate::model::words::shell_quoted;
use jiff::Timestamp;
use std::ops::Range;
use thiserror::Error;

const FORM: &str = "a crontab";
const END: &str = "# end of ";
/// Longer commands are cut off without a word (`MAX_COMMAND` of cron).
const LONGEST_COMMAND: usize = 990;

/// The lines of a job with their mark. `machine` is the clock by which cron goes.
///
/// # Errors
/// When the time zones do not fit together, or a path holds what a crontab cannot carry.
pub fn entry(job: &Job, machine: &Zone, now: Timestamp) -> Result<String, Unsayable> {
    let words = job.arguments(&job.playbook, false);
    let words: Vec<String> = words.iter().map(|word| shell_quoted(word)).collect();
    let (folder, program) = (shell_quoted(&job.folder), shell_quoted(&job.program));
    let command = format!("cd {folder} && {program} {}", words.join(" "));
    let unsayable =
        |reason| Unsayable::Text { form: FORM, what: "the command", value: one_line(&command), reason };
    if command.chars().any(|c| c.is_control() || c == '\\') {
        return Err(unsayable(
            "it has control characters or a backslash, which cron and the shell both read",
        ));
    }
    // A `%` ends the command unless a backslash stands before it.
    let command = command.replace('%', "\\%");
    if command.len() > LONGEST_COMMAND {
        return Err(unsayable("it is too long: cron would cut it off"));
    }
    let lines =
        on_machine(job, machine, now)?.iter().map(|cron| format!("{cron} {command}\n")).collect::<String>();
    let id = job.id();
    let text = format!("{}{lines}", needs(job));
    Ok(format!("{}{END}{}\n", marked(&id, &job.playbook, &text), id.as_str()))
}

/// Where secrets and settings come from: cron hands on nothing of what a shell has.
fn needs(job: &Job) -> String {
    let Needs { variables, credential_files, secret_files, .. } = &job.needs;
    let mut text = String::new();
    let mut line = |start: &str, line: &str| text.extend([start, &one_line(line), "\n"]);
    if !variables.is_empty() {
        line(
            "# ",
            "cron hands on no variable of your shell. Give these in .env beside the playbook, in the file of",
        );
        line("# ", "`--env-file`, or in the crontab itself, as lines NAME=VALUE above this one:");
        variables.iter().for_each(|known| line("#   ", &format!("{}  {}", known.name, known.holds)));
    }
    if !credential_files.is_empty() {
        line(
            "# ",
            "A line CREDENTIALS_DIRECTORY=FOLDER above this one names the folder that has these files:",
        );
        credential_files.iter().for_each(|file| line("#   ", &format!("{}  {}", file.name, file.holds)));
    }
    if !secret_files.is_empty() {
        line("# ", "These files have to be there when it runs, for you to read and nobody else:");
        secret_files.iter().for_each(|file| line("#   ", &format!("{}  {}", file.path, file.holds)));
    }
    text
}

/// The schedule by the clock of the machine.
fn on_machine(job: &Job, machine: &Zone, now: Timestamp) -> Result<Vec<CronExpression>, Unsayable> {
    let (cron, zone) = (&job.schedule.cron, &job.schedule.zone);
    if zone.agrees(machine, now) {
        return Ok(vec![cron.clone()]);
    }
    let names = || (zone.name().to_owned(), machine.name().to_owned());
    let (Some(from), Some(to)) = (zone.fixed_minutes(now), machine.fixed_minutes(now)) else {
        let (zone, machine) = names();
        return Err(Unsayable::Zone { zone, machine });
    };
    match shifted(cron, to - from) {
        Shifted::Lines(lines) => Ok(lines),
        Shifted::OtherDay => {
            let (zone, machine) = names();
            Err(Unsayable::OtherDay { zone, machine })
        }
    }
}

/// A user's crontab: only the entries that were made here are touched, all else stays byte for byte.
#[derive(Debug)]
pub struct Crontab<'a>(pub &'a [u8]);

/// An entry that was made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub mark: Mark,
    /// Somebody has changed it since, or it is there twice.
    pub is_edited: bool,
    range: Range<usize>,
}

/// An entry is not what was made here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the entry {} in the crontab was changed by hand; look at it with `crontab -e` and take it out there", .0.as_str())]
pub struct CrontabError(pub JobId);

impl Crontab<'_> {
    /// The entries that were made here, in their order.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut start = 0;
        for line in self.0.split_inclusive(|byte| *byte == b'\n') {
            let text = String::from_utf8_lossy(line);
            let inside = entries.last().is_none_or(|last| last.range.end <= start);
            if let Some((mark, _)) = read_mark(text.trim_end_matches('\n')).filter(|_| inside) {
                let (range, is_whole) = self.entry_from(start, line.len(), &mark.id);
                let is_twice = entries.iter().any(|known| known.mark.id == mark.id);
                entries.push(Entry { mark, is_edited: !is_whole || is_twice, range });
            }
            start += line.len();
        }
        entries
    }

    /// The range of the entry that begins at `start`, and whether it is as it was made.
    fn entry_from(&self, start: usize, first_line: usize, id: &JobId) -> (Range<usize>, bool) {
        let end_line = format!("{END}{}\n", id.as_str());
        let mut at = start;
        for line in self.0[start..].split_inclusive(|byte| *byte == b'\n') {
            if line == end_line.as_bytes() {
                let text = String::from_utf8_lossy(&self.0[start..at]);
                return (start..at + line.len(), matches!(origin(&text), Origin::Made(_)));
            }
            at += line.len();
        }
        (start..start + first_line, false)
    }

    /// The crontab with an entry: put in its place, or behind all others.
    ///
    /// # Errors
    /// When there is such an entry and somebody has changed it.
    pub fn with(&self, id: &JobId, entry: &str) -> Result<Vec<u8>, CrontabError> {
        if let Some(range) = self.range_of(id)? {
            return Ok([&self.0[..range.start], entry.as_bytes(), &self.0[range.end..]].concat());
        }
        let ends_line = self.0.is_empty() || self.0.ends_with(b"\n");
        let between: &[u8] = if ends_line { b"" } else { b"\n" };
        Ok([self.0, between, entry.as_bytes()].concat())
    }

    /// The crontab without an entry; `None`: there is none.
    ///
    /// # Errors
    /// When somebody has changed it.
    pub fn without(&self, id: &JobId) -> Result<Option<Vec<u8>>, CrontabError> {
        let range = self.range_of(id)?;
        Ok(range.map(|range| [&self.0[..range.start], &self.0[range.end..]].concat()))
    }

    fn range_of(&self, id: &JobId) -> Result<Option<Range<usize>>, CrontabError> {
        let entries = self.entries();
        let mut found = entries.iter().filter(|entry| entry.mark.id == *id);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(entry), None) if !entry.is_edited => Ok(Some(entry.range.clone())),
            _ => Err(CrontabError(id.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(id: &JobId, line: &str) -> String {
        format!("{}{END}{}\n", marked(id, "/srv/a.yaml", line), id.as_str())
    }

    #[test]
    fn other_lines_stay_byte_for_byte() {
        let id = JobId::of("/srv/a.yaml");
        let before: &[u8] = b"# mine \xff\n\nMAILTO=ops\n0 1 * * *\ttrue # no \xe9nd";
        let with = Crontab(before).with(&id, &block(&id, "1 2 * * * x\n")).unwrap();
        assert_eq!(with, [before, b"\n", block(&id, "1 2 * * * x\n").as_bytes()].concat());
        assert_eq!(Crontab(&with).with(&id, &block(&id, "1 2 * * * x\n")).unwrap(), with, "twice is once");
        let more = [&with[..], b"# after\n"].concat();
        let changed = Crontab(&more).with(&id, &block(&id, "3 4 * * * y\n")).unwrap();
        assert!(changed.starts_with(before) && changed.ends_with(b"# after\n"));
        assert_eq!(Crontab(&changed).entries().len(), 1);
        assert_eq!(Crontab(&changed).without(&id).unwrap().unwrap(), [before, b"\n# after\n"].concat());
        assert_eq!(Crontab(before).without(&id).unwrap(), None);
    }

    #[test]
    fn what_somebody_has_changed_is_not_touched() {
        let id = JobId::of("/srv/a.yaml");
        let made = block(&id, "1 2 * * * x\n");
        let no_end = made.replace(&format!("{END}{}\n", id.as_str()), "");
        for changed in [made.replace("1 2", "1 3"), no_end, [made.clone(), made.clone()].concat()] {
            let crontab = Crontab(changed.as_bytes());
            assert_eq!(crontab.with(&id, &made), Err(CrontabError(id.clone())), "{changed}");
            assert_eq!(crontab.without(&id), Err(CrontabError(id.clone())), "{changed}");
        }
        let other = JobId::of("/srv/b.yaml");
        let crontab = made.replace("1 2", "1 3");
        assert!(Crontab(crontab.as_bytes()).with(&other, &block(&other, "x\n")).is_ok());
    }
}
