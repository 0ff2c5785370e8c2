//! Expressions, conditions and texts with templates in them, ready to be evaluated.

use super::environment::ENVIRONMENT;
use super::names::{self, Call, Reference};
use super::rewrite::rewritten;
use super::scope::{Reads, Scope};
use super::split::{Piece, Unclosed, split};
use super::value::{json_to_text, to_json, why_no_text};
use crate::model::redaction::{Redactor, each_text, placeholder};
use crate::model::secret::SecretText;
use crate::source::{Code, Diagnostic, Span, Text};
use minijinja::machinery::{self, Token};
use serde_json::Value as Json;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use thiserror::Error;

/// The result of an evaluation.
#[derive(Clone)]
pub struct Evaluated {
    /// The value; nothing found is null.
    pub value: Json,
    /// The names of the secrets that went into it, sorted. Not empty means: the value is secret.
    pub secrets: Vec<String>,
    /// The names of what went into it and is not known yet, sorted. Not empty means: `value` says nothing.
    pub unknown: Vec<String>,
    /// The text with `‹name›` in the place of each part that is secret or not known yet. `None`: nothing of it is, and
    /// `value` may be shown.
    pub shown: Option<String>,
    /// What single expressions made of secrets, each with the names of these.
    made: Vec<(String, SecretText)>,
}

impl Evaluated {
    /// A value that no secret went into.
    pub fn plain(value: Json) -> Self {
        Self { value, secrets: Vec::new(), unknown: Vec::new(), shown: None, made: Vec::new() }
    }

    /// What one expression yields.
    fn of_expression(value: Json, reads: Reads) -> Self {
        let Reads { secrets, unknown } = reads;
        let mut evaluated = Self { secrets, unknown, ..Self::plain(value) };
        evaluated.shown = evaluated.placeholder();
        if evaluated.is_secret() {
            let names = evaluated.names();
            let mut made = Vec::new();
            each_text(&evaluated.value, &mut |text| made.push((names.clone(), text.into())));
            evaluated.made = made;
        }
        evaluated
    }

    /// A text that is put together of pieces: what went into these went into it.
    fn joined(text: String, shown: String, pieces: Vec<Evaluated>) -> Self {
        let mut joined = Self::plain(Json::String(text));
        for piece in pieces {
            joined.secrets.extend(piece.secrets);
            joined.unknown.extend(piece.unknown);
            joined.made.extend(piece.made);
        }
        for names in [&mut joined.secrets, &mut joined.unknown] {
            names.sort();
            names.dedup();
        }
        joined.shown = joined.placeholder().map(|_| shown);
        joined
    }

    /// The names of all that must not be shown, or cannot be.
    fn names(&self) -> String {
        let names: Vec<&str> = self.secrets.iter().chain(&self.unknown).map(String::as_str).collect();
        names.join(", ")
    }

    fn placeholder(&self) -> Option<String> {
        (self.is_secret() || self.is_unknown()).then(|| placeholder(&self.names()))
    }

    /// True when a secret went into the value.
    pub fn is_secret(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// True when something went into the value that is not known yet.
    pub fn is_unknown(&self) -> bool {
        !self.unknown.is_empty()
    }

    /// Lets a redactor learn what was made of secrets, such as the digest of a password: from 4 characters on it is found
    /// in every text from now on.
    pub fn teach(&self, redactor: &Redactor) {
        for (names, text) in &self.made {
            // What is too short to be searched for is written as its placeholder where it stands.
            let _ = redactor.learn(names, text.expose());
        }
    }
}

impl std::fmt::Debug for Evaluated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.is_secret() {
            true => f.write_str("[secret]"),
            false => self.value.fmt(f),
        }
    }
}

/// An expression could not be evaluated.
#[derive(Debug, Clone, Error)]
#[error("evaluate `{expression}`: {reason}")]
pub struct EvaluationError {
    /// The expression as written.
    pub expression: String,
    /// What went wrong. It may quote values, so it must pass a redactor before anyone sees it.
    pub reason: String,
    /// Where the expression is written.
    pub span: Span,
}

/// One minijinja expression with its place in the file.
#[derive(Clone)]
pub struct Expression(Arc<Parsed>);

struct Parsed {
    /// The expression's own text.
    code: String,
    /// Where that text begins in `origin.value`.
    start: usize,
    /// The scalar that holds it.
    origin: Arc<Text>,
    names: names::Names,
    constant: Option<minijinja::Value>,
    /// Compiled at the first evaluation: a check never needs it.
    compiled: OnceLock<Result<Compiled, String>>,
}

type Compiled = minijinja::Expression<'static, 'static>;

impl Expression {
    /// Parses a part of a scalar.
    ///
    /// # Errors
    /// A diagnostic at the place where parsing stopped.
    fn parse(origin: &Arc<Text>, range: Range<usize>) -> Result<Self, Box<Diagnostic>> {
        let code = &origin.value[range.clone()];
        let fail = |at: Range<usize>, reason: String| {
            let span = origin.part(range.start + at.start..range.start + at.end);
            Box::new(Diagnostic::new(Code::TemplateSyntax, span, reason))
        };
        if code.trim().is_empty() {
            return Err(fail(0..code.len(), "the expression is empty".to_owned()));
        }
        if let Err(reason) = check_size(code) {
            let mut diagnostic = fail(0..code.len(), reason);
            diagnostic.code = Code::InvalidValue;
            return Err(Box::new(diagnostic.help("take parts of it into `outputs`, and use these")));
        }
        let tree = machinery::parse_expr(code).map_err(|error| {
            let at = error.range().unwrap_or(0..code.len());
            let diagnostic = fail(at.clone(), format!("not a valid expression: {}", reason(&error)));
            match habit_of_another_language(code, at.start) {
                Some(ours) => Box::new(diagnostic.label(ours)),
                None => diagnostic,
            }
        })?;
        let names = names::collect(code, &tree);
        let parsed = Parsed {
            code: code.to_owned(),
            start: range.start,
            origin: origin.clone(),
            names,
            constant: names::constant(&tree),
            compiled: OnceLock::new(),
        };
        Ok(Self(Arc::new(parsed)))
    }

    /// The expression as written, without the braces around it.
    pub fn code(&self) -> &str {
        self.0.code.trim()
    }

    /// The names that it reads.
    pub fn references(&self) -> &[Reference] {
        &self.0.names.references
    }

    /// The filters, tests and functions that it calls.
    pub fn calls(&self) -> &[Call] {
        &self.0.names.calls
    }

    /// The steps whose success it asks for, if it is nothing else than that question (or several joined by `and`).
    pub fn asked_steps(&self) -> &[String] {
        &self.0.names.asked_steps
    }

    /// The places of filters that yield bytes where text is needed, as byte ranges of the expression's text.
    pub fn stray_bytes(&self) -> &[Range<usize>] {
        &self.0.names.stray_bytes
    }

    /// Its value, if it is nothing but a constant.
    pub fn constant(&self) -> Option<Json> {
        self.0.constant.as_ref().and_then(|value| to_json(value).ok())
    }

    /// The one name that it reads, if it is nothing else.
    pub fn as_reference(&self) -> Option<&Reference> {
        let only = self.references().first().filter(|_| self.references().len() == 1)?;
        (self.calls().is_empty() && only.path() == self.code()).then_some(only)
    }

    /// The place of a byte range of the expression's text.
    pub fn place(&self, range: Range<usize>) -> Span {
        self.0.origin.part(self.0.start + range.start..self.0.start + range.end)
    }

    /// The place of the whole expression, without blanks around it.
    pub fn span(&self) -> Span {
        let lead = self.0.code.len() - self.0.code.trim_start().len();
        self.place(lead..lead + self.code().len())
    }

    /// Evaluates the expression.
    ///
    /// # Errors
    /// When a filter or operator does not take the values it meets, or the result has no JSON form.
    pub fn evaluate(&self, scope: &Scope) -> Result<Evaluated, EvaluationError> {
        let fail = |reason: String| EvaluationError {
            expression: self.code().to_owned(),
            reason,
            span: self.span(),
        };
        let say = |error: minijinja::Error| match error.detail() {
            Some(detail) => detail.to_owned(),
            None => error.kind().to_string(),
        };
        scope.take_reads();
        let compiled = self.compiled().map_err(|reason| fail(reason.clone()))?;
        let result = compiled.eval(scope.root()).map_err(say).and_then(|value| to_json(&value));
        // Maps open what they hold only when the result becomes JSON: what was read is known after that, not before.
        let reads = scope.take_reads();
        if !reads.unknown.is_empty() {
            return Ok(Evaluated::of_expression(Json::Null, reads));
        }
        Ok(Evaluated::of_expression(result.map_err(fail)?, reads))
    }

    fn compiled(&self) -> Result<&Compiled, &String> {
        let compile = || {
            let tree = machinery::parse_expr(&self.0.code).map_err(|error| error.to_string())?;
            let code = rewritten(&self.0.code, &tree);
            ENVIRONMENT.compile_expression_owned(code).map_err(|error| error.to_string())
        };
        self.0.compiled.get_or_init(compile).as_ref()
    }
}

/// How many names, values and signs an expression may have, and how deep its brackets may lie in each other. What walks
/// through expressions recurses for each operator of a chain and each bracket.
const MAX_TOKENS: usize = 1_000;
const MAX_BRACKETS: usize = 16;

fn check_size(code: &str) -> Result<(), String> {
    let mut depth = 0_usize;
    // What is no token is left for the parser to report.
    let tokens = machinery::tokenize(code, true, Default::default()).map_while(Result::ok);
    for (count, (token, _)) in tokens.enumerate() {
        match token {
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => depth += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => depth = depth.saturating_sub(1),
            _ => {}
        }
        if count >= MAX_TOKENS {
            return Err(format!("the expression has more than {MAX_TOKENS} names, values and signs"));
        }
        if depth > MAX_BRACKETS {
            return Err(format!("more than {MAX_BRACKETS} brackets lie in each other in this expression"));
        }
    }
    Ok(())
}

/// The parser's words; for what people run into, plainer ones.
fn reason(error: &minijinja::Error) -> &str {
    match error.detail() {
        Some("unexpected end of input, expected expression") => "a value is missing at its end",
        Some("unexpected end of input, expected identifier") => "a name is missing at its end",
        Some("unexpected input after expression") => "it should have ended before this",
        Some(detail) => detail,
        None => "it cannot be parsed",
    }
}

/// What to write instead of an operator that other languages have, if one stands where parsing stopped.
fn habit_of_another_language(code: &str, at: usize) -> Option<&'static str> {
    // Of `||` the parser takes the first `|` for a filter's.
    let at = if code[..at].ends_with('|') { at - 1 } else { at };
    let rest = code.get(at..)?;
    let habits = [
        ("&&", "write `and`"),
        ("||", "write `or`"),
        ("!", "write `not`"),
        ("?", "write `A if CONDITION else B`"),
        ("=", "to compare, write `==`"),
    ];
    habits.into_iter().find(|(theirs, _)| rest.starts_with(theirs)).map(|(_, ours)| ours)
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", self.code())
    }
}

/// A scalar that may hold `${{ }}`.
#[derive(Clone, Debug)]
pub struct Template {
    origin: Arc<Text>,
    parts: Arc<[Part]>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Expression(Expression),
}

impl Template {
    /// Parses a scalar.
    ///
    /// # Errors
    /// One diagnostic for each expression that cannot be parsed.
    pub fn parse(text: &Text) -> Result<Self, Vec<Diagnostic>> {
        let origin = Arc::new(text.clone());
        let pieces = split(&origin.value).map_err(|Unclosed(range)| {
            let message = "`${{` is not closed by `}}`";
            let diagnostic = Diagnostic::new(Code::TemplateSyntax, origin.part(range), message);
            vec![diagnostic.help("quotes and brackets inside of it must be closed, too")]
        })?;
        let mut mistakes = Vec::new();
        let mut parts = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Literal(text) => parts.push(Part::Literal(text)),
                Piece::Expression(range) => match Expression::parse(&origin, range) {
                    Ok(expression) => parts.push(Part::Expression(expression)),
                    Err(diagnostic) => mistakes.push(*diagnostic),
                },
            }
        }
        if mistakes.is_empty() { Ok(Self { origin, parts: parts.into() }) } else { Err(mistakes) }
    }

    /// The place of the scalar.
    pub fn span(&self) -> Span {
        self.origin.span
    }

    /// The scalar's value as written, templates included.
    pub fn source(&self) -> &str {
        &self.origin.value
    }

    /// The place of a byte range of [`Template::source`].
    pub fn place(&self, range: Range<usize>) -> Span {
        self.origin.part(range)
    }

    /// The expressions in it.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(expression) => Some(expression),
            Part::Literal(_) => None,
        })
    }

    /// The byte ranges of [`Template::source`] that are not within `${{ }}`.
    pub fn literal_ranges(&self) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        let mut at = 0;
        for expression in self.expressions() {
            let start = expression.0.start;
            ranges.push(at..start - "${{".len());
            at = start + expression.0.code.len() + "}}".len();
        }
        ranges.push(at..self.source().len());
        ranges.retain(|range| !range.is_empty());
        ranges
    }

    /// The text, if no expression is in it.
    pub fn as_literal(&self) -> Option<&str> {
        match &*self.parts {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The expression, if the scalar is nothing else than one.
    pub fn as_expression(&self) -> Option<&Expression> {
        match &*self.parts {
            [Part::Expression(expression)] => Some(expression),
            _ => None,
        }
    }

    /// The literal text before the first expression.
    pub fn literal_start(&self) -> &str {
        match self.parts.first() {
            Some(Part::Literal(text)) => text,
            _ => "",
        }
    }

    /// Evaluates the scalar. One that is nothing but one `${{ }}` keeps the type of its value.
    ///
    /// # Errors
    /// As [`Expression::evaluate`]; also when a null, list or map stands inside of a longer text.
    pub fn evaluate(&self, scope: &Scope) -> Result<Evaluated, EvaluationError> {
        if let Some(expression) = self.as_expression() {
            return expression.evaluate(scope);
        }
        let mut piece_of = |expression: &Expression| expression.evaluate(scope);
        self.join(&mut piece_of)
    }

    /// Evaluates the scalar part by part, each expression through `encode` before it is joined: so a path can
    /// percent-encode what is inserted and leave what is written alone.
    ///
    /// # Errors
    /// As [`Template::evaluate`].
    pub fn evaluate_encoded(
        &self,
        scope: &Scope,
        mut encode: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<Evaluated, EvaluationError> {
        let mut piece_of = |expression: &Expression| {
            let mut evaluated = expression.evaluate(scope)?;
            if evaluated.is_unknown() {
                return Ok(evaluated);
            }
            let text = text_of(expression, &evaluated.value)?;
            let encoded = encode(&text).map_err(|reason| EvaluationError {
                expression: expression.code().to_owned(),
                reason,
                span: expression.span(),
            })?;
            evaluated.value = Json::String(encoded);
            Ok(evaluated)
        };
        self.join(&mut piece_of)
    }

    fn join(
        &self,
        piece_of: &mut dyn FnMut(&Expression) -> Result<Evaluated, EvaluationError>,
    ) -> Result<Evaluated, EvaluationError> {
        let (mut text, mut shown) = (String::new(), String::new());
        let mut pieces = Vec::new();
        for part in &*self.parts {
            match part {
                Part::Literal(literal) => {
                    text.push_str(literal);
                    shown.push_str(literal);
                }
                Part::Expression(expression) => {
                    let piece = piece_of(expression)?;
                    let piece_text = match piece.is_unknown() {
                        true => String::new(),
                        false => text_of(expression, &piece.value)?,
                    };
                    text.push_str(&piece_text);
                    shown.push_str(piece.shown.as_ref().unwrap_or(&piece_text));
                    pieces.push(piece);
                }
            }
        }
        Ok(Evaluated::joined(text, shown, pieces))
    }
}

fn text_of(expression: &Expression, value: &Json) -> Result<String, EvaluationError> {
    json_to_text(value).ok_or_else(|| EvaluationError {
        expression: expression.code().to_owned(),
        reason: why_no_text(value).to_owned(),
        span: expression.span(),
    })
}

/// An expression that decides: `if`, `that`, `done`, `success` and their like. Written bare or in `${{ }}`.
#[derive(Clone, Debug)]
pub struct Condition(Expression);

impl Condition {
    /// Parses a scalar.
    ///
    /// # Errors
    /// A diagnostic when it cannot be parsed, or when it is a text with templates in it rather than one expression.
    pub fn parse(text: &Text) -> Result<Self, Vec<Diagnostic>> {
        let template = Template::parse(text)?;
        match (template.as_expression(), template.as_literal()) {
            (Some(expression), _) => Ok(Self(expression.clone())),
            (None, Some(_)) => {
                let origin = Arc::new(text.clone());
                Expression::parse(&origin, 0..text.value.len()).map(Self).map_err(|error| vec![*error])
            }
            (None, None) => {
                let message = "a condition is one expression";
                let diagnostic = Diagnostic::new(Code::TemplateForm, text.span, message)
                    .help("write it bare, without `${{ }}` around its parts: `if: inputs.days > 3`");
                Err(vec![diagnostic])
            }
        }
    }

    /// The expression.
    pub fn expression(&self) -> &Expression {
        &self.0
    }

    /// Decides. Null and what is empty are false, and so is what is not known yet.
    ///
    /// # Errors
    /// As [`Expression::evaluate`]; also for a number or the texts `true` and `false`, which ask for a comparison.
    pub fn holds(&self, scope: &Scope) -> Result<bool, EvaluationError> {
        let fail = |reason: &str| EvaluationError {
            expression: self.0.code().to_owned(),
            reason: reason.to_owned(),
            span: self.0.span(),
        };
        match self.0.evaluate(scope)?.value {
            Json::Null => Ok(false),
            Json::Bool(holds) => Ok(holds),
            Json::Array(items) => Ok(!items.is_empty()),
            Json::Object(map) => Ok(!map.is_empty()),
            Json::Number(_) => Err(fail("a number is no condition; compare it, as in `x > 0`")),
            Json::String(text) if text == "true" || text == "false" => {
                Err(fail("the text `true` or `false` is no condition; compare it, as in `x == \"true\"`"))
            }
            Json::String(text) => Ok(!text.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;
    use crate::template::operators::is_same_json;
    use crate::template::{Data, Moment};
    use serde_json::json;

    fn text(value: &str) -> Text {
        let mut map = SourceMap::default();
        let id = map.add("t", value);
        Text::new(value.into(), Span::new(id, 0..value.len()), value, false)
    }

    fn scope() -> Scope {
        let moment = Moment {
            now: "2026-11-22T06:00:00.5Z".parse().unwrap(),
            uuid: Arc::new(|| "00000000-0000-4000-8000-000000000000".into()),
        };
        Scope::new(&moment)
            .with(
                "inputs",
                json!({"days": 90, "name": "x", "list": [1, 2], "none": null, "big": 8988303000000000129i64}),
            )
            .with(
                "credentials",
                Data::Map(vec![
                    ("user".into(), Data::Json(json!("ops"))),
                    ("password".into(), Data::Secret("p.password".into(), json!("geheim"))),
                ]),
            )
            .with("token", Data::Secret("token".into(), json!("abc")))
    }

    fn evaluate(source: &str) -> Result<Evaluated, EvaluationError> {
        Template::parse(&text(source)).unwrap().evaluate(&scope())
    }

    #[test]
    fn what_is_secret_or_not_known_is_shown_by_name() {
        let scope =
            scope().with("steps", Data::Map(vec![("id".into(), Data::Unknown("steps.a.outputs.id".into()))]));
        let evaluate = |source: &str| Template::parse(&text(source)).unwrap().evaluate(&scope).unwrap();
        for (source, shown) in [
            ("${{ inputs.name }} ${{ inputs.days }}", None),
            ("${{ credentials.password | sha1 | hex }}", Some("‹p.password›")),
            ("${{ inputs.name }}: ${{ credentials.password }}", Some("x: ‹p.password›")),
            ("${{ credentials.password ~ token }}", Some("‹p.password, token›")),
            ("${{ steps.id }}", Some("‹steps.a.outputs.id›")),
            ("no ${{ steps.id | plus(days=1) }} of ${{ token }}", Some("no ‹steps.a.outputs.id› of ‹token›")),
            ("${{ steps.id.deeper | default('x') }}", Some("‹steps.a.outputs.id›")),
            ("${{ steps }}", Some("‹steps.a.outputs.id›")),
            ("${{ {'all': [steps]} }}", Some("‹steps.a.outputs.id›")),
        ] {
            assert_eq!(evaluate(source).shown.as_deref(), shown, "{source}");
        }
        assert_eq!(evaluate("${{ steps.id }}-x").unknown, ["steps.a.outputs.id"]);
        assert!(!evaluate("${{ inputs.name if true else steps.id }}").is_unknown());
    }

    #[test]
    fn what_is_made_of_secrets_is_learned() {
        let redactor = Redactor::default();
        let evaluated = evaluate("Basic ${{ ['a', credentials.password | sha1 | hex] }}");
        assert!(evaluated.is_err());
        let evaluated = evaluate("${{ { 'digest': credentials.password | sha1 | hex } }}").unwrap();
        let digest = evaluated.value["digest"].as_str().unwrap().to_owned();
        assert_eq!(redactor.redact(&digest), digest.as_str());
        evaluated.teach(&redactor);
        assert_eq!(redactor.redact(&digest), "‹p.password›");
    }

    #[test]
    fn one_template_keeps_its_type_and_a_text_is_text() {
        for (source, value) in [
            ("${{ inputs.days }}", json!(90)),
            ("${{ inputs.list }}", json!([1, 2])),
            ("${{ inputs.missing }}", json!(null)),
            ("${{ inputs.missing.deeper[0].x }}", json!(null)),
            ("in ${{ inputs.days }} days", json!("in 90 days")),
            ("${{ inputs.big }}.", json!("8988303000000000129.")),
            ("$${{ x }}", json!("${{ x }}")),
            ("${{ today() }}", json!("2026-11-22")),
            ("${{ now() }}", json!("2026-11-22T06:00:00Z")),
            ("${{ uuid() | length }}", json!(36)),
            ("${{ range(1, 4) }}", json!([1, 2, 3])),
        ] {
            assert_eq!(evaluate(source).unwrap().value, value, "{source}");
        }
        for source in ["x ${{ inputs.none }}", "x ${{ inputs.list }}", "${{ inputs.name | sha1 }}"] {
            assert!(evaluate(source).is_err(), "{source}");
        }
    }

    fn evaluate_with(body: &str, source: &str) -> Result<Json, EvaluationError> {
        let scope = scope().with("b", serde_json::from_str::<Json>(body).unwrap());
        Template::parse(&text(&format!("${{{{ {source} }}}}"))).unwrap().evaluate(&scope).map(|it| it.value)
    }

    #[test]
    fn numbers_are_compared_and_calculated_as_they_are_written() {
        let body = r#"{"v": 1.10, "e": 1e3, "id": 8988303000000000129, "long": 1234567890123456789012345678901234567890,
            "n": null, "t": "10", "zero": 0.00, "l": [{"v": 1.10}, {"v": 20}, {"v": 1.9}, {"v": null}, {}]}"#;
        for (source, value) in [
            ("b.v > 1000", "false"),
            ("b.v < 2 and 1 < b.v", "true"),
            ("b.v == 1.1 and b.v != 1.11 and 1.1 == b.v", "true"),
            ("1 < b.v < 1.2 <= 1.20 == 1.2", "true"),
            ("b.e == 1000 and b.e >= 1000.0", "true"),
            ("b.id + 0.5 > b.id and b.id < b.id + 1", "true"),
            ("b.long > b.id and b.long == b.long", "true"),
            ("b.v in [1.1] and 1.1 in [b.v] and 2 not in [b.v]", "true"),
            ("[b.v] == [1.1] and {'v': b.v} == {'v': 1.100}", "true"),
            ("b.n < 1 or b.n > 1 or b.n >= b.n", "false"),
            ("b.n == none and b.missing == b.n and b.v != none", "true"),
            ("true == 1 or false == 0", "false"),
            ("not b.zero", "true"),
            ("b.v is number and b.v is float and b.v is lt(2)", "true"),
            // As written where it is passed on, exact where it is calculated with.
            ("b.v", "1.10"),
            ("[b.v, 1.50]", "[1.10,1.50]"),
            ("b.v | default(0) if true else 0", "1.10"),
            ("'v' ~ b.v ~ '-' ~ 2.0", "\"v1.10-2.0\""),
            ("b.v | string | replace('.', ',')", "\"1,10\""),
            ("[b.v, b.long] | join(';')", "\"1.10;1234567890123456789012345678901234567890\""),
            ("b.v | tojson", "\"1.10\""),
            ("{'v': b.v, 't': '<'} | tojson", r#""{\"v\":1.10,\"t\":\"<\"}""#),
            ("0.1 + 0.2", "0.3"),
            ("b.v * 3 - 0.3", "3"),
            ("b.id + 1 - 0.0", "8988303000000000130"),
            ("-b.v", "-1.1"),
            ("7 // 2 + 7 % 2 + 2 ** 3", "12"),
            ("b.v / 2", "0.55"),
            ("b.l | selectattr('v', 'lt', 2) | map(attribute='v') | list", "[1.10,1.9]"),
            ("b.l | selectattr('v', 'gt', 1.10) | map(attribute='v') | list", "[20,1.9]"),
            ("b.l | sort(attribute='v') | map(attribute='v') | list", "[null,null,1.10,1.9,20]"),
            ("b.l | sort(attribute='v', reverse=true) | map(attribute='v') | first", "20"),
            ("(b.l | max(attribute='v')).v", "20"),
            ("[b.v, 1.1, 1.100, 2] | unique | list", "[1.10,2]"),
            ("[b.v, 1.1, 0.8] | sum", "3"),
            ("[b.v, 3, 2] | min", "1.10"),
            ("(b.l | groupby('v') | last).list | length", "1"),
            ("{'b': 1.10, 'a': 1.9} | dictsort(by='value')", "[[\"b\",1.10],[\"a\",1.9]]"),
            ("b.v | round + b.v | int", "2"),
            ("'a' + 'b' + 'c'", "\"abc\""),
            ("{true: 1, 1.10: 2}", "{\"true\":1,\"1.10\":2}"),
            ("'10' | int(base=16) + '1.90' | int + '2.50' | float", "19.5"),
            ("'x' | int(default=3) + 'x' | float(4)", "7"),
        ] {
            assert_eq!(evaluate_with(body, source).unwrap().to_string(), value, "{source}");
        }
        for source in [
            "b.t < 9",
            "9 > b.t",
            "[1] < [2]",
            "true < 2",
            "b.t in 10",
            "b.long + 1",
            "b.long | int",
            "'1e39' | int",
            "'12345678901234567890.7' | int",
            "'8988303000000000129' | float",
            "b.id | float",
            "b.id / 2",
            "b.id // 0.5",
            "1e39 | int",
            "b.long | round",
            "['1', 2] | sort",
            "[1, '2'] | max",
            "[{}] | sort",
            "b.n + 1",
            "- b.t",
            "1 in b.t",
        ] {
            assert!(evaluate_with(body, source).is_err(), "{source}: {:?}", evaluate_with(body, source));
        }
    }

    #[test]
    fn texts_are_written_as_json_writes_them_and_nothing_is_no_text() {
        let body = r#"{"ok": true, "n": null, "l": [true, 1.10], "m": {"a": 1}}"#;
        for (source, value) in [
            ("'x-' ~ b.ok ~ '-' ~ false", "x-true-false"),
            ("b.ok | string", "true"),
            ("b.l | join(', ')", "true, 1.10"),
            ("b.ok | upper", "TRUE"),
            ("'a true b' | replace(true, 1.10)", "a 1.10 b"),
            ("'a,b' | split(',', 1) | join('-')", "a-b"),
            ("b.n | upper | default('-')", "-"),
            ("('a' ~ (b.n | default('-')))", "a-"),
            (r#"'\"\\\n\u00e9ü' ~ "'""#, "\"\\\néü'"),
        ] {
            assert_eq!(evaluate_with(body, source).unwrap(), json!(value), "{source}");
        }
        for source in [
            "'a' ~ b.n",
            "b.n | string",
            "[b.n] | join",
            "'a' ~ b.l",
            "b.m | string",
            "[b.m] | join",
            "'a' ~ ('a' | sha1)",
            "b.l | upper",
        ] {
            assert!(evaluate_with(body, source).is_err(), "{source}");
        }
    }

    #[test]
    fn what_is_written_anew_means_the_same() {
        for (source, value) in [
            ("1 + 2 * 3 - 4 - 5 * 2 / 2", json!(-2)),
            ("(1 + 2) * 3", json!(9)),
            ("not 1 == 2 and (false or not false)", json!(true)),
            ("true or false and false", json!(true)),
            ("(true or false) and false", json!(false)),
            ("1 if false else 2 if false else 3", json!(3)),
            ("(1 if true else 2) + 1", json!(2)),
            ("[1, 2, 3][1:][0] + [4][-1]", json!(6)),
            ("{'a': [{'b': 2}]}.a[0]['b']", json!(2)),
            ("-2 | abs", json!(2)),
            ("(1, 2)[1] if (1,) else 0", json!(2)),
            ("5 is odd and 4 is not odd and 5 is divisibleby 5", json!(true)),
            ("('a' if none) is undefined", json!(true)),
            ("('b' ~ 'a') | upper ~ 'c'", json!("BAc")),
            ("[1.5, 2][0] | int", json!(1)),
            ("(2 < 1) == false", json!(true)),
            ("range(1, 2 + 1) | list", json!([1, 2])),
            ("range(*[1, 3]) | list", json!([1, 2])),
        ] {
            let result = evaluate(&format!("${{{{ {source} }}}}")).unwrap().value;
            assert!(is_same_json(&result, &value), "{source}: {result}");
        }
        // As deep as brackets may lie, with an operator of each level in each of them.
        let deep = "(0 if 0 == 0 + 1 * 0 ** 1 and not ".repeat(15) + "1" + &" else 1)".repeat(15);
        assert!(evaluate(&format!("${{{{ {deep} }}}}")).is_ok());
        let deep = "[0 == 1 + 1 * 1 ** (".repeat(8) + "1" + &" | abs)][0] | default(0, true) | int".repeat(8);
        assert!(evaluate(&format!("${{{{ {deep} }}}}")).is_ok());
    }

    #[test]
    fn what_is_made_of_a_secret_is_secret() {
        for source in [
            "${{ credentials.password }}",
            "${{ credentials.password | sha1 | hex }}",
            "Basic ${{ (credentials.user ~ ':' ~ credentials.password) | b64encode }}",
            "${{ credentials | tojson }}",
            "${{ credentials['password'][0] }}",
            "${{ credentials }}",
            "${{ [credentials] }}",
            "${{ {'a': credentials} }}",
            "${{ credentials | items }}",
        ] {
            assert_eq!(evaluate(source).unwrap().secrets, ["p.password"], "{source}");
        }
        assert_eq!(evaluate("x ${{ token }}").unwrap().secrets, ["token"]);
        assert!(!evaluate("${{ credentials.user }} ${{ inputs.days }}").unwrap().is_secret());
    }

    #[test]
    fn conditions_decide_or_say_why_not() {
        let holds = |source: &str| Condition::parse(&text(source)).unwrap().holds(&scope());
        assert!(holds("inputs.days > 30 and inputs.name == 'x'").unwrap());
        assert!(holds("${{ inputs.list }}").unwrap());
        assert!(!holds("inputs.none").unwrap());
        assert!(!holds("inputs.missing == 'x'").unwrap());
        assert!(holds("inputs.days").is_err());
        assert!(Condition::parse(&text("a ${{ b }} c")).is_err());
    }

    #[test]
    fn references_have_places_and_know_their_guards() {
        let source = "${{ steps['a'].outputs.x[inputs.i].y | default(z) if steps.b.succeeded else f(q).r }}";
        let template = Template::parse(&text(source)).unwrap();
        let expression = template.expressions().next().unwrap();
        let shown: Vec<String> = expression
            .references()
            .iter()
            .map(|reference| {
                let last = reference.segments.last().unwrap();
                format!(
                    "{} {} {} {:?}",
                    reference.path(),
                    &expression.0.code[last.range.clone()],
                    reference.is_defaulted,
                    reference.asked_steps
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "steps.b.succeeded succeeded false []",
                r#"z z false ["b"]"#,
                r#"steps.a.outputs.x x true ["b"]"#,
                r#"inputs.i i true ["b"]"#,
                "q q false []",
            ]
        );
        let calls: Vec<_> = expression.calls().iter().map(|call| call.name.as_str()).collect();
        assert_eq!(calls, ["default", "f"]);
    }

    #[test]
    fn the_question_for_success_is_known_in_each_spelling() {
        for (source, asked) in [
            ("steps.a.succeeded", &["a"][..]),
            ("steps['a'].succeeded and steps.b['succeeded']", &["a", "b"]),
            ("steps.a.succeeded or true", &[]),
            ("not steps.a.succeeded", &[]),
            ("steps[inputs.a].succeeded", &[]),
            ("(steps | first).a.succeeded", &[]),
        ] {
            assert_eq!(
                Condition::parse(&text(source)).unwrap().expression().asked_steps(),
                asked,
                "{source}"
            );
        }
    }

    #[test]
    fn what_is_too_long_or_deep_is_refused_and_what_is_not_is_evaluated() {
        let chains: [fn(usize) -> String; 9] = [
            |n| format!("1{}", " + 1".repeat(n)),
            |n| format!("'a'{}", " ~ 'a'".repeat(n)),
            |n| format!("inputs{}", ".a".repeat(n)),
            |n| format!("1{}", " | abs".repeat(n)),
            |n| format!("{}true", "not ".repeat(n)),
            |n| format!("{}1", "- ".repeat(n)),
            |n| format!("{}1", "1 if false else ".repeat(n)),
            |n| format!("1{}", " if true".repeat(n)),
            |n| format!("1{}", " < 2".repeat(n)),
        ];
        for chain in chains {
            let result = evaluate(&format!("${{{{ {} }}}}", chain(240)));
            assert!(result.is_ok(), "{}: {result:?}", chain(2));
            let mistakes = Template::parse(&text(&format!("${{{{ {} }}}}", chain(20_000)))).unwrap_err();
            assert_eq!(mistakes[0].code, Code::InvalidValue, "{}", chain(2));
        }
        let nested = |depth: usize| format!("${{{{ {}1{} }}}}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(evaluate(&nested(16)).unwrap().value, json!(1));
        assert!(Template::parse(&text(&nested(17))).is_err());
    }

    #[test]
    fn mistakes_are_placed() {
        let mistakes = Template::parse(&text("a ${{ 1 + }} b")).unwrap_err();
        assert_eq!(mistakes[0].code, Code::TemplateSyntax);
        assert!(mistakes[0].primary.span.start >= 5, "{mistakes:?}");
    }
}
