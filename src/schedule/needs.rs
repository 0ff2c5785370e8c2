//! Where the secrets and settings of a scheduled playbook come from.

use crate::document::{Part, Source, SourceKind};
use crate::plan::{Plan, PlannedBody, PlannedProvider, PlannedStep, StepKind};
use crate::port::CREDENTIALS_PREFIX;

/// What must be there when nobody is.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Environment variables.
    pub variables: Vec<Variable>,
    /// Credentials that systemd hands over as files.
    pub credential_files: Vec<CredentialFile>,
    /// Other files that hold secrets or settings.
    pub secret_files: Vec<SecretFile>,
    /// Files below the playbook's folder that requests send, and definitions and certificates that it names there.
    pub files: Vec<String>,
    /// What nobody has but a keychain or a person: `emnify.password`.
    pub of_people: Vec<String>,
}

/// An environment variable that may hold something the playbook needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it is for: `emnify.password`.
    pub holds: String,
    /// Whether that is a secret.
    pub is_secret: bool,
}

/// A file in `$CREDENTIALS_DIRECTORY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialFile {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub holds: String,
    /// It is asked first; otherwise a source before it may have the value.
    pub is_first: bool,
}

/// A file that holds something the playbook needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// The file as the playbook writes it: `/run/secrets/token`, or a path below the playbook's folder.
    pub path: String,
    /// What it is for.
    pub holds: String,
}

impl Needs {
    /// Those of a playbook.
    pub fn of(plan: &Plan) -> Self {
        let mut needs = Self::default();
        for provider in &plan.providers {
            needs.add_provider(provider);
        }
        for secret in plan.secrets.iter().filter(|secret| secret.is_used) {
            let holds = format!("secrets.{}", secret.name);
            needs.add(&holds, &secret.sources, true, false);
            needs.note_people(&holds, &secret.sources, false);
        }
        needs.add_bodies(&plan.steps);
        needs.add_bodies(&plan.cleanup);
        needs
    }

    /// The files that a process reads besides those of credentials: where the playbook itself does not stand in them.
    #[must_use]
    pub fn with_files(mut self, files: impl IntoIterator<Item = String>) -> Self {
        files.into_iter().for_each(|file| self.add_path(&file));
        self
    }

    fn add_provider(&mut self, provider: &PlannedProvider) {
        let chosen = provider.methods.iter().find(|method| provider.method.as_ref() == Some(&method.name));
        let has_profile = provider.profile.is_some() || provider.profile_override.is_some();
        for setting in provider.settings.iter().filter(|setting| setting.value.is_none()) {
            self.add(&format!("{}.{}", provider.name, setting.name), &setting.sources, false, false);
        }
        for credential in &provider.credentials {
            if chosen.is_none_or(|method| provider.takes(method, &credential.name)) {
                // A profile passes over the environment in the chains of a definition.
                let is_env_passed_over = has_profile && !credential.is_chain_of_playbook;
                let holds = format!("{}.{}", provider.name, credential.name);
                self.add(&holds, &credential.sources, credential.is_secret, is_env_passed_over);
                // Which of several ways is taken depends on what is there.
                let mut ways =
                    provider.methods.iter().filter(|way| chosen.is_none_or(|chosen| chosen.name == way.name));
                if ways.all(|way| way.required.contains(&credential.name)) {
                    self.note_people(&holds, &credential.sources, is_env_passed_over);
                }
            }
        }
    }

    fn add(&mut self, holds: &str, sources: &[Source], is_secret: bool, is_env_passed_over: bool) {
        for (index, source) in sources.iter().enumerate() {
            match &source.kind {
                SourceKind::Env(name) if !is_env_passed_over => {
                    if let Some(name) = name.as_literal().filter(|name| is_variable(name)) {
                        self.add_variable(name, holds, is_secret);
                    }
                }
                SourceKind::File { path, .. } => {
                    let path = path.as_literal().unwrap_or_default();
                    match path.strip_prefix(CREDENTIALS_PREFIX) {
                        Some(name) if is_credential_name(name) => self.add_file(name, holds, index == 0),
                        Some(_) => {}
                        None => self.add_secret_file(path, holds),
                    }
                }
                SourceKind::Env(_)
                | SourceKind::Stored
                | SourceKind::Prompt(_)
                | SourceKind::Totp(_)
                | SourceKind::Value(_) => {}
            }
        }
    }

    /// Takes note of what only a keychain or a person has.
    fn note_people(&mut self, holds: &str, sources: &[Source], is_env_passed_over: bool) {
        let is_of_people = |source: &Source| match source.kind {
            SourceKind::Stored | SourceKind::Prompt(_) => true,
            SourceKind::Env(_) => is_env_passed_over,
            SourceKind::File { .. } | SourceKind::Totp(_) | SourceKind::Value(_) => false,
        };
        if sources.iter().all(is_of_people) && !sources.is_empty() {
            self.of_people.push(holds.to_owned());
        }
    }

    fn add_bodies(&mut self, steps: &[PlannedStep]) {
        for step in steps {
            match &step.kind {
                StepKind::Group(group) => self.add_bodies(&group.steps),
                StepKind::Request(request) => self.add_body(&request.body),
                _ => {}
            }
            self.add_bodies(&step.cleanup);
        }
    }

    fn add_body(&mut self, body: &PlannedBody) {
        let of_part = |part: &Part| match part {
            Part::File(part) => part.file.as_literal().map(str::to_owned),
            Part::Value(_) => None,
        };
        let files: Vec<String> = match body {
            PlannedBody::File(file) => file.as_literal().map(str::to_owned).into_iter().collect(),
            PlannedBody::Multipart(parts) => parts.iter().filter_map(|(_, part)| of_part(part)).collect(),
            _ => Vec::new(),
        };
        files.iter().for_each(|file| self.add_path(file));
    }

    fn add_path(&mut self, path: &str) {
        let path = path.strip_prefix("./").unwrap_or(path);
        if !path.is_empty() && !self.files.iter().any(|known| known == path) {
            self.files.push(path.to_owned());
        }
    }

    fn add_secret_file(&mut self, path: &str, holds: &str) {
        let path = path.strip_prefix("./").unwrap_or(path);
        if !path.is_empty() && !self.secret_files.iter().any(|known| known.path == path) {
            self.secret_files.push(SecretFile { path: path.to_owned(), holds: holds.to_owned() });
        }
    }

    fn add_variable(&mut self, name: &str, holds: &str, is_secret: bool) {
        if !self.variables.iter().any(|known| known.name == name) {
            self.variables.push(Variable { name: name.to_owned(), holds: holds.to_owned(), is_secret });
        }
    }

    fn add_file(&mut self, name: &str, holds: &str, is_first: bool) {
        if !self.credential_files.iter().any(|known| known.name == name) {
            self.credential_files.push(CredentialFile {
                name: name.to_owned(),
                holds: holds.to_owned(),
                is_first,
            });
        }
    }
}

/// Whether a name can be that of an environment variable in every form; others are left to the reader.
fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether systemd takes a name for a credential, and a unit takes it unquoted.
fn is_credential_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        && !name.starts_with('.')
}
