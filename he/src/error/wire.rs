//! Why bytes were refused.

use crate::object::Object;
use std::io;

/// What is wrong with an object's bytes, or with writing it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The reader or writer underneath failed.
    #[error("the stream failed ({kind}): {message}")]
    Io {
        /// What kind of failure.
        kind: io::ErrorKind,
        /// What the stream answered.
        message: String,
    },
    /// A fixed-layout block that cannot be encoded or decoded.
    #[error("a header of the wire format does not hold together: {reason}")]
    Syntax {
        /// What the codec answered.
        reason: String,
    },
    /// Bytes of something else.
    #[error("these bytes begin with \"{}\", wanted \"{}\": they are not the object asked for", found.escape_ascii(), wanted.escape_ascii())]
    Magic {
        /// The magic wanted.
        wanted: [u8; 8],
        /// The first bytes found.
        found: [u8; 8],
    },
    /// A format version this library does not know.
    #[error("wire format version {found}, wanted {wanted}: update the older side")]
    Version {
        /// The version this library writes.
        wanted: u16,
        /// The version found.
        found: u16,
    },
    /// Another kind of object.
    #[error("these bytes are {}, wanted {wanted}", found_object(*found))]
    ObjectType {
        /// The object wanted.
        wanted: Object,
        /// The number found.
        found: u16,
    },
    /// An object of other parameters.
    #[error("the object's parameters have digest {found}…, wanted {wanted}…: read it under the parameters it was made with")]
    Params {
        /// Start of the reader's digest, in hexadecimal.
        wanted: String,
        /// Start of the object's digest.
        found: String,
    },
    /// Parameters below 128-bit security.
    #[error("parameters at N = 2^{log_n} made by insecure_for_tests do not travel: use ParamsLiteral::check")]
    Insecure {
        /// log2 of the ring degree.
        log_n: u32,
    },
    /// Larger than the reader's cap.
    #[error("the object has {found} bytes, above the limit of {limit}: raise the limit if that size is expected")]
    TooLarge {
        /// The reader's cap, bytes.
        limit: usize,
        /// Size of the whole object, bytes.
        found: u64,
    },
    /// The bytes end before the object does.
    #[error("the object ends after {found} bytes of {wanted}: send it whole")]
    Truncated {
        /// Size of the whole object (of the header while that is not yet read), bytes.
        wanted: u64,
        /// Bytes there were.
        found: u64,
    },
    /// Bytes follow the object.
    #[error("{found} bytes where the object has {wanted}: pass one object, or use read_from on a stream of several")]
    Trailing {
        /// Size of the object, bytes.
        wanted: u64,
        /// Bytes there were.
        found: u64,
    },
    /// A payload length that the parameters and the header's other fields rule out.
    #[error("the header announces a payload of {found} bytes where this object has {wanted}")]
    Length {
        /// The length that follows from the parameters, bytes.
        wanted: u64,
        /// The length announced.
        found: u64,
    },
    /// A level that the parameters lack.
    #[error("level {found} is above the parameters' highest, {max}")]
    Level {
        /// The highest level.
        max: usize,
        /// The level found.
        found: usize,
    },
    /// A header field that this kind of object fixes.
    #[error("the header's {field} is {found} where this object has {wanted}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What the rest of the object says.
        wanted: String,
        /// The value found.
        found: String,
    },
    /// A scale that is no scale.
    #[error("scale {found} is not a finite number of at least 1")]
    Scale {
        /// The scale found.
        found: f64,
    },
    /// A scale that leaves the message no room.
    #[error("scale 2^{log_scale:.1} where level {level} holds {log_q:.1} bits: rescale before dropping levels")]
    ScaleTooLarge {
        /// log2 of the scale.
        log_scale: f64,
        /// log2(Q) at the level.
        log_q: f64,
        /// Level of the object.
        level: usize,
    },
    /// A number that is no residue of its prime.
    #[error("residue {index} of limb {limb} is {found}, not below its prime {modulus}: the bytes are damaged")]
    Residue {
        /// Index of the limb in its polynomial, from 0.
        limb: usize,
        /// Index of the residue in its limb, from 0.
        index: usize,
        /// The number found.
        found: u32,
        /// The prime of that limb.
        modulus: u32,
    },
    /// More keys than a ring has use for, or than the payload can hold.
    #[error("{found} keys announced where at most {max} can follow")]
    KeyCount {
        /// The largest number possible.
        max: u64,
        /// The number found.
        found: u64,
    },
    /// A Galois element that is no automorphism, or the identity, which needs no key.
    #[error("key {index} is of Galois element {found}: an odd number from 3 to {} is wanted", 2 * n - 1)]
    GaloisElement {
        /// Index of the key in the table, from 0.
        index: usize,
        /// The element found.
        found: u32,
        /// The ring degree.
        n: usize,
    },
    /// A key that repeats, or stands behind one that it should precede.
    #[error("key {index} is of kind {found} after one of kind {previous}: each kind once, ascending, is wanted")]
    KeyOrder {
        /// Index of the key in the table, from 0.
        index: usize,
        /// The kind before it: 0 for relinearisation, else the Galois element.
        previous: u32,
        /// The kind found: 0 for relinearisation, else the Galois element.
        found: u32,
    },
    /// A secret coefficient other than −1, 0 and 1. Which one is not said: it is secret.
    #[error("a coefficient of the secret key is not ternary: the bytes are damaged")]
    NotTernary,
}

fn found_object(found: u16) -> String {
    Object::from_number(found).map_or_else(|| format!("object type {found}, which is unknown"), |object| object.to_string())
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::Io { kind: error.kind(), message: error.to_string() }
    }
}
