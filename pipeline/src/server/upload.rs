//! One upload: bytes appended to a part file and hashed as they come; the part becomes a key file when all are there and right.

use super::store::{Address, KeyRecord, KeyStore, StoreError, synced_length};
use super::tokens::Tenant;
use super::{disk, hex};
use crate::clock;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

/// What a request to upload comes to.
#[derive(Debug)]
pub enum Begun {
    /// These keys are there already.
    Whole(KeyRecord),
    /// Bytes are wanted.
    Upload(Upload),
}

/// An upload under way; no other of the same keys can be. Its methods block.
#[derive(Debug)]
pub struct Upload {
    file: File,
    hash: Sha256,
    received: u64,
    total: u64,
    place: Reserved,
}

/// The upload's entry among those under way, taken out when dropped.
#[derive(Debug)]
struct Reserved {
    store: Arc<KeyStore>,
    at: (String, Address),
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.store.uploads.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.at);
    }
}

impl Upload {
    /// Begins or resumes an upload at `offset` of `total` bytes.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Offset`], [`StoreError::Quota`]; as the file system and the database.
    pub fn begin(
        store: &Arc<KeyStore>,
        tenant: &Tenant,
        address: &Address,
        offset: u64,
        total: u64,
    ) -> Result<Begun, StoreError> {
        let at = (tenant.folder.clone(), address.clone());
        let part = store.part(&tenant.folder, address);
        let place = {
            let mut uploads = store.uploads.lock().unwrap_or_else(PoisonError::into_inner);
            if uploads.contains_key(&at) {
                return Err(StoreError::InUse);
            }
            if let Some(record) = store.record(&tenant.folder, address)? {
                return Ok(Begun::Whole(record));
            }
            let have = synced_length(&part)?.unwrap_or(0);
            if have > total {
                // What is there cannot be the beginning of these bytes.
                disk::remove(&part)?;
                return Err(StoreError::Offset { have: 0 });
            }
            if have != offset {
                return Err(StoreError::Offset { have });
            }
            store.room(tenant, total - have, &uploads)?;
            uploads.insert(at.clone(), total);
            Reserved { store: Arc::clone(store), at }
        };
        if let Some(folder) = part.parent() {
            disk::private_folder(folder)?;
        }
        let mut file = disk::append(&part)?;
        let mut hash = Sha256::new();
        let received = feed(&mut file, &mut hash)?;
        Ok(Begun::Upload(Self { file, hash, received, total, place }))
    }

    /// Bytes that are there.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether all are.
    pub fn is_whole(&self) -> bool {
        self.received == self.total
    }

    /// The part file.
    pub fn path(&self) -> PathBuf {
        self.place.store.part(&self.place.at.0, &self.place.at.1)
    }

    /// Appends what came.
    ///
    /// # Errors
    /// [`StoreError::Excess`]; as the file system.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.received.saturating_add(bytes.len() as u64) > self.total {
            return Err(StoreError::Excess { wanted: self.total });
        }
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// What has come is on disk when this returns, to be continued; its length is then acknowledged.
    ///
    /// # Errors
    /// As the file system.
    pub fn keep(self) -> Result<u64, StoreError> {
        self.file.sync_all()?;
        Ok(self.received)
    }

    /// Forgets the upload and what came of it.
    ///
    /// # Errors
    /// As the file system.
    pub fn discard(self) -> Result<(), StoreError> {
        Ok(disk::remove(&self.path())?)
    }

    /// Puts all bytes on disk and compares their digest with the address.
    ///
    /// # Errors
    /// [`StoreError::Digest`]: then the part is gone; as the file system.
    pub fn verify(self) -> Result<Self, StoreError> {
        self.file.sync_all()?;
        let found = hex(&self.hash.clone().finalize());
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
    pub fn commit(self, params: &str, memory_bytes: u64) -> Result<KeyRecord, StoreError> {
        let (store, (folder, address)) = (&self.place.store, &self.place.at);
        let (part, file) = (self.path(), store.file(folder, address));
        if let Some(parent) = file.parent() {
            disk::private_folder(parent)?;
        }
        let now = clock::now();
        let (created_unix, last_used_unix) = (now, now);
        let record = KeyRecord { bytes: self.total, params: params.into(), memory_bytes, created_unix, last_used_unix };
        disk::rename(&part, &file)?;
        if let Err(error) = store.put(folder, address, &record) {
            disk::rename(&file, &part)?;
            return Err(error);
        }
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
