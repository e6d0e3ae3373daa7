//! The daemon from outside: over sockets, through crashes, under load.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod command_line;
mod common;
mod crashes;
mod faults;
#[cfg(target_os = "linux")]
mod full_disk;
mod interface;
#[cfg(target_os = "linux")]
mod load;
mod memory;
mod privacy;
mod shares;
mod tls;
