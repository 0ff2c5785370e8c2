//! How long a connection may take: each request says so for itself, while all share their connections.

use crate::port::Departure;
use futures_util::future::BoxFuture;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// How long a connection may take at most: name, TCP and TLS together.
const LONGEST: Duration = Duration::from_secs(10);

type BoxError = Box<dyn Error + Send + Sync>;

tokio::task_local! {
    static CONNECTING: Connecting;
}

/// The request for which a connection is made.
#[derive(Clone)]
struct Connecting {
    time: Duration,
    departure: Departure,
}

/// Sends a request. The time for its connection ends before the request's own, so that a connection that never came is
/// told from an answer that never came.
pub(super) async fn sending<T>(timeout: Duration, departure: &Departure, send: impl Future<Output = T>) -> T {
    let connecting = Connecting { time: LONGEST.min(timeout * 9 / 10), departure: departure.clone() };
    CONNECTING.scope(connecting, send).await
}

/// A connection in the making. It is dropped before its end only together with the request that waits for it: a request
/// that gets another connection meanwhile leaves this one to a task of its own.
struct Unfinished(Option<Departure>);

impl Unfinished {
    fn end(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(departure) = &self.0 {
            departure.prevent();
        }
    }
}

/// Bounds each connection of a client by the request for which it is made. The client's own `connect_timeout` would be one
/// for all, and clients with different ones would not share their connections.
#[derive(Clone)]
pub(super) struct ConnectLimit;

impl<S> Layer<S> for ConnectLimit {
    type Service = Bounded<S>;

    fn layer(&self, connector: S) -> Bounded<S> {
        Bounded(connector)
    }
}

/// A connector with that bound.
#[derive(Clone)]
pub(super) struct Bounded<S>(S);

impl<R, S> Service<R> for Bounded<S>
where
    S: Service<R, Error = BoxError>,
    S::Response: 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let connecting = CONNECTING.try_with(Clone::clone).ok();
        let time = connecting.as_ref().map_or(LONGEST, |connecting| connecting.time);
        let unfinished = Unfinished(connecting.map(|connecting| connecting.departure));
        let connected = tokio::time::timeout(time, self.0.call(target));
        Box::pin(async move {
            let end = connected.await;
            unfinished.end();
            end.unwrap_or_else(|_| Err(io::Error::from(ErrorKind::TimedOut).into()))
        })
    }
}
