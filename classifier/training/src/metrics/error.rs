//! What the metrics refuse.

/// The result of the metrics.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a table of scores or a setting was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A column or table of another length than the others.
    #[error("{what} has {found} entries where {wanted} belong; give one per {per}")]
    Length {
        /// The table's name.
        what: &'static str,
        /// One for each of these.
        per: &'static str,
        /// Number of entries that are needed.
        wanted: usize,
        /// Number of entries that were given.
        found: usize,
    },
    /// A score that cannot be ranked.
    #[error("the score of image {image} for {label} is {score}; scores must be finite: look at the network's output")]
    NotFinite {
        /// The image's place in the table.
        image: usize,
        /// The label's name.
        label: String,
        /// The score found.
        score: f32,
    },
    /// A label that is neither yes, no nor unknown.
    #[error("the label {label} of image {image} is {value}; write 0, 1, or 255 for unknown")]
    Label {
        /// The image's place in the table.
        image: usize,
        /// The label's name.
        label: String,
        /// The value found.
        value: u8,
    },
    /// Thresholds of other labels.
    #[error(
        "thresholds are for the labels {wanted:?}, the scores for {found:?}; choose them on the same model's validation split"
    )]
    OtherLabels {
        /// Labels of the thresholds.
        wanted: Vec<String>,
        /// Labels of the scores.
        found: Vec<String>,
    },
    /// A setting outside its range.
    #[error("{what} must be {wanted}, found {found}")]
    Setting {
        /// The setting's name.
        what: &'static str,
        /// The range it must lie in.
        wanted: &'static str,
        /// The value given.
        found: f64,
    },
}
