//! Secrets that stand in the file itself: each is a warning, and no renderer quotes it.

use super::context::Context;
use crate::document::{Named, Tree, TreeKind};
use crate::source::{Code, Diagnostic, Span};
use crate::template::Template;
use std::ops::Range;

/// Reports a literal where a secret should come from a source, and hides it. `name` is what it is called
/// there.
pub(super) fn report(context: &Context<'_>, span: Span, name: &str) {
    context.hide(span);
    let message = format!("a secret stands in the file: `{name}`");
    let help = "let it come from a source: `{ env: NAME }`, `stored` or `prompt`; \
                in a playbook declare it under `secrets` and write `${{ secrets.NAME }}`";
    context.report(Diagnostic::new(Code::LiteralSecret, span, message).help(help));
}

/// Reports every text and number of a tree that stands where a secret is expected.
pub(super) fn report_literals(context: &Context<'_>, name: &str, tree: &Tree) {
    match &tree.kind {
        TreeKind::Literal(value) if value.is_number() => report(context, tree.span, name),
        TreeKind::Template(text) if text.as_literal().is_some_and(|literal| !literal.is_empty()) => {
            report(context, tree.span, name);
        }
        TreeKind::Literal(_) | TreeKind::Template(_) => {}
        TreeKind::List(items) => items.iter().for_each(|item| report_literals(context, name, item)),
        TreeKind::Map(entries) => {
            entries.iter().for_each(|(_, value)| report_literals(context, name, value));
        }
    }
}

/// Looks at a text under a name: a header, a key of a body.
pub(super) fn look_at(context: &Context<'_>, name: &str, text: &Template) {
    let Some(literal) = text.as_literal() else { return };
    if is_literal_secret(name, literal) {
        report(context, text.span(), name);
    }
}

/// Whether a text under a name is a secret: by the name or by its look.
pub(super) fn is_literal_secret(name: &str, text: &str) -> bool {
    let value = text.strip_prefix("Bearer ").or(text.strip_prefix("Basic ")).unwrap_or(text);
    (is_secret_name(name) && value.len() >= 4) || looks_like_key(value)
}

/// Looks at every text and number of a tree under its name.
pub(super) fn look_at_tree(context: &Context<'_>, name: &str, tree: &Tree) {
    match &tree.kind {
        TreeKind::Literal(value) => {
            if is_secret_name(name) && value.is_number() && value.to_string().len() >= 4 {
                report(context, tree.span, name);
            }
        }
        TreeKind::Template(text) => look_at(context, name, text),
        TreeKind::List(items) => items.iter().for_each(|item| look_at_tree(context, name, item)),
        TreeKind::Map(entries) => entries.iter().for_each(|(key, value)| look_at_tree(context, key, value)),
    }
}

/// Looks at all texts of a map of trees.
pub(super) fn look_at_trees(context: &Context<'_>, trees: &Named<Tree>) {
    trees.iter().for_each(|(name, tree)| look_at_tree(context, name, tree));
}

/// Looks at cookies: those that carry a session are secrets.
pub(super) fn look_at_cookies(context: &Context<'_>, cookies: &Named<Template>) {
    for (name, text) in cookies.iter() {
        match text.as_literal() {
            Some(literal) if is_secret_cookie(name) && literal.len() >= 4 => {
                report(context, text.span(), name)
            }
            _ => look_at(context, name, text),
        }
    }
}

/// Looks for keys among the words of a longer text, such as a path. `name` is what it is called.
pub(super) fn look_at_words(context: &Context<'_>, name: &str, text: &Template) {
    for range in text.literal_ranges() {
        let written = &text.source()[range.clone()];
        for word in words(written).filter(|word| has_prefix_of_key(&written[word.clone()])) {
            report(context, text.place(range.start + word.start..range.start + word.end), name);
        }
    }
}

/// The parts of a text between blanks, quotes and the signs of addresses and forms.
pub(super) fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_border = |c: char| c.is_whitespace() || "/?&=;,:\"'`{}[]()".contains(c);
    text.split(is_border).map(|word| {
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        start..start + word.len()
    })
}

/// Whether a cookie of this name carries a session or another secret.
pub(super) fn is_secret_cookie(name: &str) -> bool {
    let folded = name.to_ascii_lowercase();
    is_secret_name(name) || folded.contains("sess") || folded.ends_with("sid") || folded.contains("auth")
}

/// Whether what has this name is a secret by all custom.
pub(super) fn is_secret_name(name: &str) -> bool {
    let folded: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let within =
        ["password", "passwd", "passphrase", "secret", "apikey", "accesskey", "authkey", "privatekey"];
    let exact = [
        "authorization",
        "proxyauthorization",
        "cookie",
        "setcookie",
        "credential",
        "pass",
        "pwd",
        "passcode",
        "pin",
        "otp",
        "mfacode",
    ];
    let is_public_half = folded.ends_with("keyid") || folded.ends_with("hint");
    !is_public_half
        && (within.iter().any(|word| folded.contains(word))
            || exact.contains(&folded.as_str())
            || folded.ends_with("token"))
}

/// Whether a text has the look of a key, whatever it is called: a known prefix, or long and without any
/// order.
pub(super) fn looks_like_key(text: &str) -> bool {
    has_prefix_of_key(text) || text.starts_with("-----BEGIN") || is_without_order(text)
}

/// Whether a text begins as the keys of well-known providers do.
pub(super) fn has_prefix_of_key(text: &str) -> bool {
    let prefixes = [
        "ghp_",
        "github_pat_",
        "glpat-",
        "sk_live_",
        "sk-",
        "xoxb-",
        "xoxp-",
        "AKIA",
        "ASIA",
        "keyId-",
        "secret-",
    ];
    let is_known = prefixes.iter().any(|prefix| text.starts_with(prefix) && text.len() >= prefix.len() + 12);
    is_known || (text.starts_with("eyJ") && text.split('.').count() == 3)
}

fn is_without_order(text: &str) -> bool {
    let is_key_character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_');
    let count = |is: fn(&char) -> bool| text.chars().filter(is).count();
    let digits = count(char::is_ascii_digit);
    let is_hex = text.chars().all(|c| c.is_ascii_hexdigit()) && digits < text.len();
    let is_mixed = count(char::is_ascii_uppercase) >= 3 && count(char::is_ascii_lowercase) >= 3;
    text.len() >= 32 && text.chars().all(is_key_character) && digits >= 4 && (is_hex || is_mixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in [
            "password",
            "X-Soracom-Token",
            "authKey",
            "Authorization",
            "client_secret",
            "api-key",
            "userPassword",
            "pwd",
            "pass",
            "Cookie",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "authKeyId",
            "user",
            "grant_type",
            "token_type",
            "page_token_limit",
            "AuthFlow",
            "key",
            "passive",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn looks_of_keys() {
        for text in [
            "AKIAIOSFODNN7EXAMPLE",
            "keyId-AbCdEfGhIjKlMn",
            "2fd4e1c67a2d28fced849ee1bb76e739",
            "eyJhbGci.eyJzdWIi.c2ln",
        ] {
            assert!(looks_like_key(text), "{text}");
        }
        for text in [
            "AWSCognitoIdentityProviderService.InitiateAuth",
            "application/x-amz-json-1.1",
            "00000000-0000-4000-8000-000000000000",
            "89883030000000001291234567890123456",
            "a description with 12345 many words in it",
        ] {
            assert!(!looks_like_key(text), "{text}");
        }
    }
}
