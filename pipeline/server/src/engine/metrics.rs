//! Figures for Prometheus. Labels are route templates, codes and configured names, never what a client wrote.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// A route and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answer {
    /// Template of the path.
    pub(crate) route: String,
    /// The request's method, such as `POST`.
    pub(crate) method: String,
    /// HTTP status of the answer.
    pub(crate) status: u16,
}

/// Label of figures that are kept for each model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfModel {
    /// The model's name in the configuration.
    pub(crate) model: String,
}

/// One code of an error.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfCode {
    /// The code as it travels, such as `busy`.
    pub(crate) code: String,
}

type Histograms = Family<OfModel, Histogram, fn() -> Histogram>;

/// What `/metrics` reports.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Answers by route, method and status.
    pub(crate) requests: Family<Answer, Counter>,
    /// Answers that are errors, by code.
    pub(crate) errors: Family<OfCode, Counter>,
    /// Connections that were refused because too many were open.
    pub(crate) connections_refused: Counter,
    /// On the ciphertext.
    pub(crate) inference: Histograms,
    /// Waiting for memory and the pool.
    pub(crate) queue: Histograms,
    /// Loads of keys from disk into memory.
    pub(crate) key_loads: Counter,
    /// Expanded keys in memory.
    pub(crate) keys_in_memory: Gauge,
    /// Bytes of memory that are reserved now.
    pub(crate) memory_in_use: Gauge,
    /// Bytes reserved or kept for reuse.
    pub(crate) memory_held: Gauge,
    /// Bytes that may be reserved.
    pub(crate) memory_limit: Gauge,
    /// Requests that wait for memory.
    pub(crate) waiting: Gauge,
    /// Jobs on disk that are not finished.
    pub(crate) jobs_pending: Gauge,
    /// 1 once the known answer was found.
    pub(crate) ready: Gauge,
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.005, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut new = Self {
            registry: Registry::with_prefix("veilrayd"),
            requests: Family::default(),
            errors: Family::default(),
            connections_refused: Counter::default(),
            inference: Family::new_with_constructor(seconds),
            queue: Family::new_with_constructor(seconds),
            key_loads: Counter::default(),
            keys_in_memory: Gauge::default(),
            memory_in_use: Gauge::default(),
            memory_held: Gauge::default(),
            memory_limit: Gauge::default(),
            waiting: Gauge::default(),
            jobs_pending: Gauge::default(),
            ready: Gauge::default(),
        };
        let r = &mut new.registry;
        r.register("requests", "Answers by route, method and status", new.requests.clone());
        r.register("errors", "Answers that are errors, by code", new.errors.clone());
        let refused = new.connections_refused.clone();
        r.register("connections_refused", "Connections refused because too many were open", refused);
        r.register("inference_seconds", "Time on the ciphertext", new.inference.clone());
        r.register("queue_seconds", "Time waiting for memory and the pool", new.queue.clone());
        r.register("key_loads", "Loads of keys from disk into memory", new.key_loads.clone());
        r.register("keys_in_memory", "Expanded keys in memory", new.keys_in_memory.clone());
        r.register("memory_in_use_bytes", "Bytes reserved", new.memory_in_use.clone());
        r.register("memory_held_bytes", "Bytes reserved or kept for reuse", new.memory_held.clone());
        r.register("memory_limit_bytes", "Bytes that may be reserved", new.memory_limit.clone());
        r.register("waiting", "Requests that wait for memory", new.waiting.clone());
        r.register("jobs_pending", "Jobs on disk that are not finished", new.jobs_pending.clone());
        r.register("ready", "1 once the known answer was found", new.ready.clone());
        new
    }
}

impl Metrics {
    /// All figures in OpenMetrics text.
    ///
    /// # Errors
    /// None in practice: it writes to memory.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}
