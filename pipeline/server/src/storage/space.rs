//! What is kept on the disk, who keeps it, and who may keep more: one account of keys, unfinished uploads and jobs.
//!
//! There are no counters. What is kept is counted from the records and files themselves, under the lock of what is promised but not yet
//! recorded; so a count is right whatever happened before.

use crate::storage::db::{Db, JOBS, KEYS};
use crate::storage::disk;
use crate::storage::error::StoreError;
use crate::storage::jobs::JobRecord;
use crate::storage::key_store::KeyRecord;
use crate::storage::reserve::Reserve;
use crate::storage::steady::Steady;
use crate::storage::step::lock;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use veilray_protocol::KeyDigest;

/// Tenant folder and digest of keys.
pub(crate) type At = (String, KeyDigest);

/// What was promised and is not yet recorded.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Uploads under way and their announced lengths.
    pub(super) uploads: HashMap<At, u64>,
    /// Jobs being written: the tenant's folder and the input's bytes, by identifier.
    pub(super) jobs: HashMap<String, (String, u64)>,
}

/// The disk of the data folder.
#[derive(Debug)]
pub(crate) struct Space {
    pub(super) root: PathBuf,
    pub(super) db: Arc<Db>,
    /// By which everything grows old.
    pub(super) steady: Steady,
    /// Room for the audit log.
    pub(super) reserve: Arc<Reserve>,
    /// Bytes of all tenants together.
    disk_bytes: u64,
    claims: Mutex<Claims>,
}

impl Space {
    /// Of an open data folder.
    ///
    /// # Errors
    /// As the database.
    pub(super) fn new(root: PathBuf, db: Arc<Db>, reserve: Arc<Reserve>, disk_bytes: u64) -> Result<Self, StoreError> {
        let steady = Steady::open(Arc::clone(&db))?;
        Ok(Self { root, db, steady, reserve, disk_bytes, claims: Mutex::default() })
    }

    /// What is due every so often: the clock is saved, the reserve made anew if there is room for it.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn tick(&self) -> Result<(), StoreError> {
        self.reserve.refill();
        Ok(self.steady.save()?)
    }

    pub(super) fn claims(&self) -> MutexGuard<'_, Claims> {
        lock(&self.claims)
    }

    /// Unfinished uploads and the bytes that are there of each.
    pub(super) fn parts(&self) -> Result<Vec<(At, u64)>, StoreError> {
        let root = self.root.join("parts");
        let mut out = Vec::new();
        for folder in disk::folders(&root)? {
            for name in disk::files(&root.join(&folder))? {
                let Some(digest) = KeyDigest::parse(&name) else { continue };
                // It may have been completed since the folder was read.
                let Ok(metadata) = std::fs::metadata(root.join(&folder).join(&name)) else { continue };
                out.push(((folder.clone(), digest), metadata.len()));
            }
        }
        Ok(out)
    }

    /// Whether `more` bytes fit the tenant's quota, that of all, and the disk.
    ///
    /// # Errors
    /// [`StoreError::Quota`], [`StoreError::NoRoom`]; as the file system and the database.
    pub(super) fn room(&self, folder: &str, quota: u64, more: u64, claims: &Claims) -> Result<(), StoreError> {
        let mut kept: Vec<(String, u64)> = Vec::new();
        for (key, record) in self.db.scan::<KeyRecord>(KEYS, "")? {
            kept.extend(key.split_once('/').map(|(of, _)| (of.to_string(), record.bytes)));
        }
        kept.extend(self.db.scan::<JobRecord>(JOBS, "")?.into_iter().map(|(_, job)| (job.folder, job.bytes)));
        kept.extend(claims.jobs.values().cloned());
        let there: HashMap<At, u64> = self.parts()?.into_iter().collect();
        // An upload under way counts with what it announced.
        let mut parts = there.clone();
        parts.extend(claims.uploads.iter().map(|(at, length)| (at.clone(), *length)));
        kept.extend(parts.into_iter().map(|((of, _), length)| (of, length)));
        let fits = |of: Option<&str>, most: u64| {
            let counted = kept.iter().filter(|(folder, _)| of.is_none_or(|of| of == folder));
            let found = counted.fold(more, |sum, (_, bytes)| sum.saturating_add(*bytes));
            if found > most { Err(StoreError::Quota { found, most }) } else { Ok(()) }
        };
        fits(Some(folder), quota)?;
        fits(None, self.disk_bytes)?;
        let coming = claims.uploads.iter().map(|(at, length)| length.saturating_sub(there.get(at).copied().unwrap_or(0)));
        let coming = coming.chain(claims.jobs.values().map(|(_, bytes)| *bytes));
        if self.reserve.room(coming.fold(more, u64::saturating_add)) { Ok(()) } else { Err(StoreError::NoRoom { wanted: more }) }
    }
}
