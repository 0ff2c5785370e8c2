//! What an answer says about its failure.

use super::Answer;
use super::SendError;
use crate::document::Errors;
use crate::port::SendFailure;
use crate::template::json_to_text;
use http::StatusCode;

/// Who has answered, where it cannot have been the provider.
pub const SOMEONE_IN_FRONT: &str =
    "something in front of the provider may have answered: a proxy, the sign-in of a network";

impl SendError {
    /// What to do where the way to the provider is at fault.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Redirect { .. } => {
                Some(format!("{SOMEONE_IN_FRONT}; if the API itself has moved, give its new address"))
            }
            Self::Transport(error) => match error.failure {
                SendFailure::ProxyFailed => Some(
                    "run it again later, and see that the proxy is well and may connect there".to_owned(),
                ),
                SendFailure::ProxyRefused => Some(
                    "give the right credentials where the proxy is named: \
                     `HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT`"
                        .to_owned(),
                ),
                SendFailure::Part => Some(
                    "see what stands between this machine and the provider, for no part was asked for; \
                     `expect: { status: 206 }` if a part is what the step wants"
                        .to_owned(),
                ),
                _ => None,
            },
            Self::Refused(_) => None,
        }
    }
}

/// What a provider says about a failure, as its definition finds it in the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// Its code for the error.
    pub code: Option<String>,
    /// Its words.
    pub message: Option<String>,
}

impl Said {
    /// Reads an answer; of several readers the first that finds something counts.
    pub fn read(answer: &Answer, errors: Option<&Errors>) -> Self {
        let Some(errors) = errors else { return Self::default() };
        let first = |readers: &[crate::document::Reader]| {
            let found = readers.iter().filter_map(|reader| answer.read(reader));
            found.filter_map(|value| json_to_text(&value)).find(|text| !text.is_empty())
        };
        Self { code: first(&errors.code.0), message: first(&errors.message.0) }
    }

    /// All that it says: `InvalidCredentials: wrong password`. `None` when that is nothing.
    pub fn words(&self) -> Option<String> {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => Some(format!("{code}: {message}")),
            (Some(text), None) | (None, Some(text)) => Some(text.clone()),
            (None, None) => None,
        }
    }
}

/// The hint for an error code or a status: the first that fits, so that what is nearest to the request, and in it codes
/// before statuses, is to come first. Of a code such as `com.amazonaws#NotAuthorizedException` the part behind the `#` is
/// enough.
pub fn hint<'a>(hints: &[(&str, &'a str)], code: Option<&str>, status: u16) -> Option<&'a str> {
    let short = code.and_then(|code| code.rsplit_once('#')).map(|(_, short)| short);
    let status = status.to_string();
    let fits = |key: &str| [code, short, Some(status.as_str())].contains(&Some(key));
    hints.iter().find(|(key, _)| fits(key)).map(|(_, text)| *text)
}

/// A status with its meaning: `503 Service Unavailable`.
pub fn status_text(status: u16) -> String {
    match StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()) {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hint_that_fits_counts() {
        let hints = [
            ("A1", "list first"),
            ("403", "no right"),
            ("Forbidden", "of the definition"),
            ("NotAuthorized", "wrong password"),
        ];
        let hint = |code, status| hint(&hints, code, status);
        assert_eq!(hint(Some("A1"), 403), Some("list first"));
        assert_eq!(hint(Some("com.amazonaws#NotAuthorized"), 400), Some("wrong password"));
        assert_eq!(hint(Some("A2"), 403), Some("no right"));
        assert_eq!(hint(Some("Forbidden"), 403), Some("no right"));
        assert_eq!(hint(Some("Forbidden"), 404), Some("of the definition"));
        assert_eq!(hint(None, 404), None);
    }

    #[test]
    fn statuses_have_their_meaning() {
        assert_eq!(status_text(503), "503 Service Unavailable");
        assert_eq!(status_text(599), "599");
    }
}
