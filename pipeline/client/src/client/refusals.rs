//! Replies that were refused, counted per key set on disk.
//!
//! Whether a reply is believed depends on the secret key, and a server that sees images come again learns the answer: a yes or no for every
//! crafted reply. So each refusal is on disk before anything of it is shown, the set is blocked at the [`MOST`]th, and an image whose reply
//! was refused is not sent again by itself. Whoever owns the machine can delete the file: the machine is trusted.
//!
//! ```text
//!   KEYSET/refusals.jsonl   a line per refusal: time, digests of reply and image file, kind; no path, no values
//!   KEYSET/refusals.lock    held while a reply is decrypted, judged and counted
//! ```

use super::{Error, Result, files, keyset};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use veilray_base::{clock, file};

/// Refused replies at which a key set is blocked.
pub const MOST: usize = 3;

const FILE: &str = "refusals.jsonl";
const LOCK: &str = "refusals.lock";
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
        Ok(Self { folder: folder.into(), known: unblocked(folder)?, _lock: lock })
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
        self.known.push(refusal);
        let path = self.folder.join(FILE);
        let lines = self.known.iter().map(|refusal| serde_json::to_string(refusal).map(|line| line + "\n"));
        let text = lines.collect::<Result<String, _>>().map_err(std::io::Error::from)?;
        // Whole or not at all, and on the disk: a torn line would block the set.
        file::write_private(&path, text.as_bytes())
            .map_err(|e| blocked(&self.folder, format!("{FILE} cannot be written: {e}")))?;
        Ok(self.known.len())
    }
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
    let path = folder.join(FILE);
    if let Err(error) = fs::symlink_metadata(&path)
        && error.kind() == std::io::ErrorKind::NotFound
    {
        return Ok(vec![]);
    }
    let damaged = |why: String| blocked(folder, format!("the file that counts refused replies, {FILE}, cannot be used: {why}"));
    files::expect_private(&path).map_err(|e| damaged(e.to_string()))?;
    let bytes = files::read_limited(&path, LIMIT).map_err(|e| damaged(e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| damaged("it is not text".into()))?;
    if !text.ends_with('\n') {
        return Err(damaged("its last line is cut off, or it is empty".into()));
    }
    text.lines().map(|line| serde_json::from_str(line).map_err(|_| damaged("a line is damaged".into()))).collect()
}

/// What is counted for a set; a damaged file blocks it.
pub fn count(folder: &Path) -> Count {
    match read(folder) {
        Ok(known) => Count { refusals: Some(known.len()), blocked: known.len() >= MOST },
        Err(_) => Count { refusals: None, blocked: true },
    }
}

/// When a reply to that image was refused, under any keys for `model` below `root`. Of damaged files what can be read is believed, and of
/// sets that cannot be read any refusal: rather one image too few is sent.
pub(crate) fn of_image(root: &Path, model: &str, image_sha256: &str) -> Option<String> {
    let sets = fs::read_dir(root).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let of_model = |folder: &PathBuf| keyset::model_of(folder).is_none_or(|found| found == model);
    let mut times = sets.filter(of_model).filter_map(|folder| {
        let bytes = files::read_limited(&folder.join(FILE), LIMIT).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Refusal>(line).ok());
        lines.filter(|refusal| refusal.image_sha256.as_deref() == Some(image_sha256)).map(|refusal| refusal.time).max()
    });
    let first = times.next()?;
    Some(times.fold(first, std::cmp::Ord::max))
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
