//! The client and the daemon: everything that crosses a process boundary.
#![forbid(unsafe_code)]

pub mod cli;
pub mod client;
pub use veilray_base::clock;
pub mod demo;
pub mod models;
pub mod protocol;
pub mod server;
