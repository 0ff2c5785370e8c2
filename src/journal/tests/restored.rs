//! What a run that is gone on with finds of what it has read and sent, and what it reads anew.

use super::mortal::Stage;
use super::room::{End, Kind, RUN, Ran, Room, line};
use crate::port::fake::{FakeStore, Reply, ScriptedTransport};
use crate::port::{StoreError, StoreKey};
use serde_json::{Value as Json, json};
use std::cell::RefCell;
use std::fs;
use std::rc::Rc;

/// A room whose process has ended at this point of a deed.
fn dead_at(kind: Kind, steps: &str, place: &str, stage: Stage, prepare: impl Fn(&mut Room)) -> Room {
    for points in 0.. {
        let mut room = Room::new(kind, steps);
        prepare(&mut room);
        let End::Died(death) = room.process(Some(points)).unwrap() else { break };
        if death.place == place && death.stage == stage {
            return room;
        }
    }
    panic!("it never comes to {place}")
}

/// The run to its end.
fn rest(room: &mut Room) -> Ran {
    room.process(None).unwrap().ran()
}

/// Whether nothing can be kept that is secret.
fn without_keychain(room: &mut Room) {
    room.store = Rc::new(FakeStore::failing(StoreError::Locked));
}

/// A key that names nothing of its item counts once in a run, whichever process has used it.
#[test]
fn an_item_does_not_get_the_key_of_one_that_is_done() {
    let steps = "steps:
  - id: w
    for_each: [{ name: a, key: k }, { name: b, key: k }]
    on_error: continue
    post: '/w/${{ item.name }}'
    idempotency_key: '${{ item.key }}'
  - { id: other, post: /other, idempotency_key: k }
";
    let mut room = dead_at(Kind::File, steps, "w[1]", Stage::After, |_| {});
    let ran = rest(&mut room);
    assert!(
        ran.failures()[0].contains("an item before had the same idempotency key"),
        "{:?}",
        ran.failures()
    );
    assert_eq!([room.count("POST /w/a"), room.count("POST /w/b"), room.count("POST /other")], [1, 0, 1]);
}

const READ: &str = "steps:
  - { id: key, get: /keys, outputs: { key: { path: $.key, secret: true } } }
  - { get: /gone }
cleanup: [{ id: bye, post: /bye }]
";

/// A run that is over reads nothing any more, whatever is lost of what it has read.
#[test]
fn a_read_that_is_lost_is_not_done_in_a_run_that_is_over() {
    let mut room = dead_at(Kind::File, READ, "cleanup/bye", Stage::Before, |room| {
        without_keychain(room);
        room.network = Rc::new(ScriptedTransport::new(|sent| match line(sent).as_str() {
            "GET /gone" => Reply::status(404),
            _ => Reply::json(200, json!({ "key": "geheim-4711" })),
        }));
    });
    let ran = rest(&mut room);
    assert_eq!((ran.verdict.exit_code(), room.count("GET /keys"), room.count("POST /bye")), (1, 1, 1));
}

const WITH_SECRETS: &str = "steps:
  - { id: key, post: /keys, outputs: { key: { path: $.key, secret: true } } }
  - { id: list, get: /list, rows: $, outputs: { all: $ } }
  - { id: w, for_each: '${{ steps.list.rows }}', post: '/w/${{ item.id }}', json: { key: '${{ item.key }}' } }
";

fn secrets_in_list(room: &mut Room) {
    room.network = Rc::new(ScriptedTransport::new(|sent| match line(sent).as_str() {
        "GET /list" => {
            Reply::json(200, json!([{ "id": 1, "key": "geheim-4711" }, { "id": 2, "a/b": ["geheim-4711"] }]))
        }
        _ => Reply::json(200, json!({ "key": "geheim-4711" })),
    }));
}

/// Where an answer repeats a secret, that alone is kept as one.
#[test]
fn only_what_is_secret_of_an_answer_is_kept_as_a_secret() {
    let mut room = dead_at(Kind::File, WITH_SECRETS, "w[1]/moment", Stage::Before, secrets_in_list);
    let text = fs::read_to_string(room.path()).unwrap();
    assert!(!text.contains("geheim") && text.contains(r#"{"id":2,"a/b":[null]}"#), "{text}");
    let key =
        |number: u8| StoreKey { service: "runner/journal".to_owned(), user: format!("{RUN}/list/{number}") };
    for number in [0, 1] {
        assert_eq!(room.store.entry(&key(number)).unwrap().0, r#"["geheim-4711","geheim-4711"]"#);
    }
    let ran = rest(&mut room);
    assert_eq!(ran.verdict.exit_code(), 0, "{:?}", ran.failures());
    let keys: Vec<Json> = room
        .sent()
        .iter()
        .filter(|sent| line(sent).starts_with("POST /w/"))
        .map(|sent| sent.json())
        .collect();
    assert_eq!(keys, [json!({ "key": "geheim-4711" }), json!({})]);
    assert_eq!((room.count("POST /w/1"), room.count("GET /list")), (1, 1));
}

/// A room with a list of keys that nobody could keep, which answers with the lists in turn.
fn lists(lists: [Json; 2]) -> impl Fn(&mut Room) {
    move |room| {
        without_keychain(room);
        let left = RefCell::new(lists.to_vec());
        room.network = Rc::new(ScriptedTransport::new(move |sent| match line(sent).as_str() {
            "GET /list" => Reply::json(200, left.borrow_mut().remove(0)),
            _ => Reply::status(200),
        }));
    }
}

fn loop_over(list: &str, over: &str, what: &str) -> String {
    format!(
        "steps:
  - {{ id: list, get: /list, outputs: {{ {list} }} }}
  - {{ id: w, for_each: '${{{{ steps.list.outputs.{over} }}}}', {what} }}
"
    )
}

const KEYS: &str = "key: { path: '$[0].key', secret: true }, all: $";

/// A list that is lost with a secret in it is read anew, and each item must be the one that it was.
#[test]
fn a_list_that_is_lost_is_read_anew_and_held_against_what_was_done() {
    let steps = loop_over(KEYS, "all", "post: '/w/${{ item.id }}'");
    let item = |id: u8| json!({ "id": id, "key": format!("geheim-471{id}") });
    let same = json!([item(1), item(2)]);
    let mut room = dead_at(Kind::File, &steps, "w[1]", Stage::After, lists([same.clone(), same.clone()]));
    let ran = rest(&mut room);
    assert_eq!(ran.verdict.exit_code(), 0, "{:?}", ran.failures());
    assert_eq!([room.count("GET /list"), room.count("POST /w/1"), room.count("POST /w/2")], [2, 1, 1]);

    let other = json!([item(3), item(1), item(2)]);
    let mut room = dead_at(Kind::File, &steps, "w[1]", Stage::After, lists([same, other]));
    let ran = rest(&mut room);
    let refused = "`w[1]` is another item than when the run began; nothing was sent for it";
    assert!(ran.failures()[0].starts_with(refused), "{:?}", ran.failures());
    assert_eq!([room.count("GET /list"), room.count("POST /w/3"), room.count("POST /w/1")], [2, 0, 1]);
}

#[test]
fn an_item_that_is_all_secret_cannot_be_told_from_another() {
    let steps = loop_over("keys: { path: $, secret: true }", "keys", "post: /w");
    let keys = json!(["geheim-1", "geheim-2"]);
    let mut room = dead_at(Kind::File, &steps, "w[1]", Stage::After, lists([keys.clone(), keys]));
    let ran = rest(&mut room);
    let refused = "`w[1]` is all secret, and nobody can tell whether it is still the same item; nothing was sent for it";
    assert!(ran.failures()[0].starts_with(refused), "{:?}", ran.failures());
    assert_eq!(room.count("POST /w"), 1);
}

#[test]
fn what_is_read_for_the_items_of_a_list_is_read_anew_with_it() {
    let reads = loop_over(KEYS, "all", "get: '/r/${{ item.id }}'");
    let steps = format!("{reads}  - {{ id: last, post: /last }}\n");
    let item = |id: u8| json!({ "id": id, "key": "geheim-4711" });
    let list = [json!([item(1), item(2)]), json!([item(2), item(3)])];
    let mut room = dead_at(Kind::File, &steps, "last/moment", Stage::Before, lists(list));
    let ran = rest(&mut room);
    assert_eq!(ran.verdict.exit_code(), 0, "{:?}", ran.failures());
    assert_eq!([room.count("GET /r/1"), room.count("GET /r/2"), room.count("GET /r/3")], [1, 2, 1]);
}
