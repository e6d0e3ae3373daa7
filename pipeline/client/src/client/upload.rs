//! Evaluation keys to the daemon: tens of megabytes, so an upload that breaks off goes on where it stopped.

use super::remote::{Remote, number};
use crate::client::{Error, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use ureq::SendBody;
use veilray_protocol::headers::{MODEL, UPLOAD_LENGTH, UPLOAD_OFFSET};

/// Times that an upload is taken up again.
const ATTEMPTS: u32 = 8;

/// What an upload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uploaded {
    /// Bytes sent now.
    pub sent: u64,
    /// Whether the daemon had all of it before.
    pub known: bool,
}

impl Remote {
    /// Brings the evaluation keys in `file` to the daemon, from where an earlier upload stopped. `progress` is told how many bytes are there.
    ///
    /// # Errors
    /// As [`Remote::models`]; a file that cannot be read.
    pub(crate) fn upload_keys(&self, file: &Path, sha256: &str, model: &str, progress: &mut dyn FnMut(u64)) -> Result<Uploaded> {
        let total = std::fs::metadata(file).map_err(Error::file("look at", file))?.len();
        let mut sent = 0;
        let mut attempt = 0;
        loop {
            let status = self.key_status(sha256)?;
            if status.as_ref().is_some_and(|status| status.complete) {
                progress(total);
                return Ok(Uploaded { sent, known: sent == 0 });
            }
            let offset = status.map_or(0, |status| status.received).min(total);
            attempt += 1;
            match self.upload_from(file, sha256, model, offset, total, progress, &mut sent) {
                // Only what the server shows to have counts, not that it says so.
                Ok(()) if self.key_status(sha256)?.is_some_and(|status| status.complete) => {
                    return Ok(Uploaded { sent, known: false });
                }
                Ok(()) => {
                    let why = "it took all keys, and does not have them; upload them again, or ask its provider".into();
                    return Err(Error::Reply { what: "answer to the upload", why });
                }
                // What arrived is kept there; ask how much that is and go on.
                Err(Error::Unreachable { .. } | Error::Server { status: 408 | 409 | 429 | 503, .. }) if attempt < ATTEMPTS => {
                    std::thread::sleep(std::time::Duration::from_millis(200 << attempt.min(5)));
                }
                Err(error) => return Err(error),
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one call, private")]
    pub(super) fn upload_from(
        &self,
        file: &Path,
        sha256: &str,
        model: &str,
        offset: u64,
        total: u64,
        progress: &mut dyn FnMut(u64),
        sent: &mut u64,
    ) -> Result<()> {
        let mut source = File::open(file).map_err(Error::file("read", file))?;
        source.seek(SeekFrom::Start(offset)).map_err(Error::file("read", file))?;
        let mut body = Counted { inner: source.take(total - offset), at: offset, progress };
        let request = self.agent.put(format!("{}/v1/keys/{sha256}", self.base));
        let request = self.authorised(request).header(UPLOAD_OFFSET, offset.to_string()).header(UPLOAD_LENGTH, total.to_string());
        let request = request.header(MODEL, model).header("content-length", (total - offset).to_string());
        let request = request.content_type("application/octet-stream").config();
        let request = request.timeout_send_body(Some(self.waits.body_of(total - offset))).build();
        let result = request.send(SendBody::from_reader(&mut body));
        *sent += body.at - offset;
        let response = self.answer(result)?;
        // An answer to half an upload says how much is there.
        match number(&response, UPLOAD_OFFSET) {
            Some(have) if have < total => {
                Err(Error::Unreachable { address: self.base.clone(), why: "the upload broke off".into() })
            }
            _ => Ok(()),
        }
    }
}

/// A reader that tells how far it is.
struct Counted<'p, R> {
    inner: R,
    at: u64,
    progress: &'p mut dyn FnMut(u64),
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.at += read as u64;
        (self.progress)(self.at);
        Ok(read)
    }
}
