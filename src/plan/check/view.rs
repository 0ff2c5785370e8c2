//! What templates at one place may read.

use super::order::StepPlace;
use crate::document::{
    Credential, DefinitionKeys, Named, Output, Playbook, Reader, SecretKeys, Setting, ValueKeys,
};
use crate::source::Span;

/// The names that templates at one place may read. Everything is off unless said.
#[derive(Clone, Copy, Default)]
pub(super) struct View<'a> {
    /// What the place is, where only few names can be read: for messages.
    pub place: Option<&'static str>,
    pub inputs: Option<&'a Named<ValueKeys>>,
    pub secrets: Option<&'a Named<SecretKeys>>,
    pub run: bool,
    pub steps: Option<StepPlace<'a>>,
    pub loops: Option<&'a LoopName<'a>>,
    /// `response` is there.
    pub response: bool,
    /// The step's own `outputs`, with how many of them are there already.
    pub outputs: Option<OwnOutputs<'a>>,
    /// `rows` and `row_count` of the step with this key, or of whatever step calls the operation (`None`
    /// inside).
    pub rows: Option<Option<usize>>,
    /// `row` is there.
    pub row: bool,
    pub settings: Option<&'a Named<Setting>>,
    pub profile: bool,
    pub credentials: Option<&'a Named<Credential>>,
    pub session: Session<'a>,
    pub params: Option<&'a Named<ValueKeys>>,
}

/// The outputs of the step at hand.
#[derive(Clone, Copy)]
pub(super) struct OwnOutputs<'a> {
    pub declared: &'a Named<Output>,
    /// The one that is being computed: those above it are there.
    pub computing: Option<usize>,
}

/// Whether there is a session to read.
#[derive(Clone, Copy, Default)]
pub(super) enum Session<'a> {
    /// Not here, for this reason.
    #[default]
    Unseen,
    /// Not here: the reason, in words.
    Absent(&'static str),
    /// With these values.
    Open(&'a Named<Reader>),
    /// It could not be read; the mistake is reported there.
    Unreadable,
}

/// The name of a loop's item, and the loops around it.
#[derive(Clone, Copy)]
pub(super) struct LoopName<'a> {
    pub name: &'a str,
    /// The key of the step that loops.
    pub key: usize,
    pub span: Span,
    pub outer: Option<&'a LoopName<'a>>,
}

impl<'a> LoopName<'a> {
    /// The names from the inmost loop to the outmost.
    pub fn all(&'a self) -> impl Iterator<Item = &'a LoopName<'a>> {
        std::iter::successors(Some(self), |inner| inner.outer)
    }
}

impl<'a> View<'a> {
    /// What stands under `providers`: `inputs` only.
    pub fn of_provider_entry(playbook: &'a Playbook) -> Self {
        let place = Some("what stands under `providers`");
        Self { place, inputs: Some(&playbook.inputs), ..Self::default() }
    }

    /// What every template of a definition sees once the provider is set up.
    pub fn of_definition(keys: &'a DefinitionKeys) -> Self {
        Self { settings: Some(&keys.settings), profile: true, ..Self::default() }
    }

    /// The same place after the answer has come.
    pub fn answered(self) -> Self {
        Self { response: true, ..self }
    }

    /// The roots that can be read, for suggestions.
    pub fn roots(&self) -> Vec<&'a str> {
        let session = matches!(self.session, Session::Open(_) | Session::Unreadable);
        let roots = [
            ("inputs", self.inputs.is_some()),
            ("secrets", self.secrets.is_some_and(|secrets| !secrets.is_empty())),
            ("run", self.run),
            ("steps", self.steps.is_some()),
            ("response", self.response),
            ("outputs", self.outputs.is_some()),
            ("rows", self.rows.is_some()),
            ("row_count", self.rows.is_some()),
            ("row", self.row),
            ("settings", self.settings.is_some()),
            ("profile", self.profile),
            ("credentials", self.credentials.is_some()),
            ("session", session),
            ("params", self.params.is_some()),
        ];
        let fixed = roots.into_iter().filter(|(_, is_seen)| *is_seen).map(|(name, _)| name);
        fixed.chain(self.loops.into_iter().flat_map(LoopName::all).map(|item| item.name)).collect()
    }
}
