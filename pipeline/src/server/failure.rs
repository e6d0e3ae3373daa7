//! What a handler answers when it cannot do what was asked; the body is completed with the request's number on its way out.

use super::db::DbError;
use super::disk;
use crate::protocol::{BodyError, ErrorBody, ErrorCode};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use veilray_classifier::execute::ExecuteError;
use veilray_he::wire::WireError;

/// An error on its way to a client.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The kind.
    pub code: ErrorCode,
    /// What happened.
    pub error: String,
    /// What to do.
    pub hint: String,
    /// Seconds after which the same request may succeed.
    pub retry_after: Option<u64>,
    /// How much of an upload is there.
    pub offset: Option<u64>,
    /// For the log alone.
    pub detail: Option<String>,
}

impl Failure {
    /// An error with its cure.
    pub fn new(code: ErrorCode, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, error: error.into(), hint: hint.into(), retry_after: None, offset: None, detail: None }
    }

    /// With `Retry-After`.
    #[must_use]
    pub fn retry(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// A fault of the daemon: the client learns the request's number, the log the rest.
    pub fn internal(detail: impl std::fmt::Display) -> Self {
        let failure = Self::new(
            ErrorCode::Internal,
            "the daemon failed; the fault is its own",
            "try again; if it stays, give the request_id to whoever runs the daemon",
        );
        Self { detail: Some(detail.to_string()), ..failure }
    }

    /// No room on the disk.
    pub fn full() -> Self {
        Self::new(
            ErrorCode::QuotaExceeded,
            "there is no room left on the daemon's disk; nothing was stored",
            "try again later; whoever runs the daemon must make room",
        )
    }

    /// Not there, or another tenant's: the two are not told apart.
    pub fn not_found(what: &str, hint: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no such {what}"), hint)
    }

    /// No memory for now.
    pub fn busy(seconds: u64) -> Self {
        let hint = "try again after Retry-After seconds, or submit a job, which waits its turn";
        Self::new(ErrorCode::Busy, "the daemon has no memory free for this request", hint).retry(seconds)
    }

    /// The body of the answer.
    pub fn body(&self, request_id: &str) -> ErrorBody {
        ErrorBody { error: self.error.clone(), code: self.code, hint: self.hint.clone(), request_id: request_id.into() }
    }

    /// The code as a word.
    pub fn word(&self) -> String {
        word(self.code)
    }
}

/// A code as it travels.
pub fn word(code: ErrorCode) -> String {
    serde_json::to_value(code).ok().and_then(|value| value.as_str().map(String::from)).unwrap_or_default()
}

/// The status and headers; the body follows when the request's number is known.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(offset) = self.offset {
            headers.insert(crate::protocol::UPLOAD_OFFSET, offset.into());
        }
        if self.code == ErrorCode::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if disk::is_full(&error) { Self { detail: Some(error.to_string()), ..Self::full() } } else { Self::internal(error) }
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        if matches!(error, DbError::Full) { Self::full() } else { Self::internal(error) }
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Self::new(ErrorCode::Malformed, error.to_string(), "send the body as docs/protocol describes it")
    }
}

impl From<veilray_he::Error> for Failure {
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

impl From<ExecuteError> for Failure {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Engine(error) => error.into(),
            error @ (ExecuteError::Input { .. } | ExecuteError::Place { .. }) => {
                Self::new(ErrorCode::NotConformant, error.to_string(), "encrypt with the interface in the model's manifest")
            }
            error => Self::internal(error),
        }
    }
}
