//! Chains of sources: where secrets, settings and profiles come from.

use super::context::Context;
use super::literal_secret;
use super::names::join;
use super::reach;
use super::view::View;
use crate::document::{Named, Source, SourceKind};
use crate::source::{Code, Diagnostic, Span, Spanned, nearest};
use crate::template::Template;
use std::collections::HashSet;

/// What a chain is for: it decides which sources make sense.
pub(super) struct Chain<'a> {
    /// The name of what it yields; a TOTP code must not come from itself.
    pub name: &'a str,
    /// A secret may be stored, asked for or computed; settings and profiles only come from what lies there.
    pub kind: ChainKind,
    /// The names that `totp` may say: those declared beside it.
    pub siblings: Vec<&'a str>,
    /// Whether a name that is none of the siblings is declared all the same, but could not be read.
    pub declares: &'a dyn Fn(&str) -> bool,
    /// Whether what it yields is secret.
    pub is_secret: bool,
    /// A built-in definition wrote it: it may name any file.
    pub is_built_in: bool,
    /// The place of its key `from`, or of what holds it.
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChainKind {
    /// A credential of a provider.
    Secret,
    /// A secret of the playbook.
    OwnSecret,
    Setting,
    Profile,
}

/// Checks a chain.
pub(super) fn check(context: &Context<'_>, chain: &Chain<'_>, sources: &[Source], view: &View<'_>) {
    if sources.is_empty() && context.has_key(chain.span, "from") && !has_items(context, chain.span) {
        let span = context.key(chain.span, "from");
        context.report(Diagnostic::new(Code::InvalidValue, span, "`from` needs at least one source"));
    }
    for source in sources {
        check_source(context, chain, source, view);
    }
}

/// Whether `from` was written with items: those that could not be read were reported.
fn has_items(context: &Context<'_>, map: Span) -> bool {
    let entries = context.entries(map).unwrap_or_default();
    let from = entries.iter().find(|entry| entry.key.value == "from");
    from.is_some_and(|from| from.value.as_list().is_none_or(|items| !items.is_empty()))
}

fn check_source(context: &Context<'_>, chain: &Chain<'_>, source: &Source, view: &View<'_>) {
    match &source.kind {
        SourceKind::Env(name) => check_variable(context, name, view),
        SourceKind::File { path, .. } => {
            context.template(path, view);
            if !chain.is_built_in {
                reach::check(context, path);
            }
        }
        SourceKind::Value(value) => {
            context.template(value, view);
            if chain.is_secret && value.as_literal().is_some_and(|text| !text.is_empty()) {
                literal_secret::report(context, value.span(), chain.name);
            }
        }
        SourceKind::Prompt(text) => {
            refuse_unless_secret(context, chain, source, "prompt");
            text.iter().for_each(|text| context.template(text, view));
        }
        SourceKind::Stored => refuse_unless_secret(context, chain, source, "stored"),
        SourceKind::Totp(name) => {
            refuse_unless_secret(context, chain, source, "totp");
            if matches!(chain.kind, ChainKind::Secret | ChainKind::OwnSecret) {
                check_totp(context, chain, name);
            }
        }
    }
}

fn check_variable(context: &Context<'_>, name: &Template, view: &View<'_>) {
    context.template(name, view);
    let is_valid = |text: &str| {
        !text.is_empty()
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if let Some(literal) = name.as_literal().filter(|literal| !is_valid(literal)) {
        let message = match literal {
            "" => "an environment variable has a name".to_owned(),
            _ => format!("`{literal}` is no name of an environment variable"),
        };
        let mended = literal.trim_matches(['$', '{', '}']).replace(['-', '.', ' '], "_");
        let suggestion = is_valid(&mended).then_some(mended);
        let diagnostic = Diagnostic::new(Code::InvalidName, name.span(), message);
        context.report(diagnostic.did_you_mean(suggestion.as_deref()));
    }
}

fn refuse_unless_secret(context: &Context<'_>, chain: &Chain<'_>, source: &Source, word: &str) {
    let what = match chain.kind {
        ChainKind::Secret | ChainKind::OwnSecret => return,
        ChainKind::Setting => "a setting",
        ChainKind::Profile => "a profile",
    };
    let message = format!("`{word}` is a source of secrets; {what} is none");
    let diagnostic = Diagnostic::new(Code::InvalidValue, source.span, message);
    context.report(diagnostic.help("it comes from `{ env: NAME }`, `{ file: PATH }`, or the playbook"));
}

/// Reports chains whose codes are computed from each other in a circle, at the first of them.
pub(super) fn check_circles<T>(context: &Context<'_>, chains: &Named<T>, sources: impl Fn(&T) -> &[Source]) {
    let computed_from = |name: &str| {
        let sources = chains.get(name).map_or(&[][..], &sources);
        sources.iter().find_map(|source| match &source.kind {
            SourceKind::Totp(secret) if secret.value != name => Some(secret),
            _ => None,
        })
    };
    let mut known: HashSet<&str> = HashSet::new();
    for name in chains.names() {
        let mut way = vec![name];
        let mut next = computed_from(name);
        while let Some(secret) = next.filter(|secret| !known.contains(secret.value.as_str())) {
            if way.contains(&secret.value.as_str()) {
                let message = format!("the code of `{}` is computed from itself", secret.value);
                let help = format!("`totp` leads from {} to {} again", way.join(" to "), secret.value);
                context.report(Diagnostic::new(Code::Cycle, secret.span, message).help(help));
                break;
            }
            way.push(&secret.value);
            next = computed_from(secret);
        }
        known.extend(way);
    }
}

fn check_totp(context: &Context<'_>, chain: &Chain<'_>, name: &Spanned<String>) {
    if name.value == chain.name {
        let message = format!("the code of `{}` is computed from itself", chain.name);
        context.report(Diagnostic::new(Code::Cycle, name.span, message));
        return;
    }
    if chain.siblings.contains(&name.value.as_str()) || (chain.declares)(name) {
        return;
    }
    let (code, lack) = match chain.kind {
        ChainKind::OwnSecret => (Code::UnknownSecret, "the playbook has no secret"),
        _ => (Code::UnknownCredential, "the provider has no credential"),
    };
    let message = format!("{lack} `{}`", name.value);
    let others = || chain.siblings.iter().copied().filter(|sibling| *sibling != chain.name);
    let diagnostic = Diagnostic::new(code, name.span, message);
    context.report(match nearest(name, others()) {
        None if others().next().is_some() => diagnostic.help(format!("it has {}", join(others()))),
        near => diagnostic.did_you_mean(near),
    });
}
