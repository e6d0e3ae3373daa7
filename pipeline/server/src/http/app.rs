//! What the handlers share: who may ask, what is stored, what is computed, and what is written down about it.

use crate::config::Scope;
use crate::config::tokens::{Denied, Tenant, Tokens};
use crate::config::{Config, duration};
use crate::engine::blocking::blocking;
use crate::engine::known_answer;
use crate::engine::metrics::Metrics;
use crate::engine::{Engine, Input, WaitLimits};
use crate::error::ApiError;
use crate::fair::JobQueue;
use crate::http::body::RateLimit;
use crate::http::denials::Denials;
use crate::http::host;
use crate::storage::audit::{Action, Audit, Entry};
use crate::storage::disk;
use crate::storage::jobs::{JobRecord, Jobs};
use crate::storage::key_store::KeyStore;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use veilray_base::clock;
use veilray_protocol::ErrorCode;
use veilray_protocol::KeyDigest;
use veilray_protocol::body::{INPUT, tensor};

/// The daemon's state.
#[derive(Debug)]
pub(crate) struct App {
    /// The configuration it was started with.
    pub(crate) config: Config,
    /// Who may ask.
    pub(crate) tokens: Tokens,
    /// What computes on ciphertexts.
    pub(crate) engine: Arc<Engine>,
    /// Keys on disk.
    pub(crate) store: Arc<KeyStore>,
    /// Jobs on disk.
    pub(crate) jobs: Arc<Jobs>,
    /// The audit log.
    pub(crate) audit: Arc<Audit>,
    /// What of the refusals of callers is in it.
    pub(crate) denials: Denials,
    /// Figures for `/metrics`.
    pub(crate) metrics: Arc<Metrics>,
    /// Jobs to run.
    pub(crate) queue: JobQueue,
    /// The known answer was found for every model.
    pub(crate) ready: AtomicBool,
    /// It is stopping.
    pub(crate) draining: AtomicBool,
}

impl App {
    /// Who asks, if they may.
    ///
    /// # Errors
    /// [`ErrorCode::Unauthorized`], [`ErrorCode::Forbidden`], [`ErrorCode::RateLimited`].
    pub(crate) fn admit(&self, headers: &HeaderMap, scope: Option<Scope>) -> Result<Arc<Tenant>, ApiError> {
        let header = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        let tenant = self.tokens.admit(header, clock::now()).map_err(|denied| match denied {
            Denied::Unknown => ApiError::new(
                ErrorCode::Unauthorized,
                "no token, or an unknown one",
                "send Authorization: Bearer TOKEN with the token that the provider gave you",
            ),
            Denied::Expired => ApiError::new(ErrorCode::Unauthorized, "the token has expired", "ask the provider for a new one"),
            Denied::Rate(seconds) => {
                ApiError::new(ErrorCode::RateLimited, "more requests than this token allows", "wait for Retry-After seconds")
                    .retry(seconds)
            }
        });
        let tenant = tenant.map_err(|failure| ApiError { tenant: self.tokens.owner(header), ..failure })?;
        match scope {
            Some(scope) if !tenant.may(scope) => {
                let hint = "ask the provider for a token with the scope that this path needs (docs/protocol)";
                let failure = ApiError::new(ErrorCode::Forbidden, "the token does not open this", hint);
                Err(ApiError { tenant: Some(tenant), ..failure })
            }
            _ => Ok(tenant),
        }
    }

    /// Refuses a request that names another host, where neither a token nor a certificate keeps pages of the web out.
    ///
    /// # Errors
    /// [`ErrorCode::Forbidden`], [`ErrorCode::Malformed`].
    pub(crate) fn check_host(&self, request: &Parts) -> Result<(), ApiError> {
        if self.tokens.required() || self.config.server.tls.is_some() {
            return Ok(());
        }
        host::check(request, &self.config.server.hosts)
    }

    /// Refuses until the known answer was found.
    ///
    /// # Errors
    /// [`ErrorCode::NotReady`].
    pub(crate) fn check_ready(&self) -> Result<(), ApiError> {
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        let hint = "wait until /readyz answers 200";
        Err(ApiError::new(ErrorCode::NotReady, "the daemon is still checking its own answers", hint).retry(5))
    }

    /// How slow senders may be.
    pub(crate) fn rate_limit(&self) -> RateLimit {
        RateLimit::of(&self.config.limits)
    }

    /// How long an inference may wait.
    pub(crate) fn wait_limits(&self) -> WaitLimits {
        let limits = &self.config.limits;
        WaitLimits { memory: duration(limits.queue_seconds), all: duration(limits.request_seconds) }
    }

    /// Writes a line to the audit log.
    ///
    /// # Errors
    /// As the file system: then the action must not be acknowledged.
    pub(crate) async fn record(&self, entry: Entry<'_>) -> Result<(), ApiError> {
        let audit = Arc::clone(&self.audit);
        let (action, bytes) = (entry.action, entry.bytes);
        let [outcome, request_id, tenant, model, object] =
            [entry.outcome, entry.request_id, entry.tenant, entry.model, entry.object].map(String::from);
        blocking(move || {
            let (outcome, request_id, tenant) = (outcome.as_str(), request_id.as_str(), tenant.as_str());
            let (model, object) = (model.as_str(), object.as_str());
            let written = audit.record(&Entry { action, outcome, request_id, tenant, model, object, bytes });
            written.map_err(|error| if disk::is_full(&error) { ApiError::unaudited() } else { error.into() })
        })
        .await
    }

    /// Finds the known answer of every model; the daemon is ready if all are right.
    pub(crate) async fn check_answers(&self) {
        let mut right = true;
        for model in self.engine.models() {
            let hosted = Arc::clone(model);
            let outcome = match self.engine.reserve("", model.work, model.needs.most(), Duration::from_secs(60)).await {
                Ok(permit) => {
                    let answer = move || {
                        let _permit = permit;
                        known_answer::known_answer(&hosted.served).map_err(ApiError::internal)
                    };
                    self.engine.compute(answer).await
                }
                Err(failure) => Err(failure),
            };
            match outcome {
                Ok(answer) if answer.is_right() => tracing::info!(
                    model = answer.model,
                    backend = answer.backend,
                    difference = answer.difference,
                    server_ms = answer.server_ms,
                    "known answer found"
                ),
                Ok(answer) => {
                    right = false;
                    tracing::error!(model = answer.model, difference = answer.difference, "WRONG known answer; not ready");
                }
                Err(failure) => {
                    right = false;
                    tracing::error!(model = model.name(), detail = failure.detail, "no known answer; not ready");
                }
            }
        }
        self.engine.reclaim();
        self.metrics.ready.set(i64::from(right));
        self.ready.store(right, Ordering::Release);
    }

    /// Runs jobs one after the other, the tenants taking turns, once the daemon is ready, until it stops.
    pub(crate) async fn run_jobs(self: Arc<Self>) {
        while !self.ready.load(Ordering::Acquire) {
            if self.draining.load(Ordering::Acquire) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        while let Some(id) = self.queue.next().await {
            // What is left is on disk and runs after the next start.
            if self.draining.load(Ordering::Acquire) {
                return;
            }
            if let Err(failure) = self.run_job(&id).await {
                tracing::error!(job = id, detail = failure.detail, error = failure.error, "a job could not begin; trying again");
                // At the end of its tenant's: the next may fare better.
                let (jobs, at) = (Arc::clone(&self.jobs), id.clone());
                let folder =
                    blocking(move || Ok(jobs.get(&at, "")?)).await.ok().flatten().map_or(String::new(), |job| job.folder);
                self.queue.push(&folder, id);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    /// Runs one job, if it is still there.
    ///
    /// # Errors
    /// What kept it from beginning.
    async fn run_job(&self, id: &str) -> Result<(), ApiError> {
        let (jobs, at) = (Arc::clone(&self.jobs), id.to_string());
        let started = move || {
            let Some(record) = jobs.started(&at)? else { return Ok(None) };
            let Some(input) = jobs.input(&at)? else {
                // Deleted since it started; or somebody took the file away.
                let lost = ApiError::internal("the input of a job is gone");
                jobs.finish(&at, &Err(lost.body(&record.request_id)))?;
                return Ok(None);
            };
            Ok(Some((record, input)))
        };
        let Some((record, input)) = blocking(started).await? else { return Ok(()) };
        let outcome = loop {
            match self.answer_job(&record, input.clone()).await {
                Err(failure) if failure.code.is_temporary() => {
                    tokio::time::sleep(Duration::from_secs(failure.retry_after.unwrap_or(1).min(5))).await;
                }
                outcome => break outcome,
            }
        };
        let bytes = outcome.as_ref().map_or(0, |(reply, _)| reply.len() as u64);
        let code = outcome.as_ref().err().map_or("ok", |failure| failure.code.as_str());
        if let Err(failure) = &outcome {
            tracing::warn!(job = id, request_id = record.request_id, code, detail = failure.detail, "a job failed");
        }
        let outcome = Arc::new(outcome.map_err(|failure| failure.body(&record.request_id)));
        // A full disk costs time, not the result.
        loop {
            let (jobs, at, outcome) = (Arc::clone(&self.jobs), id.to_string(), Arc::clone(&outcome));
            let kept = blocking(move || Ok(jobs.finish(&at, &outcome)?)).await;
            match kept {
                Ok(true) => break,
                // Its end was written down when it was deleted.
                Ok(false) => return Ok(()),
                Err(failure) => tracing::error!(job = id, detail = failure.detail, "a result cannot be stored; trying again"),
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        let (tenant, model, request_id) = (record.tenant.as_str(), record.model.as_str(), record.request_id.as_str());
        let entry = Entry { tenant, model, request_id, object: id, bytes, ..Entry::new(Action::JobFinish, code) };
        // The result is there; a line that is missing does not undo it.
        if let Err(failure) = self.record(entry).await {
            tracing::error!(job = id, error = failure.error, "the end of a job could not be written to the audit log");
        }
        Ok(())
    }

    async fn answer_job(
        &self,
        record: &JobRecord,
        body: Vec<u8>,
    ) -> Result<(Vec<u8>, veilray_protocol::messages::InferTimes), ApiError> {
        let Some(model) = self.engine.model(&record.model) else {
            return Err(ApiError::not_found("model", "the provider no longer serves the model of this job"));
        };
        if model.served.interface.manifest_sha256 != record.manifest {
            return Err(ApiError::other_manifest());
        }
        let digest = record.key_digest().ok_or_else(|| ApiError::internal("a job's keys have no digest"))?;
        let input = Input { tensors: vec![tensor(INPUT, record.ciphertexts, body.len())], body, skip: 0 };
        let day = Duration::from_secs(86_400);
        self.engine.evaluate(&record.folder, model, &digest, input, WaitLimits { memory: day, all: day }).await
    }

    /// Removes what has had its time, every so often.
    pub(crate) async fn sweep(self: Arc<Self>) {
        let limits = &self.config.limits;
        let shortest = limits.key_ttl_seconds.min(limits.part_ttl_seconds).min(limits.job_ttl_seconds);
        let every = duration((shortest / 4.0).clamp(0.2, 60.0));
        loop {
            if let Err(failure) = self.sweep_once().await {
                tracing::warn!(detail = failure.detail, error = failure.error, "what has had its time cannot be removed");
            }
            self.engine.observe();
            tokio::time::sleep(every).await;
        }
    }

    /// Removes what has had its time, now.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) async fn sweep_once(&self) -> Result<(), ApiError> {
        let (store, jobs) = (Arc::clone(&self.store), Arc::clone(&self.jobs));
        let swept = blocking(move || {
            store.space().tick()?;
            Ok((store.expire()?, jobs.expire()?))
        });
        let (expired, pending) = swept.await?;
        self.metrics.jobs_pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
        for (folder, sha) in &expired {
            if let Some(digest) = KeyDigest::parse(sha) {
                self.engine.cache.forget(folder, &digest);
            }
        }
        for (_, sha) in &expired {
            self.record(Entry { object: sha, ..Entry::new(Action::KeyExpire, "ok") }).await?;
        }
        Ok(())
    }
}
