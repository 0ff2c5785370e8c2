//! Clocks that are set while a run is at work, and schedules on the days when clocks are changed.

use std::fs;

use tempfile::NamedTempFile;

use super::api::{Api, arguments, furnish};
use crate::support::runner::Runner;

const RUNNER: &str = env!("CARGO_BIN_EXE_runner");

/// The next times of a schedule, when it is this time, UTC.
fn next_times(cron: &str, timezone: &str, now: &str) -> Vec<String> {
    let playbook = format!(
        "version: 1\nname: fleet\nschedule: {{ cron: {cron:?}, timezone: {timezone} }}\nsteps: [{{ get: \"https://api.example.com/\" }}]\n"
    );
    let program = Runner::of("faketime").env("TZ", "UTC").file("p.yaml", playbook);
    let words = ["--exclude-monotonic", now, RUNNER, "schedule", "print", "p.yaml"];
    let text = program.args(words).run().exits(0).text();
    let times = text.split_once("next times").expect("the next times are told").1.lines().skip(1);
    times.take(5).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn daylight_saving_in_schedules() {
    // As systemd has it, too: a time that is left out is skipped, one that comes twice counts once.
    let spring = next_times("30 2 * * *", "Europe/Berlin", "2026-03-27 12:00:00");
    let expected = [
        "Sat 2026-03-28 02:30 +01:00",
        "Mon 2026-03-30 02:30 +02:00",
        "Tue 2026-03-31 02:30 +02:00",
        "Wed 2026-04-01 02:30 +02:00",
        "Thu 2026-04-02 02:30 +02:00",
    ];
    assert_eq!(spring, expected);
    let autumn = next_times("30 2 * * *", "Europe/Berlin", "2026-10-23 12:00:00");
    let expected = [
        "Sat 2026-10-24 02:30 +02:00",
        "Sun 2026-10-25 02:30 +02:00",
        "Mon 2026-10-26 02:30 +01:00",
        "Tue 2026-10-27 02:30 +01:00",
        "Wed 2026-10-28 02:30 +01:00",
    ];
    assert_eq!(autumn, expected);
}

#[test]
fn clock_jumps_in_schedules() {
    // A clock that is set back or ahead changes what comes next, and nothing else: the next times are those behind it.
    for (now, first) in [
        ("2026-06-01 12:00:00", "Tue 2026-06-02 03:15 +00:00"),
        ("2031-06-01 12:00:00", "Mon 2031-06-02 03:15 +00:00"),
        ("1999-12-31 12:00:00", "Sat 2000-01-01 03:15 +00:00"),
    ] {
        assert_eq!(next_times("15 3 * * *", "Etc/UTC", now)[0], first);
    }
}

#[test]
fn clock_jumps_in_a_run() {
    // The clock is set while the first request is under way. Neither the deadline nor the life of the token minds.
    for jump in ["+3d", "-3d"] {
        let clock = NamedTempFile::new().expect("a temporary file can be made");
        fs::write(clock.path(), "+0\n").expect("the file is writable");
        let path = clock.path().to_owned();
        let api = Api::start(move |request, _| {
            if request.line == "GET /first" {
                fs::write(&path, format!("{jump}\n")).expect("the file is writable");
            }
            None
        });
        let program =
            furnish(Runner::of("sh"), "steps: [{ get: /first }, { get: /second }]\n", &api.server.url());
        let script = "LD_PRELOAD=$(faketime -f +0 printenv LD_PRELOAD) exec \"$0\" \"$@\"";
        let program = program.env("FAKETIME_TIMESTAMP_FILE", clock.path()).env("FAKETIME_NO_CACHE", "1");
        let program = program.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let output = program.args(["-c", script, RUNNER]).args(arguments(&api.server.url())).run().exits(0);
        api.assert_asked(&["GET /first", "GET /second"]);
        let took = api.complete(&output)["took_ms"].as_f64().expect("milliseconds");
        assert!((0.0..20_000.0).contains(&took), "{jump}: {took} ms");
    }
}
