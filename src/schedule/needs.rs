//! Where the secrets and settings of a scheduled playbook come from.

use crate::document::{Source, SourceKind};
use crate::plan::{Plan, PlannedProvider};
use crate::port::CREDENTIALS_PREFIX;

/// What must be there when nobody is.
#[derive(Debug, Clone, Default)]
pub struct Needs {
    /// Environment variables.
    pub variables: Vec<Variable>,
    /// Credentials that systemd hands over as files.
    pub credential_files: Vec<CredentialFile>,
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

impl Needs {
    /// Those of a playbook.
    pub fn of(plan: &Plan) -> Self {
        let mut needs = Self::default();
        for provider in &plan.providers {
            needs.add_provider(provider);
        }
        for secret in plan.secrets.iter().filter(|secret| secret.is_used) {
            needs.add(&format!("secrets.{}", secret.name), &secret.sources, true, false);
        }
        needs
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
                    let name = path.as_literal().and_then(|path| path.strip_prefix(CREDENTIALS_PREFIX));
                    if let Some(name) = name.filter(|name| is_credential_name(name)) {
                        self.add_file(name, holds, index == 0);
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
