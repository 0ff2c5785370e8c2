use super::lower::{FromNode, Lower};
use super::yaml::Node;
use crate::source::{Code, Diagnostic, Spanned};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A map whose keys are names that its author chose, in the order of the file.
#[derive(Debug, Clone)]
pub struct Named<T> {
    entries: Vec<(Spanned<String>, T)>,
    broken: Vec<String>,
    /// The map itself was no map: nobody knows what it declares.
    is_unreadable: bool,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), broken: Vec::new(), is_unreadable: false }
    }
}

impl<T> Named<T> {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.entries.iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
    }

    /// True when the name is declared, even if its value could not be read and was reported. Of a map that could not be
    /// read at all, every name may be.
    pub fn declares(&self, name: &str) -> bool {
        self.is_unreadable || self.get(name).is_some() || self.broken.iter().any(|broken| broken == name)
    }

    /// True when something in it, or all of it, could not be read; that was reported.
    pub fn has_broken(&self) -> bool {
        self.is_unreadable || !self.broken.is_empty()
    }

    /// Names and values in the order of the file.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Spanned<String>, &T)> + Clone {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// The names in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().map(|(key, _)| key.value.as_str())
    }

    /// How many names have a value.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Gives a name a value; one that is there already is replaced in its place.
    pub fn insert(&mut self, name: Spanned<String>, value: T) {
        match self.entries.iter_mut().find(|(key, _)| key.value == name.value) {
            Some(entry) => *entry = (name, value),
            None => self.entries.push((name, value)),
        }
    }
}

/// Data never becomes a name.
pub(super) fn refuse_template_key(key: &Spanned<String>, lower: &mut Lower<'_>) {
    if key.value.contains("${{") {
        let message = "a key is never a template";
        lower.report(Diagnostic::new(Code::TemplateForm, key.span, message));
    }
}

impl<T: FromNode> FromNode for Named<T> {
    fn from_node(node: &Node, lower: &mut Lower<'_>) -> Option<Self> {
        let Some(map) = node.as_map() else {
            lower.wrong_type(node, "a map of names");
            return Some(Self { is_unreadable: true, ..Self::default() });
        };
        let mut named = Self::default();
        for entry in map {
            refuse_template_key(&entry.key, lower);
            match lower.at_name(&entry.key.value, |lower| T::from_node(&entry.value, lower)) {
                Some(value) => named.entries.push((entry.key.clone(), value)),
                None => named.broken.push(entry.key.value.clone()),
            }
        }
        Some(named)
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Map_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, T>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}
