//! Starting, serving and stopping.

mod handle;
mod reload;
mod serving;
mod signals;
mod tls;

pub use handle::Handle;

use crate::config::tokens::Tokens;
use crate::config::{Config, ConfigError};
use crate::engine::admission::QueueLength;
use crate::engine::metrics::Metrics;
use crate::engine::needs::Needs;
use crate::engine::{Engine, Parts};
use crate::fair::JobQueue;
use crate::http::app::App;
use crate::http::denials::Denials;
use crate::storage::audit::{Action, Entry};
use crate::storage::{Storage, disk};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::oneshot;
use veilray_base::release::{FindError, find};
use veilray_classifier::release;
use veilray_classifier::served::Served;

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

/// Everything that is opened before the first request.
struct Opened {
    app: Arc<App>,
    listener: TcpListener,
}

/// Threads of the computation.
///
/// # Errors
/// [`ServeError::Start`].
pub fn pool(threads: usize) -> Result<rayon::ThreadPool, ServeError> {
    let named = |i| format!("he-{i}");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(named).build();
    pool.map_err(|e| ServeError::Start { why: e.to_string() })
}

/// Opens a model by name or folder.
///
/// # Errors
/// [`ServeError::Find`], [`ServeError::Release`].
pub fn open_model(path: &std::path::Path) -> Result<Served, ServeError> {
    Ok(Served::open(&find(&path.to_string_lossy())?)?)
}

/// Bytes of memory that the process has taken from the system; where the system does not say, what its buffers hold and as much again.
fn resident(models: &[(Served, Needs)]) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<u64> = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    let buffers: u64 = models.iter().map(|(served, _)| served.model.params().buffer_bytes() as u64).sum();
    kib.map_or(2 * buffers + (256 << 20), |kib| kib << 10)
}

fn open(config: Config) -> Result<Opened, ServeError> {
    config.check()?;
    let pool = pool(config.server.threads)?;
    let threads = pool.current_num_threads();
    let mut models: Vec<(Served, Needs)> = Vec::new();
    for entry in &config.models {
        let served = pool.install(|| open_model(&entry.path))?;
        let name = &served.interface.model;
        if models.iter().any(|(other, _)| other.interface.model == *name) {
            return Err(ServeError::Twice { name: name.clone() });
        }
        served.model.params().trim();
        let needs = Needs::of(&served, threads)?;
        tracing::info!(
            model = name,
            request_bytes = needs.most(),
            buffer_bytes = served.model.params().buffer_bytes(),
            "model opened"
        );
        models.push((served, needs));
    }

    let limits = &config.limits;
    let data = |why: &dyn std::fmt::Display| ServeError::Data { path: config.server.data_dir.clone(), why: why.to_string() };
    let root = &config.server.data_dir;
    disk::private_folder(root).map_err(|e| data(&e))?;
    let storage = Storage::open(root, limits).map_err(|why| data(&why))?;
    let Storage { audit, store, jobs, recovery, pending } = storage;
    tracing::info!(orphans = recovery.orphans, lost = recovery.lost, pending = pending.len(), "data folder checked");

    let metrics = Arc::new(Metrics::default());
    let memory = (limits.memory_bytes, resident(&models));
    tracing::info!(bytes = memory.1, "memory taken before the first request");
    let parts = Parts {
        pool,
        models,
        memory,
        queue: QueueLength { tenant: limits.tenant_queue(config.tenants()), all: limits.queue_length },
        evaluations: limits.evaluations,
        tenants: config.tenants(),
        store: Arc::clone(&store),
        audit: Arc::clone(&audit),
        metrics: Arc::clone(&metrics),
    };
    let engine = Engine::new(parts).map_err(|wanted| ServeError::Memory { found: limits.memory_bytes, wanted })?;
    let bind = config.server.bind;
    let listener = TcpListener::bind(bind).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    let listener = listener.map_err(|e| ServeError::Bind { bind, why: e.to_string() })?;
    audit.record(&Entry::new(Action::Start, "ok")).map_err(|e| data(&e))?;
    let queue = JobQueue::default();
    for (folder, id) in pending {
        queue.push(&folder, id);
    }
    let app = App {
        tokens: Tokens::new(&config.tokens),
        config,
        engine: Arc::new(engine),
        store,
        jobs,
        audit,
        denials: Denials::default(),
        metrics,
        queue,
        ready: AtomicBool::new(false),
        draining: AtomicBool::new(false),
    };
    Ok(Opened { app: Arc::new(app), listener })
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
