//! From listening to the end.

use super::open::Opened;
use super::signals::Reloads;
use super::{ServeError, reload, tls};
use crate::config::{Config, ConfigError, duration};
use crate::http::app::App;
use crate::http::router;
use crate::listen::{Listener, TlsSlot};
use crate::storage::audit::{Action, Entry};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::sync::watch;

/// Serves until `stop` comes; `bound` learns the address.
pub(super) async fn run(
    opened: Opened,
    stop: impl Future<Output = ()>,
    mut reloads: Reloads,
    bound: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let Opened { app, listener } = opened;
    let bind = app.config.server.bind;
    let failed = |e: std::io::Error| ServeError::Bind { bind, why: e.to_string() };
    let slot = match &app.config.server.tls {
        Some(files) => Some(Arc::new(RwLock::new(tls::load(files)?)) as TlsSlot),
        None => None,
    };
    let address = listener.local_addr().map_err(failed)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    bound(address);
    tracing::info!(%address, tls = slot.is_some(), tokens = app.tokens.required(), "listening");

    let checking = tokio::spawn({
        let app = Arc::clone(&app);
        async move { app.check_answers().await }
    });
    let mut working = tokio::spawn(Arc::clone(&app).run_jobs());
    let sweeping = tokio::spawn(Arc::clone(&app).sweep());

    let drain = duration(app.config.server.drain_seconds);
    let (draining, drained) = watch::channel(false);
    let (routes, metrics) = (router(Arc::clone(&app)), Arc::clone(&app.metrics));
    let listening = Listener::new(listener, slot.clone(), routes, metrics, &app.config.limits);
    let mut serving = tokio::spawn(listening.serve(drained, drain));
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            ended = &mut serving => {
                return Err(ServeError::Bind { bind, why: format!("the listener ended: {ended:?}") });
            }
            Some(read) = reloads.recv() => take(&app, slot.as_ref(), read).await,
        }
    }

    tracing::info!("stopping: requests in flight are finished, new ones refused");
    app.draining.store(true, Ordering::Release);
    app.metrics.ready.set(0);
    checking.abort();
    sweeping.abort();
    let deadline = tokio::time::Instant::now() + drain;
    let _ = draining.send(true);
    let _ = tokio::time::timeout_at(deadline + Duration::from_secs(1), &mut serving).await;
    // A job that does not end in time is on disk and runs again after the next start. An idle one waits for nothing.
    app.queue.stop();
    if tokio::time::timeout_at(deadline, &mut working).await.is_err() {
        tracing::warn!("a job was cut short; it runs again after the next start");
    }
    let stopped = app.record(Entry::new(Action::Stop, "ok")).await;
    if let Err(failure) = stopped {
        tracing::error!(detail = failure.detail, "the audit log could not be ended");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Takes what a running daemon can take of a configuration that was read again.
async fn take(app: &App, slot: Option<&TlsSlot>, read: Result<Config, ConfigError>) {
    let taken = read.map_err(|e| e.to_string()).and_then(|config| reload::apply(app, slot, &config));
    let outcome = match taken {
        Ok(waiting) => {
            tracing::info!("tokens and certificate were read again");
            if !waiting.is_empty() {
                tracing::warn!(settings = waiting.join(", "), "settings have changed that take effect at a restart alone");
            }
            "ok"
        }
        Err(why) => {
            tracing::error!(
                detail = why,
                "the configuration was read again and refused; tokens and certificate stay as they were"
            );
            "refused"
        }
    };
    if let Err(failure) = app.record(Entry::new(Action::Reload, outcome)).await {
        tracing::error!(detail = failure.detail, "the reload could not be written to the audit log");
    }
}
