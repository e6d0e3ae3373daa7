//! Turns a trained polynomial network into one circuit over encrypted slots: fold, pack, plan, execute.
//!
//! Stands on `veilray-he` and knows nothing of images or processes.
//!
//! | module | from | to |
//! |---|---|---|
//! | [`spec`], [`networks`] | a TOML file or a name | layers, their shapes, their parameters' names |
//! | [`train`], [`metrics`] | images or latents with labels | trained parameters, and how good they are |
//! | [`weights`] | a safetensors file | those parameters, checked against the network |
//! | [`fold`] | network and weights | a [`circuit`]: linear maps, squares, products and sums of tensors |
//! | [`pack`] | a circuit and a number of slots | layouts, diagonals and rotations |
//! | [`plan`] | a packed circuit and parameters | levels, keys, bytes, memory, time and precision, before any key exists |
//! | [`execute`] | a packed circuit and an image's values | logits |
//!
//! [`mod@reference`] evaluates a network as its layers are defined; everything behind it is tested against that.
//!
//! ```
//! use veilray_classifier::execute::ClearExecutor;
//! use veilray_classifier::fold::{FoldOptions, fold};
//! use veilray_classifier::pack::{PackOptions, pack};
//! use veilray_classifier::{networks, reference, weights::Weights};
//! use veilray_he::ParamsLiteral;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let network = networks::usual("tenseal-mnist")?;
//! let weights = Weights::random(&network, 1)?;
//! let circuit = fold(&network, &weights, &FoldOptions::default())?;
//! let packed = pack(&circuit, &PackOptions::new(&ParamsLiteral::named("n13")?.check()?, &circuit))?;
//!
//! let image = vec![0.5; network.input.len()];
//! let logits = ClearExecutor::new(&packed)?.run(&image);
//! let wanted = reference::evaluate(&network, &weights, &image)?;
//! assert!(logits.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod circuit;
pub mod execute;
#[cfg(feature = "tfhe")]
pub mod fcnn_tfhe;
pub mod fold;
pub mod interface;
pub mod mask;
pub mod metrics;
pub mod networks;
pub mod pack;
pub mod plan;
pub mod reference;
pub mod release;
pub mod schedule;
pub mod served;
pub mod sparse;
pub mod spec;
pub mod train;
pub mod unet;
pub mod weights;
