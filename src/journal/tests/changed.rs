//! A playbook that has changed since its run began: what was done is neither done again nor forgotten.

use super::mortal::Stage;
use super::room::{End, Kind, Room, line};
use crate::port::Resolution;
use crate::port::fake::{Reply, ScriptedTransport};
use std::rc::Rc;

/// Of the step that is `{}` tests make others.
const AROUND: &str = "steps:
  - { id: first, get: /first }
{}
  - { id: last, get: /last }
";
const ORDER: &str = "  - { id: order, post: /orders, headers: { X-A: a }, query: { q: 1 }, json: { n: 1, of: '${{ run.id }}' } }";

fn around(steps: &str) -> String {
    AROUND.replace("{}", steps)
}

/// A room whose process has ended at this point of a run.
fn ended_at(steps: &str, place: &str, stage: Stage, prepare: impl Fn(&mut Room)) -> Room {
    let room = (0..).find_map(|points| {
        let mut room = Room::new(Kind::File, steps);
        prepare(&mut room);
        match room.process(Some(points)).unwrap() {
            End::Died(death) => (death.place == place && death.stage == stage).then_some(room),
            End::Ran(_) => panic!("there is no such point"),
        }
    });
    room.expect("a point")
}

/// A room whose process has ended with all of these steps done.
fn done(steps: &str) -> Room {
    ended_at(&around(steps), "last", Stage::Before, |_| {})
}

#[track_caller]
fn assert_displaced(room: &Room, steps: &str, wanted: &[&str]) {
    let found = room.displaced(&around(steps));
    assert_eq!(found.len(), wanted.len(), "{steps}\n{found:#?}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(found.contains(wanted), "{steps}\n{found} instead of {wanted}");
    }
}

const GONE: &str = "`order` was done, and is no step of it any more";
const OTHER: &str = "`order` was done, and now asks for something else";

#[test]
fn what_was_done_must_still_be_there() {
    let room = done(ORDER);
    let in_group = format!("  - id: pair\n    steps:\n    {ORDER}");
    for steps in [
        ORDER.replace("id: order", "id: purchase"),
        ORDER.replace("id: order, ", ""),
        ORDER.replace("{ id: order", "{ id: order, for_each: [1]"),
        in_group.clone(),
        String::new(),
    ] {
        assert_displaced(&room, &steps, &[GONE]);
    }
    assert_displaced(&done(&in_group), ORDER, &["`pair/order` was done, and is no step"]);
    assert_displaced(&done(&in_group), &in_group, &[]);
}

#[test]
fn what_was_done_must_ask_for_the_same() {
    let room = done(ORDER);
    for (before, after) in [
        ("post: /orders", "put: /orders"),
        ("post: /orders", "post: /payments"),
        ("X-A: a", "X-A: b"),
        ("X-A: a", "X-B: a"),
        ("q: 1", "q: 2"),
        ("n: 1", "n: '1'"),
        ("n: 1", "n: 1, m: [2]"),
        ("of: '${{ run.id }}'", "of: '${{ now() }}'"),
    ] {
        assert_displaced(&room, &ORDER.replace(before, after), &[OTHER]);
    }
    let answered =
        ORDER.replace("id: order", "id: order, outputs: { id: $.id }, within: 5s, on_error: continue");
    let answered =
        answered.replace("json:", "retry: { attempts: 2 }, timeout: 3s, expect: { status: 200 }, json:");
    let among_others = format!("  - {{ post: /new }}\n\n  # moved\n{answered}\n  - {{ post: /newer }}");
    assert_displaced(&room, &among_others, &[]);
    assert_displaced(&room, "  - { id: order, steps: [{ get: /x }] }", &["sends no request any more"]);
}

#[test]
fn steps_in_loops_and_cleanup_are_told_once() {
    let steps = "  - id: each
    for_each: [1, 2, 3]
    steps: [{ id: make, post: '/make/${{ item }}', cleanup: [{ delete: '/make/${{ item }}' }] }]
  - { post: /w }
  - { post: /w }";
    let room = done(steps);
    assert_displaced(&room, steps, &[]);
    assert_displaced(&room, &steps.replace("id: make", "id: made"), &["`each[1]/make` was done, and is no"]);
    let one_less = steps.strip_suffix("\n  - { post: /w }").unwrap();
    assert_displaced(&room, one_less, &["`POST /w (2)` was done"]);
    let other_first = steps.replacen("post: /w", "post: /w, json: 1", 1);
    assert_displaced(&room, &other_first, &["`POST /w` was done, and now asks"]);
    let undoing =
        ended_at(&around(steps), "each[1]/make/cleanup/DELETE /make/${{ item }}", Stage::Before, |_| {});
    assert_displaced(&undoing, steps, &[]);
    let undone = ["/cleanup/DELETE", "was done, and is no step"];
    let found =
        undoing.displaced(&around(&steps.replace("[{ delete: '/make/${{ item }}' }]", "[{ delete: /all }]")));
    assert!(found.len() == 1 && undone.iter().all(|words| found[0].contains(words)), "{found:?}");
}

/// Only what was done counts, or may have been: not what was surely refused, nor what a person wants again.
#[test]
fn what_was_not_done_may_go() {
    let unsure = |reply: &'static Reply| {
        move |room: &mut Room| {
            room.network = Rc::new(ScriptedTransport::new(move |sent| match line(sent).as_str() {
                "POST /orders?q=1" => reply.clone(),
                _ => Reply::status(204),
            }));
        }
    };
    let on_error = ORDER.replace("id: order", "id: order, on_error: continue");
    for (status, wanted) in [(404, &[][..]), (500, &["`order` may have been done, and is no step"])] {
        let reply: &'static Reply = Box::leak(Box::new(Reply::status(status)));
        let room = ended_at(&around(&on_error), "last", Stage::Before, unsure(reply));
        assert_displaced(&room, "", wanted);
        if status == 500 {
            room.resolve("order", Resolution::Retry);
            assert_displaced(&room, "", &[]);
        }
    }
    let room = ended_at(&around(ORDER), "order/request", Stage::Announced, |_| {});
    assert_displaced(&room, "", &["`order` may have been done, and is no step"]);
    room.resolve("order", Resolution::Done);
    assert_displaced(&room, "", &[GONE]);
}

const LOOP: &str =
    "  - { id: w, for_each: [1, 2, 3], post: '/w/${{ item }}', cleanup: [{ delete: '/w/${{ item }}' }] }";
const SHORTER: &str = "the list of `w` has 2 items now, and a process before has done item 3, or may have";

/// Nothing is known of an item behind the end of its list. It is waited for, and undone when it is there again.
#[test]
fn a_list_does_not_lose_an_item_that_was_done() {
    let saved = LOOP.replace("id: w", "id: w, rows: $, save: w.ndjson").replace("/w/", "/saved/");
    for steps in [LOOP, &saved] {
        let mut room = done(steps);
        room.change(&around(&steps.replace("[1, 2, 3]", "[1, 2]")));
        let sent = room.sent().len();
        let ran = room.process(None).unwrap().ran();
        let failures = ran.failures();
        assert_eq!((ran.verdict.exit_code(), room.sent().len()), (1, sent), "{failures:?}");
        assert!(failures.len() == 1 && failures[0].contains(SHORTER), "{failures:?}");
        // Another list of the same length is none of that run either.
        room.change(&around(&steps.replace("[1, 2, 3]", "[2, 2, 3]")));
        let failures = room.process(None).unwrap().ran().failures();
        assert!(failures[0].contains("`w[1]` is another item"), "{failures:?}");
        assert_eq!(room.sent().len(), sent, "{failures:?}");
        room.change(&around(steps));
        assert_eq!(room.process(None).unwrap().ran().verdict.exit_code(), 0);
        let rest: Vec<_> = room.sent()[sent..].iter().map(line).collect();
        assert!(rest[0] == "GET /last" && rest[1].ends_with("/3") && rest.len() == 4, "{rest:?}");
    }
}

/// An item for which nothing was done may go.
#[test]
fn a_list_may_lose_an_item_that_was_refused() {
    let refusing = |room: &mut Room| {
        room.network = Rc::new(ScriptedTransport::new(|sent| match line(sent).as_str() {
            "POST /w/3" => Reply::status(404),
            _ => Reply::status(204),
        }));
    };
    let steps = around(&LOOP.replace("id: w", "id: w, on_error: continue"));
    let mut room = ended_at(&steps, "last", Stage::Before, refusing);
    room.change(&steps.replace("[1, 2, 3]", "[1, 2]"));
    let ran = room.process(None).unwrap().ran();
    assert_eq!(ran.verdict.exit_code(), 0, "{:?}", ran.failures());
}

/// A run that is over does not wait: what it can still find it undoes, and it tells the rest.
#[test]
fn a_run_in_cleanup_tells_of_an_item_that_is_lost() {
    let steps = around(LOOP) + "  - { get: /gone }\n";
    let refusing = |room: &mut Room| {
        room.network = Rc::new(ScriptedTransport::new(|sent| match line(sent).as_str() {
            "GET /gone" => Reply::status(404),
            _ => Reply::status(204),
        }));
    };
    let mut room = ended_at(&steps, "w[3]/cleanup/DELETE /w/${{ item }}", Stage::Before, refusing);
    room.change(&steps.replace("[1, 2, 3]", "[1, 2]"));
    let ran = room.process(None).unwrap().ran();
    assert!(ran.failures().iter().any(|failure| failure.contains(SHORTER)), "{:?}", ran.failures());
    assert_eq!(["1", "2", "3"].map(|item| room.count(&format!("DELETE /w/{item}"))), [1, 1, 0]);
}
