//! What a connection is doing, and how long it may go on so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Slowest reader of an answer, bytes per second, where the configuration sets no rate.
const SLOWEST: u64 = 1 << 10;

/// How long a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// From accepting to the first request's head.
    pub(super) header: Duration,
    /// Without a request.
    pub(super) idle: Duration,
    /// Slowest reading of an answer, bytes per second; 0 takes [`SLOWEST`].
    pub(super) least: u64,
}

#[derive(Debug)]
struct State {
    asked: bool,
    in_flight: usize,
    /// By when the answers given so far have been read, each by itself.
    read_by: Instant,
}

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    times: Times,
    accepted: Instant,
    changed: Notify,
    closed: Notify,
}

impl Activity {
    /// Of a connection accepted now.
    pub(super) fn new(times: Times) -> Self {
        let accepted = Instant::now();
        let state = Mutex::new(State { asked: false, in_flight: 0, read_by: accepted });
        Self { state, times, accepted, changed: Notify::new(), closed: Notify::new() }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request came.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        let mut state = self.lock();
        state.asked = true;
        state.in_flight += 1;
        drop(state);
        self.changed.notify_one();
        InFlight { activity: Arc::clone(self), bytes: 0 }
    }

    /// For the head of a request.
    pub(super) fn header(&self) -> Duration {
        self.times.header
    }

    /// Whether a request ever came.
    pub(super) fn has_asked(&self) -> bool {
        self.lock().asked
    }

    /// When it must be closed if nothing else happens; never while a request is answered.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let state = self.lock();
        match (state.asked, state.in_flight) {
            (false, _) => Some(self.accepted + self.times.header),
            (true, 0) => Some(state.read_by + self.times.idle),
            (true, _) => None,
        }
    }

    /// Since when nothing is wanted of it: its answers have been read, as far as is known; never while a request is answered.
    pub(super) fn quiet_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.in_flight == 0).then_some(state.read_by)
    }

    /// Resolves when a request came or was answered.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Asks for its end.
    pub(super) fn close(&self) {
        self.closed.notify_one();
    }

    /// Resolves when its end was asked for.
    pub(super) async fn closed(&self) {
        self.closed.notified().await;
    }
}

/// A request that is being answered; over when dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    activity: Arc<Activity>,
    bytes: u64,
}

impl InFlight {
    /// The answer has so many bytes, for which its reader gets time.
    pub(super) fn answered(mut self, bytes: u64) {
        self.bytes = bytes;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let least = if self.activity.times.least == 0 { SLOWEST } else { self.activity.times.least };
        let reading = Duration::try_from_secs_f64(self.bytes as f64 / least as f64).unwrap_or(Duration::ZERO);
        let mut state = self.activity.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.read_by = state.read_by.max(Instant::now() + reading);
        drop(state);
        self.activity.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { header: Duration::from_secs(10), idle: Duration::from_secs(15), least: 1000 };

    #[test]
    fn silence_is_bounded_and_an_answer_is_not() {
        let activity = Arc::new(Activity::new(TIMES));
        let start = activity.accepted;
        assert_eq!(activity.deadline(), Some(start + TIMES.header));
        let request = activity.begin();
        assert_eq!((activity.deadline(), activity.quiet_since()), (None, None));
        let other = activity.begin();
        request.answered(5000);
        assert_eq!(activity.deadline(), None);
        drop(other);
        // 5000 bytes at 1000 a second.
        let quiet = activity.quiet_since().unwrap();
        let reading = quiet - start;
        assert!(reading >= Duration::from_secs(5) && reading < Duration::from_secs(8), "{reading:?}");
        assert_eq!(activity.deadline(), Some(quiet + TIMES.idle));
    }
}
