//! Metadata in redb: JSON records by key, each change on disk when the call returns.

use crate::storage::disk;
use redb::{ReadableDatabase, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

/// One kind of record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table(&'static str);

impl Table {
    fn definition(self) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(self.0)
    }
}

/// Uploaded keys, by `tenant folder/digest`.
pub(crate) const KEYS: Table = Table("keys");
/// Jobs, by identifier.
pub(crate) const JOBS: Table = Table("jobs");

/// Why metadata could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DbError {
    /// The disk of the data folder is full.
    #[error("no room left on the disk of the data folder")]
    Full,
    /// The database file cannot be opened, read or written.
    #[error("the metadata in veilrayd.redb: {0}")]
    Redb(Box<redb::Error>),
    /// A record is not the JSON that this version writes.
    #[error("a record of veilrayd.redb cannot be read: {0}")]
    Record(serde_json::Error),
}

impl<E: Into<redb::Error>> From<E> for DbError {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::Io(error) if disk::is_full(&error) => Self::Full,
            error => Self::Redb(Box::new(error)),
        }
    }
}

/// The database. After a failed write redb refuses everything until it is opened anew; this does that at the next call.
#[derive(Debug)]
pub(crate) struct Db {
    path: PathBuf,
    inner: RwLock<Option<redb::Database>>,
}

impl Db {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// A file in use by another process, or damaged beyond repair.
    pub(crate) fn open(path: &Path) -> Result<Self, DbError> {
        let database = create(path)?;
        Ok(Self { path: path.into(), inner: RwLock::new(Some(database)) })
    }

    /// The record, if there is one.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn get<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, DbError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(table.definition())?;
            table.get(key)?.map(|value| serde_json::from_slice(value.value()).map_err(DbError::Record)).transpose()
        })
    }

    /// All records whose keys begin with `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn scan<T: DeserializeOwned>(&self, table: Table, prefix: &str) -> Result<Vec<(String, T)>, DbError> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(table.definition())?;
            let mut out = Vec::new();
            for entry in table.range(prefix..)? {
                let (key, value) = entry?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                out.push((key.value().to_string(), serde_json::from_slice(value.value()).map_err(DbError::Record)?));
            }
            Ok(out)
        })
    }

    /// Writes a record.
    ///
    /// # Errors
    /// [`DbError::Full`]; as the database.
    pub(crate) fn put<T: Serialize>(&self, table: Table, key: &str, value: &T) -> Result<(), DbError> {
        let bytes = serde_json::to_vec(value).map_err(DbError::Record)?;
        self.with(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(table.definition())?.insert(key, bytes.as_slice())?;
            Ok(transaction.commit()?)
        })
    }

    /// Removes a record, if it is there.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn remove(&self, table: Table, key: &str) -> Result<(), DbError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            transaction.open_table(table.definition())?.remove(key)?;
            Ok(transaction.commit()?)
        })
    }

    fn with<T>(&self, run: impl Fn(&redb::Database) -> Result<T, DbError>) -> Result<T, DbError> {
        let outcome = match &*self.inner.read().unwrap_or_else(PoisonError::into_inner) {
            Some(database) => run(database),
            None => Err(redb::Error::PreviousIo.into()),
        };
        match outcome {
            Err(DbError::Redb(error)) if matches!(*error, redb::Error::PreviousIo) => {}
            outcome => return outcome,
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        // The old one holds a lock on the file until it is gone.
        *inner = None;
        run(inner.insert(create(&self.path)?))
    }
}

/// Memory that redb may keep pages in; records are few and small.
const CACHE: usize = 8 << 20;

/// Tables exist from the start, so that reading an empty one is no error.
fn create(path: &Path) -> Result<redb::Database, DbError> {
    let database = redb::Builder::new().set_cache_size(CACHE).create(path)?;
    let transaction = database.begin_write()?;
    for table in [KEYS, JOBS] {
        transaction.open_table(table.definition())?;
    }
    transaction.commit()?;
    Ok(database)
}

/// Any failure as one of input and output, for callers that tell no more apart.
impl From<DbError> for io::Error {
    fn from(error: DbError) -> Self {
        let kind = if matches!(error, DbError::Full) { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_reopening_and_scans_keep_to_their_prefix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let db = Db::open(&path).unwrap();
        for key in ["a/1", "a/2", "b/1"] {
            db.put(KEYS, key, &key.len()).unwrap();
        }
        db.remove(KEYS, "a/1").unwrap();
        drop(db);
        let db = Db::open(&path).unwrap();
        assert_eq!(db.scan::<usize>(KEYS, "a/").unwrap(), [("a/2".to_string(), 3)]);
        assert_eq!(db.get::<usize>(KEYS, "a/1").unwrap(), None);
        assert_eq!(db.get::<usize>(JOBS, "a/2").unwrap(), None);
    }
}
