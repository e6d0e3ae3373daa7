//! One connection, from its TLS handshake to its end.

use super::activity::Activity;
use super::shaped::Shaped;
use crate::engine::metrics::Metrics;
use crate::http::request::Peer;
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;

/// Bytes of a request's head in HTTP/1.1; a longer one is answered with 431. Bodies are read in pieces of at most this size.
pub(super) const HEAD_BYTES: usize = 64 << 10;
/// Header lines of a request in HTTP/1.1; more are answered with 431.
const HEAD_LINES: usize = 100;
/// Bytes of a request's head in HTTP/2, counted as RFC 9113 does; more are answered with 431.
const HEADER_LIST_BYTES: u32 = 16 << 10;
/// Requests of one HTTP/2 connection at one time.
pub(super) const STREAMS: u32 = 32;
/// Streams that a peer of HTTP/2 opened and reset at once and that wait; one more ends the connection.
const RESET_STREAMS: usize = 20;
/// Streams that were reset for the peer's faults; one more ends the connection.
const FAULTY_STREAMS: usize = 64;
/// Bytes of bodies that an HTTP/2 connection, and one of its streams, may send ahead.
const WINDOW: u32 = 1 << 20;
/// For the goodbyes of a connection that is closed.
const GOODBYE: Duration = Duration::from_secs(1);

/// What one connection needs.
pub(super) struct Connection {
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    pub(super) routes: Router,
    pub(super) metrics: Arc<Metrics>,
    pub(super) peer: Peer,
    pub(super) activity: Arc<Activity>,
    pub(super) stop: watch::Receiver<bool>,
}

fn protocols(header: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(header).max_buf_size(HEAD_BYTES).max_headers(HEAD_LINES);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(header).keep_alive_timeout(header);
    http2.max_concurrent_streams(STREAMS).max_header_list_size(HEADER_LIST_BYTES);
    http2.max_pending_accept_reset_streams(RESET_STREAMS).max_local_error_reset_streams(FAULTY_STREAMS);
    http2.initial_connection_window_size(WINDOW).initial_stream_window_size(WINDOW);
    builder
}

impl Connection {
    /// Serves it to its end.
    pub(super) async fn serve(mut self, stream: TcpStream) {
        // An answer is written at once; waiting for more would only delay it.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.take() else { return self.requests(stream).await };
        let deadline = self.activity.deadline().unwrap_or_else(Instant::now);
        let handshake = tokio::select! {
            done = TlsAcceptor::from(tls).accept(stream) => done,
            () = sleep_until(deadline) => return,
            () = self.activity.closed() => return,
            _ = self.stop.changed() => return,
        };
        match handshake {
            Ok(stream) => self.requests(stream).await,
            Err(error) => tracing::debug!(detail = %error, "a TLS handshake failed"),
        }
    }

    async fn requests(mut self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let builder = protocols(self.activity.header());
        let io = TokioIo::new(Shaped::new(stream, Arc::clone(&self.metrics)));
        let routes = TowerToHyperService::new(self.routes);
        let served = Served { routes, peer: self.peer, activity: Arc::clone(&self.activity) };
        let mut connection = pin!(builder.serve_connection(io, served));
        let mut closing: Option<Instant> = None;
        loop {
            let deadline = match closing {
                None => self.activity.deadline(),
                Some(since) => self.activity.quiet_since().map(|quiet| quiet.max(since + GOODBYE)),
            };
            let over = async {
                match deadline {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let end = tokio::select! {
                _ = connection.as_mut() => return,
                () = self.activity.closed() => return,
                () = self.activity.changed() => false,
                () = over => true,
                _ = self.stop.changed(), if closing.is_none() => true,
            };
            if !end {
                continue;
            }
            if closing.is_some() || !self.activity.has_asked() {
                return;
            }
            closing = Some(Instant::now());
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// The routes for one connection.
#[derive(Clone)]
struct Served {
    routes: TowerToHyperService<Router>,
    peer: Peer,
    activity: Arc<Activity>,
}

impl Service<Request<Incoming>> for Served {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let in_flight = self.activity.begin();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.peer);
        let answering = self.routes.call(request);
        Box::pin(async move {
            let response = answering.await?;
            let bytes = response.body().size_hint();
            in_flight.answered(bytes.upper().unwrap_or(bytes.lower()));
            Ok(response)
        })
    }
}
