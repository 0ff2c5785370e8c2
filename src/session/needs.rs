use crate::plan::{PlannedStep, ProviderIndex, StepKey, StepKind};

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

/// The logins that steps may ask for, those inside of groups and cleanup blocks included, each once.
pub fn planned_logins(steps: &[PlannedStep], is_selected: &dyn Fn(StepKey) -> bool) -> Vec<PlannedLogin> {
    let mut logins = Vec::new();
    collect(steps, is_selected, &mut logins);
    logins
}

fn collect(steps: &[PlannedStep], is_selected: &dyn Fn(StepKey) -> bool, logins: &mut Vec<PlannedLogin>) {
    for step in steps.iter().filter(|step| is_selected(step.key)) {
        let login = match &step.kind {
            StepKind::Request(request) if request.needs_session => {
                request.provider.map(|provider| PlannedLogin { provider, method: None, given: Vec::new() })
            }
            StepKind::Authenticate { provider, method, with, .. } => Some(PlannedLogin {
                provider: *provider,
                method: method.clone(),
                given: with.iter().map(|(name, _)| name.clone()).collect(),
            }),
            StepKind::Group(group) => {
                collect(&group.steps, is_selected, logins);
                None
            }
            StepKind::Request(_) | StepKind::Logout { .. } | StepKind::Store { .. } => None,
        };
        logins.extend(login.filter(|login| !logins.contains(login)));
        collect(&step.cleanup, &|_| true, logins);
    }
}
