//! Writes that must not be done twice, and what lets them be sent again: a key, a question.

use super::case::{Case, Ran};
use crate::event::{EventKind, Purpose};
use crate::model::exit::Cause;
use crate::port::Cancellation;
use crate::port::fake::{Reply, ScriptedTransport};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

const KEY: &str = "X-Request-Id";

/// A provider that remembers keys for a minute.
fn remembering(steps: &str) -> Case {
    Case::of(&format!(
        "version: 1\nproviders:\n  api: {{ base_url: https://api.test, idempotency: {{ header: {KEY}, valid_for: 1m }} }}\n{steps}"
    ))
}

/// Answers the requests of one verb one after the other, the last one for ever, and each other request by `other`.
fn answering(
    verb: &'static str,
    replies: Vec<Reply>,
    other: impl Fn() -> Reply + 'static,
) -> ScriptedTransport {
    let next = Cell::new(0);
    ScriptedTransport::new(move |sent| match sent.line.split(' ').next() {
        Some(method) if method == verb => {
            let index = next.replace(next.get() + 1);
            replies[index.min(replies.len() - 1)].clone()
        }
        Some("PUT" | "DELETE") => Reply::status(200),
        _ => other(),
    })
}

fn keys(ran: &Ran) -> Vec<String> {
    ran.network.sent().iter().map(|sent| sent.header(KEY).to_owned()).collect()
}

fn headers(ran: &Ran, name: &str) -> Vec<String> {
    ran.network.sent().iter().map(|sent| sent.header(name).to_owned()).collect()
}

/// Runs a write with a key on a network that answers so, the last one for ever.
fn with_key(keys: &str, replies: Vec<Reply>) -> Ran {
    let steps =
        format!("steps:\n  - {{ id: pay, post: /payments, idempotency_key: '${{{{ uuid() }}}}'{keys} }}\n");
    remembering(&steps).run(answering("POST", replies, || Reply::status(404)), |_| {})
}

#[test]
fn a_key_lets_a_write_be_sent_again_and_is_the_same_every_time() {
    let created = Reply::json(201, json!({"id": 7}));
    for lost in [Reply::lost(), Reply::status(500), Reply::status(504), Reply::unsent(), Reply::status(429)] {
        let ran = with_key(", outputs: { id: $.id }", vec![lost.clone(), lost, created.clone()]);
        assert_eq!((ran.exit_code(), ran.network.lines().len()), (0, 3), "{:?}", ran.headlines());
        let keys = keys(&ran);
        assert!(!keys[0].is_empty() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}

#[test]
fn a_body_that_was_cut_is_asked_for_again_with_the_same_key() {
    let ran = with_key(", outputs: { id: $.id }", vec![Reply::cut(201), Reply::json(201, json!({"id": 7}))]);
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (0, 2));
    // It was done, whatever becomes of the attempts behind it, if nobody reads the body.
    for behind in [Reply::cut(201), Reply::status(500), Reply::status(409), Reply::unsent()] {
        let ran = with_key("", vec![Reply::cut(201), behind]);
        assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    }
    let ran = with_key(", outputs: { id: $.id }", vec![Reply::cut(201)]);
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (1, 3));
    assert!(
        ran.headlines()[0].ends_with("it was done, but what it brought is lost"),
        "{:?}",
        ran.headlines()
    );
    for behind in [Reply::status(500), Reply::status(409), Reply::unsent(), Reply::status(429), Reply::lost()]
    {
        let ran = with_key(", outputs: { id: $.id }", vec![Reply::cut(201), behind]);
        assert_eq!((ran.exit_code(), ran.verdict.is_safe_to_rerun), (1, false), "{:?}", ran.headlines());
        let (headline, advice) = ran.headline_and_advice();
        assert!(
            headline.ends_with("an attempt before has done it, but what it brought is lost"),
            "{headline}"
        );
        assert_eq!(advice, "look at the provider for what it brought before you run this again");
    }
}

#[test]
fn attempts_that_are_spent_leave_it_unknown() {
    let ran = with_key("", vec![Reply::status(500)]);
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (5, 3));
    assert_eq!(ran.steps(), ["pay unknown"]);
    assert!(!ran.verdict.is_safe_to_rerun);
}

#[test]
fn an_answer_to_a_later_attempt_says_nothing_of_the_one_before() {
    for later in
        [Reply::unsent(), Reply::status(429), Reply::status(409), Reply::status(403), Reply::unreadable()]
    {
        let ran = with_key("", vec![Reply::lost(), later]);
        assert_eq!(ran.exit_code(), 5, "{:?}", ran.headlines());
        let failure = ran.failure("pay");
        assert!(
            failure.headline.as_str().ends_with("; nobody knows whether an attempt before was done"),
            "{}",
            failure.headline
        );
        assert!(failure.advice.as_ref().unwrap().as_str().contains("look at api whether it was done"));
    }
}

#[test]
fn a_key_that_the_provider_has_forgotten_lets_nothing_be_sent_again() {
    // Each attempt takes 30 s: the third would come when the key is forgotten.
    let steps = "steps:\n  - { id: pay, post: /payments, idempotency_key: '${{ run.id }}' }\n";
    let ran = remembering(steps).answer_slowly(|_| 30, |_| Reply::lost());
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (5, 2));
    // What is not sent counts for nothing: the time begins with the first byte.
    let next = Cell::new(0);
    let ran = remembering(steps).answer_slowly(
        |_| 40,
        move |_| match next.replace(next.get() + 1) {
            0 => Reply::unsent(),
            1 => Reply::lost(),
            _ => Reply::status(201),
        },
    );
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (0, 3), "{:?}", ran.headlines());
    // An attempt that was not done says nothing of the one before it.
    let next = Cell::new(0);
    let ran = remembering(steps).answer_slowly(
        |_| 30,
        move |_| match next.replace(next.get() + 1) {
            0 => Reply::lost(),
            _ => Reply::unsent(),
        },
    );
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (5, 2), "{:?}", ran.headlines());
}

#[test]
fn the_end_of_the_run_between_two_attempts_leaves_it_unknown() {
    let steps =
        "deadline: 100ms\nsteps:\n  - { id: pay, post: /payments, idempotency_key: '${{ run.id }}' }\n";
    let ran = Case::of_steps(steps).answer(|_| Reply::status(503));
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (5, 1), "{:?}", ran.headlines());
}

#[test]
fn the_default_header_carries_the_key_of_an_address_too() {
    let steps = "steps:\n  - { post: 'https://hooks.test/x', idempotency_key: '${{ run.id }}-a' }\n";
    let ran = Case::of_steps(steps).answer(|_| Reply::status(200));
    let keys = headers(&ran, "idempotency-key");
    assert!(keys[0].ends_with("-a") && keys[0].len() > 2, "{keys:?}");
}

#[test]
fn an_operation_makes_its_key_of_parameters_and_the_step_may_say_another() {
    let playbook = "version: 1
providers:
  api:
    base_url: https://api.test
    operations:
      order: { post: /orders, params: { ref: {} }, json: { ref: '${{ params.ref }}' }, idempotency_key: 'order-${{ params.ref }}' }
steps:
  - { call: api.order, for_each: [a, b], with: { ref: '${{ item }}' } }
  - { call: api.order, with: { ref: c }, idempotency_key: 'mine-${{ run.id }}' }
";
    let ran = Case::of(playbook).answer(|_| Reply::status(200));
    let keys = headers(&ran, "idempotency-key");
    assert_eq!(keys[..2], ["order-a", "order-b"]);
    assert!(keys[2].starts_with("mine-"));
}

#[test]
fn a_key_that_came_before_in_the_loop_or_is_none_or_secret_sends_nothing() {
    let steps = "steps:\n  - { id: each, for_each: [a, b, a], on_error: continue, post: /x, idempotency_key: '${{ item }}' }\n";
    let ran = Case::of_steps(steps).answer(|_| Reply::status(200));
    assert_eq!((ran.network.lines().len(), ran.exit_code()), (2, 1));
    let headline = "`POST /x` was not sent: an item before had the same idempotency key, `a`";
    assert_eq!(ran.headlines(), [headline]);
    let steps = "steps:
  - { id: a, get: /a, outputs: { no: { path: $.no, default: null }, list: { path: $.list, secret: true } } }
  - { id: b, post: /b, idempotency_key: '${{ steps.a.outputs.no }}', on_error: continue }
  - { id: c, for_each: '${{ steps.a.outputs.list }}', post: /c, idempotency_key: '${{ item }}' }
";
    let ran = Case::of_steps(steps).answer(|_| Reply::json(200, json!({"list": ["sesame"]})));
    assert_eq!((ran.network.lines().len(), ran.exit_code()), (1, 1));
    let headlines = ran.headlines();
    assert!(headlines[0].ends_with("its idempotency key yields nothing"), "{headlines:?}");
    assert!(headlines[1].ends_with("a secret went into it"), "{headlines:?}");
}

/// A write with a question about it. `keys` are more keys of the step, `replies` what becomes of the write, `answer` what
/// the question brings.
fn asked(keys: &str, replies: Vec<Reply>, answer: impl Fn() -> Reply + 'static) -> Ran {
    let steps = format!(
        "steps:
  - id: order
    post: /orders
    verify: {{ get: /orders, query: {{ ref: '${{{{ run.id }}}}' }}, done: row_count >= 1, outputs: {{ id: '$[0].id' }} }}
    outputs: {{ id: $.id }}
    {keys}
  - {{ id: ship, put: '/orders/${{{{ steps.order.outputs.id }}}}' }}
"
    );
    Case::of_steps(&steps).run(answering("POST", replies, answer), |_| {})
}

fn verbs(ran: &Ran) -> Vec<String> {
    ran.network
        .lines()
        .iter()
        .map(|line| line.split('/').next().unwrap_or_default().trim_end_matches(" https:").to_owned())
        .collect()
}

fn found(rows: Value) -> impl Fn() -> Reply {
    move || Reply::json(200, rows.clone())
}

#[test]
fn a_write_that_verify_finds_is_done_and_its_outputs_are_those_of_verify() {
    for lost in [Reply::lost(), Reply::status(500), Reply::status(502), Reply::unreadable_answer(None)] {
        let ran = asked("", vec![lost], found(json!([{"id": 7}])));
        assert_eq!((ran.exit_code(), verbs(&ran)), (0, ["POST", "GET", "PUT"].map(str::to_owned).to_vec()));
        assert!(ran.network.lines()[2].ends_with("/orders/7"));
        let order = ran.step("order");
        assert_eq!((order.requests, order.retries), (2, 0));
        assert_eq!(order.detail.as_ref().unwrap().as_str(), "done, says `verify`");
        assert!(!ran.verdict.is_safe_to_rerun);
    }
}

#[test]
fn a_write_that_verify_does_not_find_is_sent_again() {
    let ran = asked("", vec![Reply::lost(), Reply::json(201, json!({"id": 8}))], found(json!([])));
    assert_eq!(
        (ran.exit_code(), verbs(&ran)),
        (0, ["POST", "GET", "POST", "PUT"].map(str::to_owned).to_vec())
    );
    assert_eq!((ran.step("order").requests, ran.step("order").retries), (3, 1));
    let purposes = ran.events.iter().filter_map(|event| match event {
        EventKind::AttemptFinished { purpose, attempt, .. } => Some((*purpose, *attempt)),
        _ => None,
    });
    let expected = [(Purpose::Step, 1), (Purpose::Verify, 1), (Purpose::Step, 2), (Purpose::Step, 1)];
    assert_eq!(purposes.collect::<Vec<_>>(), expected);
    // What may still be on its way gets time to arrive before it is asked about.
    assert_eq!(ran.fake_elapsed, Duration::from_millis(250));
}

#[test]
fn attempts_are_limited_and_what_was_surely_not_done_is_no_doubt() {
    let ran = asked("", vec![Reply::lost()], found(json!([])));
    assert_eq!((ran.exit_code(), verbs(&ran).len()), (4, 6));
    let (headline, advice) = ran.headline_and_advice();
    assert_eq!(
        headline,
        "no answer to `POST /orders` came: no answer within 30 s; it was not done, says `verify`"
    );
    assert_eq!(advice, "run it again later; nothing is half done");
    assert!(ran.verdict.is_safe_to_rerun);
}

#[test]
fn a_question_that_fails_leaves_it_unknown_with_both_causes() {
    for (answer, words) in [
        (Reply::status(503), "api answered 503 Service Unavailable to `GET /orders`"),
        (Reply::status(404), "api answered 404 Not Found to `GET /orders`"),
        (Reply::unsent(), "api cannot be reached: connection refused"),
        (Reply::json(200, json!({"no": "list"})), "the rows of `GET /orders` cannot be read"),
    ] {
        let ran = asked("", vec![Reply::status(502)], move || answer.clone());
        assert_eq!((ran.exit_code(), ran.steps()[0].as_str()), (5, "order unknown"));
        let failure = ran.failure("order");
        assert_eq!(failure.cause, Cause::Unknown);
        let headline = "api answered 502 Bad Gateway to `POST /orders`; nobody knows whether it was done";
        assert_eq!(failure.headline.as_str(), headline);
        let notes: Vec<_> = failure.notes.iter().map(ToString::to_string).collect();
        assert!(notes[0].starts_with("`verify` could not tell: ") && notes[0].contains(words), "{notes:?}");
        assert!(!ran.verdict.is_safe_to_rerun);
    }
}

#[test]
fn what_was_not_sent_or_refused_is_not_asked_about() {
    let ran = asked(
        "",
        vec![Reply::unsent(), Reply::status(429), Reply::json(201, json!({"id": 1}))],
        || unreachable!(),
    );
    assert_eq!(ran.network.lines().len(), 4);
    let ran = asked("", vec![Reply::status(422)], || unreachable!());
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (1, 1));
}

#[test]
fn an_answer_whose_body_is_lost_is_made_good_by_verify_and_never_sent_again() {
    let page = Reply::text(200, "text/html", "<!doctype html><p>log in");
    for cut in [
        Reply::cut(201),
        Reply::unreadable_answer(Some(201)),
        Reply::text(201, "application/json", "{"),
        page,
    ] {
        let ran = asked("", vec![cut], found(json!([{"id": 7}])));
        assert_eq!((ran.exit_code(), verbs(&ran)), (0, ["POST", "GET", "PUT"].map(str::to_owned).to_vec()));
    }
    for answer in [json!([]), json!({})] {
        let ran = asked("", vec![Reply::cut(201)], found(answer));
        assert_eq!((ran.exit_code(), verbs(&ran)), (1, ["POST", "GET"].map(str::to_owned).to_vec()));
        let headline = &ran.failure("order").headline;
        assert!(headline.as_str().ends_with("it was done, but what it brought is lost"), "{headline}");
    }
}

#[test]
fn a_body_that_nobody_reads_is_not_asked_for() {
    let steps = "steps:\n  - { id: order, post: /orders, verify: { get: /orders, done: row_count >= 1 } }\n";
    let ran = Case::of_steps(steps).script([("POST https://api.test/orders", Reply::cut(201))]);
    assert_eq!(ran.exit_code(), 0);
}

#[test]
fn outputs_that_verify_lacks_have_their_default_or_are_lost() {
    let run = |outputs: &str| {
        let steps = format!(
            "steps:
  - id: order
    post: /orders
    verify: {{ get: /orders, done: row_count >= 1, outputs: {{ id: '$[0].id' }} }}
    outputs: {{ id: $.id, {outputs} }}
  - {{ id: ship, put: /x, json: {{ id: '${{{{ steps.order.outputs.id }}}}', way: '${{{{ steps.order.outputs.way }}}}' }} }}
"
        );
        Case::of_steps(&steps).run(answering("POST", vec![Reply::lost()], found(json!([{"id": 7}]))), |_| {})
    };
    let body = |ran: &Ran| ran.network.sent()[2].json();
    assert_eq!(body(&run("way: { path: $.way, default: post }")), json!({"id": 7, "way": "post"}));
    assert_eq!(body(&run("way: 'w-${{ outputs.id }}'")), json!({"id": 7, "way": "w-7"}));
    let ran = run("way: $.way");
    assert_eq!((ran.exit_code(), ran.steps()[0].as_str()), (1, "order failed"));
    let (headline, advice) = ran.headline_and_advice();
    assert_eq!(
        headline,
        "`POST /orders` was done, but the output `way` is lost with the answer, and `verify` brings none"
    );
    assert_eq!(advice, "let `verify` bring it: `outputs: { way: ... }`");
}

#[test]
fn rows_and_files_of_a_lost_answer_are_lost() {
    let steps = "steps:\n  - { id: order, post: /orders, save: order.json, verify: { get: /orders, done: row_count >= 1 } }\n";
    let ran = Case::of_steps(steps).run(answering("POST", vec![Reply::lost()], found(json!([1]))), |_| {});
    assert_eq!((ran.exit_code(), ran.file("order.json")), (1, None));
    let headline = "`POST /orders` was done, says `verify`, but its answer is lost and with it the file";
    assert_eq!(ran.headlines(), [headline]);
}

#[test]
fn what_a_secret_output_is_made_of_is_secret_in_verify_too() {
    let steps = "steps:
  - id: issue
    post: /tokens
    outputs: { token: { path: $.token, secret: true } }
    verify: { get: /tokens, done: row_count >= 1, outputs: { token: '$[0].token' } }
  - { id: use, get: /x, query: { t: '${{ steps.issue.outputs.token }}' } }
";
    let ran = Case::of_steps(steps).run(
        ScriptedTransport::new(|sent| match sent.line.split('?').next().unwrap() {
            "POST https://api.test/tokens" => Reply::lost(),
            "GET https://api.test/tokens" => Reply::json(200, json!([{"token": "sesame-open"}])),
            _ => Reply::status(404),
        }),
        |_| {},
    );
    assert_eq!(ran.exit_code(), 1);
    assert!(!format!("{:?}", ran.events).contains("sesame-open"));
}

#[test]
fn cleanup_undoes_what_verify_has_found_and_not_what_it_has_not() {
    let steps = "steps:
  - id: window
    post: /windows
    verify: { get: /windows, done: row_count >= 1 }
    cleanup: [{ delete: /windows }]
";
    let run =
        |rows: Value| Case::of_steps(steps).run(answering("POST", vec![Reply::lost()], found(rows)), |_| {});
    let ran = run(json!([1]));
    assert_eq!((ran.exit_code(), verbs(&ran).last().unwrap().as_str()), (0, "DELETE"));
    let ran = run(json!([]));
    assert_eq!((ran.exit_code(), verbs(&ran).last().unwrap().as_str()), (4, "GET"));
}

#[test]
fn key_and_verify_together_ask_about_what_the_key_leaves_open() {
    let key = "idempotency_key: '${{ run.id }}'";
    let ran = asked(key, vec![Reply::lost(), Reply::json(201, json!({"id": 7}))], || unreachable!());
    assert_eq!((ran.exit_code(), ran.network.lines().len()), (0, 3));
    let ran = asked(key, vec![Reply::lost()], found(json!([{"id": 7}])));
    assert_eq!(verbs(&ran), ["POST", "POST", "POST", "GET", "PUT"]);
    assert_eq!(ran.exit_code(), 0);
}

#[test]
fn a_verify_signs_in_where_its_provider_wants_that_and_calls_operations() {
    let playbook = "version: 1
providers:
  api:
    base_url: https://api.test
    operations:
      find: { get: /orders, params: { ref: {} }, query: { ref: '${{ params.ref }}' } }
steps:
  - id: each
    for_each: [a, b]
    post: /orders
    json: { ref: '${{ item }}' }
    outputs: { id: $.id }
    verify: { call: api.find, with: { ref: '${{ item }}' }, done: rows, outputs: { id: '$[0].id' } }
";
    let ran = Case::of(playbook).run(
        answering("POST", vec![Reply::json(201, json!({"id": 1})), Reply::lost()], found(json!([{"id": 2}]))),
        |_| {},
    );
    assert_eq!(ran.exit_code(), 0, "{:?}", ran.headlines());
    assert_eq!(ran.network.lines()[2], "GET https://api.test/orders?ref=b");
}

#[test]
fn a_dry_run_shows_key_and_question() {
    let steps = "steps:
  - id: order
    post: /orders
    idempotency_key: ${{ run.id }}-a
    verify: { get: /orders, done: row_count >= 1 }
";
    let dry = Case::of_steps(steps).dry_run();
    let text = format!("{:?}", dry.lines[0]);
    assert!(text.contains("Idempotency-Key: ‹run.id›-a"), "{text}");
    let question = &dry.lines[1];
    assert_eq!(
        (question.label.as_str(), question.notes[0].as_str()),
        ("verify order", "if nobody knows whether it was done")
    );
    assert!(format!("{question:?}").contains("Redacted(\"/orders\")"), "{question:?}");
    assert!(dry.summary().starts_with("1 request, "), "{}", dry.summary());
}

/// A write that is lost, a question about it that takes ten seconds, and meanwhile a signal, or two.
fn interrupted(is_insisted: bool) -> Ran {
    let steps = "steps:\n  - { id: order, post: /orders, verify: { get: /orders, done: row_count >= 1 } }\n";
    let case = Case::of_steps(steps);
    let (clock, cancellation) = (case.clock(), Rc::new(RefCell::new(Cancellation::default())));
    let for_network = cancellation.clone();
    let network = ScriptedTransport::new(move |sent| {
        if sent.line.starts_with("POST") {
            return Reply::lost();
        }
        for_network.borrow().cancel(15);
        let _ = is_insisted && for_network.borrow().insist();
        Reply::json(200, json!([])).after(Duration::from_secs(10), &clock)
    });
    case.run(network, |world| *cancellation.borrow_mut() = world.cancellation.clone())
}

#[test]
fn a_signal_while_it_is_asked_leaves_it_unknown() {
    let ran = interrupted(false);
    assert_eq!((ran.exit_code(), ran.steps()), (143, vec!["order unknown".to_owned()]));
    assert!(ran.verdict.causes.contains(&Cause::Unknown));
    let notes: Vec<_> = ran.failure("order").notes.iter().map(ToString::to_string).collect();
    assert!(notes[0].starts_with("`verify` could not tell: SIGTERM came during `GET /orders`"), "{notes:?}");
}

#[test]
fn a_second_signal_says_what_was_in_doubt() {
    let ran = interrupted(true);
    assert!(ran.verdict.causes.contains(&Cause::Unknown), "{:?}", ran.verdict);
    let notes: Vec<_> = ran.verdict.failures[0].notes.iter().map(ToString::to_string).collect();
    let expected =
        ["`GET /orders` was in flight", "`POST /orders` was sent before: nobody knows whether it was done"];
    assert_eq!(notes, expected);
}

fn advice_of_lost(case: Case) -> String {
    case.answer(|_| Reply::lost()).headline_and_advice().1
}

#[test]
fn what_goes_on_with_a_run_in_doubt_is_named_where_it_can() {
    let lost =
        |rest: &str| advice_of_lost(Case::of_steps(&format!("steps:\n  - {{ id: w, post: /w{rest} }}\n")));
    let look = "look at api whether it was done before you run this again, or it may be done twice";
    let resolve = "`runner resolve 01JD8Y3K000000000000000000 w --done` or `--retry` says so, and \
                   `runner resume 01JD8Y3K000000000000000000` goes on";
    assert_eq!(lost(""), format!("{look}; {resolve}"));
    assert_eq!(lost(", cleanup: [{ delete: /w }]"), look, "what is undone is not gone on with");
    let keyed = lost(", idempotency_key: '${{ run.id }}'");
    let resume = "`runner resume 01JD8Y3K000000000000000000` sends it again under its idempotency key, which api knows";
    assert!(keyed.starts_with(resume) && !keyed.contains("twice"), "{keyed}");
    assert_eq!(advice_of_lost(Case::of_steps("steps:\n  - post: /w\n").simulated()), look);
}

#[test]
fn each_item_in_doubt_is_named() {
    let steps = "steps:
  - { id: w, for_each: [a, b], post: /w, on_error: continue }
  - { id: g, for_each: [a], steps: [{ id: in, post: /in }] }
";
    let ran = Case::of_steps(steps).answer(|_| Reply::status(500));
    let doubt = |place: &str, path: &str| {
        let happened = format!("api answered 500 Internal Server Error to `POST {path}`");
        format!("`{place}`: {happened}; nobody knows whether it was done")
    };
    assert_eq!(ran.headlines(), [doubt("w[1]", "/w"), doubt("w[2]", "/w"), doubt("g[1]/in", "/in")]);
}

#[test]
fn a_write_that_still_connects_when_its_time_ends_was_surely_not_sent() {
    for (deadline, within, cause) in
        [("deadline: 3s\n", "", Cause::Deadline), ("", ", within: 3s", Cause::Step)]
    {
        let steps = format!(
            "{deadline}steps:\n  - {{ id: order, post: /orders, cleanup: [{{ delete: /orders }}]{within} }}\n"
        );
        let playbook = format!("version: 1\nproviders: {{ api: {{ base_url: https://api.test }} }}\n{steps}");
        let ran = Case::of(&playbook).answer(|_| Reply::connecting());
        assert_eq!((&ran.verdict.causes, ran.verdict.is_safe_to_rerun), (&vec![cause], true));
        assert_eq!((ran.network.lines().len(), ran.step("order").requests), (1, 0), "nothing is undone");
        let was_sent = ran.events.iter().find_map(|event| match event {
            EventKind::AttemptFinished { was_sent, .. } => Some(*was_sent),
            _ => None,
        });
        assert_eq!(was_sent, Some(false));
        assert!(ran.failure("order").headline.as_str().ends_with("during the connection for `POST /orders`"));
    }
}
