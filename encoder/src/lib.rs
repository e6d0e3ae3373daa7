//! The client's eyes: image files become canonical X-rays, and a VQGAN encoder compresses those to small latents.
//!
//! Nothing here knows of encryption; `pipeline` carries latents from this crate to `classifier`.
#![forbid(unsafe_code)]
