use super::Origin;
use super::shown::{Evaluation, Node, RenderError, Shown};
use crate::document::Send;
use crate::model::redaction::Redactor;
use crate::port::{Body, BodyPart, Departure, Request};
use crate::source::Span;
use crate::template::{Scope, Template};
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// All but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Headers that say how a message travels; the transport alone knows.
const OWNED_BY_TRANSPORT: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "keep-alive",
    "proxy-connection",
];

/// A request with all its values, in two forms: as it is sent, and as it may be shown, with `‹name›` in the place of each
/// secret and of what is not known yet.
#[derive(Clone)]
pub struct Rendered {
    method: Method,
    url: Option<Url>,
    shown_url: String,
    query: Vec<(String, Shown)>,
    headers: HeaderMap,
    /// The headers as they may be shown, each under the name that its author wrote.
    shown_headers: Vec<(String, String)>,
    cookies: Vec<(String, Shown)>,
    pub(super) body: RenderedBody,
    timeout: Duration,
    pub(super) unknown: BTreeSet<String>,
    pub(super) secrets: BTreeSet<String>,
}

#[derive(Clone)]
pub(super) enum RenderedBody {
    Empty,
    Json(Node),
    Form(Vec<(String, Shown)>),
    Multipart(Vec<(String, BodyPart)>),
    Text(Shown),
    File(PathBuf),
}

impl Rendered {
    pub(super) fn new(method: Method, url: Option<Url>, shown_url: String, timeout: Duration) -> Self {
        Self {
            method,
            url,
            shown_url,
            query: Vec::new(),
            headers: HeaderMap::new(),
            shown_headers: Vec::new(),
            cookies: Vec::new(),
            body: RenderedBody::Empty,
            timeout,
            unknown: BTreeSet::new(),
            secrets: BTreeSet::new(),
        }
    }

    /// The verb.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The address without the query; `None` when a part of it is not known yet.
    pub fn address(&self) -> Option<&Url> {
        self.url.as_ref()
    }

    /// Where it goes; `None` when that is not known yet, or is no server.
    pub fn origin(&self) -> Option<Origin> {
        self.url.as_ref().and_then(Origin::of)
    }

    /// The names of the values that are not known yet, sorted. Not empty: the request cannot be sent.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.unknown.iter().map(String::as_str)
    }

    /// The names of the secrets that it holds, sorted.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }

    /// Bounds the time that the whole exchange may take.
    pub fn limit_time(&mut self, most: Duration) {
        self.timeout = self.timeout.min(most);
    }

    /// Sets a query parameter; what it was before is gone.
    pub fn set_query(&mut self, name: &str, value: impl Into<String>) {
        self.query.retain(|(known, _)| known != name);
        self.push_query(name, Shown::plain(value));
    }

    /// Sets a key of the JSON body; what it was before is gone. Returns false when the body is no JSON object.
    #[must_use]
    pub fn set_json(&mut self, name: &str, value: Value) -> bool {
        self.set_node(name, Node::plain(value))
    }

    /// Puts the session on the request, as a definition's `send` says. What it sets replaces what was there.
    ///
    /// # Errors
    /// [`RenderError`], as when rendering; also when `send` has keys for a JSON body and there is another one.
    pub fn carry(&mut self, send: &Send, scope: &Scope, redactor: &Redactor) -> Result<(), RenderError> {
        let mut evaluation = Evaluation::new(redactor);
        for (name, template) in send.headers.iter() {
            if let Some(text) = evaluation.text(template, scope)? {
                self.set_header(&name.value, &text, template.span())?;
                self.hide_header(&name.value);
            }
        }
        for (name, template) in send.query.iter() {
            if let Some(text) = evaluation.text(template, scope)? {
                self.query.retain(|(known, _)| *known != name.value);
                self.push_query(&name.value, text);
            }
        }
        for (name, template) in send.cookies.iter() {
            if let Some(text) = evaluation.text(template, scope)? {
                self.set_cookie(&name.value, text, template.span())?;
            }
        }
        for (name, tree) in send.json.iter() {
            if let Some(node) = evaluation.node(tree, scope)?
                && !self.set_node(&name.value, node)
            {
                let reason = "the session goes into a JSON body, and this request has another one";
                return Err(RenderError::value(tree.span, reason));
            }
        }
        self.unknown.append(&mut evaluation.unknown);
        self.secrets.append(&mut evaluation.secrets);
        Ok(())
    }

    /// Puts an idempotency key on the request. Returns the key; `None` while a part of it is not known yet.
    ///
    /// # Errors
    /// [`RenderError`], as when rendering; also when it yields nothing, or holds a secret.
    pub fn put_key(
        &mut self,
        header: &str,
        key: &Template,
        scope: &Scope,
        redactor: &Redactor,
    ) -> Result<Option<String>, RenderError> {
        let mut evaluation = Evaluation::new(redactor);
        let fail = |reason: &str| RenderError::value(key.span(), reason);
        let Some(text) =
            evaluation.text(key, scope)?.filter(|text| text.is_unknown() || !text.value.is_empty())
        else {
            return Err(fail("its idempotency key yields nothing"));
        };
        if text.is_secret {
            return Err(fail("its idempotency key would be kept on disk, and a secret went into it"));
        }
        self.set_header(header, &text, key.span())?;
        let is_known = !text.is_unknown();
        self.unknown.append(&mut evaluation.unknown);
        Ok(is_known.then_some(text.value))
    }

    /// The whole address as it may be shown.
    pub fn shown_address(&self) -> String {
        let mut shown = self.shown_url.clone();
        let mut separator = if shown.contains('?') { '&' } else { '?' };
        for (name, text) in &self.query {
            shown.push(separator);
            shown += &format!("{}={}", percent_encode(name), text.shown_encoded(percent_encode));
            separator = '&';
        }
        shown
    }

    /// The address as it may be shown, without scheme and host.
    pub fn shown_target(&self) -> String {
        let address = self.shown_address();
        address[origin_length(&address)..].to_owned()
    }

    /// Scheme and host as they may be shown; `None` while nobody knows them, or when they are secret.
    pub fn shown_origin(&self) -> Option<&str> {
        Some(&self.shown_url[..origin_length(&self.shown_url)]).filter(|origin| !origin.is_empty())
    }

    /// The headers that somebody wrote, as they may be shown, cookies among them.
    pub fn shown_headers(&self) -> Vec<(String, String)> {
        let mut shown = self.shown_headers.clone();
        if !self.cookies.is_empty() {
            shown.retain(|(name, _)| !name.eq_ignore_ascii_case(COOKIE.as_str()));
            let pairs = self.cookies.iter().map(|(name, text)| format!("{name}={}", text.shown()));
            shown.push(("Cookie".to_owned(), pairs.collect::<Vec<_>>().join("; ")));
        }
        shown
    }

    /// The body as it may be shown; `None` when there is none.
    pub fn shown_body(&self) -> Option<String> {
        match &self.body {
            RenderedBody::Empty => None,
            RenderedBody::Json(node) => Some(node.to_shown()),
            RenderedBody::Form(pairs) => {
                let shown = |(name, text): &(String, Shown)| {
                    format!("{}={}", form_encode(name), text.shown_encoded(form_encode))
                };
                Some(pairs.iter().map(shown).collect::<Vec<_>>().join("&"))
            }
            RenderedBody::Multipart(parts) => {
                let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
                Some(format!("parts {}", names.join(", ")))
            }
            RenderedBody::Text(text) => Some(text.shown().to_owned()),
            RenderedBody::File(path) => Some(format!("file {}", path.display())),
        }
    }

    pub(super) fn push_query(&mut self, name: &str, text: Shown) {
        self.query.push((name.to_owned(), text));
    }

    /// Sets a header; a value of the same name that was set before is gone.
    pub(super) fn set_header(&mut self, name: &str, text: &Shown, span: Span) -> Result<(), RenderError> {
        let fail = |reason: String| RenderError::value(span, reason);
        let written = name;
        let name = HeaderName::try_from(name).map_err(|_| fail(format!("`{name}` is no header name")))?;
        if OWNED_BY_TRANSPORT.contains(&name.as_str()) {
            return Err(fail(format!(
                "the header `{name}` cannot be set: it is made of the address and body"
            )));
        }
        let mut value = HeaderValue::from_bytes(text.value.as_bytes()).map_err(|_| {
            fail(format!("the header `{name}` would hold a line break or a control character"))
        })?;
        value.set_sensitive(text.is_secret);
        self.headers.insert(name, value);
        self.shown_headers.retain(|(known, _)| !known.eq_ignore_ascii_case(written));
        self.shown_headers.push((written.to_owned(), text.shown().to_owned()));
        Ok(())
    }

    /// Marks a header as one that nobody shows, secret or not.
    fn hide_header(&mut self, name: &str) {
        if let Some(value) = self.headers.get_mut(name) {
            value.set_sensitive(true);
        }
    }

    pub(super) fn set_cookie(&mut self, name: &str, text: Shown, span: Span) -> Result<(), RenderError> {
        if text.value.contains(|c: char| c == ';' || c.is_control()) {
            let reason = format!("the cookie `{name}` would hold a `;` or a control character");
            return Err(RenderError::value(span, reason));
        }
        self.cookies.retain(|(known, _)| known != name);
        self.cookies.push((name.to_owned(), text));
        Ok(())
    }

    fn set_node(&mut self, name: &str, node: Node) -> bool {
        if matches!(self.body, RenderedBody::Empty) && !matches!(self.method, Method::GET | Method::HEAD) {
            self.body = RenderedBody::Json(Node::Map(Vec::new()));
        }
        let RenderedBody::Json(body) = &mut self.body else { return false };
        // A body that a template yielded as a whole has no entries of its own yet.
        if let Node::Leaf { value: Value::Object(map), shown: None, .. } = body {
            let entries = std::mem::take(map).into_iter();
            *body = Node::Map(entries.map(|(key, value)| (key, Node::plain(value))).collect());
        }
        let Node::Map(entries) = body else { return false };
        entries.retain(|(known, _)| known != name);
        entries.push((name.to_owned(), node));
        true
    }

    /// The request for the transport; `None` as long as its address is not known.
    pub(super) fn to_request(&self) -> Option<Request> {
        let mut url = self.url.clone()?;
        if !self.query.is_empty() {
            let pair = |(name, text): &(String, Shown)| {
                format!("{}={}", percent_encode(name), percent_encode(&text.value))
            };
            let given = url.query().filter(|query| !query.is_empty()).map(str::to_owned);
            let pairs: Vec<String> = given.into_iter().chain(self.query.iter().map(pair)).collect();
            url.set_query(Some(&pairs.join("&")));
        }
        let (body, media_type) = self.body.to_bytes();
        let mut headers = self.headers.clone();
        let defaults = [
            (CONTENT_TYPE, media_type),
            (ACCEPT, Some("application/json")),
            (USER_AGENT, Some(concat!("runner/", env!("CARGO_PKG_VERSION")))),
        ];
        for (name, default) in defaults {
            if let Some(default) = default {
                headers.entry(name).or_insert(HeaderValue::from_static(default));
            }
        }
        self.add_cookies(&mut headers);
        let (method, timeout) = (self.method.clone(), self.timeout);
        let departure = Departure::default();
        Some(Request { method, url, headers, body, timeout, ca_file: None, departure })
    }

    fn add_cookies(&self, headers: &mut HeaderMap) {
        if self.cookies.is_empty() {
            return;
        }
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, text)| format!("{name}={}", text.value)).collect();
        if let Ok(mut value) = HeaderValue::try_from(pairs.join("; ")) {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
    }
}

impl RenderedBody {
    /// The body for the transport, and its media type unless another one is written.
    fn to_bytes(&self) -> (Body, Option<&'static str>) {
        match self {
            Self::Empty => (Body::Empty, None),
            Self::Json(node) => (Body::Bytes(node.to_value().to_string().into()), Some("application/json")),
            Self::Form(pairs) => {
                let pairs = pairs.iter().map(|(name, text)| (name, &text.value));
                let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
                (Body::Bytes(form.into()), Some("application/x-www-form-urlencoded"))
            }
            Self::Multipart(parts) => (Body::Multipart(parts.clone()), None),
            Self::Text(text) => (Body::Bytes(text.value.clone().into()), Some("text/plain; charset=utf-8")),
            Self::File(path) => (Body::File(path.clone()), Some("application/octet-stream")),
        }
    }
}

/// How much of an address is its scheme and host; 0 where they are not to be seen.
fn origin_length(address: &str) -> usize {
    let Some(host) = address.find("://").map(|at| at + 3) else { return 0 };
    address[host..].find(['/', '?']).map_or(address.len(), |end| host + end)
}

/// Encodes a text as it is sent in a form.
fn form_encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Encodes a text so that it is one segment of a path, or one word of a query.
pub(super) fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}
