//! What the operators of expressions do: numbers are exact or an error, and so are texts.

use super::decimal::Decimal;
use super::rewrite::{CALCULATE, COMPARE, NEGATE, NUMBER, TEXT};
use super::value::{from_digits, is_number, machine_number, to_json, to_text};
use minijinja::value::{Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Expression, context};
use serde_json::Value as Json;
use std::cmp::Ordering;
use std::sync::LazyLock;

/// Adds the filters that stand in the place of operators, and the tests that compare.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter(TEXT, |first: &Value, rest: Rest<Value>| {
        std::iter::once(first).chain(rest.iter()).map(to_text).collect::<Result<String, Error>>()
    });
    environment.add_filter(CALCULATE, |first: Value, rest: Rest<Value>| {
        pairs(&rest).try_fold(first, |left, (symbol, right)| calculate(symbol, &left, right))
    });
    environment.add_filter(COMPARE, compare);
    environment.add_filter(NEGATE, |value: &Value| match Decimal::of(value) {
        Some(number) => number.negated().to_value().ok_or_else(too_many_digits),
        None => Err(invalid(format!("{} has no sign to change", describe(value)))),
    });
    environment.add_filter(NUMBER, |digits: &str| from_digits(digits).ok_or_else(too_many_digits));
    for (names, symbol) in [
        (["eq", "equalto"], "=="),
        (["ne", "ne"], "!="),
        (["lt", "lessthan"], "<"),
        (["le", "le"], "<="),
        (["gt", "greaterthan"], ">"),
        (["ge", "ge"], ">="),
        (["in", "in"], "in"),
    ] {
        for name in names {
            environment.add_test(name, move |left: &Value, right: &Value| holds(symbol, left, right));
        }
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn too_many_digits() -> Error {
    invalid("the result has more digits than can be calculated with")
}

/// The operators of a chain, each with its right side.
fn pairs(rest: &[Value]) -> impl Iterator<Item = (&str, &Value)> {
    rest.chunks_exact(2).map(|pair| (pair[0].as_str().unwrap_or_default(), &pair[1]))
}

/// What a value is, in words for a message.
fn describe(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => "nothing",
        ValueKind::Bool => "a boolean",
        ValueKind::String => "a text",
        ValueKind::Bytes => "bytes",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a map",
        _ if is_number(value) => "a number",
        _ => "this",
    }
}

pub(super) fn is_nothing(value: &Value) -> bool {
    value.is_none() || value.is_undefined()
}

fn compare(first: &Value, rest: Rest<Value>) -> Result<bool, Error> {
    let mut left = first;
    for (symbol, right) in pairs(&rest) {
        if !holds(symbol, left, right)? {
            return Ok(false);
        }
        left = right;
    }
    Ok(true)
}

/// Whether a comparison holds. Nothing is neither smaller nor greater than anything.
fn holds(symbol: &str, left: &Value, right: &Value) -> Result<bool, Error> {
    let is_ordered = |wanted: fn(Ordering) -> bool| match is_nothing(left) || is_nothing(right) {
        true => Ok(false),
        false => order(left, right).map(wanted),
    };
    match symbol {
        "==" => Ok(is_same(left, right)),
        "!=" => Ok(!is_same(left, right)),
        "in" => contains(right, left),
        "not in" => contains(right, left).map(|found| !found),
        "<" => is_ordered(Ordering::is_lt),
        "<=" => is_ordered(Ordering::is_le),
        ">" => is_ordered(Ordering::is_gt),
        _ => is_ordered(Ordering::is_ge),
    }
}

/// The order of two numbers or two texts.
fn order(left: &Value, right: &Value) -> Result<Ordering, Error> {
    match (Decimal::of(left), Decimal::of(right), left.as_str(), right.as_str()) {
        (Some(left), Some(right), ..) => Ok(left.cmp(&right)),
        (_, _, Some(left), Some(right)) => Ok(left.cmp(right)),
        _ => Err(invalid(format!(
            "{} and {} have no order; `int`, `float` or `string` makes them alike",
            describe(left),
            describe(right)
        ))),
    }
}

/// Whether two values are equal; numbers are by value, however they are written.
pub(super) fn is_same(left: &Value, right: &Value) -> bool {
    match (Decimal::of(left), Decimal::of(right)) {
        (Some(left), Some(right)) => return left == right,
        (None, None) => {}
        _ => return false,
    }
    let is_compound =
        |value: &Value| matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map);
    match (left, right) {
        _ if is_nothing(left) || is_nothing(right) => is_nothing(left) && is_nothing(right),
        _ if left.kind() == ValueKind::Bool || right.kind() == ValueKind::Bool => {
            left.kind() == right.kind() && left == right
        }
        _ if is_compound(left) && is_compound(right) => match (to_json(left), to_json(right)) {
            (Ok(left), Ok(right)) => is_same_json(&left, &right),
            _ => left == right,
        },
        _ => left == right,
    }
}

/// Whether two JSON values are equal; numbers are by value.
pub(super) fn is_same_json(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            Decimal::parse(&left.to_string()) == Decimal::parse(&right.to_string())
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_same_json(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            let is_in_right = |(key, value)| right.get(key).is_some_and(|other| is_same_json(value, other));
            left.len() == right.len() && left.iter().all(is_in_right)
        }
        _ => left == right,
    }
}

/// Whether a text has a part, a list an item or a map a key.
fn contains(container: &Value, wanted: &Value) -> Result<bool, Error> {
    match container.kind() {
        _ if is_nothing(container) => Ok(false),
        ValueKind::String if is_nothing(wanted) => Ok(false),
        ValueKind::String => match (container.as_str(), wanted.as_str()) {
            (Some(text), Some(part)) => Ok(text.contains(part)),
            _ => Err(invalid(format!("only a text can be in a text, not {}", describe(wanted)))),
        },
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            Ok(container.try_iter()?.any(|item| is_same(&item, wanted)))
        }
        _ => Err(invalid(format!("nothing can be in {}", describe(container)))),
    }
}

/// One step of a calculation. Sums, differences and products of numbers are exact; quotients, powers and remainders are
/// minijinja's, whose numbers may have 15 digits beside a fraction.
pub(super) fn calculate(symbol: &str, left: &Value, right: &Value) -> Result<Value, Error> {
    if let (Some(one), Some(other)) = (Decimal::of(left), Decimal::of(right)) {
        let exact = match symbol {
            "+" => Some(one.plus(&other)),
            "-" => Some(one.plus(&other.negated())),
            "*" => Some(one.times(&other)),
            _ => None,
        };
        if let Some(result) = exact {
            return result.ok_or_else(too_many_digits);
        }
    }
    let (left, right) = (machine_number(left)?, machine_number(right)?);
    let is_float = |value: &Value| is_number(value) && !value.is_integer();
    if matches!(symbol, "/" | "**") || is_float(&left) || is_float(&right) {
        for number in [&left, &right] {
            refuse_rounding(number)?;
        }
    }
    let native = NATIVE.iter().find(|(known, _)| *known == symbol).map(|(_, expression)| expression);
    let native = native.ok_or_else(|| invalid(format!("there is no operator `{symbol}`")))?;
    native.eval(context! { left, right })
}

/// Refuses a whole number that a number with a fraction cannot stand for.
pub(super) fn refuse_rounding(number: &Value) -> Result<(), Error> {
    let is_too_large = number.is_integer()
        && i128::try_from(number.clone())
            .is_ok_and(|number| number.unsigned_abs() > 1 << f64::MANTISSA_DIGITS);
    if is_too_large {
        Err(invalid(format!("{number} has more digits than can be calculated with")))
    } else {
        Ok(())
    }
}

/// minijinja's own operators.
static NATIVE: LazyLock<Vec<(&str, Expression<'static, 'static>)>> = LazyLock::new(|| {
    static PLAIN: LazyLock<Environment<'static>> = LazyLock::new(Environment::new);
    let symbols = [
        ("+", "left + right"),
        ("-", "left - right"),
        ("*", "left * right"),
        ("/", "left / right"),
        ("//", "left // right"),
        ("%", "left % right"),
        ("**", "left ** right"),
    ];
    let compiled =
        symbols.map(|(symbol, code)| (symbol, PLAIN.compile_expression(code).expect("it is valid")));
    compiled.into_iter().collect()
});

/// What lists are sorted and grouped by: values of one kind have an order, nothing comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Nothing,
    Bool(bool),
    Number(Decimal),
    Text(String),
    /// What has no order, as JSON.
    Other(String),
}

impl Key {
    /// The key that a value is.
    pub fn of(value: &Value, is_case_sensitive: bool) -> Result<Self, Error> {
        match (Decimal::of(value), value.as_str()) {
            (Some(number), _) => Ok(Key::Number(number)),
            (_, Some(text)) if is_case_sensitive => Ok(Key::Text(text.to_owned())),
            (_, Some(text)) => Ok(Key::Text(text.to_lowercase())),
            _ if is_nothing(value) => Ok(Key::Nothing),
            _ if value.kind() == ValueKind::Bool => Ok(Key::Bool(value.is_true())),
            _ => Ok(Key::Other(to_json(value).map_err(invalid)?.to_string())),
        }
    }

    /// Refuses to order values of several kinds, or of one that has no order.
    pub fn check_order<'k>(keys: impl IntoIterator<Item = &'k Key>) -> Result<(), Error> {
        let mut first: Option<&Key> = None;
        for key in keys {
            let known = *first.get_or_insert(key);
            if matches!(key, Key::Other(_)) {
                return Err(invalid("lists and maps have no order"));
            }
            if *known == Key::Nothing {
                first = Some(key);
            } else if *key != Key::Nothing && std::mem::discriminant(known) != std::mem::discriminant(key) {
                let message = "numbers and texts among each other have no order; `map` can make them alike";
                return Err(invalid(message));
            }
        }
        Ok(())
    }
}
