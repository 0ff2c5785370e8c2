use crate::event::{Failure, Verdict};
use crate::model::exit::Cause;
use std::cell::{Cell, RefCell};

/// What has happened in a run so far, as far as its verdict goes.
#[derive(Default)]
pub struct Course {
    /// Each once, in the order of appearance.
    causes: RefCell<Vec<Cause>>,
    failures: RefCell<Vec<Failure>>,
    /// Of how many steps nobody knows whether they were done.
    unknown: Cell<u32>,
    /// How often something was done, or may have been.
    deeds: Cell<u64>,
    /// How many steps were not skipped.
    performed: Cell<u32>,
    /// A write that must not be done twice was done, or may have been.
    has_written: Cell<bool>,
}

impl Course {
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

    /// Takes note of a write that must not be done twice.
    pub fn note_write(&self) {
        self.has_written.set(true);
    }

    /// True while running the playbook again does nothing twice.
    pub fn is_safe_to_rerun(&self) -> bool {
        !self.has_written.get() && self.unknown.get() == 0
    }

    /// What to do about what passes by itself.
    pub fn rerun_advice(&self) -> &'static str {
        match self.is_safe_to_rerun() {
            true => "run it again later; nothing is half done",
            false => "run it again later, but mind that earlier steps of this run would be done again",
        }
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
        }
    }
}
