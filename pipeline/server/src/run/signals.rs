//! What the system tells the daemon.

use super::ServeError;
use crate::config::{Config, ConfigError};
use std::future::Future;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Configurations that were read again, or why they were not.
pub(super) type Reloads = mpsc::UnboundedReceiver<Result<Config, ConfigError>>;

/// None will come.
pub(super) fn no_reloads() -> Reloads {
    mpsc::unbounded_channel().1
}

#[cfg(unix)]
fn signal(kind: tokio::signal::unix::SignalKind) -> Result<tokio::signal::unix::Signal, ServeError> {
    tokio::signal::unix::signal(kind).map_err(|e| ServeError::Start { why: e.to_string() })
}

/// Resolves at SIGTERM or an interrupt that comes from now on.
pub(super) fn stop() -> Result<impl Future<Output = ()>, ServeError> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::SignalKind;
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// Reads the configuration again at each SIGHUP that comes from now on.
pub(super) fn reloads(reread: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static) -> Result<Reloads, ServeError> {
    let (send, reloads) = mpsc::unbounded_channel();
    #[cfg(unix)]
    {
        let mut hangup = signal(tokio::signal::unix::SignalKind::hangup())?;
        let reread = Arc::new(reread);
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                let reread = Arc::clone(&reread);
                let Ok(read) = tokio::task::spawn_blocking(move || reread()).await else { continue };
                if send.send(read).is_err() {
                    return;
                }
            }
        });
    }
    #[cfg(not(unix))]
    drop((send, Arc::new(reread)));
    Ok(reloads)
}
