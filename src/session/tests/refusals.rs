//! Refused logins that an earlier run has left word of.

use super::bench::{API, Bench, Case, texts};
use super::server::{DEVICES, LOGIN, count};
use crate::model::exit::Cause;
use crate::port::fake::{FakeSignIns, FakeStore, Reply, ScriptedTransport};
use crate::port::{Clock, RefusedLogin, StoreKey};
use crate::session::SignInFailure;
use serde_json::json;
use std::rc::Rc;
use std::time::Duration;

fn case(sign_ins: &Rc<FakeSignIns>) -> Case {
    Case::sayable("login-json")
        .replace("      session:", "      lockout: { after: 3, for: 5m }\n      session:")
        .sign_ins(sign_ins.clone())
}

fn refuses() -> ScriptedTransport {
    ScriptedTransport::new(|_| Reply::json(401, json!({"message": "password-geheim is wrong"})))
}

fn signs_in() -> ScriptedTransport {
    ScriptedTransport::new(|_| Reply::json(200, json!({"access_token": "token-geheim"})))
}

/// What was remembered and forgotten of refusals.
fn memories(sign_ins: &FakeSignIns) -> Vec<String> {
    let acts = sign_ins.acts.borrow();
    acts.iter().filter(|act| act.starts_with("remember") || act.starts_with("forget")).cloned().collect()
}

/// What a run leaves whose login is refused.
async fn refused() -> Rc<FakeSignIns> {
    let sign_ins = Rc::default();
    let bench = case(&sign_ins).start(refuses()).await;
    let failure = bench.step().await.unwrap_err().into_failure();
    let said = "no run repeats this login for 5 min, unless `runner login api --playbook /plays/p.yaml` succeeds before";
    assert!(texts(&failure).contains(&said.to_owned()), "{failure:?}");
    assert_eq!(memories(&sign_ins), ["remember ops@example.com"]);
    sign_ins
}

/// The same in the eyes of another run.
fn of_another_run(sign_ins: &FakeSignIns) {
    sign_ins.refusals.borrow_mut().iter_mut().for_each(|refusal| refusal.run = "01OTHER".to_owned());
}

async fn next(sign_ins: &Rc<FakeSignIns>) -> Bench {
    of_another_run(sign_ins);
    case(sign_ins).start(signs_in()).await
}

#[tokio::test]
async fn the_next_run_sends_nothing_within_the_lock_out_time() {
    let sign_ins = refused().await;
    let bench = next(&sign_ins).await;
    for _ in 0..2 {
        let failure = bench.step().await.unwrap_err().into_failure();
        assert_eq!(failure.cause, Cause::SignIn);
        assert_eq!(
            texts(&failure),
            [
                "api refused to sign in ops@example.com at 06:00 UTC (401, a JSON body)",
                "not tried again before 06:05 UTC: api locks the account after 3 refusals (run 01OTHER)",
                "username came from env API_USERNAME",
                "password came from env API_PASSWORD",
                "what now: correct the wrong one there, then `runner login api --playbook /plays/p.yaml`, or run it again \
                 after 06:05 UTC"
            ]
        );
    }
    assert_eq!(bench.transport.lines(), [""; 0]);
    bench.clock.advance(Duration::from_secs(300));
    let later = case(&sign_ins).start(signs_in()).await;
    later.clock.advance(bench.clock.elapsed());
    later.sessions.ready(API).await.unwrap();
    assert!(sign_ins.refusals.borrow().is_empty(), "what is over is forgotten");
}

#[tokio::test]
async fn a_run_that_is_resumed_does_not_spend_the_next_refusal() {
    let sign_ins = refused().await;
    let resumed = case(&sign_ins).start(signs_in()).await;
    let failure = resumed.step().await.unwrap_err().into_failure();
    assert_eq!((failure.cause, resumed.transport.lines().len()), (Cause::SignIn, 0));
    assert!(texts(&failure)[1].starts_with("not tried again before 06:05 UTC: "), "{failure:?}");
}

#[tokio::test]
async fn a_process_sends_other_credentials_in_spite_of_its_own_refusal() {
    let sign_ins = Rc::<FakeSignIns>::default();
    let bench = case(&sign_ins).start(refuses()).await;
    let given = |password: &str| {
        vec![("username".to_owned(), "ops@example.com".into()), ("password".to_owned(), password.into())]
    };
    for password in ["one-geheim", "other-geheim"] {
        bench.sessions.authenticate(API, None, given(password)).await.unwrap_err();
    }
    assert_eq!((count(&bench, LOGIN), sign_ins.refusals.borrow().len()), (2, 1));
}

#[tokio::test]
async fn without_a_lock_out_nothing_is_remembered() {
    let sign_ins = Rc::<FakeSignIns>::default();
    let bench = Case::sayable("login-json").sign_ins(sign_ins.clone()).start(refuses()).await;
    bench.step().await.unwrap_err();
    assert!(memories(&sign_ins).is_empty());
}

#[tokio::test]
async fn only_refusals_are_remembered() {
    for reply in [Reply::status(500), Reply::unsent(), Reply::lost(), Reply::text(200, "text/html", "<html>")]
    {
        let sign_ins = Rc::<FakeSignIns>::default();
        let bench = case(&sign_ins).start(ScriptedTransport::new(move |_| reply.clone())).await;
        bench.step().await.unwrap_err();
        assert!(memories(&sign_ins).is_empty(), "{:?}", sign_ins.acts);
    }
}

#[tokio::test]
async fn another_account_server_or_source_is_not_meant() {
    let sign_ins = refused().await;
    of_another_run(&sign_ins);
    let other_name = case(&sign_ins).env("API_USERNAME", "other@example.com");
    let other_server = case(&sign_ins).base_url("https://test.example.com");
    let key = StoreKey::credential("api", "default", "password");
    let other_source = case(&sign_ins)
        .replace("from: [{ env: API_PASSWORD }]", "from: [stored]")
        .store(FakeStore::default().with(key, "right-geheim", &["https://api.example.com"]));
    for case in [other_name, other_server, other_source] {
        case.start(signs_in()).await.sessions.ready(API).await.unwrap();
    }
    assert_eq!(sign_ins.refusals.borrow().len(), 1);
}

#[tokio::test]
async fn a_person_is_not_held_up_and_a_success_ends_it() {
    let sign_ins = refused().await;
    of_another_run(&sign_ins);
    let given = || {
        vec![("username".to_owned(), "ops@example.com".into()), ("password".to_owned(), "x-geheim".into())]
    };
    let person = async |transport| {
        let bench = case(&sign_ins).start_for_a_person(transport).await;
        let end = bench.sessions.authenticate(API, None, given()).await;
        let is_held_up = |failure: &SignInFailure| {
            texts(failure.failure()).iter().any(|text| text.contains("no run repeats"))
        };
        assert!(!end.as_ref().is_err_and(is_held_up));
        (end.is_ok(), count(&bench, LOGIN))
    };
    assert_eq!(person(refuses()).await, (false, 1));
    assert_eq!(sign_ins.refusals.borrow()[0].run, "01OTHER", "what a person mistypes bars nobody");
    assert_eq!(person(signs_in()).await, (true, 1));
    next(&sign_ins).await.sessions.ready(API).await.unwrap();
}

#[tokio::test]
async fn what_has_signed_in_in_this_run_signs_in_again_whatever_others_were_refused() {
    let sign_ins = Rc::<FakeSignIns>::default();
    let bench = case(&sign_ins).start(ScriptedTransport::script([
        (LOGIN, Reply::json(200, json!({"access_token": "token-1-geheim"}))),
        (DEVICES, Reply::status(401)),
        (LOGIN, Reply::json(200, json!({"access_token": "token-2-geheim"}))),
        (DEVICES, Reply::status(200)),
    ]));
    let bench = bench.await;
    bench.sessions.ready(API).await.unwrap();
    let others = refused().await;
    of_another_run(&others);
    sign_ins.refusals.borrow_mut().extend(others.refusals.take());
    assert_eq!(bench.step().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_local_clock_that_jumps_bars_nobody_for_long() {
    let sign_ins = refused().await;
    sign_ins.refusals.borrow_mut()[0].at = "2036-11-22T06:00:00Z".parse().unwrap();
    next(&sign_ins).await.sessions.ready(API).await.unwrap();
}

#[tokio::test]
async fn a_run_that_cannot_ask_sends_nothing_and_one_that_cannot_tell_says_so() {
    let sign_ins = Rc::<FakeSignIns>::default();
    sign_ins.is_broken.set(true);
    sign_ins.sound_writes.set(1);
    let bench = case(&sign_ins).start(refuses()).await;
    bench.step().await.unwrap_err();
    assert_eq!(
        bench.warnings(),
        [
            "the record of what was not opened could not be removed: /state/sessions: no space left",
            "the refused login is not remembered, so that the next run will try it again: /state/sessions: no space left"
        ]
    );
    sign_ins.is_unreadable.set(true);
    let bench = case(&sign_ins).start(signs_in()).await;
    let failure = bench.step().await.unwrap_err().into_failure();
    assert_eq!((failure.cause, bench.transport.lines().len()), (Cause::Machine, 0));
    assert!(texts(&failure).contains(&"nothing was sent".to_owned()), "{failure:?}");
}

#[tokio::test]
async fn what_is_damaged_is_told_and_holds_nobody_up() {
    let sign_ins = Rc::<FakeSignIns>::default();
    sign_ins.problems.borrow_mut().push("the record of a refused login was damaged".to_owned());
    let bench = case(&sign_ins).start(signs_in()).await;
    bench.sessions.ready(API).await.unwrap();
    assert_eq!(bench.warnings(), ["the record of a refused login was damaged"]);
}

#[tokio::test]
async fn where_all_is_secret_the_profile_says_whose_it_was_and_no_secret_is_kept() {
    let sign_ins = Rc::<FakeSignIns>::default();
    let store = FakeStore::default().with(
        StoreKey::credential("api", "default", "password"),
        "password-geheim",
        &["https://api.example.com"],
    );
    let case = case(&sign_ins)
        .replace("secret: false, from", "from")
        .replace("from: [{ env: API_PASSWORD }]", "from: [stored]");
    case.store(store).start(refuses()).await.step().await.unwrap_err();
    let refusals: Vec<RefusedLogin> = sign_ins.refusals.borrow().clone();
    assert_eq!(refusals[0].login.account.as_str(), "profile default");
    let text = serde_json::to_string(&refusals).unwrap();
    assert!(!text.contains("geheim") && text.contains("keychain, runner/api default/password"), "{text}");
}
