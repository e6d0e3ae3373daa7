//! What every reader of image files shares: the canonical image, what a file may state, the checks, the errors.

pub mod attribute;
mod canonical;
pub mod checks;
mod code;
pub(crate) mod contrast;
mod error;
pub(crate) mod geometry;
pub(crate) mod memory;
pub(crate) mod picture;
mod refusal;
mod settings;
pub(crate) mod terms;

pub use attribute::Attribute;
pub use canonical::{Canonical, PREPROCESSING, Placement, SIDE};
pub use code::Code;
pub use error::{Error, Format, Result, Value};
pub use geometry::{Geometry, Rect, Turn};
pub use memory::{MemoryBudget, Reserved};
pub use picture::Picture;
pub use settings::{Limits, Settings};
pub use terms::{Assume, Modality, Photometric, View};
