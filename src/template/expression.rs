//! One expression: parsed with the places of its names, compiled when it is first evaluated.

use super::environment::ENVIRONMENT;
use super::evaluated::{Evaluated, EvaluationError};
use super::names::{self, Call, Reference};
use super::rewrite::rewritten;
use super::scope::Scope;
use super::value::to_json;
use crate::source::{Code, Diagnostic, Span, Text};
use minijinja::machinery::{self, Token};
use serde_json::Value as Json;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

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
    pub(super) fn parse(origin: &Arc<Text>, range: Range<usize>) -> Result<Self, Box<Diagnostic>> {
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

    /// Its byte range in the scalar's value, between the braces.
    pub(super) fn range(&self) -> Range<usize> {
        self.0.start..self.0.start + self.0.code.len()
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
