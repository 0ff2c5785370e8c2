//! What every journal keeps of a run whose process ends, wherever it ends.

use super::mortal::{Death, Stage};
use super::room::{End, Kind, RUN, Ran, Room, line};
use crate::port::fake::FakeStore;
use crate::port::{Class, Resolution, StoreError, StoreKey};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::rc::Rc;

const STEPS: &str = "steps:
  - { id: list, get: /list, rows: $ }
  - id: order
    post: /orders
    json: { key: '${{ uuid() }}', at: '${{ now() }}' }
    outputs: { id: $.id }
    cleanup:
      - delete: /orders/${{ steps.order.outputs.id }}
        if: steps.order.outputs.id is not none
  - id: lines
    for_each: ${{ steps.list.rows }}
    post: /lines/${{ item.id }}
    json: { order: '${{ steps.order.outputs.id }}', key: '${{ uuid() }}' }
    outputs: { id: $.id }
    cleanup: [{ delete: '/lines/${{ item.id }}' }]
  - id: state
    put: /state
    json: { lines: '${{ steps.lines.outputs.id }}', at: '${{ now() }}', key: '${{ uuid() }}' }
  - { id: saved, get: /list, rows: $, save: list.json }
  - { id: note, post: /note, json: { order: '${{ steps.order.outputs.id }}' } }
  - id: pair
    steps:
      - { id: inner, post: /inner, outputs: { id: $.id } }
    outputs: { id: '${{ steps.inner.outputs.id }}' }
  - { id: last, put: '/last/${{ steps.pair.outputs.id }}' }
cleanup:
  - { id: bye, post: /bye, json: { failed: '${{ run.failed }}' } }
";

const BOTH: [Kind; 2] = [Kind::Memory, Kind::File];

/// The run that nobody disturbs.
fn undisturbed() -> BTreeSet<String> {
    let mut room = Room::new(Kind::Memory, STEPS);
    let ran = room.process(None).unwrap().ran();
    assert_eq!(ran.verdict.exit_code(), 0, "{:?}", ran.failures());
    lines(&room)
}

fn lines(room: &Room) -> BTreeSet<String> {
    room.sent().iter().map(line).collect()
}

/// Lets a process end at each point of the run in turn, or at each of so many.
fn at_points(kind: Kind, stride: usize, mut check: impl FnMut(&mut Room, &Death)) {
    for points in (0..).step_by(stride) {
        let mut room = Room::new(kind, STEPS);
        match room.process(Some(points)).unwrap() {
            End::Died(death) => check(&mut room, &death),
            End::Ran(_) => {
                assert!(points > 100, "the run has few points: {points}");
                return;
            }
        }
    }
}

/// What this process does not ask for any more takes no room: a long run is as small at its end as at its beginning.
#[test]
fn a_journal_forgets_what_nobody_asks_for_again() {
    let mut room = Room::new(Kind::File, STEPS);
    let ran = room.process(None).unwrap().ran();
    assert_eq!((ran.verdict.exit_code(), ran.remembered), (0, 0));
    at_points(Kind::File, 7, |room, death| {
        let ran = room.process(None).unwrap().ran();
        assert!(ran.verdict.exit_code() != 0 || ran.remembered == 0, "{death:?}: {}", ran.remembered);
    });
}

/// Whether the writes of a place bring what others need.
fn brings(place: &str) -> bool {
    ["order", "lines[", "pair/inner"].iter().any(|step| place.starts_with(step)) && !place.contains("cleanup")
}

fn is_unclear(death: &Death) -> bool {
    death.class == Class::Once && matches!(death.stage, Stage::Announced | Stage::Performed)
}

/// Whether a write is known to be done, and what it brought was with the process only.
fn is_lost(death: &Death) -> bool {
    let is_known_anew = ["/moment", "/item of the list"].iter().any(|end| death.place.ends_with(end));
    let is_at_step = death.class == Class::Composed && !is_known_anew;
    let is_done = match death.stage {
        Stage::After => death.class == Class::Once,
        Stage::Performed => is_at_step,
        Stage::Before | Stage::Announced => false,
    };
    is_done && brings(&death.place)
}

/// What holds however a run has ended.
#[track_caller]
fn assert_sound(room: &Room, seen: &str) {
    let mut bodies: HashMap<String, String> = HashMap::new();
    for sent in room.sent() {
        let line = line(&sent);
        let first = bodies.entry(line.clone()).or_insert_with(|| sent.body.clone());
        assert_eq!(*first, sent.body, "{line} says something else the second time: {seen}");
        assert!(!line.starts_with("POST") || room.count(&line) == 1, "{line} was sent twice: {seen}");
    }
}

#[test]
fn a_run_goes_on_from_every_point() {
    let all = undisturbed();
    for kind in BOTH {
        at_points(kind, 1, |room, death| {
            let ran = room.process(None).unwrap().ran();
            let seen = format!("{kind:?} {death:?}\n{:?}\n{:?}", ran.failures(), lines(room));
            assert_sound(room, &seen);
            let code = if is_unclear(death) { 5 } else { i32::from(is_lost(death)) };
            assert_eq!(ran.verdict.exit_code(), code, "{seen}");
            if code == 0 {
                assert_eq!(lines(room), all, "{seen}");
                let saved = room.files.text("list.json").unwrap();
                assert_eq!(
                    serde_json::from_str::<Json>(&saved).unwrap().as_array().unwrap().len(),
                    2,
                    "{seen}"
                );
            }
            assert_undone(room, death, code, &seen);
        });
    }
}

/// What was done is undone at the end, once, and cleanup knows how the run has ended.
#[track_caller]
fn assert_undone(room: &Room, death: &Death, code: i32, seen: &str) {
    // A run that waits for an answer is not over: nothing of it is undone yet.
    if is_unclear(death) && !death.place.contains("cleanup/") {
        assert!(lines(room).iter().all(|line| !line.starts_with("DELETE")), "{seen}");
        return;
    }
    let is_order_missing = death.place.starts_with("order") && code != 0;
    assert_eq!(room.count("DELETE /orders/orders") == 0, is_order_missing, "{seen}");
    for id in [1, 2] {
        let is_done = room.count(&format!("POST /lines/{id}")) > 0;
        assert!(!is_done || room.count(&format!("DELETE /lines/{id}")) > 0, "{seen}");
    }
    let is_bye_unclear =
        death.place.starts_with("cleanup/bye") && code == 5 && death.stage == Stage::Announced;
    assert_eq!(room.count("POST /bye"), usize::from(!is_bye_unclear), "{seen}");
    let bye = room.sent().into_iter().find(|sent| line(sent) == "POST /bye");
    let has_failed = code != 0 && !death.place.contains("cleanup/");
    assert!(bye.is_none_or(|bye| bye.json()["failed"] == has_failed), "{seen}");
}

#[test]
fn a_run_whose_processes_end_again_and_again_does_nothing_twice() {
    for kind in BOTH {
        at_points(kind, 5, |room, death| {
            let mut later = 1;
            let ran: Ran = loop {
                match room.process(Some(later)).unwrap() {
                    End::Ran(ran) => break ran,
                    End::Died(_) => later += 7,
                }
            };
            let seen = format!("{kind:?} {death:?}\n{:?}\n{:?}", ran.failures(), lines(room));
            assert_sound(room, &seen);
            assert!([0, 1, 5].contains(&ran.verdict.exit_code()), "{seen}");
            assert!(!is_unclear(death) || ran.verdict.exit_code() == 5, "{seen}");
        });
    }
}

#[test]
fn what_a_person_has_found_out_counts() {
    for kind in BOTH {
        at_points(kind, 1, |room, death| {
            if !is_unclear(death) {
                return;
            }
            let is_done = death.stage == Stage::Performed;
            let resolution = if is_done { Resolution::Done } else { Resolution::Retry };
            room.resolve(death.place.strip_suffix("/request").unwrap(), resolution);
            let ran = room.process(None).unwrap().ran();
            let seen = format!("{kind:?} {death:?}\n{:?}\n{:?}", ran.failures(), lines(room));
            assert_sound(room, &seen);
            assert_eq!(ran.verdict.exit_code(), i32::from(is_done && brings(&death.place)), "{seen}");
        });
    }
}

/// With what the step has brought the run goes on as if nothing had happened.
#[test]
fn what_a_person_says_that_a_step_has_brought_counts() {
    let all = undisturbed();
    at_points(Kind::File, 1, |room, death| {
        if !is_unclear(death) || death.stage != Stage::Performed || !brings(&death.place) {
            return;
        }
        let write = room.sent().iter().map(line).rfind(|line| line.starts_with("POST")).unwrap();
        let id = write.trim_start_matches("POST /").replace('/', "-");
        let told = crate::engine::told(Map::from_iter([("id".to_owned(), Json::from(id))]));
        room.tell(death.place.strip_suffix("/request").unwrap(), Resolution::Done, told);
        let ran = room.process(None).unwrap().ran();
        assert_eq!(
            (ran.verdict.exit_code(), lines(room)),
            (0, all.clone()),
            "{death:?}: {:?}",
            ran.failures()
        );
    });
}

const SECRET_STEPS: &str = "steps:
  - id: key
    post: /keys
    outputs: { key: { path: $.key, secret: true } }
    cleanup: [{ delete: /keys }]
  - { id: use, post: /use, json: { key: '${{ steps.key.outputs.key }}' } }
";

/// A room whose process has ended when the step that brings a secret was known to be done.
fn room_with_secret(kind: Kind, store: fn() -> FakeStore) -> Room {
    for points in 0.. {
        let mut room = Room::new(kind, SECRET_STEPS);
        room.store = Rc::new(store());
        let End::Died(death) = room.process(Some(points)).unwrap() else { break };
        if death.place == "key" && death.stage == Stage::After {
            return room;
        }
    }
    panic!("the step has no end")
}

fn assert_no_secret_on_disk(room: &Room) {
    let text = fs::read_to_string(room.path()).unwrap();
    assert!(text.contains("POST https://api.test/keys"), "{text}");
    assert!(!text.contains("geheim"), "{text}");
}

#[test]
fn a_secret_that_a_step_brought_is_there_again_where_it_was_kept() {
    for kind in BOTH {
        let mut room = room_with_secret(kind, FakeStore::default);
        let key = StoreKey { service: "runner/journal".to_owned(), user: format!("{RUN}/key/0") };
        assert_eq!(room.store.entry(&key).is_some(), kind == Kind::File);
        let ran = room.process(None).unwrap().ran();
        assert_eq!(ran.verdict.exit_code(), 0, "{:?}", ran.failures());
        let used = room.sent().into_iter().find(|sent| line(sent) == "POST /use").unwrap();
        assert_eq!(used.json()["key"], "geheim-4711");
        assert_eq!(room.count("POST /keys"), 1);
        assert!(room.store.entry(&key).is_none(), "a run that is done leaves no secret behind");
        if kind == Kind::File {
            assert_no_secret_on_disk(&room);
        }
    }
}

#[test]
fn a_secret_that_nobody_could_keep_is_said_to_be_lost() {
    let mut room = room_with_secret(Kind::File, || FakeStore::failing(StoreError::Locked));
    let ran = room.process(None).unwrap().ran();
    assert_eq!(ran.verdict.exit_code(), 1);
    let failures = ran.failures();
    assert!(
        failures[0].contains("is a secret and was kept nowhere; what is registered as cleanup"),
        "{failures:?}"
    );
    assert_eq!((room.count("POST /keys"), room.count("POST /use"), room.count("DELETE /keys")), (1, 0, 1));
    assert_no_secret_on_disk(&room);
}

#[test]
fn a_write_in_doubt_is_named_though_the_run_does_not_come_to_it() {
    let steps = format!("{SECRET_STEPS}  - {{ id: w, for_each: [1, 2], post: '/w/${{{{ item }}}}' }}\n");
    let is_in_flight = |death: &Death| death.place == "w[2]/request" && death.stage == Stage::Announced;
    let mut room = (0..)
        .find_map(|points| {
            let mut room = Room::new(Kind::File, &steps);
            room.store = Rc::new(FakeStore::failing(StoreError::Locked));
            let End::Died(death) = room.process(Some(points)).unwrap() else { panic!("no such point") };
            is_in_flight(&death).then_some(room)
        })
        .expect("a point");
    for _ in 0..2 {
        let ran = room.process(None).unwrap().ran();
        let failures = ran.failures();
        assert_eq!((ran.verdict.exit_code(), ran.verdict.is_safe_to_rerun), (5, false), "{failures:?}");
        let told = failures.last().unwrap();
        let headline =
            "nobody knows whether `w[2]` was done: the process before ended while it was on its way";
        assert!(told.starts_with(headline), "{told}");
        assert!(told.contains(&format!("`runner resolve {RUN} 'w[2]' --done` or `--retry`")), "{told}");
        assert_eq!(room.count("DELETE /keys"), 0, "the run waits for an answer");
    }
    room.resolve("w[2]", Resolution::Done);
    let ran = room.process(None).unwrap().ran();
    assert_eq!((ran.verdict.exit_code(), room.count("DELETE /keys")), (1, 1), "{:?}", ran.failures());
}

#[test]
fn a_process_that_has_ended_by_itself_was_not_cut_off() {
    let mut room = Room::new(Kind::File, "steps:\n  - { id: w, post: /unsure }\n");
    assert_eq!(room.process(None).unwrap().ran().verdict.exit_code(), 5);
    let ran = room.process(None).unwrap().ran();
    let told = ran.failures().remove(0);
    let headline =
        "nobody knows whether `POST /unsure` was done: the process before sent it and could not find out, ";
    assert!(told.starts_with(headline), "{told}");
    assert_eq!((ran.verdict.exit_code(), room.count("POST /unsure")), (5, 1));
}
