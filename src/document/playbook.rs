//! The top level of a playbook.

use super::definition::{CredentialChain, DefinitionKeys, Source};
use super::expression::Tree;
use super::lower::{FromNode, KeySet, Lower, keys};
use super::named::Named;
use super::request::{Retry, ValueKeys};
use super::scalar::{Time, Version};
use super::schedule::Schedule;
use super::step::Steps;
use super::yaml::Node;
use crate::source::{Code, Diagnostic, Spanned};
use crate::template::Template;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

keys! {
    /// A playbook: what to do, in which order, against which providers.
    #[schemars(title = "runner playbook")]
    pub struct Playbook is "a playbook" {
        required {
            /// The version of the grammar: 1.
            "version" => version: Version;
            /// The ordered work.
            "steps" => steps: Steps;
        }
        optional {
            /// What reports show.
            "name" => name: Option<String>;
            /// What the playbook is for.
            "description" => description: Option<String>;
            /// Name -> a value that the caller may set with `--input` or `RUNNER_INPUT_NAME`.
            "inputs" => inputs: Named<ValueKeys>;
            /// Name -> where a secret of the playbook's own comes from.
            "secrets" => secrets: Named<SecretKeys>;
            /// Name -> a provider to talk to.
            "providers" => providers: Named<ProviderEntry>;
            /// Steps that always run at the end, after the cleanup of the single steps.
            "cleanup" => cleanup: Option<Steps>;
            /// What holds for every step that does not say otherwise.
            "defaults" => defaults: Option<Defaults>;
            /// How long the run may take; cleanup and logout have time of their own beyond it.
            "deadline" => deadline: Option<Spanned<Time>>;
            /// When the playbook is to be run by itself; `runner schedule` makes timers of it.
            "schedule" => schedule: Option<Schedule>;
        }
        later {
            "matrix": "runs over many accounts are not built yet";
            "overlap": "locks against two runs at once are not built yet";
            "journal": "runs are not kept on disk yet";
            "resume": "runs are not kept on disk yet";
            "ledger": "open sessions are not kept on disk yet";
            "report": "use `--report json=FILE`";
        }
    }
}

keys! {
    /// A secret of the playbook's own.
    pub struct SecretKeys is "a secret" {
        required {
            /// The sources, tried in this order; the first that answers wins.
            "from" => from: Vec<Source>;
        }
        optional {
            /// Whether it is a code that holds once: fetched at each use, never kept; default false.
            "one_time" => one_time: Option<bool>;
        }
    }
}

keys! {
    /// What holds for every step that does not say otherwise.
    pub struct Defaults is "`defaults`" {
        optional {
            /// How long one request may take.
            "timeout" => timeout: Option<Spanned<Time>>;
            /// How often a step is tried.
            "retry" => retry: Option<Retry>;
            /// Headers of every request.
            "headers" => headers: Named<Template>;
        }
    }
}

/// A provider as a playbook names it.
#[derive(Debug, Clone)]
pub enum ProviderEntry {
    /// A definition that is built in or lies in a file, with what the playbook says otherwise.
    Use(Box<ProviderUse>),
    /// A definition written in the playbook.
    Inline(Box<InlineDefinition>),
}

keys! {
    /// A definition from elsewhere, with what the playbook says otherwise.
    pub struct ProviderUse is "a provider" {
        optional {
            /// The name of a built-in definition, or a file (`./acme.yaml`); default the provider's own name.
            "use" => definition: Option<Spanned<String>>;
            /// The values of the definition's settings.
            "settings" => settings: Named<Tree>;
            /// The profile under which the store keeps this account's credentials.
            "profile" => profile: Option<Template>;
            /// Credential -> where it comes from, instead of what the definition says.
            "credentials" => credentials: Named<CredentialChain>;
            /// Another address of the API.
            "base_url" => base_url: Option<Template>;
            /// Another address for sign-in.
            "auth_base_url" => auth_base_url: Option<Template>;
        }
        parts {
            /// How to talk to it.
            connection: ConnectionKeys;
        }
    }
}

keys! {
    /// How a playbook talks to a provider, whoever defined it.
    pub struct ConnectionKeys is "a provider" {
        optional {
            /// The login method; default the first whose credentials are there.
            "method" => method: Option<Spanned<String>>;
            /// A file with the certificate (PEM) of a private authority, trusted for this provider alone.
            "ca_file" => ca_file: Option<Spanned<String>>;
            /// Allows plain http, so that anyone on the way can read the credentials; every run warns.
            "allow_http" => allow_http: Option<Spanned<bool>>;
        }
        later {
            "cache": "sessions are kept in memory only so far";
            "ping": "asking whether a session still holds is not built yet";
        }
    }
}

keys! {
    /// A definition written in the playbook.
    pub struct InlineDefinition is "a provider" {
        parts {
            /// The definition.
            definition: DefinitionKeys;
            /// How to talk to it.
            connection: ConnectionKeys;
        }
    }
}

/// The names of the definitions that the program brings along. Under these names an entry never is a definition.
pub const BUILT_IN_PROVIDERS: [&str; 4] = ["echome", "emnify", "simpleiot", "soracom"];

impl FromNode for ProviderEntry {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let Some(map) = node.as_map() else {
            let name = lower.key().unwrap_or("emnify").to_owned();
            let message = format!("`{name}` takes a map, not {}", node.describe());
            let diagnostic = Diagnostic::new(Code::WrongType, node.span, message);
            lower.report(diagnostic.label(format!("write `{name}: {{}}` for a built-in provider as it is")));
            return None;
        };
        let used = ProviderUse::keys();
        let defines = |name: &str| {
            DefinitionKeys::keys().iter().any(|key| key.name == name)
                && !used.iter().any(|key| key.name == name)
        };
        let is_built_in = lower.key().is_some_and(|name| BUILT_IN_PROVIDERS.contains(&name));
        // Without `use`, what only a definition has makes it one; so does an address, if there is nothing of its name.
        let is_definition = node.get("use").is_none()
            && (map.iter().any(|entry| defines(&entry.key.value))
                || (!is_built_in && node.get("base_url").is_some()));
        match is_definition {
            true => InlineDefinition::from_node(node, lower).map(|inline| Self::Inline(Box::new(inline))),
            false => ProviderUse::from_node(node, lower).map(|used| Self::Use(Box::new(used))),
        }
    }
}

impl JsonSchema for ProviderEntry {
    fn schema_name() -> Cow<'static, str> {
        "Provider".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let used = generator.subschema_for::<ProviderUse>();
        let inline = generator.subschema_for::<InlineDefinition>();
        json_schema!({ "anyOf": [used, inline] })
    }
}
