//! The daemon: models answer encrypted images over HTTP.
//!
//! | module | does |
//! |---|---|
//! | [`config`] | the configuration file, and the tokens of tenants |
//! | `http` | requests and answers |
//! | [`engine`] | the encrypted computation and its memory |
//! | `storage` | what survives `kill -9`: keys, jobs, the audit log |
//! | `listen` | connections, bounded in number and time |
//! | `fair` | turns that go round the tenants |
//! | `error` | the errors that clients get |
//! | [`run`], [`offline`] | starting and stopping; one inference from files |
//!
//! Threads: those of tokio answer requests and never compute; those of one rayon pool compute and never wait for the network or the disk
//! of others. A request reserves its memory, waits its turn, and is computed with every thread the pool has.
#![forbid(unsafe_code)]

pub mod config;
pub mod engine;
mod error;
mod fair;
mod http;
mod listen;
pub mod offline;
pub mod run;
mod storage;

pub use config::Config;
pub use error::ApiError;
pub use run::{Handle, ServeError, serve, spawn};
