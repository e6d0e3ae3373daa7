//! The daemon: models answer encrypted images over HTTP.
//!
//! | module | does |
//! |---|---|
//! | [`config`], [`tokens`] | what it is told, and who may ask |
//! | [`api`], [`app`], [`body`], [`failure`] | requests and answers |
//! | [`engine`], [`admission`], [`budget`], [`cache`], [`known_answer`] | the encrypted computation and its memory |
//! | [`store`], [`upload`], [`jobs`], [`db`], [`disk`] | what survives `kill -9` |
//! | [`audit`], [`metrics`] | what is written down |
//! | [`run`], [`offline`] | starting and stopping; one inference from files |
//!
//! Threads: those of tokio answer requests and never compute; those of one rayon pool compute and never wait for the network or the disk
//! of others. A request reserves its memory, waits its turn, and is computed with every thread the pool has.

pub mod admission;
pub mod api;
pub mod app;
pub mod audit;
pub mod body;
pub mod budget;
pub mod cache;
pub mod config;
pub mod db;
pub mod disk;
pub mod engine;
pub mod failure;
pub mod jobs;
pub mod known_answer;
pub mod metrics;
pub mod offline;
pub mod run;
pub mod store;
pub mod tokens;
pub mod upload;

pub use config::Config;
pub use run::{Handle, ServeError, serve, spawn};

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs what blocks on the disk, and nothing else, beside the async threads.
async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, failure::Failure> + Send + 'static,
) -> Result<T, failure::Failure> {
    tokio::task::spawn_blocking(run).await.unwrap_or_else(|error| Err(failure::Failure::internal(error)))
}
