//! Expressions, conditions and texts with templates in them, ready to be evaluated.

use super::environment::ENVIRONMENT;
use super::names::{self, Call, Reference};
use super::scope::{Reads, Scope};
use super::split::{Piece, Unclosed, split};
use super::value::{json_to_text, to_json};
use crate::model::redaction::{Redactor, placeholder};
use crate::model::secret::SecretText;
use crate::source::{Code, Diagnostic, Span, Text};
use minijinja::machinery;
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

/// Calls `visit` with each text and number at the leaves of a value.
fn each_text(value: &Json, visit: &mut dyn FnMut(String)) {
    match value {
        Json::Null | Json::Bool(_) => {}
        Json::Number(_) | Json::String(_) => visit(json_to_text(value).unwrap_or_default()),
        Json::Array(items) => items.iter().for_each(|item| each_text(item, visit)),
        Json::Object(map) => map.values().for_each(|item| each_text(item, visit)),
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
    asked_steps: Vec<String>,
    constant: Option<minijinja::Value>,
    /// Compiled at the first evaluation: a check never needs it.
    compiled: OnceLock<minijinja::Expression<'static, 'static>>,
}

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
        let tree = machinery::parse_expr(code).map_err(|error| {
            let at = error.range().unwrap_or(0..code.len());
            let diagnostic = fail(at.clone(), format!("not a valid expression: {}", reason(&error)));
            match habit_of_another_language(code, at.start) {
                Some(ours) => Box::new(diagnostic.label(ours)),
                None => diagnostic,
            }
        })?;
        let names = names::collect(code, &tree);
        let asked_steps = names::asked_steps(&tree);
        let parsed = Parsed {
            code: code.to_owned(),
            start: range.start,
            origin: origin.clone(),
            names,
            asked_steps,
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
        &self.0.asked_steps
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
        let result = self.compiled().eval(scope.root());
        let reads = scope.take_reads();
        if !reads.unknown.is_empty() {
            return Ok(Evaluated::of_expression(Json::Null, reads));
        }
        let value = to_json(&result.map_err(|error| fail(say(error)))?).map_err(fail)?;
        Ok(Evaluated::of_expression(value, reads))
    }

    fn compiled(&self) -> &minijinja::Expression<'static, 'static> {
        self.0.compiled.get_or_init(|| {
            ENVIRONMENT
                .compile_expression_owned(self.0.code.clone())
                .expect("what `machinery::parse_expr` takes compiles")
        })
    }
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
    let rest = code.get(at..).filter(|rest| !rest.starts_with("=="))?;
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
        reason: match value {
            Json::Null => {
                "it yields nothing, which has no place inside of a text; `default` gives it a value"
            }
            _ => "it yields a list or map, which has no place inside of a text; `tojson` makes a text of it",
        }
        .to_owned(),
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

    #[test]
    fn what_is_made_of_a_secret_is_secret() {
        for source in [
            "${{ credentials.password }}",
            "${{ credentials.password | sha1 | hex }}",
            "Basic ${{ (credentials.user ~ ':' ~ credentials.password) | b64encode }}",
            "${{ credentials | tojson }}",
            "${{ credentials['password'][0] }}",
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
    fn mistakes_are_placed() {
        let mistakes = Template::parse(&text("a ${{ 1 + }} b")).unwrap_err();
        assert_eq!(mistakes[0].code, Code::TemplateSyntax);
        assert!(mistakes[0].primary.span.start >= 5, "{mistakes:?}");
    }
}
