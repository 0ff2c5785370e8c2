//! Declared values (inputs, settings, parameters): their declarations, and literals held against them.

use super::context::Context;
use super::literal_secret;
use super::names::{check_name, join};
use crate::document::{Named, Tree, TreeKind, ValueKeys, ValueType, declared_type};
use crate::source::{Code, Diagnostic, Spanned, nearest};
use regex::Regex;
use serde_json::Value;

/// Checks declarations for themselves: names, defaults, words, patterns.
pub(super) fn check_declarations<'v>(
    context: &Context<'_>,
    values: impl Iterator<Item = (&'v Spanned<String>, &'v ValueKeys)>,
    kind: &str,
) {
    for (name, declaration) in values {
        check_name(context, name, kind);
        check_declaration(context, name, declaration);
    }
}

fn check_declaration(context: &Context<'_>, name: &str, declaration: &ValueKeys) {
    let value_type = declared_type(declaration);
    let literals = declaration.choices.iter().flatten();
    for literal in literals.filter(|literal| !has_type(&literal.value, value_type)) {
        let message =
            format!("{} is needed here, not {}", describe_type(value_type), describe(&literal.value));
        context.report(Diagnostic::new(Code::WrongType, literal.span, message));
    }
    if declaration.choices.as_ref().is_some_and(Vec::is_empty) {
        let span = context.key(declaration.span, "enum");
        context.report(Diagnostic::new(Code::InvalidValue, span, "`enum` needs at least one value"));
    }
    if let Some(pattern) = &declaration.pattern {
        check_pattern(context, declaration, pattern, value_type);
    }
    if let Some(default) = declaration.default.as_ref().filter(|default| !default.value.is_null())
        && let Some((code, message)) = violation(&default.value, declaration)
    {
        context.report(Diagnostic::new(code, default.span, without_value(name, code, message)));
    }
}

/// What is wrong with a value, in words that do not quote it if its name says that it is a secret.
fn without_value(name: &str, code: Code, message: String) -> String {
    match code {
        Code::WrongType => message,
        _ if literal_secret::is_secret_name(name) => "this value does not fit its declaration".to_owned(),
        _ => message,
    }
}

fn check_pattern(
    context: &Context<'_>,
    declaration: &ValueKeys,
    pattern: &Spanned<String>,
    value_type: ValueType,
) {
    if value_type != ValueType::String {
        let span = context.key(declaration.span, "pattern");
        let message = format!("`pattern` is for text, this is {}", describe_type(value_type));
        context.report(Diagnostic::new(Code::ConflictingKeys, span, message));
    } else if whole(pattern).is_none() {
        let message = "not a valid regular expression";
        context.report(Diagnostic::new(Code::InvalidValue, pattern.span, message));
    }
}

/// A pattern that must match as a whole.
fn whole(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{pattern})$")).ok()
}

/// What is wrong with a value for a declaration, if something is: its type, its being none of the words, its
/// pattern.
pub(in crate::plan) fn violation(value: &Value, declaration: &ValueKeys) -> Option<(Code, String)> {
    let value_type = declared_type(declaration);
    if !has_type(value, value_type) {
        let message = format!("{} is needed here, not {}", describe_type(value_type), describe(value));
        return Some((Code::WrongType, message));
    }
    if let Some(choices) = declaration.choices.as_ref().filter(|choices| !choices.is_empty())
        && choices.iter().all(|choice| choice.value != *value)
    {
        let words: Vec<String> = choices.iter().map(|choice| shown(&choice.value)).collect();
        let shown = shown(value);
        let known = join(words.iter().map(String::as_str));
        // What is near to none of the words may be anything: a secret, too.
        let message = match nearest(&shown, words.iter().map(String::as_str)) {
            Some(near) => format!("`{shown}` is none of {known} (did you mean `{near}`?)"),
            None => format!("the value is none of {known}"),
        };
        return Some((Code::UnknownWord, message));
    }
    let pattern = declaration.pattern.as_ref().and_then(|pattern| whole(pattern));
    let is_match = |pattern: &Regex| value.as_str().is_none_or(|text| pattern.is_match(text));
    if pattern.is_some_and(|pattern| !is_match(&pattern)) {
        let written = declaration.pattern.as_ref().map_or("", |pattern| pattern.value.as_str());
        return Some((Code::InvalidValue, format!("the value does not match `{written}`")));
    }
    None
}

/// A text from outside of YAML as a value of the declared type.
///
/// # Errors
/// What is needed instead.
pub(in crate::plan) fn convert(text: &str, declaration: &ValueKeys) -> Result<Value, &'static str> {
    let value_type = declared_type(declaration);
    let value = match value_type {
        ValueType::String => Some(Value::from(text)),
        _ => serde_json::from_str(text).ok(),
    };
    value.filter(|value| has_type(value, value_type)).ok_or(describe_type(value_type))
}

fn has_type(value: &Value, value_type: ValueType) -> bool {
    match value_type {
        ValueType::String => value.is_string(),
        ValueType::Integer => {
            let is_whole =
                |text: &str| text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
            value.as_number().is_some_and(|number| is_whole(&number.to_string()))
        }
        ValueType::Number => value.is_number(),
        ValueType::Boolean => value.is_boolean(),
        ValueType::List => value.is_array(),
        ValueType::Map => value.is_object(),
    }
}

/// A type in words.
pub(in crate::plan) fn describe_type(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::String => "text",
        ValueType::Integer => "a whole number",
        ValueType::Number => "a number",
        ValueType::Boolean => "`true` or `false`",
        ValueType::List => "a list",
        ValueType::Map => "a map",
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a tree without any template stands for; `None` when an answer or input decides.
pub(super) fn literal_of(tree: &Tree) -> Option<Value> {
    match &tree.kind {
        TreeKind::Literal(value) => Some(value.clone()),
        TreeKind::Template(template) => template.as_literal().map(Value::from),
        TreeKind::List(items) => items.iter().map(literal_of).collect::<Option<Vec<_>>>().map(Value::Array),
        TreeKind::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| Some((key.value.clone(), literal_of(value)?)));
            entries.collect::<Option<_>>().map(Value::Object)
        }
    }
}

/// Checks what is given for a declared value, as far as it is literal. Null means that it is not given.
pub(super) fn check_given(
    context: &Context<'_>,
    given: &Tree,
    (name, declaration): (&Spanned<String>, &ValueKeys),
) {
    let literal = match &given.kind {
        // The type of a list or map is known even if its parts are not.
        TreeKind::List(_) if declared_type(declaration) != ValueType::List => Some(Value::Array(Vec::new())),
        TreeKind::Map(_) if declared_type(declaration) != ValueType::Map => {
            Some(Value::Object(Default::default()))
        }
        _ => literal_of(given),
    };
    let Some(literal) = literal.filter(|literal| !literal.is_null()) else { return };
    let Some((code, message)) = violation(&literal, declaration) else { return };
    let is_secret = literal_secret::is_secret_name(name);
    let message = without_value(name, code, message);
    let diagnostic = Diagnostic::new(code, given.span, format!("`{}`: {message}", name.value));
    let is_unquoted =
        declared_type(declaration) == ValueType::String && (literal.is_number() || literal.is_boolean());
    context.report(match is_unquoted {
        true if is_secret => diagnostic.label("write it in quotes"),
        true => {
            diagnostic.label(format!("write it in quotes: \"{}\"", context.files.sources.snippet(given.span)))
        }
        false => diagnostic.also(name.span, "declared here"),
    });
}

/// Checks names and values of a map over declared values: settings of a provider, parameters of an operation.
pub(super) fn check_given_names(
    context: &Context<'_>,
    given: &Named<Tree>,
    declared: &[(&Spanned<String>, &ValueKeys)],
    declares: impl Fn(&str) -> bool,
    unknown: impl Fn(&Spanned<String>) -> Diagnostic,
) {
    for (name, tree) in given.iter() {
        match declared.iter().find(|(known, _)| known.value == name.value) {
            Some(declared) => check_given(context, tree, *declared),
            None if declares(name) => {}
            None => {
                let names = || declared.iter().map(|(name, _)| name.value.as_str());
                let diagnostic = unknown(name);
                context.report(match nearest(name, names()) {
                    None if declared.is_empty() => diagnostic,
                    None => diagnostic.help(format!("it has {}", join(names()))),
                    near => diagnostic.did_you_mean(near),
                });
            }
        }
    }
}
