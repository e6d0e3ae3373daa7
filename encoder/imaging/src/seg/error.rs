//! Why no Segmentation was written. As in ingest, no field can hold text of the film's file.

use crate::image::{self, Attribute, Format};

/// Result of every fallible operation of [`super`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why no Segmentation was written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The film is a PNG or JPEG file, which names no patient and no study: give it as DICOM.
    #[error(
        "a DICOM Segmentation is filed by patient, study and film, which a {found} file does not name: give the film as the DICOM \
         file that the archive has, or write the mask as PNG instead"
    )]
    NotDicom {
        /// The format of the film's file.
        found: Format,
    },
    /// A film without an identifier that the Segmentation must refer to.
    #[error(
        "the film has no usable {attribute}, by which an archive would file the Segmentation: fetch the film from the archive again, \
         or write the mask as PNG instead"
    )]
    Unfiled {
        /// The attribute that is missing or not a UID.
        attribute: Attribute,
    },
    /// The film cannot be read as an image.
    #[error(transparent)]
    Film(#[from] image::Error),
    /// The film has more rows or columns than DICOM's 16-bit numbers hold.
    #[error("a Segmentation has 1 to 65535 rows and columns, the film has {rows} and {columns}")]
    Extents {
        /// Rows of the film.
        rows: usize,
        /// Columns of the film.
        columns: usize,
    },
    /// A mask of a structure that has no code here.
    #[error("no code is known for a mask of {name:?}, only for \"lung\": write the mask as PNG instead")]
    Structure {
        /// The model's word for it.
        name: String,
    },
    /// A mask whose numbers do not fit together.
    #[error("a mask of {height} × {width} needs 1 to 65535 rows and columns and a value for each pixel, {found} values came")]
    Mask {
        /// Rows that were announced.
        height: usize,
        /// Columns that were announced.
        width: usize,
        /// Number of values that came.
        found: usize,
    },
    /// What made the mask cannot be written down.
    #[error("a Segmentation states {what} as {wanted}; other text came")]
    Made {
        /// The statement that cannot be written: the model's name, its manifest's digest, the date or the time.
        what: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// The operating system gives no randomness for the object's identifiers.
    #[error("no randomness for new identifiers: {0}")]
    Random(String),
    /// The DICOM writer failed on an object that this crate built.
    #[error("the Segmentation could not be encoded ({0}); this is a bug, please report it")]
    Encoding(&'static str),
}
