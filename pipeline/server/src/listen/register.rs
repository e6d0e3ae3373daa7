//! The connections that are open, counted by peer. Where there are too many, one that asks for nothing makes room for a new one; only where
//! all are busy is the new one refused.

use super::activity::Activity;
use crate::http::request::Peer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Which bound was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// `limits.connections_per_peer`.
    Peer,
    /// `limits.connections`.
    All,
}

impl Full {
    /// The setting's name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "limits.connections_per_peer",
            Self::All => "limits.connections",
        }
    }
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, (Peer, Arc<Activity>)>,
    peers: HashMap<Peer, usize>,
}

impl Open {
    fn remove(&mut self, id: u64) -> Option<Arc<Activity>> {
        let (peer, activity) = self.connections.remove(&id)?;
        if let Some(count) = self.peers.get_mut(&peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.peers.remove(&peer);
            }
        }
        Some(activity)
    }

    /// Ends a connection that asks for nothing: first one that never asked, of the peer that has most, the oldest. Whether there was one.
    fn free_one(&mut self, of: Option<Peer>) -> bool {
        let now = Instant::now();
        let idle = self.connections.iter().filter(|(_, (peer, _))| of.is_none_or(|of| of == *peer)).filter_map(
            |(id, (peer, activity))| {
                let since = activity.quiet_since().filter(|since| *since <= now)?;
                let others = self.peers.get(peer).copied().unwrap_or(0);
                Some(((activity.has_asked(), std::cmp::Reverse(others), since), *id))
            },
        );
        let Some((_, id)) = idle.min() else { return false };
        if let Some(activity) = self.remove(id) {
            activity.close();
        }
        true
    }
}

/// The register.
#[derive(Debug)]
pub(super) struct Register {
    open: Mutex<Open>,
    most: usize,
    per_peer: usize,
}

impl Register {
    /// Of at most `most` connections, and `per_peer` of one peer; 0 bounds no peer.
    pub(super) fn new(most: usize, per_peer: usize) -> Self {
        let per_peer = if per_peer == 0 { usize::MAX } else { per_peer };
        Self { open: Mutex::default(), most, per_peer }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection.
    ///
    /// # Errors
    /// [`Full`]: too many are open, and all of them are busy.
    pub(super) fn admit(self: &Arc<Self>, peer: Peer, activity: &Arc<Activity>) -> Result<Registered, Full> {
        let mut open = self.lock();
        if open.peers.get(&peer).copied().unwrap_or(0) >= self.per_peer && !open.free_one(Some(peer)) {
            return Err(Full::Peer);
        }
        if open.connections.len() >= self.most && !open.free_one(None) {
            return Err(Full::All);
        }
        let id = open.next;
        open.next += 1;
        open.connections.insert(id, (peer, Arc::clone(activity)));
        *open.peers.entry(peer).or_default() += 1;
        Ok(Registered { register: Arc::clone(self), id })
    }

    /// Ends a connection that asks for nothing; whether there was one.
    pub(super) fn free_one(&self) -> bool {
        self.lock().free_one(None)
    }
}

/// A connection's entry, taken out when dropped.
#[derive(Debug)]
pub(super) struct Registered {
    register: Arc<Register>,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.register.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::activity::Times;
    use super::*;
    use std::time::Duration;

    const TIMES: Times = Times { header: Duration::from_secs(10), idle: Duration::from_secs(15), least: 0 };

    fn peer(last: u8) -> Peer {
        Peer::of([10, 0, 0, last].into())
    }

    fn connection() -> Arc<Activity> {
        Arc::new(Activity::new(TIMES))
    }

    async fn is_closed(activity: &Activity) -> bool {
        tokio::time::timeout(Duration::from_millis(1), activity.closed()).await.is_ok()
    }

    #[tokio::test]
    async fn the_oldest_silent_connection_makes_room_and_a_busy_one_does_not() {
        let register = Arc::new(Register::new(4, 2));
        let first = connection();
        let _first = register.admit(peer(1), &first).unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let all = [first, connection(), connection()];
        let _second = register.admit(peer(1), &all[1]).unwrap();
        let _third = register.admit(peer(1), &all[2]).unwrap();
        assert_eq!([is_closed(&all[0]).await, is_closed(&all[1]).await, is_closed(&all[2]).await], [true, false, false]);
        let busy = [all[1].begin(), all[2].begin()];
        assert_eq!(register.admit(peer(1), &connection()).unwrap_err(), Full::Peer);
        // Another peer has room; then all places are taken, and those of the peer that asks for nothing are freed.
        let others = [connection(), connection()];
        let _others = [register.admit(peer(2), &others[0]).unwrap(), register.admit(peer(3), &others[1]).unwrap()];
        let _fourth = register.admit(peer(4), &connection()).unwrap();
        assert!(is_closed(&others[0]).await != is_closed(&others[1]).await);
        drop(busy);
        assert!(register.free_one());
    }

    #[tokio::test]
    async fn an_entry_goes_with_its_connection() {
        let register = Arc::new(Register::new(1, 1));
        for _ in 0..3 {
            let busy = connection();
            let _request = busy.begin();
            let entry = register.admit(peer(1), &busy).unwrap();
            assert_eq!(register.admit(peer(2), &connection()).unwrap_err(), Full::All);
            drop(entry);
        }
        assert!(register.lock().peers.is_empty() && !register.free_one());
    }
}
