//! Many images at once: while the server works on one, the next are read, compressed, encrypted and sent.
//!
//! ```text
//!   paths ─► prepare (1…n threads) ─► queue ─► send, await, decrypt (1…n threads) ─► rows in the order of the paths
//! ```
//!
//! What concerns one image becomes its row. What concerns them all (no such keys, no server) ends the run; rows before it are kept.

use super::images::Entry;
use super::remote::{Answer, Remote};
use super::row::{Row, Status};
use super::session::Session;
use super::{Error, Result, findings::Finding, images};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use veilray_base::digest::sha256_hex;
use veilray_imaging::ingest::MemoryBudget;
use veilray_protocol::messages::InferParameters;

/// How much at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Concurrency {
    /// Images being prepared.
    pub prepare: usize,
    /// Requests in flight.
    pub requests: usize,
    /// Bytes of memory that all images have while they are read: a third for their files, the rest to decode them.
    pub image_memory: u64,
}

/// The default of [`Concurrency::image_memory`], 1 GiB: of a file and of a decoded image there is always room for the largest that one
/// image alone is allowed.
const IMAGE_MEMORY: u64 = 1 << 30;

impl Default for Concurrency {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { prepare: (cores / 2).clamp(1, 4), requests: 3, image_memory: IMAGE_MEMORY }
    }
}

/// What happened to one image.
#[derive(Debug)]
pub(crate) enum Event {
    /// It was answered, refused or failed in this run; the row says which.
    Row(Box<Row>),
    /// It was answered in an earlier run.
    Completed,
    /// A reply to it was refused in an earlier run, and the results say so.
    Withheld,
    /// It is not read; the row says why.
    LeftOut(Box<Row>),
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub(crate) struct Summary {
    /// Images with findings.
    pub answered: usize,
    /// Refused as no chest X-ray that the model can judge.
    pub refused: usize,
    /// Images to which a reply was refused, now or earlier.
    pub reply_refused: usize,
    /// Not read, or not evaluated.
    pub failed: usize,
    /// Images that the results file answers from an earlier run.
    pub answered_before: usize,
    /// Time on the server's side without queueing, ms, summed.
    pub server_ms: f64,
    /// The whole run, ms.
    pub wall_ms: f64,
    /// Ciphertext bytes sent.
    pub sent: usize,
    /// Bytes of encrypted logits received.
    pub received: usize,
}

struct Ready {
    index: usize,
    path: String,
    sha256: String,
    warnings: Vec<String>,
    ciphertexts: Vec<Vec<u8>>,
}

struct Done {
    index: usize,
    result: Result<Event>,
    answer: Option<Answer>,
}

/// Whom to ask with which keys, and how much at once.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'s> {
    /// The keys and the encoder.
    pub session: &'s Session,
    /// The server that is asked.
    pub remote: &'s Remote,
    /// How much at once.
    pub concurrency: Concurrency,
}

/// What path and file digest came to before, if they are done.
pub(crate) type IsDone<'f> = &'f (dyn Fn(&str, &str) -> Option<Event> + Sync);
/// Called with an image's index among the paths and what the user should know before it is sent.
pub(crate) type Warn<'f> = &'f (dyn Fn(usize, &str) + Sync);

impl Batch<'_> {
    /// Classifies those of `entries` that are images; `emit` gets what is ready, and the rows of the others, in their order.
    ///
    /// # Errors
    /// What concerns all images, and what `emit` answers.
    pub(crate) fn run(
        &self,
        entries: &[Entry],
        is_done: IsDone<'_>,
        warn: Warn<'_>,
        emit: &mut dyn FnMut(Vec<Event>) -> Result<()>,
    ) -> Result<Summary> {
        let start = std::time::Instant::now();
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (to_send, queue) = sync_channel::<Ready>(self.concurrency.requests.max(1));
        let queue = Mutex::new(queue);
        let budget = MemoryBudget::new(self.concurrency.image_memory);
        let (report, done) = channel::<Done>();
        let mut summary = Summary::default();
        std::thread::scope(|scope| {
            for _ in 0..self.concurrency.prepare.max(1) {
                let (to_send, report, next, stop, budget) = (to_send.clone(), report.clone(), &next, &stop, &budget);
                scope.spawn(move || {
                    while let Some((index, entry)) = take(entries, next, stop) {
                        match self.prepare(index, entry, budget, is_done, warn) {
                            // It is refused only if the run has ended.
                            Ok(ready) => drop(to_send.send(ready)),
                            Err(result) => drop(report.send(Done { index, result: *result, answer: None })),
                        }
                    }
                });
            }
            for _ in 0..self.concurrency.requests.max(1) {
                let (queue, report, stop) = (&queue, report.clone(), &stop);
                scope.spawn(move || {
                    while let Some(ready) = received(queue) {
                        // The queue is emptied even then: who fills it must not wait for ever.
                        if !stop.load(Ordering::Relaxed) {
                            let _ = report.send(self.ask(ready));
                        }
                    }
                });
            }
            drop((to_send, report));
            let collected = collect(&done, &stop, &mut summary, emit);
            stop.store(true, Ordering::Relaxed);
            collected
        })?;
        summary.wall_ms = start.elapsed().as_secs_f64() * 1e3;
        Ok(summary)
    }

    /// An image that is ready to be sent, or what became of it before.
    fn prepare(
        &self,
        index: usize,
        entry: &Entry,
        budget: &MemoryBudget,
        is_done: IsDone<'_>,
        warn: Warn<'_>,
    ) -> Result<Ready, Box<Result<Event>>> {
        let (path, session): (&Path, _) = (&entry.path, self.session);
        let name = path.to_string_lossy().into_owned();
        let interface = session.keys().interface();
        if let Some(why) = &entry.left_out {
            return Err(Box::new(Ok(Event::LeftOut(Box::new(Row::left_out(name, interface, why))))));
        }
        let without = |sha256: &str, error: Error| {
            let row = |error: &Error| Event::Row(Box::new(Row::without(name.clone(), sha256.into(), interface, error)));
            Box::new(if concerns_all(&error) { Err(error) } else { Ok(row(&error)) })
        };
        // Held until the image is compressed: neither files nor pixels pile up, however many threads there are.
        let limit = session.settings().limits.file_bytes;
        let (file, held) = images::read_within(path, limit, budget).map_err(|error| without("", error))?;
        let sha256 = sha256_hex(&file);
        if let Some(event) = is_done(&name, &sha256) {
            return Err(Box::new(Ok(event)));
        }
        session.expect_sendable(Some(&sha256)).map_err(|error| without(&sha256, error))?;
        let compressed = session.compress_within(&file, budget).map_err(|error| without(&sha256, error))?;
        drop((file, held));
        compressed.cautions.iter().for_each(|warning| warn(index, warning));
        let ciphertexts = session.encrypt(&compressed.latent).map_err(|error| without(&sha256, error))?;
        Ok(Ready { index, path: name, sha256, warnings: compressed.warnings, ciphertexts })
    }

    fn ask(&self, ready: Ready) -> Done {
        let Ready { index, path, sha256, warnings, ciphertexts } = ready;
        let interface = self.session.keys().interface();
        let (result, answer) = match self.classify_one(&ciphertexts, Some(&sha256)) {
            Ok((labels, answer)) => {
                let row = Row { path, sha256, warnings, labels, status: Status::Answered, ..Row::blank(interface) };
                (Ok(row), Some(answer))
            }
            Err(error) if concerns_all(&error) => (Err(error), None),
            Err(error) => (Ok(Row { warnings, ..Row::without(path, sha256, interface, &error) }), None),
        };
        Done { index, result: result.map(|row| Event::Row(Box::new(row))), answer }
    }

    /// Sends the ciphertexts of an image file of that digest and reads the answer.
    ///
    /// # Errors
    /// The server's, a reply that is not believed, what [`Session::expect_sendable`] refuses.
    pub(crate) fn classify_one(&self, ciphertexts: &[Vec<u8>], image_sha256: Option<&str>) -> Result<(Vec<Finding>, Answer)> {
        let answer = self.reply(ciphertexts, image_sha256)?;
        Ok((self.session.findings(&answer.logits, image_sha256)?, answer))
    }

    /// Sends the ciphertexts of an image file of that digest and takes the answer as it is.
    ///
    /// # Errors
    /// The server's, what [`Session::expect_sendable`] refuses.
    pub(crate) fn reply(&self, ciphertexts: &[Vec<u8>], image_sha256: Option<&str>) -> Result<Answer> {
        self.session.expect_sendable(image_sha256)?;
        let record = self.session.keys().record();
        let parameters =
            InferParameters { keys: record.evaluation_keys_sha256.clone(), manifest: record.manifest_sha256.clone() };
        self.remote.infer(&record.model, &parameters, ciphertexts, self.session.largest_reply()?)
    }
}

fn take<'e>(entries: &'e [Entry], next: &AtomicUsize, stop: &AtomicBool) -> Option<(usize, &'e Entry)> {
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    let index = next.fetch_add(1, Ordering::Relaxed);
    entries.get(index).map(|entry| (index, entry))
}

/// The next image to send; the lock is held while waiting for one, which no other waiter minds.
fn received(queue: &Mutex<Receiver<Ready>>) -> Option<Ready> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Whether the next image would meet the same error.
fn concerns_all(error: &Error) -> bool {
    match error {
        // A fault of the daemon may be this request's alone.
        Error::Server { status, .. } => *status != 500,
        Error::Unreachable { .. } | Error::Certificate { .. } | Error::Usage(_) | Error::ServerUrl(_) => true,
        Error::Blocked { .. } => true,
        _ => false,
    }
}

/// Takes results as they come and hands them on in order.
fn collect(
    done: &Receiver<Done>,
    stop: &AtomicBool,
    summary: &mut Summary,
    emit: &mut dyn FnMut(Vec<Event>) -> Result<()>,
) -> Result<()> {
    let (mut waiting, mut next) = (BTreeMap::new(), 0);
    let mut fatal = None;
    while let Ok(first) = done.recv() {
        for Done { index, result, answer } in std::iter::once(first).chain(done.try_iter()) {
            if let Some(answer) = answer {
                summary.server_ms += answer.times.server_ms;
                summary.sent += answer.sent;
                summary.received += answer.received;
            }
            match result {
                Ok(event) => drop(waiting.insert(index, event)),
                Err(error) => fatal = fatal.or(Some(error)),
            }
        }
        let mut ready = Vec::new();
        while let Some(event) = waiting.remove(&next) {
            ready.push(event);
            next += 1;
        }
        if fatal.is_some() {
            // What was answered behind the image that failed, or is in flight, is an answer all the same.
            stop.store(true, Ordering::Relaxed);
            ready.extend(std::mem::take(&mut waiting).into_values());
        }
        for event in &ready {
            summary.count(event);
        }
        if !ready.is_empty() {
            emit(ready)?;
        }
    }
    fatal.map_or(Ok(()), Err)
}

impl Summary {
    fn count(&mut self, event: &Event) {
        match event {
            Event::Completed => self.answered_before += 1,
            // Counted where they were found.
            Event::LeftOut(_) => {}
            Event::Withheld => self.reply_refused += 1,
            Event::Row(row) => match row.status {
                Status::Answered => self.answered += 1,
                Status::Refused => self.refused += 1,
                Status::Failed | Status::Skipped => self.failed += 1,
                Status::ReplyRefused => self.reply_refused += 1,
            },
        }
    }
}
