//! Metadata in redb: JSON records by key, each change on disk when the call returns.

use crate::storage::disk;
use crate::storage::reserve::Reserve;
use crate::storage::step::step;
use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

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
/// Unfinished uploads, by `tenant folder/digest`.
pub(crate) const PARTS: Table = Table("parts");
/// What there is one of.
pub(crate) const META: Table = Table("meta");

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

/// The database. After a failed write redb refuses everything until it is opened anew; this does that, and on a full disk gives the
/// reserve back and tries again, so that keys can be deleted and uses noted.
#[derive(Debug)]
pub(crate) struct Db {
    path: PathBuf,
    inner: RwLock<Option<redb::Database>>,
    reserve: Option<Arc<Reserve>>,
}

/// The records within one change: nobody else writes until it is done, and all of it or nothing is on disk afterwards.
pub(crate) struct Change<'a>(&'a redb::WriteTransaction);

impl Change<'_> {
    fn get<T: DeserializeOwned>(&self, table: Table, key: &str) -> Result<Option<T>, DbError> {
        let table = self.0.open_table(table.definition())?;
        table.get(key)?.map(|value| serde_json::from_slice(value.value()).map_err(DbError::Record)).transpose()
    }

    fn put<T: Serialize>(&self, table: Table, key: &str, value: &T) -> Result<(), DbError> {
        let bytes = serde_json::to_vec(value).map_err(DbError::Record)?;
        self.0.open_table(table.definition())?.insert(key, bytes.as_slice())?;
        Ok(())
    }

    fn remove(&self, table: Table, key: &str) -> Result<(), DbError> {
        self.0.open_table(table.definition())?.remove(key)?;
        Ok(())
    }
}

impl Db {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// A file in use by another process, or damaged beyond repair.
    pub(crate) fn open(path: &Path) -> Result<Self, DbError> {
        let database = create(path)?;
        Ok(Self { path: path.into(), inner: RwLock::new(Some(database)), reserve: None })
    }

    /// As [`Db::open`], with a reserve that is given back where the disk is full.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub(crate) fn open_with(path: &Path, reserve: Arc<Reserve>) -> Result<Self, DbError> {
        let opened = match Self::open(path) {
            Err(DbError::Full) if reserve.release() => Self::open(path),
            opened => opened,
        };
        Ok(Self { reserve: Some(reserve), ..opened? })
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

    /// Writes a record, whether one was there or not.
    ///
    /// # Errors
    /// [`DbError::Full`]; as the database.
    pub(crate) fn put<T: Serialize>(&self, table: Table, key: &str, value: &T) -> Result<(), DbError> {
        self.write(|records| records.put(table, key, value))
    }

    /// Changes a record, if there is one: nothing that was removed comes back. Returns it as it then is; `change` says whether it
    /// changed anything.
    ///
    /// # Errors
    /// [`DbError::Full`]; as the database.
    pub(crate) fn update<T: Serialize + DeserializeOwned>(
        &self,
        table: Table,
        key: &str,
        change: impl Fn(&mut T) -> bool,
    ) -> Result<Option<T>, DbError> {
        self.write(|records| {
            let Some(mut record) = records.get::<T>(table, key)? else { return Ok(None) };
            if change(&mut record) {
                records.put(table, key, &record)?;
            }
            Ok(Some(record))
        })
    }

    /// Removes a record, if there is one and it is still as `wanted` says. Returns it: of several who remove it, one gets it.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn take<T: DeserializeOwned>(
        &self,
        table: Table,
        key: &str,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, DbError> {
        self.write(|records| match records.get::<T>(table, key)? {
            Some(record) if wanted(&record) => {
                records.remove(table, key)?;
                Ok(Some(record))
            }
            _ => Ok(None),
        })
    }

    /// Removes a record, if it is there.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn remove(&self, table: Table, key: &str) -> Result<(), DbError> {
        self.write(|records| records.remove(table, key))
    }

    fn write<R>(&self, run: impl Fn(&Change<'_>) -> Result<R, DbError>) -> Result<R, DbError> {
        self.with(|database| {
            let transaction = database.begin_write()?;
            let outcome = run(&Change(&transaction))?;
            transaction.commit()?;
            Ok(outcome)
        })
    }

    fn with<T>(&self, run: impl Fn(&redb::Database) -> Result<T, DbError>) -> Result<T, DbError> {
        step();
        let mut outcome = match &*self.inner.read().unwrap_or_else(PoisonError::into_inner) {
            Some(database) => run(database),
            None => Err(redb::Error::PreviousIo.into()),
        };
        for _ in 0..2 {
            let again = match &outcome {
                Err(DbError::Full) => self.reserve.as_ref().is_some_and(|reserve| reserve.release()),
                Err(DbError::Redb(error)) => matches!(**error, redb::Error::PreviousIo),
                _ => false,
            };
            if !again {
                break;
            }
            let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
            // The old one holds a lock on the file until it is gone.
            *inner = None;
            outcome = create(&self.path).and_then(|database| run(inner.insert(database)));
        }
        outcome
    }
}

/// Memory that redb may keep pages in; records are few and small.
const CACHE: usize = 8 << 20;

/// Tables exist from the start, so that reading an empty one is no error.
fn create(path: &Path) -> Result<redb::Database, DbError> {
    let database = redb::Builder::new().set_cache_size(CACHE).create(path)?;
    let transaction = database.begin_write()?;
    for table in [KEYS, JOBS, PARTS, META] {
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

    #[test]
    fn what_was_removed_does_not_come_back_and_goes_once() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("db")).unwrap();
        db.put(KEYS, "a", &1).unwrap();
        let raise = |n: &mut i32| {
            *n += 1;
            *n < 3
        };
        assert_eq!(db.update(KEYS, "a", raise).unwrap(), Some(2));
        // The third is not written.
        assert_eq!(db.update(KEYS, "a", raise).unwrap(), Some(3));
        assert_eq!(db.get::<i32>(KEYS, "a").unwrap(), Some(2));
        assert_eq!(db.take(KEYS, "a", |n: &i32| *n > 2).unwrap(), None);
        let taken: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| db.take(KEYS, "a", |_: &i32| true).unwrap())).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(taken, [2]);
        assert_eq!(db.update(KEYS, "a", raise).unwrap(), None);
        assert_eq!(db.get::<i32>(KEYS, "a").unwrap(), None);
    }
}
