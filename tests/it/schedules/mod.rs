//! Schedules, judged by the schedulers themselves, or by what their makers publish.

mod forms;
mod installed;
mod times;

use jiff::Timestamp;
use runner::calendar::{CronExpression, Zone};
use runner::document::Overlap;
use runner::plan::PlannedSchedule;
use runner::schedule::{Job, Needs};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

/// A schedule of a cron expression in a time zone.
fn schedule(cron: &str, zone: &str) -> PlannedSchedule {
    PlannedSchedule {
        cron: CronExpression::parse(cron).unwrap_or_else(|mistake| panic!("{cron}: {mistake:?}")),
        zone: Zone::named(zone).unwrap_or_else(|| panic!("no time zone {zone}")),
        jitter: Duration::ZERO,
        overlap: Overlap::Fail,
    }
}

/// A job that is simple in all but its schedule.
fn job(schedule: PlannedSchedule) -> Job {
    Job {
        title: "Fleet".to_owned(),
        program: "/usr/bin/true".to_owned(),
        playbook: "/srv/fleet/inventory.yaml".to_owned(),
        folder: "/srv/fleet".to_owned(),
        flags: Vec::new(),
        schedule,
        deadline: None,
        grace: Duration::from_secs(60),
        needs: Needs::default(),
    }
}

/// Runs a tool of this machine, in English and by universal time.
fn run(command: &mut Command, package: &str) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.env("LC_ALL", "C").env("TZ", "UTC").output();
    output.unwrap_or_else(|error| {
        panic!("{program}: {error}; the Debian package {package} has it, `./tests/all` installs it")
    })
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// Where `tests/all` puts the tools that come by npm.
fn npm_tools() -> &'static Path {
    let tools = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/test-tools/node_modules"));
    assert!(
        tools.join("@actions/workflow-parser").exists(),
        "the npm tools are missing; `./tests/all` installs them"
    );
    tools
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
