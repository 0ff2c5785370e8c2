use super::transport_body::{ENCODINGS, read};
use super::transport_connect::{ConnectLimit, sending};
use super::transport_error::{local, not_sent, unanswered, without_client};
use super::transport_proxy::Proxies;
use crate::port::{Body, BodyPart, Request, Response, Transport, TransportError};
use futures_util::future::{FutureExt, LocalBoxFuture};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::multipart::{Form, Part};
use reqwest::{Certificate, Client, RequestBuilder};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::File;
use tokio::time::Instant;
use url::{Host, Url};

/// How long an idle connection is kept. Many servers close theirs after 60 s: one that is just being closed when a write
/// goes out leaves that write unknown.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// How many idle connections are kept for each host.
const MAX_IDLE: usize = 32;

/// Headers that never hold a secret: HTTP/2 may keep them in its table, and logs may show them.
const PUBLIC_HEADERS: [HeaderName; 3] = [header::ACCEPT, header::CONTENT_TYPE, header::USER_AGENT];

/// The network over HTTP/1.1 and HTTP/2.
pub struct HttpTransport {
    clients: RefCell<HashMap<Route, Client>>,
    proxies: Proxies,
}

/// What requests have in common that share a client and its connections.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Route {
    trust: Trust,
    /// A proxy from the environment is not asked.
    is_loopback: bool,
}

/// Whose certificates count.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Trust {
    /// There are none in plain http. They are not even loaded, which takes longer than a whole request on loopback.
    Nobody,
    /// The authorities of the machine.
    Machine,
    /// Those, and the private ones in this PEM file.
    MachineAnd(PathBuf),
}

impl Trust {
    fn of(request: &Request) -> Self {
        match &request.ca_file {
            _ if request.url.scheme() != "https" => Self::Nobody,
            None => Self::Machine,
            Some(path) => Self::MachineAnd(path.clone()),
        }
    }
}

impl Route {
    fn of(request: &Request) -> Self {
        Self { trust: Trust::of(request), is_loopback: is_loopback(&request.url) }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Default for HttpTransport {
    fn default() -> Self {
        // An error says that there is a provider already: then it is this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { clients: RefCell::default(), proxies: Proxies::default() }
    }
}

impl HttpTransport {
    async fn exchange(&self, request: &Request) -> Result<Response, TransportError> {
        let client = self.client(Route::of(request))?;
        let builder = client.request(request.method.clone(), request.url.clone());
        let builder = builder.headers(guarded(&request.headers)).timeout(request.timeout);
        let builder = with_body(builder, &request.body).await?;
        let started = Instant::now();
        let answer = sending(request.timeout, &request.departure, builder.send()).await;
        let waited = started.elapsed();
        let proxy = || self.proxies.on_the_way_to(&request.url).filter(|_| !is_loopback(&request.url));
        let answer = answer.map_err(|error| unanswered(error, request.timeout, proxy().as_ref()))?;
        if request.url.scheme() == "http"
            && answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
            && let Some(proxy) = proxy()
        {
            return Err(proxy.refusal());
        }
        Ok(Response { waited, ..read(answer, request).await? })
    }

    fn client(&self, route: Route) -> Result<Client, TransportError> {
        if let Some(client) = self.clients.borrow().get(&route) {
            return Ok(client.clone());
        }
        let client = build(&route)?;
        self.clients.borrow_mut().insert(route, client.clone());
        Ok(client)
    }
}

fn build(route: &Route) -> Result<Client, TransportError> {
    let mut builder = Client::builder()
        .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connector_layer(ConnectLimit)
        .pool_idle_timeout(IDLE_LIMIT)
        .pool_max_idle_per_host(MAX_IDLE);
    if route.is_loopback {
        builder = builder.no_proxy();
    }
    builder = match &route.trust {
        Trust::Nobody => builder.tls_certs_only([]),
        Trust::Machine => builder,
        Trust::MachineAnd(path) => builder.tls_certs_merge(certificates(path)?),
    };
    builder.build().map_err(without_client)
}

/// The certificates in a PEM file.
fn certificates(path: &Path) -> Result<Vec<Certificate>, TransportError> {
    let fail =
        |reason: &str| not_sent(format!("cannot use the certificates in {}: {reason}", path.display()));
    let pem = std::fs::read(path).map_err(|error| fail(&error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|_| fail("they are not PEM"))?;
    match found.is_empty() {
        true => Err(fail("there are none")),
        false => Ok(found),
    }
}

impl Transport for HttpTransport {
    fn send<'a>(&'a self, request: &'a Request) -> LocalBoxFuture<'a, Result<Response, TransportError>> {
        self.exchange(request).boxed_local()
    }
}

/// The headers, marked so that nobody below shows or keeps what may be secret. A part of a file is not asked for in a
/// compressed form, whose bytes would be others.
fn guarded(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    if !headers.contains_key(header::RANGE) {
        headers.entry(header::ACCEPT_ENCODING).or_insert(HeaderValue::from_static(ENCODINGS));
    }
    for (name, value) in &mut headers {
        value.set_sensitive(!PUBLIC_HEADERS.contains(name));
    }
    headers
}

async fn with_body(builder: RequestBuilder, body: &Body) -> Result<RequestBuilder, TransportError> {
    Ok(match body {
        Body::Empty => builder,
        Body::Bytes(bytes) => builder.body(bytes.clone()),
        Body::File(path) => {
            let (file, length) = open(path).await?;
            builder.header(header::CONTENT_LENGTH, HeaderValue::from(length)).body(file)
        }
        Body::Multipart(parts) => {
            let mut form = Form::new();
            for (name, part) in parts {
                form = form.part(name.clone(), to_part(part).await?);
            }
            builder.multipart(form)
        }
    })
}

async fn to_part(part: &BodyPart) -> Result<Part, TransportError> {
    match part {
        BodyPart::Text(text) => Ok(Part::text(text.clone())),
        BodyPart::File { path, media_type } => {
            let (file, length) = open(path).await?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let part = Part::stream_with_length(file, length).file_name(name);
            part.mime_str(media_type).map_err(|_| local(format!("`{media_type}` is no media type")))
        }
    }
}

/// A file with its length in bytes.
async fn open(path: &Path) -> Result<(File, u64), TransportError> {
    let fail = |error: io::Error| local(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).await.map_err(fail)?;
    let metadata = file.metadata().await.map_err(fail)?;
    match metadata.is_file() {
        true => Ok((file, metadata.len())),
        false => Err(fail(io::Error::other("not a regular file"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for url in ["http://127.0.0.1:1/", "http://[::1]/", "http://localhost/", "http://a.localhost/"] {
            assert!(is_loopback(&url.parse().unwrap()), "{url}");
        }
        for url in ["http://10.0.0.1/", "http://localhost.example/", "http://127.0.0.1.example/"] {
            assert!(!is_loopback(&url.parse().unwrap()), "{url}");
        }
    }
}
