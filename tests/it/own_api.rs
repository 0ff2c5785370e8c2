//! `playbooks/own-api.yaml` against the API that it describes.

use std::fs;

use rustix::process::Signal;

use crate::support::acme::{Acme, PAGES, PASSWORD, PER_PAGE, USERNAME};
use crate::support::runner::Runner;

const LOGIN: &str = "POST /session";
const REFRESH: &str = "POST /session/refresh";
const LOGOUT: &str = "DELETE /session";
const OPEN: &str = "POST /sites/north/windows";
const CLOSE: &str = "DELETE /sites/north/windows/w-1";

fn machines(page: usize) -> String {
    // The position comes behind what the operation writes.
    format!("GET /sites/north/machines?per_page=100&page={page}")
}

/// The program in front of the API, with every secret planted.
fn runner(acme: &Acme) -> Runner {
    let playbook = format!("{}/playbooks/own-api.yaml", env!("CARGO_MANIFEST_DIR"));
    let runner = Runner::new().file("own-api.yaml", fs::read_to_string(playbook).expect("the playbook"));
    let runner = runner.env("ACME_USERNAME", USERNAME).env("ACME_PASSWORD", PASSWORD).plant(PASSWORD);
    let tokens = (1..4).flat_map(|n| [format!("access-{n}-geheim"), format!("refresh-{n}-geheim")]);
    let base_url = format!("acme={}", acme.server.base_url());
    tokens.fold(runner, Runner::plant).args(["apply", "own-api.yaml", "-vv", "--base-url", &base_url])
}

#[track_caller]
fn assert_everything_is_closed(acme: &Acme) {
    let state = acme.state();
    assert_eq!((state.open_windows, state.open_sessions), (0, 0), "{:?}", acme.server.lines());
}

#[test]
fn the_whole_job_is_done_and_the_window_closed() {
    let acme = Acme::start(false);
    let output = runner(&acme).run().exits(0);
    let wanted = [LOGIN, OPEN, &machines(1), &machines(2), &machines(3), CLOSE, LOGOUT].map(str::to_owned);
    assert_eq!(acme.server.lines(), wanted);
    assert_everything_is_closed(&acme);
    let saved = output.read("machines.ndjson");
    let ids: Vec<serde_json::Value> = saved
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].clone())
        .collect();
    assert_eq!(ids, (0..PAGES * PER_PAGE).map(serde_json::Value::from).collect::<Vec<_>>());
}

#[test]
fn a_failure_closes_the_window_and_the_session() {
    let acme = Acme::start(false);
    acme.set(|state| state.broken_page = 2);
    let output = runner(&acme).run().exits(4);
    assert_everything_is_closed(&acme);
    let lines = acme.server.lines();
    assert_eq!(lines.iter().filter(|line| **line == machines(2)).count(), 3, "{lines:?}");
    assert_eq!(lines[lines.len() - 2..], [CLOSE, LOGOUT]);
    assert!(!output.dir.join("machines.ndjson").exists(), "a part of a list is no list");
    assert!(output.text().contains("machine 150 cannot be read"), "{}", output.text());
}

#[test]
fn an_interrupt_closes_the_window_and_the_session() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let acme = Acme::start(true);
        let mut running = runner(&acme).spawn();
        acme.wait_for_second_page();
        running.signal(signal);
        acme.release();
        let output = running.finish().exits(code);
        assert_everything_is_closed(&acme);
        let lines = acme.server.lines();
        assert_eq!(lines[lines.len() - 2..], [CLOSE, LOGOUT], "{lines:?}");
        assert!(!output.dir.join("machines.ndjson").exists(), "a part of a list is no list");
    }
}

#[test]
fn an_expired_token_is_refreshed_in_the_midst_of_the_pages() {
    for page in [1, 2] {
        let acme = Acme::start(false);
        acme.set(|state| state.expired_page = page);
        let output = runner(&acme).run().exits(0);
        let mut wanted = [LOGIN, OPEN, &machines(1), &machines(2), &machines(3), CLOSE, LOGOUT]
            .map(str::to_owned)
            .to_vec();
        let expired = wanted.iter().position(|line| *line == machines(page)).expect("the page");
        wanted.splice(expired + 1..expired + 1, [REFRESH.to_owned(), machines(page)]);
        assert_eq!(acme.server.lines(), wanted);
        assert_eq!(output.read("machines.ndjson").lines().count(), PAGES * PER_PAGE);
        assert_everything_is_closed(&acme);
    }
}

#[test]
fn a_window_that_somebody_else_holds_is_left_open() {
    let acme = Acme::start(false);
    acme.set(|state| state.open_windows = 1);
    let output = runner(&acme).run().exits(1);
    assert_eq!(acme.server.lines(), [LOGIN, OPEN, LOGOUT]);
    assert_eq!(acme.state().open_windows, 1, "it is not ours to close");
    assert!(output.text().contains("another maintenance window is open at this site"), "{}", output.text());
}

#[test]
fn a_wrong_password_is_sent_once() {
    let acme = Acme::start(false);
    let output = runner(&acme)
        .env("ACME_PASSWORD", "wrong-password-geheim")
        .plant("wrong-password-geheim")
        .run()
        .exits(3);
    assert_eq!(acme.server.lines(), [LOGIN]);
    assert!(output.text().contains("wrong user name or password"), "{}", output.text());
}

#[test]
fn an_input_that_is_none_of_the_sites_sends_nothing() {
    let acme = Acme::start(false);
    runner(&acme).args(["--input", "site=east"]).run().exits(2);
    assert!(acme.server.lines().is_empty());
}
