//! Parameters: an unchecked [`ParamsLiteral`], as a file holds it, becomes checked immutable [`Params`], or an error that says why not.

mod checked;
mod literal;
mod security;

pub use checked::Params;
pub use literal::ParamsLiteral;
pub use security::max_log_qp;
