//! Opening what the configuration names: models, the data folder, the address.

use super::{ServeError, tls};
use crate::config::tokens::Tokens;
use crate::config::{Available, Config, ConfigError};
use crate::engine::admission::QueueLength;
use crate::engine::metrics::Metrics;
use crate::engine::needs::Needs;
use crate::engine::{Engine, Parts, least_memory};
use crate::fair::JobQueue;
use crate::http::app::App;
use crate::http::denials::Denials;
use crate::storage::audit::{Action, Entry};
use crate::storage::{Storage, disk};
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use veilray_base::release::find;
use veilray_classifier::served::Served;

/// Everything that is opened before the first request.
pub(super) struct Opened {
    /// What requests need.
    pub(super) app: Arc<App>,
    /// Where it listens.
    pub(super) listener: TcpListener,
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
pub fn open_model(path: &Path) -> Result<Served, ServeError> {
    Ok(Served::open(&find(&path.to_string_lossy())?)?)
}

/// Bytes of memory that the process has taken from the system; where the system does not say, what its buffers hold and as much again.
pub(super) fn resident(models: &[(Served, Needs)]) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<u64> = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    let buffers: u64 = models.iter().map(|(served, _)| served.model.params().buffer_bytes() as u64).sum();
    kib.map_or(2 * buffers + (256 << 20), |kib| kib << 10)
}

/// Opens the models of a configuration, one after the other; each with what it needs.
pub(super) fn models<'a>(
    config: &'a Config,
    pool: &'a rayon::ThreadPool,
) -> impl Iterator<Item = Result<(Served, Needs), ServeError>> + 'a {
    let mut names = BTreeSet::new();
    config.models.iter().map(move |entry| {
        let served = pool.install(|| open_model(&entry.path))?;
        let name = served.interface.model.clone();
        if !names.insert(name.clone()) {
            return Err(ServeError::Twice { name });
        }
        served.model.params().trim();
        let needs = Needs::of(&served, pool.current_num_threads())?;
        Ok((served, needs))
    })
}

/// A data folder that others can enter: it was not made for the daemon alone, and its rights are its owner's to change.
pub(super) fn shared(path: &Path, mode: u32) -> ConfigError {
    let path = path.display();
    ConfigError::Value {
        field: "server.data_dir".into(),
        found: format!("{path}, which other users can enter (mode {mode:04o})"),
        wanted: format!("a folder of this user alone is wanted: name one that is not there yet, or run chmod 700 {path}"),
    }
}

/// Opens all of it.
///
/// # Errors
/// [`ServeError`].
pub(super) fn open(config: Config) -> Result<Opened, ServeError> {
    config.check()?;
    let root = &config.server.data_dir;
    let data = |why: &dyn std::fmt::Display| ServeError::Data { path: root.clone(), why: why.to_string() };
    let available = config.limits.memory(Available::here().as_ref())?;
    tracing::info!(bytes = available.bytes, source = available.source, "memory that may be taken");
    if let Some(mode) = disk::others(root).map_err(|e| data(&e))? {
        return Err(shared(root, mode).into());
    }
    if let Some(files) = &config.server.tls {
        tls::load(files)?;
    }
    let pool = pool(config.server.threads)?;
    let models = models(&config, &pool).collect::<Result<Vec<_>, _>>()?;
    for (served, needs) in &models {
        tracing::info!(
            model = served.interface.model,
            request_bytes = needs.most(),
            buffer_bytes = served.model.params().buffer_bytes(),
            "model opened"
        );
    }

    let limits = &config.limits;
    // Before anything is made on disk.
    let taken = resident(&models);
    let wanted = least_memory(models.iter().map(|(_, needs)| needs), taken);
    if available.bytes < wanted {
        return Err(ServeError::Memory { found: available.bytes, wanted });
    }
    disk::private_folder(root).map_err(|e| data(&e))?;
    let storage = Storage::open(root, limits).map_err(|why| data(&why))?;
    let Storage { audit, store, jobs, recovery, pending } = storage;
    tracing::info!(orphans = recovery.orphans, lost = recovery.lost, pending = pending.len(), "data folder checked");

    let metrics = Arc::new(Metrics::default());
    let memory = (available.bytes, resident(&models));
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
    let engine = Engine::new(parts).map_err(|wanted| ServeError::Memory { found: available.bytes, wanted })?;
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
