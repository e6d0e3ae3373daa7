//! Answers to what never becomes a request: heads that cannot be read, and connections that are too many.

use crate::engine::metrics::{Answer, Metrics, OfCode};
use crate::error::ApiError;
use crate::storage::jobs::random_id;
use veilray_protocol::ErrorCode;

fn failure(status: u16) -> ApiError {
    match status {
        414 => ApiError::new(ErrorCode::TooLarge, "the path is too long", "the paths are listed at /docs"),
        431 => ApiError::new(
            ErrorCode::TooLarge,
            "the header lines are too long or too many",
            "send at most 100 header lines and 64 KiB of them in all",
        ),
        _ => ApiError::new(ErrorCode::Malformed, "this is no HTTP/1.1 request", "send a request as RFC 9112 describes it"),
    }
}

fn response(status: u16, reason: &str, failure: &ApiError, id: &str) -> Vec<u8> {
    // Its fields are text and a code: there is always a JSON of them.
    let body = serde_json::to_string(&failure.body(id)).unwrap_or_default();
    let retry = failure.retry_after.map_or_else(String::new, |seconds| format!("retry-after: {seconds}\r\n"));
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nx-request-id: {id}\r\n{retry}\
         connection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The answer to a head that cannot be read, noted in the log and the figures.
pub(crate) fn refusal(metrics: &Metrics, status: u16) -> Vec<u8> {
    let id = random_id().unwrap_or_default();
    let failure = failure(status);
    let reason = axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Refused");
    tracing::info!(request_id = id, route = "unread", status, "refused before routing");
    metrics.requests.get_or_create(&Answer { route: "unread".into(), method: "other".into(), status }).inc();
    metrics.errors.get_or_create(&OfCode { code: failure.code.as_str().into() }).inc();
    response(status, reason, &failure, &id)
}

/// The answer to a connection that is one too many.
pub(crate) fn busy() -> Vec<u8> {
    let hint = "close connections that are not used, or wait for Retry-After seconds";
    let failure = ApiError::new(ErrorCode::Busy, "too many connections are open", hint).retry(5);
    response(429, "Too Many Requests", &failure, &random_id().unwrap_or_default())
}
