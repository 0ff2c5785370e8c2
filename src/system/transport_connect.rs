//! How long a connection may take: each request says so for itself, while all share their connections.

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
    static CONNECT_TIME: Duration;
}

/// Sends a request. The time for its connection ends before the request's own, so that a connection that never came is
/// told from an answer that never came.
pub(super) async fn sending<T>(timeout: Duration, send: impl Future<Output = T>) -> T {
    CONNECT_TIME.scope(LONGEST.min(timeout * 9 / 10), send).await
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
        let time = CONNECT_TIME.try_with(|time| *time).unwrap_or(LONGEST);
        let connected = tokio::time::timeout(time, self.0.call(target));
        Box::pin(async move {
            connected.await.unwrap_or_else(|_| Err(io::Error::from(ErrorKind::TimedOut).into()))
        })
    }
}
