//! The moving line of the running step, on a terminal only.

use super::activity::Activity;
use super::look::Look;
use super::moving_line::MovingLine;
use crate::event::Event;
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(100);

/// What runs now, as a line on standard error that moves. Clones share it.
#[derive(Clone)]
pub struct Progress(Rc<RefCell<State>>);

struct State {
    activity: Activity,
    look: Look,
    is_wanted: bool,
    /// The line that is seen now.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A moving line where standard error is a terminal and `is_wanted`, else none.
    pub fn new(look: Look, is_wanted: bool) -> Self {
        let is_wanted = is_wanted && !ProgressDrawTarget::stderr().is_hidden();
        Self(Rc::new(RefCell::new(State { activity: Activity::default(), look, is_wanted, bar: None })))
    }

    /// Does what must not mix with the moving line.
    pub fn suspended<T>(&self, work: impl FnOnce() -> T) -> T {
        let bar = self.0.borrow().bar.clone();
        match bar {
            Some(bar) => bar.suspend(work),
            None => work(),
        }
    }

    /// Says what is waited for before the run begins.
    pub fn show(&self, message: &str) {
        let mut state = self.0.borrow_mut();
        if !state.is_wanted {
            return;
        }
        let (look, message) = (state.look, state.look.text(message));
        state.bar.get_or_insert_with(|| moving_line(look)).set_message(message);
    }

    /// Takes the line away until the next event.
    pub fn hide(&self) {
        if let Some(bar) = self.0.borrow_mut().bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Follows the run.
    pub(super) fn receive(&self, event: &Event) {
        let mut state = self.0.borrow_mut();
        if !state.is_wanted {
            return;
        }
        state.activity.follow(event);
        let message = state.activity.message(event.elapsed).map(|message| state.look.text(message));
        match (message, &state.bar) {
            (Some(message), Some(bar)) => bar.set_message(message),
            (Some(message), None) => state.bar = Some(moving_line(state.look).with_message(message)),
            (None, _) => {
                drop(state);
                self.hide();
            }
        }
    }
}

fn moving_line(look: Look) -> ProgressBar {
    let ticks = if look.is_unicode { "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ " } else { "-\\|/ " };
    let style = ProgressStyle::with_template("  {spinner} {wide_msg}").expect("the template is right");
    let terminal = MovingLine(Term::buffered_stderr());
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::term_like(Box::new(terminal)));
    bar.set_style(style.tick_chars(ticks));
    bar.enable_steady_tick(TICK);
    bar
}
