//! Which refusals of a caller are written to the audit log: few enough that nobody can fill the disk with them.

use crate::http::request::Peer;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two lines of one peer and tenant.
const EVERY: Duration = Duration::from_secs(60);
/// Lines of all peers together in that time.
const MOST: usize = 60;

/// The refusals of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    written: Mutex<HashMap<(Option<Peer>, String), Instant>>,
}

impl Denials {
    /// Whether one more is to be written at `now`.
    pub(crate) fn note(&self, peer: Option<Peer>, tenant: &str, now: Instant) -> bool {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: &Instant| now.saturating_duration_since(*at) < EVERY;
        let key = (peer, tenant.to_string());
        if written.get(&key).is_some_and(recent) {
            return false;
        }
        written.retain(|_, at| recent(at));
        if written.len() >= MOST {
            return false;
        }
        written.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_gets_a_line_a_minute_and_all_together_sixty() {
        let (denials, start) = (Denials::default(), Instant::now());
        let peer = |i: usize| Some(Peer::of([10, 0, 0, i as u8].into()));
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(denials.note(peer(1), "", start) && denials.note(peer(1), "a", start));
        assert!(!denials.note(peer(1), "", after(59)));
        assert!(denials.note(peer(1), "", after(60)));
        let written = (0..200).filter(|i| denials.note(peer(*i), "", after(300))).count();
        assert_eq!(written, MOST);
    }
}
