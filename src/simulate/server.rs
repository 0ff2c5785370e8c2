//! HTTP around a [`World`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::answer::Answer;
use super::call::{Call, Origin};
use super::connection::{CuttableListener, Cutter};
use super::control;
use super::world::World;

/// More than any provider takes; a larger body is answered 413.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// A world that the listeners and the [`Simulator`](super::Simulator) share.
pub(super) type SharedWorld = Arc<Mutex<World>>;

/// Enters the world. A panic of an earlier visitor is no reason to refuse the next one.
pub(super) fn enter(world: &SharedWorld) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bound port, not yet served.
pub(super) struct Port {
    listener: TcpListener,
    address: SocketAddr,
}

impl Port {
    /// Binds a loopback port; 0 takes any free one.
    pub(super) async fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// `127.0.0.1:PORT`
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:PORT`, without a trailing slash.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves the world on a task of the current runtime until the returned guard is dropped.
    pub(super) fn serve(self, world: SharedWorld, origin: Origin) -> ServerGuard {
        let (guard, dropped) = oneshot::channel::<()>();
        let service = Router::new()
            .fallback(handle)
            .with_state((world, origin))
            .into_make_service_with_connect_info::<Cutter>();
        let server = axum::serve(CuttableListener(self.listener), service).with_graceful_shutdown(async {
            // The sender is never used: the receiver wakes when it is dropped.
            let _ = dropped.await;
        });
        tokio::spawn(server.into_future());
        ServerGuard { _running: guard }
    }
}

/// Stops its listener, and its connections after the answer they are at, when dropped.
pub(super) struct ServerGuard {
    _running: oneshot::Sender<()>,
}

async fn handle(
    State((world, origin)): State<(SharedWorld, Origin)>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut world = enter(&world);
    let call = Call {
        origin,
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body,
        at: world.now(),
    };
    let answer = control::answer(&mut world, &call).or_else(|| world.handle(&call));
    match answer {
        Some(answer) => response(answer, &call),
        None => {
            cutter.cut();
            // Never arrives: the first byte of it is what the cut connection refuses to write.
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn response(answer: Answer, call: &Call) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    response.headers_mut().extend(answer.headers);
    let date = httpdate::fmt_http_date(call.at.into());
    if let Ok(date) = HeaderValue::try_from(date) {
        response.headers_mut().entry(header::DATE).or_insert(date);
    }
    response
}
