use crate::document::OnError;
use crate::plan::{Group, PlannedRequest, PlannedStep, ProviderIndex, StepKey, StepKind};

/// A login that the steps of a run may ask for: its credentials are looked up before the first step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedLogin {
    /// With whom.
    pub provider: ProviderIndex,
    /// The method; `None` = as the provider says.
    pub method: Option<String>,
    /// The credentials that a step gives, which are not looked up.
    pub given: Vec<String>,
}

/// The logins that steps may ask for, those inside of groups and cleanup blocks included, each once. A step that finds the
/// session of an `authenticate` step before it asks for none. In cleanup there may be no session, wherever the run ended.
pub fn planned_logins(steps: &[PlannedStep], is_selected: &dyn Fn(StepKey) -> bool) -> Vec<PlannedLogin> {
    let mut needs = Needs { is_selected, logins: Vec::new() };
    needs.of_steps(steps, &mut Vec::new());
    needs.logins
}

struct Needs<'a> {
    is_selected: &'a dyn Fn(StepKey) -> bool,
    logins: Vec<PlannedLogin>,
}

impl Needs<'_> {
    /// `open` are the providers whose sessions are surely open before each step.
    fn of_steps(&mut self, steps: &[PlannedStep], open: &mut Vec<ProviderIndex>) {
        for step in steps.iter().filter(|step| (self.is_selected)(step.key)) {
            self.of_step(step, open);
            self.logins_of_cleanup(&step.cleanup);
        }
    }

    fn of_step(&mut self, step: &PlannedStep, open: &mut Vec<ProviderIndex>) {
        match &step.kind {
            StepKind::Request(request) => self.of_request(request, open),
            StepKind::Authenticate { provider, method, with, .. } => {
                if !(open.contains(provider) && method.is_none() && with.is_empty()) {
                    let given = with.iter().map(|(name, _)| name.clone()).collect();
                    self.add(PlannedLogin { provider: *provider, method: method.clone(), given });
                }
                if is_surely_done(step) {
                    open.push(*provider);
                }
            }
            StepKind::Logout { provider, .. } => open.retain(|open| open != provider),
            StepKind::Group(group) => self.of_group(step, group, open),
            StepKind::Store { .. } => {}
        }
    }

    fn of_request(&mut self, request: &PlannedRequest, open: &[ProviderIndex]) {
        let provider = request.provider.filter(|provider| request.needs_session && !open.contains(provider));
        if let Some(provider) = provider {
            self.add(PlannedLogin { provider, method: None, given: Vec::new() });
        }
        if let Some(verify) = &request.verify {
            self.of_request(&verify.request, open);
        }
    }

    fn of_group(&mut self, step: &PlannedStep, group: &Group, open: &mut Vec<ProviderIndex>) {
        if step.for_each.is_some() {
            // What one round closes, the next does not find.
            open.retain(|provider| !closes(&group.steps, *provider));
        }
        let mut inside = open.clone();
        self.of_steps(&group.steps, &mut inside);
        match is_surely_done(step) {
            true => *open = inside,
            false => open.retain(|provider| inside.contains(provider)),
        }
    }

    fn logins_of_cleanup(&mut self, cleanup: &[PlannedStep]) {
        for login in planned_logins(cleanup, &|_| true) {
            self.add(login);
        }
    }

    fn add(&mut self, login: PlannedLogin) {
        if !self.logins.contains(&login) {
            self.logins.push(login);
        }
    }
}

/// Whether the steps behind it run only when it was done.
fn is_surely_done(step: &PlannedStep) -> bool {
    step.condition.is_none() && step.for_each.is_none() && step.on_error == OnError::Stop
}

/// Whether one of the steps signs out of a provider.
fn closes(steps: &[PlannedStep], provider: ProviderIndex) -> bool {
    steps.iter().any(|step| match &step.kind {
        StepKind::Logout { provider: closed, .. } => *closed == provider,
        StepKind::Group(group) => closes(&group.steps, provider),
        _ => false,
    })
}
