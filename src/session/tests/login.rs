//! Signing in: what is sent once, what again, and what a refusal says.

use super::bench::{API, Case, texts};
use super::server::{DEVICES, LOGIN, REFRESH, count};
use crate::model::exit::Cause;
use crate::port::fake::{FakePrompt, FakeStore, Reply, ScriptedTransport};
use crate::port::{Clock, StoreKey};
use futures_util::future::join_all;
use serde_json::json;

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
    assert_eq!(texts[5], format!("what now: correct the wrong one there; {replaces}"));
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
async fn a_token_that_no_request_can_carry_was_given_by_a_login_that_was_done() {
    let token = json!({"access_token": "token-geheim\r\nX-Evil: 1"});
    let bench = Case::sayable("login-json")
        .replace("      session:", "      logout: { auth: session, delete: /login }\n      session:")
        .start(ScriptedTransport::new(move |_| Reply::json(200, token.clone())))
        .await;
    let texts = texts(bench.step().await.unwrap_err().failure());
    let happened = "the login at api was done, but no request can carry what it gave: ";
    assert!(texts[0].starts_with(happened), "{texts:?}");
    assert_eq!(texts[1], "its logout cannot carry it either: the session is left open");
    assert!(texts[2].contains("`session` and `send`"), "{texts:?}");
    assert_eq!(bench.transport.lines(), [LOGIN]);
}
