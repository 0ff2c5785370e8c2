//! The ledger: what stands in it when, and what is done about sessions that others have left open.

use super::bench::{API, Bench, Case, texts};
use super::server::{DEVICES, LOGIN, REFRESH, Server, count};
use crate::event::SessionEnd;
use crate::model::exit::Cause;
use crate::port::fake::{FakeSignIns, FakeStore, Reply, ScriptedTransport};
use crate::port::{Clock, Closing, LedgerEntry, OpenSession, StoreError, StoreKey};
use serde_json::json;
use std::rc::Rc;
use std::time::Duration;

const LOGOUT: &str = "POST https://api.example.com/logout";
const ORIGIN: &str = "https://api.example.com";
/// The first session of the run.
const ID: &str = "01RUN-1-00000000-0000-4000-8000-000000000000";

fn transport() -> ScriptedTransport {
    let server = Server::default();
    ScriptedTransport::new(move |sent| match sent.line.as_str() {
        LOGOUT => Reply::status(204),
        _ => server.answer(sent),
    })
}

/// A provider with a logout whose password lies in the store.
fn stored() -> Case {
    Case::sayable("logout-204").replace("from: [{ env: API_PASSWORD }]", "from: [stored]").store(password())
}

fn password() -> FakeStore {
    FakeStore::default().with(
        StoreKey::credential("api", "default", "password"),
        "password-geheim",
        &[ORIGIN],
    )
}

fn acts(bench: &Bench) -> Vec<String> {
    bench.sign_ins.acts.borrow().clone()
}

/// The one session in the ledger.
fn record(bench: &Bench) -> OpenSession {
    let ledger = bench.sign_ins.ledger.borrow();
    assert_eq!(ledger.len(), 1);
    ledger[0].clone()
}

/// What the store keeps of the session of the run.
fn kept(bench: &Bench) -> Option<String> {
    let (text, origins) = bench.store.entry(&StoreKey::session(ID))?;
    assert_eq!(origins, [ORIGIN]);
    Some(text)
}

#[tokio::test]
async fn a_session_is_written_down_before_its_first_use_and_struck_off_after_its_logout() {
    let bench = Case::sayable("logout-204").start(transport()).await;
    bench.sessions.ready(API).await.unwrap();
    assert_eq!(
        (acts(&bench), bench.transport.lines()),
        (vec![format!("write {ID}"); 2], vec![LOGIN.to_owned()])
    );
    let record = record(&bench);
    assert_eq!((record.run.as_str(), record.closing), ("01RUN", Closing::Impossible));
    assert_eq!(record.account.as_ref().map(|account| account.as_str()), Some("ops@example.com"));
    assert!(!serde_json::to_string(&record).unwrap().contains("geheim"));
    assert_eq!(kept(&bench), None, "its credentials did not come from the store");
    bench.step().await.unwrap();
    bench.sessions.close_all().await;
    assert_eq!(acts(&bench)[2..], [format!("strike {ID}")]);
}

#[tokio::test]
async fn what_closes_a_session_lies_where_its_credentials_came_from() {
    let bench = stored().start(transport()).await;
    bench.sessions.ready(API).await.unwrap();
    assert_eq!(record(&bench).closing, Closing::Kept);
    assert_eq!(kept(&bench).unwrap(), r#"[["access_token","token-1-geheim",true]]"#);
    bench.sessions.close_all().await;
    assert_eq!((kept(&bench), bench.sign_ins.ledger.borrow().len()), (None, 0));
}

#[tokio::test]
async fn a_refresh_brings_the_ledger_up_to_date() {
    let logout = "      send: {\n        headers: { Authorization: \"Bearer ${{ session.access_token }}\" } }\n      logout: { post: /logout, json: { token: \"${{ session.refresh_token }}\" } }\n";
    let case = Case::sayable("refresh-rotates")
        .replace(
            "      send: { headers: { Authorization: \"Bearer ${{ session.access_token }}\" } }\n",
            logout,
        )
        .replace("from: [{ env: API_PASSWORD }]", "from: [stored]")
        .store(password());
    let bench = case.start(transport()).await;
    bench.sessions.ready(API).await.unwrap();
    let first = record(&bench).valid_until.unwrap();
    bench.clock.advance(Duration::from_secs(3545));
    bench.sessions.ready(API).await.unwrap();
    assert_eq!(count(&bench, REFRESH), 1);
    assert!(record(&bench).valid_until.unwrap() > first);
    let kept = kept(&bench).unwrap();
    assert!(
        kept.contains("token-2-geheim") && kept.contains("refresh-2-geheim") && !kept.contains("-1-"),
        "{kept}"
    );
}

#[tokio::test]
async fn a_provider_without_logout_leaves_a_record_and_no_tokens() {
    let case = Case::sayable("login-json").replace("from: [{ env: API_PASSWORD }]", "from: [stored]");
    let bench = case.store(password()).start(transport()).await;
    bench.sessions.ready(API).await.unwrap();
    assert_eq!((record(&bench).closing, kept(&bench)), (Closing::NoLogout, None));
    bench.sessions.close_all().await;
    assert!(bench.sign_ins.ledger.borrow().is_empty(), "its tokens are forgotten");
}

#[tokio::test]
async fn a_session_whose_logout_fails_stays_in_the_ledger() {
    let bench = stored()
        .start(ScriptedTransport::new(|sent| match sent.line.as_str() {
            LOGIN => Reply::json(200, json!({"access_token": "token-geheim"})),
            _ => Reply::status(500),
        }))
        .await;
    bench.sessions.ready(API).await.unwrap();
    let ends = bench.sessions.close_all().await;
    assert!(matches!(&ends[..], [SessionEnd::Failed { .. }]), "{ends:?}");
    assert!(kept(&bench).is_some());
    assert_eq!(record(&bench).id, ID);
}

const PAGE: &str = "<html>sign in to the wifi</html>";

#[tokio::test]
async fn a_web_page_says_nothing_of_a_session() {
    let stored = || stored().replace(", expect: { status: 204 }", "");
    let bench = stored()
        .start(ScriptedTransport::new(|sent| match sent.line.as_str() {
            LOGIN => Reply::json(200, json!({"access_token": "token-geheim"})),
            _ => Reply::text(200, "text/html", PAGE),
        }))
        .await;
    bench.sessions.ready(API).await.unwrap();
    let ends = bench.sessions.close_all().await;
    let [SessionEnd::Failed { reason, .. }] = &ends[..] else { panic!("{ends:?}") };
    assert_eq!(reason.as_str(), "answered 200 OK, but it is an HTML page");
    assert!(kept(&bench).is_some());
    assert_eq!(record(&bench).id, ID);
    // The same of one that was left open.
    let (sign_ins, store) = left(Closing::Kept, Some(60));
    let portal = ScriptedTransport::new(|_| Reply::text(200, "text/html", PAGE));
    let bench = stored().store(store).sign_ins(sign_ins).start(portal).await;
    let why = "its logout failed (answered 200 OK, but it is an HTML page)";
    assert_eq!(bench.left_open().await, [format!("{FOUND}: it ends at 06:30 UTC, for {why}")]);
    assert!(bench.store.entry(&StoreKey::session("01OLD-1")).is_some());
    assert_eq!(bench.sign_ins.left.borrow().len(), 1);
}

#[tokio::test]
async fn a_session_that_cannot_be_written_down_is_closed_and_not_used() {
    let sign_ins = Rc::<FakeSignIns>::default();
    sign_ins.is_broken.set(true);
    sign_ins.sound_writes.set(1);
    let bench = Case::sayable("logout-204").sign_ins(sign_ins).start(transport()).await;
    for _ in 0..2 {
        let failure = bench.step().await.unwrap_err().into_failure();
        assert_eq!(failure.cause, Cause::Machine);
        let texts = texts(&failure);
        let headline = "what runs leave for each other cannot be kept: /state/sessions: no space left";
        assert_eq!(texts[..2], [headline, "a session that is not written down is not used"]);
    }
    assert_eq!(bench.transport.lines(), [LOGIN, LOGOUT], "nobody signs in again in vain");
}

#[tokio::test]
async fn a_rotated_credential_is_kept_even_if_the_session_cannot_be_written_down() {
    let sign_ins = Rc::<FakeSignIns>::default();
    sign_ins.is_broken.set(true);
    sign_ins.sound_writes.set(1);
    let key = StoreKey::credential("api", "default", "refresh_token");
    let store = FakeStore::default().with(key.clone(), "refresh-0-geheim", &[ORIGIN]);
    let server = ScriptedTransport::new(|_| {
        Reply::json(200, json!({"access_token": "access-geheim", "refresh_token": "refresh-1-geheim"}))
    });
    let case = Case::sayable("refresh-token-is-the-credential").store(store).sign_ins(sign_ins);
    let bench = case.start(server).await;
    assert_eq!(bench.step().await.unwrap_err().failure().cause, Cause::Machine);
    assert_eq!(bench.store.entry(&key).unwrap().0, "refresh-1-geheim");
}

/// A session that a killed run has left, and what closes it.
fn left(closing: Closing, minutes: Option<i64>) -> (Rc<FakeSignIns>, FakeStore) {
    let clean = |text: &str| crate::model::redaction::Redactor::default().clean(text);
    let opened_at: jiff::Timestamp = "2026-11-22T05:30:00Z".parse().unwrap();
    let session = OpenSession {
        id: "01OLD-1".to_owned(),
        run: "01OLD".to_owned(),
        provider: clean("api"),
        definition: clean("api"),
        origin: clean(ORIGIN),
        profile: clean("default"),
        account: Some(clean("ops@example.com")),
        method: clean("default"),
        opened_at,
        valid_until: minutes.map(|minutes| opened_at + jiff::SignedDuration::from_mins(minutes)),
        closing,
    };
    let sign_ins = FakeSignIns::default();
    sign_ins.left.borrow_mut().push(LedgerEntry { session, is_in_use: false });
    let kept = r#"[["access_token","token-old-geheim",true]]"#;
    (Rc::new(sign_ins), password().with(StoreKey::session("01OLD-1"), kept, &[ORIGIN]))
}

/// For so long a record outlives its session.
const A_MONTH: Duration = Duration::from_secs(30 * 86_400);
const FOUND: &str = "the session of run 01OLD at api as ops@example.com, opened 05:30 UTC, was left open";

#[tokio::test]
async fn a_session_that_was_left_open_is_closed_by_what_the_store_keeps() {
    let (sign_ins, store) = left(Closing::Kept, Some(60));
    let bench = stored().store(store).sign_ins(sign_ins).start(transport()).await;
    let told = bench.left_open().await;
    assert_eq!(told, [format!("{FOUND}: closed now")]);
    assert_eq!(bench.transport.lines(), [LOGOUT]);
    assert_eq!(bench.last().header("authorization"), "Bearer token-old-geheim");
    assert!(bench.store.entry(&StoreKey::session("01OLD-1")).is_none());
    assert!(bench.sign_ins.left.borrow().is_empty());
}

#[tokio::test]
async fn one_that_has_ended_meanwhile_is_no_trouble() {
    let (sign_ins, store) = left(Closing::Kept, Some(60));
    let over = ScriptedTransport::script([(LOGOUT, Reply::status(401))]);
    let bench = stored().store(store).sign_ins(sign_ins).start(over).await;
    let told = bench.left_open().await;
    assert_eq!(told, [format!("{FOUND}: it had ended meanwhile")]);
    assert!(bench.sign_ins.left.borrow().is_empty());
}

#[tokio::test]
async fn what_cannot_be_closed_is_named_until_it_has_ended() {
    for (closing, why) in [
        (Closing::Impossible, "only its process knew its tokens"),
        (Closing::NoLogout, "this API has no logout"),
    ] {
        let (sign_ins, store) = left(closing, Some(60));
        let bench = stored().store(store).sign_ins(sign_ins).start(transport()).await;
        let told = bench.left_open().await;
        assert_eq!(told, [format!("{FOUND}: it ends at 06:30 UTC, for {why}")]);
        assert_eq!((bench.transport.lines().len(), bench.sign_ins.left.borrow().len()), (0, 1));
        bench.clock.advance(Duration::from_secs(1800));
        assert!(bench.left_open().await.is_empty(), "it has ended: not a word");
        assert_eq!(bench.sign_ins.left.borrow().len(), 1, "the clock may be wrong");
        bench.clock.advance(A_MONTH);
        assert!(bench.left_open().await.is_empty());
        assert!(bench.sign_ins.left.borrow().is_empty());
    }
}

#[tokio::test]
async fn a_life_that_nobody_knows_is_told_for_a_week() {
    let (sign_ins, store) = left(Closing::Impossible, None);
    let bench = stored().store(store).sign_ins(sign_ins).start(transport()).await;
    let told = bench.left_open().await;
    let expected = format!("{FOUND}: nobody knows when it ends, for only its process knew its tokens");
    assert_eq!(told, [expected]);
    bench.clock.advance(Duration::from_secs(7 * 86_400));
    assert!(bench.left_open().await.is_empty());
    assert_eq!(bench.sign_ins.left.borrow().len(), 1);
    bench.clock.advance(A_MONTH);
    assert!(bench.left_open().await.is_empty());
    assert!(bench.sign_ins.left.borrow().is_empty());
}

#[tokio::test]
async fn a_closing_that_fails_is_tried_again_by_the_next_run() {
    let (sign_ins, store) = left(Closing::Kept, Some(60));
    let down = ScriptedTransport::new(|_| Reply::unsent());
    let bench = stored().store(store).sign_ins(sign_ins).start(down).await;
    let before = bench.clock.elapsed();
    let told = bench.left_open().await;
    let expected = format!("{FOUND}: it ends at 06:30 UTC, for its logout failed (connection refused)");
    assert_eq!(told, [expected]);
    assert!(bench.clock.elapsed() - before <= Duration::from_secs(10));
    assert!(bench.store.entry(&StoreKey::session("01OLD-1")).is_some());
    assert_eq!(bench.sign_ins.left.borrow().len(), 1);
}

#[tokio::test]
async fn what_is_not_closed_here_is_nobodys() {
    let (sign_ins, store) = left(Closing::Kept, Some(60));
    let other = crate::model::redaction::Redactor::default().clean("other");
    sign_ins.left.borrow_mut()[0].session.definition = other;
    let bench = stored().store(store).sign_ins(sign_ins).start(transport()).await;
    assert!(bench.left_open().await.is_empty());
    assert_eq!(acts(&bench), [""; 0]);
}

#[tokio::test]
async fn one_that_somebody_else_is_closing_is_left_to_them() {
    let (sign_ins, store) = left(Closing::Kept, Some(60));
    sign_ins.is_taken.set(true);
    let bench = stored().store(store).sign_ins(sign_ins).start(transport()).await;
    assert!(bench.left_open().await.is_empty());
    assert_eq!((bench.transport.lines().len(), bench.sign_ins.left.borrow().len()), (0, 1));
}

/// Three sessions that were left at a server that takes 6 s for each answer.
async fn three_left_at_a_slow_server(deadline: &str) -> (Bench, Vec<String>) {
    let (sign_ins, mut store) = left(Closing::Kept, Some(60));
    for id in ["01OLD-2", "01OLD-3"] {
        let mut entry = sign_ins.left.borrow()[0].clone();
        entry.session.id = id.to_owned();
        sign_ins.left.borrow_mut().push(entry);
        store = store.with(StoreKey::session(id), r#"[["access_token","token-old-geheim",true]]"#, &[ORIGIN]);
    }
    let case = stored().replace("version: 1\n", &format!("version: 1\n{deadline}"));
    let clock = case.clock.clone();
    let bench = case.store(store).sign_ins(sign_ins).start(transport().slow(clock, |_| 6)).await;
    let told = bench.left_open().await;
    (bench, told)
}

#[tokio::test]
async fn the_closing_of_all_together_has_an_end() {
    let (bench, told) = three_left_at_a_slow_server("").await;
    let no_time = format!("{FOUND}: it ends at 06:30 UTC, for there was no time left to close it");
    assert_eq!(told, [format!("{FOUND}: closed now"), no_time.clone(), no_time]);
    assert_eq!(bench.clock.elapsed(), Duration::from_secs(10));
    assert_eq!((count(&bench, LOGOUT), bench.sign_ins.left.borrow().len()), (2, 2));
}

#[tokio::test]
async fn the_closing_leaves_half_of_the_deadline_to_the_steps() {
    let (bench, told) = three_left_at_a_slow_server("deadline: 14s\n").await;
    assert!(told[0].ends_with(": closed now") && told[1].ends_with("no time left to close it"), "{told:?}");
    assert_eq!(bench.clock.elapsed(), Duration::from_secs(7));
}

#[tokio::test]
async fn tokens_go_nowhere_else() {
    let (sign_ins, store) = left(Closing::Kept, Some(60));
    // The same name at another address is another server, whatever its definition says.
    let elsewhere = stored().store(store).sign_ins(sign_ins.clone()).base_url("https://evil.example.com");
    let bench = elsewhere.env("API_PASSWORD", "").try_start(transport()).await;
    if let Ok(bench) = bench {
        assert_eq!((bench.left_open().await.len(), bench.transport.lines().len()), (0, 0));
    }
    // The definition sends it to one more origin than it was kept for.
    let (sign_ins, store) = left(Closing::Kept, Some(60));
    let case = stored()
        .replace(
            "    base_url: https://api.example.com\n",
            "    base_url: https://evil.example.com\n    auth_base_url: https://api.example.com\n",
        )
        .replace("from: [stored]", "from: [{ env: API_PASSWORD }]");
    let bench = case.store(store).sign_ins(sign_ins).start(transport()).await;
    let told = bench.left_open().await;
    assert_eq!(bench.transport.lines(), [""; 0]);
    assert!(told[0].contains("kept for https://api.example.com, not for"), "{:?}", told);
}

#[tokio::test]
async fn a_session_in_use_and_one_of_another_profile_are_left_alone() {
    let (sign_ins, store) = left(Closing::Kept, Some(60));
    sign_ins.left.borrow_mut()[0].is_in_use = true;
    let bench = stored().store(store).sign_ins(sign_ins.clone()).start(transport()).await;
    let told = bench.left_open().await;
    assert_eq!((told.len(), sign_ins.acts.borrow().len()), (0, 0));
    sign_ins.left.borrow_mut()[0].is_in_use = false;
    let case = stored().replace("from: [stored]", "from: [{ env: API_PASSWORD }]").profile("acme");
    let case =
        case.replace("env: API_PASSWORD", "value: geheim-geheim").replace("env: API_USERNAME", "value: ops");
    let bench = case.sign_ins(sign_ins).start(transport()).await;
    let told = bench.left_open().await;
    let expected = format!("{FOUND}: it ends at 06:30 UTC, for it is of the profile default, by `default`");
    assert_eq!(told, [expected]);
    assert_eq!(count(&bench, LOGOUT), 0);
}

#[tokio::test]
async fn a_locked_store_is_no_reason_to_fail() {
    let (sign_ins, _) = left(Closing::Kept, Some(60));
    let case = Case::sayable("logout-204").sign_ins(sign_ins).store(FakeStore::failing(StoreError::Locked));
    let bench = case.start(transport()).await;
    let told = bench.left_open().await;
    assert_eq!(told, [format!("{FOUND}: it ends at 06:30 UTC, for the keychain is locked")]);
    bench.step().await.unwrap();
    assert_eq!(count(&bench, DEVICES), 1);
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_stops_the_run_before_anything_is_sent() {
    let sign_ins = Rc::<FakeSignIns>::default();
    sign_ins.is_unreadable.set(true);
    let bench = Case::sayable("logout-204").sign_ins(sign_ins).start(transport()).await;
    assert_eq!(bench.sessions.close_left_open().await.unwrap_err().cause, Cause::Machine);
    assert_eq!(bench.transport.lines(), [""; 0]);
}
