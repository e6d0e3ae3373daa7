//! Veilray's experiments: data sets, their latents, and how accuracy and cost depend on the compression factor.
//!
//! - [`data`] reads data sets: folders with a `labels.csv`, MedMNIST's `.npz`;
//! - [`encode`] turns a data set into a file of latents;
//! - [`encoders`] trains, releases and measures autoencoders;
//! - [`train_classifier`] trains a classifier on latents or pixels, or its teacher on images; [`train_fcnn`] a quantised network to
//!   be evaluated under TFHE (feature `tfhe`);
//! - [`teach`] writes the probabilities that a trained teacher gives to images, as they are and changed;
//! - [`train_segmenter`] trains and releases a network that gives masks;
//! - [`evaluate`] scores a released classifier on a data set, in clear and encrypted;
//! - [`reply_bits`] finds how many bits of a released model's logits carry no noise;
//! - [`run`] goes through the [`grid`] of a sweep, [`measure`]s every experiment on its [`machine`] and writes the [`ledger`];
//! - [`report`] answers from the ledger, with [`plots`];
//! - [`command`] is what commands share: arguments, the error, and how they print what they found.
//!
//! `veilray-sweep --help` lists the commands.
#![forbid(unsafe_code)]

pub mod command;
pub mod data;
pub mod encode;
pub mod encoders;
pub mod evaluate;
pub mod grid;
pub mod ledger;
pub mod machine;
pub mod measure;
pub mod plots;
pub mod reply_bits;
pub mod report;
pub mod run;
pub mod teach;
pub mod train_classifier;
pub mod train_fcnn;
pub mod train_fitness;
pub mod train_segmenter;
