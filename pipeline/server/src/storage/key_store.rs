//! Evaluation keys on disk: files named by the SHA-256 of their bytes, one folder per tenant, their records in the database.
//!
//! A file enters by rename once it is whole, checked and synced; then its record is written, and only then is it acknowledged. It leaves
//! the other way round: record first. So a crash leaves at worst a file without a record, which the next start removes.

use crate::config::tokens::Tenant;
use crate::storage::db::{Db, DbError, KEYS};
use crate::storage::disk;
use crate::storage::hash_states::HashStates;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use veilray_base::clock;
use veilray_base::file::{self, FileError};
use veilray_protocol::KeyDigest;
use veilray_protocol::messages::KeyStatus;

/// What is known of keys that are whole and checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    /// Length of the keys, bytes.
    pub(crate) bytes: u64,
    /// Name of the parameter set.
    pub(crate) params: String,
    /// Bytes of memory that they take when expanded.
    pub(crate) memory_bytes: u64,
    /// Seconds since 1970.
    pub(crate) created_unix: u64,
    /// Seconds since 1970.
    pub(crate) last_used_unix: u64,
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The upload does not go on where it stopped.
    #[error("{have} bytes of this upload are there")]
    Offset {
        /// What is there.
        have: u64,
    },
    /// Another request uploads the same keys: the client waits and asks again.
    #[error("these keys are being uploaded by another request")]
    InUse,
    /// The tenant would keep more bytes than its quota allows: it must delete keys.
    #[error("{found} bytes would be kept where {most} are allowed")]
    Quota {
        /// With this upload.
        found: u64,
        /// Bytes that the tenant may keep.
        most: u64,
    },
    /// More bytes came than `Upload-Length` announced.
    #[error("more than the {wanted} bytes that were announced")]
    Excess {
        /// Bytes that `Upload-Length` announced.
        wanted: u64,
    },
    /// The bytes have another digest than they are named by.
    #[error("the bytes have SHA-256 {found}")]
    Digest {
        /// Of the bytes.
        found: String,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file that cannot be written, renamed or removed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A record cannot be read or written.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// How much and how long the store keeps.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// Bytes of all tenants together.
    pub(crate) disk_bytes: u64,
    /// Keys that nobody used for so long go.
    pub(crate) key_ttl: Duration,
    /// Unfinished uploads that did not go on for so long go.
    pub(crate) part_ttl: Duration,
}

/// What was set right at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Recovery {
    /// Files without a record: never acknowledged, removed.
    pub(crate) orphans: usize,
    /// Records whose file is gone or of another length: removed.
    pub(crate) lost: usize,
}

/// An unfinished upload: tenant folder and digest, length, last change.
type Part = ((String, KeyDigest), u64, SystemTime);

/// What was removed because its time was over: tenant folder and digest.
pub(crate) type Expired = Vec<(String, String)>;

/// The store. Its methods block.
#[derive(Debug)]
pub(crate) struct KeyStore {
    root: PathBuf,
    db: Arc<Db>,
    bounds: Bounds,
    /// Uploads under way and their announced lengths, by tenant folder and digest.
    pub(super) uploads: Mutex<HashMap<(String, KeyDigest), u64>>,
    /// Hash states of those that are not.
    pub(super) hash_states: HashStates,
}

impl KeyStore {
    /// Opens the folder, or makes it, and sets right what a crash left.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn open(root: &Path, db: Arc<Db>, bounds: Bounds) -> Result<(Self, Recovery), StoreError> {
        let store = Self { root: root.into(), db, bounds, uploads: Mutex::default(), hash_states: HashStates::default() };
        disk::private_folder(&store.root.join("keys"))?;
        disk::private_folder(&store.root.join("parts"))?;
        let mut recovery = Recovery::default();
        for (key, record) in store.db.scan::<KeyRecord>(KEYS, "")? {
            let length = std::fs::metadata(store.root.join("keys").join(&key)).map(|m| m.len());
            if length.ok() != Some(record.bytes) {
                store.db.remove(KEYS, &key)?;
                recovery.lost += 1;
            }
        }
        for folder in disk::folders(&store.root.join("keys"))? {
            for name in disk::files(&store.root.join("keys").join(&folder))? {
                if store.db.get::<KeyRecord>(KEYS, &format!("{folder}/{name}"))?.is_none() {
                    file::remove(&store.root.join("keys").join(&folder).join(name))?;
                    recovery.orphans += 1;
                }
            }
        }
        Ok((store, recovery))
    }

    pub(crate) fn file(&self, folder: &str, digest: &KeyDigest) -> PathBuf {
        self.root.join("keys").join(folder).join(digest.as_str())
    }

    pub(super) fn part(&self, folder: &str, digest: &KeyDigest) -> PathBuf {
        self.root.join("parts").join(folder).join(digest.as_str())
    }

    /// The record of whole keys, if the tenant has them.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn record(&self, folder: &str, digest: &KeyDigest) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.db.get(KEYS, &key(folder, digest))?)
    }

    /// Writes the record of keys.
    pub(super) fn put(&self, folder: &str, digest: &KeyDigest, record: &KeyRecord) -> Result<(), StoreError> {
        Ok(self.db.put(KEYS, &key(folder, digest), record)?)
    }

    /// What is there of some keys, whole or not.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn status(&self, folder: &str, digest: &KeyDigest) -> Result<Option<KeyStatus>, StoreError> {
        if let Some(record) = self.record(folder, digest)? {
            return Ok(Some(self.whole(digest.as_str(), &record)));
        }
        let Some(received) = synced_length(&self.part(folder, digest))? else { return Ok(None) };
        let uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = uploads.get(&(folder.to_string(), digest.clone())).copied().unwrap_or(received);
        let sha256 = digest.as_str().to_string();
        let now = clock::now();
        let (complete, params, expires_unix) = (false, None, None);
        Ok(Some(KeyStatus { sha256, bytes, received, complete, params, created_unix: now, last_used_unix: now, expires_unix }))
    }

    /// The status of whole keys.
    pub(crate) fn whole(&self, sha256: &str, record: &KeyRecord) -> KeyStatus {
        KeyStatus {
            sha256: sha256.into(),
            bytes: record.bytes,
            received: record.bytes,
            complete: true,
            params: Some(record.params.clone()),
            created_unix: record.created_unix,
            last_used_unix: record.last_used_unix,
            expires_unix: Some(record.last_used_unix.saturating_add(self.bounds.key_ttl.as_secs())),
        }
    }

    /// The tenant's whole keys.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<KeyStatus>, StoreError> {
        let records = self.db.scan::<KeyRecord>(KEYS, &format!("{folder}/"))?;
        let status = |(key, record): &(String, KeyRecord)| Some(self.whole(key.split_once('/')?.1, record));
        Ok(records.iter().filter_map(status).collect())
    }

    /// Notes that keys were used. Seconds lost in a crash do no harm, so not every use is written.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn touch(&self, folder: &str, digest: &KeyDigest) -> Result<(), StoreError> {
        let now = clock::now();
        match self.record(folder, digest)? {
            Some(record) if now.saturating_sub(record.last_used_unix) >= self.bounds.key_ttl.as_secs().min(600) / 10 => {
                self.put(folder, digest, &KeyRecord { last_used_unix: now, ..record })
            }
            _ => Ok(()),
        }
    }

    /// Removes keys and what there is of an upload; whether there was anything.
    ///
    /// # Errors
    /// [`StoreError::InUse`]; as the file system and the database.
    pub(crate) fn delete(&self, folder: &str, digest: &KeyDigest) -> Result<bool, StoreError> {
        let uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        if uploads.contains_key(&(folder.to_string(), digest.clone())) {
            return Err(StoreError::InUse);
        }
        let (file, part) = (self.file(folder, digest), self.part(folder, digest));
        let there = self.record(folder, digest)?.is_some();
        let begun = part.exists();
        if there {
            self.db.remove(KEYS, &key(folder, digest))?;
            file::remove(&file)?;
        }
        if begun {
            self.hash_states.forget(&(folder.to_string(), digest.clone()));
            file::remove(&part)?;
        }
        Ok(there || begun)
    }

    /// Bytes kept for a tenant, or for all with an empty name; unfinished uploads count with what they announced.
    pub(super) fn used(&self, folder: &str, uploads: &HashMap<(String, KeyDigest), u64>) -> Result<u64, StoreError> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let whole: u64 = self.db.scan::<KeyRecord>(KEYS, &prefix)?.iter().map(|(_, record)| record.bytes).sum();
        let mut announced: HashMap<(String, KeyDigest), u64> =
            self.parts()?.into_iter().map(|(at, length, _)| (at, length)).collect();
        announced.extend(uploads.iter().map(|(at, length)| (at.clone(), *length)));
        let of = |((tenant, _), length): (&(String, KeyDigest), &u64)| (folder.is_empty() || tenant == folder).then_some(*length);
        Ok(announced.iter().filter_map(of).fold(whole, u64::saturating_add))
    }

    /// Whether `more` bytes fit the tenant's quota and the disk's.
    pub(super) fn room(&self, tenant: &Tenant, more: u64, uploads: &HashMap<(String, KeyDigest), u64>) -> Result<(), StoreError> {
        let fits = |folder: &str, most: u64| -> Result<(), StoreError> {
            let found = self.used(folder, uploads)?.saturating_add(more);
            if found > most { Err(StoreError::Quota { found, most }) } else { Ok(()) }
        };
        fits(&tenant.folder, tenant.quota_bytes)?;
        fits("", self.bounds.disk_bytes)
    }

    /// Unfinished uploads: where, length, last change.
    fn parts(&self) -> Result<Vec<Part>, StoreError> {
        let root = self.root.join("parts");
        let mut out = Vec::new();
        for folder in disk::folders(&root)? {
            for name in disk::files(&root.join(&folder))? {
                let Some(digest) = KeyDigest::parse(&name) else { continue };
                // It may have been completed since the folder was read.
                let Ok(metadata) = std::fs::metadata(root.join(&folder).join(&name)) else { continue };
                out.push(((folder.clone(), digest), metadata.len(), metadata.modified()?));
            }
        }
        Ok(out)
    }

    /// Removes keys that nobody used and uploads that did not go on for too long.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn expire(&self) -> Result<Expired, StoreError> {
        let (now, mut out) = (clock::now(), Vec::new());
        for (key, record) in self.db.scan::<KeyRecord>(KEYS, "")? {
            if now.saturating_sub(record.last_used_unix) > self.bounds.key_ttl.as_secs() {
                self.db.remove(KEYS, &key)?;
                file::remove(&self.root.join("keys").join(&key))?;
                out.extend(key.split_once('/').map(|(folder, sha)| (folder.to_string(), sha.to_string())));
            }
        }
        let uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, _, changed) in self.parts()? {
            let age = changed.elapsed().unwrap_or_default();
            if age > self.bounds.part_ttl && !uploads.contains_key(&at) {
                self.hash_states.forget(&at);
                file::remove(&self.part(&at.0, &at.1))?;
                out.push((at.0, at.1.as_str().to_string()));
            }
        }
        Ok(out)
    }
}

/// The length of a file that is there, once all of it is on disk: what is reported is acknowledged.
pub(super) fn synced_length(path: &Path) -> io::Result<Option<u64>> {
    match std::fs::File::open(path) {
        Ok(file) => {
            file.sync_all()?;
            Ok(Some(file.metadata()?.len()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn key(folder: &str, digest: &KeyDigest) -> String {
    format!("{folder}/{}", digest.as_str())
}
