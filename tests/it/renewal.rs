//! Sessions that are renewed under load, over real sockets: one refresh for all who wait, in one process and in two.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use runner::event::{Event, EventSink, Events, Purpose};
use runner::exchange::{Exchange, Parts, Rendered, Sending, render};
use runner::model::redaction::Redactor;
use runner::plan::{Options, Plan, ProviderIndex, StepKind, check_text};
use runner::port::{Cancellation, Reach, Surroundings, VariableOrigin};
use runner::session::{Sessions, Setup, planned_logins};
use runner::system::passing_world;
use runner::template::{Data, Moment};
use serde_json::json;

use super::support::fleet::Fleet;
use super::support::keyring::Keyring;
use super::support::raw_server::RawServer;
use super::support::runner::{Output, Runner};
use super::support::scripted::{Reply, Request, ScriptedServer};
use super::support::session_api;

const API: ProviderIndex = ProviderIndex(0);

/// An environment of a few variables, and no files.
struct Variables(Vec<(String, String)>);

impl Surroundings for Variables {
    fn variable(&self, name: &str) -> Option<(String, VariableOrigin)> {
        let found = self.0.iter().find(|(known, _)| known == name)?;
        Some((found.1.clone(), VariableOrigin::Process))
    }

    fn read_text(&self, _: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }
}

struct Deaf;

impl EventSink for Deaf {
    fn receive(&mut self, _: &Event) {}
}

/// The sessions of a plan with the real network, and its first step.
struct Load {
    sessions: Sessions,
    exchange: Exchange,
    plan: Rc<Plan>,
}

impl Load {
    async fn start(playbook: &str, options: &Options, variables: Variables) -> Self {
        let checked = check_text(Path::new("/plays/p.yaml"), playbook, options, &variables);
        let plan = Rc::new(checked.plan.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics)));
        let world = passing_world(Rc::new(variables), true, &Cancellation::default());
        let events = Events::new(Rc::new(RefCell::new(Deaf)), world.clock.clone(), Redactor::default());
        let exchange = Exchange::new(world, events);
        let setup = Setup {
            plan: plan.clone(),
            inputs: Data::Json(json!({})),
            logins: planned_logins(&plan.steps, &|_| true),
            exchange: exchange.clone(),
            run: "01LOAD".to_owned(),
        };
        let sessions = Sessions::prepare(setup).await.unwrap_or_else(|failures| panic!("{failures:#?}"));
        Self { sessions, exchange, plan }
    }

    fn rendered(&self) -> Rendered {
        let StepKind::Request(request) = &self.plan.steps[0].kind else { panic!("a request") };
        let scope = self.sessions.scope(API, &Moment::of(self.exchange.world()));
        let parts = Parts {
            method: &request.method,
            path: &request.path,
            base: self.sessions.account(API).base_url(),
            query: &request.query,
            headers: request.headers.iter().map(|layer| (&layer.value, &scope)).collect(),
            cookies: &request.cookies,
            body: &request.body,
            scope: &scope,
            reach: Reach { surroundings: &*self.exchange.world().surroundings, folder: Path::new("/plays") },
            timeout: request.timeout,
        };
        render(&parts, self.exchange.events().redactor()).expect("rendered")
    }

    /// The request of the first step, and once more with a renewed session where that was refused. Returns the statuses.
    async fn step(&self) -> Vec<u16> {
        let (mut rendered, mut statuses) = (self.rendered(), Vec::new());
        for is_last in [false, true] {
            let generation = self.sessions.authorize(API, &mut rendered).await.expect("signed in");
            let turn = self.exchange.turn(self.sessions.account(API).realm(), &rendered, None, None).await;
            let attempt = self.exchange.send(turn, &rendered, Sending::attempt(Purpose::Step, 1)).await;
            self.exchange.report(attempt.record, None);
            let answer = attempt.outcome.expect("an answer");
            statuses.push(answer.status);
            let is_expired = self.sessions.is_expired(API, generation, &answer);
            if is_last || !is_expired {
                break;
            }
            self.sessions.renew(API, generation, &answer).await.expect("renewed");
        }
        statuses
    }
}

#[test]
fn a_hundred_requests_in_flight_whose_tokens_are_all_revoked_refresh_once() {
    let emnify = Fleet::emnify(5);
    let variables = ["username", "password"]
        .map(|name| (format!("EMNIFY_{}", name.to_uppercase()), emnify.demo("plain", name).to_owned()));
    let options = Options {
        base_urls: vec![("emnify".to_owned(), emnify.base_url().to_owned())],
        ..Options::default()
    };
    let playbook = "version: 1\nproviders: { emnify: { method: user } }\nsteps: [{ provider: emnify, get: /api/v1/endpoint }]\n";
    let task = async {
        let load = Load::start(playbook, &options, Variables(variables.into())).await;
        assert_eq!(join_all((0..100).map(|_| load.step())).await, vec![vec![200]; 100]);
        for round in 1..=3 {
            emnify.revoke_access_tokens();
            let answers = join_all((0..100).map(|_| load.step())).await;
            assert!(answers.iter().all(|statuses| statuses.last() == Some(&200)), "{answers:?}");
            assert!(answers.iter().filter(|statuses| statuses[..] == [401, 200]).count() > 50, "{answers:?}");
            let stats = emnify.stats();
            assert_eq!((stats.logins, stats.refreshes), (1, round), "one for all who wait");
        }
        load.sessions.close_all().await;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a thread is enough").block_on(task);
}

/// A server that takes each refresh token once. Whoever uses one again is taken for a thief: all tokens die (RFC 9700,
/// section 4.14.2). Each access token is good for one request.
#[derive(Default)]
struct Rotating {
    issued: u32,
    good: BTreeSet<String>,
    thefts: u32,
    rows: u32,
}

impl Rotating {
    fn answer(&mut self, request: &Request) -> Reply {
        let bearer = request.header("authorization").replace("Bearer ", "");
        match request.line.as_str() {
            "POST /token" => {
                let expected = format!("refresh_token=refresh-{}-geheim", self.issued);
                if self.thefts > 0 || !request.body.contains(&expected) {
                    self.thefts += 1;
                    self.good.clear();
                    return Reply::empty(401);
                }
                self.issued += 1;
                let (access, refresh) =
                    (format!("access-{}-geheim", self.issued), format!("refresh-{}-geheim", self.issued));
                self.good.insert(access.clone());
                Reply::json(200, &json!({ "access_token": access, "refresh_token": refresh }))
            }
            _ if self.good.remove(&bearer) => {
                self.rows += 1;
                Reply::json(200, &json!([]))
            }
            _ => Reply::empty(401),
        }
    }
}

#[test]
fn two_processes_share_a_rotating_refresh_token_and_never_use_one_twice() {
    let state = Arc::new(Mutex::new(Rotating::default()));
    let shared = state.clone();
    let server =
        ScriptedServer::start(move |request| shared.lock().expect("no holder panics").answer(request));
    let keyring = Keyring::open();
    let kept = format!(r#"{{"secret":"refresh-0-geheim","origins":["{}"]}}"#, server.base_url());
    let tool = Runner::of("secret-tool").keyring(&keyring).stdin(kept);
    tool.args(["store", "--label=own", "service", "runner/own", "username", "default/refresh_token"])
        .run()
        .exits(0);
    let playbook = |refresh: &str| {
        format!(
            "version: 1
providers:
  own:
    base_url: {}
    credentials: {{ refresh_token: {{ from: [stored] }} }}
    auth:
      login: {{ post: /token, form: {{ refresh_token: '${{{{ credentials.refresh_token }}}}' }} }}
      session: {{ access_token: $.access_token, refresh_token: $.refresh_token }}
      send: {{ headers: {{ Authorization: 'Bearer ${{{{ session.access_token }}}}' }} }}
      store: {{ refresh_token: '${{{{ session.refresh_token }}}}' }}{refresh}
steps:
  - for_each: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    get: /rows
",
            server.base_url()
        )
    };
    let refresh =
        "\n      refresh: { post: /token, form: { refresh_token: '${{ session.refresh_token }}' } }";
    // A playbook each: two runs of one would wait for each other.
    let files = [("a.yaml", ""), ("b.yaml", refresh), ("c.yaml", ""), ("d.yaml", refresh)];
    let room = Runner::new().keyring(&keyring);
    let room = files.iter().fold(room, |room, (file, refresh)| room.file(file, playbook(refresh)));
    // Two processes of each kind at once.
    let running: Vec<_> = ["a.yaml", "b.yaml", "c.yaml", "d.yaml"]
        .map(|file| room.clone().args(["apply", file]).spawn())
        .into();
    let outputs: Vec<Output> = running.into_iter().map(|running| running.finish()).collect();
    let state = state.lock().expect("no holder panics");
    assert_eq!(state.thefts, 0, "a token was used twice\n{}", outputs[0].text());
    outputs.into_iter().for_each(|output| drop(output.exits(0)));
    assert_eq!((state.rows, state.issued), (40, 40));
}

/// What a definition says where a test says nothing else.
const AUTH: &str = r#"
      login: { post: /login, json: { key: "${{ credentials.key }}" } }
      session: { token: $.token, refresh: { path: $.refresh, default: null } }
      send: { headers: { Authorization: "Bearer ${{ session.token }}" } }
      refresh: { post: /refresh, json: { token: "${{ session.refresh }}" } }
      logout: { auth: session, delete: /login }"#;
const LOGIN: &str = "POST /login";
const REFRESH: &str = "POST /refresh";
const LOGOUT: &str = "DELETE /login";

fn apply(base_url: &str) -> Output {
    prepared(base_url).run()
}

fn prepared(base_url: &str) -> Runner {
    let room = session_api::with_auth(base_url, AUTH, "steps:\n  - for_each: [1, 2, 3]\n    get: /rows\n");
    room.plant("token-1-geheim")
}

fn token(number: u32) -> String {
    let body = json!({ "token": format!("token-{number}-geheim"), "refresh": "refresh-geheim" }).to_string();
    ok("application/json", &body)
}

fn ok(content_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn status(status: u16) -> String {
    format!("HTTP/1.1 {status} As planned\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
}

/// A server whose logins, refreshes and rows answer as functions of how often they were asked, from 1; an empty answer
/// closes the connection.
fn server(
    mut login: impl FnMut(u32) -> String + Send + 'static,
    mut refresh: impl FnMut(u32) -> String + Send + 'static,
    mut rows: impl FnMut(&str) -> String + Send + 'static,
) -> RawServer {
    let (mut logins, mut refreshes) = (0, 0);
    RawServer::start(move |_, connection| {
        let Some(request) = connection.receive() else { return };
        let answer = match request.split(" HTTP").next().unwrap_or_default() {
            LOGIN => {
                logins += 1;
                login(logins)
            }
            REFRESH => {
                refreshes += 1;
                refresh(refreshes)
            }
            LOGOUT => status(204),
            _ => rows(&request),
        };
        connection.send(answer.as_bytes());
        connection.close();
    })
}

fn count(server: &RawServer, line: &str) -> usize {
    server.requests().iter().filter(|request| request.starts_with(line)).count()
}

/// Rows for all but the first token.
fn second_token_on(request: &str) -> String {
    if request.contains("token-1-geheim") { status(401) } else { ok("application/json", "[]") }
}

#[test]
fn a_refresh_that_is_down_or_answers_nonsense_becomes_one_login() {
    for (name, answer, tries) in [
        ("500", status(500), 3),
        ("502", status(502), 3),
        ("nothing", String::new(), 3),
        ("HTML", ok("text/html", "<html>portal</html>"), 1),
        ("HTML that says it is JSON", ok("application/json", "<html>"), 1),
        ("cut JSON", ok("application/json", "{\"token\": \"x"), 1),
        ("other JSON", ok("application/json", "{}"), 1),
        ("a refusal", status(401), 1),
    ] {
        let api = server(token, move |_| answer.clone(), second_token_on);
        let output = apply(&api.url("")).exits(0);
        assert_eq!((count(&api, REFRESH), count(&api, LOGIN)), (tries, 2), "{name}\n{}", output.text());
        assert_eq!(count(&api, "GET /rows"), 4, "{name}");
        assert_eq!(output.report()["requests"], api.requests().len(), "{name}");
    }
}

#[test]
fn every_session_is_closed_or_named_when_no_answer_to_a_refresh_comes() {
    // Each token is good for one request, so that each but the first item needs a new one.
    let mut used = BTreeSet::new();
    let rows = move |request: &str| {
        let token = request.lines().find(|line| line.contains("Bearer ")).expect("a token").to_owned();
        if used.insert(token) { ok("application/json", "[]") } else { status(401) }
    };
    let api = server(token, |_| String::new(), rows);
    let output = apply(&api.url("")).exits(0);
    assert_eq!((count(&api, LOGIN), count(&api, LOGOUT)), (3, 1), "{}", output.text());
    let warnings = output.report()["warnings"].as_array().expect("a list").clone();
    let said =
        "api did not say whether a refresh succeeded: the session that it was for may be left open there";
    assert_eq!(warnings, [said; 2], "{}", output.text());
}

#[test]
fn a_login_whose_answer_is_lost_is_sent_once_more_and_told() {
    let answer = |number| if number == 1 { String::new() } else { token(number) };
    let api = server(answer, |_| status(500), |_| ok("application/json", "[]"));
    let output = apply(&api.url("")).exits(0);
    assert_eq!((count(&api, LOGIN), count(&api, LOGOUT)), (2, 1));
    let said = "api did not say whether a login succeeded: a session may be left open there";
    assert!(output.stderr.contains(said), "{}", output.stderr);
    assert!(output.report()["warnings"].to_string().contains(said));
    // A run that says nothing else says that, too.
    let api = server(answer, |_| status(500), |_| ok("application/json", "[]"));
    let quiet = prepared(&api.url("")).args(["--quiet"]).run().exits(0);
    assert!(quiet.stderr.starts_with(&format!("warning: {said}\n")), "{}", quiet.stderr);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.lines().count()), ("", 3));
    // Lost twice, it is not tried a third time.
    let api = server(|_| String::new(), |_| status(500), |_| status(500));
    apply(&api.url("")).exits(4).explains(&["api could not be reached to sign in"]);
    assert_eq!(count(&api, LOGIN), 2);
}

#[test]
fn a_login_that_answers_a_portal_or_no_token_is_no_success() {
    for (answer, said) in [
        (ok("text/html", "<!DOCTYPE html><p>Welcome"), "it is an HTML page"),
        (ok("application/json", "<!DOCTYPE html><p>Welcome"), "an HTML page"),
        (ok("application/json", "{}"), "it has no token"),
        (ok("application/json", "{\"token\": \"\"}"), "nothing stands in its token"),
        (ok("application/json", "{\"token\": null}"), "it has no token"),
        (ok("application/json", "{\"token\": \"x"), "but "),
    ] {
        let api = server(move |_| answer.clone(), |_| status(500), |_| status(500));
        let output = apply(&api.url("")).exits(3);
        assert!(output.stderr.contains(said), "{said}: {}", output.stderr);
        assert_eq!((count(&api, LOGIN), count(&api, "GET /rows")), (1, 0), "{said}");
    }
}

#[test]
fn a_401_for_ever_ends_the_run() {
    let api = server(token, |_| status(500), |_| status(401));
    let output = apply(&api.url("")).exits(3);
    assert_eq!(
        (count(&api, LOGIN), count(&api, REFRESH), count(&api, "GET /rows")),
        (2, 3, 2),
        "{}",
        output.text()
    );
    assert_eq!(output.report()["requests"], api.requests().len());
}
