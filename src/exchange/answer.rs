use super::{SOMEONE_IN_FRONT, json, retry};
use crate::document::{Reader, ReaderPlace};
use crate::model::words::counted;
use crate::port::Response;
use crate::template::Data;
use http::header::{CONTENT_TYPE, LINK, SET_COOKIE};
use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::fmt;
use thiserror::Error;
use url::Url;

/// What to do about JSON that is not said to be JSON.
pub const UNDECLARED_JSON: &str = "let the API answer with `Content-Type: application/json`; until then \
     `${{ response.body | fromjson }}` reads it";

/// Why a body could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// It promised JSON and is not.
    #[error("the body is not the JSON that it says it is (line {line}, column {column})")]
    Json {
        /// The line at which reading stopped, 1-based.
        line: usize,
        /// The column, 1-based.
        column: usize,
    },
    /// It promised JSON and stops before its end.
    #[error("the JSON body ends in the middle, after {}", counted(*bytes as u64, "byte"))]
    Ends {
        /// How much of it there is.
        bytes: usize,
    },
    /// It promised JSON and is a web page.
    #[error("the body is an HTML page, not the JSON that it says it is")]
    Html,
    /// A key stands twice in one object, so that nobody can say which value holds.
    #[error("the JSON body has the key `{key}` twice in one object")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A number is beyond what programs can hold, such as `1e400`.
    #[error("the JSON body has a number that is too large")]
    Number,
    /// Lists and objects lie too deep in each other.
    #[error("the JSON body has more than 128 levels")]
    Depth,
    /// Its bytes are no text in the character set that it names.
    #[error("the body is not valid {charset}")]
    Charset {
        /// The character set.
        charset: String,
    },
}

impl BodyError {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Json { .. } => {
                "tell those who run the API; `--report har=FILE` keeps what came, to look at that place"
            }
            Self::Ends { .. } => "run it again; if it ends there again, tell those who run the API",
            Self::Html => SOMEONE_IN_FRONT,
            Self::DuplicateKey { .. } => {
                "tell those who run the API: nobody can say which of the two values holds"
            }
            Self::Number => "let the API send that number as text",
            Self::Depth => "ask for a part of it, if the API can give one",
            Self::Charset { .. } => "let the API answer in UTF-8, and JSON never in anything else (RFC 8259)",
        }
    }
}

/// An answer with its body decoded.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body: JSON where its type says so, else text; null when it is empty or could not be decoded.
    pub body: Value,
    /// Why the body could not be decoded.
    pub problem: Option<BodyError>,
    /// The body as it came, decompressed.
    pub bytes: Vec<u8>,
    /// The body is proven to be whole, be it by the end of its JSON.
    pub is_proven_whole: bool,
    /// The address that answered.
    url: Url,
}

/// Shows neither headers nor body: they may hold what a login yields.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Answer");
        shown.field("status", &self.status).field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Answer {
    /// Decodes an answer from an address.
    pub fn decode(response: Response, url: Url) -> Self {
        let Response { status, headers, body: bytes, is_proven_whole, .. } = response;
        let (body, problem) = match decode_body(&bytes, &headers) {
            Ok(body) => (body, None),
            Err(problem) => (Value::Null, Some(problem)),
        };
        // Text is whole after each of its characters, a JSON list only at its end.
        let is_whole_json = matches!(body, Value::Object(_) | Value::Array(_));
        Self { status, headers, body, problem, bytes, is_proven_whole: is_proven_whole || is_whole_json, url }
    }

    /// True when the connection ended in the middle of the body, and nothing but its JSON says so.
    pub fn is_cut(&self) -> bool {
        !self.is_proven_whole && matches!(self.problem, Some(BodyError::Ends { .. }))
    }

    /// True for a status from 200 to 299.
    pub fn is_success(&self) -> bool {
        self.status / 100 == 2
    }

    /// True when the body is a web page, whatever its type says: no API answers so.
    pub fn is_html(&self) -> bool {
        looks_like_html(&self.bytes)
    }

    /// True for a web page where data or nothing is wanted: no API answers a success so, but something in front of it.
    pub fn is_foreign(&self) -> bool {
        self.is_html() && self.is_success()
    }

    /// The first header of a name, in any case, if it is readable text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All values of a header that are readable text.
    pub fn header_values(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// When the server made it, by the server's clock.
    pub fn date(&self) -> Option<Timestamp> {
        self.header("date").and_then(retry::http_date)
    }

    /// What a reader finds. `None` is nothing at all; the reader's default is the caller's business.
    pub fn read(&self, reader: &Reader) -> Option<Value> {
        match &reader.place {
            ReaderPlace::Path(path) => path.read(&self.body),
            ReaderPlace::Header(name) => self.header(name).map(Value::from),
            ReaderPlace::Cookie(name) => self.cookie(name).map(Value::from),
            ReaderPlace::Link(relation) => self.link(relation).map(Value::from),
        }
    }

    /// What expressions see as `response`: status, headers (names in lower case, the first of each) and body.
    pub fn data(&self) -> Data {
        Data::Map(vec![
            ("status".to_owned(), Data::Json(self.status.into())),
            ("headers".to_owned(), Data::Json(self.headers_as_json())),
            ("body".to_owned(), Data::Json(self.body.clone())),
        ])
    }

    /// As [`Answer::data`], the body secret under a name: what a sign-in answers is not to be shown.
    pub fn secret_data(&self, name: &str) -> Data {
        Data::Map(vec![
            ("status".to_owned(), Data::Json(self.status.into())),
            ("headers".to_owned(), Data::Secret(name.to_owned(), self.headers_as_json())),
            ("body".to_owned(), Data::Secret(name.to_owned(), self.body.clone())),
        ])
    }

    /// What a body is declared as that is JSON and yet read as text: no path finds anything in it.
    pub fn undeclared_json(&self) -> Option<String> {
        let text = self.body.as_str().filter(|text| text.trim_start().starts_with(['{', '[']))?;
        json::parse(text).ok()?;
        Some(match self.header(CONTENT_TYPE.as_str()) {
            Some(declared) => {
                format!("its body is JSON, but its `Content-Type` says `{declared}`: it is read as text")
            }
            None => {
                "its body is JSON, but it has no `Content-Type` that says so: it is read as text".to_owned()
            }
        })
    }

    /// What came back, in a few words: `empty body`, `an HTML page`.
    pub fn describe_body(&self) -> &'static str {
        match &self.body {
            _ if self.bytes.is_empty() => "empty body",
            _ if self.is_html() => "an HTML page",
            _ if self.problem.is_some() => "an unreadable body",
            Value::String(_) => "a text body",
            _ => "a JSON body",
        }
    }

    fn headers_as_json(&self) -> Value {
        let mut map = Map::new();
        for name in self.headers.keys() {
            map.insert(name.as_str().to_owned(), self.header(name.as_str()).map(Value::from).into());
        }
        Value::Object(map)
    }

    /// The value of a cookie that the answer sets (RFC 6265, section 5.2); of several, the last.
    fn cookie(&self, wanted: &str) -> Option<String> {
        let set = self.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = set.filter_map(|value| value.split(';').next()?.split_once('='));
        let found = pairs.rev().find(|(name, _)| name.trim() == wanted)?;
        Some(found.1.trim().to_owned())
    }

    /// The target of the first link with a relation (RFC 8288), as a whole address.
    fn link(&self, relation: &str) -> Option<String> {
        let values = self.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        let target = values.flat_map(links).find(|link| link.has_relation(relation))?.target;
        self.url.join(target).ok().map(String::from)
    }
}

fn decode_body(bytes: &[u8], headers: &HeaderMap) -> Result<Value, BodyError> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    if !is_json(content_type) {
        return decode_text(bytes, charset(content_type)).map(Value::String);
    }
    if looks_like_html(bytes) {
        return Err(BodyError::Html);
    }
    let text = decode_text(bytes, "utf-8").map_err(|problem| match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => BodyError::Ends { bytes: bytes.len() },
        _ => problem,
    })?;
    match text.trim().is_empty() {
        true => Ok(Value::Null),
        false => json::parse(&text),
    }
}

/// Whether the subtype of a media type says JSON: `application/json`, `application/x-amz-json-1.1`, `a/b+json`.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.split_once('/').is_some_and(|(_, subtype)| subtype.to_ascii_lowercase().contains("json"))
}

fn charset(content_type: &str) -> &str {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let named = parameters.into_iter().find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    named.map_or("utf-8", |(_, value)| value.trim().trim_matches('"'))
}

fn decode_text(bytes: &[u8], charset: &str) -> Result<String, BodyError> {
    let text = match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" => {
            let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            str::from_utf8(bytes).ok().map(str::to_owned)
        }
        // The first 256 characters of Unicode are those of ISO 8859-1.
        "iso-8859-1" | "latin1" => Some(bytes.iter().copied().map(char::from).collect()),
        _ => None,
    };
    text.ok_or_else(|| BodyError::Charset { charset: charset.to_owned() })
}

fn looks_like_html(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    ["<!doctype html", "<html"]
        .iter()
        .any(|tag| start.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes())))
}

/// One link of a `Link` header.
struct Link<'a> {
    target: &'a str,
    parameters: &'a str,
}

impl Link<'_> {
    /// Relations are compared in any case; one `rel` may name several (RFC 8288, section 3.3).
    fn has_relation(&self, wanted: &str) -> bool {
        split_outside_quotes(self.parameters, ';')
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("rel"))
            .is_some_and(|(_, value)| {
                let relations = value.trim().trim_matches('"').split_ascii_whitespace();
                relations.into_iter().any(|relation| relation.eq_ignore_ascii_case(wanted))
            })
    }
}

/// The links of a header's value. A target stands in angle brackets, in which a comma is a part of the address.
fn links(value: &str) -> Vec<Link<'_>> {
    let mut links = Vec::new();
    let mut rest = value;
    while let Some((_, behind)) = rest.split_once('<') {
        let Some((target, behind)) = behind.split_once('>') else { break };
        let parameters = split_outside_quotes(behind, ',').next().unwrap_or_default();
        links.push(Link { target: target.trim(), parameters });
        rest = &behind[parameters.len()..];
    }
    links
}

fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |character| {
        is_quoted ^= character == '"';
        character == separator && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::JsonPath;
    use crate::source::{SourceMap, Span, Spanned, Text};
    use serde_json::json;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let url = "https://api.example.com/v1/devices?page=1".parse().unwrap();
        Answer::decode(Response::new(status, map, body.to_vec()), url)
    }

    fn reader(place: impl FnOnce(Text) -> ReaderPlace, written: &str) -> Reader {
        let file = SourceMap::default().add("t", written);
        let span = Span::new(file, 0..written.len());
        let text = Text::new(written.to_owned(), span, written, false);
        Reader { place: place(text), secret: None, default: None, span }
    }

    fn name(text: Text) -> Spanned<String> {
        Spanned::new(text.value, text.span)
    }

    #[test]
    fn neither_an_answer_nor_a_response_prints_what_it_holds() {
        let headers = HeaderMap::from_iter([(http::header::SET_COOKIE, "sid=geheim".parse().unwrap())]);
        let response = Response::new(200, headers, br#"{"token":"geheim"}"#.to_vec());
        assert_eq!(format!("{response:?}"), "Response { status: 200, bytes: 18, .. }");
        let answer = Answer::decode(response, "https://api.test".parse().unwrap());
        assert_eq!(format!("{answer:?}"), "Answer { status: 200, bytes: 18, .. }");
    }

    #[test]
    fn the_type_says_what_a_body_is() {
        for (content_type, body, decoded) in [
            ("application/json", &b"{\"a\": 1}"[..], json!({"a": 1})),
            ("application/x-amz-json-1.1; charset=x", b"[1]", json!([1])),
            ("application/problem+json", b"\xEF\xBB\xBF\"x\"", json!("x")),
            ("application/json", b" \n", json!(null)),
            ("text/plain", b"{\"a\": 1}", json!("{\"a\": 1}")),
            ("text/plain; charset=\"ISO-8859-1\"", b"gr\xFCn", json!("grün")),
            ("text/html", b"<html>", json!("<html>")),
            ("", b"x", json!("x")),
            ("application/json", b"", json!(null)),
        ] {
            let answer = answer(200, &[("content-type", content_type)], body);
            assert_eq!((answer.body, answer.problem), (decoded, None), "{content_type}");
        }
    }

    #[test]
    fn broken_bodies_are_errors_of_their_own() {
        for (content_type, body, problem) in [
            ("application/json", &b"\n <!DOCTYPE html><p>"[..], BodyError::Html),
            ("application/json", b"{", BodyError::Ends { bytes: 1 }),
            ("application/json", b"{\"name\":\"gr\xC3", BodyError::Ends { bytes: 12 }),
            ("application/json", b"{\"a\":1}}", BodyError::Json { line: 1, column: 8 }),
            ("application/json", b"\"\xFF\"", BodyError::Charset { charset: "utf-8".into() }),
            ("text/plain; charset=utf-16", b"xx", BodyError::Charset { charset: "utf-16".into() }),
        ] {
            let answer = answer(200, &[("content-type", content_type)], body);
            assert_eq!((answer.body, answer.problem), (json!(null), Some(problem)), "{content_type}");
        }
    }

    /// Over a plain connection that has no length and no chunks, each end looks like the end.
    #[test]
    fn json_ends_by_itself_and_text_does_not() {
        for (content_type, body, is_proven_whole, is_cut) in [
            ("application/json", "[1, 2]", true, false),
            ("application/json", "{}\n", true, false),
            ("application/json", "[1, 2", false, true),
            ("application/json", "{\"a\": \"b", false, true),
            ("application/json", "[1 2]", false, false),
            ("application/json", "12", false, false),
            ("application/json", "", false, false),
            ("text/csv", "a,b\n", false, false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
            let response = Response { is_proven_whole: false, ..Response::new(200, headers, body.into()) };
            let answer = Answer::decode(response, "http://api.test".parse().unwrap());
            assert_eq!((answer.is_proven_whole, answer.is_cut()), (is_proven_whole, is_cut), "{body}");
        }
    }

    #[test]
    fn readers_find_what_they_name() {
        let answer = answer(
            200,
            &[
                ("content-type", "application/json"),
                ("x-next", "a"),
                ("x-next", "b"),
                ("set-cookie", "sid=old; Path=/"),
                ("set-cookie", "sid=s3=1 ; HttpOnly"),
                (
                    "link",
                    "<https://x.example/a,b>; rel=\"first\"; title=\"a, b\", </v1/devices?page=2>; rel=\"NEXT last\"",
                ),
            ],
            br#"{"items": [{"id": 7}, {"id": 8}]}"#,
        );
        let path = |text: &str| reader(|text| ReaderPlace::Path(JsonPath::parse(&text).unwrap()), text);
        for (reader, found) in [
            (path("$.items[1].id"), Some(json!(8))),
            (path("$.items[*].id"), Some(json!([7, 8]))),
            (path("$.none"), None),
            (reader(|text| ReaderPlace::Header(name(text)), "X-NEXT"), Some(json!("a"))),
            (reader(|text| ReaderPlace::Header(name(text)), "x-none"), None),
            (reader(|text| ReaderPlace::Cookie(name(text)), "sid"), Some(json!("s3=1"))),
            (reader(|text| ReaderPlace::Cookie(name(text)), "other"), None),
            (
                reader(|text| ReaderPlace::Link(name(text)), "next"),
                Some(json!("https://api.example.com/v1/devices?page=2")),
            ),
            (reader(|text| ReaderPlace::Link(name(text)), "first"), Some(json!("https://x.example/a,b"))),
            (reader(|text| ReaderPlace::Link(name(text)), "prev"), None),
        ] {
            assert_eq!(answer.read(&reader), found, "{reader:?}");
        }
    }
}
