//! A timer and a service of systemd.

use super::calendar_line::calendar_lines;
use super::job::{Job, Unsayable};
use super::needs::Needs;
use super::text::{one_line, unit_line, unit_word};
use crate::document::Overlap;
use std::fmt::Write;
use std::time::Duration;

const FORM: &str = "a unit of systemd";

/// Whose manager takes the units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager<'a> {
    /// That of the user who calls.
    User,
    /// The system's, which runs the service as this user.
    System {
        /// The user's name.
        user: &'a str,
    },
}

/// The texts of two units, without their marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    /// The service: what is run.
    pub service: String,
    /// The timer: when.
    pub timer: String,
}

/// The units of a job.
///
/// # Errors
/// When a path holds what units cannot carry.
pub fn units(job: &Job, manager: Manager<'_>) -> Result<Units, Unsayable> {
    // A backslash at a line's end, spaces around a value and control characters cannot be quoted in each of the lines.
    let is_sayable = |path: &str| !path.chars().any(|c| c.is_control() || c == '\\') && path.trim() == path;
    for (what, path) in [("the path", &job.program), ("the path", &job.playbook), ("the folder", &job.folder)]
    {
        if !is_sayable(path) {
            let reason = "it has control characters, a backslash, or spaces around it";
            return Err(Unsayable::Text { form: FORM, what, value: one_line(path), reason });
        }
    }
    if let Manager::System { user } = manager
        && !is_user_name(user)
    {
        let reason = "a name has letters, digits, `_`, `-` and `.`";
        return Err(Unsayable::Text { form: FORM, what: "the user", value: one_line(user), reason });
    }
    Ok(Units { service: service(job, manager), timer: timer(job) })
}

/// A name that a unit takes unquoted.
fn is_user_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn timer(job: &Job) -> String {
    let mut text = format!("[Unit]\nDescription=When to run {}\n\n[Timer]\n", unit_line(&job.title));
    for line in calendar_lines(&job.schedule.cron, &job.schedule.zone) {
        writeln!(text, "OnCalendar={line}").expect("a string takes all");
    }
    // What was missed while the machine was off is done when it is back.
    text += "Persistent=true\nAccuracySec=1s\n";
    if !job.schedule.jitter.is_zero() {
        writeln!(text, "RandomizedDelaySec={}", span(job.schedule.jitter)).expect("a string takes all");
    }
    text + "\n[Install]\nWantedBy=timers.target\n"
}

/// As systemd reads it: `90s`, `500ms`.
fn span(duration: Duration) -> String {
    match duration.subsec_nanos() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

fn service(job: &Job, manager: Manager<'_>) -> String {
    let words = job.arguments(&job.playbook, true);
    let command: Vec<String> = words.iter().map(|word| unit_word(word)).collect();
    // The colon keeps `$` a dollar.
    let program = unit_word(&format!(":{}", job.program));
    let stop = job.grace.as_secs();
    let start = match (job.longest(), job.schedule.overlap) {
        // Waiting for another run takes as long as that one does.
        (None, _) | (Some(_), Overlap::Wait) => "infinity".to_owned(),
        (Some(longest), _) => longest.as_secs().to_string(),
    };
    let mut text = format!("[Unit]\nDescription={}\n", unit_line(&job.title));
    if let Manager::System { .. } = manager {
        text += "Wants=network-online.target\nAfter=network-online.target\n";
    }
    write!(
        text,
        "\n[Service]\nType=oneshot\nWorkingDirectory={}\nExecStart={program} {}\n\
         TimeoutStartSec={start}\n# Room for cleanup and logout.\nTimeoutStopSec={stop}\n",
        job.folder.replace('%', "%%"),
        command.join(" ")
    )
    .expect("a string takes all");
    if let Manager::System { user } = manager {
        // Kept apart from those of other users, whose folders nobody else may write to.
        write!(text, "User={user}\nStateDirectory=runner-{user}\nStateDirectoryMode=0700\n")
            .expect("a string takes all");
    }
    text + &secrets(&job.needs) + hardening(manager)
}

/// Where secrets come from: lines to use, and comments.
fn secrets(needs: &Needs) -> String {
    let mut text = String::new();
    for file in &needs.credential_files {
        let comment = if file.is_first { "" } else { "#" };
        let name = &file.name;
        writeln!(
            text,
            "# {}\n{comment}LoadCredential={name}:%E/runner/credentials/{name}",
            one_line(&file.holds)
        )
        .expect("a string takes all");
    }
    if !needs.secret_files.is_empty() {
        text += "# These files have to be there when it runs. One that the playbook names as $CREDENTIALS_DIRECTORY/NAME\n\
                 # is handed over by systemd instead, and needs no place that others know:\n";
        for file in &needs.secret_files {
            writeln!(text, "#   {}  {}", one_line(&file.path), one_line(&file.holds))
                .expect("a string takes all");
        }
    }
    if !needs.variables.is_empty() {
        text += "# Read from the environment, or from .env beside the playbook:\n";
        for variable in &needs.variables {
            writeln!(text, "#   {}  {}", variable.name, one_line(&variable.holds))
                .expect("a string takes all");
        }
    }
    text
}

/// What a run needs none of. A user's manager has no right to more.
fn hardening(manager: Manager<'_>) -> &'static str {
    match manager {
        Manager::User => {
            "NoNewPrivileges=yes\nLockPersonality=yes\nRestrictRealtime=yes\nRestrictSUIDSGID=yes\n\
             SystemCallArchitectures=native\nRestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK\n"
        }
        Manager::System { .. } => {
            "NoNewPrivileges=yes\nLockPersonality=yes\nRestrictRealtime=yes\nRestrictSUIDSGID=yes\n\
             SystemCallArchitectures=native\nRestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK\n\
             CapabilityBoundingSet=\nPrivateDevices=yes\nPrivateTmp=yes\nProtectSystem=full\nProtectClock=yes\n\
             ProtectControlGroups=yes\nProtectKernelLogs=yes\nProtectKernelModules=yes\nProtectKernelTunables=yes\n"
        }
    }
}
