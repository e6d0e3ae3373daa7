//! Tables in HDF5 files: the one place that touches HDF5.
//!
//! A file holds attributes of its root ([`Attribute`]), data sets of numbers ([`Number`]) of any shape, and columns of text.
//! [`Writer`] puts a file together under a temporary name, reads all of it back, compares, and only then gives it its name. A file is never
//! changed in place: HDF5 has no journal, and a process that dies while it extends a file may lose rows that were in it before.
//!
//! What is not in the interface is left out on purpose: text has one dimension (readers disagree on more).
//!
//! ```
//! use veilray_latents::tables::{Attribute, Reader, Writer};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("results.h5");
//! let mut writer = Writer::create(&path)?;
//! writer.attribute("format_version", Attribute::U32(1))?;
//! writer.texts("network", &["lenet5", "vgg5"])?;
//! writer.numbers("auc", &[2], &[0.71, f64::NAN])?;
//! writer.finish()?;
//! let reader = Reader::open(&path)?;
//! assert_eq!(reader.texts("network")?, ["lenet5", "vgg5"]);
//! assert_eq!(reader.numbers::<f64>("auc")?[0], 0.71);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Behind it is `rust-hdf5`, in Rust alone; with the feature `libhdf5` the C library. Neither is hardened against hostile files: read files
//! of your own making. Damage that HDF5 can see (a torn file, a chunk that does not inflate) is an error.

mod digest;
mod error;
#[cfg(feature = "libhdf5")]
mod libhdf5;
mod number;
mod reader;
#[cfg(not(feature = "libhdf5"))]
mod root;
#[cfg(not(feature = "libhdf5"))]
mod rust_hdf5;
mod writer;

pub use error::{Error, Result};
pub use number::Number;
pub use reader::Reader;
pub use writer::{Rows, Writer};

#[cfg(feature = "libhdf5")]
use libhdf5 as library;
#[cfg(not(feature = "libhdf5"))]
use rust_hdf5 as library;
use std::fmt;

/// Deflate level of data sets in chunks: of standard normal values level 1 leaves 90.8 %, level 9 at more than twice the time 89.8 %.
const DEFLATE: u8 = 1;

/// Most attributes of a file: further ones move all of them out of the root's object header (HDF5 file format, version 3, IV.A.2.v).
pub const MAX_ATTRIBUTES: usize = 8;

/// The value of an attribute of the root.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Attribute {
    /// Text in UTF-8 without NUL, of any length.
    Text(String),
    /// An unsigned number of 8 bits.
    U8(u8),
    /// An unsigned number of 32 bits.
    U32(u32),
    /// An unsigned number of 64 bits.
    U64(u64),
    /// A floating-point number of 64 bits.
    F64(f64),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// What the elements of a data set are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Element {
    /// Unsigned numbers of 8 bits.
    U8,
    /// Unsigned numbers of 32 bits.
    U32,
    /// Signed numbers of 64 bits.
    I64,
    /// Unsigned numbers of 64 bits.
    U64,
    /// Floating-point numbers of 32 bits.
    F32,
    /// Floating-point numbers of 64 bits.
    F64,
    /// Texts, of variable or fixed length.
    Text,
    /// Anything else that HDF5 can hold.
    Other,
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::U8 => "u8",
            Self::U32 => "u32",
            Self::I64 => "i64",
            Self::U64 => "u64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Text => "text",
            Self::Other => "elements of another type",
        })
    }
}

/// How a data set lies in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What its elements are.
    pub element: Element,
    /// Its sides, outermost first.
    pub shape: Vec<usize>,
    /// Sides of a chunk; none where it lies in one piece.
    pub chunk: Option<Vec<usize>>,
    /// Whether its chunks are shuffled and deflated.
    pub compressed: bool,
}
