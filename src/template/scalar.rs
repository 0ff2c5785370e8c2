//! A scalar with templates in it, ready to be evaluated.

use super::evaluated::{Evaluated, EvaluationError};
use super::expression::Expression;
use super::scope::Scope;
use super::split::{Piece, Unclosed, split};
use super::value::{json_to_text, why_no_text};
use crate::source::{Code, Diagnostic, Span, Text};
use serde_json::Value as Json;
use std::ops::Range;
use std::sync::Arc;

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
            let Range { start, end } = expression.range();
            ranges.push(at..start - "${{".len());
            at = end + "}}".len();
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
