//! Which file of a package uses which, and whether files of different folders use each other in a circle.
//!
//! In each folder, its members are looked at: the files in it, and the folders in it with all that is below (`x.rs` belongs to `x/`).
//! Members that use each other in a circle are reported where one of them is a folder; files of one folder may use each other.
//! Re-exports (`pub use`) are no imports: a path through one leads to the file that defines the name. Tests are left out.

mod graph;
mod parse;

pub use graph::{Circle, circles};
pub use parse::{Import, Module, read};
