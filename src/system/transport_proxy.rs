//! The proxy on the way, for those who read of what it does not let through.

use crate::port::{SendFailure, TransportError};
use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use std::cell::OnceCell;
use std::error::Error;
use std::fmt;
use url::Url;

/// The proxies that environment and system name: the same that the client asks.
#[derive(Default)]
pub(super) struct Proxies(OnceCell<Matcher>);

impl Proxies {
    /// The proxy on the way to an address.
    pub(super) fn on_the_way_to(&self, url: &Url) -> Option<Proxy> {
        let address: Uri = url.as_str().parse().ok()?;
        self.0.get_or_init(Matcher::from_system).intercept(&address).map(Proxy)
    }
}

/// A proxy. It shows its address, never its credentials.
pub(super) struct Proxy(Intercept);

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.uri().authority().map_or("", |authority| authority.as_str()))
    }
}

impl Proxy {
    /// Why it has made no connection, of which `reason` is known otherwise.
    pub(super) fn failure(&self, causes: &[&(dyn Error + 'static)], reason: &str) -> TransportError {
        // The type of this error is private: its words are all that tells the one from the other.
        let tunnel = causes.iter().find_map(|cause| tunnel_problem(&cause.to_string()));
        let reason = match tunnel {
            Some(TunnelProblem::Credentials) => return self.refusal(),
            Some(TunnelProblem::NoConnection) => format!("the proxy {self} makes no connection there"),
            None => format!("{reason}, on the way through the proxy {self}"),
        };
        TransportError { failure: SendFailure::ProxyFailed, reason }
    }

    /// It has answered in place of the server, that it wants credentials.
    pub(super) fn refusal(&self) -> TransportError {
        let reason = match self.0.basic_auth() {
            Some(_) => format!("the proxy {self} refuses its credentials (407)"),
            None => format!("the proxy {self} wants credentials (407)"),
        };
        TransportError { failure: SendFailure::ProxyRefused, reason }
    }
}

enum TunnelProblem {
    Credentials,
    NoConnection,
}

fn tunnel_problem(words: &str) -> Option<TunnelProblem> {
    match words.strip_prefix("tunnel error: ")? {
        "proxy authorization required" => Some(TunnelProblem::Credentials),
        "failed to create underlying connection" | "io error establishing tunnel" => None,
        _ => Some(TunnelProblem::NoConnection),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(value: &str) -> Proxy {
        let matcher = Matcher::builder().all(value.to_owned()).build();
        Proxy(matcher.intercept(&Uri::from_static("https://api.example.com")).expect("a proxy"))
    }

    #[test]
    fn a_proxy_shows_its_address_and_never_its_credentials() {
        for (value, shown) in [
            ("http://10.0.0.1:3128", "the proxy 10.0.0.1:3128 wants credentials (407)"),
            ("http://ops:geheim@proxy.test:3128", "the proxy proxy.test:3128 refuses its credentials (407)"),
        ] {
            let refusal = proxy(value).refusal();
            assert_eq!((refusal.failure, refusal.reason.as_str()), (SendFailure::ProxyRefused, shown));
        }
    }
}
