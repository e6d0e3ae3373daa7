//! What client and daemon say to each other over HTTP: header names, bodies, error codes.
//!
//! Inference follows the Open Inference Protocol v2 with its binary tensor extension: a JSON header, then the tensors' bytes, the length of
//! the JSON being in [`INFERENCE_HEADER_LENGTH`]. A ciphertext is an element of datatype BYTES: its length in four bytes, lowest first, then
//! the bytes of [`veilray_he::Ciphertext::to_bytes`].

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
/// Name of the input tensor.
pub const INPUT: &str = "image";
/// Name of the output tensor.
pub const OUTPUT: &str = "logits";
/// Longest JSON part of a binary body, bytes.
pub const MOST_HEADER: usize = 64 << 10;

/// What went wrong, as a word that programs can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request cannot be understood.
    Malformed,
    /// No token, or one that is not known or expired.
    Unauthorized,
    /// The token lacks the scope.
    Forbidden,
    /// No such model, key, job or path.
    NotFound,
    /// The sender was too slow.
    Timeout,
    /// The request contradicts the state of the resource.
    Conflict,
    /// Made for another manifest of the model.
    ManifestMismatch,
    /// Made under other parameters.
    ParamsMismatch,
    /// The upload does not go on where it stopped.
    OffsetMismatch,
    /// More bytes than are taken.
    TooLarge,
    /// Well-formed, but not what the model reads: level, scale, number of ciphertexts, missing keys.
    NotConformant,
    /// No memory is free for now.
    Busy,
    /// More requests than the tenant may make.
    RateLimited,
    /// A fault of the daemon.
    Internal,
    /// The daemon is not ready yet.
    NotReady,
    /// The daemon is stopping.
    Draining,
    /// The tenant's storage, or the disk, is full.
    QuotaExceeded,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 17] = [
        Self::Malformed,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Timeout,
        Self::Conflict,
        Self::ManifestMismatch,
        Self::ParamsMismatch,
        Self::OffsetMismatch,
        Self::TooLarge,
        Self::NotConformant,
        Self::Busy,
        Self::RateLimited,
        Self::Internal,
        Self::NotReady,
        Self::Draining,
        Self::QuotaExceeded,
    ];

    /// The HTTP status it travels with.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Timeout => 408,
            Self::Conflict | Self::ManifestMismatch | Self::ParamsMismatch | Self::OffsetMismatch => 409,
            Self::TooLarge => 413,
            Self::NotConformant => 422,
            Self::Busy | Self::RateLimited => 429,
            Self::Internal => 500,
            Self::NotReady | Self::Draining => 503,
            Self::QuotaExceeded => 507,
        }
    }

    /// Whether the same request may succeed later.
    pub const fn is_temporary(self) -> bool {
        matches!(self, Self::Timeout | Self::Busy | Self::RateLimited | Self::NotReady | Self::Draining)
    }
}

/// Body of every answer that is an error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What happened.
    pub error: String,
    /// The kind of error.
    pub code: ErrorCode,
    /// What to do.
    pub hint: String,
    /// By which the daemon's log knows the request.
    pub request_id: String,
}

/// A tensor of a binary body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TensorHeader {
    /// Its name: `image` or `logits`.
    pub name: String,
    /// `BYTES`.
    pub datatype: String,
    /// Number of ciphertexts, as a list of one.
    pub shape: Vec<usize>,
    /// Where its bytes are.
    pub parameters: TensorParameters,
}

/// Parameters of a tensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TensorParameters {
    /// Bytes of the tensor behind the JSON part.
    pub binary_data_size: usize,
}

/// JSON part of a request for inference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InferParameters {
    /// SHA-256 of the registered evaluation keys.
    pub keys: String,
    /// SHA-256 of the model's manifest.
    pub manifest: String,
}

/// JSON part of an answer to a request for inference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InferResponse {
    /// The model.
    pub model_name: String,
    /// SHA-256 of its manifest.
    pub model_version: String,
    /// The request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What it took.
    pub parameters: InferTimes,
    /// The encrypted logits.
    pub outputs: Vec<TensorHeader>,
}

/// What a request took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InferTimes {
    /// On the ciphertext, ms.
    pub server_ms: f64,
    /// Waiting for memory and the pool, ms.
    pub queue_ms: f64,
}

/// What is known of uploaded keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// On disk, waiting.
    Queued,
    /// Under way.
    Running,
    /// The result can be fetched.
    Done,
    /// It has an error.
    Failed,
}

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobStatus {
    /// Its number.
    pub job: String,
    /// The model.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelEntry {
    /// Its name.
    pub name: String,
    /// SHA-256 of its manifest.
    pub manifest_sha256: String,
    /// Its parameter set.
    pub params: String,
    /// Its labels.
    pub labels: Vec<String>,
}

/// Why a binary body was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The JSON part is longer than the body or than is taken.
    #[error("the JSON part is said to take {found} bytes, it may take {most}; set {INFERENCE_HEADER_LENGTH} to its length")]
    HeaderLength {
        /// In the header.
        found: usize,
        /// The body's length or [`MOST_HEADER`].
        most: usize,
    },
    /// The JSON part is not what it should be.
    #[error("the JSON part cannot be read: {why}")]
    Json {
        /// Where and why.
        why: String,
    },
    /// The tensors are not as they are described.
    #[error("the tensor should be {wanted}, it is {found}")]
    Tensor {
        /// What was wanted.
        wanted: String,
        /// What came.
        found: String,
    },
}

/// A tensor of datatype BYTES: each element behind its length.
#[must_use]
pub fn elements(ciphertexts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ciphertexts.iter().map(|c| c.len() + 4).sum());
    for ciphertext in ciphertexts {
        out.extend_from_slice(&(ciphertext.len() as u32).to_le_bytes());
        out.extend_from_slice(ciphertext);
    }
    out
}

/// The description of a tensor of `count` elements in `bytes` bytes.
#[must_use]
pub fn tensor(name: &str, count: usize, bytes: usize) -> TensorHeader {
    let parameters = TensorParameters { binary_data_size: bytes };
    TensorHeader { name: name.into(), datatype: "BYTES".into(), shape: vec![count], parameters }
}

/// A binary body of one tensor, and the length of its JSON part.
///
/// # Errors
/// [`BodyError::Json`] for a header that JSON cannot express.
pub fn body(header: &impl Serialize, tensor: &[u8]) -> Result<(Vec<u8>, usize), BodyError> {
    let mut out = serde_json::to_vec(header).map_err(|e| BodyError::Json { why: e.to_string() })?;
    let length = out.len();
    out.extend_from_slice(tensor);
    Ok((out, length))
}

/// The JSON part of a binary body and what is behind it.
///
/// # Errors
/// A JSON part that is too long or not what it should be.
pub fn split<T: DeserializeOwned>(body: &[u8], header_length: usize) -> Result<(T, &[u8]), BodyError> {
    let refused = BodyError::HeaderLength { found: header_length, most: body.len().min(MOST_HEADER) };
    if header_length > MOST_HEADER {
        return Err(refused);
    }
    let (json, rest) = body.split_at_checked(header_length).ok_or(refused)?;
    let header = serde_json::from_slice(json).map_err(|e| BodyError::Json { why: e.to_string() })?;
    Ok((header, rest))
}

/// The ciphertexts of a binary body's only tensor, which must be `name` and fill `bytes`.
///
/// # Errors
/// Another tensor, another length, elements that do not fill it.
pub fn ciphertexts<'b>(tensors: &[TensorHeader], name: &str, bytes: &'b [u8]) -> Result<Vec<&'b [u8]>, BodyError> {
    let refuse = |wanted: String, found: String| Err(BodyError::Tensor { wanted, found });
    let [tensor] = tensors else { return refuse(format!("one, {name}"), format!("{} tensors", tensors.len())) };
    let [count] = tensor.shape.as_slice() else {
        return refuse("a list of ciphertexts, shape [n]".into(), format!("of shape {:?}", tensor.shape));
    };
    if tensor.name != name || tensor.datatype != "BYTES" {
        return refuse(format!("{name} of datatype BYTES"), format!("{:?} of datatype {:?}", tensor.name, tensor.datatype));
    }
    if tensor.parameters.binary_data_size != bytes.len() {
        let (said, found) = (tensor.parameters.binary_data_size, bytes.len());
        return refuse(format!("{said} bytes behind the JSON part (binary_data_size)"), format!("{found} bytes"));
    }
    let (mut out, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let element =
            rest.split_first_chunk::<4>().and_then(|(length, rest)| rest.split_at_checked(u32::from_le_bytes(*length) as usize));
        let Some((element, behind)) = element else {
            return refuse("elements behind their lengths".into(), format!("cut off in element {}", out.len()));
        };
        out.push(element);
        rest = behind;
    }
    if out.len() != *count {
        return refuse(format!("{count} ciphertexts, as its shape says"), format!("{} ciphertexts", out.len()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(tensors: Vec<TensorHeader>) -> InferRequest {
        InferRequest { id: None, parameters: InferParameters { keys: "a".into(), manifest: "b".into() }, inputs: tensors }
    }

    #[test]
    fn a_body_comes_back_as_it_was_put_together() {
        let sent = [vec![1, 2, 3], vec![], vec![9; 700]];
        let bytes = elements(&sent);
        let (body, length) = body(&request(vec![tensor(INPUT, 3, bytes.len())]), &bytes).unwrap();
        let (header, rest) = split::<InferRequest>(&body, length).unwrap();
        assert_eq!(ciphertexts(&header.inputs, INPUT, rest).unwrap(), sent.iter().map(Vec::as_slice).collect::<Vec<_>>());
        for wrong in [length - 1, length + 1, body.len() + 1, usize::MAX] {
            assert!(split::<InferRequest>(&body, wrong).is_err(), "{wrong}");
        }
        for cut in 0..bytes.len() {
            assert!(ciphertexts(&header.inputs, INPUT, &bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn tensors_of_another_name_type_shape_or_count_are_refused() {
        let bytes = elements(&[vec![7; 5]]);
        let good = tensor(INPUT, 1, bytes.len());
        assert!(ciphertexts(std::slice::from_ref(&good), INPUT, &bytes).is_ok());
        assert!(ciphertexts(&[], INPUT, &bytes).is_err());
        assert!(ciphertexts(&[good.clone(), good.clone()], INPUT, &bytes).is_err());
        let bad = [
            TensorHeader { name: "logits".into(), ..good.clone() },
            TensorHeader { datatype: "FP32".into(), ..good.clone() },
            TensorHeader { shape: vec![1, 1], ..good.clone() },
            TensorHeader { shape: vec![2], ..good.clone() },
        ];
        for bad in bad {
            assert!(matches!(ciphertexts(&[bad], INPUT, &bytes), Err(BodyError::Tensor { .. })));
        }
        let mut long = bytes.clone();
        *long.first_mut().unwrap() = 200;
        assert!(ciphertexts(&[good], INPUT, &long).is_err());
    }

    #[test]
    fn codes_travel_as_snake_case_words() {
        for code in ErrorCode::ALL {
            let word = serde_json::to_string(&code).unwrap();
            assert!(word.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '"'), "{word}");
            assert_eq!(serde_json::from_str::<ErrorCode>(&word).unwrap(), code);
            assert!((400..=507).contains(&code.status()));
        }
        assert_eq!(serde_json::to_string(&ErrorCode::ManifestMismatch).unwrap(), "\"manifest_mismatch\"");
    }
}
