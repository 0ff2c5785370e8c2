//! A journal that was cut, or of which a bit has changed: nothing that it told is done again.

use super::room::{End, Kind, RUN, Room};
use crate::journal::{Damage, Recording, RunFile, RunSummary, TakeUpError};
use crate::port::{Known, Place};
use std::collections::HashMap;
use std::fs;

const STEPS: &str = "steps:
  - id: order
    post: /orders
    outputs: { id: $.id }
    cleanup: [{ delete: '/orders/${{ steps.order.outputs.id }}' }]
  - { id: note, post: '/notes/${{ steps.order.outputs.id }}' }
  - { id: state, put: /state }
  - { id: done, post: /done }
";

const ONCE: [&str; 3] = ["POST /orders", "POST /notes/orders", "POST /done"];

/// A room whose process has ended at a point, and the journal that it has left.
fn room(points: usize) -> (Room, Vec<u8>) {
    let mut room = Room::new(Kind::File, STEPS);
    room.process(Some(points)).unwrap();
    let bytes = fs::read(room.path()).unwrap();
    (room, bytes)
}

/// So many points has the run.
fn points() -> usize {
    (0..)
        .find(|points| matches!(Room::new(Kind::File, STEPS).process(Some(*points)), Ok(End::Ran(_))))
        .unwrap()
}

/// How long the file was when it was last made durable.
fn durable(bytes: &[u8]) -> usize {
    std::str::from_utf8(&bytes[27..43]).unwrap().parse().unwrap()
}

/// The writes that the durable part of the journal tells of.
fn told(bytes: &[u8]) -> HashMap<Place, Known> {
    Recording::of(&bytes[..durable(bytes)]).known()
}

#[track_caller]
fn assert_nothing_forgotten(changed: &Recording, told: &HashMap<Place, Known>, how: &str) {
    let known = changed.known();
    for (place, before) in told {
        let now = known.get(place).unwrap_or_else(|| panic!("{how}: {place} is forgotten"));
        assert!(now.open.is_some() || now.outcome.is_some() || before.first.is_none(), "{how}: {place}");
    }
}

#[test]
fn a_cut_of_what_was_durable_is_seen_and_one_behind_it_forgets_nothing() {
    for points in (0..points()).step_by(9) {
        let (_, bytes) = room(points);
        let (durable, told) = (durable(&bytes), told(&bytes));
        for length in 0..=bytes.len() {
            let changed = Recording::of(&bytes[..length]);
            match &changed.damage {
                None if length == 0 => assert!(changed.records.is_empty()),
                Some(Damage::Header) => assert!((1..56).contains(&length)),
                Some(Damage::Cut { found, wanted }) => {
                    assert_eq!((*found, *wanted), (length as u64, durable as u64));
                    assert!(length < durable, "{length} of {durable}");
                }
                Some(damage) => panic!("{length}: {damage}"),
                None => {
                    assert!(length >= durable, "a cut to {length} of {durable} is not seen");
                    assert_nothing_forgotten(&changed, &told, &format!("cut to {length}"));
                }
            }
        }
    }
}

#[test]
fn a_bit_that_has_changed_is_seen_or_lies_behind_what_was_durable() {
    for points in [13, points() - 1] {
        let (_, bytes) = room(points);
        let (durable, told) = (durable(&bytes), told(&bytes));
        let tail = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1 << (place % 8);
            let changed = Recording::of(&changed);
            let how = format!("bit {} of byte {place}", place % 8);
            match &changed.damage {
                Some(Damage::Line { byte, .. }) => assert!(*byte as usize <= place, "{how}"),
                Some(damage) => assert!(place < 56 && *damage == Damage::Header, "{how}: {damage}"),
                None => {
                    assert!(place >= durable && place + 1 >= tail, "{how} is not seen: {durable}, {tail}");
                    assert_nothing_forgotten(&changed, &told, &how);
                }
            }
        }
    }
}

/// Whoever goes on with what is left either refuses, naming file and place, or does no write twice.
#[test]
fn nobody_sends_a_recorded_write_again_after_damage() {
    let (mut refused, mut gone_on) = (0, 0);
    let points = points();
    for (round, points) in (0..points).step_by(3).enumerate() {
        let (_, whole) = room(points);
        let durable = durable(&whole);
        let cuts = (durable..=whole.len()).step_by(113).chain([durable.saturating_sub(1 + round * 7)]);
        for cut in cuts {
            let (mut room, _) = room(points);
            fs::write(room.path(), &whole[..cut]).unwrap();
            match room.process(None) {
                Err(error @ TakeUpError::Damaged { .. }) => {
                    assert!(cut < durable, "{points} points, cut to {cut} of {durable}: {error}");
                    assert!(error.to_string().contains(&room.path().display().to_string()), "{error}");
                    refused += 1;
                }
                Err(error) => panic!("{error}"),
                Ok(_) => gone_on += 1,
            }
            for write in ONCE {
                assert!(
                    room.count(write) < 2,
                    "{points} points, cut to {cut} of {durable}: {write} was sent twice"
                );
            }
        }
    }
    assert!(refused > 10 && gone_on > 50, "{refused} refused, {gone_on} gone on with");
}

/// What a summary reads tells the same as all of it, however a run has ended.
#[test]
fn a_summary_needs_not_all_of_a_journal() {
    for points in (0..=points()).step_by(5) {
        let (room, bytes) = room(points);
        let brief = Recording::read_in_brief(&fs::File::open(room.path()).unwrap()).unwrap();
        let whole = Recording::of(&bytes);
        assert!(brief.records.len() < whole.records.len() || whole.records.len() < 4);
        let run = RunFile { run: RUN.to_owned(), path: room.path() };
        let summary =
            |recording| serde_json::to_value(RunSummary::of_recording(&run, recording, false)).unwrap();
        assert_eq!(summary(&brief), summary(&whole), "after {points} points");
        assert_eq!(
            (brief.length, brief.sum, brief.secret_names()),
            (whole.length, whole.sum, whole.secret_names())
        );
    }
}
