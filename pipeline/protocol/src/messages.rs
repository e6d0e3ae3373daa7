//! JSON bodies, and the JSON parts of binary bodies.

use super::error::ErrorBody;
use serde::{Deserialize, Serialize};

/// A tensor of a binary body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TensorHeader {
    /// Its name: `image` or `logits`.
    pub name: String,
    /// Always `BYTES`: each element is a length of four bytes, lowest first, and that many bytes.
    pub datatype: String,
    /// Number of ciphertexts, as a list of one.
    pub shape: Vec<usize>,
    /// Where its bytes are.
    pub parameters: TensorParameters,
}

/// Parameters of a tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TensorParameters {
    /// Bytes of the tensor behind the JSON part.
    pub binary_data_size: usize,
}

/// JSON part of a request for inference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InferRequest {
    /// The client's number of the request, returned in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What the request was made for.
    pub parameters: InferParameters,
    /// The image's ciphertexts.
    pub inputs: Vec<TensorHeader>,
}

/// What a request for inference was made for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InferParameters {
    /// SHA-256 of the registered evaluation keys.
    pub keys: String,
    /// SHA-256 of the model's manifest.
    pub manifest: String,
}

/// JSON part of an answer to a request for inference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InferResponse {
    /// Name of the model that answered.
    pub model_name: String,
    /// SHA-256 of its manifest.
    pub model_version: String,
    /// The `id` that the request came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it took.
    pub parameters: InferTimes,
    /// The encrypted logits.
    pub outputs: Vec<TensorHeader>,
}

/// What a request took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InferTimes {
    /// On the ciphertext, ms.
    pub server_ms: f64,
    /// Waiting for memory and the pool, ms.
    pub queue_ms: f64,
}

/// What is known of uploaded keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyStatus {
    /// SHA-256 of the bytes, hexadecimal.
    pub sha256: String,
    /// Length of the whole, bytes.
    pub bytes: u64,
    /// Bytes that are there.
    pub received: u64,
    /// Whether all are there and checked.
    pub complete: bool,
    /// Name of the parameter set, once checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<String>,
    /// Seconds since 1970.
    pub created_unix: u64,
    /// Seconds since 1970.
    pub last_used_unix: u64,
    /// When they are removed unless used before, seconds since 1970; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_unix: Option<u64>,
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// On disk, waiting.
    Queued,
    /// It is computed now.
    Running,
    /// The result can be fetched.
    Done,
    /// It has an error.
    Failed,
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobStatus {
    /// The number by which it is asked for, as in its path.
    pub job: String,
    /// Name of the model that it asks.
    pub model: String,
    /// Where it is.
    pub state: JobState,
    /// Path of this status.
    pub status_url: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
    /// Seconds since 1970.
    pub created_unix: u64,
    /// Seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_unix: Option<u64>,
}

/// A model in the list of models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelEntry {
    /// Its name, as in the paths of requests.
    pub name: String,
    /// SHA-256 of its manifest.
    pub manifest_sha256: String,
    /// Its parameter set.
    pub params: String,
    /// Names of its labels, in the order of the logits.
    pub labels: Vec<String>,
}
