//! What survives `kill -9`: uploaded keys, jobs, their records and the audit log.

pub(crate) mod audit;
pub(crate) mod db;
pub(crate) mod disk;
pub(crate) mod error;
pub(crate) mod jobs;
pub(crate) mod key_store;
pub(crate) mod reserve;
pub(crate) mod space;
mod steady;
mod step;
pub(crate) mod upload;

use crate::config::{Limits, duration};
use audit::Audit;
use db::Db;
use error::StoreError;
use jobs::{JobBounds, Jobs};
use key_store::{Bounds, KeyStore, Recovery};
use reserve::Reserve;
use std::path::Path;
use std::sync::Arc;

/// An open data folder.
#[derive(Debug)]
pub(crate) struct Storage {
    /// The audit log.
    pub(crate) audit: Arc<Audit>,
    /// Keys.
    pub(crate) store: Arc<KeyStore>,
    /// Jobs.
    pub(crate) jobs: Arc<Jobs>,
    /// What was set right.
    pub(crate) recovery: Recovery,
    /// Tenant folder and identifier of jobs that still have to run, oldest first.
    pub(crate) pending: Vec<(String, String)>,
}

impl Storage {
    /// Opens what is in a folder, the room for the audit log first: on a full disk the rest may need it.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn open(root: &Path, limits: &Limits) -> Result<Self, StoreError> {
        let reserve = Arc::new(Reserve::open(root, limits.reserve_bytes));
        let db = Db::open_with(&root.join("veilrayd.redb"), Arc::clone(&reserve))?;
        let audit = Audit::open(&root.join("audit.jsonl"), Arc::clone(&reserve))?;
        let bounds = Bounds {
            disk_bytes: limits.disk_bytes,
            key_ttl: duration(limits.key_ttl_seconds),
            part_ttl: duration(limits.part_ttl_seconds),
            uploads: limits.max_uploads,
        };
        let (store, recovery) = KeyStore::open(root, Arc::new(db), reserve, bounds)?;
        let kept_seconds = limits.job_ttl_seconds as u64;
        let bounds = JobBounds { tenant: limits.max_jobs, waiting: limits.waiting_jobs(), kept_seconds };
        let (jobs, pending) = Jobs::open(store.space(), bounds)?;
        Ok(Self { audit: Arc::new(audit), store: Arc::new(store), jobs: Arc::new(jobs), recovery, pending })
    }
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
