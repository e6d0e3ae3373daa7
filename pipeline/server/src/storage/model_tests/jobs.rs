use super::scheduler::{alone, below, run};
use super::{Space, db, folder, pass, reserve, seeds};
use crate::storage::db::JOBS;
use crate::storage::error::StoreError;
use crate::storage::jobs::{JobBounds, JobRecord, Jobs};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use veilray_protocol::messages::{InferTimes, JobState};

const MOST: usize = 4;
const KEPT: u64 = 15;

/// What the threads were told.
#[derive(Default)]
struct Told {
    created: Vec<String>,
    /// A deletion of it was begun.
    doomed: BTreeSet<String>,
    deleted: BTreeSet<String>,
    /// Finishing was begun, with the earliest time by the store's clock that it may have been noted.
    finishing: BTreeMap<String, u64>,
    finished: BTreeSet<String>,
}

fn record() -> JobRecord {
    let json = serde_json::json!({
        "tenant": "a", "folder": "fa", "model": "m", "manifest": "00", "keys": "00", "ciphertexts": 1, "request_id": "r",
        "state": "queued", "error": null, "times": null, "created_unix": 0, "finished_unix": null
    });
    serde_json::from_value(json).unwrap()
}

/// What must hold at every moment between two operations of whichever thread.
fn check(root: &Path, space: &Space, told: &Told) {
    let records: BTreeMap<String, JobRecord> = space.db.scan(JOBS, "").unwrap().into_iter().collect();
    assert!(records.len() <= MOST, "{} jobs where {MOST} may be", records.len());
    let file = |id: &str, what: &str| std::fs::read(root.join(format!("jobs/{id}.{what}"))).ok();
    for (id, job) in &records {
        assert!(!told.deleted.contains(id), "{id} came back, {:?}", job.state);
        match job.state {
            JobState::Done => assert_eq!(file(id, "out").map(|out| out.len() as u64), Some(job.bytes)),
            _ => assert_eq!(file(id, "in"), Some(vec![1, 2])),
        }
        let done = told.finished.contains(id);
        assert!(!done || job.state == JobState::Done, "{id} finished and is {:?}", job.state);
    }
    for id in &told.created {
        let over = told.finishing.get(id).is_some_and(|at| space.steady.now() - at > KEPT);
        assert!(records.contains_key(id) || told.doomed.contains(id) || over, "{id} is lost");
    }
}

#[test]
fn jobs_are_kept_counted_and_gone_as_was_said() {
    for seed in 0..seeds() {
        let folder = folder();
        let root = folder.path();
        let space = Arc::new(Space::new(root.into(), db(root), reserve(root), u64::MAX).unwrap());
        let (jobs, _) = Jobs::open(&space, JobBounds { tenant: MOST, waiting: 100, kept_seconds: KEPT }).unwrap();
        let told = Mutex::new(Told::default());
        let times = InferTimes { server_ms: 1.0, queue_ms: 1.0 };
        run(seed, 4, |_, rng| {
            for _ in 0..12 {
                let known = told.lock().unwrap().created.clone();
                let id = (!known.is_empty()).then(|| known[below(rng, known.len())].clone());
                match (below(rng, 9), id) {
                    (0 | 1, _) | (_, None) => match jobs.create(&record(), &[1, 2], 1000) {
                        Ok(id) => told.lock().unwrap().created.push(id),
                        Err(error) => assert!(matches!(error, StoreError::Jobs { .. }), "{error}"),
                    },
                    (2, Some(id)) => {
                        let gone = told.lock().unwrap().deleted.contains(&id);
                        let started = jobs.started(&id).unwrap();
                        assert!(!gone || started.is_none());
                    }
                    (3 | 4, Some(id)) => {
                        let gone = told.lock().unwrap().deleted.contains(&id);
                        told.lock().unwrap().finishing.entry(id.clone()).or_insert(space.steady.now());
                        let there = jobs.finish(&id, &Ok((vec![7; 3], times))).unwrap();
                        assert!(!gone || !there);
                        if there {
                            told.lock().unwrap().finished.insert(id);
                        }
                    }
                    (5 | 6, Some(id)) => {
                        told.lock().unwrap().doomed.insert(id.clone());
                        if jobs.delete(&id).unwrap() {
                            assert!(told.lock().unwrap().deleted.insert(id), "deleted twice");
                        }
                    }
                    (7, Some(id)) => {
                        let gone = told.lock().unwrap().deleted.contains(&id);
                        let found = jobs.get(&id, "fa").unwrap();
                        assert!(!gone || found.is_none());
                        let reply = jobs.result(&id).unwrap();
                        assert!(reply.is_none_or(|reply| reply == [7; 3]));
                    }
                    (_, Some(_)) => {
                        pass(&space, 6);
                        jobs.expire().unwrap();
                    }
                }
                alone(|| check(root, &space, &told.lock().unwrap()));
            }
        });
        // Count, records and files are the same, and the rest of the room is there.
        let records = space.db.scan::<JobRecord>(JOBS, "").unwrap();
        let mut files: Vec<_> = std::fs::read_dir(root.join("jobs")).unwrap().map(|f| f.unwrap().file_name()).collect();
        files.sort();
        let what = |job: &JobRecord| if job.state == JobState::Done { "out" } else { "in" };
        let wanted: Vec<_> = records.iter().map(|(id, job)| std::ffi::OsString::from(format!("{id}.{}", what(job)))).collect();
        assert_eq!(files, wanted, "seed {seed}");
        for _ in records.len()..MOST {
            jobs.create(&record(), &[1, 2], 1000).unwrap();
        }
        assert!(matches!(jobs.create(&record(), &[1, 2], 1000), Err(StoreError::Jobs { most: MOST })), "seed {seed}");
    }
}
