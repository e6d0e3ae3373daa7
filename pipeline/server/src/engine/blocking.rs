//! What waits for the disk.

use crate::error::ApiError;

/// Runs what blocks on the disk, and nothing else, beside the async threads.
///
/// # Errors
/// Those of `run`; [`ErrorCode::Internal`](veilray_protocol::ErrorCode::Internal) if it panics.
pub(crate) async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(run).await.unwrap_or_else(|error| Err(ApiError::internal(error)))
}
