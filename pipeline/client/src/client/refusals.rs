//! Replies that were refused, counted per key set on disk.
//!
//! Whether a reply is believed depends on the secret key, and a server that sees images come again learns the answer: a yes or no for every
//! crafted reply. So each refusal is on disk before anything of it is shown, the set is blocked at the [`MOST`]th, and an image whose reply
//! was refused is not sent again by itself. Whoever owns the machine can delete the file: the machine is trusted.
//!
//! ```text
//!   KEYSET/refusals.jsonl   a line per refusal: time, digests of reply and image file, kind; no path, no values
//!   KEYSET/refusals.lock    held while a reply is decrypted, judged and counted
//!   KEYSET/refusals.room    room on the disk, taken before a reply is decrypted
//! ```
//!
//! A full disk must not turn the count off. So a refusal is first written over bytes of `refusals.room`, which takes no more of the disk,
//! and then into `refusals.jsonl`; what stands in the room alone counts too. Without the room nothing is decrypted.

use super::{Error, Result, files, keyset};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use veilray_base::{clock, file};

/// Refused replies at which a key set is blocked.
pub const MOST: usize = 3;

const FILE: &str = "refusals.jsonl";
const LOCK: &str = "refusals.lock";
const ROOM: &str = "refusals.room";
/// Bytes of the room for one refusal.
const SLOT: usize = 1024;
/// Bytes of the room. Sets are blocked long before it is used up.
const ROOM_BYTES: usize = 8 * SLOT;
/// Largest file of refusals, bytes; a whole one has less than one thousand.
const LIMIT: u64 = 64 << 10;

/// One refused reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refusal {
    /// When, as RFC 3339 writes it, UTC.
    pub time: String,
    /// SHA-256 of the reply.
    pub reply_sha256: String,
    /// SHA-256 of the image's file, where it is known.
    pub image_sha256: Option<String>,
    /// Why: `form`, `values` or `bytes`.
    pub kind: String,
}

/// How many replies were refused under the keys of a set, and whether it is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Refused replies; none where the file that counts them is damaged.
    pub refusals: Option<usize>,
    /// Whether the set neither encrypts nor sends nor decrypts until `veilray keys rotate` has made new keys.
    pub blocked: bool,
}

/// The refusals of a key set, locked against other threads and programs until it is dropped.
pub(crate) struct Refusals {
    folder: PathBuf,
    known: Vec<Refusal>,
    room: File,
    _lock: File,
}

impl Refusals {
    /// Waits for the lock of a set that is not blocked.
    ///
    /// # Errors
    /// [`Error::Blocked`], or the system's.
    pub(crate) fn locked(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, files::FILE_MODE);
        let lock = options.open(&path).map_err(Error::file("open", &path))?;
        lock.lock().map_err(Error::file("lock", &path))?;
        let (known, room) = (unblocked(folder)?, room(folder)?);
        Ok(Self { folder: folder.into(), known, room, _lock: lock })
    }

    /// The refusal of that reply.
    pub(crate) fn of_reply(&self, sha256: &str) -> Option<&Refusal> {
        self.known.iter().find(|refusal| refusal.reply_sha256 == sha256)
    }

    /// Puts a refusal on disk; how many there are now.
    ///
    /// # Errors
    /// [`Error::Blocked`] where it cannot be written: nothing may be told of a refusal that is not counted.
    pub(crate) fn add(&mut self, reply_sha256: &str, image_sha256: Option<&str>, kind: &str) -> Result<usize> {
        let refusal = Refusal {
            time: clock::text(),
            reply_sha256: reply_sha256.into(),
            image_sha256: image_sha256.map(Into::into),
            kind: kind.into(),
        };
        self.note(&refusal).map_err(|e| blocked(&self.folder, format!("{ROOM} cannot be written: {e}")))?;
        self.known.push(refusal);
        let path = self.folder.join(FILE);
        let lines = self.known.iter().map(|refusal| serde_json::to_string(refusal).map(|line| line + "\n"));
        let text = lines.collect::<Result<String, _>>().map_err(std::io::Error::from)?;
        // Whole or not at all, and on the disk: a torn line would block the set.
        file::write_private(&path, text.as_bytes())
            .map_err(|e| blocked(&self.folder, format!("{FILE} cannot be written: {e}")))?;
        Ok(self.known.len())
    }

    /// Puts a refusal into the room, behind those that are known.
    fn note(&mut self, refusal: &Refusal) -> std::io::Result<()> {
        let line = serde_json::to_string(refusal)? + "\n";
        if line.len() > SLOT {
            return Err(std::io::Error::other("a refusal is longer than its place"));
        }
        self.room.seek(SeekFrom::Start((self.known.len() * SLOT) as u64))?;
        self.room.write_all(line.as_bytes())?;
        self.room.sync_all()
    }
}

/// The room for refusals, taken on the disk.
fn room(folder: &Path) -> Result<File> {
    let path = folder.join(ROOM);
    let whole = fs::metadata(&path).is_ok_and(|metadata| metadata.len() == ROOM_BYTES as u64);
    if !whole {
        file::write_private(&path, &[b'\n'; ROOM_BYTES])?;
    }
    OpenOptions::new().write(true).open(&path).map_err(Error::file("open", &path))
}

/// Refuses a set that is blocked.
///
/// # Errors
/// [`Error::Blocked`].
pub(crate) fn expect_unblocked(folder: &Path) -> Result<()> {
    unblocked(folder).map(drop)
}

fn unblocked(folder: &Path) -> Result<Vec<Refusal>> {
    let known = read(folder)?;
    if known.len() < MOST {
        return Ok(known);
    }
    Err(blocked(folder, format!("{} replies to images encrypted under these keys were refused", known.len())))
}

fn blocked(folder: &Path, why: String) -> Error {
    Error::Blocked { set: keyset::name(folder), why }
}

/// The refusals of a set.
///
/// # Errors
/// [`Error::Blocked`] for a file that is damaged, or readable by others.
fn read(folder: &Path) -> Result<Vec<Refusal>> {
    let mut known = read_file(folder, FILE)?;
    for refusal in read_file(folder, ROOM)? {
        if !known.iter().any(|other| other.reply_sha256 == refusal.reply_sha256) {
            known.push(refusal);
        }
    }
    Ok(known)
}

/// What stands in one of the two files.
fn read_file(folder: &Path, name: &str) -> Result<Vec<Refusal>> {
    let path = folder.join(name);
    if let Err(error) = fs::symlink_metadata(&path)
        && error.kind() == std::io::ErrorKind::NotFound
    {
        return Ok(vec![]);
    }
    let damaged = |why: String| blocked(folder, format!("the file that counts refused replies, {name}, cannot be used: {why}"));
    files::expect_private(&path).map_err(|e| damaged(e.to_string()))?;
    let bytes = files::read_limited(&path, LIMIT).map_err(|e| damaged(e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| damaged("it is not text".into()))?;
    if !text.ends_with('\n') {
        return Err(damaged("its last line is cut off, or it is empty".into()));
    }
    let lines = text.lines().filter(|line| name == FILE || !line.is_empty());
    lines.map(|line| serde_json::from_str(line).map_err(|_| damaged("a line is damaged".into()))).collect()
}

/// What is counted for a set; a damaged file blocks it.
pub fn count(folder: &Path) -> Count {
    match read(folder) {
        Ok(known) => Count { refusals: Some(known.len()), blocked: known.len() >= MOST },
        Err(_) => Count { refusals: None, blocked: true },
    }
}

/// When a reply to that image was refused, under any keys for `model` below `root`. Of damaged files what can be read is believed, and of
/// sets and files that cannot be read any refusal: rather one image too few is sent.
pub(crate) fn of_image(root: &Path, model: &str, image_sha256: &str) -> Option<String> {
    let unknown = || Some("a time that cannot be read".to_owned());
    let sets = match fs::read_dir(root) {
        Ok(sets) => sets,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(_) => return unknown(),
    };
    let mut last: Option<String> = None;
    for entry in sets {
        let Ok(entry) = entry else { return unknown() };
        let folder = entry.path();
        if keyset::model_of(&folder).is_some_and(|found| found != model) {
            continue;
        }
        for name in [FILE, ROOM] {
            let path = folder.join(name);
            match fs::symlink_metadata(&path) {
                Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                    continue;
                }
                _ => {}
            }
            let Ok(bytes) = files::read_limited(&path, LIMIT) else { return unknown() };
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Refusal>(line).ok());
            let found =
                lines.filter(|refusal| refusal.image_sha256.as_deref() == Some(image_sha256)).map(|refusal| refusal.time).max();
            last = last.max(found);
        }
    }
    last
}

/// What the user is told when a reply was refused and the set now has so many refusals.
pub(crate) fn warning(count: usize) -> String {
    let rest = if count >= MOST {
        "These keys are now blocked: nothing more is encrypted, sent or decrypted with them until `veilray keys rotate`."
            .to_owned()
    } else {
        format!("After {MOST} refusals these keys are blocked.")
    };
    format!(
        "WARNING: a reply of the server was refused ({count} of {MOST} for these keys). The server or something on the way may have \
         changed it, or the image is outside the model's range. Do not send this image again. Tell the server's provider and your \
         security officer. {rest}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(folder: &Path, reply: &str) -> Result<usize> {
        Refusals::locked(folder)?.add(reply, Some("image"), "values")
    }

    #[test]
    fn refusals_are_counted_where_their_file_cannot_be_written() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("set");
        files::private_folder(&folder).unwrap();
        assert_eq!(add(&folder, "a").unwrap(), 1);
        // As on a full disk: no new file can be made.
        let partial = file::partial(&folder.join(FILE));
        fs::create_dir(&partial).unwrap();
        for reply in ["b", "c"] {
            assert!(matches!(add(&folder, reply), Err(Error::Blocked { .. })), "it is not told what came of it");
        }
        assert_eq!(count(&folder), Count { refusals: Some(3), blocked: true });
        assert!(matches!(Refusals::locked(&folder), Err(Error::Blocked { .. })));
        assert!(of_image(root.path(), "m", "image").is_some() && of_image(root.path(), "m", "other").is_none());
    }

    #[test]
    fn without_room_for_a_refusal_nothing_is_decrypted() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("set");
        files::private_folder(&folder).unwrap();
        fs::create_dir(file::partial(&folder.join(ROOM))).unwrap();
        assert!(Refusals::locked(&folder).is_err());
        fs::remove_dir(file::partial(&folder.join(ROOM))).unwrap();
        assert_eq!(add(&folder, "a").unwrap(), 1);
        // A room that is damaged blocks, as the file does.
        fs::write(folder.join(ROOM), "{\n").unwrap();
        assert!(count(&folder).blocked);
    }

    #[test]
    fn what_cannot_be_read_holds_an_image_back() {
        let root = tempfile::tempdir().unwrap();
        assert!(of_image(root.path(), "m", "image").is_none());
        fs::create_dir_all(root.path().join("set").join(FILE)).unwrap();
        assert!(of_image(root.path(), "m", "image").is_some());
    }
}
