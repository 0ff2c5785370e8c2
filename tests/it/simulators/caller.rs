//! A plain HTTP client for one simulator.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::HeaderMap;
use runner::simulate::{Options, Provider, Simulator};
use serde_json::Value;

/// A started simulator and a client that talks to it.
pub struct Caller {
    pub simulator: Simulator,
    client: reqwest::Client,
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type").split(';').next(), Some("application/json"), "{self:?}");
        serde_json::from_str(&self.text).unwrap()
    }

    /// A header's value, empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A text of the JSON body.
    pub fn text_at(&self, pointer: &str) -> String {
        let value: Value = serde_json::from_str(&self.text).unwrap();
        value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no {pointer} in {value}"))
            .to_owned()
    }

    /// How many rows the body has, which must be a bare array.
    pub fn row_count(&self) -> usize {
        self.json().as_array().expect("a bare array").len()
    }
}

impl Caller {
    /// A simulator that holds `devices` devices.
    pub async fn start(provider: Provider, devices: usize) -> Self {
        Self::start_with(provider, &Options { devices, ..Options::default() }).await
    }

    pub async fn start_with(provider: Provider, options: &Options) -> Self {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { simulator: Simulator::start(provider, options).await.unwrap(), client }
    }

    /// Sends a request to a path below the base URL, or to a whole address.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> reqwest::Result<Reply> {
        let is_address = path.starts_with("http://");
        let url = if is_address { path.to_owned() } else { format!("{}{path}", self.simulator.base_url()) };
        let mut request = self.client.request(method.parse().unwrap(), url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Reply { status, headers, text: response.text().await? })
    }

    /// A GET with these headers.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send("GET", path, headers, "").await
    }

    /// A request with a JSON body.
    pub async fn json(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.send(method, path, &headers, &body.to_string()).await
    }

    /// The address of a control route.
    pub fn control(&self, action: &str) -> String {
        let (origin, _) = split_origin(self.simulator.base_url());
        format!("{origin}/_sim/{action}")
    }

    /// Moves the simulator's clock on.
    pub fn wait(&self, seconds: u64) {
        self.simulator.advance_clock(Duration::from_secs(seconds));
    }

    /// A value of the demo account with that label.
    pub fn demo(&self, label: &str, name: &str) -> String {
        let mut accounts = self.simulator.accounts().iter();
        let account = accounts.find(|account| account.label == label).unwrap();
        account.get(name).unwrap_or_else(|| panic!("{label} has no {name}")).to_owned()
    }
}

fn split_origin(url: &str) -> (&str, &str) {
    let path_at = url["http://".len()..].find('/').map_or(url.len(), |at| at + "http://".len());
    url.split_at(path_at)
}

/// The payload of a JWT.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The code that an authenticator app shows now.
pub fn totp_code(secret: &str) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate_current().to_string()
}
