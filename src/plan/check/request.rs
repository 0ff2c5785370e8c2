//! Requests as steps, operations and sign-in write them: one verb, one body, what goes along.

use super::context::Context;
use super::literal_secret;
use super::path::{self, PathRules};
use super::reach::{self, unreadable};
use super::view::View;
use crate::document::{
    BODIES, Effect, Expect, JsonPath, Named, PageKind, PagePlace, Paginate, Part, RateLimit, RequestKeys,
    Retry, Time, TreeKind, VERBS,
};
use crate::plan::{PlannedBody, PlannedPath};
use crate::port::{OutOfReach, Reach};
use crate::source::{Code, Diagnostic, Span, Spanned};
use crate::template::Template;
use http::{HeaderName, Method};
use std::path::Path;

/// A request that was checked.
pub(super) struct CheckedRequest {
    pub method: Method,
    pub path: PlannedPath,
    pub body: PlannedBody,
}

/// Checks a request whose map is at `span`. `None` when it has no usable verb and path.
pub(super) fn check(
    context: &Context<'_>,
    request: &RequestKeys,
    owner: &str,
    view: &View<'_>,
    rules: PathRules,
) -> Option<CheckedRequest> {
    let span = request.span;
    check_parts(context, request, view);
    check_body(context, request, view);
    let mut verbs = request.verbs();
    let (verb, written) = match (verbs.next(), verbs.next()) {
        (Some((first, path)), second) => {
            if let Some((second, _)) = second
                && rules != PathRules::Step
            {
                report_second(context, span, first, second, "a request has one verb");
            }
            (first, path)
        }
        (None, _) => {
            report_missing_verb(context, span, owner);
            return None;
        }
    };
    if matches!(verb, "get" | "head") {
        refuse_body_without_sense(context, span, verb);
    }
    let path = path::check(context, written, view, rules)?;
    Some(CheckedRequest { method: method_of(verb), path, body: PlannedBody::of(request) })
}

fn report_missing_verb(context: &Context<'_>, span: Span, owner: &str) {
    if VERBS.iter().any(|verb| context.has_key(span, verb)) {
        return;
    }
    let message = format!("{owner} needs a verb with its path");
    let diagnostic = Diagnostic::new(Code::MissingKey, context.first_key(span), message);
    context.report(
        diagnostic.help("write one of `get`, `head`, `post`, `put`, `patch`, `delete`: `get: /devices`"),
    );
}

/// Reports two keys of which only one can stand.
pub(super) fn report_second(context: &Context<'_>, map: Span, first: &str, second: &str, rule: &str) {
    let message = format!("`{first}` and `{second}` exclude each other");
    let (one, other) = (context.key(map, first), context.key(map, second));
    let (one, other) = if one.start <= other.start { (one, other) } else { (other, one) };
    context.report(Diagnostic::new(Code::ConflictingKeys, other, message).also(one, rule));
}

fn method_of(verb: &str) -> Method {
    match verb {
        "get" => Method::GET,
        "head" => Method::HEAD,
        "post" => Method::POST,
        "put" => Method::PUT,
        "patch" => Method::PATCH,
        _ => Method::DELETE,
    }
}

/// What repeating a request would do, by its verb (RFC 9110, section 9.2.2; a PATCH may be anything).
pub(super) fn effect_of(method: &Method) -> Effect {
    match *method {
        Method::GET | Method::HEAD => Effect::Read,
        Method::PUT | Method::DELETE => Effect::Idempotent,
        _ => Effect::Once,
    }
}

fn check_parts(context: &Context<'_>, request: &RequestKeys, view: &View<'_>) {
    request.query.iter().for_each(|(_, tree)| context.tree(tree, view));
    literal_secret::look_at_trees(context, &request.query);
    check_headers(context, &request.headers, view);
    request.cookies.iter().for_each(|(_, text)| context.template(text, view));
    literal_secret::look_at_cookies(context, &request.cookies);
    request.verbs().for_each(|(_, path)| literal_secret::look_at_words(context, "path", path));
}

/// Headers that the client sets itself, from the address and the body.
const OWN_HEADERS: [&str; 6] = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te"];

/// Checks the names and values of headers.
pub(super) fn check_headers(context: &Context<'_>, headers: &Named<Template>, view: &View<'_>) {
    let mut seen: Vec<(String, Span)> = Vec::new();
    for (name, value) in headers.iter() {
        context.template(value, view);
        literal_secret::look_at(context, name, value);
        check_header_name(context, name);
        if let Some(literal) = value.as_literal()
            && literal.chars().any(char::is_control)
        {
            let message = "a header is one line without control characters";
            context.report(Diagnostic::new(Code::InvalidValue, value.span(), message));
        }
        let folded = name.to_ascii_lowercase();
        if let Some((_, first)) = seen.iter().find(|(known, _)| *known == folded) {
            let message = format!("the header `{}` is written twice: case does not count", name.value);
            context.report(
                Diagnostic::new(Code::DuplicateKey, name.span, message).also(*first, "first written here"),
            );
        }
        seen.push((folded, name.span));
    }
}

/// Checks that a text can be the name of a header that an author may set.
pub(super) fn check_header_name(context: &Context<'_>, name: &Spanned<String>) {
    if name.contains("${{") {
        return; // Reported where the map is read: no key is a template.
    }
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        let message = format!("`{}` is no name of a header", name.value);
        context.report(Diagnostic::new(Code::InvalidName, name.span, message));
    } else if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        let message = format!("the header `{}` follows from the address and the body", name.value);
        context.report(Diagnostic::new(Code::InvalidValue, name.span, message).label("leave it out"));
    }
}

fn check_body(context: &Context<'_>, request: &RequestKeys, view: &View<'_>) {
    if let Some(json) = &request.json {
        context.tree(json, view);
        literal_secret::look_at_tree(context, "json", json);
    }
    if let Some(form) = &request.form {
        form.iter().for_each(|(_, tree)| context.tree(tree, view));
        literal_secret::look_at_trees(context, form);
    }
    for (name, part) in request.multipart.iter().flat_map(Named::iter) {
        match part {
            Part::Value(text) => {
                context.template(text, view);
                literal_secret::look_at(context, name, text);
            }
            Part::File(file) => {
                check_file(context, &file.file, view);
                file.media_type.iter().for_each(|text| context.template(text, view));
            }
        }
    }
    if let Some(text) = &request.text {
        context.template(text, view);
        literal_secret::look_at_words(context, "text", text);
    }
    request.file.iter().for_each(|file| check_file(context, file, view));
    let mut written = BODIES.into_iter().filter(|body| has_body(request, body));
    if let (Some(first), Some(second)) = (written.next(), written.next()) {
        report_second(context, request.span, first, second, "a request has one body");
    }
}

fn has_body(request: &RequestKeys, body: &str) -> bool {
    match body {
        "json" => request.json.is_some(),
        "form" => request.form.is_some(),
        "multipart" => request.multipart.is_some(),
        "text" => request.text.is_some(),
        _ => request.file.is_some(),
    }
}

fn refuse_body_without_sense(context: &Context<'_>, span: Span, verb: &str) {
    for body in BODIES.into_iter().filter(|body| context.has_key(span, body)) {
        let message = format!("a {} carries no body", verb.to_uppercase());
        let diagnostic = Diagnostic::new(Code::ConflictingKeys, context.key(span, body), message);
        context.report(diagnostic.help("what narrows down an answer stands under `query`"));
    }
}

fn check_file(context: &Context<'_>, file: &Template, view: &View<'_>) {
    context.template(file, view);
    reach::check(context, file);
}

/// Reports files of a body that are not there. What an earlier step saves comes into being in the run.
pub(super) fn check_files(context: &Context<'_>, body: &PlannedBody) {
    let files: Vec<&Template> = match body {
        PlannedBody::File(file) => vec![file],
        PlannedBody::Multipart(parts) => parts.iter().filter_map(|(_, part)| part.file()).collect(),
        _ => Vec::new(),
    };
    for file in files {
        let Some(literal) = file.as_literal() else { continue };
        if context.facts.borrow().may_save(literal) || context.is_reported(Code::FileOutOfReach, file.span())
        {
            continue;
        }
        let located = reach::of_playbook(context).locate(literal);
        if let Err(error) = located.and_then(|path| Ok(context.surroundings.look_at(&path)?)) {
            let message = match error {
                OutOfReach::Unresolved(error) => unreadable(Path::new(literal), &error),
                other => format!("`{literal}` cannot be read: {other}"),
            };
            let diagnostic = Diagnostic::new(Code::UnreadableFile, file.span(), message);
            context.report(diagnostic.help("the path counts from the folder of the playbook"));
        }
    }
}

/// The verb and path of an operation that was checked before.
pub(super) fn planned_path(request: &RequestKeys) -> Option<(Method, PlannedPath)> {
    let (verb, path) = request.verbs().next()?;
    let planned = match path.as_expression() {
        Some(_) => PlannedPath::Answered(path.clone()),
        None => PlannedPath::Path(path.clone()),
    };
    Some((method_of(verb), planned))
}

/// Checks what an answer must satisfy. `after` is what can be read once the answer is there.
pub(super) fn check_expect(context: &Context<'_>, expect: &Expect, after: &View<'_>) {
    expect.that.0.iter().for_each(|condition| context.condition(condition, after));
}

/// Reads the JSON Schema of `expect.schema`; its path counts from `folder`.
pub(super) fn load_schema(
    context: &Context<'_>,
    schema: &Spanned<String>,
    folder: &Path,
) -> Option<Box<jsonschema::Validator>> {
    let fail = |code, message: String| {
        context.report(Diagnostic::new(code, schema.span, message));
        None
    };
    let path = match (Reach { folder, ..reach::of_playbook(context) }).locate(schema) {
        Ok(path) => path,
        Err(OutOfReach::Unresolved(error)) => {
            return fail(Code::UnreadableFile, unreadable(Path::new(&schema.value), &error));
        }
        Err(error @ (OutOfReach::NoCredentials | OutOfReach::NoHome)) => {
            return fail(Code::UnreadableFile, error.to_string());
        }
        Err(error) => {
            reach::report(context, schema.span, &error);
            return None;
        }
    };
    let text = match context.surroundings.read_text(&path) {
        Ok(text) => text,
        Err(error) => {
            return fail(Code::UnreadableFile, unreadable(&path, &error));
        }
    };
    let Ok(value) = serde_json::from_str(&text) else {
        return fail(Code::InvalidValue, format!("{} is no JSON", path.display()));
    };
    match jsonschema::validator_for(&value) {
        Ok(validator) => Some(Box::new(validator)),
        Err(_) => fail(Code::InvalidValue, format!("{} is no JSON Schema", path.display())),
    }
}

/// Checks that the keys of `paginate` fit together and with the request that it pages.
pub(super) fn check_paginate(context: &Context<'_>, paginate: &Paginate, request: &RequestKeys) {
    let conflict = |key: &str, message: String, help: &str| {
        if context.has_key(paginate.span, key) {
            let span = context.key(paginate.span, key);
            context.report(Diagnostic::new(Code::ConflictingKeys, span, message).help(help));
        }
    };
    match paginate.by.value {
        PageKind::Cursor => {
            for key in ["start", "step", "pages"] {
                let message = format!("`{key}` is for numbered pages, not for `by: cursor`");
                conflict(key, message, "a cursor ends where `next` finds nothing");
            }
            if !context.has_key(paginate.span, "next") {
                let message = "`by: cursor` needs to know where an answer names the next page";
                let diagnostic = Diagnostic::new(Code::MissingKey, paginate.by.span, message);
                context.report(diagnostic.help("write `next: $.next_cursor` or `next: { header: x-next }`"));
            }
        }
        PageKind::Page => {
            let help = "numbered pages end by `pages`, `total`, or an empty page";
            conflict("next", "`next` is for `by: cursor`, not for numbered pages".to_owned(), help);
        }
    }
    for (key, number) in [("step", &paginate.step), ("max_pages", &paginate.max_pages)] {
        if number.as_ref().is_some_and(|number| number.value == 0) {
            let span = number.as_ref().map_or(paginate.span, |number| number.span);
            context.report(Diagnostic::new(Code::InvalidValue, span, format!("`{key}` is at least 1")));
        }
    }
    check_position(context, paginate, request);
}

/// The position must have its place to itself.
fn check_position(context: &Context<'_>, paginate: &Paginate, request: &RequestKeys) {
    let param = &paginate.param;
    let is_in_body = paginate.place == Some(PagePlace::Json);
    let written = match is_in_body {
        false => request.query.iter().find(|(name, _)| name.value == param.value).map(|(name, _)| name.span),
        true => request.json.as_ref().and_then(|json| match &json.kind {
            TreeKind::Map(entries) => {
                entries.iter().find(|(name, _)| name.value == param.value).map(|(name, _)| name.span)
            }
            _ => None,
        }),
    };
    if let Some(written) = written {
        let message = format!("`paginate` sets `{}` itself", param.value);
        context.report(
            Diagnostic::new(Code::ConflictingKeys, written, message)
                .also(param.span, "as the position of each page"),
        );
    }
    if is_in_body && (request.get.is_some() || request.head.is_some()) {
        let span = context.key(paginate.span, "in");
        context.report(Diagnostic::new(
            Code::ConflictingKeys,
            span,
            "a GET has no body that could carry the position",
        ));
    }
}

/// Checks that rows lie at one place.
pub(super) fn check_rows(context: &Context<'_>, rows: Option<&JsonPath>) {
    let Some(rows) = rows.filter(|rows| !rows.is_singular()) else { return };
    let message = "`rows` is the path to the one list that holds them";
    let mended = rows.as_str().trim_end_matches("[*]").trim_end_matches(".*");
    let diagnostic = Diagnostic::new(Code::InvalidValue, rows.span, message);
    let is_mended = mended != rows.as_str();
    context.report(diagnostic.did_you_mean(is_mended.then_some(mended)));
}

/// Checks that a time is not nothing.
pub(super) fn check_time(context: &Context<'_>, time: Option<&Spanned<Time>>) {
    if let Some(time) = time.filter(|time| time.value.0.is_zero()) {
        let message = "a time of nothing leaves no time to do anything";
        context.report(Diagnostic::new(Code::InvalidValue, time.span, message));
    }
}

/// Checks that there is at least one attempt.
pub(super) fn check_retry(context: &Context<'_>, retry: Option<&Retry>) {
    if let Some(retry) = retry.filter(|retry| retry.attempts.value == 0) {
        let message = "the first attempt counts: `attempts` is at least 1";
        context.report(Diagnostic::new(Code::InvalidValue, retry.attempts.span, message));
    }
}

/// Checks that the keys of a rate limit fit together.
pub(super) fn check_rate_limit(context: &Context<'_>, limit: Option<&RateLimit>) {
    let Some(limit) = limit else { return };
    let has = |key| context.has_key(limit.span, key);
    if has("burst") && !has("rate") {
        let span = context.key(limit.span, "burst");
        context.report(Diagnostic::new(Code::ConflictingKeys, span, "`burst` goes with `rate`"));
    }
    if let Some(burst) = limit.burst.as_ref().filter(|burst| burst.value == 0) {
        context.report(Diagnostic::new(Code::InvalidValue, burst.span, "`burst` is at least 1"));
    }
    if has("reset_after") != has("remaining") {
        let message = "`remaining` and `reset_after` go together";
        context.report(Diagnostic::new(Code::MissingKey, context.first_key(limit.span), message));
    }
}
