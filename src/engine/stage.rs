use super::limits::Limits;
use super::scope::Frame;
use crate::template::Data;
use std::rc::Rc;

/// Where in a run a step is done.
#[derive(Clone)]
pub struct Stage {
    /// What its templates see of other steps.
    pub frame: Rc<Frame>,
    /// How many groups and loops it lies in.
    pub depth: usize,
    /// Its place in a loop, 1-based.
    pub item: Option<usize>,
    /// The time that it may take.
    pub limits: Limits,
    /// It belongs to cleanup.
    pub is_cleanup: bool,
}

impl Stage {
    /// The stage of an item of a loop.
    pub fn of_item(&self, name: &str, item: Data, place: usize) -> Self {
        let frame = self.frame.of_item(name, item);
        Self { frame, depth: self.depth + 1, item: Some(place), ..self.clone() }
    }
}
