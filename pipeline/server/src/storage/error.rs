//! Why the disk's side of the daemon did not do what was asked.

use crate::storage::db::DbError;
use crate::storage::disk;
use std::io;
use veilray_base::file::FileError;

/// Why keys or a job were not stored, found or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The upload does not go on where it stopped.
    #[error("{have} bytes of this upload are there")]
    Offset {
        /// What is there.
        have: u64,
    },
    /// The upload was begun with another length; what is there is kept.
    #[error("Upload-Length is {found}, but {wanted} bytes were announced when this upload began; the {have} that came are kept")]
    Length {
        /// What is there.
        have: u64,
        /// Bytes that were announced first.
        wanted: u64,
        /// Bytes that are announced now.
        found: u64,
    },
    /// Another request uploads the same keys: the client waits and asks again.
    #[error("these keys are being uploaded by another request")]
    InUse,
    /// The tenant, or all together, would keep more bytes than may be.
    #[error("{found} bytes would be kept where {most} are allowed")]
    Quota {
        /// With this upload or job.
        found: u64,
        /// Bytes that may be kept.
        most: u64,
    },
    /// The tenant has as many unfinished uploads as it may.
    #[error("{most} uploads of this tenant are unfinished, as many as may be")]
    Uploads {
        /// Unfinished uploads that a tenant may have.
        most: usize,
    },
    /// The tenant keeps as many jobs as it may.
    #[error("this tenant keeps {most} jobs, as many as it may")]
    Jobs {
        /// Jobs that a tenant may keep, finished ones included.
        most: usize,
    },
    /// As many jobs of all tenants wait as may.
    #[error("{most} jobs wait, as many as may")]
    Waiting {
        /// Jobs of all tenants that may wait.
        most: usize,
    },
    /// The disk has no room for what was announced; nothing of this request was stored.
    #[error("the daemon's disk has no room for {wanted} more bytes; nothing of this request was stored")]
    NoRoom {
        /// Bytes that were announced and are not there yet.
        wanted: u64,
    },
    /// The disk filled up while the upload came; what came of it was removed.
    #[error("there is no room left on the daemon's disk; what came of this upload was removed")]
    Freed,
    /// More bytes came than `Upload-Length` announced.
    #[error("more than the {wanted} bytes that were announced; what had come before is kept")]
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

impl StoreError {
    /// Whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Io(error) => disk::is_full(error),
            Self::File(error) => disk::is_full(&error.source),
            Self::Db(error) => matches!(error, DbError::Full),
            _ => false,
        }
    }
}
