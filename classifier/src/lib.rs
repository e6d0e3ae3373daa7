//! Turns a trained polynomial network into one circuit over encrypted slots: fold, pack, plan, execute.
//!
//! Stands on `veilray-he` and knows nothing of image files, training or processes; `veilray-training` trains what it evaluates.
//!
//! | module | from | to |
//! |---|---|---|
//! | [`spec`], [`networks`] | a TOML file or a name | layers, their shapes, their parameters' names |
//! | [`weights`] | a safetensors file | those parameters, checked against the network |
//! | [`fold`] | network and weights | a [`circuit`]: linear maps, squares, products and sums of tensors |
//! | [`pack`] | a circuit and a number of slots | layouts, diagonals and rotations |
//! | [`plan`] | a packed circuit and parameters | levels, keys, bytes, memory, time and precision, before any key exists |
//! | [`execute::levels`] | a packed circuit and parameters | level and exact scale of every node |
//! | [`execute`] | a packed circuit and an image's values | logits |
//! | [`release`], [`interface`], [`served`] | a released folder | a checked model, what its clients must know, and both ready to answer |
//! | [`range`], [`operating_point`], [`mask`] | parts of a release | how far values may reach; probabilities, decisions, masks |
//! | [`known_answer`] | the name of an encoder | the input of a self-test |
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
//! let network = networks::default_for("tenseal-mnist")?;
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
pub mod fold;
pub mod interface;
pub mod known_answer;
pub mod mask;
pub mod networks;
pub mod operating_point;
pub mod pack;
pub mod plan;
pub mod range;
pub mod reference;
pub mod release;
pub mod served;
pub mod spec;
pub mod weights;
