//! What is sent a second time, under a key or since it does no harm, after it was done: it stays done, whatever becomes of
//! the later attempts.

use super::mortal::{Death, Stage};
use super::room::{End, Kind, Room, line};
use crate::port::StoreError;
use crate::port::fake::{FakeStore, Reply, ScriptedTransport, Sent};
use std::rc::Rc;

const BOTH: [Kind; 2] = [Kind::Memory, Kind::File];

/// A room whose process has ended at this point of a run.
fn ended_at(kind: Kind, steps: &str, place: &str, stage: Stage) -> Room {
    let is_there = |death: &Death| death.place == place && death.stage == stage;
    let room = (0..).find_map(|points| {
        let mut room = Room::new(kind, steps);
        room.store = Rc::new(FakeStore::failing(StoreError::Locked));
        match room.process(Some(points)).unwrap() {
            End::Died(death) => is_there(&death).then_some(room),
            End::Ran(_) => panic!("there is no such point"),
        }
    });
    room.expect("a point")
}

/// Answers every request so from now on.
fn answer_all(room: &mut Room, reply: Reply) {
    room.network = Rc::new(ScriptedTransport::new(move |_| reply.clone()));
}

/// The provider knows keys for 90 minutes, and an hour goes by between two processes.
#[test]
fn a_write_that_was_done_stays_done_when_its_key_is_forgotten() {
    let steps = "steps:
  - { id: pay, post: /pay, idempotency_key: '${{ run.id }}-pay', outputs: { id: $.id }, cleanup: [{ delete: /pay }] }
";
    for kind in BOTH {
        let mut room = ended_at(kind, steps, "pay/request", Stage::After);
        answer_all(&mut room, Reply::status(409));
        let ran = room.process(None).unwrap().ran();
        let failures = ran.failures();
        assert_eq!((ran.verdict.exit_code(), ran.verdict.is_safe_to_rerun), (1, false), "{failures:?}");
        assert!(
            failures[0].contains("an attempt before has done it, but what it brought is lost"),
            "{failures:?}"
        );
        assert_eq!((room.count("POST /pay"), room.count("DELETE /pay")), (1, 1), "{kind:?} {failures:?}");
    }
    let without_cleanup = steps.replace(", cleanup: [{ delete: /pay }]", "");
    for kind in BOTH {
        let mut room = ended_at(kind, &without_cleanup, "pay/request", Stage::After);
        for (reply, sent) in [(Reply::status(409), 1), (Reply::status(200), 0)] {
            answer_all(&mut room, reply);
            let ran = room.process(None).unwrap().ran();
            let failures = ran.failures();
            assert_eq!(ran.verdict.exit_code(), 1, "{failures:?}");
            assert!(failures[0].contains("but what it brought is lost"), "{failures:?}");
            assert_eq!(room.count("POST /pay"), sent, "{kind:?} {failures:?}");
        }
    }
}

#[test]
fn what_an_earlier_process_has_deleted_is_gone_and_that_is_fine() {
    for stage in [Stage::Performed, Stage::After] {
        for kind in BOTH {
            let mut room = ended_at(kind, "steps: [{ id: tidy, delete: /old }]\n", "tidy/request", stage);
            answer_all(&mut room, Reply::status(404));
            let ran = room.process(None).unwrap().ran();
            assert_eq!(ran.verdict.exit_code(), 0, "{kind:?} {stage:?} {:?}", ran.failures());
        }
    }
}

#[test]
fn what_an_earlier_process_may_have_done_is_undone_though_it_is_refused_now() {
    let steps = "steps: [{ id: set, put: /set, cleanup: [{ delete: /set }] }]\n";
    for stage in [Stage::Announced, Stage::Performed, Stage::After] {
        for kind in BOTH {
            let mut room = ended_at(kind, steps, "set/request", stage);
            answer_all(&mut room, Reply::status(409));
            let ran = room.process(None).unwrap().ran();
            let seen = format!("{kind:?} {stage:?} {:?}", ran.failures());
            assert_eq!((room.count("PUT /set"), room.count("DELETE /set")), (1, 1), "{seen}");
        }
    }
}

/// The first step is done anew, since nobody could keep its secret.
const UNDONE_STEPS: &str = "steps:
  - { id: key, get: /key, outputs: { key: { path: $.key, secret: true } } }
  - { id: order, post: /orders, cleanup: [{ delete: /orders }] }
  - id: lines
    for_each: [1, 2]
    post: /lines/${{ item }}
    outputs: { id: $.id }
    cleanup: [{ delete: '/lines/${{ steps.lines.outputs.id }}' }]
  - id: pair
    steps: [{ id: inner, post: /inner, cleanup: [{ delete: /inner }] }]
  - id: saved
    for_each: [3, 4]
    post: /saved/${{ item }}
    rows: $
    save: saved.ndjson
    cleanup: [{ delete: '/saved/${{ item }}' }]
  - { id: last, put: /last }
";

/// What a process that fails at once does about what the one before has done.
fn undone_after(place: &str, stage: Stage) -> (Vec<String>, Vec<String>) {
    let mut room = ended_at(Kind::File, UNDONE_STEPS, place, stage);
    room.network = Rc::new(ScriptedTransport::new(|sent| match line(sent).as_str() {
        "GET /key" => Reply::status(404),
        _ => Reply::status(200),
    }));
    let ran = room.process(None).unwrap().ran();
    assert_eq!((ran.verdict.exit_code(), room.count("GET /key")), (1, 1), "{:?}", ran.failures());
    (room.sent()[1..].iter().map(line).collect(), ran.failures())
}

/// The run ends before it comes to what was done: that is undone all the same.
#[test]
fn what_was_done_behind_the_step_that_ends_a_resumed_run_is_undone() {
    let saved = ["DELETE /saved/4", "DELETE /saved/3"];
    let others = ["DELETE /inner", "DELETE /lines/lines-2", "DELETE /lines/lines-1", "DELETE /orders"];
    let (sent, failures) = undone_after("last/request", Stage::Before);
    assert_eq!(sent, [&saved[..], &others[..]].concat(), "{failures:?}");
    // Half of what goes into one file.
    let (sent, failures) = undone_after("saved[1]/request", Stage::After);
    assert_eq!(sent, [&saved[1..], &others[..]].concat(), "{failures:?}");
    let (sent, failures) = undone_after("lines[2]/request", Stage::Before);
    assert_eq!(sent, others[2..], "{failures:?}");
}

/// A step that has failed is done anew by the next process, and may succeed.
#[test]
fn a_condition_that_reads_differently_now_neither_hides_nor_loses_what_was_done() {
    let steps = "steps:
  - { id: main, get: /main, on_error: continue }
  - { id: window, if: not steps.main.succeeded, post: /window, cleanup: [{ delete: /window }] }
  - { id: all, if: not steps.main.succeeded, for_each: [1], steps: [{ id: inner, post: /inner, cleanup: [{ delete: /inner }] }] }
  - { id: last, put: /last }
";
    let is_there = |death: &Death| death.place == "last/request" && death.stage == Stage::Before;
    let away = |sent: &Sent| Reply::status(if line(sent) == "GET /main" { 404 } else { 200 });
    let room = (0..).find_map(|points| {
        let mut room = Room::new(Kind::File, steps);
        room.network = Rc::new(ScriptedTransport::new(away));
        let End::Died(death) = room.process(Some(points)).unwrap() else { panic!("there is no such point") };
        is_there(&death).then_some(room)
    });
    let mut room = room.expect("a point");
    answer_all(&mut room, Reply::status(200));
    let ran = room.process(None).unwrap().ran();
    assert_eq!(ran.verdict.exit_code(), 0, "{:?}", ran.failures());
    let sent: Vec<_> = room.sent().iter().map(line).collect();
    assert_eq!(sent, ["GET /main", "PUT /last", "DELETE /inner", "DELETE /window"]);
}
