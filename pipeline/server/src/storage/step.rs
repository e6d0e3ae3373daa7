//! Where threads meet: locks of shared state, and the points at which the model test switches from one thread to another. In the
//! program itself a step is nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A point between two accesses to what other threads change, too.
#[cfg(not(test))]
pub(crate) fn step() {}

#[cfg(test)]
pub(crate) use super::model_tests::step;

/// Locks. A panic elsewhere leaves nothing half done that a lock here protects.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(test)]
    loop {
        step();
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(std::sync::TryLockError::Poisoned(error)) => return error.into_inner(),
            // Its holder waits for a turn, or is another test's thread.
            Err(std::sync::TryLockError::WouldBlock) if super::model_tests::is_scheduled() => {}
            Err(std::sync::TryLockError::WouldBlock) => break,
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
