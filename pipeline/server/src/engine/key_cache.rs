//! Expanded keys in memory, those used last staying longest; and reading them from disk with their digest checked.

use crate::engine::admission::Permit;
use crate::error::ApiError;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use veilray_base::digest::hex;
use veilray_classifier::served::Served;
use veilray_he::{EvaluationKeys, ExpandedKeys, KeySpec, Params};
use veilray_protocol::ErrorCode;
use veilray_protocol::KeyDigest;

/// Keys in memory, or about to be. The memory is given back with the last holder, after the keys themselves.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The keys, once loaded.
    pub(crate) keys: OnceLock<ExpandedKeys>,
    /// Held while they are loaded.
    pub(crate) loading: Arc<tokio::sync::Mutex<()>>,
    used: AtomicU64,
    _memory: Permit,
}

/// Tenant folder, digest of the keys, model.
pub(crate) type At = (String, KeyDigest, String);

/// The keys in memory.
#[derive(Debug, Default)]
pub(crate) struct KeyCache {
    entries: Mutex<HashMap<At, Arc<Loaded>>>,
    clock: AtomicU64,
}

impl KeyCache {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<At, Arc<Loaded>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Those keys, if they are there.
    pub(crate) fn get(&self, at: &At) -> Option<Arc<Loaded>> {
        let found = self.lock().get(at).cloned();
        found.inspect(|loaded| loaded.used.store(self.tick(), Ordering::Relaxed))
    }

    /// A place for keys in the memory reserved for them, or the one that somebody else made in the meantime.
    pub(crate) fn insert(&self, at: At, memory: Permit) -> Arc<Loaded> {
        let (keys, loading, used) = (OnceLock::new(), Arc::default(), AtomicU64::new(self.tick()));
        let new = Arc::new(Loaded { keys, loading, used, _memory: memory });
        Arc::clone(self.lock().entry(at).or_insert(new))
    }

    /// Removes the keys not used for longest, of those that nobody uses now; whether there were any.
    pub(crate) fn evict(&self) -> bool {
        let mut entries = self.lock();
        let idle = entries.iter().filter(|(_, loaded)| Arc::strong_count(loaded) == 1);
        let oldest = idle.min_by_key(|(_, loaded)| loaded.used.load(Ordering::Relaxed)).map(|(at, _)| at.clone());
        let evicted = oldest.and_then(|at| entries.remove(&at));
        drop(entries);
        evicted.is_some()
    }

    /// Removes a tenant's keys for every model.
    pub(crate) fn forget(&self, folder: &str, digest: &KeyDigest) {
        let mut entries = self.lock();
        let gone: Vec<At> = entries.keys().filter(|at| at.0 == folder && at.1 == *digest).cloned().collect();
        let gone: Vec<_> = gone.iter().filter_map(|at| entries.remove(at)).collect();
        drop(entries);
        drop(gone);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// A reader that hashes what passes.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Whether keys of one specification serve where another is wanted.
fn covers(have: &KeySpec, want: &KeySpec) -> bool {
    let galois = |(element, level): (&u32, &usize)| have.galois().get(element).is_some_and(|found| found >= level);
    have.relinearisation() >= want.relinearisation() && want.galois().iter().all(galois)
}

/// Refuses keys that do not serve the model.
pub(crate) fn conform(keys: &EvaluationKeys, served: &Served) -> Result<(), ApiError> {
    if covers(&keys.spec(), served.circuit.key_spec()) {
        return Ok(());
    }
    let error = format!("these keys lack rotations or levels that {} needs", served.interface.model);
    Err(ApiError::new(ErrorCode::NotConformant, error, "generate keys from the model's manifest"))
}

/// Keys as a file holds them, under the parameters given.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn parse(path: &Path, params: &Params, limit: u64) -> Result<EvaluationKeys, ApiError> {
    let mut file = BufReader::with_capacity(1 << 18, File::open(path)?);
    Ok(EvaluationKeys::read_from(params, &mut file, usize::try_from(limit).unwrap_or(usize::MAX))?)
}

/// Reads stored keys and expands them for a model.
///
/// # Errors
/// [`ErrorCode::NotFound`] if the file is gone or no longer has its digest; [`ErrorCode::NotConformant`] if it is of another model.
pub(crate) fn read(path: &Path, digest: &KeyDigest, served: &Served, limit: u64) -> Result<ExpandedKeys, ApiError> {
    let damaged = || {
        let hint = "upload the keys again with PUT /v1/keys/{sha256}";
        ApiError::new(ErrorCode::NotFound, "the stored keys were damaged on the daemon's disk and have been removed", hint)
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(damaged()),
        file => BufReader::with_capacity(1 << 18, file?),
    };
    let mut file = Hashing { inner: file, hash: Sha256::new() };
    let keys = EvaluationKeys::read_from(served.model.params(), &mut file, usize::try_from(limit).unwrap_or(usize::MAX));
    std::io::copy(&mut file, &mut std::io::sink())?;
    if hex(&file.hash.finalize()) != digest.as_str() {
        return Err(damaged());
    }
    let keys = keys?;
    conform(&keys, served)?;
    Ok(ExpandedKeys::new(&keys)?)
}
