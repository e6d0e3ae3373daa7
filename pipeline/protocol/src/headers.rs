//! Names of HTTP headers that are not standard ones.

/// Length of a binary body's JSON part, bytes.
pub const INFERENCE_HEADER_LENGTH: &str = "inference-header-content-length";
/// Where an upload goes on, bytes from the start; in answers, how much is there.
pub const UPLOAD_OFFSET: &str = "upload-offset";
/// Length of the whole upload, bytes.
pub const UPLOAD_LENGTH: &str = "upload-length";
/// The model that uploaded keys are for.
pub const MODEL: &str = "veilray-model";
/// The number of a request, given by the daemon.
pub const REQUEST_ID: &str = "x-request-id";
