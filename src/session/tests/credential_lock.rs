//! A credential that each login replaces, and several processes that have it.

use super::bench::{API, Bench, Case, texts};
use crate::model::exit::Cause;
use crate::port::fake::{FakeSignIns, FakeStore, Reply, ScriptedTransport};
use crate::port::{Clock, Closing, LedgerEntry, OpenSession, StoreError, StoreKey};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// A server that takes each refresh token once and punishes whoever uses one again.
#[derive(Clone, Default)]
struct Server {
    issued: Rc<Cell<u32>>,
    used: Rc<RefCell<Vec<String>>>,
    /// The store that breaks down while the next login is in flight.
    breaks: Rc<RefCell<Option<Rc<FakeStore>>>>,
}

impl Server {
    fn transport(&self) -> ScriptedTransport {
        let server = self.clone();
        ScriptedTransport::new(move |sent| match sent.line.starts_with("GET") {
            true => Reply::json(200, json!([])),
            false => {
                server.used.borrow_mut().push(sent.body.clone());
                if let Some(store) = server.breaks.take() {
                    store.break_down(Some(StoreError::Locked));
                }
                server.issued.set(server.issued.get() + 1);
                let number = server.issued.get();
                let (access, refresh) =
                    (format!("access-{number}-geheim"), format!("refresh-{number}-geheim"));
                Reply::json(
                    200,
                    json!({"access_token": access, "refresh_token": refresh, "expires_in": 3600}),
                )
            }
        })
    }

    /// Every token came once.
    fn was_never_robbed(&self) -> bool {
        let used = self.used.borrow();
        (0..used.len()).all(|index| used[index].contains(&format!("refresh-{index}-geheim")))
    }
}

fn key() -> StoreKey {
    StoreKey::credential("api", "default", "refresh_token")
}

struct Machine {
    store: Rc<FakeStore>,
    sign_ins: Rc<FakeSignIns>,
    server: Server,
}

impl Machine {
    fn new() -> Self {
        let store = FakeStore::default().with(key(), "refresh-0-geheim", &["https://api.example.com"]);
        Self { store: Rc::new(store), sign_ins: Rc::default(), server: Server::default() }
    }

    /// One more process.
    async fn process(&self) -> Bench {
        self.process_of(Case::sayable("refresh-token-is-the-credential")).await
    }

    async fn process_of(&self, case: Case) -> Bench {
        let case = case.shared_store(self.store.clone()).sign_ins(self.sign_ins.clone());
        case.start(self.server.transport()).await
    }
}

#[tokio::test]
async fn two_processes_never_use_a_token_twice() {
    let machine = Machine::new();
    // Both have looked the first token up before either signs in.
    let (one, other) = (machine.process().await, machine.process().await);
    for round in 0..5 {
        for bench in [&one, &other] {
            bench.step().await.unwrap();
            bench.clock.advance(Duration::from_secs(3590));
        }
        assert!(machine.server.was_never_robbed(), "round {round}: {:?}", machine.server.used);
    }
    assert_eq!(machine.server.issued.get(), 10);
    assert_eq!(machine.store.entry(&key()).unwrap().0, "refresh-10-geheim");
}

#[tokio::test]
async fn a_session_whose_refresh_token_another_process_has_used_up_signs_in_anew() {
    let machine = Machine::new();
    let case = || {
        let refresh = "      refresh: { post: /token, form: { grant_type: refresh_token, refresh_token: \"${{ session.refresh_token }}\" } }\n      store:";
        Case::sayable("refresh-token-is-the-credential").replace("      store:", refresh)
    };
    let (one, other) = (machine.process_of(case()).await, machine.process_of(case()).await);
    for round in 0..5 {
        for bench in [&one, &other] {
            bench.step().await.unwrap();
            bench.clock.advance(Duration::from_secs(3590));
        }
        assert!(machine.server.was_never_robbed(), "round {round}: {:?}", machine.server.used);
    }
    let alone = Machine::new();
    let bench = alone.process_of(case()).await;
    bench.step().await.unwrap();
    bench.clock.advance(Duration::from_secs(3590));
    bench.step().await.unwrap();
    assert_eq!(bench.session_events(), ["opened", "refreshed"], "alone it goes on with its own");
}

/// A process that ends right behind the answer has kept the only token that is still good.
#[tokio::test]
async fn the_token_that_replaces_a_spent_one_is_kept_before_anything_else() {
    let machine = Machine::new();
    let more = "      refresh: { post: /token, form: { grant_type: refresh_token, refresh_token: \"${{ session.refresh_token }}\" } }
      logout: { delete: /token }\n      store:";
    let case = Case::sayable("refresh-token-is-the-credential").replace("      store:", more);
    let bench = machine.process_of(case).await;
    for kept in 1..=2 {
        bench.step().await.unwrap();
        let keys = machine.store.kept();
        let is_credential: Vec<_> = keys.iter().map(|place| *place == key()).collect();
        assert_eq!(is_credential, [true, false].repeat(kept), "{keys:?}");
        bench.clock.advance(Duration::from_secs(3590));
    }
    assert_eq!(bench.session_events(), ["opened", "refreshed"]);
}

#[tokio::test]
async fn what_the_store_does_not_give_again_is_not_sent() {
    let machine = Machine::new();
    let (one, other) = (machine.process().await, machine.process().await);
    one.step().await.unwrap();
    machine.store.break_down(Some(StoreError::Locked));
    let failure = other.step().await.unwrap_err().into_failure();
    assert_eq!(failure.cause, Cause::Machine);
    assert_eq!(
        texts(&failure),
        [
            "api.refresh_token could not be read again before the login: the keychain is locked",
            "another process may have used up the value that was read before; nothing was sent",
            "what now: see to the store, then run it again"
        ]
    );
    assert_eq!(machine.server.issued.get(), 1, "it sent nothing");
    machine.store.break_down(None);
    other.step().await.unwrap();
    assert!(machine.server.was_never_robbed(), "{:?}", machine.server.used);
}

#[tokio::test]
async fn what_the_store_did_not_take_is_not_read_from_it() {
    let machine = Machine::new();
    *machine.server.breaks.borrow_mut() = Some(machine.store.clone());
    let bench = machine.process().await;
    assert_eq!(bench.step().await.unwrap_err().failure().cause, Cause::Machine);
    machine.store.break_down(None);
    assert_eq!(machine.store.entry(&key()).unwrap().0, "refresh-0-geheim");
    bench.clock.advance(Duration::from_secs(3590));
    bench.step().await.unwrap();
    assert!(machine.server.was_never_robbed(), "{:?}", machine.server.used);
    assert_eq!(machine.store.entry(&key()).unwrap().0, "refresh-2-geheim");
}

#[tokio::test]
async fn a_process_waits_for_the_other_and_not_for_ever() {
    let machine = Machine::new();
    machine.sign_ins.busy.set(4);
    let bench = machine.process().await;
    bench.step().await.unwrap();
    assert_eq!(bench.clock.elapsed(), Duration::from_millis(20 + 40 + 80 + 160));
    machine.sign_ins.busy.set(u32::MAX);
    let bench = machine.process().await;
    let failure = bench.sessions.ready(API).await.unwrap_err().into_failure();
    assert_eq!(failure.cause, Cause::Unavailable);
    let headline = "another process keeps signing in to api with the same stored credential";
    assert_eq!(texts(&failure)[0], headline);
    assert_eq!(machine.server.issued.get(), 1, "it sent nothing");
}

#[tokio::test]
async fn a_refusal_names_the_killed_run_that_may_have_used_the_credential_up() {
    let machine = Machine::new();
    machine.process().await.step().await.unwrap();
    let mut session = machine.sign_ins.ledger.borrow_mut().remove(0);
    session.closing = Closing::UnansweredRefresh;
    session.id = "01OLD-1".to_owned();
    let refuse = async |left: OpenSession| {
        let sign_ins = Rc::<FakeSignIns>::default();
        sign_ins.left.borrow_mut().push(LedgerEntry { session: left, is_in_use: false });
        let case = Case::sayable("refresh-token-is-the-credential").shared_store(machine.store.clone());
        let next = case.sign_ins(sign_ins).start(ScriptedTransport::new(|_| Reply::status(401))).await;
        texts(&next.step().await.unwrap_err().into_failure())
    };
    let said = "a refresh of run 01RUN at api, sent 06:00 UTC, was never answered: it may have used up refresh_token";
    let told = refuse(session.clone()).await;
    assert!(told.contains(&said.to_owned()), "{told:?}");
    let elsewhere = crate::model::redaction::Redactor::default().clean("https://test.example.com");
    for other in [
        OpenSession { closing: Closing::Impossible, ..session.clone() },
        OpenSession { origin: elsewhere.clone(), ..session.clone() },
        OpenSession { profile: elsewhere, ..session },
    ] {
        let told = refuse(other).await;
        assert!(!told.iter().any(|text| text.contains("used up")), "{told:?}");
    }
}
