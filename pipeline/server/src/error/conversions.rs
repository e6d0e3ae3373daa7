//! What the errors of the disk, the store, the protocol and the engine mean to a client.

use super::ApiError;
use crate::storage::db::DbError;
use crate::storage::disk;
use crate::storage::error::StoreError;
use veilray_base::file::FileError;
use veilray_classifier::execute::ExecuteError;
use veilray_he::wire::WireError;
use veilray_protocol::ErrorCode;
use veilray_protocol::body::BodyError;

impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        if disk::is_full(&error) { Self { detail: Some(error.to_string()), ..Self::full() } } else { Self::internal(error) }
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        if matches!(error, DbError::Full) { Self::full() } else { Self::internal(error) }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        Self::new(ErrorCode::Malformed, error.to_string(), "send the body as docs/protocol describes it")
    }
}

impl From<veilray_he::Error> for ApiError {
    fn from(error: veilray_he::Error) -> Self {
        use veilray_he::Error as E;
        let hint = "fetch the model's manifest and make keys and ciphertexts with it";
        let code = match &error {
            E::Wire(WireError::Params { .. }) | E::ParamsMismatch { .. } => ErrorCode::ParamsMismatch,
            E::Wire(
                WireError::Level { .. }
                | WireError::Scale { .. }
                | WireError::ScaleTooLarge { .. }
                | WireError::Residue { .. }
                | WireError::Field { .. }
                | WireError::GaloisElement { .. }
                | WireError::KeyOrder { .. }
                | WireError::KeyCount { .. }
                | WireError::Insecure { .. },
            )
            | E::MissingGaloisKey { .. }
            | E::MissingRelinearisationKey { .. } => ErrorCode::NotConformant,
            E::Wire(WireError::Io { .. }) => return Self::internal(error),
            E::Wire(_) => ErrorCode::Malformed,
            _ => return Self::internal(error),
        };
        Self::new(code, error.to_string(), hint)
    }
}

impl From<ExecuteError> for ApiError {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Engine(error) => error.into(),
            error @ (ExecuteError::Input { .. } | ExecuteError::LevelScale { .. }) => {
                Self::new(ErrorCode::NotConformant, error.to_string(), "encrypt with the interface in the model's manifest")
            }
            error => Self::internal(error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io(error) => error.into(),
            StoreError::File(error) => error.into(),
            StoreError::Db(error) => error.into(),
            StoreError::Offset { have } => {
                let hint = "go on from Upload-Offset";
                Self { offset: Some(have), ..Self::new(ErrorCode::OffsetMismatch, error.to_string(), hint) }
            }
            StoreError::Length { have, .. } => {
                let hint = "send the Upload-Length that the upload began with, or DELETE it and begin again";
                Self { offset: Some(have), ..Self::new(ErrorCode::Malformed, error.to_string(), hint) }
            }
            StoreError::InUse => {
                Self::new(ErrorCode::Conflict, error.to_string(), "wait until the other upload has ended").retry(5)
            }
            StoreError::Quota { .. } => Self::new(
                ErrorCode::QuotaExceeded,
                error.to_string(),
                "delete keys that are no longer used (GET /v1/keys lists them), and jobs that are done",
            ),
            StoreError::Uploads { .. } => {
                let hint = "finish or DELETE those that were begun; what does not go on is removed in time";
                Self::new(ErrorCode::QuotaExceeded, error.to_string(), hint)
            }
            StoreError::Jobs { .. } => {
                Self::new(ErrorCode::Busy, error.to_string(), "fetch results and delete their jobs").retry(60)
            }
            StoreError::Waiting { .. } => {
                Self::new(ErrorCode::Busy, error.to_string(), "submit again after Retry-After seconds").retry(60)
            }
            StoreError::NoRoom { .. } => {
                Self::new(ErrorCode::QuotaExceeded, error.to_string(), "try again later; the daemon's operator must make room")
            }
            StoreError::Freed => {
                let hint = "send all of it again later; the daemon's operator must make room";
                Self { offset: Some(0), ..Self::new(ErrorCode::QuotaExceeded, error.to_string(), hint) }
            }
            StoreError::Excess { .. } => {
                Self::new(ErrorCode::Malformed, error.to_string(), "set Upload-Length to the length of the whole upload")
            }
            StoreError::Digest { .. } => Self::new(
                ErrorCode::NotConformant,
                format!("{}; what came was removed", error),
                "upload the keys again, to the SHA-256 of their bytes",
            ),
        }
    }
}

impl From<FileError> for ApiError {
    fn from(error: FileError) -> Self {
        if disk::is_full(&error.source) {
            Self { detail: Some(error.to_string()), ..Self::full() }
        } else {
            Self::internal(error)
        }
    }
}
