//! The daemon from outside: over sockets, through crashes, under load.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod command_line;
mod common;
mod connections;
mod crashes;
mod faults;
#[cfg(target_os = "linux")]
mod full_disk;
mod http2;
mod interface;
mod kills;
#[cfg(target_os = "linux")]
mod load;
mod memory;
mod privacy;
mod refusals;
mod shares;
#[cfg(unix)]
mod signals;
mod tls;
