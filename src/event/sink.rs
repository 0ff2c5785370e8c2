use super::{Event, EventKind};
use crate::model::redacted::Redacted;
use crate::model::redaction::{Learned, Redactor, each_text};
use crate::port::Clock;
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Receives the events of a run, in order.
pub trait EventSink {
    /// Takes one event.
    fn receive(&mut self, event: &Event);
}

/// Hands each event to several sinks, in their order.
#[derive(Default)]
pub struct Fanout(pub Vec<Box<dyn EventSink>>);

impl EventSink for Fanout {
    fn receive(&mut self, event: &Event) {
        self.0.iter_mut().for_each(|sink| sink.receive(event));
    }
}

/// Where events are made: gives them their time and keeps the redactor that their texts pass. Clones share all.
#[derive(Clone)]
pub struct Events {
    sink: Rc<RefCell<dyn EventSink>>,
    clock: Rc<dyn Clock>,
    redactor: Redactor,
    started: Duration,
    warned: Rc<RefCell<Vec<Redacted>>>,
}

impl Events {
    /// Events from now on.
    pub fn new(sink: Rc<RefCell<dyn EventSink>>, clock: Rc<dyn Clock>, redactor: Redactor) -> Self {
        let started = clock.elapsed();
        Self { sink, clock, redactor, started, warned: Rc::default() }
    }

    /// The redactor that every text of an event passes.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Lets the redactor learn a secret. One that is too short to be looked for in texts is warned of, once: it is shown by
    /// its name where it is known to stand, and nowhere else.
    pub fn learn(&self, name: &str, secret: &str) {
        if self.redactor.learn(name, secret) == Learned::TooShort {
            self.warn(format!("{name} has fewer than 4 characters, too short to be found in other texts"));
        }
    }

    /// As [`Events::learn`], with every text and number in a value.
    pub fn learn_all(&self, name: &str, value: &Value) {
        each_text(value, &mut |text| self.learn(name, &text));
    }

    /// Redacts a text for an event.
    pub fn clean(&self, text: impl AsRef<str>) -> Redacted {
        self.redactor.clean(text)
    }

    /// A time of [`Clock::elapsed`], counted from the first event.
    pub fn since_start(&self, elapsed: Duration) -> Duration {
        elapsed.saturating_sub(self.started)
    }

    /// The time since the first event.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed().saturating_sub(self.started)
    }

    /// Emits an event.
    pub fn emit(&self, kind: EventKind) {
        let event = Event { at: self.clock.now(), elapsed: self.elapsed(), kind };
        self.sink.borrow_mut().receive(&event);
    }

    /// Emits a warning, unless the same was said before.
    pub fn warn(&self, text: impl AsRef<str>) {
        let text = self.clean(text);
        if self.warned.borrow().contains(&text) {
            return;
        }
        self.warned.borrow_mut().push(text.clone());
        self.emit(EventKind::Warning { text, is_alert: false });
    }

    /// Emits a warning that something may be open at a provider: also a run that says nothing else tells it. Two that read
    /// alike are two of them.
    pub fn alert(&self, text: impl AsRef<str>) {
        self.emit(EventKind::Warning { text: self.clean(text), is_alert: true });
    }
}
