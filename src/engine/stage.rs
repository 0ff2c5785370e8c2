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
    /// What the places of the steps of its list begin with.
    pub within: Rc<str>,
    /// The item, where the step itself is the loop.
    pub loop_item: Option<usize>,
    /// The list of a loop around it was read anew: an earlier process may have had another item at its place.
    pub is_list_anew: bool,
    /// The time that it may take.
    pub limits: Limits,
    /// It belongs to cleanup.
    pub is_cleanup: bool,
    /// Nothing of its list begins any more: what an earlier process has done is only found, to be undone.
    pub is_over: bool,
}

impl Stage {
    /// The stage of a list of steps that lies in no other. `within` is what their places begin with.
    pub fn of_list(frame: Rc<Frame>, within: &str, limits: Limits, is_cleanup: bool) -> Self {
        let within = within.into();
        Self {
            frame,
            depth: 0,
            item: None,
            within,
            loop_item: None,
            is_list_anew: false,
            limits,
            is_cleanup,
            is_over: false,
        }
    }

    /// The stage of what would have followed in its list.
    pub fn over(&self) -> Self {
        Self { is_over: true, ..self.clone() }
    }

    /// The stage of an item of a loop.
    pub fn of_item(&self, name: &str, item: Data, place: usize) -> Self {
        let frame = self.frame.of_item(name, item);
        Self { frame, depth: self.depth + 1, item: Some(place), loop_item: Some(place), ..self.clone() }
    }
}
