//! Trees of templates as values, with the knowledge what of them is secret or not known yet.

use crate::document::{Tree, TreeKind};
use crate::model::redaction::Redactor;
use crate::template::{Data, Evaluated, EvaluationError, Scope, Template};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// A value, and what went into it.
#[derive(Clone, Default)]
pub struct Value {
    /// The value itself; it says nothing when something unknown went into it.
    pub json: Json,
    /// The names of the secrets that went into it.
    pub secrets: BTreeSet<String>,
    /// The names of what went into it and is not known yet.
    pub unknown: BTreeSet<String>,
}

impl Value {
    /// Evaluates a template. What it makes of secrets the redactor learns.
    ///
    /// # Errors
    /// As [`Template::evaluate`].
    pub fn of_template(
        template: &Template,
        scope: &Scope,
        redactor: &Redactor,
    ) -> Result<Self, EvaluationError> {
        let evaluated = template.evaluate(scope)?;
        evaluated.teach(redactor);
        let Evaluated { value, secrets, unknown, .. } = evaluated;
        Ok(Self {
            json: value,
            secrets: secrets.into_iter().collect(),
            unknown: unknown.into_iter().collect(),
        })
    }

    /// Evaluates all templates of a tree. A template that yields null leaves its key out of a map.
    ///
    /// # Errors
    /// As [`Template::evaluate`].
    pub fn of_tree(tree: &Tree, scope: &Scope, redactor: &Redactor) -> Result<Self, EvaluationError> {
        let mut whole = Self::default();
        whole.json = match &tree.kind {
            TreeKind::Literal(value) => value.clone(),
            TreeKind::Template(template) => return Self::of_template(template, scope, redactor),
            TreeKind::List(items) => {
                let items = items.iter().map(|item| whole.take(Self::of_tree(item, scope, redactor)?));
                Json::Array(items.collect::<Result<_, _>>()?)
            }
            TreeKind::Map(entries) => {
                let mut map = serde_json::Map::new();
                for (key, tree) in entries {
                    let value = whole.take(Self::of_tree(tree, scope, redactor)?)?;
                    if !(value.is_null() && matches!(tree.kind, TreeKind::Template(_))) {
                        map.insert(key.value.clone(), value);
                    }
                }
                Json::Object(map)
            }
        };
        Ok(whole)
    }

    fn take(&mut self, part: Self) -> Result<Json, EvaluationError> {
        self.secrets.extend(part.secrets);
        self.unknown.extend(part.unknown);
        Ok(part.json)
    }

    /// For the names of a scope.
    pub fn into_data(self) -> Data {
        let names = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
        match (self.unknown.is_empty(), self.secrets.is_empty()) {
            (false, _) => Data::Unknown(names(self.unknown)),
            (true, false) => Data::Secret(names(self.secrets), self.json),
            (true, true) => Data::Json(self.json),
        }
    }
}
