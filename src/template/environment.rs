//! What expressions may call: minijinja's own filters, tests and functions, and ours, each with the arguments it takes.

use super::operators::{is_nothing, refuse_rounding};
use super::value::{from_digits, is_number, machine_number, to_text};
use super::{lists, operators};
use crate::model::hex::hex;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{Span as TimeSpan, Timestamp, civil};
use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde::Serialize;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// The arguments that a filter, test or function takes. A filter's or test's subject is not counted.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// The name as it is written.
    pub name: &'static str,
    /// How many positional arguments it needs.
    pub min: usize,
    /// How many it takes at most.
    pub max: usize,
    /// The keyword arguments that it takes.
    pub keywords: &'static [&'static str],
}

impl Signature {
    /// Whether a call has what it needs. The one argument that may be written either way is `attribute`.
    pub fn has_enough(&self, positional: usize, keywords: &[impl AsRef<str>]) -> bool {
        let has_attribute = keywords.iter().any(|keyword| keyword.as_ref() == "attribute");
        positional + usize::from(has_attribute) >= self.min
    }
}

const fn takes(name: &'static str, min: usize, max: usize) -> Signature {
    Signature { name, min, max, keywords: &[] }
}

const fn with_keywords(
    name: &'static str,
    min: usize,
    max: usize,
    keywords: &'static [&'static str],
) -> Signature {
    Signature { name, min, max, keywords }
}

const MANY: usize = usize::MAX;

/// The filters that expressions may use.
pub const FILTERS: &[Signature] = &[
    takes("abs", 0, 0),
    takes("attr", 1, 1),
    takes("b64decode", 0, 0),
    takes("b64encode", 0, 0),
    takes("batch", 1, 2),
    takes("bool", 0, 0),
    takes("capitalize", 0, 0),
    takes("chain", 0, MANY),
    takes("count", 0, 0),
    takes("default", 0, 2),
    with_keywords("dictsort", 0, 0, &["by", "reverse", "case_sensitive"]),
    takes("first", 0, 0),
    with_keywords("float", 0, 1, &["default"]),
    takes("fromjson", 0, 0),
    with_keywords("groupby", 1, 1, &["attribute", "default", "case_sensitive"]),
    takes("hex", 0, 0),
    takes("hmac_sha256", 1, 1),
    with_keywords("int", 0, 2, &["default", "base"]),
    takes("items", 0, 0),
    with_keywords("join", 0, 2, &["d", "attribute"]),
    takes("last", 0, 0),
    takes("length", 0, 0),
    takes("lines", 0, 0),
    takes("list", 0, 0),
    takes("lower", 0, 0),
    with_keywords("map", 1, MANY, &["attribute", "default"]),
    with_keywords("max", 0, 0, &["attribute", "case_sensitive"]),
    with_keywords("min", 0, 0, &["attribute", "case_sensitive"]),
    with_keywords("plus", 0, 0, &["days", "hours", "minutes"]),
    takes("reject", 0, MANY),
    takes("rejectattr", 1, MANY),
    takes("replace", 2, 2),
    takes("reverse", 0, 0),
    with_keywords("round", 0, 2, &["precision", "method"]),
    takes("select", 0, MANY),
    takes("selectattr", 1, MANY),
    takes("sha1", 0, 0),
    takes("sha256", 0, 0),
    takes("slice", 1, 2),
    with_keywords("sort", 0, 0, &["attribute", "reverse", "case_sensitive"]),
    takes("split", 0, 2),
    takes("string", 0, 0),
    with_keywords("sum", 0, 2, &["attribute", "start"]),
    takes("title", 0, 0),
    with_keywords("tojson", 0, 1, &["indent"]),
    takes("trim", 0, 1),
    with_keywords("unique", 0, 0, &["attribute", "case_sensitive"]),
    takes("upper", 0, 0),
    takes("urlencode", 0, 0),
    takes("zip", 0, MANY),
];

/// The tests (`x is ...`) that expressions may use, those of operators by name too (`selectattr("a", "eq", 1)`).
pub const TESTS: &[Signature] = &[
    takes("boolean", 0, 0),
    takes("defined", 0, 0),
    takes("divisibleby", 1, 1),
    takes("endingwith", 1, 1),
    takes("eq", 1, 1),
    takes("equalto", 1, 1),
    takes("even", 0, 0),
    takes("false", 0, 0),
    takes("float", 0, 0),
    takes("ge", 1, 1),
    takes("greaterthan", 1, 1),
    takes("gt", 1, 1),
    takes("in", 1, 1),
    takes("integer", 0, 0),
    takes("iterable", 0, 0),
    takes("le", 1, 1),
    takes("lessthan", 1, 1),
    takes("lower", 0, 0),
    takes("lt", 1, 1),
    takes("mapping", 0, 0),
    takes("ne", 1, 1),
    takes("none", 0, 0),
    takes("number", 0, 0),
    takes("odd", 0, 0),
    takes("sequence", 0, 0),
    takes("startingwith", 1, 1),
    takes("string", 0, 0),
    takes("true", 0, 0),
    takes("undefined", 0, 0),
    takes("upper", 0, 0),
];

/// The functions that expressions may call. `now`, `today` and `uuid` come with the scope.
pub const FUNCTIONS: &[Signature] =
    &[takes("now", 0, 0), takes("range", 1, 3), takes("today", 0, 0), takes("uuid", 0, 0)];

/// Enough for any honest expression over a page of rows; an endless one stops in less than a second.
const FUEL: u64 = 20_000_000;

/// The one environment: expressions are compiled against it and live as long as the program.
pub(super) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    operators::add_to(&mut environment);
    lists::add_to(&mut environment);
    for name in ["upper", "lower", "title", "capitalize", "trim", "replace", "split", "lines"] {
        environment.add_filter(name, of_text(name));
    }
    for name in ["abs", "float", "int", "round"] {
        environment.add_filter(name, of_number(name));
    }
    for name in ["divisibleby", "even", "float", "integer", "odd"] {
        environment.add_test(name, move |value: &Value, rest: Rest<Value>| {
            PLAIN.empty_state().perform_test(name, &with_subject(machine_number(value)?, &rest))
        });
    }
    environment.add_test("number", is_number);
    environment.add_filter("string", |value: &Value| to_text(value));
    environment.add_filter("tojson", tojson);
    environment.add_filter("default", default);
    environment.add_filter("sha1", |value: &Value| on_bytes(value, |bytes| Sha1::digest(bytes).to_vec()));
    environment.add_filter("sha256", |value: &Value| on_bytes(value, |bytes| Sha256::digest(bytes).to_vec()));
    environment.add_filter("hmac_sha256", hmac_sha256);
    environment.add_filter("hex", |value: &Value| on_text(value, hex));
    environment
        .add_filter("b64encode", |value: &Value| on_text(value, |bytes| BASE64_STANDARD.encode(bytes)));
    environment.add_filter("b64decode", b64decode);
    environment.add_filter("urlencode", |value: &Value| {
        on_text(value, |bytes| percent_encoding::percent_encode(bytes, UNRESERVED_ONLY).to_string())
    });
    environment.add_filter("fromjson", fromjson);
    environment.add_filter("plus", plus);
    environment.add_test("startingwith", |value: &Value, start: &str| {
        value.as_str().is_some_and(|text| text.starts_with(start))
    });
    environment.add_test("endingwith", |value: &Value, end: &str| {
        value.as_str().is_some_and(|text| text.ends_with(end))
    });
    environment
});

/// minijinja as it comes, for what is only prepared here.
static PLAIN: LazyLock<Environment<'static>> = LazyLock::new(Environment::new);

fn with_subject(subject: Value, rest: &[Value]) -> Vec<Value> {
    std::iter::once(subject).chain(rest.iter().cloned()).collect()
}

/// A filter of minijinja's that gets the text of its subject and arguments as this language writes it; nothing stays
/// nothing.
fn of_text(name: &'static str) -> impl Fn(&Value, Rest<Value>) -> Result<Value, Error> {
    let text = |value: &Value| match is_number(value) || value.kind() == ValueKind::Bool {
        true => to_text(value).map(Value::from),
        false => Ok(value.clone()),
    };
    move |value, rest| {
        if is_nothing(value) {
            return Ok(Value::from(()));
        }
        let subject = Value::from(to_text(value)?);
        let rest = rest
            .iter()
            .map(|argument| if argument.is_integer() { Ok(argument.clone()) } else { text(argument) });
        PLAIN.empty_state().apply_filter(name, &with_subject(subject, &rest.collect::<Result<Vec<_>, _>>()?))
    }
}

/// A filter of minijinja's that gets a machine number, or fails where that would lose digits.
fn of_number(name: &'static str) -> impl Fn(&Value, Rest<ValueOrKwargs>) -> Result<Value, Error> {
    move |value, rest| {
        let written = value.as_str().and_then(from_digits);
        let number = machine_number(written.as_ref().unwrap_or(value))?;
        match name {
            "int" if f64::try_from(number.clone()).is_ok_and(|float| float.abs() >= 2_f64.powi(127)) => {
                return Err(invalid(format!("{value} has more digits than can be calculated with")));
            }
            "float" => refuse_rounding(&number)?,
            _ => {}
        }
        // A text of digits may have another base than ten, which `int` knows.
        let is_prepared = value.as_str().is_none() || (written.is_some() && !number.is_integer());
        let subject = if is_prepared { number } else { value.clone() };
        PLAIN.empty_state().apply_filter(name, &with_subject(subject, &rest.into_values()))
    }
}

fn tojson(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<String, Error> {
    let indent = indent.map_or_else(|| options.get::<Option<usize>>("indent"), |indent| Ok(Some(indent)))?;
    options.assert_all_used()?;
    let json = super::value::to_json(value).map_err(invalid)?;
    let Some(indent) = indent else { return Ok(json.to_string()) };
    let mut text = Vec::new();
    let blanks = vec![b' '; indent];
    let formatter = serde_json::ser::PrettyFormatter::with_indent(&blanks);
    let written = json.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter));
    written.map_err(|_| invalid("this has no JSON form"))?;
    String::from_utf8(text).map_err(|_| invalid("this has no JSON form"))
}

/// All but the unreserved characters of RFC 3986, section 2.3, is encoded: `/` too, unlike in Jinja, since the result is
/// a value of a query, form or path segment.
const UNRESERVED_ONLY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn bytes_of(value: &Value) -> Result<Vec<u8>, Error> {
    match value.as_bytes() {
        Some(bytes) => Ok(bytes.to_vec()),
        None if is_number(value) => Ok(value.to_string().into_bytes()),
        None => Err(invalid(format!("text or bytes are needed here, not {}", value.kind()))),
    }
}

fn on_bytes(value: &Value, change: impl Fn(&[u8]) -> Vec<u8>) -> Result<Value, Error> {
    if is_nothing(value) {
        return Ok(Value::from(()));
    }
    Ok(Value::from_bytes(change(&bytes_of(value)?)))
}

fn on_text(value: &Value, change: impl Fn(&[u8]) -> String) -> Result<Value, Error> {
    if is_nothing(value) {
        return Ok(Value::from(()));
    }
    Ok(Value::from(change(&bytes_of(value)?)))
}

/// Like Jinja's, but null is replaced too, for a key that an answer lacks is null here.
fn default(value: &Value, replacement: Option<Value>, and_empty: Option<bool>) -> Value {
    let is_missing = is_nothing(value) || (and_empty == Some(true) && !value.is_true());
    if is_missing { replacement.unwrap_or_else(|| Value::from("")) } else { value.clone() }
}

fn hmac_sha256(value: &Value, key: &Value) -> Result<Value, Error> {
    let key = bytes_of(key)?;
    on_bytes(value, |bytes| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        mac.update(bytes);
        mac.finalize().into_bytes().to_vec()
    })
}

fn b64decode(value: &Value) -> Result<Value, Error> {
    if is_nothing(value) {
        return Ok(Value::from(()));
    }
    let bytes = BASE64_STANDARD.decode(bytes_of(value)?).map_err(|_| invalid("this is no base64"))?;
    Ok(String::from_utf8(bytes).map_or_else(|error| Value::from_bytes(error.into_bytes()), Value::from))
}

fn fromjson(value: &Value) -> Result<Value, Error> {
    if is_nothing(value) {
        return Ok(Value::from(()));
    }
    let json = serde_json::from_slice(&bytes_of(value)?).map_err(|_| invalid("this text is no JSON"))?;
    Ok(super::value::from_json(json))
}

/// Adds to a date (`2026-11-22`) or to a point in time (RFC 3339). A date stays a date as long as only days are added.
fn plus(value: &Value, amounts: Kwargs) -> Result<Value, Error> {
    if is_nothing(value) {
        return Ok(Value::from(()));
    }
    let amount = |name| Ok::<i64, Error>(amounts.get::<Option<i64>>(name)?.unwrap_or(0));
    let (days, hours, minutes) = (amount("days")?, amount("hours")?, amount("minutes")?);
    amounts.assert_all_used()?;
    let text = value.as_str().unwrap_or_default();
    let too_far = |_| invalid("this leads beyond the years that can be written");
    if let Ok(date) = text.parse::<civil::Date>()
        && text.len() == 10
    {
        if (hours, minutes) != (0, 0) {
            return Err(invalid("hours and minutes are added to a time, such as `now()`, not to a date"));
        }
        let span = TimeSpan::new().try_days(days).map_err(too_far)?;
        return Ok(Value::from(date.checked_add(span).map_err(too_far)?.to_string()));
    }
    let time: Timestamp =
        text.parse().map_err(|_| invalid("a date or an RFC 3339 time is needed before `plus`"))?;
    let total = days
        .checked_mul(24)
        .and_then(|sum| sum.checked_add(hours))
        .and_then(|sum| sum.checked_mul(60))
        .and_then(|sum| sum.checked_add(minutes))
        .ok_or_else(|| invalid("this leads beyond the years that can be written"))?;
    let span = TimeSpan::new().try_minutes(total).map_err(too_far)?;
    Ok(Value::from(time.checked_add(span).map_err(too_far)?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(expression: &str) -> Result<String, Error> {
        ENVIRONMENT.compile_expression(expression)?.eval(()).map(|value| value.to_string())
    }

    /// All argument lists of a length.
    fn argument_lists(length: usize) -> Vec<Vec<Value>> {
        let values = || [Value::from("eq"), 1.into(), "upper".into(), "ceil".into(), true.into()].into_iter();
        (0..length).fold(vec![Vec::new()], |lists, _| {
            lists.iter().flat_map(|list| values().map(|value| [list.clone(), vec![value]].concat())).collect()
        })
    }

    fn subjects() -> Vec<Value> {
        let texts = ["a", "1", "2026-11-22", "2026-11-22T00:00:00Z", "aGk="].map(Value::from);
        let others = [1.into(), Value::from(Vec::<i64>::new()), minijinja::context! {}];
        texts.into_iter().chain(others).collect()
    }

    /// Whether any subject and arguments of that number are taken, `keyword` beside them.
    fn is_taken(
        environment: &Environment<'_>,
        is_filter: bool,
        name: &str,
        count: usize,
        keyword: Option<&str>,
    ) -> bool {
        let keywords = |value: Value| keyword.map(|name| Value::from(Kwargs::from_iter([(name, value)])));
        let values = [Value::from("eq"), 1.into(), true.into(), "value".into(), "ceil".into()];
        let keyword_lists = values.map(|value| keywords(value).into_iter().collect::<Vec<_>>());
        subjects().into_iter().any(|subject| {
            argument_lists(count).iter().any(|list| {
                keyword_lists.iter().any(|keywords| {
                    let arguments = [vec![subject.clone()], list.clone(), keywords.clone()].concat();
                    let mut state = environment.empty_state();
                    match is_filter {
                        true => state.apply_filter(name, &arguments).is_ok(),
                        false => state.perform_test(name, &arguments).is_ok(),
                    }
                })
            })
        })
    }

    #[test]
    fn the_listed_arguments_are_those_that_are_taken() {
        for (signatures, is_filter) in [(FILTERS, true), (TESTS, false)] {
            for signature @ Signature { name, min, max, keywords } in signatures {
                let is_taken = |count, keyword| is_taken(&ENVIRONMENT, is_filter, name, count, keyword);
                for count in *min..=(*max).min(min + 1) {
                    assert!(is_taken(count, None), "{name} with {count} arguments");
                }
                assert!(*max == MANY || !is_taken(max + 1, None), "{name} with {} arguments", max + 1);
                assert!(*min == 0 || !is_taken(min - 1, None), "{name} with {} arguments", min - 1);
                for keyword in *keywords {
                    let is_taken = (0..=*min).any(|count| is_taken(count, Some(keyword)));
                    assert!(is_taken, "{name} with {keyword}=");
                    let is_taken_alone = self::is_taken(&ENVIRONMENT, is_filter, name, 0, Some(keyword));
                    assert_eq!(
                        signature.has_enough(0, &[keyword]),
                        is_taken_alone,
                        "{name} with {keyword}= alone"
                    );
                }
                // `map` hands keywords on to the filter that it names.
                let hands_on = *name == "map" || keywords.is_empty();
                assert!(hands_on || !is_taken(*min, Some("stranger")), "{name} with stranger=");
            }
        }
    }

    #[test]
    fn filters_of_ours() {
        for (expression, result) in [
            // The published test vector of emnify's login.
            (
                "'The quick brown fox jumps over the lazy dog' | sha1 | hex",
                "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
            ),
            // RFC 4231, test case 2.
            (
                "'what do ya want for nothing?' | hmac_sha256('Jefe') | hex",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            ("'a' | sha256 | b64encode", "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs="),
            ("'aGk=' | b64decode", "hi"),
            ("'a/b c~ü' | urlencode", "a%2Fb%20c~%C3%BC"),
            ("'2026-11-22' | plus(days=90)", "2027-02-20"),
            ("'2026-11-22T23:30:00Z' | plus(hours=1, minutes=-15)", "2026-11-23T00:15:00Z"),
            ("('{\"a\": [1]}' | fromjson).a[0]", "1"),
            ("none | sha1 | hex | default('nothing')", "nothing"),
            ("none is endingwith 'x'", "False"),
            ("(none).a.b.c is none or (none).a.b.c is undefined", "True"),
        ] {
            assert_eq!(evaluate(expression).unwrap(), result, "{expression}");
        }
    }

    #[test]
    fn wrong_use_is_an_error() {
        for expression in
            ["'x' | plus(days=1)", "'2026-11-22' | plus(hours=1)", "[] | sha1", "'%' | b64decode"]
        {
            assert!(evaluate(expression).is_err(), "{expression}");
        }
    }
}
