//! The error of a handler. Its body gets the request's number when the answer is sent.

mod conversions;

use crate::config::tokens::Tenant;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use veilray_protocol::headers::UPLOAD_OFFSET;
use veilray_protocol::{ErrorBody, ErrorCode};

/// An error on its way to a client.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The kind of error; the status follows from it.
    pub code: ErrorCode,
    /// What happened, in words that the client may see.
    pub error: String,
    /// What to do.
    pub hint: String,
    /// Seconds after which the same request may succeed.
    pub retry_after: Option<u64>,
    /// How much of an upload is there.
    pub offset: Option<u64>,
    /// Whose token it was, for the audit log alone.
    pub tenant: Option<Arc<Tenant>>,
    /// For the log alone.
    pub detail: Option<String>,
}

impl ApiError {
    /// An error with its cure.
    pub fn new(code: ErrorCode, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, error: error.into(), hint: hint.into(), retry_after: None, offset: None, tenant: None, detail: None }
    }

    /// With the header `Retry-After` of so many seconds.
    #[must_use]
    pub fn retry(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// A fault of the daemon: the client learns the request's number, the log the rest.
    pub fn internal(detail: impl std::fmt::Display) -> Self {
        let failure = Self::new(
            ErrorCode::Internal,
            "internal server error",
            "try again; if it stays, give the request_id to the daemon's operator",
        );
        Self { detail: Some(detail.to_string()), ..failure }
    }

    /// No room on the disk.
    pub fn full() -> Self {
        Self::new(
            ErrorCode::QuotaExceeded,
            "there is no room left on the daemon's disk; nothing was stored",
            "try again later; the daemon's operator must make room",
        )
    }

    /// No room for the line of the audit log: what was asked may have been done, but is not acknowledged.
    pub fn unaudited() -> Self {
        Self::new(
            ErrorCode::QuotaExceeded,
            "there is no room left on the daemon's disk for its audit log; the request is not acknowledged",
            "try again later; the daemon's operator must make room",
        )
    }

    /// Not there, or another tenant's: the two are not told apart.
    pub fn not_found(what: &str, hint: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no such {what}"), hint)
    }

    /// A request that was made for another manifest of the model.
    pub fn other_manifest() -> Self {
        Self::new(
            ErrorCode::ManifestMismatch,
            "the request was made for another version of this model",
            "fetch /v1/models/{model}/manifest again, and the encoder it names; then encrypt anew",
        )
    }

    /// Keys that the tenant has not uploaded, or another tenant's.
    pub fn unknown_keys() -> Self {
        Self::not_found("evaluation key", "upload the keys with PUT /v1/keys/{sha256}, then ask again")
    }

    /// A body of more than `max` bytes.
    pub fn too_large(max: u64) -> Self {
        Self::new(
            ErrorCode::TooLarge,
            format!("the body may have at most {max} bytes"),
            "send one image's ciphertexts, or one model's keys, at a time",
        )
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
}

/// The status and headers; the body follows when the request's number is known.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(offset) = self.offset {
            headers.insert(UPLOAD_OFFSET, offset.into());
        }
        if self.code == ErrorCode::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
