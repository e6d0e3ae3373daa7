//! One upload: bytes appended to a part file and hashed as they come; the part becomes a key file when all are there and right.

use crate::config::tokens::Tenant;
use crate::storage::db::PARTS;
use crate::storage::disk;
use crate::storage::error::StoreError;
use crate::storage::key_store::{Claim, KeyRecord, KeyStore, PartRecord, feed, key, synced_length};
use crate::storage::step::lock;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use veilray_base::clock;
use veilray_base::digest::hex;
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
    /// Of what is there; none if that has to be read first, which is done once all is there.
    hash: Option<Sha256>,
    received: u64,
    total: u64,
    place: Claim,
}

impl Upload {
    /// Begins or resumes an upload at `offset` of `total` bytes.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Offset`], [`StoreError::Length`], [`StoreError::Quota`], [`StoreError::Uploads`],
    /// [`StoreError::NoRoom`]; as the file system and the database.
    pub(crate) fn begin(
        store: &Arc<KeyStore>,
        tenant: &Tenant,
        digest: &KeyDigest,
        offset: u64,
        total: u64,
    ) -> Result<Begun, StoreError> {
        let at = (tenant.folder.clone(), digest.clone());
        let (part, name) = (store.part(&tenant.folder, digest), key(&tenant.folder, digest));
        let (db, now) = (&store.space.db, store.space.steady.now());
        let (place, have) = {
            let mut claims = store.space.claims();
            if claims.uploads.contains_key(&at) {
                return Err(StoreError::InUse);
            }
            if let Some(record) = store.record(&tenant.folder, digest)? {
                return Ok(Begun::Whole(record));
            }
            let have = synced_length(&part)?.unwrap_or(0);
            // What came under another length may be all right: it is kept, and the length refused.
            let announced = db.get::<PartRecord>(PARTS, &name)?.and_then(|part| part.total).filter(|_| have > 0);
            if announced.is_some_and(|wanted| wanted != total) || have > total {
                return Err(StoreError::Length { have, wanted: announced.unwrap_or(have), found: total });
            }
            if have != offset {
                return Err(StoreError::Offset { have });
            }
            if !part.exists() {
                let parts = store.space.parts()?;
                let new = claims.uploads.keys().filter(|other| !parts.iter().any(|(at, _)| at == *other));
                let unfinished = parts.iter().map(|(at, _)| at).chain(new).filter(|(of, _)| *of == at.0).count();
                if unfinished >= store.bounds.uploads {
                    return Err(StoreError::Uploads { most: store.bounds.uploads });
                }
            }
            store.space.room(&tenant.folder, tenant.quota_bytes, total - have, &claims)?;
            db.put(PARTS, &name, &PartRecord { total: Some(total), used_at: now })?;
            claims.uploads.insert(at.clone(), total);
            (Claim { store: Arc::clone(store), at }, have)
        };
        if let Some(folder) = part.parent() {
            disk::private_folder(folder)?;
        }
        let file = disk::append(&part)?;
        let known = lock(&store.hashes).remove(&place.at).filter(|(length, _)| *length == have);
        let hash = if have == 0 { Some(Sha256::new()) } else { known.map(|(_, hash)| hash) };
        Ok(Begun::Upload(Self { file, hash, received: have, total, place }))
    }

    /// Whether all are.
    pub(crate) fn is_whole(&self) -> bool {
        self.received == self.total
    }

    /// The part file.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.store.part(&self.place.at.0, &self.place.at.1)
    }

    /// On a full disk, frees what came at once: it would keep the disk full until its time is over.
    fn unless_full<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        match outcome {
            Err(error) if error.is_full() => {
                // The file may be open still; its room must be free when the client is told.
                let _ = self.file.set_len(0);
                self.place.store.free(&self.place.at)?;
                Err(StoreError::Freed)
            }
            outcome => outcome,
        }
    }

    /// Appends what came.
    ///
    /// # Errors
    /// [`StoreError::Excess`]: what came before can be kept; [`StoreError::Freed`]; as the file system.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.received.saturating_add(bytes.len() as u64) > self.total {
            return Err(StoreError::Excess { wanted: self.total });
        }
        let written = self.file.write_all(bytes).map_err(StoreError::from);
        self.unless_full(written)?;
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// What has come is on disk when this returns, to be continued; its length is then acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Freed`]; as the file system and the database.
    pub(crate) fn keep(self) -> Result<u64, StoreError> {
        let (store, at) = (&self.place.store, &self.place.at);
        let now = store.space.steady.now();
        let kept = self.file.sync_all().map_err(StoreError::from).and_then(|()| {
            let went_on = |part: &mut PartRecord| {
                part.used_at = now;
                true
            };
            Ok(store.space.db.update(PARTS, &key(&at.0, &at.1), went_on)?)
        });
        self.unless_full(kept)?;
        if let Some(hash) = &self.hash {
            lock(&store.hashes).insert(at.clone(), (self.received, hash.clone()));
        }
        Ok(self.received)
    }

    /// Forgets the upload and what came of it.
    ///
    /// # Errors
    /// As the file system.
    pub(crate) fn discard(self) -> Result<(), StoreError> {
        self.place.store.free(&self.place.at).map(drop)
    }

    /// Puts all bytes on disk and compares their digest with the one they are named by.
    ///
    /// # Errors
    /// [`StoreError::Digest`], [`StoreError::Freed`]: then the part is gone; as the file system.
    pub(crate) fn verify(self) -> Result<Self, StoreError> {
        let synced = self.file.sync_all().map_err(StoreError::from);
        self.unless_full(synced)?;
        let hash = match &self.hash {
            Some(hash) => hash.clone(),
            None => {
                let mut hash = Sha256::new();
                feed(&mut File::open(self.path())?, &mut hash)?;
                hash
            }
        };
        let found = hex(&hash.finalize());
        if found != self.place.at.1.as_str() {
            self.discard()?;
            return Err(StoreError::Digest { found });
        }
        Ok(self)
    }

    /// Turns the verified part into keys of the store: acknowledged from here on.
    ///
    /// # Errors
    /// [`StoreError::Freed`]; as the file system and the database: then the part is kept for another try.
    pub(crate) fn commit(self, params: &str, memory_bytes: u64) -> Result<KeyRecord, StoreError> {
        let (store, (folder, digest)) = (&self.place.store, &self.place.at);
        let (part, file) = (self.path(), store.file(folder, digest));
        if let Some(parent) = file.parent() {
            self.unless_full(disk::private_folder(parent).map_err(StoreError::from))?;
        }
        let now = clock::now();
        let (created_unix, last_used_unix, used_at) = (now, now, Some(store.space.steady.now()));
        let record = KeyRecord { bytes: self.total, params: params.into(), memory_bytes, created_unix, last_used_unix, used_at };
        self.unless_full(disk::rename(&part, &file).map_err(StoreError::from))?;
        if let Err(error) = store.put(folder, digest, &record) {
            // A change that failed half-way may be on disk all the same.
            if matches!(store.record(folder, digest), Ok(Some(_))) {
                return Ok(record);
            }
            disk::rename(&file, &part)?;
            return self.unless_full(Err(error));
        }
        // The keys are acknowledged; what is left of the upload's record is forgotten at the next start at the latest.
        let _ = store.free(&self.place.at);
        Ok(record)
    }
}
