//! Failures on request: what a test wants the provider to do wrong.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;

use super::answer::Answer;
use super::call::Call;

/// Answers some of the next requests in the provider's place.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// The method it waits for; any when `None`.
    pub method: Option<String>,
    /// The path it waits for, without query; any when `None`. A `*` at its end stands for anything.
    pub path: Option<String>,
    /// How many matching requests pass before it begins.
    pub skip: u64,
    /// How many matching requests it answers then.
    pub times: u64,
    /// The status it answers with.
    pub status: u16,
    /// The headers it answers with, and no others but `date` and those of the transport.
    pub headers: BTreeMap<String, String>,
    /// The body it answers with.
    pub body: String,
    /// Drops the connection instead of answering.
    pub close: bool,
    /// Lets the provider do what was asked, and only then answers or drops the connection.
    pub after: bool,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            method: None,
            path: None,
            skip: 0,
            times: 1,
            status: 500,
            headers: BTreeMap::new(),
            body: String::new(),
            close: false,
            after: false,
        }
    }
}

/// Why a fault cannot be played.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidFault {
    #[error("{0} is no final status")]
    Status(u16),
    #[error("header `{0}` cannot be sent")]
    Header(String),
}

impl Fault {
    /// The answer to give, `None` to drop the connection.
    pub(super) fn answer(&self) -> Result<Option<Answer>, InvalidFault> {
        if self.close {
            return Ok(None);
        }
        let is_final = |status: &StatusCode| !status.is_informational();
        let status = StatusCode::from_u16(self.status).ok().filter(is_final);
        let status = status.ok_or(InvalidFault::Status(self.status))?;
        Ok(Some(Answer { status, headers: self.header_values()?, body: Bytes::from(self.body.clone()) }))
    }

    fn header_values(&self) -> Result<Vec<(HeaderName, HeaderValue)>, InvalidFault> {
        let read = |(name, value): (&String, &String)| {
            let header = (HeaderName::try_from(name), HeaderValue::try_from(value));
            let (Ok(name), Ok(value)) = header else { return Err(InvalidFault::Header(name.clone())) };
            Ok((name, value))
        };
        self.headers.iter().map(read).collect()
    }

    fn fits(&self, call: &Call) -> bool {
        let method_fits = self.method.as_deref().is_none_or(|method| method == call.method.as_str());
        method_fits && self.path.as_deref().is_none_or(|path| path_fits(path, &call.path))
    }
}

fn path_fits(pattern: &str, path: &str) -> bool {
    pattern.strip_suffix('*').map_or_else(|| pattern == path, |prefix| path.starts_with(prefix))
}

/// The faults still to come, in the order they were asked for.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// The fault that answers this call, if one does. A fault that lets a call pass leaves it to the next ones.
    pub(super) fn take(&mut self, call: &Call) -> Option<Fault> {
        self.0.retain(|fault| fault.times > 0);
        for fault in self.0.iter_mut().filter(|fault| fault.fits(call)) {
            if fault.skip == 0 {
                fault.times -= 1;
                return Some(fault.clone());
            }
            fault.skip -= 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::path_fits;

    #[test]
    fn a_star_stands_for_the_rest_of_a_path() {
        assert!(path_fits("/v1/sims", "/v1/sims"));
        assert!(!path_fits("/v1/sims", "/v1/sims/1"));
        assert!(path_fits("/v1/sims*", "/v1/sims/1"));
        assert!(path_fits("*", "/anything"));
    }
}
