use super::{Code, Span};

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The playbook cannot be run.
    Error,
    /// The playbook can be run; its author should look.
    Warning,
}

/// A span and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// The words beside the mark; may be empty.
    pub text: String,
}

/// One thing that the author of a playbook can mend. Plain data: `cli` renders it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable name of the kind of mistake.
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong: a lowercase fragment without a full stop.
    pub message: String,
    /// The token at fault.
    pub primary: Label,
    /// Other places that belong to it ("first written here").
    pub secondary: Vec<Label>,
    /// What to do, where the label does not say it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake at a place. Its severity is that of its code.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            primary: Label { span, text: String::new() },
            secondary: Vec::new(),
            help: None,
        }
    }

    /// By what they are sorted; the message makes equal ones neighbours.
    fn order(&self) -> (Span, Severity, Code, &str) {
        (self.primary.span, self.severity, self.code, &self.message)
    }

    /// Adds the words beside the mark.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Adds "did you mean" beside the mark when a near name was found.
    #[must_use]
    pub fn did_you_mean(self, suggestion: Option<&str>) -> Self {
        match suggestion {
            Some(name) => self.label(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Adds another place that belongs to the mistake.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}

/// All that one check found, in the order of discovery until [`Diagnostics::into_sorted`].
#[derive(Debug, Default)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Takes a diagnostic up.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.items.push(diagnostic);
    }

    /// All of them, in the order of discovery.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.items.iter()
    }

    /// True when at least one of them forbids the run.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.severity == Severity::Error)
    }

    /// All of them by file and place; what was said twice of one place is said once.
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut items = self.items;
        items.sort_by(|one, other| one.order().cmp(&other.order()));
        items.dedup();
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    #[test]
    fn what_is_said_twice_of_one_place_is_said_once() {
        let span = Span::new(SourceMap::default().add("t.yaml", "a: 1"), 0..1);
        let mut diagnostics = Diagnostics::default();
        for message in ["one", "other", "one", "other"] {
            diagnostics.push(Diagnostic::new(Code::UnknownKey, span, message));
        }
        let messages: Vec<String> = diagnostics.into_sorted().into_iter().map(|item| item.message).collect();
        assert_eq!(messages, ["one", "other"]);
    }
}
