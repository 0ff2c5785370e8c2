use super::super::{LiveReport, Look, Messages, Progress};
use super::*;
use crate::event::fake::{self, clean, step};
use crate::event::{
    Event, EventKind, EventSink, Failure, FileNote, ItemCounts, Purpose, SessionEnd, SessionNote, StepNote,
    StepResult, Verdict,
};
use anstream::adapter::strip_str;
use insta::assert_snapshot;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// A stream that a test can look at, without its colours.
#[derive(Clone, Default)]
struct Screen(Rc<RefCell<Vec<u8>>>);

impl Screen {
    fn text(&self) -> String {
        let bytes = self.0.borrow();
        strip_str(std::str::from_utf8(&bytes).expect("a report is text")).to_string()
    }
}

impl io::Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A run told event by event, its report and its messages on one screen.
struct Script {
    live: LiveReport,
    screen: Screen,
    elapsed: Duration,
}

impl Script {
    fn new(look: Look, labels: &[&str]) -> Self {
        let screen = Screen::default();
        let terminal = Terminal::new(screen.clone(), look, labels.iter().copied());
        let messages = Messages::new(screen.clone(), look);
        let live = LiveReport::new(terminal, messages, Progress::new(look, false));
        Self { live, screen, elapsed: Duration::ZERO }
    }

    fn begin(mut self, playbook: &str, is_simulated: bool) -> Self {
        let (playbook, file) = (clean(playbook), clean("playbooks/quickstart.yaml"));
        self.emit(EventKind::RunStarted {
            run: "01JD8Y3K5VQ2".into(),
            playbook,
            file,
            is_simulated,
            is_resumed: false,
        });
        self
    }

    fn emit(&mut self, kind: EventKind) -> &mut Self {
        let start: Timestamp = "2026-11-22T14:02:00Z".parse().unwrap();
        self.live.receive(&Event { at: start + self.elapsed, elapsed: self.elapsed, kind });
        self
    }

    fn requests(&mut self, count: u32, purpose: Purpose) -> &mut Self {
        for number in 1..=count {
            self.emit(fake::Attempt { number, ..fake::Attempt::of(purpose) }.finished());
        }
        self
    }

    fn step(&mut self, step: StepNote, result: StepResult) -> &mut Self {
        self.elapsed += result.took;
        self.emit(EventKind::StepStarted { step: step.clone() });
        self.emit(EventKind::StepFinished { step, result: Box::new(result) })
    }

    fn closed(&mut self, end: SessionEnd) -> &mut Self {
        self.emit(EventKind::SessionClosed { provider: clean("emnify"), end, took: Duration::ZERO })
    }

    fn end(&mut self, verdict: Verdict) -> String {
        self.emit(EventKind::RunFinished { verdict });
        self.screen.text()
    }
}

fn named(label: &str, name: &str) -> StepNote {
    StepNote { name: Some(clean(name)), ..step(label) }
}

fn result(status: StepStatus, detail: &str, milliseconds: u64) -> StepResult {
    let detail = (!detail.is_empty()).then(|| clean(detail));
    StepResult { detail, took: Duration::from_millis(milliseconds), ..fake::result(status) }
}

fn done(detail: &str, milliseconds: u64) -> StepResult {
    result(StepStatus::Done, detail, milliseconds)
}

fn failed(detail: &str, milliseconds: u64, failure: Failure) -> StepResult {
    StepResult { failure: Some(failure), ..result(StepStatus::Failed, detail, milliseconds) }
}

fn devices() -> StepResult {
    let file = FileNote { path: clean("devices.ndjson"), is_complete: true };
    StepResult { rows: Some(1250), pages: Some(2), file: Some(file), ..done("", 84) }
}

fn forgotten() -> SessionEnd {
    SessionEnd::Forgotten { valid_until: Some("2026-11-22T18:02:00Z".parse().unwrap()) }
}

fn failure(headline: &str) -> Failure {
    Failure {
        cause: Cause::Unavailable,
        headline: clean(headline),
        request: None,
        place: None,
        notes: Vec::new(),
        advice: None,
    }
}

fn ended_by(causes: &[Cause]) -> Verdict {
    Verdict { causes: causes.to_vec(), ..Verdict::default() }
}

fn quickstart(look: Look) -> String {
    let labels = ["authenticate emnify", "issue", "List every device", "keep"];
    let mut script =
        Script::new(look, &labels).begin("emnify fleet - issue a token, list every device", true);
    script.requests(1, Purpose::Login);
    script.step(step("authenticate emnify"), done("as demo@example.com, valid 4 h", 31));
    script.step(named("issue", "Issue an application token"), done("200", 12));
    let go_on = named("authenticate emnify", "Go on with the new token");
    script.step(go_on, done("application_token, valid 4 h", 9));
    script.step(step("List every device"), devices());
    script.step(step("keep"), done("emnify.application_token → memory (simulated)", 1));
    let logout = "no logout on this API: tokens forgotten here, they end at 18:02 UTC";
    script.step(step("logout emnify"), done(logout, 0));
    script.requests(1, Purpose::Step);
    script.end(Verdict::default())
}

#[test]
fn a_run_in_a_pipe() {
    assert_snapshot!(quickstart(Look::pipe(true)), @r#"
    emnify fleet - issue a token, list every device               simulated, nothing leaves this machine

      ✓ authenticate emnify  as demo@example.com, valid 4 h                                        31 ms
      ✓ issue                Issue an application token · 200                                      12 ms
      ✓ authenticate emnify  Go on with the new token · application_token, valid 4 h                9 ms
      ✓ List every device    1,250 rows, 2 pages → devices.ndjson                                  84 ms
      ✓ keep                 emnify.application_token → memory (simulated)                          1 ms
      ✓ logout emnify        no logout on this API: tokens forgotten here, they end at 18:02 UTC

      done: 6 steps, 2 requests, no retries, 0.14 s                                         run 01JD8Y3K
    "#);
}

#[test]
fn a_run_on_a_narrow_terminal() {
    assert_snapshot!(quickstart(Look::terminal(72, true)), @r#"
    emnify fleet - issue a token, list every device
    simulated, nothing leaves this machine

      ✓ authenticate emnify  as demo@example.com, valid 4 h            31 ms
      ✓ issue                Issue an application token · 200          12 ms
      ✓ authenticate emnify  Go on with the new token ·                 9 ms
                             application_token, valid 4 h
      ✓ List every device    1,250 rows, 2 pages →                     84 ms
                             devices.ndjson
      ✓ keep                 emnify.application_token → memory          1 ms
                             (simulated)
      ✓ logout emnify        no logout on this API: tokens
                             forgotten here, they end at 18:02
                             UTC

      done: 6 steps, 2 requests, no retries, 0.14 s             run 01JD8Y3K
    "#);
}

#[test]
fn a_run_where_only_ascii_is_known() {
    assert_snapshot!(quickstart(Look::pipe(false)), @r#"
    emnify fleet - issue a token, list every device               simulated, nothing leaves this machine

      + authenticate emnify  as demo@example.com, valid 4 h                                        31 ms
      + issue                Issue an application token - 200                                      12 ms
      + authenticate emnify  Go on with the new token - application_token, valid 4 h                9 ms
      + List every device    1,250 rows, 2 pages -> devices.ndjson                                 84 ms
      + keep                 emnify.application_token -> memory (simulated)                         1 ms
      + logout emnify        no logout on this API: tokens forgotten here, they end at 18:02 UTC

      done: 6 steps, 2 requests, no retries, 0.14 s                                         run 01JD8Y3K
    "#);
}

#[test]
fn a_failure_is_told_from_its_cause_to_what_to_do() {
    let labels = ["authenticate emnify", "List every device"];
    let mut script = Script::new(Look::terminal(110, true), &labels).begin("device inventory", false);
    script.requests(1, Purpose::Login);
    script.step(step("authenticate emnify"), done("as ops@example.com, valid 4 h", 81));
    let failure = Failure {
        request: Some(clean(
            "GET https://cdn.emnify.net/api/v1/endpoint?page=2 · attempt 3 of 3 after 4.2 s · empty body",
        )),
        place: Some(clean("playbooks/emnify/device-inventory.yaml:14:5")),
        notes: vec![clean("emnify says: try later")],
        advice: Some(clean(
            "run it again later; nothing is half done. 1,000 rows of page 1 are in devices.ndjson.partial",
        )),
        ..failure("emnify answered 503 Service Unavailable to page 2 of `list_devices`")
    };
    script.requests(3, Purpose::Step);
    script.step(step("List every device"), failed("503 on page 2, 3 attempts", 4210, failure));
    script.closed(forgotten());
    assert_snapshot!(script.end(ended_by(&[Cause::Unavailable])), @r#"
    device inventory

      ✓ authenticate emnify  as ops@example.com, valid 4 h                                                   81 ms
      ✗ List every device    503 on page 2, 3 attempts                                                       4.2 s
      ✓ logout emnify        no logout on this API: tokens forgotten here, they end at 18:02 UTC

    error: emnify answered 503 Service Unavailable to page 2 of `list_devices`
      GET https://cdn.emnify.net/api/v1/endpoint?page=2 · attempt 3 of 3 after 4.2 s · empty body
      playbooks/emnify/device-inventory.yaml:14:5
      emnify says: try later
      what now: run it again later; nothing is half done. 1,000 rows of page 1 are in devices.ndjson.partial

      failed: 1 of 2 steps, 4 requests, 2 retries, 4.3 s                                     run 01JD8Y3K · exit 4
    "#);
}

#[test]
fn implicit_logins_and_cleanup_have_their_lines() {
    let mut script =
        Script::new(Look::pipe(true), &["authenticate emnify", "order", "revoke"]).begin("orders", false);
    let session = SessionNote {
        provider: clean("emnify"),
        account: Some(clean("ops@example.com")),
        method: Some(clean("user")),
        valid_until: None,
        valid_for_ms: Some(14_399_600),
    };
    script.emit(EventKind::SessionOpened { session, took: Duration::from_millis(81) });
    script.step(step("order"), StepResult { retries: 1, ..done("201", 640) });
    script.step(step("wait"), result(StepStatus::Skipped, "its `if` does not hold", 0));
    script.emit(EventKind::CleanupStarted { blocks: 2, verdict: Verdict::default() });
    let cleanup = |label| StepNote { is_cleanup: true, ..step(label) };
    script.step(cleanup("not needed"), result(StepStatus::Skipped, "its `if` does not hold", 0));
    script.step(cleanup("revoke"), failed("403", 12, failure("emnify refused to revoke the token (403)")));
    let reason = clean("no answer within 10 s");
    script.closed(SessionEnd::Failed { reason, valid_until: Some("2026-11-23T18:02:00Z".parse().unwrap()) });
    assert_snapshot!(script.end(ended_by(&[Cause::Cleanup])), @r#"
    orders

      ✓ authenticate emnify  as ops@example.com, valid 4 h                                         81 ms
      ✓ order                201 · 1 retry                                                        640 ms
      ○ wait                 its `if` does not hold

      cleanup
      ✗ revoke               403                                                                   12 ms
      ✗ logout emnify        no answer within 10 s; the session may be open until 2026-11-23 18:02 UTC

    error: emnify refused to revoke the token (403)

      done, but not cleaned up: 1 step, 1 skipped, no requests, no retries, 0.65 s  run 01JD8Y3K · exit 7
    "#);
}

#[test]
fn a_loop_whose_items_were_all_skipped_says_so() {
    let mut script = Script::new(Look::pipe(true), &["revoke"]).begin("clean up", false);
    let items = |all, skipped| Some(ItemCounts { all, failed: 0, skipped, not_started: 0 });
    script.step(StepNote { item: Some(1), ..step("revoke") }, result(StepStatus::Skipped, "", 0));
    script.step(step("revoke"), StepResult { items: items(2, 2), ..result(StepStatus::Skipped, "", 0) });
    script.step(step("close"), StepResult { items: items(3, 1), ..done("", 10) });
    assert_snapshot!(script.end(ended_by(&[])), @r"
    clean up

      ○ revoke            2 items, all skipped
      ✓ close             3 items, 1 skipped                                                       10 ms

      done: 1 step, 1 skipped, no requests, no retries, 0.01 s                              run 01JD8Y3K
    ");
}

#[test]
fn of_a_loop_only_failed_items_and_the_sum_are_told() {
    let mut script = Script::new(Look::pipe(true), &["revoke"]).begin("clean up", false);
    let item = |item| StepNote { item: Some(item), ..step("revoke") };
    let gone = failure("emnify answered 404 Not Found to `revoke_application_token`");
    script.step(item(1), done("204", 10));
    script.step(item(2), failed("404", 10, gone.clone()));
    script.step(item(3), done("204", 10));
    script.step(
        step("revoke"),
        StepResult {
            items: Some(ItemCounts { all: 3, failed: 1, skipped: 0, not_started: 0 }),
            ..failed("", 30, gone)
        },
    );
    assert_snapshot!(script.end(ended_by(&[Cause::Step])), @r#"
    clean up

      ✗ revoke (item 2)   404                                                                      10 ms
      ✗ revoke            3 items, 1 failed                                                        30 ms

    error: emnify answered 404 Not Found to `revoke_application_token`

      failed: 1 of 1 step, no requests, no retries, 0.06 s                         run 01JD8Y3K · exit 1
    "#);
}

#[test]
fn an_interrupted_run_tells_how_far_it_came() {
    let mut script = Script::new(Look::pipe(true), &["one", "two"]).begin("two steps", false);
    script.step(step("one"), done("200", 10));
    script.step(step("two"), result(StepStatus::Unknown, "no answer", 2000));
    script.step(step("three"), result(StepStatus::NotStarted, "", 0));
    assert_snapshot!(script.end(ended_by(&[Cause::Signal(15)])), @r#"
    two steps

      ✓ one               200                                                                      10 ms
      ? two               no answer                                                                  2 s
      ○ three             not started

      interrupted: 1 of 3 steps done, no requests, no retries, 2.0 s             run 01JD8Y3K · exit 143
    "#);
}

#[test]
fn a_run_that_ends_before_its_first_step() {
    let mut script = Script::new(Look::pipe(true), &["one"]).begin("no password", false);
    let missing = Failure {
        notes: vec![clean("env EMNIFY_PASSWORD: not set"), clean("keychain: no keychain on this machine")],
        advice: Some(clean("set it, or keep it once with `runner login emnify`")),
        ..failure("no source has emnify.password")
    };
    let verdict = Verdict { failures: vec![missing], ..ended_by(&[Cause::SignIn]) };
    assert_snapshot!(script.end(verdict), @r#"
    no password

    error: no source has emnify.password
      env EMNIFY_PASSWORD: not set
      keychain: no keychain on this machine
      what now: set it, or keep it once with `runner login emnify`

      failed: before the first step, no requests, no retries, 0.00 s               run 01JD8Y3K · exit 3
    "#);
}

#[test]
fn a_run_that_is_interrupted_at_a_question_has_done_no_step() {
    let mut script = Script::new(Look::pipe(true), &["one"]).begin("no password", false);
    let shown = script.end(ended_by(&[Cause::Signal(2)]));
    assert!(shown.contains("  interrupted: before the first step, no requests, "), "{shown}");
}

#[test]
fn odd_names_are_shown_and_not_obeyed() {
    let mut script = Script::new(Look::pipe(true), &["水表"]).begin("title\u{1b}]0;owned\u{7}", false);
    script.step(named("水表", "\u{202e}gnitar"), done("200\r", 10));
    assert_snapshot!(script.end(Verdict::default()), @r#"
    title\u{1b}]0;owned\u{7}

      ✓ 水表              \u{202e}gnitar · 200\r                                                   10 ms

      done: 1 step, no requests, no retries, 0.01 s                                         run 01JD8Y3K
    "#);
}

#[test]
fn of_many_failures_the_first_ten_are_told() {
    let mut script = Script::new(Look::pipe(true), &["revoke"]).begin("many", false);
    for item in 1..=12 {
        let note = StepNote { item: Some(item), ..step("revoke") };
        script.step(note, failed("404", 10, failure(&format!("item {item} is gone"))));
    }
    let text = script.end(ended_by(&[Cause::Step]));
    assert!(text.contains("error: item 10 is gone\n\nand 2 failures more;"), "{text}");
    assert!(!text.contains("error: item 11"), "{text}");
}

#[test]
fn warnings_and_errors_have_a_stream_of_their_own() {
    let look = Look::pipe(true);
    let (report, messages) = (Screen::default(), Screen::default());
    let terminal = Terminal::new(report.clone(), look, []);
    let live = LiveReport::new(terminal, Messages::new(messages.clone(), look), Progress::new(look, false));
    let mut script = Script { live, screen: report.clone(), elapsed: Duration::ZERO }.begin("two", false);
    script.emit(EventKind::Warning { text: clean("plain http to 10.0.0.7\u{7}"), is_alert: false });
    script.step(step("revoke"), failed("404", 10, failure("it is gone")));
    script.end(ended_by(&[Cause::Step]));
    let (report, messages) = (report.text(), messages.text());
    assert!(messages.starts_with("warning: plain http to 10.0.0.7\\u{7}\nerror: it is gone\n"), "{messages}");
    assert!(report.contains("✗ revoke") && report.contains("failed: 1 of 1 step"), "{report}");
    assert!(!report.contains("plain http") && !report.contains("it is gone"), "{report}");
    assert!(!messages.contains("failed: "), "{messages}");
}

/// Fails like a closed pipe, and remembers how often it was asked.
#[derive(Clone, Default)]
struct ClosedPipe(Rc<RefCell<u32>>);

impl io::Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        *self.0.borrow_mut() += 1;
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_stream_ends_the_printing_only() {
    let pipe = ClosedPipe::default();
    let look = Look::pipe(true);
    let terminal = Terminal::new(pipe.clone(), look, []);
    let mut live = LiveReport::new(terminal, Messages::new(io::sink(), look), Progress::new(look, false));
    let at = "2026-11-22T14:02:00Z".parse().unwrap();
    let mut emit = |kind| live.receive(&Event { at, elapsed: Duration::ZERO, kind });
    emit(EventKind::RunStarted {
        run: "01".into(),
        playbook: clean("x"),
        file: clean("x"),
        is_simulated: false,
        is_resumed: false,
    });
    emit(EventKind::StepFinished { step: step("one"), result: Box::new(done("200", 1)) });
    emit(EventKind::RunFinished { verdict: Verdict::default() });
    assert_eq!(*pipe.0.borrow(), 1);
    assert_eq!(live.report().entries.len(), 1);
}
