//! Sessions and secrets in a run, and in a dry run.

use super::case::{Case, KEY, PROVIDER, Ran};
use crate::engine::{DryAction, DryLine};
use crate::model::exit::Cause;
use crate::port::Cancellation;
use crate::port::fake::{Reply, ScriptedTransport, Sent};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

fn case(steps: &str) -> Case {
    Case::signed_in(steps)
}

fn token(token: &str) -> Reply {
    Reply::json(200, json!({ "token": token }))
}

#[test]
fn a_session_is_opened_when_needed_and_closed_in_any_case() {
    let ran = case("steps:\n  - get: /a\n  - get: /b\n").script([
        ("POST https://acme.test/login", token("t-11111")),
        ("GET https://acme.test/a", Reply::status(200)),
        ("GET https://acme.test/b", Reply::status(404)),
        ("DELETE https://acme.test/login", Reply::status(204)),
    ]);
    assert_eq!(ran.exit_code(), 1);
    assert!(ran.network.sent()[1..].iter().all(|sent| sent.header("authorization") == "Bearer t-11111"));
}

#[test]
fn a_refused_session_is_renewed_once() {
    let ran = case("steps:\n  - get: /a\n  - get: /b\n").script([
        ("POST https://acme.test/login", token("t-11111")),
        ("GET https://acme.test/a", Reply::status(200)),
        ("GET https://acme.test/b", Reply::status(401)),
        ("POST https://acme.test/login", token("t-22222")),
        ("GET https://acme.test/b", Reply::status(200)),
        ("DELETE https://acme.test/login", Reply::status(204)),
    ]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    assert_eq!(ran.network.sent()[4].header("authorization"), "Bearer t-22222");
}

#[test]
fn a_401_for_ever_is_a_failure_to_sign_in() {
    let ran = case("steps:\n  - { id: a, post: /a }\n").answer(|sent: &Sent| match sent.line.as_str() {
        "POST https://acme.test/login" => token("t-33333"),
        "POST https://acme.test/a" => Reply::status(401),
        _ => Reply::status(204),
    });
    assert_eq!(ran.exit_code(), 3, "{:?}", ran.headlines());
    let writes =
        ran.network.lines().iter().filter(|line| line.as_str() == "POST https://acme.test/a").count();
    assert!(writes <= 2, "{:?}", ran.network.lines());
}

#[test]
fn a_401_that_the_step_expects_is_no_expiry() {
    let ran = case("steps:\n  - { get: /a, expect: { status: [200, 401] } }\n").script([
        ("POST https://acme.test/login", token("t-11111")),
        ("GET https://acme.test/a", Reply::status(401)),
        ("DELETE https://acme.test/login", Reply::status(204)),
    ]);
    assert_eq!(ran.exit_code(), 0);
}

/// Two steps with credentials that are sent as they are.
fn bearer_case() -> Case {
    let provider = "version: 1
providers:
  acme:
    base_url: https://acme.test
    credentials: { token: { from: [{ env: ACME_TOKEN }] } }
    auth: { use: bearer }
    errors: { message: $.message }
steps:
  - { get: /a, on_error: continue }
  - { get: /b, on_error: continue }
";
    Case::of(provider).env(&[("ACME_TOKEN", "geheimer-schluessel")])
}

#[test]
fn refused_credentials_without_a_login_are_sent_once() {
    let revoked = Reply::json(401, json!({ "message": "revoked" }));
    let ran = bearer_case().script([("GET https://acme.test/a", revoked)]);
    assert_eq!(ran.exit_code(), 3);
    let failure = ran.failure("GET /a");
    assert_eq!(failure.headline.as_str(), "acme refused its credentials (401, revoked)");
    assert!(failure.request.as_ref().expect("a request").as_str().starts_with("GET https://acme.test/a · "));
    assert_eq!(failure.notes[0].as_str(), "token came from env ACME_TOKEN");
    assert_eq!(failure.advice.as_ref().expect("advice").as_str(), "correct it there");
}

#[test]
fn one_refusal_of_credentials_that_work_elsewhere_bars_no_other_step() {
    let ran = bearer_case().answer(|sent: &Sent| match sent.line.as_str() {
        "GET https://acme.test/a" => Reply::status(200),
        _ => Reply::status(401),
    });
    assert_eq!(ran.steps(), ["GET /a done", "GET /b failed"]);
    assert_eq!(ran.exit_code(), 3);
}

#[test]
fn a_refused_login_is_sent_once_and_nothing_else_is() {
    let ran = case("steps:\n  - { get: /a, on_error: continue }\n  - get: /b\ncleanup:\n  - delete: /c\n")
        .script([("POST https://acme.test/login", Reply::status(401))]);
    assert_eq!(ran.exit_code(), 3);
}

#[test]
fn a_login_that_gets_no_answer_is_one_failure_of_the_run() {
    let steps = "steps:\n  - { for_each: [1, 2, 3], get: '/a/${{ item }}', on_error: continue }\n  - get: /b\n\
                 cleanup:\n  - delete: /c\n";
    for answer in [|| Reply::status(500), Reply::lost] {
        let ran = case(steps).answer(move |_| answer());
        // Twice for the steps, and twice for cleanup, which is tried all the same.
        assert_eq!(ran.network.lines(), [LOGIN; 4]);
        assert_eq!(ran.exit_code(), 4);
        let steps = ran.steps();
        let ends = ["failed", "not started", "not started", "failed", "not started", "failed"];
        assert_eq!(steps.len(), ends.len(), "{steps:?}");
        assert!(steps.iter().zip(ends).all(|(step, end)| step.ends_with(end)), "{steps:?}");
        let told = ran
            .headlines()
            .iter()
            .filter(|headline| headline.contains("is not asked again to sign in"))
            .count();
        assert_eq!(told, 1, "{:?}", ran.headlines());
    }
}

#[test]
fn a_missing_secret_ends_the_run_before_its_first_step() {
    let ran = Case::of(&format!("{PROVIDER}steps:\n  - get: /a\n")).script([]);
    assert_eq!(ran.exit_code(), 3);
    assert!(ran.steps().is_empty());
    assert_eq!(ran.verdict.failures.len(), 1);
    let shown = format!("{:?}", ran.verdict.failures);
    assert!(shown.contains("ACME_KEY"), "{shown}");
}

#[test]
fn two_missing_secrets_are_two_failures_and_one_cause() {
    let credentials = "{ key: { from: [{ env: ACME_KEY }] }, user: { from: [{ env: ACME_USER }] } }";
    let provider = PROVIDER
        .replace("{ key: { from: [{ env: ACME_KEY }] } }", credentials)
        .replace("'${{ credentials.key }}' }", "'${{ credentials.key }}', user: '${{ credentials.user }}' }");
    let ran = Case::of(&format!("{provider}steps:\n  - get: /a\n")).script([]);
    assert_eq!(ran.headlines(), ["no source has acme.key", "no source has acme.user"]);
    assert_eq!(ran.verdict.causes, [Cause::SignIn]);
}

#[test]
fn two_steps_that_fail_alike_are_one_cause() {
    let steps = "steps:\n  - { get: /a, on_error: continue }\n  - get: /b\n";
    let ran = Case::of_steps(steps).answer(|_| Reply::status(404));
    assert_eq!(ran.steps(), ["GET /a failed", "GET /b failed"]);
    assert_eq!(ran.verdict.causes, [Cause::Step]);
}

#[test]
fn secrets_of_the_playbook_are_looked_up_only_if_a_chosen_step_reads_them() {
    let steps = "secrets:
  hook: { from: [{ env: HOOK }] }
steps:
  - { id: a, get: /a, auth: none }
  - { id: b, post: /b, auth: none, json: { text: '${{ secrets.hook }}' } }
";
    let ran = case(steps).only(&["a"]).script([("GET https://acme.test/a", Reply::status(200))]);
    assert_eq!(ran.exit_code(), 0);
    let ran = case(steps).script([]);
    assert_eq!(ran.exit_code(), 3);
    assert_eq!(ran.headlines(), ["no source has the secret `secrets.hook`"]);
    let note = ran.verdict.failures[0].notes[0].to_string();
    assert!(note.starts_with("env HOOK"), "{note}");
}

#[test]
fn a_secret_output_shows_nowhere_and_can_be_kept() {
    let steps = "    operations: {}
steps:
  - id: issue
    post: /tokens
    outputs: { token: { path: $.application_token, secret: true } }
  - { id: use, get: '/tokens/${{ steps.issue.outputs.token }}' }
  - { id: keep, store: acme.key, value: '${{ steps.issue.outputs.token }}' }
";
    let playbook = PROVIDER.replace("[{ env: ACME_KEY }]", "[stored, { env: ACME_KEY }]");
    let ran = Case::of(&format!("{playbook}{steps}")).env(KEY).answer(|sent| match sent.line.as_str() {
        "POST https://acme.test/login" => token("t-11111"),
        "POST https://acme.test/tokens" => Reply::json(201, json!({"application_token": "app-token-555"})),
        line if line.contains("app-token-555") => Reply::json(404, json!("no app-token-555")),
        _ => Reply::status(204),
    });
    assert_eq!(ran.exit_code(), 1);
    let told = format!("{:?}{:?}", ran.events, ran.verdict);
    assert!(!told.contains("app-token-555") && !told.contains("geheimer"), "{told}");
    assert!(told.contains("‹steps.issue.outputs.token›"), "{told}");
}

#[test]
fn what_is_kept_is_found_under_its_key_for_the_origins_of_the_provider() {
    let steps = "steps:\n  - { id: keep, store: acme.key, value: '${{ \"new-key-123\" }}' }\n";
    let playbook = PROVIDER.replace("[{ env: ACME_KEY }]", "[stored]");
    let ran = Case::of(&format!("{playbook}{steps}")).script([]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    let kept = ran.store.entry(&crate::port::StoreKey::credential("acme", "default", "key"));
    assert_eq!(kept, Some(("new-key-123".to_owned(), vec!["https://acme.test".to_owned()])));
    assert_eq!(ran.step("keep").detail.as_ref().unwrap().as_str(), "acme.key → keychain");
}

#[test]
fn a_secret_that_holds_once_is_fetched_where_it_is_used() {
    let steps = "secrets:
  code: { one_time: true, from: [{ prompt: the code }] }
steps:
  - { id: mail, post: /mail, auth: none }
  - { id: verify, for_each: [1, 2], post: /verify, auth: none, json: { n: '${{ item }}', code: '${{ secrets.code }}' } }
";
    let ran = case(steps).person(["first-code", "second-code"]).answer(|_| Reply::status(200));
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    let bodies: Vec<String> = ran.network.sent().into_iter().map(|sent| sent.body).collect();
    assert_eq!(bodies, ["", r#"{"n":1,"code":"first-code"}"#, r#"{"n":2,"code":"second-code"}"#]);
    let ran = case(steps).answer(|_| Reply::status(200));
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (3, 1), "nobody is there to ask");
}

#[test]
fn a_logout_has_ten_seconds_beyond_the_deadline() {
    let case = case("deadline: 5s\nsteps:\n  - get: /a\n  - logout: acme\n");
    let slow = Reply::status(204).after(Duration::from_secs(8), &case.clock());
    let ran = case.script([
        ("POST https://acme.test/login", token("t-11111")),
        ("GET https://acme.test/a", Reply::status(200)),
        ("DELETE https://acme.test/login", slow),
    ]);
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    assert_eq!(ran.steps(), ["GET /a done", "logout acme done"]);
}

#[test]
fn a_logout_that_is_cut_off_is_tried_again_at_the_end() {
    let case = case(
        "deadline: 3s\nsteps:\n  - get: /a\n  - { authenticate: acme, with: { key: '${{ \"other-key\" }}' } }\n",
    );
    let slow = Reply::status(204).after(Duration::from_secs(9), &case.clock());
    let ran = case.script([
        ("POST https://acme.test/login", token("t-11111")),
        ("GET https://acme.test/a", Reply::status(200)),
        ("DELETE https://acme.test/login", slow),
        ("DELETE https://acme.test/login", Reply::status(204)),
    ]);
    assert_eq!(ran.exit_code(), 9, "{:?}", ran.headlines());
    assert!(ran.network.sent()[2..].iter().all(|sent| sent.header("authorization") == "Bearer t-11111"));
}

#[test]
fn a_login_that_is_given_up_is_not_called_harmless() {
    for steps in ["  - get: /a\n", "  - authenticate: acme\n"] {
        let case = case(&format!("deadline: 5s\nsteps:\n{steps}"));
        let never = token("t-11111").after(Duration::from_secs(20), &case.clock());
        let ran = case.script([("POST https://acme.test/login", never)]);
        assert_eq!(ran.exit_code(), 9);
        let (headline, advice) = ran.headline_and_advice();
        assert!(headline.starts_with("the deadline of 5 s passed during the sign-in"), "{headline}");
        assert_eq!(advice, "run it again later");
        assert!(ran.warnings()[0].ends_with("a session may be left open there"), "{:?}", ran.warnings());
    }
}

fn words(line: &DryLine) -> String {
    let action = match &line.action {
        DryAction::Request { method, target, body, is_write, .. } => {
            let body = body.as_ref().map(|body| format!(" {body}")).unwrap_or_default();
            format!("{method} {target}{body}{}", if *is_write { " write" } else { "" })
        }
        DryAction::Store { target, store, .. } => format!("{target} → {store}"),
        DryAction::Nothing(why) => format!("nothing: {why}"),
        DryAction::Impossible(why) => format!("impossible: {why}"),
    };
    let join = |texts: &[crate::model::redacted::Redacted]| {
        texts.iter().map(|text| text.as_str()).collect::<Vec<_>>().join(", ")
    };
    format!("{} | {action} | {} | {}", line.label, join(&line.after), join(&line.notes))
}

#[test]
fn a_dry_run_shows_each_request_as_far_as_it_is_known() {
    let steps = "steps:
  - { id: make, post: /x, json: { run: '${{ run.id }}', n: 1 }, outputs: { id: $.id }, cleanup: [{ delete: /x }] }
  - { id: read, get: '/x/${{ steps.make.outputs.id }}', rows: $.rows, query: { limit: 5 } }
  - { id: each, for_each: '${{ steps.read.rows }}', put: '/y/${{ item.id }}' }
  - { id: no, if: 1 > 2, get: /never }
  - { id: nor, if: steps.no.succeeded, get: /never }
  - { id: three, for_each: [1, 2, 3], get: '/z/${{ item }}' }
";
    let dry = case(steps).dry_run();
    let lines: Vec<String> = dry.lines.iter().map(words).collect();
    assert_eq!(
        lines,
        [
            r#"authenticate acme | POST /login {"key":‹acme.key›} |  | "#,
            r#"make | POST /x {"run":"‹run.id›","n":1} write |  | "#,
            "read | GET /x/‹steps.make.outputs.id›?limit=5 | make | ",
            "each | PUT /y/‹item› write | read | for each of steps.read.rows",
            "no | nothing: `if 1 > 2` does not hold |  | ",
            "nor | nothing: `if steps.no.succeeded` does not hold |  | ",
            "three | GET /z/1 |  | item 1 of 3",
            "three | GET /z/2 |  | item 2 of 3",
            "three | GET /z/3 |  | item 3 of 3",
            "logout acme | DELETE /login |  | ",
        ]
    );
    assert_eq!(dry.summary(), "9 requests, 2 depend on answers, 3 writes; nothing was sent");
    assert_eq!(dry.exit_code(), 0);
    assert_eq!(dry.cleanup.iter().map(words).collect::<Vec<_>>(), ["DELETE /x | DELETE /x write |  | "]);
    let secret = &dry.secrets[0];
    assert_eq!(secret.name.as_str(), "acme.key");
    assert_eq!(secret.source.as_ref().unwrap().as_str(), "env ACME_KEY");
    assert_eq!(secret.origins[0].as_str(), "https://acme.test");
}

#[test]
fn a_dry_run_without_a_secret_says_so() {
    let dry = Case::of(&format!("{PROVIDER}steps:\n  - get: /a\n")).dry_run();
    assert_eq!(dry.exit_code(), 3);
    assert!(dry.secrets[0].source.is_err());
}

/// A run of ten seconds whose login takes so long and is answered so.
fn slow_login(seconds: u64, answer: fn() -> Reply) -> Ran {
    case("deadline: 10s\nsteps:\n  - get: /a\n").answer_slowly(
        move |sent| if sent.line.starts_with("POST") { seconds } else { 0 },
        move |sent| if sent.line.starts_with("POST") { answer() } else { Reply::status(204) },
    )
}

const LOGIN: &str = "POST https://acme.test/login";
const LOGOUT: &str = "DELETE https://acme.test/login";

#[test]
fn a_login_that_is_not_answered_by_the_deadline_is_given_up() {
    let ran = slow_login(12, || token("t-11111"));
    assert_eq!((ran.network.lines(), ran.fake_elapsed.as_secs()), (vec![LOGIN.to_owned()], 10));
    assert_eq!(ran.exit_code(), 9);
    assert_eq!(ran.headlines(), ["the deadline of 10 s passed during the sign-in before `GET /a`"]);
    let warning = "the login at https://acme.test/login was given up before its answer came: a session may be left open there";
    assert_eq!(ran.warnings(), [warning]);
}

#[test]
fn a_login_that_still_connects_at_the_deadline_leaves_no_session_open() {
    let ran = slow_login(0, Reply::connecting);
    assert_eq!((ran.fake_elapsed.as_secs(), ran.exit_code()), (10, 9));
    assert_eq!(ran.warnings(), Vec::<String>::new());
}

#[test]
fn a_refusal_that_comes_before_the_deadline_is_what_is_told() {
    let ran = slow_login(9, || Reply::status(401));
    assert_eq!((ran.network.lines(), ran.exit_code()), (vec![LOGIN.to_owned()], 3));
}

#[test]
fn no_login_is_repeated_after_a_signal() {
    let cancellation = Rc::new(RefCell::new(None::<Cancellation>));
    let for_network = cancellation.clone();
    let network = ScriptedTransport::new(move |_| {
        for_network.borrow().as_ref().unwrap().cancel(15);
        Reply::unsent()
    });
    let ran = case("steps:\n  - get: /a\n").run(network, |world| {
        *cancellation.borrow_mut() = Some(world.cancellation.clone());
    });
    assert_eq!((ran.network.lines(), ran.exit_code()), (vec![LOGIN.to_owned()], 143));
}

#[test]
fn cleanup_signs_in_after_the_deadline() {
    let steps = "deadline: 10s\nsteps:\n  - { get: https://other.test/a }\ncleanup:\n  - delete: /b\n";
    let ran = case(steps)
        .answer_slowly(|sent| if sent.line.ends_with("/a") { 20 } else { 0 }, |_| token("t-11111"));
    assert_eq!(ran.network.lines()[1..], [LOGIN, "DELETE https://acme.test/b", LOGOUT]);
}

#[test]
fn a_refresh_that_is_not_answered_by_the_deadline_leaves_the_old_session_to_the_logout() {
    let steps = "deadline: 55s\nsteps:\n  - get: /slow\n  - get: /b\n";
    let refresh =
        "      refresh: { auth: session, post: /refresh }\n      expires: [{ after: 1m }]\n      logout:";
    let playbook = format!("{PROVIDER}{steps}").replace("      logout:", refresh);
    let ran = Case::of(&playbook).env(KEY).answer_slowly(
        |sent| match sent.line.as_str() {
            "GET https://acme.test/slow" => 50,
            "POST https://acme.test/refresh" => 7,
            _ => 0,
        },
        |sent| token(if sent.line.ends_with("/refresh") { "t-22222" } else { "t-11111" }),
    );
    let refreshed = "POST https://acme.test/refresh";
    assert_eq!(ran.network.lines(), [LOGIN, "GET https://acme.test/slow", refreshed, LOGOUT]);
    assert_eq!(ran.network.sent()[3].header("authorization"), "Bearer t-11111");
    assert_eq!((ran.fake_elapsed.as_secs(), ran.exit_code()), (55, 9));
}

#[test]
fn a_logout_step_has_a_time_of_its_own() {
    let ran = case("deadline: 10s\nsteps:\n  - get: /a\n  - logout: acme\n").answer_slowly(
        |sent| if sent.line == LOGOUT { 9 } else { 4 },
        |sent| if sent.line == LOGOUT { Reply::status(204) } else { token("t-11111") },
    );
    assert_eq!(ran.steps(), ["GET /a done", "logout acme done"]);
}

#[test]
fn a_session_that_ends_between_two_pages_is_prolonged() {
    let steps = "steps:
  - { get: /list, rows: $.rows, paginate: { by: page, param: page, pages: $.pages }, save: list.ndjson }
";
    let refresh =
        "      refresh: { auth: session, post: /refresh }\n      expires: [{ after: 1m }]\n      logout:";
    let playbook = format!("{PROVIDER}{steps}").replace("      logout:", refresh);
    let ran = Case::of(&playbook).env(KEY).answer_slowly(
        |sent| if sent.line.ends_with("page=1") { 50 } else { 0 },
        |sent| match sent.line.rsplit_once("page=") {
            Some((_, page)) => Reply::json(200, json!({ "rows": [page], "pages": 2 })),
            None => token(if sent.line.ends_with("/refresh") { "t-22222" } else { "t-11111" }),
        },
    );
    let page = |page: u32| format!("GET https://acme.test/list?page={page}");
    let refreshed = "POST https://acme.test/refresh".to_owned();
    let wanted = [LOGIN.to_owned(), page(1), refreshed, page(2), LOGOUT.to_owned()];
    assert_eq!(ran.network.lines(), wanted);
    assert_eq!(ran.network.sent()[3].header("authorization"), "Bearer t-22222");
    assert_eq!(ran.file("list.ndjson").unwrap(), "\"1\"\n\"2\"\n");
}

#[test]
fn a_logout_that_is_given_up_is_sent_again_at_the_end() {
    let steps = "deadline: 10s
steps:
  - authenticate: acme
  - { authenticate: acme, with: { key: another-geheim } }
";
    let slow = Cell::new(true);
    let ran = case(steps).answer_slowly(
        move |sent| if sent.line == LOGOUT && slow.replace(false) { 20 } else { 0 },
        |sent| if sent.line == LOGOUT { Reply::status(401) } else { token("t-11111") },
    );
    assert_eq!(ran.network.lines(), [LOGIN, LOGOUT, LOGOUT]);
    assert_eq!(ran.exit_code(), 9, "{:?}", ran.headlines());
}

#[test]
fn a_login_does_not_wait_for_our_own_rate_beyond_the_deadline() {
    let steps = "deadline: 1m\nsteps:\n  - get: /a\n";
    let playbook =
        format!("{PROVIDER}{steps}").replace("    auth:", "    rate_limit: { rate: 1/3m }\n    auth:");
    let ran = Case::of(&playbook).env(KEY).answer(|sent| match sent.line.as_str() {
        LOGIN => Reply::unsent(),
        _ => Reply::status(204),
    });
    assert_eq!((ran.network.lines().len(), ran.fake_elapsed.as_secs(), ran.exit_code()), (1, 0, 4));
}

#[test]
fn a_sign_in_that_fails_late_says_what_was_done_before() {
    let ran = case("steps:\n  - { id: a, post: 'https://other.test/a' }\n  - { id: b, get: /b }\n")
        .answer(|sent| Reply::status(if sent.line.ends_with("/login") { 503 } else { 200 }));
    let advice = ran.failure("b").advice.as_ref().unwrap().to_string();
    let expected = "run it again later, but mind what this run has done and would do again: `a`; `--from b` leaves that out";
    assert_eq!(advice, expected);
}
