//! Values in two forms: as they are sent, and as they may be shown.

use crate::document::{Tree, TreeKind};
use crate::model::redaction::Redactor;
use crate::source::Span;
use crate::template::{Evaluated, EvaluationError, Scope, Template, json_to_text};
use serde_json::Value;
use std::collections::BTreeSet;
use thiserror::Error;

/// A request could not be made of what was written.
#[derive(Debug, Clone, Error)]
pub enum RenderError {
    /// An expression could not be evaluated.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// A value has no place where it stands. The text quotes no value.
    #[error("{reason}")]
    Value {
        /// What is wrong.
        reason: String,
        /// Where the value is written.
        span: Span,
    },
}

impl RenderError {
    pub(super) fn value(span: Span, reason: impl Into<String>) -> Self {
        Self::Value { reason: reason.into(), span }
    }

    /// The place in the file.
    pub fn span(&self) -> Span {
        match self {
            Self::Evaluation(error) => error.span,
            Self::Value { span, .. } => *span,
        }
    }
}

/// A text, and the same with `‹name›` where it is secret or not known yet.
#[derive(Clone)]
pub(super) struct Shown {
    pub value: String,
    placeholder: Option<String>,
    pub is_secret: bool,
}

impl Shown {
    pub fn plain(value: impl Into<String>) -> Self {
        Self { value: value.into(), placeholder: None, is_secret: false }
    }

    /// The text that may be shown.
    pub fn shown(&self) -> &str {
        self.placeholder.as_deref().unwrap_or(&self.value)
    }

    /// Whether only its name is there: the value itself is not known yet.
    pub fn is_unknown(&self) -> bool {
        self.value.is_empty() && self.placeholder.is_some()
    }

    /// What is shown, through `encode` unless it is a placeholder.
    pub fn shown_encoded(&self, encode: impl FnOnce(&str) -> String) -> String {
        self.placeholder.clone().unwrap_or_else(|| encode(&self.value))
    }
}

/// JSON whose leaves are in two forms.
#[derive(Clone)]
pub(super) enum Node {
    Leaf {
        value: Value,
        /// JSON text with placeholders; `None` = the value may be shown.
        shown: Option<String>,
    },
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub fn plain(value: Value) -> Self {
        Self::Leaf { value, shown: None }
    }

    /// The JSON to send.
    pub fn to_value(&self) -> Value {
        match self {
            Self::Leaf { value, .. } => value.clone(),
            Self::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Self::Map(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.clone(), node.to_value())).collect())
            }
        }
    }

    /// The JSON to show. A placeholder that stands for a whole value has no quotes.
    pub fn to_shown(&self) -> String {
        match self {
            Self::Leaf { value, shown, .. } => shown.clone().unwrap_or_else(|| value.to_string()),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::to_shown).collect();
                format!("[{}]", items.join(","))
            }
            Self::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, node)| format!("{}:{}", Value::from(key.as_str()), node.to_shown()))
                    .collect();
                format!("{{{}}}", entries.join(","))
            }
        }
    }
}

/// Evaluates templates; keeps in mind what went into them, and lets the redactor learn what is made of secrets before
/// anyone can show it.
pub(super) struct Evaluation<'a> {
    redactor: &'a Redactor,
    pub unknown: BTreeSet<String>,
    pub secrets: BTreeSet<String>,
}

impl<'a> Evaluation<'a> {
    pub fn new(redactor: &'a Redactor) -> Self {
        Self { redactor, unknown: BTreeSet::new(), secrets: BTreeSet::new() }
    }

    /// Takes note of what went into a value.
    pub fn note(&mut self, evaluated: &Evaluated) {
        evaluated.teach(self.redactor);
        self.unknown.extend(evaluated.unknown.iter().cloned());
        self.secrets.extend(evaluated.secrets.iter().cloned());
    }

    /// The text that a template yields; `None` when it yields null.
    pub fn text(&mut self, template: &Template, scope: &Scope) -> Result<Option<Shown>, RenderError> {
        let evaluated = template.evaluate(scope)?;
        self.note(&evaluated);
        shown_text(&evaluated, template.span())
    }

    /// The texts that a value of a query or form yields: none for null, several for a list.
    pub fn texts(&mut self, tree: &Tree, scope: &Scope) -> Result<Vec<Shown>, RenderError> {
        match &tree.kind {
            TreeKind::Literal(value) => texts_of(&Evaluated::plain(value.clone()), tree.span),
            TreeKind::Template(template) => {
                let evaluated = template.evaluate(scope)?;
                self.note(&evaluated);
                texts_of(&evaluated, tree.span)
            }
            TreeKind::List(items) => {
                let texts = items.iter().map(|item| self.texts(item, scope));
                Ok(texts.collect::<Result<Vec<_>, _>>()?.concat())
            }
            TreeKind::Map(_) => Err(RenderError::value(tree.span, "a map has no place here")),
        }
    }

    /// The JSON that a tree yields; `None` when it is a template that yields null. Such a template leaves its key out of
    /// a map, and stays null in a list.
    pub fn node(&mut self, tree: &Tree, scope: &Scope) -> Result<Option<Node>, RenderError> {
        match &tree.kind {
            TreeKind::Literal(value) => Ok(Some(Node::plain(value.clone()))),
            TreeKind::Template(template) => self.leaf(template, scope),
            TreeKind::List(items) => {
                let nodes = items.iter().map(|item| {
                    self.node(item, scope).map(|node| node.unwrap_or_else(|| Node::plain(Value::Null)))
                });
                nodes.collect::<Result<_, _>>().map(Node::List).map(Some)
            }
            TreeKind::Map(entries) => {
                let mut nodes = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    if let Some(node) = self.node(value, scope)? {
                        nodes.push((key.value.clone(), node));
                    }
                }
                Ok(Some(Node::Map(nodes)))
            }
        }
    }

    fn leaf(&mut self, template: &Template, scope: &Scope) -> Result<Option<Node>, RenderError> {
        let evaluated = template.evaluate(scope)?;
        self.note(&evaluated);
        if evaluated.value.is_null() && !evaluated.is_unknown() {
            return Ok(None);
        }
        let shown = evaluated.shown.map(|shown| match template.as_expression() {
            Some(_) => shown,
            None => Value::from(shown).to_string(),
        });
        Ok(Some(Node::Leaf { value: evaluated.value, shown }))
    }
}

/// The one text of a value; `None` for null.
fn shown_text(evaluated: &Evaluated, span: Span) -> Result<Option<Shown>, RenderError> {
    if evaluated.value.is_null() && !evaluated.is_unknown() {
        return Ok(None);
    }
    let value = match evaluated.is_unknown() {
        true => String::new(),
        false => json_to_text(&evaluated.value).ok_or_else(|| {
            RenderError::value(span, "a list or map has no place here; `tojson` makes a text of it")
        })?,
    };
    let is_secret = evaluated.is_secret();
    Ok(Some(Shown { value, placeholder: evaluated.shown.clone(), is_secret }))
}

fn texts_of(evaluated: &Evaluated, span: Span) -> Result<Vec<Shown>, RenderError> {
    let Value::Array(items) = &evaluated.value else {
        return Ok(shown_text(evaluated, span)?.into_iter().collect());
    };
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        let mut alone = evaluated.clone();
        alone.value = item.clone();
        texts.extend(shown_text(&alone, span)?);
    }
    Ok(texts)
}
