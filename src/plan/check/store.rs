//! The step `store`: a secret can be kept, and will be found again.

use super::context::Context;
use super::names::{join, part, unknown_credential};
use super::provider::{Providers, names_profile};
use super::reach;
use crate::document::{Playbook, Source, SourceKind};
use crate::plan::StoreTarget;
use crate::source::{Code, Diagnostic, Span, Spanned, nearest};

/// Checks a target and says what it is; `None` when that is a mistake.
pub(super) fn check(
    context: &Context<'_>,
    target: &Spanned<String>,
    playbook: &Playbook,
    providers: &Providers<'_>,
) -> Option<StoreTarget> {
    match target.split_once('.') {
        Some((provider, credential)) => check_credential(context, target, provider, credential, providers),
        None => check_secret(context, target, playbook, providers),
    }
}

fn check_credential(
    context: &Context<'_>,
    target: &Spanned<String>,
    provider: &str,
    credential: &str,
    providers: &Providers<'_>,
) -> Option<StoreTarget> {
    let found = providers.named(context, &part(target, 0, provider))?;
    let name = part(target, provider.len() + 1, credential);
    let planned = &found.planned;
    let Some(known) = planned.credentials.iter().find(|known| known.name == credential) else {
        if !found.keys.credentials.declares(credential) {
            let names: Vec<&str> = planned.credentials.iter().map(|known| known.name.as_str()).collect();
            context.report(unknown_credential(&name, names.into_iter()));
        }
        return None;
    };
    // A profile passes over the environment in the definition's chains.
    let asks_environment = known.is_chain_of_playbook || !names_profile(planned);
    let names_any_file = planned.is_built_in && !known.is_chain_of_playbook;
    check_chain(
        context,
        &name,
        &known.sources,
        known.span,
        Asked { environment: asks_environment, names_any_file },
    );
    Some(StoreTarget::Credential {
        provider: found.index,
        provider_name: planned.name.clone(),
        credential: credential.to_owned(),
    })
}

fn check_secret(
    context: &Context<'_>,
    target: &Spanned<String>,
    playbook: &Playbook,
    providers: &Providers<'_>,
) -> Option<StoreTarget> {
    if let Some((name, secret)) = playbook.secrets.iter().find(|(name, _)| name.value == target.value) {
        let asked = Asked { environment: true, names_any_file: false };
        check_chain(context, target, &secret.from, name.span, asked);
        return Some(StoreTarget::Secret(target.value.clone()));
    }
    if playbook.secrets.declares(target) {
        return None;
    }
    let message = format!("the playbook has no secret `{}`", target.value);
    let diagnostic = Diagnostic::new(Code::UnknownSecret, target.span, message);
    let is_provider = providers.declares(target);
    context.report(match nearest(target, playbook.secrets.names()) {
        _ if is_provider => diagnostic.help(format!("say which of its credentials: `{}.NAME`", target.value)),
        None if playbook.secrets.is_empty() => {
            diagnostic.help("write `provider.credential`, or declare it under `secrets`")
        }
        None => diagnostic.help(format!("it has {}", join(playbook.secrets.names()))),
        near => diagnostic.did_you_mean(near),
    });
    None
}

/// What sources of a chain are asked.
#[derive(Clone, Copy)]
struct Asked {
    /// Those of the environment are.
    environment: bool,
    /// A built-in definition wrote them.
    names_any_file: bool,
}

/// What is stored must be found again: `stored` is a source, and none before it answers.
fn check_chain(
    context: &Context<'_>,
    target: &Spanned<String>,
    sources: &[Source],
    declared: Span,
    asked: Asked,
) {
    let is_stored = |source: &Source| matches!(source.kind, SourceKind::Stored);
    let Some(position) = sources.iter().position(is_stored) else {
        let message = format!("`{}` cannot be stored: `stored` is none of its sources", target.value);
        let diagnostic = Diagnostic::new(Code::CannotStore, target.span, message);
        let help = "add `stored` to its `from`: `from: [{ env: NAME }, stored]`";
        context.report(diagnostic.also(declared, "its sources are here").help(help));
        return;
    };
    let hiding =
        sources[..position].iter().find_map(|source| Some((source, answer(context, source, asked)?)));
    if let Some((source, answer)) = hiding {
        let message = format!("what is stored as `{}` would be hidden: {answer}", target.value);
        let diagnostic = Diagnostic::new(Code::CannotStore, target.span, message);
        let help = "an earlier source wins; unset it, or move `stored` before it";
        context.report(diagnostic.also(source.span, "this source answers first").help(help));
    }
}

/// How a source answers now, if it does.
fn answer(context: &Context<'_>, source: &Source, asked: Asked) -> Option<String> {
    let asks_world = !context.options.is_simulated;
    match &source.kind {
        SourceKind::Env(name) => {
            let name = name.as_literal().filter(|_| asks_world && asked.environment)?;
            context.surroundings.variable(name).map(|_| format!("the variable {name} is set"))
        }
        SourceKind::File { path, .. } => {
            let path = path.as_literal().filter(|_| asks_world)?;
            let reach = reach::of_playbook(context);
            let file = if asked.names_any_file { reach.expand(path) } else { reach.locate(path) };
            let text = context.surroundings.read_text(&file.ok()?).ok()?;
            (!text.trim().is_empty()).then(|| format!("the file {path} is there"))
        }
        SourceKind::Prompt(_) => Some("a person is asked before".to_owned()),
        SourceKind::Value(_) => Some("a value is written before".to_owned()),
        SourceKind::Stored | SourceKind::Totp(_) => None,
    }
}
