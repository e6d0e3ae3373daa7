//! How much memory reading takes, reserved before it is used.

use super::error::{Error, Result};
use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes for each pixel after decoding: its grey value, and a copy for the resampler.
const PIXEL_BYTES: u64 = 8;

/// Memory that all threads which read images share: whoever would need more than is left waits until another is done.
///
/// A third of it is for the bytes of files, the rest for decoding. A thread takes of the first before it reads a file, and of the second
/// once, when the header has said how much is needed; it never waits for the first while it holds the second. So no two wait for each
/// other, however many there are.
#[derive(Debug)]
pub struct MemoryBudget {
    files: Share,
    decoding: Share,
}

#[derive(Debug)]
struct Share {
    what: &'static str,
    total: u64,
    used: Mutex<u64>,
    freed: Condvar,
}

/// Memory that is given back when this is dropped.
#[derive(Debug)]
#[must_use = "the memory is given back when this is dropped"]
pub struct Reserved<'b> {
    share: &'b Share,
    bytes: u64,
}

impl MemoryBudget {
    /// A budget of `total` bytes.
    pub fn new(total: u64) -> Self {
        let share = |what, total| Share { what, total, used: Mutex::new(0), freed: Condvar::new() };
        let files = total / 3;
        Self {
            files: share("bytes of a file, where memory for all images is short", files),
            decoding: share("bytes of memory to decode the image, where memory for all images is short", total - files),
        }
    }

    /// Waits for the memory of a file's bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more than a third of the budget.
    pub fn reserve_file(&self, bytes: u64) -> Result<Reserved<'_>> {
        self.files.reserve(bytes)
    }

    /// Waits for the memory of a picture's decoding.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more than two thirds of the budget.
    pub(crate) fn reserve_decoding(&self, bytes: u64) -> Result<Reserved<'_>> {
        self.decoding.reserve(bytes)
    }

    /// Bytes that are reserved now.
    pub fn used(&self) -> u64 {
        [&self.files, &self.decoding].map(|share| *share.used.lock().unwrap_or_else(PoisonError::into_inner)).iter().sum()
    }
}

impl Share {
    fn reserve(&self, bytes: u64) -> Result<Reserved<'_>> {
        if bytes > self.total {
            return Err(Error::TooLarge { what: self.what, found: bytes, limit: self.total });
        }
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut used = self.freed.wait_while(used, |used| *used > self.total - bytes).unwrap_or_else(PoisonError::into_inner);
        *used += bytes;
        drop(used);
        Ok(Reserved { share: self, bytes })
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        *self.share.used.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.share.freed.notify_all();
    }
}

/// The memory of one image that is being read.
pub(crate) struct Memory<'b> {
    /// Bytes of the file, which the caller holds.
    file: u64,
    limit: u64,
    budget: Option<&'b MemoryBudget>,
    /// Bytes that were inflated from the file.
    inflated: u64,
    reserved: Option<Reserved<'b>>,
}

impl<'b> Memory<'b> {
    pub(crate) fn new(file: u64, limit: u64, budget: Option<&'b MemoryBudget>) -> Self {
        Self { file, limit, budget, inflated: 0, reserved: None }
    }

    /// Takes what a file needs that is to be inflated to so many bytes, before it is. As a thread must not wait twice, what decoding will need
    /// is taken with it: a picture has no more pixels than bytes, and at most `pixels`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above the limit of one image or of all.
    pub(crate) fn take_inflated(&mut self, bytes: u64, pixels: u64) -> Result<()> {
        self.check(bytes)?;
        let decoding = bytes.min(pixels).saturating_mul(PIXEL_BYTES);
        self.reserved = self.budget.map(|budget| budget.reserve_decoding(bytes.saturating_add(decoding))).transpose()?;
        self.inflated = bytes;
        Ok(())
    }

    /// Takes what decoding needs, before it begins, for a picture of so many pixels. To be called once.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above the limit of one image or of all.
    pub(crate) fn take(&mut self, decoding: u64, pixels: usize) -> Result<()> {
        let bytes = decoding.max(PIXEL_BYTES * pixels as u64);
        self.check(self.inflated.saturating_add(bytes))?;
        if self.inflated == 0 {
            self.reserved = self.budget.map(|budget| budget.reserve_decoding(bytes)).transpose()?;
        }
        Ok(())
    }

    fn check(&self, bytes: u64) -> Result<()> {
        let found = self.file.saturating_add(bytes);
        if found > self.limit {
            return Err(Error::TooLarge { what: "bytes of memory to read the image", found, limit: self.limit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn threads_wait_until_what_they_need_is_free() {
        let budget = MemoryBudget::new(300);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for i in 0..16 {
                let (budget, now, most) = (&budget, &now, &most);
                scope.spawn(move || {
                    for round in 0..50 {
                        let (file, bytes) = (40 + (i + round) % 60, 50 + (7 * i + round) % 150);
                        let file = budget.reserve_file(file).unwrap();
                        let decoding = budget.reserve_decoding(bytes).unwrap();
                        most.fetch_max(now.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(bytes, Ordering::SeqCst);
                        drop((decoding, file));
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 200, "{most:?}");
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_can_never_be_free_is_refused() {
        let budget = MemoryBudget::new(300);
        assert!(matches!(budget.reserve_file(101), Err(Error::TooLarge { found: 101, limit: 100, .. })));
        assert!(matches!(budget.reserve_decoding(201), Err(Error::TooLarge { found: 201, limit: 200, .. })));
        assert_eq!(budget.used(), 0);
    }
}
