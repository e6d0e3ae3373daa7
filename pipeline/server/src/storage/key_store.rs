//! Evaluation keys on disk: files named by the SHA-256 of their bytes, one folder per tenant, their records in the database.
//!
//! A file enters by rename once it is whole, checked and synced; then its record is written, and only then is it acknowledged. It leaves
//! the other way round: record first. So a crash leaves at worst a file without a record, which the next start removes.

use crate::storage::db::{Db, DbError, KEYS, PARTS};
use crate::storage::disk;
use crate::storage::error::StoreError;
use crate::storage::reserve::{Disk, Reserve};
use crate::storage::space::{At, Space};
use crate::storage::step::lock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use veilray_base::clock;
use veilray_base::digest::hex;
use veilray_base::file;
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
    /// When they were last used, seconds that the daemon ran; none in records of a version that did not note it.
    #[serde(default)]
    pub(crate) used_at: Option<u64>,
}

/// What is known of an unfinished upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartRecord {
    /// Bytes that were announced when it began; none for one of a version that did not note it.
    pub(super) total: Option<u64>,
    /// When it last went on, seconds that the daemon ran.
    pub(super) used_at: u64,
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
    /// Unfinished uploads of one tenant.
    pub(crate) uploads: usize,
}

/// What was set right at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Recovery {
    /// Files without a record: never acknowledged, removed.
    pub(crate) orphans: usize,
    /// Records whose file is gone or of another length: removed.
    pub(crate) lost: usize,
}

/// What was removed because its time was over: tenant folder and digest.
pub(crate) type Expired = Vec<(String, String)>;

/// The store. Its methods block. What is done to keys that others may be at is done under the lock of [`Space::claims`] or by a change of
/// the database that asks again.
#[derive(Debug)]
pub(crate) struct KeyStore {
    pub(super) space: Arc<Space>,
    pub(super) bounds: Bounds,
    /// Digests under way of parts that were kept, with the bytes they cover: going on need not read them again.
    pub(super) hashes: Mutex<HashMap<At, (u64, Sha256)>>,
}

impl KeyStore {
    /// Opens the folder, or makes it, and sets right what a crash left.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn open(root: &Path, db: Arc<Db>, reserve: Arc<Reserve>, bounds: Bounds) -> Result<(Self, Recovery), StoreError> {
        let space = Arc::new(Space::new(root.into(), db, reserve, bounds.disk_bytes)?);
        let store = Self { space, bounds, hashes: Mutex::default() };
        let (keys, parts) = (root.join("keys"), root.join("parts"));
        disk::private_folder(&keys)?;
        disk::private_folder(&parts)?;
        let mut recovery = Recovery::default();
        let (db, now) = (&store.space.db, store.space.steady.now());
        for (key, record) in db.scan::<KeyRecord>(KEYS, "")? {
            let length = std::fs::metadata(keys.join(&key)).map(|m| m.len());
            if length.ok() != Some(record.bytes) {
                db.remove(KEYS, &key)?;
                recovery.lost += 1;
            } else if record.used_at.is_none() {
                db.put(KEYS, &key, &KeyRecord { used_at: Some(now), ..record })?;
            }
        }
        for folder in disk::folders(&keys)? {
            for name in disk::files(&keys.join(&folder))? {
                let key = format!("{folder}/{name}");
                if db.get::<KeyRecord>(KEYS, &key)?.is_some() {
                    continue;
                }
                if db.get::<PartRecord>(PARTS, &key)?.is_some() {
                    // Between its last two steps an upload has its final name and no record yet; its bytes were acknowledged.
                    disk::private_folder(&parts.join(&folder))?;
                    file::rename(&keys.join(&key), &parts.join(&key))?;
                } else {
                    file::remove(&keys.join(&key))?;
                    recovery.orphans += 1;
                }
            }
        }
        for (at, _) in store.space.parts()? {
            let key = key(&at.0, &at.1);
            if db.get::<PartRecord>(PARTS, &key)?.is_none() {
                db.put(PARTS, &key, &PartRecord { total: None, used_at: now })?;
            }
        }
        for (key, _) in db.scan::<PartRecord>(PARTS, "")? {
            if !parts.join(&key).exists() {
                db.remove(PARTS, &key)?;
            }
        }
        Ok((store, recovery))
    }

    /// The disk that it shares with the jobs.
    pub(crate) fn space(&self) -> &Arc<Space> {
        &self.space
    }

    /// How the disk is now.
    pub(crate) fn disk(&self) -> Disk {
        self.space.reserve.disk()
    }

    pub(crate) fn file(&self, folder: &str, digest: &KeyDigest) -> PathBuf {
        self.space.root.join("keys").join(folder).join(digest.as_str())
    }

    pub(super) fn part(&self, folder: &str, digest: &KeyDigest) -> PathBuf {
        self.space.root.join("parts").join(folder).join(digest.as_str())
    }

    /// Removes what there is of an upload; whether there was anything. The caller holds the lock or a claim.
    pub(super) fn free(&self, at: &At) -> Result<bool, StoreError> {
        let part = self.part(&at.0, &at.1);
        lock(&self.hashes).remove(at);
        let begun = part.exists();
        if begun {
            disk::remove(&part)?;
        }
        // Last: a record without a file is forgotten at the next start, too.
        self.space.db.take::<PartRecord>(PARTS, &key(&at.0, &at.1), |_| true)?;
        Ok(begun)
    }

    /// The record of whole keys, if the tenant has them.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn record(&self, folder: &str, digest: &KeyDigest) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.space.db.get(KEYS, &key(folder, digest))?)
    }

    /// Writes the record of keys.
    pub(super) fn put(&self, folder: &str, digest: &KeyDigest, record: &KeyRecord) -> Result<(), StoreError> {
        Ok(self.space.db.put(KEYS, &key(folder, digest), record)?)
    }

    /// What is there of some keys, whole or not.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn status(&self, folder: &str, digest: &KeyDigest) -> Result<Option<KeyStatus>, StoreError> {
        if let Some(record) = self.record(folder, digest)? {
            return Ok(Some(self.whole(digest.as_str(), &record)));
        }
        let Some(received) = synced_length(&self.part(folder, digest))? else {
            // The part may have become keys in between.
            return Ok(self.record(folder, digest)?.map(|record| self.whole(digest.as_str(), &record)));
        };
        let announced = self.space.db.get::<PartRecord>(PARTS, &key(folder, digest))?;
        let bytes = announced.and_then(|part| part.total).unwrap_or(received);
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
            expires_unix: Some(
                clock::now().saturating_add(self.bounds.key_ttl.as_secs().saturating_sub(self.age(record.used_at))),
            ),
        }
    }

    /// The tenant's whole keys.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<KeyStatus>, StoreError> {
        let records = self.space.db.scan::<KeyRecord>(KEYS, &format!("{folder}/"))?;
        let status = |(key, record): &(String, KeyRecord)| Some(self.whole(key.split_once('/')?.1, record));
        Ok(records.iter().filter_map(status).collect())
    }

    /// Seconds since something was used; 0 where that was not noted.
    fn age(&self, used_at: Option<u64>) -> u64 {
        used_at.map_or(0, |at| self.space.steady.now().saturating_sub(at))
    }

    /// Notes that keys were used, if they are there, and says whether they are. Seconds lost in a crash do no harm, so not every use is
    /// written; nor does a use that cannot be noted because the disk is full.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn touch(&self, folder: &str, digest: &KeyDigest) -> Result<bool, StoreError> {
        let Some(record) = self.record(folder, digest)? else { return Ok(false) };
        if record.used_at.is_some() && self.age(record.used_at) < self.bounds.key_ttl.as_secs().min(600) / 10 {
            return Ok(true);
        }
        let used = |record: &mut KeyRecord| {
            (record.last_used_unix, record.used_at) = (clock::now(), Some(self.space.steady.now()));
            true
        };
        match self.space.db.update(KEYS, &key(folder, digest), used) {
            Err(DbError::Full) => Ok(true),
            updated => Ok(updated?.is_some()),
        }
    }

    /// Removes keys and what there is of an upload; whether there was anything.
    ///
    /// # Errors
    /// [`StoreError::InUse`]; as the file system and the database.
    pub(crate) fn delete(&self, folder: &str, digest: &KeyDigest) -> Result<bool, StoreError> {
        let at = (folder.to_string(), digest.clone());
        let claims = self.space.claims();
        if claims.uploads.contains_key(&at) {
            return Err(StoreError::InUse);
        }
        let there = self.space.db.take::<KeyRecord>(KEYS, &key(folder, digest), |_| true)?.is_some();
        if there {
            disk::remove(&self.file(folder, digest))?;
        }
        let begun = self.free(&at)?;
        drop(claims);
        Ok(there || begun)
    }

    /// Removes keys whose file is not there or has not their digest; whether they were removed. The file is read again, under a claim
    /// that keeps others away: it may be a sound one that was sent since.
    ///
    /// # Errors
    /// [`StoreError::InUse`]; as the file system and the database.
    pub(crate) fn delete_damaged(self: &Arc<Self>, folder: &str, digest: &KeyDigest) -> Result<bool, StoreError> {
        let at = (folder.to_string(), digest.clone());
        let mut claims = self.space.claims();
        let Some(record) = self.record(folder, digest)? else { return Ok(false) };
        if claims.uploads.contains_key(&at) {
            return Err(StoreError::InUse);
        }
        claims.uploads.insert(at.clone(), 0);
        drop(claims);
        let _claim = Claim { store: Arc::clone(self), at };
        let path = self.file(folder, digest);
        let sound = match std::fs::File::open(&path) {
            Ok(mut file) => {
                let mut hash = Sha256::new();
                feed(&mut file, &mut hash)? == record.bytes && hex(&hash.finalize()) == digest.as_str()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error.into()),
        };
        if sound || self.space.db.take::<KeyRecord>(KEYS, &key(folder, digest), |_| true)?.is_none() {
            return Ok(false);
        }
        disk::remove(&path)?;
        Ok(true)
    }

    /// Removes keys that nobody used and uploads that did not go on for too long.
    ///
    /// # Errors
    /// As the file system and the database.
    pub(crate) fn expire(&self) -> Result<Expired, StoreError> {
        let mut out = Vec::new();
        let old = |record: &KeyRecord| self.age(record.used_at) > self.bounds.key_ttl.as_secs();
        for (key, record) in self.space.db.scan::<KeyRecord>(KEYS, "")? {
            if !old(&record) {
                continue;
            }
            // Alone until the file is gone: the same keys may be sent again at once.
            let claims = self.space.claims();
            if self.space.db.take(KEYS, &key, old)?.is_some() {
                disk::remove(&self.space.root.join("keys").join(&key))?;
                out.extend(key.split_once('/').map(|(folder, sha)| (folder.to_string(), sha.to_string())));
            }
            drop(claims);
        }
        for (at, _) in self.space.parts()? {
            let claims = self.space.claims();
            let part = self.space.db.get::<PartRecord>(PARTS, &key(&at.0, &at.1))?;
            let age = self.age(part.map(|part| part.used_at));
            if age > self.bounds.part_ttl.as_secs() && !claims.uploads.contains_key(&at) && self.free(&at)? {
                out.push((at.0, at.1.as_str().to_string()));
            }
        }
        Ok(out)
    }
}

/// An entry among the uploads under way, taken out when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) store: Arc<KeyStore>,
    pub(super) at: At,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.store.space.claims().uploads.remove(&self.at);
    }
}

/// Hashes what a file holds; how much it is.
pub(super) fn feed(file: &mut std::fs::File, hash: &mut Sha256) -> io::Result<u64> {
    let (mut buffer, mut length) = (vec![0; 1 << 20], 0);
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(length) };
        hash.update(bytes);
        length += read as u64;
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

pub(super) fn key(folder: &str, digest: &KeyDigest) -> String {
    format!("{folder}/{}", digest.as_str())
}
