//! Names: what can be one, where a part of one stands, and how messages write them.

use super::context::Context;
use crate::document::Ident;
use crate::source::{Code, Diagnostic, Span, Spanned, nearest};

/// Words that expressions understand otherwise.
const RESERVED: [&str; 13] =
    ["true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else"];

/// Checks a name that expressions will use. `kind` is "an input", "an output".
pub(super) fn check_name(context: &Context<'_>, name: &Spanned<String>, kind: &str) {
    if !Ident::is_valid(name) {
        let message =
            format!("`{}` is no name for {kind}: letters, digits and `_` only, no digit first", name.value);
        let mended: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let suggestion = Ident::is_valid(&mended).then_some(mended.as_str());
        context.report(Diagnostic::new(Code::InvalidName, name.span, message).did_you_mean(suggestion));
    } else if RESERVED.contains(&name.value.as_str()) {
        let message = format!("`{}` is a word of expressions, no name for {kind}", name.value);
        context.report(Diagnostic::new(Code::InvalidName, name.span, message));
    }
}

/// A part of a name that is written with a dot.
pub(super) fn part(target: &Spanned<String>, start: usize, text: &str) -> Spanned<String> {
    // Quotes and the like may stand around the text: the part is then placed with the whole.
    let is_plain = target.span.range().len() == target.len();
    let begin = target.span.range().start + start;
    let span = if is_plain { Span::new(target.span.file, begin..begin + text.len()) } else { target.span };
    Spanned::new(text.to_owned(), span)
}

/// Names in backticks, for a sentence.
pub(super) fn join<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// No credential has that name.
pub(super) fn unknown_credential<'n>(
    name: &Spanned<String>,
    known: impl Iterator<Item = &'n str> + Clone,
) -> Diagnostic {
    let diagnostic = Diagnostic::new(
        Code::UnknownCredential,
        name.span,
        format!("the provider has no credential `{}`", name.value),
    );
    match nearest(name, known.clone()) {
        None if known.clone().next().is_some() => diagnostic.help(format!("it has {}", join(known))),
        near => diagnostic.did_you_mean(near),
    }
}
