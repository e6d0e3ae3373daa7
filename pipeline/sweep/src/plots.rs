//! The figures of a report, drawn from the ledger's rows as SVG.
//!
//! Colours are Okabe and Ito's, which the colour-blind tell apart, and every series has a marker of its own. A style sheet inside each
//! drawing follows the reader's light or dark setting.

mod figures;
mod svg;

pub use figures::{Figure, all};
pub(crate) use svg::escaped;
pub use svg::{Axis, Chart, Mark, Point, Series};
