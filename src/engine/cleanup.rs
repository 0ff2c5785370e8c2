//! What is undone at the end of a run, whatever happened.

use super::scope::Frame;
use crate::plan::PlannedStep;
use std::cell::RefCell;
use std::rc::Rc;

/// A cleanup block that waits for the end of the run.
#[derive(Clone)]
pub struct Undo<'a> {
    /// The steps of the block.
    pub steps: &'a [PlannedStep],
    /// What they see: that of the step which they undo, of exactly its round.
    pub frame: Rc<Frame>,
    /// What their places begin with.
    pub within: String,
}

/// The cleanup blocks of the steps that may have done something.
#[derive(Default)]
pub struct Cleanup<'a> {
    registered: RefCell<Vec<(u64, Undo<'a>)>>,
    last: std::cell::Cell<u64>,
}

/// Names a registered block.
#[derive(Debug, Clone, Copy)]
pub struct Registration(Option<u64>);

impl<'a> Cleanup<'a> {
    /// Registers the block of a step, before the step does anything. A step without one registers nothing.
    pub fn register(&self, step: &'a PlannedStep, frame: &Rc<Frame>, within: String) -> Registration {
        if step.cleanup.is_empty() {
            return Registration(None);
        }
        self.last.set(self.last.get() + 1);
        let undo = Undo { steps: &step.cleanup, frame: frame.clone(), within };
        self.registered.borrow_mut().push((self.last.get(), undo));
        Registration(Some(self.last.get()))
    }

    /// Drops a block, since it is certain that nothing was done.
    pub fn drop(&self, registration: Registration) {
        self.registered.borrow_mut().retain(|(number, _)| Some(*number) != registration.0);
    }

    /// Whether nothing is to be undone so far.
    pub fn is_empty(&self) -> bool {
        self.registered.borrow().is_empty()
    }

    /// Takes all blocks, the newest first.
    pub fn take(&self) -> Vec<Undo<'a>> {
        let registered = self.registered.take();
        registered.into_iter().rev().map(|(_, undo)| undo).collect()
    }
}
