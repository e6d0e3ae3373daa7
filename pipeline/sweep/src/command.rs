//! What commands share: arguments, the error, and what they do with their result.

pub mod arguments;
pub mod error;
pub mod output;
