//! What survives `kill -9`: uploaded keys, jobs, their records and the audit log.

pub(crate) mod audit;
pub(crate) mod db;
pub(crate) mod disk;
pub(crate) mod error;
pub(crate) mod jobs;
pub(crate) mod key_store;
pub(crate) mod reserve;
pub(crate) mod space;
mod steady;
mod step;
pub(crate) mod upload;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
