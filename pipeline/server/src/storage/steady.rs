//! Time as the daemon lived it: seconds that it ran, counted by the clock that cannot be set and kept across restarts.
//!
//! How long something was not used is told by this clock. The time of day may jump, by a wrong setting or a battery that ran out: no jump
//! makes anything older. Time in which the daemon did not run does not count.

use crate::storage::db::{Db, DbError, META};
use std::sync::Arc;
use std::time::Instant;

const KEY: &str = "seconds_run";

/// The clock.
#[derive(Debug)]
pub(crate) struct Steady {
    db: Arc<Db>,
    before: u64,
    start: Instant,
    /// Seconds that a test lets pass.
    #[cfg(test)]
    pub(super) passed: std::sync::atomic::AtomicU64,
}

impl Steady {
    /// Goes on where it was last saved.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn open(db: Arc<Db>) -> Result<Self, DbError> {
        let before = db.get(META, KEY)?.unwrap_or(0);
        Ok(Self {
            db,
            before,
            start: Instant::now(),
            #[cfg(test)]
            passed: std::sync::atomic::AtomicU64::new(0),
        })
    }

    /// Seconds that the daemon ran, in this process and before.
    pub(crate) fn now(&self) -> u64 {
        let now = self.before.saturating_add(self.start.elapsed().as_secs());
        #[cfg(test)]
        let now = now + self.passed.load(std::sync::atomic::Ordering::Relaxed);
        now
    }

    /// Saves it. What a crash loses makes things younger, never older.
    ///
    /// # Errors
    /// As the database.
    pub(crate) fn save(&self) -> Result<(), DbError> {
        let now = self.now();
        if self.db.get::<u64>(META, KEY)? == Some(now) {
            return Ok(());
        }
        self.db.put(META, KEY, &now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_after_a_restart_and_never_back() {
        let folder = tempfile::tempdir().unwrap();
        let db = Arc::new(Db::open(&folder.path().join("db")).unwrap());
        db.put(META, KEY, &1000_u64).unwrap();
        let steady = Steady::open(Arc::clone(&db)).unwrap();
        assert!((1000..1005).contains(&steady.now()));
        std::thread::sleep(std::time::Duration::from_millis(1100));
        steady.save().unwrap();
        assert!((1001..1010).contains(&Steady::open(db).unwrap().now()));
    }
}
