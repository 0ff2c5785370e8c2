//! One session for all who need it: opened once, renewed once, closed once; a refusal is not repeated.

use super::bench::{API, Bench, Case, texts};
use crate::event::SessionEnd;
use crate::model::exit::Cause;
use crate::port::fake::{FakePrompt, FakeStore, Reply, ScriptedTransport, Sent};
use crate::port::{Clock, StoreKey};
use crate::session::{Given, PlannedLogin, Sessions};
use futures_util::future::join_all;
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const LOGIN: &str = "POST https://api.example.com/login";
const REFRESH: &str = "POST https://api.example.com/refresh";
const DEVICES: &str = "GET https://api.example.com/devices";

/// A server that gives numbered tokens and takes only those from `valid_from` on.
#[derive(Clone, Default)]
struct Server {
    issued: Rc<Cell<u32>>,
    valid_from: Rc<Cell<u32>>,
}

impl Server {
    fn transport(&self) -> ScriptedTransport {
        let server = self.clone();
        ScriptedTransport::new(move |sent| server.answer(sent))
    }

    fn answer(&self, sent: &Sent) -> Reply {
        if sent.line == LOGIN || sent.line == REFRESH {
            let number = self.issued.get() + 1;
            self.issued.set(number);
            return Reply::json(
                200,
                json!({
                    "access_token": format!("token-{number}-geheim"), "refresh_token": format!("refresh-{number}-geheim")
                }),
            );
        }
        let token = sent.header("authorization").strip_prefix("Bearer token-").unwrap_or_default();
        let number: u32 = token.trim_end_matches("-geheim").parse().unwrap_or(0);
        if number < self.valid_from.get() { Reply::status(401) } else { Reply::json(200, json!([])) }
    }

    /// All tokens issued so far are refused from now on.
    fn expire(&self) {
        self.valid_from.set(self.issued.get() + 1);
    }
}

fn count(bench: &Bench, line: &str) -> usize {
    bench.transport.lines().iter().filter(|sent| *sent == line).count()
}

#[tokio::test]
async fn a_hundred_at_once_sign_in_once() {
    let server = Server::default();
    let bench = Case::sayable("refresh-rotates").start(server.transport()).await;
    let answers = join_all((0..100).map(|_| bench.step())).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)));
    assert_eq!((count(&bench, LOGIN), count(&bench, DEVICES)), (1, 100));
    assert_eq!(bench.session_events(), ["opened"]);
}

#[tokio::test]
async fn a_storm_of_401s_refreshes_once() {
    let server = Server::default();
    let bench = Case::sayable("refresh-rotates").start(server.transport()).await;
    bench.step().await.unwrap();
    server.expire();
    let answers = join_all((0..100).map(|_| bench.step())).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)));
    assert_eq!((count(&bench, LOGIN), count(&bench, REFRESH)), (1, 1));
    assert_eq!(count(&bench, DEVICES), 1 + 100 + 100);
}

#[tokio::test]
async fn a_hundred_prolong_once() {
    let server = Server::default();
    let bench = Case::sayable("refresh-rotates").start(server.transport()).await;
    bench.step().await.unwrap();
    bench.clock.advance(Duration::from_secs(3545));
    join_all((0..100).map(|_| bench.step())).await;
    assert_eq!((count(&bench, LOGIN), count(&bench, REFRESH), count(&bench, DEVICES)), (1, 1, 101));
}

#[tokio::test]
async fn an_old_refusal_only_sends_again() {
    let server = Server::default();
    let bench = Case::sayable("refresh-rotates").start(server.transport()).await;
    let old = bench.sessions.ready(API).await.unwrap();
    let answer = bench.step().await.unwrap();
    bench.sessions.renew(API, old, &answer).await.unwrap();
    let new = bench.sessions.ready(API).await.unwrap();
    assert!(new > old);
    bench.sessions.renew(API, old, &answer).await.unwrap();
    assert_eq!(bench.sessions.ready(API).await.unwrap(), new);
    assert_eq!(count(&bench, REFRESH), 1);
}

#[tokio::test]
async fn a_401_for_ever_ends() {
    let server = Server::default();
    server.valid_from.set(u32::MAX);
    let bench = Case::sayable("refresh-rotates").start(server.transport()).await;
    assert_eq!(bench.step().await.unwrap().status, 401);
    let failure = bench.step().await.unwrap_err();
    assert_eq!(texts(failure.failure())[0], "api refuses a session that it has just given");
    assert_eq!((count(&bench, LOGIN), count(&bench, REFRESH)), (1, 1));
}

#[tokio::test]
async fn a_session_that_ends_again_and_again_is_renewed_again() {
    let server = Server::default();
    let bench = Case::sayable("refresh-rotates").start(server.transport()).await;
    for _ in 0..5 {
        assert_eq!(bench.step().await.unwrap().status, 200);
        server.expire();
    }
    assert_eq!((count(&bench, LOGIN), count(&bench, REFRESH)), (1, 4));
}

#[tokio::test]
async fn a_refused_or_broken_refresh_becomes_one_login() {
    for (refresh, refreshes) in [
        (Reply::status(401), 1),
        (Reply::status(400), 1),
        (Reply::json(200, json!({})), 1),
        (Reply::text(200, "text/html", "<html>"), 1),
        (Reply::status(500), 3),
        (Reply::lost(), 3),
        (Reply::unsent(), 3),
    ] {
        let server = Server::default();
        let (answers, broken) = (server.clone(), refresh.clone());
        let transport = ScriptedTransport::new(move |sent| match sent.line.as_str() {
            REFRESH => broken.clone(),
            _ => answers.answer(sent),
        });
        let bench = Case::sayable("refresh-rotates").start(transport).await;
        bench.step().await.unwrap();
        server.expire();
        assert_eq!(bench.step().await.unwrap().status, 200);
        assert_eq!((count(&bench, LOGIN), count(&bench, REFRESH)), (2, refreshes));
        assert_eq!(bench.session_events(), ["opened", "opened"]);
    }
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_whoever_asks() {
    let refuses =
        ScriptedTransport::new(|_| Reply::json(401, json!({"message": "password-geheim is wrong"})));
    let bench = Case::sayable("login-json").start(refuses).await;
    let failures = join_all((0..20).map(|_| bench.step())).await;
    for failure in failures {
        let failure = failure.unwrap_err().into_failure();
        assert_eq!(failure.cause, Cause::SignIn);
        assert_eq!(
            texts(&failure),
            [
                "api refused to sign in ops@example.com (401, a JSON body)",
                "POST https://api.example.com/login · sent once",
                "username came from env API_USERNAME",
                "password came from env API_PASSWORD",
                "what now: correct the wrong one there"
            ]
        );
    }
    assert_eq!(bench.transport.lines(), [LOGIN]);
    assert!(bench.sessions.close_all().await.is_empty());
}

#[tokio::test]
async fn a_lockout_and_where_the_password_is_to_be_corrected() {
    let case = Case::sayable("login-json")
        .replace("from: [{ env: API_PASSWORD }]", "from: [stored]")
        .replace("      session:", "      lockout: { after: 3, for: 5m }\n      session:")
        .store(FakeStore::default().with(
            StoreKey::credential("api", "default", "password"),
            "password-geheim",
            &["https://api.example.com"],
        ));
    let bench = case.start(ScriptedTransport::script([(LOGIN, Reply::status(403))])).await;
    let texts = texts(bench.step().await.unwrap_err().failure());
    assert_eq!(texts[0], "api refused to sign in ops@example.com (403, empty body)");
    assert_eq!(
        texts[1],
        "POST https://api.example.com/login · sent once: api locks the account after 3 refusals"
    );
    assert_eq!(texts[3], "password came from keychain, runner/api default/password");
    let replaces = "`runner login api --playbook /plays/p.yaml` replaces what is kept";
    assert_eq!(texts[4], format!("what now: correct the wrong one there; {replaces}"));
}

#[tokio::test]
async fn logins_are_repeated_only_where_that_does_no_harm() {
    let ok = || Reply::json(200, json!({"access_token": "token-geheim"}));
    let throttled = || Reply::status(429).header("retry-after", "5");
    for (replies, logins, is_signed_in) in [
        (vec![Reply::unsent(), Reply::unsent(), ok()], 3, true),
        (vec![throttled(), ok()], 2, true),
        (vec![Reply::lost(), ok()], 2, true),
        (vec![Reply::status(500), ok()], 2, true),
        (vec![Reply::lost(), Reply::lost(), ok()], 2, false),
        (vec![Reply::unsent(), Reply::unsent(), Reply::unsent(), ok()], 3, false),
        (vec![Reply::status(404), ok()], 1, false),
    ] {
        let replies = std::cell::RefCell::new(std::collections::VecDeque::from(replies));
        let transport = ScriptedTransport::new(move |_| replies.borrow_mut().pop_front().expect("a reply"));
        let bench = Case::sayable("login-json").start(transport).await;
        let result = bench.sessions.ready(API).await;
        assert_eq!((bench.transport.sent().len(), result.is_ok()), (logins, is_signed_in));
    }
}

#[tokio::test]
async fn waiting_for_our_own_rate_takes_nothing_from_the_time_of_a_login() {
    let bench = Case::sayable("login-json")
        .replace("    auth:", "    rate_limit: { rate: 1/3m }\n    auth:")
        .start(ScriptedTransport::script([
            (LOGIN, Reply::unsent()),
            (LOGIN, Reply::unsent()),
            (LOGIN, Reply::json(200, json!({"access_token": "token-geheim"}))),
        ]))
        .await;
    bench.sessions.ready(API).await.unwrap();
    let timeouts: Vec<u64> = bench.transport.sent().iter().map(|sent| sent.timeout.as_secs()).collect();
    assert_eq!((timeouts, bench.clock.elapsed().as_secs()), (vec![30, 30, 30], 360));
}

#[tokio::test]
async fn a_login_whose_answer_is_lost_may_leave_a_session_open() {
    let bench = Case::sayable("login-json")
        .start(ScriptedTransport::script([
            (LOGIN, Reply::lost()),
            (LOGIN, Reply::json(200, json!({"access_token": "token-geheim"}))),
        ]))
        .await;
    bench.sessions.ready(API).await.unwrap();
    assert_eq!(
        bench.warnings(),
        ["api did not say whether a login succeeded: a session may be left open there"]
    );
}

#[tokio::test]
async fn a_login_with_an_answer_that_cannot_be_read_is_sent_once() {
    let network = ScriptedTransport::script([(LOGIN, Reply::unreadable_answer(Some(200)))]);
    let bench = Case::sayable("login-json").start(network).await;
    let failure = bench.step().await.unwrap_err().into_failure();
    assert_eq!(failure.cause, Cause::SignIn);
    let headline = "the login at api was answered, but the answer is larger than 64 MB";
    assert_eq!(failure.headline.as_str(), headline);
    assert_eq!(bench.warnings().len(), 1, "a session may be open");
}

#[tokio::test]
async fn an_unreachable_provider_is_no_refusal() {
    let bench = Case::sayable("login-json").start(ScriptedTransport::new(|_| Reply::unsent())).await;
    let failure = bench.step().await.unwrap_err().into_failure();
    assert_eq!(failure.cause, Cause::Unavailable);
    let texts = texts(&failure);
    assert_eq!(texts[0], "api could not be reached to sign in: connection refused");
    assert!(texts[1].starts_with("POST https://api.example.com/login · tried 3 times in "), "{}", texts[1]);
    assert_eq!(texts[2], "what now: run it again later");
    bench.step().await.unwrap_err();
    assert_eq!(count(&bench, LOGIN), 6, "it may be there again");
}

#[tokio::test]
async fn a_provider_that_wants_to_be_left_alone_is() {
    let throttled = Reply::status(429).header("retry-after", "3600");
    let bench = Case::sayable("login-json").start(ScriptedTransport::script([(LOGIN, throttled)])).await;
    for _ in 0..2 {
        let failure = bench.step().await.unwrap_err().into_failure();
        assert_eq!(failure.cause, Cause::Unavailable);
        let texts = texts(&failure);
        assert_eq!(texts[0], "api asks to be left alone for 1 h");
        assert_eq!(texts.last().unwrap(), "what now: run it again after 07:00 UTC");
    }
}

#[tokio::test]
async fn our_own_rate_is_not_called_a_wish_of_the_provider() {
    let bench = Case::sayable("login-json")
        .replace("    auth:", "    rate_limit: { rate: 1/1h }\n    auth:")
        .replace("providers:", "deadline: 2m\nproviders:")
        .start(ScriptedTransport::script([(LOGIN, Reply::unsent())]))
        .await;
    let failure = bench.step().await.unwrap_err().into_failure();
    assert_eq!(failure.headline.as_str(), "the rate limit of api allows the next request in 1 h only");
}

#[tokio::test]
async fn a_logout_is_sent_whatever_pause_the_provider_asks_for() {
    for (asked, waited) in [("3600", 0), ("4", 4)] {
        let bench = Case::sayable("logout-204")
            .start(ScriptedTransport::new(move |sent| match sent.line.as_str() {
                LOGIN => Reply::json(200, json!({"access_token": "token-geheim"})),
                DEVICES => Reply::status(429).header("retry-after", asked),
                _ => Reply::status(204),
            }))
            .await;
        bench.step().await.unwrap();
        assert_eq!(bench.sessions.close_all().await, [SessionEnd::Closed], "{asked}");
        assert_eq!(bench.clock.elapsed().as_secs(), waited, "{asked}");
    }
}

#[tokio::test]
async fn an_html_page_instead_of_a_login_is_said_to_be_one() {
    for content_type in ["text/html", "application/json"] {
        let portal = Reply::text(200, content_type, "<!DOCTYPE html><p>Welcome");
        let bench = Case::sayable("login-json").start(ScriptedTransport::script([(LOGIN, portal)])).await;
        let failure = bench.step().await.unwrap_err().into_failure();
        assert!(texts(&failure)[0].contains("an HTML page"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_new_password_is_kept_or_the_user_is_told() {
    let case = || {
        let store = "          store: { password: \"${{ credentials.new_password }}\" }\n        - if: response.body.next == \"code\"";
        Case::sayable("challenges-in-a-row").replace("        - if: response.body.next == \"code\"", store)
    };
    let transport = || {
        ScriptedTransport::new(|sent| match sent.line.as_str() {
            LOGIN => Reply::json(200, json!({"next": "new_password", "state": "s"})),
            _ => Reply::json(200, json!({"access_token": "token-geheim"})),
        })
    };
    let bench = case().start(transport()).await;
    bench.sessions.ready(API).await.unwrap();
    assert_eq!(
        bench.warnings(),
        [
            "api.password has a new value that cannot be kept, for `stored` is none of its sources; env API_PASSWORD still has the old one"
        ]
    );
    let key = StoreKey::credential("api", "default", "password");
    let stored = case()
        .replace("from: [{ env: API_PASSWORD }]", "from: [stored]")
        .store(FakeStore::default().with(key.clone(), "password-geheim", &["https://api.example.com"]));
    let bench = stored.start(transport()).await;
    bench.sessions.ready(API).await.unwrap();
    assert_eq!(bench.store.entry(&key).unwrap().0, "new-password-geheim");
    assert_eq!(bench.warnings(), [""; 0]);
}

#[tokio::test]
async fn what_a_step_gives_replaces_the_open_session() {
    let server = Server::default();
    let bench = Case::sayable("login-json").start(server.transport()).await;
    let authenticate = |password: Option<&str>| {
        let given = password.map(|password| ("password".to_owned(), password.into()));
        bench.sessions.authenticate(API, None, given.into_iter().collect())
    };
    let note = authenticate(None).await.unwrap();
    assert_eq!(note.account.unwrap().as_str(), "ops@example.com");
    authenticate(None).await.unwrap();
    assert_eq!(count(&bench, LOGIN), 1, "it is open already");
    authenticate(Some("other-geheim")).await.unwrap();
    assert_eq!(bench.last().json()["password"], "other-geheim");
    authenticate(None).await.unwrap();
    assert_eq!(count(&bench, LOGIN), 2);
    server.expire();
    bench.step().await.unwrap();
    let logins: Vec<_> = bench.transport.sent().into_iter().filter(|sent| sent.line == LOGIN).collect();
    assert_eq!(logins[2].json()["password"], "other-geheim", "the same credentials sign in again");
    assert_eq!(bench.session_events()[0], "Forgotten { valid_until: None }");
}

#[tokio::test]
async fn a_refusal_of_what_a_step_gives_does_not_bar_the_others() {
    let transport = ScriptedTransport::new(|sent| match sent.line.as_str() {
        LOGIN if sent.json()["password"] == "wrong-geheim" => Reply::status(401),
        LOGIN => Reply::json(200, json!({"access_token": "token-geheim"})),
        _ => Reply::status(200),
    });
    let bench = Case::sayable("login-json").start(transport).await;
    for _ in 0..3 {
        let given = vec![("password".to_owned(), "wrong-geheim".into())];
        let failure = bench.sessions.authenticate(API, None, given).await.unwrap_err();
        assert!(texts(failure.failure()).contains(&"password came from the step".to_owned()));
    }
    bench.step().await.unwrap();
    assert_eq!(count(&bench, LOGIN), 2);
}

#[tokio::test]
async fn a_logout_step_closes_and_a_later_step_opens_anew() {
    let server = Server::default();
    let answers = server.clone();
    let transport = ScriptedTransport::new(move |sent| match sent.line.ends_with("/logout") {
        true => Reply::status(204),
        false => answers.answer(sent),
    });
    let bench = Case::sayable("logout-204").start(transport).await;
    assert_eq!(bench.sessions.logout(API).await, None);
    bench.step().await.unwrap();
    assert_eq!(bench.sessions.logout(API).await, Some(SessionEnd::Closed));
    assert_eq!(bench.sessions.logout(API).await, None);
    bench.step().await.unwrap();
    assert_eq!(bench.sessions.close_all().await, [SessionEnd::Closed]);
    assert_eq!(count(&bench, LOGIN), 2);
    assert_eq!(bench.session_events(), ["opened", "opened", "Closed"], "the step reports its own logout");
}

const LOGOUT: &str = "POST https://api.example.com/logout";

/// The tokens that logouts were sent for, in their order.
fn closed(bench: &Bench) -> Vec<String> {
    let sent = bench.transport.sent().into_iter().filter(|sent| sent.line == LOGOUT);
    sent.map(|sent| sent.header("authorization").replace("Bearer ", "")).collect()
}

/// A session that lives for an hour, cannot be prolonged and can be closed, on a server that takes all but one login.
async fn short_lived(refused_login: Option<u32>) -> Bench {
    let (server, logins) = (Server::default(), Cell::new(0));
    let transport = ScriptedTransport::new(move |sent| {
        logins.set(logins.get() + u32::from(sent.line == LOGIN));
        match sent.line.as_str() {
            LOGIN if Some(logins.get()) == refused_login => Reply::status(401),
            LOGOUT => Reply::status(204),
            _ => server.answer(sent),
        }
    });
    let life = "      expires: [{ after: 1h }]\n      send:";
    Case::sayable("logout-204").replace("      send:", life).start(transport).await
}

#[tokio::test]
async fn a_session_that_still_lives_is_closed_when_a_new_one_replaces_it() {
    let bench = short_lived(None).await;
    bench.step().await.unwrap();
    bench.clock.advance(Duration::from_secs(3545));
    bench.step().await.unwrap();
    assert_eq!(closed(&bench), ["token-1-geheim"]);
    assert_eq!(bench.session_events(), ["opened", "opened", "Closed"]);
    bench.sessions.close_all().await;
    assert_eq!(closed(&bench), ["token-1-geheim", "token-2-geheim"]);
    assert_eq!(bench.last().line, LOGOUT);
}

#[tokio::test]
async fn a_session_that_still_lives_is_closed_at_the_end_if_no_new_one_replaces_it() {
    let bench = short_lived(Some(2)).await;
    bench.step().await.unwrap();
    bench.clock.advance(Duration::from_secs(3545));
    bench.step().await.unwrap_err();
    assert_eq!((count(&bench, DEVICES), closed(&bench)), (1, vec![]), "it is not used any more");
    assert_eq!(bench.sessions.close_all().await, [SessionEnd::Closed]);
    assert_eq!(closed(&bench), ["token-1-geheim"]);
}

#[tokio::test]
async fn a_session_that_has_ended_by_itself_needs_no_logout() {
    let bench = short_lived(None).await;
    bench.step().await.unwrap();
    bench.clock.advance(Duration::from_secs(3600));
    bench.step().await.unwrap();
    assert_eq!((count(&bench, LOGIN), closed(&bench)), (2, vec![]));
}

#[tokio::test]
async fn a_logout_has_ten_seconds() {
    let transport = ScriptedTransport::new(|sent| match sent.line.as_str() {
        LOGIN => Reply::json(200, json!({"access_token": "token-geheim"})),
        _ => Reply::lost(),
    });
    let bench = Case::sayable("logout-204").start(transport).await;
    bench.sessions.ready(API).await.unwrap();
    let before = crate::port::Clock::elapsed(&*bench.clock);
    let ends = bench.sessions.close_all().await;
    assert!(matches!(&ends[..], [SessionEnd::Failed { .. }]), "{ends:?}");
    let logouts: Vec<_> = bench.transport.sent().into_iter().skip(1).collect();
    assert!(logouts.iter().all(|sent| sent.timeout <= Duration::from_secs(10)));
    assert!(crate::port::Clock::elapsed(&*bench.clock) - before <= Duration::from_secs(10));
}

#[tokio::test]
async fn nothing_is_sent_before_all_credentials_are_there() {
    let case =
        Case::sayable("login-json").replace("[{ env: API_PASSWORD }]", "[{ env: NOT_SET }, stored, prompt]");
    let failures = match case.try_start(ScriptedTransport::script([])).await {
        Ok(_) => panic!("prepared"),
        Err(failures) => failures,
    };
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].cause, Cause::SignIn);
    assert_eq!(
        texts(&failures[0]),
        [
            "no source has api.password",
            "env NOT_SET: not set",
            "keychain, runner/api default/password: nothing is kept there",
            "prompt: no terminal to ask at",
            "what now: set it in one of these, or keep it once with `runner login api --playbook /plays/p.yaml`"
        ]
    );
}

#[tokio::test]
async fn a_person_is_asked_once_and_before_the_first_request() {
    let server = Server::default();
    let bench = Case::sayable("login-json")
        .replace("[{ env: API_PASSWORD }]", "[prompt]")
        .prompt(FakePrompt::answering(["typed-geheim"]))
        .start(server.transport())
        .await;
    assert_eq!(bench.prompt.asked().len(), 1);
    assert_eq!(bench.prompt.asked()[0].text, "Password of api");
    bench.step().await.unwrap();
    server.expire();
    bench.step().await.unwrap();
    assert_eq!((bench.prompt.asked().len(), count(&bench, LOGIN)), (1, 2));
}

const TWO_METHODS: &str = r#"
version: 1
providers:
  api:
    base_url: https://api.example.com
    credentials:
      key:      { from: [{ env: API_KEY }] }
      username: { secret: false, from: [{ env: API_USERNAME }, prompt] }
      password: { from: [{ env: API_PASSWORD }, prompt] }
    auth:
      methods:
        key:  { login: { post: /login, json: { key: "${{ credentials.key }}" } } }
        user: { login: { post: /login, json: { username: "${{ credentials.username }}", password: "${{ credentials.password }}" } } }
      session: { access_token: $.access_token }
      send: { headers: { Authorization: "Bearer ${{ session.access_token }}" } }
steps:
  - get: /devices
"#;

#[tokio::test]
async fn the_first_method_whose_credentials_are_there_is_taken() {
    let method = async |case: Case| {
        let bench = case.start(Server::default().transport()).await;
        let note = bench.sessions.authenticate(API, None, Vec::new()).await.unwrap();
        (note.method.unwrap().to_string(), bench.warnings(), bench.prompt.asked().len())
    };
    let user = || Case::yaml(TWO_METHODS).env("API_USERNAME", "ops").env("API_PASSWORD", "p-geheim");
    assert_eq!(method(user()).await, ("user".to_owned(), vec![], 0));
    assert_eq!(method(user().env("API_KEY", "k-geheim")).await, ("key".to_owned(), vec![], 0));
    let asked = Case::yaml(TWO_METHODS).prompt(FakePrompt::answering(["ops", "p-geheim"]));
    assert_eq!(method(asked).await, ("user".to_owned(), vec![], 2));
    let half = Case::yaml(TWO_METHODS).env("API_KEY", "k-geheim").env("API_USERNAME", "ops");
    assert_eq!(method(half).await.0, "key");
    let reversed = Case::yaml(TWO_METHODS).env("API_KEY", "k-geheim").env("API_USERNAME", "ops").replace(
        "        key:  { login: { post: /login, json: { key: \"${{ credentials.key }}\" } } }\n",
        "",
    );
    let reversed = reversed.replace(
        "      session:",
        "        key:  { login: { post: /login, json: { key: \"${{ credentials.key }}\" } } }\n      session:",
    );
    let (chosen, warnings, _) = method(reversed).await;
    assert_eq!(chosen, "key");
    assert_eq!(
        warnings,
        ["api does not sign in by `user`, though some of its credentials are there: api.password is missing"]
    );
}

#[tokio::test]
async fn what_a_step_gives_is_sent_whichever_other_method_is_complete() {
    let given: Given = vec![("password".to_owned(), "new-geheim".into())];
    let names = given.iter().map(|(name, _)| name.clone()).collect();
    let login = PlannedLogin { provider: API, method: None, given: names };
    let case = Case::yaml(TWO_METHODS).env("API_KEY", "k-geheim").env("API_USERNAME", "ops");
    let bench = case.logins(vec![login]).start(Server::default().transport()).await;
    let note = bench.sessions.authenticate(API, None, given).await.unwrap();
    assert_eq!(note.method.unwrap().as_str(), "user", "though the credentials of `key` are there");
    assert_eq!(bench.last().json()["password"], "new-geheim");
}

#[tokio::test]
async fn the_other_ways_to_sign_in_are_named_with_what_they_need() {
    let failures = async |case: Case| {
        let failed = case.try_start(ScriptedTransport::script([])).await.err().unwrap();
        failed.iter().map(texts).collect::<Vec<_>>()
    };
    let unasked = Case::yaml(TWO_METHODS).replace("env: API_USERNAME }, prompt", "env: API_USERNAME }");
    let missing = failures(unasked).await;
    assert_eq!(missing[0][0], "no source has api.key");
    let other = "or sign in with method user: env API_USERNAME and env API_PASSWORD".to_owned();
    assert!(missing[0].contains(&other), "{missing:#?}");
    let asked = failures(Case::yaml(TWO_METHODS)).await;
    assert_eq!(
        (asked[0][0].as_str(), asked[1][0].as_str()),
        ("no source has api.username", "no source has api.password")
    );
    let said: Vec<&String> = asked.iter().flatten().filter(|text| text.starts_with("or sign in")).collect();
    assert_eq!(said, ["or sign in with method key: env API_KEY"]);
    let named = Case::yaml(TWO_METHODS).replace("    auth:\n", "    method: user\n    auth:\n");
    assert!(!failures(named).await.concat().iter().any(|text| text.contains("or sign in")));
}

#[tokio::test]
async fn a_named_profile_has_credentials_of_its_own() {
    let kept = |name: &str| StoreKey::credential("emnify", "tokyo", name);
    let store = FakeStore::default()
        .with(kept("username"), "tokyo@example.com", &["https://cdn.emnify.net"])
        .with(kept("password"), "tokyo-geheim", &["https://cdn.emnify.net"]);
    let bench = Case::yaml("version: 1\nproviders: { emnify: { method: user } }\nsteps: [get: /devices]\n")
        .env("EMNIFY_USERNAME", "ops@example.com")
        .env("EMNIFY_PASSWORD", "password-geheim")
        .profile("tokyo")
        .store(store)
        .start(ScriptedTransport::new(|_| Reply::json(200, json!({"auth_token": "token-geheim"}))))
        .await;
    let note = bench.sessions.authenticate(API, None, Vec::new()).await.unwrap();
    assert_eq!(note.account.unwrap().as_str(), "tokyo@example.com");
    let digest = bench.transport.sent()[0].json()["password"].as_str().unwrap().to_owned();
    assert_eq!(bench.exchange.events().clean(digest).as_str(), "‹emnify.password›");
    assert_eq!(
        bench.warnings(),
        [
            "env EMNIFY_USERNAME is set, but passed over, for the profile tokyo was named",
            "env EMNIFY_PASSWORD is set, but passed over, for the profile tokyo was named"
        ]
    );
}

#[tokio::test]
async fn an_address_of_the_environment_is_looked_at_before_anything_is_sent() {
    let case = || {
        Case::sayable("login-json").replace(
            "    base_url: https://api.example.com",
            "    settings: { host: { from: [{ env: API_HOST }] } }\n    base_url: ${{ settings.host }}",
        )
    };
    let prepare = async |host: &str| {
        let result = case().env("API_HOST", host).try_start(ScriptedTransport::script([])).await;
        result.err().map(|failures| texts(&failures[0])[0].clone()).unwrap_or_default()
    };
    assert_eq!(prepare("https://a.example").await, "");
    assert_eq!(prepare("http://127.0.0.1:9").await, "");
    assert_eq!(prepare("a.example").await, "base_url of api is `a.example`, which is no address");
    assert_eq!(
        prepare("ftp://a.example").await,
        "base_url of api is `ftp://a.example`; an address begins with https://"
    );
    assert_eq!(
        prepare("https://a:b@a.example").await,
        "base_url of api has a user name or password, which have no place in it"
    );
    let missing = case().try_start(ScriptedTransport::script([])).await.err().unwrap();
    assert_eq!(
        texts(&missing[0])[0],
        "setting api.host has no value (env API_HOST not set); set API_HOST, or write it under `settings` of the provider"
    );
}

#[tokio::test]
async fn a_setting_of_an_address_that_is_replaced_is_not_looked_up() {
    let case = || {
        let case = Case::sayable("login-json").replace(
            "    base_url: https://api.example.com",
            "    settings: { host: { from: [{ env: API_HOST }] } }\n    base_url: https://${{ settings.host }}",
        );
        case.base_url("https://b.example")
    };
    let bench = case().start(ScriptedTransport::script([])).await;
    assert_eq!(bench.sessions.account(API).base_url().as_str(), "https://b.example/");
    let header = "    headers: { X-Host: \"${{ settings.host }}\" }\n    auth:\n";
    let failures = case().replace("    auth:\n", header).try_start(ScriptedTransport::script([])).await;
    assert!(texts(&failures.err().unwrap()[0])[0].starts_with("setting api.host has no value"));
}

#[tokio::test]
async fn a_dry_run_knows_where_secrets_are_and_what_a_login_looks_like() {
    let login = PlannedLogin { provider: API, method: None, given: Vec::new() };
    let case = Case::sayable("login-json").replace("[{ env: API_PASSWORD }]", "[{ env: NOT_SET }]");
    let (bench, secrets) = case.logins(vec![login]).preview().await;
    let seen: Vec<_> = secrets.iter().map(|secret| (secret.name.as_str(), secret.source.is_ok())).collect();
    assert_eq!(seen, [("api.username", true), ("api.password", false)]);
    assert_eq!(secrets[0].origins, ["https://api.example.com"]);
    let shapes = bench.sessions.login_shapes(API, None, &[]).await.unwrap();
    assert_eq!(shapes[0].shown_target(), "/login");
    assert_eq!(
        shapes[0].shown_body().unwrap(),
        r#"{"username":"ops@example.com","password":‹api.password›}"#
    );
    assert_eq!(bench.transport.lines(), [""; 0]);
}

#[tokio::test]
async fn an_empty_token_is_none() {
    let empty = || Reply::json(200, json!({"access_token": " ", "refresh_token": "refresh-1-geheim"}));
    let bench = Case::sayable("login-json").start(ScriptedTransport::script([(LOGIN, empty())])).await;
    let texts = texts(bench.step().await.unwrap_err().failure());
    assert_eq!(texts[0], "api answered the login with 200 OK, but nothing stands in its access_token");
    // A refresh that brings one brings nothing: then a login helps.
    let token = |number: u32| {
        let token =
            json!({"access_token": format!("token-{number}-geheim"), "refresh_token": "refresh-1-geheim"});
        Reply::json(200, token)
    };
    let script = [
        (LOGIN, token(1)),
        (DEVICES, Reply::status(401)),
        (REFRESH, empty()),
        (LOGIN, token(2)),
        (DEVICES, Reply::status(200)),
    ];
    let bench = Case::sayable("refresh-keeps").start(ScriptedTransport::script(script)).await;
    bench.step().await.unwrap();
    assert_eq!(bench.last().header("authorization"), "Bearer token-2-geheim");
}

#[tokio::test]
async fn a_refused_code_does_not_blame_the_password() {
    let asked = Reply::json(200, json!({"mfa_token": "state-geheim"}));
    let code = "POST https://api.example.com/login/code";
    let script = || ScriptedTransport::script([(LOGIN, asked.clone()), (code, Reply::status(401))]);
    let case = || Case::sayable("challenge-answered");
    let bench = case().env("API_MFA_SECRET", "GEZDGNBVGY3TQOJQ").start(script()).await;
    let computed = texts(bench.step().await.unwrap_err().failure());
    assert_eq!(
        computed[2..],
        [
            "mfa_code was computed from mfa_secret and the time",
            "mfa_secret came from env API_MFA_SECRET",
            "what now: correct it there; see that this machine's clock is right"
        ]
    );
    let bench = case().prompt(FakePrompt::answering(["code-geheim"])).start(script()).await;
    let typed = texts(bench.step().await.unwrap_err().failure());
    assert_eq!(typed[2..], ["you typed mfa_code", "what now: run it again and type it anew"]);
}

#[tokio::test]
async fn who_leaves_a_question_unanswered_is_asked_no_other_one() {
    for answers in [FakePrompt::answering([]), FakePrompt::answering(["\n"])] {
        let case = Case::sayable("login-json")
            .replace("from: [{ env: API_USERNAME }]", "from: [prompt]")
            .replace("from: [{ env: API_PASSWORD }]", "from: [prompt]")
            .prompt(answers);
        let (setup, parts) = case.setup(ScriptedTransport::script([]));
        let failures = Sessions::prepare(setup).await.err().expect("nothing was answered");
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!(texts(&failures[0])[..2], ["no source has api.username", "prompt: no answer was given"]);
        assert_eq!(parts.prompt.asked().len(), 1);
    }
}
