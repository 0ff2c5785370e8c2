use super::{Account, PlannedLogin, SignInFailure};
use crate::credential::{Missing, Preview};
use crate::event::{Failure, SessionEnd, SessionNote};
use crate::exchange::{Answer, Exchange, RenderError, Rendered};
use crate::model::secret::SecretText;
use crate::plan::{Plan, ProviderIndex};
use crate::template::{Data, Moment, Scope};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What sessions are made from.
#[derive(Clone)]
pub struct Setup {
    /// The plan.
    pub plan: Rc<Plan>,
    /// What templates under `providers` see as `inputs`.
    pub inputs: Data,
    /// The profiles that the command line names.
    pub profiles: Profiles,
    /// The logins that the selected steps may ask for: see [`planned_logins`](super::planned_logins).
    pub logins: Vec<PlannedLogin>,
    /// What sends.
    pub exchange: Exchange,
}

/// The profiles that the command line names.
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    /// For every provider.
    pub all: Option<String>,
    /// By the provider's name; stands above `all`.
    pub by_provider: BTreeMap<String, String>,
}

/// The number of a session's tokens: it grows with each login and refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

/// Where a credential would come from, and where it would go: a line of a dry run.
#[derive(Debug, Clone)]
pub struct SecretPreview {
    /// `emnify.password`
    pub name: String,
    /// Where it would come from. An optional credential that nobody has is not listed.
    pub source: Result<Preview, Missing>,
    /// The origins that it would be sent to.
    pub origins: Vec<String>,
}

/// The sessions of a run.
pub struct Sessions {}

impl Sessions {
    /// Makes all providers ready that the logins and the plan name: settings, addresses, and the credentials, which are
    /// looked up and asked for here.
    ///
    /// # Errors
    /// All that is missing or does not fit, provider by provider; nothing was sent.
    pub async fn prepare(setup: Setup) -> Result<Self, Vec<Failure>> {
        let _ = setup;
        unimplemented!("next slice")
    }

    /// As [`Sessions::prepare`], without asking anybody: what a dry run says about secrets, in the order of the plan. What
    /// nobody has is no failure here, but a `Missing` in the list.
    ///
    /// # Errors
    /// As [`Sessions::prepare`], but for missing credentials.
    pub async fn preview(setup: Setup) -> Result<(Self, Vec<SecretPreview>), Vec<Failure>> {
        let _ = setup;
        unimplemented!("next slice")
    }

    /// For a dry run: the requests of a login, as far as they can be rendered. `given` as in
    /// [`Sessions::authenticate`]. Empty when there is nothing to send.
    ///
    /// # Errors
    /// When a template cannot be evaluated.
    pub fn login_shapes(
        &self,
        provider: ProviderIndex,
        method: Option<&str>,
        given: &[(String, Data)],
    ) -> Result<Vec<Rendered>, RenderError> {
        let _ = (provider, method, given);
        unimplemented!("next slice")
    }

    /// A provider made ready.
    pub fn account(&self, provider: ProviderIndex) -> &Account {
        let _ = provider;
        unimplemented!("next slice")
    }

    /// What templates of a definition see: `settings`, `profile` and, while it is open, `session`. In a preview the values
    /// of the session are unknown.
    pub fn scope(&self, provider: ProviderIndex, moment: &Moment) -> Scope {
        let _ = (provider, moment);
        unimplemented!("next slice")
    }

    /// Opens the session unless it is open, and prolongs it when it ends soon. To be called before a request is rendered
    /// whose templates name `session`; [`Sessions::authorize`] calls it anyway.
    ///
    /// # Errors
    /// When the provider does not let us in.
    pub async fn ready(&self, provider: ProviderIndex) -> Result<Generation, SignInFailure> {
        let _ = provider;
        unimplemented!("next slice")
    }

    /// Puts the session on a request, opened or prolonged first where needed. Doing it again replaces what was put there.
    ///
    /// # Errors
    /// When the provider does not let us in.
    pub async fn authorize(
        &self,
        provider: ProviderIndex,
        rendered: &mut Rendered,
    ) -> Result<Generation, SignInFailure> {
        let _ = (provider, rendered);
        unimplemented!("next slice")
    }

    /// Whether an answer to an authorized request says that the session has ended. To be asked about every answer (unless
    /// the step expects its status), since an answer that does not say so proves that the session works.
    pub fn is_expired(&self, provider: ProviderIndex, generation: Generation, answer: &Answer) -> bool {
        let _ = (provider, generation, answer);
        unimplemented!("next slice")
    }

    /// Renews a session that was refused: one refresh or one login for all who saw the same generation refused. Then the
    /// request is authorized and sent once more.
    ///
    /// # Errors
    /// When the provider does not let us in, or refuses a session that it has just given.
    pub async fn renew(&self, provider: ProviderIndex, seen: Generation) -> Result<(), SignInFailure> {
        let _ = (provider, seen);
        unimplemented!("next slice")
    }

    /// Opens a session for an `authenticate` step: with `given` credentials, an open one is closed and replaced; without
    /// any, an open one stays unless another method is asked for.
    ///
    /// # Errors
    /// When the provider does not let us in.
    pub async fn authenticate(
        &self,
        provider: ProviderIndex,
        method: Option<&str>,
        given: Vec<(String, SecretText)>,
    ) -> Result<SessionNote, SignInFailure> {
        let _ = (provider, method, given);
        unimplemented!("next slice")
    }

    /// Closes a session for a `logout` step. `None`: there was none.
    pub async fn logout(&self, provider: ProviderIndex) -> Option<SessionEnd> {
        let _ = provider;
        unimplemented!("next slice")
    }

    /// Closes all open sessions in reverse order of opening, each within 10 s of its own, and emits how each ended.
    pub async fn close_all(&self) -> Vec<SessionEnd> {
        unimplemented!("next slice")
    }
}
