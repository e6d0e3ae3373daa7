//! Differentiable operations: candle custom operations with their own backward pass on a CPU, candle's kernels elsewhere.
//!
//! Every function here takes tensors of any layout, adds its gradient to those of other consumers and gives the same bits for any
//! number of threads: work is cut by shape alone and partial sums are added in a fixed order. On other devices than a CPU, and for
//! other types than `f32`, the same function composes candle's own operations ([`composed`]), avoiding those of candle 0.11 whose
//! gradient is wrong.

mod activation;
mod avg_pool;
mod batch_norm;
mod bias;
pub mod composed;
mod conv;
pub(crate) mod cpu;
mod excess;
mod group_norm;
mod polynomial;
mod simple;
mod types;
mod upsample;

pub use activation::activate;
pub use avg_pool::{avg_pool2d, global_avg_pool2d};
pub use batch_norm::{batch_norm, hermite_norm};
pub use bias::bias;
pub use conv::{conv_transpose2d, conv2d};
pub use excess::excess;
pub use group_norm::group_norm;
pub use polynomial::polynomial2;
pub use simple::{dropout, softmax};
pub use types::{Activation, Conv2dConfig, Statistics, Unit};
pub use upsample::upsample_nearest_x2;
