//! The numbers that data sets are made of.

use super::Element;
use super::library;

/// A number that a data set can be made of: `u8`, `u32`, `i64`, `u64`, `f32` or `f64`.
pub trait Number: sealed::Number {}

impl<T: sealed::Number> Number for T {}

pub(super) mod sealed {
    use super::{Element, library};

    pub trait Number: Copy + library::Stored {
        /// Its type in a file.
        const ELEMENT: Element;

        /// Appends its bytes, lowest first.
        fn append_bytes(self, bytes: &mut Vec<u8>);
    }
}

macro_rules! numbers {
    ($($type:ty = $element:ident),*) => {
        $(impl sealed::Number for $type {
            const ELEMENT: Element = Element::$element;

            fn append_bytes(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        })*
    };
}

numbers!(u8 = U8, u32 = U32, i64 = I64, u64 = U64, f32 = F32, f64 = F64);
