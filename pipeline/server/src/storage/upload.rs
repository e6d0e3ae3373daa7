//! One upload: bytes appended to a part file and hashed as they come; the part becomes a key file when all are there and right.

use crate::config::tokens::Tenant;
use crate::storage::disk;
use crate::storage::key_store::{KeyRecord, KeyStore, StoreError, synced_length};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use veilray_base::clock;
use veilray_base::digest::hex;
use veilray_base::file;
use veilray_protocol::KeyDigest;

/// What a request to upload comes to.
#[derive(Debug)]
pub(crate) enum Begun {
    /// These keys are there already.
    Whole(KeyRecord),
    /// Bytes are wanted.
    Upload(Upload),
}

/// An upload under way; no other of the same keys can be. Its methods block.
#[derive(Debug)]
pub(crate) struct Upload {
    file: File,
    total: u64,
    place: Reserved,
}

/// The upload's entry among those under way, taken out when dropped; what was hashed is kept, for the case that it goes on.
#[derive(Debug)]
struct Reserved {
    store: Arc<KeyStore>,
    at: (String, KeyDigest),
    hash: Sha256,
    received: u64,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.store.hash_states.keep(&self.at, self.received, &self.hash);
        self.store.uploads.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.at);
    }
}

impl Upload {
    /// Begins or resumes an upload at `offset` of `total` bytes.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Offset`], [`StoreError::Quota`]; as the file system and the database.
    pub(crate) fn begin(
        store: &Arc<KeyStore>,
        tenant: &Tenant,
        digest: &KeyDigest,
        offset: u64,
        total: u64,
    ) -> Result<Begun, StoreError> {
        let at = (tenant.folder.clone(), digest.clone());
        let part = store.part(&tenant.folder, digest);
        let mut place = {
            let mut uploads = store.uploads.lock().unwrap_or_else(PoisonError::into_inner);
            if uploads.contains_key(&at) {
                return Err(StoreError::InUse);
            }
            if let Some(record) = store.record(&tenant.folder, digest)? {
                return Ok(Begun::Whole(record));
            }
            let have = synced_length(&part)?.unwrap_or(0);
            if have > total {
                // What is there cannot be the beginning of these bytes.
                file::remove(&part)?;
                return Err(StoreError::Offset { have: 0 });
            }
            if have != offset {
                return Err(StoreError::Offset { have });
            }
            store.room(tenant, total - have, &uploads)?;
            uploads.insert(at.clone(), total);
            Reserved { store: Arc::clone(store), at, hash: Sha256::new(), received: 0 }
        };
        if let Some(folder) = part.parent() {
            disk::private_folder(folder)?;
        }
        let mut file = disk::append(&part)?;
        match store.hash_states.take(&place.at, offset) {
            Some(hash) => (place.hash, place.received) = (hash, offset),
            None => place.received = feed(&mut file, &mut place.hash)?,
        }
        Ok(Begun::Upload(Self { file, total, place }))
    }

    /// Whether all are.
    pub(crate) fn is_whole(&self) -> bool {
        self.place.received == self.total
    }

    /// The part file.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.store.part(&self.place.at.0, &self.place.at.1)
    }

    /// Appends what came.
    ///
    /// # Errors
    /// [`StoreError::Excess`]; as the file system.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.place.received.saturating_add(bytes.len() as u64) > self.total {
            return Err(StoreError::Excess { wanted: self.total });
        }
        self.file.write_all(bytes)?;
        self.place.hash.update(bytes);
        self.place.received += bytes.len() as u64;
        Ok(())
    }

    /// What has come is on disk when this returns, to be continued; its length is then acknowledged.
    ///
    /// # Errors
    /// As the file system.
    pub(crate) fn keep(self) -> Result<u64, StoreError> {
        self.file.sync_all()?;
        Ok(self.place.received)
    }

    /// Forgets the upload and what came of it.
    ///
    /// # Errors
    /// As the file system.
    pub(crate) fn discard(mut self) -> Result<(), StoreError> {
        self.place.received = 0;
        Ok(file::remove(&self.path())?)
    }

    /// Puts all bytes on disk and compares their digest with the one they are named by.
    ///
    /// # Errors
    /// [`StoreError::Digest`]: then the part is gone; as the file system.
    pub(crate) fn verify(self) -> Result<Self, StoreError> {
        self.file.sync_all()?;
        let found = hex(&self.place.hash.clone().finalize());
        if found != self.place.at.1.as_str() {
            self.discard()?;
            return Err(StoreError::Digest { found });
        }
        Ok(self)
    }

    /// Turns the verified part into keys of the store: acknowledged from here on.
    ///
    /// # Errors
    /// As the file system and the database; then the part is kept for another try.
    pub(crate) fn commit(mut self, params: &str, memory_bytes: u64) -> Result<KeyRecord, StoreError> {
        let (store, (folder, digest)) = (&self.place.store, &self.place.at);
        let (part, file) = (self.path(), store.file(folder, digest));
        if let Some(parent) = file.parent() {
            disk::private_folder(parent)?;
        }
        let now = clock::now();
        let (created_unix, last_used_unix) = (now, now);
        let record = KeyRecord { bytes: self.total, params: params.into(), memory_bytes, created_unix, last_used_unix };
        file::rename(&part, &file)?;
        if let Err(error) = store.put(folder, digest, &record) {
            file::rename(&file, &part)?;
            return Err(error);
        }
        self.place.received = 0;
        Ok(record)
    }
}

/// Hashes what a file holds; how much it is.
fn feed(file: &mut File, hash: &mut Sha256) -> std::io::Result<u64> {
    let (mut buffer, mut length) = (vec![0; 1 << 20], 0);
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(length) };
        hash.update(bytes);
        length += read as u64;
    }
}
