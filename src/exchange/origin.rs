use std::fmt;
use std::net::IpAddr;
use url::{Host, Url};

/// Scheme, host and port of an address (RFC 6454): what a secret may be sent to.
///
/// ```
/// use runner::exchange::Origin;
///
/// let origin = Origin::of(&"https://api.example.com:443/v1".parse()?).expect("it has a host");
/// assert_eq!(origin.to_string(), "https://api.example.com");
/// # Ok::<_, url::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    text: String,
    is_https: bool,
    is_loopback: bool,
}

impl Origin {
    /// The origin of an address; `None` unless it is `http` or `https`.
    pub fn of(url: &Url) -> Option<Self> {
        let is_https = url.scheme() == "https";
        if !is_https && url.scheme() != "http" {
            return None;
        }
        let is_loopback = is_loopback(url.host()?);
        Some(Self { text: url.origin().ascii_serialization(), is_https, is_loopback })
    }

    /// True when nobody else can listen: the connection is encrypted, or does not leave this machine.
    pub fn is_private(&self) -> bool {
        self.is_https || self.is_loopback
    }

    /// True for `https`.
    pub fn is_https(&self) -> bool {
        self.is_https
    }
}

fn is_loopback(host: Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => IpAddr::V4(address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(address).is_loopback(),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Option<Origin> {
        Origin::of(&text.parse().unwrap())
    }

    #[test]
    fn scheme_host_and_port_make_an_origin() {
        assert_eq!(origin("https://a.example/x?y"), origin("https://A.example:443"));
        for other in
            ["http://a.example", "https://a.example:444", "https://b.a.example", "https://a.example."]
        {
            assert_ne!(origin("https://a.example"), origin(other), "{other}");
        }
        assert_eq!(origin("file:///etc/passwd"), None);
        assert_eq!(origin("https://a.example@b.example").unwrap().to_string(), "https://b.example");
    }

    #[test]
    fn only_loopback_may_go_without_encryption() {
        for private in ["https://a.example", "http://localhost:1", "http://127.0.0.2", "http://[::1]:8080"] {
            assert!(origin(private).unwrap().is_private(), "{private}");
        }
        for open in ["http://a.example", "http://localhost.example", "http://10.0.0.1", "http://0.0.0.0"] {
            assert!(!origin(open).unwrap().is_private(), "{open}");
        }
    }
}
