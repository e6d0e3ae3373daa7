//! Runs a target over bent seeds and measures each input: panic, time, memory.

mod children;
mod report;

pub use children::{Plan, run};
pub use report::{Report, table};

use crate::mutate;
use crate::target::{Kind, Target};
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use veilray_sweep::machine::{forget_peak, peak_allocated_bytes};

/// The most time of processors that an input may take, seconds.
pub const MAX_SECONDS: f64 = 2.0;
/// The most that may be allocated at once for an input, bytes.
pub const MAX_BYTES: usize = 512 << 20;
/// After so long an input counts as one without end, and the process ends.
const HANG: Duration = Duration::from_secs(60);
/// The exit status of such a process.
pub const HUNG: i32 = 86;

thread_local! {
    /// Whether this thread measures an input now, and the panic that it saw.
    static PANIC: RefCell<(bool, Option<String>)> = const { RefCell::new((false, None)) };
}

/// What one input came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Whether it was taken, or in which words it was refused; of a panic, its message and place.
    pub ended: Ended,
    /// Time, seconds: that of the wall, or of the process's processors where this is shorter, as on a machine that has other work.
    pub seconds: f64,
    /// Most bytes that were allocated at once on top of what there was, by every thread of the process.
    pub bytes: usize,
    /// Panics that a reader caught: of a library that it does not trust.
    pub caught: Option<String>,
}

/// How an input ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was taken.
    Taken,
    /// It was refused, in these words.
    Refused(String),
    /// The reader panicked, there and with this message.
    Panicked(String),
}

impl Measured {
    /// Why the input counts as a failure; none if it does not.
    pub fn failure(&self) -> Option<String> {
        if let Ended::Panicked(message) = &self.ended {
            return Some(format!("panic: {message}"));
        }
        if self.seconds > MAX_SECONDS {
            return Some(format!("time: {:.1} s", self.seconds));
        }
        (self.bytes > MAX_BYTES).then(|| format!("memory: {} MB at once", self.bytes >> 20))
    }
}

/// Lets panics of inputs be counted instead of printed: those of the thread that [`measure`]s them.
pub fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let message = format!("{} at {place}", info.payload_as_str().unwrap_or("a panic without words"));
            let kept = PANIC.with_borrow_mut(|(measuring, kept)| {
                *kept = Some(message);
                *measuring
            });
            if !kept {
                before(info);
            }
        }));
    });
}

/// Gives bytes to a target. [`keep_panics`] was called before.
pub fn measure(target: &Target, bytes: &[u8]) -> Measured {
    PANIC.set((true, None));
    forget_peak();
    let (start, busy) = (Instant::now(), processor_seconds());
    // Unwind safe: a target shares nothing that it could leave half changed but files, which the next input replaces.
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (target.run)(bytes)));
    let (wall, bytes) = (start.elapsed().as_secs_f64(), peak_allocated_bytes());
    let busy = processor_seconds().zip(busy).map(|(now, before)| now - before + TICK);
    let seconds = busy.map_or(wall, |busy| busy.min(wall));
    let (_, panic) = PANIC.take();
    let (ended, caught) = match ended {
        Ok(Ok(())) => (Ended::Taken, panic),
        Ok(Err(words)) => (Ended::Refused(words), panic),
        Err(_) => (Ended::Panicked(panic.unwrap_or_else(|| "on another thread".into())), None),
    };
    Measured { ended, seconds, bytes, caught }
}

/// Unit of the kernel's account of processor time, seconds.
const TICK: f64 = 0.01;

/// Time of processors that the process took, in itself and in the kernel, where Linux says: fields 14 and 15 of its `stat`.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field, the program's name, may hold spaces.
    let ticks = stat.rsplit_once(") ")?.1.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Some(ticks.sum::<Result<u64, _>>().ok()? as f64 * TICK)
}

/// Runs the inputs `range` of a target under `seed` over its `seeds`. Inputs that fail are written to `folder`; the number of the input under
/// way stands in its file `NAME.at`, for the case that the process dies of it.
///
/// # Errors
/// A folder that cannot be written to.
pub fn inputs(
    target: &Target,
    seeds: &[Vec<u8>],
    seed: u64,
    range: std::ops::Range<u64>,
    folder: &Path,
) -> std::io::Result<Report> {
    keep_panics();
    std::fs::create_dir_all(folder)?;
    let at = std::fs::File::create(folder.join(format!("{}.at", target.name)))?;
    let begun = Arc::new(AtomicU64::new(0));
    watch(Arc::clone(&begun));
    let start = Instant::now();
    let mut report = Report::new(target.name);
    for index in range {
        let bytes = mutate::input(target, seeds, seed, index);
        write_at(&at, index)?;
        begun.store(start.elapsed().as_secs() + 1, Ordering::Relaxed);
        let measured = measure(target, &bytes);
        begun.store(0, Ordering::Relaxed);
        if let Some(why) = measured.failure() {
            let file = folder.join(format!("{}-{index}.bin", target.name));
            std::fs::write(&file, &bytes)?;
            report.failed(index, &why);
        }
        report.add(index, &measured, target.kind == Kind::Text);
    }
    report.seconds = start.elapsed().as_secs_f64();
    Ok(report)
}

/// Ends the process where an input takes longer than [`HANG`].
fn watch(begun: Arc<AtomicU64>) {
    let start = Instant::now();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let since = begun.load(Ordering::Relaxed);
            if since != 0 && start.elapsed().as_secs() > since + HANG.as_secs() {
                std::process::exit(HUNG);
            }
            if Arc::strong_count(&begun) == 1 {
                return;
            }
        }
    });
}

#[cfg(unix)]
fn write_at(file: &std::fs::File, index: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, &index.to_le_bytes(), 0)
}

#[cfg(not(unix))]
fn write_at(mut file: &std::fs::File, index: u64) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&index.to_le_bytes())
}
