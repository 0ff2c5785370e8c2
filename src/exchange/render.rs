//! From templates to a request.

use super::Origin;
use super::rendered::{Rendered, RenderedBody, percent_encode};
use super::shown::{Evaluation, RenderError, Shown};
use crate::document::{Named, Part, Tree};
use crate::model::redaction::Redactor;
use crate::plan::{PlannedBody, PlannedPath};
use crate::port::{BodyPart, OutOfReach, Reach};
use crate::template::{Evaluated, Scope, Template, json_to_text};
use http::{HeaderName, Method};
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

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
    /// The files that it may send.
    pub reach: Reach<'a>,
    /// How long the whole exchange may take.
    pub timeout: Duration,
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
    rendered.secrets.append(&mut evaluation.secrets);
    Ok(rendered)
}

/// The address without query parameters, and the same to show. There is none as long as a part of it is not known.
fn address(parts: &Parts<'_>, evaluation: &mut Evaluation<'_>) -> Result<(Option<Url>, String), RenderError> {
    let template = parts.path.template();
    let is_value = template.as_expression().is_some();
    let evaluated = match parts.path {
        PlannedPath::Address(_) if is_value => template.evaluate(parts.scope)?,
        PlannedPath::Path(_) | PlannedPath::Address(_) => {
            template.evaluate_encoded(parts.scope, encode_segment)?
        }
        PlannedPath::Answered(_) => template.evaluate(parts.scope)?,
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
                Some(template) => media_type(template, parts, evaluation)?,
                None => None,
            };
            let media_type = media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
            Ok(Some(BodyPart::File { path, media_type }))
        }
    }
}

/// The media type of a part (RFC 9110, section 8.3.1); `None` when the template yields null.
fn media_type(
    template: &Template,
    parts: &Parts<'_>,
    evaluation: &mut Evaluation<'_>,
) -> Result<Option<String>, RenderError> {
    let Some(text) = evaluation.text(template, parts.scope)? else { return Ok(None) };
    let is_token = |text: &str| HeaderName::from_bytes(text.as_bytes()).is_ok();
    let essence = text.value.split(';').next().unwrap_or_default().trim_end();
    let is_valid = essence.split_once('/').is_some_and(|(kind, name)| is_token(kind) && is_token(name));
    match is_valid || text.is_unknown() {
        true => Ok(Some(text.value)),
        false => Err(RenderError::value(template.span(), "this is no media type; write one as `image/png`")),
    }
}

/// A file that the playbook may read.
fn file(
    template: &Template,
    parts: &Parts<'_>,
    evaluation: &mut Evaluation<'_>,
) -> Result<PathBuf, RenderError> {
    let text = evaluation.text(template, parts.scope)?.unwrap_or_else(|| Shown::plain(""));
    let fail = |reason: String| RenderError::value(template.span(), reason);
    match text.value.as_str() {
        "" => Err(fail("a file needs a name".to_owned())),
        path => parts.reach.locate(path).map_err(|error| match error {
            // What may have come from an answer is not quoted.
            OutOfReach::NotAllowed { .. } => fail(
                "the file is not below the playbook's folder, nor where `--allow-read` allows it".to_owned(),
            ),
            other => fail(format!("the file cannot be found: {other}")),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::lower::{FromNode, Lower};
    use crate::document::{RequestKeys, Send, parse};
    use crate::port::fake::FakeSurroundings;
    use crate::port::{Body, Request};
    use crate::source::{Diagnostics, SourceMap};
    use crate::template::{Data, Moment};
    use serde_json::json;
    use std::path::Path;
    use std::sync::Arc;

    const BASE: &str = "https://api.example.com/v1/";

    fn lower<T: FromNode>(yaml: &str) -> T {
        let mut sources = SourceMap::default();
        let file = sources.add("t.yaml", yaml);
        let mut diagnostics = Diagnostics::default();
        let node = parse(&sources, file, &mut diagnostics).expect("YAML");
        let lowered = T::from_node(&node, &mut Lower::new(&mut diagnostics));
        assert!(!diagnostics.has_errors(), "{:?}", diagnostics.into_sorted());
        lowered.expect("without mistakes")
    }

    fn scope() -> Scope {
        let moment = Moment { now: "2026-11-22T06:00:00Z".parse().unwrap(), uuid: Arc::new(String::new) };
        let credentials = vec![
            ("user".to_owned(), Data::Json(json!("ops@example.com"))),
            ("password".to_owned(), Data::Secret("api.password".to_owned(), json!("geheim&1"))),
        ];
        Scope::new(&moment)
            .with("credentials", Data::Map(credentials))
            .with("inputs", json!({
                "name": "a/b ?#ü", "none": null, "list": ["x", null, 2], "dots": "..", "empty": "", "line": "a\r\nb: c",
                "map": { "k": null }, "iccid": 8_988_303_000_000_000_129_i64
            }))
            .with("answered", json!({"own": "https://api.example.com/jobs/7?x=1", "path": "/jobs/7",
                "other": "https://evil.example/jobs", "sly": "/\\evil.example", "double": "//evil.example/x",
                "user": "https://a:b@api.example.com/"}))
            .with("steps", Data::Map(vec![("token".to_owned(), Data::Unknown("steps.issue.outputs.token".to_owned()))]))
    }

    fn try_render(yaml: &str) -> Result<(Rendered, Redactor), RenderError> {
        let keys: RequestKeys = lower(yaml);
        let (verb, path) = keys.verbs().next().unwrap();
        let method = Method::from_bytes(verb.to_uppercase().as_bytes()).unwrap();
        let path = match path.as_expression() {
            Some(_) => PlannedPath::Answered(path.clone()),
            None if path.literal_start().contains("://") => PlannedPath::Address(path.clone()),
            None => PlannedPath::Path(path.clone()),
        };
        let body = match (&keys.json, &keys.form, &keys.multipart, &keys.text, &keys.file) {
            (Some(json), ..) => PlannedBody::Json(json.clone()),
            (_, Some(form), ..) => PlannedBody::Form(form.clone()),
            (_, _, Some(parts), ..) => PlannedBody::Multipart(parts.clone()),
            (_, _, _, Some(text), _) => PlannedBody::Text(text.clone()),
            (.., Some(file)) => PlannedBody::File(file.clone()),
            _ => PlannedBody::Empty,
        };
        let (scope, redactor) = (scope(), Redactor::default());
        let parts = Parts {
            method: &method,
            path: &path,
            base: &BASE.parse().unwrap(),
            query: &keys.query,
            headers: vec![(&keys.headers, &scope)],
            cookies: &keys.cookies,
            body: &body,
            scope: &scope,
            reach: Reach { surroundings: &FakeSurroundings::default(), folder: Path::new("/playbooks") },
            timeout: Duration::from_secs(30),
        };
        render(&parts, &redactor).map(|rendered| (rendered, redactor))
    }

    fn rendered(yaml: &str) -> Rendered {
        try_render(yaml).unwrap().0
    }

    fn request(yaml: &str) -> Request {
        rendered(yaml).to_request().unwrap()
    }

    fn address(yaml: &str) -> String {
        request(yaml).url.to_string()
    }

    fn body(yaml: &str) -> String {
        match request(yaml).body {
            Body::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            _ => panic!("no bytes"),
        }
    }

    fn mistake(yaml: &str) -> String {
        match try_render(yaml) {
            Ok((rendered, _)) => panic!("{} was rendered", rendered.shown_address()),
            Err(RenderError::Evaluation(error)) => error.reason,
            Err(RenderError::Value { reason, .. }) => reason,
        }
    }

    #[test]
    fn what_a_template_writes_into_a_path_stays_one_segment() {
        assert_eq!(
            address("get: /devices/${{ inputs.name }}/tags"),
            "https://api.example.com/v1/devices/a%2Fb%20%3F%23%C3%BC/tags"
        );
        assert_eq!(
            address("get: https://hooks.example.com/devices/${{ inputs.name }}/x"),
            "https://hooks.example.com/devices/a%2Fb%20%3F%23%C3%BC/x"
        );
        assert!(mistake("get: https://hooks.example.com/devices/${{ inputs.dots }}/x").contains("`..`"));
        assert_eq!(
            address("get: /sims/vm-${{ inputs.iccid }}"),
            "https://api.example.com/v1/sims/vm-8988303000000000129"
        );
        for (path, reason) in [
            ("/devices/${{ inputs.empty }}", "it yields an empty text, which is no path segment"),
            ("/devices/${{ inputs.dots }}", "it yields `..`, which is no path segment"),
            ("/devices/.${{ '.x' | first }}/x", "it yields `.`, which is no path segment"),
            ("/a/%2E./b", "a path has no segments `.` and `..`"),
            ("/a?b=c", "`?`, `#` and `\\` are no part of a path; the query goes under `query`"),
            ("devices", "a path begins with `/`"),
        ] {
            assert_eq!(mistake(&format!("get: \"{}\"", path.replace('"', "'"))), reason, "{path}");
        }
        assert!(mistake("get: /devices/${{ inputs.none }}").starts_with("it yields nothing"));
    }

    #[test]
    fn an_answered_address_stays_at_the_provider() {
        assert_eq!(address("get: ${{ answered.own }}"), "https://api.example.com/jobs/7?x=1");
        assert_eq!(address("get: ${{ answered.path }}"), "https://api.example.com/jobs/7");
        assert_eq!(
            address("{ get: \"${{ answered.own }}\", query: { page: 2 } }"),
            "https://api.example.com/jobs/7?x=1&page=2"
        );
        for name in ["other", "sly", "double"] {
            let reason = mistake(&format!("get: ${{{{ answered.{name} }}}}"));
            assert!(reason.contains("evil.example") || reason.contains("no address"), "{reason}");
        }
        assert!(mistake("get: ${{ answered.user }}").contains("no password"));
    }

    #[test]
    fn null_leaves_a_key_out_and_a_list_repeats_it() {
        let yaml = r#"{ get: /x, query: { none: "${{ inputs.none }}", q: "${{ inputs.list }}", n: 5, b: true, e: "" } }"#;
        assert_eq!(address(yaml), "https://api.example.com/v1/x?q=x&q=2&n=5&b=true&e=");
        let yaml = r#"{ post: /x, form: { none: "${{ inputs.none }}", q: ["${{ inputs.name }}", y] } }"#;
        assert_eq!(body(yaml), "q=a%2Fb+%3F%23%C3%BC&q=y");
        assert_eq!(rendered(yaml).shown_body().unwrap(), body(yaml));
        let yaml = r#"{ post: /x, json: { none: "${{ inputs.none }}", null: null, deep: { none: "${{ inputs.none }}" },
            list: ["${{ inputs.none }}"], map: "${{ inputs.map }}", id: "${{ inputs.iccid }}" } }"#;
        assert_eq!(
            body(yaml),
            r#"{"null":null,"deep":{},"list":[null],"map":{"k":null},"id":8988303000000000129}"#
        );
        assert!(mistake(r#"{ get: /x, query: { q: "${{ inputs.map }}" } }"#).contains("`tojson`"));
        assert!(matches!(request(r#"{ post: /x, json: "${{ inputs.none }}" }"#).body, Body::Empty));
    }

    #[test]
    fn headers_cannot_be_broken_out_of() {
        assert!(mistake(r#"{ get: /x, headers: { X-A: "${{ inputs.line }}" } }"#).contains("line break"));
        assert!(mistake(r#"{ get: /x, cookies: { a: "b; c=d" } }"#).contains("`;`"));
        assert!(mistake("{ get: /x, headers: { Host: evil.example } }").contains("cannot be set"));
        let request = request(r#"{ get: /x, cookies: { a: b, none: "${{ inputs.none }}", c: d=e } }"#);
        assert_eq!(request.headers["cookie"], "a=b; c=d=e");
    }

    #[test]
    fn headers_of_every_request() {
        let post = request("{ post: /x, json: { a: 1 } }");
        assert_eq!(post.headers["content-type"], "application/json");
        assert_eq!(post.headers["accept"], "application/json");
        assert_eq!(post.headers["user-agent"], format!("runner/{}", env!("CARGO_PKG_VERSION")).as_str());
        let post = request("{ post: /x, headers: { content-TYPE: application/x-amz-json-1.1 }, json: {} }");
        assert_eq!(post.headers["content-type"], "application/x-amz-json-1.1");
        assert!(request("get: /x").headers.get("content-type").is_none());
    }

    #[test]
    fn files_lie_below_the_playbook() {
        let file = |yaml: &str| match request(yaml).body {
            Body::File(path) => path,
            _ => panic!("no file"),
        };
        assert_eq!(file("{ put: /x, file: images/a.bin }"), Path::new("/playbooks/images/a.bin"));
        for path in ["/etc/passwd", "../x", "a/../../x", "\"${{ inputs.dots }}\""] {
            assert!(mistake(&format!("{{ put: /x, file: {path} }}")).contains("not below"), "{path}");
        }
        assert!(mistake("{ put: /x, file: \"\" }").contains("a name"));
    }

    #[test]
    fn secrets_are_sent_and_not_shown() {
        let yaml = r#"{ post: "/users/${{ credentials.password }}", query: { k: "${{ credentials.password }}" },
            headers: { Authorization: "Basic ${{ (credentials.user ~ ':' ~ credentials.password) | b64encode }}" },
            json: { username: "${{ credentials.user }}", password: "${{ credentials.password | sha1 | hex }}",
                    note: "is ${{ credentials.password }}" } }"#;
        let (rendered, redactor) = try_render(yaml).unwrap();
        assert_eq!(
            rendered.shown_address(),
            "https://api.example.com/v1/users/‹api.password›?k=‹api.password›"
        );
        assert_eq!(rendered.shown_target(), "/v1/users/‹api.password›?k=‹api.password›");
        assert_eq!(
            rendered.shown_body().unwrap(),
            r#"{"username":"ops@example.com","password":‹api.password›,"note":"is ‹api.password›"}"#
        );
        let request = rendered.to_request().unwrap();
        assert_eq!(request.url.as_str(), "https://api.example.com/v1/users/geheim%261?k=geheim%261");
        assert!(request.headers["authorization"].is_sensitive());
        assert_eq!(format!("{:?}", request.headers["authorization"]), "Sensitive");
        let sent = body(yaml);
        let digest = sent.split("\"password\":\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(redactor.redact(digest), "‹api.password›");
        let basic = request.headers["authorization"].to_str().unwrap().trim_start_matches("Basic ");
        assert_eq!(redactor.redact(basic), "‹api.password›");
    }

    #[test]
    fn what_is_not_known_is_shown_by_name_and_not_sent() {
        let rendered = rendered(
            r#"{ post: "/tokens/${{ steps.token }}", query: { a: "${{ steps.token | upper }}", b: 1 },
                json: { token: "${{ steps.token | sha1 | hex }}", text: "runner ${{ steps.token }}" } }"#,
        );
        assert_eq!(
            rendered.shown_target(),
            "/v1/tokens/‹steps.issue.outputs.token›?a=‹steps.issue.outputs.token›&b=1"
        );
        assert_eq!(
            rendered.shown_body().unwrap(),
            r#"{"token":‹steps.issue.outputs.token›,"text":"runner ‹steps.issue.outputs.token›"}"#
        );
        assert_eq!(rendered.unknown().collect::<Vec<_>>(), ["steps.issue.outputs.token"]);
        assert!(rendered.to_request().is_none());
    }

    #[test]
    fn the_session_is_put_on_a_request_and_replaces_what_was_there() {
        let send: Send = lower(
            r#"{ headers: { X-Key: "${{ credentials.password }}" }, query: { k: "${{ credentials.user }}" },
                 cookies: { sid: "${{ credentials.user }}" }, json: { session: "${{ credentials.password }}" } }"#,
        );
        let (mut rendered, redactor) = try_render(
            "{ post: /x, headers: { x-key: mine }, query: { k: mine, a: b }, cookies: { sid: mine }, json: { session: mine, a: 1 } }",
        )
        .unwrap();
        for _ in 0..2 {
            rendered.carry(&send, &scope(), &redactor).unwrap();
        }
        let request = rendered.to_request().unwrap();
        assert_eq!(request.headers["x-key"], "geheim&1");
        assert_eq!(request.headers["cookie"], "sid=ops@example.com");
        assert_eq!(request.url.query(), Some("a=b&k=ops%40example.com"));
        let Body::Bytes(bytes) = request.body else { panic!("no bytes") };
        assert_eq!(bytes, br#"{"a":1,"session":"geheim&1"}"#);
        let mut form = try_render("{ post: /x, form: { a: b } }").unwrap().0;
        assert!(form.carry(&send, &scope(), &redactor).is_err());
        let mut empty = try_render("post: /x").unwrap().0;
        empty.carry(&send, &scope(), &redactor).unwrap();
        assert_eq!(empty.shown_body().unwrap(), r#"{"session":‹api.password›}"#);
    }

    #[test]
    fn pages_have_their_position_in_query_or_body() {
        let mut rendered = rendered("{ post: /x, query: { page: 1, a: b }, json: { page: 1 } }");
        rendered.set_query("page", "2");
        assert!(rendered.set_json("page", json!(2)));
        assert_eq!(rendered.shown_target(), "/v1/x?a=b&page=2");
        assert_eq!(rendered.shown_body().unwrap(), r#"{"page":2}"#);
    }

    #[test]
    fn the_media_type_of_a_part_is_one() {
        let step =
            |media_type: &str| format!("post: /x\nmultipart: {{ a: {{ file: a.bin, type: {media_type} }} }}");
        for media_type in ["image/png", "text/plain; charset=utf-8", "'${{ steps.token }}'"] {
            assert!(try_render(&step(media_type)).is_ok(), "{media_type}");
        }
        for media_type in ["image", "image/", "/png", "image/p ng", "'${{ inputs.name }}'"] {
            assert_eq!(mistake(&step(media_type)), "this is no media type; write one as `image/png`");
        }
    }
}
