//! Where a request goes: a path below the provider's address, an address that an answer gave, or a whole
//! address.

use super::address::{self, Scheme};
use super::context::Context;
use super::view::View;
use crate::document::Ident;
use crate::plan::PlannedPath;
use crate::source::{Code, Diagnostic, Span};
use crate::template::Template;
use std::ops::Range;

/// Which forms a path may have at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathRules {
    /// A step: all of them.
    Step,
    /// An operation: what goes to its provider.
    Operation,
    /// A ping: a whole address with its query, or what `Step` takes.
    Ping,
    /// Sign-in: what is below `auth_base_url`.
    SignIn,
}

/// Checks a path with its templates and says what form it has; `None` when that is a mistake.
pub(super) fn check(
    context: &Context<'_>,
    path: &Template,
    view: &View<'_>,
    rules: PathRules,
) -> Option<PlannedPath> {
    context.template(path, view);
    if context.is_reported(Code::TemplateForm, path.span()) {
        return None;
    }
    let start = path.literal_start();
    if path.as_expression().is_some() {
        return whole_template(context, path, rules);
    }
    if let Some((scheme, _)) = start.split_once("://").filter(|(scheme, _)| !scheme.contains('/')) {
        return whole_address(context, path, scheme, rules);
    }
    if !start.starts_with('/') {
        let message = "a path begins with `/`";
        let diagnostic = Diagnostic::new(Code::InvalidAddress, path.span(), message);
        context.report(match start.is_empty() {
            true if path.as_literal().is_some() => diagnostic.help("`/` alone is the address itself"),
            true => diagnostic.help("text before the template makes it a path: `/devices/${{ ... }}`"),
            false => diagnostic.did_you_mean(Some(&format!("/{}", path.source()))),
        });
        return None;
    }
    is_plain(context, path, 0..path.source().len()).then(|| PlannedPath::Path(path.clone()))
}

/// Reports what must not stand in the written parts of a path, which has this place in its address.
fn is_plain(context: &Context<'_>, path: &Template, place: Range<usize>) -> bool {
    let mistakes: Vec<_> = written_parts(path, place).filter_map(|range| mistake_in(path, range)).collect();
    let is_plain = mistakes.is_empty();
    mistakes.into_iter().for_each(|mistake| context.report(mistake));
    is_plain
}

/// As [`is_plain`], for the query of an address that is written out.
fn is_plain_query(context: &Context<'_>, path: &Template, place: Range<usize>) -> bool {
    let mistakes: Vec<_> = written_parts(path, place)
        .filter_map(|range| {
            let text = &path.source()[range.clone()];
            let found = text.find(|c: char| c.is_whitespace() || c.is_control() || c == '#')?;
            let length = text[found..].chars().next().map_or(1, char::len_utf8);
            let span = path.place(range.start + found..range.start + found + length);
            Some(Diagnostic::new(Code::InvalidAddress, span, "blanks and `#` have no place in a query"))
        })
        .collect();
    let is_plain = mistakes.is_empty();
    mistakes.into_iter().for_each(|mistake| context.report(mistake));
    is_plain
}

/// What of a part of an address is written out, between its templates.
fn written_parts(path: &Template, place: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let parts = path.literal_ranges().into_iter();
    parts
        .map(move |range| range.start.max(place.start)..range.end.min(place.end))
        .filter(|range| !range.is_empty())
}

/// A path that is exactly one template: an address of an answer, or a secret of the playbook.
fn whole_template(context: &Context<'_>, path: &Template, rules: PathRules) -> Option<PlannedPath> {
    let reference = path.as_expression().and_then(|expression| expression.as_reference());
    let is_secret = reference.is_some_and(|reference| reference.name(0) == Some("secrets"));
    match rules {
        PathRules::Step | PathRules::Ping if is_secret => Some(PlannedPath::Address(path.clone())),
        PathRules::Step | PathRules::Ping | PathRules::Operation => Some(PlannedPath::Answered(path.clone())),
        PathRules::SignIn => {
            let message = "a request under `auth` has a path of its own, never an address from elsewhere";
            context.report(Diagnostic::new(Code::InvalidAddress, path.span(), message));
            None
        }
    }
}

fn whole_address(
    context: &Context<'_>,
    path: &Template,
    scheme: &str,
    rules: PathRules,
) -> Option<PlannedPath> {
    let fail = |code, span, message: &str, help: &str| {
        context.report(Diagnostic::new(code, span, message).help(help));
        None
    };
    if !matches!(rules, PathRules::Step | PathRules::Ping) {
        let help =
            "write the path only; the address is the provider's `base_url` or, under `auth`, `auth_base_url`";
        return fail(
            Code::InvalidAddress,
            path.span(),
            "a definition's requests go to its own address",
            help,
        );
    }
    let host_end = address::host_end(path.literal_start());
    let is_literal = path.as_literal().is_some() || host_end < path.literal_start().len();
    if !is_literal {
        let help = "write the host out, or declare a provider whose `base_url` follows a setting";
        return fail(Code::InvalidAddress, path.span(), "the host of an address is literal", help);
    }
    if path.literal_start()[..host_end].contains('@') {
        let help = "credentials go in headers: `Authorization: Basic ${{ secrets.NAME }}`";
        let message = "an address holds no user name and no password";
        return fail(Code::InvalidAddress, path.span(), message, help);
    }
    let query = query_start(path).filter(|_| rules == PathRules::Ping).unwrap_or(path.source().len());
    if !is_plain(context, path, host_end..query) || !is_plain_query(context, path, query..path.source().len())
    {
        return None;
    }
    match address::scheme_of(&path.literal_start()[..host_end]) {
        Scheme::Https | Scheme::LoopbackHttp => Some(PlannedPath::Address(path.clone())),
        Scheme::Http => {
            let span = path.place(0..scheme.len());
            let help = match rules {
                PathRules::Ping => "write https: a ping goes over plain http to this machine only",
                _ => {
                    "write https; plain http to a server of your own needs a provider with `allow_http: true`"
                }
            };
            fail(
                Code::InsecureAddress,
                span,
                "this address is plain http: anyone on the way can read along",
                help,
            )
        }
        Scheme::None => {
            let help = "an address begins with https:// and a host";
            fail(Code::InvalidAddress, path.span(), "this is no address of the web", help)
        }
    }
}

/// Where the query of an address begins that is written out.
fn query_start(path: &Template) -> Option<usize> {
    let mut parts = path.literal_ranges().into_iter();
    parts.find_map(|range| Some(range.start + path.source()[range].find('?')?))
}

/// What was probably meant by braces with a name in them.
fn mended_braces(written: &str) -> Option<String> {
    let name = written.strip_prefix('{')?.strip_suffix('}')?.trim();
    let is_name = |part: &str| Ident::is_valid(part);
    match name.split_once('.') {
        None => is_name(name).then(|| format!("`${{{{ inputs.{name} }}}}` or `${{{{ params.{name} }}}}`")),
        Some(_) => name.split('.').all(is_name).then(|| format!("`${{{{ {name} }}}}`")),
    }
}

/// What must not stand in the written parts of a path.
fn mistake_in(path: &Template, range: Range<usize>) -> Option<Diagnostic> {
    if let Some(diagnostic) = query_in(path, range.clone()) {
        return Some(diagnostic);
    }
    let text = &path.source()[range.clone()];
    let place = |found: usize, length: usize| path.place(range.start + found..range.start + found + length);
    let invalid = |span: Span, message: &str| Diagnostic::new(Code::InvalidAddress, span, message);
    if let Some(open) = text.find('{') {
        let lead = if text[..open].ends_with('$') { 1 } else { 0 };
        let length = text[open..].find('}').map_or(1, |close| close + 1);
        let diagnostic = invalid(place(open - lead, length + lead), "braces without `${{ }}` are mere text");
        return Some(match mended_braces(&text[open..open + length]) {
            Some(mended) => diagnostic.label(format!("write {mended}")),
            None => diagnostic.help("a path has no braces of its own; a template is `${{ ... }}`"),
        });
    }
    if let Some(blank) = text.find(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        let length = text[blank..].chars().next().map_or(1, char::len_utf8);
        return Some(invalid(place(blank, length), "blanks and backslashes have no place in a path"));
    }
    if let Some(empty) = text.find("//") {
        return Some(invalid(place(empty, 2), "a part of this path is empty"));
    }
    let dots = ["/./", "/../"].into_iter().find_map(|dots| Some((text.find(dots)?, dots.len())));
    let end = ["/.", "/.."].into_iter().find(|end| {
        text.ends_with(end) && matches!(path.source()[range.end..].chars().next(), None | Some('?'))
    });
    let dots = dots.or_else(|| end.map(|end| (text.len() - end.len(), end.len())));
    dots.map(|(found, length)| invalid(place(found, length), "`.` and `..` have no place in a path"))
}

fn query_in(path: &Template, range: Range<usize>) -> Option<Diagnostic> {
    let found = range.start + path.source()[range].find(['?', '#'])?;
    let is_query = path.source()[found..].starts_with('?');
    let (message, help) = match is_query {
        true => ("a query stands under `query`, never in the path", "write `query: { name: value }`"),
        false => ("a path has no `#`", "leave it out; a server never sees it"),
    };
    Some(Diagnostic::new(Code::InvalidAddress, path.place(found..found + 1), message).help(help))
}
