//! What stands in the ledger of logins and refreshes whose answers nobody has read.

use super::bench::{API, Bench, Case};
use super::server::{DEVICES, LOGIN, REFRESH, Server};
use crate::model::exit::Cause;
use crate::port::fake::{FakeSignIns, Reply, ScriptedTransport};
use crate::port::{Closing, LedgerEntry};
use crate::session::Standing;
use futures_util::FutureExt;
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const LOGOUT: &str = "POST https://api.example.com/logout";

/// A provider whose tokens live for an hour, are prolonged by a refresh, and are closed by a logout.
fn with_refresh() -> Case {
    Case::sayable("refresh-rotates")
        .replace("      refresh: {", "      logout: { auth: session, post: /logout }\n      refresh: {")
}

/// What stands in the ledger.
fn closings(bench: &Bench) -> Vec<Closing> {
    bench.sign_ins.ledger.borrow().iter().map(|record| record.closing).collect()
}

fn token() -> Reply {
    Reply::json(200, json!({ "access_token": "token-1-geheim", "refresh_token": "refresh-1-geheim" }))
}

#[tokio::test]
async fn a_login_is_written_down_before_its_first_byte() {
    let sign_ins = Rc::<FakeSignIns>::default();
    let seen = Rc::<Cell<Option<Closing>>>::default();
    let (ledger, noted) = (sign_ins.clone(), seen.clone());
    let transport = ScriptedTransport::new(move |sent| {
        if sent.line == LOGIN {
            noted.set(ledger.ledger.borrow().first().map(|record| record.closing));
        }
        token()
    });
    let bench = with_refresh().sign_ins(sign_ins).start(transport).await;
    bench.sessions.ready(API).await.unwrap();
    assert_eq!(seen.get(), Some(Closing::UnansweredLogin));
    assert_eq!(closings(&bench), [Closing::Impossible], "it is the record of the session now");
}

#[tokio::test]
async fn a_login_that_cannot_be_written_down_is_not_sent() {
    let sign_ins = Rc::<FakeSignIns>::default();
    sign_ins.is_broken.set(true);
    let bench = with_refresh().sign_ins(sign_ins).start(ScriptedTransport::script([])).await;
    for _ in 0..2 {
        let failure = bench.step().await.unwrap_err().into_failure();
        assert_eq!(failure.cause, Cause::Machine);
        assert_eq!(failure.notes[0].as_str(), "a sign-in that is not written down is not sent");
    }
}

#[tokio::test]
async fn a_login_that_has_opened_nothing_leaves_no_record() {
    for reply in [Reply::unsent, || Reply::status(401), || Reply::status(429), || Reply::json(200, json!({}))]
    {
        let bench = with_refresh().start(ScriptedTransport::new(move |_| reply())).await;
        bench.step().await.unwrap_err();
        assert!(closings(&bench).is_empty() && bench.warnings().is_empty(), "{:?}", bench.warnings());
    }
}

#[tokio::test]
async fn every_login_whose_answer_is_lost_is_named_and_stays_in_the_ledger() {
    let bench = with_refresh().start(ScriptedTransport::new(|_| Reply::lost())).await;
    bench.step().await.unwrap_err();
    bench.sessions.close_all().await;
    assert_eq!(closings(&bench), [Closing::UnansweredLogin; 2]);
    let said = "api did not say whether a login succeeded: a session may be left open there until 07:00 UTC";
    assert_eq!(bench.warnings(), [said; 2]);
}

#[tokio::test]
async fn a_login_that_is_given_up_in_flight_stays_in_the_ledger() {
    let case = with_refresh();
    let clock = case.clock.clone();
    let bench = case.start(ScriptedTransport::new(|_| token()).slow(clock, |_| 6)).await;
    // It has come as far as the network when it is dropped.
    assert!(bench.sessions.ready(API).now_or_never().is_none());
    assert_eq!(closings(&bench), [Closing::UnansweredLogin]);
    assert_eq!(bench.warnings().len(), 1);
}

#[tokio::test]
async fn a_person_who_is_asked_leaves_no_record() {
    let case = Case::sayable("challenge-refused");
    let bench =
        case.start(ScriptedTransport::new(|_| Reply::json(200, json!({ "challenge": "device" })))).await;
    bench.sessions.ready(API).await.unwrap_err();
    assert!(closings(&bench).is_empty());
}

/// A server that answers as it should, but for refreshes, and for logouts by `logout`.
fn without_refresh(logout: impl Fn() -> Reply + 'static) -> ScriptedTransport {
    let server = Server::default();
    ScriptedTransport::new(move |sent| match sent.line.as_str() {
        REFRESH => Reply::lost(),
        LOGOUT => logout(),
        _ => server.answer(sent),
    })
}

#[tokio::test]
async fn a_refresh_whose_answer_is_lost_is_over_when_its_session_is_closed() {
    let bench = with_refresh().start(without_refresh(|| Reply::status(204))).await;
    bench.sessions.ready(API).await.unwrap();
    bench.clock.advance(Duration::from_secs(3545));
    bench.sessions.ready(API).await.unwrap();
    bench.sessions.close_all().await;
    let count = |line: &str| bench.transport.lines().iter().filter(|sent| *sent == line).count();
    assert_eq!((count(LOGIN), count(REFRESH), count(LOGOUT)), (2, 3, 2));
    assert!(closings(&bench).is_empty() && bench.warnings().is_empty(), "{:?}", bench.warnings());
}

#[tokio::test]
async fn a_refresh_whose_answer_is_lost_is_named_when_its_session_cannot_be_closed() {
    for (is_refused, logouts) in [(false, 2), (true, 1)] {
        let bench = with_refresh().start(without_refresh(|| Reply::status(401))).await;
        let generation = bench.sessions.ready(API).await.unwrap();
        match is_refused {
            true => {
                let answer = bench.step().await.unwrap();
                bench.sessions.renew(API, generation, &answer).await.unwrap();
            }
            false => {
                bench.clock.advance(Duration::from_secs(3545));
                bench.sessions.ready(API).await.unwrap();
            }
        }
        bench.sessions.close_all().await;
        assert_eq!(closings(&bench), [Closing::UnansweredRefresh]);
        let warnings = bench.warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let said = "api did not say whether a refresh succeeded: the session that it was for may be left open there until ";
        assert!(warnings[0].starts_with(said), "{warnings:?}");
        let sent = bench.transport.lines();
        assert_eq!(sent.iter().filter(|line| *line == LOGOUT).count(), logouts, "{sent:?}");
        assert!(sent.iter().filter(|line| *line == DEVICES).count() < 2);
    }
}

#[tokio::test]
async fn the_next_run_names_what_was_never_answered_until_it_has_ended() {
    for (closing, what) in [(Closing::UnansweredLogin, "a login"), (Closing::UnansweredRefresh, "a refresh")]
    {
        let sign_ins = Rc::<FakeSignIns>::default();
        let first =
            with_refresh().sign_ins(sign_ins.clone()).start(ScriptedTransport::new(|_| Reply::lost()));
        let first = first.await;
        first.step().await.unwrap_err();
        let mut session = sign_ins.ledger.borrow_mut().remove(0);
        session.closing = closing;
        sign_ins.left.borrow_mut().push(LedgerEntry { session, is_in_use: false });
        let next = with_refresh().sign_ins(sign_ins.clone()).start(ScriptedTransport::script([])).await;
        let notes = next.sessions.close_left_open().await.unwrap();
        let said = format!(
            "{what} of run 01RUN at api as ops@example.com, sent 06:00 UTC, was never answered: a session may be open \
             there until 07:00 UTC"
        );
        assert_eq!((notes[0].text.as_str(), notes[0].standing), (said.as_str(), Standing::Open));
        next.clock.advance(Duration::from_secs(3600));
        assert!(next.sessions.close_left_open().await.unwrap().is_empty());
    }
}
