//! The accounts every simulator knows. They are the same in every run and good for nothing else.

/// One account with all that its login methods need.
#[derive(Debug, Clone)]
pub struct DemoAccount {
    /// What is special about it: `plain`, `mfa`, `new-password`.
    pub label: &'static str,
    /// Its credentials and settings.
    pub values: Vec<DemoValue>,
}

/// One credential or setting of a demo account.
#[derive(Debug, Clone)]
pub struct DemoValue {
    /// Its name in the provider's definition, such as `username`.
    pub name: &'static str,
    /// Where the definition declares it.
    pub kind: DemoKind,
    /// The environment variable that users already have for it, `None` when there is no such custom.
    pub variable: Option<&'static str>,
    /// The value, secret or not.
    pub value: String,
}

/// Where a definition declares a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemoKind {
    /// Under `credentials`.
    Credential,
    /// Under `settings`.
    Setting,
}

impl DemoAccount {
    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|value| value.name == name).map(|value| value.value.as_str())
    }
}

impl DemoValue {
    pub(super) fn credential(name: &'static str, variable: Option<&'static str>, value: &str) -> Self {
        Self { name, kind: DemoKind::Credential, variable, value: value.to_owned() }
    }

    pub(super) fn setting(name: &'static str, variable: Option<&'static str>, value: &str) -> Self {
        Self { name, kind: DemoKind::Setting, variable, value: value.to_owned() }
    }
}
