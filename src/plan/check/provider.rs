//! The providers of a playbook: a definition with what the playbook and the command line say otherwise.

use super::address::{self, Addresses};
use super::auth;
use super::context::{Context, Facts};
use super::definition::{self, Origin};
use super::load::Documents;
use super::names::{join, unknown_credential};
use super::source::{self, Chain, ChainKind};
use super::value::check_given_names;
use super::view::View;
use crate::document::{
    ConnectionKeys, Credential, CredentialChain, DefinitionKeys, Named, Playbook, ProviderEntry, ProviderUse,
    Tree,
};
use crate::plan::{
    Address, PlannedCredential, PlannedMethod, PlannedProvider, PlannedSetting, ProviderIndex,
};
use crate::source::{Code, Diagnostic, Span, Spanned, nearest};
use crate::template::Template;
use std::collections::HashMap;
use std::path::Path;

/// A provider that steps can name.
pub(super) struct Provider<'a> {
    pub index: ProviderIndex,
    pub name: &'a str,
    pub keys: &'a DefinitionKeys,
    /// The folder that paths in the definition count from.
    pub folder: &'a Path,
    pub planned: PlannedProvider,
}

/// All providers of a playbook.
pub(super) struct Providers<'a> {
    list: Vec<Provider<'a>>,
    by_name: HashMap<&'a str, usize>,
    declared: &'a Named<ProviderEntry>,
}

impl<'a> Providers<'a> {
    /// Checks and plans all of them.
    pub fn new(context: &Context<'_>, documents: &'a Documents, playbook: &'a Playbook) -> Self {
        let mut providers = Self { list: Vec::new(), by_name: HashMap::new(), declared: &playbook.providers };
        for (name, entry) in playbook.providers.iter() {
            check_provider_name(context, name);
            let setup = Setup { context, documents, playbook, name };
            if let Some(provider) = setup.provider(entry, ProviderIndex(providers.list.len())) {
                providers.by_name.insert(provider.name, providers.list.len());
                providers.list.push(provider);
            }
        }
        providers.check_overrides(context, documents);
        providers
    }

    /// The provider of that name; that none is declared is reported at the name.
    pub fn named(&self, context: &Context<'_>, name: &Spanned<String>) -> Option<&Provider<'a>> {
        if !self.declares(name) {
            context.report(self.unknown(name));
        }
        self.by_name.get(name.value.as_str()).map(|index| &self.list[*index])
    }

    /// Whether one of that name is declared, readable or not.
    pub fn declares(&self, name: &str) -> bool {
        self.declared.declares(name)
    }

    /// The names that are declared, whether they could be read or not.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + Clone {
        self.declared.names().collect::<Vec<_>>().into_iter()
    }

    /// The provider, if there is only one.
    pub fn only(&self) -> Option<&Provider<'a>> {
        match self.list.as_slice() {
            [only] if self.declared.len() == 1 => Some(only),
            _ => None,
        }
    }

    /// Whether at least one is declared, readable or not.
    pub fn are_declared(&self) -> bool {
        self.declared.names().next().is_some() || self.declared.has_broken()
    }

    /// The first provider that has an operation of that name.
    pub fn having_operation(&self, operation: &str) -> Option<&str> {
        let mut having = self.list.iter().filter(|provider| provider.keys.operations.declares(operation));
        having.next().map(|provider| provider.name)
    }

    /// Takes down whose session some step needs.
    pub fn need_sessions(&mut self, facts: &Facts) {
        for provider in &mut self.list {
            provider.planned.needs_session = facts.needed_sessions.contains(&provider.index.0);
        }
    }

    pub fn into_planned(self) -> Vec<PlannedProvider> {
        self.list.into_iter().map(|provider| provider.planned).collect()
    }

    /// A flag for a provider that the playbook does not have would have no effect.
    fn check_overrides(&self, context: &Context<'_>, documents: &Documents) {
        for named in &documents.named_by_flags {
            self.named(context, named);
        }
    }

    /// No provider of the playbook has that name.
    fn unknown(&self, name: &Spanned<String>) -> Diagnostic {
        let message = format!("the playbook has no provider `{}`", name.value);
        let diagnostic = Diagnostic::new(Code::UnknownProvider, name.span, message);
        match nearest(name, self.names()) {
            None if self.names().next().is_none() => {
                diagnostic.help(format!("declare it: `providers: {{ {}: {{}} }}`", name.value))
            }
            None => diagnostic.help(format!("it has {}", join(self.names()))),
            near => diagnostic.did_you_mean(near),
        }
    }
}

fn check_provider_name(context: &Context<'_>, name: &Spanned<String>) {
    let is_good = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if !is_good {
        let message = format!(
            "`{}` is no name for a provider: letters, digits, `_` and `-` only, a letter first",
            name.value
        );
        context.report(Diagnostic::new(Code::InvalidName, name.span, message));
    }
}

/// One entry of `providers`.
struct Setup<'s, 'a> {
    context: &'s Context<'s>,
    documents: &'a Documents,
    playbook: &'a Playbook,
    name: &'a Spanned<String>,
}

impl<'a> Setup<'_, 'a> {
    fn provider(&self, entry: &'a ProviderEntry, index: ProviderIndex) -> Option<Provider<'a>> {
        match entry {
            ProviderEntry::Inline(inline) => {
                let inputs = &self.playbook.inputs;
                definition::check(
                    self.context,
                    &inline.definition,
                    &self.documents.presets,
                    Origin::Inline(inputs),
                );
                let keys = &inline.definition;
                definition::check_schemas(self.context, keys, &self.documents.folder);
                let planned = self.planned(keys, None, &inline.connection);
                let folder = self.documents.folder.as_path();
                Some(Provider { index, name: self.name, keys, folder, planned })
            }
            ProviderEntry::Use(used) => {
                let loaded = &self.documents.definitions[*self.documents.chosen.get(&self.name.value)?];
                self.check_use(used, &loaded.keys);
                let mut planned = self.planned(&loaded.keys, Some(used), &used.connection);
                planned.definition.clone_from(&loaded.name);
                planned.is_built_in = loaded.is_built_in;
                Some(Provider { index, name: self.name, keys: &loaded.keys, folder: &loaded.folder, planned })
            }
        }
    }

    /// What the playbook says about a definition from elsewhere.
    fn check_use(&self, used: &ProviderUse, keys: &DefinitionKeys) {
        let context = self.context;
        let view = View::of_provider_entry(self.playbook);
        used.settings.iter().for_each(|(_, tree)| context.tree(tree, &view));
        for text in [&used.profile, &used.base_url, &used.auth_base_url].into_iter().flatten() {
            context.template(text, &view);
        }
        for address in [&used.base_url, &used.auth_base_url].into_iter().flatten() {
            address::check_form(context, address);
        }
        self.check_settings(&used.settings, keys);
        self.check_chains(&used.credentials, keys);
    }

    fn check_settings(&self, given: &Named<Tree>, keys: &DefinitionKeys) {
        let declared: Vec<_> = keys.settings.iter().map(|(name, setting)| (name, &setting.value)).collect();
        let unknown = |name: &Spanned<String>| {
            let message = format!("`{}` has no setting `{}`", self.name.value, name.value);
            Diagnostic::new(Code::UnknownSetting, name.span, message)
        };
        check_given_names(self.context, given, &declared, |name| keys.settings.declares(name), unknown);
    }

    fn check_chains(&self, chains: &Named<CredentialChain>, keys: &DefinitionKeys) {
        let credentials = self.documents.presets.credentials(keys);
        let view = View { profile: true, ..View::of_provider_entry(self.playbook) };
        for (name, chain) in chains.iter() {
            if !credentials.declares(name) {
                self.context.report(unknown_credential(name, credentials.names()));
            }
            let is_secret = credentials.get(name).is_none_or(|credential| credential.secret != Some(false));
            let checked = Chain {
                name,
                kind: ChainKind::Secret,
                siblings: credentials.names().collect(),
                declares: &|name| credentials.declares(name),
                is_secret,
                is_built_in: false,
                span: chain.span,
            };
            source::check(self.context, &checked, &chain.from, &view);
        }
    }

    fn planned(
        &self,
        keys: &'a DefinitionKeys,
        used: Option<&'a ProviderUse>,
        connection: &'a ConnectionKeys,
    ) -> PlannedProvider {
        let addresses = Addresses {
            keys,
            base_url: used.and_then(|used| used.base_url.as_ref()),
            auth_base_url: used.and_then(|used| used.auth_base_url.as_ref()),
            settings: used.map(|used| &used.settings),
            allow_http: connection.allow_http.as_ref(),
            name: self.name,
            overrides: &self.documents.overrides,
        };
        let (base_url, auth_base_url) = addresses.plan(self.context);
        let settings = self.settings(keys, used, [&base_url, &auth_base_url]);
        let credentials = self.documents.presets.credentials(keys);
        let methods: Vec<PlannedMethod> = auth::methods(keys, &self.documents.presets)
            .into_iter()
            .map(|(name, method)| auth::plan_method(name, method, &credentials))
            .collect();
        let ca_file = connection.ca_file.as_ref().map(|file| self.documents.folder.join(&file.value));
        PlannedProvider {
            name: self.name.value.clone(),
            definition: self.name.value.clone(),
            is_built_in: false,
            base_url,
            auth_base_url,
            allow_http: connection.allow_http.as_ref().is_some_and(|allowed| allowed.value),
            ca_file,
            profile: used.and_then(|used| used.profile.clone()),
            profile_override: self.profile_override(),
            profile_sources: keys.profile.as_ref().map_or_else(Vec::new, |profile| profile.from.clone()),
            settings,
            credentials: planned_credentials(&credentials, used),
            method: self.method(connection, keys, &methods),
            methods,
            headers: keys.headers.clone(),
            errors: self.documents.presets.errors(keys),
            rate_limit: keys.rate_limit.clone(),
            success: keys.success.clone(),
            throttled: keys.throttled.clone(),
            needs_session: false,
            span: self.name.span,
        }
    }

    fn profile_override(&self) -> Option<String> {
        let profiles = &self.context.options.profiles;
        let own = profiles.iter().rev().find(|(provider, _)| provider.as_ref() == Some(&self.name.value));
        let all = profiles.iter().rev().find(|(provider, _)| provider.is_none());
        own.or(all).map(|(_, profile)| profile.clone())
    }

    /// The settings that something reads: not those that only make an address which is replaced.
    fn settings(
        &self,
        keys: &DefinitionKeys,
        used: Option<&ProviderUse>,
        addresses: [&Address; 2],
    ) -> Vec<PlannedSetting> {
        let given = |name: &str| used.and_then(|used| used.settings.get(name)).cloned();
        let replaced = replaced_addresses(keys, addresses);
        let declared = keys.settings.iter();
        let needed = declared.filter(|(name, _)| !self.is_read_only_in(&replaced, name, keys));
        let planned = needed.map(|(name, setting)| PlannedSetting {
            name: name.value.clone(),
            declaration: setting.value.clone(),
            value: given(name),
            sources: setting.from.clone(),
            span: name.span,
        });
        let planned: Vec<_> = planned.collect();
        for setting in &planned {
            let declared = used.is_some_and(|used| used.settings.declares(&setting.name));
            if setting.value.is_none()
                && setting.sources.is_empty()
                && setting.declaration.default.is_none()
                && !declared
            {
                self.report_missing_setting(setting);
            }
        }
        planned
    }

    /// Whether the definition reads a setting, and does so in these places only.
    fn is_read_only_in(&self, places: &[Span], setting: &str, keys: &DefinitionKeys) -> bool {
        let facts = self.context.facts.borrow();
        let reads = facts.read_settings.iter().filter(|(span, name)| {
            keys.span.contains(*span) && name.as_ref().is_none_or(|name| name == setting)
        });
        let mut reads = reads.map(|(span, _)| *span).peekable();
        reads.peek().is_some() && reads.all(|read| places.iter().any(|place| place.contains(read)))
    }

    fn report_missing_setting(&self, setting: &PlannedSetting) {
        if self.context.has_key(setting.declaration.span, "from")
            || self.context.has_key(setting.declaration.span, "default")
        {
            return;
        }
        let message = format!("`{}` needs the setting `{}`", self.name.value, setting.name);
        let diagnostic = Diagnostic::new(Code::MissingValue, self.name.span, message);
        let help = format!("write `settings: {{ {}: ... }}`", setting.name);
        self.context
            .report(diagnostic.also(setting.span, "declared here without a source or default").help(help));
    }

    /// The method that the playbook chose.
    fn method(
        &self,
        connection: &ConnectionKeys,
        keys: &DefinitionKeys,
        methods: &[PlannedMethod],
    ) -> Option<String> {
        let written = connection.method.as_ref()?;
        check_method(self.context, written, self.name, keys, methods);
        Some(written.value.clone())
    }
}

/// The addresses of a definition that do not count, since others are given.
fn replaced_addresses(keys: &DefinitionKeys, addresses: [&Address; 2]) -> Vec<Span> {
    let counts = |span: Span| {
        let is_this = |address: &&Address| matches!(address, Address::Definition(it) if it.span() == span);
        addresses.iter().any(is_this)
    };
    let written = std::iter::once(&keys.base_url).chain(&keys.auth_base_url).map(Template::span);
    written.filter(|span| !counts(*span)).collect()
}

/// Checks that a provider has a method of that name.
pub(super) fn check_method(
    context: &Context<'_>,
    written: &Spanned<String>,
    provider: &str,
    keys: &DefinitionKeys,
    methods: &[PlannedMethod],
) {
    let Some(auth) = &keys.auth else {
        if !context.has_key(keys.span, "auth") {
            let message = format!("`{provider}` has no methods: nobody signs in to it");
            context.report(Diagnostic::new(Code::UnknownMethod, written.span, message));
        }
        return;
    };
    let names = || methods.iter().map(|method| method.name.as_str());
    if auth.methods.declares(written) || names().any(|name| name == written.value) {
        return;
    }
    let message = format!("`{provider}` has no method `{}`", written.value);
    let diagnostic = Diagnostic::new(Code::UnknownMethod, written.span, message);
    context.report(match nearest(written, names()) {
        None if auth.methods.is_empty() => {
            diagnostic.help("there is only one way to sign in: leave `method` out")
        }
        None => diagnostic.help(format!("it has {}", join(names()))),
        near => diagnostic.did_you_mean(near),
    });
}

fn planned_credentials(
    credentials: &Named<Credential>,
    used: Option<&ProviderUse>,
) -> Vec<PlannedCredential> {
    let chain_of = |name: &str| used.and_then(|used| used.credentials.get(name));
    let planned = credentials.iter().map(|(name, credential)| PlannedCredential {
        name: name.value.clone(),
        sources: chain_of(name).map_or_else(|| credential.from.clone(), |chain| chain.from.clone()),
        // An inline definition is part of the playbook, and so are its chains.
        is_chain_of_playbook: used.is_none() || chain_of(name).is_some(),
        is_secret: credential.secret != Some(false),
        is_optional: credential.optional == Some(true),
        is_one_time: credential.one_time == Some(true),
        description: credential.description.clone(),
        span: name.span,
    });
    planned.collect()
}

/// Whether the playbook or the command line names the profile.
pub(super) fn names_profile(provider: &PlannedProvider) -> bool {
    provider.profile_override.is_some() || provider.profile.is_some()
}
