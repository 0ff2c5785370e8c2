//! Which providers have a simulator.

use std::fmt;

/// A provider that can be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Soracom, one coverage.
    Soracom,
    /// emnify.
    Emnify,
    /// An ecHome server.
    Echome,
    /// A SimpleIOT installation together with its Amazon Cognito user pool.
    Simpleiot,
}

impl Provider {
    /// Every provider, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Soracom, Self::Emnify, Self::Echome, Self::Simpleiot];

    /// The name a user types, the same as that of the built-in definition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Soracom => "soracom",
            Self::Emnify => "emnify",
            Self::Echome => "echome",
            Self::Simpleiot => "simpleiot",
        }
    }

    /// The provider of that name, `None` if it has no simulator.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for provider in Provider::ALL {
            assert_eq!(Provider::named(provider.as_str()), Some(provider));
        }
        assert_eq!(Provider::named("soracm"), None);
    }
}
