//! Jobs on disk: an input file, a record, later a result file. A job is acknowledged once input and record are synced, and what was
//! acknowledged runs, after a restart, too.

use crate::storage::db::{Db, JOBS};
use crate::storage::disk;
use crate::storage::key_store::StoreError;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use veilray_base::clock;
use veilray_base::digest::hex;
use veilray_base::file;
use veilray_protocol::ErrorBody;
use veilray_protocol::KeyDigest;
use veilray_protocol::messages::{InferTimes, JobState, JobStatus};

/// A job's record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    /// Whose it is.
    pub(crate) tenant: String,
    /// The tenant's folder.
    pub(crate) folder: String,
    /// Name of the model that is asked.
    pub(crate) model: String,
    /// SHA-256 of its manifest when the job was accepted.
    pub(crate) manifest: String,
    /// SHA-256 of the evaluation keys.
    pub(crate) keys: String,
    /// Ciphertexts of the input.
    pub(crate) ciphertexts: usize,
    /// The request that brought it.
    pub(crate) request_id: String,
    /// Where it is.
    pub(crate) state: JobState,
    /// Why it failed.
    pub(crate) error: Option<ErrorBody>,
    /// What it took.
    pub(crate) times: Option<InferTimes>,
    /// Seconds since 1970.
    pub(crate) created_unix: u64,
    /// Seconds since 1970.
    pub(crate) finished_unix: Option<u64>,
}

impl JobRecord {
    /// As the client sees it.
    pub(crate) fn status(&self, job: &str) -> JobStatus {
        JobStatus {
            job: job.into(),
            model: self.model.clone(),
            state: self.state,
            status_url: format!("/v1/jobs/{job}"),
            error: self.error.clone(),
            created_unix: self.created_unix,
            finished_unix: self.finished_unix,
        }
    }

    /// The digest of the keys.
    pub(crate) fn key_digest(&self) -> Option<KeyDigest> {
        KeyDigest::parse(&self.keys)
    }

    fn pending(&self) -> bool {
        matches!(self.state, JobState::Queued | JobState::Running)
    }
}

/// The jobs. Its methods block.
#[derive(Debug)]
pub(crate) struct Jobs {
    root: PathBuf,
    db: Arc<Db>,
    most: usize,
    kept_seconds: u64,
    count: AtomicUsize,
    /// A job that ends while it is deleted must not come back.
    ending: Mutex<()>,
}

impl Jobs {
    /// Opens the folder, or makes it; the identifiers of jobs that still have to run, oldest first.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn open(root: &Path, db: Arc<Db>, most: usize, kept_seconds: u64) -> Result<(Self, Vec<String>), StoreError> {
        let root = root.join("jobs");
        disk::private_folder(&root)?;
        let jobs = Self { root, db, most, kept_seconds, count: AtomicUsize::new(0), ending: Mutex::default() };
        let records = jobs.db.scan::<JobRecord>(JOBS, "")?;
        jobs.count.store(records.len(), Ordering::Relaxed);
        let known = |name: &str| records.iter().any(|(id, _)| name.split('.').next() == Some(id));
        for name in disk::files(&jobs.root)? {
            if !known(&name) || name.ends_with(".partial") {
                file::remove(&jobs.root.join(name))?;
            }
        }
        let mut pending: Vec<(u64, String)> =
            records.into_iter().filter(|(_, job)| job.pending()).map(|(id, job)| (job.created_unix, id)).collect();
        pending.sort_unstable();
        Ok((jobs, pending.into_iter().map(|(_, id)| id).collect()))
    }

    fn path(&self, id: &str, what: &str) -> PathBuf {
        self.root.join(format!("{id}.{what}"))
    }

    /// Puts a job on disk: acknowledged from here on. None if there are too many.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn create(&self, record: &JobRecord, input: &[u8]) -> Result<Option<String>, StoreError> {
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return Ok(None);
        }
        let created = self.write(record, input);
        if created.is_err() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        created.map(Some)
    }

    fn write(&self, record: &JobRecord, input: &[u8]) -> Result<String, StoreError> {
        let id = random_id()?;
        let path = self.path(&id, "in");
        file::write_private(&path, input)?;
        if let Err(error) = self.db.put(JOBS, &id, record) {
            file::remove(&path)?;
            return Err(error.into());
        }
        Ok(id)
    }

    /// The record, if there is such a job of that tenant; of any with an empty folder.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn get(&self, id: &str, folder: &str) -> Result<Option<JobRecord>, StoreError> {
        if !is_id(id) {
            return Ok(None);
        }
        let record = self.db.get::<JobRecord>(JOBS, id)?;
        Ok(record.filter(|job| folder.is_empty() || job.folder == folder))
    }

    /// The ciphertexts that came.
    ///
    /// # Errors
    /// As the file system.
    pub(crate) fn input(&self, id: &str) -> Result<Vec<u8>, StoreError> {
        Ok(std::fs::read(self.path(id, "in"))?)
    }

    /// The encrypted logits of a job that is done.
    ///
    /// # Errors
    /// As the file system.
    pub(crate) fn result(&self, id: &str) -> Result<Vec<u8>, StoreError> {
        Ok(std::fs::read(self.path(id, "out"))?)
    }

    /// Notes that a job runs.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn started(&self, id: &str, record: &JobRecord) -> Result<(), StoreError> {
        Ok(self.db.put(JOBS, id, &JobRecord { state: JobState::Running, ..record.clone() })?)
    }

    /// Puts a job's outcome on disk, unless it was deleted meanwhile.
    ///
    /// # Errors
    /// As the file system and the database; then the job counts as running.
    pub(crate) fn finish(&self, id: &str, outcome: &Result<(Vec<u8>, InferTimes), ErrorBody>) -> Result<(), StoreError> {
        let _alone = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = self.get(id, "")? else { return Ok(()) };
        let record = JobRecord { finished_unix: Some(clock::now()), ..record };
        let record = match outcome {
            Ok((reply, times)) => {
                file::write_private(&self.path(id, "out"), reply)?;
                JobRecord { state: JobState::Done, times: Some(*times), ..record }
            }
            Err(error) => JobRecord { state: JobState::Failed, error: Some(error.clone()), ..record },
        };
        self.db.put(JOBS, id, &record)?;
        Ok(file::remove(&self.path(id, "in"))?)
    }

    /// Removes a job and its files.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn delete(&self, id: &str) -> Result<(), StoreError> {
        let _alone = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        self.db.remove(JOBS, id)?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        for what in ["in", "out"] {
            file::remove(&self.path(id, what))?;
        }
        Ok(())
    }

    /// Removes jobs that finished long ago; how many are left to run.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn expire(&self) -> Result<usize, StoreError> {
        let (now, mut pending) = (clock::now(), 0);
        for (id, job) in self.db.scan::<JobRecord>(JOBS, "")? {
            match job.finished_unix {
                Some(at) if now.saturating_sub(at) > self.kept_seconds => self.delete(&id)?,
                _ => pending += usize::from(job.pending()),
            }
        }
        Ok(pending)
    }
}

/// 16 random bytes in hexadecimal.
///
/// # Errors
/// If the operating system gives no randomness.
pub(crate) fn random_id() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| std::io::Error::other(e.to_string()))?;
    Ok(hex(&bytes))
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> JobRecord {
        JobRecord {
            tenant: "a".into(),
            folder: "fa".into(),
            model: "m".into(),
            manifest: "00".into(),
            keys: "a".repeat(64),
            ciphertexts: 1,
            request_id: "r".into(),
            state: JobState::Queued,
            error: None,
            times: None,
            created_unix: clock::now(),
            finished_unix: None,
        }
    }

    #[test]
    fn acknowledged_jobs_survive_and_what_is_left_over_goes() {
        let folder = tempfile::tempdir().unwrap();
        let open = |most, kept| {
            let db = Arc::new(Db::open(&folder.path().join("db")).unwrap());
            Jobs::open(folder.path(), db, most, kept).unwrap()
        };
        let (jobs, pending) = open(3, 1000);
        assert!(pending.is_empty());
        let ids: Vec<String> = (0..3).map(|i| jobs.create(&record(), &[i]).unwrap().unwrap()).collect();
        assert!(jobs.create(&record(), &[9]).unwrap().is_none());
        jobs.started(&ids[1], &record()).unwrap();
        let times = InferTimes { server_ms: 1.0, queue_ms: 2.0 };
        jobs.finish(&ids[2], &Ok((vec![7; 5], times))).unwrap();
        std::fs::write(folder.path().join("jobs/0123.in"), "never acknowledged").unwrap();
        drop(jobs);

        let (jobs, mut pending) = open(3, 0);
        pending.sort();
        let mut wanted = ids[..2].to_vec();
        wanted.sort();
        assert_eq!(pending, wanted);
        assert_eq!((jobs.input(&ids[1]).unwrap(), jobs.result(&ids[2]).unwrap()), (vec![1], vec![7; 5]));
        assert!(!folder.path().join("jobs/0123.in").exists());
        assert!(jobs.get(&ids[0], "another").unwrap().is_none() && jobs.get("../x", "").unwrap().is_none());
        assert_eq!(jobs.get(&ids[0], "fa").unwrap().unwrap().state, JobState::Queued);
        std::thread::sleep(std::time::Duration::from_millis(2100));
        assert_eq!(jobs.expire().unwrap(), 2);
        assert!(jobs.get(&ids[2], "").unwrap().is_none());
        assert!(jobs.create(&record(), &[4]).unwrap().is_some());
    }
}
