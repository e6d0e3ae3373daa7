//! The encrypted computation: models, their memory, and the threads that do nothing else.

pub(crate) mod admission;
pub(crate) mod blocking;
pub(crate) mod key_cache;
pub mod known_answer;
pub(crate) mod metrics;
pub mod needs;

use crate::error::ApiError;
use crate::fair::Turns;
use crate::storage::audit::{Action, Audit, Entry};
use crate::storage::key_store::{KeyRecord, KeyStore};
use admission::{Account, MemoryBudget, Permit, QueueLength, Refused};
use blocking::blocking;
use key_cache::{KeyCache, Loaded};
use metrics::{Metrics, OfModel};
use needs::Needs;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use veilray_classifier::served::Served;
use veilray_he::Ciphertext;
use veilray_protocol::ErrorCode;
use veilray_protocol::KeyDigest;
use veilray_protocol::body::{INPUT, ciphertexts};
use veilray_protocol::keys::UPLOAD_PIECE;
use veilray_protocol::messages::{InferTimes, TensorHeader};

/// A model in service.
#[derive(Debug)]
pub(crate) struct Hosted {
    /// Its circuit and its interface.
    pub(crate) served: Served,
    /// What it needs in memory.
    pub(crate) needs: Needs,
    /// Account of its inferences.
    pub(crate) work: Account,
    /// Account of its clients' keys.
    pub(crate) keys: Account,
}

impl Hosted {
    /// Its name, as in the paths of requests.
    pub(crate) fn name(&self) -> &str {
        &self.served.interface.model
    }

    fn label(&self) -> OfModel {
        OfModel { model: self.name().into() }
    }
}

/// An image's ciphertexts as they came.
#[derive(Debug)]
pub(crate) struct Input {
    /// What the request's JSON part says of its tensors.
    pub(crate) tensors: Vec<TensorHeader>,
    /// The request's whole body, JSON part and ciphertexts.
    pub(crate) body: Vec<u8>,
    /// Bytes of the body before the tensor.
    pub(crate) skip: usize,
}

impl Input {
    /// The ciphertexts' bytes.
    ///
    /// # Errors
    /// A tensor that is not as it is described.
    pub(crate) fn elements(&self) -> Result<Vec<&[u8]>, ApiError> {
        Ok(ciphertexts(&self.tensors, INPUT, self.body.get(self.skip..).unwrap_or_default())?)
    }
}

/// How long an inference may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitLimits {
    /// Longest wait for memory.
    pub(crate) memory: Duration,
    /// Longest wait in all: for memory, keys and the inferences before it.
    pub(crate) all: Duration,
}

/// Computes the answers: the models, the memory that is shared out, keys in memory and the pool of threads.
#[derive(Debug)]
pub(crate) struct Engine {
    pool: rayon::ThreadPool,
    models: BTreeMap<String, Arc<Hosted>>,
    /// The memory of all requests.
    pub(crate) budget: Arc<MemoryBudget>,
    /// Account of request bodies.
    pub(crate) intake: Account,
    /// Keys in memory.
    pub(crate) cache: KeyCache,
    turn: Arc<Turns>,
    store: Arc<KeyStore>,
    audit: Arc<Audit>,
    metrics: Arc<Metrics>,
    /// What the process and its models take.
    _process: Permit,
}

/// What the engine is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Threads of the computation.
    pub(crate) pool: rayon::ThreadPool,
    /// The models with their needs.
    pub(crate) models: Vec<(Served, Needs)>,
    /// Bytes of memory, and those that the models and the process take already.
    pub(crate) memory: (u64, u64),
    /// Requests that may wait for memory.
    pub(crate) queue: QueueLength,
    /// Inferences at one time.
    pub(crate) evaluations: usize,
    /// Tenants that may ask.
    pub(crate) tenants: usize,
    /// Keys on disk.
    pub(crate) store: Arc<KeyStore>,
    /// The audit log.
    pub(crate) audit: Arc<Audit>,
    /// Figures that the engine updates.
    pub(crate) metrics: Arc<Metrics>,
}

/// The largest body of a request for any of the models, or of two pieces of an upload.
fn largest_body<'a>(models: impl Iterator<Item = &'a Needs>) -> u64 {
    models.map(|needs| needs.body).fold(2 * UPLOAD_PIECE as u64, u64::max)
}

/// The least memory with which one request of every model can be served where `taken` bytes are used already.
pub(crate) fn least_memory<'a>(models: impl Iterator<Item = &'a Needs> + Clone, taken: u64) -> u64 {
    let largest = models.clone().map(Needs::most).max().unwrap_or(0);
    let body = largest_body(models);
    // Bodies get at most a quarter.
    taken.saturating_add(largest).saturating_add(body).max(body.saturating_mul(4))
}

impl Engine {
    /// Puts the models in service.
    ///
    /// # Errors
    /// The bytes that would be needed, if the memory does not suffice for one request of every model.
    pub(crate) fn new(parts: Parts) -> Result<Self, u64> {
        let (limit, taken) = parts.memory;
        let budget = Arc::new(MemoryBudget::new(limit, parts.queue));
        let largest = parts.models.iter().map(|(_, needs)| needs.most()).max().unwrap_or(0);
        let body = largest_body(parts.models.iter().map(|(_, needs)| needs));
        // Bodies may never crowd out the computation that they wait for.
        let bodies = limit.saturating_sub(taken.saturating_add(largest)).min(limit / 4);
        if bodies < body {
            return Err(least_memory(parts.models.iter().map(|(_, needs)| needs), taken));
        }
        let process = budget.account(true, taken);
        let process = budget.try_reserve("", &[(process, taken)]).map_err(|_| taken)?;
        let intake = budget.account(false, bodies);
        if parts.tenants > 1 {
            budget.share(intake, (bodies / 2).max(body));
        }
        let room = limit - taken - bodies;
        let host = |(served, needs): (Served, Needs)| {
            let (work, keys) = (budget.account(true, room), budget.account(true, room));
            (served.interface.model.clone(), Arc::new(Hosted { served, needs, work, keys }))
        };
        let models = parts.models.into_iter().map(host).collect();
        parts.metrics.memory_limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
        let turn = Turns::new(parts.evaluations);
        let cache = KeyCache::default();
        let Parts { pool, store, audit, metrics, .. } = parts;
        Ok(Self { pool, models, budget, intake, cache, turn, store, audit, metrics, _process: process })
    }

    /// A model by name.
    pub(crate) fn model(&self, name: &str) -> Option<&Arc<Hosted>> {
        self.models.get(name)
    }

    /// All models in service, by name.
    pub(crate) fn models(&self) -> impl Iterator<Item = &Arc<Hosted>> {
        self.models.values()
    }

    /// Runs something on the computation's threads.
    ///
    /// # Errors
    /// What it fails with; [`ErrorCode::Internal`] if it panics.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (send, receive) = oneshot::channel();
        self.pool.spawn(move || {
            // The request was given up: return the memory instead.
            if send.is_closed() {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(run));
            let _ = send.send(outcome.unwrap_or_else(|_| Err(ApiError::internal("the encrypted computation panicked"))));
        });
        receive.await.unwrap_or_else(|_| Err(ApiError::internal("the encrypted computation ended without an answer")))
    }

    /// Reserves memory for something of a tenant, by its folder, that is no inference.
    ///
    /// # Errors
    /// [`ErrorCode::Busy`], [`ErrorCode::TooLarge`].
    pub(crate) async fn reserve(
        &self,
        folder: &str,
        account: Account,
        bytes: u64,
        longest_wait: Duration,
    ) -> Result<Permit, ApiError> {
        let reserved = self.budget.reserve(folder, longest_wait, || (vec![(account, bytes)], ()), || self.reclaim()).await;
        reserved.map(|(permit, ())| permit).map_err(|refused| self.refusal(refused))
    }

    fn refusal(&self, refused: Refused) -> ApiError {
        match refused {
            Refused::Never => ApiError::new(
                ErrorCode::TooLarge,
                "this needs more memory than the daemon has in all",
                "use keys made for the model alone; the daemon's operator may raise limits.memory_bytes",
            ),
            Refused::Busy => ApiError::busy(1 + self.budget.waiting() as u64),
            Refused::Share => ApiError::new(
                ErrorCode::Busy,
                "as many of this tenant's requests wait, or are being sent, as may",
                "send fewer at one time, and again after Retry-After seconds",
            )
            .retry(1 + self.budget.waiting() as u64),
        }
    }

    /// Gives unused memory back: first the engine's free buffers, then the keys not used for longest.
    pub(crate) fn reclaim(&self) -> bool {
        let (in_use, held) = self.budget.totals();
        let reclaimed = held > in_use || self.cache.evict();
        if reclaimed {
            for model in self.models.values() {
                // In this order: what is given back in between then counts as held, which errs on the safe side.
                self.budget.trimmed(&[model.work, model.keys]);
                model.served.model.params().trim();
            }
        }
        reclaimed
    }

    /// The encrypted logits of an image's ciphertexts.
    ///
    /// # Errors
    /// What is wrong with keys or ciphertexts; [`ErrorCode::Busy`].
    pub(crate) async fn evaluate(
        &self,
        folder: &str,
        model: &Arc<Hosted>,
        digest: &KeyDigest,
        input: Input,
        wait: WaitLimits,
    ) -> Result<(Vec<u8>, InferTimes), ApiError> {
        let answered = tokio::time::timeout(wait.all, self.answer(folder, model, digest, input, wait.memory));
        answered.await.unwrap_or_else(|_| Err(ApiError::busy(10)))
    }

    async fn answer(
        &self,
        folder: &str,
        model: &Arc<Hosted>,
        digest: &KeyDigest,
        input: Input,
        longest_wait: Duration,
    ) -> Result<(Vec<u8>, InferTimes), ApiError> {
        let start = Instant::now();
        let record = self.record(folder, digest).await?;
        let at = (folder.to_string(), digest.clone(), model.name().to_string());
        let wants = || match self.cache.get(&at) {
            Some(loaded) => (vec![(model.work, model.needs.work)], Some(loaded)),
            None => {
                // What is read is half of what is then expanded; keys may hold more than the model asks for.
                let reading = model.needs.work.saturating_add(model.needs.read_keys.max(record.memory_bytes / 2));
                (vec![(model.work, reading), (model.keys, record.memory_bytes)], None)
            }
        };
        let reserved = self.budget.reserve(folder, longest_wait, wants, || self.reclaim()).await;
        let (mut permit, cached) = reserved.map_err(|refused| self.refusal(refused))?;
        let loaded = cached.unwrap_or_else(|| self.cache.insert(at, permit.split(model.keys)));
        let Some(turn) = self.turn.acquire(folder).await else { return Err(ApiError::internal("no turns are given")) };
        self.load(folder, model, digest, &record, &loaded).await?;
        let queue_ms = start.elapsed().as_secs_f64() * 1e3;
        let hosted = Arc::clone(model);
        let (reply, server_ms) = self
            .compute(move || {
                let (_turn, _permit) = (turn, permit);
                let start = Instant::now();
                let keys = loaded.keys.get().ok_or_else(|| ApiError::internal("keys vanished from memory"))?;
                let params = hosted.served.model.params();
                let parse = |bytes: &&[u8]| Ciphertext::from_bytes(params, bytes, bytes.len());
                let image = input.elements()?.iter().map(parse).collect::<veilray_he::Result<Vec<_>>>()?;
                let reply = hosted.served.circuit.run(&image, keys)?.to_bytes()?;
                Ok((reply, start.elapsed().as_secs_f64() * 1e3))
            })
            .await?;
        self.metrics.inference.get_or_create(&model.label()).observe(server_ms / 1e3);
        self.metrics.queue.get_or_create(&model.label()).observe(queue_ms / 1e3);
        Ok((reply, InferTimes { server_ms, queue_ms }))
    }

    async fn record(&self, folder: &str, digest: &KeyDigest) -> Result<KeyRecord, ApiError> {
        let (store, at) = (Arc::clone(&self.store), (folder.to_string(), digest.clone()));
        let record = blocking(move || Ok(store.record(&at.0, &at.1)?)).await?;
        record.ok_or_else(ApiError::unknown_keys)
    }

    /// Reads and expands keys, unless they are in memory already.
    async fn load(
        &self,
        folder: &str,
        model: &Arc<Hosted>,
        digest: &KeyDigest,
        record: &KeyRecord,
        loaded: &Arc<Loaded>,
    ) -> Result<(), ApiError> {
        let (store, at) = (Arc::clone(&self.store), (folder.to_string(), digest.clone()));
        // They may have been deleted while this request waited: then they are of no use, in memory or not.
        if !blocking(move || Ok(store.touch(&at.0, &at.1)?)).await? {
            self.cache.forget(folder, digest);
            return Err(ApiError::unknown_keys());
        }
        if loaded.keys.get().is_some() {
            return Ok(());
        }
        let alone = Arc::clone(&loaded.loading).lock_owned().await;
        if loaded.keys.get().is_some() {
            return Ok(());
        }
        let (path, hosted, wanted) = (self.store.file(folder, digest), Arc::clone(model), digest.clone());
        let (target, limit) = (Arc::clone(loaded), record.bytes);
        let outcome = self
            .compute(move || {
                let _alone = alone;
                let keys = key_cache::read(&path, &wanted, &hosted.served, limit)?;
                let _ = target.keys.set(keys);
                Ok(())
            })
            .await;
        self.metrics.key_loads.inc();
        let Err(failure) = outcome else { return Ok(()) };
        self.cache.forget(folder, digest);
        if failure.code != ErrorCode::NotFound {
            return Err(failure);
        }
        let (store, audit, at) = (Arc::clone(&self.store), Arc::clone(&self.audit), (folder.to_string(), digest.clone()));
        let damaged = blocking(move || {
            // Their tenant may have deleted them while they were about to be read, and sent them again.
            let damaged = store.delete_damaged(&at.0, &at.1)?;
            if damaged {
                audit.record(&Entry { object: at.1.as_str(), ..Entry::new(Action::KeyDamaged, "ok") })?;
            }
            Ok(damaged)
        });
        if !damaged.await? {
            return Err(ApiError::unknown_keys());
        }
        tracing::warn!(keys = digest.as_str(), "stored keys were damaged and have been removed");
        Err(failure)
    }

    /// Brings the figures that are read off up to date.
    pub(crate) fn observe(&self) {
        let (in_use, held) = self.budget.totals();
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.memory_in_use.set(number(in_use));
        self.metrics.memory_held.set(number(held));
        self.metrics.waiting.set(number(self.budget.waiting() as u64));
        self.metrics.keys_in_memory.set(number(self.cache.len() as u64));
    }
}

#[cfg(test)]
mod tests;
