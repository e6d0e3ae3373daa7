//! Hash states of unfinished uploads, so that a continued one need not be read again from its start.

use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use veilray_protocol::KeyDigest;

/// Parts below this length are hashed again: that costs less than a write to disk.
const SHORTEST: u64 = 1 << 20;

/// States that are kept. Where there are more, that of the shortest part goes: its bytes are the fewest to hash again.
const MOST: usize = 4096;

/// Tenant folder and digest of an upload.
type Place = (String, KeyDigest);

/// The states, by upload.
#[derive(Debug, Default)]
pub(crate) struct HashStates {
    kept: Mutex<HashMap<Place, (u64, Sha256)>>,
}

impl HashStates {
    /// Keeps the state after the first `received` bytes of a part.
    pub(super) fn keep(&self, at: &Place, received: u64, hash: &Sha256) {
        if received < SHORTEST {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(at.clone(), (received, hash.clone()));
        if kept.len() > MOST {
            let shortest = kept.iter().min_by_key(|(_, (received, _))| *received).map(|(at, _)| at.clone());
            if let Some(at) = shortest {
                kept.remove(&at);
            }
        }
    }

    /// Forgets the state of a part that is removed.
    pub(super) fn forget(&self, at: &Place) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(at);
    }

    /// Takes out the state of a part that has `received` bytes. One of another length is of a part that is gone, and is forgotten.
    pub(super) fn take(&self, at: &Place, received: u64) -> Option<Sha256> {
        let (length, hash) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(at)?;
        (length == received).then_some(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest;

    fn at(i: usize) -> Place {
        ("tenant".into(), KeyDigest::parse(&format!("{i:064x}")).unwrap())
    }

    #[test]
    fn a_state_is_given_once_and_for_its_length_alone() {
        let states = HashStates::default();
        let hash = Sha256::new().chain_update(b"part");
        states.keep(&at(0), SHORTEST - 1, &hash);
        states.keep(&at(1), SHORTEST, &hash);
        states.keep(&at(2), SHORTEST, &hash);
        assert!(states.take(&at(0), SHORTEST - 1).is_none());
        assert_eq!(states.take(&at(1), SHORTEST).unwrap().finalize(), hash.finalize());
        assert!(states.take(&at(1), SHORTEST).is_none());
        assert!(states.take(&at(2), SHORTEST + 1).is_none() && states.take(&at(2), SHORTEST).is_none());
    }

    #[test]
    fn the_shortest_part_makes_room() {
        let states = HashStates::default();
        for i in 0..=MOST {
            states.keep(&at(i), SHORTEST + (i as u64 ^ 1), &Sha256::new());
        }
        assert!(states.take(&at(1), SHORTEST).is_none());
        assert!(states.take(&at(0), SHORTEST + 1).is_some());
    }
}
