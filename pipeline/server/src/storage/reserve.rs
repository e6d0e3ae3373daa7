//! Room for the audit log on a full disk: a file of known size that is given back when nothing else is left.
//!
//! Uploads and jobs are taken only while that file is whole and the disk has room for them beside it. What else fills the disk can still
//! use it up; then the file is emptied, and inference and deletions go on in the room it leaves. When there is room again, it is made anew.

use crate::storage::disk;
use crate::storage::step::lock;
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use utoipa::ToSchema;

/// What is left free beside the reserve for records of what is taken, bytes.
const MARGIN: u64 = 1 << 20;

/// How the disk of the data folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Disk {
    /// Uploads and jobs are taken.
    Ok,
    /// Uploads and jobs are refused; inference goes on.
    Low,
    /// Not even the audit log can grow: inference is refused, too.
    Full,
}

#[derive(Debug)]
struct State {
    /// The file holds all its bytes.
    whole: bool,
    /// The audit log could not grow when it was last tried.
    failing: bool,
}

/// The reserve. Its methods block.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
    state: Mutex<State>,
}

impl Reserve {
    /// The reserve of a data folder, made as far as there is room. With 0 bytes there is none, and nothing is refused for it.
    pub(crate) fn open(root: &Path, bytes: u64) -> Self {
        let path = root.join("reserve");
        let whole = bytes == 0 || std::fs::metadata(&path).is_ok_and(|file| file.len() == bytes);
        let reserve = Self { path, bytes, state: Mutex::new(State { whole, failing: false }) };
        reserve.refill();
        reserve
    }

    /// Bytes that this user may still write to the disk; a very large number where the system does not say.
    fn available(&self) -> u64 {
        #[cfg(unix)]
        if let Some(free) = self.path.parent().and_then(|folder| rustix::fs::statvfs(folder).ok()) {
            return free.f_bavail.saturating_mul(free.f_frsize);
        }
        u64::MAX
    }

    /// Gives the room back; whether there was any to give.
    pub(crate) fn release(&self) -> bool {
        let mut state = lock(&self.state);
        if self.bytes == 0 || !state.whole {
            return false;
        }
        state.whole = false;
        let emptied = self.empty().is_ok();
        if emptied {
            tracing::warn!(
                "no room left on the disk of the data folder: the reserve is given back; uploads and jobs are refused"
            );
        }
        emptied
    }

    fn empty(&self) -> io::Result<()> {
        let file = disk::append(&self.path)?;
        file.set_len(0)?;
        file.sync_all()
    }

    /// Makes the reserve anew if there is room for it; whether it is whole.
    pub(crate) fn refill(&self) -> bool {
        let mut state = lock(&self.state);
        if state.whole {
            return true;
        }
        if self.available() < self.bytes.saturating_add(MARGIN) {
            return false;
        }
        state.whole = self.fill().is_ok();
        if state.whole {
            tracing::info!(bytes = self.bytes, "room for the audit log is set aside");
        } else {
            // What is there of it helps nobody.
            let _ = self.empty();
        }
        state.whole
    }

    fn fill(&self) -> io::Result<()> {
        self.empty()?;
        let mut file = disk::append(&self.path)?;
        // Zeros may take no room on a disk that compresses.
        let (mut piece, mut left, mut word) = (vec![0_u8; 1 << 16], self.bytes, 0x9e37_79b9_7f4a_7c15_u64);
        while left > 0 {
            for eight in piece.chunks_exact_mut(8) {
                word ^= word << 13;
                word ^= word >> 7;
                word ^= word << 17;
                eight.copy_from_slice(&word.to_le_bytes());
            }
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            file.write_all(piece.get(..length).unwrap_or_default())?;
            left -= length as u64;
        }
        file.sync_all()
    }

    /// Whether so many bytes may be taken beside what must stay free.
    pub(crate) fn room(&self, bytes: u64) -> bool {
        self.bytes == 0 || (self.refill() && self.available() >= bytes.saturating_add(MARGIN))
    }

    /// Notes whether the audit log could grow.
    pub(crate) fn note(&self, failing: bool) {
        lock(&self.state).failing = failing;
    }

    /// How the disk is now.
    pub(crate) fn disk(&self) -> Disk {
        let (room, available) = (self.room(0), self.available());
        let mut state = lock(&self.state);
        if state.failing && available >= MARGIN {
            state.failing = false;
        }
        match (state.failing, room) {
            (true, _) => Disk::Full,
            (false, false) => Disk::Low,
            (false, true) => Disk::Ok,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_given_back_once_and_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let length = || std::fs::metadata(folder.path().join("reserve")).unwrap().len();
        let reserve = Reserve::open(folder.path(), 100_000);
        assert_eq!((length(), reserve.disk()), (100_000, Disk::Ok));
        assert!(reserve.release() && !reserve.release());
        assert_eq!(length(), 0);
        assert!(reserve.room(1000) && !reserve.room(u64::MAX));
        assert_eq!(length(), 100_000);
        // Another size is another reserve.
        assert!(Reserve::open(folder.path(), 5000).room(0));
        assert_eq!(length(), 5000);
        let none = Reserve::open(folder.path(), 0);
        assert!(none.room(u64::MAX) && !none.release());
    }
}
