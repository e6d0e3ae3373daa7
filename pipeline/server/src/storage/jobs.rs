//! Jobs on disk: an input file, a record, later a result file. A job is acknowledged once input and record are synced, and what was
//! acknowledged runs, after a restart, too.

use crate::storage::db::JOBS;
use crate::storage::disk;
use crate::storage::error::StoreError;
use crate::storage::space::Space;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
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
    /// When it finished, seconds that the daemon ran; none in records of a version that did not note it.
    #[serde(default)]
    pub(crate) finished_at: Option<u64>,
    /// Bytes on disk: of the input, then of the result.
    #[serde(default)]
    pub(crate) bytes: u64,
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

/// How many jobs are kept, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobBounds {
    /// Jobs of one tenant, finished ones included.
    pub(crate) tenant: usize,
    /// Unfinished jobs of all tenants.
    pub(crate) waiting: usize,
    /// Finished jobs go after so long.
    pub(crate) kept_seconds: u64,
}

/// The jobs. Its methods block. A record that is gone stays gone: every change asks the database whether it is there.
#[derive(Debug)]
pub(crate) struct Jobs {
    root: PathBuf,
    space: Arc<Space>,
    bounds: JobBounds,
}

impl Jobs {
    /// Opens the folder, or makes it; tenant folder and identifier of the jobs that still have to run, oldest first.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn open(space: &Arc<Space>, bounds: JobBounds) -> Result<(Self, Vec<(String, String)>), StoreError> {
        let root = space.root.join("jobs");
        disk::private_folder(&root)?;
        let jobs = Self { root, space: Arc::clone(space), bounds };
        let records = space.db.scan::<JobRecord>(JOBS, "")?;
        let known = |name: &str| records.iter().any(|(id, _)| name.split('.').next() == Some(id));
        for name in disk::files(&jobs.root)? {
            if !known(&name) || name.ends_with(".partial") {
                file::remove(&jobs.root.join(name))?;
            }
        }
        let mut pending = Vec::new();
        for (id, job) in records {
            // What records of an earlier version do not say.
            let finished_at = job.finished_unix.map(|_| job.finished_at.unwrap_or_else(|| space.steady.now()));
            let bytes = if job.bytes > 0 { job.bytes } else { jobs.length(&id) };
            if (finished_at, bytes) != (job.finished_at, job.bytes) {
                space.db.put(JOBS, &id, &JobRecord { finished_at, bytes, ..job.clone() })?;
            }
            if job.pending() {
                pending.push((job.created_unix, job.folder, id));
            }
        }
        pending.sort_unstable();
        Ok((jobs, pending.into_iter().map(|(_, folder, id)| (folder, id)).collect()))
    }

    fn path(&self, id: &str, what: &str) -> PathBuf {
        self.root.join(format!("{id}.{what}"))
    }

    fn length(&self, id: &str) -> u64 {
        let length = |what| std::fs::metadata(self.path(id, what)).map_or(0, |file| file.len());
        length("in").saturating_add(length("out"))
    }

    /// Puts a job on disk: acknowledged from here on. `quota` is what its tenant may keep, bytes.
    ///
    /// # Errors
    /// [`StoreError::Jobs`], [`StoreError::Waiting`], [`StoreError::Quota`], [`StoreError::NoRoom`]; as the file system and the database.
    pub(crate) fn create(&self, record: &JobRecord, input: &[u8], quota: u64) -> Result<String, StoreError> {
        let (id, bytes) = (random_id()?, input.len() as u64);
        let record = JobRecord { bytes, ..record.clone() };
        {
            let mut claims = self.space.claims();
            let jobs = self.space.db.scan::<JobRecord>(JOBS, "")?;
            let own = jobs.iter().filter(|(_, job)| job.folder == record.folder).count();
            let own = own + claims.jobs.values().filter(|(folder, _)| *folder == record.folder).count();
            if own >= self.bounds.tenant {
                return Err(StoreError::Jobs { most: self.bounds.tenant });
            }
            if jobs.iter().filter(|(_, job)| job.pending()).count() + claims.jobs.len() >= self.bounds.waiting {
                return Err(StoreError::Waiting { most: self.bounds.waiting });
            }
            self.space.room(&record.folder, quota, bytes, &claims)?;
            claims.jobs.insert(id.clone(), (record.folder.clone(), bytes));
        }
        let path = self.path(&id, "in");
        let mut written = disk::write(&path, input).map_err(StoreError::from);
        // What was promised becomes a record, or nothing, in one step.
        let mut claims = self.space.claims();
        if written.is_ok() {
            written = self.space.db.put(JOBS, &id, &record).map_err(StoreError::from);
        }
        claims.jobs.remove(&id);
        drop(claims);
        if let Err(error) = written {
            disk::remove(&path)?;
            return Err(error);
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
        let record = self.space.db.get::<JobRecord>(JOBS, id)?;
        Ok(record.filter(|job| folder.is_empty() || job.folder == folder))
    }

    /// The ciphertexts that came; none if the job is gone.
    ///
    /// # Errors
    /// As the file system.
    pub(crate) fn input(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(disk::read(&self.path(id, "in"))?)
    }

    /// The encrypted logits of a job that is done; none if it is gone.
    ///
    /// # Errors
    /// As the file system.
    pub(crate) fn result(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(disk::read(&self.path(id, "out"))?)
    }

    /// Notes that a job runs, if it is there and still has to; its record then.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn started(&self, id: &str) -> Result<Option<JobRecord>, StoreError> {
        let start = |job: &mut JobRecord| {
            let queued = job.state == JobState::Queued;
            if queued {
                job.state = JobState::Running;
            }
            queued
        };
        Ok(self.space.db.update(JOBS, id, start)?.filter(JobRecord::pending))
    }

    /// Puts a job's outcome on disk; false, and nothing is kept, if it was deleted meanwhile.
    ///
    /// # Errors
    /// As the file system and the database; then the job counts as running.
    pub(crate) fn finish(&self, id: &str, outcome: &Result<(Vec<u8>, InferTimes), ErrorBody>) -> Result<bool, StoreError> {
        if let Ok((reply, _)) = outcome {
            disk::write(&self.path(id, "out"), reply)?;
        }
        let (now, at) = (clock::now(), self.space.steady.now());
        let end = |job: &mut JobRecord| {
            if !job.pending() {
                return false;
            }
            (job.finished_unix, job.finished_at) = (Some(now), Some(at));
            match outcome {
                Ok((reply, times)) => (job.state, job.times, job.bytes) = (JobState::Done, Some(*times), reply.len() as u64),
                Err(error) => (job.state, job.error, job.bytes) = (JobState::Failed, Some(error.clone()), 0),
            }
            true
        };
        let there = self.space.db.update(JOBS, id, end)?.is_some();
        // Of a job that was deleted before its result was written, nobody else removes that.
        for what in if there { &["in"][..] } else { &["in", "out"] } {
            disk::remove(&self.path(id, what))?;
        }
        Ok(there)
    }

    /// Removes a job and its files; of several who do, one is told that it did.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn delete(&self, id: &str) -> Result<bool, StoreError> {
        self.take(id, |_| true)
    }

    fn take(&self, id: &str, wanted: impl Fn(&JobRecord) -> bool) -> Result<bool, StoreError> {
        if self.space.db.take(JOBS, id, wanted)?.is_none() {
            return Ok(false);
        }
        for what in ["in", "out"] {
            disk::remove(&self.path(id, what))?;
        }
        Ok(true)
    }

    /// Removes jobs that finished long ago; how many are left to run.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn expire(&self) -> Result<usize, StoreError> {
        let (now, mut pending) = (self.space.steady.now(), 0);
        let old = |job: &JobRecord| job.finished_at.is_some_and(|at| now.saturating_sub(at) > self.bounds.kept_seconds);
        for (id, job) in self.space.db.scan::<JobRecord>(JOBS, "")? {
            if old(&job) {
                self.take(&id, old)?;
            }
            pending += usize::from(job.pending());
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
    use crate::storage::db::Db;
    use crate::storage::reserve::Reserve;

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
            finished_at: None,
            bytes: 0,
        }
    }

    #[test]
    fn acknowledged_jobs_survive_and_what_is_left_over_goes() {
        let folder = tempfile::tempdir().unwrap();
        let open = |tenant, kept_seconds| {
            let db = Arc::new(Db::open(&folder.path().join("db")).unwrap());
            let reserve = Arc::new(Reserve::open(folder.path(), 0));
            let space = Arc::new(Space::new(folder.path().into(), db, reserve, u64::MAX).unwrap());
            Jobs::open(&space, JobBounds { tenant, waiting: 100, kept_seconds }).unwrap()
        };
        let (jobs, pending) = open(3, 1000);
        assert!(pending.is_empty());
        let ids: Vec<String> = (0..3).map(|i| jobs.create(&record(), &[i], 100).unwrap()).collect();
        assert!(matches!(jobs.create(&record(), &[9], 100), Err(StoreError::Jobs { most: 3 })));
        assert_eq!(jobs.started(&ids[1]).unwrap().unwrap().state, JobState::Running);
        let times = InferTimes { server_ms: 1.0, queue_ms: 2.0 };
        jobs.finish(&ids[2], &Ok((vec![7; 5], times))).unwrap();
        std::fs::write(folder.path().join("jobs/0123.in"), "never acknowledged").unwrap();
        drop(jobs);

        let (jobs, pending) = open(3, 0);
        let mut pending: Vec<String> = pending.into_iter().map(|(_, id)| id).collect();
        pending.sort();
        let mut wanted = ids[..2].to_vec();
        wanted.sort();
        assert_eq!(pending, wanted);
        assert_eq!((jobs.input(&ids[1]).unwrap(), jobs.result(&ids[2]).unwrap()), (Some(vec![1]), Some(vec![7; 5])));
        assert!(!folder.path().join("jobs/0123.in").exists());
        assert!(jobs.get(&ids[0], "another").unwrap().is_none() && jobs.get("../x", "").unwrap().is_none());
        assert_eq!(jobs.get(&ids[0], "fa").unwrap().unwrap().state, JobState::Queued);
        std::thread::sleep(std::time::Duration::from_millis(2100));
        assert_eq!(jobs.expire().unwrap(), 2);
        assert!(jobs.get(&ids[2], "").unwrap().is_none());
        assert!(jobs.create(&record(), &[4], 100).is_ok());
    }
}
