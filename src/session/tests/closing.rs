//! Sessions are closed, whether a step asks for it, another one takes their place or the run ends.

use super::bench::{API, Bench, Case, texts};
use super::server::{DEVICES, LOGIN, Server, count};
use crate::event::SessionEnd;
use crate::port::Clock;
use crate::port::fake::{Reply, ScriptedTransport};
use serde_json::json;
use std::cell::Cell;
use std::time::Duration;

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
