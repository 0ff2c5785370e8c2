use super::evaluated::EvaluationError;
use super::expression::Expression;
use super::scalar::Template;
use super::scope::Scope;
use crate::source::{Code, Diagnostic, Text};
use serde_json::Value as Json;
use std::sync::Arc;

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
