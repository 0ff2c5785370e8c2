//! Which providers have a simulator.

use std::fmt;
use std::str::FromStr;

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
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, UnknownProvider> {
        let is_named = |provider: &Self| provider.as_str() == name;
        Self::ALL.into_iter().find(is_named).ok_or_else(|| UnknownProvider(name.to_owned()))
    }
}

/// A name under which there is no simulator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no simulator is called `{0}`; there are soracom, emnify, echome and simpleiot")]
pub struct UnknownProvider(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for provider in Provider::ALL {
            assert_eq!(provider.as_str().parse(), Ok(provider));
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_all_that_there_are() {
        let message = "soracm".parse::<Provider>().unwrap_err().to_string();
        assert!(message.contains("`soracm`"), "{message}");
        for provider in Provider::ALL {
            assert!(message.contains(provider.as_str()), "{message}");
        }
    }
}
