//! From templates to a request.

use super::Origin;
use super::rendered::{Rendered, RenderedBody};
use super::shown::{Evaluation, Shown};
use crate::document::{Named, Part, Tree};
use crate::model::redaction::Redactor;
use crate::plan::{PlannedBody, PlannedPath};
use crate::port::BodyPart;
use crate::source::Span;
use crate::template::{Evaluated, EvaluationError, Scope, Template, json_to_text};
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use url::Url;

/// All but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a request is made of.
#[derive(Clone)]
pub struct Parts<'a> {
    /// The verb.
    pub method: &'a Method,
    /// The path or address.
    pub path: &'a PlannedPath,
    /// The address that paths are joined to, and whose origin an answered address must have.
    pub base: &'a Url,
    /// Query parameters.
    pub query: &'a Named<Tree>,
    /// Headers from the weakest layer to the strongest, each with the names that it sees.
    pub headers: Vec<(&'a Named<Template>, &'a Scope)>,
    /// Cookies.
    pub cookies: &'a Named<Template>,
    /// The body.
    pub body: &'a PlannedBody,
    /// The names that path, query, cookies and body see.
    pub scope: &'a Scope,
    /// The folder that paths of files count from.
    pub folder: &'a Path,
    /// How long the whole exchange may take.
    pub timeout: Duration,
}

/// A request could not be made of what was written.
#[derive(Debug, Clone, Error)]
pub enum RenderError {
    /// An expression could not be evaluated.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// A value has no place where it stands. The text quotes no value.
    #[error("{reason}")]
    Value {
        /// What is wrong.
        reason: String,
        /// Where the value is written.
        span: Span,
    },
}

impl RenderError {
    pub(super) fn value(span: Span, reason: impl Into<String>) -> Self {
        Self::Value { reason: reason.into(), span }
    }

    /// The place in the file.
    pub fn span(&self) -> Span {
        match self {
            Self::Evaluation(error) => error.span,
            Self::Value { span, .. } => *span,
        }
    }
}

/// Renders a request. The redactor learns every value that is made of secrets, so that nothing of the request can be
/// shown before.
///
/// Values that are not known yet ([`Data::Unknown`](crate::template::Data::Unknown)) are no error: the request can then be
/// shown, and not be sent.
///
/// # Errors
/// [`RenderError`], at the template whose value does not fit.
pub fn render(parts: &Parts<'_>, redactor: &Redactor) -> Result<Rendered, RenderError> {
    let mut evaluation = Evaluation::new(redactor);
    let (url, shown_url) = address(parts, &mut evaluation)?;
    let mut rendered = Rendered::new(parts.method.clone(), url, shown_url, parts.timeout);
    for (name, tree) in parts.query.iter() {
        for text in evaluation.texts(tree, parts.scope)? {
            rendered.push_query(&name.value, text);
        }
    }
    for (layer, scope) in &parts.headers {
        for (name, template) in layer.iter() {
            if let Some(text) = evaluation.text(template, scope)? {
                rendered.set_header(&name.value, &text, template.span())?;
            }
        }
    }
    for (name, template) in parts.cookies.iter() {
        if let Some(text) = evaluation.text(template, parts.scope)? {
            rendered.set_cookie(&name.value, text, template.span())?;
        }
    }
    rendered.body = body(parts, &mut evaluation)?;
    rendered.unknown.append(&mut evaluation.unknown);
    Ok(rendered)
}

/// Encodes a text so that it is one segment of a path, or one word of a query.
pub(super) fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The address without query parameters, and the same to show. There is none as long as a part of it is not known.
fn address(parts: &Parts<'_>, evaluation: &mut Evaluation<'_>) -> Result<(Option<Url>, String), RenderError> {
    let template = parts.path.template();
    let evaluated = match parts.path {
        PlannedPath::Path(_) => template.evaluate_encoded(parts.scope, encode_segment)?,
        PlannedPath::Answered(_) | PlannedPath::Address(_) => template.evaluate(parts.scope)?,
    };
    evaluation.note(&evaluated);
    let base = parts.base.as_str().trim_end_matches('/');
    if evaluated.is_unknown() {
        let shown = evaluated.shown.unwrap_or_default();
        return Ok((None, if shown.starts_with('/') { format!("{base}{shown}") } else { shown }));
    }
    let fail = |reason: &str| RenderError::value(template.span(), reason);
    let text = text_of(&evaluated).ok_or_else(|| fail("an address is a text"))?;
    let url = match parts.path {
        PlannedPath::Path(_) => below(base, &text).map_err(fail)?,
        PlannedPath::Answered(_) => {
            answered(parts.base, &text).map_err(|reason| RenderError::value(template.span(), reason))?
        }
        PlannedPath::Address(_) => text.parse().map_err(|_| fail("this is no address"))?,
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fail("an address holds no user name and no password; headers do"));
    }
    let shown = match (evaluated.shown, parts.path) {
        (Some(shown), PlannedPath::Path(_)) => format!("{base}{shown}"),
        (Some(shown), _) => shown,
        (None, _) => url.to_string(),
    };
    Ok((Some(url), shown))
}

/// Makes one path segment of a value. Empty and dotted ones would lead elsewhere.
fn encode_segment(text: &str) -> Result<String, String> {
    match text {
        "" => Err("it yields an empty text, which is no path segment".to_owned()),
        "." | ".." => Err(format!("it yields `{text}`, which is no path segment")),
        _ => Ok(percent_encode(text)),
    }
}

fn below(base: &str, path: &str) -> Result<Url, &'static str> {
    let is_dotted = |segment: &str| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    };
    if !path.starts_with('/') {
        return Err("a path begins with `/`");
    }
    if path.contains(['?', '#', '\\']) {
        return Err("`?`, `#` and `\\` are no part of a path; the query goes under `query`");
    }
    if path.split('/').any(is_dotted) {
        return Err("a path has no segments `.` and `..`");
    }
    format!("{base}{path}").parse().map_err(|_| "this is no path")
}

/// An address that an answer gave: whole, or a path from the root. It never leads to another origin.
fn answered(base: &Url, text: &str) -> Result<Url, String> {
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let parsed = if is_path { base.join(text) } else { text.parse() };
    let url: Url = parsed.map_err(|_| "the answer gave no address".to_owned())?;
    match (Origin::of(base), Origin::of(&url)) {
        (Some(own), Some(given)) if own == given => Ok(url),
        (_, Some(given)) => {
            Err(format!("the answer gave an address at {given}, which is not the provider's"))
        }
        (_, None) => Err(format!("the answer gave an address with the scheme `{}`", url.scheme())),
    }
}

fn text_of(evaluated: &Evaluated) -> Option<String> {
    json_to_text(&evaluated.value).filter(|text| !text.is_empty())
}

fn body(parts: &Parts<'_>, evaluation: &mut Evaluation<'_>) -> Result<RenderedBody, RenderError> {
    Ok(match parts.body {
        PlannedBody::Empty => RenderedBody::Empty,
        PlannedBody::Json(tree) => {
            evaluation.node(tree, parts.scope)?.map_or(RenderedBody::Empty, RenderedBody::Json)
        }
        PlannedBody::Form(fields) => {
            let mut pairs = Vec::new();
            for (name, tree) in fields.iter() {
                let texts = evaluation.texts(tree, parts.scope)?;
                pairs.extend(texts.into_iter().map(|text| (name.value.clone(), text)));
            }
            RenderedBody::Form(pairs)
        }
        PlannedBody::Multipart(fields) => {
            let mut list = Vec::new();
            for (name, field) in fields.iter() {
                if let Some(part) = part(field, parts, evaluation)? {
                    list.push((name.value.clone(), part));
                }
            }
            RenderedBody::Multipart(list)
        }
        PlannedBody::Text(template) => {
            evaluation.text(template, parts.scope)?.map_or(RenderedBody::Empty, RenderedBody::Text)
        }
        PlannedBody::File(template) => RenderedBody::File(file(template, parts, evaluation)?),
    })
}

fn part(
    field: &Part,
    parts: &Parts<'_>,
    evaluation: &mut Evaluation<'_>,
) -> Result<Option<BodyPart>, RenderError> {
    match field {
        Part::Value(template) => {
            let text = evaluation.text(template, parts.scope)?;
            Ok(text.map(|text| BodyPart::Text(text.value)))
        }
        Part::File(part) => {
            let path = file(&part.file, parts, evaluation)?;
            let media_type = match &part.media_type {
                Some(template) => evaluation.text(template, parts.scope)?.map(|text| text.value),
                None => None,
            };
            let media_type = media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
            Ok(Some(BodyPart::File { path, media_type }))
        }
    }
}

/// A file below the playbook's folder.
fn file(
    template: &Template,
    parts: &Parts<'_>,
    evaluation: &mut Evaluation<'_>,
) -> Result<PathBuf, RenderError> {
    let text = evaluation.text(template, parts.scope)?.unwrap_or_else(|| Shown::plain(""));
    let path = Path::new(&text.value);
    let is_inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    match is_inside && !text.value.is_empty() {
        true => Ok(parts.folder.join(path)),
        false => Err(RenderError::value(template.span(), "a file is read only below the playbook's folder")),
    }
}
