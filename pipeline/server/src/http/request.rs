//! What handlers read of every request.

use crate::error::ApiError;
use axum::http::HeaderMap;
use std::sync::Arc;
use veilray_protocol::ErrorCode;

/// The number of a request: made here, never the client's.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub Arc<str>);

/// A header that is a number.
pub(crate) fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| text.parse().ok());
    let refused = || ApiError::new(ErrorCode::Malformed, format!("the header {name} is no number"), "send a number of bytes");
    parsed.map(Some).ok_or_else(refused)
}
