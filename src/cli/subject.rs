//! The provider that `login`, `logout` and `status` are about: a built-in one, or one as a playbook has it.

use super::console::Console;
use super::refusal::Refusal;
use crate::event::{Failure, FailureDraft};
use crate::model::exit::Cause;
use crate::plan::{BUILT_IN, BuiltIn, Plan, PlannedProvider, ProviderIndex, check_text, resolve_inputs_of};
use crate::source::{Code, Diagnostic, Severity, nearest};
use crate::template::Data;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The only provider of a subject's plan.
pub(super) const PROVIDER: ProviderIndex = ProviderIndex(0);

/// A plan of nothing but one provider, and the inputs that its templates see.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) plan: Rc<Plan>,
    pub(super) inputs: Data,
}

impl Subject {
    pub(super) fn provider(&self) -> &PlannedProvider {
        self.plan.provider(PROVIDER)
    }
}

/// The playbook of `--playbook`, checked, with the values of `--input`.
pub(super) struct PlaybookSubjects {
    pub(super) file: PathBuf,
    pub(super) plan: Plan,
    pub(super) inputs: Vec<(String, String)>,
}

impl Console<'_> {
    /// The names of all providers: those of the playbook, else those that are built in.
    pub(super) fn subject_names(&self) -> Vec<String> {
        match &self.playbook {
            Some(playbook) => playbook.plan.providers.iter().map(|provider| provider.name.clone()).collect(),
            None => BUILT_IN.iter().map(|built_in| built_in.name.to_owned()).collect(),
        }
    }

    /// The provider of a name, taken out of the playbook, else the built-in one. `command` is what the user has typed:
    /// `login`.
    pub(super) fn subject(
        &mut self,
        command: &str,
        name: &str,
        allow_http: bool,
    ) -> Result<Subject, Refusal> {
        match self.playbook.take() {
            Some(mut playbook) => {
                let subject = self.of_playbook(&mut playbook, name);
                self.playbook = Some(playbook);
                subject
            }
            None => {
                let built_in = self.built_in(command, name)?;
                let plan = self.plan_of(built_in, allow_http)?;
                Ok(Subject { plan: Rc::new(plan), inputs: Data::Map(Vec::new()) })
            }
        }
    }

    /// A command about a provider as one has to type it here: `runner login acme --playbook fleet.yaml --profile work`.
    pub(super) fn command(&self, command: &str, provider: &str) -> String {
        let playbook = self.playbook.as_ref();
        let playbook = playbook.map(|playbook| format!(" --playbook {}", playbook.file.display()));
        let profile = self.options.profiles.first().map(|(_, profile)| format!(" --profile {profile}"));
        format!("runner {command} {provider}{}{}", playbook.unwrap_or_default(), profile.unwrap_or_default())
    }

    fn of_playbook(&mut self, playbook: &mut PlaybookSubjects, name: &str) -> Result<Subject, Refusal> {
        let plan = &mut playbook.plan;
        let Some(position) = plan.providers.iter().position(|provider| provider.name == name) else {
            let names: Vec<&str> = plan.providers.iter().map(|provider| provider.name.as_str()).collect();
            let advice = match (nearest(name, names.iter().copied()), names.is_empty()) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, true) => "it has none at all".to_owned(),
                (None, false) => format!("it has {}", names.join(", ")),
            };
            let why = format!("{} has no provider `{name}`", playbook.file.display());
            return Err(self.stop(Cause::Invalid, &why, Some(&advice)));
        };
        let surroundings = &*self.world.surroundings;
        let inputs = resolve_inputs_of(plan, &plan.providers[position], &playbook.inputs, surroundings);
        let inputs = inputs.map_err(|mistakes| Refusal {
            cause: Cause::Invalid,
            reasons: mistakes.iter().map(ToString::to_string).collect(),
        })?;
        let provider = plan.providers.remove(position);
        let plan = Plan { providers: vec![provider], ..without_work(plan) };
        Ok(Subject { plan: Rc::new(plan), inputs: Data::Json(Value::Object(inputs)) })
    }

    fn built_in(&mut self, command: &str, name: &str) -> Result<&'static BuiltIn, Refusal> {
        if let Some(known) = BuiltIn::find(name) {
            return Ok(known);
        }
        let names = BUILT_IN.map(|built_in| built_in.name);
        let known = match nearest(name, names) {
            Some(near) => format!("did you mean `{near}`"),
            None => format!("built in are {}", names.join(", ")),
        };
        let own = match command {
            "login" => "to sign in to a provider of your own",
            _ => "for a provider of your own",
        };
        let advice = format!("{known}; {own}: `runner {command} {name} --playbook FILE`");
        Err(self.stop(Cause::Invalid, &format!("no provider `{name}` is built in"), Some(&advice)))
    }

    /// The plan of a playbook that does nothing but sign in to one built-in provider. What is wrong is said without its
    /// place: there is no such file.
    fn plan_of(&mut self, provider: &BuiltIn, allow_http: bool) -> Result<Plan, Refusal> {
        let name = provider.name;
        let text = format!(
            "version: 1\nproviders: {{ {name}: {{ allow_http: {allow_http} }} }}\nsteps: [{{ authenticate: {name} }}]\n"
        );
        let checked = check_text(Path::new("sign-in.yaml"), &text, &self.options, &*self.world.surroundings);
        checked.plan.ok_or_else(|| {
            let errors = checked.diagnostics.iter().filter(|one| one.severity == Severity::Error);
            let failures: Vec<Failure> = errors.map(|error| self.mistake(error)).collect();
            self.fail(&failures)
        })
    }

    /// A mistake of the command line that the check has found.
    fn mistake(&self, error: &Diagnostic) -> Failure {
        let advice = match error.code {
            Code::InsecureAddress => Some("use https (`--base-url`), or accept that with `--allow-http`"),
            _ => error.help.as_deref(),
        };
        let draft = FailureDraft::new(Cause::Invalid, &error.message);
        FailureDraft { advice: advice.map(str::to_owned), ..draft }.finish(&self.redactor)
    }
}

/// The plan of the same file that does nothing.
fn without_work(plan: &Plan) -> Plan {
    Plan {
        name: plan.name.clone(),
        description: None,
        file: plan.file.clone(),
        folder: plan.folder.clone(),
        inputs: Vec::new(),
        secrets: Vec::new(),
        providers: Vec::new(),
        steps: Vec::new(),
        cleanup: Vec::new(),
        step_count: 0,
        deadline: None,
        schedule: None,
    }
}
