//! What an answer says when it is an error.

use serde::{Deserialize, Serialize};

/// What went wrong, as a code that programs can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// Every code, in the order of its status.
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

    /// The code as it travels, such as `rate_limited`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Timeout => "timeout",
            Self::Conflict => "conflict",
            Self::ManifestMismatch => "manifest_mismatch",
            Self::ParamsMismatch => "params_mismatch",
            Self::OffsetMismatch => "offset_mismatch",
            Self::TooLarge => "too_large",
            Self::NotConformant => "not_conformant",
            Self::Busy => "busy",
            Self::RateLimited => "rate_limited",
            Self::Internal => "internal",
            Self::NotReady => "not_ready",
            Self::Draining => "draining",
            Self::QuotaExceeded => "quota_exceeded",
        }
    }

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// What happened, in one sentence.
    pub error: String,
    /// The kind of error.
    pub code: ErrorCode,
    /// What to do.
    pub hint: String,
    /// By which the daemon's log knows the request.
    pub request_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_travel_as_snake_case_words() {
        for code in ErrorCode::ALL {
            let word = serde_json::to_string(&code).unwrap();
            assert!(word.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '"'), "{word}");
            assert_eq!(serde_json::from_str::<ErrorCode>(&word).unwrap(), code);
            assert_eq!(word.trim_matches('"'), code.as_str());
            assert!((400..=507).contains(&code.status()));
        }
        assert_eq!(serde_json::to_string(&ErrorCode::ManifestMismatch).unwrap(), "\"manifest_mismatch\"");
    }
}
