//! One session for all who need it: opened once, renewed once.

use super::bench::{API, Case, texts};
use super::server::{DEVICES, LOGIN, REFRESH, Server, count};
use crate::port::fake::{Reply, ScriptedTransport};
use futures_util::future::join_all;
use serde_json::json;
use std::time::Duration;

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
async fn a_wall_clock_that_jumps_makes_no_session_younger_or_older() {
    for moment in
        ["2026-11-22T08:00:00Z", "2026-11-22T04:00:00Z", "1970-01-01T00:00:00Z", "2126-11-22T04:00:00Z"]
    {
        let server = Server::default();
        let bench = Case::sayable("refresh-rotates").start(server.transport()).await;
        bench.step().await.unwrap();
        bench.clock.set_wall_clock(moment);
        bench.step().await.unwrap();
        assert_eq!((count(&bench, LOGIN), count(&bench, REFRESH)), (1, 0), "{moment}");
        bench.clock.advance(Duration::from_secs(3545));
        bench.step().await.unwrap();
        assert_eq!((count(&bench, LOGIN), count(&bench, REFRESH)), (1, 1), "{moment}");
        bench.sessions.close_all().await;
    }
}

#[tokio::test]
async fn a_refresh_with_garbage_or_less_is_tried_no_second_time() {
    for refresh in [
        Reply::text(200, "application/json", "{\"access_token\": \"x"),
        Reply::json(200, json!({"access_token": null})),
        Reply::json(200, json!({"access_token": ""})),
        Reply::json(200, json!([])),
        Reply::unreadable_answer(Some(200)),
    ] {
        let server = Server::default();
        let (answers, broken) = (server.clone(), refresh.clone());
        let transport = ScriptedTransport::new(move |sent| match sent.line.as_str() {
            REFRESH => broken.clone(),
            _ => answers.answer(sent),
        });
        let bench = Case::sayable("refresh-rotates").start(transport).await;
        bench.step().await.unwrap();
        bench.clock.advance(Duration::from_secs(3545));
        assert_eq!(bench.step().await.unwrap().status, 200);
        let refreshes = count(&bench, REFRESH);
        assert_eq!((count(&bench, LOGIN), (1..=3).contains(&refreshes)), (2, true), "{refreshes}");
    }
}
