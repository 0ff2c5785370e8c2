//! What the command line says that a check must know, and its addresses with their places.

use crate::source::Spanned;

/// What the command line says that a check must know.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Provider -> the address of its API, instead of what is written.
    pub base_urls: Vec<(String, String)>,
    /// Provider -> the address of its sign-in, instead of what is written.
    pub auth_base_urls: Vec<(String, String)>,
    /// Provider (`None` = all of them) -> the profile, instead of what is written.
    pub profiles: Vec<(Option<String>, String)>,
    /// The run will be simulated: no real source of secrets is asked, not even whether it has an answer.
    pub is_simulated: bool,
}

impl Options {
    /// Nothing but a profile for all providers, if one is named.
    pub fn of_profile(profile: Option<&str>) -> Self {
        let profiles = profile.iter().map(|&profile| (None, profile.to_owned())).collect();
        Self { profiles, ..Self::default() }
    }
}

/// An address from the command line.
pub(super) struct Override {
    pub provider: Spanned<String>,
    pub address: Spanned<String>,
    pub is_for_sign_in: bool,
}
