//! The encrypted computation: models, their memory, and the threads that do nothing else.

use super::admission::{Account, Admission, Permit, Refused};
use super::api::keys::PIECE;
use super::audit::{Action, Audit, Entry};
use super::budget::Needs;
use super::cache::{KeyCache, Loaded};
use super::failure::Failure;
use super::metrics::{Metrics, OfModel};
use super::store::{Address, KeyRecord, KeyStore};
use crate::models::Served;
use crate::protocol::{ErrorCode, INPUT, InferTimes, TensorHeader, ciphertexts};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};
use veilray_he::Ciphertext;

/// A model in service.
#[derive(Debug)]
pub struct Hosted {
    /// The model.
    pub served: Served,
    /// What it needs in memory.
    pub needs: Needs,
    /// Account of its inferences.
    pub work: Account,
    /// Account of its clients' keys.
    pub keys: Account,
}

impl Hosted {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.served.interface.model
    }

    fn label(&self) -> OfModel {
        OfModel { model: self.name().into() }
    }
}

/// An image's ciphertexts as they came.
#[derive(Debug)]
pub struct Input {
    /// Their description.
    pub tensors: Vec<TensorHeader>,
    /// The body.
    pub body: Vec<u8>,
    /// Bytes of the body before the tensor.
    pub skip: usize,
}

impl Input {
    /// The ciphertexts' bytes.
    ///
    /// # Errors
    /// A tensor that is not as it is described.
    pub fn elements(&self) -> Result<Vec<&[u8]>, Failure> {
        Ok(ciphertexts(&self.tensors, INPUT, self.body.get(self.skip..).unwrap_or_default())?)
    }
}

/// How long an inference may wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For memory.
    pub memory: Duration,
    /// For everything.
    pub all: Duration,
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    pool: rayon::ThreadPool,
    models: BTreeMap<String, Arc<Hosted>>,
    /// The ledger of memory.
    pub ledger: Arc<Admission>,
    /// Account of request bodies.
    pub intake: Account,
    /// Keys in memory.
    pub cache: KeyCache,
    turn: Arc<Semaphore>,
    store: Arc<KeyStore>,
    audit: Arc<Audit>,
    metrics: Arc<Metrics>,
    /// What the process and its models take.
    _process: Permit,
}

/// What the engine is made of.
#[derive(Debug)]
pub struct Parts {
    /// Threads of the computation.
    pub pool: rayon::ThreadPool,
    /// The models with their needs.
    pub models: Vec<(Served, Needs)>,
    /// Bytes of memory, and those that the models and the process take already.
    pub memory: (u64, u64),
    /// Requests that may wait for memory.
    pub queue_length: usize,
    /// Inferences at one time.
    pub evaluations: usize,
    /// Keys on disk.
    pub store: Arc<KeyStore>,
    /// The audit log.
    pub audit: Arc<Audit>,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

impl Engine {
    /// Puts the models in service.
    ///
    /// # Errors
    /// The bytes that would be needed, if the memory does not suffice for one request of every model.
    pub fn new(parts: Parts) -> Result<Self, u64> {
        let (limit, taken) = parts.memory;
        let ledger = Arc::new(Admission::new(limit, parts.queue_length));
        let largest = parts.models.iter().map(|(_, n)| n.work + n.keys + n.read_keys).max().unwrap_or(0);
        let body = parts.models.iter().map(|(_, n)| n.body).max().unwrap_or(0).max(2 * PIECE as u64);
        // Bodies may never crowd out the computation that they wait for.
        let bodies = limit.saturating_sub(taken.saturating_add(largest)).min(limit / 4);
        if bodies < body {
            return Err(taken.saturating_add(largest).saturating_add(body));
        }
        let process = ledger.account(true, taken);
        let process = ledger.try_reserve(&[(process, taken)]).map_err(|_| taken)?;
        let intake = ledger.account(false, bodies);
        let room = limit - taken - bodies;
        let host = |(served, needs): (Served, Needs)| {
            let (work, keys) = (ledger.account(true, room), ledger.account(true, room));
            (served.interface.model.clone(), Arc::new(Hosted { served, needs, work, keys }))
        };
        let models = parts.models.into_iter().map(host).collect();
        parts.metrics.memory_limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
        let turn = Arc::new(Semaphore::new(parts.evaluations));
        let cache = KeyCache::default();
        let Parts { pool, store, audit, metrics, .. } = parts;
        Ok(Self { pool, models, ledger, intake, cache, turn, store, audit, metrics, _process: process })
    }

    /// A model by name.
    pub fn model(&self, name: &str) -> Option<&Arc<Hosted>> {
        self.models.get(name)
    }

    /// All models.
    pub fn models(&self) -> impl Iterator<Item = &Arc<Hosted>> {
        self.models.values()
    }

    /// Runs something on the computation's threads.
    ///
    /// # Errors
    /// What it fails with; [`ErrorCode::Internal`] if it panics.
    pub async fn compute<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (send, receive) = oneshot::channel();
        self.pool.spawn(move || {
            // Nobody waits any more: give the memory back instead.
            if send.is_closed() {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(run));
            let _ = send.send(outcome.unwrap_or_else(|_| Err(Failure::internal("the encrypted computation panicked"))));
        });
        receive.await.unwrap_or_else(|_| Err(Failure::internal("the encrypted computation ended without an answer")))
    }

    /// Reserves memory for something that is no inference.
    ///
    /// # Errors
    /// [`ErrorCode::Busy`], [`ErrorCode::TooLarge`].
    pub async fn reserve(&self, account: Account, bytes: u64, patience: Duration) -> Result<Permit, Failure> {
        let reserved = self.ledger.reserve(patience, || (vec![(account, bytes)], ()), || self.reclaim()).await;
        reserved.map(|(permit, ())| permit).map_err(|refused| self.refusal(refused))
    }

    fn refusal(&self, refused: Refused) -> Failure {
        match refused {
            Refused::Never => Failure::new(
                ErrorCode::TooLarge,
                "this needs more memory than the daemon has in all",
                "use keys made for the model alone; whoever runs the daemon may raise limits.memory_bytes",
            ),
            Refused::Busy => Failure::busy(1 + self.ledger.waiting() as u64),
        }
    }

    /// Gives memory back that nobody uses: first the engine's free buffers, then the keys not used for longest.
    pub fn reclaim(&self) -> bool {
        let (in_use, held) = self.ledger.totals();
        let reclaimed = held > in_use || self.cache.evict();
        if reclaimed {
            for model in self.models.values() {
                // In this order: what is given back in between then counts as held, which errs on the safe side.
                self.ledger.trimmed(&[model.work, model.keys]);
                model.served.model.params().trim();
            }
        }
        reclaimed
    }

    /// The encrypted logits of an image's ciphertexts.
    ///
    /// # Errors
    /// What is wrong with keys or ciphertexts; [`ErrorCode::Busy`].
    pub async fn evaluate(
        &self,
        folder: &str,
        model: &Arc<Hosted>,
        address: &Address,
        input: Input,
        patience: Patience,
    ) -> Result<(Vec<u8>, InferTimes), Failure> {
        let answered = tokio::time::timeout(patience.all, self.answer(folder, model, address, input, patience.memory));
        answered.await.unwrap_or_else(|_| Err(Failure::busy(10)))
    }

    async fn answer(
        &self,
        folder: &str,
        model: &Arc<Hosted>,
        address: &Address,
        input: Input,
        patience: Duration,
    ) -> Result<(Vec<u8>, InferTimes), Failure> {
        let start = Instant::now();
        let record = self.record(folder, address).await?;
        let at = (folder.to_string(), address.clone(), model.name().to_string());
        let wants = || match self.cache.get(&at) {
            Some(loaded) => (vec![(model.work, model.needs.work)], Some(loaded)),
            None => {
                // What is read is half of what is then expanded; keys may hold more than the model asks for.
                let reading = model.needs.work.saturating_add(model.needs.read_keys.max(record.memory_bytes / 2));
                (vec![(model.work, reading), (model.keys, record.memory_bytes)], None)
            }
        };
        let reserved = self.ledger.reserve(patience, wants, || self.reclaim()).await;
        let (mut permit, cached) = reserved.map_err(|refused| self.refusal(refused))?;
        let loaded = cached.unwrap_or_else(|| self.cache.insert(at, permit.split(model.keys)));
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Err(Failure::internal("no turns are given")) };
        self.load(folder, model, address, &record, &loaded).await?;
        let queue_ms = start.elapsed().as_secs_f64() * 1e3;
        let hosted = Arc::clone(model);
        let (reply, server_ms) = self
            .compute(move || {
                let (_turn, _permit) = (turn, permit);
                let start = Instant::now();
                let keys = loaded.keys.get().ok_or_else(|| Failure::internal("keys vanished from memory"))?;
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

    async fn record(&self, folder: &str, address: &Address) -> Result<KeyRecord, Failure> {
        let (store, at) = (Arc::clone(&self.store), (folder.to_string(), address.clone()));
        let record = super::blocking(move || Ok(store.record(&at.0, &at.1)?)).await?;
        record.ok_or_else(unknown_keys)
    }

    /// Reads and expands keys, unless they are in memory already.
    async fn load(
        &self,
        folder: &str,
        model: &Arc<Hosted>,
        address: &Address,
        record: &KeyRecord,
        loaded: &Arc<Loaded>,
    ) -> Result<(), Failure> {
        let (store, at) = (Arc::clone(&self.store), (folder.to_string(), address.clone()));
        super::blocking(move || Ok(store.touch(&at.0, &at.1)?)).await?;
        if loaded.keys.get().is_some() {
            return Ok(());
        }
        let alone = Arc::clone(&loaded.loading).lock_owned().await;
        if loaded.keys.get().is_some() {
            return Ok(());
        }
        let (path, hosted, wanted) = (self.store.file(folder, address), Arc::clone(model), address.clone());
        let (target, limit) = (Arc::clone(loaded), record.bytes);
        let outcome = self
            .compute(move || {
                let _alone = alone;
                let keys = super::cache::read(&path, &wanted, &hosted.served, limit)?;
                let _ = target.keys.set(keys);
                Ok(())
            })
            .await;
        self.metrics.key_loads.inc();
        let Err(failure) = outcome else { return Ok(()) };
        self.cache.forget(folder, address);
        if failure.code == ErrorCode::NotFound {
            tracing::warn!(keys = address.as_str(), "stored keys are damaged and are removed");
            let (store, audit, at) = (Arc::clone(&self.store), Arc::clone(&self.audit), (folder.to_string(), address.clone()));
            super::blocking(move || {
                store.delete(&at.0, &at.1)?;
                Ok(audit.record(&Entry { object: at.1.as_str(), ..Entry::new(Action::KeyDamaged, "ok") })?)
            })
            .await?;
        }
        Err(failure)
    }

    /// Brings the figures that are read off up to date.
    pub fn observe(&self) {
        let (in_use, held) = self.ledger.totals();
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.memory_in_use.set(number(in_use));
        self.metrics.memory_held.set(number(held));
        self.metrics.waiting.set(number(self.ledger.waiting() as u64));
        self.metrics.keys_in_memory.set(number(self.cache.len() as u64));
    }
}

/// No such keys, or another tenant's.
pub fn unknown_keys() -> Failure {
    Failure::not_found("evaluation key", "upload the keys with PUT /v1/keys/{sha256}, then ask again")
}
