//! Why a description of a network was refused.

use super::shape::Shape;
use std::path::PathBuf;

/// Why a description of a network was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A file that cannot be read.
    #[error("cannot read the network {path}: {why}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// A text that is no network.
    #[error("not a network description: {why}")]
    Toml {
        /// The parser's reason, with the place.
        why: String,
    },
    /// A setting outside its range.
    #[error("{layer}: {what} must be {wanted}, found {found}")]
    Setting {
        /// Path of the layer.
        layer: String,
        /// The setting's name.
        what: &'static str,
        /// The range it must lie in.
        wanted: String,
        /// The value given.
        found: String,
    },
    /// An input that the layer cannot take.
    #[error("{layer}: its input is {found} but must be {wanted}")]
    Input {
        /// Path of the layer.
        layer: String,
        /// What it takes.
        wanted: String,
        /// Its input.
        found: Shape,
    },
    /// Two branches that cannot be added.
    #[error(
        "{layer}: the body gives {body}, the shortcut {shortcut}; they are added, so make them equal (a strided 1x1 conv in the shortcut)"
    )]
    Branches {
        /// Path of the layer.
        layer: String,
        /// Output of the body.
        body: Shape,
        /// Output of the shortcut.
        shortcut: Shape,
    },
    /// A network that ends in something else than its labels.
    #[error("the network ends in {found} where {labels} logits belong; end with a linear layer of {labels} outputs")]
    Output {
        /// Labels of the network.
        labels: usize,
        /// What its last layer gives.
        found: Shape,
    },
    /// A name that no network has.
    #[error("no network is called `{found}`; there are {known}")]
    Unknown {
        /// The name that was given.
        found: String,
        /// All names there are, separated by commas.
        known: String,
    },
}
