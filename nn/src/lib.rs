//! Training parts over candle: operations with fast backward passes, optimisers, seeding, checkpoints and the training loop.
//!
//! Encoders and classifiers are trained with it. It holds what candle 0.11 lacks or does slowly on a CPU:
//!
//! | module | holds |
//! |---|---|
//! | [`ops`] | convolution and its transpose, group norm with SiLU, batch norm per basis term, upsampling, pooling, polynomials |
//! | [`layers`] | the same with named parameters |
//! | [`ParamStore`], [`Init`] | parameters by name: seeded, loaded, frozen |
//! | [`Optimiser`], [`Schedule`], [`Ema`] | Adam, AdamW, AMSGrad with savable state; learning rates; averaged weights |
//! | [`Bundle`], [`State`] | what a checkpoint is made of, written atomically |
//! | [`training`] | the loop: logs, evaluations, checkpoints; a killed run resumes to the same bits |
//! | [`memory`] | an allocator setting that avoids page faults; the memory a process took |
//!
//! Everything computed on a CPU in `f32` is the same, bit for bit, for any number of threads: work is cut by shape alone and partial
//! sums are added in a fixed order. (candle's own matrix product, which [`layers::Linear`] uses, promises as much for one number of
//! threads.) With the feature `cuda`, tensors may live on an NVIDIA card; the same functions then compose candle's operations
//! ([`ops::composed`]).
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use veilray_nn::layers::{Conv2d, GroupNorm};
//! use veilray_nn::ops::{self, Conv2dConfig};
//! use veilray_base::Rng;
//! use veilray_nn::{Optimiser, OptimiserConfig, ParamStore};
//!
//! # fn main() -> veilray_nn::Result<()> {
//! let params = ParamStore::seeded(1, &Device::Cpu);
//! let scope = params.root().enter("encoder");
//! let conv = Conv2d::new(&scope.enter("conv"), 1, 8, 3, Conv2dConfig::new(1, 1))?;
//! let norm = GroupNorm::new(&scope.enter("norm"), 4, 8, 1e-5)?;
//! let mut optimiser = Optimiser::new(OptimiserConfig::default(), &params)?;
//!
//! let image = veilray_nn::normal_tensor(&mut Rng::new(1, "image"), (2, 1, 16, 16), &Device::Cpu)?;
//! let loss = ops::global_avg_pool2d(&norm.forward_silu(&conv.forward(&image)?)?)?.sqr()?.mean_all()?;
//! let norm_of_gradients = optimiser.step(&loss.backward()?, 1.0)?;
//! assert!(norm_of_gradients > 0.0);
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

mod bundle;
mod ema;
mod error;
mod gemm;
mod init;
mod inplace;
pub mod layers;
pub mod memory;
pub mod ops;
mod optimiser;
mod params;
mod schedule;
mod scratch;
mod state;
pub mod training;

pub use bundle::Bundle;
pub use ema::Ema;
pub use error::{Error, Result};
pub use init::{Init, normal_tensor};
pub use optimiser::{Optimiser, OptimiserConfig, Rule};
pub use params::{Buffer, ParamStore, Scope};
pub use schedule::Schedule;
pub use state::State;
