use super::taken_up::TakenUp;
use crate::document::Effect;
use crate::event::{Failure, Verdict};
use crate::model::exit::Cause;
use crate::port::Place;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;

/// What has happened in a run so far, as far as its verdict goes.
#[derive(Default)]
pub struct Course {
    /// Each once, in the order of appearance.
    causes: RefCell<Vec<Cause>>,
    failures: RefCell<Vec<Failure>>,
    /// Of how many steps nobody knows whether they were done.
    unknown: Cell<u32>,
    /// A person has to say first whether a write of an earlier process was done.
    is_pending: Cell<bool>,
    /// The places of the writes about which the journal was asked.
    asked: RefCell<HashSet<Place>>,
    /// A read was done again, since what it had brought an earlier process is lost.
    has_read_anew: Cell<bool>,
    /// How often something was done, or may have been.
    deeds: Cell<u64>,
    /// How many steps were not skipped.
    performed: Cell<u32>,
    /// How many steps were not begun, since nothing more is sent to where they would go.
    not_begun: Cell<u32>,
    /// The request that is in flight, in words, and what it does.
    in_flight: RefCell<Option<(String, Effect)>>,
    /// A write that was sent and of which nobody knows yet whether it was done, in words.
    in_doubt: RefCell<Option<String>>,
    /// The step of the playbook that is at work.
    current: RefCell<Option<String>>,
    /// The steps of the playbook whose ends were told, by their keys.
    told: RefCell<HashSet<usize>>,
    /// The steps of the playbook in which a write that must not be done twice was done, or may have been.
    written: RefCell<Vec<String>>,
    /// An earlier process has done such a write, or may have done it.
    has_written_before: Cell<bool>,
    /// The other writes: how many were done, and how many may have been.
    repeatable: Cell<(u64, u64)>,
}

impl Course {
    /// The course of a run, as far as an earlier process has fixed it.
    pub fn of(taken_up: Option<&TakenUp>) -> Self {
        let course = Self::default();
        if taken_up.is_some_and(|taken_up| taken_up.writes.have_harmful) {
            course.note_written_before();
        }
        for taken_up in taken_up.into_iter().filter(|taken_up| taken_up.is_in_cleanup) {
            taken_up.causes.iter().for_each(|cause| course.fail(*cause));
            taken_up.failures.iter().for_each(|failure| course.fail_without_step(failure.clone()));
            if taken_up.causes.contains(&Cause::Unknown) {
                course.note_unknown();
            }
        }
        course
    }

    /// Takes a cause of failure up.
    pub fn fail(&self, cause: Cause) {
        if !self.has_failed_for(cause) {
            self.causes.borrow_mut().push(cause);
        }
    }

    /// Takes a failure up that belongs to no step.
    pub fn fail_without_step(&self, failure: Failure) {
        self.fail(failure.cause);
        self.failures.borrow_mut().push(failure);
    }

    /// Takes note of a step of which nobody knows whether it was done.
    pub fn note_unknown(&self) {
        self.unknown.set(self.unknown.get() + 1);
    }

    /// Takes note that the run waits for a person, who has to say whether a write of an earlier process was done.
    pub fn wait_for_person(&self) {
        self.is_pending.set(true);
    }

    /// Whether the run waits for a person.
    pub fn is_pending(&self) -> bool {
        self.is_pending.get()
    }

    /// Takes note that the journal is asked about a write: what it knows of it counts from now on, and is told.
    pub fn note_asked(&self, place: &Place) {
        self.asked.borrow_mut().insert(place.clone());
    }

    /// Whether the journal was asked about a write.
    pub fn was_asked(&self, place: &Place) -> bool {
        self.asked.borrow().contains(place)
    }

    /// Takes note that a read is done again: what it had brought an earlier process is lost.
    pub fn note_read_anew(&self) {
        self.has_read_anew.set(true);
    }

    /// Whether a read was done again that an earlier process has done.
    pub fn has_read_anew(&self) -> bool {
        self.has_read_anew.get()
    }

    /// Of how many steps nobody knows whether they were done.
    pub fn unknown(&self) -> u32 {
        self.unknown.get()
    }

    /// Takes note that something was done, or may have been.
    pub fn note_deed(&self) {
        self.deeds.set(self.deeds.get() + 1);
    }

    /// How often something was done so far, or may have been.
    pub fn deeds(&self) -> u64 {
        self.deeds.get()
    }

    /// Takes note of a step that was not skipped.
    pub fn note_performed(&self) {
        self.performed.set(self.performed.get() + 1);
    }

    /// How many steps were not skipped.
    pub fn performed(&self) -> u32 {
        self.performed.get()
    }

    /// Takes note of a step that was not begun, since nothing more is sent to where it would go. Why is told once.
    pub fn note_not_begun(&self, why: Failure) {
        self.not_begun.set(self.not_begun.get() + 1);
        if !self.failures.borrow().iter().any(|known| known.headline == why.headline) {
            self.fail_without_step(why);
        }
    }

    /// How many steps were not begun, since nothing more is sent to where they would go.
    pub fn not_begun(&self) -> u32 {
        self.not_begun.get()
    }

    /// Takes note of which step of the playbook is at work now; `None`: it is cleanup.
    pub fn begin_step(&self, name: Option<&str>) {
        *self.current.borrow_mut() = name.map(str::to_owned);
    }

    /// Takes note that the end of a step of the playbook was told.
    pub fn note_told(&self, key: usize) {
        self.told.borrow_mut().insert(key);
    }

    /// Whether the end of a step of the playbook was told.
    pub fn was_told(&self, key: usize) -> bool {
        self.told.borrow().contains(&key)
    }

    /// Takes note of the request that is in flight now; `None`: it has come to its end.
    pub fn note_flight(&self, request: Option<(String, Effect)>) {
        *self.in_flight.borrow_mut() = request;
    }

    /// The request that is in flight, in words, and what it does.
    pub fn in_flight(&self) -> Option<(String, Effect)> {
        self.in_flight.borrow().clone()
    }

    /// Takes note of a write of which nobody knows yet whether it was done; `None`: there is none any more.
    pub fn note_doubt(&self, request: Option<String>) {
        *self.in_doubt.borrow_mut() = request;
    }

    /// The write of which nobody knows yet whether it was done, in words.
    pub fn in_doubt(&self) -> Option<String> {
        self.in_doubt.borrow().clone()
    }

    /// The step of the playbook that is at work.
    pub fn current(&self) -> Option<String> {
        self.current.borrow().clone()
    }

    /// Takes note that the present step has done a write that must not be done twice, or may have done it.
    pub fn note_write(&self) {
        let mut written = self.written.borrow_mut();
        if let Some(current) = self.current().filter(|current| !written.contains(current)) {
            written.push(current);
        }
    }

    /// Takes note that an earlier process has done a write that must not be done twice, or may have done it.
    pub fn note_written_before(&self) {
        self.has_written_before.set(true);
    }

    /// Whether an earlier process has done a write that must not be done twice, or may have done it.
    pub fn has_written_before(&self) -> bool {
        self.has_written_before.get()
    }

    /// Takes note of a write that was done, or may have been, and does no harm when it is done again.
    pub fn note_repeatable(&self, is_surely_done: bool) {
        let (done, maybe) = self.repeatable.get();
        self.repeatable.set(if is_surely_done { (done + 1, maybe) } else { (done, maybe + 1) });
    }

    /// The writes that do no harm when they are done again: how many were done, and how many may have been.
    pub fn repeatable(&self) -> (u64, u64) {
        self.repeatable.get()
    }

    /// The steps of the playbook that would be done twice if it was run again, in their order.
    pub fn written(&self) -> Vec<String> {
        self.written.borrow().clone()
    }

    /// True while running the playbook again does nothing twice that must not be done twice.
    pub fn is_safe_to_rerun(&self) -> bool {
        self.written.borrow().is_empty() && !self.has_written_before.get() && self.unknown.get() == 0
    }

    /// True once something has failed for this cause.
    pub fn has_failed_for(&self, cause: Cause) -> bool {
        self.causes.borrow().contains(&cause)
    }

    /// True once something has failed.
    pub fn has_failed(&self) -> bool {
        !self.causes.borrow().is_empty()
    }

    /// The end of the run.
    pub fn verdict(&self) -> Verdict {
        Verdict {
            causes: self.causes.borrow().clone(),
            is_safe_to_rerun: self.is_safe_to_rerun(),
            failures: self.failures.borrow().clone(),
            is_damaged: false,
        }
    }
}
