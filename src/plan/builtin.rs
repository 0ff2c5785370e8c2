//! The provider definitions that the program brings along.

use super::check::read_definition;
use crate::document::Definition;

/// A provider definition that is embedded in the program.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// The name under which playbooks know it.
    pub name: &'static str,
    /// The definition as YAML, as `runner show` prints it.
    pub text: &'static str,
}

/// All of them, by name.
pub const BUILT_IN: [BuiltIn; 4] = [
    BuiltIn { name: "echome", text: include_str!("../../playbooks/providers/echome.yaml") },
    BuiltIn { name: "emnify", text: include_str!("../../playbooks/providers/emnify.yaml") },
    BuiltIn { name: "simpleiot", text: include_str!("../../playbooks/providers/simpleiot.yaml") },
    BuiltIn { name: "soracom", text: include_str!("../../playbooks/providers/soracom.yaml") },
];

#[cfg(test)]
#[test]
fn the_document_layer_knows_their_names() {
    assert_eq!(BUILT_IN.map(|built_in| built_in.name), crate::document::BUILT_IN_PROVIDERS);
}

impl BuiltIn {
    /// The one of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BUILT_IN.iter().find(|built_in| built_in.name == name)
    }

    /// The name of its file, as diagnostics show it.
    pub fn file_name(&self) -> String {
        format!("built-in {}.yaml", self.name)
    }

    /// The definition as types.
    pub fn definition(&self) -> Definition {
        read_definition(&self.file_name(), self.text).expect("built-in definitions are checked by a test")
    }
}
