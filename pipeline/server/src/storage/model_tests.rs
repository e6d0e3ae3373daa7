//! Jobs and keys under every interleaving that a seeded scheduler finds: several threads create, start, finish, delete, expire, upload,
//! touch and look, switched at each access to disk or database. After every operation: what is recorded is on disk and within its bounds,
//! what was deleted stays away, what was acknowledged is there.

mod jobs;
mod keys;
mod scheduler;

pub(crate) use scheduler::{is_scheduled, step};

use super::db::Db;
use super::reserve::Reserve;
use super::space::Space;
use std::path::Path;
use std::sync::Arc;

/// Interleavings tried of each kind; `VEILRAY_MODEL_SEEDS` names another number.
fn seeds() -> u64 {
    std::env::var("VEILRAY_MODEL_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(100)
}

/// A folder in memory where there is one: much is written here that nobody keeps.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn reserve(root: &Path) -> Arc<Reserve> {
    Arc::new(Reserve::open(root, 0))
}

fn db(root: &Path) -> Arc<Db> {
    Arc::new(Db::open(&root.join("db")).unwrap())
}

fn pass(space: &Space, seconds: u64) {
    space.steady.passed.fetch_add(seconds, std::sync::atomic::Ordering::Relaxed);
}
