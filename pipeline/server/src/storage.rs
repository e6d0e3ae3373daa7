//! What survives `kill -9`: uploaded keys, jobs, their records and the audit log.

pub(crate) mod audit;
pub(crate) mod db;
pub(crate) mod disk;
mod hash_states;
pub(crate) mod jobs;
pub(crate) mod key_store;
pub(crate) mod upload;

#[cfg(test)]
mod tests;
