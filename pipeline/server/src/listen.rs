//! Connections: accepted, bounded in number and time, and handed to the routes.
//!
//! | what | bound |
//! |---|---|
//! | from accepting to the first request's head, TLS included | `limits.header_seconds` |
//! | without a request, HTTP/1.1 and HTTP/2 | `limits.idle_seconds` |
//! | connections in all and of one peer | `limits.connections`, `limits.connections_per_peer` |
//! | a request's head | [`connection::HEAD_BYTES`] |
//! | requests of one HTTP/2 connection at one time | [`connection::STREAMS`] |

mod activity;
mod connection;
mod files;
mod register;
mod shaped;

use crate::config::{Limits, duration};
use crate::engine::metrics::Metrics;
use crate::http::request::Peer;
use crate::http::unrouted;
use activity::{Activity, Times};
use axum::Router;
use connection::Connection;
use register::Register;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The certificate that new connections get; another can be put in its place.
pub(crate) type TlsSlot = Arc<RwLock<Arc<rustls::ServerConfig>>>;

/// What all connections share.
pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<TlsSlot>,
    routes: Router,
    metrics: Arc<Metrics>,
    times: Times,
    register: Arc<Register>,
    last_warning: Option<Instant>,
}

/// Longest pause after the system refused to accept a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections that the system keeps until they are accepted: a burst beyond them would wait a second for the peers' next try.
const BACKLOG: i32 = 4096;

/// Time between two warnings of one kind.
const WARNING_EVERY: Duration = Duration::from_secs(60);

impl Listener {
    /// A listener that accepts once [`Listener::serve`] runs.
    pub(crate) fn new(socket: TcpListener, tls: Option<TlsSlot>, routes: Router, metrics: Arc<Metrics>, limits: &Limits) -> Self {
        let times = Times {
            header: duration(limits.header_seconds),
            idle: duration(limits.idle_seconds),
            least: limits.min_bytes_per_second,
        };
        let most = files::connections(limits.connections);
        if most < limits.connections {
            tracing::info!(
                connections = most,
                wanted = limits.connections,
                "the limit of open files leaves room for fewer connections than limits.connections; raise it (ulimit -n, LimitNOFILE=)"
            );
        }
        if let Err(error) = socket2::SockRef::from(&socket).listen(BACKLOG) {
            tracing::warn!(detail = %error, "the system keeps fewer connections than wanted until they are accepted");
        }
        let register = Arc::new(Register::new(most, limits.connections_per_peer));
        Self { socket, tls, routes, metrics, times, register, last_warning: None }
    }

    /// Accepts until `stop` says so; then lets requests in flight end, until `drained` resolves.
    pub(crate) async fn serve(mut self, mut stop: watch::Receiver<bool>, drain: Duration) {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                _ = stop.changed() => break,
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, address)) => self.take(stream, address, &stop, &mut open),
                    Err(error) => self.refused(&error).await,
                },
                Some(_) = open.join_next() => {}
            }
        }
        // New connections are refused by the system from here on.
        drop(self);
        let all = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(drain, all).await.is_err() {
            tracing::warn!(connections = open.len(), "connections were cut: their requests did not end in server.drain_seconds");
        }
        open.shutdown().await;
    }

    fn take(&mut self, stream: TcpStream, address: SocketAddr, stop: &watch::Receiver<bool>, open: &mut JoinSet<()>) {
        let peer = Peer::of(address.ip());
        let activity = Arc::new(Activity::new(self.times));
        let registered = match self.register.admit(peer, &activity) {
            Ok(registered) => registered,
            Err(full) => {
                self.metrics.connections_refused.inc();
                self.warn(|| tracing::warn!(reason = full.as_str(), "a connection was refused: too many are open and busy"));
                turn_away(stream, self.tls.is_none());
                return;
            }
        };
        let tls = self.tls.as_ref().map(|slot| Arc::clone(&slot.read().unwrap_or_else(PoisonError::into_inner)));
        let (routes, metrics, stop) = (self.routes.clone(), Arc::clone(&self.metrics), stop.clone());
        let connection = Connection { tls, routes, metrics, peer, activity, stop };
        open.spawn(async move {
            connection.serve(stream).await;
            drop(registered);
        });
    }

    /// The system gave no connection: for want of descriptors, say. One that waits for nothing makes room, and accepting goes on.
    async fn refused(&mut self, error: &std::io::Error) {
        use std::io::ErrorKind as Kind;
        if matches!(error.kind(), Kind::ConnectionAborted | Kind::ConnectionReset | Kind::ConnectionRefused | Kind::Interrupted) {
            return;
        }
        let freed = self.register.free_one();
        self.warn(|| tracing::error!(detail = %error, freed, "cannot accept connections; trying again"));
        tokio::time::sleep(PAUSE).await;
    }

    /// At most one warning a minute: who causes them must not fill the log.
    fn warn(&mut self, log: impl FnOnce()) {
        let now = Instant::now();
        if self.last_warning.is_none_or(|last| now.duration_since(last) >= WARNING_EVERY) {
            self.last_warning = Some(now);
            log();
        }
    }
}

/// Says why where that costs nothing, and closes.
fn turn_away(stream: TcpStream, plain: bool) {
    if let (true, Ok(mut stream)) = (plain, stream.into_std()) {
        // Without blocking: what does not fit into the empty buffer of the socket is not sent.
        let _ = stream.write(&unrouted::busy());
    }
}
