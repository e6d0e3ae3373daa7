//! Starting, serving and stopping.

mod check;
mod handle;
mod open;
mod reload;
mod serving;
mod signals;
mod tls;
mod validity;

pub use check::{Finding, Report, check};
pub use handle::Handle;
pub use open::{open_model, pool};

use crate::config::{Config, ConfigError};
use open::open;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use veilray_base::release::FindError;
use veilray_classifier::release;

/// Why the daemon did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No released model has that name: the message says where it was looked for.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A model's folder is damaged or incomplete: fetch it again.
    #[error(transparent)]
    Release(#[from] release::Error),
    /// A model's parameters cannot be used on this machine.
    #[error(transparent)]
    Engine(#[from] veilray_he::Error),
    /// Two entries of the configuration are models of one name: serve one of them.
    #[error("two models are named {name}; serve one of them")]
    Twice {
        /// The name that both have.
        name: String,
    },
    /// The memory of the configuration does not suffice for one request: raise it, or serve a smaller model.
    #[error(
        "limits.memory_bytes is {found}: one request of the largest model needs {wanted} in all; raise it, or serve a smaller model"
    )]
    Memory {
        /// The limit of the configuration, bytes.
        found: u64,
        /// What is needed.
        wanted: u64,
    },
    /// The data folder or its database cannot be opened: another daemon uses it, or its rights are wrong.
    #[error("the data folder {}: {why}", path.display())]
    Data {
        /// The folder, `server.data_dir`.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// The address is in use, or not one of this machine.
    #[error("cannot listen on {bind}: {why}")]
    Bind {
        /// The address and port that were asked for.
        bind: SocketAddr,
        /// The system's reason.
        why: String,
    },
    /// The certificate or its key cannot be read, or the two do not belong together.
    #[error("TLS certificate and key: {why}; PEM files that belong together are wanted")]
    Tls {
        /// What is wrong with them.
        why: String,
    },
    /// Threads, or the runtime that answers requests, could not be started.
    #[error("cannot start: {why}")]
    Start {
        /// The system's reason.
        why: String,
    },
}

fn runtime() -> Result<tokio::runtime::Runtime, ServeError> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("http").enable_all().build();
    built.map_err(|e| ServeError::Start { why: e.to_string() })
}

/// Serves in this thread until SIGTERM or an interrupt; `bound` learns the address. At SIGHUP the configuration is read again with
/// `reread`: its tokens and certificate take the place of those before, unless it cannot be used.
///
/// # Errors
/// What kept it from starting.
pub fn serve(
    config: Config,
    reread: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
    bound: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        // Before models are opened, which takes a while: no signal ends the program halfway.
        let mut stop = std::pin::pin!(signals::stop()?);
        let reloads = signals::reloads(reread)?;
        let opened = tokio::select! {
            opened = tokio::task::spawn_blocking(move || open(config)) => opened.map_err(|e| ServeError::Start { why: e.to_string() })??,
            () = &mut stop => {
                tracing::info!("stopped before it listened");
                return Ok(());
            }
        };
        serving::run(opened, stop, reloads, bound).await
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

/// Starts a daemon in a thread of this process; it listens when this returns, and is ready when [`Handle::is_ready`] says so.
///
/// # Errors
/// What kept it from starting.
pub fn spawn(config: Config) -> Result<Handle, ServeError> {
    let opened = open(config)?;
    let runtime = runtime()?;
    let app = Arc::downgrade(&opened.app);
    let (stop, stopped) = oneshot::channel::<()>();
    let (bound, address) = std::sync::mpsc::channel();
    let serve = move || {
        let stop = async {
            let _ = stopped.await;
        };
        let ended = runtime.block_on(serving::run(opened, stop, signals::no_reloads(), move |at| {
            let _ = bound.send(at);
        }));
        runtime.shutdown_timeout(Duration::from_secs(1));
        ended
    };
    let thread = std::thread::Builder::new().name("veilrayd".into()).spawn(serve);
    let thread = thread.map_err(|e| ServeError::Start { why: e.to_string() })?;
    match address.recv() {
        Ok(addr) => Ok(Handle::new(addr, app, stop, thread)),
        // It ended before it listened, and says why.
        Err(_) => match thread.join() {
            Ok(Err(error)) => Err(error),
            _ => Err(ServeError::Start { why: "the daemon's thread ended".into() }),
        },
    }
}
