//! The audit log: who did what to which object, one JSON object per line, only ever appended to, on disk before the answer leaves.
//!
//! A line holds what the daemon itself made or was configured with (request number, tenant, digests, counts). Nothing that a client chose
//! as text enters it, so no patient's name can.

use crate::storage::disk;
use crate::storage::reserve::Reserve;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use veilray_base::clock;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// The daemon began.
    Start,
    /// The daemon ended.
    Stop,
    /// Tokens and certificate were read again, or refused.
    Reload,
    /// A caller was refused: no valid token, no scope, too many requests, another host's name.
    Denied,
    /// Keys were uploaded, in part or whole.
    KeyUpload,
    /// Keys were deleted by their tenant.
    KeyDelete,
    /// Keys or unfinished uploads were removed because their time was over.
    KeyExpire,
    /// Stored keys were found damaged and removed.
    KeyDamaged,
    /// An image was evaluated, or refused.
    Infer,
    /// A job was accepted.
    JobSubmit,
    /// A job ended.
    JobFinish,
    /// A job was deleted.
    JobDelete,
}

/// One line of the log.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Entry<'a> {
    /// What was done.
    pub(crate) action: Action,
    /// How it ended: `ok`, or an error's code.
    pub(crate) outcome: &'a str,
    /// The request, if it was one.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) request_id: &'a str,
    /// Name of the tenant who did it, if one did.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) tenant: &'a str,
    /// Name of the model it concerned, if one.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) model: &'a str,
    /// Digest of keys, a job's number, or the address of who was refused.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) object: &'a str,
    /// Bytes taken in or given out.
    pub(crate) bytes: u64,
}

impl<'a> Entry<'a> {
    /// A line of an action that ended so; the rest is empty.
    pub(crate) fn new(action: Action, outcome: &'a str) -> Self {
        Self { action, outcome, request_id: "", tenant: "", model: "", object: "", bytes: 0 }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    #[serde(flatten)]
    entry: &'a Entry<'a>,
}

/// The open log.
#[derive(Debug)]
pub(crate) struct Audit {
    file: Mutex<File>,
    reserve: Arc<Reserve>,
}

impl Audit {
    /// Opens the file, or makes it. A line that a crash cut off is ended, so that the next one stands alone. `reserve` is given back
    /// where the disk is full.
    ///
    /// # Errors
    /// As the file system.
    pub(crate) fn open(path: &Path, reserve: Arc<Reserve>) -> io::Result<Self> {
        let mut file = disk::append(path)?;
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                with(&reserve, || append(&mut file, b"\n"))?;
            }
        }
        Ok(Self { file: Mutex::new(file), reserve })
    }

    /// Appends a line; it is on disk when this returns. Blocks.
    ///
    /// # Errors
    /// As the file system: then the action must not be acknowledged.
    pub(crate) fn record(&self, entry: &Entry<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Line { time: clock::text(), entry })?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = with(&self.reserve, || append(&mut file, &line));
        self.reserve.note(written.as_ref().is_err_and(disk::is_full));
        written
    }
}

/// Tries, and on a full disk once more in the room of the reserve.
fn with(reserve: &Reserve, mut run: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    match run() {
        Err(error) if disk::is_full(&error) && reserve.release() => run(),
        outcome => outcome,
    }
}

fn append(file: &mut File, line: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    let written = file.write_all(line).and_then(|()| file.sync_data());
    if written.is_err() {
        // Half a line must not stand in the log.
        let _ = file.set_len(before);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry<'_> =
        Entry { action: Action::Infer, outcome: "ok", request_id: "r", tenant: "a", model: "m", object: "", bytes: 7 };

    #[test]
    fn lines_are_appended_behind_one_that_was_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, "{\"action\":\"st").unwrap();
        for _ in 0..2 {
            let reserve = Arc::new(Reserve::open(folder.path(), 0));
            Audit::open(&path, reserve).unwrap().record(&ENTRY).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        for line in &lines[1..] {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((line["action"].as_str(), line["bytes"].as_u64()), (Some("infer"), Some(7)));
            assert_eq!(line["time"].as_str().unwrap().len(), "2027-01-31T12:00:00.000Z".len());
        }
    }
}
